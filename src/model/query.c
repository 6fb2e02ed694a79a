/* query: filters, sort, limit, marker, include. */
#include "model/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/text.h"
#include "model/date.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"

#define SET(name) (1U << FILTER_##name)

/* clang-format off */
const struct modifier modifier_table[] = {
	{ "eq",      OP_EQ,       SET(V) | SET(S) | SET(N) },
	{ "ne",      OP_NE,       SET(V) | SET(S) | SET(N) },
	{ "lt",      OP_LT,       SET(N) },
	{ "lte",     OP_LTE,      SET(N) },
	{ "gt",      OP_GT,       SET(N) },
	{ "gte",     OP_GTE,      SET(N) },
	{ "prefix",  OP_PREFIX,   SET(S) },
	{ "like",    OP_LIKE,     SET(S) },
	{ "notlike", OP_NOT_LIKE, SET(S) },
	{ "null",    OP_NULL,     SET(V) | SET(S) | SET(N) },
	{ "notnull", OP_NOT_NULL, SET(V) | SET(S) | SET(N) },
	{ NULL,      OP_EQ,       0 },
};
/* clang-format on */

enum { LIKE_PATTERN_MAX = 1024 }; /* bytes; a longer pattern costs too much and matches nothing */

/* The state of query_parse(). */
struct parser {
	struct arena *arena;
	const struct resource_type *type;
	enum api_version version;
	bool (*visible)(const void *context, const struct field *field);
	const void *context;
	int64_t now_ms;
	struct list_request *out;
};

static const struct field *
filter_field(const struct parser *p, const char *name)
{
	const struct field *field = type_field(p->type, name, p->version);

	return field != NULL && field->filter != FILTER_NONE && p->visible(p->context, field)
		       ? field
		       : NULL;
}

static const struct modifier *
find_modifier(const char *name, enum filter_set set)
{
	for (const struct modifier *m = modifier_table; m->name != NULL; m++)
		if (strcmp(m->name, name) == 0 && (m->sets & (1U << set)) != 0)
			return m;
	return NULL;
}

static bool
query_read_number(const char *text, int64_t *number)
{
	char *end = NULL;

	errno = 0;
	*number = strtoll(text, &end, 10);
	return end != text && *end == '\0' && errno == 0;
}

/* Parses "1c7" or "7", of the type's family. */
static bool
query_parse_id(const struct family *family, const char *text, int64_t *id)
{
	size_t digits = strspn(text, "0123456789");

	if (id_parse(family, text, id))
		return true;
	if (digits == 0 || digits > 18 || text[digits] != '\0')
		return false;
	*id = strtoll(text, NULL, 10);
	return true;
}

/* False: the value cannot be parsed. An invalid id matches no row, like an unknown one: clients use
 * that to look up names. */
static bool
condition_of(const struct parser *p, const struct field *field, enum condition_op op,
	     const char *text, struct condition *c)
{
	bool pattern = op == OP_PREFIX || op == OP_LIKE || op == OP_NOT_LIKE;
	bool known = !pattern || strlen(text) <= LIKE_PATTERN_MAX;
	int64_t number = 0;

	*c = (struct condition){.column = field->column, .op = op, .value = value_text(text)};
	if (op == OP_NULL || op == OP_NOT_NULL || field->column == COL_NONE)
		return true;
	if (field->type == FT_DATE && !date_parse(text, p->now_ms, &number))
		return false;
	if (field->type == FT_INT && !query_read_number(text, &number))
		return false;
	if (field->type == FT_BOOLEAN && (number = strcmp(text, "true") == 0) == 0 &&
	    strcmp(text, "false") != 0)
		return false;
	if (field->type == FT_ID)
		known = query_parse_id(p->type->family, text, &number);
	else if (field->type == FT_REFERENCE)
		known = id_parse(field->reference->family, text, &number);
	else
		c->any_case = (p->type->flags & TYPE_PROJECT) != 0 && (op == OP_EQ || op == OP_NE);
	if (!known)
		c->op = OP_NOTHING;
	else if (column_type(p->type->family, field->column) == VALUE_INT)
		c->value = value_int(number);
	return true;
}

/* A blank id, uuid or name of a project is ignored, as in the original. */
static bool
is_unasked(const struct parser *p, const struct field *field, const struct modifier *m,
	   const char *value)
{
	return (p->type->flags & TYPE_PROJECT) != 0 && m->op == OP_EQ && *value == '\0' &&
	       (field->column == COL_ID || field->column == COL_UUID || field->column == COL_NAME);
}

/* "field" or "field_modifier", split at the last underscore; anything else is ignored. */
static enum err
read_filter(const struct parser *p, const struct pair *pair, struct error *e)
{
	struct list_request *out = p->out;
	const struct field *field = filter_field(p, pair->name);
	const char *modifier = "eq", *underscore = strrchr(pair->name, '_');

	if (field == NULL && underscore != NULL) {
		const char *name =
			arena_copy(p->arena, pair->name, (size_t)(underscore - pair->name));

		field = name != NULL ? filter_field(p, name) : NULL;
		modifier = underscore + 1;
	}
	const struct modifier *m = field != NULL ? find_modifier(modifier, field->filter) : NULL;
	if (m == NULL || is_unasked(p, field, m, pair->value))
		return ERR_NONE;
	if (out->filter_count == CONDITIONS_MAX)
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "There are more than 32 filters: send fewer.");
	out->filters[out->filter_count++] = (struct filter){field, m, pair->value};
	if (!condition_of(p, field, m->op, pair->value,
			  &out->list.conditions[out->list.condition_count++]))
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       field->type == FT_DATE  ? "The filter is not a date: send one like "
							 "2030-01-31T00:00:00Z, or milliseconds "
							 "since 1970."
			       : field->type == FT_INT ? "The filter is not a number: send digits."
						       : "The filter is neither true nor false: "
							 "send one of them.");
	return ERR_NONE;
}

static size_t
read_limit(const char *text)
{
	char *end = NULL;

	if (text == NULL || *text == '\0')
		return LIMIT_DEFAULT;
	long long limit = strtoll(text, &end, 10);
	if (*end != '\0')
		return LIMIT_DEFAULT;
	return limit <= 0 || limit > LIMIT_MAX ? LIMIT_MAX : (size_t)limit;
}

static void
read_sort(const struct parser *p, const struct pairs *pairs)
{
	const char *name = pairs_find(pairs, "sort"), *order = pairs_find(pairs, "order");
	const struct field *field = name != NULL ? filter_field(p, name) : NULL;

	if (field == NULL) {
		p->out->list.descending = (p->type->flags & TYPE_NEWEST_FIRST) != 0 &&
					  (order == NULL || strcasecmp(order, "asc") != 0);
		return;
	}
	p->out->sort = field;
	p->out->list.sort = field->column;
	p->out->list.sort_cut = column_type(p->type->family, field->column) == VALUE_TEXT &&
				field->max_len > SORT_CHARS;
	p->out->list.descending = order != NULL && strcasecmp(order, "desc") == 0;
}

/* Markers: "m" and, in hexadecimal, direction, order, sort field, id and sort value of the row at
 * the edge of a page: "fa name 17 tAlice". */

static const char hex_digits[] = "0123456789abcdef";

static char *
to_hex(struct arena *a, const char *text)
{
	size_t len = strlen(text);
	char *out = arena_alloc(a, 2 * len + 2);

	if (out == NULL)
		return NULL;
	out[0] = 'm';
	for (size_t i = 0; i < len; i++) {
		out[1 + 2 * i] = hex_digits[(unsigned char)text[i] >> 4];
		out[2 + 2 * i] = hex_digits[(unsigned char)text[i] & 15];
	}
	return out;
}

static char *
from_hex(struct arena *a, const char *text)
{
	size_t len = strlen(text);
	char *out = arena_alloc(a, len / 2 + 1);

	if (out == NULL || len % 2 != 0 || strspn(text, hex_digits) != len)
		return NULL;
	for (size_t i = 0; i < len / 2; i++)
		out[i] = (char)((strchr(hex_digits, text[2 * i]) - hex_digits) * 16 +
				(strchr(hex_digits, text[2 * i + 1]) - hex_digits));
	return strlen(out) == len / 2 && http_utf8_valid(out, len / 2) ? out : NULL;
}

/* The first SORT_CHARS characters. */
static char *
cut(struct arena *a, const char *text)
{
	size_t chars = 0, i = 0;

	for (; text[i] != '\0'; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && chars++ == SORT_CHARS)
			break;
	return arena_copy(a, text, i);
}

void
query_continue(struct arena *a, const struct list_request *request, const struct record *row,
	       struct position *position)
{
	const struct list_query *list = &request->list;
	const struct value *v = &row->columns[list->sort];

	position->set = true;
	position->id = record_id(row);
	position->value = list->sort == COL_NONE ? value_null() : *v;
	if (list->sort != COL_NONE && list->sort_cut && v->type == VALUE_TEXT)
		position->value = value_text(cut(a, v->text));
}

char *
query_marker(struct arena *a, const struct list_request *request, const struct record *row,
	     bool backwards)
{
	const struct list_query *list = &request->list;
	const struct value *v = &row->columns[list->sort];
	const char *value = "n";

	if (list->sort != COL_NONE && v->type == VALUE_INT)
		value = arena_printf(a, "i%lld", (long long)v->number);
	else if (list->sort != COL_NONE && v->type == VALUE_TEXT)
		value = arena_printf(a, "t%s", list->sort_cut ? cut(a, v->text) : v->text);
	char *text = arena_printf(
		a, "%c%c %s %lld %s", backwards ? 'b' : 'f', list->descending ? 'd' : 'a',
		request->sort != NULL ? request->sort->name : "", (long long)record_id(row), value);
	return text != NULL ? to_hex(a, text) : NULL;
}

static bool
read_marker_value(const struct list_query *list, const char *text, struct value *value)
{
	int64_t number;

	*value = value_null();
	if (*text == 'n')
		return text[1] == '\0';
	if (list->sort == COL_NONE)
		return false;
	if (*text == 't' && column_type(list->family, list->sort) == VALUE_TEXT)
		*value = value_text(text + 1);
	else if (*text == 'i' && column_type(list->family, list->sort) == VALUE_INT &&
		 query_read_number(text + 1, &number))
		*value = value_int(number);
	else
		return false;
	return true;
}

static void
read_marker(const struct parser *p, const char *marker)
{
	struct list_query *list = &p->out->list;
	struct position from = {.set = true};
	char *text = marker != NULL && marker[0] == 'm' && marker[1] != '\0'
			     ? from_hex(p->arena, marker + 1)
			     : NULL;

	if (text == NULL || (text[0] != 'f' && text[0] != 'b') ||
	    text[1] != (list->descending ? 'd' : 'a') || text[2] != ' ')
		return;
	from.backwards = text[0] == 'b';
	char *id = strchr(text + 3, ' ');
	char *value = id != NULL ? strchr(id + 1, ' ') : NULL;
	if (value == NULL)
		return;
	*id++ = *value++ = '\0';
	const char *sort = p->out->sort != NULL ? p->out->sort->name : "";
	if (strcmp(text + 3, sort) == 0 && query_read_number(id, &from.id) &&
	    read_marker_value(list, value, &from.value))
		list->from = from;
}

enum err
query_parse(struct arena *a, const struct resource_type *type, enum api_version version,
	    const struct pairs *pairs,
	    bool (*visible)(const void *context, const struct field *field), const void *context,
	    int64_t now_ms, struct list_request *out, struct error *e)
{
	const struct parser p = {a, type, version, visible, context, now_ms, out};
	const char *all = pairs_find(pairs, "all");

	*out = (struct list_request){.list = {.family = type->family}};
	for (size_t i = 0; i < pairs->count; i++)
		if (read_filter(&p, &pairs->items[i], e) != ERR_NONE)
			return e->code;
	read_sort(&p, pairs);
	read_marker(&p, pairs_find(pairs, "marker"));
	out->list.limit = read_limit(pairs_find(pairs, "limit"));
	out->list.with_removed = pairs_find(pairs, "_removed") != NULL;
	out->include = pairs_find(pairs, "include");
	out->paged = pairs_find(pairs, "limit") != NULL || pairs_find(pairs, "marker") != NULL;
	out->all = all != NULL && strcmp(all, "true") == 0;
	return arena_failed(a) ? err_set(e, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}
