/* check_refusals: refused sign-ins, counted for the audit log. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "access/refusals.h"

#include "support/support.h"

static struct refusals *r;
static struct refusal out[REFUSALS_MAX];

static void
begin(void)
{
	r = refusals_new();
	ck_assert_ptr_nonnull(r);
}

static void
end(void)
{
	refusals_free(r);
}

static void
add(int64_t minute, int address, const char *key)
{
	struct refusal one = {.minute = minute, .count = 1, .status = 401};

	(void)snprintf(one.address, sizeof(one.address), "192.0.2.%d", address);
	(void)snprintf(one.key, sizeof(one.key), "%s", key);
	refusals_add(r, &one);
}

static size_t
take(int64_t before_minute)
{
	size_t n = refusals_copy(r, before_minute, out);

	refusals_forget(r, out, n);
	return n;
}

static int64_t
sum(size_t n)
{
	int64_t total = 0;

	for (size_t i = 0; i < n; i++)
		total += out[i].count;
	return total;
}

START_TEST(the_same_is_counted_and_others_are_told_apart)
{
	for (int i = 0; i < 1000; i++)
		add(7, 1, "K");
	add(7, 2, "K");
	add(7, 1, "L");
	add(8, 1, "K");
	ck_assert_uint_eq(take(7), 0);
	ck_assert_uint_eq(take(8), 3);
	ck_assert_int_eq(out[0].count, 1000);
	ck_assert_str_eq(out[0].address, "192.0.2.1");
	ck_assert_str_eq(out[0].key, "K");
	ck_assert_int_eq(sum(3), 1002);
	ck_assert_uint_eq(take(8), 0);
	ck_assert_uint_eq(take(9), 1);
}
END_TEST

/* However many addresses and keys there are: none is lost from the count. */
START_TEST(a_flood_makes_few_rows)
{
	for (int minute = 1; minute <= 3; minute++)
		for (int i = 0; i < 5000; i++) {
			char key[16];

			(void)snprintf(key, sizeof(key), "K%d", i);
			add(minute, i % 200, key);
		}
	size_t n = take(4);
	ck_assert_uint_eq(n, 3 * (REFUSALS_A_MINUTE + 1));
	ck_assert_int_eq(sum(n), 15000);
}
END_TEST

/* Nobody takes them out: what comes last is counted with the rest of some minute. */
START_TEST(a_full_table_goes_on_counting)
{
	for (int minute = 1; minute <= 100; minute++)
		for (int i = 0; i < 50; i++)
			add(minute, i, "");
	size_t n = take(1000);
	ck_assert_uint_le(n, REFUSALS_MAX);
	ck_assert_int_eq(sum(n), 5000);
}
END_TEST

/* What is written leaves the table; what came while it was written stays. */
START_TEST(what_was_copied_stays_until_it_is_forgotten)
{
	for (int i = 0; i < 3; i++)
		add(1, i, "K");
	size_t n = refusals_copy(r, 2, out);
	ck_assert_uint_eq(n, 3);
	ck_assert_uint_eq(refusals_copy(r, 2, out), 3);
	add(1, 1, "K");
	add(1, 7, "K");
	refusals_forget(r, out, n);
	n = take(2);
	ck_assert_uint_eq(n, 2);
	ck_assert_int_eq(sum(n), 2);
	ck_assert_uint_eq(refusals_copy(r, 1000, out), 0);
}
END_TEST

enum { THREADS = 4, EACH = 20000 };

static void *
add_often(void *arg)
{
	for (int i = 0; i < EACH; i++)
		add(1, i % 7, "K");
	return arg;
}

START_TEST(threads_count_together)
{
	pthread_t threads[THREADS];

	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, add_often, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	size_t n = take(2);
	ck_assert_uint_eq(n, 7);
	ck_assert_int_eq(sum(n), THREADS * EACH);
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("refusals");
	TCase *tc = tcase_create("refusals");

	tcase_add_checked_fixture(tc, begin, end);
	tcase_add_test(tc, the_same_is_counted_and_others_are_told_apart);
	tcase_add_test(tc, a_flood_makes_few_rows);
	tcase_add_test(tc, a_full_table_goes_on_counting);
	tcase_add_test(tc, what_was_copied_stays_until_it_is_forgotten);
	tcase_add_test(tc, threads_count_together);
	suite_add_tcase(s, tc);
	return run_suite(s);
}
