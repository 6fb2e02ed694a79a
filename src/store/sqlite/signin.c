/* signin: what signing in reads. */
#include <string.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

/* The columns needed of the caller: id, kind and state, the first ones of the row. */
static void
read_account(struct arena *a, sqlite3_stmt *stmt, struct record *account)
{
	*account = (struct record){.type = &types_table[T_ACCOUNT]};
	account->columns[COL_ID] = row_column(a, stmt, 0);
	account->columns[COL_KIND] = row_column(a, stmt, 1);
	account->columns[COL_STATE] = row_column(a, stmt, 2);
}

enum store_rc
store_find_key(struct store *s, struct arena *a, const char *access_key, struct record *key,
	       struct record *account)
{
	/* For an unknown key the next one is read anyway, or the first after the last, so that the
	 * time does not reveal it. The second condition on the kind is the one of the partial
	 * index, which is not used without it. */
#define OF_KEYS "FROM credential WHERE kind = 'apiKey' AND kind IN ('apiKey', 'password') "
	static const char text[] =
		"SELECT a.id, a.kind, a.state, c.id, c.state, c.removed, "
		"c.secret_value, c.expires, c.role, c.networks, c.last_used, c.reveal, "
		"c.registry_ids, c.path_prefixes, c.made_by, c.project_ids, c.public_value = ?1 "
		"FROM credential c JOIN account a ON a.id = c.account_id WHERE c.id = coalesce("
		"(SELECT id " OF_KEYS "AND public_value >= ?1 ORDER BY public_value LIMIT 1), "
		"(SELECT id " OF_KEYS "ORDER BY public_value LIMIT 1))";
#undef OF_KEYS
	const struct value binds[] = {value_text(access_key)};
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt = reader_fixed(s, &c, text, binds, 1, &result);

	if (stmt == NULL)
		return result;
	result = row_step(c, stmt);
	if (result == STORE_OK) {
		read_account(a, stmt, account);
		*key = (struct record){.type = &types_table[T_API_KEY]};
		key->columns[COL_ACCOUNT_ID] = account->columns[COL_ID];
		key->columns[COL_ID] = row_column(a, stmt, 3);
		key->columns[COL_STATE] = row_column(a, stmt, 4);
		key->columns[COL_REMOVED] = row_column(a, stmt, 5);
		key->columns[COL_SECRET_VALUE] = row_column(a, stmt, 6);
		key->columns[COL_EXPIRES] = row_column(a, stmt, 7);
		key->columns[COL_ROLE] = row_column(a, stmt, 8);
		key->columns[COL_NETWORKS] = row_column(a, stmt, 9);
		key->columns[COL_LAST_USED] = row_column(a, stmt, 10);
		key->columns[COL_REVEAL] = row_column(a, stmt, 11);
		key->columns[COL_REGISTRY_IDS] = row_column(a, stmt, 12);
		key->columns[COL_PATH_PREFIXES] = row_column(a, stmt, 13);
		key->columns[COL_MADE_BY] = row_column(a, stmt, 14);
		key->columns[COL_PROJECT_IDS] = row_column(a, stmt, 15);
		result = sqlite3_column_int(stmt, 16) != 0 ? STORE_OK : STORE_NONE;
	}
	reader_done(s, c, stmt);
	if (result != STORE_OK)
		*key = *account = (struct record){0};
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

/* One row: the account, joined with the rest. */
#define LIVE_MEMBER(as, project, account)                                                          \
	"LEFT JOIN project_member " as " ON " as ".project_id = " project " AND " as               \
	".external_id_type = 'rancher_id' AND " as ".external_id = '1a' || " account " AND " as    \
	".removed IS NULL "
static const char standing_text[] =
	"SELECT a.kind, a.state, m.role, p.state, k.kind, k.state, km.role, c.id, c.account_id, "
	"c.state, c.expires, c.role, c.networks, c.reveal, c.registry_ids, c.path_prefixes, "
	"c.project_ids, c.made_by FROM account a "
	"LEFT JOIN credential c ON c.id = ?2 AND c.account_id = a.id "
	"LEFT JOIN account p ON p.id = ?3 " LIVE_MEMBER(
		"m", "?3",
		"a.id") "LEFT JOIN account k ON k.id = c.made_by " LIVE_MEMBER("km", "c.account_id",
									       "c.made_by") "WHERE "
											    "a.id "
											    "= ?1";
#undef LIVE_MEMBER

static enum store_rc
read_standing(struct arena *a, struct connection *c, sqlite3_stmt *stmt, struct standing *out)
{
	static const enum column of_key[] = {COL_ID,	      COL_ACCOUNT_ID,	COL_STATE,
					     COL_EXPIRES,     COL_ROLE,		COL_NETWORKS,
					     COL_REVEAL,      COL_REGISTRY_IDS, COL_PATH_PREFIXES,
					     COL_PROJECT_IDS, COL_MADE_BY};
	enum { FIRST = 7, OF_KEY = sizeof(of_key) / sizeof(*of_key) };
	enum store_rc rc = row_step(c, stmt);

	*out = (struct standing){.key.type = &types_table[T_API_KEY]};
	if (rc != STORE_OK)
		return rc;
	const char *project_state = row_column(a, stmt, 3).text;

	out->kind = row_column(a, stmt, 0).text;
	out->state = row_column(a, stmt, 1).text;
	out->role = row_column(a, stmt, 2).text;
	out->project_active = project_state != NULL && strcmp(project_state, "active") == 0;
	out->maker_kind = row_column(a, stmt, 4).text;
	out->maker_state = row_column(a, stmt, 5).text;
	out->maker_role = row_column(a, stmt, 6).text;
	for (int i = 0; i < (int)OF_KEY; i++)
		out->key.columns[of_key[i]] = row_column(a, stmt, FIRST + i);
	out->has_key = out->key.columns[COL_ID].type == VALUE_INT;
	return arena_failed(a) ? STORE_NO_MEMORY : STORE_OK;
}

enum store_rc
store_standing(struct store *s, struct arena *a, int64_t account_id, int64_t key_id,
	       int64_t project_id, struct standing *out)
{
	const struct value binds[] = {value_int(account_id), value_int(key_id),
				      value_int(project_id)};
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt = reader_fixed(s, &c, standing_text, binds, 3, &result);

	if (stmt == NULL)
		return result;
	result = read_standing(a, c, stmt, out);
	reader_done(s, c, stmt);
	return result;
}

enum store_rc
store_tx_standing(struct store_tx *tx, struct arena *a, int64_t account_id, int64_t key_id,
		  int64_t project_id, struct standing *out)
{
	const struct value binds[] = {value_int(account_id), value_int(key_id),
				      value_int(project_id)};
	enum store_rc result;
	struct sql q;

	sql_fixed(&q, standing_text, binds, 3);
	sqlite3_stmt *stmt = connection_begin(tx->connection, &q, &result);
	if (stmt == NULL)
		return result;
	result = read_standing(a, tx->connection, stmt, out);
	statement_release(stmt);
	return result;
}

enum store_rc
store_find_proxy_user(struct store *s, struct arena *a, const char *name, struct record *account)
{
	static const char text[] = "SELECT id, kind, state FROM account WHERE external_id_type "
				   "= '" STORE_PROXY_TYPE "' AND external_id = ?1";
	const struct value binds[] = {value_text(name)};
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt = reader_fixed(s, &c, text, binds, 1, &result);

	if (stmt == NULL)
		return result;
	result = row_step(c, stmt);
	if (result == STORE_OK)
		read_account(a, stmt, account);
	reader_done(s, c, stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_memberships(struct store *s, struct arena *a, int64_t account_id, struct membership **out,
		  size_t *count)
{
	static const char text[] = "SELECT m.project_id, m.role, p.state = 'active' FROM "
				   "project_member m JOIN account p ON p.id = m.project_id"
				   " WHERE m.removed IS NULL AND m.external_id_type = 'rancher_id' "
				   "AND m.external_id = '1a' || ?1"
				   " AND p.kind = 'project' ORDER BY m.project_id";
	const struct value binds[] = {value_int(account_id)};
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt = reader_fixed(s, &c, text, binds, 1, &result);
	struct membership *list = NULL;
	size_t room = 0, n = 0;
	int rc;

	if (stmt == NULL)
		return result;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (n == room) {
			struct membership *more =
				arena_array(a, room = room == 0 ? 8 : room * 2, sizeof(*more));

			if (more == NULL)
				break;
			if (n > 0)
				memcpy(more, list, n * sizeof(*more));
			list = more;
		}
		list[n].project_id = sqlite3_column_int64(stmt, 0);
		list[n].role = row_column(a, stmt, 1).text;
		list[n].granted = false;
		list[n++].active = sqlite3_column_int(stmt, 2) != 0;
	}
	result = rc == SQLITE_DONE  ? STORE_OK
		 : rc == SQLITE_ROW ? STORE_NO_MEMORY
				    : connection_rc(c, rc);
	reader_done(s, c, stmt);
	*out = list;
	*count = n;
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_touch_key(struct store_tx *tx, int64_t id, int64_t before_ms, int64_t now_ms,
		const char *address)
{
	const struct value binds[] = {value_int(id), value_int(before_ms), value_int(now_ms),
				      value_text(address)};
	int changed = 0;

	return row_change_fixed(
		tx,
		"UPDATE credential SET last_used = ?3, last_used_address = ?4 WHERE id = ?1 AND "
		"(last_used IS NULL OR last_used <= ?2 OR last_used > ?3)",
		binds, sizeof(binds) / sizeof(*binds), &changed);
}
