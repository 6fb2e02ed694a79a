/* renewal: what a change means for a login whose secret comes from a source.
 *
 * A login with a source has no secret that a client sets, and no end that a client sets: both come
 * from the source.  What opens the source is sent wherever sourceConfig says, so it has to be sent
 * anew with each change of it: else whoever may change a login could have its sourceSecret sent to
 * a server of their own.
 */
#ifndef REGCRED_RESOURCE_RENEWAL_H
#define REGCRED_RESOURCE_RENEWAL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/schema.h"
#include "resource/resource.h"

/* Checks a new row (old is NULL) or a changed one, in which the sealed fields are not set yet.
 * Takes out of *columns what a client only sends back as it got it. */
enum err renewal_check(const struct context *c, const struct record *old, struct record *row,
		       const struct change *change, uint64_t *columns, struct error *e)
	__attribute__((warn_unused_result));

/* Sets what follows from the change, once the sealed fields are set; returns those columns. */
uint64_t renewal_follow(const struct context *c, const struct record *old, struct record *row,
			uint64_t columns);

/* Whether the row of a login could not be renewed and has little life left: less than a quarter of
 * it, or no secret at all yet. */
bool renewal_is_overdue(const struct record *row, int64_t now_ms);

/* When a login is due that is to be renewed at once: now, unless its source may be asked by one at
 * a time and is being asked; then RENEWAL_AFTER_MS after that has to be done. */
enum { RENEWAL_AFTER_MS = 1 };
int64_t renewal_due(const struct record *row, int64_t now_ms);

#endif
