/* condition: entity tags of answers, and the conditions of requests (docs/api.md, Conditional
 * requests). */
#ifndef REGCRED_API_CONDITION_H
#define REGCRED_API_CONDITION_H

#include "api/call.h"

/* Puts the conditions of a write into its context, to be checked in its transaction.
 * ERR_PRECONDITION_FAILED: a condition that cannot be checked for this request. */
enum err condition_read(struct call *c) __attribute__((warn_unused_result));

/* Adds the entity tag to the answer of a read, and makes it 304 if the caller already has it.
 * ERR_PRECONDITION_FAILED: a condition does not hold. */
enum err condition_tag(struct call *c) __attribute__((warn_unused_result));

#endif
