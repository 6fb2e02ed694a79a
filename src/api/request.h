/* request: parses a request: base of its links, version, path, method, body, query. */
#ifndef REGCRED_API_REQUEST_H
#define REGCRED_API_REQUEST_H

#include <stdbool.h>

#include "api/call.h"
#include "base/err.h"
#include "base/http.h"

enum err request_find_base(struct call *c);

bool request_find_version(struct call *c);

/* "/v1/projects/1a5/…" is scoped if something follows, unless that is the project's own list of
 * members. */
void request_find_path(struct call *c);

/* The effective method: `_method` overrides POST; HEAD counts as GET. */
enum http_method request_method(const struct call *c);

bool request_is_read(const struct call *c);

/* A body is read as JSON whatever its type, except for forms; with curl's default type it is JSON
 * if it looks like JSON. */
enum err request_read_body(struct call *c);

/* Query parameters fill in what the body does not set. */
enum err request_merge_query(struct call *c);

#endif
