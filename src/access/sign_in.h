/* sign_in: finds out who sent a request: by its API key, or by reverse-proxy authentication. */
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
	AUTH_OPEN_ACCOUNT = 1,	 /* the administrator; every caller in open mode */
	AUTH_SYSTEM_ACCOUNT = 2, /* regcred itself */
};

enum { AUTH_LAST_USED_MS = 60 * 1000 }; /* a key's last use is written at most this often */

/* Whether the request comes from this machine, under a host name that can only mean this machine.
 */
bool auth_is_local(const struct request *request);

/* Session cookies of the web page. Browsers send __Host- cookies only over TLS and only to the same
 * host; over plain HTTP the second name is used, for clients on this machine only. */
#define AUTH_SESSION_COOKIE "__Host-regcred"
#define AUTH_SESSION_LOCAL "regcred-session"
enum {
	AUTH_SESSION_IDLE_MS = 60 * 60 * 1000,
	AUTH_SESSION_MS = 12 * 60 * 60 * 1000,
	AUTH_SESSION_LINK_MS = 10 * 60 * 1000, /* of a link that signs in once */
};

/* Who the request is from, unscoped.  ERR_UNAUTHORIZED, the same for every key that is not
 * accepted; ERR_TOO_MANY after too many of those; ERR_BAD_REQUEST for a repeated header or two
 * different keys. For users authenticated by the web server: the errors of proxy_check(), and
 * ERR_FORBIDDEN if there is no account, it is inactive or not of a kind for people, or the request
 * also has a key of another account. */
enum err auth_identify(const struct auth *auth, struct arena *a, const struct request *request,
		       int64_t now_ms, struct identity *out, struct error *e)
	__attribute__((warn_unused_result));

/* Counts, for the audit log, a change or retrieval of logins that the caller was not allowed. event
 * and type are static. */
void auth_note_refused(const struct auth *auth, const struct actor *actor, const char *event,
		       const char *type, int64_t now_ms, enum err code);

/* Counts, for the audit log, a request that is refused although its key was accepted. */
void auth_note_denied(const struct auth *auth, struct arena *a, const struct request *request,
		      int64_t now_ms, enum err code);

#endif
