/* ask: one request to a source, and what its answer means. */
#include "renew/ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/header.h"
#include "base/log.h"
#include "base/text.h"
#include "model/date.h"

#define OUT_OF_MEMORY                                                                              \
	"This server is out of memory or file descriptors; the source is asked again later."

enum { CODE_MAX = 64 };

enum renew_result
ask_end(struct renewal *r, enum renew_result result, const char *sentence, const char *code)
{
	char kept[CODE_MAX + 1];
	size_t len = 0;

	if (arena_failed(r->arena)) {
		r->message = OUT_OF_MEMORY;
		return RENEW_UNREACHABLE;
	}

	for (; code != NULL && *code != '\0' && len < CODE_MAX; code++)
		if (strchr(DIGITS LETTERS "._-", *code) != NULL)
			kept[len++] = *code;
	kept[len] = '\0';
	r->message = len == 0 ? sentence : arena_printf(r->arena, "%s (%s)", sentence, kept);
	return result;
}

enum renew_result
ask_misconfigured(struct renewal *r, const char *sentence)
{
	return sentence != NULL ? ask_end(r, RENEW_MISCONFIGURED, sentence, NULL)
				: ask_end(r, RENEW_UNREACHABLE, OUT_OF_MEMORY, NULL);
}

enum renew_result
ask_end_skewed(struct renewal *r, const struct ask_answer *answer)
{
	char ours[21], theirs[21];

	r->message = NULL;
	if (answer->skew_ms != 0) {
		date_format(r->now_ms, ours);
		date_format(r->now_ms + answer->skew_ms, theirs);
		r->message = arena_printf(r->arena,
					  "The source's clock says %s, this server's %s: set the "
					  "one that is wrong.",
					  theirs, ours);
	}
	return RENEW_CLOCK_SKEW;
}

/* What an answer says besides its body */

static int64_t
ask_read_skew(const struct renewal *r)
{
	const char *text = fetch_header(r->fetch, "Date", 0);
	int64_t date;

	if (text == NULL || !date_read_http(text, &date))
		return 0;
	return llabs(date - r->now_ms) > ASK_SKEW_MS ? date - r->now_ms : 0;
}

/* Seconds, or a date by the source's clock. */
static int64_t
ask_read_retry_after(const struct renewal *r, int64_t skew_ms)
{
	const char *text = fetch_header(r->fetch, "Retry-After", 0);
	int64_t ms = 0;

	if (text == NULL)
		return 0;
	if (date_read_http(text, &ms))
		ms -= r->now_ms + skew_ms;
	else if (strspn(text, DIGITS) == strlen(text) && strlen(text) < 10)
		ms = strtoll(text, NULL, 10) * 1000;
	return ms < 0 ? 0 : ms > ASK_RETRY_MAX_MS ? ASK_RETRY_MAX_MS : ms;
}

static const struct json *
ask_read_document(struct renewal *r, const struct fetch_answer *got)
{
	struct json *document = NULL;
	struct error e = {0};

	if (json_parse(r->arena, got->body, got->len, &document, &e) != ERR_NONE ||
	    document->type != JSON_OBJECT)
		return NULL;
	return document;
}

/* Whether this is an answer of such a source: it has what was asked for, or names an error. */
static bool
ask_speaks(const struct ask *q, const struct fetch_answer *got, const struct json *document)
{
	static const char *const names[] = {"error",  "errors",	 "Error",
					    "__type", "message", "error_type"};

	if (q->wants != NULL && json_member(document, q->wants) != NULL)
		return true;
	if (got->status >= 200 && got->status < 300)
		return false;
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
		if (json_member(document, names[i]) != NULL)
			return true;
	return false;
}

/* Results */

// clang-format off
static const struct { enum fetch_rc rc; enum renew_result result; const char *sentence; } ask_failures[] = {
	{ FETCH_UNREACHABLE, RENEW_UNREACHABLE, NULL },
	{ FETCH_TIMEOUT,     RENEW_TIMEOUT,     NULL },
	{ FETCH_TLS,         RENEW_TLS_ERROR,   NULL },
	{ FETCH_TOO_LONG,    RENEW_BAD_ANSWER,  "The source's answer is longer than 64 KiB." },
	{ FETCH_NOT_HTTP,    RENEW_BAD_ANSWER,  "The source does not answer in HTTP." },
	{ FETCH_EXHAUSTED,   RENEW_UNREACHABLE, OUT_OF_MEMORY },
};

static const struct { long from, to; enum renew_result result; const char *sentence; } statuses[] = {
	{ 300, 399, RENEW_BAD_ANSWER,     "The source redirects to another address, which is not followed: correct its address in sourceConfig." },
	{ 401, 401, RENEW_SOURCE_REFUSED, NULL },
	{ 403, 403, RENEW_SOURCE_REFUSED, NULL },
	{ 408, 408, RENEW_TIMEOUT,        NULL },
	{ 429, 429, RENEW_RATE_LIMITED,   NULL },
	{ 400, 499, RENEW_BAD_ANSWER,     "The source refuses the request; the status says why." },
	{ 500, 599, RENEW_UNREACHABLE,    "The source has a failure of its own; it is asked again later." },
};
// clang-format on

static enum renew_result
ask_result_of_failure(struct renewal *r, enum fetch_rc rc)
{
	if (rc == FETCH_UNREACHABLE && r->http_status != 0)
		return ask_end(r, RENEW_UNREACHABLE,
			       "The source's answer breaks off; it is asked again later.", NULL);
	for (size_t i = 0; i < sizeof(ask_failures) / sizeof(*ask_failures); i++)
		if (ask_failures[i].rc == rc)
			return ask_end(r, ask_failures[i].result, ask_failures[i].sentence, NULL);
	return ask_end(r, RENEW_UNREACHABLE, OUT_OF_MEMORY, NULL);
}

static enum renew_result
ask_result_of_status(struct renewal *r, long status, const struct ask_answer *answer)
{
	for (size_t i = 0; i < sizeof(statuses) / sizeof(*statuses); i++) {
		if (status < statuses[i].from || status > statuses[i].to)
			continue;
		if (statuses[i].result == RENEW_SOURCE_REFUSED && answer->skew_ms != 0)
			return ask_end_skewed(r, answer);
		return ask_end(r, statuses[i].result, statuses[i].sentence, NULL);
	}
	return ask_end(r, RENEW_BAD_ANSWER, NULL, NULL);
}

static enum renew_result
ask_result_of(struct renewal *r, const struct ask *q, const struct fetch_answer *got,
	      const struct ask_answer *answer)
{
	if (got->status < 200 || got->status > 299)
		return ask_result_of_status(r, got->status, answer);
	if (q->text)
		return RENEW_REFRESHED;
	if (answer->document == NULL)
		return ask_end(
			r, RENEW_BAD_ANSWER,
			"The source answers with something that is not a JSON object: is its "
			"address right, and is no other server in between?",
			NULL);
	if (q->wants != NULL && json_member(answer->document, q->wants) == NULL)
		return ask_end(r, RENEW_BAD_ANSWER, "The source's answer lacks a member", q->wants);
	return RENEW_REFRESHED;
}

/* Who may only store an address must not learn what answers in an internal network (address.h). */
static enum renew_result
ask_hide(struct renewal *r, enum renew_result result, struct ask_answer *out)
{
	log_info("login 1c%lld: its source: %s, status %d; the client is told only that it cannot "
		 "be reached",
		 (long long)r->login_id, renew_result_word(result), r->http_status);
	r->http_status = 0;
	r->retry_after_ms = 0;
	*out = (struct ask_answer){.body = ""};
	return ask_end(r, RENEW_UNREACHABLE, NULL, NULL);
}

/* The request */

static bool
ask_replaces_accept(const struct ask *q)
{
	for (size_t i = 0; q->headers[i] != NULL; i++)
		if (strncasecmp(q->headers[i], "Accept:", strlen("Accept:")) == 0)
			return true;
	return false;
}

enum renew_result
ask(struct renewal *r, const struct ask *q, struct ask_answer *out)
{
	const char *headers[ASK_HEADERS_MAX + 2];
	size_t n = 0;
	const int64_t began_ms = clock_ms(), left_ms = r->deadline_ms - began_ms;
	const struct fetch_request request = {
		.url = q->url,
		.method = q->method,
		.headers = headers,
		.user = q->user,
		.password = q->password,
		.sigv4 = q->sigv4,
		.body = q->body,
		.answer_max = ASK_ANSWER_MAX,
		.timeout_ms =
			q->timeout_ms != 0 && q->timeout_ms < left_ms ? q->timeout_ms : left_ms,
		.ca_file = r->settings->ca_file,
		.proxy = q->metadata ? "" : r->settings->proxy,
		.networks = q->metadata ? NULL : r->settings->networks};
	struct fetch_answer got;

	*out = (struct ask_answer){.body = ""};
	if (!ask_replaces_accept(q))
		headers[n++] = "Accept: application/json";
	for (size_t i = 0; q->headers[i] != NULL; i++)
		headers[n++] = q->headers[i];
	headers[n] = NULL;
	r->http_status = 0;
	r->retry_after_ms = 0;
	r->message = NULL;
	if (arena_failed(r->arena))
		return ask_result_of_failure(r, FETCH_EXHAUSTED);
	enum fetch_rc rc = fetch_do(r->fetch, r->arena, &request, &got);
	r->now_ms += clock_ms() - began_ms;
	r->http_status = (int)got.status;
	out->body = got.body;
	if (rc == FETCH_OK) {
		out->skew_ms = ask_read_skew(r);
		out->document = ask_read_document(r, &got);
		r->retry_after_ms = ask_read_retry_after(r, out->skew_ms);
	}
	enum renew_result result = rc == FETCH_OK && !arena_failed(r->arena)
					   ? ask_result_of(r, q, &got, out)
					   : ask_result_of_failure(r, rc);
	if (fetch_went_inside(r->fetch) && result != RENEW_REFRESHED &&
	    !(rc == FETCH_OK && ask_speaks(q, &got, out->document)))
		return ask_hide(r, result, out);
	return result;
}

/* Building a request */

const char *
ask_form(struct arena *a, const char *text, const char *name, const char *value)
{
	const char *encoded = value != NULL ? http_encode(a, value) : NULL;

	if (value == NULL || text == NULL || encoded == NULL)
		return value == NULL ? text : NULL;
	return arena_printf(a, "%s%s%s=%s", text, *text == '\0' ? "" : "&", name, encoded);
}

const char *
ask_url(struct renewal *r, const char *name, const char *otherwise, const char *path)
{
	const char *own = source_text(r->config, name);
	const char *url;
	enum fetch_rc rc = fetch_url_below(r->arena, own != NULL ? own : otherwise, path, &url);

	r->message = NULL;
	if (rc == FETCH_OK)
		return url;
	if (rc != FETCH_EXHAUSTED)
		r->message = arena_printf(
			r->arena,
			"The member \"%s\" of sourceConfig has to be a URL like "
			"https://source.example, without a user, a query and a fragment.",
			name);
	return NULL;
}

const char *
ask_header(struct renewal *r, const char *name, const char *value)
{
	for (const char *c = value; *c != '\0'; c++)
		if (http_is_control(*c)) {
			r->message = "The sourceSecret has a line break or another control "
				     "character: store it again without.";
			return NULL;
		}
	return arena_printf(r->arena, "%s%s", name, value);
}

bool
ask_setting(struct renewal *r, const char *name, const char *unit, int64_t least, int64_t most,
	    int64_t *out)
{
	const struct json *value = json_member(r->config, name);
	double number;

	if (value == NULL || value->type == JSON_NULL)
		return true;
	if (ask_number(r->config, name, &number) && number >= (double)least &&
	    number <= (double)most) {
		*out = (int64_t)number;
		return true;
	}
	r->message =
		arena_printf(r->arena,
			     "The member \"%s\" of sourceConfig has to be a number of %s, from "
			     "%lld to %lld.",
			     name, unit, (long long)least, (long long)most);
	return false;
}

bool
ask_every(struct renewal *r)
{
	int64_t seconds = ASK_EVERY_S;
	bool right = ask_setting(r, "rotateEvery", "seconds", ASK_EVERY_MIN_S, ASK_EVERY_MAX_S,
				 &seconds);

	r->every_ms = seconds * 1000;
	return right;
}

/* Reading an answer */

const char *
ask_text(const struct json *object, const char *name)
{
	return source_text(object, name);
}

const char *
ask_secret(const struct json *object, const char *name)
{
	const char *text = ask_text(object, name);
	size_t len = 0;

	while (text != NULL && text[len] != '\0' && !http_is_control(text[len]))
		len++;
	return text != NULL && text[len] == '\0' && len <= ASK_SECRET_MAX ? text : NULL;
}

bool
ask_number(const struct json *object, const char *name, double *out)
{
	const struct json *value = json_member(object, name);
	char *end;

	if (value == NULL || (value->type != JSON_NUMBER && value->type != JSON_STRING) ||
	    *value->text == '\0' || strspn(value->text, DIGITS "+-.eE") != strlen(value->text))
		return false;
	*out = strtod(value->text, &end);
	return *end == '\0' && isfinite(*out);
}

static enum renew_result
ask_take_expiry(struct renewal *r, double ms)
{
	const double most = 253402300799000.0; /* the last second of the year 9999 */

	if (ms <= (double)r->now_ms || ms > most)
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The source gave a secret that has expired already, or an expiry "
			       "that is not a date.",
			       NULL);
	r->expires_ms = (int64_t)ms;
	return RENEW_REFRESHED;
}

enum renew_result
ask_expires(struct renewal *r, const struct ask_answer *answer, double source_ms)
{
	return ask_take_expiry(r, source_ms - (double)answer->skew_ms);
}

enum renew_result
ask_lasts(struct renewal *r, double seconds)
{
	return ask_take_expiry(r, (double)r->now_ms + seconds * 1000);
}
