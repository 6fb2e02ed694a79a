/* auth: who asks, and what they may do: key → account → role; role × type[.field] → letters
 * (contract 4.6, 9).
 *
 * Letters: c create (POST to the collection, a field in POST), r read, u update (PUT), d delete, o
 * shown in the answer to the create alone, s the secret may be opened in any answer, x actions are
 * declared. What a schema declares is not offered on every row: auth_may_manage().
 */
#ifndef REGCRED_AUTH_H
#define REGCRED_AUTH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "server/config.h"
#include "base/err.h"
#include "base/http.h"
#include "shared/limiter.h"
#include "shared/refusals.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "store/store.h"

enum role {
	ROLE_SUPERADMIN,
	ROLE_SERVICE,
	ROLE_ADMIN,
	ROLE_READADMIN,
	ROLE_USER,
	ROLE_OWNER,
	ROLE_MEMBER,
	ROLE_RESTRICTED,
	ROLE_PROJECT,
	ROLE_PROJECTADMIN,
	ROLE_READONLY,
	ROLE_REVEAL, /* of a key: asks which login is used, is handed logins, and nothing else */
	ROLE_NONE,   /* agents, tokens and kinds that nobody knows: they see no type but schema */
	ROLE__COUNT
};
const char *role_name(enum role role);
enum {
	MAY_CREATE = 1 << 0,
	MAY_READ = 1 << 1,
	MAY_UPDATE = 1 << 2,
	MAY_DELETE = 1 << 3,
	MAY_READ_ON_CREATE = 1 << 4,
	MAY_OPEN = 1 << 5,
	MAY_ACT = 1 << 6,
};

/* Once at start: makes the matrix of letters from the table.  NULL, or a sentence about a row that
 * names nothing. */
const char *auth_init(void);
/* MAY_… of a role on a type; 0: it does not see the type. */
unsigned auth_type(enum role role, const struct resource_type *type);
unsigned auth_field(enum role role, const struct resource_type *type, const struct field *field);

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

enum {
	AUTH_OPEN_ACCOUNT = 1,	 /* the administrator: everybody in open mode (contract 9.1) */
	AUTH_SYSTEM_ACCOUNT = 2, /* regcred itself */
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
	struct limiter *limiter;   /* of failed sign-ins; NULL for none */
	struct refusals *refusals; /* of the same, for the audit log; NULL for none */
};

enum { AUTH_LAST_USED_MS = 60 * 1000 }; /* a key's last use is written so often at most */

/* Who the request is from, unscoped.  ERR_UNAUTHORIZED, the same for every key that does not let
 * in; ERR_TOO_MANY after too many of those; ERR_BAD_REQUEST for a header that came twice or two
 * keys that differ; for somebody whom the web server signed in see proxy_check(), and
 * ERR_FORBIDDEN: no account, one that is not active or not of a kind for people, or a key of
 * another account beside it. */
enum err auth_identify(const struct auth *auth, struct arena *a, const struct request *request,
		       int64_t now_ms, struct identity *out, struct error *e)
	__attribute__((warn_unused_result));

/* Counts, for the audit log, a request that is refused though its key let it in. */
void auth_note_denied(const struct auth *auth, struct arena *a, const struct request *request,
		      int64_t now_ms, enum err code);

/* Whether a key's role is one that the other may do too; NULL is the role of the account. */
bool auth_role_within(const char *outer, const char *inner);

/* Narrows the identity to a project.  ERR_FORBIDDEN if it is not accessible or not active;
 * ERR_INVALID_PROJECT_ID. */
enum err auth_scope(const struct auth *auth, struct arena *a, const char *project,
		    struct identity *id, struct error *e) __attribute__((warn_unused_result));

/* Whether the role may make accounts of that kind, or give keys to them: nobody raises itself above
 * an administrator, who sees no secret. */
bool auth_may_name(enum role role, const char *kind);

/* Whether the caller manages this project as an owner by a row of projectMember and by nothing
 * else: then its right ends with that row. */
bool auth_owns_by_row(const struct identity *id, int64_t project);
/* Whether accounts of that kind can act as owners of a project. */
bool auth_may_own(const char *kind);

/* Whether the caller may read this row's secret in the clear, if its role may open any. */
bool auth_may_open(const struct identity *id, const struct record *row);

/* Whether the caller may be handed logins at all: nobody gets that by a key that does not say so.
 */
bool auth_may_reveal(const struct identity *id);
/* Whether the web server may add logins to the caller's requests: all of those, and keys of the
 * role inject, which never see one. */
bool auth_may_inject(const struct identity *id);
bool auth_is_inject_only(const char *key_role);
/* Whether the caller may make keys that may be handed logins. */
bool auth_may_grant(const struct identity *id);
/* Whether this row's login may be handed to the caller, if it may be handed any. */
bool auth_may_hand_out(const struct identity *id, const struct record *row);
/* Whether a list of ids, "1sp3 1sp4", has that one; NULL has all. */
bool auth_list_has_id(const char *list, const struct family *family, int64_t id);

/* Whether the caller may change, or act on, this row of the type at all, besides what its role may:
 * only owners manage a project, and a readonly member is readonly in the unscoped URL as well. */
bool auth_may_manage(const struct identity *id, const struct record *row);

#endif
