/* sweep: deletes old segments of the audit log, and restarts it after damage. */

#include "audit/audit.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/log.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "store/store.h"

/* Rows with higher ids were not written by regcred. */
static const int64_t id_max = INT64_C(1) << 53;

struct restart {
	const struct keyring *ring;
	struct arena *arena;
	const struct actor *who;
	const char *reason;
	int64_t now_ms;
	enum store_rc rc;
};

/* The highest id of a row; 0 if there are none. */
static enum store_rc
last_row(struct store_tx *tx, struct arena *a, int64_t *id)
{
	struct list_query q = {
		.family = &family_audit_log, .owners = owners_all, .limit = 1, .descending = true};
	struct record_list list;

	q.conditions[q.condition_count++] =
		(struct condition){.column = COL_ID, .op = OP_LT, .value = value_int(id_max)};
	enum store_rc rc = store_tx_list(tx, a, &q, &list);
	*id = rc == STORE_OK && list.count > 0 ? record_id(&list.items[0]) : 0;
	return rc;
}

static enum err
restart_in_transaction(struct store_tx *tx, void *arg)
{
	struct restart *r = arg;
	struct audit_segment old = {0}, fresh = {.began_ms = r->now_ms, .reason = r->reason};
	struct audit_entry entry = {.who = *r->who, .event = "auditRestart", .at_ms = r->now_ms};
	int64_t last = 0;

	r->rc = store_audit_newest(tx, r->arena, INT64_MAX, &old);
	if (r->rc == STORE_OK || r->rc == STORE_NONE)
		r->rc = last_row(tx, r->arena, &last);
	if (r->rc != STORE_OK)
		return ERR_INTERNAL;
	if (old.last_id > last && old.last_id < id_max)
		last = old.last_id;
	/* Above any id that someone else may have inserted. */
	fresh.id = old.id < 0 ? 1 : old.id < INT64_MAX ? old.id + 1 : old.id;
	fresh.first_id = (last < 0 ? 0 : last) + 1;
	fresh.last_id = fresh.first_id - 1;
	/* A head that cannot be verified does not say whether all secrets are bound. */
	fresh.unbound = !audit_says_bound(r->ring, r->arena, &old);
	fresh.previous = fresh.last = value_blob(audit_no_hash, sizeof(audit_no_hash));
	entry.changes = json_strings(r->arena, "reason", r->reason);
	r->rc = entry.changes != NULL ? audit_put_segment(tx, r->arena, r->ring, &fresh)
				      : STORE_NO_MEMORY;
	if (r->rc == STORE_OK)
		r->rc = audit_append_to(tx, r->arena, r->ring, &fresh, &entry);
	return r->rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

enum store_rc
audit_restart(struct store *s, const struct keyring *ring, const struct actor *who,
	      const char *reason, int64_t now_ms)
{
	struct restart r = {.ring = ring,
			    .arena = arena_new(SMALL_ARENA),
			    .who = who,
			    .reason = reason,
			    .now_ms = now_ms};

	if (r.arena == NULL)
		return STORE_NO_MEMORY;
	enum store_rc rc = store_write(s, restart_in_transaction, &r);
	arena_free(r.arena);
	return rc == STORE_ABORTED ? r.rc : rc;
}

struct pass {
	const struct keyring *ring;
	struct arena *arena;
	int64_t now_ms, keep_ms;
	size_t deleted; /* rows deleted in this transaction */
	enum store_rc rc;
};

static enum err
end_of(struct pass *p)
{
	return p->rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

/* Begins a new segment if the head is long or old enough. */
static enum err
turn_in_transaction(struct store_tx *tx, void *arg)
{
	struct pass *p = arg;
	struct audit_segment head;
	int64_t span_ms = AUDIT_SEGMENT_MS;

	/* So that rows are kept at most a quarter longer than requested. */
	if (p->keep_ms > 0 && p->keep_ms / 4 < span_ms)
		span_ms = p->keep_ms / 4;
	p->rc = audit_find_head(tx, p->arena, p->ring, &head);
	if (p->rc != STORE_OK || head.last_id < head.first_id ||
	    (head.last_id - head.first_id + 1 < AUDIT_SEGMENT_ROWS &&
	     p->now_ms - head.began_ms < span_ms))
		return end_of(p);
	struct audit_segment next = {.id = head.id + 1,
				     .first_id = head.last_id + 1,
				     .last_id = head.last_id,
				     .began_ms = p->now_ms,
				     .previous = head.last,
				     .last = head.last,
				     .unbound = head.unbound};
	head.closed_ms = p->now_ms;
	p->rc = audit_put_segment(tx, p->arena, p->ring, &head);
	if (p->rc == STORE_OK)
		p->rc = audit_put_segment(tx, p->arena, p->ring, &next);
	return end_of(p);
}

static const char *
cut_json(struct arena *a, const struct audit_segment *last)
{
	struct json_out json;
	size_t len;

	json_out_init(&json, a);
	json_begin_object(&json);
	json_name(&json, "lastRow");
	json_int(&json, last->last_id);
	json_end_object(&json);
	return json_out_text(&json, &len);
}

/* Signs that the segment and all before it are deleted, and records it in the log. */
static enum store_rc
mark_cut(struct store_tx *tx, struct pass *p, struct audit_segment *last)
{
	const struct audit_entry entry = {.who.via = "housekeeper",
					  .event = "auditCut",
					  .changes = cut_json(p->arena, last),
					  .at_ms = p->now_ms};

	last->cut_ms = p->now_ms;
	enum store_rc rc = audit_put_segment(tx, p->arena, p->ring, last);
	return rc == STORE_OK ? audit_append(tx, p->arena, p->ring, &entry) : rc;
}

/* Deletes everything before the newest expired segment, some rows at a time. */
static enum err
cut_in_transaction(struct store_tx *tx, void *arg)
{
	struct pass *p = arg;
	struct audit_segment next = {0}, last = {0};

	p->deleted = 0;
	p->rc = store_audit_newest(tx, p->arena, p->now_ms - p->keep_ms, &next);
	if (p->rc == STORE_NONE) {
		p->rc = STORE_OK;
		return ERR_NONE;
	}
	if (p->rc == STORE_OK)
		p->rc = store_audit_after(tx, p->arena, next.id - 2, &last);
	if (p->rc != STORE_OK || last.id == next.id)
		return end_of(p); /* nothing before it */
	bool follows = next.reason == NULL;
	if ((!audit_is_signed(p->ring, p->arena, &next)) ||
	    (follows && !audit_is_signed(p->ring, p->arena, &last))) {
		log_error("the audit log cannot be cut: a segment is damaged: see `regcred audit "
			  "verify`");
		p->rc = arena_failed(p->arena) ? STORE_NO_MEMORY : STORE_OK;
		return end_of(p);
	}
	if (follows && last.cut_ms == 0)
		p->rc = mark_cut(tx, p, &last);
	if (p->rc == STORE_OK)
		p->rc = store_audit_cut(tx, next.first_id, follows ? last.id : next.id,
					AUDIT_CUT_ROWS, &p->deleted);
	return end_of(p);
}

enum store_rc
audit_sweep(struct store *s, const struct keyring *ring, int64_t now_ms, int64_t keep_ms,
	    size_t *done)
{
	struct pass p = {.ring = ring,
			 .arena = arena_new(SMALL_ARENA),
			 .now_ms = now_ms,
			 .keep_ms = keep_ms};

	*done = 0;
	if (p.arena == NULL)
		return STORE_NO_MEMORY;
	enum store_rc rc = store_write_freeing(s, turn_in_transaction, &p);
	p.deleted = AUDIT_CUT_ROWS;
	while (keep_ms > 0 && rc == STORE_OK && p.deleted == AUDIT_CUT_ROWS &&
	       *done < AUDIT_CUT_MAX) {
		arena_reset(p.arena);
		rc = store_write_freeing(s, cut_in_transaction, &p);
		*done += p.deleted;
	}
	arena_free(p.arena);
	return rc == STORE_ABORTED ? p.rc : rc;
}
