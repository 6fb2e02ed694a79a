/* proxy: reverse-proxy authentication: users whom the web server has authenticated.
 *
 * The web server passes the user in parameters (REGCRED_PROXY_*), never in headers. They count only
 * with the token, which only the web server and regcredd can read. This file only checks strings;
 * sign_in.c handles the accounts.
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
	PROXY_USER_MAX = 255, /* bytes of each claim: the limit of an account's externalId */
	PROXY_GROUPS_MAX = 4096,
	PROXY_EMAIL_MAX = 255,
};

/* Reads the token from a one-line file of mode 0600 or 0400. False with a sentence in why, which
 * never contains the token. */
bool proxy_token_load(const char *path, char token[PROXY_TOKEN_SIZE], char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* Whether the request claims an identity or sends the token. */
bool proxy_claimed(const struct proxy_claim *claim);

/* ERR_UNAUTHORIZED, logged: the token is missing or wrong.  ERR_BAD_REQUEST: a parameter was sent
 * twice, is empty, too long, not UTF-8, or holds a control character; or a group or e-mail address
 * without a user. After ERR_NONE claim->user is NULL if only the token was sent. */
enum err proxy_check(const struct proxy_claim *claim, const char *token, struct error *e)
	__attribute__((warn_unused_result));

/* "admin", "readAdmin", "user", or "1a5:member": what a group grants. Does not set the name. */
bool proxy_grant_parse(const char *text, struct group_grant *out)
	__attribute__((warn_unused_result));
/* Whether a group name can be in a list: not empty, not too long, without separators. */
bool proxy_group_name_valid(const char *name);

/* Whether the name is in the list.  Names are separated by commas, or by bars if the list has one;
 * a separator at the very beginning takes precedence. Blanks around a name are ignored; case
 * matters.  NULL: no groups.
 */
bool proxy_in_groups(const char *list, const char *name);

/* Whether an account of that kind may sign in this way: people, not machines or projects. */
bool proxy_may_be(const char *kind);
/* The strongest of the account's kind and the kinds that its groups grant. */
const char *proxy_kind(const char *kind, const char *list, const struct group_grant *grants,
		       size_t count);

#endif
