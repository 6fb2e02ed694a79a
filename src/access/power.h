/* power: what a key can do, as one value, and whether it can do more than another.
 *
 * Nobody makes, changes or acts on a key so that it can do more than before, unless the caller may
 * give that away; and never more than the caller itself can.
 */
#ifndef REGCRED_ACCESS_POWER_H
#define REGCRED_ACCESS_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"
#include "model/schema.h"

/* What a role in a project is worth: the higher can do all that the lower can. */
enum rank { RANK_NONE, RANK_READONLY, RANK_RESTRICTED, RANK_MEMBER, RANK_FULL };

struct power {
	int64_t account_id; /* whose rows it works on; 0: of none */
	enum rank rank;	    /* there */
	bool active;
	const char *role;	   /* of the key; NULL: all that the account may do */
	const char *networks;	   /* NULL: from everywhere; else see network.h */
	int64_t expires_ms;	   /* 0: never */
	const char *registry_ids;  /* NULL: logins of all registries; else a list (list_next) */
	const char *path_prefixes; /* NULL: for all repositories */
	const char *project_ids;   /* NULL: none are named */
	bool reveal;		   /* it may be handed logins */
};

/* Of a row of the type apiKey.  Its rank depends on who made it: RANK_FULL until that is known. */
struct power power_of_key(const struct record *key);

/* The field of an apiKey in which `power` can do more than `than`; NULL: in none. */
const char *power_wider(const struct power *than, const struct power *power);

/* Whether it works only from some networks, only for a time, or only for some logins. */
bool power_is_bounded(const struct power *power);
/* Whether it is for some logins only. */
bool power_is_for_logins(const struct power *power);

/* Whether a login of that registry with that path ("": all of the registry) is one that it is for.
 * A login opens all that it is for, whatever image was asked for: so it must lie within. */
bool power_holds_registry(const struct power *power, int64_t registry_id);
bool power_holds_path(const struct power *power, const char *path);

#endif
