/* ask: asks a registry whether it takes a login. */

#include <pthread.h>
#include <sodium.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "outbound/memory.h"
#include "registry/check.h"
#include "registry/inquiry.h"
#include "registry/result.h"
#include "registry/url.h"

enum {
	MADE_UP_BYTES = 12, /* of randomness in what no registry knows */
	MADE_UP_TEXT = 2 * MADE_UP_BYTES + 1,
};

enum check_result
result_of_status(long status)
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

enum check_result
ask_registry(struct registry_check *c, const char *path, const char *authorization, bool aside,
	     struct registry_answer *out)
{
	const struct question q = {.url = arena_printf(c->arena, "%s%s", c->api, path),
				   .host = c->hosts[0].name,
				   .port = c->hosts[0].port,
				   .authorization = authorization,
				   .aside = aside};

	return fetch_lacks_memory(c) ? CHECK_UNREACHABLE : fetch_ask(c, &q, out);
}

static void
make_up(char out[MADE_UP_TEXT])
{
	unsigned char bytes[MADE_UP_BYTES];

	randombytes_buf(bytes, sizeof(bytes));
	(void)sodium_bin2hex(out, MADE_UP_TEXT, bytes, sizeof(bytes));
}

enum check_result
ask_prove_registry(struct registry_check *c, const char *authorization)
{
	char name[MADE_UP_TEXT];
	struct registry_answer answer;

	make_up(name);
	enum check_result result =
		ask_registry(c, arena_printf(c->arena, "/v2/regcred/%s/tags/list", name),
			     authorization, true, &answer);
	if (result != OPEN)
		return result;
	if (answer.status == 429)
		return CHECK_RATE_LIMITED;
	return answer.status >= 400 && c->is_registry ? OPEN : CHECK_NOT_A_REGISTRY;
}

const char *
ask_basic(struct registry_check *c, const struct given_login *login)
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
ask_made_up_login(struct registry_check *c)
{
	char user[MADE_UP_TEXT], secret[MADE_UP_TEXT];

	make_up(user);
	make_up(secret);
	return (struct given_login){arena_printf(c->arena, "regcred-%s", user),
				    arena_strdup(c->arena, secret)};
}

/* Whether the settings say that the registry speaks plain HTTP. */
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
begin(struct registry_check *c, const char *address, struct registry_url *url, const char **why)
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
ask_carry_out(struct registry_check *c, const char *address,
	      enum check_result (*task)(struct registry_check *c), struct check_report *out)
{
	const struct host *host = NULL;
	struct registry_url url;
	const char *why;

	*out = (struct check_report){.result = CHECK_UNREACHABLE};
	(void)pthread_once(&curl_once, curl_start);
	if (!curl_works)
		return false;
	c->began_ms = clock_ms();
	c->deadline_ms = c->began_ms + c->settings->timeout_ms;
	if (begin(c, address, &url, &why)) {
		c->curl = curl_easy_init();
		c->no_memory = c->curl == NULL;
		out->result = c->no_memory ? OPEN : fetch_find_host(c, url.host, url.port, &host);
		if (!c->no_memory && out->result == OPEN)
			out->result = task(c);
		curl_easy_cleanup(c->curl);
	}
	out->http_status = c->http_status;
	out->ms = clock_ms() - c->began_ms;
	if (fetch_lacks_memory(c)) {
		out->result = CHECK_UNREACHABLE; /* for want of any */
		return false;
	}
	out->message = why != NULL ? why : check_result_sentence(out->result);
	return true;
}
