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
#include "base/settings.h"
#include "service/app.h"
#include "store/store.h"

enum {
	NAME_MAX_BYTES = CONFIG_PATH_MAX + 64,
	QUIET_MS = 2000, /* a copy that is faster shows no progress */
	TELL_MS = 1000,
};

static bool
backup_failed(char why[CONFIG_WHY_MAX], const char *what, const char *path)
{
	(void)snprintf(why, CONFIG_WHY_MAX, "%s %s: %s", what, path, strerror(errno));
	return false;
}

struct watch {
	const struct backup *backup;
	int64_t began_ms, told_ms;
};

/* Called while a copy is written, or, with -1 for what is done, while one is checked. */
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

	return store_copy(from, to, go_on, &w, why);
}

static bool
backup_verify(const struct backup *b, const char *path, struct store_facts *facts,
	      char why[CONFIG_WHY_MAX])
{
	struct watch w = {.backup = b, .began_ms = clock_ms()};

	return store_verify(path, go_on, &w, facts, why);
}

/* An empty file of mode 0600 with a name of its own beside `path`. */
static bool
make_temporary(const char *path, char out[NAME_MAX_BYTES], char why[CONFIG_WHY_MAX])
{
	(void)snprintf(out, NAME_MAX_BYTES, "%s.XXXXXX", path);
	int fd = mkostemp(out, O_CLOEXEC);

	if (fd < 0)
		return backup_failed(why, "cannot write beside", path);
	(void)close(fd);
	return true;
}

/* Making */

static bool
same_file(const char *a, const char *b)
{
	struct stat one, other;

	return stat(a, &one) == 0 && stat(b, &other) == 0 && one.st_dev == other.st_dev &&
	       one.st_ino == other.st_ino;
}

/* Only what looks like an earlier copy, or is empty, is replaced: the key file, for one, could not
 * be made again. */
static bool
is_replaceable(const char *path)
{
	static const char magic[] = "SQLite format 3";
	char head[sizeof(magic)];
	int fd = file_open(path, NULL);

	if (fd < 0)
		return errno == ENOENT;
	ssize_t n = read(fd, head, sizeof(head));
	(void)close(fd);
	return n == 0 || (n == (ssize_t)sizeof(head) && memcmp(head, magic, sizeof(head)) == 0);
}

/* The copy takes its name; without force only if nothing else has it. */
static bool
put_in_place(const struct backup *b, const char *from, char why[CONFIG_WHY_MAX])
{
	unsigned flags = b->force ? 0 : RENAME_NOREPLACE;
	int rc = renameat2(AT_FDCWD, from, AT_FDCWD, b->file, flags);

	if (rc != 0 && errno == EINVAL && access(b->file, F_OK) != 0)
		rc = rename(from, b->file); /* a file system that cannot tell in one step */
	if (rc != 0)
		return backup_failed(why, "cannot make", b->file);
	return disk_sync_directory(b->file) ? true : backup_failed(why, "cannot flush", b->file);
}

static bool
make(const struct backup *b, const char *temporary, struct store_facts *facts,
     char why[CONFIG_WHY_MAX])
{
	int64_t before = 0;

	if (!store_ids(b->settings->database, &before, why) ||
	    !backup_copy(b, b->settings->database, temporary, why) ||
	    !backup_verify(b, temporary, facts, why))
		return false;
	if (facts->ids < before) {
		(void)snprintf(why, CONFIG_WHY_MAX, "the copy lacks rows of %s",
			       b->settings->database);
		return false;
	}
	if (!disk_sync(temporary))
		return backup_failed(why, "cannot flush", temporary);
	return put_in_place(b, temporary, why);
}

bool
backup_make(const struct backup *b, char why[CONFIG_WHY_MAX])
{
	char temporary[NAME_MAX_BYTES];
	struct store_facts facts;

	if (!b->force && access(b->file, F_OK) == 0) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%s is there: --force replaces it", b->file);
		return false;
	}
	if (same_file(b->file, b->settings->database)) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%s is the database itself", b->file);
		return false;
	}
	if (!is_replaceable(b->file)) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "%s is no database, and is not replaced: remove it first", b->file);
		return false;
	}
	if (!make_temporary(b->file, temporary, why))
		return false;
	if (!make(b, temporary, &facts, why)) {
		(void)unlink(temporary);
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

/* What belongs to whom the new files have to belong to, if root restores. */
static const char *
owned(const struct settings *s)
{
	return access(s->database, F_OK) == 0 ? s->database : s->state_dir;
}

/* A lock that must be free; the descriptor, -1 with a sentence in why. */
static int
backup_take(const struct settings *s, const char *path, const char *who, char why[CONFIG_WHY_MAX])
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0 || !disk_own_like(fd, owned(s))) {
		(void)backup_failed(why, "cannot open", path);
		if (fd >= 0)
			(void)close(fd);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	(void)close(fd);
	(void)snprintf(why, CONFIG_WHY_MAX, "%s uses the database: stop it first", who);
	return -1;
}

/* Removes a new database that did not get its name, and what lies beside it. */
static void
clear(const char *temporary)
{
	static const char *const suffixes[] = {"", "-wal", "-shm", "-journal", ".lock"};
	char path[NAME_MAX_BYTES + 16];

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", temporary, suffixes[i]);
		(void)unlink(path);
	}
}

static bool
give(const struct settings *s, const char *temporary, char why[CONFIG_WHY_MAX])
{
	int fd = open(temporary, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	bool done = fd >= 0 && disk_own_like(fd, owned(s));

	if (!done)
		(void)backup_failed(why, "cannot give away", temporary);
	if (fd >= 0)
		(void)close(fd);
	return done;
}

/* The new database under a name of its own, with the key, up to date and on the disk. */
static bool
backup_prepare(const struct backup *b, const char *temporary, char why[CONFIG_WHY_MAX])
{
	struct settings *fresh = malloc(sizeof(*fresh));
	struct store_facts facts;

	if (fresh == NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "there is no memory");
		return false;
	}
	*fresh = *b->settings;
	if (strlen(temporary) >= sizeof(fresh->database)) {
		(void)snprintf(why, CONFIG_WHY_MAX, "the path of the database is too long");
		free(fresh);
		return false;
	}
	memcpy(fresh->database, temporary, strlen(temporary) + 1);
	bool done = backup_copy(b, b->file, temporary, why) &&
		    store_raise_ids(temporary, b->settings->database, why);
	done = done && app_prepare(fresh, PREPARE_MIGRATE, why) &&
	       backup_verify(b, temporary, &facts, why) && give(b->settings, temporary, why);
	if (done && !disk_sync(temporary))
		done = backup_failed(why, "cannot flush", temporary);
	free(fresh);
	return done;
}

/* What a damaged database cannot fold into itself goes aside with it. */
static bool
move_log(const char *database, const char *aside, char why[CONFIG_WHY_MAX])
{
	static const char *const beside[] = {"-wal", "-shm", "-journal"};
	char from[NAME_MAX_BYTES + 8], to[NAME_MAX_BYTES + 8];

	for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++) {
		(void)snprintf(from, sizeof(from), "%s%s", database, beside[i]);
		(void)snprintf(to, sizeof(to), "%s%s", aside, beside[i]);
		if (rename(from, to) != 0 && errno != ENOENT)
			return backup_failed(why, "cannot move", from);
	}
	return true;
}

/* Exchanges the two in one step. */
static bool
exchange(const struct backup *b, const char *temporary, const char *aside, char why[CONFIG_WHY_MAX])
{
	const char *database = b->settings->database;

	if (access(database, F_OK) != 0)
		return rename(temporary, database) == 0
			       ? true
			       : backup_failed(why, "cannot make", database);
	/* The new one waits under the name that the old one gets. */
	if (rename(temporary, aside) != 0)
		return backup_failed(why, "cannot make", aside);
	if (renameat2(AT_FDCWD, aside, AT_FDCWD, database, RENAME_EXCHANGE) == 0)
		return true;
	if (errno != EINVAL && errno != ENOSYS) {
		(void)backup_failed(why, "cannot replace", database);
		(void)rename(aside, temporary); /* where it is cleared away */
		return false;
	}
	/* A file system that cannot exchange: a second name for the old one, then the new one over
	 * its first. */
	if (rename(aside, temporary) != 0 || link(database, aside) != 0 ||
	    rename(temporary, database) != 0)
		return backup_failed(why, "cannot replace", database);
	return true;
}

static bool
backup_replace(const struct backup *b, const char *temporary, char why[CONFIG_WHY_MAX])
{
	const char *database = b->settings->database;
	char aside[NAME_MAX_BYTES], date[32];
	time_t now = time(NULL);
	struct tm tm;

	(void)strftime(date, sizeof(date), "%Y%m%dT%H%M%SZ", gmtime_r(&now, &tm));
	(void)snprintf(aside, sizeof(aside), "%s.old-%s", database, date);
	for (int i = 2; access(aside, F_OK) == 0; i++)
		(void)snprintf(aside, sizeof(aside), "%s.old-%s-%d", database, date, i);
	bool old = access(database, F_OK) == 0;
	enum store_rc folded = old ? store_fold(database) : STORE_NONE;
	if (folded == STORE_BUSY) {
		(void)snprintf(why, CONFIG_WHY_MAX, "something uses the database %s: stop it first",
			       database);
		return false;
	}
	if (folded != STORE_OK && !move_log(database, aside, why))
		return false;
	if (!exchange(b, temporary, aside, why))
		return false;
	if (!disk_sync_directory(database))
		return backup_failed(why, "cannot flush", database);
	(void)fprintf(b->out, "restored %s from %s\n", database, b->file);
	if (old)
		(void)fprintf(b->out, "the database that was there is %s\n", aside);
	return true;
}

static bool
restore(const struct backup *b, char why[CONFIG_WHY_MAX])
{
	char temporary[NAME_MAX_BYTES], reason[CONFIG_WHY_MAX];
	struct store_facts facts;

	if (!backup_verify(b, b->file, &facts, why))
		return false;
	(void)snprintf(temporary, sizeof(temporary), "%s.restoring", b->settings->database);
	clear(temporary); /* of a restore that was cut off */
	bool done = backup_prepare(b, temporary, reason);
	if (!done)
		(void)snprintf(
			why, CONFIG_WHY_MAX,
			"%.*s; nothing was changed (the backup was made with the key ids %s)",
			CONFIG_WHY_MAX / 2, reason, facts.keys);
	done = done && backup_replace(b, temporary, why);
	clear(temporary);
	return done;
}

bool
backup_restore(const struct backup *b, char why[CONFIG_WHY_MAX])
{
	char path[NAME_MAX_BYTES];
	int pool, writers;
	bool done = false;

	if (same_file(b->file, b->settings->database)) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%s is the database itself", b->file);
		return false;
	}
	(void)snprintf(path, sizeof(path), "%s/regcredd.lock", b->settings->state_dir);
	pool = backup_take(b->settings, path, "a running regcredd", why);
	if (pool < 0)
		return false;
	(void)snprintf(path, sizeof(path), "%s.lock", b->settings->database);
	writers = backup_take(b->settings, path, "a CGI or a command", why);
	if (writers >= 0)
		done = restore(b, why);
	if (writers >= 0)
		(void)close(writers);
	(void)close(pool);
	return done;
}
