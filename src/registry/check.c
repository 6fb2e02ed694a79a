/* check: which requests a registry is sent, and what its answers mean. */
#include "registry/check.h"

#include <string.h>

#include "registry/inquiry.h"
#include "shared/board.h"

/* Logins
 *
 * A 200 from /v2/ to our login proves nothing.  Four kinds of servers answer so without having
 * checked it; each is ruled out by another request:
 *
 *   1. a web page, or a proxy that sends everything to one: 200 to any request.
 *      inquiry_prove_registry(): a repository that cannot exist must be refused, as registries do.
 *   2. a registry whose /v2/ is open, with or without a login.
 *      check_open(): it must refuse a made-up login.  If not: anonymousAccess.
 *   3. a token server that gives anybody a token, perhaps a useless one.
 *      token_ask_with(): /v2/ must accept ours; and compare_with_nobody(): it must refuse an
 *      anonymous token, unless the two tokens name different subjects.
 *   4. a token server that also gives anonymous tokens, for public images (Docker Hub).
 *      compare_with_nobody(), at its end: a made-up login must not get such a token.
 *
 * The anonymous request comes before the one with a made-up login: it is enough for most servers,
 * and so failed sign-ins appear in few logs.
 */

static enum check_result
check_basic(struct inquiry *c)
{
	const char *authorization = inquiry_basic(c, &c->login);
	struct registry_answer answer;
	enum check_result result = token_may_send(c, c->api);

	if (result == OPEN)
		result = inquiry_ask_registry(c, "/v2/", authorization, false, &answer);
	if (result == OPEN)
		result = inquiry_result_of(answer.status);
	if (result == OPEN)
		result = inquiry_prove_registry(c, authorization);
	return result == OPEN ? CHECK_VALID : result;
}

static enum check_result
check_open(struct inquiry *c)
{
	struct registry_answer answer;
	enum check_result result = inquiry_prove_registry(c, NULL);

	if (result != OPEN)
		return result;
	if (c->login.secret == NULL)
		return CHECK_ANONYMOUS_ACCESS;
	const struct given_login nobody = inquiry_made_up_login(c);
	result = token_may_send(c, c->api);
	if (result == OPEN)
		result = inquiry_ask_registry(c, "/v2/", inquiry_basic(c, &c->login), false,
					      &answer);
	if (result == OPEN)
		result = inquiry_result_of(answer.status);
	if (result != OPEN)
		return result;
	result = inquiry_ask_registry(c, "/v2/", inquiry_basic(c, &nobody), true, &answer);
	if (result != OPEN)
		return result;
	return answer.status == 401 ? CHECK_VALID : CHECK_ANONYMOUS_ACCESS;
}

/* Tokens */

/* Cases 3 and 4: the remaining cases are decided with a login that does not exist. */
static enum check_result
compare_with_nobody(struct inquiry *c, const struct realm *realm, const char *ours)
{
	const char *token = NULL, *us = token_subject(c, ours);
	enum check_result result = token_get(c, realm, NULL, true, &token);

	if (result == OPEN)
		result = token_ask_with(c, token, true);
	if (result != OPEN)
		return token_is_refusal(result) ? CHECK_VALID : result;
	const char *them = token_subject(c, token);
	if (us != NULL && (them == NULL || strcmp(us, them) != 0))
		return CHECK_VALID;
	const struct given_login nobody = inquiry_made_up_login(c);
	if (inquiry_is_exhausted(c))
		return CHECK_UNREACHABLE;
	result = token_get(c, realm, &nobody, true, &token);
	if (result == OPEN)
		result = token_ask_with(c, token, true);
	if (result == OPEN)
		return CHECK_ANONYMOUS_ACCESS;
	return token_is_refusal(result) ? CHECK_VALID : result;
}

static enum check_result
check_bearer(struct inquiry *c, const struct challenge *challenge)
{
	const char *token = NULL;
	struct realm realm;

	if (!token_read_realm(c, challenge, &realm))
		return CHECK_NOT_A_REGISTRY;
	enum check_result result = token_may_send(c, realm.url);
	if (result == OPEN)
		result = token_get(c, &realm, &c->login, false, &token);
	if (result == OPEN)
		result = token_ask_with(c, token, false);
	if (result != OPEN)
		return result;
	c->is_registry = true; /* it completed the token protocol */
	result = inquiry_prove_registry(c, arena_printf(c->arena, "Bearer %s", token));
	return result == OPEN ? compare_with_nobody(c, &realm, token) : result;
}

static enum check_result
check_run(struct inquiry *c)
{
	const struct challenge *challenge;
	struct registry_answer answer;
	enum check_result result = inquiry_ask_registry(c, "/v2/", NULL, false, &answer);

	if (result != OPEN)
		return result;
	if (answer.status == 200)
		return check_open(c);
	if (answer.status != 401)
		return inquiry_result_of(answer.status);
	if (c->login.secret == NULL)
		return CHECK_INVALID_CREDENTIAL;
	challenge = challenge_find(&answer.challenges, "bearer");
	if (challenge != NULL)
		return check_bearer(c, challenge);
	if (challenge_find(&answer.challenges, "basic") != NULL)
		return check_basic(c);
	return CHECK_NOT_A_REGISTRY;
}

/* A login, or a token for it */

/* The login itself, for a registry that accepts it directly. */
static enum check_result
grant_login(struct inquiry *c)
{
	enum check_result result = token_may_send(c, c->api);

	if (result != OPEN)
		return result;
	c->grant->authorization = inquiry_basic(c, &c->login);
	return CHECK_VALID;
}

static enum check_result
grant_run(struct inquiry *c)
{
	const struct challenge *challenge;
	const char *token = NULL;
	struct registry_answer answer;
	struct realm realm;
	enum check_result result = inquiry_ask_registry(c, "/v2/", NULL, false, &answer);

	if (result != OPEN)
		return result;
	if (answer.status == 200)
		return grant_login(c);
	if (answer.status != 401)
		return inquiry_result_of(answer.status);
	challenge = challenge_find(&answer.challenges, "bearer");
	if (challenge == NULL)
		return challenge_find(&answer.challenges, "basic") != NULL ? grant_login(c)
									   : CHECK_NOT_A_REGISTRY;
	if (!token_read_realm(c, challenge, &realm))
		return CHECK_NOT_A_REGISTRY;
	result = token_may_send(c, realm.url);
	if (result == OPEN)
		result = token_get(c, &realm, &c->login, false, &token);
	if (result != OPEN)
		return result;
	c->grant->is_token = true;
	c->grant->authorization = arena_printf(c->arena, "Bearer %s", token);
	return CHECK_VALID;
}

/* Repositories
 *
 * That a login is right says nothing about what it may pull: a token server grants what it likes of
 * the scopes that it is asked for, and some registries take a token for /v2/ that they refuse for
 * every image.  So the tags of one repository are read, with a token as a pull would use it.
 */

static enum check_result
check_pull(struct inquiry *c)
{
	const char *scopes[] = {arena_printf(c->arena, "repository:%s:pull", c->repository), NULL};
	const char *path = arena_printf(c->arena, "/v2/%s/tags/list?n=1", c->repository);
	struct registry_answer answer;
	struct grant grant = {0};

	if (scopes[0] == NULL || path == NULL)
		return CHECK_UNREACHABLE; /* exhausted */
	c->scopes = scopes;
	c->grant = &grant;
	enum check_result result = grant_run(c);
	if (result == CHECK_VALID)
		result = inquiry_ask_registry(c, path, grant.authorization, false, &answer);
	c->scopes = NULL;
	c->grant = NULL;
	if (token_is_refusal(result) ||
	    (result == OPEN &&
	     (answer.status == 401 || answer.status == 403 || answer.status == 404)))
		return CHECK_REPOSITORY_REFUSED;
	if (result != OPEN)
		return result;
	return answer.status == 200 ? CHECK_VALID : inquiry_result_of(answer.status);
}

static enum check_result
check_run_all(struct inquiry *c)
{
	enum check_result result = check_run(c);

	return check_verdict_of(result) == VERDICT_GOOD && c->repository != NULL ? check_pull(c)
										 : result;
}

bool
registry_check(const struct check_settings *s, struct arena *a, const struct registry_at *at,
	       const char *user, const char *secret, struct check_report *out)
{
	struct inquiry *c = arena_alloc(a, sizeof(*c));

	if (c == NULL)
		return false;
	*c = (struct inquiry){.settings = s,
			      .arena = a,
			      .login = {user != NULL ? user : "", secret},
			      .known_host = at->token_host,
			      .repository = at->repository};
	if (!inquiry_run(c, at->address, check_run_all, out))
		return false;
	board_count_labelled(BOARD_VERIFICATIONS, out->result);
	return true;
}

bool
registry_authorize(const struct check_settings *s, struct arena *a, const struct registry_at *at,
		   const char *user, const char *secret, const char *const *scopes,
		   struct grant *out, struct check_report *report)
{
	struct inquiry *c = arena_alloc(a, sizeof(*c));

	*out = (struct grant){0};
	if (c == NULL)
		return false;
	*c = (struct inquiry){.settings = s,
			      .arena = a,
			      .login = {user, secret},
			      .scopes = scopes,
			      .grant = out,
			      .known_host = at->token_host};
	return inquiry_run(c, at->address, grant_run, report);
}

static enum check_result
send_run(struct inquiry *c)
{
	enum check_result result = token_may_send(c, c->api);

	return result == OPEN ? CHECK_VALID : result;
}

bool
registry_may_have_login(const struct check_settings *s, struct arena *a,
			const struct registry_at *at, struct check_report *out)
{
	struct inquiry *c = arena_alloc(a, sizeof(*c));

	if (c == NULL)
		return false;
	*c = (struct inquiry){.settings = s, .arena = a, .known_host = at->token_host};
	return inquiry_run(c, at->address, send_run, out);
}
