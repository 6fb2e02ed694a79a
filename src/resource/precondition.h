/* precondition: the condition of a write, decided in its transaction (docs/api.md, Conditional
 * requests). */
#ifndef REGCRED_RESOURCE_PRECONDITION_H
#define REGCRED_RESOURCE_PRECONDITION_H

#include "base/err.h"
#include "model/schema.h"
#include "store/store.h"

struct context;

struct precondition {
	/* What the entity tags say of the row as it is stored. */
	bool (*holds)(void *arg, const struct record *row);
	void *arg;
	int64_t unmodified_since_ms; /* -1: not asked */
};

/* ERR_PRECONDITION_FAILED if the condition of the request, if it has one, does not hold for the row
 * as the transaction finds it. */
enum err precondition_check(struct store_tx *tx, const struct context *c, const struct record *row,
			    struct error *e) __attribute__((warn_unused_result));

#endif
