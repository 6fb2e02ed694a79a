/* checkpoint: checkpoints the write-ahead log while others write.
 *
 * SQLite before 3.51.3 has a bug: a checkpoint that runs while a commit restarts the log may lose
 * that commit.  There are two safe cases; in both `hold` is in a read transaction meanwhile:
 *
 *   hold reads in the log      commits are appended to the log: it cannot restart
 *   hold reads only the file   everything was in the file already: the checkpoint writes nothing
 *
 * The little that is committed meanwhile is checkpointed under the lock file, when nobody commits.
 */
#include "store/sqlite/checkpoint.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/disk.h"
#include "store/queue.h"
#include "store/sqlite/health.h"
#include "store/sqlite/ready.h"
#include "store/sqlite/wal.h"

enum { RESET_FAULT_MENDED = 3051003 };

static bool
checkpoint_beside(struct sqlite_store *s, struct checkpointer *f)
{
	bool hold = sqlite3_libversion_number() < RESET_FAULT_MENDED, done = false;

	if (!file_is_here(s) || !connection_ready(s, &f->work, false) ||
	    (hold && (!connection_ready(s, &f->hold, true) ||
		      connection_exec(&f->hold, "BEGIN") != STORE_OK)))
		return false;
	if (!hold)
		return wal_checkpoint(&f->work) == STORE_OK;
	if (connection_exec(&f->hold, "SELECT 1 FROM key_check WHERE 0") == STORE_OK)
		done = wal_checkpoint(&f->work) == STORE_OK;
	connection_roll_back(&f->hold);
	return done;
}

/* The next commit restarts the log. */
static void
checkpoint_rest(struct sqlite_store *s)
{
	if (queue_begin_alone(&s->queue, PATIENT) != STORE_OK)
		return;
	(void)wal_checkpoint(&s->writer);
	queue_end_writing(&s->queue);
}

void *
checkpoint_run(void *arg)
{
	struct sqlite_store *s = arg;
	struct checkpointer *f = &s->checkpointer;

	(void)pthread_mutex_lock(&f->mutex);
	while (!f->ends) {
		if (!f->wanted) {
			(void)pthread_cond_wait(&f->called, &f->mutex);
			continue;
		}
		(void)pthread_mutex_unlock(&f->mutex);
		if (checkpoint_beside(s, f))
			checkpoint_rest(s);
		(void)pthread_mutex_lock(&f->mutex);
		f->wanted = false;
	}
	(void)pthread_mutex_unlock(&f->mutex);
	return NULL;
}

enum store_rc
sqlite_settle(struct store *base)
{
	struct sqlite_store *s = sqlite_of(base);
	enum store_rc rc = queue_begin_alone(&s->queue, IMPATIENT);

	if (rc != STORE_OK)
		return rc;
	if (s->writer.wal)
		rc = wal_empty(&s->writer);
	queue_end_writing(&s->queue);
	return rc;
}

enum store_rc
sqlite_tidy(struct store *base)
{
	enum store_rc rc = sqlite_is_low(base) ? sqlite_settle(base) : STORE_OK;

	return rc == STORE_BUSY ? STORE_OK : rc; /* the next time */
}

static int64_t
size_of(const char *path, const char *suffix)
{
	char name[DISK_PATH_MAX];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s%s", path, suffix);
	return stat(name, &st) == 0 ? (int64_t)st.st_size : 0;
}

size_t
sqlite_gauges(struct store *base, struct gauge out[STORE_GAUGES_MAX])
{
	const struct sqlite_store *s = sqlite_of(base);

	out[0] = (struct gauge){"bytes", "regcred_database_bytes", "Size of the database file.",
				size_of(s->path, "")};
	out[1] = (struct gauge){"walBytes", "regcred_wal_bytes", "Size of the write-ahead log.",
				size_of(s->path, "-wal")};
	return 2;
}
