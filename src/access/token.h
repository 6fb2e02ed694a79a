/* token: checks web tokens (JWT) of other issuers: of service accounts of Kubernetes, of jobs of
 * GitLab and GitHub.
 *
 * Accepted is what all of this holds for: three parts in base64url, JSON objects without doubled
 * members, of 8 KiB at most; a header of alg, kid and typ and nothing that names a key or changes
 * what is signed; RS256 or ES256, signed by the key of that kid in the key set that the settings
 * name for the issuer; our audience; a time that is now; the claims that the section asks for.
 *
 *   struct web_token token;
 *   if (token_check(&settings, arena, text, client, now_ms, &token, e) == ERR_NONE)
 *           … token.rule says what it may do …
 */
#ifndef REGCRED_ACCESS_TOKEN_H
#define REGCRED_ACCESS_TOKEN_H

#include <stdint.h>

#include "access/token_keys.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/settings.h"

enum {
	TOKEN_MAX = 8 * 1024, /* bytes */
	TOKEN_SLACK_S = 60,   /* clocks may differ */
	TOKEN_SUBJECT_MAX = 255,
};

struct web_token {
	const struct token_rule *rule; /* NULL: not accepted */
	const char *who; /* SUBJECT@ISSUER once the signature is verified; NULL before */
	const char *why; /* why it is refused, as the log says; NULL: it is not */
	int64_t expires_ms;
};

/* The token after "Bearer "; NULL: the header is something else. */
const char *token_of_header(const char *authorization);

/* The first section that the token fits. ERR_UNAUTHORIZED, with a sentence that says why only if
 * the signature is right, and a line in the log; ERR_UNAVAILABLE: its issuer's keys cannot be had.
 */
enum err token_check(const struct token_settings *s, struct arena *a, const char *text,
		     const char *client, int64_t now_ms, struct web_token *out, struct error *e)
	__attribute__((warn_unused_result));

#endif
