/* wal: the write-ahead log and its checkpoints. */
#include "store/sqlite/wal.h"

#include <pthread.h>

#include "store/sqlite/sqlite.h"

enum {
	FRAMES_MORE = 800, /* until a commit does it itself, because the checkpoint thread makes no
			      progress */
};

int
wal_on_commit(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct sqlite_store *s = arg;
	struct checkpointer *f = &s->checkpointer;

	(void)db, (void)name;
	if (frames >= s->wal_frames + (f->runs ? FRAMES_MORE : 0)) {
		(void)wal_checkpoint(&s->writer);
	} else if (frames >= s->wal_frames) {
		(void)pthread_mutex_lock(&f->mutex);
		f->wanted = true;
		(void)pthread_cond_signal(&f->called);
		(void)pthread_mutex_unlock(&f->mutex);
	}
	return SQLITE_OK; /* what could not be copied stays in the log */
}

static enum store_rc
run(struct connection *c, int mode)
{
	return connection_rc(c, sqlite3_wal_checkpoint_v2(c->db, NULL, mode, NULL, NULL));
}

enum store_rc
wal_checkpoint(struct connection *c)
{
	return run(c, SQLITE_CHECKPOINT_PASSIVE);
}

enum store_rc
wal_empty(struct connection *c)
{
	(void)sqlite3_busy_handler(c->db, NULL, NULL);
	enum store_rc rc = run(c, SQLITE_CHECKPOINT_TRUNCATE);

	(void)sqlite3_busy_handler(c->db, connection_nap, NULL);
	return rc;
}
