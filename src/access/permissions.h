/* permissions: what a role may do with a type and each of its fields, as one table of letters. */
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
	ROLE_REVEAL, /* of a key: asks which login is used, is handed logins, and nothing else */
	ROLE_NONE,   /* agents, tokens and kinds that nobody knows: they see no type but schema */
	ROLE__COUNT
};

/* A role as a bit, and sets of roles. */
#define ROLE(name) (1U << ROLE_##name)
#define OPERATOR                                                                                   \
	(MACHINE | ROLE(ADMIN) |                                                                   \
	 ROLE(READADMIN)) /* see what belongs to operation: data, removeTime */
#define MACHINE (ROLE(SUPERADMIN) | ROLE(SERVICE))
#define WATCHER (ROLE(READADMIN) | ROLE(READONLY)) /* never change anything */
#define HANDED                                                                                     \
	(ROLE(SUPERADMIN) | ROLE(ADMIN) | ROLE(USER) | ROLE(OWNER) | ROLE(PROJECT) |               \
	 ROLE(PROJECTADMIN) | ROLE(REVEAL)) /* may be handed logins, if their key may */

/* Letters: c create (POST to the collection, a field in POST), r read, u update (PUT), d delete, o
 * shown in the answer to the create alone, s the secret may be opened in any answer, x actions are
 * declared.  What a schema declares is not offered on every row: auth_may_manage(). */
enum {
	MAY_CREATE = 1 << 0,
	MAY_READ = 1 << 1,
	MAY_UPDATE = 1 << 2,
	MAY_DELETE = 1 << 3,
	MAY_READ_ON_CREATE = 1 << 4,
	MAY_OPEN = 1 << 5,
	MAY_ACT = 1 << 6,
};

/* What an account of a kind is when it acts unscoped; manages: a project of which it is an owner.
 * Others are nobody. */
struct account_kind {
	const char *kind;
	enum role role;
	bool all_accounts, joins_projects, manages;
};

/* Once at start: makes the matrix of letters from the table.  NULL, or a sentence about a row that
 * names nothing. */
const char *auth_init(void);

/* MAY_… of a role on a type; 0: it does not see the type. */
unsigned auth_type(enum role role, const struct resource_type *type);

unsigned auth_field(enum role role, const struct resource_type *type, const struct field *field);

extern const char *const role_names[ROLE__COUNT];

/* Ends with a row whose kind is NULL. */
extern const struct account_kind account_kinds[];

#endif
