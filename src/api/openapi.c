/* openapi: an OpenAPI 3.1 document.
 *
 *   components.schemas   TYPE, TYPECreate, TYPEUpdate, TYPECollection, and error
 *   paths                /PLURAL, /PLURAL/{id}, /PLURAL/{id}/LINK, for what the role may do
 *
 * OpenAPI has no place for an action in the query, so the one POST to a resource takes all of them.
 */
#include "api/openapi.h"

#include <ctype.h>
#include <string.h>

#include "api/repr.h"
#include "api/repr_parts.h"
#include "base/arena.h"
#include "base/err.h"
#include "model/query.h"

struct openapi {
	struct json_out *w;
	enum role role;
	enum api_version version;
};

static void
truth(struct json_out *w, const char *name, bool value)
{
	json_name(w, name);
	json_bool(w, value);
}

static void
begin_member(struct json_out *w, const char *name)
{
	json_name(w, name);
	json_begin_object(w);
}

static void
begin_list(struct json_out *w, const char *name)
{
	json_name(w, name);
	json_begin_array(w);
}

/* A member whose value is JSON already. */
static void
raw(struct json_out *w, const char *name, const char *value)
{
	json_name(w, name);
	json_raw(w, value, strlen(value));
}

static void
refer(struct json_out *w, const char *kind, const char *name, const char *end)
{
	json_string_member(w, "$ref",
			   arena_printf(w->arena, "#/components/%s/%s%s", kind, name, end));
}

/* {"application/json":{"schema":{"$ref":…}}} */
static void
write_content(struct json_out *w, const char *name, const char *end)
{
	begin_member(w, "content");
	begin_member(w, "application/json");
	begin_member(w, "schema");
	refer(w, "schemas", name, end);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

/* Fields */

/* The type in JSON Schema; NULL: any. */
static const char *
json_type_of(const struct field *field)
{
	switch (field->type) {
	case FT_ID:
	case FT_STRING:
	case FT_PASSWORD:
	case FT_DATE:
	case FT_ENUM:
	case FT_REFERENCE:
	case FT_TRANSITION:
	case FT_MESSAGE:
	case FT_PATH:
	case FT_HIDDEN:
		return "string";
	case FT_BOOLEAN:
		return "boolean";
	case FT_INT:
		return "integer";
	case FT_DATA:
	case FT_JSON:
		return "object";
	case FT_NETWORKS:
	case FT_PATHS:
	case FT_REFERENCES:
	case FT_MEMBERS:
	case FT_DURATIONS:
		return "array";
	case FT_IDENTITY:
	case FT_CONSTANT:
		break;
	}
	return NULL;
}

/* A value that a client may leave out is null in an answer. */
static void
write_type(struct json_out *w, const struct field *field, bool input)
{
	const char *type = json_type_of(field);
	bool null = (field->flags & F_NULLABLE) != 0 || !input;

	if (type == NULL)
		return;
	if (!null) {
		json_string_member(w, "type", type);
		return;
	}
	begin_list(w, "type");
	json_string(w, type);
	json_string(w, "null");
	json_end_array(w);
}

static void
write_limits(struct json_out *w, const struct field *field)
{
	if (field->min_len != 0) {
		json_name(w, "minLength");
		json_int(w, field->min_len);
	}
	if (field->max_len != 0) {
		json_name(w, "maxLength");
		json_int(w, field->max_len);
	}
	if (field->fallback != NULL)
		raw(w, "default", field->fallback);
}

/* Answers may hold words that a newer server knows, so options bind what is sent only. */
static void
write_options(struct json_out *w, const struct field *field)
{
	if (field->options == NULL)
		return;
	begin_list(w, "enum");
	for (const char *const *option = field->options; *option != NULL; option++)
		json_string(w, *option);
	if ((field->flags & F_NULLABLE) != 0)
		json_null(w);
	json_end_array(w);
}

static void
write_property(struct json_out *w, const struct field *field, bool input)
{
	begin_member(w, field->name);
	write_type(w, field, input);
	if (field->type == FT_DATE)
		json_string_member(w, "format", "date-time");
	if (field->type == FT_PASSWORD || field->type == FT_HIDDEN)
		json_string_member(w, "format", "password");
	if (json_type_of(field) != NULL && strcmp(json_type_of(field), "array") == 0) {
		begin_member(w, "items");
		json_string_member(w, "type", field->type == FT_MEMBERS ? "object" : "string");
		json_end_object(w);
	}
	if (input && json_type_of(field) != NULL && strcmp(json_type_of(field), "string") == 0)
		write_limits(w, field);
	if (input)
		write_options(w, field);
	json_end_object(w);
}

static unsigned
may_field(const struct openapi *o, const struct resource_type *type, const struct field *field)
{
	return field_in_version(field, o->version) ? auth_field(o->role, type, field) : 0;
}

/* Schemas of a type */

static void
write_fields(const struct openapi *o, const struct resource_type *type, unsigned right)
{
	begin_member(o->w, "properties");
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if ((may_field(o, type, f) & right) != 0 &&
		    (right != MAY_READ || f->type != FT_HIDDEN))
			write_property(o->w, f, right != MAY_READ);
	json_end_object(o->w);
}

static bool
takes_input(const struct openapi *o, const struct resource_type *type, unsigned right)
{
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if ((may_field(o, type, f) & right) != 0)
			return true;
	return false;
}

/* A schema that has all of the schema `base`, and what is written until end_derived(). */
static void
begin_derived(struct json_out *w, const char *name, const char *base)
{
	begin_member(w, name);
	begin_list(w, "allOf");
	json_begin_object(w);
	refer(w, "schemas", base, "");
	json_end_object(w);
	json_begin_object(w);
	json_string_member(w, "type", "object");
}

static void
end_derived(struct json_out *w)
{
	json_end_object(w);
	json_end_array(w);
	json_end_object(w);
}

/* The members that every resource has, and the type's own. */
static void
write_answer_schema(const struct openapi *o, const struct resource_type *type)
{
	begin_derived(o->w, type->id, "resource");
	write_fields(o, type, MAY_READ);
	end_derived(o->w);
}

static void
write_input_schema(const struct openapi *o, const struct resource_type *type, unsigned right,
		   const char *end)
{
	struct json_out *w = o->w;
	bool required = false;

	if (!takes_input(o, type, right))
		return;
	begin_member(w, arena_printf(w->arena, "%s%s", type->id, end));
	json_string_member(w, "type", "object");
	write_fields(o, type, right);
	for (const struct field *f = type->fields; right == MAY_CREATE && f->name != NULL; f++) {
		if ((may_field(o, type, f) & right) == 0 || (f->flags & F_REQUIRED) == 0)
			continue;
		if (!required)
			begin_list(w, "required");
		required = true;
		json_string(w, f->name);
	}
	if (required)
		json_end_array(w);
	json_end_object(w);
}

static void
write_collection_schema(const struct openapi *o, const struct resource_type *type)
{
	struct json_out *w = o->w;

	begin_derived(w, arena_printf(w->arena, "%sCollection", type->id), "collection");
	begin_member(w, "properties");
	begin_member(w, "data");
	json_string_member(w, "type", "array");
	begin_member(w, "items");
	/* A collection of a base type holds rows of the types derived from it too. */
	refer(w, "schemas", "resource", "");
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	end_derived(w);
}

/* Parts that are the same for all */

static const char common[] =
	"\"resource\":{\"type\":\"object\",\"required\":[\"id\",\"type\",\"links\",\"actions\"],"
	"\"properties\":{\"id\":{\"type\":[\"string\",\"null\"]},\"type\":{\"type\":\"string\"},"
	"\"baseType\":{\"type\":\"string\"},"
	"\"links\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}},"
	"\"actions\":{\"type\":\"object\",\"additionalProperties\":{\"type\":\"string\"}}}},"
	"\"collection\":{\"type\":\"object\",\"required\":[\"type\",\"resourceType\",\"data\"],"
	"\"properties\":{\"type\":{\"const\":\"collection\"},\"resourceType\":{\"type\":\"string\"}"
	","
	"\"data\":{\"type\":\"array\"},\"links\":{\"type\":\"object\"},"
	"\"pagination\":{\"type\":[\"object\",\"null\"],\"properties\":{"
	"\"next\":{\"type\":[\"string\",\"null\"]},\"limit\":{\"type\":[\"integer\",\"null\"]},"
	"\"partial\":{\"type\":\"boolean\"}}}}}";

static void
write_error_schema(struct json_out *w)
{
	begin_member(w, "error");
	json_string_member(w, "type", "object");
	raw(w, "required", "[\"type\",\"status\",\"code\",\"detail\"]");
	begin_member(w, "properties");
	raw(w, "type", "{\"const\":\"error\"}");
	raw(w, "status", "{\"type\":\"integer\"}");
	raw(w, "message", "{\"type\":[\"string\",\"null\"]}");
	raw(w, "detail", "{\"type\":\"string\"}");
	raw(w, "fieldName", "{\"type\":\"string\"}");
	begin_member(w, "code");
	begin_list(w, "enum");
	for (unsigned i = ERR_NONE + 1; i < ERR__COUNT; i++) {
		bool first = true;

		for (unsigned k = ERR_NONE + 1; k < i; k++) /* some codes have two statuses */
			first = first && strcmp(err_code((enum err)k), err_code((enum err)i)) != 0;
		if (first)
			json_string(w, err_code((enum err)i));
	}
	json_end_array(w);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

static void
write_components(const struct openapi *o)
{
	struct json_out *w = o->w;

	begin_member(w, "components");
	begin_member(w, "securitySchemes");
	begin_member(w, "key");
	json_string_member(w, "type", "http");
	json_string_member(w, "scheme", "basic");
	json_string_member(w, "description", "An API key: its access key and its secret key.");
	json_end_object(w);
	json_end_object(w);
	begin_member(w, "schemas");
	json_raw(w, common, strlen(common));
	write_error_schema(w);
	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		if ((auth_type(o->role, t) & MAY_READ) == 0 || t == &types_table[T_ERROR])
			continue;
		write_answer_schema(o, t);
		write_input_schema(o, t, MAY_CREATE, "Create");
		write_input_schema(o, t, MAY_UPDATE, "Update");
		if (t->family != NULL)
			write_collection_schema(o, t);
	}
	json_end_object(w);
	json_end_object(w);
}

/* Paths */

static void
write_parameter(struct json_out *w, const char *name, const char *in, const char *type,
		const char *description)
{
	json_begin_object(w);
	json_string_member(w, "name", name);
	json_string_member(w, "in", in);
	if (strcmp(in, "path") == 0)
		truth(w, "required", true);
	if (description != NULL)
		json_string_member(w, "description", description);
	begin_member(w, "schema");
	json_string_member(w, "type", type);
	json_end_object(w);
	json_end_object(w);
}

static void
write_filter_parameters(const struct openapi *o, const struct resource_type *type)
{
	struct json_out *w = o->w;

	for (const struct field *f = type->fields; f->name != NULL; f++) {
		if (f->filter == FILTER_NONE || (may_field(o, type, f) & MAY_READ) == 0)
			continue;
		for (const struct modifier *m = modifier_table; m->name != NULL; m++)
			if ((m->sets & (1U << f->filter)) != 0)
				write_parameter(w,
						m->op == OP_EQ ? f->name
							       : arena_printf(w->arena, "%s_%s",
									      f->name, m->name),
						"query", "string", NULL);
	}
}

/* The name of an operation, such as listRegistryCredentials. */
static void
begin_operation(const struct openapi *o, const char *method, const char *verb, const char *noun)
{
	char *name = arena_printf(o->w->arena, "%s%s", verb, noun);

	if (name != NULL)
		name[strlen(verb)] = (char)toupper((unsigned char)noun[0]);
	begin_member(o->w, method);
	json_string_member(o->w, "operationId", name);
}

static void
end_operation(const struct openapi *o, const char *status, const char *description,
	      const char *schema, const char *end)
{
	struct json_out *w = o->w;

	begin_member(w, "responses");
	begin_member(w, status);
	json_string_member(w, "description", description);
	if (schema != NULL)
		write_content(w, schema, end);
	json_end_object(w);
	begin_member(w, "default");
	json_string_member(w, "description", "An error: detail says what to do next.");
	write_content(w, "error", "");
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
}

static void
write_request(struct json_out *w, const char *schema, const char *end)
{
	begin_member(w, "requestBody");
	truth(w, "required", true);
	write_content(w, schema, end);
	json_end_object(w);
}

static void
write_collection_path(const struct openapi *o, const struct resource_type *type, unsigned may)
{
	struct json_out *w = o->w;
	bool question = (type->flags & TYPE_QUESTION) != 0;

	begin_member(w, arena_printf(w->arena, "/%s", repr_segment[type_index(type)]));
	if (!question && (may & MAY_READ) != 0) {
		begin_operation(o, "get", "list", type->plural);
		begin_list(w, "parameters");
		write_parameter(w, "limit", "query", "integer", "Rows of a page.");
		write_parameter(w, "marker", "query", "string",
				"Where the page begins; from pagination.next.");
		write_parameter(w, "sort", "query", "string", "A field.");
		write_parameter(w, "order", "query", "string", "asc or desc.");
		write_parameter(w, "include", "query", "string",
				"A link whose target is put into each row.");
		write_filter_parameters(o, type);
		json_end_array(w);
		end_operation(o, "200", "The rows that the key sees.", type->id, "Collection");
	}
	if ((may & MAY_CREATE) != 0) {
		begin_operation(o, "post", question ? "ask" : "create", type->id);
		if (takes_input(o, type, MAY_CREATE))
			write_request(w, type->id, "Create");
		if (type == &types_table[T_HAND_OUT])
			end_operation(o, "200", "A file in the format that was asked for.", NULL,
				      NULL);
		else
			end_operation(o, question ? "200" : "201",
				      question ? "The answer." : "The new row.", type->id, "");
	}
	json_end_object(w);
}

static void
write_action(const struct openapi *o, const struct resource_type *type)
{
	struct json_out *w = o->w;
	bool any = false;

	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++)
		any = any || action_in_version(x, o->version);
	if (!any || (auth_type(o->role, type) & MAY_ACT) == 0)
		return;
	begin_operation(o, "post", "actOn", type->id);
	begin_list(w, "parameters");
	json_begin_object(w);
	json_string_member(w, "name", "action");
	json_string_member(w, "in", "query");
	truth(w, "required", true);
	begin_member(w, "schema");
	begin_list(w, "enum");
	for (const struct action *x = type->actions; x->name != NULL; x++)
		if (action_in_version(x, o->version))
			json_string(w, x->name);
	json_end_array(w);
	json_end_object(w);
	json_end_object(w);
	json_end_array(w);
	begin_member(w, "requestBody");
	begin_member(w, "content");
	begin_member(w, "application/json");
	begin_member(w, "schema");
	json_string_member(w, "type", "object");
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	json_end_object(w);
	end_operation(o, "2XX", "The row after the action, or what the action answers.", "resource",
		      "");
}

static void
write_resource_path(const struct openapi *o, const struct resource_type *type, unsigned may)
{
	struct json_out *w = o->w;

	begin_member(w, arena_printf(w->arena, "/%s/{id}", repr_segment[type_index(type)]));
	begin_list(w, "parameters");
	write_parameter(w, "id", "path", "string", NULL);
	json_end_array(w);
	begin_operation(o, "get", "get", type->id);
	end_operation(o, "200", "The row.", "resource", "");
	if ((may & MAY_UPDATE) != 0 && takes_input(o, type, MAY_UPDATE)) {
		begin_operation(o, "put", "update", type->id);
		write_request(w, type->id, "Update");
		end_operation(o, "200", "The row as it is now.", "resource", "");
	}
	if ((may & MAY_DELETE) != 0) {
		begin_operation(o, "delete", "delete", type->id);
		end_operation(o, "2XX", "The row, which is being removed.", "resource", "");
	}
	write_action(o, type);
	json_end_object(w);
}

static void
write_link_paths(const struct openapi *o, const struct resource_type *type)
{
	struct json_out *w = o->w;

	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++) {
		if (!repr_role_has_link(o->role, type, l))
			continue;
		begin_member(w, arena_printf(w->arena, "/%s/{id}/%s",
					     repr_segment[type_index(type)], l->name));
		begin_list(w, "parameters");
		write_parameter(w, "id", "path", "string", NULL);
		json_end_array(w);
		begin_operation(o, "get", "follow",
				arena_printf(w->arena, "%s_%s", type->id, l->name));
		if (l->kind == LINK_CHILDREN)
			end_operation(o, "200", "The rows that refer to it.", l->target->id,
				      "Collection");
		else
			end_operation(o, "200", "The row that it refers to.", "resource", "");
		json_end_object(w);
	}
}

static void
write_paths(const struct openapi *o)
{
	begin_member(o->w, "paths");
	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		unsigned may = auth_type(o->role, t);

		if ((may & MAY_READ) == 0 || (t->flags & TYPE_DOCUMENT) != 0 ||
		    (t->family == NULL && (t->flags & TYPE_QUESTION) == 0))
			continue;
		write_collection_path(o, t, may);
		if (t->family == NULL)
			continue;
		write_resource_path(o, t, may);
		write_link_paths(o, t);
	}
	json_end_object(o->w);
}

void
openapi_write(struct json_out *w, const char *scope, enum role role, enum api_version version)
{
	const struct openapi o = {w, role, version};

	json_begin_object(w);
	json_string_member(w, "openapi", "3.1.0");
	begin_member(w, "info");
	json_string_member(w, "title", "regcred");
	json_string_member(w, "version", REGCRED_VERSION);
	json_string_member(w, "description",
			   "Logins of container registries. The document shows what the key that "
			   "asks for it may "
			   "do.");
	begin_member(w, "license");
	json_string_member(w, "name", "MIT");
	json_string_member(w, "identifier", "MIT");
	json_end_object(w);
	json_end_object(w);
	begin_list(w, "servers");
	json_begin_object(w);
	json_string_member(w, "url", scope);
	json_end_object(w);
	json_end_array(w);
	raw(w, "security", "[{\"key\":[]}]");
	write_paths(&o);
	write_components(&o);
	json_end_object(w);
}
