/* token_keys: the key sets (RFC 7517) of the issuers whose tokens are accepted.
 *
 * One in a file is read each time. One at a URL is fetched into a file of the state directory,
 * which all processes of the pool and a CGI share: again when it is older than ten minutes, or when
 * a token names a key that is not in it, but not twice in a minute, whoever asks. A set that cannot
 * be fetched again is used for a day.
 */
#ifndef REGCRED_ACCESS_TOKEN_KEYS_H
#define REGCRED_ACCESS_TOKEN_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/settings.h"
#include "outbound/seats.h"

/* Whose tokens are accepted, and what it takes to find that out. */
struct token_settings {
	const struct token_rule *rules;
	size_t count; /* 0: no tokens are accepted */
	const char *state_dir;
	const char *ca_file, *proxy; /* of fetch.h */
	int64_t timeout_ms;
	struct seats *seats; /* for threads that wait for an issuer */
};

/* The key set of a rule, an object. newer: a key is not in the set that was read before.
 * ERR_UNAVAILABLE, logged: there is none. */
enum err token_keys_read(const struct token_settings *s, struct arena *a,
			 const struct token_rule *rule, bool newer, int64_t now_ms,
			 const struct json **out, struct error *e)
	__attribute__((warn_unused_result));

#endif
