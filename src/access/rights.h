/* rights: what an identity may do besides what its role allows: own, grant, reveal, inject, manage.
 */
#ifndef REGCRED_ACCESS_RIGHTS_H
#define REGCRED_ACCESS_RIGHTS_H

#include <stdbool.h>
#include <stdint.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "base/err.h"
#include "model/schema.h"

/* Whether the role may create accounts of that kind, or keys for them: nobody can raise themselves
 * above an administrator, who sees no secrets. */
bool auth_may_name(enum role role, const char *kind);

/* Whether the caller owns this project only through a projectMember row: then its right ends with
 * that row. */
bool auth_owns_by_row(const struct identity *id, int64_t project);

/* Whether accounts of that kind can act as owners of a project. */
bool auth_may_own(const char *kind);

/* Whether the caller may read this row's secret in the clear, if its role may open any. */
bool auth_may_open(const struct identity *id, const struct record *row);

/* Whether the caller may retrieve logins at all: only with a key that explicitly allows it. */
bool auth_may_reveal(const struct identity *id);

/* Whether the web server may add logins to the caller's requests: callers who may retrieve logins,
 * and keys with the role inject, which never see one. */
bool auth_may_inject(const struct identity *id);

bool auth_is_inject_only(const char *key_role);

/* Fails with ERR_METHOD_NOT_ALLOWED if the caller's role lacks that right (MAY_CREATE and the like)
 * on the type; the detail tells an owner to use the project's URL. */
enum err auth_may_method(const struct identity *id, const struct resource_type *type,
			 unsigned right, struct error *e) __attribute__((warn_unused_result));

/* Whether the caller may create keys that may retrieve logins. */
bool auth_may_grant(const struct identity *id);

/* Whether the caller may retrieve this row's login, if it may retrieve any. */
bool auth_may_hand_out(const struct identity *id, const struct record *row);

/* What the caller can do with the rows of an account, as far as it may grant that to a key. */
struct power auth_power(const struct identity *id, int64_t account);

/* Whether the caller's key allows creating and changing rows of that type. A key limited to some
 * logins may write logins and keys; a key with any other limit may not create anything that would
 * escape the limit. */
bool auth_may_write(const struct identity *id, const struct resource_type *type);

/* Whether the caller may change or act on this row, in addition to what its role allows: only
 * owners manage a project, and a readonly member is readonly at the unscoped URL as well. */
bool auth_may_manage(const struct identity *id, const struct record *row);

#endif
