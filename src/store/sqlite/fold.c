/* fold: the thread that checkpoints the write-ahead log. */
#include "store/sqlite/fold.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/disk.h"
#include "base/log.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/health.h"
#include "store/sqlite/line.h"
#include "store/sqlite/ready.h"
#include "store/sqlite/room.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/wal.h"
#include "store/store.h"

void
store_keep_ballast(struct store *s)
{
	queue_begin_alone(s);
	if (disk_free_bytes(s->path) >= s->room.min_free_bytes + s->room.ballast_bytes &&
	    !disk_reserve(s->ballast, s->room.ballast_bytes))
		log_warn("cannot make %s: %s", s->ballast, strerror(errno));
	queue_end_writing(s);
}

bool
store_has_wal(const struct store *s)
{
	return s->writer.wal;
}

int64_t
store_size(const struct store *s)
{
	struct stat st;

	return stat(s->path, &st) == 0 ? (int64_t)st.st_size : 0;
}

int64_t
store_wal_size(struct store *s)
{
	char path[4096];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s-wal", s->path);
	return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* What the log holds now, while others go on writing.  The known fault of this SQLite needs a
 * commit that begins the log anew while a checkpoint runs.  No commit can as long as `hold` reads:
 * either it reads in the log, which then stays, or, since everything is folded, in the file alone,
 * which then is not written to. */
static bool
fold_beside(struct store *s, struct folder *f)
{
	bool done = false;

	if (!file_is_here(s) || !connection_ready(s, &f->hold, true) ||
	    !connection_ready(s, &f->fold, false) || connection_exec(&f->hold, "BEGIN") != STORE_OK)
		return false;
	if (connection_exec(&f->hold, "SELECT 1 FROM key_check WHERE 0") == STORE_OK)
		done = wal_fold(&f->fold);
	connection_roll_back(&f->hold);
	return done;
}

/* The little that came meanwhile, with nobody writing: the next commit begins the log anew. */
static void
fold_rest(struct store *s)
{
	queue_begin_alone(s);
	if (file_is_here(s) && connection_ready(s, &s->writer, false))
		(void)wal_fold(&s->writer);
	queue_end_writing(s);
}

void *
fold_run(void *arg)
{
	struct store *s = arg;
	struct folder *f = &s->folder;

	(void)pthread_mutex_lock(&f->mutex);
	while (!f->ends) {
		if (!f->wanted) {
			(void)pthread_cond_wait(&f->called, &f->mutex);
			continue;
		}
		(void)pthread_mutex_unlock(&f->mutex);
		if (fold_beside(s, f))
			fold_rest(s);
		(void)pthread_mutex_lock(&f->mutex);
		f->wanted = false;
	}
	(void)pthread_mutex_unlock(&f->mutex);
	return NULL;
}

enum store_rc
store_checkpoint(struct store *s)
{
	enum store_rc rc = STORE_FAILED;

	queue_begin_alone(s);
	if (connection_ready(s, &s->writer, false)) {
		int result = wal_checkpoint(&s->writer);

		rc = result == SQLITE_OK ? STORE_OK : connection_rc(&s->writer, result);
		if (rc == STORE_FULL && make_room(s))
			rc = STORE_OK;
	}
	queue_end_writing(s);
	return rc;
}
