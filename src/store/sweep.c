/* sweep: counts and rows that are due. */
#include <stdio.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/rows.h"
#include "store/store.h"

static enum store_rc
read_states(struct store_tx *tx, struct arena *a, const struct family *family, int64_t now_ms,
	    struct state_count *out, size_t *count)
{
	enum { COUNT_TEXT_MAX = 256 };
	const struct value binds[] = {value_int(now_ms)};
	char text[COUNT_TEXT_MAX];
	struct cursor row;

	(void)snprintf(text, sizeof(text),
		       "SELECT kind, state, count(*), count(CASE WHEN state = 'removed' AND "
		       "(remove_time <= ?1 OR removed > ?1) THEN 1 END) "
		       "FROM %s GROUP BY kind, state ORDER BY kind, state",
		       family->table);
	enum store_rc rc = cursor_begin_fixed(tx, text, binds, 1, &row);
	if (rc != STORE_OK)
		return rc;
	while (*count < STATE_COUNTS_MAX && (rc = cursor_step(&row)) == STORE_OK)
		out[(*count)++] = (struct state_count){.kind = cursor_column(&row, a, 0).text,
						       .state = cursor_column(&row, a, 1).text,
						       .rows = cursor_number(&row, 2),
						       .due = cursor_number(&row, 3)};
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : cursor_rc(rc);
}

enum store_rc
store_count_states(struct store *s, struct arena *a, const struct family *family, int64_t now_ms,
		   struct state_count **out, size_t *count)
{
	struct store_tx tx;

	*count = 0;
	*out = arena_array(a, STATE_COUNTS_MAX, sizeof(**out));
	if (*out == NULL)
		return STORE_NO_MEMORY;
	enum store_rc rc = read_begin(s, &tx);
	return rc == STORE_OK ? read_end(s, &tx, read_states(&tx, a, family, now_ms, *out, count))
			      : rc;
}

static enum store_rc
read_expiring(struct store_tx *tx, struct arena *a, const struct value *binds, size_t span_count,
	      struct expiry_count *out, size_t *count)
{
	char text[2048];
	struct cursor row;
	size_t n = (size_t)snprintf(
		text, sizeof(text),
		"SELECT kind, source, min(CASE WHEN expires > ?1 THEN expires END), "
		"count(CASE WHEN refresh_result <> 'refreshed' AND (secret_value IS NULL OR "
		"expires - ?1 < (expires - coalesce(refreshed, created)) / 4) THEN 1 END), "
		"min(refresh_due)");

	for (size_t i = 0; i < span_count; i++)
		n += (size_t)snprintf(text + n, sizeof(text) - n,
				      ", count(CASE WHEN expires <= ?%zu THEN 1 END)", i + 2);
	(void)snprintf(text + n, sizeof(text) - n,
		       " FROM credential WHERE state IN ('active', 'updating-active') AND "
		       "(expires IS NOT NULL OR source IS NOT NULL) GROUP BY kind, source");
	enum store_rc rc = cursor_begin_fixed(tx, text, binds, span_count + 1, &row);
	if (rc != STORE_OK)
		return rc;
	while (*count < EXPIRY_COUNTS_MAX && (rc = cursor_step(&row)) == STORE_OK) {
		struct expiry_count *c = &out[(*count)++];

		*c = (struct expiry_count){.kind = cursor_column(&row, a, 0).text,
					   .source = cursor_column(&row, a, 1).text,
					   .next_ms = cursor_number(&row, 2),
					   .overdue = cursor_number(&row, 3),
					   .first_due_ms = cursor_number(&row, 4)};
		for (size_t i = 0; i < span_count; i++)
			c->within[i] = cursor_number(&row, 5 + (int)i);
	}
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : cursor_rc(rc);
}

enum store_rc
store_count_expiring(struct store *s, struct arena *a, int64_t now_ms, const int64_t *spans_ms,
		     size_t span_count, struct expiry_count **out, size_t *count)
{
	struct value binds[EXPIRY_SPANS_MAX + 1] = {value_int(now_ms)};
	struct store_tx tx;

	*count = 0;
	*out = arena_array(a, EXPIRY_COUNTS_MAX, sizeof(**out));
	if (*out == NULL)
		return STORE_NO_MEMORY;
	for (size_t i = 0; i < span_count; i++)
		binds[i + 1] = value_int(now_ms + spans_ms[i]);
	enum store_rc rc = read_begin(s, &tx);
	return rc == STORE_OK
		       ? read_end(s, &tx, read_expiring(&tx, a, binds, span_count, *out, count))
		       : rc;
}

static enum store_rc
read_use(struct store_tx *tx, struct arena *a, const struct value binds[USE_SPANS + 1],
	 struct use_count *out, size_t *count)
{
	static const char text[] = "SELECT state, verify_result, count(*), "
				   "count(CASE WHEN coalesce(last_used, created) < ?2 THEN 1 END), "
				   "count(CASE WHEN coalesce(last_used, created) < ?3 THEN 1 END) "
				   "FROM credential WHERE kind = ?1 AND state <> 'purged' "
				   "GROUP BY state, verify_result";
	struct cursor row;
	enum store_rc rc = cursor_begin_fixed(tx, text, binds, USE_SPANS + 1, &row);

	if (rc != STORE_OK)
		return rc;
	while (*count < USE_COUNTS_MAX && (rc = cursor_step(&row)) == STORE_OK)
		out[(*count)++] = (struct use_count){
			.state = cursor_column(&row, a, 0).text,
			.verification = cursor_column(&row, a, 1).text,
			.rows = cursor_number(&row, 2),
			.unused = {cursor_number(&row, 3), cursor_number(&row, 4)}};
	cursor_end(&row);
	return arena_failed(a) ? STORE_NO_MEMORY : cursor_rc(rc);
}

enum store_rc
store_count_use(struct store *s, struct arena *a, const char *kind,
		const int64_t before_ms[USE_SPANS], struct use_count **out, size_t *count)
{
	const struct value binds[USE_SPANS + 1] = {value_text(kind), value_int(before_ms[0]),
						   value_int(before_ms[1])};
	struct store_tx tx;

	*count = 0;
	*out = arena_array(a, USE_COUNTS_MAX, sizeof(**out));
	if (*out == NULL)
		return STORE_NO_MEMORY;
	enum store_rc rc = read_begin(s, &tx);
	return rc == STORE_OK ? read_end(s, &tx, read_use(&tx, a, binds, *out, count)) : rc;
}

enum store_rc
store_count_doubles(struct store *s, const char *kind, int64_t *doubles)
{
	static const char text[] =
		"SELECT CAST(coalesce(sum(n - 1), 0) AS bigint) FROM (SELECT count(*) AS n FROM "
		"credential WHERE kind = ?1 AND state = 'active' AND registry_id IS NOT NULL AND "
		"public_value IS NOT NULL GROUP BY registry_id, public_value, path_prefix) x";
	const struct value binds[] = {value_text(kind)};
	struct value sum = value_int(0);
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	if (rc == STORE_OK)
		rc = read_end(s, &tx, row_one(&tx, NULL, text, binds, 1, &sum, 1));
	*doubles = sum.number;
	return rc;
}

/* The first column of each row, at most max. */
static enum store_rc
read_ids(struct store_tx *tx, const char *text, const struct value *binds, size_t bind_count,
	 int64_t *ids, size_t max, size_t *count)
{
	struct cursor row;
	enum store_rc rc = cursor_begin_fixed(tx, text, binds, bind_count, &row);

	*count = 0;
	if (rc != STORE_OK)
		return rc;
	while (*count < max && (rc = cursor_step(&row)) == STORE_OK)
		ids[(*count)++] = cursor_number(&row, 0);
	cursor_end(&row);
	return cursor_rc(rc);
}

enum store_rc
store_due(struct store_tx *tx, const struct family *family, int64_t now_ms, int64_t *ids,
	  size_t max, size_t *count)
{
	const struct value binds[] = {value_int(now_ms), value_int((int64_t)max)};
	char text[256];

	(void)snprintf(text, sizeof(text),
		       "SELECT id FROM %s WHERE state = 'removed' AND (remove_time <= ?1 OR "
		       "removed > ?1) ORDER BY remove_time NULLS FIRST LIMIT ?2",
		       family->table);
	return read_ids(tx, text, binds, 2, ids, max, count);
}

enum store_rc
store_unchecked(struct store *s, int64_t now_ms, int64_t every_s, int64_t *ids, size_t max,
		size_t *count)
{
	static const char text[] =
		"SELECT c.id FROM credential c WHERE c.kind = 'registryCredential' AND "
		"c.removed IS NULL AND c.state = 'active' AND c.verify_due IS NULL AND "
		"c.secret_value IS NOT NULL AND c.verify_every > 0 UNION ALL "
		"SELECT c.id FROM account a JOIN credential c ON c.account_id = a.id WHERE "
		"a.verification IN ('warn', 'require') AND c.kind = 'registryCredential' AND "
		"c.removed IS NULL AND c.state = 'active' AND c.verify_due IS NULL AND "
		"c.secret_value IS NOT NULL AND c.verify_every IS NULL UNION ALL "
		"SELECT c.id FROM credential c WHERE c.verify_due > ?2 + 3600000 + CASE c.state "
		"WHEN 'active' THEN coalesce(c.verify_every, ?3) * 1100 ELSE 0 END LIMIT ?1";
	const struct value binds[] = {value_int((int64_t)max), value_int(now_ms),
				      value_int(every_s)};
	struct store_tx tx;
	enum store_rc rc = read_begin(s, &tx);

	*count = 0;
	return rc == STORE_OK ? read_end(s, &tx, read_ids(&tx, text, binds, 3, ids, max, count))
			      : rc;
}

/* " AND NOT EXISTS (...)" for the rows that name one of the family, by the links of its base type
 * to children; members alone go with their project. */
static size_t
add_unnamed(char *text, size_t size, const struct family *family)
{
	size_t n = 0;

	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		if (t->family != family || t->kind != NULL)
			continue;
		for (const struct link *l = t->links; l != NULL && l->name != NULL; l++) {
			const struct family *child = l->target->family;

			if (l->kind == LINK_CHILDREN &&
			    (l->target->flags & TYPE_THROUGH_PROJECT) == 0)
				n += (size_t)snprintf(
					text + n, size - n,
					" AND NOT EXISTS (SELECT 1 FROM %s WHERE %s = x.id)",
					child->table, column_name(child, l->column));
		}
	}
	return n;
}

enum store_rc
store_forget(struct store_tx *tx, const struct family *family, int64_t removed_before_ms,
	     size_t max, size_t *deleted)
{
	char text[1536];
	int changed = 0;
	const struct value binds[] = {value_int(removed_before_ms), value_int((int64_t)max)};

	size_t n = (size_t)snprintf(text, sizeof(text),
				    "DELETE FROM %s WHERE id IN (SELECT id FROM %s x WHERE "
				    "state = 'purged' AND removed < ?1",
				    family->table, family->table);
	n += add_unnamed(text + n, sizeof(text) - n, family);
	(void)snprintf(text + n, sizeof(text) - n, " ORDER BY removed LIMIT ?2)");
	enum store_rc rc = row_change(tx, text, binds, 2, &changed);
	*deleted = rc == STORE_OK ? (size_t)changed : 0;
	return rc;
}
