/* check_vault: secrets in Vault, read with a token or by AppRole, and found unchanged. */
#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "renew/source.h"

#include "support/sources.h"
#include "support/support.h"

#define TOKEN "hvs.stand-in"
#define SECRET_ID "secret-id-of-regcred"

static struct renewal r;

ARENA_FIXTURE()

static void
begin(const char *config, const char *secret)
{
	r = sources_renewal(a, &source_table[SOURCE_VAULT], config, "registry.example");
	r.source_secret = secret;
}

#define AT(fault) "'address':'URL(vault," fault ")'"
#define PATH "'path':'team/registry'"
#define AS_ROLE "'roleId':'role-of-regcred'"

/* clang-format off */
/* Those that are read: the configuration, the sourceSecret; user (NULL: stays), password. */
static const struct { const char *config, *secret, *user, *password; } right[] = {
	{ "{" AT("right") "," PATH "}", TOKEN, "pulls", "version 1 of Vault" },
	{ "{" AT("right") ",'path':'/team//registry/'}", TOKEN, "pulls", "version 1 of Vault" },
	{ "{" AT("right") ",'mount':'kv/own','path':'a b'}", TOKEN, "pulls", "version 1 of Vault" },
	{ "{" AT("right") "," PATH "," AS_ROLE "}", SECRET_ID, "pulls", "version 1 of Vault" },
	{ "{" AT("namespaced") "," PATH ",'namespace':'team/one'}", TOKEN, "pulls", "version 1 of Vault" },
	{ "{" AT("other-fields") "," PATH ",'userField':'login','passwordField':'pass\\u00e9'}", TOKEN, "other", "of other fields" },
	{ "{" AT("only-password") "," PATH "}", TOKEN, NULL, "version 1 of Vault" },
	/* A key file is a password too. */
	{ "{" AT("key-file") "," PATH "}", TOKEN, "pulls", "{\n\t\"type\": \"service_account\"\n}\n" },
};
/* Those that are not: also the status. */
static const struct { const char *config, *secret; enum renew_result result; const char *message; int status; } wrong[] = {
	{ "{" AT("right") "," PATH "}", "hvs.wrong", RENEW_SOURCE_REFUSED, "Vault refuses the token", 403 },
	{ "{" AT("right") "," PATH "}", NULL, RENEW_MISCONFIGURED, "needs a sourceSecret", 0 },
	{ "{" AT("right") "," PATH "}", TOKEN "\n", RENEW_MISCONFIGURED, "line break", 0 },
	{ "{" AT("namespaced") "," PATH "}", TOKEN, RENEW_SOURCE_REFUSED, "Vault refuses the token", 403 },
	{ "{" AT("right") "," PATH ",'namespace':'a\\nX: y'}", TOKEN, RENEW_MISCONFIGURED, "namespace", 0 },
	{ "{" AT("right") ",'path':'elsewhere'}", TOKEN, RENEW_BAD_ANSWER, "no secret at this mount and path", 404 },
	{ "{" AT("deleted") "," PATH "}", TOKEN, RENEW_BAD_ANSWER, "was deleted in Vault", 404 },
	{ "{" AT("destroyed") "," PATH "}", TOKEN, RENEW_BAD_ANSWER, "was destroyed in Vault", 404 },
	{ "{" AT("sealed") "," PATH "}", TOKEN, RENEW_UNREACHABLE, "is sealed", 503 },
	{ "{" AT("version-1") "," PATH "}", TOKEN, RENEW_BAD_ANSWER, "version 2", 200 },
	{ "{" AT("no-password") "," PATH "}", TOKEN, RENEW_BAD_ANSWER, "(password)", 200 },
	{ "{" AT("null") "," PATH "}", TOKEN, RENEW_BAD_ANSWER, "(password)", 200 },
	{ "{" AT("number") "," PATH "}", TOKEN, RENEW_BAD_ANSWER, "(password)", 200 },
	{ "{" AT("right") "," PATH ",'passwordField':'pw'}", TOKEN, RENEW_BAD_ANSWER, "(pw)", 200 },
	{ "{" AT("right") "," PATH ",'userField':'who'}", TOKEN, RENEW_BAD_ANSWER, "(who)", 200 },
	{ "{'address':'vault'," PATH "}", TOKEN, RENEW_MISCONFIGURED, "\"address\"", 0 },
	{ "{'address':'http://user@vault.example'," PATH "}", TOKEN, RENEW_MISCONFIGURED, "\"address\"", 0 },
	{ "{" AT("right") "," PATH "," AS_ROLE "}", "not-the-one", RENEW_SOURCE_REFUSED, "Vault refuses roleId", 400 },
	{ "{" AT("right") "," PATH ",'roleId':'wrong'}", SECRET_ID, RENEW_SOURCE_REFUSED, "Vault refuses roleId", 400 },
	{ "{" AT("bad-token") "," PATH "," AS_ROLE "}", SECRET_ID, RENEW_BAD_ANSWER, "no token", 200 },
	{ "{" AT("sealed") "," PATH "," AS_ROLE "}", SECRET_ID, RENEW_UNREACHABLE, "is sealed", 503 },
};
/* clang-format on */

START_TEST(a_secret_is_read)
{
	begin(right[_i].config, right[_i].secret);
	r.user = "present";
	sources_fetch(&r, SOURCE_VAULT, RENEW_REFRESHED, "");
	ck_assert_str_eq(r.new_secret, right[_i].password);
	ck_assert_pstr_eq(r.new_user, right[_i].user);
	ck_assert_str_eq(r.new_handle, "1");
	ck_assert_int_eq(r.expires_ms, 0);
	ck_assert_int_eq(r.every_ms, 300000);
	ck_assert(!r.unchanged);
	/* No token is left behind. */
	ck_assert_str_eq(sources_state(a, "vault", "/state", "given"), "[0]");
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
	begin(wrong[_i].config, wrong[_i].secret);
	sources_fetch(&r, SOURCE_VAULT, wrong[_i].result, wrong[_i].message);
	ck_assert_int_eq(r.http_status, wrong[_i].status);
}
END_TEST

START_TEST(whatever_is_answered_has_its_result)
{
	static const char *const methods[] = {"GET", "POST"};
	const struct sources_fault *fault = &sources_faults[_i];

	for (size_t i = 0; i < COUNT_OF(methods); i++) {
		begin(arena_printf(a, "{'address':'URL(vault,%s:%s)'," PATH "," AS_ROLE "}",
				   methods[i], fault->fault),
		      SECRET_ID);
		r.deadline_ms = clock_ms() + 500;
		sources_fetch(&r, SOURCE_VAULT, fault->result, "");
		ck_assert_int_eq(r.retry_after_ms,
				 fault->result == RENEW_RATE_LIMITED ? 120000 : 0);
		sources_renewal_end(&r);
	}
}
END_TEST

START_TEST(the_same_is_no_news)
{
	static const struct {
		const char *user, *secret;
		bool unchanged;
	} cases[] = {{"pulls", "version 1 of Vault", true},
		     {"pulls", "version 0 of Vault", false},
		     {"other", "version 1 of Vault", false},
		     {NULL, "version 1 of Vault", false},
		     {"pulls", NULL, false}};

	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		begin("{" AT("right") "," PATH "}", TOKEN);
		r.user = cases[i].user;
		r.secret = cases[i].secret;
		r.handle = "1"; /* of another path, it may be */
		sources_fetch(&r, SOURCE_VAULT, RENEW_REFRESHED, "");
		ck_assert_int_eq(r.unchanged, cases[i].unchanged);
		sources_renewal_end(&r);
	}
	begin("{" AT("only-password") "," PATH "}", TOKEN);
	sources_fetch(&r, SOURCE_VAULT, RENEW_BAD_ANSWER, "(username)");
}
END_TEST

static void
begin_without_memory(void)
{
	begin("{" AT("right") "," PATH "," AS_ROLE "}", SECRET_ID);
}

START_TEST(without_memory_it_is_asked_later)
{
	sources_fail_each(&r, SOURCE_VAULT, begin_without_memory, 300);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("vault");
	TCase *tcase = tcase_create("vault");

	tcase_add_unchecked_fixture(tcase, sources_start, sources_stop);
	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_loop_test(tcase, a_secret_is_read, 0, COUNT_OF(right));
	tcase_add_loop_test(tcase, what_is_wrong_is_told, 0, COUNT_OF(wrong));
	tcase_add_loop_test(tcase, whatever_is_answered_has_its_result, 0, SOURCES_FAULTS);
	tcase_add_test(tcase, the_same_is_no_news);
	tcase_add_test(tcase, without_memory_it_is_asked_later);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
