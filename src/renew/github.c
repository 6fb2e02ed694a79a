/* github: installation tokens of a GitHub App.  Experimental: GitHub's own registry may refuse them
 * for private packages, although it takes the login (docs/sources.md). */
#include <stdlib.h>
#include <string.h>

#include "base/header.h"
#include "base/json_out.h"
#include "base/text.h"
#include "model/date.h"
#include "renew/ask.h"
#include "renew/sign.h"
#include "renew/sources.h"

/* A token may last ten minutes, and its beginning lies back for clocks that differ. */
enum { BACK_S = 60, ASSERTION_S = 540, SECONDS_DIGITS = 12 };

static const char *
github_claims(struct renewal *r)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, r->arena);
	json_begin_object(&w);
	json_name(&w, "iat");
	json_int(&w, r->now_ms / 1000 - BACK_S);
	json_name(&w, "exp");
	json_int(&w, r->now_ms / 1000 + ASSERTION_S);
	json_name(&w, "iss");
	json_string(&w, source_text(r->config, "appId"));
	json_end_object(&w);
	return json_out_text(&w, &len);
}

/* Reading packages, of all repositories of the installation or of those that are named. */
static const char *
github_body(struct renewal *r)
{
	const struct json *list = json_member(r->config, "repositories");
	struct json_out w;
	size_t len;

	json_out_init(&w, r->arena);
	json_begin_object(&w);
	json_name(&w, "permissions");
	json_begin_object(&w);
	json_name(&w, "packages");
	json_string(&w, "read");
	json_end_object(&w);
	if (list != NULL && list->child != NULL) {
		json_name(&w, "repositories");
		json_begin_array(&w);
		for (const struct json *item = list->child; item != NULL; item = item->next)
			json_string(&w, item->text);
		json_end_array(&w);
	}
	json_end_object(&w);
	return json_out_text(&w, &len);
}

/* A 403 may mean that there were too many requests; when to come back is a time of its own. */
static bool
github_throttles(struct renewal *r, const struct ask_answer *answer)
{
	const char *rest = fetch_header(r->fetch, "x-ratelimit-remaining", 0);
	const char *reset = fetch_header(r->fetch, "x-ratelimit-reset", 0);
	const char *message = ask_text(answer->document, "message");
	int64_t wait_ms;

	if (r->retry_after_ms > 0)
		return true;
	if (rest == NULL || strcmp(rest, "0") != 0)
		/* "You have exceeded a secondary rate limit": without a header */
		return message != NULL && strstr(message, "rate limit") != NULL;
	wait_ms = reset != NULL && strlen(reset) <= SECONDS_DIGITS
			  ? strtoll(reset, NULL, 10) * 1000 - r->now_ms - answer->skew_ms
			  : 0;
	if (wait_ms > 0)
		r->retry_after_ms = wait_ms < ASK_RETRY_MAX_MS ? wait_ms : ASK_RETRY_MAX_MS;
	return true;
}

static enum renew_result
github_explain(struct renewal *r, enum renew_result result, const struct ask_answer *answer)
{
	const char *message = ask_text(answer->document, "message");

	switch (r->http_status) {
	case 401:
		/* "'Expiration time' claim ('exp') is too far in the future" */
		if (answer->skew_ms != 0 ||
		    (message != NULL &&
		     (strstr(message, "('exp')") != NULL || strstr(message, "('iat')") != NULL)))
			return ask_end_skewed(r, answer);
		return ask_end(r, RENEW_SOURCE_REFUSED,
			       "GitHub refuses the private key: it does not belong to this appId, "
			       "or was deleted.",
			       NULL);
	case 403:
		if (github_throttles(r, answer))
			return ask_end(r, RENEW_RATE_LIMITED, NULL, NULL);
		return ask_end(
			r, RENEW_SOURCE_REFUSED,
			"GitHub refuses the app: its installation is suspended, or lacks the "
			"permission to read packages.",
			NULL);
	case 404:
		return ask_misconfigured(r, "GitHub does not know this installationId of the app.");
	case 422:
		return ask_misconfigured(r, "The installation has not all that is asked for: the "
					    "permission to read packages, and the repositories in "
					    "sourceConfig.");
	default:
		return result;
	}
}

enum renew_result
github_fetch(struct renewal *r)
{
	const char *claims = github_claims(r), *expires;
	const char *pem = r->source_secret != NULL ? r->source_secret : "";
	const char *token =
		claims != NULL ? sign_token(r->arena, pem, NULL, claims, &r->message) : NULL;
	const char *id = http_encode(r->arena, source_text(r->config, "installationId"));
	const char *path =
		arena_printf(r->arena, "/app/installations/%s/access_tokens", id != NULL ? id : "");
	struct ask_answer answer;
	int64_t ms;

	if (token == NULL || path == NULL)
		return ask_misconfigured(r, r->message);
	const struct ask q = {
		.url = ask_url(r, "endpoint", "https://api.github.com", path),
		.headers = {"Accept: application/vnd.github+json",
			    "X-GitHub-Api-Version: 2022-11-28", "Content-Type: application/json",
			    arena_printf(r->arena, "Authorization: Bearer %s", token)},
		.body = github_body(r),
		.wants = "token"};
	if (q.url == NULL)
		return ask_misconfigured(r, r->message);
	enum renew_result result = github_explain(r, ask(r, &q, &answer), &answer);
	if (result != RENEW_REFRESHED)
		return result;
	r->new_user = "x-access-token";
	r->new_secret = ask_secret(answer.document, "token");
	expires = ask_text(answer.document, "expires_at");
	if (r->new_secret == NULL || expires == NULL || !date_read(expires, &ms))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The answer of GitHub has no token with its expires_at.", NULL);
	return ask_expires(r, &answer, (double)ms);
}
