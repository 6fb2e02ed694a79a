/* repr: writes the parts that all representations share. */
#include "api/repr.h"

#include <ctype.h>
#include <string.h>

#include "access/permissions.h"
#include "api/repr_parts.h"
#include "base/arena.h"
#include "base/json_out.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"

unsigned char by_name[TYPES_MAX][FIELDS_MAX], repr_in_resource[TYPES_MAX][FIELDS_MAX];

size_t repr_field_count[TYPES_MAX];

uint32_t repr_offered[TYPES_MAX][ST__COUNT];

/* The plural names in generated URLs: all lower case. */
char repr_segment[TYPES_MAX][SEGMENT_MAX];

static int
repr_rank(const char *name)
{
	return strcmp(name, "name") == 0 ? 0 : strcmp(name, "state") == 0 ? 1 : 2;
}

static bool
goes_before(const struct field *a, const struct field *b, bool ranked)
{
	int by_rank = ranked ? repr_rank(a->name) - repr_rank(b->name) : 0;

	return by_rank != 0 ? by_rank < 0 : strcmp(a->name, b->name) < 0;
}

static size_t
sort_fields(const struct resource_type *type, bool ranked, unsigned char *out)
{
	size_t n = 0;

	for (const struct field *f = type->fields; f->name != NULL; f++) {
		size_t at = n++;

		for (; at > 0 && goes_before(f, &type->fields[out[at - 1]], ranked); at--)
			out[at] = out[at - 1];
		out[at] = (unsigned char)field_index(type, f);
	}
	return n;
}

static uint32_t
actions_in(const struct resource_type *type, enum state state)
{
	uint32_t actions = 0;

	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++)
		if (resource_has_action(type, state, x))
			actions |= UINT32_C(1) << (x - type->actions);
	return actions;
}

void
repr_init(void)
{
	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		for (unsigned state = 0; state < ST__COUNT; state++)
			repr_offered[type_index(t)][state] = actions_in(t, (enum state)state);
		repr_field_count[type_index(t)] = sort_fields(t, false, by_name[type_index(t)]);
		(void)sort_fields(t, true, repr_in_resource[type_index(t)]);
		for (size_t i = 0; i < SEGMENT_MAX - 1 && t->plural[i] != '\0'; i++)
			repr_segment[type_index(t)][i] = (char)tolower((unsigned char)t->plural[i]);
	}
}

void
repr_write_url(struct json_out *w, const char *start, const char *between, const char *end)
{
	json_begin_string(w);
	json_piece(w, start);
	json_piece(w, between);
	json_piece(w, end);
	json_end_string(w);
}

void
repr_name_and_collection(struct json_out *w, const char *name, const char *scope,
			 const struct resource_type *type)
{
	json_name(w, name);
	repr_write_url(w, scope, "/", repr_segment[type_index(type)]);
}

const char *
repr_scope_of_type(const struct view *v, const struct resource_type *type)
{
	return (type->flags & TYPE_PROJECT) != 0 ? v->root : v->scope;
}

/* URLs */

const char *
repr_self(const struct view *v, const struct record *row)
{
	struct arena *a = v->context->arena;
	const char *scope = repr_scope_of_type(v, row->type);
	const char *id = id_format(a, row->type->family, record_id(row));
	char *url = arena_alloc(a, strlen(scope) + SEGMENT_MAX + (id != NULL ? strlen(id) : 0) + 3);

	if (url == NULL || id == NULL)
		return NULL;
	(void)stpcpy(
		stpcpy(stpcpy(stpcpy(stpcpy(url, scope), "/"), repr_segment[type_index(row->type)]),
		       "/"),
		id);
	return url;
}

void
repr_name_and_url(struct json_out *w, const char *name, const char *url)
{
	json_string_member(w, name, url);
}

void
repr_empty_object(struct json_out *w, const char *name)
{
	json_name(w, name);
	json_begin_object(w);
	json_end_object(w);
}

bool
repr_is_listable(enum role role, const struct resource_type *type)
{
	return (type->flags & (TYPE_DOCUMENT | TYPE_QUESTION)) == 0 &&
	       (auth_type(role, type) & MAY_READ) != 0;
}

void
repr_write_collection_links(struct json_out *w, const char *scope, enum role role)
{
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (repr_is_listable(role, t))
			repr_name_and_collection(w, t->plural, scope, t);
}

bool
repr_role_has_link(enum role role, const struct resource_type *type, const struct link *link)
{
	if ((auth_type(role, link->target) & MAY_READ) == 0)
		return false;
	if (link->kind == LINK_CHILDREN)
		return true;
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if (f->column == link->column)
			return (auth_field(role, type, f) & MAY_READ) != 0;
	return false;
}
