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
		       "total(state = 'removed' AND remove_time <= ?1) "
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
store_due(struct store_tx *tx, const struct family *family, int64_t now_ms, int64_t *ids,
	  size_t max, size_t *count)
{
	struct sql q;
	char text[256];
	enum store_rc result = STORE_OK;
	const struct value binds[] = {value_int(now_ms), value_int((int64_t)max)};
	int rc = SQLITE_DONE;

	(void)snprintf(text, sizeof(text),
		       "SELECT id FROM %s WHERE state = 'removed' AND remove_time <= ?1 ORDER BY "
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

/* Rows that still name one of these keep it alive: table and column. */
static const struct {
	const struct family *family, *child;
	enum column column;
} references[] = {
	{&family_storage_pool, &family_credential, COL_REGISTRY_ID},
	{&family_account, &family_credential, COL_ACCOUNT_ID},
	{&family_account, &family_storage_pool, COL_ACCOUNT_ID},
};

enum store_rc
store_forget(struct store_tx *tx, const struct family *family, int64_t removed_before_ms,
	     int64_t log_before_ms, size_t max, size_t *deleted)
{
	char text[1536];
	int changed = 0;
	const struct value binds[] = {value_int(removed_before_ms), value_int((int64_t)max)};
	const struct value log_binds[] = {value_int(log_before_ms), value_int((int64_t)max)};

	int n = snprintf(text, sizeof(text),
			 "DELETE FROM %s WHERE id IN (SELECT id FROM %s x WHERE state = 'purged' "
			 "AND removed < ?1",
			 family->table, family->table);
	for (size_t i = 0; i < sizeof(references) / sizeof(*references); i++)
		if (references[i].family == family)
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      " AND NOT EXISTS (SELECT 1 FROM %s WHERE %s = x.id)",
				      references[i].child->table,
				      column_name(references[i].child, references[i].column));
	(void)snprintf(text + n, sizeof(text) - (size_t)n, " ORDER BY removed LIMIT ?2)");
	enum store_rc rc = row_change_fixed(tx, text, binds, 2, &changed);
	*deleted = rc == STORE_OK ? (size_t)changed : 0;
	if (rc != STORE_OK)
		return rc;
	rc = row_change_fixed(
		tx,
		"DELETE FROM process_log WHERE id IN (SELECT id FROM process_log WHERE "
		"at < ?1 ORDER "
		"BY at LIMIT ?2)",
		log_binds, 2, &changed);
	/* The caller goes on as long as either has more. */
	if (rc == STORE_OK && (size_t)changed > *deleted)
		*deleted = (size_t)changed;
	return rc;
}
