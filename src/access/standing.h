/* standing: whether a caller still has the rights it had when its request began. */
#ifndef REGCRED_ACCESS_STANDING_H
#define REGCRED_ACCESS_STANDING_H

#include <stdint.h>

#include "access/identity.h"
#include "base/arena.h"
#include "base/err.h"
#include "store/store.h"

/* Call it at the beginning of each transaction that changes something or reveals a secret: nothing
 * else changes until the transaction ends, so a key revoked before it has no effect. account: the
 * account whose rows it is about; 0: the caller's own.  ERR_UNAUTHORIZED: the key, its session,
 * its account or its creator's membership has changed; ERR_FORBIDDEN: the caller's membership or
 * the project has.
 */
enum err standing_check(struct store_tx *tx, struct arena *a, const struct identity *id,
			int64_t account, struct error *e) __attribute__((warn_unused_result));

#endif
