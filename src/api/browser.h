/* browser: what only browsers need: the HTML page, the CSRF cookie, the origin of a request. */
#ifndef REGCRED_API_BROWSER_H
#define REGCRED_API_BROWSER_H

#include <stdbool.h>
#include <stddef.h>

#include "api/call.h"
#include "base/err.h"

/* Whether the request comes from a browser without a key, which gets the web page instead of JSON.
 */
bool browser_wants_page(const struct call *c);

bool browser_wants_html(const struct call *c);

/* Whether the browser says that a page of another site sent the request. */
bool browser_is_elsewhere(const struct call *c);

/* Checks that a browser's write comes from one of our pages. Sets the cookie, or sends it again. */
enum err browser_check_csrf(struct call *c);

const char *browser_as_html(struct call *c, const char *json, size_t *len);

#endif
