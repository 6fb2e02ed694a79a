/* bounds: the bounds of keys: no key makes one that may do more. */
#include "resource/bounds.h"

#include <string.h>

#include "access/identity.h"
#include "access/rights.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/network.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/url.h"
#include "resource/resource.h"
#include "resource/trail.h"
#include "resource/work.h"
#include "secret/keyring.h"
#include "secret/random.h"
#include "store/store.h"

enum err
bounds_check_registry_ids(struct store_tx *tx, const struct work *w)
{
	const char *list = record_text(w->row, COL_REGISTRY_IDS);
	char one[LIST_ITEM_SIZE];
	int64_t id;

	if ((w->change->given & COL_BIT(COL_REGISTRY_IDS)) == 0)
		return ERR_NONE;
	while (list_next(&list, one)) {
		struct record registry;
		enum store_rc rc =
			id_parse(&family_storage_pool, one, &id)
				? store_tx_get(tx, w->context->arena, &family_storage_pool, id,
					       &w->context->id->owners, &registry)
				: STORE_NONE;

		if (rc != STORE_OK && rc != STORE_NONE)
			return work_fail(w, rc);
		if (rc == STORE_NONE || registry.columns[COL_REMOVED].type != VALUE_NULL)
			return err_set(w->error, ERR_INVALID_REFERENCE, "registryIds", NULL);
	}
	return ERR_NONE;
}

/* Whether each path of inner lies below one of outer; both are lists. */
static bool
paths_within(const char *outer, const char *inner)
{
	char path[LIST_ITEM_SIZE], prefix[LIST_ITEM_SIZE];
	bool within = inner != NULL;

	while (within && list_next(&inner, path)) {
		const char *rest = outer;

		within = false;
		while (!within && list_next(&rest, prefix))
			within = registry_path_holds(prefix, path);
	}
	return within;
}

static bool
ids_within(const char *outer, const char *inner)
{
	char one[LIST_ITEM_SIZE];
	int64_t id;
	bool within = inner != NULL;

	while (within && list_next(&inner, one))
		within = id_parse(&family_storage_pool, one, &id) &&
			 auth_list_has_id(outer, &family_storage_pool, id);
	return within;
}

/* Whether a key's column is as narrow as that of the key that asks. */
static bool
within_bounds(const struct key_bounds *own, const struct record *key, enum column column)
{
	const char *networks = record_text(key, COL_NETWORKS);
	const struct value *expires = &key->columns[COL_EXPIRES];

	switch (column) {
	case COL_ROLE:
		return auth_role_within(own->role, record_text(key, COL_ROLE));
	case COL_NETWORKS:
		return own->networks == NULL ||
		       (networks != NULL && network_list_within(own->networks, networks));
	case COL_EXPIRES:
		return own->expires_ms == 0 ||
		       (expires->type == VALUE_INT && expires->number <= own->expires_ms);
	case COL_REGISTRY_IDS:
		return own->registry_ids == NULL ||
		       ids_within(own->registry_ids, record_text(key, COL_REGISTRY_IDS));
	case COL_PATH_PREFIXES:
		return own->path_prefixes == NULL ||
		       paths_within(own->path_prefixes, record_text(key, COL_PATH_PREFIXES));
	default:
		return true;
	}
}

static const struct {
	enum column column;
	const char *field;
} bounds[] = {{COL_EXPIRES, "expires"},
	      {COL_NETWORKS, "networks"},
	      {COL_ROLE, "role"},
	      {COL_REGISTRY_IDS, "registryIds"},
	      {COL_PATH_PREFIXES, "pathPrefixes"}};

enum { BOUNDS = sizeof(bounds) / sizeof(*bounds) };

static const char wider_than_own[] = "A key can make no key that may do more than itself.";

static const char no_grant[] =
	"Only an owner, or a key that may be handed logins, gives that right.";

/* The right to be handed logins is given on purpose, or with the role that is good for nothing
 * else; it is not inherited. */
static enum err
bound_reveal(const struct context *c, struct record *row, struct error *e)
{
	const char *role = record_text(row, COL_ROLE);
	struct value *reveal = &row->columns[COL_REVEAL];

	if (role != NULL && (strcmp(role, "reveal") == 0 || auth_is_inject_only(role)))
		*reveal = value_int(1);
	if (reveal->number == 0)
		return ERR_NONE;
	if (role != NULL && strcmp(role, "readonly") == 0)
		return err_set(e, ERR_INVALID_OPTION, "reveal",
			       "A readonly key is handed no logins.");
	return auth_may_grant(c->id) ? ERR_NONE
				     : err_set(e, ERR_INVALID_OPTION, "reveal", no_grant);
}

enum err
bounds_inherit(const struct context *c, struct record *row, struct error *e)
{
	const struct key_bounds *own = &c->id->key;
	struct value *expires = &row->columns[COL_EXPIRES];

	if (expires->type == VALUE_INT && expires->number <= c->now_ms)
		return err_set(e, ERR_INVALID_FORMAT, "expires", "It must lie in the future.");
	if (expires->type == VALUE_NULL && own->expires_ms != 0)
		*expires = value_int(own->expires_ms);
	if (row->columns[COL_NETWORKS].type == VALUE_NULL)
		row->columns[COL_NETWORKS] = value_text(own->networks);
	if (row->columns[COL_ROLE].type == VALUE_NULL)
		row->columns[COL_ROLE] = value_text(own->role);
	if (row->columns[COL_REGISTRY_IDS].type == VALUE_NULL)
		row->columns[COL_REGISTRY_IDS] = value_text(own->registry_ids);
	if (row->columns[COL_PATH_PREFIXES].type == VALUE_NULL)
		row->columns[COL_PATH_PREFIXES] = value_text(own->path_prefixes);
	for (size_t i = 0; i < BOUNDS; i++)
		if (!within_bounds(own, row, bounds[i].column))
			return err_set(e, ERR_INVALID_OPTION, bounds[i].field, wider_than_own);
	return bound_reveal(c, row, e);
}

void
bounds_make_key(const struct context *c, struct record *row, struct change *change)
{
	const char *given = record_text(row, COL_PUBLIC_VALUE);

	if (given == NULL || *given == '\0') {
		char *access = arena_alloc(c->arena, SECRET_ACCESS_KEY_SIZE);

		if (access != NULL)
			secret_access_key(access);
		row->columns[COL_PUBLIC_VALUE] = value_text(access);
	}
	if (change->secret == NULL || *change->secret == '\0') {
		char *secret = arena_alloc(c->arena, SECRET_KEY_SIZE);

		if (secret != NULL)
			secret_key(secret);
		change->secret = secret;
	}
}

/* Which logins a key may be handed is made wider only by those who may give the right to it. */
static enum err
update_reveal(const struct work *w, const struct record *old, const struct record *row)
{
	static const enum column columns[] = {COL_REGISTRY_IDS, COL_PATH_PREFIXES};
	const struct key_bounds before = {.registry_ids = record_text(old, COL_REGISTRY_IDS),
					  .path_prefixes = record_text(old, COL_PATH_PREFIXES)};
	bool wider = row->columns[COL_REVEAL].number > old->columns[COL_REVEAL].number;

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		wider = wider || !within_bounds(&before, row, columns[i]);
	return !wider || auth_may_grant(w->context->id)
		       ? ERR_NONE
		       : err_set(w->error, ERR_INVALID_OPTION, "reveal", no_grant);
}

enum err
update_bounds(const struct work *w, const struct record *old, const struct record *row)
{
	if ((row->type->flags & TYPE_API_KEY) == 0)
		return ERR_NONE;
	if (!auth_role_within(record_text(old, COL_ROLE), record_text(row, COL_ROLE)))
		return err_set(w->error, ERR_INVALID_OPTION, "role",
			       "The role of a key can only be made narrower.");
	for (size_t i = 0; i < BOUNDS; i++) {
		enum column column = bounds[i].column;

		if (!trail_same_value(&old->columns[column], &row->columns[column]) &&
		    !within_bounds(&w->context->id->key, row, column))
			return err_set(w->error, ERR_INVALID_OPTION, bounds[i].field,
				       wider_than_own);
	}
	return update_reveal(w, old, row);
}
