/* browser: what only browsers need: the HTML page, the CSRF cookie, the origin of a request. */
#include "api/browser.h"

#include <string.h>
#include <strings.h>

#include "api/call.h"
#include "api/html.h"
#include "api/request.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "secret/keyring.h"
#include "secret/random.h"

static const char html_type[] = "text/html; charset=utf-8";

static bool
contains_any_case(const char *text, const char *part)
{
	return text != NULL && strcasestr(text, part) != NULL;
}

static bool
is_browser(const struct request *r)
{
	return contains_any_case(r->user_agent, "mozilla");
}

bool
browser_wants_html(const struct call *c)
{
	const char *format = pairs_find(&c->target.query, "_format");
	const char *accept = c->request->accept;

	if (format != NULL && strcasecmp(format, "html") == 0)
		return true;
	if (format != NULL && strcasecmp(format, "json") == 0)
		return false;
	return is_browser(c->request) && (accept == NULL || strstr(accept, "*/*") != NULL);
}

bool
browser_wants_page(const struct call *c)
{
	return request_is_read(c) && c->request->authorization == NULL &&
	       c->request->api_key == NULL && pairs_find(&c->target.query, "_format") == NULL &&
	       browser_wants_html(c);
}

enum origin { ORIGIN_UNKNOWN, ORIGIN_OWN, ORIGIN_FOREIGN };

/* What the browser reports about the page that sent the request. */
static enum origin
find_origin(const struct call *c)
{
	const char *origin = c->request->origin, *site = c->request->fetch_site;

	if (site != NULL)
		return strcasecmp(site, "same-origin") == 0 ? ORIGIN_OWN : ORIGIN_FOREIGN;
	if (origin == NULL)
		return ORIGIN_UNKNOWN;
	/* Scheme and host of the base: all before its third slash. */
	const char *host = strstr(c->base, "://");
	size_t len = host != NULL ? (size_t)(host + 3 - c->base) + strcspn(host + 3, "/") : 0;
	return strlen(origin) == len && strncasecmp(c->base, origin, len) == 0 ? ORIGIN_OWN
									       : ORIGIN_FOREIGN;
}

bool
browser_is_elsewhere(const struct call *c)
{
	return find_origin(c) == ORIGIN_FOREIGN;
}

static bool
is_token(const char *text)
{
	size_t len = strlen(text);

	return len >= SECRET_CSRF_SIZE - 1 && len <= 64 &&
	       strspn(text, "0123456789ABCDEFabcdef") == len;
}

enum err
browser_check_csrf(struct call *c)
{
	char fresh[SECRET_CSRF_SIZE];

	if (!is_browser(c->request) && c->identity.session_id == 0) {
		/* Reverse-proxy authentication applies to every request of a browser, whatever its
		 * User-Agent; a key in a header has to be set deliberately. */
		bool elsewhere = c->identity.proxy_user != NULL && !request_is_read(c) &&
				 browser_is_elsewhere(c);

		return elsewhere ? err_set(&c->error, ERR_INVALID_CSRF_TOKEN, NULL, NULL)
				 : ERR_NONE;
	}
	const char *cookie = c->request->cookie != NULL
				     ? http_cookie(c->arena, c->request->cookie, "CSRF")
				     : NULL;
	if (cookie != NULL && !is_token(cookie))
		cookie = NULL;
	secret_csrf_token(fresh);
	response_header(c->response, "Set-Cookie",
			arena_printf(c->arena, "CSRF=%s; Path=/; SameSite=Strict%s",
				     cookie != NULL ? cookie : fresh,
				     strncmp(c->base, "https:", 6) == 0 ? "; Secure" : ""));
	c->early_headers = c->response->header_count;
	if (request_is_read(c))
		return ERR_NONE;
	const char *token =
		c->request->csrf != NULL ? c->request->csrf : pairs_find(&c->target.query, "CSRF");
	enum origin origin = find_origin(c);
	/* A site under the same domain can set a cookie, and put its value in a URL, but cannot
	 * hide its origin. */
	bool right = origin != ORIGIN_FOREIGN &&
		     (token != NULL ? cookie != NULL && secret_equal(token, cookie)
				    : origin == ORIGIN_OWN);
	return right ? ERR_NONE : err_set(&c->error, ERR_INVALID_CSRF_TOKEN, NULL, NULL);
}

const char *
browser_as_html(struct call *c, const char *json, size_t *len)
{
	const struct page page = {
		.title = c->error.code != ERR_NONE ? err_code(c->error.code) : "regcred",
		.schemas = arena_printf(c->arena, "%s/schemas", c->scope),
		.base = c->base,
		.json = json,
		.json_len = *len,
	};

	const char *text = page.schemas != NULL ? html_page(c->arena, &page, len) : NULL;

	if (text == NULL)
		return NULL;
	c->response->content_type = html_type;
	response_header(c->response, "Content-Security-Policy", html_policy);
	response_header(c->response, "X-Frame-Options", "DENY");
	return text;
}
