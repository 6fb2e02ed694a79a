/* ready: makes a connection ready for its next use. */
#include "store/sqlite/ready.h"

#include <stdatomic.h>

#include "store/sqlite/connection.h"
#include "store/sqlite/sqlite.h"
#include "store/sqlite/wal.h"
#include "store/store.h"

bool
connection_ready(struct sqlite_store *s, struct connection *c, bool reading)
{
	char why[STORE_WHY_MAX];

	if (!c->broken)
		return true;
	connection_close(c);
	if (!connection_open(c, s->path, reading, why)) {
		connection_meet_trouble(&s->trouble, why, 0);
		return false;
	}
	if (c->wal)
		atomic_store(&s->log_file, connection_log_inode(s->path));
	if (c == &s->writer)
		(void)sqlite3_wal_hook(c->db, wal_on_commit, s);
	return true;
}
