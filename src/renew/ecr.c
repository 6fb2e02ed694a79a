/* ecr: tokens of Amazon ECR, private and public (GetAuthorizationToken).
 *
 * A token lasts 12 hours, opens every registry that its owner may use, and cannot be revoked.
 */
#include <string.h>

#include "base/header.h"
#include "base/http.h"
#include "registry/url.h"
#include "renew/aws.h"
#include "renew/sources.h"

enum { ACCOUNT_DIGITS = 12 };

/* A registry of ECR, by its host: ACCOUNT.dkr.ecr.REGION.amazonaws.com and the like. */
struct ecr_registry {
	const char *account; /* NULL: the host is none of ECR's */
	struct aws_place place;
};

/* Where the API is for the registries with this end of their names. */
static const struct {
	const char *suffix, *api;
} suffixes[] = {
	{"amazonaws.com", "amazonaws.com"},
	{"amazonaws.com.cn", "amazonaws.com.cn"},
	{"amazonaws.eu", "amazonaws.eu"},
	{"on.aws", "amazonaws.com"}, /* with IPv6 */
	{"on.amazonwebservices.com.cn", "amazonaws.com.cn"},
	{"c2s.ic.gov", "c2s.ic.gov"},
	{"sc2s.sgov.gov", "sc2s.sgov.gov"},
	{"csp.hci.ic.gov", "csp.hci.ic.gov"},
	{"cloud.adc-e.uk", "cloud.adc-e.uk"},
};

static bool
skip_word(const char **text, const char *word)
{
	if (strncmp(*text, word, strlen(word)) != 0)
		return false;
	*text += strlen(word);
	return true;
}

/* The host in lower case. */
static struct ecr_registry
ecr_read_host(struct arena *a, const char *host)
{
	struct ecr_registry out = {0}, none = {0};
	const char *rest = host + ACCOUNT_DIGITS, *dot;

	if (strspn(host, DIGITS) != ACCOUNT_DIGITS ||
	    (!skip_word(&rest, ".dkr.ecr") && !skip_word(&rest, ".dkr-ecr")))
		return none;
	out.place.fips = skip_word(&rest, "-fips");
	dot = *rest == '.' ? strchr(rest + 1, '.') : NULL;
	if (dot == NULL)
		return none;
	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++)
		if (strcmp(dot + 1, suffixes[i].suffix) == 0)
			out.place.suffix = suffixes[i].api;
	out.place.region = arena_copy(a, rest + 1, (size_t)(dot - rest - 1));
	out.account = arena_copy(a, host, ACCOUNT_DIGITS);
	return out.place.suffix == NULL || out.place.region == NULL || out.account == NULL ||
			       !aws_is_region(out.place.region)
		       ? none
		       : out;
}

static bool
has_public_host(const char *host)
{
	return strcmp(host, "public.ecr.aws") == 0 || strcmp(host, "ecr-public.aws.com") == 0;
}

/* The place that the settings name, compared with the registry's own. */
static enum renew_result
ecr_find_place(struct renewal *r, const char *fallback, struct aws_place *place)
{
	const char *region = source_text(r->config, "region");
	const struct json *fips = json_member(r->config, "fips");

	if (region != NULL && !aws_is_region(region))
		return ask_misconfigured(r,
					 "The region in sourceConfig is not valid: it looks like "
					 "eu-central-1.");
	if (place->region != NULL && region != NULL && strcmp(place->region, region) != 0)
		return ask_misconfigured(
			r, arena_printf(r->arena,
					"The registry is in the region %s, but sourceConfig says "
					"%s: leave the region out.",
					place->region, region));
	if (place->region == NULL) {
		place->region = region != NULL ? region : fallback;
		if (place->region == NULL)
			return ask_misconfigured(
				r, "sourceConfig needs the member region, because the "
				   "registry's address does not tell it.");
		place->suffix = aws_suffix_of(place->region);
	}
	place->fips = place->fips || (fips != NULL && fips->type == JSON_TRUE);
	if (place->fips && source_text(r->config, "endpoint") != NULL)
		return ask_misconfigured(r, "sourceConfig may have endpoint or fips, not both: an "
					    "endpoint of your own is asked as it is.");
	return RENEW_REFRESHED;
}

/* "AWS:password" in base64, as for HTTP's Basic; the password may have colons. */
static enum renew_result
ecr_take_token(struct renewal *r, const struct ask_answer *answer, const struct json *data)
{
	const char *token = ask_secret(data, "authorizationToken"), *user, *secret;
	const char *basic = arena_printf(r->arena, "Basic %s", token != NULL ? token : "");
	double expires_s;

	if (token == NULL || basic == NULL || !http_basic_parse(r->arena, basic, &user, &secret) ||
	    *user == '\0' || *secret == '\0')
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The answer of ECR has no authorizationToken of a user and a "
			       "password.",
			       NULL);
	if (!ask_number(data, "expiresAt", &expires_s))
		return ask_end(r, RENEW_BAD_ANSWER, "The answer of ECR has no expiresAt.", NULL);
	r->new_user = user;
	r->new_secret = secret;
	return ask_expires(r, answer, expires_s * 1000);
}

/* The token of another account or region would be of no use here. */
static bool
is_for_another(struct renewal *r, const struct ecr_registry *registry, const struct json *data)
{
	const char *endpoint = ask_text(data, "proxyEndpoint");
	struct registry_url url;

	if (registry->account == NULL || endpoint == NULL)
		return false;
	if (registry_url_parse(r->arena, endpoint, &url) != NULL)
		return true;
	const struct ecr_registry other = ecr_read_host(r->arena, url.host);
	return other.account == NULL || strcmp(other.account, registry->account) != 0 ||
	       strcmp(other.place.region, registry->place.region) != 0;
}

static const char *
ecr_api_in(struct arena *a, const struct aws_place *p)
{
	/* The older FIPS endpoints have a form of their own. */
	if (p->fips && strcmp(p->suffix, "amazonaws.com") == 0)
		return arena_printf(a, "https://ecr-fips.%s.amazonaws.com", p->region);
	return arena_printf(a, "https://api.%s.%s.%s", p->fips ? "ecr-fips" : "ecr", p->region,
			    p->suffix);
}

const char *
ecr_api(struct renewal *r)
{
	struct registry_url url;

	if (registry_url_parse(r->arena, r->address, &url) != NULL)
		return NULL;
	struct aws_place place = ecr_read_host(r->arena, url.host).place;
	return ecr_find_place(r, NULL, &place) == RENEW_REFRESHED ? ecr_api_in(r->arena, &place)
								  : NULL;
}

enum renew_result
ecr_fetch(struct renewal *r)
{
	struct registry_url url;
	struct aws_keys keys;
	struct ask_answer answer;
	const char *why = registry_url_parse(r->arena, r->address, &url);

	if (why != NULL)
		return ask_misconfigured(r, why);
	if (has_public_host(url.host))
		return ask_misconfigured(r, "This is the public registry of ECR: use the source "
					    "ecrPublic.");
	struct ecr_registry registry = ecr_read_host(r->arena, url.host);
	enum renew_result result = ecr_find_place(r, NULL, &registry.place);
	if (result != RENEW_REFRESHED)
		return result;
	/* Without the account in it the answer would be for the account of the keys. */
	const struct aws_call call = {
		.url = ask_url(r, "endpoint", ecr_api_in(r->arena, &registry.place), "/"),
		.service = "ecr",
		.region = registry.place.region,
		.target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken",
		.body = registry.account == NULL
				? "{}"
				: arena_printf(r->arena, "{\"registryIds\":[\"%s\"]}",
					       registry.account),
		.wants = "authorizationData"};
	if (call.url == NULL)
		return ask_misconfigured(r, r->message);
	result = aws_find_keys(r, &registry.place, &keys);
	if (result == RENEW_REFRESHED)
		result = aws_ask(r, &keys, &call, &answer);
	if (result != RENEW_REFRESHED)
		return result;
	const struct json *list = json_member(answer.document, "authorizationData");
	const struct json *data = list->type == JSON_ARRAY ? list->child : NULL;
	if (is_for_another(r, &registry, data))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The answer of ECR is for a registry of another account or region "
			       "than this login's.",
			       NULL);
	return ecr_take_token(r, &answer, data);
}

enum renew_result
ecr_public_fetch(struct renewal *r)
{
	static const char *const region = "us-east-1"; /* whatever the client's */
	struct registry_url url;
	struct aws_place place = {0};
	struct aws_keys keys;
	struct ask_answer answer;
	const char *why = registry_url_parse(r->arena, r->address, &url);

	if (why != NULL)
		return ask_misconfigured(r, why);
	if (ecr_read_host(r->arena, url.host).account != NULL)
		return ask_misconfigured(r,
					 "This is a private registry of ECR: use the source ecr.");
	enum renew_result result = ecr_find_place(r, region, &place);
	if (result != RENEW_REFRESHED)
		return result;
	if (place.fips)
		return ask_misconfigured(r,
					 "The public registry of ECR has no FIPS endpoint: leave "
					 "fips out of sourceConfig.");
	const struct aws_call call = {
		.url = ask_url(r, "endpoint", "https://api.ecr-public.us-east-1.amazonaws.com",
			       "/"),
		.service = "ecr-public",
		.region = region,
		.target = "SpencerFrontendService.GetAuthorizationToken",
		.body = "{}",
		.wants = "authorizationData"};
	if (call.url == NULL)
		return ask_misconfigured(r, r->message);
	result = aws_find_keys(r, &place, &keys);
	if (result == RENEW_REFRESHED)
		result = aws_ask(r, &keys, &call, &answer);
	return result == RENEW_REFRESHED
		       ? ecr_take_token(r, &answer,
					json_member(answer.document, "authorizationData"))
		       : result;
}
