/* schema: lookups in the type tables. */
#include "model/schema.h"

#include <string.h>
#include <strings.h>

const char *
api_version_name(enum api_version version)
{
	static const char *const names[API__COUNT] = {[API_V1] = "v1", [API_V2_BETA] = "v2-beta"};

	return names[version];
}

const struct resource_type *
type_find(const char *id)
{
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (strcmp(t->id, id) == 0)
			return t;
	return NULL;
}

const struct resource_type *
type_find_segment(const char *segment)
{
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (strcasecmp(t->id, segment) == 0 || strcasecmp(t->plural, segment) == 0)
			return t;
	return NULL;
}

const struct resource_type *
type_of_row(const struct family *family, const char *kind)
{
	const struct resource_type *base = NULL;

	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		if (t->family != family)
			continue;
		if (t->kind == NULL)
			base = t;
		else if (strcmp(t->kind, kind) == 0)
			return t;
	}
	return base;
}

size_t
type_index(const struct resource_type *type)
{
	return (size_t)(type - types_table);
}

bool
type_is_child(const struct resource_type *type, const struct resource_type *base)
{
	return type->base != NULL && strcmp(type->base, base->id) == 0;
}

bool
field_in_version(const struct field *field, enum api_version version)
{
	return field->versions == 0 || (field->versions & (1U << version)) != 0;
}

const struct field *
type_field(const struct resource_type *type, const char *name, enum api_version version)
{
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if (field_in_version(f, version) && strcmp(f->name, name) == 0)
			return f;
	return NULL;
}

size_t
field_index(const struct resource_type *type, const struct field *field)
{
	return (size_t)(field - type->fields);
}

const struct field *
type_sealed_field(const struct resource_type *type)
{
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if ((f->flags & F_SEALED) != 0)
			return f;
	return NULL;
}

const struct link *
type_link(const struct resource_type *type, const char *name)
{
	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++)
		if (strcasecmp(l->name, name) == 0)
			return l;
	return NULL;
}

bool
action_in_version(const struct action *action, enum api_version version)
{
	return action->versions == 0 || (action->versions & (1U << version)) != 0;
}

const struct action *
type_action(const struct resource_type *type, const char *name, enum api_version version)
{
	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++)
		if (action_in_version(x, version) && strcmp(x->name, name) == 0)
			return x;
	return NULL;
}
