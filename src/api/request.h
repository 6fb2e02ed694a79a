/* request: reads a request: the base of its links, version, path, method, body, query. */
#ifndef REGCRED_API_REQUEST_H
#define REGCRED_API_REQUEST_H

#include <stdbool.h>

#include "api/call.h"
#include "base/err.h"
#include "base/http.h"

enum err request_find_base(struct call *c);

bool request_find_version(struct call *c);

/* "/v1/projects/1a5/…" is scoped when something follows, unless that is the project's own list of
 * members. */
void request_find_path(struct call *c);

/* The method that counts: `_method` on a POST; HEAD is GET without its body. */
enum http_method request_method(const struct call *c);

bool request_is_read(const struct call *c);

/* A body is JSON whatever its type says, but for forms; what curl sends by default is JSON when it
 * looks so. */
enum err request_read_body(struct call *c);

/* Parameters of the query lie under the body: what the body does not say, they may.
 */
enum err request_merge_query(struct call *c);

#endif
