/* proxy: people whom the web server has signed in already.
 *
 * The web server says who somebody is in parameters of its own (REGCRED_PROXY_*), never in headers.
 * They are claims until the token, which only the web server and regcredd can read, proves them.
 * Plain strings in, verdicts out: accounts are auth.c's.
 */
#ifndef REGCRED_PROXY_H
#define REGCRED_PROXY_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/http.h"
#include "base/settings.h"

enum {
	PROXY_TOKEN_MIN = 32, /* characters: 128 bits even as hexadecimal digits */
	PROXY_TOKEN_SIZE = 513,
	PROXY_USER_MAX = 255, /* bytes of each claim: what an account's externalId takes */
	PROXY_GROUPS_MAX = 4096,
	PROXY_EMAIL_MAX = 255,
};

/* Reads the token: the one line of a file of mode 0600 or 0400.  False with a sentence in why,
 * which never holds the token. */
bool proxy_token_load(const char *path, char token[PROXY_TOKEN_SIZE], char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* Whether the request speaks of an identity, or of the token, at all. */
bool proxy_claimed(const struct proxy_claim *claim);

/* ERR_UNAUTHORIZED, logged: the token is missing or wrong.  ERR_BAD_REQUEST: a parameter came
 * twice, is empty, too long, no UTF-8, or holds a control character; or a group or address without
 * a user. After ERR_NONE claim->user is NULL if there was nothing but the token. */
enum err proxy_check(const struct proxy_claim *claim, const char *token, struct error *e)
	__attribute__((warn_unused_result));

/* "admin", "readAdmin", "user", or "1a5:member": what a group gives.  The name is left alone. */
bool proxy_grant_parse(const char *text, struct group_grant *out)
	__attribute__((warn_unused_result));
/* Whether a group of that name could be in a list: not empty, not too long, no separator in it. */
bool proxy_group_name_valid(const char *name);

/* Whether the name is in the list.  Commas separate, or bars if the list holds one; a separator at
 * its very beginning decides.  Blanks around a name do not count, its case does.  NULL: no groups.
 */
bool proxy_in_groups(const char *list, const char *name);

/* Whether an account of that kind may be signed in so: people, not machines or projects. */
bool proxy_may_be(const char *kind);
/* The strongest of the account's kind and those that the groups give. */
const char *proxy_kind(const char *kind, const char *list, const struct group_grant *grants,
		       size_t count);

#endif
