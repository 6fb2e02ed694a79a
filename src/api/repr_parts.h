/* repr_parts: what the repr files share; not for other files. */
#ifndef REGCRED_API_REPR_PARTS_H
#define REGCRED_API_REPR_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/permissions.h"
#include "api/repr.h"
#include "base/json_out.h"
#include "model/process.h"
#include "model/schema.h"

/* An answer, with the forms that it has used so far. */
struct repr_page {
	const struct view *view;
	struct form *forms[TYPES_MAX];
	size_t counted; /* size covers the text up to here: bytes of the answer as sent */
	size_t size;
};

/* Whether the answer has reached the size at which a page ends. */
bool repr_is_full(struct repr_page *page, const struct json_out *w);

enum { SEGMENT_MAX = 32 };

/* Indexes of a type's fields: sorted by name, for filters; and the same with name and state first,
 * for resources. Set by repr_init(), read-only afterwards. */
extern unsigned char by_name[TYPES_MAX][FIELDS_MAX], repr_in_resource[TYPES_MAX][FIELDS_MAX];

extern size_t repr_field_count[TYPES_MAX];

/* The actions that a row of a type offers in a state, one bit each. */
extern uint32_t repr_offered[TYPES_MAX][ST__COUNT];

extern char repr_segment[TYPES_MAX][SEGMENT_MAX];

void repr_write_url(struct json_out *w, const char *start, const char *between, const char *end);

/* A member whose value is the URL of a collection: the scope and "registrycredentials". */
void repr_name_and_collection(struct json_out *w, const char *name, const char *scope,
			      const struct resource_type *type);

/* A project's own URL has no scope: it is the scope of the resources in the project. */
const char *repr_scope_of_type(const struct view *v, const struct resource_type *type);

void repr_name_and_url(struct json_out *w, const char *name, const char *url);

void repr_empty_object(struct json_out *w, const char *name);

bool repr_is_listable(enum role role, const struct resource_type *type);

/* One link for each collection that the role can list, named by its plural. */
void repr_write_collection_links(struct json_out *w, const char *scope, enum role role);

/* A role has a link if it sees the target's type and, for a reference, the field that holds the id.
 */
bool repr_role_has_link(enum role role, const struct resource_type *type, const struct link *link);

/* repr_resource.c */

enum gap_kind {
	GAP_ID,	    /* inside a string */
	GAP_LINK,   /* before a member that is left out if the column is null */
	GAP_ACTION, /* before a member that is left out if the action is not offered */
	GAP_FIELD,
	GAP_END
};

enum { GAPS_MAX = FIELDS_MAX + TYPES_MAX + 2 * (LINKS_MAX + ACTIONS_MAX) };

struct gap {
	enum gap_kind kind;
	struct json_gap place;
	const struct field *field;
	enum column column;
	uint32_t action; /* its bit in repr_offered */
	size_t end;	 /* end of the optional member, which includes its one GAP_ID */
};

struct form {
	struct json_out text; /* the members of a resource */
	struct gap gaps[GAPS_MAX];
	size_t gap_count;
	bool acts; /* it has actions */
};

void repr_write_resource(struct json_out *w, struct repr_page *page, const struct record *row,
			 const char *secret, const char *include);

#endif
