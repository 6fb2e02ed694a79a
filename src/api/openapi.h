/* openapi: the API as an OpenAPI 3.1 document, from the same tables as the schemas. */
#ifndef REGCRED_API_OPENAPI_H
#define REGCRED_API_OPENAPI_H

#include "access/permissions.h"
#include "base/json_out.h"
#include "model/schema.h"

/* What the role sees and may do; scope is the URL that the paths go on from. */
void openapi_write(struct json_out *w, const char *scope, enum role role, enum api_version version);

#endif
