/* power: what a key can do, as one value, and whether one key can do more than another. */
#include "access/power.h"

#include <string.h>

#include "base/network.h"
#include "registry/url.h"

/* A date of 1970 has passed; 0 would mean that there is none. */
static int64_t
end_of_key(const struct record *key)
{
	const struct value *expires = &key->columns[COL_EXPIRES];

	if (expires->type != VALUE_INT)
		return 0;
	return expires->number > 0 ? expires->number : 1;
}

struct power
power_of_key(const struct record *key)
{
	return (struct power){.account_id = key->columns[COL_ACCOUNT_ID].number,
			      .rank = RANK_FULL,
			      .active = record_state(key) == ST_ACTIVE,
			      .role = record_text(key, COL_ROLE),
			      .networks = record_text(key, COL_NETWORKS),
			      .expires_ms = end_of_key(key),
			      .registry_ids = record_text(key, COL_REGISTRY_IDS),
			      .path_prefixes = record_text(key, COL_PATH_PREFIXES),
			      .project_ids = record_text(key, COL_PROJECT_IDS),
			      .reveal = key->columns[COL_REVEAL].number != 0};
}

bool
power_holds_path(const struct power *power, const char *path)
{
	const char *list = power->path_prefixes;
	char prefix[LIST_ITEM_SIZE];

	if (list == NULL)
		return true;
	while (list_next(&list, prefix))
		if (registry_path_holds(prefix, path))
			return true;
	return false;
}

static bool
list_has(const char *list, const char *item)
{
	char one[LIST_ITEM_SIZE];

	while (list != NULL && list_next(&list, one))
		if (strcmp(one, item) == 0)
			return true;
	return false;
}

bool
power_holds_registry(const struct power *power, int64_t registry_id)
{
	char id[ID_TEXT_SIZE];

	(void)id_write(id, &family_storage_pool, registry_id);
	return power->registry_ids == NULL || list_has(power->registry_ids, id);
}

/* Whether each item of inner is one of outer; NULL is the empty list. */
static bool
lists_hold(const char *outer, const char *inner)
{
	char one[LIST_ITEM_SIZE];

	while (inner != NULL && list_next(&inner, one))
		if (!list_has(outer, one))
			return false;
	return true;
}

/* For each attribute: whether, in this respect, `a` can do all that `b` can. */

static bool
holds_account(const struct power *a, const struct power *b)
{
	return a->account_id == b->account_id && a->rank >= b->rank;
}

static bool
holds_state(const struct power *a, const struct power *b)
{
	return a->active || !b->active;
}

static bool
holds_role(const struct power *a, const struct power *b)
{
	return a->role == NULL || (b->role != NULL && strcmp(a->role, b->role) == 0);
}

static bool
holds_networks(const struct power *a, const struct power *b)
{
	return a->networks == NULL ||
	       (b->networks != NULL && network_list_within(a->networks, b->networks));
}

static bool
holds_expires(const struct power *a, const struct power *b)
{
	return a->expires_ms == 0 || (b->expires_ms != 0 && b->expires_ms <= a->expires_ms);
}

static bool
holds_reveal(const struct power *a, const struct power *b)
{
	return a->reveal || !b->reveal;
}

static bool
holds_registries(const struct power *a, const struct power *b)
{
	return a->registry_ids == NULL ||
	       (b->registry_ids != NULL && lists_hold(a->registry_ids, b->registry_ids));
}

static bool
holds_paths(const struct power *a, const struct power *b)
{
	const char *list = b->path_prefixes;
	char path[LIST_ITEM_SIZE];

	if (a->path_prefixes != NULL && list == NULL)
		return false;
	while (list != NULL && list_next(&list, path))
		if (!power_holds_path(a, path))
			return false;
	return true;
}

static bool
holds_projects(const struct power *a, const struct power *b)
{
	return lists_hold(a->project_ids, b->project_ids);
}

const char *
power_wider(const struct power *than, const struct power *power)
{
	static const struct {
		const char *field;
		bool (*holds)(const struct power *a, const struct power *b);
	} attributes[] = {
		{"accountId", holds_account},
		{"state", holds_state},
		{"expires", holds_expires},
		{"networks", holds_networks},
		{"role", holds_role},
		{"reveal", holds_reveal},
		{"registryIds", holds_registries},
		{"pathPrefixes", holds_paths},
		{"projectIds", holds_projects},
	};

	for (size_t i = 0; i < sizeof(attributes) / sizeof(*attributes); i++)
		if (!attributes[i].holds(than, power))
			return attributes[i].field;
	return NULL;
}

bool
power_is_for_logins(const struct power *power)
{
	return power->registry_ids != NULL || power->path_prefixes != NULL;
}

bool
power_is_bounded(const struct power *power)
{
	return power->networks != NULL || power->expires_ms != 0 || power_is_for_logins(power);
}
