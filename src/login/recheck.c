/* recheck: when logins in use are checked again. */
#include "login/recheck.h"

#include "base/arena.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"

enum {
	BATCH = 200, /* logins of one transaction */
	BATCH_ARENA = 16 * 1024 * 1024,
	LEASE_MAX_MS = 60 * 60 * 1000,
};

struct batch_of_checks {
	struct arena *arena;
	int64_t now_ms;
	int64_t ids[BATCH];
	size_t count, done;
};

/* 0 to 999, the same for a login each time. */
static int64_t
permille_of(int64_t id)
{
	return (int64_t)((uint64_t)id * UINT64_C(2654435761) % 1000);
}

/* A login that was never checked has its turn at any time of the interval, others a tenth of it
 * before or after its end. */
static int64_t
next_check(const struct record *row, int64_t now_ms)
{
	const struct value *every = &row->columns[COL_VERIFY_EVERY];
	const struct value *last = &row->columns[COL_VERIFIED];
	int64_t ms = (every->type == VALUE_INT ? every->number : RECHECK_EVERY_S) * 1000;
	int64_t spread = permille_of(record_id(row));

	/* The clock may have been in the future once. */
	int64_t checked_ms = last->number < now_ms ? last->number : now_ms;

	return last->type == VALUE_NULL ? now_ms + ms * spread / 1000
					: checked_ms + ms * (900 + spread / 5) / 1000;
}

static enum store_rc
schedule_one(struct store_tx *tx, struct batch_of_checks *b, int64_t id)
{
	struct value columns[COL__COUNT] = {0};
	struct record row;
	enum store_rc rc = store_tx_get(tx, b->arena, &family_credential, id, &owners_all, &row);

	if (rc != STORE_OK)
		return rc == STORE_NONE ? STORE_OK : rc;
	if (row.columns[COL_VERIFY_DUE].type != VALUE_NULL) {
		if (row.columns[COL_VERIFY_DUE].number <= b->now_ms + LEASE_MAX_MS)
			return STORE_OK;
		b->done++;
		columns[COL_VERIFY_DUE] = value_int(b->now_ms);
		return store_update(tx, &family_credential, id, columns, COL_BIT(COL_VERIFY_DUE));
	}
	if (record_state(&row) != ST_ACTIVE)
		return STORE_OK;
	columns[COL_VERIFY_DUE] = value_int(next_check(&row, b->now_ms));
	columns[COL_VERIFY_FOR] = row.columns[COL_ACCOUNT_ID];
	columns[COL_VERIFY_ATTEMPT] = value_int(0);
	b->done++;
	return store_update(tx, &family_credential, id, columns,
			    COL_BIT(COL_VERIFY_DUE) | COL_BIT(COL_VERIFY_FOR) |
				    COL_BIT(COL_VERIFY_ATTEMPT) | COL_BIT(COL_VERIFY_RULE));
}

static enum err
schedule_in_transaction(struct store_tx *tx, void *arg)
{
	struct batch_of_checks *b = arg;
	enum store_rc rc = STORE_OK;

	for (size_t i = 0; rc == STORE_OK && i < b->count; i++)
		rc = schedule_one(tx, b, b->ids[i]);
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

enum store_rc
recheck_schedule(struct store *s, int64_t now_ms, size_t *done)
{
	struct batch_of_checks b = {.arena = arena_new(BATCH_ARENA), .now_ms = now_ms};
	enum store_rc rc = b.arena != NULL ? STORE_OK : STORE_NO_MEMORY;

	*done = 0;
	b.done = BATCH;
	while (rc == STORE_OK && b.done == BATCH) {
		rc = store_unchecked(s, now_ms, RECHECK_EVERY_S, b.ids, BATCH, &b.count);
		if (rc != STORE_OK || b.count == 0)
			break;
		arena_reset(b.arena);
		b.done = 0;
		rc = store_write(s, schedule_in_transaction, &b);
		*done += b.done;
	}
	arena_free(b.arena);
	return rc;
}
