/* reader: the connections that read. */
#include "store/sqlite/reader.h"

#include "base/err.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/ready.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

struct connection *
reader_take(struct sqlite_store *s)
{
	struct connection *c = readers_take(&s->free_readers);

	connection_set_deadline(c);
	return c;
}

void
reader_give(struct sqlite_store *s, struct connection *c)
{
	readers_give(&s->free_readers, c);
}

enum store_rc
sqlite_begin_read(struct store *base, struct store_tx *tx)
{
	struct sqlite_store *s = sqlite_of(base);
	struct connection *c = reader_take(s);

	if (!connection_ready(s, c, true)) {
		reader_give(s, c);
		return STORE_FAILED;
	}
	tx->connection = c;
	return STORE_OK;
}

void
sqlite_end_read(struct store *base, struct store_tx *tx)
{
	reader_give(sqlite_of(base), tx->connection);
}

enum store_rc
sqlite_read(struct store *base, store_fn fn, void *arg)
{
	enum { LONG_S = 365 * 24 * 60 * 60 };
	struct store_tx tx = {.engine = base->engine};
	enum store_rc rc = sqlite_begin_read(base, &tx);

	if (rc != STORE_OK)
		return rc;
	struct connection *c = tx.connection;
	rc = connection_exec(c, "BEGIN");
	if (rc == STORE_OK) {
		c->deadline.tv_sec += LONG_S;
		rc = fn(&tx, arg) == ERR_NONE ? STORE_OK : STORE_ABORTED;
		connection_roll_back(c);
	}
	sqlite_end_read(base, &tx);
	return rc;
}
