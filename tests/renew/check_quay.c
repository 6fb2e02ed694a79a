/* check_quay: robots of Quay, whose token is looked at before a new one is made. */
#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "renew/source.h"

#include "support/sources.h"
#include "support/support.h"

static struct renewal r;

ARENA_FIXTURE()

static void
begin(const char *robot, const char *fault, const char *secret)
{
	r = sources_renewal(a, &source_table[SOURCE_QUAY],
			    arena_printf(a,
					 "{'endpoint':'URL(quay,%s)','organization':'acme',"
					 "'robot':'%s','rotateEvery':86400}",
					 fault, robot),
			    "registry.example");
	r.source_secret = "oauth-token-of-quay";
	r.secret = secret;
}

static const char *
robot_has(const char *robot, const char *member)
{
	return sources_state(a, "quay", arena_printf(a, "/state/%s", robot), member);
}

START_TEST(the_present_token_is_taken_before_one_is_made)
{
	/* The first time, and whenever Quay has another one than we. */
	static const char *const stored[] = {NULL, "something older"};

	for (size_t i = 0; i < COUNT_OF(stored); i++) {
		begin("acme+first", "right", stored[i]);
		sources_fetch(&r, SOURCE_QUAY, RENEW_REFRESHED, "");
		ck_assert_str_eq(r.new_user, "acme+first");
		ck_assert_str_eq(r.new_secret, "TOKEN1OFfirst");
		ck_assert_int_eq(r.expires_ms, 0);
		ck_assert_int_eq(r.every_ms, 86400 * 1000);
		sources_renewal_end(&r);
	}
	ck_assert_str_eq(robot_has("first", "made"), "1");
	begin("first", "right", "TOKEN1OFfirst");
	sources_fetch(&r, SOURCE_QUAY, RENEW_REFRESHED, "");
	ck_assert_str_eq(r.new_secret, "TOKEN2OFfirst");
	ck_assert_str_eq(robot_has("first", "secret"), "TOKEN2OFfirst");
}
END_TEST

/* clang-format off */
static const struct { const char *robot, *fault, *secret; enum renew_result result; const char *message; int status; } wrong[] = {
	{ "missing", "right", "oauth-token-of-quay", RENEW_MISCONFIGURED, "no such organization or robot", 400 },
	{ "other/robot", "right", "oauth-token-of-quay", RENEW_MISCONFIGURED, "no such organization or robot", 400 },
	{ "wrong", "right", "another", RENEW_SOURCE_REFUSED, "(invalid_token)", 401 },
	{ "wrong", "forbidden", "oauth-token-of-quay", RENEW_SOURCE_REFUSED, "org:admin. (insufficient_scope)", 403 },
	{ "wrong", "right", NULL, RENEW_MISCONFIGURED, "needs an OAuth token", 0 },
	{ "wrong", "right", "a\r\nX: y", RENEW_MISCONFIGURED, "line break", 0 },
	{ "wrong", "no-name", "oauth-token-of-quay", RENEW_BAD_ANSWER, "lacks the robot's name", 200 },
	{ "wrong", "no-token", "oauth-token-of-quay", RENEW_BAD_ANSWER, "token", 200 },
};
/* clang-format on */

START_TEST(what_is_wrong_is_told)
{
	begin(wrong[_i].robot, wrong[_i].fault, "TOKEN1OFwrong");
	r.source_secret = wrong[_i].secret;
	sources_fetch(&r, SOURCE_QUAY, wrong[_i].result, wrong[_i].message);
	ck_assert_int_eq(r.http_status, wrong[_i].status);
	ck_assert_str_eq(robot_has("wrong", "made"), "1");
}
END_TEST

START_TEST(whatever_is_answered_has_its_result)
{
	static const char *const methods[] = {"GET", "POST"};
	const struct sources_fault *fault = &sources_faults[_i];
	const char *robot = arena_printf(a, "any_%d", _i);
	const char *secret = arena_printf(a, "TOKEN1OF%s", robot);

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		const char *which = arena_printf(a, "%s:%s", methods[i], fault->fault);
		/* A token that was made is seen at once, whatever the answer was. */
		bool made = strcmp(which, "POST:long") == 0;

		begin(robot, which, secret);
		r.deadline_ms = clock_ms() + 500;
		sources_fetch(&r, SOURCE_QUAY, made ? RENEW_REFRESHED : fault->result, "");
		ck_assert(made || r.new_secret == NULL);
		sources_renewal_end(&r);
	}
}
END_TEST

START_TEST(an_outcome_that_is_not_known_is_found_out)
{
	/* At once where there is time for it, else the next time. */
	static const struct {
		const char *fault;
		enum renew_result result;
		int made; /* in the end: one that was not made is made then */
	} cases[] = {{"POST:drop-after", RENEW_REFRESHED, 2},
		     {"POST:hang-after", RENEW_TIMEOUT, 2},
		     {"POST:drop-before", RENEW_UNREACHABLE, 2},
		     {"POST:hang-before", RENEW_TIMEOUT, 2}};
	const char *robot = arena_printf(a, "lost_%d", _i),
		   *first = arena_printf(a, "TOKEN1OF%s", robot);

	begin(robot, cases[_i].fault, first);
	r.deadline_ms = clock_ms() + 500;
	sources_fetch(&r, SOURCE_QUAY, cases[_i].result, "");
	sources_renewal_end(&r);
	if (cases[_i].result != RENEW_REFRESHED) {
		begin(robot, "right", first);
		r.again = true;
		sources_fetch(&r, SOURCE_QUAY, RENEW_REFRESHED, "");
	}
	ck_assert_str_eq(r.new_secret, robot_has(robot, "secret"));
	ck_assert_str_eq(robot_has(robot, "made"), arena_printf(a, "%d", cases[_i].made));
}
END_TEST

static void
begin_without_memory(void)
{
	begin("memory", "right", robot_has("memory", "secret"));
}

START_TEST(without_memory_it_is_asked_later)
{
	sources_fail_each(&r, SOURCE_QUAY, begin_without_memory, 200);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("quay");
	TCase *tcase = tcase_create("quay");

	tcase_add_unchecked_fixture(tcase, sources_start, sources_stop);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, the_present_token_is_taken_before_one_is_made);
	tcase_add_loop_test(tcase, what_is_wrong_is_told, 0, COUNT_OF(wrong));
	tcase_add_loop_test(tcase, whatever_is_answered_has_its_result, 0, SOURCES_FAULTS);
	tcase_add_loop_test(tcase, an_outcome_that_is_not_known_is_found_out, 0, 4);
	tcase_add_test(tcase, without_memory_it_is_asked_later);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
