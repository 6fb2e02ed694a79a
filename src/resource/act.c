/* act: the operations delete and action. */
#include <string.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "access/rights.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/bounds.h"
#include "resource/hold.h"
#include "resource/members.h"
#include "resource/owners.h"
#include "resource/read.h"
#include "resource/resource.h"
#include "resource/state.h"
#include "resource/version.h"
#include "resource/work.h"
#include "store/store.h"

/* Why a row in that state cannot be removed. */
static const char *const keeps_from_removal[ST__COUNT] = {
	[ST_ACTIVATING] = "It is being activated: deactivate it first.",
	[ST_ACTIVE] = "It is active: deactivate it first.",
	[ST_DEACTIVATING] = "It is being deactivated: try again in a moment.",
	[ST_PURGING] = "It was removed already: there is nothing left to do.",
	[ST_PURGED] = "It was removed already: there is nothing left to do.",
};

static enum err
not_available(const struct context *c, const struct record *row, const char *action,
	      struct error *e)
{
	enum state state = record_state(row);
	const char *why = strcmp(action, "remove") == 0 ? keeps_from_removal[state] : NULL;

	if (why == NULL)
		why = arena_printf(c->arena, "It is %s, where %s is not possible: see its actions.",
				   state_name(state), action);
	return err_set(e, ERR_ACTION_NOT_AVAILABLE, "action", why);
}

/* A login as it is now: another request may have given it a source meanwhile. */
static enum err
read_login_again(struct store_tx *tx, struct work *w)
{
	struct record now;

	if ((w->row->type->flags & TYPE_VERIFIED) == 0)
		return ERR_NONE;
	enum store_rc rc = store_tx_get(tx, w->context->arena, w->row->type->family,
					record_id(w->row), &w->context->id->owners, &now);
	if (rc != STORE_OK)
		return rc == STORE_NONE ? resource_not_found(w->error) : work_fail(w, rc);
	*w->row = now;
	return ERR_NONE;
}

bool
resource_fits_action(const struct record *row, const char *action)
{
	const struct process *process = process_find(action, record_state(row));

	return process == NULL || process->needs == COL_NONE ||
	       row->columns[process->needs].type != VALUE_NULL;
}

static enum err
check_needs(const struct work *w)
{
	if (resource_fits_action(w->row, w->event))
		return ERR_NONE;
	return err_set(w->error, ERR_ACTION_NOT_AVAILABLE, "action",
		       strcmp(w->event, "refresh") == 0
			       ? "The login has no source to renew it from: set one first."
			       : "No former secret of the login is kept: set secretValue.");
}

static enum err
move_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct plan *plan = w->plan;
	struct plan held;

	if (w->repeated) {
		w->row->columns[COL_STATE] = value_text(state_name(plan->shown));
		return ERR_NONE;
	}
	if (plan->before != record_state(w->row))
		return not_available(w->context, w->row, w->event, w->error);
	if (read_login_again(tx, w) != ERR_NONE || check_needs(w) != ERR_NONE)
		return w->error->code;
	if (bounds_check_login(tx, w, w->row) != ERR_NONE ||
	    bounds_check_activate(tx, w) != ERR_NONE || owners_still_own(tx, w) != ERR_NONE ||
	    owners_keep_last(tx, w) != ERR_NONE || hold_for_check(tx, w, &plan, &held) != ERR_NONE)
		return w->error->code;
	enum store_rc rc = row_move(tx, w->context, w->context->arena, w->event, w->row, plan);

	/* Another request was faster: the action is no longer possible. */
	if (rc == STORE_NONE)
		return err_set(w->error, ERR_ACTION_NOT_AVAILABLE, "action", NULL);
	if (rc != STORE_OK)
		return work_fail(w, rc);
	if (plan_runs(plan, "rollback") && version_roll_back(tx, w) != ERR_NONE)
		return w->error->code;
	w->row->columns[COL_STATE] = value_text(state_name(w->plan->shown));
	return ERR_NONE;
}

static enum err
move(const struct context *c, struct record *row, const char *event, const struct plan *plan,
     struct error *e)
{
	struct work w = {.context = c,
			 .row = row,
			 .event = event,
			 .plan = plan,
			 .frees = plan->frees,
			 .error = e};

	return work_run(&w, move_in_transaction);
}

/* The chain that removes a row by DELETE; the answer to a project's shows it `removing` at once. */
static bool
plan_delete(const struct resource_type *type, enum state state, struct plan *plan)
{
	bool from_active = (type->flags & TYPE_PROJECT) != 0 || type == &types_table[T_SESSION];

	if (!plan_removal(state, from_active, plan))
		return false;
	plan->shown = ST_REMOVING;
	return true;
}

enum err
resource_delete(const struct context *c, const struct resource_type *type, const char *id,
		struct record *out, struct error *e)
{
	struct plan plan;

	if (auth_may_method(c->id, type, MAY_DELETE, e) != ERR_NONE ||
	    resource_read(c, type, id, out, e) != ERR_NONE ||
	    bounds_may_write(c, out->type, e) != ERR_NONE)
		return e->code;
	if (!auth_may_manage(c->id, out))
		return err_set(e, ERR_FORBIDDEN, NULL, NULL);
	enum state state = record_state(out);
	if (state == ST_REMOVING || state == ST_REMOVED)
		return work_nothing(c, out, e);
	if (!plan_delete(out->type, state, &plan))
		return err_set(e, ERR_METHOD_NOT_ALLOWED, NULL, keeps_from_removal[state]);
	if (move(c, out, "delete", &plan, e) == ERR_ACTION_NOT_AVAILABLE)
		return err_set(e, ERR_CONFLICT, NULL, NULL);
	return e->code;
}

static bool
plan_action(const struct resource_type *type, enum state state, const char *action,
	    struct plan *plan)
{
	if ((type->flags & TYPE_THROUGH_PROJECT) != 0)
		return strcmp(action, "remove") == 0 && plan_removal(state, true, plan);
	if ((type->flags & TYPE_PROJECT) != 0 && strcmp(action, "delete") == 0)
		return plan_delete(type, state, plan);
	return process_plan(action, state, plan);
}

bool
resource_may_act(const struct identity *id, const struct record *row)
{
	return (auth_type(id->role, row->type) & MAY_ACT) != 0 && auth_may_manage(id, row);
}

bool
resource_has_action(const struct resource_type *type, enum state state, const struct action *action)
{
	struct plan plan;

	if (action->input != NULL)
		return (ST_BIT(state) & LIVE_STATES) != 0;
	return plan_action(type, state, action->name, &plan);
}

enum err
resource_find_action(const struct context *c, const struct resource_type *type, const char *id,
		     const char *name, struct record *row, const struct action **action,
		     struct error *e)
{
	*action = type_action(type, name, c->version);
	if (*action == NULL || id == NULL)
		return err_set(e, ERR_INVALID_ACTION, "action",
			       id == NULL ? "A collection has no actions: send it to a resource."
					  : NULL);
	if (resource_read(c, type, id, row, e) != ERR_NONE ||
	    bounds_may_write(c, row->type, e) != ERR_NONE)
		return e->code;
	if (!resource_may_act(c->id, row))
		return err_set(e, ERR_ACTION_NOT_AVAILABLE, "action",
			       "Your key may not act on it: use one of an account that may.");
	/* The same request may have done it before, which only the transaction can see. */
	if (c->once == NULL && !resource_has_action(row->type, record_state(row), *action))
		return not_available(c, row, name, e);
	return ERR_NONE;
}

/* A plan of the action that shows what its answer shows whenever it is sent again. */
static bool
plan_repeated(const struct resource_type *type, const char *action, struct plan *plan)
{
	for (unsigned state = 0; state < ST__COUNT; state++)
		if (plan_action(type, state, action, plan))
			return true;
	return false;
}

enum err
resource_action(const struct context *c, const struct resource_type *type, const char *id,
		const char *name, struct record *out, struct error *e)
{
	const struct action *action;
	struct plan plan;

	if (resource_find_action(c, type, id, name, out, &action, e) != ERR_NONE)
		return e->code;
	if (!plan_action(out->type, record_state(out), name, &plan) &&
	    (c->once == NULL || !plan_repeated(out->type, name, &plan)))
		return not_available(c, out, name, e);
	return move(c, out, name, &plan, e);
}
