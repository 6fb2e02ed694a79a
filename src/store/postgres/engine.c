/* engine: the PostgreSQL engine: its table of functions, and its statements.
 *
 * One connection of a process writes, in batches (writer.c); others read, each statement by itself.
 * A process opens each when it first needs it, and again after it was lost.
 */
#include "store/engine.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "model/record.h"
#include "store/postgres/link.h"
#include "store/postgres/postgres.h"
#include "store/readers.h"

/* Reading */

static enum store_rc
postgres_begin_read(struct store *base, struct store_tx *tx)
{
	struct server_link *l = readers_take(&postgres_of(base)->free_readers);

	tx->connection = l;
	if (!link_open(l, NULL)) {
		base->engine->end_read(base, tx);
		return STORE_FAILED;
	}
	l->failure = STORE_OK;
	link_allow(l, LINK_READ_MS);
	return STORE_OK;
}

static void
postgres_end_read(struct store *base, struct store_tx *tx)
{
	readers_give(&postgres_of(base)->free_readers, tx->connection);
}

static enum store_rc
postgres_read(struct store *base, store_fn fn, void *arg)
{
	enum { LONG_MS = 24 * 60 * 60 * 1000 };
	struct store_tx tx = {.engine = base->engine};
	enum store_rc rc = postgres_begin_read(base, &tx);

	if (rc != STORE_OK)
		return rc;
	struct server_link *l = tx.connection;
	link_clear(link_run(l, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", &rc));
	if (rc == STORE_OK) {
		link_allow(l, LONG_MS);
		rc = fn(&tx, arg) == ERR_NONE ? STORE_OK : STORE_ABORTED;
		if (l->connection == NULL)
			rc = STORE_FAILED;
		enum store_rc ended;
		link_allow(l, LINK_READ_MS);
		link_clear(link_run(l, "ROLLBACK", &ended));
		if (ended != STORE_OK)
			link_close(l);
	}
	postgres_end_read(base, &tx);
	return rc;
}

/* Statements */

static enum store_rc
postgres_begin(struct store_tx *tx, const struct sql *q, struct cursor *out)
{
	enum store_rc rc;

	out->row = -1;
	out->result = link_query(tx->connection, q, "", &rc);
	return rc;
}

static enum store_rc
postgres_step(struct cursor *c)
{
	return ++c->row < PQntuples(c->result) ? STORE_OK : STORE_NONE;
}

static struct value
postgres_column(const struct cursor *c, struct arena *a, int column)
{
	return link_value(c->result, c->row, column, a);
}

static void
postgres_end(struct cursor *c)
{
	link_clear(c->result);
}

/* A statement that changes rows; its result is the caller's to clear. */
static PGresult *
run_change(struct store_tx *tx, const struct sql *q, const char *more, enum store_rc *rc)
{
	struct server_link *l = tx->connection;
	PGresult *result = link_query(l, q, more, rc);

	if (*rc == STORE_CONSTRAINT)
		tx->conflict = l->conflict;
	return result;
}

static enum store_rc
postgres_change(struct store_tx *tx, const struct sql *q, int *changed)
{
	enum store_rc rc;
	PGresult *result = run_change(tx, q, "", &rc);

	if (result != NULL)
		*changed = atoi(PQcmdTuples(result));
	link_clear(result);
	return rc;
}

static enum store_rc
postgres_insert(struct store_tx *tx, const struct sql *q, int64_t *id)
{
	enum store_rc rc;
	PGresult *result = run_change(tx, q, " RETURNING id", &rc);

	if (result != NULL)
		*id = link_value(result, 0, 0, NULL).number;
	link_clear(result);
	return rc;
}

/* Health */

static enum store_rc
postgres_ping(struct store *base)
{
	struct store_tx tx = {.engine = base->engine};
	enum store_rc rc = postgres_begin_read(base, &tx);

	if (rc != STORE_OK)
		return rc;
	link_clear(link_run(tx.connection, "SELECT id FROM regcred.account LIMIT 1", &rc));
	postgres_end_read(base, &tx);
	return rc;
}

static size_t
postgres_gauges(struct store *base, struct gauge out[STORE_GAUGES_MAX])
{
	struct store_tx tx = {.engine = base->engine};
	PGresult *result = NULL;
	enum store_rc rc = postgres_begin_read(base, &tx);

	if (rc == STORE_OK) {
		result =
			link_run(tx.connection, "SELECT pg_database_size(current_database())", &rc);
		postgres_end_read(base, &tx);
	}
	out[0] = (struct gauge){"bytes", "regcred_database_bytes", "Size of the database.",
				result != NULL ? atoll(PQgetvalue(result, 0, 0)) : 0};
	link_clear(result);
	return 1;
}

/* The server looks after its own disk and damage: it says so at the next statement. */
static void
postgres_use_room(struct store *base, int64_t min_free_bytes)
{
	(void)base;
	(void)min_free_bytes;
}

static bool
postgres_is_low(struct store *base)
{
	(void)base;
	return false;
}

static void
postgres_suspect(struct store *base)
{
	(void)base;
}

/* Old versions of rows go with the server's own VACUUM. */
static enum store_rc
postgres_settle(struct store *base)
{
	(void)base;
	return STORE_OK;
}

const struct engine postgres_engine = {
	.dialect =
		{
			.like = "ILIKE ",
			.any_case_column = {"lower(", ")"},
			.any_case_value = {"lower(", ")"},
			.any_id = {" = ANY (", "::bigint[])"},
			.ids_begin = '{',
			.ids_end = '}',
			.no_index = "",
		},
	.files = link_files,
	.migrate = postgres_migrate,
	.check = postgres_check,
	.open = postgres_open,
	.close = postgres_close,
	.start = postgres_start,
	.read = postgres_read,
	.write = postgres_write,
	.note_use = postgres_note_use,
	.use_room = postgres_use_room,
	.is_low = postgres_is_low,
	.suspect = postgres_suspect,
	.ping = postgres_ping,
	.tidy = postgres_tidy,
	.settle = postgres_settle,
	.gauges = postgres_gauges,
	.describe = postgres_describe,
	.begin_read = postgres_begin_read,
	.end_read = postgres_end_read,
	.begin = postgres_begin,
	.step = postgres_step,
	.column = postgres_column,
	.end = postgres_end,
	.change = postgres_change,
	.insert = postgres_insert,
};
