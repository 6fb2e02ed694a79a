/* check_gitlab: tokens of GitLab: a second one is made, the first deleted, none ever rotated. */
#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "model/date.h"
#include "renew/source.h"

#include "support/sources.h"
#include "support/support.h"

#define TOKEN "glpat-of-the-stand-in"
#define DAY_MS (24 * 3600 * INT64_C(1000))

static struct renewal r;

ARENA_FIXTURE()

static void
begin(const char *fault, const char *more)
{
	r = sources_renewal(a, &source_table[SOURCE_GITLAB],
			    arena_printf(a, "{'endpoint':'URL(gitlab,%s)'%s}", fault, more),
			    "registry.example");
	r.source_secret = TOKEN;
}

static const char *
gitlab_has(const char *member)
{
	return sources_state(a, "gitlab", "/state", member);
}

/* How many tokens of a project are alive. */
static size_t
count(const char *owner)
{
	size_t n = 0;
	const char *found;

	for (unsigned i = 0;
	     strcmp(found = gitlab_has(arena_printf(a, "tokens.%u.owner", i)), "-") != 0; i++)
		n += strcmp(found, owner) == 0;
	return n;
}

/* Each test ends so. */
static void
nothing_was_rotated(void)
{
	ck_assert_str_eq(gitlab_has("rotated"), "0");
	ck_assert_str_eq(gitlab_has("used_dead"), "0");
	teardown();
}

/* clang-format off */
/* The configuration; the owner, what its tokens are called, the user's beginning, the days. */
static const struct { const char *more, *owner, *kind, *user; int days; } right[] = {
	{ ",'project':'12'", "projects/12", "deploy_tokens", "gitlab+deploy-token-", 30 },
	{ ",'project':'acme/app','lifetimeDays':null", "projects/acme%2Fapp", "deploy_tokens", "gitlab+deploy-token-", 30 },
	{ ",'group':'acme','kind':'deployToken','lifetimeDays':2", "groups/acme", "deploy_tokens", "gitlab+deploy-token-", 2 },
	{ ",'project':'13','kind':'accessToken','lifetimeDays':365,'scopes':['read_registry','write_registry']", "projects/13", "access_tokens", "regcred", 365 },
};
static const struct { const char *fault, *more, *secret; enum renew_result result; const char *message; int status; } wrong[] = {
	{ "right", "", TOKEN, RENEW_MISCONFIGURED, "one of the members project and group", 0 },
	{ "right", ",'project':'1','group':'2'", TOKEN, RENEW_MISCONFIGURED, "one of the members project and group", 0 },
	{ "right", ",'project':'1','kind':'rotated'", TOKEN, RENEW_MISCONFIGURED, "\"kind\"", 0 },
	{ "right", ",'project':'1','lifetimeDays':1", TOKEN, RENEW_MISCONFIGURED, "\"lifetimeDays\"", 0 },
	{ "right", ",'project':'1','lifetimeDays':401", TOKEN, RENEW_MISCONFIGURED, "\"lifetimeDays\"", 0 },
	{ "right", ",'project':'1','lifetimeDays':400", TOKEN, RENEW_MISCONFIGURED, "so long a life", 400 },
	{ "right", ",'project':'missing'", TOKEN, RENEW_MISCONFIGURED, "no such project or group", 404 },
	{ "right", ",'project':'1'", "not-the-one", RENEW_SOURCE_REFUSED, "was revoked", 401 },
	{ "right", ",'project':'1'", NULL, RENEW_MISCONFIGURED, "needs a token", 0 },
	{ "right", ",'project':'1'", TOKEN "\r\nX: y", RENEW_MISCONFIGURED, "line break", 0 },
	{ "forbidden", ",'project':'1'", TOKEN, RENEW_SOURCE_REFUSED, "the scope api", 403 },
	{ "past", ",'project':'1'", TOKEN, RENEW_BAD_ANSWER, "has expired already", 201 },
	{ "no-end", ",'project':'1'", TOKEN, RENEW_BAD_ANSWER, "when the token ends", 201 },
	{ "no-number", ",'project':'1'", TOKEN, RENEW_BAD_ANSWER, "lacks the token or its number", 201 },
	{ "no-token", ",'project':'1'", TOKEN, RENEW_BAD_ANSWER, "lacks the token or its number", 201 },
};
/* clang-format on */

START_TEST(a_token_is_made_and_deleted)
{
	char today[21];
	int64_t midnight;

	begin("right", right[_i].more);
	r.intent = "0123";
	date_format(r.now_ms, today);
	ck_assert(date_parse(arena_printf(a, "%.10sT00:00:00Z", today), 0, &midnight));
	sources_fetch(&r, SOURCE_GITLAB, RENEW_REFRESHED, "");
	ck_assert_ptr_eq(strstr(r.new_secret, "gldt-"), r.new_secret);
	ck_assert_ptr_eq(strstr(r.new_user, right[_i].user), r.new_user);
	/* The day on which it ends does not count. */
	ck_assert_int_eq(r.expires_ms, midnight + right[_i].days * DAY_MS);
	ck_assert_int_eq(r.every_ms, 0);
	ck_assert_ptr_nonnull(strstr(r.new_handle, right[_i].owner));
	ck_assert_ptr_nonnull(strstr(r.new_handle, right[_i].kind));
	ck_assert_uint_eq(count(right[_i].owner), 1);
	ck_assert_str_eq(gitlab_has("tokens.0.name"), "regcred 0123");
	ck_assert_str_eq(gitlab_has("tokens.0.scopes.0"), "read_registry");

	/* Gone, and gone already. */
	r.handle = r.new_handle;
	ck_assert_int_eq(sources[SOURCE_GITLAB].discard(&r), RENEW_REFRESHED);
	ck_assert_uint_eq(count(right[_i].owner), 0);
	ck_assert_int_eq(sources[SOURCE_GITLAB].discard(&r), RENEW_REFRESHED);
	sources_renewal_end(&r);
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
	begin(wrong[_i].fault, wrong[_i].more);
	r.source_secret = wrong[_i].secret;
	sources_fetch(&r, SOURCE_GITLAB, wrong[_i].result, wrong[_i].message);
	ck_assert_int_eq(r.http_status, wrong[_i].status);
	/* One that was made all the same can be given back. */
	r.handle = r.new_handle;
	if (r.handle != NULL)
		ck_assert_int_eq(sources[SOURCE_GITLAB].discard(&r), RENEW_REFRESHED);
}
END_TEST

START_TEST(whatever_is_answered_has_its_result)
{
	static const char *const methods[] = {"GET", "POST", "DELETE"};
	const struct sources_fault *fault = &sources_faults[_i];
	const char *more = arena_printf(a, ",'project':'2%d'", _i);

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		/* An array is what a list is, and only an object can be made longer. */
		if ((i != 1 && strcmp(fault->fault, "long") == 0) ||
		    (i == 0 && strcmp(fault->fault, "array") == 0))
			continue;
		begin("right", more); /* one to be found */
		r.intent = "0123";
		sources_fetch(&r, SOURCE_GITLAB, RENEW_REFRESHED, "");
		sources_renewal_end(&r);
		begin(arena_printf(a, "%s:%s", methods[i], fault->fault), more);
		r.intent = "0123";
		r.again = true;
		r.deadline_ms = clock_ms() + 500;
		sources_fetch(&r, SOURCE_GITLAB, fault->result, "");
		sources_renewal_end(&r);
	}
}
END_TEST

START_TEST(one_that_was_lost_is_found_and_deleted)
{
	static const char *const lost[] = {"POST:drop-after", "POST:drop-after", "POST:hang-after"};
	const char *more = arena_printf(a, ",'group':'lost','kind':'%s'",
					_i == 0 ? "deployToken" : "accessToken");

	/* Others that belong to somebody. */
	for (unsigned i = 0; i < 60; i++) {
		begin("right", more);
		r.intent = "another";
		sources_fetch(&r, SOURCE_GITLAB, RENEW_REFRESHED, "");
		sources_renewal_end(&r);
	}
	size_t before = count("groups/lost");
	for (size_t i = 0; i < COUNT_OF(lost); i++) {
		begin(lost[i], more);
		r.intent = "4567";
		r.deadline_ms = clock_ms() + 500;
		ck_assert_int_ne(sources[SOURCE_GITLAB].fetch(&r), RENEW_REFRESHED);
		ck_assert_ptr_null(r.new_handle);
		sources_renewal_end(&r);
	}
	ck_assert_uint_eq(count("groups/lost"), before + 3);
	begin("right", more);
	r.intent = "4567";
	r.again = true;
	sources_fetch(&r, SOURCE_GITLAB, RENEW_REFRESHED, "");
	ck_assert_uint_eq(count("groups/lost"), before + 1);
	sources_renewal_end(&r);

	/* Of a login that was purged meanwhile none is made. */
	begin("right", more);
	r.intent = "4567";
	r.handle = NULL;
	ck_assert_int_eq(sources[SOURCE_GITLAB].discard(&r), RENEW_REFRESHED);
	ck_assert_uint_eq(count("groups/lost"), before);
}
END_TEST

START_TEST(only_what_is_in_this_gitlab_is_deleted)
{
	static const char *const handles[] = {
		"https://gitlab.example/api/v4/projects/1/deploy_tokens/1", "7",
		"http://127.0.0.1/"};

	begin("right", ",'project':'1'");
	for (size_t i = 0; i < COUNT_OF(handles); i++) {
		r.handle = handles[i];
		ck_assert_int_eq(sources[SOURCE_GITLAB].discard(&r), RENEW_MISCONFIGURED);
		ck_assert_ptr_nonnull(strstr(r.message, "another GitLab"));
	}
	r.handle = sources_url(a, "gitlab", "right/api/v4/projects/1/deploy_tokens/999");
	ck_assert_int_eq(sources[SOURCE_GITLAB].discard(&r), RENEW_REFRESHED); /* gone already */
	r.source_secret = "not-the-one";
	ck_assert_int_eq(sources[SOURCE_GITLAB].discard(&r), RENEW_SOURCE_REFUSED);
	r.source_secret = NULL;
	ck_assert_int_eq(sources[SOURCE_GITLAB].discard(&r), RENEW_MISCONFIGURED);
}
END_TEST

static void
begin_without_memory(void)
{
	begin("right", ",'project':'memory'");
	r.intent = "89";
	r.again = true;
}

START_TEST(without_memory_it_is_asked_later)
{
	sources_fail_each(&r, SOURCE_GITLAB, begin_without_memory, 300);
	ck_assert_uint_eq(count("projects/memory"), 1);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("gitlab");
	TCase *tcase = tcase_create("gitlab");

	tcase_add_unchecked_fixture(tcase, sources_start, sources_stop);
	tcase_add_checked_fixture(tcase, setup, nothing_was_rotated);
	tcase_add_loop_test(tcase, a_token_is_made_and_deleted, 0, COUNT_OF(right));
	tcase_add_loop_test(tcase, what_is_wrong_is_told, 0, COUNT_OF(wrong));
	tcase_add_loop_test(tcase, whatever_is_answered_has_its_result, 0, SOURCES_FAULTS);
	tcase_add_loop_test(tcase, one_that_was_lost_is_found_and_deleted, 0, 2);
	tcase_add_test(tcase, only_what_is_in_this_gitlab_is_deleted);
	tcase_add_test(tcase, without_memory_it_is_asked_later);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
