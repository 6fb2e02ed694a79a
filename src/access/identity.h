/* identity: an account, its memberships and its key become an identity: role, scope, whose rows it
 * sees. */
#ifndef REGCRED_ACCESS_IDENTITY_H
#define REGCRED_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/actor.h"
#include "access/permissions.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/settings.h"
#include "model/list.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "shared/limiter.h"
#include "access/refusals.h"
#include "store/store.h"

/* What confines the key beside its account.  No key that it makes or changes may do more. */
struct key_bounds {
	const char *role;	   /* NULL: all that the account may do */
	const char *networks;	   /* NULL: from everywhere; else see network.h */
	int64_t expires_ms;	   /* 0: never */
	const char *registry_ids;  /* NULL: logins of all registries; else a list (list_next) */
	const char *path_prefixes; /* NULL: for all repositories */
	bool reveal;		   /* it may be handed logins */
};

/* Who asks.  Lives in the request's arena. */
struct identity {
	int64_t user_id;  /* the account of the key */
	int64_t scope_id; /* the account acted for: a project when scoped, else user_id */
	const char *kind; /* of the account of the key */
	const char *name; /* may be NULL */
	enum role role;
	enum role account_role; /* what the account is unscoped, whatever its key may do */
	bool scoped;		/* acts for one project */
	bool all_accounts;	/* sees the rows of every account */
	const struct membership
		*memberships; /* of user_id; not loaded for machines that need none */
	size_t membership_count;
	struct owners owners;	/* whose rows it sees */
	const char *proxy_user; /* whom the web server signed in, proven; NULL: nobody */
	bool proxy_unknown;	/* ERR_FORBIDDEN because no account has that name yet */
	struct key_bounds key;
	int64_t key_id;	 /* the key that it asked with; 0: none */
	const char *via; /* how it was found out, for the audit log: key, proxy, open, command */
};

struct auth {
	struct store *store;
	const struct keyring *ring;
	bool open;
	const char *proxy_token; /* NULL: the web server signs nobody in */
	bool proxy_trust_cgi;
	bool proxy_create_users; /* whoever is unknown gets an account, and is not refused */
	const struct group_grant *groups;
	size_t group_count;
	struct limit failures;	   /* of sign-ins */
	struct refusals *refusals; /* of sign-ins, for the audit log; NULL for none */
};

/* Whether a key's role is one that the other may do too; NULL is the role of the account. */
bool auth_role_within(const char *outer, const char *inner);

/* Narrows the identity to a project.  ERR_FORBIDDEN if it is not accessible or not active;
 * ERR_INVALID_PROJECT_ID. */
enum err auth_scope(const struct auth *auth, struct arena *a, const char *project,
		    struct identity *id, struct error *e) __attribute__((warn_unused_result));

enum role identity_role_of_membership(const char *name);

/* Whether it lets its member see the project; an inactive one is there for its owners only. */
bool identity_is_joined(const struct membership *m);

bool identity_owns(const struct membership *m);

const struct membership *identity_membership(const struct identity *id, int64_t project);

/* One's own rows, and those of the projects that one belongs to. */
bool identity_own_and_joined(struct arena *a, struct identity *id);

enum err identity_of_account(const struct auth *auth, struct arena *a, const struct record *account,
			     struct identity *out, struct error *e);

/* The caller as the records name it; where it came from is for whoever knows the request. */
struct actor identity_actor(const struct identity *id);

/* A role that nobody knows is no role. */
enum role identity_narrow(const char *key_role, enum role role, bool scoped);

#endif
