/* restore: what a database that was put back from a copy means for its logins. */
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
	if (a != NULL)
		arena_free(a);
	return rc;
}
