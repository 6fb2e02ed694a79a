/* identity: an account, its memberships and its key become an identity: role, scope, whose rows it
 * sees. */
#ifndef REGCRED_ACCESS_IDENTITY_H
#define REGCRED_ACCESS_IDENTITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/actor.h"
#include "access/permissions.h"
#include "access/power.h"
#include "access/refusals.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/settings.h"
#include "model/list.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "shared/limiter.h"
#include "store/store.h"

/* Who asks.  Lives in the request's arena. */
struct identity {
	int64_t user_id;	 /* the account of the key */
	int64_t scope_id;	 /* the account acted for: a project when scoped, else user_id */
	const char *kind;	 /* of the account of the key, for this request */
	const char *stored_kind; /* without what groups give; NULL: it rests on no row */
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
	int64_t key_id;		/* the key that it asked with; 0: none */
	struct power key;	/* of that key; unbounded without one */
	int64_t session_id;	/* the session of the page that it came by; 0: none */
	int64_t maker_id;	/* the account that made the key of a project; 0: not known */
	int64_t person_id;	/* the user who made the key of a project, whose limits count; 0: an
				   account counts for itself */
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

/* Narrows the identity to a project.  ERR_FORBIDDEN if it is not accessible or not active;
 * ERR_INVALID_PROJECT_ID. */
enum err auth_scope(const struct auth *auth, struct arena *a, const char *project,
		    struct identity *id, struct error *e) __attribute__((warn_unused_result));

enum role identity_role_of_membership(const char *name);

/* Whether an account of this kind sees the rows of every account. */
bool identity_is_of_all(const char *kind);

/* The role of a key of a project: that of whoever made it, for as long as he is a member; what
 * administrators and the command line made is the project's own.  ROLE_NONE: it has ended. */
enum role identity_role_of_maker(const struct standing *standing);

/* The role in a project of somebody who is not confined to one already; ROLE_NONE for none. */
enum role identity_role_in_project(const struct identity *id, int64_t project);

enum rank identity_rank_of_role(enum role role);

/* What the caller's role is worth among the rows of an account. */
enum rank identity_rank(const struct identity *id, int64_t account);

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
