/* audit: appends to the audit log. */
#include "audit/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "store/store.h"

enum {
	VALUE_HEAD = 9, /* bytes that the canonical form adds to each value */
};

static const char row_purpose[] = "audit row 1", segment_purpose[] = "audit segment 2",
		  unbound_purpose[] = "audit segment 1";

const unsigned char audit_no_hash[SECRET_MAC_SIZE];

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
 * and its bytes.  So no two different rows have the same form. */

static unsigned char *
audit_put_value(unsigned char *out, const struct value *v)
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
		end = audit_put_value(end, values[i]);
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
	     bool unbound, unsigned char out[SECRET_MAC_SIZE])
{
	const struct value numbers[] = {value_int(s->id),	 value_int(s->first_id),
					value_int(s->last_id),	 value_int(s->began_ms),
					value_int(s->closed_ms), value_int(s->cut_ms)};
	const struct value reason = value_text(s->reason);
	const struct value *values[] = {&numbers[0], &numbers[1],  &numbers[2],
					&numbers[3], &numbers[4],  &numbers[5],
					&reason,     &s->previous, &s->last};

	return hash_values(ring, a, unbound ? unbound_purpose : segment_purpose, values,
			   sizeof(values) / sizeof(*values), out);
}

bool
audit_is_hash(const struct value *v, const unsigned char hash[SECRET_MAC_SIZE])
{
	return v->type == VALUE_BLOB && v->len == SECRET_MAC_SIZE && v->text != NULL &&
	       memcmp(v->text, hash, SECRET_MAC_SIZE) == 0;
}

static bool
is_signed_as(const struct keyring *ring, struct arena *a, const struct audit_segment *s,
	     bool unbound)
{
	unsigned char mac[SECRET_MAC_SIZE];

	return segment_hash(ring, a, s, unbound, mac) && audit_is_hash(&s->mac, mac);
}

bool
audit_says_bound(const struct keyring *ring, struct arena *a, const struct audit_segment *s)
{
	return is_signed_as(ring, a, s, false);
}

bool
audit_is_signed(const struct keyring *ring, struct arena *a, const struct audit_segment *s)
{
	return audit_says_bound(ring, a, s) || is_signed_as(ring, a, s, true);
}

static bool
is_untouched(const struct audit_segment *s)
{
	return s->id == 1 && s->first_id == 1 && s->last_id == 0 && s->closed_ms == 0 &&
	       s->cut_ms == 0 && s->reason == NULL && s->mac.len == 0 &&
	       audit_is_hash(&s->previous, audit_no_hash) && audit_is_hash(&s->last, audit_no_hash);
}

bool
audit_is_unused(struct store_tx *tx, struct arena *a, const struct audit_segment *s)
{
	static const struct family *const made[] = {&family_credential, &family_storage_pool};

	if (!is_untouched(s))
		return false;
	for (size_t i = 0; i < sizeof(made) / sizeof(*made); i++) {
		const struct list_query q = {.family = made[i],
					     .owners = owners_all,
					     .columns = COL_BIT(COL_ID),
					     .with_removed = true,
					     .limit = 1};
		struct record_list rows;

		if (store_tx_list(tx, a, &q, &rows) != STORE_OK || rows.count > 0)
			return false;
	}
	return true;
}

/* With put: store_audit_put(), or store_audit_advance() where nothing else has changed. */
static enum store_rc
sign_segment(struct store_tx *tx, struct arena *a, const struct keyring *ring,
	     struct audit_segment *s,
	     enum store_rc (*put)(struct store_tx *tx, const struct audit_segment *s))
{
	unsigned char mac[SECRET_MAC_SIZE];

	if (!segment_hash(ring, a, s, s->unbound, mac))
		return STORE_NO_MEMORY;
	s->mac = value_blob(mac, sizeof(mac));
	enum store_rc rc = put(tx, s);
	s->mac = value_null();
	return rc;
}

enum store_rc
audit_put_segment(struct store_tx *tx, struct arena *a, const struct keyring *ring,
		  struct audit_segment *s)
{
	return sign_segment(tx, a, ring, s, store_audit_put);
}

enum store_rc
audit_find_head(struct store_tx *tx, struct arena *a, const struct keyring *ring,
		struct audit_segment *head)
{
	enum store_rc rc = store_audit_newest(tx, a, INT64_MAX, head);

	if (rc == STORE_NONE || (rc == STORE_OK && head->closed_ms != 0)) {
		log_error("the audit log has lost its head: run `regcred audit verify`");
		return STORE_FAILED;
	}
	if (rc != STORE_OK)
		return rc;
	head->unbound = is_signed_as(ring, a, head, true);
	if (head->unbound || audit_says_bound(ring, a, head) || audit_is_unused(tx, a, head))
		return STORE_OK;
	if (arena_failed(a))
		return STORE_NO_MEMORY;
	log_error("the head of the audit log is damaged: run `regcred audit verify`");
	return STORE_FAILED;
}

static struct value
number_or_null(int64_t number)
{
	return number != 0 ? value_int(number) : value_null();
}

static void
audit_fill(struct record *row, const struct audit_entry *e)
{
	*row = (struct record){.type = &types_table[T_AUDIT_LOG]};
	row->columns[COL_CREATED] = value_int(e->at_ms);
	row->columns[COL_ACCOUNT_ID] = number_or_null(e->owner_id);
	row->columns[COL_ACTOR_ID] = number_or_null(e->who.account_id);
	row->columns[COL_KEY_ID] = number_or_null(e->who.key_id);
	row->columns[COL_PROXY_USER] = value_text(e->who.proxy_user);
	row->columns[COL_AUTH_TYPE] = value_text(e->who.via);
	row->columns[COL_CLIENT_IP] = value_text(e->who.address);
	row->columns[COL_REQUEST_ID] = value_text(e->who.request_id);
	row->columns[COL_EVENT_TYPE] = value_text(e->event);
	row->columns[COL_RESOURCE_TYPE] = value_text(e->resource_type);
	row->columns[COL_RESOURCE_ID] = value_text(e->resource_id);
	row->columns[COL_RESPONSE_CODE] = number_or_null(e->who.answered ? e->response_code : 0);
	row->columns[COL_CHANGES] = value_text(e->changes);
	row->columns[COL_ATTEMPTS] = value_int(e->attempts > 0 ? e->attempts : 1);
	row->columns[COL_PUBLIC_VALUE] = value_text(e->access_key);
}

enum store_rc
audit_append_to(struct store_tx *tx, struct arena *a, const struct keyring *ring,
		struct audit_segment *head, const struct audit_entry *entry)
{
	unsigned char hash[SECRET_MAC_SIZE];
	struct record row;

	audit_fill(&row, entry);
	row.columns[COL_ID] = value_int(head->last_id + 1);
	row.columns[COL_PREVIOUS_HASH] = head->last;
	if (!audit_row_hash(ring, a, &row, hash))
		return STORE_NO_MEMORY;
	row.columns[COL_HASH] = value_blob(hash, sizeof(hash));
	enum store_rc rc = store_insert_as(tx, &row);
	if (rc == STORE_CONSTRAINT) {
		log_error("row %" PRId64 " of the audit log is where the next one belongs: run "
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

/* Equal changes: who made them, to what, and how. A request that is repeated changes nothing more.
 */
static bool
is_same_change(const struct record *last, const struct record *row)
{
	const char *changes = record_text(row, COL_CHANGES);
	bool nothing = changes != NULL && strcmp(changes, "{}") == 0;

	static const enum column compared[] = {COL_ACCOUNT_ID,	COL_ACTOR_ID,	   COL_KEY_ID,
					       COL_PROXY_USER,	COL_AUTH_TYPE,	   COL_CLIENT_IP,
					       COL_EVENT_TYPE,	COL_RESOURCE_TYPE, COL_CHANGES,
					       COL_RESOURCE_ID, COL_RESPONSE_CODE};

	for (size_t i = 0; i < sizeof(compared) / sizeof(*compared); i++) {
		if (nothing && compared[i] == COL_CHANGES)
			continue;
		const struct value *x = &last->columns[compared[i]],
				   *y = &row->columns[compared[i]];

		if (x->type != y->type || x->number != y->number || x->len != y->len ||
		    (x->len > 0 && memcmp(x->text, y->text, x->len) != 0))
			return false;
	}
	return true;
}

/* Whether equal changes may still be counted in this row, the last one. */
static bool
may_count(const struct record *last, int64_t now_ms)
{
	const char *event = record_text(last, COL_EVENT_TYPE);
	int64_t age_ms = now_ms - last->columns[COL_CREATED].number;

	return event != NULL && strcmp(event, "update") == 0 && age_ms >= 0 &&
	       age_ms < AUDIT_COUNT_MS;
}

/* Counts the entry in the last row if it is an equal change; else STORE_NONE. Nothing follows that
 * row yet, so that the chain stays whole. */
static enum store_rc
count_in_last(struct store_tx *tx, struct arena *a, const struct keyring *ring,
	      struct audit_segment *head, const struct audit_entry *entry)
{
	unsigned char hash[SECRET_MAC_SIZE];
	struct record last, row;

	if (strcmp(entry->event, "update") != 0 || head->last_id < head->first_id)
		return STORE_NONE;
	enum store_rc rc =
		store_tx_get(tx, a, &family_audit_log, head->last_id, &owners_all, &last);
	if (rc != STORE_OK)
		return rc;
	audit_fill(&row, entry);
	if (!may_count(&last, entry->at_ms) || !is_same_change(&last, &row) ||
	    !audit_is_hash(&last.columns[COL_HASH], (const unsigned char *)head->last.text))
		return STORE_NONE;
	last.columns[COL_ATTEMPTS].number++;
	if (!audit_row_hash(ring, a, &last, hash))
		return STORE_NO_MEMORY;
	last.columns[COL_HASH] = value_blob(hash, sizeof(hash));
	rc = store_update(tx, &family_audit_log, head->last_id, last.columns,
			  COL_BIT(COL_ATTEMPTS) | COL_BIT(COL_HASH));
	if (rc != STORE_OK)
		return rc;
	head->last = last.columns[COL_HASH];
	return sign_segment(tx, a, ring, head, store_audit_advance);
}

enum store_rc
audit_append(struct store_tx *tx, struct arena *a, const struct keyring *ring,
	     const struct audit_entry *entry)
{
	struct audit_segment head;
	enum store_rc rc = audit_find_head(tx, a, ring, &head);

	if (rc != STORE_OK)
		return rc;
	rc = count_in_last(tx, a, ring, &head, entry);
	return rc == STORE_NONE ? audit_append_to(tx, a, ring, &head, entry) : rc;
}

enum store_rc
audit_append_bound(struct store_tx *tx, struct arena *a, const struct keyring *ring,
		   const struct audit_entry *entry)
{
	struct audit_segment head;
	enum store_rc rc = audit_find_head(tx, a, ring, &head);

	head.unbound = false;
	return rc == STORE_OK ? audit_append_to(tx, a, ring, &head, entry) : rc;
}

void
audit_to_hex(const struct value *hash, char out[AUDIT_HASH_SIZE])
{
	out[0] = '\0';
	for (size_t i = 0; i < SECRET_MAC_SIZE && i < hash->len; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", (unsigned char)hash->text[i]);
}

/* Hashes as text */

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
	bool unbound;
	enum store_rc rc;
};

static enum err
head_in_snapshot(struct store_tx *tx, void *arg)
{
	struct head_work *w = arg;
	struct audit_segment head;
	struct record last;

	w->rc = audit_find_head(tx, w->arena, w->ring, &head);
	if (w->rc != STORE_OK)
		return ERR_INTERNAL;
	w->out->id = head.last_id;
	audit_to_hex(&head.last, w->out->hash);
	if (head.last_id < head.first_id)
		return ERR_NONE;
	w->rc = store_tx_get(tx, w->arena, &family_audit_log, head.last_id, &owners_all, &last);
	if (w->rc == STORE_OK && may_count(&last, clock_wall_ms())) {
		w->out->id = head.last_id - 1;
		audit_to_hex(&last.columns[COL_PREVIOUS_HASH], w->out->hash);
	}
	return w->rc == STORE_OK || w->rc == STORE_NONE ? ERR_NONE : ERR_INTERNAL;
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

static enum err
unbound_in_snapshot(struct store_tx *tx, void *arg)
{
	struct head_work *w = arg;
	struct audit_segment head;

	w->rc = store_audit_newest(tx, w->arena, INT64_MAX, &head);
	w->unbound = w->rc == STORE_OK && is_signed_as(w->ring, w->arena, &head, true);
	return w->rc == STORE_OK || w->rc == STORE_NONE ? ERR_NONE : ERR_INTERNAL;
}

enum store_rc
audit_is_unbound(struct store *s, const struct keyring *ring, bool *unbound)
{
	struct head_work w = {.ring = ring, .arena = arena_new(SMALL_ARENA)};

	if (w.arena == NULL)
		return STORE_NO_MEMORY;
	enum store_rc rc = store_read(s, unbound_in_snapshot, &w);
	*unbound = w.unbound;
	arena_free(w.arena);
	return rc == STORE_ABORTED ? w.rc : rc;
}

static enum err
begin_in_transaction(struct store_tx *tx, void *arg)
{
	struct head_work *w = arg;
	struct audit_segment head;

	w->rc = store_audit_newest(tx, w->arena, INT64_MAX, &head);
	if (w->rc == STORE_OK && audit_is_unused(tx, w->arena, &head))
		w->rc = audit_put_segment(tx, w->arena, w->ring, &head);
	return w->rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

enum store_rc
audit_begin(struct store *s, const struct keyring *ring)
{
	struct head_work w = {.ring = ring, .arena = arena_new(SMALL_ARENA)};

	if (w.arena == NULL)
		return STORE_NO_MEMORY;
	enum store_rc rc = store_write(s, begin_in_transaction, &w);
	arena_free(w.arena);
	return rc == STORE_ABORTED ? w.rc : rc;
}
