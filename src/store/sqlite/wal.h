/* wal: the write-ahead log and its checkpoints. */
#ifndef REGCRED_STORE_SQLITE_WAL_H
#define REGCRED_STORE_SQLITE_WAL_H

#include <sqlite3.h>
#include <stdbool.h>

#include "store/sqlite/connection.h"

/* Called by SQLite at the end of each commit of the writer, under the lock file. */
int wal_on_commit(void *arg, sqlite3 *db, const char *name, int frames);

/* Called with the lock file.  For another process that folds the log right now SQLite calls no busy
 * handler; but that is soon done, and while nobody commits it is not begun again. */
int wal_checkpoint(struct connection *c);

/* Folds what the log holds into the file, as far as nobody reads older rows. */
bool wal_fold(struct connection *c);

#endif
