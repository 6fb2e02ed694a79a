/* aws: signed requests, keys, errors. */
#include "renew/aws.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/file.h"
#include "base/header.h"
#include "base/network.h"
#include "outbound/fetch.h"

enum {
	REGION_MAX = 32,
	WEB_TOKEN_MAX = 16 * 1024, /* bytes of a web identity token */
	KEY_ID_MAX = 128,
	METADATA_MS = 1000, /* a metadata service is near, or is not there */
	METADATA_TRIES = 3,
};

/* Places */

bool
aws_is_region(const char *text)
{
	size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyz" DIGITS "-");

	return len > 0 && len <= REGION_MAX && text[len] == '\0';
}

const char *
aws_suffix_of(const char *region)
{
	static const struct {
		const char *begin, *suffix;
	} partitions[] = {
		{"cn-", "amazonaws.com.cn"},	{"eusc-", "amazonaws.eu"},
		{"us-iso-", "c2s.ic.gov"},	{"us-isob-", "sc2s.sgov.gov"},
		{"us-isof-", "csp.hci.ic.gov"}, {"eu-isoe-", "cloud.adc-e.uk"},
		{"", "amazonaws.com"}, /* the others, also us-gov- */
	};
	size_t i = 0;

	while (strncmp(region, partitions[i].begin, strlen(partitions[i].begin)) != 0)
		i++;
	return partitions[i].suffix;
}

/* Errors */

// clang-format off
#define BAD_KEY  "AWS refuses the access key: it is wrong, inactive or deleted. Store its accessKeyId in sourceConfig and its secret as sourceSecret."
#define BAD_SIGN "AWS refuses the signature: the secret access key does not belong to this accessKeyId. Store the right one as sourceSecret."
#define NO_RIGHT "AWS refuses the request: a right is missing. docs/sources.md lists those that this source needs."
#define OLD_KEY  "AWS refuses the key because it has expired. Store new ones, or see that the token's file is renewed."
#define BAD_JWT  "AWS refuses the web identity: its token, or the trust of the role in who issued it, is wrong."
#define SLOWLY   "AWS asks for fewer requests; it is asked again later."
#define FAILS    "AWS has a failure of its own; it is asked again later."

static const struct { const char *code; enum renew_result result; const char *sentence; } aws_errors[] = {
	{ "UnrecognizedClientException",   RENEW_SOURCE_REFUSED, BAD_KEY },
	{ "InvalidClientTokenId",          RENEW_SOURCE_REFUSED, BAD_KEY },
	{ "MissingAuthenticationToken",    RENEW_SOURCE_REFUSED, BAD_KEY },
	{ "MissingAuthenticationTokenException", RENEW_SOURCE_REFUSED, BAD_KEY },
	{ "AuthFailure",                   RENEW_SOURCE_REFUSED, BAD_KEY },
	{ "InvalidSignatureException",     RENEW_SOURCE_REFUSED, BAD_SIGN },
	{ "SignatureDoesNotMatch",         RENEW_SOURCE_REFUSED, BAD_SIGN },
	{ "RequestExpired",                RENEW_CLOCK_SKEW,     NULL },
	{ "RequestTimeTooSkewed",          RENEW_CLOCK_SKEW,     NULL },
	{ "AccessDeniedException",         RENEW_SOURCE_REFUSED, NO_RIGHT },
	{ "AccessDenied",                  RENEW_SOURCE_REFUSED, NO_RIGHT },
	{ "ExpiredTokenException",         RENEW_SOURCE_REFUSED, OLD_KEY },
	{ "ExpiredToken",                  RENEW_SOURCE_REFUSED, OLD_KEY },
	{ "InvalidIdentityToken",          RENEW_SOURCE_REFUSED, BAD_JWT },
	{ "IDPRejectedClaim",              RENEW_SOURCE_REFUSED, BAD_JWT },
	{ "RegionDisabledException",       RENEW_MISCONFIGURED,  "This region is not switched on for the account: enable it, or name another one." },
	{ "ValidationError",               RENEW_MISCONFIGURED,  "AWS finds a value of sourceConfig wrong: look at roleArn and externalId." },
	{ "ThrottlingException",           RENEW_RATE_LIMITED,   SLOWLY },
	{ "Throttling",                    RENEW_RATE_LIMITED,   SLOWLY },
	{ "TooManyRequestsException",      RENEW_RATE_LIMITED,   SLOWLY },
	{ "RequestLimitExceeded",          RENEW_RATE_LIMITED,   SLOWLY },
	{ "ThrottledException",            RENEW_RATE_LIMITED,   SLOWLY },
	{ "RequestThrottled",              RENEW_RATE_LIMITED,   SLOWLY },
	{ "RequestThrottledException",     RENEW_RATE_LIMITED,   SLOWLY },
	{ "LimitExceededException",        RENEW_RATE_LIMITED,   SLOWLY },
	{ "BandwidthLimitExceeded",        RENEW_RATE_LIMITED,   SLOWLY },
	{ "PriorRequestNotComplete",       RENEW_RATE_LIMITED,   SLOWLY },
	{ "SlowDown",                      RENEW_RATE_LIMITED,   SLOWLY },
	{ "ServerException",               RENEW_UNREACHABLE,    FAILS },
	{ "InternalFailure",               RENEW_UNREACHABLE,    FAILS },
	{ "InternalError",                 RENEW_UNREACHABLE,    FAILS },
	{ "InternalServerException",       RENEW_UNREACHABLE,    FAILS },
	{ "ServiceUnavailable",            RENEW_UNREACHABLE,    FAILS },
	{ "ServiceUnavailableException",   RENEW_UNREACHABLE,    FAILS },
	{ "IDPCommunicationError",         RENEW_UNREACHABLE,    "AWS does not reach whoever issued the web identity; it is asked again later." },
};
// clang-format on

/* "com.amazon.coral.service#AccessDeniedException:http://…" */
static const char *
error_code(struct renewal *r, const char *text)
{
	const char *hash = text != NULL ? strchr(text, '#') : NULL;

	if (hash != NULL)
		text = hash + 1;
	return text != NULL ? arena_copy(r->arena, text, strcspn(text, ":")) : NULL;
}

/* The texts that a signature is refused with because of the clock: "Signature expired: A is now
 * earlier than B", "Signature not yet current: …". */
static bool
speaks_of_clock(const char *message)
{
	return message != NULL && (strstr(message, "Signature expired") != NULL ||
				   strstr(message, "not yet current") != NULL);
}

static enum renew_result
aws_explain(struct renewal *r, enum renew_result result, const struct ask_answer *answer)
{
	const struct json *error = json_member(answer->document, "Error");
	const char *code = error_code(r, ask_text(answer->document, "__type"));
	const char *message = ask_text(answer->document, "message");

	if (result == RENEW_REFRESHED || r->http_status < 400)
		return result;
	if (message == NULL)
		message = ask_text(answer->document, "Message");
	if (error != NULL) {
		code = ask_text(error, "Code");
		message = ask_text(error, "Message");
	}
	if (code == NULL)
		code = error_code(r, fetch_header(r->fetch, "x-amzn-errortype", 0));
	for (size_t i = 0; code != NULL && i < sizeof(aws_errors) / sizeof(*aws_errors); i++) {
		if (strcmp(code, aws_errors[i].code) != 0)
			continue;
		if (aws_errors[i].result == RENEW_CLOCK_SKEW || speaks_of_clock(message) ||
		    (answer->skew_ms != 0 && strstr(code, "Signature") != NULL))
			return ask_end_skewed(r, answer);
		return ask_end(r, aws_errors[i].result, aws_errors[i].sentence, code);
	}
	if (code != NULL && result == RENEW_BAD_ANSWER)
		return ask_end(r, result, "AWS refuses the request", code);
	return result;
}

/* Requests */

static const char *
signed_for(struct renewal *r, const char *region, const char *service)
{
	return arena_printf(r->arena, "aws:amz:%s:%s", region, service);
}

/* A header without a value would be signed and not sent (fetch.h). */
static const char *
session_header(struct renewal *r, const struct aws_keys *keys)
{
	return keys->session != NULL
		       ? arena_printf(r->arena, "X-Amz-Security-Token: %s", keys->session)
		       : NULL;
}

enum renew_result
aws_ask(struct renewal *r, const struct aws_keys *keys, const struct aws_call *call,
	struct ask_answer *out)
{
	const struct ask q = {.url = call->url,
			      .headers = {"Content-Type: application/x-amz-json-1.1",
					  arena_printf(r->arena, "X-Amz-Target: %s", call->target),
					  session_header(r, keys)},
			      .user = keys->id,
			      .password = keys->secret,
			      .sigv4 = signed_for(r, call->region, call->service),
			      .body = call->body,
			      .wants = call->wants};

	return aws_explain(r, ask(r, &q, out), out);
}

/* Keys of a role, by STS */

static const char *
sts_url(struct renewal *r, const struct aws_place *place)
{
	/* In us-gov- every STS is a FIPS endpoint. */
	const bool fips = place->fips && strcmp(place->suffix, "amazonaws.com") == 0 &&
			  strncmp(place->region, "us-gov-", strlen("us-gov-")) != 0;

	return ask_url(r, "stsEndpoint",
		       arena_printf(r->arena, "https://%s.%s.%s", fips ? "sts-fips" : "sts",
				    place->region, place->suffix),
		       "/");
}

static const struct sts_action {
	const char *name, *response, *result;
} sts_actions[] = {
	{"AssumeRoleWithWebIdentity", "AssumeRoleWithWebIdentityResponse",
	 "AssumeRoleWithWebIdentityResult"},
	{"AssumeRole", "AssumeRoleResponse", "AssumeRoleResult"},
};

static enum renew_result
read_role_keys(struct renewal *r, const struct ask_answer *answer, const struct sts_action *action,
	       struct aws_keys *out)
{
	const struct json *response = json_member(answer->document, action->response);
	const struct json *keys = json_member(json_member(response, action->result), "Credentials");

	*out = (struct aws_keys){ask_secret(keys, "AccessKeyId"),
				 ask_secret(keys, "SecretAccessKey"),
				 ask_secret(keys, "SessionToken")};
	if (out->id == NULL || out->secret == NULL || out->session == NULL)
		return ask_end(r, RENEW_BAD_ANSWER, "The answer of AWS STS has no keys.", NULL);
	return RENEW_REFRESHED;
}

/* keys NULL: with a web identity, which is not signed. */
static enum renew_result
assume_role(struct renewal *r, const struct aws_place *place, const struct aws_keys *keys,
	    const char *web_token, struct aws_keys *out)
{
	const struct sts_action *action = &sts_actions[keys != NULL];
	const char *form = arena_printf(r->arena,
					"Action=%s&Version=2011-06-15&RoleSessionName=regcred-%lld&"
					"DurationSeconds=3600",
					action->name, (long long)r->login_id);
	struct ask q = {.url = sts_url(r, place), .wants = action->response};
	struct ask_answer answer;

	form = ask_form(r->arena, form, "RoleArn", source_text(r->config, "roleArn"));
	if (keys != NULL) {
		form = ask_form(r->arena, form, "ExternalId", source_text(r->config, "externalId"));
		q.headers[0] = session_header(r, keys);
		q.user = keys->id;
		q.password = keys->secret;
		q.sigv4 = signed_for(r, place->region, "sts");
	} else
		form = ask_form(r->arena, form, "WebIdentityToken", web_token);
	q.body = form;
	if (q.url == NULL)
		return ask_misconfigured(r, r->message);
	enum renew_result result = aws_explain(r, ask(r, &q, &answer), &answer);
	if (result == RENEW_BAD_ANSWER && answer.document == NULL &&
	    answer.body[strspn(answer.body, " \r\n\t")] == '<')
		return ask_end(r, result,
			       "AWS STS answers in XML although it is asked for JSON: is "
			       "stsEndpoint right?",
			       NULL);
	if (result != RENEW_REFRESHED)
		return result;
	return read_role_keys(r, &answer, action, out);
}

/* A web identity: a token in a file, which somebody else renews */

/* The file, which may be named from the directory on; whatever is wrong with it, who asks does not
 * learn what else is there. */
static const char *
read_web_token(struct renewal *r, const char *name)
{
	static const struct file_rules rules = {.max = WEB_TOKEN_MAX};
	char path[PATH_MAX], dir[PATH_MAX], why[256];
	char *text = arena_alloc(r->arena, WEB_TOKEN_MAX + 1);
	const char *tokens = r->settings->tokens_dir;
	const char *full = *name == '/' ? name : arena_printf(r->arena, "%s/%s", tokens, name);
	size_t len = 0;

	/* Both as they really are: a link of the directory may lead to another place in it. */
	if (text == NULL || full == NULL || *tokens == '\0' || realpath(tokens, dir) == NULL ||
	    realpath(full, path) == NULL || strncmp(path, dir, strlen(dir)) != 0 ||
	    path[strlen(dir)] != '/' || file_read(path, &rules, text, NULL, why, sizeof(why)) < 0)
		return NULL;
	while (text[len] > ' ' && text[len] < 0x7f)
		len++;
	if (len == 0 || text[len + strspn(text + len, " \r\n")] != '\0')
		return NULL;
	text[len] = '\0';
	return text;
}

static enum renew_result
find_web_keys(struct renewal *r, const struct aws_place *place, const char *file,
	      struct aws_keys *out)
{
	const char *token = read_web_token(r, file);

	if (source_text(r->config, "roleArn") == NULL)
		return ask_misconfigured(
			r, "With webIdentityTokenFile, sourceConfig needs the member roleArn.");
	if (token == NULL)
		return ask_misconfigured(
			r, "webIdentityTokenFile has to name a readable file with a token, "
			   "below the directory in the setting refresh_tokens_dir.");
	return assume_role(r, place, NULL, token, out);
}

/* The keys of the machine */

#define METADATA "http://169.254.169.254/latest/"

static bool
is_visible(const char *text)
{
	size_t len = 0;

	while (text[len] > ' ' && text[len] < 0x7f)
		len++;
	return len > 0 && text[len] == '\0';
}

/* One request to the metadata service; NULL: no answer that can be used. */
static enum renew_result
ask_metadata(struct renewal *r, struct ask *q, struct ask_answer *out)
{
	enum renew_result result = RENEW_UNREACHABLE;

	q->metadata = true;
	q->timeout_ms = METADATA_MS;
	for (int i = 0; i < METADATA_TRIES && result != RENEW_REFRESHED; i++)
		result = ask(r, q, out);
	if (result == RENEW_REFRESHED)
		return result;
	return ask_end(r, result == RENEW_TIMEOUT ? RENEW_UNREACHABLE : result,
		       "This machine's metadata service gives no keys: does the machine have a "
		       "role, and may programs ask for it (IMDSv2, hop limit)?",
		       NULL);
}

static enum renew_result
take_machine_keys(struct renewal *r, const struct ask_answer *answer, struct aws_keys *out)
{
	*out = (struct aws_keys){ask_secret(answer->document, "AccessKeyId"),
				 ask_secret(answer->document, "SecretAccessKey"),
				 ask_secret(answer->document, "Token")};
	if (out->id == NULL || out->secret == NULL || out->session == NULL)
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The answer of this machine's metadata service has no keys.", NULL);
	return RENEW_REFRESHED;
}

/* In a container of ECS or EKS the environment says where keys are; NULL: it is none. */
static const char *
container_url(struct renewal *r)
{
	const char *path = getenv("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");

	return path != NULL ? arena_printf(r->arena, "http://169.254.170.2%s", path)
			    : getenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

static enum renew_result
find_container_keys(struct renewal *r, const char *url, struct aws_keys *out)
{
	const char *file = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"),
		   *token = getenv("AWS_CONTAINER_AUTHORIZATION_TOKEN");
	struct ask q = {.url = url, .wants = "SecretAccessKey"};
	struct ask_answer answer;

	if (file != NULL && (token = read_web_token(r, file)) == NULL)
		return ask_misconfigured(
			r, "The file in AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE cannot be read: the "
			   "setting refresh_tokens_dir has to name its directory.");
	if (token != NULL)
		q.headers[0] = arena_printf(r->arena, "Authorization: %s", token);
	enum renew_result result = ask_metadata(r, &q, &answer);
	if (result != RENEW_REFRESHED)
		return ask_end(r, result,
			       "The service that the container's environment names gives no keys: "
			       "does the task or pod have a role?",
			       NULL);
	return take_machine_keys(r, &answer, out);
}

/* A name of a role, as it may be part of a URL. */
static bool
is_role_name(const char *text)
{
	size_t len = strspn(text, DIGITS LETTERS "+=,.@_-");

	return len > 0 && len <= 64 && text[len] == '\0';
}

static enum renew_result
find_machine_keys(struct renewal *r, struct aws_keys *out)
{
	struct ask token = {.url = METADATA "api/token",
			    .method = "PUT",
			    .headers = {"X-aws-ec2-metadata-token-ttl-seconds: 300"},
			    .text = true};
	struct ask_answer answer;
	enum renew_result result = ask_metadata(r, &token, &answer);

	if (result != RENEW_REFRESHED)
		return result;
	if (!is_visible(answer.body))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "This machine's metadata service gives no token.", NULL);
	struct ask role = {
		.url = METADATA "meta-data/iam/security-credentials/",
		.headers = {arena_printf(r->arena, "X-aws-ec2-metadata-token: %s", answer.body)},
		.text = true};
	result = ask_metadata(r, &role, &answer);
	if (result != RENEW_REFRESHED)
		return result;
	if (!is_role_name(answer.body))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "This machine's metadata service names no role.", NULL);
	struct ask keys = {.url = arena_printf(r->arena, "%s%s", role.url, answer.body),
			   .headers = {role.headers[0]},
			   .wants = "SecretAccessKey"};
	result = ask_metadata(r, &keys, &answer);
	if (result != RENEW_REFRESHED)
		return result;
	return take_machine_keys(r, &answer, out);
}

static bool
machine_keys_are_allowed(const struct renew_settings *s)
{
	return s->metadata != NULL && strcmp(s->metadata, "aws") == 0;
}

/* It becomes part of a header. */
static bool
is_key_id(const char *text)
{
	size_t len = strspn(text, DIGITS LETTERS "_");

	return len <= KEY_ID_MAX && text[len] == '\0';
}

/* The keys of sourceConfig, or of the machine. */
static enum renew_result
find_own_keys(struct renewal *r, struct aws_keys *out)
{
	const char *id = source_text(r->config, "accessKeyId");

	if (id == NULL && machine_keys_are_allowed(r->settings)) {
		const char *url = container_url(r);

		return url != NULL ? find_container_keys(r, url, out) : find_machine_keys(r, out);
	}
	if (id == NULL)
		return ask_misconfigured(
			r, "sourceConfig needs an accessKeyId, or a webIdentityTokenFile with "
			   "roleArn; the keys of this machine are used only with the setting "
			   "refresh_metadata = aws.");
	if (!is_key_id(id))
		return ask_misconfigured(r, "The accessKeyId in sourceConfig is not valid: it has "
					    "letters and digits only, like AKIAIOSFODNN7EXAMPLE.");
	if (r->source_secret == NULL || *r->source_secret == '\0')
		return ask_misconfigured(
			r, "The secret access key is missing: store it as sourceSecret.");
	*out = (struct aws_keys){id, r->source_secret, NULL};
	return RENEW_REFRESHED;
}

/* Whether an endpoint of sourceConfig is one of AWS, or on a loopback network that the settings
 * allow. */
static bool
is_endpoint_of_aws(struct renewal *r, const char *member)
{
	static const char *const suffixes[] = {
		".amazonaws.com", ".amazonaws.com.cn", ".amazonaws.eu",	  ".api.aws",
		".c2s.ic.gov",	  ".sc2s.sgov.gov",    ".csp.hci.ic.gov", ".cloud.adc-e.uk"};
	const char *own = source_text(r->config, member);
	const char *host = own != NULL ? fetch_url_host(r->arena, own) : NULL;

	if (host == NULL)
		return own == NULL;
	host = arena_copy(r->arena, host, strcspn(host, ":"));
	if (host == NULL)
		return false;
	if (r->settings->networks != NULL && network_list_has(r->settings->networks, host))
		return true;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		size_t len = strlen(host), end = strlen(suffixes[i]);

		if (len > end && strcasecmp(host + len - end, suffixes[i]) == 0)
			return strncasecmp(own, "https://", strlen("https://")) == 0;
	}
	return false;
}

enum renew_result
aws_find_keys(struct renewal *r, const struct aws_place *place, struct aws_keys *out)
{
	const char *file = source_text(r->config, "webIdentityTokenFile");
	struct aws_keys own;

	/* Whoever may write a login must not choose where the server's own keys are sent. */
	if ((file != NULL || source_text(r->config, "accessKeyId") == NULL) &&
	    (!is_endpoint_of_aws(r, "endpoint") || !is_endpoint_of_aws(r, "stsEndpoint")))
		return ask_misconfigured(
			r, "With a web identity or the keys of this machine, endpoint and "
			   "stsEndpoint have to be https addresses of AWS: leave them out, or "
			   "give keys of your own with accessKeyId.");
	if (file != NULL)
		return find_web_keys(r, place, file, out);
	enum renew_result result = find_own_keys(r, &own);
	if (result != RENEW_REFRESHED)
		return result;
	if (source_text(r->config, "roleArn") != NULL)
		return assume_role(r, place, &own, NULL, out);
	*out = own;
	return RENEW_REFRESHED;
}
