/* permissions: what a role may do with a type and each of its fields, as one table. */
#ifndef REGCRED_ACCESS_PERMISSIONS_H
#define REGCRED_ACCESS_PERMISSIONS_H

#include <stdbool.h>

#include "model/schema.h"

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
	ROLE_REVEAL, /* of a key: may ask which login is used and retrieve logins, nothing else */
	ROLE_NONE,   /* agents, tokens and unknown kinds: they see only the type schema */
	ROLE__COUNT
};

/* A role as a bit, and sets of roles. */
#define ROLE(name) (1U << ROLE_##name)
#define OPERATOR                                                                                   \
	(MACHINE | ROLE(ADMIN) |                                                                   \
	 ROLE(READADMIN)) /* see the operational fields, such as data and removeTime */
#define MACHINE (ROLE(SUPERADMIN) | ROLE(SERVICE))
#define WATCHER (ROLE(READADMIN) | ROLE(READONLY)) /* never change anything */
#define HANDED                                                                                     \
	(ROLE(SUPERADMIN) | ROLE(ADMIN) | ROLE(USER) | ROLE(OWNER) | ROLE(PROJECT) |               \
	 ROLE(PROJECTADMIN) | ROLE(REVEAL)) /* may retrieve logins, if their key may */

/* Letters: c create (POST to the collection, a field in POST), r read, u update (PUT), d delete, o
 * shown only in the answer to the create, s the secret may be opened in any answer, x actions are
 * declared. A row may offer less than its schema declares: see auth_may_manage(). */
enum {
	MAY_CREATE = 1 << 0,
	MAY_READ = 1 << 1,
	MAY_UPDATE = 1 << 2,
	MAY_DELETE = 1 << 3,
	MAY_READ_ON_CREATE = 1 << 4,
	MAY_OPEN = 1 << 5,
	MAY_ACT = 1 << 6,
};

/* The roles of an account of a kind: unscoped, and in a project that it owns. Other kinds have
 * none. */
struct account_kind {
	const char *kind;
	enum role role;
	bool all_accounts, joins_projects, manages;
};

/* Call once at start: builds the matrix of permissions from the table. NULL, or a sentence about a
 * row with an unknown name. */
const char *auth_init(void);

/* MAY_… of a role on a type; 0: the role does not see the type. */
unsigned auth_type(enum role role, const struct resource_type *type);

unsigned auth_field(enum role role, const struct resource_type *type, const struct field *field);

extern const char *const role_names[ROLE__COUNT];

/* Ends with a row whose kind is NULL. */
extern const struct account_kind account_kinds[];

#endif
