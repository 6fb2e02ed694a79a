/* check_harbor: robots of Harbor, whose secret is set to a chosen value, as often as it takes. */
#include <check.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "renew/source.h"

#include "support/sources.h"
#include "support/support.h"

#define PASSWORD "Password of Harbor 1"
#define CHOSEN "chosen-Value-Of-42"
#define DAY_MS (24 * 3600 * INT64_C(1000))

static struct renewal r;

ARENA_FIXTURE()

static void
begin(const char *robot, const char *fault, const char *more)
{
	r = sources_renewal(a, &source_table[SOURCE_HARBOR],
			    arena_printf(a,
					 "{'endpoint':'URL(harbor,%s)','robot':'%s',"
					 "'user':'robot-keeper'%s}",
					 fault, robot, more),
			    "registry.example");
	r.source_secret = PASSWORD;
	r.chosen = CHOSEN;
	r.secret = "secret of before";
}

static const char *
robot_has(const char *robot, const char *member)
{
	return sources_state(a, "harbor", arena_printf(a, "/state/%s", robot), member);
}

START_TEST(our_value_is_set)
{
	begin("1", "right", "");
	sources_fetch(&r, SOURCE_HARBOR, RENEW_REFRESHED, "");
	ck_assert_str_eq(r.new_secret, CHOSEN);
	ck_assert_str_eq(r.new_user, "robot$acme+pulls-1");
	ck_assert_int_gt(r.expires_ms, r.now_ms + 29 * DAY_MS);
	ck_assert_int_lt(r.expires_ms, r.now_ms + 31 * DAY_MS);
	ck_assert_int_eq(r.every_ms, 30 * DAY_MS);
	ck_assert_str_eq(robot_has("1", "secret"), CHOSEN);
	ck_assert_str_eq(robot_has("1", "changes"), "0");
	sources_renewal_end(&r);

	begin("2", "never", ",'rotateEvery':3600,'extendDays':null");
	sources_fetch(&r, SOURCE_HARBOR, RENEW_REFRESHED, "");
	ck_assert_int_eq(r.expires_ms, 0);
	ck_assert_int_eq(r.every_ms, 3600 * 1000);
	sources_renewal_end(&r);

	/* If Harbor chooses all the same, what it says counts. */
	begin("3", "own", "");
	sources_fetch(&r, SOURCE_HARBOR, RENEW_REFRESHED, "");
	ck_assert_str_eq(r.new_secret, "Harbor's own choice 1");
}
END_TEST

/* clang-format off */
#define GONE "over"
static const struct { const char *robot, *fault, *more; enum renew_result result; const char *message; int status; } wrong[] = {
	{ "404", "right", "", RENEW_MISCONFIGURED, "no robot with this number, or does not show it to this user: it may have been deleted. (NOT_FOUND)", 404 },
	{ "11", "forbidden", "", RENEW_SOURCE_REFUSED, "does not let this user read and update the robot. (FORBIDDEN)", 403 },
	{ "11", "disabled", "", RENEW_SOURCE_REFUSED, "disabled in Harbor", 200 },
	{ "11", "ended", "", RENEW_BAD_ANSWER, "time in Harbor is over", 200 },
	{ "11", "no-name", "", RENEW_BAD_ANSWER, "lacks the name", 200 },
	{ "11", "no-end", "", RENEW_BAD_ANSWER, "lacks the name or the end", 200 },
	{ "11", "fixed", ",'extendDays':90", RENEW_SOURCE_REFUSED, "update the robot", 403 },
	{ "11", "no-start", ",'extendDays':90", RENEW_BAD_ANSWER, "when the robot was made", 200 },
	{ "robot$x", "right", "", RENEW_MISCONFIGURED, "\"robot\"", 0 },
	{ "1/../2", "right", "", RENEW_MISCONFIGURED, "\"robot\"", 0 },
	{ "11", "right", ",'extendDays':0", RENEW_MISCONFIGURED, "\"extendDays\"", 0 },
	{ "11", "right", ",'extendDays':1e9", RENEW_MISCONFIGURED, "\"extendDays\"", 0 },
	{ "11", "right", ",'rotateEvery':59", RENEW_MISCONFIGURED, "\"rotateEvery\"", 0 },
	{ "11", "right", ",'rotateEvery':1e99", RENEW_MISCONFIGURED, "\"rotateEvery\"", 0 },
};
/* clang-format on */

START_TEST(what_is_wrong_is_told_before_anything_is_set)
{
	begin(wrong[_i].robot, wrong[_i].fault, wrong[_i].more);
	sources_fetch(&r, SOURCE_HARBOR, wrong[_i].result, wrong[_i].message);
	ck_assert_int_eq(r.http_status, wrong[_i].status);
	ck_assert_str_eq(robot_has("11", "secret"), "secret of before");
	ck_assert_str_eq(robot_has("11", "sets"), "0");
}
END_TEST

START_TEST(a_wrong_password_and_a_weak_value_are_told)
{
	begin("21", "right", "");
	r.source_secret = "not-the-one";
	sources_fetch(&r, SOURCE_HARBOR, RENEW_SOURCE_REFUSED,
		      "the password in sourceSecret. (UNAUTHORIZED)");
	r.source_secret = NULL;
	sources_fetch(&r, SOURCE_HARBOR, RENEW_MISCONFIGURED, "needs the password");
	r.source_secret = PASSWORD;
	r.chosen = "weak";
	sources_fetch(&r, SOURCE_HARBOR, RENEW_BAD_ANSWER,
		      "Harbor refuses the request (BAD_REQUEST)");
	ck_assert_str_eq(robot_has("21", "secret"), "secret of before");
}
END_TEST

START_TEST(whatever_is_answered_has_its_result)
{
	static const char *const methods[] = {"GET", "PUT", "PATCH"};
	const struct sources_fault *fault = &sources_faults[_i];
	const char *robot = arena_printf(a, "10%d", _i);

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		/* An empty answer is what a PUT gets, which cannot be made longer. */
		if (strcmp(methods[i], "PUT") == 0 &&
		    (strcmp(fault->fault, "empty") == 0 || strcmp(fault->fault, "long") == 0))
			continue;
		begin(robot, arena_printf(a, "%s:%s", methods[i], fault->fault),
		      ",'extendDays':60");
		r.deadline_ms = clock_ms() + 500;
		sources_fetch(&r, SOURCE_HARBOR, fault->result, "");
		sources_renewal_end(&r);
	}
	/* What is long or never ends was set all the same. */
	ck_assert_str_eq(robot_has(robot, "secret"),
			 strcmp(fault->fault, "long") == 0 ? CHOSEN : "secret of before");
}
END_TEST

START_TEST(an_outcome_that_is_not_known_is_made_good)
{
	static const char *const faults[] = {"PATCH:drop-after", "PATCH:hang-after",
					     "PATCH:drop-before", "PATCH:hang-before",
					     "PATCH:long"};
	const char *robot = arena_printf(a, "20%d", _i);

	begin(robot, faults[_i], "");
	r.deadline_ms = clock_ms() + 500;
	ck_assert_int_ne(sources[SOURCE_HARBOR].fetch(&r), RENEW_REFRESHED);
	ck_assert_str_eq(robot_has(robot, "secret"),
			 strstr(faults[_i], "before") != NULL ? "secret of before" : CHOSEN);
	sources_renewal_end(&r);
	begin(robot, "right", "");
	r.again = true;
	sources_fetch(&r, SOURCE_HARBOR, RENEW_REFRESHED, "");
	ck_assert_str_eq(r.new_secret, CHOSEN);
	ck_assert_str_eq(robot_has(robot, "secret"), CHOSEN);
}
END_TEST

START_TEST(the_end_of_a_robot_is_moved)
{
	begin("31", "right", ",'extendDays':90,'rotateEvery':null");
	sources_fetch(&r, SOURCE_HARBOR, RENEW_REFRESHED, "");
	/* Of its days ten are over. */
	ck_assert_int_gt(r.expires_ms, r.now_ms + 89 * DAY_MS);
	ck_assert_int_lt(r.expires_ms, r.now_ms + 92 * DAY_MS);
	ck_assert_str_eq(robot_has("31", "changes"), "1");
	ck_assert_int_le(labs(strtol(robot_has("31", "duration"), NULL, 10) - 101), 1);
	ck_assert_str_eq(robot_has("31", "permissions.0.access.0.action"), "pull");
	ck_assert_str_eq(robot_has("31", "description"), "null");
	sources_renewal_end(&r);

	/* It ends late enough: it is not moved back. */
	begin("31", "right", ",'extendDays':20");
	sources_fetch(&r, SOURCE_HARBOR, RENEW_REFRESHED, "");
	ck_assert_str_eq(robot_has("31", "changes"), "1");
	sources_renewal_end(&r);

	/* The next time is before its end. */
	begin("32", "right", ",'extendDays':40");
	sources_fetch(&r, SOURCE_HARBOR, RENEW_REFRESHED, "");
	ck_assert_int_le(r.every_ms, 21 * DAY_MS);
	sources_renewal_end(&r);

	begin("33", "never", ",'extendDays':90");
	sources_fetch(&r, SOURCE_HARBOR, RENEW_REFRESHED, "");
	ck_assert_str_eq(robot_has("33", "changes"), "0");
}
END_TEST

static void
begin_without_memory(void)
{
	begin("41", "right", ",'extendDays':90");
}

START_TEST(without_memory_it_is_asked_later)
{
	sources_fail_each(&r, SOURCE_HARBOR, begin_without_memory, 500);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("harbor");
	TCase *tcase = tcase_create("harbor");

	tcase_add_unchecked_fixture(tcase, sources_start, sources_stop);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, our_value_is_set);
	tcase_add_loop_test(tcase, what_is_wrong_is_told_before_anything_is_set, 0,
			    COUNT_OF(wrong));
	tcase_add_test(tcase, a_wrong_password_and_a_weak_value_are_told);
	tcase_add_loop_test(tcase, whatever_is_answered_has_its_result, 0, SOURCES_FAULTS);
	tcase_add_loop_test(tcase, an_outcome_that_is_not_known_is_made_good, 0, 5);
	tcase_add_test(tcase, the_end_of_a_robot_is_moved);
	tcase_add_test(tcase, without_memory_it_is_asked_later);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
