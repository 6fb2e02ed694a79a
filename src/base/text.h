/* text: UTF-8, base64 and percent encoding. */
#ifndef REGCRED_BASE_TEXT_H
#define REGCRED_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/http.h"

#define UNRESERVED_CHARS DIGITS LETTERS "-._~" /* RFC 3986, 2.3 */

/* True if text is valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF, no NUL
 * within len. */
bool http_utf8_valid(const char *text, size_t len);

/* Characters (code points) of valid UTF-8. */
size_t http_utf8_length(const char *text);

/* Percent-encodes everything but unreserved characters (RFC 3986), for a query that is built again.
 */
char *http_encode(struct arena *a, const char *text);

/* Base64 with padding; NULL without memory. */
char *http_base64(struct arena *a, const char *bytes, size_t len);

#endif
