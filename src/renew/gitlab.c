/* gitlab: deploy tokens and access tokens of a project or a group of GitLab.
 *
 * A second token is made, and the first deleted once nobody uses it.  Tokens are never rotated:
 * that kills the old one at once, and asking for it with a dead token revokes all that were made
 * from it.  Each is named by what it is made for, so that one whose making was not answered is
 * found again and deleted.  A handle is the URL of the token.
 */
#include <string.h>

#include "base/json_out.h"
#include "base/text.h"
#include "model/date.h"
#include "renew/ask.h"
#include "renew/sources.h"

enum {
	LIFETIME_DAYS = 30,
	LIFETIME_MIN = 2, /* the last day does not count: it ends when that begins */
	LIFETIME_MAX = 400,
	LOOKS_MAX = 20, /* at pages of the list */
	REPORTER = 20,	/* the least role that may pull */
};
#define GITLAB_DAY_MS (24 * 3600 * INT64_C(1000))

static const struct gitlab_kind {
	const char *name, *path;
	bool has_level;
} gitlab_kinds[] = {{"deployToken", "deploy_tokens", false},
		    {"accessToken", "access_tokens", true}};

static enum renew_result
gitlab_explain(struct renewal *r, enum renew_result result)
{
	if (r->http_status == 400 || r->http_status == 422)
		return ask_misconfigured(
			r, "GitLab refuses such a token: it may not allow these scopes, or so "
			   "long a life.");
	if (r->http_status == 404)
		return ask_misconfigured(
			r, "GitLab has no such project or group, or does not show it to the owner "
			   "of sourceSecret.");
	if (result == RENEW_SOURCE_REFUSED && r->http_status == 401)
		return ask_end(
			r, result,
			"GitLab refuses the token in sourceSecret: it is wrong, has expired, "
			"or was revoked.",
			NULL);
	if (result == RENEW_SOURCE_REFUSED)
		return ask_end(r, result,
			       "GitLab does not let the owner of sourceSecret make such tokens: it "
			       "takes the scope api, and a maintainer.",
			       NULL);
	return result;
}

static enum renew_result
gitlab_ask(struct renewal *r, struct ask q, struct ask_answer *out)
{
	*out = (struct ask_answer){0};
	q.headers[0] = ask_header(r, "PRIVATE-TOKEN: ", r->source_secret);
	if (q.headers[0] == NULL)
		return ask_misconfigured(r, r->message);
	if (q.body != NULL)
		q.headers[1] = "Content-Type: application/json";
	enum renew_result result = ask(r, &q, out);
	return result == RENEW_REFRESHED ? result : gitlab_explain(r, result);
}

/* sourceConfig */

static const struct gitlab_kind *
gitlab_find_kind(const struct renewal *r)
{
	const char *kind = source_text(r->config, "kind");

	for (size_t i = 0; i < sizeof(gitlab_kinds) / sizeof(*gitlab_kinds); i++)
		if (strcmp(kind != NULL ? kind : "deployToken", gitlab_kinds[i].name) == 0)
			return &gitlab_kinds[i];
	return NULL;
}

/* The URL of the tokens; NULL with r->message. */
static const char *
gitlab_url(struct renewal *r, const struct gitlab_kind *kind)
{
	const char *project = source_text(r->config, "project");
	const char *group = source_text(r->config, "group");
	const char *owner = project != NULL ? project : group;
	const char *encoded = owner != NULL ? http_encode(r->arena, owner) : NULL;

	r->message = "sourceConfig needs one of the members project and group.";
	if (encoded == NULL || (project != NULL && group != NULL))
		return NULL;
	r->message = NULL;
	const char *path =
		arena_printf(r->arena, "/api/v4/%s/%s/%s", project != NULL ? "projects" : "groups",
			     encoded, kind->path);
	return path == NULL ? NULL : ask_url(r, "endpoint", NULL, path);
}

static const char *
gitlab_name(struct renewal *r)
{
	return r->intent != NULL ? arena_printf(r->arena, "regcred %s", r->intent)
				 : arena_printf(r->arena, "regcred 1c%lld", (long long)r->login_id);
}

/* Making */

static void
gitlab_write_scopes(struct json_out *w, const struct renewal *r)
{
	const struct json *scopes = json_member(r->config, "scopes");

	json_name(w, "scopes");
	json_begin_array(w);
	if (scopes == NULL || scopes->child == NULL)
		json_string(w, "read_registry");
	else
		for (const struct json *scope = scopes->child; scope != NULL; scope = scope->next)
			json_string(w, scope->text);
	json_end_array(w);
}

static const char *
gitlab_body(struct renewal *r, const struct gitlab_kind *kind, int64_t days)
{
	struct json_out w;
	char date[21];
	size_t len;

	date_format(r->now_ms + days * GITLAB_DAY_MS, date);
	json_out_init(&w, r->arena);
	json_begin_object(&w);
	json_name(&w, "name");
	json_string(&w, gitlab_name(r));
	gitlab_write_scopes(&w, r);
	json_name(&w, "expires_at");
	json_string_n(&w, date, strlen("2024-05-06"));
	if (kind->has_level) {
		json_name(&w, "access_level");
		json_int(&w, REPORTER);
	}
	json_end_object(&w);
	return json_out_text(&w, &len);
}

/* A token ends when the day begins that GitLab names, whatever time is behind it. */
static enum renew_result
gitlab_take_end(struct renewal *r, const struct ask_answer *answer)
{
	const char *ends = ask_text(answer->document, "expires_at");
	const char *day = ends != NULL ? arena_printf(r->arena, "%.10sT00:00:00Z", ends) : NULL;
	int64_t ms;

	if (day == NULL || !date_parse(day, r->now_ms, &ms))
		return ask_end(r, RENEW_BAD_ANSWER, "GitLab does not say when the token ends.",
			       NULL);
	return ask_expires(r, answer, (double)ms);
}

static enum renew_result
gitlab_make(struct renewal *r, const struct gitlab_kind *kind, const char *url, int64_t days)
{
	const char *body = gitlab_body(r, kind, days);
	struct ask_answer answer;
	double id;

	enum renew_result result =
		gitlab_ask(r, (struct ask){.url = url, .body = body, .wants = "token"}, &answer);
	if (result != RENEW_REFRESHED)
		return result;
	if (ask_number(answer.document, "id", &id) && id > 0 && id < 1e15)
		r->new_handle = arena_printf(r->arena, "%s/%lld", url, (long long)id);
	r->new_secret = ask_secret(answer.document, "token");
	r->new_user = ask_text(answer.document, "username");
	if (r->new_user == NULL && r->user == NULL)
		r->new_user = "regcred"; /* any will do with an access token */
	if (r->new_secret == NULL || r->new_handle == NULL)
		return ask_end(r, RENEW_BAD_ANSWER,
			       "GitLab's answer lacks the token or its number.", NULL);
	return gitlab_take_end(r, &answer);
}

/* What an earlier renewal may have left */

static enum renew_result
gitlab_delete(struct renewal *r, const char *url)
{
	struct ask_answer answer;
	enum renew_result result =
		gitlab_ask(r, (struct ask){.url = url, .method = "DELETE", .text = true}, &answer);

	if (r->http_status == 404)
		return RENEW_REFRESHED;
	if (result == RENEW_REFRESHED && r->http_status != 204)
		return ask_end(r, RENEW_BAD_ANSWER, "GitLab does not say that it deleted a token.",
			       NULL);
	return result;
}

/* Deletes those of a page of the list that have our name.  *next: the page to look at then; the
 * same one if something was deleted, as what follows has moved up; 0: there is none. */
static enum renew_result
gitlab_clean_page(struct renewal *r, const char *url, unsigned *next)
{
	const char *name = gitlab_name(r);
	const char *list_url = arena_printf(r->arena, "%s?per_page=50&page=%u", url, *next);
	struct ask_answer answer;
	struct json *list = NULL;
	struct error e = {0};
	bool any = false;
	enum renew_result result =
		gitlab_ask(r, (struct ask){.url = list_url, .text = true}, &answer);

	if (result != RENEW_REFRESHED)
		return result;
	if (name == NULL || json_parse(r->arena, answer.body, strlen(answer.body), &list, &e) ||
	    list->type != JSON_ARRAY)
		return ask_end(r, RENEW_BAD_ANSWER, "GitLab's list of tokens cannot be read.",
			       NULL);
	for (const struct json *item = list->child; item != NULL; item = item->next) {
		const char *other = ask_text(item, "name");
		const struct json *revoked = json_member(item, "revoked");
		double id;

		if (other == NULL || strcmp(other, name) != 0 || !ask_number(item, "id", &id) ||
		    (revoked != NULL && revoked->type == JSON_TRUE))
			continue;
		any = true;
		result = gitlab_delete(r, arena_printf(r->arena, "%s/%lld", url, (long long)id));
		if (result != RENEW_REFRESHED)
			return result;
	}
	*next = list->child == NULL ? 0 : *next + !any;
	return RENEW_REFRESHED;
}

static enum renew_result
gitlab_clean(struct renewal *r, const char *url)
{
	enum renew_result result = RENEW_REFRESHED;
	unsigned next = 1;

	for (int looks = 0; next != 0 && looks < LOOKS_MAX && result == RENEW_REFRESHED; looks++)
		result = gitlab_clean_page(r, url, &next);
	return result;
}

/* The URL of the tokens; NULL: ask_misconfigured(r, r->message). */
static const char *
gitlab_begin(struct renewal *r, const struct gitlab_kind **kind)
{
	*kind = gitlab_find_kind(r);
	r->message = "The member \"kind\" of sourceConfig has to be deployToken or accessToken.";
	if (*kind == NULL)
		return NULL;
	r->message = "The source needs a token with the scope api as sourceSecret.";
	return r->source_secret != NULL ? gitlab_url(r, *kind) : NULL;
}

enum renew_result
gitlab_fetch(struct renewal *r)
{
	const struct gitlab_kind *kind;
	const char *url = gitlab_begin(r, &kind);
	int64_t days = LIFETIME_DAYS;

	if (url == NULL ||
	    !ask_setting(r, "lifetimeDays", "days", LIFETIME_MIN, LIFETIME_MAX, &days))
		return ask_misconfigured(r, r->message);
	enum renew_result result = RENEW_REFRESHED;
	if (r->again && r->intent != NULL)
		result = gitlab_clean(r, url);
	return result == RENEW_REFRESHED ? gitlab_make(r, kind, url, days) : result;
}

static enum renew_result
gitlab_discard_lost(struct renewal *r)
{
	const struct gitlab_kind *kind;
	const char *url = gitlab_begin(r, &kind);

	if (url == NULL || r->intent == NULL)
		return ask_misconfigured(r, r->message);
	return gitlab_clean(r, url);
}

enum renew_result
gitlab_discard(struct renewal *r)
{
	const char *base = ask_url(r, "endpoint", NULL, "/api/v4/");

	if (r->handle == NULL)
		return gitlab_discard_lost(r);
	if (base == NULL)
		return ask_misconfigured(r, r->message);
	if (r->source_secret == NULL || strncmp(r->handle, base, strlen(base)) != 0)
		return ask_misconfigured(
			r, "The former token is in another GitLab, where it stays until its end.");
	return gitlab_delete(r, r->handle);
}
