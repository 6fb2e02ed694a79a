/* open: makes databases, brings them up to date, opens and closes stores. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/remedy.h"
#include "store/queue.h"
#include "store/readers.h"
#include "store/sqlite/checkpoint.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/db.h"
#include "store/sqlite/lock.h"
#include "store/sqlite/ready.h"
#include "store/sqlite/schema.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/wal.h"
#include "store/store.h"

size_t
sqlite_files(const char *path, bool secret, char files[STORE_FILES_MAX][STORE_FILE_SIZE])
{
	static const char *const ends[] = {"", "-wal", "-shm", "-journal"};
	enum { ENDS = sizeof(ends) / sizeof(*ends) };

	(void)secret; /* all of them are */
	for (size_t i = 0; i < ENDS; i++)
		(void)snprintf(files[i], STORE_FILE_SIZE, "%s%s", path, ends[i]);
	return ENDS;
}

bool
sqlite_start(struct store *base)
{
	struct sqlite_store *s = sqlite_of(base);
	struct checkpointer *f = &s->checkpointer;

	if (!queue_start(&s->queue))
		return false;
	f->hold.broken = f->work.broken = true;
	f->runs = connection_ready(s, &f->hold, true) && connection_ready(s, &f->work, false) &&
		  pthread_create(&f->thread, NULL, checkpoint_run, s) == 0;
	return f->runs;
}

static void
end_threads(struct sqlite_store *s)
{
	struct checkpointer *f = &s->checkpointer;

	if (f->runs) {
		(void)pthread_mutex_lock(&f->mutex);
		f->ends = true;
		(void)pthread_cond_signal(&f->called);
		(void)pthread_mutex_unlock(&f->mutex);
		(void)pthread_join(f->thread, NULL);
	}
	connection_close(&f->hold);
	connection_close(&f->work);
	queue_end(&s->queue);
}

/* Opening */

static int
lock_file(const char *path)
{
	char name[4096];

	if ((size_t)snprintf(name, sizeof(name), "%s.lock", path) >= sizeof(name))
		return -1;
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && faccessat(AT_FDCWD, path, F_OK, AT_EACCESS) == 0 &&
	    !disk_own_like(fd, path)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* A missing database is never created implicitly: its volume may just not be mounted. */
static bool
open_is_there(const char *path, char why[STORE_WHY_MAX])
{
	struct stat st;

	if (stat(path, &st) == 0)
		return true;
	(void)snprintf(why, STORE_WHY_MAX,
		       "there is no database %s (%s): make it with `regcred init`", path,
		       strerror(errno));
	return false;
}

/* Switches the database to the requested kind of journal, if it has the other. */
static bool
set_journal(sqlite3 *db, bool wal)
{
	char mode[16];

	return connection_ask_text(
		       db, wal ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = TRUNCATE",
		       mode, sizeof(mode)) &&
	       strcmp(mode, wal ? "wal" : "truncate") == 0 &&
	       connection_run(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
}

/* Copies the old database to a file next to it before its tables are changed. */
static bool
keep_copy(sqlite3 *db, const char *path, int version, char why[STORE_WHY_MAX])
{
	char copy[DISK_PATH_MAX];
	sqlite3_stmt *stmt = NULL;

	(void)snprintf(copy, sizeof(copy), "%s.version-%d", path, version);
	(void)unlink(copy);
	bool copied = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &stmt, NULL) == SQLITE_OK &&
		      sqlite3_bind_text(stmt, 1, copy, -1, SQLITE_STATIC) == SQLITE_OK &&
		      sqlite3_step(stmt) == SQLITE_DONE;
	bool done = copied && disk_sync(copy) && disk_sync_directory(copy);
	if (!done) {
		(void)snprintf(
			why, STORE_WHY_MAX,
			"cannot copy the database to %.*s before it is brought up to date: %s",
			STORE_WHY_MAX / 2, copy, copied ? remedy_text(errno) : db_why(db));
		(void)unlink(copy);
	}
	(void)sqlite3_finalize(stmt);
	return done;
}

static bool
migrate_locked(const char *path, bool create, bool wal, bool keeps, char why[STORE_WHY_MAX])
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
		    SQLITE_OPEN_EXRESCODE | (create ? SQLITE_OPEN_CREATE : 0);
	const int newest = db_newest();
	sqlite3 *db = NULL;
	bool done = false;
	mode_t mask = umask(0077);
	int rc = sqlite3_open_v2(path, &db, flags, NULL);

	(void)umask(mask);
	if (db != NULL) /* set even if out of memory */
		(void)sqlite3_busy_handler(db, connection_nap, NULL);
	/* A log on a network file system is read without shared memory, which is not available
	 * there. */
	if (rc == SQLITE_OK && !wal && !connection_run(db, "PRAGMA locking_mode = EXCLUSIVE"))
		rc = SQLITE_ERROR;
	int version = rc == SQLITE_OK ? db_version(db) : -1;
	if (rc != SQLITE_OK || version < 0)
		(void)snprintf(why, STORE_WHY_MAX, "cannot open the database %s: %s%s", path,
			       db_why(db),
			       !wal && (sqlite3_errcode(db) & 0xff) == SQLITE_BUSY
				       ? ": nobody else may use it while its write-ahead log is "
					 "replaced"
				       : "");
	else if (!db_is_ours(db, version))
		(void)snprintf(why, STORE_WHY_MAX, "%s is not a database of regcred", path);
	else if (version > db_newest())
		(void)snprintf(why, STORE_WHY_MAX,
			       "the database %s has version %d, newer than this program knows "
			       "(%d): start the program that made it",
			       path, version, db_newest());
	else if (!set_journal(db, wal))
		(void)snprintf(why, STORE_WHY_MAX, "cannot give the database %s a %s: %s", path,
			       wal ? "write-ahead log" : "rollback journal", db_why(db));
	else if (version > 0 && !schema_is_right(db, path, version, why))
		done = false;
	else if (version > 0 && version < newest && keeps && !keep_copy(db, path, version, why))
		done = false;
	else if (version < newest && !schema_make(db, version, newest))
		(void)snprintf(why, STORE_WHY_MAX, "cannot bring the database %s up to date: %s",
			       path, db_why(db));
	else
		done = true;
	(void)sqlite3_close(db);
	return done;
}

/* Every process that has the database open holds a read lock on the second byte of the lock file;
 * one that changes its tables holds a write lock. On network file systems that do not distinguish
 * kinds of locks, only the pool's own lock file protects. */
static bool
take_users(int fd, short type)
{
	struct flock users = {.l_type = type, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
	const struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};

	for (int64_t end_ms = clock_ms() + BUSY_MS; fcntl(fd, F_OFD_SETLK, &users) != 0;) {
		if ((errno != EAGAIN && errno != EACCES && errno != EINTR))
			return true; /* no such locks on this file system */
		if (clock_ms() >= end_ms)
			return false;
		(void)nanosleep(&nap, NULL);
	}
	return true;
}

/* Only where there is something to change. */
static bool
lock_users(int fd, const char *path, bool create, bool wal, bool keeps, char why[STORE_WHY_MAX])
{
	if (wal && db_version_at(path) != db_newest() && !take_users(fd, F_WRLCK)) {
		(void)snprintf(
			why, STORE_WHY_MAX,
			"the database %s must be brought up to date, and something uses it: stop "
			"regcredd first",
			path);
		return false;
	}
	return migrate_locked(path, create, wal, keeps, why);
}

bool
sqlite_migrate(const char *path, bool create, bool wal, bool keeps, char why[STORE_WHY_MAX])
{
	if ((!create && !open_is_there(path, why)) || !db_has_harmless_journal(path, why))
		return false;
	int fd = lock_file(path);

	if (fd < 0) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "cannot write to the directory of the database %s: %s", path,
			       remedy_text(errno));
		return false;
	}
	enum store_rc rc = lock_take(fd, wal, IMPATIENT);
	if (rc != STORE_OK)
		(void)snprintf(
			why, STORE_WHY_MAX,
			"the writers' lock %s.lock is held by process %ld (0: unknown): end it, or "
			"let it go on, and try again",
			path, (long)lock_holder(fd));
	bool done = rc == STORE_OK && lock_users(fd, path, create, wal, keeps, why);
	(void)close(fd);
	return done;
}

static bool
open_all(struct sqlite_store *s, size_t readers, char why[STORE_WHY_MAX])
{
	if (!connection_open(&s->writer, s->path, false, why))
		return false;
	(void)sqlite3_wal_hook(s->writer.db, wal_on_commit, s);
	for (size_t i = 0; i < readers; i++) {
		s->readers[i].trouble = &s->trouble;
		if (!connection_open(&s->readers[i], s->path, true, why))
			return false;
		readers_give(&s->free_readers, &s->readers[i]);
	}
	return true;
}

static void
close_all(struct sqlite_store *s)
{
	for (size_t i = 0; s->readers != NULL && i < s->reader_count; i++)
		connection_close(&s->readers[i]);
	connection_close(&s->writer);
}

struct store *
sqlite_open(const char *path, size_t readers, char why[STORE_WHY_MAX])
{
	struct sqlite_store *s = calloc(1, sizeof(*s));
	int error;

	connection_count_no_memory();
	if (s == NULL)
		goto failed;
	s->lock_fd = -1;
	s->trouble.looked_ms = -LOOK_MS;
	s->trouble.told_ms = s->busy_told_ms = -TROUBLE_TELL_MS;
	s->looked_ms = -LOOK_MS; /* the clock may have just started at 0 */
	s->wal_frames = WAL_FRAMES;
	s->writer.trouble = s->checkpointer.hold.trouble = s->checkpointer.work.trouble =
		&s->trouble;
	queue_init(&s->queue, &s->base, &sqlite_queue, &s->writer);
	(void)pthread_mutex_init(&s->checkpointer.mutex, NULL);
	(void)pthread_cond_init(&s->checkpointer.called, NULL);
	bool room = readers_init(&s->free_readers, readers);
	s->path = strdup(path);
	s->readers = calloc(readers, sizeof(*s->readers));
	s->reader_count = readers;
	if (!room || s->path == NULL || s->readers == NULL)
		goto failed;
	if (!open_is_there(path, why))
		goto out;
	s->lock_fd = lock_file(path);
	if (s->lock_fd < 0)
		goto failed;
	if (stat(path, &s->file) != 0)
		goto failed;
	if (!db_has_harmless_journal(path, why))
		goto out;
	if (!open_all(s, readers, why))
		goto out;
	if (s->writer.wal && !take_users(s->lock_fd, F_RDLCK)) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "the database %s is just brought up to date: try again", path);
		errno = EBUSY;
		goto out;
	}
	int version = db_version(s->readers[0].db);
	s->log_file = s->writer.wal ? connection_log_inode(path) : 0;
	if (version < 0) {
		(void)snprintf(why, STORE_WHY_MAX, "cannot open the database %s: %s", path,
			       db_why(s->readers[0].db));
		errno = connection_is_kept(s->readers[0].db) ? EBUSY : EIO;
		goto out;
	}
	if (!db_is_ours(s->readers[0].db, version)) {
		(void)snprintf(why, STORE_WHY_MAX, "%s is not a database of regcred", path);
		goto out;
	}
	if (version != db_newest()) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "the database %s has version %d, this program needs %d%s", path,
			       version, db_newest(),
			       version < db_newest()
				       ? ": stop regcredd and start it, which brings it up to date"
				       : "");
		goto out;
	}
	return &s->base;
failed:
	(void)snprintf(why, STORE_WHY_MAX, "cannot open the database %s: %s", path,
		       remedy_text(errno));
out:
	error = errno;
	if (s != NULL)
		sqlite_close(&s->base);
	errno = error;
	return NULL;
}

/* The last connection to close checkpoints the log; if two close at the same moment, neither does.
 * That is harmless unless the log's name is gone: so the writer checkpoints before, if the database
 * is still the same file. */
static void
save_lost_log(struct sqlite_store *s)
{
	struct stat now;
	ino_t log = atomic_load(&s->log_file);

	if (s->writer.db == NULL || s->writer.broken || log == 0 ||
	    connection_log_inode(s->path) == log || stat(s->path, &now) != 0 ||
	    now.st_dev != s->file.st_dev || now.st_ino != s->file.st_ino ||
	    lock_take(s->lock_fd, true, IMPATIENT) != STORE_OK)
		return;
	(void)wal_checkpoint(&s->writer);
	(void)flock(s->lock_fd, LOCK_UN);
}

void
sqlite_close(struct store *base)
{
	struct sqlite_store *s = sqlite_of(base);

	end_threads(s);
	save_lost_log(s);
	close_all(s);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	queue_destroy(&s->queue);
	(void)pthread_mutex_destroy(&s->checkpointer.mutex);
	(void)pthread_cond_destroy(&s->checkpointer.called);
	readers_destroy(&s->free_readers);
	free(s->readers);
	free(s->path);
	free(s);
}

bool
sqlite_check(const char *path, char why[STORE_WHY_MAX])
{
	sqlite3 *db;
	bool right = db_open(path, SQLITE_OPEN_READWRITE, &db, why) &&
		     (db_version(db) != db_newest() || /* store_open() says so */
		      schema_is_right(db, path, db_newest(), why));

	(void)sqlite3_close(db);
	return right;
}
