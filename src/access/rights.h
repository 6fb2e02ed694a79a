/* rights: what an identity may do beside its role: own, grant, reveal, inject, manage. */
#ifndef REGCRED_ACCESS_RIGHTS_H
#define REGCRED_ACCESS_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "base/err.h"
#include "model/schema.h"

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

/* Fails with ERR_METHOD_NOT_ALLOWED if the caller's role lacks that right (MAY_CREATE and the like)
 * on the type; the detail says where an owner has it: in a project. */
enum err auth_may_method(const struct identity *id, const struct resource_type *type,
			 unsigned right, struct error *e) __attribute__((warn_unused_result));

/* Whether the caller may make keys that may be handed logins. */
bool auth_may_grant(const struct identity *id);

/* Whether this row's login may be handed to the caller, if it may be handed any. */
bool auth_may_hand_out(const struct identity *id, const struct record *row);

/* What the caller can do among the rows of an account, as far as it may give that to a key. */
struct power auth_power(const struct identity *id, int64_t account);

/* Whether the caller's key leaves it rows of that type to make and change.  One for some logins
 * writes logins and keys; one with another bound makes nobody who would be without it. */
bool auth_may_write(const struct identity *id, const struct resource_type *type);

/* Whether the caller may change, or act on, this row of the type at all, besides what its role may:
 * only owners manage a project, and a readonly member is readonly in the unscoped URL as well. */
bool auth_may_manage(const struct identity *id, const struct record *row);

#endif
