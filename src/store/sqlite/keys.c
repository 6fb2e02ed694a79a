/* keys: the checks of the master keys, and values that they sealed. */
#include <string.h>

#include <stdio.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/reader.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sql.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum {
	COUNT_PAGE = 20000, /* rows counted by one statement, so that none takes too long */
	KINDS_TEXT_MAX = 512,
	SEALED_TEXT_MAX = 1024,
};

enum store_rc
store_key_checks(struct store *s, struct arena *a, struct key_check **out, size_t *count)
{
	enum { KEYS_MAX = 64 };
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt =
		reader_fixed(s, &c, "SELECT key_id, use, value FROM key_check ORDER BY key_id, use",
			     NULL, 0, &result);
	int rc = SQLITE_DONE;

	if (stmt == NULL)
		return result;
	*count = 0;
	*out = arena_array(a, KEYS_MAX, sizeof(**out));
	while (*out != NULL && *count < KEYS_MAX && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct key_check *k = &(*out)[(*count)++];

		k->key_id = sqlite3_column_int64(stmt, 0);
		k->use = row_column(a, stmt, 1).text;
		k->value = row_column(a, stmt, 2);
	}
	result = rc == SQLITE_ROW || rc == SQLITE_DONE ? STORE_OK : connection_rc(c, rc);
	reader_done(s, c, stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

/* " AND kind NOT IN ('apiKey', ...)": the kinds of the family whose secrets are hashed. */
static const char *
not_hashed(const struct family *family, char out[KINDS_TEXT_MAX])
{
	size_t n = 0;

	out[0] = '\0';
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (t->family == family && t->kind != NULL && (t->flags & TYPE_HASHED) != 0)
			n += (size_t)snprintf(out + n, KINDS_TEXT_MAX - n, "%s'%s'",
					      n == 0 ? " AND kind NOT IN (" : ", ", t->kind);
	if (n > 0)
		(void)snprintf(out + n, KINDS_TEXT_MAX - n, ")");
	return out;
}

/* Adds the rows of a prefix to its count. */
static void
count_prefix(struct prefix_count *counts, size_t *count, const struct value *prefix, int64_t rows)
{
	size_t i = 0;

	while (i < *count &&
	       (counts[i].prefix.len != prefix->len ||
		(prefix->len > 0 && memcmp(counts[i].prefix.text, prefix->text, prefix->len) != 0)))
		i++;
	if (i == PREFIXES_MAX)
		return;
	if (i == *count)
		counts[(*count)++] = (struct prefix_count){*prefix, 0};
	counts[i].rows += rows;
}

enum store_rc
store_count_sealed(struct store *s, struct arena *a, const struct family *family,
		   enum column column, size_t prefix_len, struct prefix_count **out, size_t *count)
{
	char text[SEALED_TEXT_MAX], kinds[KINDS_TEXT_MAX];
	int64_t last = 0, rows = COUNT_PAGE;
	enum store_rc result = STORE_OK;

	*count = 0;
	*out = arena_array(a, PREFIXES_MAX, sizeof(**out));
	if (*out == NULL)
		return STORE_NO_MEMORY;
	(void)snprintf(
		text, sizeof(text),
		"SELECT p, count(*), max(id) FROM (SELECT id, substr(%s, 1, ?1) AS p FROM %s "
		"WHERE id > ?2 AND %s IS NOT NULL%s ORDER BY id LIMIT ?3) GROUP BY p",
		column_name(family, column), family->table, column_name(family, column),
		not_hashed(family, kinds));
	while (result == STORE_OK && rows == COUNT_PAGE) {
		const struct value binds[] = {value_int((int64_t)prefix_len), value_int(last),
					      value_int(COUNT_PAGE)};
		struct connection *c;
		sqlite3_stmt *stmt = reader_fixed(s, &c, text, binds, 3, &result);
		int rc;

		if (stmt == NULL)
			return result;
		rows = 0;
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			const struct value prefix = row_column(a, stmt, 0);
			int64_t highest = sqlite3_column_int64(stmt, 2);

			rows += sqlite3_column_int64(stmt, 1);
			last = highest > last ? highest : last;
			if (!arena_failed(a))
				count_prefix(*out, count, &prefix, sqlite3_column_int64(stmt, 1));
		}
		result = rc == SQLITE_DONE ? STORE_OK : connection_rc(c, rc);
		reader_done(s, c, stmt);
	}
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_add_key_check(struct store_tx *tx, const struct key_check *check)
{
	const struct value binds[] = {value_int(check->key_id), value_text(check->use),
				      check->value};
	int changed = 0;

	return row_change_fixed(tx,
				"INSERT INTO key_check (key_id, use, value) VALUES (?1, ?2, ?3)",
				binds, 3, &changed);
}

enum store_rc
store_tx_key_check(struct store_tx *tx, struct arena *a, int64_t key_id, const char *use,
		   struct value *out)
{
	const struct value binds[] = {value_int(key_id), value_text(use)};
	struct sql q;

	sql_fixed(&q, "SELECT value FROM key_check WHERE key_id = ?1 AND use = ?2", binds, 2);
	return row_one(tx->connection, a, &q, out, 1);
}

enum store_rc
store_delete_key_check(struct store_tx *tx, int64_t key_id, const char *use, size_t *deleted)
{
	const struct value binds[] = {value_int(key_id), value_text(use)};
	int changed = 0;

	enum store_rc rc = row_change_fixed(
		tx, "DELETE FROM key_check WHERE key_id = ?1 AND use = ?2", binds, 2, &changed);
	*deleted = (size_t)changed;
	return rc;
}

enum store_rc
store_tx_find_sealed(struct store_tx *tx, const struct family *family, enum column column,
		     const struct value *prefix)
{
	const struct value binds[] = {*prefix, value_int((int64_t)prefix->len)};
	struct sql q;
	char text[SEALED_TEXT_MAX], kinds[KINDS_TEXT_MAX];

	(void)snprintf(text, sizeof(text),
		       "SELECT 1 FROM %s WHERE substr(%s, 1, ?2) = ?1%s LIMIT 1", family->table,
		       column_name(family, column), not_hashed(family, kinds));
	sql_fixed(&q, text, binds, 2);
	return row_one(tx->connection, NULL, &q, NULL, 0);
}

enum store_rc
store_replace_value(struct store_tx *tx, const struct family *family, int64_t id,
		    enum column column, const struct value *from, const struct value *to)
{
	const struct value binds[] = {value_int(id), *from, *to};
	int changed = 0;
	char text[SEALED_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "UPDATE %s SET %s = ?3 WHERE id = ?1 AND %s = ?2",
		       family->table, column_name(family, column), column_name(family, column));
	enum store_rc rc = row_change_fixed(tx, text, binds, 3, &changed);
	return rc == STORE_OK && changed != 1 ? STORE_NONE : rc;
}

enum store_rc
store_tx_has_rows(struct store_tx *tx, const struct family *family, const char *kind,
		  int64_t account_id, int64_t most)
{
	const struct value binds[] = {value_int(account_id), value_text(kind), value_int(most - 1)};
	char text[SEALED_TEXT_MAX];
	struct sql q;

	(void)snprintf(text, sizeof(text),
		       "SELECT 1 FROM %s WHERE account_id = ?1 AND kind = ?2 AND removed IS NULL "
		       "LIMIT 1 OFFSET ?3",
		       family->table);
	sql_fixed(&q, text, binds, 3);
	return row_one(tx->connection, NULL, &q, NULL, 0);
}
