/* lease: leases: one process does what must be done once. */

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum store_rc
store_take_lease(struct store_tx *tx, const char *name, const char *holder, int64_t now_ms,
		 int64_t until_ms)
{
	const struct value binds[] = {value_text(name), value_text(holder), value_int(now_ms),
				      value_int(until_ms)};
	int changed = 0;

	enum store_rc rc = row_change_fixed(
		tx,
		"INSERT INTO lease (name, holder, until, began) VALUES (?1, ?2, ?4, ?3) "
		"ON CONFLICT (name) DO UPDATE SET until = ?4, "
		"began = iif(holder = ?2 AND ended IS NULL, began, ?3), "
		"rows = iif(holder = ?2 AND ended IS NULL, rows, 0), holder = ?2, ended = NULL "
		/* One that lasts far longer than any was taken when the clock was wrong. */
		"WHERE holder = ?2 OR until <= ?3 OR until > ?4 + (?4 - ?3)",
		binds, sizeof(binds) / sizeof(*binds), &changed);
	return rc == STORE_OK && changed == 0 ? STORE_NONE : rc;
}

enum store_rc
store_end_lease(struct store_tx *tx, const char *name, const char *holder, int64_t now_ms,
		int64_t rows)
{
	const struct value binds[] = {value_text(name), value_text(holder), value_int(now_ms),
				      value_int(rows)};
	int changed = 0;

	enum store_rc rc =
		row_change_fixed(tx,
				 "UPDATE lease SET until = ?3, ended = ?3, rows = ?4 WHERE "
				 "name = ?1 AND holder = ?2",
				 binds, sizeof(binds) / sizeof(*binds), &changed);
	return rc == STORE_OK && changed == 0 ? STORE_NONE : rc;
}

enum store_rc
store_lease(struct store *s, struct arena *a, const char *name, struct lease *out)
{
	const struct value binds[] = {value_text(name)};
	enum store_rc result;
	struct connection *c;
	sqlite3_stmt *stmt = reader_fixed(
		s, &c, "SELECT holder, until, began, ended, rows FROM lease WHERE name = ?1", binds,
		1, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const struct value holder = row_column(a, stmt, 0);

		*out = (struct lease){.holder = holder.text,
				      .until_ms = sqlite3_column_int64(stmt, 1),
				      .began_ms = sqlite3_column_int64(stmt, 2),
				      .ended_ms = sqlite3_column_int64(stmt, 3),
				      .rows = sqlite3_column_int64(stmt, 4)};
		result = STORE_OK;
	} else {
		result = rc == SQLITE_DONE ? STORE_NONE : connection_rc(c, rc);
	}
	reader_done(s, c, stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}
