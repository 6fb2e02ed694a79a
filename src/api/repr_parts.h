/* repr_parts: what the parts of repr share; nobody else includes it. */
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

/* An answer, with the forms that it has needed so far. */
struct repr_page {
	const struct view *view;
	struct form *forms[TYPES_MAX];
	size_t counted; /* so much of the text is in size, the bytes of the answer as it is sent */
	size_t size;
};

/* Whether the answer has grown to the size at which a page ends. */
bool repr_is_full(struct repr_page *page, const struct json_out *w);

enum { SEGMENT_MAX = 32 };

/* Numbers of a type's fields by name, as filters are printed, and with name and state in front, as
 * a resource is. Made by repr_init(), read only afterwards. */
extern unsigned char by_name[TYPES_MAX][FIELDS_MAX], repr_in_resource[TYPES_MAX][FIELDS_MAX];

extern size_t repr_field_count[TYPES_MAX];

/* The actions of a type, as a bit for each, that a row offers in a state. */
extern uint32_t repr_offered[TYPES_MAX][ST__COUNT];

extern char repr_segment[TYPES_MAX][SEGMENT_MAX];

void repr_write_url(struct json_out *w, const char *start, const char *between, const char *end);

/* "registrycredentials" behind a scope. */
void repr_name_and_collection(struct json_out *w, const char *name, const char *scope,
			      const struct resource_type *type);

/* A project is addressed without a scope: its own URL is the scope of what it holds.
 */
const char *repr_scope_of_type(const struct view *v, const struct resource_type *type);

void repr_name_and_url(struct json_out *w, const char *name, const char *url);

void repr_empty_object(struct json_out *w, const char *name);

bool repr_is_listable(enum role role, const struct resource_type *type);

/* One link for each collection that the role can list, by the plural name. */
void repr_write_collection_links(struct json_out *w, const char *scope, enum role role);

/* A role has a link if it sees the target's type and, of a reference, the field that holds the id.
 */
bool repr_role_has_link(enum role role, const struct resource_type *type, const struct link *link);

/* repr_resource.c */

enum gap_kind {
	GAP_ID,	    /* inside a string */
	GAP_LINK,   /* before a member, which is left out if the column is null */
	GAP_ACTION, /* before a member, which is left out if the action is not offered */
	GAP_FIELD,
	GAP_END
};

enum { GAPS_MAX = FIELDS_MAX + TYPES_MAX + 2 * (LINKS_MAX + ACTIONS_MAX) };

struct gap {
	enum gap_kind kind;
	struct json_gap place;
	const struct field *field;
	enum column column;
	uint32_t action; /* its bit in offered[] */
	size_t end;	 /* where the member ends that is left out, its one GAP_ID in it */
};

struct form {
	struct json_out text; /* the members of a resource */
	struct gap gaps[GAPS_MAX];
	size_t gap_count;
	bool acts; /* there are actions */
};

void repr_write_resource(struct json_out *w, struct repr_page *page, const struct record *row,
			 const char *secret, const char *include);

#endif
