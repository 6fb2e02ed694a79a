/* process: the table of state changes and what is derived from it. */
#include "model/process.h"

#include <string.h>

#define IN(state) ST_BIT(ST_##state)

/* clang-format off */
const struct process process_table[] = {
	{ "create",     IN(REQUESTED),                                          ST_REGISTERING,       ST_INACTIVE, "activate", false, WAITS_NEVER, COL_NONE },
	{ "activate",   IN(INACTIVE) | IN(REGISTERING),                         ST_ACTIVATING,        ST_ACTIVE,   NULL,       false, WAITS_IF_ASKED, COL_NONE },
	{ "update",     IN(INACTIVE),                                           ST_UPDATING_INACTIVE, ST_INACTIVE, NULL,       false, WAITS_NEVER, COL_NONE },
	{ "update",     IN(ACTIVE),                                             ST_UPDATING_ACTIVE,   ST_ACTIVE,   NULL,       false, WAITS_NEVER, COL_NONE },
	{ "verify",     IN(INACTIVE),                                           ST_UPDATING_INACTIVE, ST_INACTIVE, NULL,       false, WAITS_ALWAYS, COL_NONE },
	{ "verify",     IN(ACTIVE),                                             ST_UPDATING_ACTIVE,   ST_ACTIVE,   NULL,       false, WAITS_ALWAYS, COL_NONE },
	{ "refresh",    IN(ACTIVE),                                             ST_UPDATING_ACTIVE,   ST_ACTIVE,   NULL,       false, WAITS_FOR_SOURCE, COL_SOURCE },
	{ "rollback",   IN(INACTIVE),                                           ST_UPDATING_INACTIVE, ST_INACTIVE, NULL,       false, WAITS_NEVER, COL_PREVIOUS_UNTIL },
	{ "rollback",   IN(ACTIVE),                                             ST_UPDATING_ACTIVE,   ST_ACTIVE,   NULL,       false, WAITS_IF_ASKED, COL_PREVIOUS_UNTIL },
	{ "deactivate", IN(REQUESTED) | IN(REGISTERING) | IN(ACTIVE) | IN(ACTIVATING)
	                | IN(UPDATING_ACTIVE) | IN(UPDATING_INACTIVE),          ST_DEACTIVATING,      ST_INACTIVE, NULL,       true,  WAITS_NEVER, COL_NONE },
	{ "remove",     IN(REQUESTED) | IN(INACTIVE) | IN(REGISTERING)
	                | IN(UPDATING_ACTIVE) | IN(UPDATING_INACTIVE),          ST_REMOVING,          ST_REMOVED,  NULL,       true,  WAITS_NEVER, COL_NONE },
	{ "purge",      IN(REMOVED),                                            ST_PURGING,           ST_PURGED,   NULL,       true,  WAITS_NEVER, COL_NONE },
	{ NULL,         0,                                                      ST__COUNT,            ST__COUNT,   NULL,       false, WAITS_NEVER, COL_NONE },
};

static const struct { const char *name; bool transitional; } states[ST__COUNT] = {
	[ST_ACTIVATING]        = { "activating",        true },
	[ST_ACTIVE]            = { "active",            false },
	[ST_DEACTIVATING]      = { "deactivating",      true },
	[ST_INACTIVE]          = { "inactive",          false },
	[ST_PURGED]            = { "purged",            false },
	[ST_PURGING]           = { "purging",           true },
	[ST_REGISTERING]       = { "registering",       true },
	[ST_REMOVED]           = { "removed",           false },
	[ST_REMOVING]          = { "removing",          true },
	[ST_REQUESTED]         = { "requested",         false },
	[ST_UPDATING_ACTIVE]   = { "updating-active",   true },
	[ST_UPDATING_INACTIVE] = { "updating-inactive", true },
};
/* clang-format on */

const char *
state_name(enum state state)
{
	return states[state].name;
}

bool
state_parse(const char *name, enum state *state)
{
	for (unsigned i = 0; i < ST__COUNT; i++)
		if (strcmp(states[i].name, name) == 0) {
			*state = (enum state)i;
			return true;
		}
	return false;
}

bool
state_is_transitional(enum state state)
{
	return states[state].transitional;
}

const struct process *
process_find(const char *name, enum state state)
{
	for (const struct process *p = process_table; p->name != NULL; p++)
		if ((p->from & ST_BIT(state)) != 0 && strcmp(p->name, name) == 0)
			return p;
	return NULL;
}

bool
process_plan(const char *name, enum state state, struct plan *plan)
{
	*plan = (struct plan){.before = state, .shown = ST__COUNT, .after = state, .frees = true};
	return process_plan_append(plan, name);
}

bool
process_plan_append(struct plan *plan, const char *name)
{
	while (name != NULL) {
		const struct process *p = process_find(name, plan->after);

		if (p == NULL || plan->count == PROCESS_STEPS_MAX)
			return false;
		struct step *step = &plan->steps[plan->count++];
		*step = (struct step){.process = p, .before = plan->after, .during = p->during};
		/* The next process takes over in the middle: `inactive` is never seen between
		 * create and activate. */
		step->after = p->then != NULL ? p->during : p->done;
		plan->after = step->after;
		plan->frees = plan->frees && p->frees;
		if (plan->shown == ST__COUNT)
			plan->shown = p->during;
		name = p->then;
	}
	return true;
}

void
process_plan_hold(struct plan *plan)
{
	struct step *last = &plan->steps[plan->count - 1];

	last->after = last->during;
	plan->after = last->during;
}

const char *
process_check(void)
{
	unsigned reached = ST_BIT(ST_REQUESTED);

	for (const struct process *p = process_table; p->name != NULL; p++) {
		if (!state_is_transitional(p->during) || state_is_transitional(p->done))
			return "a process must run in a transitional state and end in a stable one";
		if (p->then != NULL && process_find(p->then, p->during) == NULL)
			return "a process is followed by one that may not start where it stands";
		reached |= ST_BIT(p->during) | ST_BIT(p->done);
	}
	return reached == (1U << ST__COUNT) - 1 ? NULL : "a state cannot be reached by any process";
}
