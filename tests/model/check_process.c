/* check_process: plans of processes, and that the table of states is sound; what each action does
 * in each state is tested by requests, tests/api/test_states.py. */
#include <check.h>
#include <string.h>

#include "model/process.h"

#include "support/support.h"

static const char *const no_states[] = {
	"",	 "Active",   "active ",	  " active",   "activ", "activee", "restoring",
	"error", "updating", "updating-", "upgrading", "null",	"0"};

START_TEST(a_state_is_read_by_its_name)
{
	enum state found = ST_PURGED;

	for (unsigned s = 0; s < ST__COUNT; s++) {
		ck_assert(state_parse(state_name((enum state)s), &found));
		ck_assert_uint_eq(found, s);
	}
	for (size_t i = 0; i < COUNT_OF(no_states); i++)
		ck_assert(!state_parse(no_states[i], &found));
}
END_TEST

/* "PROCESS before>during>after", with blanks between the steps of a plan. */
static void
show(const struct plan *plan, char out[256])
{
	*out = '\0';
	for (size_t i = 0; i < plan->count; i++) {
		const struct step *s = &plan->steps[i];

		(void)snprintf(out + strlen(out), 256 - strlen(out), "%s%s %s>%s>%s",
			       i > 0 ? " " : "", s->process->name, state_name(s->before),
			       state_name(s->during), state_name(s->after));
	}
}

/* clang-format off */
static const struct { const char *first; enum state from; const char *then[3]; const char *steps; } chains[] = {
	{ "create",     ST_REQUESTED, { 0 },            "create requested>registering>registering activate registering>activating>active" },
	{ "verify",     ST_INACTIVE,  { 0 },            "verify inactive>updating-inactive>inactive" },
	{ "verify",     ST_ACTIVE,    { 0 },            "verify active>updating-active>active" },
	{ "deactivate", ST_ACTIVE,    { "remove" },     "deactivate active>deactivating>inactive remove inactive>removing>removed" },
	{ "deactivate", ST_ACTIVE,    { "activate", "deactivate" },
	  "deactivate active>deactivating>inactive activate inactive>activating>active deactivate active>deactivating>inactive" },
	/* Longer than its array, or one that may not start there. */
	{ "deactivate", ST_ACTIVE,    { "activate", "deactivate", "activate" }, NULL },
	{ "activate",   ST_INACTIVE,  { "remove" },     NULL },
	{ "deactivate", ST_ACTIVE,    { "purge" },      NULL },
	{ "remove",     ST_INACTIVE,  { "activate" },   NULL },
	{ "purge",      ST_REMOVED,   { "purge" },      NULL },
	{ "create",     ST_REQUESTED, { "remove" },     NULL },
	{ "deactivate", ST_ACTIVE,    { "explode" },    NULL },
	{ "deactivate", ST_ACTIVE,    { "" },           NULL },
};
/* clang-format on */

START_TEST(a_chain_goes_on_where_the_process_before_it_ended)
{
	struct plan plan;
	char steps[256];
	bool possible = process_plan(chains[_i].first, chains[_i].from, &plan);

	ck_assert(possible);
	ck_assert_int_eq(plan.shown, process_find(chains[_i].first, chains[_i].from)->during);
	for (size_t i = 0; i < COUNT_OF(chains[_i].then) && chains[_i].then[i] != NULL; i++)
		possible = possible && process_plan_append(&plan, chains[_i].then[i]);
	ck_assert(possible == (chains[_i].steps != NULL));
	if (!possible)
		return;
	show(&plan, steps);
	ck_assert_str_eq(steps, chains[_i].steps);
	ck_assert_int_eq(plan.before, chains[_i].from);
	ck_assert_int_eq(plan.after, plan.steps[plan.count - 1].after);
}
END_TEST

static const char *const no_processes[] = {"",		 "Create", "delete",	"restore",
					   "setmembers", "error",  "activate ", "activat"};

START_TEST(what_is_not_a_process_runs_nowhere)
{
	struct plan plan;

	for (unsigned s = 0; s < ST__COUNT; s++)
		ck_assert(!process_plan(no_processes[_i], (enum state)s, &plan));
}
END_TEST

START_TEST(the_table_is_sound)
{
	ck_assert_pstr_eq(process_check(), NULL);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("process");
	TCase *tc = tcase_create("process");

	tcase_add_test(tc, a_state_is_read_by_its_name);
	tcase_add_loop_test(tc, a_chain_goes_on_where_the_process_before_it_ended, 0,
			    COUNT_OF(chains));
	tcase_add_loop_test(tc, what_is_not_a_process_runs_nowhere, 0, COUNT_OF(no_processes));
	tcase_add_test(tc, the_table_is_sound);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
