/* check_tokens: what is kept, for how long, and who fetches; and what a request to a registry
 * wants.
 */
#include <check.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "login/inject.h"
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

// clang-format off

/* repository: NULL is none, "!" is a request that is refused. */
static const struct { const char *method, *target, *type, *repository, *actions, *from; } wishes[] = {
	{ "GET", "/v2", NULL, NULL, "pull", NULL },
	{ "HEAD", "/v2/", NULL, NULL, "pull", NULL },
	{ "GET", "/v2/?x=y", NULL, NULL, "pull", NULL },
	{ "GET", "/v2/_catalog?n=100", NULL, NULL, "pull", NULL },
	{ "GET", "/v2/app/manifests/1", NULL, "app", "pull", NULL },
	{ "PUT", "/v2/a/b/c/manifests/sha256:00", "application/vnd.oci.image.manifest.v1+json", "a/b/c", "pull,push", NULL },
	{ "DELETE", "/v2/a/manifests/sha256:00", NULL, "a", "delete", NULL },
	{ "GET", "/v2/a/blobs/sha256:00", NULL, "a", "pull", NULL },
	{ "GET", "/v2/a/tags/list?n=1&last=b", NULL, "a", "pull", NULL },
	{ "GET", "/v2/a/referrers/sha256:00", NULL, "a", "pull", NULL },
	{ "POST", "/v2/a/blobs/uploads/", NULL, "a", "pull,push", NULL },
	{ "POST", "/v2/a/blobs/uploads", NULL, "a", "pull,push", NULL },
	{ "PATCH", "/v2/a/blobs/uploads/0a-_=?_state=%2F", "application/octet-stream", "a", "pull,push", NULL },
	{ "POST", "/v2/a/blobs/uploads/?mount=sha256:00&from=b/c", NULL, "a", "pull,push", "b/c" },
	{ "POST", "/v2/a/blobs/uploads/?mount=sha256:00&from=b%2Fc", NULL, "a", "pull,push", "b/c" },
	/* Words of the API as names. */
	{ "GET", "/v2/manifests/manifests/manifests", NULL, "manifests", "pull", NULL },
	{ "GET", "/v2/a/blobs/uploads/tags/list", NULL, "a/blobs/uploads", "pull", NULL },
	{ "GET", "/v2/tags/list/manifests/list", NULL, "tags/list", "pull", NULL },
	/* Refused. */
	{ "OPTIONS", "/v2/", NULL, "!", NULL, NULL }, { "get", "/v2/", NULL, "!", NULL, NULL }, { "", "/v2/", NULL, "!", NULL, NULL },
	{ "GET", "", NULL, "!", NULL, NULL }, { "GET", "/", NULL, "!", NULL, NULL }, { "GET", "v2/", NULL, "!", NULL, NULL },
	{ "GET", "//v2/", NULL, "!", NULL, NULL }, { "GET", "/v1/_catalog", NULL, "!", NULL, NULL }, { "GET", "/V2/", NULL, "!", NULL, NULL },
	{ "GET", "/v2//", NULL, "!", NULL, NULL }, { "GET", "/v2/a", NULL, "!", NULL, NULL }, { "GET", "/v2/manifests/1", NULL, "!", NULL, NULL },
	{ "GET", "/v2/a/manifests/", NULL, "!", NULL, NULL }, { "GET", "/v2/a/tags/other", NULL, "!", NULL, NULL },
	{ "GET", "/v2/a/../b/manifests/1", NULL, "!", NULL, NULL }, { "GET", "/v2/a/./manifests/1", NULL, "!", NULL, NULL },
	{ "GET", "/v2/a/manifests/..", NULL, "!", NULL, NULL }, { "GET", "/v2/a//manifests/1", NULL, "!", NULL, NULL },
	{ "GET", "/v2/%61/manifests/1", NULL, "!", NULL, NULL }, { "GET", "/v2/a/manifests/1#x", NULL, "!", NULL, NULL },
	{ "GET", "/v2/a\\b/manifests/1", NULL, "!", NULL, NULL }, { "GET", "/v2/A/manifests/1", NULL, "!", NULL, NULL },
	{ "GET", "/v2/a;b/manifests/1", NULL, "!", NULL, NULL }, { "GET", "/v2/a/manifests/1\xc3\xa4", NULL, "!", NULL, NULL },
	{ "POST", "/v2/a/blobs/uploads/?from=b&from=c", NULL, "!", NULL, NULL }, { "POST", "/v2/a/blobs/uploads/?from=B", NULL, "!", NULL, NULL },
	{ "POST", "/v2/a/blobs/uploads/?from=", NULL, "!", NULL, NULL }, { "POST", "/v2/a/blobs/uploads/?x;from=b", NULL, "!", NULL, NULL },
	{ "POST", "/v2/a/blobs/uploads/?from=%zz", NULL, "!", NULL, NULL },
	{ "POST", "/v2/a/blobs/uploads/", "application/x-www-form-urlencoded", "!", NULL, NULL },
	{ "POST", "/v2/a/blobs/uploads/", "Multipart/Form-Data; boundary=x", "!", NULL, NULL },
};
// clang-format on

START_TEST(a_request_wants_this)
{
	const struct wish wish = {.method = wishes[_i].method,
				  .target = wishes[_i].target,
				  .content_type = wishes[_i].type};
	struct registry_request got;
	const char *why = inject_read(arena, &wish, &got);

	if (wishes[_i].repository != NULL && strcmp(wishes[_i].repository, "!") == 0) {
		ck_assert_ptr_nonnull(why);
		return;
	}
	ck_assert_msg(why == NULL, "%s: %s", wish.target, why);
	ck_assert_pstr_eq(got.repository, wishes[_i].repository);
	ck_assert_str_eq(got.actions, wishes[_i].actions);
	ck_assert_pstr_eq(got.from, wishes[_i].from);
	ck_assert(got.catalog == (strstr(wish.target, "_catalog") != NULL));
}
END_TEST

START_TEST(without_memory_nothing_is_read_wrong)
{
	const struct wish wish = {.method = "POST",
				  .target = "/v2/a/b/blobs/uploads/?mount=sha256:00&from=b/c"};
	struct registry_request got;

	for (unsigned n = 1;; n++) {
		arena_reset(arena);
		arena_fail_at(arena, n);
		const char *why = inject_read(arena, &wish, &got);
		if (!arena_failed(arena)) {
			ck_assert(why == NULL && n > 5);
			return;
		}
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tokens");
	TCase *kept = tcase_create("kept"), *read = tcase_create("read");

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
	tcase_add_checked_fixture(read, set_up, tear_down);
	tcase_add_loop_test(read, a_request_wants_this, 0, sizeof(wishes) / sizeof(*wishes));
	tcase_add_test(read, without_memory_nothing_is_read_wrong);
	suite_add_tcase(suite, read);

	SRunner *runner = srunner_create(suite);
	srunner_run_all(runner, CK_ENV);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
