/* keys: the checks of the master keys, and values that they sealed. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/rows.h"
#include "store/store.h"

enum {
	COUNT_PAGE = 20000, /* rows counted by one statement, so that none takes too long */
	KINDS_TEXT_MAX = 512,
	SEALED_TEXT_MAX = 1024,
};

static enum store_rc
read_key_checks(struct store_tx *tx, struct arena *a, struct key_check **out, size_t *count)
{
	enum { KEYS_MAX = 64 };
	struct cursor row;
	enum store_rc rc = cursor_begin_fixed(
		tx, "SELECT key_id, use, value FROM key_check ORDER BY key_id, use", NULL, 0, &row);

	if (rc != STORE_OK)
		return rc;
	*count = 0;
	*out = arena_array(a, KEYS_MAX, sizeof(**out));
	while (*out != NULL && *count < KEYS_MAX && (rc = cursor_step(&row)) == STORE_OK)
		(*out)[(*count)++] =
			(struct key_check){cursor_number(&row, 0), cursor_column(&row, a, 1).text,
					   cursor_column(&row, a, 2)};
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : cursor_rc(rc);
}

enum store_rc
store_key_checks(struct store *s, struct arena *a, struct key_check **out, size_t *count)
{
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	return rc == STORE_OK ? read_end(s, &tx, read_key_checks(&tx, a, out, count)) : rc;
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

/* The next page of a count: the rows after *last, which it moves on; how many they were. */
static enum store_rc
count_page(struct store_tx *tx, struct arena *a, const char *text, int64_t *last,
	   struct prefix_count *counts, size_t *count, int64_t *rows)
{
	const struct value binds[] = {value_int(*last), value_int(COUNT_PAGE)};
	struct cursor row;
	enum store_rc rc = cursor_begin_fixed(tx, text, binds, 2, &row);

	*rows = 0;
	if (rc != STORE_OK)
		return rc;
	while ((rc = cursor_step(&row)) == STORE_OK) {
		const struct value prefix = cursor_column(&row, a, 0);
		int64_t n = cursor_number(&row, 1), highest = cursor_number(&row, 2);

		*rows += n;
		*last = highest > *last ? highest : *last;
		if (!arena_failed(a))
			count_prefix(counts, count, &prefix, n);
	}
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : cursor_rc(rc);
}

enum store_rc
store_count_sealed(struct store *s, struct arena *a, const struct family *family,
		   enum column column, size_t prefix_len, struct prefix_count **out, size_t *count)
{
	char text[SEALED_TEXT_MAX], kinds[KINDS_TEXT_MAX];
	int64_t last = 0, rows = COUNT_PAGE;
	enum store_rc rc = STORE_OK;

	*count = 0;
	*out = arena_array(a, PREFIXES_MAX, sizeof(**out));
	if (*out == NULL)
		return STORE_NO_MEMORY;
	(void)snprintf(
		text, sizeof(text),
		"SELECT p, count(*), max(id) FROM (SELECT id, substr(%s, 1, %zu) AS p FROM %s "
		"WHERE id > ?1 AND %s IS NOT NULL%s ORDER BY id LIMIT ?2) x GROUP BY p",
		column_name(family, column), prefix_len, family->table, column_name(family, column),
		not_hashed(family, kinds));
	while (rc == STORE_OK && rows == COUNT_PAGE) {
		struct store_tx tx;

		rc = read_begin(s, &tx);
		if (rc == STORE_OK)
			rc = read_end(s, &tx, count_page(&tx, a, text, &last, *out, count, &rows));
	}
	return rc;
}

enum store_rc
store_add_key_check(struct store_tx *tx, const struct key_check *check)
{
	const struct value binds[] = {value_int(check->key_id), value_text(check->use),
				      check->value};
	int changed = 0;

	return row_change(tx, "INSERT INTO key_check (key_id, use, value) VALUES (?1, ?2, ?3)",
			  binds, 3, &changed);
}

enum store_rc
store_tx_key_check(struct store_tx *tx, struct arena *a, int64_t key_id, const char *use,
		   struct value *out)
{
	const struct value binds[] = {value_int(key_id), value_text(use)};

	return row_one(tx, a, "SELECT value FROM key_check WHERE key_id = ?1 AND use = ?2", binds,
		       2, out, 1);
}

enum store_rc
store_delete_key_check(struct store_tx *tx, int64_t key_id, const char *use, size_t *deleted)
{
	const struct value binds[] = {value_int(key_id), value_text(use)};
	int changed = 0;

	enum store_rc rc = row_change(tx, "DELETE FROM key_check WHERE key_id = ?1 AND use = ?2",
				      binds, 2, &changed);
	*deleted = (size_t)changed;
	return rc;
}

enum store_rc
store_tx_find_sealed(struct store_tx *tx, const struct family *family, enum column column,
		     const struct value *prefix)
{
	const struct value binds[] = {*prefix};
	char text[SEALED_TEXT_MAX], kinds[KINDS_TEXT_MAX];

	(void)snprintf(text, sizeof(text),
		       "SELECT 1 FROM %s WHERE substr(%s, 1, %zu) = ?1%s LIMIT 1", family->table,
		       column_name(family, column), prefix->len, not_hashed(family, kinds));
	return row_one(tx, NULL, text, binds, 1, NULL, 0);
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
	enum store_rc rc = row_change(tx, text, binds, 3, &changed);
	return rc == STORE_OK && changed != 1 ? STORE_NONE : rc;
}

enum store_rc
store_tx_has_rows(struct store_tx *tx, const struct family *family, const char *kind,
		  int64_t account_id, int64_t most)
{
	const struct value binds[] = {value_int(account_id), value_text(kind), value_int(most - 1)};
	char text[SEALED_TEXT_MAX];

	(void)snprintf(text, sizeof(text),
		       "SELECT 1 FROM %s WHERE account_id = ?1 AND kind = ?2 AND removed IS NULL "
		       "LIMIT 1 OFFSET ?3",
		       family->table);
	return row_one(tx, NULL, text, binds, 3, NULL, 0);
}
