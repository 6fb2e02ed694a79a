/* check_arena: the promises of the arena. */
#include <check.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"

enum { LIMIT = 1024 * 1024, FIRST_CHUNK = 64 * 1024 };

static struct arena *a;

static void
setup(void)
{
	a = arena_new(LIMIT);
	ck_assert_ptr_nonnull(a);
}

static void
teardown(void)
{
	arena_free(a);
}

static bool
is_zero(const char *bytes, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

static const size_t sizes[] = {0, 1, 2, 7, 8, 15, 16, 17, 100, 4095, 65535, 65536, 65537, 200000};

START_TEST(every_size_is_zeroed_aligned_and_writable)
{
	for (int i = 0; i < 3; i++) {
		char *bytes = arena_alloc(a, sizes[_i]);

		ck_assert_ptr_nonnull(bytes);
		ck_assert_uint_eq((uintptr_t)bytes % _Alignof(max_align_t), 0);
		ck_assert(is_zero(bytes, sizes[_i]));
		memset(bytes, 0xa5, sizes[_i]);
	}
	ck_assert(!arena_failed(a));
}
END_TEST

START_TEST(allocations_do_not_overlap)
{
	enum { COUNT = 500 };
	unsigned char *blocks[COUNT];

	for (size_t i = 0; i < COUNT; i++) {
		blocks[i] = arena_alloc(a, 1 + i * 7 % 900);
		ck_assert_ptr_nonnull(blocks[i]);
		memset(blocks[i], (int)(i % 251), 1 + i * 7 % 900);
	}
	for (size_t i = 0; i < COUNT; i++)
		for (size_t j = 0; j < 1 + i * 7 % 900; j++)
			ck_assert_uint_eq(blocks[i][j], i % 251);
}
END_TEST

START_TEST(a_reset_wipes_and_keeps_the_chunk)
{
	char *secret = arena_strdup(a, "correct horse battery staple"), *again;

	ck_assert_ptr_nonnull(secret);
	arena_reset(a);
	ck_assert(is_zero(secret, 29));
	again = arena_alloc(a, 29);
	ck_assert_ptr_eq(again, secret);
	ck_assert(is_zero(again, 29));
}
END_TEST

/* After a request that took several chunks the next one of its size finds all its memory in one. */
START_TEST(after_several_chunks_one_that_holds_all_is_kept)
{
	char *small = arena_alloc(a, 16), *large = arena_alloc(a, FIRST_CHUNK * 2), *again;

	ck_assert_ptr_nonnull(small);
	ck_assert_ptr_nonnull(large);
	memset(large, 'x', FIRST_CHUNK * 2);
	arena_reset(a);
	small = arena_alloc(a, 16);
	again = arena_alloc(a, FIRST_CHUNK * 2);
	ck_assert_ptr_nonnull(again);
	ck_assert_uint_eq((size_t)(again - small), 16);
	ck_assert(is_zero(again, FIRST_CHUNK * 2));
	arena_reset(a);
	ck_assert_ptr_eq(arena_alloc(a, 16), small);
}
END_TEST

/* One huge request must not make a thread keep its memory for good. */
START_TEST(a_huge_chunk_is_not_kept)
{
	char *before = arena_alloc(a, 16);

	ck_assert_ptr_nonnull(arena_alloc(a, LIMIT - 1024));
	arena_reset(a);
	ck_assert_ptr_eq(arena_alloc(a, 16), before);
}
END_TEST

START_TEST(memory_is_zero_in_every_round)
{
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < 100; i++) {
			char *bytes = arena_alloc(a, 1000);

			ck_assert_ptr_nonnull(bytes);
			ck_assert(is_zero(bytes, 1000));
			memset(bytes, 'x', 1000);
		}
		arena_reset(a);
	}
}
END_TEST

START_TEST(a_large_block_leaves_the_room_of_the_first_chunk_to_small_ones)
{
	char *before = arena_alloc(a, 16), *after;

	ck_assert_ptr_nonnull(arena_alloc(a, FIRST_CHUNK));
	after = arena_alloc(a, 16);
	ck_assert_ptr_eq(after, before + 16);
}
END_TEST

START_TEST(the_limit_holds_and_failure_is_sticky_until_a_reset)
{
	ck_assert_ptr_nonnull(arena_alloc(a, LIMIT / 2));
	ck_assert_ptr_nonnull(arena_alloc(a, LIMIT / 2));
	ck_assert(!arena_failed(a));
	ck_assert_ptr_null(arena_alloc(a, 1));
	ck_assert(arena_failed(a));
	arena_reset(a);
	ck_assert(!arena_failed(a));
	ck_assert_ptr_null(arena_alloc(a, LIMIT + 1));
	ck_assert_ptr_null(arena_alloc(a, 1));
	ck_assert_ptr_null(arena_strdup(a, "x"));
	ck_assert_ptr_null(arena_printf(a, "%d", 1));
	ck_assert(arena_failed(a));
}
END_TEST

static const struct {
	size_t count, size;
} overflows[] = {
	{SIZE_MAX, 2},	      {2, SIZE_MAX}, {SIZE_MAX / 2 + 1, 2},
	{SIZE_MAX, SIZE_MAX}, {1, SIZE_MAX}, {SIZE_MAX / 16, 16},
	{LIMIT, 2},
};

START_TEST(an_array_too_large_is_refused)
{
	ck_assert_ptr_null(arena_array(a, overflows[_i].count, overflows[_i].size));
	ck_assert(arena_failed(a));
}
END_TEST

START_TEST(a_limit_of_everything_does_not_overflow)
{
	struct arena *wide = arena_new(SIZE_MAX);

	ck_assert_ptr_nonnull(wide);
	ck_assert_ptr_nonnull(arena_alloc(wide, 3));
	ck_assert_ptr_null(arena_alloc(wide, SIZE_MAX));
	ck_assert(arena_failed(wide));
	arena_reset(wide);
	ck_assert_ptr_null(arena_copy(wide, "x", SIZE_MAX));
	ck_assert(arena_failed(wide));
	arena_free(wide);
}
END_TEST

START_TEST(copies_end_with_a_nul)
{
	const char *copy = arena_copy(a, "a\0bcd", 3);

	ck_assert_ptr_nonnull(copy);
	ck_assert_mem_eq(copy, "a\0b", 4);
	ck_assert_str_eq(arena_copy(a, NULL, 0), "");
	ck_assert_str_eq(arena_strdup(a, "text"), "text");
	ck_assert_str_eq(arena_printf(a, "%s-%d", "x", 42), "x-42");
	ck_assert_str_eq(arena_printf(a, "%s", ""), "");
}
END_TEST

START_TEST(the_nth_allocation_fails)
{
	arena_fail_at(a, 3);
	ck_assert_ptr_nonnull(arena_alloc(a, 1));
	ck_assert_ptr_nonnull(arena_strdup(a, "x"));
	ck_assert_ptr_null(arena_printf(a, "x"));
	ck_assert_ptr_null(arena_alloc(a, 1));
	arena_reset(a);
	ck_assert_ptr_nonnull(arena_alloc(a, 1));
	arena_fail_at(a, 1);
	arena_fail_at(a, 0);
	ck_assert_ptr_nonnull(arena_alloc(a, 1));
}
END_TEST

/* Whatever is allocated within what was reserved is there, however many allocations may fail. */
START_TEST(what_was_reserved_is_there)
{
	ck_assert(arena_reserve(a, 300000));
	arena_fail_at(a, 1);
	for (int i = 0; i < 3000; i++)
		ck_assert_ptr_nonnull(arena_alloc(a, 96));
	ck_assert(!arena_failed(a));
	ck_assert_ptr_null(arena_alloc(a, 300000));
	arena_reset(a);
	arena_fail_at(a, 1);
	ck_assert(!arena_reserve(a, 100));
	ck_assert(arena_failed(a));
	arena_reset(a);
	ck_assert(!arena_reserve(a, SIZE_MAX - 1));
}
END_TEST

#define COUNT_OF(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("arena");
	TCase *tc = tcase_create("arena");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, every_size_is_zeroed_aligned_and_writable, 0, COUNT_OF(sizes));
	tcase_add_test(tc, allocations_do_not_overlap);
	tcase_add_test(tc, a_reset_wipes_and_keeps_the_chunk);
	tcase_add_test(tc, after_several_chunks_one_that_holds_all_is_kept);
	tcase_add_test(tc, a_huge_chunk_is_not_kept);
	tcase_add_test(tc, memory_is_zero_in_every_round);
	tcase_add_test(tc, a_large_block_leaves_the_room_of_the_first_chunk_to_small_ones);
	tcase_add_test(tc, the_limit_holds_and_failure_is_sticky_until_a_reset);
	tcase_add_loop_test(tc, an_array_too_large_is_refused, 0, COUNT_OF(overflows));
	tcase_add_test(tc, a_limit_of_everything_does_not_overflow);
	tcase_add_test(tc, copies_end_with_a_nul);
	tcase_add_test(tc, the_nth_allocation_fails);
	tcase_add_test(tc, what_was_reserved_is_there);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
