/* check_tokens: the sources that trade one token for another: Google, Azure and GitHub.  The
 * stand-ins verify each signature with the openssl program. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "renew/source.h"

#include "support/resolved.h"
#include "support/sources.h"
#include "support/support.h"

ARENA_FIXTURE()

/* clang-format off */
#define GOOGLE SOURCE_GOOGLE
#define AZURE SOURCE_AZURE
#define GITHUB SOURCE_GITHUB
#define G "{'endpoint':'URL(google,"
#define APP "'appId':'12345','installationId':'67890'"
#define H "{" APP ",'endpoint':'URL(github,"
#define TENANT "'tenant':'72f988bf-86f1-41af-91ab-2d7cd011db47'"
#define CLIENT "'clientId':'11111111-2222-3333-4444-555555555555'"
#define Z "{" TENANT "," CLIENT ",'endpoint':'URL(acr,"
#define ENTRA ",'authority':'URL(entra,right)'}"
#define CLIENT_SECRET "secret/of+the~STANDIN"
/* sourceSecret: "KIND" of a key for Google and GitHub. */
static const struct { enum source_id id; const char *config, *secret, *user, *token; int life_s; } right[] = {
	{ GOOGLE, G "right)'}", "right", "oauth2accesstoken", "ya29.token-", 3599 },
	{ GOOGLE, G "right)','scope':null}", "right", "oauth2accesstoken", "ya29.token-", 3599 },
	/* Google does not mind six minutes. */
	{ GOOGLE, G "skew)'}", "right", "oauth2accesstoken", "ya29.token-", 3599 },
	{ GOOGLE, G "text-life)'}", "right", "oauth2accesstoken", "ya29.token-", 3599 },
	{ AZURE, Z "right)'" ENTRA, CLIENT_SECRET, "00000000-0000-0000-0000-000000000000", "eyJ", 3 * 3600 },
	/* The registry's clock is ahead, and so is the expiry that it tells. */
	{ AZURE, Z "ahead)'" ENTRA, CLIENT_SECRET, "00000000-0000-0000-0000-000000000000", "eyJ", 3 * 3600 },
	{ GITHUB, H "right)'}", "right", "x-access-token", "ghs_token", 3600 },
	{ GITHUB, H "right)','repositories':['app','lib']}", "right", "x-access-token", "ghs_token", 3600 },
	{ GITHUB, H "right)','repositories':[]}", "right", "x-access-token", "ghs_token", 3600 },
};

static const struct { enum source_id id; const char *config, *secret; enum renew_result result; const char *message; int status, retry_s; } wrong[] = {
	/* Keys */
	{ GOOGLE, G "right)'}", NULL,        RENEW_MISCONFIGURED,  "JSON key file", 0, 0 },
	{ GOOGLE, G "right)'}", "",          RENEW_MISCONFIGURED,  "JSON key file", 0, 0 },
	{ GOOGLE, G "right)'}", "user",      RENEW_MISCONFIGURED,  "JSON key file", 0, 0 },
	{ GOOGLE, G "right)'}", "none",      RENEW_MISCONFIGURED,  "There is no private key", 0, 0 },
	{ GOOGLE, G "right)'}", "encrypted", RENEW_MISCONFIGURED,  "is encrypted", 0, 0 },
	{ GOOGLE, G "right)'}", "ec",        RENEW_MISCONFIGURED,  "elliptic", 0, 0 },
	{ GOOGLE, G "right)'}", "short",     RENEW_MISCONFIGURED,  "shorter than 2048", 0, 0 },
	{ GOOGLE, G "right)'}", "other",     RENEW_SOURCE_REFUSED, "Google refuses the key", 400, 0 },
	{ GITHUB, H "right)'}", NULL,        RENEW_MISCONFIGURED,  "There is no private key", 0, 0 },
	{ GITHUB, H "right)'}", "none",      RENEW_MISCONFIGURED,  "There is no private key", 0, 0 },
	{ GITHUB, H "right)'}", "encrypted", RENEW_MISCONFIGURED,  "is encrypted", 0, 0 },
	{ GITHUB, H "right)'}", "ec",        RENEW_MISCONFIGURED,  "elliptic", 0, 0 },
	{ GITHUB, H "right)'}", "short",     RENEW_MISCONFIGURED,  "shorter than 2048", 0, 0 },
	{ GITHUB, H "right)'}", "other",     RENEW_SOURCE_REFUSED, "GitHub refuses the private key", 401, 0 },
	{ GITHUB, "{'appId':'1','installationId':'67890','endpoint':'URL(github,right)'}", "right", RENEW_SOURCE_REFUSED, "appId", 401, 0 },
	{ GITHUB, "{'appId':'12345','installationId':'a/../b','endpoint':'URL(github,right)'}", "right", RENEW_MISCONFIGURED, "installationId", 404, 0 },
	{ GITHUB, H "right)','repositories':['app','other']}", "right", RENEW_MISCONFIGURED, "repositories", 422, 0 },
	{ AZURE, Z "right)'" ENTRA, NULL,      RENEW_MISCONFIGURED,  "client secret is missing", 0, 0 },
	{ AZURE, Z "right)'" ENTRA, "",        RENEW_MISCONFIGURED,  "client secret is missing", 0, 0 },
	{ AZURE, Z "right)'" ENTRA, "another", RENEW_SOURCE_REFUSED, "(AADSTS7000215)", 401, 0 },
	{ AZURE, "{'tenant':'a/../b'," CLIENT ",'endpoint':'URL(acr,right)'" ENTRA, CLIENT_SECRET, RENEW_MISCONFIGURED, "(AADSTS90002)", 400, 0 },
	{ AZURE, "{" TENANT ",'clientId':'x','endpoint':'URL(acr,right)'" ENTRA, CLIENT_SECRET, RENEW_SOURCE_REFUSED, "(AADSTS700016)", 400, 0 },
	/* The clock */
	{ GOOGLE, G "behind)'}", "right",          RENEW_CLOCK_SKEW, "The source's clock says", 400, 0 },
	{ GOOGLE, G "behind-untold)'}", "right",   RENEW_CLOCK_SKEW, "", 400, 0 },
	{ GITHUB, H "skew)'}", "right",            RENEW_CLOCK_SKEW, "The source's clock says", 401, 0 },
	{ GITHUB, H "skew-untold)'}", "right",     RENEW_CLOCK_SKEW, "", 401, 0 },
	{ GITHUB, H "behind)'}", "right",          RENEW_CLOCK_SKEW, "The source's clock says", 401, 0 },
	{ GITHUB, H "behind-untold)'}", "right",   RENEW_CLOCK_SKEW, "", 401, 0 },
	/* Refusals and failures */
	{ GOOGLE, G "invalid_client)'}", "right",      RENEW_SOURCE_REFUSED, "(invalid_client)", 401, 0 },
	{ GOOGLE, G "unauthorized_client)'}", "right", RENEW_SOURCE_REFUSED, "(unauthorized_client)", 401, 0 },
	{ GOOGLE, G "access_denied)'}", "right",       RENEW_SOURCE_REFUSED, "(access_denied)", 403, 0 },
	{ GOOGLE, G "invalid_scope)'}", "right",       RENEW_MISCONFIGURED,  "(invalid_scope)", 400, 0 },
	{ GOOGLE, G "right)','scope':'x'}", "right",   RENEW_MISCONFIGURED,  "(invalid_scope)", 400, 0 },
	{ GOOGLE, G "invalid_request)'}", "right",     RENEW_BAD_ANSWER,     "(invalid_request)", 400, 0 },
	{ GOOGLE, G "internal_failure)'}", "right",    RENEW_UNREACHABLE,    "(internal_failure)", 400, 0 },
	{ GOOGLE, G "server_error)'}", "right",        RENEW_UNREACHABLE,    "(server_error)", 400, 0 },
	{ GOOGLE, G "failure-described)'}", "right",   RENEW_UNREACHABLE,    "failure of its own", 400, 0 },
	{ GITHUB, H "limit)'}", "right",               RENEW_RATE_LIMITED,   "", 403, 600 },
	{ GITHUB, H "limit-odd)'}", "right",           RENEW_RATE_LIMITED,   "", 403, 0 },
	{ GITHUB, H "limit-second)'}", "right",        RENEW_RATE_LIMITED,   "", 403, 60 },
	{ GITHUB, H "limit-bare)'}", "right",        RENEW_RATE_LIMITED,   "", 403, 0 },
	{ GITHUB, H "suspended)'}", "right",           RENEW_SOURCE_REFUSED, "suspended", 403, 0 },
	{ AZURE, Z "right)','authority':'URL(entra,7000222)'}", CLIENT_SECRET, RENEW_SOURCE_REFUSED, "has expired: make a new one in Entra, and store it as sourceSecret. (AADSTS7000222)", 401, 0 },
	{ AZURE, Z "right)','authority':'URL(entra,53003)'}", CLIENT_SECRET,   RENEW_SOURCE_REFUSED, "(AADSTS53003)", 400, 0 },
	{ AZURE, Z "right)','authority':'URL(entra,1234567)'}", CLIENT_SECRET, RENEW_SOURCE_REFUSED, "search for the number (AADSTS1234567)", 400, 0 },
	{ AZURE, Z "no-role)'" ENTRA, CLIENT_SECRET,   RENEW_SOURCE_REFUSED, "AcrPull", 401, 0 },
	{ AZURE, Z "firewall)'" ENTRA, CLIENT_SECRET,  RENEW_SOURCE_REFUSED, "firewall", 403, 0 },
	{ AZURE, Z "missing)'" ENTRA, CLIENT_SECRET,   RENEW_BAD_ANSWER,     "is it one of Azure's", 404, 0 },
	/* Answers */
	{ GOOGLE, G "no-life)'}", "right",    RENEW_BAD_ANSWER, "expires_in", 200, 0 },
	{ GOOGLE, G "null)'}", "right",       RENEW_BAD_ANSWER, "access_token", 200, 0 },
	{ GOOGLE, G "lines)'}", "right",      RENEW_BAD_ANSWER, "access_token", 200, 0 },
	{ GOOGLE, G "past)'}", "right",       RENEW_BAD_ANSWER, "expired already", 200, 0 },
	{ GOOGLE, G "zero)'}", "right",       RENEW_BAD_ANSWER, "expired already", 200, 0 },
	{ GITHUB, H "null)'}", "right",       RENEW_BAD_ANSWER, "no token", 201, 0 },
	{ GITHUB, H "no-expiry)'}", "right",  RENEW_BAD_ANSWER, "expires_at", 201, 0 },
	{ GITHUB, H "odd-expiry)'}", "right", RENEW_BAD_ANSWER, "expires_at", 201, 0 },
	{ GITHUB, H "past)'}", "right",       RENEW_BAD_ANSWER, "expired already", 201, 0 },
	{ AZURE, Z "no-exp)'" ENTRA, CLIENT_SECRET,       RENEW_BAD_ANSWER, "when it expires", 200, 0 },
	{ AZURE, Z "opaque)'" ENTRA, CLIENT_SECRET,       RENEW_BAD_ANSWER, "when it expires", 200, 0 },
	{ AZURE, Z "broken-token)'" ENTRA, CLIENT_SECRET, RENEW_BAD_ANSWER, "when it expires", 200, 0 },
	{ AZURE, Z "null)'" ENTRA, CLIENT_SECRET,         RENEW_BAD_ANSWER, "when it expires", 200, 0 },
	{ AZURE, Z "past)'" ENTRA, CLIENT_SECRET,         RENEW_BAD_ANSWER, "expired already", 200, 0 },
	{ AZURE, Z "right)','authority':'URL(entra,null)'}", CLIENT_SECRET, RENEW_BAD_ANSWER, "no access_token", 200, 0 },
	/* What cannot even be asked */
	{ GOOGLE, "{'endpoint':'x'}", "right", RENEW_MISCONFIGURED, "\"endpoint\"", 0, 0 },
	{ GITHUB, "{" APP ",'endpoint':'x'}", "right", RENEW_MISCONFIGURED, "\"endpoint\"", 0, 0 },
	{ AZURE, "{" TENANT "," CLIENT ",'endpoint':'x'}", CLIENT_SECRET, RENEW_MISCONFIGURED, "\"endpoint\"", 0, 0 },
	{ AZURE, Z "right)','authority':'x'}", CLIENT_SECRET, RENEW_MISCONFIGURED, "\"authority\"", 0, 0 },
};

/* The host that is asked first. */
static const struct { enum source_id id; const char *config, *secret, *address, *asked; } hosts[] = {
	{ GOOGLE, "{}", "right", "europe-docker.pkg.dev", "oauth2.googleapis.com" },
	{ GITHUB, "{" APP "}", "right", "ghcr.io", "api.github.com" },
	{ GITHUB, "{" APP ",'endpoint':'https://github.example/api/v3'}", "right", "containers.github.example", "github.example" },
	{ AZURE, "{" TENANT "," CLIENT "}", CLIENT_SECRET, "acme.azurecr.io", "login.microsoftonline.com" },
	{ AZURE, "{" TENANT "," CLIENT "}", CLIENT_SECRET, "acme.azurecr.cn", "login.chinacloudapi.cn" },
	{ AZURE, "{" TENANT "," CLIENT "}", CLIENT_SECRET, "https://ACME.azurecr.us/", "login.microsoftonline.us" },
	{ AZURE, "{" TENANT "," CLIENT "}", CLIENT_SECRET, "registry.example", "login.microsoftonline.com" },
	{ AZURE, "{" TENANT "," CLIENT ",'endpoint':'https://acme.azurecr.cn'}", CLIENT_SECRET, "registry.example", "login.chinacloudapi.cn" },
	/* Behind Entra it is the registry, over https. */
	{ AZURE, "{" TENANT "," CLIENT ENTRA, CLIENT_SECRET, "http://acme.azurecr.io", "acme.azurecr.io" },
};
/* clang-format on */

/* A key of that kind, as the source wants it. */
static const char *
secret_of(enum source_id id, const char *kind)
{
	if (kind == NULL || *kind == '\0' || id == AZURE)
		return kind;
	return sources_get(a, id == GOOGLE ? "google" : "github",
			   arena_printf(a, "key?kind=%s", kind));
}

static struct renewal
begin(enum source_id id, const char *config, const char *secret, const char *address)
{
	struct renewal r;

	secret = secret_of(id, secret);
	r = sources_renewal(a, &source_table[id], config, address);
	r.source_secret = secret;
	return r;
}

START_TEST(a_token_comes_with_its_life)
{
	struct renewal r = begin(right[_i].id, right[_i].config, right[_i].secret, "reg.test");
	const int64_t wanted = r.now_ms + right[_i].life_s * INT64_C(1000);
	enum renew_result result = sources[right[_i].id].fetch(&r);

	ck_assert_msg(result == RENEW_REFRESHED, "%s: %s: %s", right[_i].config,
		      renew_result_word(result), r.message);
	ck_assert_str_eq(r.new_user, right[_i].user);
	ck_assert_msg(strstr(r.new_secret, right[_i].token) == r.new_secret, "%s", r.new_secret);
	ck_assert_int_ge(r.expires_ms, wanted - 3000);
	ck_assert_int_le(r.expires_ms, wanted + 10000);
	sources_renewal_end(&r);
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
	struct renewal r = begin(wrong[_i].id, wrong[_i].config, wrong[_i].secret, "reg.test");
	enum renew_result result = sources[wrong[_i].id].fetch(&r);
	const char *told = r.message != NULL ? r.message : "";
	const int retry_s = wrong[_i].retry_s;

	ck_assert_msg(result == wrong[_i].result, "%s: %s: %s", wrong[_i].config,
		      renew_result_word(result), told);
	ck_assert_msg(strstr(told, wrong[_i].message) != NULL, "%s: %s", wrong[_i].config, told);
	ck_assert_int_eq(r.http_status, wrong[_i].status);
	ck_assert_int_ge(r.retry_after_ms, retry_s * 1000 - 3000);
	ck_assert_int_le(r.retry_after_ms, retry_s * 1000);
	sources_renewal_end(&r);
}
END_TEST

START_TEST(the_right_host_is_asked)
{
	struct renewal r =
		begin(hosts[_i].id, hosts[_i].config, hosts[_i].secret, hosts[_i].address);

	resolved[0] = '\0';
	ck_assert_str_eq(renew_result_word(sources[hosts[_i].id].fetch(&r)), "unreachable");
	ck_assert_str_eq(resolved, hosts[_i].asked);
	sources_renewal_end(&r);
}
END_TEST

/* Each allocation fails once: then nothing was found out, and it is asked again. */
START_TEST(without_memory_it_is_asked_again)
{
	static const struct {
		enum source_id id;
		const char *config, *secret;
	} rows[] = {{GOOGLE, G "right)'}", "right"},
		    {AZURE, Z "right)'" ENTRA, CLIENT_SECRET},
		    {GITHUB, H "right)','repositories':['app']}", "right"}};
	struct renewal first = begin(rows[_i].id, rows[_i].config, rows[_i].secret, "reg.test");

	bool failed = true;

	for (unsigned n = 1; failed; n += 1 + n / 16) {
		struct renewal r = first;
		enum renew_result result = sources_fetch_failing(&r, rows[_i].id, n, &failed);

		ck_assert_str_eq(renew_result_word(result), failed ? "unreachable" : "refreshed");
		if (failed)
			ck_assert_ptr_nonnull(strstr(r.message, "out of memory"));
		ck_assert(failed || n > 15);
	}
	sources_renewal_end(&first);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("tokens");
	TCase *tests = tcase_create("tokens");

	tcase_add_unchecked_fixture(tests, sources_start, sources_stop);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_token_comes_with_its_life, 0, (int)COUNT_OF(right));
	tcase_add_loop_test(tests, what_is_wrong_is_told, 0, (int)COUNT_OF(wrong));
	tcase_add_loop_test(tests, the_right_host_is_asked, 0, (int)COUNT_OF(hosts));
	tcase_add_loop_test(tests, without_memory_it_is_asked_again, 0, 3);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
