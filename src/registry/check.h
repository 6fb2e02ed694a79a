/* check: asks a registry whether it takes a login.
 *
 * By the registry API: GET /v2/ as nobody; a challenge; Basic, or a token from the realm; /v2/
 * again with that, because a token alone proves nothing.  docs/verification.md says what makes
 * which result.  Each name is resolved once, and the connection goes to an address that was
 * allowed. Nothing of a login gets into a URL or a log; curl's memory is wiped when it is freed.
 */
#ifndef REGCRED_REGISTRY_CHECK_H
#define REGCRED_REGISTRY_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "outbound/lookup.h"
#include "registry/result.h"

struct check_settings {
	const char *networks; /* loopback networks that are allowed: outbound.h */
	const char *
		insecure; /* registries that speak plain HTTP: keys with blanks or commas between */
	const char *ca_file; /* "": the system's */
	const char *proxy;   /* "": none, whatever the environment says */
	int64_t timeout_ms;  /* for all of it */
	resolve_fn resolve;  /* NULL: the system's resolver */
};

struct check_report {
	enum check_result result;
	const char *message; /* a sentence, static */
	int http_status;     /* of the answer that decided; 0: there was none */
	int64_t ms;	     /* that it took */
};

/* Asks the registry at this address, as a client gave it.  user and secret may be NULL.  Takes up
 * to timeout_ms; called from any thread.  False: there was no memory to find out. */
bool registry_check(const struct check_settings *s, struct arena *a, const char *address,
		    const char *user, const char *secret, struct check_report *out)
	__attribute__((warn_unused_result));

enum { GRANT_SCOPES_MAX = 2 };

/* What a registry takes from a client instead of a login. */
struct grant {
	const char *authorization; /* the header's value, in the arena; NULL: none was granted */
	bool is_token;		   /* else it is the login */
	int64_t lasts_ms;	   /* of a token: from when it was asked for */
};

#endif
