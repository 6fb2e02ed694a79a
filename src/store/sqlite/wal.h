/* wal: the write-ahead log and its checkpoints. */
#ifndef REGCRED_STORE_SQLITE_WAL_H
#define REGCRED_STORE_SQLITE_WAL_H

#include <sqlite3.h>

#include "store/sqlite/connection.h"

enum {
	WAL_FRAMES = 2500, /* of 4 KiB: with so many the log is checkpointed */
};

/* Called by SQLite at the end of each commit of the writer, under the lock file. */
int wal_on_commit(void *arg, sqlite3 *db, const char *name, int frames);

/* Brings what the log holds into the file, as far as nobody reads older rows. */
enum store_rc wal_checkpoint(struct connection *c);

/* The same of all of it, and empties the log; called with the lock file.  STORE_BUSY at once where
 * somebody reads: whoever holds the lock must not wait for them. */
enum store_rc wal_empty(struct connection *c);

#endif
