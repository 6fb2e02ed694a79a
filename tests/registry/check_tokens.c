/* check_tokens: what is kept, for how long, and who fetches. */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "outbound/seats.h"
#include "registry/tokens.h"

enum { THREADS = 16, LATER_MS = 60 * 1000 };

static struct arena *arena;
static struct tokens *tokens;
static struct seats *seats;

static void
set_up(void)
{
	arena = arena_new(1024 * 1024);
	seats = seats_new(THREADS, THREADS);
	ck_assert(arena != NULL && seats != NULL);
	tokens = tokens_new(seats);
	ck_assert_ptr_nonnull(tokens);
}

static void
tear_down(void)
{
	tokens_free(tokens);
	seats_free(seats);
	arena_free(arena);
}

static const unsigned char *
key(unsigned n)
{
	static unsigned char bytes[TOKENS_KEY_SIZE];

	memset(bytes, 0, sizeof(bytes));
	memcpy(bytes, &n, sizeof(n));
	return bytes;
}

static enum tokens_rc
take(unsigned n, int64_t now_ms, const char **out)
{
	return tokens_take(tokens, arena, key(n), 0, now_ms, now_ms, out);
}

START_TEST(a_token_is_kept_until_it_expires)
{
	const char *text = NULL;

	ck_assert_int_eq(take(1, 1000, &text), TOKENS_FETCH);
	tokens_put(tokens, key(1), 0, "one", 1000, 2000);
	ck_assert_int_eq(take(1, 1999, &text), TOKENS_FOUND);
	ck_assert_str_eq(text, "one");
	ck_assert_int_eq(take(2, 1999, &text), TOKENS_FETCH);
	ck_assert_int_eq(take(1, 2000, &text), TOKENS_FETCH);
}
END_TEST

START_TEST(a_failure_is_kept_for_a_moment)
{
	const char *text = NULL;

	ck_assert_int_eq(take(1, 1000, &text), TOKENS_FETCH);
	tokens_put(tokens, key(1), 0, NULL, 1000, 1000 + TOKENS_FAILED_MS);
	ck_assert_int_eq(take(1, 1000 + TOKENS_FAILED_MS - 1, &text), TOKENS_FAILED);
	ck_assert_int_eq(take(1, 1000 + TOKENS_FAILED_MS, &text), TOKENS_FETCH);
}
END_TEST

START_TEST(a_full_table_drops_the_next_to_expire)
{
	const char *text = NULL;

	for (unsigned i = 0; i < TOKENS_MAX; i++) {
		ck_assert_int_eq(take(i, 0, &text), TOKENS_FETCH);
		tokens_put(tokens, key(i), 0, "t", 0, 1000 + i);
	}
	ck_assert_int_eq(take(TOKENS_MAX, 0, &text), TOKENS_FETCH);
	ck_assert_int_eq(take(1, 0, &text), TOKENS_FOUND);
	ck_assert_int_eq(take(0, 0, &text), TOKENS_FETCH);
}
END_TEST

START_TEST(so_many_fetch_at_a_time)
{
	const char *text = NULL;

	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(take(i, 0, &text), TOKENS_FETCH);
	ck_assert_int_eq(take(THREADS, 0, &text), TOKENS_BUSY);
	ck_assert_int_eq(take(0, 0, &text), TOKENS_BUSY);
	tokens_put(tokens, key(0), 0, "t", 0, 1000);
	ck_assert_int_eq(take(0, 0, &text), TOKENS_FOUND);
	ck_assert_int_eq(take(THREADS, 0, &text), TOKENS_FETCH);
}
END_TEST

START_TEST(one_alone_does_not_take_all_seats)
{
	struct seats *few = seats_new(3, 2);

	ck_assert(seats_take(few, 7) && seats_take(few, 7));
	ck_assert(!seats_take(few, 7));
	ck_assert(seats_take(few, 8));
	ck_assert(!seats_take(few, 9));
	seats_leave(few, 7);
	ck_assert(seats_take(few, 9));
	ck_assert(!seats_take(few, 7));
	seats_leave(few, 9);
	ck_assert(seats_take(few, 7));
	seats_free(few);
}
END_TEST

START_TEST(who_waits_too_long_gives_up)
{
	const char *text = NULL;
	int64_t now_ms = clock_ms();

	ck_assert_int_eq(take(1, now_ms, &text), TOKENS_FETCH);
	ck_assert_int_eq(tokens_take(tokens, arena, key(1), 0, now_ms, now_ms, &text),
			 TOKENS_FAILED);
}
END_TEST

START_TEST(a_copy_needs_memory)
{
	const char *text = NULL;

	ck_assert_int_eq(take(1, 0, &text), TOKENS_FETCH);
	tokens_put(tokens, key(1), 0, "one", 0, 1000);
	arena_fail_at(arena, 1);
	ck_assert_int_eq(take(1, 0, &text), TOKENS_NO_MEMORY);
}
END_TEST

static atomic_uint fetches, found;

static void *
want(void *arg)
{
	static const unsigned char one[TOKENS_KEY_SIZE] = {1};
	struct arena *a = arena_new(64 * 1024);
	int64_t now_ms = clock_ms();
	const char *text = NULL;

	(void)arg;
	switch (tokens_take(tokens, a, one, 0, now_ms, now_ms + LATER_MS, &text)) {
	case TOKENS_FETCH:
		atomic_fetch_add(&fetches, 1);
		tokens_put(tokens, one, 0, "one", now_ms, now_ms + LATER_MS);
		break;
	case TOKENS_FOUND:
		if (strcmp(text, "one") == 0)
			atomic_fetch_add(&found, 1);
		break;
	default:
		break;
	}
	arena_free(a);
	return NULL;
}

START_TEST(of_many_threads_one_fetches)
{
	pthread_t threads[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, want, NULL), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
	ck_assert_uint_eq(atomic_load(&fetches), 1);
	ck_assert_uint_eq(atomic_load(&found), THREADS - 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tokens");
	TCase *kept = tcase_create("kept");

	tcase_add_checked_fixture(kept, set_up, tear_down);
	tcase_add_test(kept, a_token_is_kept_until_it_expires);
	tcase_add_test(kept, a_failure_is_kept_for_a_moment);
	tcase_add_test(kept, a_full_table_drops_the_next_to_expire);
	tcase_add_test(kept, so_many_fetch_at_a_time);
	tcase_add_test(kept, one_alone_does_not_take_all_seats);
	tcase_add_test(kept, who_waits_too_long_gives_up);
	tcase_add_test(kept, a_copy_needs_memory);
	tcase_add_test(kept, of_many_threads_one_fetches);
	suite_add_tcase(suite, kept);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
