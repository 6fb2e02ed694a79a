/* members: the members of a project. */
#ifndef REGCRED_RESOURCE_MEMBERS_H
#define REGCRED_RESOURCE_MEMBERS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "model/list.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "store/store.h"

struct member {
	const char *external_id, *external_id_type, *role;
};

struct member_list {
	struct member *items; /* with room for one more */
	size_t count;
};

/* For the audit log: removed and added members, each a list that is cut when it gets long. */
struct member_changes {
	struct json_out gone, come;
	size_t gone_count, come_count;
};

/* Reads the list of a body; NULL: an empty one. */
enum err members_read(const struct context *c, const struct json *list, struct member_list *out,
		      struct error *e);

/* Removes the members that are not in the work's list and adds those that are new. */
enum err members_set(struct store_tx *tx, struct work *w);

/* Makes the caller an owner if the list names no account as one; not superadmin and service. */
enum err members_add_owner(const struct context *c, struct member_list *members, struct error *e);

#endif
