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

/* For the audit log: who goes and who comes, each a list that ends where it gets long. */
struct member_changes {
	struct json_out gone, come;
	size_t gone_count, come_count;
};

enum err read_members(const struct work *w, struct member **out, size_t *count);

/* Removes the members that are not in the new list and adds those that are new. */
enum err set_members(struct store_tx *tx, struct work *w, const struct member *members,
		     size_t count);

/* An owner whom regcred can know: of the other kinds of ids nobody signs in here. */
bool members_have_owner(const struct member *members, size_t count);

enum err act_with_members(const struct context *c, struct record *row, const char *event,
			  const struct json *body, struct record_list *members, struct error *e);

#endif
