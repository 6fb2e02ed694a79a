/* wal: the write-ahead log and its checkpoints. */
#include "store/sqlite/wal.h"

#include <pthread.h>

#include "base/clock.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/fold.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum {
	FOLD_FRAMES_MORE = 800, /* of the write-ahead log, until a commit folds because the thread
				   that should does not get on */
};

int
wal_on_commit(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct store *s = arg;
	struct folder *f = &s->folder;

	if (frames >= s->fold_frames + (f->runs ? FOLD_FRAMES_MORE : 0)) {
		(void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	} else if (frames >= s->fold_frames) {
		(void)pthread_mutex_lock(&f->mutex);
		f->wanted = true;
		(void)pthread_cond_signal(&f->called);
		(void)pthread_mutex_unlock(&f->mutex);
	}
	return SQLITE_OK; /* what could not be folded stays in the log */
}

int
wal_checkpoint(struct connection *c)
{
	int64_t end_ms = clock_ms() + BUSY_MS;
	int rc;

	while ((rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
					       NULL)) == SQLITE_BUSY &&
	       clock_ms() < end_ms)
		(void)sqlite3_sleep(NAP_MS);
	return rc;
}

bool
wal_fold(struct connection *c)
{
	return connection_rc(c, sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE,
							  NULL, NULL)) == STORE_OK;
}
