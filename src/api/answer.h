/* answer: a response from what a handler made: headers, documents, errors. */
#ifndef REGCRED_API_ANSWER_H
#define REGCRED_API_ANSWER_H

#include <stdbool.h>

#include "api/call.h"
#include "base/err.h"
#include "base/http.h"
#include "model/list.h"
#include "model/schema.h"

/* The answer to a change, headers and all, written before the change is committed. */
enum err write_answer(void *arg, const struct record *row, const char *secret,
		      const struct record_list *members, struct error *e);

/* What is left when there is no memory for anything else. */
void answer_without_memory(struct response *response);

void answer_add_headers(struct call *c);

/* The whole response from the document that was written; false without memory. */
bool answer_compose(struct call *c);

/* Starts over: an answer that was begun is dropped, but for the cookie of a browser. */
void answer_compose_error(struct call *c);

#endif
