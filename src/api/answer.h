/* answer: builds the response from the result of a handler: headers, documents, errors. */
#ifndef REGCRED_API_ANSWER_H
#define REGCRED_API_ANSWER_H

#include <stdbool.h>

#include "api/call.h"
#include "base/http.h"

/* The static response for when there is no memory for anything else. */
void answer_without_memory(struct response *response);

/* Builds the whole response from what the handler left in the call. False if out of memory; never
 * false after a commit.
 */
bool answer_compose(struct call *c);

/* Builds an error response: discards what was written so far, except for the cookies. */
void answer_compose_error(struct call *c);

#endif
