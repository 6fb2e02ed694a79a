/* check_process: the state machine, row by row against the contract's 3.7, 5.1 and 5.3. */
#include <check.h>
#include <string.h>

#include "model/process.h"

#include "support/support.h"

/* The contract's words for the states, in its order; the enum has the same order. */
static const struct {
	enum state state;
	const char *name;
	bool transitional;
} states[] = {
	{ST_ACTIVATING, "activating", true},
	{ST_ACTIVE, "active", false},
	{ST_DEACTIVATING, "deactivating", true},
	{ST_INACTIVE, "inactive", false},
	{ST_PURGED, "purged", false},
	{ST_PURGING, "purging", true},
	{ST_REGISTERING, "registering", true},
	{ST_REMOVED, "removed", false},
	{ST_REMOVING, "removing", true},
	{ST_REQUESTED, "requested", false},
	{ST_UPDATING_ACTIVE, "updating-active", true},
	{ST_UPDATING_INACTIVE, "updating-inactive", true},
};

static const char *const no_states[] = {
	"",	     "Active",	  "ACTIVE", "active ",		" active",	   "activ",
	"activee",   "restoring", "error",  "updating",		"updating_active", "updating-",
	"upgrading", "null",	  "0",	    "updating-active ",
};

/* 5.1: where each process may start, what it shows, where it ends. */
static const struct {
	const char *name;
	const char *from;
	enum state during, done;
	const char *then;
} processes[] = {
	{"create", " requested ", ST_REGISTERING, ST_INACTIVE, "activate"},
	{"activate", " inactive registering ", ST_ACTIVATING, ST_ACTIVE, NULL},
	{"update", " inactive ", ST_UPDATING_INACTIVE, ST_INACTIVE, NULL},
	{"update", " active ", ST_UPDATING_ACTIVE, ST_ACTIVE, NULL},
	{"verify", " inactive ", ST_UPDATING_INACTIVE, ST_INACTIVE, NULL},
	{"verify", " active ", ST_UPDATING_ACTIVE, ST_ACTIVE, NULL},
	{"deactivate",
	 " requested registering active activating updating-active updating-inactive ",
	 ST_DEACTIVATING, ST_INACTIVE, NULL},
	{"remove", " requested inactive registering updating-active updating-inactive ",
	 ST_REMOVING, ST_REMOVED, NULL},
	{"purge", " removed ", ST_PURGING, ST_PURGED, NULL},
};

static const char *const actions[] = {"activate", "create", "deactivate",
				      "purge",	  "remove", "update"};

/* 5.3: the actions that a resource prints in each state. */
static const struct {
	enum state state;
	const char *offered;
} offers[] = {
	{ST_REQUESTED, "create deactivate remove "},
	{ST_REGISTERING, "activate deactivate remove "},
	{ST_ACTIVATING, "deactivate "},
	{ST_ACTIVE, "deactivate update "},
	{ST_UPDATING_ACTIVE, "deactivate remove "},
	{ST_DEACTIVATING, ""},
	{ST_INACTIVE, "activate remove update "},
	{ST_UPDATING_INACTIVE, "deactivate remove "},
	{ST_REMOVING, ""},
	{ST_REMOVED, "purge "},
	{ST_PURGING, ""},
	{ST_PURGED, ""},
};

START_TEST(a_state_has_the_contracts_name_and_transition)
{
	enum state found = ST__COUNT;

	ck_assert_str_eq(state_name(states[_i].state), states[_i].name);
	ck_assert_int_eq((int)states[_i].state, _i);
	ck_assert(state_parse(states[_i].name, &found));
	ck_assert_int_eq(found, states[_i].state);
	ck_assert(state_is_transitional(states[_i].state) == states[_i].transitional);
}
END_TEST

START_TEST(there_are_twelve_states)
{
	ck_assert_uint_eq(COUNT_OF(states), 12);
	ck_assert_int_eq(ST__COUNT, 12);
	ck_assert_uint_eq(COUNT_OF(offers), 12);
}
END_TEST

START_TEST(what_is_no_state_is_refused)
{
	enum state untouched = ST_PURGED;

	ck_assert(!state_parse(no_states[_i], &untouched));
	ck_assert_int_eq(untouched, ST_PURGED);
}
END_TEST

static size_t
row_for(const char *name, enum state state)
{
	char word[32] = " ";

	strcat(strcat(word, state_name(state)), " ");
	for (size_t i = 0; i < COUNT_OF(processes); i++)
		if (strcmp(processes[i].name, name) == 0 && strstr(processes[i].from, word) != NULL)
			return i;
	return COUNT_OF(processes);
}

/* One of 12 states and 6 processes. */
START_TEST(a_process_starts_where_the_contract_says_and_nowhere_else)
{
	enum state state = (enum state)(_i % ST__COUNT);
	const char *name = actions[_i / ST__COUNT];
	size_t row = row_for(name, state);
	const struct process *p = process_find(name, state);
	struct plan plan;

	if (row == COUNT_OF(processes)) {
		ck_assert_ptr_null(p);
		ck_assert(!process_plan(name, state, &plan));
		return;
	}
	ck_assert_ptr_nonnull(p);
	ck_assert_str_eq(p->name, name);
	ck_assert_int_eq(p->during, processes[row].during);
	ck_assert_int_eq(p->done, processes[row].done);
	ck_assert_pstr_eq(p->then, processes[row].then);
	ck_assert(process_plan(name, state, &plan));
	ck_assert_int_eq(plan.before, state);
	ck_assert_int_eq(plan.shown, processes[row].during);
	ck_assert_str_eq(plan.steps[0].process->name, name);
	ck_assert_int_eq(plan.steps[0].before, state);
	ck_assert_int_eq(plan.steps[0].during, processes[row].during);
	if (processes[row].then != NULL)
		return; /* a chain: the next test */
	ck_assert_uint_eq(plan.count, 1);
	ck_assert_int_eq(plan.after, processes[row].done);
	ck_assert_int_eq(plan.steps[0].after, processes[row].done);
}
END_TEST

START_TEST(create_runs_on_into_activate_and_is_never_seen_inactive)
{
	struct plan plan;

	ck_assert(process_plan("create", ST_REQUESTED, &plan));
	ck_assert_uint_eq(plan.count, 2);
	ck_assert_int_eq(plan.before, ST_REQUESTED);
	ck_assert_int_eq(plan.shown, ST_REGISTERING);
	ck_assert_int_eq(plan.after, ST_ACTIVE);
	ck_assert_str_eq(plan.steps[0].process->name, "create");
	ck_assert_int_eq(plan.steps[0].before, ST_REQUESTED);
	ck_assert_int_eq(plan.steps[0].during, ST_REGISTERING);
	ck_assert_int_eq(plan.steps[0].after, ST_REGISTERING);
	ck_assert_str_eq(plan.steps[1].process->name, "activate");
	ck_assert_int_eq(plan.steps[1].before, ST_REGISTERING);
	ck_assert_int_eq(plan.steps[1].during, ST_ACTIVATING);
	ck_assert_int_eq(plan.steps[1].after, ST_ACTIVE);
}
END_TEST

START_TEST(a_state_offers_the_actions_of_its_row)
{
	char offered[128] = "";

	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		struct plan plan;

		if (process_plan(actions[i], offers[_i].state, &plan))
			strcat(strcat(offered, actions[i]), " ");
	}
	ck_assert_str_eq(offered, offers[_i].offered);
}
END_TEST

START_TEST(a_chain_goes_on_where_the_first_process_ended)
{
	struct plan plan;

	ck_assert(process_plan("deactivate", ST_ACTIVE, &plan));
	ck_assert(process_plan_append(&plan, "remove"));
	ck_assert_uint_eq(plan.count, 2);
	ck_assert_int_eq(plan.before, ST_ACTIVE);
	ck_assert_int_eq(plan.shown, ST_DEACTIVATING);
	ck_assert_int_eq(plan.after, ST_REMOVED);
	ck_assert_str_eq(plan.steps[1].process->name, "remove");
	ck_assert_int_eq(plan.steps[1].before, ST_INACTIVE);
	ck_assert_int_eq(plan.steps[1].during, ST_REMOVING);
	ck_assert_int_eq(plan.steps[1].after, ST_REMOVED);
}
END_TEST

static const struct {
	const char *first;
	enum state from;
	const char *second;
} no_chains[] = {
	{"activate", ST_INACTIVE, "remove"}, {"activate", ST_INACTIVE, "create"},
	{"deactivate", ST_ACTIVE, "purge"},  {"remove", ST_INACTIVE, "activate"},
	{"remove", ST_INACTIVE, "remove"},   {"purge", ST_REMOVED, "activate"},
	{"purge", ST_REMOVED, "purge"},	     {"update", ST_ACTIVE, "remove"},
	{"create", ST_REQUESTED, "remove"},  {"deactivate", ST_ACTIVE, "explode"},
	{"deactivate", ST_ACTIVE, ""},
};

START_TEST(a_chain_that_cannot_go_on_is_refused)
{
	struct plan plan;

	ck_assert(process_plan(no_chains[_i].first, no_chains[_i].from, &plan));
	ck_assert(!process_plan_append(&plan, no_chains[_i].second));
}
END_TEST

START_TEST(a_chain_longer_than_its_array_is_refused)
{
	struct plan plan;

	ck_assert(process_plan("deactivate", ST_ACTIVE, &plan));
	ck_assert(process_plan_append(&plan, "activate"));
	ck_assert(process_plan_append(&plan, "deactivate"));
	ck_assert_uint_eq(plan.count, PROCESS_STEPS_MAX);
	ck_assert(!process_plan_append(&plan, "activate"));
	ck_assert_uint_eq(plan.count, PROCESS_STEPS_MAX);
}
END_TEST

static const char *const no_processes[] = {"",		 "Create", "delete",	"restore",
					   "setmembers", "error",  "activate ", "activat"};

START_TEST(what_is_no_process_runs_nowhere)
{
	for (unsigned s = 0; s < ST__COUNT; s++) {
		struct plan plan;

		ck_assert_ptr_null(process_find(no_processes[_i], (enum state)s));
		ck_assert(!process_plan(no_processes[_i], (enum state)s, &plan));
	}
}
END_TEST

START_TEST(the_table_is_sound_and_has_the_contracts_rows)
{
	size_t rows = 0;

	for (const struct process *p = process_table; p->name != NULL; p++)
		rows++;
	ck_assert_uint_eq(rows, COUNT_OF(processes));
	ck_assert_ptr_null(process_check());
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("process");
	TCase *tc = tcase_create("process");

	tcase_add_loop_test(tc, a_state_has_the_contracts_name_and_transition, 0, COUNT_OF(states));
	tcase_add_test(tc, there_are_twelve_states);
	tcase_add_loop_test(tc, what_is_no_state_is_refused, 0, COUNT_OF(no_states));
	tcase_add_loop_test(tc, a_process_starts_where_the_contract_says_and_nowhere_else, 0,
			    ST__COUNT * COUNT_OF(actions));
	tcase_add_test(tc, create_runs_on_into_activate_and_is_never_seen_inactive);
	tcase_add_loop_test(tc, a_state_offers_the_actions_of_its_row, 0, COUNT_OF(offers));
	tcase_add_test(tc, a_chain_goes_on_where_the_first_process_ended);
	tcase_add_loop_test(tc, a_chain_that_cannot_go_on_is_refused, 0, COUNT_OF(no_chains));
	tcase_add_test(tc, a_chain_longer_than_its_array_is_refused);
	tcase_add_loop_test(tc, what_is_no_process_runs_nowhere, 0, COUNT_OF(no_processes));
	tcase_add_test(tc, the_table_is_sound_and_has_the_contracts_rows);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
