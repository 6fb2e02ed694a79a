/* authorize: the Authorization header for a request to a registry: Basic, or a token. */
#include "registry/authorize.h"

#include <string.h>

#include "base/arena.h"
#include "registry/challenge.h"
#include "registry/check.h"
#include "registry/inquiry.h"
#include "registry/result.h"

/* The login itself, for a registry that takes it so. */
static enum check_result
grant_login(struct registry_check *c)
{
	const struct given_login login = {c->user, c->secret};

	if (strchr(c->user, ':') != NULL)
		return CHECK_INVALID_CREDENTIAL;
	c->grant->authorization = ask_basic(c, &login);
	return CHECK_VALID;
}

static enum check_result
authorize_run(struct registry_check *c)
{
	const struct given_login login = {c->user, c->secret};
	const struct challenge *challenge;
	const char *token = NULL;
	struct registry_answer answer;
	struct realm realm;
	enum check_result result = ask_registry(c, "/v2/", NULL, false, &answer);

	if (result != OPEN)
		return result;
	if (answer.status == 200)
		return grant_login(c);
	if (answer.status != 401)
		return result_of_status(answer.status);
	challenge = challenge_find(&answer.challenges, "bearer");
	if (challenge == NULL)
		return challenge_find(&answer.challenges, "basic") != NULL ? grant_login(c)
									   : CHECK_NOT_A_REGISTRY;
	if (!token_read_realm(c, challenge, &realm))
		return CHECK_NOT_A_REGISTRY;
	result = token_get(c, &realm, &login, false, &token);
	if (result != OPEN)
		return result;
	c->grant->is_token = true;
	c->grant->authorization = arena_printf(c->arena, "Bearer %s", token);
	return CHECK_VALID;
}

bool
registry_authorize(const struct check_settings *s, struct arena *a, const char *address,
		   const char *user, const char *secret, const char *const *scopes,
		   struct grant *out, struct check_report *report)
{
	struct registry_check *c = arena_alloc(a, sizeof(*c));

	*out = (struct grant){0};
	if (c == NULL)
		return false;
	*c = (struct registry_check){.settings = s,
				     .arena = a,
				     .user = user,
				     .secret = secret,
				     .scopes = scopes,
				     .grant = out};
	return ask_carry_out(c, address, authorize_run, report);
}
