/* schema: runs migrations, and compares a database with their result. */
#include "store/sqlite/schema.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "registry/url.h"
#include "store/migrations.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite.h"

/* For migrations: address_key(server_address), NULL for an address that cannot be read. */
static void
address_key(sqlite3_context *context, int count, sqlite3_value **values)
{
	enum { ROOM = 64 * 1024 };
	const char *address = (const char *)sqlite3_value_text(values[0]);
	struct arena *a = arena_new(ROOM);
	struct registry_url url;

	(void)count;
	if (a == NULL)
		sqlite3_result_error_nomem(context);
	else if (address == NULL || registry_url_parse(a, address, &url) != NULL)
		sqlite3_result_null(context);
	else
		sqlite3_result_text(context, url.key, -1, SQLITE_TRANSIENT);
	arena_free(a);
}

bool
schema_make(sqlite3 *db, int from, int to)
{
	char sql[128];

	if (sqlite3_create_function(db, "address_key", 1, SQLITE_UTF8 | SQLITE_DETERMINISTIC, NULL,
				    address_key, NULL, NULL) != SQLITE_OK ||
	    !connection_run(db, "BEGIN IMMEDIATE"))
		return false;
	for (const struct migration *m = migrations; m->sql != NULL; m++)
		if (m->number > from && m->number <= to && !connection_run(db, m->sql))
			return false;
	(void)snprintf(sql, sizeof(sql),
		       "INSERT INTO lease (name, holder, until) VALUES ('" STORE_MIGRATED
		       "', '%d', 0) ON CONFLICT DO NOTHING",
		       from);
	if (from > 0 && !connection_run(db, sql))
		return false;
	(void)snprintf(sql, sizeof(sql),
		       "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		       APPLICATION_ID, to);
	return connection_run(db, sql);
}

/* Tables left by an administrator's ANALYZE do no harm. */
static const char listing[] =
	"SELECT type || ' ' || name, tbl_name || ' ' || coalesce(sql, '') FROM "
	"sqlite_schema WHERE type <> 'table' OR name NOT IN ('sqlite_stat1', 'sqlite_stat3', "
	"'sqlite_stat4') ORDER BY 1";

static const char *
column_text(sqlite3_stmt *stmt, bool row, int column)
{
	const char *text = row ? (const char *)sqlite3_column_text(stmt, column) : NULL;

	return text != NULL ? text : "";
}

/* Goes through both lists side by side; true at the end of both.  A list that cannot be read to its
 * end proves nothing. */
static bool
same_lists(sqlite3_stmt *have, sqlite3_stmt *want, const char *path, char why[STORE_WHY_MAX])
{
	for (;;) {
		int mine_rc = sqlite3_step(have), right_rc = sqlite3_step(want);
		bool one = mine_rc == SQLITE_ROW, other = right_rc == SQLITE_ROW;

		if ((!one && mine_rc != SQLITE_DONE) || (!other && right_rc != SQLITE_DONE)) {
			(void)snprintf(why, STORE_WHY_MAX, "the tables of %s cannot be read: %s",
				       path, db_why(sqlite3_db_handle(!one ? have : want)));
			return false;
		}
		const char *mine = column_text(have, one, 0), *right = column_text(want, other, 0);
		int order = !one ? 1 : !other ? -1 : strcmp(mine, right);

		if (!one && !other)
			return true;
		if (order == 0 &&
		    strcmp(column_text(have, one, 1), column_text(want, other, 1)) == 0)
			continue;
		(void)snprintf(why, STORE_WHY_MAX,
			       "%s is not a database as regcred makes it: the %.200s %s: restore a "
			       "backup",
			       path, order > 0 ? right : mine,
			       order > 0   ? "is missing"
			       : order < 0 ? "is not one of regcred's"
					   : "is another one");
		return false;
	}
}

bool
schema_is_right(sqlite3 *db, const char *path, int version, char why[STORE_WHY_MAX])
{
	sqlite3 *model = NULL;
	sqlite3_stmt *have = NULL, *want = NULL;
	bool made =
		sqlite3_open_v2(":memory:", &model,
				SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX,
				NULL) == SQLITE_OK &&
		schema_make(model, 0, version) &&
		sqlite3_prepare_v2(model, listing, -1, &want, NULL) == SQLITE_OK &&
		sqlite3_prepare_v2(db, listing, -1, &have, NULL) == SQLITE_OK;

	if (!made)
		(void)snprintf(why, STORE_WHY_MAX, "the tables of %s cannot be read: %s", path,
			       db_why(db));
	bool right = made && same_lists(have, want, path, why);
	(void)sqlite3_finalize(have);
	(void)sqlite3_finalize(want);
	(void)sqlite3_close(model);
	return right;
}
