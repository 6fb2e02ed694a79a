/* answer: a response from what a handler made: headers, documents, errors. */
#ifndef REGCRED_API_ANSWER_H
#define REGCRED_API_ANSWER_H

#include <stdbool.h>

#include "api/call.h"
#include "base/http.h"

/* What is left when there is no memory for anything else. */
void answer_without_memory(struct response *response);

/* The whole response from what the handler left.  False without memory, and never after a commit.
 */
bool answer_compose(struct call *c);

/* Starts over: an answer that was begun is dropped, but for the cookie of a browser. */
void answer_compose_error(struct call *c);

#endif
