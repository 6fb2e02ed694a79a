/* session: sessions of the page: an API key that a browser has as a cookie, for a while. */
#ifndef REGCRED_API_SESSION_H
#define REGCRED_API_SESSION_H

#include "api/call.h"
#include "base/err.h"

/* Lets a POST to sessions sign in with the key of its body, as if it stood in the header.
 * ERR_BAD_REQUEST for a key in the URL, which logs keep. */
enum err session_take_key(struct call *c);

/* POST /v1/sessions: the row, and the cookie. */
enum err session_begin(struct call *c);

/* DELETE: "current" is the session that asks; its cookie goes. */
void session_name_current(struct call *c);

#endif
