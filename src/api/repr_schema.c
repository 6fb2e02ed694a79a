/* repr_schema: schemas, and the documents of the API versions. */
#include <ctype.h>
#include <string.h>

#include "access/permissions.h"
#include "api/repr.h"
#include "api/repr_parts.h"
#include "base/arena.h"
#include "base/json_out.h"
#include "model/query.h"
#include "model/schema.h"
#include "model/source.h"

static const char *
type_text(const struct field *field)
{
	if (field->type_text != NULL)
		return field->type_text;
	switch (field->type) {
	case FT_ID:
	case FT_INT:
		return "int";
	case FT_PASSWORD:
	case FT_HIDDEN:
		return "password";
	case FT_BOOLEAN:
		return "boolean";
	case FT_DATE:
		return "date";
	case FT_ENUM:
	case FT_TRANSITION:
		return "enum";
	case FT_DATA:
	case FT_JSON:
		return "map[json]";
	case FT_IDENTITY:
		return "reference[identity]";
	case FT_MEMBERS:
		return "array[projectMember]";
	case FT_NETWORKS:
	case FT_PATHS:
	case FT_REFERENCES:
	case FT_DURATIONS:
		return "array[string]";
	case FT_STRING:
	case FT_PATH:
	case FT_REFERENCE:
	case FT_CONSTANT:
	case FT_MESSAGE:
		break;
	}
	return "string";
}

static void
flag(struct json_out *w, const char *name, bool value)
{
	json_name(w, name);
	json_bool(w, value);
}

/* Not in the original: what each source takes, so that a client can ask for it. */
static void
write_sources(struct json_out *w)
{
	json_name(w, "sources");
	json_begin_object(w);
	for (size_t i = 0; i < SOURCE__COUNT; i++) {
		const struct source_row *source = &source_table[i];
		const char *rest = source->members;

		json_name(w, source->name);
		json_begin_object(w);
		flag(w, "secret", source->needs_secret);
		json_name(w, "members");
		json_begin_object(w);
		for (struct source_member m; source_next_member(&rest, &m);) {
			json_name(w, arena_copy(w->arena, m.name, m.len));
			json_begin_object(w);
			json_string_member(w, "type",
					   m.type == JSON_TRUE	   ? "boolean"
					   : m.type == JSON_NUMBER ? "int"
					   : m.type == JSON_ARRAY  ? "array[string]"
								   : "string");
			flag(w, "required", m.required);
			json_end_object(w);
		}
		json_end_object(w);
		json_end_object(w);
	}
	json_end_object(w);
}

static void
write_schema_field(struct json_out *w, enum role role, const struct resource_type *type,
		   const struct field *field)
{
	unsigned may = auth_field(role, type, field);

	json_name(w, field->name);
	json_begin_object(w);
	json_string_member(w, "type", type_text(field));
	json_name(w, "description");
	json_null(w);
	flag(w, "create", (may & MAY_CREATE) != 0);
	flag(w, "update", (may & MAY_UPDATE) != 0);
	flag(w, "readOnCreateOnly", (may & MAY_READ_ON_CREATE) != 0);
	if ((field->flags & F_NULLABLE) != 0)
		flag(w, "nullable", true);
	if ((field->flags & F_REQUIRED) != 0)
		flag(w, "required", true);
	if (field->fallback != NULL) {
		json_name(w, "default");
		json_raw(w, field->fallback, strlen(field->fallback));
	}
	bool number = field->type == FT_INT;
	if (field->min_len != 0) {
		json_name(w, number ? "min" : "minLength");
		json_int(w, field->min_len);
	}
	if (field->max_len != 0) {
		json_name(w, number ? "max" : "maxLength");
		json_int(w, field->max_len);
	}
	if (field->type == FT_JSON)
		write_sources(w);
	if (field->options != NULL) {
		json_name(w, "options");
		json_begin_array(w);
		for (const char *const *option = field->options; *option != NULL; option++)
			json_string(w, *option);
		json_end_array(w);
	}
	json_end_object(w);
}

static void
write_modifiers(struct json_out *w, const struct field *field)
{
	json_name(w, field->name);
	json_begin_object(w);
	json_name(w, "modifiers");
	json_begin_array(w);
	for (const struct modifier *m = modifier_table; m->name != NULL; m++)
		if ((m->sets & (1U << field->filter)) != 0)
			json_string(w, m->name);
	json_end_array(w);
	json_end_object(w);
}

static void
write_methods(struct json_out *w, const char *name, unsigned may, const unsigned *bits,
	      const char *const *methods)
{
	json_name(w, name);
	json_begin_array(w);
	for (size_t i = 0; methods[i] != NULL; i++)
		if ((may & bits[i]) != 0)
			json_string(w, methods[i]);
	json_end_array(w);
}

static void
write_all_methods(struct json_out *w, enum role role, const struct resource_type *type)
{
	static const unsigned collection[] = {MAY_READ, MAY_CREATE},
			      resource[] = {MAY_READ, MAY_UPDATE, MAY_DELETE};
	static const char *const collection_methods[] = {"GET", "POST", NULL};
	static const char *const resource_methods[] = {"GET", "PUT", "DELETE", NULL};
	unsigned may = auth_type(role, type), many = may, one = may;

	if ((type->flags & TYPE_DOCUMENT) != 0)
		many = 0;
	if ((type->flags & TYPE_QUESTION) != 0) {
		many = may & MAY_CREATE;
		one = 0;
	}
	write_methods(w, "collectionMethods", many, collection, collection_methods);
	write_methods(w, "resourceMethods", one, resource, resource_methods);
}

static void
write_schema_actions(struct json_out *w, enum role role, enum api_version version,
		     const struct resource_type *type)
{
	json_name(w, "resourceActions");
	json_begin_object(w);
	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++) {
		if ((auth_type(role, type) & MAY_ACT) == 0 || !action_in_version(x, version))
			continue;
		json_name(w, x->name);
		json_begin_object(w);
		json_string_member(w, "input", x->input);
		json_string_member(w, "output", x->output);
		json_end_object(w);
	}
	json_end_object(w);
}

void
repr_schema(struct json_out *w, const char *scope, enum role role, enum api_version version,
	    const struct resource_type *type)
{
	const struct resource_type *schema = &types_table[T_SCHEMA];

	json_begin_object(w);
	json_string_member(w, "id", type->id);
	json_string_member(w, "type", schema->id);
	json_name(w, "links");
	json_begin_object(w);
	char *id = arena_strdup(w->arena, type->id);
	for (char *p = id; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	json_name(w, "self");
	repr_write_url(w, scope, "/schemas/", id);
	/* Not for a question, because clients list every collection that they find. */
	if (repr_is_listable(role, type))
		repr_name_and_collection(w, "collection", scope, type);
	json_end_object(w);
	repr_empty_object(w, "actions");
	json_string_member(w, "pluralName", type->plural);
	json_name(w, "resourceFields");
	json_begin_object(w);
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if (field_in_version(f, version) && (auth_field(role, type, f) & MAY_READ) != 0)
			write_schema_field(w, role, type, f);
	json_end_object(w);
	json_name(w, "collectionFilters");
	json_begin_object(w);
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if (f->filter != FILTER_NONE && field_in_version(f, version))
			write_modifiers(w, f);
	json_end_object(w);
	json_name(w, "includeableLinks");
	json_begin_array(w);
	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++)
		if (repr_role_has_link(role, type, l))
			json_string(w, l->name);
	json_end_array(w);
	write_schema_actions(w, role, version, type);
	repr_empty_object(w, "collectionActions");
	repr_empty_object(w, "collectionFields");
	write_all_methods(w, role, type);
	json_string_member(w, "baseType", schema->id);
	json_end_object(w);
}

/* The envelope of a collection without database rows and pages. */
static void
begin_plain_collection(struct json_out *w, const char *resource_type, const char *self,
		       const char *latest)
{
	json_begin_object(w);
	json_string_member(w, "type", "collection");
	json_string_member(w, "resourceType", resource_type);
	json_name(w, "links");
	json_begin_object(w);
	repr_name_and_url(w, "self", self);
	if (latest != NULL)
		repr_name_and_url(w, "latest", latest);
	json_end_object(w);
	repr_empty_object(w, "createTypes");
	repr_empty_object(w, "actions");
	json_name(w, "data");
	json_begin_array(w);
}

static void
end_plain_collection(struct json_out *w)
{
	json_end_array(w);
	repr_empty_object(w, "sortLinks");
	json_name(w, "pagination");
	json_null(w);
	json_name(w, "sort");
	json_null(w);
	repr_empty_object(w, "filters");
	repr_empty_object(w, "createDefaults");
	json_end_object(w);
}

void
repr_schemas(struct json_out *w, const char *scope, enum role role, enum api_version version)
{
	begin_plain_collection(w, "schema", arena_printf(w->arena, "%s/schemas", scope), NULL);
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if ((auth_type(role, t) & MAY_READ) != 0)
			repr_schema(w, scope, role, version, t);
	end_plain_collection(w);
}

static void
write_version(struct json_out *w, const char *self, enum api_version version)
{
	json_string_member(w, "id", api_version_name(version));
	json_string_member(w, "type", "apiVersion");
	json_name(w, "links");
	json_begin_object(w);
	repr_name_and_url(w, "self", self);
}

static void
end_version(struct json_out *w)
{
	json_end_object(w);
	repr_empty_object(w, "actions");
	json_string_member(w, "baseType", "apiVersion");
	json_end_object(w);
}

void
repr_version(struct json_out *w, const char *root, const char *scope, enum role role,
	     enum api_version version)
{
	json_begin_object(w);
	write_version(w, root, version);
	repr_write_collection_links(w, scope, role);
	end_version(w);
}

void
repr_versions(struct json_out *w, const char *base)
{
	begin_plain_collection(
		w, "apiVersion", arena_printf(w->arena, "%s/", base),
		arena_printf(w->arena, "%s/%s", base, api_version_name(API_V2_BETA)));
	for (unsigned v = 0; v < API__COUNT; v++) {
		json_begin_object(w);
		write_version(w,
			      arena_printf(w->arena, "%s/%s", base,
					   api_version_name((enum api_version)v)),
			      (enum api_version)v);
		end_version(w);
	}
	end_plain_collection(w);
}
