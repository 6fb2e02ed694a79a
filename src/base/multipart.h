/* multipart: parses multipart/form-data. */
#ifndef REGCRED_BASE_MULTIPART_H
#define REGCRED_BASE_MULTIPART_H

#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"

/* Reads text fields only; a part with a file name counts as a field with that content.
 * ERR_INVALID_BODY: no boundary in content_type, a malformed body, invalid UTF-8, a NUL, or more
 * than HTTP_PAIRS_MAX parts. */
enum err http_multipart_parse(struct arena *a, const char *content_type, const char *body,
			      size_t len, struct pairs *out, struct error *e)
	__attribute__((warn_unused_result));

#endif
