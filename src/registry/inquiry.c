/* inquiry: sends requests to a registry, and evaluates its answers. */
#include "registry/inquiry.h"

#include <sodium.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "registry/url.h"

static const struct {
	const char *word, *sentence;
} result_texts[] = {
#define RESULT(name, word, sentence) {word, sentence},
#include "registry/result.def"
#undef RESULT
};

enum check_verdict
check_verdict_of(enum check_result result)
{
	switch (result) {
	case CHECK_VALID:
	case CHECK_ANONYMOUS_ACCESS:
		return VERDICT_GOOD;
	case CHECK_INVALID_CREDENTIAL:
	case CHECK_FORBIDDEN:
	case CHECK_REPOSITORY_REFUSED:
		return VERDICT_BAD;
	default:
		return VERDICT_DOUBTFUL;
	}
}

const char *
check_result_word(enum check_result result)
{
	return result_texts[result].word;
}

enum {
	MADE_UP_BYTES = 12, /* random bytes in made-up names */
	MADE_UP_TEXT = 2 * MADE_UP_BYTES + 1,
};

bool
inquiry_is_exhausted(struct inquiry *c)
{
	c->exhausted = c->exhausted || arena_failed(c->arena);
	return c->exhausted;
}

/* An answer */

static void
read_headers(struct inquiry *c, struct registry_answer *out)
{
	const char *value;

	for (size_t n = 0; (value = fetch_header(c->fetch, "WWW-Authenticate", n)) != NULL; n++)
		if (!challenge_parse(c->arena, value, &out->challenges))
			log_debug("a challenge of a registry is not well formed");
	for (size_t n = 0;
	     (value = fetch_header(c->fetch, "Docker-Distribution-Api-Version", n)) != NULL; n++)
		if (strstr(value, "registry/2") != NULL)
			out->is_api = c->is_registry = true;
	value = fetch_header(c->fetch, "Location", 0);
	out->location = value != NULL ? arena_strdup(c->arena, value) : NULL;
}

static void
read_document(struct inquiry *c, const struct fetch_answer *got, struct registry_answer *out)
{
	struct json *document = NULL;
	struct error e = {0};

	if (got->len == 0 || json_parse(c->arena, got->body, got->len, &document, &e) != ERR_NONE)
		return;
	out->document = document;
	/* {"errors":[{"code":"NAME_UNKNOWN",…}]} is an error that practically only registries send.
	 */
	const struct json *errors = json_member(document, "errors");
	if (errors != NULL && errors->type == JSON_ARRAY && errors->child != NULL) {
		const struct json *code = json_member(errors->child, "code");

		c->is_registry = c->is_registry || (code != NULL && code->type == JSON_STRING);
	}
}

/* Whether only a registry or its token server would answer so: it names the API, asks for a login,
 * or answers about one. */
static bool
speaks_api(const struct registry_answer *answer)
{
	static const char *const members[] = {"errors", "token", "access_token", "details"};

	for (size_t i = 0; i < sizeof(members) / sizeof(*members); i++)
		if (json_member(answer->document, members[i]) != NULL)
			return true;
	return answer->is_api || answer->challenges.count > 0;
}

static const enum check_result results[] = {
	[FETCH_OK] = OPEN,
	[FETCH_UNREACHABLE] = CHECK_UNREACHABLE,
	[FETCH_TIMEOUT] = CHECK_TIMEOUT,
	[FETCH_TLS] = CHECK_TLS_ERROR,
	[FETCH_TOO_LONG] = CHECK_NOT_A_REGISTRY,
	[FETCH_NOT_HTTP] = CHECK_NOT_A_REGISTRY,
	[FETCH_EXHAUSTED] = CHECK_UNREACHABLE,
};

enum check_result
inquiry_ask(struct inquiry *c, const struct question *q, struct registry_answer *out)
{
	const char *headers[4] = {"Accept: application/json"};
	size_t n = 1;
	const struct fetch_request request = {.url = q->url,
					      .headers = headers,
					      .body = q->form,
					      .answer_max = CHECK_ANSWER_MAX,
					      .timeout_ms = c->deadline_ms - clock_ms(),
					      .ca_file = c->settings->ca_file,
					      .proxy = c->settings->proxy,
					      .networks = c->settings->networks};
	struct fetch_answer got;

	*out = (struct registry_answer){0};
	if (q->authorization != NULL)
		headers[n++] = arena_printf(c->arena, "Authorization: %s", q->authorization);
	if (q->type != NULL)
		headers[n] = q->type;
	if (inquiry_is_exhausted(c))
		return CHECK_UNREACHABLE;
	enum fetch_rc rc = fetch_do(c->fetch, c->arena, &request, &got);
	out->status = got.status;
	if (!q->aside && got.status != 0)
		c->http_status = (int)got.status;
	c->exhausted = c->exhausted || rc == FETCH_EXHAUSTED;
	if (rc == FETCH_OK) {
		read_headers(c, out);
		read_document(c, &got, out);
	}
	if (!q->aside)
		c->coarse = fetch_went_inside(c->fetch) && !speaks_api(out);
	return inquiry_is_exhausted(c) ? CHECK_UNREACHABLE : results[rc];
}

enum check_result
inquiry_ask_registry(struct inquiry *c, const char *path, const char *authorization, bool aside,
		     struct registry_answer *out)
{
	const struct question q = {.url = arena_printf(c->arena, "%s%s", c->api, path),
				   .authorization = authorization,
				   .aside = aside};

	return inquiry_ask(c, &q, out);
}

enum check_result
inquiry_result_of(long status)
{
	if (status == 200)
		return OPEN;
	if (status == 401)
		return CHECK_INVALID_CREDENTIAL;
	if (status == 403)
		return CHECK_FORBIDDEN;
	if (status == 429)
		return CHECK_RATE_LIMITED;
	return status >= 500 ? CHECK_UNREACHABLE : CHECK_NOT_A_REGISTRY;
}

/* Made-up names, and the login */

static void
make_up(char out[MADE_UP_TEXT])
{
	unsigned char bytes[MADE_UP_BYTES];

	randombytes_buf(bytes, sizeof(bytes));
	(void)sodium_bin2hex(out, MADE_UP_TEXT, bytes, sizeof(bytes));
}

enum check_result
inquiry_prove_registry(struct inquiry *c, const char *authorization)
{
	char name[MADE_UP_TEXT];
	struct registry_answer answer;

	make_up(name);
	enum check_result result =
		inquiry_ask_registry(c, arena_printf(c->arena, "/v2/regcred/%s/tags/list", name),
				     authorization, true, &answer);
	if (result != OPEN)
		return result;
	if (answer.status == 429)
		return CHECK_RATE_LIMITED;
	return answer.status >= 400 && c->is_registry ? OPEN : CHECK_NOT_A_REGISTRY;
}

const char *
inquiry_basic(struct inquiry *c, const struct given_login *login)
{
	const char *pair = arena_printf(c->arena, "%s:%s", login->user, login->secret);
	size_t len = pair != NULL ? strlen(pair) : 0;
	size_t room = sodium_base64_ENCODED_LEN(len, sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(c->arena, room);

	if (pair == NULL || text == NULL)
		return NULL;
	(void)sodium_bin2base64(text, room, (const unsigned char *)pair, len,
				sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(c->arena, "Basic %s", text);
}

struct given_login
inquiry_made_up_login(struct inquiry *c)
{
	char user[MADE_UP_TEXT], secret[MADE_UP_TEXT];

	make_up(user);
	make_up(secret);
	return (struct given_login){arena_printf(c->arena, "regcred-%s", user),
				    arena_strdup(c->arena, secret)};
}

/* Whether the settings say that the registry uses plain HTTP. */
static bool
is_insecure(struct arena *a, const char *list, const char *key)
{
	for (; *list != '\0'; list += strspn(list, ", ")) {
		size_t len = strcspn(list, ", ");
		const char *one = arena_copy(a, list, len);
		struct registry_url url;

		if (one != NULL && registry_url_parse(a, one, &url) == NULL &&
		    strcmp(url.key, key) == 0)
			return true;
		list += len;
	}
	return false;
}

static bool
begin(struct inquiry *c, const char *address, struct registry_url *url, const char **why)
{
	*why = registry_url_parse(c->arena, address, url);
	if (*why != NULL)
		return false;
	if (!url->scheme_given && is_insecure(c->arena, c->settings->insecure, url->key))
		*why = registry_url_parse(c->arena, arena_printf(c->arena, "http://%s", url->key),
					  url);
	c->api = url->api;
	c->plain_http = url->plain_http;
	return *why == NULL;
}

bool
inquiry_run(struct inquiry *c, const char *address, enum check_result (*task)(struct inquiry *c),
	    struct check_report *out)
{
	struct registry_url url;
	const char *why;

	*out = (struct check_report){.result = CHECK_UNREACHABLE};
	c->began_ms = clock_ms();
	c->deadline_ms = c->began_ms + c->settings->timeout_ms;
	c->fetch = fetch_new();
	if (c->fetch == NULL)
		return false;
	if (begin(c, address, &url, &why))
		out->result = task(c);
	fetch_free(c->fetch);
	out->http_status = c->http_status;
	out->ms = clock_ms() - c->began_ms;
	if (c->coarse && why == NULL && check_verdict_of(out->result) != VERDICT_GOOD) {
		log_info("%s: %s, status %d; the client is told only that it cannot be reached",
			 c->api, check_result_word(out->result), c->http_status);
		out->result = CHECK_UNREACHABLE;
		out->http_status = 0;
		out->ms = 0;
	}
	out->message = why != NULL ? why : result_texts[out->result].sentence;
	if (out->result == CHECK_OTHER_TOKEN_HOST && c->message != NULL)
		out->message = c->message;
	out->token_host = c->token_host;
	return !inquiry_is_exhausted(c);
}
