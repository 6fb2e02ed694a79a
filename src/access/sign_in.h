/* sign_in: who a request is from: its API key, or whom the web server signed in. */
#ifndef REGCRED_ACCESS_SIGN_IN_H
#define REGCRED_ACCESS_SIGN_IN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/identity.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"

enum {
	AUTH_OPEN_ACCOUNT = 1,	 /* the administrator: everybody in open mode */
	AUTH_SYSTEM_ACCOUNT = 2, /* regcred itself */
};

enum { AUTH_LAST_USED_MS = 60 * 1000 }; /* a key's last use is written so often at most */

/* Whether whoever asks sits on this machine, and asks for it by a name that leads nowhere else. */
bool auth_is_local(const struct request *request);

/* Sessions of the page.  Over plain HTTP only this machine may have one, by the second name; what
 * begins with __Host- a browser sends over TLS only, and to this host only. */
#define AUTH_SESSION_COOKIE "__Host-regcred"
#define AUTH_SESSION_LOCAL "regcred-session"
enum {
	AUTH_SESSION_IDLE_MS = 60 * 60 * 1000,
	AUTH_SESSION_MS = 12 * 60 * 60 * 1000,
	AUTH_SESSION_LINK_MS = 10 * 60 * 1000, /* a link that signs in once */
};

/* Who the request is from, unscoped.  ERR_UNAUTHORIZED, the same for every key that does not let
 * in; ERR_TOO_MANY after too many of those; ERR_BAD_REQUEST for a header that came twice or two
 * keys that differ; for somebody whom the web server signed in see proxy_check(), and
 * ERR_FORBIDDEN: no account, one that is not active or not of a kind for people, or a key of
 * another account beside it. */
enum err auth_identify(const struct auth *auth, struct arena *a, const struct request *request,
		       int64_t now_ms, struct identity *out, struct error *e)
	__attribute__((warn_unused_result));

/* Counts, for the audit log, a change or hand-out that a caller was not allowed.  event and type are
 * static. */
void auth_note_refused(const struct auth *auth, const struct actor *actor, const char *event,
		       const char *type, int64_t now_ms, enum err code);

/* Counts, for the audit log, a request that is refused though its key let it in. */
void auth_note_denied(const struct auth *auth, struct arena *a, const struct request *request,
		      int64_t now_ms, enum err code);

#endif
