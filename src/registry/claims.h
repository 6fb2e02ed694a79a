/* claims: what a JSON web token says about itself.  Nothing of it is verified: see access/token.h
 * for that. */
#ifndef REGCRED_REGISTRY_CLAIMS_H
#define REGCRED_REGISTRY_CLAIMS_H

#include <stddef.h>

#include "base/arena.h"
#include "base/json_in.h"

/* The claims of a token; NULL: it is no JSON web token, or out of memory. */
const struct json *claims_read(struct arena *a, const char *token);
/* The same of any one part. */
const struct json *claims_part(struct arena *a, const char *text, size_t len);

#endif
