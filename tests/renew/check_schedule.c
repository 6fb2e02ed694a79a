/* check_schedule: when a login is renewed next, for lives from a minute to a year, after each
 * result, and how a thousand logins that came at once spread. */
#include <check.h>

#include "renew/schedule.h"

#include "support/support.h"

#define NOW INT64_C(1714979289000)
#define S INT64_C(1000)
#define M (60 * S)
#define H (60 * M)

enum { SEEDS = 2000 };

static uint64_t
seed_of(int n)
{
	char uuid[40];

	(void)snprintf(uuid, sizeof(uuid), "663880d9-0000-4000-8000-%012d", n);
	return schedule_seed(uuid, 1, 0);
}

/* clang-format off */
/* A life, and the earliest and the latest pause until the next renewal. */
static const struct { int64_t life, from, to; } lives[] = {
	{ 365 * 24 * H, 365 * 24 * H / 2 * 9 / 10, 365 * 24 * H / 2 * 11 / 10 },
	{ 400 * 24 * H, 180 * 24 * H, 220 * 24 * H },
	{ 401 * 24 * H, 27 * 24 * H, 33 * 24 * H },	/* as if it had no end */
	{ INT64_C(7973) * 365 * 24 * H, 27 * 24 * H, 33 * 24 * H },
	{ 12 * H, 6 * H * 9 / 10, 6 * H * 11 / 10 },
	{ 3 * H, 81 * M, 99 * M },
	{ 2 * H, 54 * M, 66 * M },
	{ 1 * H, 55 * M * 9 / 10, 50 * M },		/* not in the last ten minutes */
	{ 30 * M, 25 * M * 9 / 10 < 20 * M ? 25 * M * 9 / 10 : 20 * M, 20 * M },
	{ 15 * M, 9 * M, 11 * M },
	{ 5 * M, 180 * S, 220 * S },
	{ 90 * S, 54 * S, 66 * S },
	{ 70 * S, 54 * S, 70 * S * 5 / 6 },		/* a minute, but before its end */
	{ 30 * S, 25 * S, 25 * S },
	{ 1 * S, 5 * S, 5 * S },
	{ 0, 5 * S, 5 * S },
};
/* clang-format on */

START_TEST(a_secret_is_renewed_while_a_good_part_of_its_life_is_left)
{
	int64_t life = lives[_i].life, first = INT64_MAX, last = 0;

	for (int n = 0; n < SEEDS; n++) {
		int64_t pause = schedule_after_success(NOW, NOW + life, 0, seed_of(n)) - NOW;

		ck_assert_int_ge(pause, lives[_i].from);
		ck_assert_int_le(pause, lives[_i].to);
		first = pause < first ? pause : first;
		last = pause > last ? pause : last;
	}
	/* The whole of it is used. */
	ck_assert_int_le((last - first) * 100, (lives[_i].to - lives[_i].from) * 100);
	ck_assert_int_ge((last - first) * 100, (lives[_i].to - lives[_i].from) * 95);
}
END_TEST

START_TEST(an_interval_counts_whatever_the_end)
{
	for (int n = 0; n < SEEDS; n++) {
		int64_t pause = schedule_after_success(NOW, 0, 10 * H, seed_of(n)) - NOW;

		ck_assert(pause >= 9 * H && pause <= 11 * H);
		pause = schedule_after_success(NOW, NOW + H, 10 * H, seed_of(n)) - NOW;
		ck_assert(pause >= 9 * H && pause <= 11 * H);
		pause = schedule_after_success(NOW, 0, 0, seed_of(n)) - NOW;
		ck_assert(pause >= 27 * 24 * H && pause <= 33 * 24 * H);
	}
}
END_TEST

START_TEST(a_thousand_that_came_at_once_spread_evenly)
{
	enum { BUCKETS = 10, ROWS = 1000 };
	int buckets[BUCKETS] = {0};

	for (int n = 0; n < ROWS; n++) {
		int64_t pause = schedule_after_success(NOW, NOW + 12 * H, 0, seed_of(n)) - NOW;

		buckets[(pause - 6 * H * 9 / 10) * BUCKETS / (6 * H * 2 / 10 + 1)]++;
	}
	for (int i = 0; i < BUCKETS; i++) {
		ck_assert_int_ge(buckets[i], ROWS / BUCKETS / 2);
		ck_assert_int_le(buckets[i], ROWS / BUCKETS * 2);
	}
}
END_TEST

START_TEST(the_time_is_the_same_in_every_process_and_another_for_each_version)
{
	ck_assert_uint_eq(schedule_seed("a", 1, 2), schedule_seed("a", 1, 2));
	ck_assert_uint_ne(schedule_seed("a", 1, 2), schedule_seed("b", 1, 2));
	ck_assert_uint_ne(schedule_seed("a", 1, 2), schedule_seed("a", 2, 2));
	ck_assert_uint_ne(schedule_seed("a", 1, 2), schedule_seed("a", 1, 3));
	ck_assert_uint_ne(schedule_seed("a", 1, 2), schedule_seed("a", 2, 1));
}
END_TEST

/* clang-format off */
/* A result, which attempt it was, the rest of the present secret's life (0: it never ends), the pause that the source asks for;
 * the earliest and the latest pause. */
static const struct { enum renew_result result; int64_t attempt, rest, asked, from, to; } failures[] = {
	{ RENEW_UNREACHABLE, 1, 12 * H, 0, 1 * S, 16 * S },
	{ RENEW_UNREACHABLE, 2, 12 * H, 0, 1 * S, 31 * S },
	{ RENEW_TLS_ERROR, 5, 12 * H, 0, 1 * S, 241 * S },
	{ RENEW_TIMEOUT, 9, 12 * H, 0, 1 * S, 901 * S },
	{ RENEW_BAD_ANSWER, 1000000, 12 * H, 0, 1 * S, 901 * S },
	/* A quarter of what is left, however often it has failed. */
	{ RENEW_UNREACHABLE, 9, 15 * M, 0, 1 * S, 15 * M / 4 + S },
	{ RENEW_UNREACHABLE, 9, 40 * S, 0, 1 * S, 11 * S },
	{ RENEW_UNREACHABLE, 9, 2 * S, 0, 1 * S, 1500 },
	/* Dead already. */
	{ RENEW_UNREACHABLE, 9, -5 * S, 0, 1 * S, 901 * S },
	{ RENEW_UNREACHABLE, 9, 0, 0, 1 * S, 901 * S },
	{ RENEW_RATE_LIMITED, 1, 12 * H, 20 * S, 20 * S, 22 * S },
	{ RENEW_RATE_LIMITED, 1, 10 * S, 20 * S, 20 * S, 22 * S },
	{ RENEW_RATE_LIMITED, 1, 12 * H, 30 * H, 1 * H, 66 * M },
	{ RENEW_RATE_LIMITED, 2, 12 * H, 0, 1 * S, 31 * S },
	{ RENEW_RATE_LIMITED, 2, 12 * H, -7, 1 * S, 31 * S },
	/* A source that is down may say when it will be up. */
	{ RENEW_UNREACHABLE, 1, 12 * H, 120 * S, 120 * S, 132 * S },
	{ RENEW_UNREACHABLE, 1, 0, 2 * H, 15 * M, 990 * S },
	{ RENEW_UNREACHABLE, 1, 8 * M, 1 * H, 120 * S, 132 * S },
	{ RENEW_UNREACHABLE, 1, -5 * S, 120 * S, 120 * S, 132 * S },
	{ RENEW_BAD_ANSWER, 1, 12 * H, 120 * S, 1 * S, 16 * S },
	{ RENEW_SOURCE_REFUSED, 1, 12 * H, 0, 54 * M, 66 * M },
	{ RENEW_SOURCE_REFUSED, 2, 12 * H, 0, 324 * M, 396 * M },
	{ RENEW_SOURCE_REFUSED, 30, 5 * S, 0, 324 * M, 396 * M },
	{ RENEW_CLOCK_SKEW, 7, 12 * H, 0, 9 * M, 11 * M },
	{ RENEW_NEW_SECRET_REFUSED, 7, 12 * H, 0, 9 * M, 11 * M },
};
/* clang-format on */

START_TEST(after_a_failure_it_is_tried_again_in_time)
{
	int64_t first = INT64_MAX, last = 0;

	for (int n = 0; n < SEEDS; n++) {
		int64_t expires = failures[_i].rest == 0 ? 0 : NOW + failures[_i].rest;
		int64_t pause =
			schedule_after_failure(failures[_i].result, failures[_i].attempt, NOW,
					       expires, failures[_i].asked, seed_of(n)) -
			NOW;

		ck_assert_int_ge(pause, failures[_i].from);
		ck_assert_int_le(pause, failures[_i].to);
		first = pause < first ? pause : first;
		last = pause > last ? pause : last;
	}
	ck_assert_int_ge((last - first) * 100, (failures[_i].to - failures[_i].from) * 95);
}
END_TEST

START_TEST(what_is_misconfigured_waits_for_a_person)
{
	ck_assert_int_eq(
		schedule_after_failure(RENEW_MISCONFIGURED, 1, NOW, NOW + H, 0, seed_of(1)), 0);
}
END_TEST

START_TEST(it_is_late_when_less_than_a_quarter_is_left)
{
	ck_assert(!schedule_is_late(NOW, NOW + 4 * H, NOW + 3 * H));
	ck_assert(schedule_is_late(NOW, NOW + 4 * H, NOW + 3 * H + 1));
	ck_assert(schedule_is_late(NOW, NOW + 4 * H, NOW + 5 * H));
	ck_assert(!schedule_is_late(NOW, 0, NOW + 5 * H));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("schedule");
	TCase *tc = tcase_create("schedule");

	tcase_add_loop_test(tc, a_secret_is_renewed_while_a_good_part_of_its_life_is_left, 0,
			    COUNT_OF(lives));
	tcase_add_test(tc, an_interval_counts_whatever_the_end);
	tcase_add_test(tc, a_thousand_that_came_at_once_spread_evenly);
	tcase_add_test(tc, the_time_is_the_same_in_every_process_and_another_for_each_version);
	tcase_add_loop_test(tc, after_a_failure_it_is_tried_again_in_time, 0, COUNT_OF(failures));
	tcase_add_test(tc, what_is_misconfigured_waits_for_a_person);
	tcase_add_test(tc, it_is_late_when_less_than_a_quarter_is_left);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
