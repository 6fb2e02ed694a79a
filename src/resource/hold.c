/* hold: the check that a new login waits for. */
#include "resource/hold.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/quota.h"
#include "resource/renewal.h"
#include "resource/resource.h"
#include "resource/state.h"
#include "resource/work.h"
#include "store/store.h"

enum err
hold_count_check(const struct context *c, struct error *e)
{
	return quota_count(c, &c->limits.checks,
			   "Too many logins were checked in the last minute: wait as long as "
			   "Retry-After says.",
			   e);
}

enum store_rc
hold_read_account(struct store_tx *tx, struct work *w)
{
	if (w->account_read)
		return STORE_OK;
	enum store_rc rc =
		store_tx_get(tx, w->context->arena, &family_account,
			     w->row->columns[COL_ACCOUNT_ID].number, &owners_all, &w->account);
	w->account_read = rc == STORE_OK;
	return rc;
}

/* What the row's account requires before a login becomes active. */
static enum err
read_rule(struct store_tx *tx, struct work *w, const char **out)
{
	enum store_rc rc = hold_read_account(tx, w);

	if (rc != STORE_OK)
		return work_fail(w, rc);
	*out = record_text(&w->account, COL_VERIFICATION);
	if (*out == NULL)
		*out = "off";
	return ERR_NONE;
}

static void
want_check(struct work *w, const char *rule)
{
	struct value *columns = w->row->columns;

	columns[COL_VERIFY_DUE] = value_int(w->context->now_ms);
	columns[COL_VERIFY_ATTEMPT] = value_int(0);
	columns[COL_VERIFY_FOR] = value_int(quota_account(w->context));
	columns[COL_VERIFY_RULE] = value_text(rule);
	columns[COL_TRANSITION_TEXT] =
		value_text("The login is being checked against its registry.");
}

static void
hold_plan(const struct plan **plan, struct plan *held)
{
	*held = **plan;
	process_plan_hold(held);
	*plan = held;
}

/* A login that its source still has to give its secret. */
static bool
comes_from_source(const struct record *row)
{
	return record_text(row, COL_SOURCE) != NULL &&
	       row->columns[COL_SECRET_VALUE].type == VALUE_NULL;
}

enum err
hold_for_check(struct store_tx *tx, struct work *w, const struct plan **plan, struct plan *held)
{
	enum waiting waits = (*plan)->steps[(*plan)->count - 1].process->waits;
	const char *rule = "off";

	row_forget_waiting(w->row);
	if ((w->row->type->flags & TYPE_VERIFIED) == 0 || waits == WAITS_NEVER ||
	    (waits == WAITS_IF_ASKED && comes_from_source(w->row)))
		return ERR_NONE;
	if (waits == WAITS_FOR_SOURCE) {
		hold_plan(plan, held);
		w->row->columns[COL_REFRESH_DUE] =
			value_int(renewal_due(w->row, w->context->now_ms));
		w->row->columns[COL_TRANSITION_TEXT] =
			value_text("The login's source is being asked for a new secret.");
		return ERR_NONE;
	}
	if (read_rule(tx, w, &rule) != ERR_NONE)
		return w->error->code;
	if (waits == WAITS_IF_ASKED && strcmp(rule, "off") == 0)
		return ERR_NONE;
	if (hold_count_check(w->context, w->error) != ERR_NONE)
		return w->error->code;
	hold_plan(plan, held);
	want_check(w, rule);
	return ERR_NONE;
}

enum err
hold_changed(struct store_tx *tx, struct work *w, bool *wanted)
{
	const char *rule = "off";

	*wanted = false;
	if (record_state(w->row) != ST_ACTIVE)
		return ERR_NONE;
	if (read_rule(tx, w, &rule) != ERR_NONE)
		return w->error->code;
	if (strcmp(rule, "off") == 0 || w->row->columns[COL_SECRET_VALUE].type == VALUE_NULL)
		return ERR_NONE;
	if (hold_count_check(w->context, w->error) != ERR_NONE)
		return w->error->code;
	want_check(w, rule);
	*wanted = true;
	if (strcmp(rule, "require") == 0)
		w->row->columns[COL_STATE] = value_text(state_name(ST_UPDATING_ACTIVE));
	else
		w->row->columns[COL_TRANSITION_TEXT] = value_null();
	return ERR_NONE;
}
