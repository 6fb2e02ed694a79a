/* signin: what signing in reads. */
#include <string.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/rows.h"
#include "store/store.h"

/* The columns of a key that say what it may do: the first ones of both statements that read keys.
 */
/* clang-format off */
#define KEY_RIGHTS(COLUMN) \
	COLUMN(ID, id) \
	COLUMN(ACCOUNT_ID, account_id) \
	COLUMN(STATE, state) \
	COLUMN(EXPIRES, expires) \
	COLUMN(ROLE, role) \
	COLUMN(NETWORKS, networks) \
	COLUMN(REVEAL, reveal) \
	COLUMN(REGISTRY_IDS, registry_ids) \
	COLUMN(PATH_PREFIXES, path_prefixes) \
	COLUMN(PROJECT_IDS, project_ids) \
	COLUMN(MADE_BY, made_by)
#define AS_TEXT(column, name) "c." #name ", "
#define AS_COLUMN(column, name) COL_##column,
/* clang-format on */
static const enum column key_rights[] = {KEY_RIGHTS(AS_COLUMN)};
enum { RIGHTS = sizeof(key_rights) / sizeof(*key_rights) };

static void
read_rights(struct arena *a, const struct cursor *row, struct record *key)
{
	*key = (struct record){.type = &types_table[T_API_KEY]};
	for (int i = 0; i < (int)RIGHTS; i++)
		key->columns[key_rights[i]] = cursor_column(row, a, i);
}

/* The columns needed of the caller, from `first` on. */
static void
read_account(struct arena *a, const struct cursor *row, int first, struct record *account)
{
	*account = (struct record){.type = &types_table[T_ACCOUNT]};
	account->columns[COL_ID] = cursor_column(row, a, first);
	account->columns[COL_KIND] = cursor_column(row, a, first + 1);
	account->columns[COL_STATE] = cursor_column(row, a, first + 2);
}

/* For an unknown key the next one is read anyway, or the first after the last, so that the time
 * does not reveal it. The second condition on the kind is the one of the partial index, which is
 * not used without it. */
#define OF_KEYS "FROM credential WHERE kind = 'apiKey' AND kind IN ('apiKey', 'password') "
static const char key_text[] = "SELECT " KEY_RIGHTS(
	AS_TEXT) "a.id, a.kind, a.state, c.removed, c.secret_value, c.last_used, c.uuid, "
		 "c.public_value "
		 "FROM credential c JOIN account a ON a.id = c.account_id WHERE c.id = coalesce("
		 "(SELECT id " OF_KEYS "AND public_value >= ?1 ORDER BY public_value LIMIT 1), "
		 "(SELECT id " OF_KEYS "ORDER BY public_value LIMIT 1))";
#undef OF_KEYS

static enum store_rc
read_key_and_account(struct store_tx *tx, struct arena *a, const char *access_key,
		     struct record *key, struct record *account)
{
	const struct value binds[] = {value_text(access_key)};
	struct cursor row;
	enum store_rc rc = cursor_begin_fixed(tx, key_text, binds, 1, &row);

	if (rc != STORE_OK)
		return rc;
	rc = cursor_step(&row);
	if (rc == STORE_OK) {
		read_rights(a, &row, key);
		read_account(a, &row, RIGHTS, account);
		key->columns[COL_REMOVED] = cursor_column(&row, a, RIGHTS + 3);
		key->columns[COL_SECRET_VALUE] = cursor_column(&row, a, RIGHTS + 4);
		key->columns[COL_LAST_USED] = cursor_column(&row, a, RIGHTS + 5);
		key->columns[COL_UUID] = cursor_column(&row, a, RIGHTS + 6);
		const char *found = cursor_column(&row, a, RIGHTS + 7).text;
		rc = found != NULL && strcmp(found, access_key) == 0 ? STORE_OK : STORE_NONE;
	}
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : rc;
}

enum store_rc
store_find_key(struct store *s, struct arena *a, const char *access_key, struct record *key,
	       struct record *account)
{
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	if (rc == STORE_OK)
		rc = read_end(s, &tx, read_key_and_account(&tx, a, access_key, key, account));
	if (rc != STORE_OK)
		*key = *account = (struct record){0};
	return rc;
}

/* One row: the account, joined with the rest. */
#define LIVE_MEMBER(as, project, account)                                                          \
	"LEFT JOIN project_member " as " ON " as ".project_id = " project " AND " as               \
	".external_id_type = 'rancher_id' AND " as ".external_id = '1a' || " account " AND " as    \
	".removed IS NULL "
/* clang-format off */
static const char standing_text[] =
	"SELECT " KEY_RIGHTS(AS_TEXT)
	"a.kind, a.state, m.role, p.state, k.kind, k.state, km.role FROM account a "
	"LEFT JOIN credential c ON c.id = ?2 AND c.account_id = a.id "
	"LEFT JOIN account p ON p.id = ?3 "
	LIVE_MEMBER("m", "?3", "a.id")
	"LEFT JOIN account k ON k.id = c.made_by "
	LIVE_MEMBER("km", "c.account_id", "c.made_by")
	"WHERE a.id = ?1";
/* clang-format on */
#undef LIVE_MEMBER
#undef KEY_RIGHTS
#undef AS_TEXT
#undef AS_COLUMN

enum store_rc
store_tx_standing(struct store_tx *tx, struct arena *a, int64_t account_id, int64_t key_id,
		  int64_t project_id, struct standing *out)
{
	const struct value binds[] = {value_int(account_id), value_int(key_id),
				      value_int(project_id)};
	struct cursor row;
	enum store_rc rc = cursor_begin_fixed(tx, standing_text, binds, 3, &row);

	*out = (struct standing){.key.type = &types_table[T_API_KEY]};
	if (rc != STORE_OK)
		return rc;
	rc = cursor_step(&row);
	if (rc == STORE_OK) {
		const char *project_state = cursor_column(&row, a, RIGHTS + 3).text;

		read_rights(a, &row, &out->key);
		out->has_key = out->key.columns[COL_ID].type == VALUE_INT;
		out->kind = cursor_column(&row, a, RIGHTS).text;
		out->state = cursor_column(&row, a, RIGHTS + 1).text;
		out->role = cursor_column(&row, a, RIGHTS + 2).text;
		out->project_active = project_state != NULL && strcmp(project_state, "active") == 0;
		out->maker_kind = cursor_column(&row, a, RIGHTS + 4).text;
		out->maker_state = cursor_column(&row, a, RIGHTS + 5).text;
		out->maker_role = cursor_column(&row, a, RIGHTS + 6).text;
	}
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : rc;
}

enum store_rc
store_standing(struct store *s, struct arena *a, int64_t account_id, int64_t key_id,
	       int64_t project_id, struct standing *out)
{
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	return rc == STORE_OK
		       ? read_end(s, &tx,
				  store_tx_standing(&tx, a, account_id, key_id, project_id, out))
		       : rc;
}

static enum store_rc
read_proxy_user(struct store_tx *tx, struct arena *a, const char *name, struct record *account)
{
	static const char text[] = "SELECT id, kind, state FROM account WHERE external_id_type "
				   "= '" STORE_PROXY_TYPE "' AND external_id = ?1";
	const struct value binds[] = {value_text(name)};
	struct cursor row;
	enum store_rc rc = cursor_begin_fixed(tx, text, binds, 1, &row);

	if (rc != STORE_OK)
		return rc;
	rc = cursor_step(&row);
	if (rc == STORE_OK)
		read_account(a, &row, 0, account);
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : rc;
}

enum store_rc
store_find_proxy_user(struct store *s, struct arena *a, const char *name, struct record *account)
{
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	return rc == STORE_OK ? read_end(s, &tx, read_proxy_user(&tx, a, name, account)) : rc;
}

/* Makes room for one more; false without memory. */
static bool
memberships_grow(struct arena *a, struct membership **list, size_t count, size_t *room)
{
	if (count < *room)
		return true;
	*room = *room == 0 ? 8 : *room * 2;
	struct membership *more = arena_array(a, *room, sizeof(*more));
	if (more == NULL)
		return false;
	if (count > 0)
		memcpy(more, *list, count * sizeof(*more));
	*list = more;
	return true;
}

static enum store_rc
read_memberships(struct store_tx *tx, struct arena *a, int64_t account_id, struct membership **out,
		 size_t *count)
{
	static const char text[] =
		"SELECT m.project_id, m.role, p.state FROM project_member m JOIN account p ON "
		"p.id = m.project_id WHERE m.removed IS NULL AND m.external_id_type = 'rancher_id' "
		"AND m.external_id = '1a' || ?1 AND p.kind = 'project' ORDER BY m.project_id";
	const struct value binds[] = {value_int(account_id)};
	struct cursor row;
	size_t room = 0;
	enum store_rc rc = cursor_begin_fixed(tx, text, binds, 1, &row);

	if (rc != STORE_OK)
		return rc;
	while ((rc = cursor_step(&row)) == STORE_OK && memberships_grow(a, out, *count, &room)) {
		const char *state = cursor_column(&row, a, 2).text;

		(*out)[(*count)++] = (struct membership){.project_id = cursor_number(&row, 0),
							 .role = cursor_column(&row, a, 1).text,
							 .active = state != NULL &&
								   strcmp(state, "active") == 0};
	}
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : cursor_rc(rc);
}

enum store_rc
store_memberships(struct store *s, struct arena *a, int64_t account_id, struct membership **out,
		  size_t *count)
{
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	*out = NULL;
	*count = 0;
	return rc == STORE_OK ? read_end(s, &tx, read_memberships(&tx, a, account_id, out, count))
			      : rc;
}

enum store_rc
store_touch_key(struct store_tx *tx, int64_t id, int64_t before_ms, int64_t now_ms,
		const char *address)
{
	const struct value binds[] = {value_int(id), value_int(before_ms), value_int(now_ms),
				      value_text(address)};
	int changed;

	return row_change(
		tx,
		"UPDATE credential SET last_used = ?3, last_used_address = ?4 WHERE id = ?1 AND "
		"(last_used IS NULL OR last_used <= ?2 OR last_used > ?3)",
		binds, sizeof(binds) / sizeof(*binds), &changed);
}
