/* condition: entity tags of answers, and the conditions of requests (docs/api.md, Conditional
 * requests). */
#ifndef REGCRED_API_CONDITION_H
#define REGCRED_API_CONDITION_H

#include "api/call.h"

/* Puts the conditions of a write into its context, to be decided in its transaction.
 * ERR_PRECONDITION_FAILED: one that cannot be decided here. */
enum err condition_read(struct call *c) __attribute__((warn_unused_result));

/* Gives a read document its entity tag, and makes it 304 if the caller has it.
 * ERR_PRECONDITION_FAILED: it is not the one that the caller wants. */
enum err condition_tag(struct call *c) __attribute__((warn_unused_result));

#endif
