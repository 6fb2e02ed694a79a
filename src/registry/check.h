/* check: asks a registry whether it accepts a login, and for a token to use instead of one.
 *
 * Through the registry API: GET /v2/ without a login; the challenge; Basic, or a token from the
 * realm; then /v2/ again with that, because a token alone proves nothing. docs/verification.md
 * lists the results and their causes. No part of a login gets into a URL or a log.
 */
#ifndef REGCRED_REGISTRY_CHECK_H
#define REGCRED_REGISTRY_CHECK_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"

enum check_result {
#define RESULT(name, word, sentence) CHECK_##name,
#include "registry/result.def"
#undef RESULT
	CHECK__COUNT
};

/* "invalidCredential" and the like. */
const char *check_result_word(enum check_result result);

/* What a result says about the login. */
enum check_verdict { VERDICT_GOOD, VERDICT_DOUBTFUL, VERDICT_BAD };
enum check_verdict check_verdict_of(enum check_result result);

struct check_settings {
	const char *networks; /* loopback networks that are allowed: outbound/address.h */
	const char
		*insecure; /* registries that use plain HTTP: keys separated by blanks or commas */
	const char *ca_file; /* "": the system's */
	const char *proxy;   /* "": none, even if the environment names one */
	int64_t timeout_ms;  /* for the whole check */
};

struct check_report {
	enum check_result result;
	const char *message;	/* a sentence, static or in the arena */
	int http_status;	/* of the answer that decided; 0: no answer */
	int64_t ms;		/* duration */
	const char *token_host; /* where the login was sent, or would have been: in the arena, NULL:
				   nowhere */
};

/* A registry, and where its logins go: to its token server, or to itself. Whoever takes over the
 * front of a registry could name another host, and collect all passwords that are checked. */
struct registry_at {
	const char *address;	/* as a client wrote it */
	const char *token_host; /* HOST or HOST:PORT, the only one; NULL: any */
	const char *repository; /* a right login has to be able to pull it; NULL: not asked */
};

/* Checks a login at a registry. user and secret may be
 * NULL. Takes up to timeout_ms; may be called from any thread. False: out of memory or descriptors,
 * so there is no result. */
bool registry_check(const struct check_settings *s, struct arena *a, const struct registry_at *at,
		    const char *user, const char *secret, struct check_report *out)
	__attribute__((warn_unused_result));

enum { GRANT_SCOPES_MAX = 2 };

/* What a client may send to a registry. */
struct grant {
	const char *authorization; /* value of the Authorization header, in the arena; NULL: nothing
				      was granted */
	bool is_token;		   /* false: it is the login itself */
	int64_t lasts_ms;	   /* lifetime of a token, counted from the request for it */
};

/* Asks the registry how clients authenticate, and its token server for a token for
 * these scopes (NULL-terminated): "repository:acme/app:pull".  report->result is CHECK_VALID if
 * there is a grant.  For a registry that wants Basic or no authentication the grant is the login
 * itself. Otherwise as above. */
bool registry_authorize(const struct check_settings *s, struct arena *a,
			const struct registry_at *at, const char *user, const char *secret,
			const char *const *scopes, struct grant *out, struct check_report *report)
	__attribute__((warn_unused_result));

/* Whether a login itself, instead of a token for it, may go to the registry: report->result is
 * CHECK_VALID, or CHECK_OTHER_TOKEN_HOST. No request is sent. Otherwise as above. */
bool registry_may_have_login(const struct check_settings *s, struct arena *a,
			     const struct registry_at *at, struct check_report *report)
	__attribute__((warn_unused_result));

/* A path of a registry, and where the registry redirects a client that requests it. */
struct follow {
	const char *path;	   /* "/v2/acme/app/blobs/sha256:…" */
	const char *authorization; /* from a grant */
	bool upload;		   /* start an upload with POST; else GET */
	unsigned hops;		   /* redirects to follow at most */
	const char *next;	   /* the result, in the arena: a path with its query */
};
enum { FOLLOW_HOPS_MAX = 4 };

/* Requests the path, and follows redirects as long as they stay on the registry's own host.
 * report->result is CHECK_VALID if f->next is set. Otherwise as above. */
bool registry_follow(const struct check_settings *s, struct arena *a, const char *address,
		     struct follow *f, struct check_report *report)
	__attribute__((warn_unused_result));

#endif
