/* restore: what it means for logins that the database was put back to a copy, or the clock. */
#include "renew/restore.h"

#include "base/arena.h"
#include "base/clock.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "model/source.h"
#include "resource/resource.h"
#include "resource/version.h"
#include "store/store.h"

enum { RESTORE_PAGE = 200, RESTORE_ARENA = 64 * 1024 * 1024 };

static enum store_rc
restore_note_intent(struct store_tx *tx, const struct context *c, const struct record *row)
{
	const struct source_row *source = source_find(record_text(row, COL_SOURCE));
	struct record pending;

	if (source == NULL || (source->class != SOURCE_READABLE && source->class != SOURCE_SECOND))
		return STORE_OK;
	enum store_rc rc = version_newest(tx, c->arena, record_id(row), "pending", &pending);
	return rc != STORE_NONE ? rc
				: version_add(tx, c, row,
					      &(struct new_version){
						      .state = "pending",
						      .version = version_of(row) + 1,
						      .user = record_text(row, COL_PUBLIC_VALUE)},
					      NULL);
}

static enum store_rc
restore_one(struct store_tx *tx, const struct context *c, const struct record *row)
{
	struct value columns[COL__COUNT] = {0};
	enum state state = record_state(row);
	enum store_rc rc = restore_note_intent(tx, c, row);

	if (rc != STORE_OK || state == ST_INACTIVE) /* due once it is activated */
		return rc;
	columns[COL_REFRESH_DUE] = value_int(c->now_ms);
	return store_update(tx, &family_credential, record_id(row), columns,
			    COL_BIT(COL_REFRESH_DUE) | COL_BIT(COL_REFRESH_ATTEMPT));
}

static enum store_rc
restore_page(struct store_tx *tx, const struct context *c, int64_t *after, bool *more)
{
	struct list_query q = {.family = &family_credential,
			       .owners = owners_all,
			       .condition_count = 1,
			       .sort = COL_ID,
			       .limit = RESTORE_PAGE};
	struct record_list list;

	q.conditions[0] = (struct condition){.column = COL_SOURCE, .op = OP_NOT_NULL};
	q.from = (struct position){.set = *after != 0, .id = *after};
	enum store_rc rc = store_tx_list(tx, c->arena, &q, &list);
	for (size_t i = 0; rc == STORE_OK && i < list.count; i++)
		rc = restore_one(tx, c, &list.items[i]);
	*more = rc == STORE_OK && list.more && list.count > 0;
	if (*more)
		*after = record_id(&list.items[list.count - 1]);
	return rc;
}

enum store_rc
renew_after_restore(struct store_tx *tx, const struct keyring *ring)
{
	struct arena *a = arena_new(RESTORE_ARENA);
	const struct context c = {.arena = a, .ring = ring, .now_ms = clock_wall_ms()};
	enum store_rc rc = a != NULL ? STORE_OK : STORE_NO_MEMORY;
	int64_t after = 0;

	for (bool more = rc == STORE_OK; more;) {
		rc = restore_page(tx, &c, &after, &more);
		arena_reset(a);
	}
	arena_free(a);
	return rc;
}

/* ---- the clock ---- */

enum {
	CLOCK_MS = 60 * 1000,		/* a clock that is put back by less changes nothing */
	CLOCK_SOON_MS = 10 * 60 * 1000, /* under way, or about to be */
};

struct after_clock {
	struct arena *arena;
	struct list_query query;
	int64_t now_ms;
	size_t done;
};

/* What has failed since then is tried again by its own times. */
static struct list_query
clock_query(int64_t now_ms, size_t max)
{
	struct list_query q = {.family = &family_credential,
			       .owners = owners_all,
			       .columns = COL_BIT(COL_ID),
			       .condition_count = 4,
			       .limit = max};

	q.conditions[0] = (struct condition){.column = COL_SOURCE, .op = OP_NOT_NULL};
	q.conditions[1] = (struct condition){
		.column = COL_REFRESHED, .op = OP_GT, .value = value_int(now_ms + CLOCK_MS)};
	q.conditions[2] = (struct condition){
		.column = COL_REFRESH_DUE, .op = OP_GT, .value = value_int(now_ms + CLOCK_SOON_MS)};
	q.conditions[3] = (struct condition){
		.column = COL_REFRESH_ATTEMPT, .op = OP_EQ, .value = value_int(0)};
	return q;
}

static enum err
clock_in_transaction(struct store_tx *tx, void *arg)
{
	struct after_clock *work = arg;
	const struct value columns[COL__COUNT] = {[COL_REFRESH_DUE] = value_int(work->now_ms)};
	struct record_list list;
	enum store_rc rc = store_tx_list(tx, work->arena, &work->query, &list);

	for (size_t i = 0; rc == STORE_OK && i < list.count; i++)
		rc = store_update(tx, &family_credential, record_id(&list.items[i]), columns,
				  COL_BIT(COL_REFRESH_DUE));
	work->done = rc == STORE_OK ? list.count : 0;
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

enum store_rc
renew_after_clock(struct store *s, int64_t now_ms, size_t max, size_t *done)
{
	struct after_clock work = {.arena = arena_new(RESTORE_ARENA),
				   .query = clock_query(now_ms, max),
				   .now_ms = now_ms};
	struct record_list list;
	enum store_rc rc = STORE_NO_MEMORY;

	*done = 0;
	if (work.arena == NULL)
		return rc;
	/* Nearly always there is none: looking needs no writers' lock. */
	rc = store_list(s, work.arena, &work.query, &list);
	if (rc == STORE_OK && list.count > 0)
		rc = store_write_freeing(s, clock_in_transaction, &work);
	if (rc == STORE_OK)
		*done = work.done;
	arena_free(work.arena);
	return rc;
}
