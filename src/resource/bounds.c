/* bounds: what a key may do to other keys, and to logins. */
#include "resource/bounds.h"

#include <string.h>

#include "access/identity.h"
#include "access/power.h"
#include "access/rights.h"
#include "base/arena.h"
#include "base/err.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/url.h"
#include "resource/resource.h"
#include "resource/trail.h"
#include "resource/work.h"
#include "secret/keyring.h"
#include "secret/random.h"
#include "store/store.h"

/* Lists of a key */

/* Whether the row is live and visible to the caller. */
static enum store_rc
find_live(struct store_tx *tx, const struct context *c, const struct family *family,
	  const char *text)
{
	struct record row;
	int64_t id;

	if (!id_parse(family, text, &id))
		return STORE_NONE;
	enum store_rc rc = store_tx_get(tx, c->arena, family, id, &c->id->owners, &row);
	if (rc == STORE_OK && row.columns[COL_REMOVED].type != VALUE_NULL)
		return STORE_NONE;
	return rc;
}

enum err
bounds_check_lists(struct store_tx *tx, const struct work *w)
{
	static const struct {
		enum column column;
		const struct family *family;
		const char *field;
	} lists[] = {{COL_REGISTRY_IDS, &family_storage_pool, "registryIds"},
		     {COL_PROJECT_IDS, &family_account, "projectIds"}};

	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		const char *list = record_text(w->row, lists[i].column);
		char one[LIST_ITEM_SIZE];

		if ((w->row->type->flags & TYPE_API_KEY) == 0 ||
		    (w->change->given & COL_BIT(lists[i].column)) == 0)
			continue;
		while (list_next(&list, one)) {
			enum store_rc rc = find_live(tx, w->context, lists[i].family, one);

			if (rc != STORE_OK && rc != STORE_NONE)
				return work_fail(w, rc);
			if (rc == STORE_NONE)
				return err_set(w->error, ERR_INVALID_REFERENCE, lists[i].field,
					       NULL);
		}
	}
	return ERR_NONE;
}

/* Keys */

static enum err
refuse_wider(const char *field, struct error *e)
{
	return err_set(
		e, ERR_INVALID_OPTION, field,
		strcmp(field, "reveal") == 0
			? "Only an owner, or a key that may retrieve logins, can give that right: "
			  "ask an owner."
			: "A key cannot give more rights than its own: ask someone who has them.");
}

/* Keys created by a member have the member's rank; the rank of other keys is unknown and may be the
 * highest. */
static struct power
power_seen_by(const struct context *c, const struct record *key, const struct power *own)
{
	struct power power = power_of_key(key);
	int64_t maker = c->id->maker_id != 0 ? c->id->maker_id : c->id->user_id;

	if (key->columns[COL_MADE_BY].number == maker)
		power.rank = own->rank;
	return power;
}

/* The right to retrieve logins is granted explicitly, or by the role that allows nothing else; it
 * is not inherited. */
static enum err
bound_reveal(struct record *row, struct error *e)
{
	const char *role = record_text(row, COL_ROLE);
	struct value *reveal = &row->columns[COL_REVEAL];

	if (role != NULL && (strcmp(role, "reveal") == 0 || auth_is_inject_only(role)))
		*reveal = value_int(1);
	if (reveal->number != 0 && role != NULL && strcmp(role, "readonly") == 0)
		return err_set(e, ERR_INVALID_OPTION, "reveal",
			       "A readonly key cannot retrieve logins: leave out reveal, or choose "
			       "another role.");
	return ERR_NONE;
}

static void
inherit(struct record *row, enum column column, const char *text)
{
	if (row->columns[column].type == VALUE_NULL)
		row->columns[column] = value_text(text);
}

/* Sets the creator; a key created with a project's key has the creator of that key. */
static enum err
note_maker(const struct context *c, struct record *row, struct error *e)
{
	int64_t account = row->columns[COL_ACCOUNT_ID].number, maker = c->id->user_id;
	const struct membership *m = identity_membership(c->id, account);

	if (c->id->account_role == ROLE_PROJECT)
		maker = c->id->maker_id;
	if (m != NULL && m->granted && !c->id->all_accounts && c->id->account_role == ROLE_USER)
		return err_set(e, ERR_FORBIDDEN, NULL,
			       "You are a member through a group, for this request only, and a key "
			       "would last longer: ask an owner of the project for one.");
	if (maker != 0 && c->id->stored_kind != NULL)
		row->columns[COL_MADE_BY] = value_int(maker);
	return ERR_NONE;
}

enum err
bounds_inherit(const struct context *c, struct record *row, struct error *e)
{
	const struct power own = auth_power(c->id, row->columns[COL_ACCOUNT_ID].number);
	struct value *expires = &row->columns[COL_EXPIRES];

	if (expires->type == VALUE_INT && expires->number <= c->now_ms)
		return err_set(e, ERR_INVALID_FORMAT, "expires",
			       "It is in the past: send a date in the future.");
	if (expires->type == VALUE_NULL && own.expires_ms != 0)
		*expires = value_int(own.expires_ms);
	inherit(row, COL_NETWORKS, own.networks);
	inherit(row, COL_ROLE, own.role);
	inherit(row, COL_REGISTRY_IDS, own.registry_ids);
	inherit(row, COL_PATH_PREFIXES, own.path_prefixes);
	if (bound_reveal(row, e) != ERR_NONE || note_maker(c, row, e) != ERR_NONE)
		return e->code;
	struct power given = power_of_key(row), allowed = own;
	given.active = true;
	given.rank = own.rank;
	allowed.project_ids = given.project_ids; /* bounds_check_lists() */
	const char *field = power_wider(&allowed, &given);
	return field == NULL ? ERR_NONE : refuse_wider(field, e);
}

/* Keys of others may be restricted further, but not widened. */
static const char *
wider_than_allowed(const struct context *c, const struct record *old, const struct record *row,
		   bool taken_over)
{
	struct power own = auth_power(c->id, row->columns[COL_ACCOUNT_ID].number);
	const struct power before = power_seen_by(c, old, &own);
	const struct power after = power_seen_by(c, row, &own);

	if (power_wider(&before, &after) == NULL && !taken_over)
		return NULL;
	own.project_ids = after.project_ids;
	return power_wider(&own, &after);
}

enum err
bounds_check_update(const struct work *w, const struct record *old, const struct record *row,
		    uint64_t columns)
{
	const uint64_t secret = COL_BIT(COL_SECRET_VALUE) | COL_BIT(COL_PUBLIC_VALUE);
	const char *role = record_text(old, COL_ROLE);

	if ((row->type->flags & TYPE_API_KEY) == 0)
		return ERR_NONE;
	if (role != NULL && !trail_same_text(role, record_text(row, COL_ROLE)))
		return err_set(w->error, ERR_INVALID_OPTION, "role",
			       "The role of a key can only be made narrower: create another key.");
	const char *field = wider_than_allowed(w->context, old, row, (columns & secret) != 0);
	return field == NULL ? ERR_NONE : refuse_wider(field, w->error);
}

enum err
bounds_check_activate(struct store_tx *tx, const struct work *w)
{
	const struct context *c = w->context;
	struct record now, active;

	if ((w->row->type->flags & TYPE_API_KEY) == 0 || w->plan->after != ST_ACTIVE)
		return ERR_NONE;
	enum store_rc rc = store_tx_get(tx, c->arena, w->row->type->family, record_id(w->row),
					&c->id->owners, &now);
	if (rc != STORE_OK)
		return work_fail(w, rc);
	if (record_state(&now) == ST_ACTIVE)
		return ERR_NONE;
	active = now;
	active.columns[COL_STATE] = value_text(state_name(ST_ACTIVE));
	bool grants = auth_power(c->id, now.columns[COL_ACCOUNT_ID].number).rank == RANK_FULL;
	if (grants && wider_than_allowed(c, &now, &active, false) == NULL)
		return ERR_NONE;
	return err_set(
		w->error, ERR_ACTION_NOT_AVAILABLE, "action",
		"It was switched off, and may do more than you may give: ask an owner of the "
		"project.");
}

void
bounds_make_key(const struct context *c, struct record *row, struct change *change)
{
	const char *given = record_text(row, COL_PUBLIC_VALUE);

	/* Generate both or neither: a key created with an access key but no secret lets nobody in.
	 */
	if (given != NULL && *given != '\0') {
		if (change->secret != NULL && *change->secret == '\0')
			change->secret = NULL;
		return;
	}
	char *access = arena_alloc(c->arena, SECRET_ACCESS_KEY_SIZE);
	char *secret = arena_alloc(c->arena, SECRET_KEY_SIZE);
	if (access == NULL || secret == NULL)
		return; /* the arena has failed */
	secret_access_key(access);
	secret_key(secret);
	row->columns[COL_PUBLIC_VALUE] = value_text(access);
	change->secret = secret;
}

/* Logins */

static enum store_rc
get_any(const struct context *c, struct store_tx *tx, const struct family *family, int64_t id,
	struct record *out)
{
	return tx != NULL ? store_tx_get(tx, c->arena, family, id, &owners_all, out)
			  : store_get(c->store, c->arena, family, id, &owners_all, out);
}

/* A former secret is held like its login. */
static enum err
hold_version(const struct context *c, struct store_tx *tx, const struct record *version,
	     bool *holds, struct error *e)
{
	struct record login;
	enum store_rc rc = get_any(c, tx, &family_credential,
				   version->columns[COL_CREDENTIAL_ID].number, &login);

	if (rc == STORE_OK)
		return bounds_hold(c, tx, &login, holds, e);
	*holds = false;
	return rc == STORE_NONE ? ERR_NONE : store_err(rc, e);
}

enum err
bounds_hold(const struct context *c, struct store_tx *tx, const struct record *row, bool *holds,
	    struct error *e)
{
	const struct power *key = &c->id->key;
	const char *path = record_text(row, COL_PATH_PREFIX);
	int64_t registry_id = row->columns[COL_REGISTRY_ID].number;
	struct registry_url url;
	struct record registry;

	*holds = true;
	if (!power_is_for_logins(key))
		return ERR_NONE;
	if (row->type == &types_table[T_SECRET_VERSION])
		return hold_version(c, tx, row, holds, e);
	if ((row->type->flags & TYPE_VERIFIED) == 0)
		return ERR_NONE;
	*holds = power_holds_registry(key, registry_id);
	if (!*holds || key->path_prefixes == NULL)
		return ERR_NONE;
	if (path == NULL) { /* the registry's address may have a path */
		enum store_rc rc = get_any(c, tx, &family_storage_pool, registry_id, &registry);

		if (rc != STORE_OK && rc != STORE_NONE)
			return store_err(rc, e);
		const char *address =
			rc == STORE_OK ? record_text(&registry, COL_SERVER_ADDRESS) : NULL;
		path = address != NULL && registry_url_parse(c->arena, address, &url) == NULL
			       ? url.path
			       : "";
	}
	*holds = power_holds_path(key, path);
	return arena_failed(c->arena) ? err_set(e, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}

enum err
bounds_check_login(struct store_tx *tx, const struct work *w, const struct record *row)
{
	bool holds;

	if (bounds_hold(w->context, tx, row, &holds, w->error) != ERR_NONE)
		return w->error->code;
	const char *pulled = record_text(row, COL_VERIFY_REPOSITORY);
	if (holds && (row->type->flags & TYPE_VERIFIED) != 0 && pulled != NULL &&
	    !power_holds_path(&w->context->id->key, pulled))
		return err_set(w->error, ERR_INVALID_OPTION, "verifyRepository",
			       "The check would reveal something about a repository outside the "
			       "pathPrefixes of this key: stay within them.");
	return holds ? ERR_NONE
		     : err_set(w->error, ERR_INVALID_OPTION,
			       power_holds_registry(&w->context->id->key,
						    row->columns[COL_REGISTRY_ID].number)
				       ? "pathPrefix"
				       : "registryId",
			       "The login would be outside the registryIds and pathPrefixes of "
			       "this key: stay within them.");
}

enum err
bounds_may_write(const struct context *c, const struct resource_type *type, struct error *e)
{
	if (auth_may_write(c->id, type))
		return ERR_NONE;
	return err_set(e, ERR_FORBIDDEN, NULL,
		       power_is_for_logins(&c->id->key)
			       ? "This key is limited to some logins, and can change only those "
				 "and keys: use one without registryIds and pathPrefixes."
			       : "This key has bounds, and cannot create anything that would be "
				 "free of them: use one without networks and expires.");
}
