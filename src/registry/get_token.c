/* get_token: gets a token from the server that a challenge names. */

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/text.h"
#include "registry/claims.h"
#include "registry/inquiry.h"

enum {
	TOKEN_MAX = 16 * 1024, /* bytes of a token */
};

static const char *
url_part(struct inquiry *c, CURLU *url, CURLUPart part, unsigned flags)
{
	char *text = NULL;
	const char *copy = NULL;

	if (curl_url_get(url, part, &text, flags) == CURLUE_OK)
		copy = arena_strdup(c->arena, text);
	curl_free(text);
	return copy;
}

/* The host of a URL, with its port unless that is the one of https: "HOST", "HOST:PORT". NULL: it
 * has none that could be shown. */
static const char *
token_host_of(struct inquiry *c, const char *text)
{
	CURLU *url = curl_url();
	const char *host = NULL, *port = NULL;

	if (url != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
		host = url_part(c, url, CURLUPART_HOST, 0);
		port = url_part(c, url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
	}
	curl_url_cleanup(url);
	if (host == NULL || port == NULL) {
		c->exhausted = true; /* it was read as a URL before */
		return NULL;
	}
	if (strcmp(port, "443") != 0)
		host = arena_printf(c->arena, "%s:%s", host, port);
	for (const char *p = host; p != NULL && *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f)
			return NULL;
	return host;
}

enum check_result
token_may_send(struct inquiry *c, const char *url)
{
	const char *host = url != NULL ? token_host_of(c, url) : NULL;

	if (host == NULL)
		return inquiry_is_exhausted(c) ? CHECK_UNREACHABLE : CHECK_NOT_A_REGISTRY;
	c->token_host = host;
	if (c->known_host == NULL || strcasecmp(c->known_host, host) == 0)
		return OPEN;
	c->message = arena_printf(c->arena,
				  "The registry sends logins to %s now; they went to %s before. If "
				  "that is right, change tokenHost of the registry.",
				  host, c->known_host);
	return CHECK_OTHER_TOKEN_HOST;
}

bool
token_read_realm(struct inquiry *c, const struct challenge *challenge, struct realm *out)
{
	const char *text = challenge_param(challenge, "realm");
	CURLU *url = curl_url();
	bool right = false;

	*out = (struct realm){.challenge = challenge};
	if (url == NULL)
		c->exhausted = true;
	else if (text != NULL && curl_url_set(url, CURLUPART_URL, text, 0) == CURLUE_OK) {
		const char *scheme = url_part(c, url, CURLUPART_SCHEME, 0);
		bool login = url_part(c, url, CURLUPART_USER, 0) != NULL ||
			     url_part(c, url, CURLUPART_PASSWORD, 0) != NULL;

		(void)curl_url_set(url, CURLUPART_FRAGMENT, NULL, 0);
		out->url = url_part(c, url, CURLUPART_URL, 0);
		right = scheme != NULL && out->url != NULL && !login &&
			(strcmp(scheme, "https") == 0 ||
			 (c->plain_http && strcmp(scheme, "http") == 0));
	}
	curl_url_cleanup(url);
	return right;
}

/* Adds "service=…" and the like, with the separator before it. */
static const char *
add_pair(struct inquiry *c, const char *text, const char *first, const char *name,
	 const char *value)
{
	if (value == NULL || text == NULL)
		return text;
	const char *encoded = http_encode(c->arena, value);
	return arena_printf(c->arena, "%s%s%s=%s", text, *text == '\0' ? first : "&", name,
			    encoded != NULL ? encoded : "");
}

/* "service=…&scope=…", with the requested scopes. */
static const char *
offered(struct inquiry *c, const struct realm *realm, const char *const *scopes, const char *first)
{
	const char *text =
		add_pair(c, "", first, "service", challenge_param(realm->challenge, "service"));

	for (; scopes != NULL && *scopes != NULL; scopes++)
		text = add_pair(c, text, first, "scope", *scopes);
	return text;
}

static const char *
text_member(const struct json *object, const char *name)
{
	const struct json *node = json_member(object, name);

	return node != NULL && node->type == JSON_STRING ? node->text : NULL;
}

/* Visible ASCII: it goes into a header. */
static bool
token_is_one(const char *text)
{
	size_t len = 0;

	while (text != NULL && text[len] > ' ' && text[len] < 0x7f)
		len++;
	return len > 0 && len <= TOKEN_MAX && text[len] == '\0';
}

/* How long a token is valid: a minute, unless its server says longer. */
static int64_t
lasts_ms(const struct json *grant)
{
	enum { LEAST_S = 60, MOST_S = 3600 };
	const struct json *given = json_member(grant, "expires_in");
	long long s = given != NULL && given->type == JSON_NUMBER ? strtoll(given->text, NULL, 10)
								  : LEAST_S;

	return (s < 0 ? 0 : s > MOST_S ? MOST_S : s) * 1000;
}

static bool
is_identity(const struct given_login *login)
{
	return login != NULL && strcmp(login->user, "<token>") == 0;
}

static enum check_result
ask_for_token(struct inquiry *c, const struct realm *realm, const struct given_login *login,
	      const char *const *scopes, bool aside, struct registry_answer *out)
{
	struct question q = {.url = realm->url, .aside = aside};

	if (is_identity(login)) {
		const char *secret = http_encode(c->arena, login->secret);
		const char *rest = offered(c, realm, scopes, "&");

		q.form = arena_printf(
			c->arena, "grant_type=refresh_token&client_id=regcred&refresh_token=%s%s",
			secret != NULL ? secret : "", rest != NULL ? rest : "");
	} else {
		const char *query =
			offered(c, realm, scopes, strchr(realm->url, '?') != NULL ? "&" : "?");

		q.url = arena_printf(c->arena, "%s%s", realm->url, query != NULL ? query : "");
		q.authorization = login != NULL ? inquiry_basic(c, login) : NULL;
	}
	return inquiry_ask(c, &q, out);
}

/* A check requests no scope, like `docker login`: a login's validity does not depend on the
 * repository that the challenge happens to name. A server that gives no token without a scope is
 * asked again with the scope it offers, except after it refused the login (401).
 */
static enum check_result
ask_with_scopes(struct inquiry *c, const struct realm *realm, const struct given_login *login,
		bool aside, struct registry_answer *out)
{
	const char *scopes[2] = {challenge_param(realm->challenge, "scope")};
	enum check_result result = ask_for_token(c, realm, login, c->scopes, aside, out);

	if (result != OPEN || c->scopes != NULL || scopes[0] == NULL || out->status < 400 ||
	    out->status == 401 || out->status == 429 || out->status >= 500)
		return result;
	return ask_for_token(c, realm, login, scopes, aside, out);
}

enum check_result
token_get(struct inquiry *c, const struct realm *realm, const struct given_login *login, bool aside,
	  const char **out)
{
	struct registry_answer answer;
	enum check_result result = ask_with_scopes(c, realm, login, aside, &answer);

	if (result != OPEN)
		return result;
	/* RFC 6749, 5.2: invalid_grant is sent with status 400. */
	result = is_identity(login) && answer.status == 400 ? CHECK_INVALID_CREDENTIAL
							    : inquiry_result_of(answer.status);
	if (result != OPEN)
		return result;
	*out = text_member(answer.document, "token");
	if (!token_is_one(*out))
		*out = text_member(answer.document, "access_token");
	if (c->grant != NULL)
		c->grant->lasts_ms = lasts_ms(answer.document);
	return token_is_one(*out) ? OPEN : CHECK_INVALID_CREDENTIAL;
}

const char *
token_subject(struct inquiry *c, const char *token)
{
	const char *text = text_member(claims_read(c->arena, token), "sub");

	return text != NULL && *text != '\0' ? text : NULL;
}

enum check_result
token_ask_with(struct inquiry *c, const char *token, bool aside)
{
	struct registry_answer answer;
	enum check_result result = inquiry_ask_registry(
		c, "/v2/", arena_printf(c->arena, "Bearer %s", token), aside, &answer);

	return result == OPEN ? inquiry_result_of(answer.status) : result;
}

bool
token_is_refusal(enum check_result result)
{
	return result == CHECK_INVALID_CREDENTIAL || result == CHECK_FORBIDDEN ||
	       result == CHECK_NOT_A_REGISTRY;
}
