/* wal: the write-ahead log and its checkpoints. */
#ifndef REGCRED_STORE_SQLITE_WAL_H
#define REGCRED_STORE_SQLITE_WAL_H

#include <sqlite3.h>

#include "store/sqlite/connection.h"

enum {
	WAL_FRAMES = 2500, /* pages of 4 KiB after which the log is checkpointed */
};

/* Called by SQLite at the end of each commit of the writer, under the lock file. */
int wal_on_commit(void *arg, sqlite3 *db, const char *name, int frames);

/* Copies the log into the database file, as far as no reader needs older rows. */
enum store_rc wal_checkpoint(struct connection *c);

/* Copies everything and empties the log; called with the lock file held. STORE_BUSY at once if
 * there are readers: the holder of the lock must not wait for them. */
enum store_rc wal_empty(struct connection *c);

#endif
