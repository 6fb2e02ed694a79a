/* audit: appending to the audit log, walking it, cutting it. */
#include "audit/audit.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/clock.h"
#include "base/json_out.h"
#include "base/log.h"

enum {
	PAGE = 500, /* rows that are read at a time */
	PAGE_ARENA = 64 * 1024 * 1024,
	SMALL_ARENA = 256 * 1024,
	TELL_MS = 1000, /* between two lines of progress */
	NEAR = 1000,	/* rows on either side among which a misplaced one is looked for */
	VALUE_HEAD = 9, /* bytes of a value in the canonical form that are not its own */
};

/* No row has a higher number: what does was put there by somebody else. */
static const int64_t id_max = INT64_C(1) << 53;

static const char row_purpose[] = "audit row 1", segment_purpose[] = "audit segment 1";
static const unsigned char no_hash[SECRET_MAC_SIZE];
static const struct owners everyone = {.all = true};

/* What the hash of a row covers, in this order: all columns but the hash itself. */
static const enum column hashed[] = {
	COL_ID,
	COL_CREATED,
	COL_ACCOUNT_ID,
	COL_ACTOR_ID,
	COL_KEY_ID,
	COL_PROXY_USER,
	COL_AUTH_TYPE,
	COL_CLIENT_IP,
	COL_REQUEST_ID,
	COL_EVENT_TYPE,
	COL_RESOURCE_TYPE,
	COL_RESOURCE_ID,
	COL_RESPONSE_CODE,
	COL_CHANGES,
	COL_ATTEMPTS,
	COL_PUBLIC_VALUE,
	COL_PREVIOUS_HASH,
};
enum { HASHED = sizeof(hashed) / sizeof(*hashed) };

/* The canonical form: value after value, each with its type, its length or number in eight bytes,
 * and its bytes.  So no two rows have the same. */

static unsigned char *
put_value(unsigned char *out, const struct value *v)
{
	bool bytes = v->type == VALUE_TEXT || v->type == VALUE_BLOB;
	uint64_t number = bytes ? v->len : v->type == VALUE_INT ? (uint64_t)v->number : 0;

	*out++ = (unsigned char)v->type;
	for (int shift = 56; shift >= 0; shift -= 8)
		*out++ = (unsigned char)(number >> shift);
	if (bytes && v->len > 0)
		out = (unsigned char *)mempcpy(out, v->text, v->len);
	return out;
}

static bool
hash_values(const struct keyring *ring, struct arena *a, const char *purpose,
	    const struct value *const *values, size_t count, unsigned char out[SECRET_MAC_SIZE])
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++)
		size += VALUE_HEAD + values[i]->len;
	unsigned char *bytes = arena_alloc(a, size), *end = bytes;
	if (bytes == NULL)
		return false;
	for (size_t i = 0; i < count; i++)
		end = put_value(end, values[i]);
	secret_mac(ring, purpose, bytes, (size_t)(end - bytes), out);
	return true;
}

bool
audit_row_hash(const struct keyring *ring, struct arena *a, const struct record *row,
	       unsigned char out[SECRET_MAC_SIZE])
{
	const struct value *values[HASHED];

	for (size_t i = 0; i < HASHED; i++)
		values[i] = &row->columns[hashed[i]];
	return hash_values(ring, a, row_purpose, values, HASHED, out);
}

static bool
segment_hash(const struct keyring *ring, struct arena *a, const struct audit_segment *s,
	     unsigned char out[SECRET_MAC_SIZE])
{
	const struct value numbers[] = {value_int(s->id),	 value_int(s->first_id),
					value_int(s->last_id),	 value_int(s->began_ms),
					value_int(s->closed_ms), value_int(s->cut_ms)};
	const struct value reason = value_text(s->reason);
	const struct value *values[] = {&numbers[0], &numbers[1],  &numbers[2],
					&numbers[3], &numbers[4],  &numbers[5],
					&reason,     &s->previous, &s->last};

	return hash_values(ring, a, segment_purpose, values, sizeof(values) / sizeof(*values), out);
}

static bool
is_hash(const struct value *v, const unsigned char hash[SECRET_MAC_SIZE])
{
	return v->type == VALUE_BLOB && v->len == SECRET_MAC_SIZE && v->text != NULL &&
	       memcmp(v->text, hash, SECRET_MAC_SIZE) == 0;
}

static bool
is_signed(const struct keyring *ring, struct arena *a, const struct audit_segment *s)
{
	unsigned char mac[SECRET_MAC_SIZE];

	return segment_hash(ring, a, s, mac) && is_hash(&s->mac, mac);
}

/* As the migration leaves it. */
static bool
is_untouched(const struct audit_segment *s)
{
	return s->id == 1 && s->first_id == 1 && s->last_id == 0 && s->closed_ms == 0 &&
	       s->cut_ms == 0 && s->reason == NULL && s->mac.len == 0 &&
	       is_hash(&s->previous, no_hash) && is_hash(&s->last, no_hash);
}

/* With put: store_audit_put(), or store_audit_advance() where nothing else has changed. */
static enum store_rc
sign_segment(struct store_tx *tx, struct arena *a, const struct keyring *ring,
	     struct audit_segment *s,
	     enum store_rc (*put)(struct store_tx *tx, const struct audit_segment *s))
{
	unsigned char mac[SECRET_MAC_SIZE];

	if (!segment_hash(ring, a, s, mac))
		return STORE_NO_MEMORY;
	s->mac = value_blob(mac, sizeof(mac));
	enum store_rc rc = put(tx, s);
	s->mac = value_null();
	return rc;
}

static enum store_rc
put_segment(struct store_tx *tx, struct arena *a, const struct keyring *ring,
	    struct audit_segment *s)
{
	return sign_segment(tx, a, ring, s, store_audit_put);
}

/* The head, proven.  STORE_FAILED if it cannot be. */
static enum store_rc
find_head(struct store_tx *tx, struct arena *a, const struct keyring *ring,
	  struct audit_segment *head)
{
	enum store_rc rc = store_audit_newest(tx, a, INT64_MAX, head);

	if (rc == STORE_NONE || (rc == STORE_OK && head->closed_ms != 0)) {
		log_error("the audit log has lost its head: see `regcred audit verify`");
		return STORE_FAILED;
	}
	if (rc != STORE_OK)
		return rc;
	if (is_untouched(head) || is_signed(ring, a, head))
		return STORE_OK;
	if (arena_failed(a))
		return STORE_NO_MEMORY;
	log_error("the head of the audit log is damaged: see `regcred audit verify`");
	return STORE_FAILED;
}

static struct value
number_or_null(int64_t number)
{
	return number != 0 ? value_int(number) : value_null();
}

static void
fill(struct record *row, const struct audit_entry *e)
{
	*row = (struct record){.type = &types_table[T_AUDIT_LOG]};
	row->columns[COL_CREATED] = value_int(e->at_ms);
	row->columns[COL_ACCOUNT_ID] = number_or_null(e->owner_id);
	row->columns[COL_ACTOR_ID] = number_or_null(e->who.account_id);
	row->columns[COL_KEY_ID] = number_or_null(e->who.key_id);
	row->columns[COL_PROXY_USER] = value_text(e->who.proxy_user);
	row->columns[COL_AUTH_TYPE] = value_text(e->who.via != NULL ? e->who.via : "none");
	row->columns[COL_CLIENT_IP] = value_text(e->who.address);
	row->columns[COL_REQUEST_ID] = value_text(e->who.request_id);
	row->columns[COL_EVENT_TYPE] = value_text(e->event);
	row->columns[COL_RESOURCE_TYPE] = value_text(e->resource_type);
	row->columns[COL_RESOURCE_ID] = value_text(e->resource_id);
	row->columns[COL_RESPONSE_CODE] = number_or_null(e->response_code);
	row->columns[COL_CHANGES] = value_text(e->changes);
	row->columns[COL_ATTEMPTS] = value_int(e->attempts > 0 ? e->attempts : 1);
	row->columns[COL_PUBLIC_VALUE] = value_text(e->access_key);
}

/* Behind the head, which goes on with it. */
static enum store_rc
append_to(struct store_tx *tx, struct arena *a, const struct keyring *ring,
	  struct audit_segment *head, const struct audit_entry *entry)
{
	unsigned char hash[SECRET_MAC_SIZE];
	struct record row;

	fill(&row, entry);
	row.columns[COL_ID] = value_int(head->last_id + 1);
	row.columns[COL_PREVIOUS_HASH] = head->last;
	if (!audit_row_hash(ring, a, &row, hash))
		return STORE_NO_MEMORY;
	row.columns[COL_HASH] = value_blob(hash, sizeof(hash));
	enum store_rc rc = store_insert_as(tx, &row);
	if (rc == STORE_CONSTRAINT) {
		log_error("row %" PRId64 " of the audit log stands where the next one belongs: see "
			  "`regcred audit verify`",
			  head->last_id + 1);
		return STORE_FAILED;
	}
	if (rc != STORE_OK)
		return rc;
	head->last_id++;
	head->last = row.columns[COL_HASH];
	if (head->began_ms == 0)
		head->began_ms = entry->at_ms;
	return sign_segment(tx, a, ring, head, store_audit_advance);
}

enum store_rc
audit_append(struct store_tx *tx, struct arena *a, const struct keyring *ring,
	     const struct audit_entry *entry)
{
	struct audit_segment head;
	enum store_rc rc = find_head(tx, a, ring, &head);

	return rc == STORE_OK ? append_to(tx, a, ring, &head, entry) : rc;
}

/* Hashes as text */

static void
to_hex(const struct value *hash, char out[AUDIT_HASH_SIZE])
{
	out[0] = '\0';
	for (size_t i = 0; i < SECRET_MAC_SIZE && i < hash->len; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", (unsigned char)hash->text[i]);
}

bool
audit_anchor_parse(const char *text, struct audit_anchor *out)
{
	enum { DIGITS_MAX = 15 };
	size_t digits = strspn(text, "0123456789");

	*out = (struct audit_anchor){0};
	if (digits == 0 || digits > DIGITS_MAX || text[digits] != ':')
		return false;
	for (size_t i = 0; i < digits; i++)
		out->id = out->id * 10 + (text[i] - '0');
	const char *hash = text + digits + 1;
	if (strlen(hash) != AUDIT_HASH_SIZE - 1 ||
	    strspn(hash, "0123456789abcdef") != AUDIT_HASH_SIZE - 1)
		return false;
	memcpy(out->hash, hash, AUDIT_HASH_SIZE);
	return out->id > 0;
}

struct head_work {
	const struct keyring *ring;
	struct arena *arena;
	struct audit_anchor *out;
	enum store_rc rc;
};

static enum err
head_in_snapshot(struct store_tx *tx, void *arg)
{
	struct head_work *w = arg;
	struct audit_segment head;

	w->rc = find_head(tx, w->arena, w->ring, &head);
	if (w->rc != STORE_OK)
		return ERR_INTERNAL;
	w->out->id = head.last_id;
	to_hex(&head.last, w->out->hash);
	return ERR_NONE;
}

enum store_rc
audit_head(struct store *s, const struct keyring *ring, struct audit_anchor *out)
{
	struct head_work w = {.ring = ring, .arena = arena_new(SMALL_ARENA), .out = out};

	*out = (struct audit_anchor){0};
	if (w.arena == NULL)
		return STORE_NO_MEMORY;
	enum store_rc rc = store_read(s, head_in_snapshot, &w);
	arena_free(w.arena);
	return rc == STORE_ABORTED ? w.rc : rc;
}

/* Walking */

struct walk {
	const struct audit_check *check;
	struct audit_report *report;
	struct store_tx *tx;
	struct arena *arena; /* of a page */
	struct audit_segment
		segment; /* the one that the walk is in; its hashes are the two below */
	unsigned char segment_last[SECRET_MAC_SIZE];
	unsigned char previous[SECRET_MAC_SIZE]; /* hash of the row before */
	int64_t expected;			 /* the next row */
	int64_t head_id, head_last;		 /* the newest segment and its last row */
	int64_t told_ms;
	enum store_rc rc;
};

/* The first problem counts. */
static void __attribute__((format(printf, 2, 3))) problem(struct walk *w, const char *format, ...)
{
	va_list args;

	if (w->report->problem[0] != '\0')
		return;
	va_start(args, format);
	(void)vsnprintf(w->report->problem, sizeof(w->report->problem), format, args);
	va_end(args);
}

/* What is worth knowing, and not wrong; one after the other. */
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
tell(struct walk *w)
{
	int64_t now = clock_ms();

	if (w->check->stopped != NULL && w->check->stopped())
		w->rc = STORE_ABORTED;
	if (w->check->progress == NULL || now - w->told_ms < TELL_MS)
		return;
	w->told_ms = now;
	(void)fprintf(w->check->progress, "regcred: %" PRId64 " of %" PRId64 " rows are right\n",
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

/* The segment is where the log is provable from: rows behind a cut, or from a new beginning on. */
static void
begin_at(struct walk *w, const struct audit_segment *s)
{
	struct audit_report *r = w->report;

	r->problem[0] = '\0'; /* what was before does not count any more */
	r->cut = s->cut_ms != 0;
	(void)snprintf(r->reason, sizeof(r->reason), "%s",
		       r->cut || s->reason == NULL ? "" : s->reason);
	r->since_ms = r->cut ? 0 : s->began_ms;
	w->expected = r->cut ? s->last_id + 1 : s->first_id;
	keep_hash(w->previous, r->cut ? &s->last : &s->previous);
	w->segment = *s;
}

/* One segment after another: signed, numbered, each where the one before ends. */
static void
look_at_segment(struct walk *w, const struct audit_segment *s, bool first, int64_t last_id,
		const unsigned char last[SECRET_MAC_SIZE])
{
	if (!is_signed(w->check->ring, w->arena, s) && !(first && is_untouched(s))) {
		problem(w, "segment %" PRId64 " is altered", s->id);
		return;
	}
	if (s->cut_ms != 0 || s->reason != NULL ||
	    (first && s->id == 1 && s->first_id == 1 && is_hash(&s->previous, no_hash))) {
		begin_at(w, s);
		return;
	}
	if (first || s->id != w->head_id + 1)
		problem(w, "segment %" PRId64 " is missing", first ? s->id - 1 : w->head_id + 1);
	else if (s->first_id != last_id + 1 || !is_hash(&s->previous, last))
		problem(w, "segment %" PRId64 " does not follow on the one before", s->id);
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
		problem(w, "there is no head: the segments behind %" PRId64 " are gone", s.id);
}

/* Which row this one was written as, if it is a row of this log that stands elsewhere; else 0. */
static int64_t
written_as(struct walk *w, const struct record *row)
{
	struct record other = *row;
	unsigned char hash[SECRET_MAC_SIZE];
	int64_t id = record_id(row);

	for (int64_t n = id > NEAR ? id - NEAR : 1; n <= id + NEAR; n++) {
		other.columns[COL_ID] = value_int(n);
		if (audit_row_hash(w->check->ring, w->arena, &other, hash) &&
		    is_hash(&row->columns[COL_HASH], hash))
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
	to_hex(hash, hex);
	if (strcmp(hex, anchor->hash) != 0)
		problem(w, "row %" PRId64 " is not the one whose hash was noted", id);
}

/* The end of the segment was reached: goes on with the next. */
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
		problem(w, "row %" PRId64 " was inserted behind the end", id);
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
	if (!is_hash(&row->columns[COL_HASH], hash)) {
		explain_bad_row(w, row, next);
		return;
	}
	if (!is_hash(&row->columns[COL_PREVIOUS_HASH], w->previous)) {
		problem(w, "row %" PRId64 " does not follow on the one before it", id);
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

/* Rows below the first: they are being deleted, or they are strangers. */
static void
look_before(struct walk *w)
{
	struct list_query q = {.family = &family_audit_log, .owners = everyone, .limit = 1};
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
	struct list_query q = {.family = &family_audit_log, .owners = everyone, .limit = PAGE};
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
		tell(w);
	}
	if (is_sound(w) && w->expected <= w->head_last)
		problem(w, "the end is cut off: rows %" PRId64 " to %" PRId64 " are missing",
			w->expected, w->head_last);
	if (is_sound(w) && memcmp(w->previous, w->segment_last, SECRET_MAC_SIZE) != 0)
		problem(w, "the last row, %" PRId64 ", is not the one that the head names",
			w->head_last);
}

/* What the rows cannot say of the anchor: it lies before or behind them. */
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
	/* The segment that the walk begins in: the next one behind a cut. */
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

/* Beginning anew */

struct restart {
	const struct keyring *ring;
	struct arena *arena;
	const struct audit_who *who;
	const char *reason;
	int64_t now_ms;
	enum store_rc rc;
};

/* The highest number of a row, 0 for none. */
static enum store_rc
last_row(struct store_tx *tx, struct arena *a, int64_t *id)
{
	struct list_query q = {
		.family = &family_audit_log, .owners = everyone, .limit = 1, .descending = true};
	struct record_list list;

	q.conditions[q.condition_count++] =
		(struct condition){.column = COL_ID, .op = OP_LT, .value = value_int(id_max)};
	enum store_rc rc = store_tx_list(tx, a, &q, &list);
	*id = rc == STORE_OK && list.count > 0 ? record_id(&list.items[0]) : 0;
	return rc;
}

static const char *
reason_json(struct arena *a, const char *reason)
{
	struct json_out json;
	size_t len;

	json_out_init(&json, a);
	json_begin_object(&json);
	json_name(&json, "reason");
	json_string(&json, reason);
	json_end_object(&json);
	return json_out_text(&json, &len);
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
	/* Above whatever number somebody may have put there. */
	fresh.id = old.id < 0 ? 1 : old.id < INT64_MAX ? old.id + 1 : old.id;
	fresh.first_id = (last < 0 ? 0 : last) + 1;
	fresh.last_id = fresh.first_id - 1;
	fresh.previous = fresh.last = value_blob(no_hash, sizeof(no_hash));
	entry.changes = reason_json(r->arena, r->reason);
	r->rc = entry.changes != NULL ? put_segment(tx, r->arena, r->ring, &fresh)
				      : STORE_NO_MEMORY;
	if (r->rc == STORE_OK)
		r->rc = append_to(tx, r->arena, r->ring, &fresh, &entry);
	return r->rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

enum store_rc
audit_restart(struct store *s, const struct keyring *ring, const struct audit_who *who,
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

/* Cutting */

struct pass {
	const struct keyring *ring;
	struct arena *arena;
	int64_t now_ms, keep_ms;
	size_t deleted; /* in this transaction */
	enum store_rc rc;
};

static enum err
end_of(struct pass *p)
{
	return p->rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

/* Begins a new segment where the head is long or old enough. */
static enum err
turn_in_transaction(struct store_tx *tx, void *arg)
{
	struct pass *p = arg;
	struct audit_segment head;
	int64_t span_ms = AUDIT_SEGMENT_MS;

	/* So that what is kept is longer than asked for by a quarter at most. */
	if (p->keep_ms > 0 && p->keep_ms / 4 < span_ms)
		span_ms = p->keep_ms / 4;
	p->rc = find_head(tx, p->arena, p->ring, &head);
	if (p->rc != STORE_OK || head.last_id < head.first_id ||
	    (head.last_id - head.first_id + 1 < AUDIT_SEGMENT_ROWS &&
	     p->now_ms - head.began_ms < span_ms))
		return end_of(p);
	struct audit_segment next = {.id = head.id + 1,
				     .first_id = head.last_id + 1,
				     .last_id = head.last_id,
				     .began_ms = p->now_ms,
				     .previous = head.last,
				     .last = head.last};
	head.closed_ms = p->now_ms;
	p->rc = put_segment(tx, p->arena, p->ring, &head);
	if (p->rc == STORE_OK)
		p->rc = put_segment(tx, p->arena, p->ring, &next);
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

/* Signs that the segment and all before it are cut off, and says so in the log. */
static enum store_rc
mark_cut(struct store_tx *tx, struct pass *p, struct audit_segment *last)
{
	const struct audit_entry entry = {.who.via = "housekeeper",
					  .event = "auditCut",
					  .changes = cut_json(p->arena, last),
					  .at_ms = p->now_ms};

	last->cut_ms = p->now_ms;
	enum store_rc rc = put_segment(tx, p->arena, p->ring, last);
	return rc == STORE_OK ? audit_append(tx, p->arena, p->ring, &entry) : rc;
}

/* Everything before the newest segment that is old enough itself goes, some rows at a time. */
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
	if ((!is_signed(p->ring, p->arena, &next)) ||
	    (follows && !is_signed(p->ring, p->arena, &last))) {
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
