/* follow: where a registry redirects a client.
 *
 * A registry may name any URL for the next step of an upload or for the bytes of a blob.  A
 * client's claim where it was redirected proves nothing, so the registry is asked again.
 */
#include <curl/curl.h>
#include <string.h>
#include <strings.h>

#include "registry/inquiry.h"

enum { PARTS = 3 };
static const CURLUPart origin[PARTS] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};

/* Whether two URLs have the same scheme, host and port. */
static bool
has_same_origin(CURLU *a, CURLU *b)
{
	bool same = true;

	for (size_t i = 0; i < PARTS; i++) {
		char *x = NULL, *y = NULL;

		same = same && curl_url_get(a, origin[i], &x, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		       curl_url_get(b, origin[i], &y, CURLU_DEFAULT_PORT) == CURLUE_OK &&
		       strcasecmp(x, y) == 0;
		curl_free(x);
		curl_free(y);
	}
	return same;
}

/* Path and query of a URL in visible ASCII, so that it can go into a header; NULL if it has other
 * characters. */
static const char *
follow_path_of(struct arena *a, CURLU *url)
{
	char *path = NULL, *query = NULL;
	const char *text = NULL;

	if (curl_url_get(url, CURLUPART_PATH, &path, 0) == CURLUE_OK) {
		bool asks = curl_url_get(url, CURLUPART_QUERY, &query, 0) == CURLUE_OK;

		text = arena_printf(a, "%s%s%s", path, asks ? "?" : "", asks ? query : "");
	}
	for (const char *p = text; p != NULL && *p != '\0'; p++)
		if (*p <= ' ' || *p >= 0x7f)
			text = NULL;
	curl_free(path);
	curl_free(query);
	return text;
}

/* The path that a Location resolves to, relative to a path of the registry; NULL: another host, or
 * invalid. */
static const char *
resolve_location(struct inquiry *c, const char *from, const char *location)
{
	CURLU *base = curl_url(), *url = base != NULL ? curl_url() : NULL;
	const char *whole = arena_printf(c->arena, "%s%s", c->api, from), *path = NULL;

	if (url == NULL || whole == NULL)
		c->exhausted = true;
	else if (curl_url_set(base, CURLUPART_URL, whole, 0) == CURLUE_OK &&
		 curl_url_set(url, CURLUPART_URL, whole, 0) == CURLUE_OK &&
		 curl_url_set(url, CURLUPART_URL, location, 0) == CURLUE_OK &&
		 has_same_origin(base, url))
		path = follow_path_of(c->arena, url);
	curl_url_cleanup(base);
	curl_url_cleanup(url);
	return path;
}

/* Handles one answer and sets *path to its target. OPEN: another redirect may follow. */
static enum check_result
follow_step(struct inquiry *c, const struct follow *f, const char **path)
{
	const struct question q = {.url = arena_printf(c->arena, "%s%s", c->api, *path),
				   .authorization = f->authorization,
				   .form = f->upload ? "" : NULL,
				   .type = f->upload ? "Content-Type:" : NULL};
	struct registry_answer answer;
	enum check_result result = inquiry_ask(c, &q, &answer);
	bool leads = f->upload ? answer.status == 202 : answer.status >= 300 && answer.status < 400;

	if (!f->upload && answer.status == 200)
		return CHECK_VALID; /* the content itself, of any length */
	if (result != OPEN)
		return result;
	if (!leads)
		return inquiry_result_of(answer.status);
	if (answer.location != NULL)
		*path = resolve_location(c, *path, answer.location);
	return answer.location != NULL && *path != NULL ? OPEN : CHECK_NOT_A_REGISTRY;
}

static enum check_result
follow_run(struct inquiry *c)
{
	struct follow *f = c->follow;
	const char *path = f->path;
	enum check_result result = OPEN;

	for (unsigned i = 0; i < f->hops && result == OPEN; i++)
		result = follow_step(c, f, &path);
	if (result != OPEN && result != CHECK_VALID)
		return result;
	f->next = path;
	return CHECK_VALID;
}

bool
registry_follow(const struct check_settings *s, struct arena *a, const char *address,
		struct follow *f, struct check_report *report)
{
	struct inquiry *c = arena_alloc(a, sizeof(*c));

	if (c == NULL)
		return false;
	*c = (struct inquiry){.settings = s, .arena = a, .follow = f};
	return inquiry_run(c, address, follow_run, report);
}
