/* browser: what only browsers need: the HTML page, the CSRF cookie, the origin of a request. */
#ifndef REGCRED_API_BROWSER_H
#define REGCRED_API_BROWSER_H

#include <stdbool.h>
#include <stddef.h>

#include "api/call.h"
#include "base/err.h"

/* Whether somebody with a browser and without a key asks, who is shown the page instead of JSON. */
bool browser_wants_page(const struct call *c);

bool browser_wants_html(const struct call *c);

/* A browser's write shows that it comes from a page of ours.  The
 * cookie is set, or sent again. */
enum err browser_check_csrf(struct call *c);

const char *browser_as_html(struct call *c, const char *json, size_t *len);

#endif
