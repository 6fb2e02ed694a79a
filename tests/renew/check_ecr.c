/* check_ecr: tokens of Amazon ECR from a stand-in that computes each signature anew; where the keys
 * come from; which hosts are asked; and what is made of each error. */
#include <check.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "renew/ask.h"
#include "renew/source.h"
#include "renew/sources.h"

#include "support/resolved.h"
#include "support/sources.h"
#include "support/support.h"

#define ADDRESS "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
#define ID "'accessKeyId':'AKIASTANDIN0STANDIN0'"
#define SECRET "secret/of+the-STANDIN/key0123456789abcdef"
#define ROLE_ARN "'roleArn':'arn:aws:iam::123456789012:role/pulls'"
#define AS_ROLE ID "," ROLE_ARN ",'externalId':'project:7'"
#define WEB_TOKEN "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyZWdjcmVkIn0.stand-in"

ARENA_FIXTURE()

/* In the place of the system's: the metadata service is the stand-in's. */
static struct sockaddr_in imds;
static bool imds_is_there;

int
connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t len)
{
	static int (*system_connect)(int, const struct sockaddr *, socklen_t);
	const struct sockaddr *to; /* what is declared is a union */
	struct sockaddr_in in;

	memcpy(&to, &address, sizeof(to));
	if (system_connect == NULL)
		*(void **)&system_connect = dlsym(RTLD_NEXT, "connect");
	if (to->sa_family == AF_INET) {
		memcpy(&in, to, sizeof(in));
		if (in.sin_addr.s_addr == inet_addr("169.254.169.254") ||
		    in.sin_addr.s_addr == inet_addr("169.254.170.2")) {
			ck_assert(imds_is_there);
			ck_assert_uint_eq(in.sin_port, htons(80));
			return system_connect(fd, (const struct sockaddr *)&imds, sizeof(imds));
		}
	}
	return system_connect(fd, to, len);
}

/* Every answer of the metadata service is by this fault. */
static void
use_imds(const char *fault)
{
	struct renewal r = sources_renewal(a, NULL, "{}", ADDRESS);
	const char *url = sources_url(a, "imds", fault);
	const struct ask q = {.url = arena_printf(a, "%s/", url)};
	struct ask_answer answer;

	imds_is_there = true;
	imds = (struct sockaddr_in){
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)strtoul(strrchr(url, ':') + 1, NULL, 10)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	ck_assert_int_eq(ask(&r, &q, &answer), RENEW_REFRESHED);
	sources_renewal_end(&r);
}

static struct renewal
begin(enum source_id id, const char *config, const char *secret, const char *address)
{
	struct renewal r = sources_renewal(a, &source_table[id], config, address);

	r.source_secret = secret;
	return r;
}

static void
check_result(const char *what, const struct renewal *r, enum renew_result result,
	     enum renew_result wanted, const char *message)
{
	const char *told = r->message != NULL ? r->message : "";

	ck_assert_msg(result == wanted, "%s: %s: %s", what, renew_result_word(result), told);
	ck_assert_msg(strstr(told, message) != NULL, "%s: %s", what, told);
	ck_assert_msg(strstr(told, "secret/of") == NULL, "%s: %s", what, told);
	if (result == RENEW_REFRESHED)
		ck_assert_ptr_nonnull(r->new_secret);
}

/* clang-format off */
#define PUBLIC SOURCE_ECR_PUBLIC
#define PRIVATE SOURCE_ECR
#define HALF_DAY (12 * 3600)
/* Requests that succeed: the source, its sourceConfig, the address; the password, and for how long. */
static const struct { enum source_id id; const char *config, *address, *secret; int life_s; } right[] = {
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,right)'}", ADDRESS, "token", HALF_DAY },
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,right)/'}", "https://" ADDRESS "/", "token", HALF_DAY },
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,right)','region':'eu-central-1'}", ADDRESS, "token", HALF_DAY },
	/* Another account than that of the keys. */
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,right)'}", "210987654321.dkr.ecr.eu-central-1.amazonaws.com", "token", HALF_DAY },
	/* Other names of the same registry, and names that are none of ECR's. */
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,right)'}", "123456789012.dkr-ecr.eu-central-1.on.aws", "token", HALF_DAY },
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,right)'}", "123456789012.DKR.ECR.eu-central-1.amazonaws.com:443", "token", HALF_DAY },
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,right)','region':'eu-central-1'}", "registry.example", "token", HALF_DAY },
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,right)','region':'eu-central-1'}", "localhost:4510", "token", HALF_DAY },
	/* The password is what follows the first colon. */
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,colons)'}", ADDRESS, "a:b:c", HALF_DAY },
	{ PRIVATE, "{" ID ",'endpoint':'URL(ecr,soon)'}", ADDRESS, "token", 90 },
	/* Keys of a role. */
	{ PRIVATE, "{" AS_ROLE ",'endpoint':'URL(ecr,right)','stsEndpoint':'URL(sts,right)'}", ADDRESS, "token", HALF_DAY },
	{ PUBLIC, "{" ID ",'endpoint':'URL(ecrPublic,right)'}", "public.ecr.aws", "token", HALF_DAY },
	{ PUBLIC, "{" ID ",'endpoint':'URL(ecrPublic,right)'}", "ecr-public.aws.com", "token", HALF_DAY },
	{ PUBLIC, "{" AS_ROLE ",'endpoint':'URL(ecrPublic,right)','stsEndpoint':'URL(sts,right)','region':'eu-central-1'}", "public.ecr.aws", "token", HALF_DAY },
};
/* Those that fail: the source, its sourceConfig, its sourceSecret, the address; the result, part of its sentence, and the status. */
#define E "'endpoint':'URL(ecr,"
#define P "'endpoint':'URL(ecrPublic,"
#define S E "right)','stsEndpoint':'URL(sts,"
static const struct { enum source_id id; const char *config, *secret, *address; enum renew_result result; const char *message; int status; } wrong[] = {
	/* Keys */
	{ PRIVATE, "{'accessKeyId':'AKIASOMEBODYELSE0000'," E "right)'}", SECRET, ADDRESS, RENEW_SOURCE_REFUSED, "wrong, inactive or deleted", 400 },
	{ PRIVATE, "{" ID "," E "right)'}", "another/secret", ADDRESS, RENEW_SOURCE_REFUSED, "does not belong to this accessKeyId", 403 },
	{ PRIVATE, "{" ID "," E "AccessDeniedException)'}", SECRET, ADDRESS, RENEW_SOURCE_REFUSED, "(AccessDeniedException)", 400 },
	{ PRIVATE, "{" ID "," E "ExpiredTokenException)'}", SECRET, ADDRESS, RENEW_SOURCE_REFUSED, "has expired", 400 },
	{ PRIVATE, "{" ID "," E "right)'}", NULL, ADDRESS, RENEW_MISCONFIGURED, "sourceSecret", 0 },
	{ PRIVATE, "{" ID "," E "right)'}", "", ADDRESS, RENEW_MISCONFIGURED, "sourceSecret", 0 },
	{ PRIVATE, "{'accessKeyId':'A\\r\\nX: y'," E "right)'}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "accessKeyId", 0 },
	{ PRIVATE, "{" E "right)'}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "needs an accessKeyId", 0 },
	/* The clock */
	{ PRIVATE, "{" ID "," E "skew)'}", SECRET, ADDRESS, RENEW_CLOCK_SKEW, "The source's clock says", 403 },
	{ PRIVATE, "{" ID "," E "behind)'}", SECRET, ADDRESS, RENEW_CLOCK_SKEW, "this server's", 403 },
	{ PRIVATE, "{" ID "," E "skew-untold)'}", SECRET, ADDRESS, RENEW_CLOCK_SKEW, "", 403 },
	{ PRIVATE, "{" ID "," E "behind-untold)'}", SECRET, ADDRESS, RENEW_CLOCK_SKEW, "", 403 },
	/* Load and failures */
	{ PRIVATE, "{" ID "," E "ThrottlingException)'}", SECRET, ADDRESS, RENEW_RATE_LIMITED, "(ThrottlingException)", 400 },
	{ PRIVATE, "{" ID "," E "RequestThrottledException)'}", SECRET, ADDRESS, RENEW_RATE_LIMITED, "(RequestThrottledException)", 400 },
	{ PRIVATE, "{" ID "," E "SlowDown)'}", SECRET, ADDRESS, RENEW_RATE_LIMITED, "(SlowDown)", 503 },
	{ PRIVATE, "{" ID "," E "RequestTimeTooSkewed)'}", SECRET, ADDRESS, RENEW_CLOCK_SKEW, "", 403 },
	{ PRIVATE, "{" ID "," E "MissingAuthenticationTokenException)'}", SECRET, ADDRESS, RENEW_SOURCE_REFUSED, "(MissingAuth", 400 },
	{ PRIVATE, "{" ID "," E "ServerException)'}", SECRET, ADDRESS, RENEW_UNREACHABLE, "(ServerException)", 500 },
	{ PRIVATE, "{" ID "," E "InvalidParameterException)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "AWS refuses the request (InvalidParameterException)", 400 },
	{ PRIVATE, "{" ID "," E "Strange<b>)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "(Strangeb)", 400 },
	/* Answers */
	{ PRIVATE, "{" ID "," E "past)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "has expired already", 200 },
	{ PRIVATE, "{" ID "," E "huge-expiry)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "not a date", 200 },
	{ PRIVATE, "{" ID "," E "text-expiry)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "no expiresAt", 200 },
	{ PRIVATE, "{" ID "," E "no-expiry)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "no expiresAt", 200 },
	{ PRIVATE, "{" ID "," E "no-base64)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "authorizationToken", 200 },
	{ PRIVATE, "{" ID "," E "no-colon)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "authorizationToken", 200 },
	{ PRIVATE, "{" ID "," E "no-password)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "authorizationToken", 200 },
	{ PRIVATE, "{" ID "," E "object)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "authorizationToken", 200 },
	{ PRIVATE, "{" ID "," E "none)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "authorizationToken", 200 },
	{ PRIVATE, "{" ID "," E "null)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "authorizationToken", 200 },
	{ PRIVATE, "{" ID "," E "account)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "another account or region", 200 },
	{ PRIVATE, "{" ID "," E "region)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "another account or region", 200 },
	{ PRIVATE, "{" ID "," E "elsewhere)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "another account or region", 200 },
	{ PUBLIC, "{" ID "," P "list)'}", SECRET, "public.ecr.aws", RENEW_BAD_ANSWER, "authorizationToken", 200 },
	{ PUBLIC, "{" ID "," P "null)'}", SECRET, "public.ecr.aws", RENEW_BAD_ANSWER, "authorizationToken", 200 },
	/* What cannot even be asked */
	{ PRIVATE, "{" ID "," E "right)','region':'us-east-1'}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "region eu-central-1, but sourceConfig says us-east-1", 0 },
	{ PRIVATE, "{" ID "," E "right)','region':'x.evil/'}", SECRET, "registry.example", RENEW_MISCONFIGURED, "looks like", 0 },
	{ PRIVATE, "{" ID "," E "right)'}", SECRET, "registry.example", RENEW_MISCONFIGURED, "needs the member region", 0 },
	{ PRIVATE, "{" ID "," E "right)'}", SECRET, "12345678901.dkr.ecr.eu-central-1.amazonaws.com", RENEW_MISCONFIGURED, "needs the member region", 0 },
	{ PRIVATE, "{" ID "," E "right)'}", SECRET, "123456789012.dkr.ecr.eu-central-1.amazonaws.com.evil.example", RENEW_MISCONFIGURED, "needs the member region", 0 },
	{ PRIVATE, "{" ID "," E "right)','fips':true}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "not both", 0 },
	{ PRIVATE, "{" ID "," E "right)'}", SECRET, "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", RENEW_MISCONFIGURED, "not both", 0 },
	{ PRIVATE, "{" ID ",'endpoint':'ecr'}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "\"endpoint\"", 0 },
	{ PRIVATE, "{" ID "," E "right)'}", SECRET, "public.ecr.aws", RENEW_MISCONFIGURED, "ecrPublic", 0 },
	{ PRIVATE, "{" ID "," E "right)'}", SECRET, "https://", RENEW_MISCONFIGURED, "", 0 },
	{ PUBLIC, "{" ID "," P "right)'}", SECRET, "https://", RENEW_MISCONFIGURED, "", 0 },
	{ PUBLIC, "{" ID "," P "right)'}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "use the source ecr.", 0 },
	{ PUBLIC, "{" ID ",'fips':true}", SECRET, "public.ecr.aws", RENEW_MISCONFIGURED, "no FIPS endpoint", 0 },
	{ PUBLIC, "{" ID ",'region':'?'}", SECRET, "public.ecr.aws", RENEW_MISCONFIGURED, "looks like", 0 },
	{ PUBLIC, "{" ID ",'endpoint':'x'}", SECRET, "public.ecr.aws", RENEW_MISCONFIGURED, "\"endpoint\"", 0 },
	/* STS */
	{ PRIVATE, "{" AS_ROLE "," S "xml)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "XML", 200 },
	{ PRIVATE, "{" AS_ROLE "," S "html)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "XML", 200 },
	{ PRIVATE, "{" AS_ROLE "," S "empty)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "AssumeRoleResponse", 200 },
	{ PRIVATE, "{" AS_ROLE "," S "no-session)'}", SECRET, ADDRESS, RENEW_BAD_ANSWER, "has no keys", 200 },
	{ PRIVATE, "{" AS_ROLE "," S "right)'}", "another", ADDRESS, RENEW_SOURCE_REFUSED, "does not belong", 403 },
	{ PRIVATE, "{" AS_ROLE "," S "skew)'}", SECRET, ADDRESS, RENEW_CLOCK_SKEW, "clock", 403 },
	{ PRIVATE, "{" AS_ROLE "," S "Throttling)'}", SECRET, ADDRESS, RENEW_RATE_LIMITED, "", 400 },
	{ PRIVATE, "{" AS_ROLE "," S "RegionDisabledException)'}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "switched on", 403 },
	{ PRIVATE, "{" AS_ROLE "," S "ValidationError)'}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "roleArn", 400 },
	{ PRIVATE, "{" ID "," ROLE_ARN "," S "right)'}", SECRET, ADDRESS, RENEW_SOURCE_REFUSED, "a right is missing", 403 },
	{ PRIVATE, "{'accessKeyId':'AKIASOMEBODYELSE0000'," ROLE_ARN "," S "right)'}", SECRET, ADDRESS, RENEW_SOURCE_REFUSED, "(InvalidClientTokenId)", 403 },
	{ PRIVATE, "{" AS_ROLE "," E "right)','stsEndpoint':'x'}", SECRET, ADDRESS, RENEW_MISCONFIGURED, "\"stsEndpoint\"", 0 },
};
/* clang-format on */

START_TEST(a_token_comes_with_its_life)
{
	struct renewal r = begin(right[_i].id, right[_i].config, SECRET, right[_i].address);
	const int64_t wanted = r.now_ms + right[_i].life_s * INT64_C(1000);

	check_result(right[_i].config, &r, sources[right[_i].id].fetch(&r), RENEW_REFRESHED, "");
	ck_assert_str_eq(r.new_user, "AWS");
	ck_assert_msg(strstr(r.new_secret, right[_i].secret) == r.new_secret, "%s", r.new_secret);
	ck_assert_int_ge(r.expires_ms, wanted - 2000);
	ck_assert_int_le(r.expires_ms, wanted + 10000);
	ck_assert_int_eq(r.http_status, 200);
	sources_renewal_end(&r);
}
END_TEST

START_TEST(what_is_wrong_is_told)
{
	struct renewal r =
		begin(wrong[_i].id, wrong[_i].config, wrong[_i].secret, wrong[_i].address);

	check_result(wrong[_i].config, &r, sources[wrong[_i].id].fetch(&r), wrong[_i].result,
		     wrong[_i].message);
	ck_assert_int_eq(r.http_status, wrong[_i].status);
	sources_renewal_end(&r);
}
END_TEST

/* Hosts */

/* clang-format off */
/* The host that is asked for a registry, and with roleArn the one of STS: neither exists here, so the name is seen where it is resolved. */
static const struct { enum source_id id; const char *address, *config, *asked; } hosts[] = {
	{ PRIVATE, ADDRESS, "", "api.ecr.eu-central-1.amazonaws.com" },
	{ PRIVATE, "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "", "api.ecr.cn-north-1.amazonaws.com.cn" },
	{ PRIVATE, "123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", "", "api.ecr.eusc-de-east-1.amazonaws.eu" },
	{ PRIVATE, "123456789012.dkr-ecr.us-east-1.on.aws", "", "api.ecr.us-east-1.amazonaws.com" },
	{ PRIVATE, "123456789012.dkr-ecr.cn-north-1.on.amazonwebservices.com.cn", "", "api.ecr.cn-north-1.amazonaws.com.cn" },
	{ PRIVATE, "123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", "", "api.ecr.us-iso-east-1.c2s.ic.gov" },
	{ PRIVATE, "123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", "", "api.ecr.us-isob-east-1.sc2s.sgov.gov" },
	{ PRIVATE, "123456789012.dkr.ecr-fips.us-east-1.amazonaws.com", "", "ecr-fips.us-east-1.amazonaws.com" },
	{ PRIVATE, "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com", ",'fips':true", "ecr-fips.us-gov-west-1.amazonaws.com" },
	{ PRIVATE, "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", ",'fips':true", "api.ecr-fips.cn-north-1.amazonaws.com.cn" },
	{ PRIVATE, "registry.example", ",'region':'cn-north-1'", "api.ecr.cn-north-1.amazonaws.com.cn" },
	{ PRIVATE, "registry.example", ",'region':'us-isob-east-1'", "api.ecr.us-isob-east-1.sc2s.sgov.gov" },
	{ PRIVATE, "registry.example", ",'region':'us-west-2'", "api.ecr.us-west-2.amazonaws.com" },
	{ PRIVATE, ADDRESS, "," ROLE_ARN, "sts.eu-central-1.amazonaws.com" },
	{ PRIVATE, ADDRESS, ",'fips':true," ROLE_ARN, "sts-fips.eu-central-1.amazonaws.com" },
	{ PRIVATE, "123456789012.dkr.ecr.us-gov-west-1.amazonaws.com", ",'fips':true," ROLE_ARN, "sts.us-gov-west-1.amazonaws.com" },
	{ PRIVATE, "123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "," ROLE_ARN, "sts.cn-north-1.amazonaws.com.cn" },
	{ PUBLIC, "public.ecr.aws", "", "api.ecr-public.us-east-1.amazonaws.com" },
	{ PUBLIC, "public.ecr.aws", ",'region':'eu-central-1'", "api.ecr-public.us-east-1.amazonaws.com" },
	{ PUBLIC, "public.ecr.aws", "," ROLE_ARN, "sts.us-east-1.amazonaws.com" },
	{ PUBLIC, "public.ecr.aws", ",'region':'eu-central-1'," ROLE_ARN, "sts.eu-central-1.amazonaws.com" },
};
/* clang-format on */

START_TEST(the_right_host_is_asked)
{
	struct renewal r = begin(hosts[_i].id, arena_printf(a, "{" ID "%s}", hosts[_i].config),
				 SECRET, hosts[_i].address);

	resolved[0] = '\0';
	check_result(hosts[_i].address, &r, sources[hosts[_i].id].fetch(&r), RENEW_UNREACHABLE, "");
	ck_assert_str_eq(resolved, hosts[_i].asked);
	if (hosts[_i].id == PRIVATE && strncmp(hosts[_i].asked, "sts", strlen("sts")) != 0)
		ck_assert_str_eq(ecr_api(&r), arena_printf(a, "https://%s", hosts[_i].asked));
	sources_renewal_end(&r);
}
END_TEST

/* A web identity */

static void
write_token(const char *name, const char *text)
{
	FILE *out = fopen(rig_path(name), "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fclose(out), 0);
}

/* clang-format off */
#define FILE_RULE "has to name a readable file"
/* The file in sourceConfig, the rest of it; the result, and part of its sentence. */
static const struct { const char *file, *config; enum renew_result result; const char *message; } web[] = {
	{ "token", ROLE_ARN "," S "right)'", RENEW_REFRESHED, "" },
	{ "link", ROLE_ARN "," S "right)'", RENEW_REFRESHED, "" },
	{ "wrong", ROLE_ARN "," S "right)'", RENEW_SOURCE_REFUSED, "web identity" },
	{ "token", ROLE_ARN "," S "IDPCommunicationError)'", RENEW_UNREACHABLE, "issued the web identity" },
	{ "token", ROLE_ARN "," S "IDPRejectedClaim)'", RENEW_SOURCE_REFUSED, "web identity" },
	{ "token", ROLE_ARN "," S "ExpiredTokenException)'", RENEW_SOURCE_REFUSED, "expired" },
	{ "token", ROLE_ARN "," S "xml)'", RENEW_BAD_ANSWER, "XML" },
	{ "token", S "right)'", RENEW_MISCONFIGURED, "needs the member roleArn" },
	{ "missing", ROLE_ARN "," S "right)'", RENEW_MISCONFIGURED, FILE_RULE },
	{ "empty", ROLE_ARN "," S "right)'", RENEW_MISCONFIGURED, FILE_RULE },
	{ "two", ROLE_ARN "," S "right)'", RENEW_MISCONFIGURED, FILE_RULE },
	{ "out", ROLE_ARN "," S "right)'", RENEW_MISCONFIGURED, FILE_RULE },
	{ "../secret", ROLE_ARN "," S "right)'", RENEW_MISCONFIGURED, FILE_RULE },
	{ "../tokens-of-others/token", ROLE_ARN "," S "right)'", RENEW_MISCONFIGURED, FILE_RULE },
	{ "/etc/passwd", ROLE_ARN "," S "right)'", RENEW_MISCONFIGURED, FILE_RULE },
	{ ".", ROLE_ARN "," S "right)'", RENEW_MISCONFIGURED, FILE_RULE },
};
/* clang-format on */

/* Directories have to be empty. */
static void
remove_tokens(void)
{
	static const char *const names[] = {"secret",		"tokens-of-others/token",
					    "tokens-of-others", "tokens/token",
					    "tokens/wrong",	"tokens/empty",
					    "tokens/two",	"tokens/link",
					    "tokens/out",	"tokens"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		(void)remove(rig_path(names[i]));
	rig_remove();
}

START_TEST(a_web_identity_is_read_from_its_directory)
{
	struct renewal r = begin(
		PRIVATE,
		arena_printf(a, "{'webIdentityTokenFile':'%s',%s}", web[_i].file, web[_i].config),
		NULL, ADDRESS);

	(void)mkdir(rig_path("tokens"), 0700);
	(void)mkdir(rig_path("tokens-of-others"), 0700);
	write_token("secret", WEB_TOKEN);
	write_token("tokens-of-others/token", WEB_TOKEN);
	write_token("tokens/token", WEB_TOKEN "\n");
	write_token("tokens/wrong", "a.b.c");
	write_token("tokens/empty", "");
	write_token("tokens/two", "a b");
	ck_assert(symlink("token", rig_path("tokens/link")) == 0 || errno == EEXIST);
	ck_assert(symlink("../secret", rig_path("tokens/out")) == 0 || errno == EEXIST);
	sources_settings.tokens_dir = arena_strdup(a, rig_path("tokens"));
	check_result(web[_i].file, &r, sources[PRIVATE].fetch(&r), web[_i].result, web[_i].message);
	sources_renewal_end(&r);
}
END_TEST

START_TEST(without_a_directory_no_token_is_read)
{
	struct renewal r =
		begin(PRIVATE, "{'webIdentityTokenFile':'/etc/hostname'," ROLE_ARN "," S "right)'}",
		      NULL, ADDRESS);

	check_result("", &r, sources[PRIVATE].fetch(&r), RENEW_MISCONFIGURED, FILE_RULE);
	sources_renewal_end(&r);
}
END_TEST

/* The keys of the machine */

/* clang-format off */
static const struct { const char *fault, *config; enum renew_result result; const char *message; } machine[] = {
	{ "right", "{" E "right)'}", RENEW_REFRESHED, "" },
	{ "right", "{" ROLE_ARN ",'externalId':'project:7'," S "right)'}", RENEW_REFRESHED, "" },
	{ "bad-token", "{" E "right)'}", RENEW_BAD_ANSWER, "gives no token" },
	{ "bad-role", "{" E "right)'}", RENEW_BAD_ANSWER, "names no role" },
	{ "no-role", "{" E "right)'}", RENEW_BAD_ANSWER, "does the machine have a role" },
	{ "no-session", "{" E "right)'}", RENEW_BAD_ANSWER, "has no keys" },
	{ "broken", "{" E "right)'}", RENEW_UNREACHABLE, "metadata service gives no keys" },
	{ "hang-before", "{" E "right)'}", RENEW_UNREACHABLE, "metadata service gives no keys" },
};
/* clang-format on */

START_TEST(keys_of_the_machine_are_asked_for_if_that_is_allowed)
{
	use_imds(machine[_i].fault);
	struct renewal r = begin(PRIVATE, machine[_i].config, NULL, ADDRESS);
	sources_settings.metadata = "aws";
	check_result(machine[_i].fault, &r, sources[PRIVATE].fetch(&r), machine[_i].result,
		     machine[_i].message);
	sources_renewal_end(&r);
}
END_TEST

/* clang-format off */
/* The fault, or NULL for the address of ECS; the token in the environment, or that in the file below. */
static const struct { const char *fault, *token, *file; enum renew_result result; const char *message; } containers[] = {
	{ "right", "token.of-a/container", NULL, RENEW_REFRESHED, "" },
	{ "right", "wrong", "token.of-a/container\n", RENEW_REFRESHED, "" },
	{ "right", "wrong", NULL, RENEW_SOURCE_REFUSED, "does the task or pod have a role" },
	{ "right", NULL, NULL, RENEW_SOURCE_REFUSED, "does the task or pod have a role" },
	{ "right", "token.of-a/container", "", RENEW_MISCONFIGURED, "refresh_tokens_dir has to name" },
	{ "no-session", "token.of-a/container", NULL, RENEW_BAD_ANSWER, "has no keys" },
	{ "broken", "token.of-a/container", NULL, RENEW_UNREACHABLE, "does the task or pod have a role" },
	{ NULL, "token.of-a/container", NULL, RENEW_REFRESHED, "" },
};
/* clang-format on */

START_TEST(keys_of_a_container_are_where_its_environment_says)
{
	const char *fault = containers[_i].fault != NULL ? containers[_i].fault : "right";

	if (containers[_i].fault == NULL) {
		use_imds(
			"right"); /* connect() above takes the addresses of both to the stand-ins */
		(void)setenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/container/right/keys", 1);
	}
	struct renewal r = begin(PRIVATE, "{" E "right)'}", NULL, ADDRESS);
	sources_settings.metadata = "aws";
	sources_settings.tokens_dir = arena_strdup(a, rig_path("tokens"));
	(void)mkdir(rig_path("tokens"), 0700);
	write_token("tokens/token", containers[_i].file != NULL ? containers[_i].file : "");
	(void)setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI",
		     arena_printf(a, "%s/keys", sources_url(a, "container", fault)), 1);
	if (containers[_i].token != NULL)
		(void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", containers[_i].token, 1);
	if (containers[_i].file != NULL)
		(void)setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", rig_path("tokens/token"), 1);
	check_result(fault, &r, sources[PRIVATE].fetch(&r), containers[_i].result,
		     containers[_i].message);
	(void)unsetenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
	(void)unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
	(void)unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	(void)unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
	sources_renewal_end(&r);
}
END_TEST

/* connect() above fails the test if it is asked. */
START_TEST(keys_of_the_machine_are_left_alone_otherwise)
{
	struct renewal r = begin(PRIVATE, "{" E "right)'}", NULL, ADDRESS);

	imds_is_there = false;
	check_result("", &r, sources[PRIVATE].fetch(&r), RENEW_MISCONFIGURED, "refresh_metadata");
	sources_renewal_end(&r);
	r = begin(PRIVATE, "{'endpoint':'http://169.254.169.254/latest'," ID "}", SECRET, ADDRESS);
	check_result("", &r, sources[PRIVATE].fetch(&r), RENEW_UNREACHABLE, "");
	sources_renewal_end(&r);
}
END_TEST

/* clang-format off */
static const char *const elsewhere[] = {
	"https://evil.example", "https://sts.eu-central-1.amazonaws.com.evil.example", "https://amazonaws.com", "https://evilamazonaws.com",
	"http://sts.eu-central-1.amazonaws.com", "https://evil.example/.amazonaws.com", "https://203.0.113.7", "https://[2001:db8::7]",
	"http://169.254.169.254", "https://evil.example:443",
};
/* clang-format on */

/* connect() above fails the test if anybody is asked. */
START_TEST(what_the_server_holds_goes_to_aws_only)
{
	static const char *const members[] = {"stsEndpoint", "endpoint"};

	imds_is_there = false;
	(void)mkdir(rig_path("tokens"), 0700);
	write_token("tokens/token", WEB_TOKEN);
	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		for (int by_file = 0; by_file < 2; by_file++) {
			struct renewal r =
				begin(PRIVATE,
				      arena_printf(a, "{%s" ROLE_ARN ",'%s':'%s'}",
						   by_file ? "'webIdentityTokenFile':'token'," : "",
						   members[i], elsewhere[_i]),
				      NULL, ADDRESS);

			sources_settings.tokens_dir = arena_strdup(a, rig_path("tokens"));
			sources_settings.metadata = "aws";
			check_result(elsewhere[_i], &r, sources[PRIVATE].fetch(&r),
				     RENEW_MISCONFIGURED, "have to be https addresses of AWS");
			sources_renewal_end(&r);
		}
}
END_TEST

/* Each allocation fails once: there is a result, and no half a secret. */
START_TEST(without_memory_nothing_is_renewed)
{
	struct renewal first = begin(PRIVATE,
				     "{" AS_ROLE ",'endpoint':'URL(ecr,right)','stsEndpoint':"
				     "'URL(sts,right)'}",
				     SECRET, ADDRESS);

	bool failed = true;

	for (unsigned n = 1; failed; n += 1 + n / 16) {
		struct renewal r = first;

		(void)sources_fetch_failing(&r, PRIVATE, n, &failed);
		ck_assert(failed || n > 20);
	}
	sources_renewal_end(&first);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ecr");
	TCase *tests = tcase_create("ecr");

	tcase_add_unchecked_fixture(tests, sources_start, sources_stop);
	tcase_add_unchecked_fixture(tests, rig_make, remove_tokens);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, a_token_comes_with_its_life, 0, (int)COUNT_OF(right));
	tcase_add_loop_test(tests, what_is_wrong_is_told, 0, (int)COUNT_OF(wrong));
	tcase_add_loop_test(tests, the_right_host_is_asked, 0, (int)COUNT_OF(hosts));
	tcase_add_loop_test(tests, a_web_identity_is_read_from_its_directory, 0,
			    (int)COUNT_OF(web));
	tcase_add_test(tests, without_a_directory_no_token_is_read);
	tcase_add_loop_test(tests, keys_of_the_machine_are_asked_for_if_that_is_allowed, 0,
			    (int)COUNT_OF(machine));
	tcase_add_loop_test(tests, keys_of_a_container_are_where_its_environment_says, 0,
			    COUNT_OF(containers));
	tcase_add_test(tests, keys_of_the_machine_are_left_alone_otherwise);
	tcase_add_loop_test(tests, what_the_server_holds_goes_to_aws_only, 0,
			    (int)COUNT_OF(elsewhere));
	tcase_add_test(tests, without_memory_nothing_is_renewed);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
