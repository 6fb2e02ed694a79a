/* schema: lookups in the type tables, and bodies read by them. */
#include "model/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "base/http.h"
#include "base/network.h"
#include "registry/url.h"

enum {
	ID_DIGITS_MAX = 18, /* of a row number: fits int64_t */
};

const char *
api_version_name(enum api_version version)
{
	static const char *const names[API__COUNT] = {[API_V1] = "v1", [API_V2_BETA] = "v2-beta"};

	return names[version];
}

static const struct {
	const char *name;
	enum value_type type;
} columns[COL__COUNT] = {
#define COLUMN(name, sql, type) [COL_##name] = {sql, VALUE_##type},
#include "model/column.def"
#undef COLUMN
};

const char *
column_name(enum column column)
{
	return columns[column].name;
}

enum value_type
column_type(enum column column)
{
	return columns[column].type;
}

struct value
value_null(void)
{
	return (struct value){.type = VALUE_NULL};
}

struct value
value_int(int64_t number)
{
	return (struct value){.type = VALUE_INT, .number = number};
}

struct value
value_text(const char *text)
{
	if (text == NULL)
		return value_null();
	return (struct value){.type = VALUE_TEXT, .text = text, .len = strlen(text)};
}

struct value
value_blob(const void *bytes, size_t len)
{
	return (struct value){.type = VALUE_BLOB, .text = bytes, .len = len};
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

static const char *
check_fields(const struct resource_type *type)
{
	size_t count = 0;

	for (const struct field *f = type->fields; f->name != NULL; f++, count++) {
		if (f->column != COL_NONE &&
		    (type->family == NULL || (type->family->columns & COL_BIT(f->column)) == 0))
			return "a field names a column that its family lacks";
		if ((f->type == FT_REFERENCE || f->type == FT_REFERENCES) &&
		    (f->reference == NULL || f->reference->family == NULL))
			return "a field refers to a type that has no rows";
		if (f->type == FT_ENUM && f->options == NULL)
			return "an enum has no options";
		if (f->type == FT_CONSTANT && f->type_text == NULL)
			return "a constant has no type";
		if ((f->flags & F_SEALED) != 0 && f->filter != FILTER_NONE)
			return "a sealed field must not be a filter";
		for (unsigned v = 0; v < API__COUNT; v++)
			if (field_in_version(f, (enum api_version)v) &&
			    type_field(type, f->name, (enum api_version)v) != f)
				return "a type has two fields of one name in one version";
	}
	return count < FIELDS_MAX ? NULL : "a type has more fields than FIELDS_MAX";
}

static const char *
check_links_and_actions(const struct resource_type *type)
{
	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++)
		if (x - type->actions == ACTIONS_MAX)
			return "a type has more actions than ACTIONS_MAX";
	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++) {
		const struct resource_type *target = l->target;

		if (l - type->links == LINKS_MAX)
			return "a type has more links than LINKS_MAX";
		if (target == NULL || target->family == NULL)
			return "a link leads to a type that has no rows";
		const struct family *holder =
			l->kind == LINK_REFERENCE ? type->family : target->family;
		if ((holder->columns & COL_BIT(l->column)) == 0)
			return "a link uses a column that its family lacks";
	}
	return NULL;
}

static bool
action_is_known(const struct action *action)
{
	if (strcmp(action->name, "restore") == 0 || strcmp(action->name, "delete") == 0)
		return true; /* declared by the original: the first is never offered, the second is
				deactivate and remove */
	if (action->input != NULL)
		return type_find(action->input) != NULL;
	for (const struct process *p = process_table; p->name != NULL; p++)
		if (strcmp(p->name, action->name) == 0)
			return true;
	return false;
}

const char *
schema_check(void)
{
	const char *why = process_check();

	for (const struct resource_type *t = types_table; why == NULL && t->id != NULL; t++) {
		if (type_index(t) >= TYPES_MAX)
			return "there are more types than TYPES_MAX";
		if (t->base != NULL &&
		    (type_find(t->base) == NULL || type_find(t->base)->family != t->family))
			return "a type and its base are not of one family";
		for (const struct action *x = t->actions; x != NULL && x->name != NULL; x++)
			if (!action_is_known(x))
				return "an action is no process and has no input";
		for (const struct cascade *c = t->cascades; c != NULL && c->type != NULL; c++)
			if (c->type == NULL || (c->type->family->columns & COL_BIT(c->column)) == 0)
				return "a cascade leads to an unknown type or column";
		if ((why = check_fields(t)) == NULL)
			why = check_links_and_actions(t);
	}
	return why;
}

int64_t
record_id(const struct record *record)
{
	return record->columns[COL_ID].number;
}

const char *
record_text(const struct record *record, enum column column)
{
	return record->columns[column].type == VALUE_TEXT ? record->columns[column].text : NULL;
}

enum state
record_state(const struct record *record)
{
	enum state state =
		ST_PURGED; /* of a row that holds nonsense: nothing can be done with it */
	const char *name = record_text(record, COL_STATE);

	if (name != NULL && !state_parse(name, &state))
		state = ST_PURGED;
	return state;
}

bool
id_parse(const struct family *family, const char *text, int64_t *id)
{
	size_t prefix = strlen(family->prefix);

	if (text[0] != '1' || strncmp(text + 1, family->prefix, prefix) != 0)
		return false;
	const char *digits = text + 1 + prefix;
	size_t len = strspn(digits, "0123456789");
	if (len == 0 || len > ID_DIGITS_MAX || digits[len] != '\0' || digits[0] == '0')
		return false;
	*id = strtoll(digits, NULL, 10);
	return true;
}

size_t
id_write(char out[ID_TEXT_SIZE], const struct family *family, int64_t id)
{
	char digits[ID_TEXT_SIZE], *d = digits + sizeof(digits);
	char *p = out;

	*p++ = '1';
	p = stpcpy(p, family->prefix);
	*--d = '\0';
	do
		*--d = (char)('0' + id % 10);
	while ((id /= 10) > 0);
	return (size_t)(stpcpy(p, d) - out);
}

char *
id_format(struct arena *a, const struct family *family, int64_t id)
{
	char *out = arena_alloc(a, ID_TEXT_SIZE);

	if (out != NULL)
		(void)id_write(out, family, id);
	return out;
}

/* Text of a scalar: numbers and booleans become their text (contract 10.6); NULL for an object or
 * array. */
static const char *
scalar_text(const struct json *node)
{
	return node->type == JSON_OBJECT || node->type == JSON_ARRAY || node->type == JSON_NULL
		       ? NULL
		       : node->text;
}

static enum err
read_text(const struct field *field, const char *text, struct change *out, struct error *e)
{
	size_t len = http_utf8_length(text);

	if (len < field->min_len)
		return err_set(e, ERR_MIN_LENGTH, field->name, NULL);
	if (field->max_len != 0 && len > field->max_len)
		return err_set(e, ERR_MAX_LENGTH, field->name, NULL);
	if ((field->flags & F_SEALED) != 0)
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
		return err_set(e, ERR_INVALID_FORMAT, field->name, "It must be true or false.");
	out->columns[field->column] = value_int(yes);
	return ERR_NONE;
}

static enum err
read_reference(const struct field *field, const struct json *node, struct change *out,
	       struct error *e)
{
	int64_t id;

	/* A bare number is no id (contract 10.6). */
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
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It must be a date like 2030-01-31T00:00:00Z, or milliseconds since "
			       "1970.");
	out->columns[field->column] = value_int(ms);
	return ERR_NONE;
}

static enum err
read_option(const struct field *field, const char *text, struct change *out, struct error *e)
{
	for (const char *const *option = field->options; *option != NULL; option++)
		if (strcmp(*option, text) == 0) {
			out->columns[field->column] = value_text(*option);
			return ERR_NONE;
		}
	return err_set(e, ERR_INVALID_OPTION, field->name, NULL);
}

/* An array of texts, or, as a form has it, one text with commas between. */
static enum err
read_networks(const struct schema_rules *rules, const struct field *field, const struct json *node,
	      struct change *out, struct error *e)
{
	const struct json *item = node->type == JSON_ARRAY ? node->child : NULL;
	const char *why = "It must be an array of networks like 192.0.2.0/24, or null for all.";
	const char *list = NULL;

	if (node->type == JSON_STRING)
		list = network_list_parse(rules->arena, node->text, &why);
	else if (item != NULL)
		list = "";
	for (; item != NULL && list != NULL; item = item->next)
		list = network_list_add(rules->arena, list,
					item->type == JSON_STRING ? item->text : "", &why);
	if (list == NULL && why == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (list == NULL)
		return err_set(e, ERR_INVALID_FORMAT, field->name, why);
	out->columns[field->column] = value_text(list);
	return ERR_NONE;
}

bool
list_next(const char **list, char out[LIST_ITEM_SIZE])
{
	const char *text = *list;
	size_t len = text != NULL ? strcspn(text, " ") : 0;

	if (len == 0 || len >= LIST_ITEM_SIZE)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	*list = text + len + (text[len] == ' ');
	return true;
}

/* One item of an array of paths or ids: NULL, or what is wrong with it. */
static const char *
check_item(const struct field *field, const char *item)
{
	int64_t id;

	if (field->type == FT_PATHS)
		return registry_path_check(item);
	return id_parse(field->reference->family, item, &id) ? NULL : "It must be an array of ids.";
}

/* An array of texts, or, as a form has it, one text with commas between. */
static enum err
read_list(const struct schema_rules *rules, const struct field *field, const struct json *node,
	  struct change *out, struct error *e)
{
	char *rest = node->type == JSON_STRING ? arena_strdup(rules->arena, node->text) : NULL;
	const struct json *item = node->type == JSON_ARRAY ? node->child : NULL;
	const char *list = "", *why = NULL;
	size_t count = 0;

	while (list != NULL && (rest != NULL || item != NULL)) {
		const char *text = rest != NULL				       ? strsep(&rest, ",")
				   : item != NULL && item->type == JSON_STRING ? item->text
									       : "";

		item = item != NULL ? item->next : NULL;
		why = check_item(field, text);
		if (why == NULL && ++count > LIST_ITEMS_MAX)
			why = "It has more than 32 members.";
		if (why != NULL)
			return err_set(e, ERR_INVALID_FORMAT, field->name, why);
		list = arena_printf(rules->arena, "%s%s%s", list, *list != '\0' ? " " : "", text);
	}
	if (list == NULL || arena_failed(rules->arena))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (count == 0)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It must be an array with members, or null for all.");
	out->columns[field->column] = value_text(list);
	return ERR_NONE;
}

static enum err
read_path(const struct field *field, const char *text, struct change *out, struct error *e)
{
	const char *why = registry_path_check(text);

	if (why != NULL)
		return err_set(e, ERR_INVALID_FORMAT, field->name, why);
	return read_text(field, text, out, e);
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
	if (stored != NULL && stored->columns[field->column].type == VALUE_NULL)
		return ERR_NONE; /* contract 10.5: a row made without an e-mail address survives a
				    round trip */
	return err_set(e, ERR_NOT_NULLABLE, field->name, NULL);
}

static enum err
read_member(const struct schema_rules *rules, const struct field *field, const struct json *node,
	    struct change *out, struct error *e)
{
	if (field->type == FT_MEMBERS) {
		if (node->type != JSON_ARRAY && node->type != JSON_NULL)
			return err_set(e, ERR_INVALID_FORMAT, field->name, "It must be an array.");
		out->members = node->type == JSON_ARRAY ? node : NULL;
		return ERR_NONE;
	}
	if (node->type == JSON_NULL)
		return read_null(rules, field, out, e);
	out->given |= COL_BIT(field->column);
	if (field->type == FT_REFERENCE)
		return read_reference(field, node, out, e);
	if (field->type == FT_NETWORKS)
		return read_networks(rules, field, node, out, e);
	if (field->type == FT_PATHS || field->type == FT_REFERENCES)
		return read_list(rules, field, node, out, e);

	const char *text = scalar_text(node);
	if (text == NULL)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It must be a single value, not an object or array.");
	if (field->type == FT_BOOLEAN)
		return read_boolean(field, text, out, e);
	if (field->type == FT_DATE)
		return read_date(field, text, out, e);
	if (field->type == FT_ENUM)
		return read_option(field, text, out, e);
	if (field->type == FT_PATH)
		return read_path(field, text, out, e);
	return read_text(field, text, out, e);
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
			       "It must be a single value, not an object or array.");
	enum err rc = field->type == FT_ENUM ? read_option(field, text, &change, e)
					     : read_text(field, text, &change, e);
	*out = change.columns[COL_NONE].text;
	return rc;
}

static void
put_number(char *out, int64_t number, size_t digits)
{
	while (digits-- > 0) {
		out[digits] = (char)('0' + number % 10);
		number /= 10;
	}
}

/* Year, month and day of the days since 1970-01-01.  The year is taken to begin in March, so that
 * the leap day is its last one and the months before it have a regular pattern of 153 days in five.
 */
static void
civil(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	enum { ERA_DAYS = 146097, BEFORE_1970 = 719468 }; /* 400 years; days from 0000-03-01 */
	int64_t since = days + BEFORE_1970, in_era = since % ERA_DAYS;
	int64_t of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA_DAYS - 1)) / 365;
	int64_t in_year = in_era - (365 * of_era + of_era / 4 - of_era / 100);
	int64_t march = (5 * in_year + 2) / 153; /* 0 for March */

	*day = in_year - (153 * march + 2) / 5 + 1;
	*month = march < 10 ? march + 3 : march - 9;
	*year = since / ERA_DAYS * 400 + of_era + (*month <= 2);
}

static const int64_t date_last_ms = INT64_C(253402300799000); /* end of 9999 */

/* Without the library's calendar, which takes a lock for the time zone: every row has a date or
 * two. */
void
date_format(int64_t ms, char out[21])
{
	static const int64_t day_s = 86400;
	int64_t seconds, year, month, day;

	if (ms < 0)
		ms = 0;
	if (ms > date_last_ms)
		ms = date_last_ms;
	seconds = ms / 1000;

	civil(seconds / day_s, &year, &month, &day);
	memcpy(out, "0000-00-00T00:00:00Z", 21);
	put_number(out, year, 4);
	put_number(out + 5, month, 2);
	put_number(out + 8, day, 2);
	put_number(out + 11, seconds % day_s / 3600, 2);
	put_number(out + 14, seconds % 3600 / 60, 2);
	put_number(out + 17, seconds % 60, 2);
}

bool
date_parse(const char *text, int64_t now_ms, int64_t *ms)
{
	struct tm tm = {0};
	char again[21];
	int used = 0;

	if (strcmp(text, "now") == 0) {
		*ms = now_ms;
		return true;
	}
	size_t digits = strspn(text, "0123456789");
	if (digits > 0 && digits <= ID_DIGITS_MAX && text[digits] == '\0') {
		*ms = strtoll(text, NULL, 10);
		return true;
	}
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 ||
	    used != 20 || text[used] != '\0')
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ms = (int64_t)timegm(&tm) * 1000;
	/* What is no date of the calendar, or has signs and blanks in it, comes out as another
	 * text. */
	date_format(*ms, again);
	return strcmp(again, text) == 0;
}

bool
date_read(const char *text, int64_t *ms)
{
	if (strcmp(text, "now") == 0 || !date_parse(text, 0, ms) || *ms > date_last_ms)
		return false;
	*ms -= *ms % 1000;
	return true;
}
