/* segments: the segments of the audit log. */
#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/rows.h"
#include "store/store.h"

#define SEGMENT_COLUMNS "id, first_id, last_id, began, closed, cut, reason, previous, last, mac"

static enum store_rc
read_segment(struct store_tx *tx, struct arena *a, const char *text, int64_t bound,
	     struct audit_segment *out)
{
	const struct value binds[] = {value_int(bound)};
	struct value row[10];

	enum store_rc rc = row_one(tx, a, text, binds, 1, row, 10);
	if (rc == STORE_OK)
		*out = (struct audit_segment){
			.id = row[0].number,
			.first_id = row[1].number,
			.last_id = row[2].number,
			.began_ms = row[3].number,
			.closed_ms = row[4].number,
			.cut_ms = row[5].number,
			.reason = row[6].text,
			.previous = row[7],
			.last = row[8],
			.mac = row[9],
		};
	return rc;
}

enum store_rc
store_audit_newest(struct store_tx *tx, struct arena *a, int64_t began_ms,
		   struct audit_segment *out)
{
	return read_segment(tx, a,
			    "SELECT " SEGMENT_COLUMNS " FROM audit_segment WHERE began <= ?1 "
			    "ORDER BY id DESC LIMIT 1",
			    began_ms, out);
}

enum store_rc
store_audit_after(struct store_tx *tx, struct arena *a, int64_t id, struct audit_segment *out)
{
	return read_segment(tx, a,
			    "SELECT " SEGMENT_COLUMNS " FROM audit_segment WHERE id > ?1 "
			    "ORDER BY id LIMIT 1",
			    id, out);
}

enum store_rc
store_audit_put(struct store_tx *tx, const struct audit_segment *s)
{
	const struct value binds[] = {
		value_int(s->id),
		value_int(s->first_id),
		value_int(s->last_id),
		value_int(s->began_ms),
		s->closed_ms != 0 ? value_int(s->closed_ms) : value_null(),
		s->cut_ms != 0 ? value_int(s->cut_ms) : value_null(),
		value_text(s->reason),
		s->previous,
		s->last,
		s->mac,
	};
	int changed = 0;

	return row_change(
		tx,
		"INSERT INTO audit_segment (" SEGMENT_COLUMNS
		") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
		"?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET first_id = ?2, last_id = ?3, began = "
		"?4, "
		"closed = ?5, cut = ?6, reason = ?7, previous = ?8, last = ?9, mac = ?10",
		binds, sizeof(binds) / sizeof(*binds), &changed);
}

enum store_rc
store_audit_advance(struct store_tx *tx, const struct audit_segment *s)
{
	const struct value binds[] = {value_int(s->id), value_int(s->last_id),
				      value_int(s->began_ms), s->last, s->mac};
	int changed = 0;

	enum store_rc rc = row_change(
		tx,
		"UPDATE audit_segment SET last_id = ?2, began = ?3, last = ?4, mac = ?5 WHERE id = "
		"?1",
		binds, 5, &changed);
	return rc == STORE_OK && changed != 1 ? STORE_NONE : rc;
}

enum store_rc
store_audit_cut(struct store_tx *tx, int64_t first_id, int64_t first_segment, size_t max,
		size_t *deleted)
{
	const struct value binds[] = {value_int(first_id), value_int((int64_t)max)};
	const struct value segment[] = {value_int(first_segment)};
	int changed = 0;

	*deleted = 0;
	enum store_rc rc = row_change(tx,
				      "DELETE FROM audit_log WHERE id IN (SELECT id FROM "
				      "audit_log WHERE id < ?1 ORDER BY "
				      "id LIMIT ?2)",
				      binds, 2, &changed);
	if (rc != STORE_OK)
		return rc;
	*deleted = (size_t)changed;
	if (*deleted == max)
		return STORE_OK;
	return row_change(tx, "DELETE FROM audit_segment WHERE id < ?1", segment, 1, &changed);
}
