/* verify: verifies the chain of the audit log, row by row. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/seal.h"
#include "store/store.h"

enum {
	PAGE = 500, /* rows read at a time */
	PAGE_ARENA = 64 * 1024 * 1024,
	TELL_MS = 1000, /* between progress lines */
	NEAR = 1000,	/* how many rows on either side to search for a misplaced one */
};

struct walk {
	const struct audit_check *check;
	struct audit_report *report;
	struct store_tx *tx;
	struct arena *arena;	      /* for one page */
	struct audit_segment segment; /* the current segment; its hashes are the two below */
	unsigned char segment_last[SECRET_MAC_SIZE];
	unsigned char previous[SECRET_MAC_SIZE]; /* hash of the row before */
	int64_t expected;			 /* the next row */
	int64_t head_id, head_last;		 /* the newest segment and its last row */
	int64_t told_ms;
	enum store_rc rc;
};

/* Only the first problem is reported. */
static void __attribute__((format(printf, 2, 3))) problem(struct walk *w, const char *format, ...)
{
	va_list args;

	if (w->report->problem[0] != '\0')
		return;
	va_start(args, format);
	(void)vsnprintf(w->report->problem, sizeof(w->report->problem), format, args);
	va_end(args);
}

/* Adds a note: worth knowing, but not a problem. */
static void __attribute__((format(printf, 2, 3))) note(struct walk *w, const char *format, ...)
{
	size_t len = strlen(w->report->note), room = sizeof(w->report->note) - len;
	va_list args;

	if (len > 0 && room > 2) {
		(void)stpcpy(w->report->note + len, "; ");
		len += 2;
		room -= 2;
	}
	va_start(args, format);
	(void)vsnprintf(w->report->note + len, room, format, args);
	va_end(args);
}

static bool
is_sound(const struct walk *w)
{
	return w->rc == STORE_OK && w->report->problem[0] == '\0';
}

static void
verify_tell(struct walk *w)
{
	int64_t now = clock_ms();

	if (w->check->stopped != NULL && w->check->stopped())
		w->rc = STORE_ABORTED;
	if (w->check->progress == NULL || now - w->told_ms < TELL_MS)
		return;
	w->told_ms = now;
	(void)fprintf(w->check->progress, "regcred: %" PRId64 " of %" PRId64 " rows are intact\n",
		      w->report->rows, w->head_last - w->report->first_id + 1);
	(void)fflush(w->check->progress);
}

static void
keep_hash(unsigned char out[SECRET_MAC_SIZE], const struct value *v)
{
	memset(out, 0, SECRET_MAC_SIZE);
	if (v->type == VALUE_BLOB && v->len == SECRET_MAC_SIZE)
		memcpy(out, v->text, SECRET_MAC_SIZE);
}

/* The log is provable from this segment on: it follows a cut or a restart. */
static void
begin_at(struct walk *w, const struct audit_segment *s)
{
	struct audit_report *r = w->report;

	r->problem[0] = '\0'; /* problems before it no longer count */
	r->cut = s->cut_ms != 0;
	(void)snprintf(r->reason, sizeof(r->reason), "%s",
		       r->cut || s->reason == NULL ? "" : s->reason);
	r->since_ms = r->cut ? 0 : s->began_ms;
	w->expected = r->cut ? s->last_id + 1 : s->first_id;
	keep_hash(w->previous, r->cut ? &s->last : &s->previous);
	w->segment = *s;
}

/* Checks that the segment is signed, numbered, and begins where the previous one ends. */
static void
look_at_segment(struct walk *w, const struct audit_segment *s, bool first, int64_t last_id,
		const unsigned char last[SECRET_MAC_SIZE])
{
	if (!audit_is_signed(w->check->ring, w->arena, s) &&
	    !(first && audit_is_unused(w->tx, w->arena, s))) {
		problem(w, "segment %" PRId64 " is altered", s->id);
		return;
	}
	if (s->cut_ms != 0 || s->reason != NULL ||
	    (first && s->id == 1 && s->first_id == 1 &&
	     audit_is_hash(&s->previous, audit_no_hash))) {
		begin_at(w, s);
		return;
	}
	if (first || s->id != w->head_id + 1)
		problem(w, "segment %" PRId64 " is missing", first ? s->id - 1 : w->head_id + 1);
	else if (s->first_id != last_id + 1 || !audit_is_hash(&s->previous, last))
		problem(w, "segment %" PRId64 " does not follow the one before", s->id);
	if (w->report->since_ms == 0)
		w->report->since_ms = s->began_ms;
}

static void
walk_segments(struct walk *w)
{
	unsigned char last[SECRET_MAC_SIZE] = {0};
	struct audit_segment s = {0};
	int64_t last_id = 0;
	bool first = true;

	while (w->rc == STORE_OK) {
		arena_reset(w->arena);
		w->rc = store_audit_after(w->tx, w->arena, first ? INT64_MIN : s.id, &s);
		if (w->rc != STORE_OK)
			break;
		look_at_segment(w, &s, first, last_id, last);
		first = false;
		last_id = w->head_last = s.last_id;
		w->head_id = s.id;
		keep_hash(last, &s.last);
	}
	if (w->rc == STORE_NONE)
		w->rc = STORE_OK;
	if (first)
		problem(w, "there is no head: all segments of the log are gone");
	else if (s.closed_ms != 0)
		problem(w, "there is no head: the segments after %" PRId64 " are gone", s.id);
}

/* The original id of this row, if it was moved from elsewhere in this log; else 0. */
static int64_t
written_as(struct walk *w, const struct record *row)
{
	struct record other = *row;
	unsigned char hash[SECRET_MAC_SIZE];
	int64_t id = record_id(row);

	for (int64_t n = id > NEAR ? id - NEAR : 1; n <= id + NEAR; n++) {
		other.columns[COL_ID] = value_int(n);
		if (audit_row_hash(w->check->ring, w->arena, &other, hash) &&
		    audit_is_hash(&row->columns[COL_HASH], hash))
			return n;
	}
	return 0;
}

static void
explain_bad_row(struct walk *w, const struct record *row, const struct record *next)
{
	int64_t id = record_id(row), was = written_as(w, row);

	if (was != 0)
		problem(w, "row %" PRId64 ": order: it was written as row %" PRId64, id, was);
	else if (next != NULL && record_id(next) == id + 1 && written_as(w, next) == id)
		problem(w, "row %" PRId64 " was inserted", id);
	else
		problem(w, "row %" PRId64 " is altered", id);
}

static void
check_anchor(struct walk *w, int64_t id, const struct value *hash)
{
	const struct audit_anchor *anchor = &w->check->anchor;
	char hex[AUDIT_HASH_SIZE];

	if (anchor->id != id || id == 0)
		return;
	audit_to_hex(hash, hex);
	if (strcmp(hex, anchor->hash) != 0)
		problem(w, "row %" PRId64 " is not the one whose hash was noted", id);
}

/* At the end of a segment: continues with the next. */
static void
next_segment(struct walk *w)
{
	if (memcmp(w->previous, w->segment_last, SECRET_MAC_SIZE) != 0) {
		problem(w, "row %" PRId64 " is not the one that segment %" PRId64 " ends with",
			w->segment.last_id, w->segment.id);
		return;
	}
	w->rc = store_audit_after(w->tx, w->arena, w->segment.id, &w->segment);
	keep_hash(w->segment_last, &w->segment.last);
}

static void
look_at_row(struct walk *w, const struct record *row, const struct record *next)
{
	unsigned char hash[SECRET_MAC_SIZE];
	int64_t id = record_id(row);

	if (w->expected > w->head_last || id > w->head_last) {
		if (w->expected <= w->head_last)
			problem(w, "rows %" PRId64 " to %" PRId64 " are missing", w->expected,
				w->head_last);
		problem(w, "row %" PRId64 " was inserted after the end", id);
		return;
	}
	if (id != w->expected) {
		if (id == w->expected + 1)
			problem(w, "row %" PRId64 " is missing", w->expected);
		problem(w, "rows %" PRId64 " to %" PRId64 " are missing", w->expected, id - 1);
		return;
	}
	if (!audit_row_hash(w->check->ring, w->arena, row, hash)) {
		w->rc = STORE_NO_MEMORY;
		return;
	}
	if (!audit_is_hash(&row->columns[COL_HASH], hash)) {
		explain_bad_row(w, row, next);
		return;
	}
	if (!audit_is_hash(&row->columns[COL_PREVIOUS_HASH], w->previous)) {
		problem(w, "row %" PRId64 " does not follow the one before it", id);
		return;
	}
	keep_hash(w->previous, &row->columns[COL_HASH]);
	check_anchor(w, id, &row->columns[COL_HASH]);
	w->report->rows++;
	w->report->last_id = id;
	w->expected++;
	while (is_sound(w) && w->expected > w->segment.last_id && w->segment.id < w->head_id)
		next_segment(w);
}

/* Rows below the first: they are about to be deleted, or do not belong to the log. */
static void
look_before(struct walk *w)
{
	struct list_query q = {.family = &family_audit_log, .owners = owners_all, .limit = 1};
	struct record_list list;

	q.conditions[q.condition_count++] = (struct condition){
		.column = COL_ID, .op = OP_LT, .value = value_int(w->report->first_id)};
	w->rc = store_tx_list(w->tx, w->arena, &q, &list);
	if (w->rc != STORE_OK || list.count == 0 || w->report->cut)
		return;
	if (w->report->reason[0] != '\0')
		note(w, "rows before %" PRId64 " are not proven", w->report->first_id);
	else
		problem(w, "row %" PRId64 " was inserted before the first",
			record_id(&list.items[0]));
}

static void
walk_rows(struct walk *w)
{
	struct list_query q = {.family = &family_audit_log, .owners = owners_all, .limit = PAGE};
	struct record_list list = {.more = true};

	q.from = (struct position){.set = true, .id = w->expected - 1};
	while (is_sound(w) && list.more) {
		arena_reset(w->arena);
		w->rc = store_tx_list(w->tx, w->arena, &q, &list);
		for (size_t i = 0; is_sound(w) && i < list.count; i++)
			look_at_row(w, &list.items[i],
				    i + 1 < list.count ? &list.items[i + 1] : NULL);
		if (w->rc == STORE_OK && list.count > 0)
			q.from.id = record_id(&list.items[list.count - 1]);
		verify_tell(w);
	}
	if (is_sound(w) && w->expected <= w->head_last)
		problem(w, "the end is cut off: rows %" PRId64 " to %" PRId64 " are missing",
			w->expected, w->head_last);
	if (is_sound(w) && memcmp(w->previous, w->segment_last, SECRET_MAC_SIZE) != 0)
		problem(w, "the last row, %" PRId64 ", is not the one that the head names",
			w->head_last);
}

/* Reports an anchor that is before or after all rows. */
static void
look_for_anchor(struct walk *w)
{
	const struct audit_anchor *anchor = &w->check->anchor;
	struct value last = value_blob(w->previous, SECRET_MAC_SIZE);

	if (anchor->id == w->expected - 1 && w->report->cut)
		check_anchor(w, anchor->id, &last);
	else if (anchor->id > w->head_last)
		problem(w, "the end is cut off: row %" PRId64 ", whose hash was noted, is missing",
			anchor->id);
	else if (anchor->id != 0 && anchor->id < w->expected)
		note(w, "row %" PRId64 ", whose hash was noted, is not among them", anchor->id);
}

static enum err
verify_in_snapshot(struct store_tx *tx, void *arg)
{
	struct walk *w = arg;

	w->tx = tx;
	w->rc = STORE_OK;
	walk_segments(w);
	if (!is_sound(w))
		goto out;
	w->report->first_id = w->expected;
	w->report->last_id = w->expected - 1;
	look_for_anchor(w);
	look_before(w);
	/* Begin with the first segment after a cut. */
	if (is_sound(w))
		w->rc = store_audit_after(tx, w->arena,
					  w->report->cut ? w->segment.id : w->segment.id - 1,
					  &w->segment);
	keep_hash(w->segment_last, &w->segment.last);
	while (is_sound(w) && w->expected > w->segment.last_id && w->segment.id < w->head_id)
		next_segment(w);
	if (is_sound(w))
		walk_rows(w);
out:
	return w->rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

enum store_rc
audit_verify(const struct audit_check *check, struct audit_report *out)
{
	struct walk w = {.check = check,
			 .report = out,
			 .arena = arena_new(PAGE_ARENA),
			 .told_ms = clock_ms()};

	*out = (struct audit_report){0};
	if (w.arena == NULL)
		return STORE_NO_MEMORY;
	enum store_rc rc = store_read(check->store, verify_in_snapshot, &w);
	arena_free(w.arena);
	return rc == STORE_ABORTED ? w.rc : rc;
}
