/* precondition: the condition of a write, checked in its transaction (docs/api.md, Conditional
 * requests). */
#ifndef REGCRED_RESOURCE_PRECONDITION_H
#define REGCRED_RESOURCE_PRECONDITION_H

#include "base/err.h"
#include "model/schema.h"
#include "store/store.h"

struct context;

struct precondition {
	/* Whether the entity tags match the stored row. */
	bool (*holds)(void *arg, const struct record *row);
	void *arg;
	int64_t unmodified_since_ms; /* -1: not given */
};

/* ERR_PRECONDITION_FAILED if the request has a condition that does not hold for the row in the
 * transaction. */
enum err precondition_check(struct store_tx *tx, const struct context *c, const struct record *row,
			    struct error *e) __attribute__((warn_unused_result));

#endif
