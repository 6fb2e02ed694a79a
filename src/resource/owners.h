/* owners: the last owner of a project stays. */
#ifndef REGCRED_RESOURCE_OWNERS_H
#define REGCRED_RESOURCE_OWNERS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "resource/work.h"
#include "store/store.h"

/* An owner who acts on the project may have been removed since the request began. */
enum err owners_still_own(struct store_tx *tx, const struct work *w);

/* Whether a project has an owner who can act: an active account of a kind that
 * may, other than `except` (0: any). */
enum store_rc owners_find(struct store_tx *tx, struct arena *a, int64_t project, int64_t except,
			  bool *found);

/* Whether an account is the last owner who can act of a project that is not removed. */
enum store_rc owners_is_last(struct store_tx *tx, struct arena *a, int64_t account, bool *last);

extern const char owners_refuse_last[];

/* An account is not taken out of use while a project would be left to nobody. */
enum err owners_keep_last(struct store_tx *tx, const struct work *w);

#endif
