/* rights: what an identity may do besides what its role allows: own, grant, reveal, inject, manage.
 */
#include "access/rights.h"

#include <string.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/store.h"

static bool
owns_project(const struct identity *id, int64_t project)
{
	const struct membership *m = identity_membership(id, project);

	/* An administrator acts as owner in every project; when scoped it already has that role. */
	if (id->role == ROLE_SUPERADMIN || id->role == ROLE_SERVICE || id->role == ROLE_ADMIN)
		return true;
	return identity_owns(m) || (id->role == ROLE_OWNER && id->scope_id == project);
}

bool
auth_owns_by_row(const struct identity *id, int64_t project)
{
	const struct membership *m = identity_membership(id, project);

	return id->account_role != ROLE_ADMIN && identity_owns(m) && !m->granted;
}

bool
auth_may_own(const char *kind)
{
	for (const struct account_kind *k = account_kinds; kind != NULL && k->kind != NULL; k++)
		if (strcmp(k->kind, kind) == 0)
			return k->manages;
	return false;
}

bool
auth_may_name(enum role role, const char *kind)
{
	return role == ROLE_SUPERADMIN || kind == NULL || strcmp(kind, "superadmin") != 0;
}

bool
auth_may_open(const struct identity *id, const struct record *row)
{
	int64_t owner = row->columns[row->type->family->owner].number;

	if (power_is_bounded(&id->key) && !id->key.reveal)
		return false;
	return id->scoped || id->all_accounts || owner == id->user_id ||
	       identity_owns(identity_membership(id, owner));
}

enum err
auth_may_method(const struct identity *id, const struct resource_type *type, unsigned right,
		struct error *e)
{
	if ((auth_type(id->role, type) & right) != 0)
		return ERR_NONE;
	return err_set(e, ERR_METHOD_NOT_ALLOWED, NULL,
		       !id->scoped && (auth_type(ROLE_OWNER, type) & right) != 0
			       ? "Your key can do this only in a project: send the request to "
				 "the same path below /v1/projects/ID."
			       : NULL);
}

bool
auth_may_reveal(const struct identity *id)
{
	return auth_may_inject(id) && !auth_is_inject_only(id->key.role);
}

bool
auth_may_inject(const struct identity *id)
{
	return (HANDED & (1U << id->role)) != 0 && (id->key_id == 0 || id->key.reveal);
}

bool
auth_is_inject_only(const char *key_role)
{
	return key_role != NULL && strcmp(key_role, "inject") == 0;
}

bool
auth_may_grant(const struct identity *id)
{
	/* A project's key acts for no person: it can pass on only what it was granted. */
	return (HANDED & (1U << id->role)) != 0 &&
	       (id->account_role != ROLE_PROJECT || id->key.reveal);
}

bool
auth_may_hand_out(const struct identity *id, const struct record *row)
{
	int64_t owner = row->columns[row->type->family->owner].number;

	return id->scoped || owner == id->user_id ||
	       (HANDED & (1U << identity_role_in_project(id, owner))) != 0;
}

struct power
auth_power(const struct identity *id, int64_t account)
{
	struct power own = id->key;

	own.rank = identity_rank(id, account);
	own.account_id = account;
	own.active = true;
	own.reveal = auth_may_grant(id) && own.rank == RANK_FULL;
	if (own.rank == RANK_NONE)
		own.account_id = 0;
	return own;
}

bool
auth_may_write(const struct identity *id, const struct resource_type *type)
{
	bool login_or_key = (type->flags & (TYPE_VERIFIED | TYPE_API_KEY)) != 0;

	if (power_is_for_logins(&id->key))
		return login_or_key || type == &types_table[T_SESSION];
	return !power_is_bounded(&id->key) || (type->flags & TYPE_SELF) == 0;
}

/* Whether the row of projectMember is the caller's own, which it may remove: a member can leave. */
static bool
auth_is_own_membership(const struct identity *id, const struct record *row)
{
	char self[ID_TEXT_SIZE];
	const char *type = record_text(row, COL_EXTERNAL_ID_TYPE);

	(void)id_write(self, &family_account, id->user_id);
	return type != NULL && strcmp(type, "rancher_id") == 0 &&
	       strcmp(record_text(row, COL_EXTERNAL_ID), self) == 0;
}

/* Who is signed in may sign out, whatever else the key may not do. */
static bool
auth_is_own_session(const struct identity *id, const struct record *row)
{
	return id->key_id != 0 && row->columns[COL_BY_KEY].number == id->key_id;
}

bool
auth_may_manage(const struct identity *id, const struct record *row)
{
	int64_t owner = row->columns[row->type->family->owner].number;

	if (row->type == &types_table[T_SESSION] &&
	    (auth_is_own_session(id, row) || power_is_for_logins(&id->key)))
		return auth_is_own_session(id, row);
	if ((WATCHER & (1U << id->role)) != 0)
		return false;
	if ((row->type->flags & TYPE_THROUGH_PROJECT) != 0)
		return auth_is_own_membership(id, row);
	if (!auth_may_write(id, row->type))
		return false;
	if ((row->type->flags & TYPE_PROJECT) != 0)
		return owns_project(id, record_id(row));
	if ((row->type->flags & TYPE_SELF) != 0)
		return ((MACHINE | ROLE(ADMIN)) & (1U << id->role)) != 0 &&
		       auth_may_name(id->role, record_text(row, COL_KIND));
	if (id->scoped || id->all_accounts || owner == id->user_id)
		return true;
	const struct membership *m = identity_membership(id, owner);
	return m != NULL && m->active && identity_is_joined(m) &&
	       identity_role_of_membership(m->role) != ROLE_READONLY;
}
