/* harbor: the secret of a robot account of Harbor, which is set to a value of ours.
 *
 * The former secret dies at that moment, and Harbor shows none afterwards.  So the value is stored
 * before this is called (renew.h), and as often as an outcome is unknown the same value is set
 * again.  Setting is the last request: what can fail before it changes nothing.
 *
 * A robot ends at a time of its own, which a new secret does not move.  With extendDays it is moved
 * each time; Harbor counts the days of a robot's life from its creation.
 */
#include <string.h>

#include "base/http.h"
#include "base/json_out.h"
#include "model/date.h"
#include "renew/ask.h"
#include "renew/sources.h"

enum { ROBOT_DIGITS = 18, DAYS_MAX = 36500 };
#define HARBOR_DAY_MS (24 * 3600 * INT64_C(1000))

struct robot {
	const struct json *document;
	const char *name;   /* with its prefix: the user */
	int64_t expires_ms; /* 0: never */
};

static enum renew_result
harbor_explain(struct renewal *r, enum renew_result result, const struct ask_answer *answer)
{
	const struct json *errors = json_member(answer->document, "errors");
	const char *code = errors != NULL ? ask_text(errors->child, "code") : NULL;

	if (r->http_status == 404)
		return ask_end(r, RENEW_MISCONFIGURED,
			       "Harbor has no robot with this number, or does not show it to this "
			       "user: it may have been deleted.",
			       code);
	if (result == RENEW_SOURCE_REFUSED && r->http_status == 401)
		return ask_end(r, result,
			       "Harbor refuses the user or the password in sourceSecret.", code);
	if (result == RENEW_SOURCE_REFUSED)
		return ask_end(r, result,
			       "Harbor does not let this user read and update the robot.", code);
	if (result == RENEW_BAD_ANSWER && code != NULL)
		return ask_end(r, result, "Harbor refuses the request", code);
	return result;
}

static enum renew_result
harbor_ask(struct renewal *r, const char *method, const char *body, const char *wants,
	   struct ask_answer *out)
{
	const char *path =
		arena_printf(r->arena, "/api/v2.0/robots/%s", source_text(r->config, "robot"));
	const struct ask q = {.url = ask_url(r, "endpoint", NULL, path),
			      .method = method,
			      .headers = {body != NULL ? "Content-Type: application/json" : NULL},
			      .user = source_text(r->config, "user"),
			      .password = r->source_secret,
			      .body = body,
			      .wants = wants};

	if (q.url == NULL)
		return ask_misconfigured(r, r->message);
	enum renew_result result = ask(r, &q, out);
	return result == RENEW_REFRESHED ? result : harbor_explain(r, result, out);
}

static enum renew_result
harbor_read(struct renewal *r, struct robot *out)
{
	struct ask_answer answer;
	enum renew_result result = harbor_ask(r, NULL, NULL, "name", &answer);
	const struct json *disabled;
	double expires;

	if (result != RENEW_REFRESHED)
		return result;
	*out = (struct robot){.document = answer.document,
			      .name = ask_text(answer.document, "name")};
	disabled = json_member(answer.document, "disable");
	if (out->name == NULL || !ask_number(answer.document, "expires_at", &expires))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "Harbor's answer lacks the name or the end of the robot.", NULL);
	if (disabled != NULL && disabled->type == JSON_TRUE)
		return ask_end(r, RENEW_SOURCE_REFUSED,
			       "The robot is disabled in Harbor: enable it there.", NULL);
	if (expires > 0 && ask_expires(r, &answer, expires * 1000) == RENEW_REFRESHED)
		out->expires_ms = r->expires_ms;
	else if (expires > 0)
		out->expires_ms = 1; /* long ago */
	r->expires_ms = 0;
	return RENEW_REFRESHED;
}

/* Extending */

/* The whole robot with another duration: Harbor takes what is missing for empty. */
static const char *
harbor_with_duration(struct renewal *r, const struct json *robot, int64_t days)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, r->arena);
	json_begin_object(&w);
	for (const struct json *item = robot->child; item != NULL; item = item->next) {
		if (strcmp(item->name, "duration") == 0)
			continue;
		json_name(&w, item->name);
		json_copy(&w, item);
	}
	json_name(&w, "duration");
	json_int(&w, days);
	json_end_object(&w);
	return json_out_text(&w, &len);
}

/* Moves the robot's end to `days` from now on, unless it is later already or never. */
static enum renew_result
harbor_extend(struct renewal *r, struct robot *robot, int64_t days)
{
	const char *made = ask_text(robot->document, "creation_time");
	struct ask_answer answer;
	int64_t made_ms, duration;

	if (robot->expires_ms == 0 || robot->expires_ms >= r->now_ms + days * HARBOR_DAY_MS)
		return RENEW_REFRESHED;
	if (made == NULL || !date_parse(made, r->now_ms, &made_ms))
		return ask_end(r, RENEW_BAD_ANSWER,
			       "Harbor's answer does not say when the robot was made.", NULL);
	duration = (r->now_ms - made_ms + HARBOR_DAY_MS - 1) / HARBOR_DAY_MS + days;
	const char *body = harbor_with_duration(r, robot->document, duration);
	enum renew_result result = harbor_ask(r, "PUT", body, NULL, &answer);
	return result == RENEW_REFRESHED ? harbor_read(r, robot) : result;
}

/* The secret */

static enum renew_result
harbor_set(struct renewal *r, const struct robot *robot)
{
	struct ask_answer answer;
	const char *body = json_strings(r->arena, "secret", r->chosen);
	enum renew_result result = harbor_ask(r, "PATCH", body, "secret", &answer);
	if (result != RENEW_REFRESHED)
		return result;
	/* "": ours was taken. */
	const char *own = ask_text(answer.document, "secret");
	r->new_secret = own != NULL ? own : r->chosen;
	r->new_user = robot->name;
	r->expires_ms = robot->expires_ms;
	return RENEW_REFRESHED;
}

enum renew_result
harbor_fetch(struct renewal *r)
{
	const char *id = source_text(r->config, "robot");
	struct robot robot;
	int64_t days = 0; /* 0: the end stays */

	if (id == NULL || strspn(id, DIGITS) != strlen(id) || strlen(id) > ROBOT_DIGITS)
		return ask_misconfigured(
			r, "The member \"robot\" of sourceConfig has to be the number of the "
			   "robot, as the list of robots in Harbor's API has it.");
	if (!ask_setting(r, "extendDays", "days", 1, DAYS_MAX, &days))
		return ask_misconfigured(r, r->message);
	if (r->source_secret == NULL)
		return ask_misconfigured(
			r, "The source needs the password of its user as sourceSecret.");
	if (!ask_every(r))
		return ask_misconfigured(r, r->message);
	enum renew_result result = harbor_read(r, &robot);
	if (result == RENEW_REFRESHED && days > 0)
		result = harbor_extend(r, &robot, days);
	if (result != RENEW_REFRESHED)
		return result;
	if (robot.expires_ms != 0 && robot.expires_ms <= r->now_ms)
		return ask_end(r, RENEW_BAD_ANSWER,
			       "The robot's time in Harbor is over: extend it there, or set "
			       "extendDays in sourceConfig.",
			       NULL);
	/* Each renewal extends it, so one has to come before its end. */
	if (days > 0 && robot.expires_ms != 0 && r->every_ms > (robot.expires_ms - r->now_ms) / 2)
		r->every_ms = (robot.expires_ms - r->now_ms) / 2;
	return harbor_set(r, &robot);
}
