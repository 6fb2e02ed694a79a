/* engine: the SQLite engine: its table of functions, and its statements.
 *
 * One connection of a process writes.  Requests that wait to write share one transaction, each in a
 * savepoint of its own, and so one wait for the disk.  Between processes a flock on a lock file
 * orders them: writers queue fairly instead of sleeping in SQLite's back-off, and no checkpoint
 * overlaps a commit that restarts the write-ahead log.  Reads use a pool of read-only connections;
 * a statement is reset as soon as its rows are copied.  After damage or an I/O error the connection
 * is closed and opened again for the next user; nothing is repaired here.
 */
#include "store/engine.h"

#include <sqlite3.h>
#include <string.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/rows.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/sqlite.h"

static enum store_rc
sqlite_begin(struct store_tx *tx, const struct sql *q, struct cursor *out)
{
	enum store_rc rc = STORE_OK;

	out->result = connection_begin(tx->connection, q, &rc);
	return out->result != NULL ? STORE_OK : rc;
}

static enum store_rc
sqlite_step(struct cursor *c)
{
	int rc = sqlite3_step(c->result);

	return rc == SQLITE_ROW	   ? STORE_OK
	       : rc == SQLITE_DONE ? STORE_NONE
				   : connection_rc(c->tx->connection, rc);
}

/* Reads an "unprotected" value of SQLite, because a mutex would cost as much as the read. A
 * connection has only one user at a time here. */
static struct value
sqlite_column(const struct cursor *c, struct arena *a, int column)
{
	sqlite3_value *v = sqlite3_column_value(c->result, column);
	const void *bytes;
	size_t len;

	switch (sqlite3_value_type(v)) {
	case SQLITE_INTEGER:
		return value_int(sqlite3_value_int64(v));
	case SQLITE_TEXT:
		bytes = sqlite3_value_text(v);
		len = (size_t)sqlite3_value_bytes(v);
		return (struct value){.type = VALUE_TEXT,
				      .text = bytes != NULL ? arena_copy(a, bytes, len) : NULL,
				      .len = len};
	case SQLITE_BLOB:
		bytes = sqlite3_value_blob(v);
		len = (size_t)sqlite3_value_bytes(v);
		return value_blob(arena_copy(a, bytes != NULL ? bytes : "", len), len);
	default:
		return value_null();
	}
}

static void
sqlite_end(struct cursor *c)
{
	statement_release(c->result);
}

/* "UNIQUE constraint failed: storage_pool.account_id, storage_pool.server_address": the last one
 * counts. */
static enum column
conflict_in(const char *message)
{
	const char *dot = strrchr(message, '.'), *table = strrchr(message, ' ');

	if (dot == NULL || table == NULL || dot < table)
		return COL_NONE;
	return rows_column_named(table + 1, (size_t)(dot - table - 1), dot + 1);
}

static enum store_rc
sqlite_change(struct store_tx *tx, const struct sql *q, int *changed)
{
	struct connection *c = tx->connection;
	enum store_rc result = STORE_OK;
	sqlite3_stmt *stmt = connection_begin(c, q, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE) {
		*changed = sqlite3_changes(c->db);
	} else {
		result = connection_rc(c, rc);
		if (result == STORE_CONSTRAINT)
			tx->conflict = conflict_in(sqlite3_errmsg(c->db));
	}
	statement_release(stmt);
	return result;
}

static enum store_rc
sqlite_insert(struct store_tx *tx, const struct sql *q, int64_t *id)
{
	const struct connection *c = tx->connection;
	int changed = 0;
	enum store_rc rc = sqlite_change(tx, q, &changed);

	if (rc == STORE_OK)
		*id = sqlite3_last_insert_rowid(c->db);
	return rc;
}

const struct engine sqlite_engine = {
	.dialect =
		{
			.like = "LIKE ",
			.any_case_column = {"", ""},
			.any_case_value = {"", " COLLATE NOCASE"},
			.any_id = {" IN (SELECT value FROM json_each(", "))"},
			.ids_begin = '[',
			.ids_end = ']',
			.no_index = "+",
		},
	.files = sqlite_files,
	.migrate = sqlite_migrate,
	.check = sqlite_check,
	.open = sqlite_open,
	.close = sqlite_close,
	.start = sqlite_start,
	.read = sqlite_read,
	.write = sqlite_write,
	.note_use = sqlite_note_use,
	.use_room = sqlite_use_room,
	.is_low = sqlite_is_low,
	.free_room = sqlite_free_room,
	.suspect = sqlite_suspect,
	.ping = sqlite_ping,
	.tidy = sqlite_tidy,
	.settle = sqlite_settle,
	.gauges = sqlite_gauges,
	.begin_read = sqlite_begin_read,
	.end_read = sqlite_end_read,
	.begin = sqlite_begin,
	.step = sqlite_step,
	.column = sqlite_column,
	.end = sqlite_end,
	.change = sqlite_change,
	.insert = sqlite_insert,
};
