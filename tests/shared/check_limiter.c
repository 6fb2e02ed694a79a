/* check_limiter: who has to wait after how many failures, and that a flood changes nothing about
 * that. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shared/limiter.h"

#include "support/support.h"

enum { FAILURES = 6, WINDOW_S = 60, NOW = 1714979289 };

static struct limit limit, *l = &limit;

static void
setup(void)
{
	limit = (struct limit){limiter_new(), 'f', FAILURES, WINDOW_S};
	ck_assert_ptr_nonnull(limit.table);
}

static void
teardown(void)
{
	limiter_free(limit.table);
}

static void
fail_times(const char *address, const char *key, int times, int64_t now_s)
{
	while (times-- > 0)
		(void)limiter_failed(l, address, key, now_s);
}

START_TEST(an_address_waits_after_so_many_failures_whatever_the_keys)
{
	for (int i = 1; i <= FAILURES; i++) {
		char key[16];

		(void)snprintf(key, sizeof(key), "key %d", i);
		ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", key, NOW), 0);
		ck_assert(limiter_failed(l, "192.0.2.1", key, NOW) == (i == FAILURES));
	}
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "another", NOW), WINDOW_S);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.2", "key 1", NOW), 0);
}
END_TEST

START_TEST(a_key_waits_after_half_as_many_from_the_same_address_alone)
{
	fail_times("192.0.2.1", "key", FAILURES / 2 - 1, NOW);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW), 0);
	ck_assert(limiter_failed(l, "192.0.2.1", "key", NOW));
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW), WINDOW_S);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "Key", NOW), 0);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "", NOW), 0);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.2", "key", NOW), 0);
}
END_TEST

START_TEST(a_window_begins_with_the_first_failure_and_passes_by_itself)
{
	fail_times("192.0.2.1", "key", 1, NOW);
	fail_times("192.0.2.1", "key", FAILURES, NOW + 40);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW + 40), WINDOW_S - 40);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW + WINDOW_S - 1), 1);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW + WINDOW_S), 0);
	/* And counts from one again. */
	ck_assert(!limiter_failed(l, "192.0.2.1", "key", NOW + WINDOW_S));
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW + WINDOW_S), 0);
}
END_TEST

START_TEST(a_clock_that_is_set_locks_nobody_out)
{
	fail_times("192.0.2.1", "key", FAILURES, NOW);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW - 3600), 0);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW + 3600), 0);
}
END_TEST

START_TEST(the_time_wraps_without_harm)
{
	const int64_t edge = (INT64_C(1) << 22) * 412 - 30;

	fail_times("192.0.2.1", "key", FAILURES, edge);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", edge + 10), WINDOW_S - 10);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", edge + WINDOW_S), 0);
}
END_TEST

/* Whether failures of the first make the second wait. */
static const struct {
	const char *one, *other;
	bool same;
} addresses[] = {
	{"192.0.2.1", "192.0.2.1", true},
	{"192.0.2.1", "::ffff:192.0.2.1", true},
	{"192.0.2.1", "192.0.2.2", false},
	{"2001:db8:0:1::1", "2001:db8:0:1:ffff:ffff:ffff:ffff", true},
	{"2001:db8:0:1::1", "2001:db8:0:2::1", false},
	{"unix:", "unix:", true},
	{"", "", true},
	{"", "unix:", false},
};

START_TEST(of_ipv6_a_whole_64_is_one_address)
{
	fail_times(addresses[_i].one, "key", FAILURES, NOW);
	ck_assert((limiter_wait_s(l, addresses[_i].other, "new", NOW) > 0) == addresses[_i].same);
	ck_assert((limiter_wait_s(l, addresses[_i].other, "key", NOW) > 0) == addresses[_i].same);
}
END_TEST

START_TEST(a_count_does_not_overflow)
{
	fail_times("192.0.2.1", "key", 3000, NOW);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW), WINDOW_S);
}
END_TEST

START_TEST(a_flood_of_addresses_and_keys_does_not_free_whoever_waits)
{
	fail_times("192.0.2.1", "key", FAILURES, NOW);
	for (int i = 0; i < 300000; i++) {
		char address[32], key[32];

		(void)snprintf(address, sizeof(address), "10.%d.%d.%d", i >> 16, i >> 8 & 255,
			       i & 255);
		(void)snprintf(key, sizeof(key), "random %d", i);
		(void)limiter_failed(l, address, key, NOW + i / 10000);
	}
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "new", NOW + 30), WINDOW_S - 30);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW + 30), WINDOW_S - 30);
	/* Nor does it make a newcomer wait. */
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.9", "key", NOW + 30), 0);
	/* A newcomer's failures are counted in a full table too. */
	fail_times("192.0.2.9", "key", FAILURES, NOW + 30);
	ck_assert_uint_gt(limiter_wait_s(l, "192.0.2.9", "new", NOW + 30), 0);
}
END_TEST

START_TEST(processes_count_together)
{
	for (int i = 0; i < FAILURES; i++) {
		int status = -1;
		pid_t pid = fork();

		ck_assert_int_ge(pid, 0);
		if (pid == 0) {
			(void)limiter_failed(l, "192.0.2.1", "key", NOW);
			_exit(0);
		}
		ck_assert_int_eq(waitpid(pid, &status, 0), pid);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "new", NOW), WINDOW_S);
}
END_TEST

enum { THREADS = 4, EACH = 200 };

static void *
fail_often(void *arg)
{
	const struct limit *big = arg;

	for (int i = 0; i < EACH; i++)
		(void)limiter_failed(big, "192.0.2.1", "key", NOW);
	return NULL;
}

START_TEST(no_failure_is_lost_among_threads)
{
	struct limit many = {limit.table, 'm', THREADS * EACH, WINDOW_S}, *big = &many;
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, fail_often, big), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(limiter_wait_s(big, "192.0.2.1", "new", NOW), WINDOW_S);
}
END_TEST

/* Two limits of one table: neither the counts nor the windows are each other's. */
START_TEST(limits_of_other_kinds_do_not_count_together)
{
	const struct limit hour = {limit.table, 'h', 3, 3600};

	for (int i = 0; i < 3; i++)
		ck_assert_uint_eq(limiter_take(&hour, "192.0.2.1", NOW), 0);
	ck_assert_uint_eq(limiter_take(&hour, "192.0.2.1", NOW), 3600);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW), 0);
	fail_times("192.0.2.1", "key", FAILURES, NOW + 100);
	ck_assert_uint_eq(limiter_wait_s(l, "192.0.2.1", "key", NOW + 100), WINDOW_S);
	ck_assert_uint_eq(limiter_take(&hour, "192.0.2.1", NOW + 100), 3500);
	ck_assert_uint_eq(limiter_take(&hour, "192.0.2.1", NOW + 3600), 0);
}
END_TEST

/* Parts, a whole, and about how many of them it holds. */
static const struct {
	uint64_t part, whole;
	unsigned least, most;
} parts[] = {
	{1, 1, 1, 1},
	{2, 1, 1, 1},
	{1, 0, 1, 1},
	{500, 1000, 2, 2},
	{300, 1000, 4, 4},
	{1, 1000, 1000, 1000},
	{1, 10000, 8500, 11500}, /* a tenth of a count each: by chance */
	{4096, UINT64_C(1) << 40, 230000000, 310000000},
};

START_TEST(parts_of_a_whole_use_it_up)
{
	const struct limit day = {limit.table, 'd', 1000, 86400};
	unsigned n = 0;

	while (n <= 20000 &&
	       limiter_take_part(&day, "1a7", parts[_i].part, parts[_i].whole, NOW) == 0)
		n++;
	if (parts[_i].least > 20000)
		ck_assert_uint_gt(n, 20000);
	else
		ck_assert(n >= parts[_i].least && n <= parts[_i].most);
	ck_assert_uint_eq(limiter_take_part(&day, "1a8", parts[_i].part, parts[_i].whole, NOW), 0);
	ck_assert_uint_eq(
		limiter_take_part(&day, "1a7", parts[_i].part, parts[_i].whole, NOW + 86400), 0);
}
END_TEST

START_TEST(without_a_table_or_a_number_there_is_no_limit)
{
	const struct limit none[] = {{NULL, 'x', 1, 60}, {limit.table, 'x', 0, 60}};

	for (int i = 0; i < 100; i++)
		for (size_t k = 0; k < COUNT_OF(none); k++) {
			ck_assert(!limiter_failed(&none[k], "192.0.2.1", "key", NOW));
			ck_assert_uint_eq(limiter_wait_s(&none[k], "192.0.2.1", "key", NOW), 0);
			ck_assert_uint_eq(limiter_take(&none[k], "192.0.2.1", NOW), 0);
		}
}
END_TEST

static Suite *
limiter_suite(void)
{
	Suite *suite = suite_create("limiter");
	TCase *tc = tcase_create("limiter");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, an_address_waits_after_so_many_failures_whatever_the_keys);
	tcase_add_test(tc, a_key_waits_after_half_as_many_from_the_same_address_alone);
	tcase_add_test(tc, a_window_begins_with_the_first_failure_and_passes_by_itself);
	tcase_add_test(tc, a_clock_that_is_set_locks_nobody_out);
	tcase_add_test(tc, the_time_wraps_without_harm);
	tcase_add_loop_test(tc, of_ipv6_a_whole_64_is_one_address, 0, COUNT_OF(addresses));
	tcase_add_test(tc, a_count_does_not_overflow);
	tcase_add_test(tc, a_flood_of_addresses_and_keys_does_not_free_whoever_waits);
	tcase_add_test(tc, processes_count_together);
	tcase_add_test(tc, no_failure_is_lost_among_threads);
	tcase_add_test(tc, limits_of_other_kinds_do_not_count_together);
	tcase_add_loop_test(tc, parts_of_a_whole_use_it_up, 0, COUNT_OF(parts));
	tcase_add_test(tc, without_a_table_or_a_number_there_is_no_limit);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(limiter_suite());
}
