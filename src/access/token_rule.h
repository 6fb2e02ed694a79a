/* token_rule: the sections [token NAME] of the settings: their lines, and whether a token has the
 * claims that one asks for. */
#ifndef REGCRED_ACCESS_TOKEN_RULE_H
#define REGCRED_ACCESS_TOKEN_RULE_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "base/settings.h"

/* Takes a line `name = value` of a section. False with a sentence in why. */
bool token_rule_take(struct token_rule *rule, const char *name, const char *value,
		     char why[CONFIG_WHY_MAX]) __attribute__((warn_unused_result));
/* Whether a section, which has ended, says all that it must. */
bool token_rule_complete(const struct token_rule *rule, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* Letters, digits, - and _, because a file is called so. */
bool token_rule_name_valid(const char *name);

/* Whether the keys are fetched, not read from a file. */
bool token_rule_is_url(const struct token_rule *rule);

/* The name of the claim that does not match its pattern, or is no text; NULL: all match. */
const char *token_rule_misses(const struct token_rule *rule, const struct json *claims);

#endif
