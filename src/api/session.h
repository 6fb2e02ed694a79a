/* session: sessions of the web page: an API key that a browser uses through a cookie, for a limited
 * time. */
#ifndef REGCRED_API_SESSION_H
#define REGCRED_API_SESSION_H

#include "api/call.h"
#include "base/err.h"

/* Lets a POST to sessions sign in with the key of its body, as if it were in the header.
 * ERR_BAD_REQUEST for a key in the URL, because URLs are logged. */
enum err session_take_key(struct call *c);

/* POST /v1/sessions: creates the row and sets the cookie. */
enum err session_begin(struct call *c);

/* DELETE: "current" means the caller's own session, whose cookie is cleared. */
void session_name_current(struct call *c);

#endif
