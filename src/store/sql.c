/* sql: SQL text from the tables. */
#include "store/sql.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"

static void sql_add(struct sql *q, const char *format, ...) __attribute__((format(printf, 2, 3)));

void
sql_fixed(struct sql *q, const char *text, const struct value *binds, size_t count)
{
	q->len = strlen(text);
	memcpy(q->text, text, q->len + 1);
	for (size_t i = 0; i < count; i++)
		q->binds[i] = binds[i];
	q->bind_count = count;
	q->failed = false;
}

static void
add_text(struct sql *q, const char *text)
{
	size_t len = strlen(text);

	if (q->failed || len >= sizeof(q->text) - q->len) {
		q->failed = true;
		return;
	}
	memcpy(q->text + q->len, text, len + 1);
	q->len += len;
}

static void
sql_add(struct sql *q, const char *format, ...)
{
	va_list args;

	if (q->failed)
		return;
	va_start(args, format);
	int n = vsnprintf(q->text + q->len, sizeof(q->text) - q->len, format, args);
	va_end(args);
	if (n < 0 || (size_t)n >= sizeof(q->text) - q->len) {
		q->failed = true;
		return;
	}
	q->len += (size_t)n;
}

/* Notes a value and writes its place-holder. */
static void
bind(struct sql *q, struct value value)
{
	if (q->bind_count == SQL_BINDS_MAX) {
		q->failed = true;
		return;
	}
	q->binds[q->bind_count++] = value;
	char number[] = {'?', (char)('0' + q->bind_count / 10), (char)('0' + q->bind_count % 10),
			 '\0'};
	_Static_assert((int)SQL_BINDS_MAX < 100, "two digits");
	if (q->bind_count < 10) {
		number[1] = number[2];
		number[2] = '\0';
	}
	add_text(q, number);
}

/* Without sql_add(), for speed: this is most of the text of most statements. */
static void
add_select(struct sql *q, const struct family *family, uint64_t columns, bool secrets_cut)
{
	const char *comma = "SELECT ";

	*q->text = '\0';
	q->len = q->bind_count = 0;
	q->failed = false;
	for (unsigned c = 1; c < COL__COUNT; c++)
		if ((columns & COL_BIT(c)) != 0) {
			const char *name = column_name(family, (enum column)c);

			add_text(q, comma);
			if (secrets_cut && c == COL_SECRET_VALUE)
				sql_add(q, "substr(%s, 1, %d)", name, LIST_SECRET);
			else
				add_text(q, name);
			comma = ", ";
		}
	add_text(q, " FROM ");
	add_text(q, family->table);
}

uint64_t
sql_columns(const struct list_query *list)
{
	return list->columns != 0 ? list->columns & list->family->columns : list->family->columns;
}

/* Ids as one text: one place-holder however many there are, so that the statement is prepared once.
 */
static char *
id_array(const struct dialect *d, struct arena *a, const struct owners *owners)
{
	enum { ID_TEXT_MAX = 21 };
	char *text = arena_alloc(a, owners->count * ID_TEXT_MAX + 3);
	size_t len = 0;

	if (text == NULL)
		return NULL;
	text[len++] = d->ids_begin;
	for (size_t i = 0; i < owners->count; i++)
		len += (size_t)sprintf(text + len, "%s%lld", i > 0 ? "," : "",
				       (long long)owners->ids[i]);
	text[len++] = d->ids_end;
	text[len] = '\0';
	return text;
}

static void
add_owners(struct sql *q, const struct dialect *d, struct arena *a, const struct family *family,
	   const struct owners *owners)
{
	if (owners->all || family->owner == COL_NONE)
		return;
	if (owners->count == 0) {
		sql_add(q, " AND false");
		return;
	}
	sql_add(q, " AND %s", column_name(family, family->owner));
	if (owners->count == 1) {
		sql_add(q, " = ");
		bind(q, value_int(owners->ids[0]));
		return;
	}
	const char *ids = id_array(d, a, owners);
	if (ids == NULL)
		q->failed = true;
	add_text(q, d->any_id.before);
	bind(q, value_text(ids));
	add_text(q, d->any_id.after);
}

void
sql_get(struct sql *q, const struct dialect *d, struct arena *a, const struct family *family,
	int64_t id, const struct owners *owners)
{
	add_select(q, family, family->columns, false);
	sql_add(q, " WHERE id = ");
	bind(q, value_int(id));
	add_owners(q, d, a, family, owners);
}

/* clang-format off */
static const struct { const char *before, *after; bool like, value; } operators[OP__COUNT] = {
	[OP_EQ]       = { " = ", "", false, true },
	[OP_NE]       = { " <> ", "", false, true },
	[OP_LT]       = { " < ", "", false, true },
	[OP_LTE]      = { " <= ", "", false, true },
	[OP_GT]       = { " > ", "", false, true },
	[OP_GTE]      = { " >= ", "", false, true },
	[OP_PREFIX]   = { " ", " ESCAPE '\\'", true, true },
	[OP_LIKE]     = { " ", " ESCAPE '\\'", true, true },
	[OP_NOT_LIKE] = { " NOT ", " ESCAPE '\\'", true, true },
	[OP_NULL]     = { " IS NULL", "", false, false },
	[OP_NOT_NULL] = { " IS NOT NULL", "", false, false },
	[OP_NOTHING]  = { " IS NULL AND false", "", false, false },
};
/* clang-format on */

/* A LIKE pattern for "begins with": the client's own % and _ are ordinary characters. */
static struct value
prefix_pattern(struct arena *a, const char *text)
{
	char *pattern = arena_alloc(a, 2 * strlen(text) + 2);
	size_t len = 0;

	if (pattern == NULL)
		return value_null();
	for (const char *p = text; *p != '\0'; p++) {
		if (*p == '%' || *p == '_' || *p == '\\')
			pattern[len++] = '\\';
		pattern[len++] = *p;
	}
	pattern[len++] = '%';
	pattern[len] = '\0';
	return value_text(pattern);
}

static void
add_condition(struct sql *q, const struct dialect *d, struct arena *a, const struct family *family,
	      const struct condition *c)
{
	bool any_case = c->any_case && c->value.type == VALUE_TEXT;

	sql_add(q, " AND %s%s%s%s%s%s", any_case ? d->any_case_column.before : "",
		c->column == COL_NONE ? "NULL" : column_name(family, c->column),
		any_case ? d->any_case_column.after : "", operators[c->op].before,
		operators[c->op].like ? d->like : "", any_case ? d->any_case_value.before : "");
	if (operators[c->op].value)
		bind(q, c->op == OP_PREFIX ? prefix_pattern(a, c->value.text) : c->value);
	sql_add(q, "%s%s", any_case ? d->any_case_value.after : "", operators[c->op].after);
}

/* The sort expression of the page; NULL: only by id. */
static const char *
sort_expression(struct arena *a, const struct list_query *list)
{
	if (list->sort == COL_NONE || list->sort == COL_ID)
		return NULL;
	if (!list->sort_cut)
		return column_name(list->family, list->sort);
	return arena_printf(a, "substr(%s, 1, %d)", column_name(list->family, list->sort),
			    SORT_CHARS);
}

/* Rows after a position.  Nulls come first when ascending. */
static void
add_position(struct sql *q, const struct list_query *list, const char *sort, bool descending)
{
	const char *beyond = descending ? "<" : ">";
	const struct position *from = &list->from;

	if (sort == NULL) {
		sql_add(q, " AND id %s ", beyond);
		bind(q, value_int(from->id));
		return;
	}
	if (from->value.type == VALUE_NULL) {
		sql_add(q, " AND (");
		if (!descending)
			sql_add(q, "%s IS NOT NULL OR ", sort);
		sql_add(q, "%s IS NULL AND id %s ", sort, beyond);
		bind(q, value_int(from->id));
		sql_add(q, ")");
		return;
	}
	sql_add(q, " AND (%s %s ", sort, beyond);
	bind(q, from->value);
	if (descending)
		sql_add(q, " OR %s IS NULL", sort);
	sql_add(q, " OR (%s = ", sort);
	bind(q, from->value);
	sql_add(q, " AND id %s ", beyond);
	bind(q, value_int(from->id));
	sql_add(q, "))");
}

/* Whether a condition picks rows by a column with an index of its own, which few rows share.
 * A database that rates an index by its columns and not its rows would prefer to scan all rows of
 * the account and kind. */
static bool
picks_few(const struct list_query *list)
{
	for (size_t i = 0; i < list->condition_count; i++)
		if (list->conditions[i].op == OP_EQ &&
		    (list->conditions[i].column == COL_REGISTRY_ID ||
		     list->conditions[i].column == COL_ADDRESS_KEY))
			return true;
	return false;
}

void
sql_list(struct sql *q, const struct dialect *d, struct arena *a, const struct list_query *list)
{
	const char *sort = sort_expression(a, list);
	bool descending = list->descending != list->from.backwards;

	add_select(q, list->family, sql_columns(list), list->secrets_cut);
	sql_add(q, " WHERE true");
	if (list->kind != NULL) {
		add_text(q, " AND ");
		add_text(q, picks_few(list) ? d->no_index : "");
		add_text(q, "kind = ");
		bind(q, value_text(list->kind));
	}
	add_owners(q, d, a, list->family, &list->owners);
	if (!list->with_removed && (list->family->columns & COL_BIT(COL_REMOVED)) != 0)
		sql_add(q, " AND removed IS NULL");
	for (size_t i = 0; i < list->condition_count; i++)
		add_condition(q, d, a, list->family, &list->conditions[i]);
	if (list->from.set)
		add_position(q, list, sort, descending);
	sql_add(q, " ORDER BY ");
	if (sort != NULL)
		sql_add(q, "%s %s, ", sort, descending ? "DESC NULLS LAST" : "ASC NULLS FIRST");
	sql_add(q, "id %s LIMIT ", descending ? "DESC" : "ASC");
	bind(q, value_int((int64_t)list->limit + 1));
	if (arena_failed(a))
		q->failed = true;
}

void
sql_insert(struct sql *q, const struct record *record, bool with_id)
{
	const struct family *family = record->type->family;
	uint64_t columns = with_id ? family->columns : family->columns & ~COL_BIT(COL_ID);
	const char *comma = "";

	q->len = q->bind_count = 0;
	q->failed = false;
	sql_add(q, "INSERT INTO %s (", family->table);
	for (unsigned c = 1; c < COL__COUNT; c++)
		if ((columns & COL_BIT(c)) != 0 && record->columns[c].type != VALUE_NULL) {
			add_text(q, comma);
			add_text(q, column_name(family, (enum column)c));
			comma = ", ";
		}
	sql_add(q, ") VALUES (");
	comma = "";
	for (unsigned c = 1; c < COL__COUNT; c++)
		if ((columns & COL_BIT(c)) != 0 && record->columns[c].type != VALUE_NULL) {
			add_text(q, comma);
			bind(q, record->columns[c]);
			comma = ", ";
		}
	sql_add(q, ")");
}

void
sql_update(struct sql *q, const struct family *family, int64_t id, const struct value *columns,
	   uint64_t given, enum state from)
{
	const char *comma = "";

	q->len = q->bind_count = 0;
	q->failed = false;
	sql_add(q, "UPDATE %s SET ", family->table);
	for (unsigned c = 1; c < COL__COUNT; c++)
		if ((given & family->columns & COL_BIT(c)) != 0) {
			sql_add(q, "%s%s = ", comma, column_name(family, (enum column)c));
			bind(q, columns[c]);
			comma = ", ";
		}
	sql_add(q, " WHERE id = ");
	bind(q, value_int(id));
	if (from != ST__COUNT) {
		sql_add(q, " AND state = ");
		bind(q, value_text(state_name(from)));
	}
}
