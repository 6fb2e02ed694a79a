/* check: asks a registry whether it takes a login, and for what it takes instead of one.
 *
 * By the registry API: GET /v2/ as nobody; a challenge; Basic, or a token from the realm; /v2/
 * again with that, because a token alone proves nothing.  docs/verification.md says what makes
 * which result.  Nothing of a login gets into a URL or a log.
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

struct check_settings {
	const char *networks; /* loopback networks that are allowed: address.h */
	const char *
		insecure; /* registries that speak plain HTTP: keys with blanks or commas between */
	const char *ca_file; /* "": the system's */
	const char *proxy;   /* "": none, whatever the environment says */
	int64_t timeout_ms;  /* for all of it */
};

struct check_report {
	enum check_result result;
	const char *message; /* a sentence, static */
	int http_status;     /* of the answer that decided; 0: there was none */
	int64_t ms;	     /* that it took */
};

/* Asks the registry at this address, as a client gave it.  user and secret may be NULL.  Takes up
 * to timeout_ms; called from any thread.  False: there was no memory or descriptor to find out. */
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

/* Asks the registry at this address how it lets clients in, and its token server for a token for
 * these scopes (ended by NULL): "repository:acme/app:pull".  report->result is CHECK_VALID if there
 * is a grant.  A registry that wants Basic, or nothing, gets the login itself.  Else as above. */
bool registry_authorize(const struct check_settings *s, struct arena *a, const char *address,
			const char *user, const char *secret, const char *const *scopes,
			struct grant *out, struct check_report *report)
	__attribute__((warn_unused_result));

/* A path of a registry, and where the registry sends a client that asks for it. */
struct follow {
	const char *path;	   /* "/v2/acme/app/blobs/sha256:…" */
	const char *authorization; /* as a grant says it */
	bool upload;		   /* POST begins an upload there; else GET */
	unsigned hops;		   /* so many answers are followed */
	const char *next;	   /* the result, in the arena: a path with its query */
};
enum { FOLLOW_HOPS_MAX = 4 };

/* Asks for the path, and follows the answers as long as they stay on the registry's own host.
 * report->result is CHECK_VALID if f->next is set.  Else as above. */
bool registry_follow(const struct check_settings *s, struct arena *a, const char *address,
		     struct follow *f, struct check_report *report)
	__attribute__((warn_unused_result));

#endif
