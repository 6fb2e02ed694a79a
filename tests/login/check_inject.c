/* check_inject: what a request to a registry wants; and that nothing is given out that was not
 * recorded, without memory or room, or while too many wait.
 */
#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "login/inject.h"
#include "outbound/seats.h"
#include "registry/check.h"
#include "resource/resource.h"
#include "store/store.h"

#include "support/support.h"

static struct rig rig;
static struct identity owner;
static struct context context;
static struct seats *seats;
static struct inject *inject;
static struct injection given;
static struct error problem;

static void
setup(void)
{
	static const struct check_settings settings = {.timeout_ms = 1000};

	rig_open(&rig);
	rig_exec(&rig, "UPDATE credential SET reveal = 1 WHERE public_value = 'owner'");
	owner = rig_scoped(&rig, PERSON_OWNER, PROJECT_DEFAULT);
	context = rig_context(&rig, &owner);
	(void)rig_credential(&rig, PROJECT_DEFAULT,
			     rig_registry(&rig, PROJECT_DEFAULT, "r.example.test"), "the secret");
	seats = seats_new(2, 1);
	ck_assert_ptr_nonnull(seats);
	inject = inject_new(&settings, seats);
	ck_assert_ptr_nonnull(inject);
	given = (struct injection){0};
	problem = (struct error){0};
}

static void
teardown(void)
{
	inject_free(inject);
	seats_free(seats);
	rig_close(&rig);
}

/* clang-format off */
/* repository: NULL is none, "!" is a request that is refused. */
static const struct { const char *method, *target, *type, *repository, *actions, *from; } requests[] = {
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
/* clang-format on */

START_TEST(a_request_wants_this)
{
	const struct wish wish = {.method = requests[_i].method,
				  .target = requests[_i].target,
				  .content_type = requests[_i].type};
	struct registry_request got;
	const char *why = inject_read(rig.arena, &wish, &got);

	if (requests[_i].repository != NULL && strcmp(requests[_i].repository, "!") == 0) {
		ck_assert_ptr_nonnull(why);
		return;
	}
	ck_assert_msg(why == NULL, "%s: %s", wish.target, why);
	ck_assert_pstr_eq(got.repository, requests[_i].repository);
	ck_assert_str_eq(got.actions, requests[_i].actions);
	ck_assert_pstr_eq(got.from, requests[_i].from);
	ck_assert(got.catalog == (strstr(wish.target, "_catalog") != NULL));
}
END_TEST

START_TEST(without_memory_nothing_is_read_wrong)
{
	const struct wish wish = {.method = "POST",
				  .target = "/v2/a/b/blobs/uploads/?mount=sha256:00&from=b/c"};
	struct registry_request got;

	for (unsigned n = 1;; n++) {
		arena_reset(rig.arena);
		arena_fail_at(rig.arena, n);
		const char *why = inject_read(rig.arena, &wish, &got);
		if (!arena_failed(rig.arena)) {
			ck_assert(why == NULL && n > 5);
			return;
		}
		ck_assert_ptr_nonnull(why);
	}
}
END_TEST

/* Asks for the login of a repository of that registry. */
static enum err
ask(const char *scheme, const char *target)
{
	const struct wish wish = {
		.registry = "r.example.test", .scheme = scheme, .method = "GET", .target = target};

	return inject_run(inject, &context, &wish, &given, &problem);
}

static const char *
rows(void)
{
	return rig_sql(&rig, "SELECT count(*) FROM audit_log WHERE event_type LIKE '%inject'");
}

START_TEST(a_use_is_recorded_once_an_hour_for_each_repository)
{
	/* clang-format off */
	static const struct { int64_t after_ms; const char *target, *rows; } uses[] = {
		{ 0, "/v2/app/manifests/1", "1" },
		{ 0, "/v2/app/manifests/2", "1" },
		{ 0, "/v2/other/manifests/1", "2" },
		{ INJECT_NOTED_MS, "/v2/app/manifests/1", "3" },
		{ INJECT_NOTED_MS, "/v2/app/blobs/sha256:00", "3" },
		{ 2 * INJECT_NOTED_MS, "/v2/app/manifests/1", "4" },
	};
	/* clang-format on */

	for (size_t i = 0; i < COUNT_OF(uses); i++) {
		context.now_ms = RIG_NOW + uses[i].after_ms;
		ck_assert_int_eq(ask("basic", uses[i].target), ERR_NONE);
		ck_assert_str_eq(given.authorization, "Basic Y2ktYm90OnRoZSBzZWNyZXQ=");
		ck_assert_str_eq(rows(), uses[i].rows);
	}
}
END_TEST

START_TEST(what_cannot_be_recorded_is_not_used)
{
	store_use_room(rig.store, INT64_MAX / 2);
	ck_assert_int_eq(ask("basic", "/v2/app/manifests/1"), ERR_DISK_FULL);
	store_use_room(rig.store, 0);
	ck_assert_str_eq(rows(), "0");
	ck_assert_int_eq(ask("basic", "/v2/app/manifests/1"), ERR_NONE);
}
END_TEST

START_TEST(a_key_that_is_revoked_while_it_waits_gets_nothing)
{
	rig_exec(&rig, "UPDATE credential SET state = 'inactive' WHERE public_value = 'owner'");
	ck_assert_int_ne(ask("basic", "/v2/app/manifests/1"), ERR_NONE);
	ck_assert_str_eq(rows(), "0");
}
END_TEST

/* Without memory at any place the request fails, or what it got is whole. */
START_TEST(without_memory_no_header_is_cut)
{
	struct arena *a = arena_new(RIG_ARENA);

	context.arena = a;
	for (unsigned n = 1;; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		given = (struct injection){0};
		problem = (struct error){0};
		rig.opened = (struct opened){0};
		enum err rc = ask("basic", "/v2/app/manifests/1");

		if (!arena_failed(a)) {
			ck_assert_int_eq(rc, ERR_NONE);
			ck_assert_uint_gt(n, 20);
			break;
		}
		if (rc == ERR_NONE)
			ck_assert_str_eq(given.authorization, "Basic Y2ktYm90OnRoZSBzZWNyZXQ=");
	}
	arena_free(a);
}
END_TEST

START_TEST(a_key_that_waits_already_waits_no_second_time)
{
	ck_assert(seats_take(seats, -owner.key_id));
	ck_assert_int_eq(ask(NULL, "/v2/app/manifests/1"), ERR_UNAVAILABLE);
	ck_assert_str_eq(rows(), "0");
	seats_leave(seats, -owner.key_id);
}
END_TEST

static Suite *
inject_suite(void)
{
	Suite *suite = suite_create("inject");
	TCase *tc = tcase_create("inject");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_request_wants_this, 0, COUNT_OF(requests));
	tcase_add_test(tc, without_memory_nothing_is_read_wrong);
	tcase_add_test(tc, a_use_is_recorded_once_an_hour_for_each_repository);
	tcase_add_test(tc, what_cannot_be_recorded_is_not_used);
	tcase_add_test(tc, a_key_that_is_revoked_while_it_waits_gets_nothing);
	tcase_add_test(tc, without_memory_no_header_is_cut);
	tcase_add_test(tc, a_key_that_waits_already_waits_no_second_time);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(inject_suite());
}
