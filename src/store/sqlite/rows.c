/* rows: rows to records, records to rows, and fixed statements. */
#include "store/sqlite/rows.h"

#include <string.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/sql.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum {
	PAGE_TEXT_MAX = 2 * 1024 *
			1024, /* bytes of text in one page of a list; a longer page is cut there */
};

struct value
row_column(struct arena *a, sqlite3_stmt *stmt, int column)
{
	sqlite3_value *v = sqlite3_column_value(stmt, column);
	const void *bytes;
	size_t len;

	switch (sqlite3_value_type(v)) {
	case SQLITE_INTEGER:
		return value_int(sqlite3_value_int64(v));
	case SQLITE_TEXT:
		bytes = sqlite3_value_text(v);
		len = (size_t)sqlite3_value_bytes(v);
		return (struct value){.type = VALUE_TEXT,
				      .text = bytes != NULL ? arena_copy(a, bytes, len) : NULL,
				      .len = len};
	case SQLITE_BLOB:
		bytes = sqlite3_value_blob(v);
		len = (size_t)sqlite3_value_bytes(v);
		return value_blob(arena_copy(a, bytes != NULL ? bytes : "", len), len);
	default:
		return value_null();
	}
}

/* Copies these columns of a family, all that a row has, into a record that is zero. */
static void
read_record(struct arena *a, sqlite3_stmt *stmt, const struct family *family, uint64_t columns,
	    struct record *out)
{
	int at = 0;

	for (uint64_t rest = columns; rest != 0; rest &= rest - 1)
		out->columns[__builtin_ctzll(rest)] = row_column(a, stmt, at++);
	const char *kind = record_text(out, COL_KIND);
	out->type = type_of_row(family, kind != NULL ? kind : "");
}

enum store_rc
row_step(struct connection *c, sqlite3_stmt *stmt)
{
	int rc = sqlite3_step(stmt);

	return rc == SQLITE_ROW ? STORE_OK : rc == SQLITE_DONE ? STORE_NONE : connection_rc(c, rc);
}

enum store_rc
row_get(struct connection *c, struct arena *a, const struct family *family, int64_t id,
	const struct owners *owners, struct record *out)
{
	struct sql q;
	enum store_rc result = STORE_OK;

	sql_get(&q, a, family, id, owners);
	sqlite3_stmt *stmt = connection_begin(c, &q, &result);
	if (stmt == NULL)
		return result;
	result = row_step(c, stmt);
	if (result == STORE_OK) {
		*out = (struct record){0};
		read_record(a, stmt, family, family->columns, out);
	}
	statement_release(stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
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
row_list(struct connection *c, struct arena *a, const struct list_query *list,
	 struct record_list *out)
{
	struct sql q;
	enum store_rc result = STORE_OK;
	size_t room = 0, bytes = 0;
	uint64_t columns = sql_columns(list);
	int rc;

	*out = (struct record_list){0};
	sql_list(&q, a, list);
	sqlite3_stmt *stmt = connection_begin(c, &q, &result);
	if (stmt == NULL)
		return result;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (out->count == list->limit || bytes > PAGE_TEXT_MAX) {
			out->more = true;
			break;
		}
		if (!rows_grow(a, out, list->limit, &room))
			break;
		read_record(a, stmt, list->family, columns, &out->items[out->count]);
		bytes += text_size(&out->items[out->count++]);
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		result = connection_rc(c, rc);
	statement_release(stmt);
	if (list->from.backwards)
		reverse(out);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

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

/* "UNIQUE constraint failed: storage_pool.account_id, storage_pool.server_address": the last one
 * counts. */
static enum column
conflict_in(const char *message)
{
	const char *dot = strrchr(message, '.'), *table = strrchr(message, ' ');
	size_t len = dot != NULL && table != NULL && dot > table ? (size_t)(dot - ++table) : 0;

	for (const struct family *const *f = families; len > 0 && *f != NULL; f++) {
		if (strlen((*f)->table) != len || strncmp((*f)->table, table, len) != 0)
			continue;
		for (unsigned c = 1; c < COL__COUNT; c++)
			if (((*f)->columns & COL_BIT(c)) != 0 &&
			    strcmp(dot + 1, column_name(*f, (enum column)c)) == 0)
				return (enum column)c;
	}
	return COL_NONE;
}

enum store_rc
row_change(struct store_tx *tx, const struct sql *q, int *changed)
{
	struct connection *c = tx->connection;
	enum store_rc result = STORE_OK;
	sqlite3_stmt *stmt = connection_begin(c, q, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE) {
		*changed = sqlite3_changes(c->db);
	} else {
		result = connection_rc(c, rc);
		if (result == STORE_CONSTRAINT)
			tx->conflict = conflict_in(sqlite3_errmsg(c->db));
	}
	statement_release(stmt);
	return result;
}

enum store_rc
row_change_fixed(struct store_tx *tx, const char *text, const struct value *binds, size_t count,
		 int *changed)
{
	struct sql q;

	sql_fixed(&q, text, binds, count);
	return row_change(tx, &q, changed);
}

enum store_rc
connection_exec(struct connection *c, const char *sql)
{
	struct sql q;
	enum store_rc result = STORE_OK;

	sql_fixed(&q, sql, NULL, 0);
	sqlite3_stmt *stmt = connection_begin(c, &q, &result);
	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc != SQLITE_DONE)
		result = connection_rc(c, rc);
	statement_release(stmt);
	return result;
}

void
connection_roll_back(struct connection *c)
{
	if (sqlite3_get_autocommit(c->db) != 0 || connection_exec(c, "ROLLBACK") == STORE_OK)
		return;
	c->broken = true;
	connection_close(c);
}

enum store_rc
row_one(struct connection *c, struct arena *a, const struct sql *q, struct value *out, int columns)
{
	enum store_rc result = STORE_OK;
	sqlite3_stmt *stmt = connection_begin(c, q, &result);

	if (stmt == NULL)
		return result;
	result = row_step(c, stmt);
	for (int i = 0; result == STORE_OK && i < columns; i++)
		out[i] = row_column(a, stmt, i);
	statement_release(stmt);
	return a != NULL && arena_failed(a) ? STORE_NO_MEMORY : result;
}
