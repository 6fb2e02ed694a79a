/* body: reads a JSON body by the field table. */
#include "model/body.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/network.h"
#include "base/text.h"
#include "model/date.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/url.h"

/* Text of a scalar: numbers and booleans are written out (docs/api.md, Writing); NULL for an object
 * or array. */
static const char *
scalar_text(const struct json *node)
{
	return node->type == JSON_OBJECT || node->type == JSON_ARRAY || node->type == JSON_NULL
		       ? NULL
		       : node->text;
}

static enum err
body_read_text(const struct field *field, const char *text, struct change *out, struct error *e)
{
	size_t len = http_utf8_length(text);

	if (len < field->min_len)
		return err_set(e, ERR_MIN_LENGTH, field->name, NULL);
	if (field->max_len != 0 && len > field->max_len)
		return err_set(e, ERR_MAX_LENGTH, field->name, NULL);
	if (field->column == COL_SOURCE_SECRET && field->type == FT_HIDDEN)
		out->source_secret = text;
	else if ((field->flags & F_SEALED) != 0)
		out->secret = text;
	else
		out->columns[field->column] = value_text(text);
	return ERR_NONE;
}

static enum err
read_boolean(const struct field *field, const char *text, struct change *out, struct error *e)
{
	bool yes = strcmp(text, "true") == 0;

	if (!yes && strcmp(text, "false") != 0)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It is neither true nor false: send one of them.");
	out->columns[field->column] = value_int(yes);
	return ERR_NONE;
}

static enum err
read_reference(const struct field *field, const struct json *node, struct change *out,
	       struct error *e)
{
	int64_t id;

	/* A bare number is not an id (docs/api.md, Writing). */
	if (node->type != JSON_STRING || !id_parse(field->reference->family, node->text, &id))
		return err_set(e, ERR_INVALID_REFERENCE, field->name, NULL);
	out->columns[field->column] = value_int(id);
	return ERR_NONE;
}

static enum err
read_date(const struct field *field, const char *text, struct change *out, struct error *e)
{
	int64_t ms;

	if (!date_read(text, &ms))
		return err_set(
			e, ERR_INVALID_FORMAT, field->name,
			"It is not a date: send one like 2030-01-31T00:00:00Z, or milliseconds "
			"since 1970.");
	out->columns[field->column] = value_int(ms);
	return ERR_NONE;
}

static enum err
body_read_option(const struct field *field, const char *text, struct change *out, struct error *e)
{
	for (const char *const *option = field->options; *option != NULL; option++)
		if (strcmp(*option, text) == 0) {
			out->columns[field->column] = value_text(*option);
			return ERR_NONE;
		}
	return err_set(e, ERR_INVALID_OPTION, field->name, NULL);
}

static enum err
read_int(const struct field *field, const char *text, struct change *out, struct error *e)
{
	enum { DIGITS_MAX = 9 };
	size_t digits = strspn(text, "0123456789");
	long number = digits <= DIGITS_MAX ? strtol(text, NULL, 10) : -1;

	if (digits == 0 || text[digits] != '\0')
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It is not a whole number without a sign: send one like 3600.");
	if (number < (long)field->min_len || number > (long)field->max_len)
		return err_set(e, ERR_INVALID_OPTION, field->name,
			       "The number is too small or too great: see min and max of the field "
			       "in the schema.");
	out->columns[field->column] = value_int(number);
	return ERR_NONE;
}

/* An object, or a text that holds one, as forms send it. */
static enum err
read_json(const struct schema_rules *rules, const struct field *field, const struct json *node,
	  struct change *out, struct error *e)
{
	struct json *parsed;
	struct error why = {0};
	struct json_out w;
	size_t len;

	if (node->type == JSON_STRING) {
		if (json_parse(rules->arena, node->text, strlen(node->text), &parsed, &why) !=
		    ERR_NONE)
			return err_set(e, why.code == ERR_INTERNAL ? why.code : ERR_INVALID_FORMAT,
				       field->name, why.detail);
		node = parsed;
	}
	if (node->type != JSON_OBJECT)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It is not an object: send one, or null.");
	json_out_init(&w, rules->arena);
	json_copy(&w, node);
	const char *text = json_out_text(&w, &len);
	if (text == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (len > field->max_len)
		return err_set(e, ERR_MAX_LENGTH, field->name, NULL);
	out->columns[field->column] = value_text(text);
	return ERR_NONE;
}

/* One item of a list as it is stored.  NULL: a sentence in *why, or out of memory. */
static const char *
read_item(const struct schema_rules *rules, const struct field *field, const char *item,
	  const char **why)
{
	int64_t id, seconds;

	if (field->type == FT_NETWORKS)
		return network_text(rules->arena, item, why);
	if (field->type == FT_DURATIONS) {
		if (date_read_span(item, &seconds))
			return arena_printf(rules->arena, "%lld", (long long)seconds);
		*why = "It is not an array of spans of time: send texts like 14d or 12h, a year at "
		       "most.";
		return NULL;
	}
	if (field->type == FT_PATHS)
		*why = registry_path_check(item);
	else if (!id_parse(field->reference->family, item, &id))
		*why = "It is not an array of ids: send texts like 1sp3.";
	return *why == NULL ? item : NULL;
}

/* An array of texts or, in forms, one comma-separated text. An empty array has no effect if nothing
 * is stored; if a limit is stored, it would exclude everybody. */
static enum err
read_list(const struct schema_rules *rules, const struct field *field, const struct json *node,
	  struct change *out, struct error *e)
{
	bool text = node->type == JSON_STRING;
	char *rest = text ? arena_strdup(rules->arena, node->text) : NULL;
	const struct json *item = node->type == JSON_ARRAY ? node->child : NULL;
	const char *list = "", *why = NULL;
	size_t count = 0;

	if (node->type != JSON_ARRAY && node->type != JSON_STRING)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It is not an array of texts: send one, or null for all.");
	while (list != NULL && (rest != NULL || item != NULL)) {
		const char *one = "";

		if (text) {
			one = strsep(&rest, ",");
		} else {
			one = item->type == JSON_STRING ? item->text : "";
			item = item->next;
		}
		one = read_item(rules, field, one, &why);
		if (one != NULL && count++ == LIST_ITEMS_MAX)
			why = "It has more than 32 members: send fewer.";
		if (why != NULL)
			return err_set(e, ERR_INVALID_FORMAT, field->name, why);
		list = one != NULL ? list_add(rules->arena, list, one) : NULL;
	}
	if (list == NULL || arena_failed(rules->arena))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (count > 0 || field->type == FT_DURATIONS) {
		out->columns[field->column] = value_text(list);
		return ERR_NONE;
	}
	if (rules->stored != NULL && rules->stored->columns[field->column].type != VALUE_NULL)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "An empty list would let nobody in: send null to allow all.");
	out->given &= ~COL_BIT(field->column);
	return ERR_NONE;
}

static enum err
body_read_path(const struct field *field, const char *text, struct change *out, struct error *e)
{
	const char *why = registry_path_check(text);

	if (why != NULL)
		return err_set(e, ERR_INVALID_FORMAT, field->name, why);
	return body_read_text(field, text, out, e);
}

static enum err
read_null(const struct schema_rules *rules, const struct field *field, struct change *out,
	  struct error *e)
{
	const struct record *stored = rules->stored;

	if ((field->flags & F_NULLABLE) != 0) {
		out->given |= COL_BIT(field->column);
		out->columns[field->column] = value_null();
		return ERR_NONE;
	}
	/* A field with a default keeps its value, so that a row created without an e-mail address
	 * survives a round trip. */
	if (field->fallback != NULL ||
	    (stored != NULL && stored->columns[field->column].type == VALUE_NULL))
		return ERR_NONE;
	return err_set(e, ERR_NOT_NULLABLE, field->name, NULL);
}

static enum err
read_member(const struct schema_rules *rules, const struct field *field, const struct json *node,
	    struct change *out, struct error *e)
{
	if (field->type == FT_MEMBERS) {
		if (node->type != JSON_ARRAY && node->type != JSON_NULL)
			return err_set(e, ERR_INVALID_FORMAT, field->name,
				       "It is not an array: send one.");
		out->members = node->type == JSON_ARRAY ? node : NULL;
		return ERR_NONE;
	}
	/* Rancher's clients send an empty date as a blank. */
	if (node->type == JSON_NULL || ((field->type == FT_DATE || (field->flags & F_BLANK) != 0) &&
					node->type == JSON_STRING && *node->text == '\0'))
		return read_null(rules, field, out, e);
	out->given |= COL_BIT(field->column);
	if (field->type == FT_REFERENCE)
		return read_reference(field, node, out, e);
	if (field->type == FT_NETWORKS || field->type == FT_PATHS || field->type == FT_REFERENCES ||
	    field->type == FT_DURATIONS)
		return read_list(rules, field, node, out, e);
	if (field->type == FT_JSON)
		return read_json(rules, field, node, out, e);

	const char *text = scalar_text(node);
	if (text == NULL)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It is an object or array: send a single value.");
	if (field->type == FT_BOOLEAN)
		return read_boolean(field, text, out, e);
	if (field->type == FT_DATE)
		return read_date(field, text, out, e);
	if (field->type == FT_ENUM)
		return body_read_option(field, text, out, e);
	if (field->type == FT_INT)
		return read_int(field, text, out, e);
	if (field->type == FT_PATH)
		return body_read_path(field, text, out, e);
	return body_read_text(field, text, out, e);
}

static bool
is_given(const struct field *field, const struct json *body)
{
	return json_member(body, field->name) != NULL;
}

enum err
schema_read(const struct schema_rules *rules, const struct json *body, struct change *out,
	    struct error *e)
{
	const struct json *first = body != NULL && body->type == JSON_OBJECT ? body->child : NULL;

	*out = (struct change){0};
	for (const struct json *node = first; node != NULL; node = node->next) {
		const struct field *field = type_field(rules->type, node->name, rules->version);

		if (field == NULL || !rules->may(rules->context, field))
			continue;
		if (read_member(rules, field, node, out, e) != ERR_NONE)
			return e->code;
	}
	if (rules->use != SCHEMA_CREATE)
		return ERR_NONE;
	for (const struct field *f = rules->type->fields; f->name != NULL; f++)
		if ((f->flags & F_REQUIRED) != 0 && field_in_version(f, rules->version) &&
		    !is_given(f, body))
			return err_set(e, ERR_MISSING_REQUIRED, f->name, NULL);
	return ERR_NONE;
}

enum err
schema_read_question(const struct resource_type *type, const char *name, const struct json *body,
		     const char **out, struct error *e)
{
	const struct field *field = type_field(type, name, API_V1);
	const struct json *node = json_member(body, name);
	struct change change = {0};

	*out = NULL;
	if (node == NULL || node->type == JSON_NULL)
		return ERR_NONE;
	const char *text = scalar_text(node);
	if (text == NULL)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It is an object or array: send a single value.");
	enum err rc = field->type == FT_ENUM ? body_read_option(field, text, &change, e)
					     : body_read_text(field, text, &change, e);
	*out = change.columns[COL_NONE].text;
	return rc;
}
