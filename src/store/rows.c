/* rows: rows to records, records to rows, and fixed statements. */
#include "store/rows.h"

#include <string.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/engine.h"
#include "store/sql.h"
#include "store/store.h"

enum {
	PAGE_TEXT_MAX = 2 * 1024 *
			1024, /* bytes of text in one page of a list; a longer page is cut there */
};

/* Copies these columns of a family, all that a row has, into a record that is zero. */
static void
read_record(struct arena *a, const struct cursor *row, const struct family *family,
	    uint64_t columns, struct record *out)
{
	int at = 0;

	for (uint64_t rest = columns; rest != 0; rest &= rest - 1)
		out->columns[__builtin_ctzll(rest)] = cursor_column(row, a, at++);
	const char *kind = record_text(out, COL_KIND);
	out->type = type_of_row(family, kind != NULL ? kind : "");
}

enum store_rc
store_tx_get(struct store_tx *tx, struct arena *a, const struct family *family, int64_t id,
	     const struct owners *owners, struct record *out)
{
	struct cursor row;
	struct sql q;

	sql_get(&q, &tx->engine->dialect, a, family, id, owners);
	enum store_rc rc = cursor_begin(tx, &q, &row);
	if (rc != STORE_OK)
		return rc;
	rc = cursor_step(&row);
	if (rc == STORE_OK) {
		*out = (struct record){0};
		read_record(a, &row, family, family->columns, out);
	}
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : rc;
}

static void
reverse(struct record_list *list)
{
	for (size_t i = 0; i < list->count / 2; i++) {
		struct record other = list->items[i];

		list->items[i] = list->items[list->count - 1 - i];
		list->items[list->count - 1 - i] = other;
	}
}

/* Makes room for one more record; arena memory is zeroed. */
static bool
rows_grow(struct arena *a, struct record_list *list, size_t limit, size_t *room)
{
	if (list->count < *room)
		return true;
	size_t more = *room == 0 ? (limit < 128 ? limit + 1 : 128) : *room * 2;
	struct record *items = arena_array(a, more, sizeof(*items));
	if (items == NULL)
		return false;
	if (list->count > 0)
		memcpy(items, list->items, list->count * sizeof(*items));
	list->items = items;
	*room = more;
	return true;
}

static size_t
text_size(const struct record *record)
{
	size_t size = 0;

	for (unsigned c = 1; c < COL__COUNT; c++)
		size += record->columns[c].len;
	return size;
}

enum store_rc
store_tx_list(struct store_tx *tx, struct arena *a, const struct list_query *list,
	      struct record_list *out)
{
	struct sql q;
	struct cursor row;
	size_t room = 0, bytes = 0;
	uint64_t columns = sql_columns(list);

	*out = (struct record_list){0};
	sql_list(&q, &tx->engine->dialect, a, list);
	enum store_rc rc = cursor_begin(tx, &q, &row);
	if (rc != STORE_OK)
		return rc;
	while ((rc = cursor_step(&row)) == STORE_OK) {
		if (out->count == list->limit || bytes > PAGE_TEXT_MAX) {
			out->more = true;
			break;
		}
		if (!rows_grow(a, out, list->limit, &room))
			break;
		read_record(a, &row, list->family, columns, &out->items[out->count]);
		bytes += text_size(&out->items[out->count++]);
	}
	cursor_end(&row);
	if (list->from.backwards)
		reverse(out);
	return arena_failed(a) ? STORE_NO_MEMORY : cursor_rc(rc);
}

enum store_rc
store_get(struct store *s, struct arena *a, const struct family *family, int64_t id,
	  const struct owners *owners, struct record *out)
{
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	return rc == STORE_OK ? read_end(s, &tx, store_tx_get(&tx, a, family, id, owners, out))
			      : rc;
}

enum store_rc
store_list(struct store *s, struct arena *a, const struct list_query *q, struct record_list *out)
{
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	return rc == STORE_OK ? read_end(s, &tx, store_tx_list(&tx, a, q, out)) : rc;
}

enum store_rc
row_change(struct store_tx *tx, const char *text, const struct value *binds, size_t count,
	   int *changed)
{
	struct sql q;

	*changed = 0;
	sql_fixed(&q, text, binds, count);
	return tx->engine->change(tx, &q, changed);
}

enum store_rc
row_one(struct store_tx *tx, struct arena *a, const char *text, const struct value *binds,
	size_t count, struct value *out, int columns)
{
	struct cursor row;
	enum store_rc rc = cursor_begin_fixed(tx, text, binds, count, &row);

	if (rc != STORE_OK)
		return rc;
	rc = cursor_step(&row);
	for (int i = 0; rc == STORE_OK && i < columns; i++)
		out[i] = cursor_column(&row, a, i);
	cursor_end(&row);
	return a != NULL && arena_failed(a) ? STORE_NO_MEMORY : rc;
}

enum column
rows_column_named(const char *table, size_t table_len, const char *column)
{
	for (const struct family *const *f = families; *f != NULL; f++) {
		if (strlen((*f)->table) != table_len || strncmp((*f)->table, table, table_len) != 0)
			continue;
		for (unsigned c = 1; c < COL__COUNT; c++)
			if (((*f)->columns & COL_BIT(c)) != 0 &&
			    strcmp(column, column_name(*f, (enum column)c)) == 0)
				return (enum column)c;
	}
	return COL_NONE;
}
