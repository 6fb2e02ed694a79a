/* check_sources: every source against every fault that has nothing to do with which source it is:
 * the word, whether there is a sentence, and when to ask again.  A new source needs one row. */
#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "renew/source.h"

#include "support/sources.h"
#include "support/support.h"

ARENA_FIXTURE()

/* clang-format off */
/* Each request of each source: its sourceConfig with % for the fault, its sourceSecret, and the address of the registry. */
static const struct { const char *name; enum source_id id; const char *config, *secret, *address; } asked[] = {
	{ "ecr", SOURCE_ECR, "{'accessKeyId':'AKIASTANDIN0STANDIN0','endpoint':'URL(ecr,%)'}", "secret/of+the-STANDIN/key0123456789abcdef", "123456789012.dkr.ecr.eu-central-1.amazonaws.com" },
	{ "ecr: STS", SOURCE_ECR, "{'accessKeyId':'AKIASTANDIN0STANDIN0','roleArn':'arn:aws:iam::123456789012:role/pulls','externalId':'project:7','endpoint':'URL(ecr,right)','stsEndpoint':'URL(sts,%)'}", "secret/of+the-STANDIN/key0123456789abcdef", "123456789012.dkr.ecr.eu-central-1.amazonaws.com" },
	{ "ecrPublic", SOURCE_ECR_PUBLIC, "{'accessKeyId':'AKIASTANDIN0STANDIN0','endpoint':'URL(ecrPublic,%)'}", "secret/of+the-STANDIN/key0123456789abcdef", "public.ecr.aws" },
	{ "google", SOURCE_GOOGLE, "{'endpoint':'URL(google,%)'}", "KEY", "gcr.io" },
	{ "azure: Entra", SOURCE_AZURE, "{'tenant':'72f988bf-86f1-41af-91ab-2d7cd011db47','clientId':'11111111-2222-3333-4444-555555555555','endpoint':'URL(acr,right)','authority':'URL(entra,%)'}", "secret/of+the~STANDIN", "acme.azurecr.io" },
	{ "azure: exchange", SOURCE_AZURE, "{'tenant':'72f988bf-86f1-41af-91ab-2d7cd011db47','clientId':'11111111-2222-3333-4444-555555555555','endpoint':'URL(acr,%)','authority':'URL(entra,right)'}", "secret/of+the~STANDIN", "acme.azurecr.io" },
	{ "github", SOURCE_GITHUB, "{'appId':'12345','installationId':'67890','endpoint':'URL(github,%)'}", "KEY", "ghcr.io" },
};

/* The fault (sources.py, FAULTS), its result, the status, and when to ask again: 0 means by the usual pauses. */
static const struct { const char *fault; enum renew_result result; int status, retry_s; } faults[] = {
	{ "right",       RENEW_REFRESHED,    0,   0 },
	{ "html",        RENEW_BAD_ANSWER,   200, 0 },
	{ "empty",       RENEW_BAD_ANSWER,   200, 0 },
	{ "array",       RENEW_BAD_ANSWER,   200, 0 },
	{ "long",        RENEW_BAD_ANSWER,   -1,  0 }, /* the status is the usual one */
	{ "redirect",    RENEW_BAD_ANSWER,   302, 0 },
	{ "throttled",   RENEW_RATE_LIMITED, 429, 120 },
	{ "broken",      RENEW_UNREACHABLE,  503, 0 },
	{ "hang-before", RENEW_TIMEOUT,      0,   0 },
	{ "hang-after",  RENEW_TIMEOUT,      0,   0 },
	{ "drop-before", RENEW_UNREACHABLE,  0,   0 },
	{ "drop-after",  RENEW_UNREACHABLE,  0,   0 },
	{ "closed",      RENEW_UNREACHABLE,  0,   0 },
	{ "tls",         RENEW_TLS_ERROR,    0,   0 },
};
enum { HANG_MS = 500 };
/* clang-format on */

START_TEST(every_fault_of_every_source_has_its_word)
{
	const size_t source = (size_t)_i / COUNT_OF(faults), fault = (size_t)_i % COUNT_OF(faults);
	const char *what = arena_printf(a, "%s, %s", asked[source].name, faults[fault].fault);
	const char *mark = strchr(asked[source].config, '%');
	const char *config = arena_printf(a, "%.*s%s%s", (int)(mark - asked[source].config),
					  asked[source].config, faults[fault].fault, mark + 1);
	const char *secret = asked[source].secret;

	if (strcmp(secret, "KEY") == 0)
		secret = sources_get(a, asked[source].name, "key");
	struct renewal r =
		sources_renewal(a, &source_table[asked[source].id], config, asked[source].address);
	r.source_secret = secret;
	if (strstr(faults[fault].fault, "hang") != NULL)
		r.deadline_ms = clock_ms() + HANG_MS;
	const int64_t deadline_ms = r.deadline_ms;
	enum renew_result result = sources[asked[source].id].fetch(&r);
	const char *told = r.message != NULL ? r.message : renew_result_sentence(result);
	ck_assert_msg(result == faults[fault].result, "%s: %s: %s", what, renew_result_word(result),
		      told);
	ck_assert_msg(strlen(told) > 20, "%s: %s", what, told);
	ck_assert_msg(strstr(told, secret) == NULL, "%s: %s", what, told);
	if (faults[fault].status >= 0 && result != RENEW_REFRESHED)
		ck_assert_msg(r.http_status == faults[fault].status, "%s: %d", what, r.http_status);
	ck_assert_int_eq(r.retry_after_ms, faults[fault].retry_s * 1000);
	ck_assert_int_le(clock_ms(), deadline_ms + 5000);
	ck_assert_msg((result == RENEW_REFRESHED) == (r.expires_ms > r.now_ms), "%s", what);
	sources_renewal_end(&r);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sources");
	TCase *tests = tcase_create("sources");

	tcase_add_unchecked_fixture(tests, sources_start, sources_stop);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, every_fault_of_every_source_has_its_word, 0,
			    (int)(COUNT_OF(asked) * COUNT_OF(faults)));
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
