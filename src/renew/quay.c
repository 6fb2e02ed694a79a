/* quay: the token of a robot account of Quay, which Quay makes anew when it is told to.
 *
 * The former token dies at that moment, but Quay shows the present one to whoever may make a new
 * one.  So the robot is looked at first: a token that is not stored here is taken as it is, whether
 * an earlier renewal got no answer, or the database is an old copy, or a person has made it.
 */
#include <string.h>

#include "base/text.h"
#include "renew/ask.h"
#include "renew/sources.h"

static enum renew_result
quay_explain(struct renewal *r, enum renew_result result, const struct ask_answer *answer)
{
	const char *code = ask_text(answer->document, "error_type");

	/* It answers 400 for a robot that there is not. */
	if (r->http_status == 400 || r->http_status == 404)
		return ask_end(r, RENEW_MISCONFIGURED,
			       "Quay has no such organization or robot: it may have been deleted.",
			       code);
	if (result == RENEW_SOURCE_REFUSED)
		return ask_end(
			r, result,
			"Quay refuses the token in sourceSecret: it is wrong or has expired, or "
			"lacks the scope org:admin.",
			code);
	return result;
}

/* The robot's name within its organization: "acme+pulls" and "pulls" are the same. */
static const char *
quay_path(struct renewal *r)
{
	const char *organization = source_text(r->config, "organization");
	const char *robot = source_text(r->config, "robot"), *plus = strchr(robot, '+');
	const char *name = http_encode(r->arena, plus != NULL ? plus + 1 : robot);
	const char *owner = http_encode(r->arena, organization);

	return name == NULL || owner == NULL
		       ? NULL
		       : arena_printf(r->arena, "/api/v1/organization/%s/robots/%s", owner, name);
}

/* Looks at the robot, or has its token made anew. */
static enum renew_result
quay_ask(struct renewal *r, bool anew)
{
	const char *path = quay_path(r);
	const char *key = ask_header(r, "Authorization: Bearer ", r->source_secret);
	struct ask q = {.headers = {key, anew ? "Content-Type: application/json" : NULL},
			.body = anew ? "" : NULL,
			.wants = "token"};
	struct ask_answer answer;

	if (path != NULL && anew)
		path = arena_printf(r->arena, "%s/regenerate", path);
	if (path == NULL || key == NULL)
		return ask_misconfigured(r, r->message);
	q.url = ask_url(r, "endpoint", NULL, path);
	if (q.url == NULL)
		return ask_misconfigured(r, r->message);
	enum renew_result result = ask(r, &q, &answer);
	if (result != RENEW_REFRESHED)
		return quay_explain(r, result, &answer);
	r->new_user = ask_text(answer.document, "name");
	r->new_secret = ask_secret(answer.document, "token");
	if (r->new_user == NULL || r->new_secret == NULL)
		return ask_end(r, RENEW_BAD_ANSWER,
			       "Quay's answer lacks the robot's name or token.", NULL);
	return RENEW_REFRESHED;
}

static bool
quay_has_another(const struct renewal *r)
{
	return r->secret == NULL || strcmp(r->secret, r->new_secret) != 0;
}

enum renew_result
quay_fetch(struct renewal *r)
{
	struct renewal before;

	if (r->source_secret == NULL)
		return ask_misconfigured(
			r, "The source needs an OAuth token with org:admin as sourceSecret.");
	if (!ask_every(r))
		return ask_misconfigured(r, r->message);
	enum renew_result result = quay_ask(r, false);
	if (result != RENEW_REFRESHED || quay_has_another(r))
		return result;
	result = quay_ask(r, true);
	if (result == RENEW_REFRESHED)
		return result;
	/* It may have been made all the same: then the one that is stored is dead. */
	before = *r;
	if (quay_ask(r, false) == RENEW_REFRESHED && quay_has_another(r))
		return RENEW_REFRESHED;
	before.now_ms = r->now_ms;
	*r = before;
	r->new_user = r->new_secret = NULL;
	return result;
}
