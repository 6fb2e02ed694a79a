/* backup: the steps of a copy and of a restore. */
#include "service/backup.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/file.h"
#include "base/remedy.h"
#include "base/settings.h"
#include "service/app.h"
#include "service/owner.h"
#include "service/rekey_lease.h"
#include "store/sqlite/file.h"
#include "store/store.h"

enum {
	NAME_MAX_BYTES = CONFIG_PATH_MAX + 64,
	QUIET_MS = 2000, /* a faster copy shows no progress */
	TELL_MS = 1000,
};

static bool
backup_failed(char why[CONFIG_WHY_MAX], const char *what, const char *path)
{
	(void)snprintf(why, CONFIG_WHY_MAX, "%s %s: %s", what, path, remedy_text(errno));
	return false;
}

struct watch {
	const struct backup *backup;
	int64_t began_ms, told_ms;
};

/* Called while a copy is written, or, with done -1, while one is checked. */
static bool
go_on(void *arg, int64_t done, int64_t all)
{
	struct watch *w = arg;
	int64_t now = clock_ms();

	if (w->backup->progress != NULL && now - w->began_ms >= QUIET_MS &&
	    now - w->told_ms >= TELL_MS) {
		w->told_ms = now;
		if (done < 0)
			(void)fprintf(w->backup->progress, "regcred: checking for %" PRId64 " s\n",
				      (now - w->began_ms) / 1000);
		else
			(void)fprintf(w->backup->progress,
				      "regcred: %" PRId64 " of about %" PRId64 " bytes copied\n",
				      done, all);
		(void)fflush(w->backup->progress);
	}
	return w->backup->stop == NULL || *w->backup->stop == 0;
}

static bool
backup_copy(const struct backup *b, const char *from, const char *to, char why[CONFIG_WHY_MAX])
{
	struct watch w = {.backup = b, .began_ms = clock_ms()};

	return file_copy(from, to, go_on, &w, why);
}

static bool
backup_verify(const struct backup *b, const char *path, struct file_facts *facts,
	      char why[CONFIG_WHY_MAX])
{
	struct watch w = {.backup = b, .began_ms = clock_ms()};

	return file_verify(path, go_on, &w, facts, why);
}

/* Creates an empty file of mode 0600 with a unique name next to `path`; -1 with a sentence in why.
 */
static int
make_temporary(const char *path, char out[NAME_MAX_BYTES], char why[CONFIG_WHY_MAX])
{
	(void)snprintf(out, NAME_MAX_BYTES, "%s.XXXXXX", path);
	int fd = mkostemp(out, O_CLOEXEC);

	if (fd < 0)
		(void)backup_failed(why, "cannot write next to", path);
	return fd;
}

static bool
copies_files(const struct backup *b, char why[CONFIG_WHY_MAX])
{
	bool file = store_is_file(b->settings->database);

	if (!file)
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "the database is on a PostgreSQL server: use its own tools, such as "
			       "pg_dump or a base backup, and keep a copy of the key file as well "
			       "(docs/several-hosts.md)");
	return file;
}

/* Making */

/* Suffixes of the files that belong to a database; the lock is last. */
static const char *const beside[] = {"", "-wal", "-shm", "-journal", ".lock"};
enum { BESIDE = sizeof(beside) / sizeof(*beside) };

static void
name_beside(char out[NAME_MAX_BYTES + 16], const char *path, size_t i)
{
	(void)snprintf(out, NAME_MAX_BYTES + 16, "%s%s", path, beside[i]);
}

/* Removes a new database that was not renamed, and its journal files. */
static void
clear(const char *temporary)
{
	char path[NAME_MAX_BYTES + 16];

	for (size_t i = 0; i < BESIDE; i++) {
		name_beside(path, temporary, i);
		(void)unlink(path);
	}
}

/* A copy must not get the name of another database's log or lock, nor stand next to one that is
 * left, which SQLite would take for its own. True with the other file's name. */
static bool
belongs_to_another(const char *file, char other[NAME_MAX_BYTES + 16])
{
	size_t len = strlen(file);

	for (size_t i = 1; i < BESIDE; i++) {
		size_t end = strlen(beside[i]);

		name_beside(other, file, i);
		if (access(other, F_OK) == 0)
			return true;
		(void)snprintf(other, NAME_MAX_BYTES + 16, "%.*s", (int)(len - end), file);
		if (len > end && strcmp(file + len - end, beside[i]) == 0 &&
		    access(other, F_OK) == 0)
			return true;
	}
	return false;
}

static bool
same_file(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* Whether it has the name of a lock, or of a file that a start of the pool would empty or replace.
 */
static bool
is_of_service(const struct settings *s, const char *file)
{
	static const char lock[] = ".lock", pool[] = "regcredd.";
	char directory[DISK_PATH_MAX];
	const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;
	size_t len = strlen(name);

	if (len >= strlen(lock) && strcmp(name + len - strlen(lock), lock) == 0)
		return true;
	disk_directory_of(file, directory);
	return strncmp(name, pool, strlen(pool)) == 0 && same_file(directory, s->state_dir);
}

/* For files that cannot be read or written as the owner of the database. */
static bool
copy_bytes(int from, int to)
{
	char bytes[64 * 1024];
	ssize_t n;

	while ((n = read(from, bytes, sizeof(bytes))) > 0)
		for (ssize_t at = 0, put; at < n; at += put)
			if ((put = write(to, bytes + at, (size_t)(n - at))) <= 0)
				return false;
	return n == 0 && fsync(to) == 0;
}

/* Only an empty file, or what looks like an earlier copy of the caller's own, may be replaced, so
 * that a mistake cannot overwrite something like the key file. */
static bool
is_replaceable(const char *path)
{
	static const char magic[] = "SQLite format 3", ours[] = "rcrd";
	enum { ID_AT = 68 }; /* of the application, in the header of a database */
	char head[ID_AT + sizeof(ours) - 1];
	struct stat st;
	int fd = file_open(path, &st);

	if (fd < 0)
		return errno == ENOENT;
	ssize_t n = read(fd, head, sizeof(head));
	(void)close(fd);
	return st.st_uid == geteuid() &&
	       (n == 0 || (n == (ssize_t)sizeof(head) && memcmp(head, magic, sizeof(magic)) == 0 &&
			   memcmp(head + ID_AT, ours, sizeof(ours) - 1) == 0));
}

/* Gives the copy its final name; without force only if the name is free. */
static bool
put_in_place(const struct backup *b, const char *from, char why[CONFIG_WHY_MAX])
{
	unsigned flags = b->force ? 0 : RENAME_NOREPLACE;
	int rc = renameat2(AT_FDCWD, from, AT_FDCWD, b->file, flags);

	if (rc != 0 && errno == EINVAL && access(b->file, F_OK) != 0)
		rc = rename(from, b->file); /* the file system does not support that atomically */
	if (rc != 0)
		return backup_failed(why, "cannot create", b->file);
	if (disk_sync_directory(b->file))
		return true;
	(void)snprintf(
		why, CONFIG_WHY_MAX,
		"%s was made, but its name cannot be flushed to the disk (%s): a power cut may "
		"take it away",
		b->file, strerror(errno));
	return false;
}

/* Makes a complete copy with that name, flushed to disk. */
static bool
make(const struct backup *b, const char *temporary, struct file_facts *facts,
     char why[CONFIG_WHY_MAX])
{
	int64_t before = 0;

	if (!file_ids(b->settings->database, &before, why) ||
	    !backup_copy(b, b->settings->database, temporary, why) ||
	    !backup_verify(b, temporary, facts, why))
		return false;
	if (facts->ids < before) {
		(void)snprintf(why, CONFIG_WHY_MAX, "the copy lacks rows of %s",
			       b->settings->database);
		return false;
	}
	return disk_sync(temporary) ? true : backup_failed(why, "cannot flush", temporary);
}

/* Root reads the database as its owner, into a copy next to it, and writes as root what is open
 * already: the name may lead elsewhere by now, if the directory is another user's. */
static bool
make_as_owner(const struct backup *b, int to, struct file_facts *facts, char why[CONFIG_WHY_MAX])
{
	char own[NAME_MAX_BYTES];
	bool done = owner_become(b->settings, false, why);
	int from = -1, copy = done ? make_temporary(b->settings->database, own, why) : -1;

	if (copy >= 0) {
		done = make(b, own, facts, why);
		if (done && ((from = file_open(own, NULL)) < 0 || !copy_bytes(from, to)))
			done = backup_failed(why, "cannot write", b->file);
		clear(own);
		(void)close(copy);
	}
	owner_leave();
	if (from >= 0)
		(void)close(from);
	return done && copy >= 0;
}

bool
backup_make(const struct backup *b, char why[CONFIG_WHY_MAX])
{
	char temporary[NAME_MAX_BYTES], other[NAME_MAX_BYTES + 16];
	struct file_facts facts;

	if (strcmp(b->file, "-") == 0) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "a backup is a file, which is checked when it is made: name one");
		return false;
	}
	if (!copies_files(b, why))
		return false;
	if (!b->force && access(b->file, F_OK) == 0) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%s already exists: --force replaces it",
			       b->file);
		return false;
	}
	if (same_file(b->file, b->settings->database)) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%s is the database itself", b->file);
		return false;
	}
	if (is_of_service(b->settings, b->file)) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "%s has the name of a lock, or of a file of regcredd: name another "
			       "file",
			       b->file);
		return false;
	}
	if (belongs_to_another(b->file, other)) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "%s would be next to %s, as one database: name another file",
			       b->file, other);
		return false;
	}
	if (!is_replaceable(b->file)) {
		(void)snprintf(
			why, CONFIG_WHY_MAX,
			"%s is not a backup of yours and will not be replaced: remove it first",
			b->file);
		return false;
	}
	int to = make_temporary(b->file, temporary, why);
	if (to < 0)
		return false;
	bool done = geteuid() == 0 ? make_as_owner(b, to, &facts, why)
				   : make(b, temporary, &facts, why);
	(void)close(to);
	if (!done || !put_in_place(b, temporary, why)) {
		clear(temporary);
		return false;
	}
	(void)fprintf(
		b->out,
		"made %s: %" PRId64 " bytes, %" PRId64 " rows, whole\n"
		"Secrets in it are sealed with the key id%s %s of %s, which is not in it: keep "
		"a copy of that file too, in another place.\n",
		b->file, facts.bytes, facts.rows, strchr(facts.keys, ',') != NULL ? "s" : "",
		facts.keys, b->settings->key_file);
	return true;
}

/* Restoring */

/* Takes a lock that must be free; returns its descriptor, or -1 with a sentence in why. */
static int
backup_take(const struct settings *s, const char *path, const char *who, char why[CONFIG_WHY_MAX])
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0) {
		(void)backup_failed(why, "cannot open", path);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	(void)close(fd);
	(void)snprintf(why, CONFIG_WHY_MAX,
		       "%s is using the database %s: stop it, or wait until it ends", who,
		       s->database);
	return -1;
}

/* What becomes valid again, for the audit log and the caller. */
struct revived {
	const struct backup *backup;
	size_t keys, logins;
	bool compared;
};

static void
tell_revived(void *arg, const char *kind, int64_t id)
{
	enum { TOLD_MAX = 20 };
	struct revived *r = arg;
	bool key = kind != NULL && strcmp(kind, "registryCredential") != 0;
	size_t *count = key ? &r->keys : &r->logins;

	if (++*count <= TOLD_MAX)
		(void)fprintf(r->backup->out, "valid again: %s 1c%" PRId64 "\n",
			      key ? "key" : "login", id);
}

/* Prepares the new database under a temporary name: checked against the key, migrated, flushed to
 * disk. */
static bool
backup_prepare(const struct backup *b, const char *source, const char *temporary,
	       char why[CONFIG_WHY_MAX])
{
	struct settings *fresh = malloc(sizeof(*fresh));
	struct revived revived = {.backup = b};
	struct file_facts facts;

	if (fresh == NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "out of memory");
		return false;
	}
	*fresh = *b->settings;
	if (strlen(temporary) >= sizeof(fresh->database)) {
		(void)snprintf(why, CONFIG_WHY_MAX, "the path of the database is too long");
		free(fresh);
		return false;
	}
	memcpy(fresh->database, temporary, strlen(temporary) + 1);
	bool done = backup_copy(b, source, temporary, why) &&
		    file_raise_ids(temporary, b->settings->database, why) &&
		    app_prepare(fresh, PREPARE_RESTORE, why);
	if (done)
		revived.compared =
			file_revived(temporary, b->settings->database, tell_revived, &revived);
	done = done && app_note_restore(fresh, revived.keys, revived.logins, why) &&
	       backup_verify(b, temporary, &facts, why);
	if (done && !disk_sync(temporary))
		done = backup_failed(why, "cannot flush", temporary);
	if (done && revived.compared)
		(void)fprintf(
			b->out,
			"%zu keys and %zu logins that were no longer valid are valid again: see "
			"the audit log\n",
			revived.keys, revived.logins);
	free(fresh);
	return done;
}

/* Links a damaged database and its log to their new names as well; then removes the old names, the
 * database before its log, so that the database never exists without its log. False: nothing has
 * changed. */
static bool
set_aside(const char *database, const char *aside, char why[CONFIG_WHY_MAX])
{
	char from[NAME_MAX_BYTES + 16], to[NAME_MAX_BYTES + 16];

	for (size_t i = 0; i < BESIDE - 1; i++) {
		name_beside(from, database, i);
		name_beside(to, aside, i);
		if (link(from, to) == 0 || errno == ENOENT)
			continue;
		(void)backup_failed(why, "cannot set aside", from);
		for (size_t j = 0; j < i; j++) {
			name_beside(to, aside, j);
			(void)unlink(to);
		}
		return false;
	}
	if (!disk_sync_directory(database))
		return backup_failed(why, "cannot flush", database);
	for (size_t i = 0; i < BESIDE - 1; i++) {
		name_beside(from, database, i);
		if (unlink(from) != 0 && errno != ENOENT)
			return backup_failed(why, "cannot remove", from);
	}
	return disk_sync_directory(database) ? true : backup_failed(why, "cannot flush", database);
}

static bool
put_back(const char *database, const char *aside)
{
	char from[NAME_MAX_BYTES + 16], to[NAME_MAX_BYTES + 16];

	for (size_t i = BESIDE - 1; i-- > 0;) {
		name_beside(from, aside, i);
		name_beside(to, database, i);
		if (link(from, to) != 0 && errno != ENOENT && errno != EEXIST)
			return false;
	}
	return true;
}

/* For a checkpointed database: links it to a second name, then renames the new one over it. */
static bool
exchange(const char *database, const char *temporary, const char *aside, char why[CONFIG_WHY_MAX])
{
	if (link(database, aside) == 0) {
		if (disk_sync_directory(database) && rename(temporary, database) == 0)
			return true;
		(void)backup_failed(why, "cannot replace", database);
		(void)unlink(aside);
		return false;
	}
	/* On a file system without hard links both swap names in one step. */
	if (renameat2(AT_FDCWD, temporary, AT_FDCWD, database, RENAME_EXCHANGE) != 0)
		return backup_failed(why, "cannot replace", database);
	return rename(temporary, aside) == 0 ? true : backup_failed(why, "cannot create", aside);
}

static bool
backup_replace(const struct backup *b, const char *temporary, char why[CONFIG_WHY_MAX])
{
	const char *database = b->settings->database;
	char aside[NAME_MAX_BYTES], date[32], reason[CONFIG_WHY_MAX];
	time_t now = time(NULL);
	struct tm tm;

	(void)strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	(void)snprintf(aside, sizeof(aside), "%s.old-%s", database, date);
	for (int i = 2; access(aside, F_OK) == 0; i++)
		(void)snprintf(aside, sizeof(aside), "%s.old-%s-%d", database, date, i);
	bool old = access(database, F_OK) == 0, done;
	enum store_rc folded = old ? file_checkpoint(database, reason) : STORE_NONE;
	if (folded == STORE_BUSY || folded == STORE_FAILED) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%.*s; nothing was changed: %s",
			       CONFIG_WHY_MAX / 2, reason,
			       folded == STORE_BUSY
				       ? "something is using the database: stop it first"
				       : "fix that, or move the old database away");
		return false;
	}
	if (folded == STORE_OK) {
		done = exchange(database, temporary, aside, why);
	} else {
		done = set_aside(database, aside, why);
		if (done && rename(temporary, database) != 0)
			done = backup_failed(why, "cannot replace", database);
		if (!done && !put_back(database, aside))
			(void)fprintf(b->progress, "regcred: the old database is %s\n", aside);
	}
	if (!done)
		return false;
	bool flushed = disk_sync_directory(database);
	if (!flushed)
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "%s was restored, but its name cannot be flushed to the disk (%s): "
			       "after a power cut it may be the old one",
			       database, strerror(errno));
	else
		(void)fprintf(b->out, "restored %s from %s\n", database, b->file);
	if (old)
		(void)fprintf(b->out, "the old database is %s\n", aside);
	return flushed;
}

/* The backup as a file that the owner of the database can read: itself, or a copy if run by root.
 */
static bool
read_as_owner(const struct backup *b, int from, const char *copy, char why[CONFIG_WHY_MAX])
{
	char log[NAME_MAX_BYTES];
	struct stat st;

	(void)snprintf(log, sizeof(log), "%s-wal", b->file);
	if (stat(log, &st) == 0 && st.st_size > 0) {
		(void)snprintf(
			why, CONFIG_WHY_MAX,
			"%s is next to the backup: copy a database with `regcred backup`, or "
			"restore as the user that owns %s",
			log, b->settings->state_dir);
		return false;
	}
	int to = open(copy, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	bool done = to >= 0 && copy_bytes(from, to);
	if (!done)
		(void)backup_failed(why, "cannot write", copy);
	if (to >= 0)
		(void)close(to);
	return done;
}

static bool
restore(const struct backup *b, int from, char why[CONFIG_WHY_MAX])
{
	char temporary[NAME_MAX_BYTES], copy[NAME_MAX_BYTES], reason[CONFIG_WHY_MAX];
	char holder[REKEY_HOLDER_SIZE];
	const char *source = owner_is_borrowed() ? copy : b->file;
	struct file_facts facts = {0};

	if (access(b->settings->database, F_OK) == 0 &&
	    rekey_lease_runs(b->settings->database, holder)) {
		(void)snprintf(
			why, CONFIG_WHY_MAX,
			"a `regcred rekey` is working on the database (%.200s): wait until it ends",
			holder);
		return false;
	}
	(void)snprintf(temporary, sizeof(temporary), "%s.restoring", b->settings->database);
	(void)snprintf(copy, sizeof(copy), "%s.restore-copy", b->settings->database);
	clear(temporary); /* left by an interrupted restore */
	clear(copy);
	bool read = (source == b->file || read_as_owner(b, from, copy, why)) &&
		    backup_verify(b, source, &facts, why);
	bool done = read && backup_prepare(b, source, temporary, reason);
	if (read && !done)
		(void)snprintf(
			why, CONFIG_WHY_MAX,
			"%.*s; nothing was changed (the backup was made with the key ids %s)",
			CONFIG_WHY_MAX / 2, reason, facts.keys);
	done = done && backup_replace(b, temporary, why);
	clear(temporary);
	clear(copy);
	return done;
}

/* Called with the pool's lock and the writers' lock held. */
static bool
restore_alone(const struct backup *b, int from, char why[CONFIG_WHY_MAX])
{
	char path[NAME_MAX_BYTES];
	bool done = false;

	(void)snprintf(path, sizeof(path), "%s/regcredd.lock", b->settings->state_dir);
	int pool = backup_take(b->settings, path, "regcredd, or another restore,", why);
	if (pool < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s.lock", b->settings->database);
	int writers = backup_take(b->settings, path, "a CGI or a command", why);
	if (writers >= 0) {
		done = restore(b, from, why);
		(void)close(writers);
	}
	(void)close(pool);
	return done;
}

bool
backup_restore(const struct backup *b, char why[CONFIG_WHY_MAX])
{
	if (!copies_files(b, why))
		return false;
	if (same_file(b->file, b->settings->database)) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%s is the database itself", b->file);
		return false;
	}
	/* Opened before any lock is taken, and with root's own rights if run by root. */
	int from = file_open(b->file, NULL);
	if (from < 0)
		return backup_failed(why, errno == EINVAL ? "not a file:" : "cannot read", b->file);
	bool done = owner_become(b->settings, false, why) && restore_alone(b, from, why);
	owner_leave();
	(void)close(from);
	return done;
}
