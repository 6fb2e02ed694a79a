/* identity: turns an account, its memberships and its key into an identity: role, scope, visible
 * rows. */
#include "access/identity.h"

#include <string.h>

#include "access/permissions.h"
#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/store.h"

enum role
identity_role_of_membership(const char *name)
{
	static const enum role roles[] = {ROLE_OWNER, ROLE_MEMBER, ROLE_RESTRICTED, ROLE_READONLY};

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (strcmp(role_names[roles[i]], name) == 0)
			return roles[i];
	return ROLE_NONE;
}

bool
identity_is_joined(const struct membership *m)
{
	enum role role = identity_role_of_membership(m->role);

	return role == ROLE_OWNER || (m->active && role != ROLE_NONE);
}

bool
identity_owns(const struct membership *m)
{
	return m != NULL && identity_role_of_membership(m->role) == ROLE_OWNER;
}

const struct membership *
identity_membership(const struct identity *id, int64_t project)
{
	for (size_t i = 0; i < id->membership_count; i++)
		if (id->memberships[i].project_id == project)
			return &id->memberships[i];
	return NULL;
}

bool
identity_own_and_joined(struct arena *a, struct identity *id)
{
	int64_t *ids = arena_array(a, id->membership_count + 1, sizeof(*ids));
	size_t count = 0;

	if (ids == NULL)
		return false;
	ids[count++] = id->user_id;
	for (size_t i = 0; i < id->membership_count; i++)
		if (identity_is_joined(&id->memberships[i]))
			ids[count++] = id->memberships[i].project_id;
	id->owners = (struct owners){.ids = ids, .count = count};
	return true;
}

enum err
identity_of_account(const struct auth *auth, struct arena *a, const struct record *account,
		    struct identity *out, struct error *e)
{
	const char *kind = record_text(account, COL_KIND);
	bool joins = false;

	*out = (struct identity){
		.user_id = record_id(account), .scope_id = record_id(account), .role = ROLE_NONE};
	out->kind = out->stored_kind = kind != NULL ? kind : "";
	out->key.rank = RANK_FULL;
	for (const struct account_kind *k = account_kinds; k->kind != NULL; k++)
		if (strcmp(k->kind, out->kind) == 0) {
			out->role = k->role;
			out->all_accounts = k->all_accounts;
			joins = k->joins_projects;
		}
	out->account_role = out->role;
	out->scoped = out->role == ROLE_PROJECT;
	if (joins) {
		struct membership *list = NULL;
		enum store_rc rc = store_memberships(auth->store, a, out->user_id, &list,
						     &out->membership_count);

		if (rc != STORE_OK)
			return store_err(rc, e);
		out->memberships = list;
	}
	if (!identity_own_and_joined(a, out))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	out->owners.all = out->all_accounts;
	return ERR_NONE;
}

struct actor
identity_actor(const struct identity *id)
{
	return (struct actor){.via = id->via,
			      .account_id = id->user_id,
			      .key_id = id->key_id,
			      .proxy_user = id->proxy_user};
}

/* What a role becomes when it may only read. */
static enum role
only_reading(enum role role, bool scoped)
{
	if (role == ROLE_NONE)
		return ROLE_NONE;
	return !scoped && (OPERATOR & (1U << role)) != 0 ? ROLE_READADMIN : ROLE_READONLY;
}

/* What a role becomes when it may only retrieve logins: ROLE_NONE if it may not. */
static enum role
only_revealing(enum role role, bool scoped)
{
	(void)scoped;
	return (HANDED & (1U << role)) != 0 ? ROLE_REVEAL : ROLE_NONE;
}

/* Roles of keys: how each narrows the role of its account. */
static const struct key_role {
	const char *name;
	enum role (*of)(enum role role, bool scoped);
} key_roles[] = {
#define KEY_ROLE(name, of) {name, of},
#include "model/key_role.def"
};

enum role
identity_narrow(const char *key_role, enum role role, bool scoped)
{
	if (key_role == NULL)
		return role;
	for (size_t i = 0; i < sizeof(key_roles) / sizeof(*key_roles); i++)
		if (strcmp(key_roles[i].name, key_role) == 0)
			return key_roles[i].of(role, scoped);
	return ROLE_NONE;
}

bool
identity_is_of_all(const char *kind)
{
	for (const struct account_kind *k = account_kinds; kind != NULL && k->kind != NULL; k++)
		if (strcmp(k->kind, kind) == 0)
			return k->all_accounts;
	return false;
}

enum role
identity_role_of_maker(const struct standing *s)
{
	if (identity_is_of_all(s->maker_kind))
		return ROLE_PROJECT;
	if (s->maker_role == NULL || s->maker_state == NULL ||
	    strcmp(s->maker_state, state_name(ST_ACTIVE)) != 0)
		return ROLE_NONE;
	enum role role = identity_role_of_membership(s->maker_role);
	return role == ROLE_OWNER ? ROLE_PROJECT : role;
}

enum rank
identity_rank_of_role(enum role role)
{
	switch (role) {
	case ROLE_NONE:
	case ROLE_REVEAL:
		return RANK_NONE;
	case ROLE_READADMIN:
	case ROLE_READONLY:
		return RANK_READONLY;
	case ROLE_RESTRICTED:
		return RANK_RESTRICTED;
	case ROLE_MEMBER:
		return RANK_MEMBER;
	default:
		return RANK_FULL;
	}
}

enum rank
identity_rank(const struct identity *id, int64_t account)
{
	if (account == id->user_id)
		return id->key.rank;
	if (id->scoped && account != id->scope_id)
		return RANK_NONE;
	return identity_rank_of_role(identity_role_in_project(id, account));
}

enum role
identity_role_in_project(const struct identity *id, int64_t project)
{
	const struct membership *m = identity_membership(id, project);

	switch (id->account_role) {
	case ROLE_SUPERADMIN:
	case ROLE_SERVICE:
		return id->account_role;
	case ROLE_ADMIN:
		return ROLE_OWNER;
	case ROLE_READADMIN:
		return ROLE_READONLY;
	case ROLE_PROJECTADMIN: /* reads the secrets of what it owns */
		if (identity_owns(m))
			return ROLE_PROJECTADMIN;
		return m == NULL ? ROLE_NONE : identity_role_of_membership(m->role);
	case ROLE_USER:
		return m == NULL ? ROLE_NONE : identity_role_of_membership(m->role);
	default:
		return ROLE_NONE;
	}
}

static const char not_yours[] =
	"Your account has no active project with that id: check the id, or ask an owner.";

enum err
auth_scope(const struct auth *auth, struct arena *a, const char *project, struct identity *id,
	   struct error *e)
{
	struct record row;
	int64_t project_id;

	if (!id_parse(&family_account, project, &project_id))
		return err_set(e, ERR_FORBIDDEN, NULL, not_yours);
	if (id->account_role == ROLE_PROJECT)
		return project_id == id->user_id ? ERR_NONE
						 : err_set(e, ERR_FORBIDDEN, NULL, not_yours);
	enum role role = identity_role_in_project(id, project_id);
	if (role == ROLE_NONE)
		return err_set(e, ERR_FORBIDDEN, NULL, not_yours);
	enum store_rc rc =
		store_get(auth->store, a, &family_account, project_id, &owners_all, &row);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	if (rc == STORE_NONE || (row.type->flags & TYPE_PROJECT) == 0 ||
	    record_state(&row) != ST_ACTIVE)
		return err_set(e, ERR_FORBIDDEN, NULL, not_yours);

	int64_t *ids = arena_array(a, 1, sizeof(*ids));
	if (ids == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	*ids = project_id;
	id->owners = (struct owners){.ids = ids, .count = 1};
	id->scope_id = project_id;
	id->role = identity_narrow(id->key.role, role, true);
	id->scoped = true;
	id->all_accounts = false;
	return ERR_NONE;
}
