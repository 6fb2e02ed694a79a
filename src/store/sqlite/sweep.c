/* sweep: counts and rows that are due. */
#include <stdio.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sql.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum store_rc
store_count_states(struct store *s, struct arena *a, const struct family *family, int64_t now_ms,
		   struct state_count **out, size_t *count)
{
	enum { COUNT_TEXT_MAX = 256 };
	const struct value binds[] = {value_int(now_ms)};
	char text[COUNT_TEXT_MAX];
	enum store_rc result = STORE_OK;
	struct connection *c;
	int rc;

	*count = 0;
	*out = arena_array(a, STATE_COUNTS_MAX, sizeof(**out));
	if (*out == NULL)
		return STORE_NO_MEMORY;
	(void)snprintf(text, sizeof(text),
		       "SELECT kind, state, count(*), "
		       "total(state = 'removed' AND (remove_time <= ?1 OR removed > ?1)) "
		       "FROM %s GROUP BY kind, state ORDER BY kind, state",
		       family->table);
	sqlite3_stmt *stmt = reader_fixed(s, &c, text, binds, 1, &result);
	if (stmt == NULL)
		return result;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *count < STATE_COUNTS_MAX) {
		const struct value kind = row_column(a, stmt, 0), state = row_column(a, stmt, 1);

		(*out)[(*count)++] = (struct state_count){.kind = kind.text,
							  .state = state.text,
							  .rows = sqlite3_column_int64(stmt, 2),
							  .due = sqlite3_column_int64(stmt, 3)};
	}
	result = rc == SQLITE_DONE || rc == SQLITE_ROW ? STORE_OK : connection_rc(c, rc);
	reader_done(s, c, stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_count_doubles(struct store *s, const char *kind, int64_t *doubles)
{
	static const char text[] =
		"SELECT coalesce(sum(n - 1), 0) FROM (SELECT count(*) AS n FROM credential "
		"WHERE kind = ?1 AND state = 'active' AND registry_id IS NOT NULL AND "
		"public_value IS NOT NULL GROUP BY registry_id, public_value, path_prefix)";
	const struct value binds[] = {value_text(kind)};
	enum store_rc result = STORE_OK;
	struct connection *c;
	sqlite3_stmt *stmt = reader_fixed(s, &c, text, binds, 1, &result);

	*doubles = 0;
	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*doubles = sqlite3_column_int64(stmt, 0);
	result = connection_rc(c, rc);
	reader_done(s, c, stmt);
	return result;
}

enum store_rc
store_due(struct store_tx *tx, const struct family *family, int64_t now_ms, int64_t *ids,
	  size_t max, size_t *count)
{
	struct sql q;
	char text[256];
	enum store_rc result = STORE_OK;
	const struct value binds[] = {value_int(now_ms), value_int((int64_t)max)};
	int rc = SQLITE_DONE;

	(void)snprintf(text, sizeof(text),
		       "SELECT id FROM %s WHERE state = 'removed' AND (remove_time <= ?1 OR "
		       "removed > ?1) ORDER BY "
		       "remove_time LIMIT ?2",
		       family->table);
	sql_fixed(&q, text, binds, 2);
	*count = 0;
	sqlite3_stmt *stmt = connection_begin(tx->connection, &q, &result);
	if (stmt == NULL)
		return result;
	while (*count < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		ids[(*count)++] = sqlite3_column_int64(stmt, 0);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		result = connection_rc(tx->connection, rc);
	statement_release(stmt);
	return result;
}

/* " AND NOT EXISTS (...)" for the rows that name one of the family, by the links of its base type
 * to children; members alone go with their project. */
static size_t
add_unnamed(char *text, size_t size, const struct family *family)
{
	size_t n = 0;

	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		if (t->family != family || t->kind != NULL)
			continue;
		for (const struct link *l = t->links; l != NULL && l->name != NULL; l++) {
			const struct family *child = l->target->family;

			if (l->kind == LINK_CHILDREN &&
			    (l->target->flags & TYPE_THROUGH_PROJECT) == 0)
				n += (size_t)snprintf(
					text + n, size - n,
					" AND NOT EXISTS (SELECT 1 FROM %s WHERE %s = x.id)",
					child->table, column_name(child, l->column));
		}
	}
	return n;
}

enum store_rc
store_forget(struct store_tx *tx, const struct family *family, int64_t removed_before_ms,
	     size_t max, size_t *deleted)
{
	char text[1536];
	int changed = 0;
	const struct value binds[] = {value_int(removed_before_ms), value_int((int64_t)max)};

	size_t n = (size_t)snprintf(text, sizeof(text),
				    "DELETE FROM %s WHERE id IN (SELECT id FROM %s x WHERE "
				    "state = 'purged' AND removed < ?1",
				    family->table, family->table);
	n += add_unnamed(text + n, sizeof(text) - n, family);
	(void)snprintf(text + n, sizeof(text) - n, " ORDER BY removed LIMIT ?2)");
	enum store_rc rc = row_change_fixed(tx, text, binds, 2, &changed);
	*deleted = rc == STORE_OK ? (size_t)changed : 0;
	return rc;
}
