/* identity: turns an account, its memberships and its key into an identity: role, scope, visible
 * rows. */
#ifndef REGCRED_ACCESS_IDENTITY_H
#define REGCRED_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/actor.h"
#include "access/permissions.h"
#include "access/power.h"
#include "access/refusals.h"
#include "access/token_keys.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/settings.h"
#include "model/list.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "shared/limiter.h"
#include "store/store.h"

/* The caller. Lives in the request's arena. */
struct identity {
	int64_t user_id;	 /* the account of the key */
	int64_t scope_id;	 /* the account it acts for: a project when scoped, else user_id */
	const char *kind;	 /* of the account of the key, for this request */
	const char *stored_kind; /* kind as stored, without what groups grant; NULL: not backed by a
				    row */
	enum role role;
	enum role account_role; /* role of the account itself, unscoped and without the limits of
				   its key */
	bool scoped;		/* acts for one project */
	bool all_accounts;	/* sees the rows of every account */
	const struct membership
		*memberships; /* of user_id; not loaded for machines that need none */
	size_t membership_count;
	struct owners owners;	/* accounts whose rows it sees */
	const char *proxy_user; /* user the web server authenticated, or subject and issuer of a
				   token, verified; NULL: none */
	bool proxy_unknown;	/* ERR_FORBIDDEN because that name has no account yet */
	int64_t key_id;		/* the key used; 0: none */
	struct power key;	/* what that key allows; unbounded without a key */
	int64_t session_id;	/* the session of the web page; 0: none */
	int64_t maker_id;	/* the account that created a project's key; 0: unknown */
	int64_t person_id;	/* the user who created a project's key, whose limits apply; 0: the
				   account's own limits apply */
	const char *
		via; /* how it authenticated, for the audit log: key, token, proxy, open, command */
};

struct auth {
	struct store *store;
	const struct keyring *ring;
	bool open;
	const char *proxy_token; /* NULL: no reverse-proxy authentication */
	bool proxy_trust_cgi;
	bool proxy_create_users; /* create accounts for unknown users instead of refusing them */
	const struct group_grant *groups;
	size_t group_count;
	struct limit failures; /* of sign-ins */
	struct token_settings tokens;
	struct refusals *refusals; /* refused sign-ins, for the audit log; NULL: not recorded */
};

/* Narrows the identity to a project.  ERR_FORBIDDEN if it is not accessible or not active;
 * ERR_INVALID_PROJECT_ID. */
enum err auth_scope(const struct auth *auth, struct arena *a, const char *project,
		    struct identity *id, struct error *e) __attribute__((warn_unused_result));

enum role identity_role_of_membership(const char *name);

/* Whether an account of this kind sees the rows of every account. */
bool identity_is_of_all(const char *kind);

/* The role of a project's key: the role of its creator for as long as that is a member. Keys that
 * administrators and the command line created belong to the project itself. ROLE_NONE: no longer
 * valid. */
enum role identity_role_of_maker(const struct standing *standing);

/* The role in a project of a caller who is not already scoped to one; ROLE_NONE if none. */
enum role identity_role_in_project(const struct identity *id, int64_t project);

enum rank identity_rank_of_role(enum role role);

/* The rank of the caller's role for the rows of an account. */
enum rank identity_rank(const struct identity *id, int64_t account);

/* Whether the membership lets its member see the project; only owners see an inactive project. */
bool identity_is_joined(const struct membership *m);

bool identity_owns(const struct membership *m);

const struct membership *identity_membership(const struct identity *id, int64_t project);

/* The caller's own account and the projects it belongs to. */
bool identity_own_and_joined(struct arena *a, struct identity *id);

enum err identity_of_account(const struct auth *auth, struct arena *a, const struct record *account,
			     struct identity *out, struct error *e);

/* The caller as recorded in logs. The code that knows the request adds where it came from. */
struct actor identity_actor(const struct identity *id);

/* An unknown role gives ROLE_NONE. */
enum role identity_narrow(const char *key_role, enum role role, bool scoped);

#endif
