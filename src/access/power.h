/* power: what a key can do, as one value, and whether one key can do more than another.
 *
 * Nobody may create or change a key so that it can do more than before, unless the caller may grant
 * that; and never more than the caller itself can.
 */
#ifndef REGCRED_ACCESS_POWER_H
#define REGCRED_ACCESS_POWER_H

#include <stdbool.h>
#include <stdint.h>

#include "model/record.h"
#include "model/schema.h"

/* The rank of a role in a project: a higher one can do all that a lower one can. */
enum rank { RANK_NONE, RANK_READONLY, RANK_RESTRICTED, RANK_MEMBER, RANK_FULL };

struct power {
	int64_t account_id; /* account whose rows it works on; 0: none */
	enum rank rank;	    /* its rank for those rows */
	bool active;
	const char *role;	   /* role of the key; NULL: all that the account may do */
	const char *networks;	   /* NULL: from anywhere; else a list as in network.h */
	int64_t expires_ms;	   /* 0: never */
	const char *registry_ids;  /* NULL: logins of all registries; else a list as in text.h */
	const char *path_prefixes; /* NULL: all repositories */
	const char *project_ids;   /* NULL: none */
	bool reveal;		   /* it may retrieve logins */
};

/* The power of an apiKey row. Its rank depends on its creator: RANK_FULL until that is known. */
struct power power_of_key(const struct record *key);

/* The apiKey field in which `power` can do more than `than`; NULL if there is none. */
const char *power_wider(const struct power *than, const struct power *power);

/* Whether it is limited to some networks, to a time, or to some logins. */
bool power_is_bounded(const struct power *power);
/* Whether it is limited to some logins. */
bool power_is_for_logins(const struct power *power);

/* Whether it covers a login of that registry with that path ("": the whole registry). A login works
 * for everything below its path, whatever image was asked for, so all of that must be covered. */
bool power_holds_registry(const struct power *power, int64_t registry_id);
bool power_holds_path(const struct power *power, const char *path);

#endif
