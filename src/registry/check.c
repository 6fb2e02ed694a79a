/* registry_check: the questions to a registry and what its answers mean. */
#include "registry/check.h"

#include <string.h>

#include "base/arena.h"
#include "registry/challenge.h"
#include "registry/inquiry.h"
#include "registry/result.h"

/* Logins */

static enum check_result
check_basic(struct registry_check *c)
{
	const struct given_login login = {c->user, c->secret};
	const char *authorization = ask_basic(c, &login);
	struct registry_answer answer;
	enum check_result result = ask_registry(c, "/v2/", authorization, false, &answer);

	if (result == OPEN)
		result = result_of_status(answer.status);
	if (result == OPEN)
		result = ask_prove_registry(c, authorization);
	return result == OPEN ? CHECK_VALID : result;
}

/* /v2/ is open to everybody.  A registry that refuses a login which nobody has, and takes ours,
 * has looked at it. */
static enum check_result
check_open(struct registry_check *c)
{
	struct registry_answer answer;
	enum check_result result = ask_prove_registry(c, NULL);

	if (result != OPEN)
		return result;
	if (c->secret == NULL)
		return CHECK_ANONYMOUS_ACCESS;
	const struct given_login login = {c->user, c->secret}, nobody = ask_made_up_login(c);
	result = ask_registry(c, "/v2/", ask_basic(c, &login), false, &answer);
	if (result == OPEN)
		result = result_of_status(answer.status);
	if (result != OPEN)
		return result;
	result = ask_registry(c, "/v2/", ask_basic(c, &nobody), true, &answer);
	if (result != OPEN)
		return result;
	return answer.status == 401 ? CHECK_VALID : CHECK_ANONYMOUS_ACCESS;
}

/* Tokens */

/* The registry took a token for our login.  If it takes those that are given to nobody as well, the
 * token server may have looked at no login at all.  So it is asked as nobody: no token, one that
 * /v2/ refuses, or one for somebody else is proof.  Where that leaves a doubt, a login that nobody
 * has decides. */
static enum check_result
compare_with_nobody(struct registry_check *c, const struct realm *realm, const char *ours)
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
	const struct given_login nobody = ask_made_up_login(c);
	if (fetch_lacks_memory(c))
		return CHECK_UNREACHABLE;
	result = token_get(c, realm, &nobody, true, &token);
	if (result == OPEN)
		result = token_ask_with(c, token, true);
	if (result == OPEN)
		return CHECK_ANONYMOUS_ACCESS;
	return token_is_refusal(result) ? CHECK_VALID : result;
}

static enum check_result
check_bearer(struct registry_check *c, const struct challenge *challenge)
{
	const struct given_login login = {c->user, c->secret};
	const char *token = NULL;
	struct realm realm;

	if (!token_read_realm(c, challenge, &realm))
		return CHECK_NOT_A_REGISTRY;
	enum check_result result = token_get(c, &realm, &login, false, &token);
	if (result == OPEN)
		result = token_ask_with(c, token, false);
	if (result != OPEN)
		return result;
	c->is_registry = true; /* it spoke the token protocol to its end */
	result = ask_prove_registry(c, arena_printf(c->arena, "Bearer %s", token));
	return result == OPEN ? compare_with_nobody(c, &realm, token) : result;
}

static enum check_result
check_run(struct registry_check *c)
{
	const struct challenge *challenge;
	struct registry_answer answer;
	enum check_result result = ask_registry(c, "/v2/", NULL, false, &answer);

	if (result != OPEN)
		return result;
	if (answer.status == 200)
		return check_open(c);
	if (answer.status != 401)
		return result_of_status(answer.status);
	if (c->secret == NULL)
		return CHECK_INVALID_CREDENTIAL;
	challenge = challenge_find(&answer.challenges, "bearer");
	if (challenge != NULL)
		return check_bearer(c, challenge);
	if (challenge_find(&answer.challenges, "basic") != NULL)
		return check_basic(c);
	return CHECK_NOT_A_REGISTRY;
}

bool
registry_check(const struct check_settings *s, struct arena *a, const char *address,
	       const char *user, const char *secret, struct check_report *out)
{
	struct registry_check *c = arena_alloc(a, sizeof(*c));

	if (c == NULL)
		return false;
	*c = (struct registry_check){
		.settings = s, .arena = a, .user = user != NULL ? user : "", .secret = secret};
	return ask_carry_out(c, address, check_run, out);
}
