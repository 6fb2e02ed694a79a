/* state: moves rows through their states, with their dependent rows. */
#include "resource/state.h"

#include <string.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/read.h"
#include "resource/renewal.h"
#include "resource/resource.h"
#include "resource/trail.h"
#include "resource/version.h"
#include "secret/keyring.h"
#include "secret/random.h"
#include "store/store.h"

enum {
	CASCADE_BATCH = 500,
	CASCADE_ARENA = 16 * 1024 * 1024,
};

bool
plan_runs(const struct plan *plan, const char *process)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->steps[i].process->name, process) == 0)
			return true;
	return false;
}

static int64_t
whole_seconds(int64_t ms)
{
	return ms - ms % 1000; /* createdTS is created, to the millisecond */
}

static enum store_rc cascade(struct store_tx *tx, const struct context *c,
			     const struct record *row);

/* What a row keeps while its login waits to be checked. */
static const enum column waiting_columns[] = {COL_VERIFY_DUE, COL_VERIFY_ATTEMPT, COL_VERIFY_RULE,
					      COL_VERIFY_FOR, COL_TRANSITION_TEXT};

enum { WAITING_COLUMNS = sizeof(waiting_columns) / sizeof(*waiting_columns) };

void
row_forget_waiting(struct record *row)
{
	for (size_t i = 0; i < WAITING_COLUMNS; i++)
		row->columns[waiting_columns[i]] = value_null();
}

/* A login is renewed as long as it is in use: the columns that the plan changes. */
static uint64_t
plan_renewal(const struct context *c, const struct record *row, const struct plan *plan,
	     struct value *columns)
{
	const int64_t due_ms = renewal_due(row, c->now_ms);
	/* Attempts are counted anew, unless one is under way. */
	const uint64_t due =
		COL_BIT(COL_REFRESH_DUE) | (due_ms == c->now_ms ? COL_BIT(COL_REFRESH_ATTEMPT) : 0);

	if (plan_runs(plan, "purge"))
		return COL_BIT(COL_REFRESH_DUE) | COL_BIT(COL_REFRESH_ATTEMPT) |
		       COL_BIT(COL_PREVIOUS_UNTIL) |
		       (version_is_at_source(row) ? 0 : COL_BIT(COL_SOURCE_SECRET));
	if (plan_runs(plan, "deactivate") || plan_runs(plan, "remove"))
		return due;
	if (record_text(row, COL_SOURCE) == NULL ||
	    (!plan_runs(plan, "activate") && !plan_runs(plan, "refresh")))
		return 0;
	columns[COL_REFRESH_DUE] = value_int(due_ms);
	return due;
}

enum store_rc
plan_run(struct store_tx *tx, const struct context *c, const struct record *row,
	 const struct plan *plan)
{
	struct value columns[COL__COUNT] = {0};
	uint64_t given = 0;

	for (size_t i = 0; i < WAITING_COLUMNS; i++) {
		given |= COL_BIT(waiting_columns[i]);
		if (state_is_transitional(plan->after))
			columns[waiting_columns[i]] = row->columns[waiting_columns[i]];
	}
	if (plan_runs(plan, "remove")) {
		columns[COL_REMOVED] = value_int(whole_seconds(c->now_ms));
		columns[COL_REMOVE_TIME] = value_int(whole_seconds(c->now_ms) + c->removed_keep_ms);
		given |= COL_BIT(COL_REMOVED) | COL_BIT(COL_REMOVE_TIME);
	}
	if (plan_runs(plan, "purge"))
		given |= COL_BIT(COL_SECRET_VALUE); /* destroyed: set to null */
	if ((row->type->flags & TYPE_VERIFIED) != 0)
		given |= plan_renewal(c, row, plan, columns);
	enum store_rc rc =
		store_transition(tx, row->type->family, record_id(row), plan->before, plan->after,
				 columns, given & row->type->family->columns);
	if (rc == STORE_OK && plan_runs(plan, "purge"))
		rc = cascade(tx, c, row);
	if (rc == STORE_OK && plan_runs(plan, "purge") && (row->type->flags & TYPE_VERIFIED) != 0)
		rc = version_purge(tx, c, row);
	return rc;
}

enum store_rc
row_move(struct store_tx *tx, const struct context *c, struct arena *a, const char *event,
	 const struct record *row, const struct plan *plan)
{
	enum store_rc rc = plan_run(tx, c, row, plan);

	return rc == STORE_OK ? trail_note_state(tx, c, a, event, row, plan) : rc;
}

bool
plan_removal(enum state state, bool from_active, struct plan *plan)
{
	if (process_plan("remove", state, plan))
		return true;
	return from_active && process_plan("deactivate", state, plan) &&
	       process_plan_append(plan, "remove");
}

static enum store_rc
cascade_one(struct store_tx *tx, const struct context *c, const struct record *row,
	    const struct cascade *to)
{
	const struct resource_type *type = to->type;
	struct list_query q =
		query_naming(type, to->column, record_id(row), &owners_all, CASCADE_BATCH);
	struct record_list list = {.more = true};
	struct arena *arena = arena_new(
		CASCADE_ARENA); /* of one batch: a registry may have any number of credentials */
	enum store_rc rc = arena != NULL ? STORE_OK : STORE_NO_MEMORY;

	while (rc == STORE_OK && list.more) {
		arena_reset(arena);
		rc = store_tx_list(tx, arena, &q, &list);
		for (size_t i = 0; rc == STORE_OK && i < list.count; i++) {
			struct plan plan;

			if (plan_removal(record_state(&list.items[i]), true, &plan))
				rc = row_move(tx, c, arena, "remove", &list.items[i], &plan);
			q.from = (struct position){.set = true, .id = record_id(&list.items[i])};
		}
	}
	arena_free(arena);
	return rc;
}

static enum store_rc
cascade(struct store_tx *tx, const struct context *c, const struct record *row)
{
	enum store_rc rc = STORE_OK;

	for (const struct cascade *to = row->type->cascades;
	     rc == STORE_OK && to != NULL && to->type != NULL; to++)
		rc = cascade_one(tx, c, row, to);
	return rc;
}

enum store_rc
row_insert(struct store_tx *tx, struct record *row, const struct plan *plan)
{
	row->columns[COL_STATE] = value_text(state_name(plan->after));
	enum store_rc rc = store_insert(tx, row);
	row->columns[COL_STATE] =
		value_text(state_name(plan->shown)); /* from here on for the answer */
	return rc;
}
