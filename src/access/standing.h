/* standing: whether a caller may still do what it might when its request began. */
#ifndef REGCRED_ACCESS_STANDING_H
#define REGCRED_ACCESS_STANDING_H

#include <stdint.h>

#include "access/identity.h"
#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

/* To be asked at the head of each transaction that changes something or lets a secret out: there
 * nothing changes any more until it ends, so that what was revoked before has no effect after.
 * account: whose rows it is about; 0: the caller's own.  ERR_UNAUTHORIZED: the key, its account, or
 * the membership of whoever made it is not as it was; ERR_FORBIDDEN: the membership, or the
 * project. */
enum err standing_check(struct store_tx *tx, struct arena *a, const struct identity *id,
			int64_t account, struct error *e) __attribute__((warn_unused_result));

#endif
