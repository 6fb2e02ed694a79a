/* owners: keeps a project from losing its last owner. */
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

/* Whether a project has an owner who can act: an active account of a suitable kind, other than
 * `except` (0: any). */
enum store_rc owners_find(struct store_tx *tx, struct arena *a, int64_t project, int64_t except,
			  bool *found);

/* Whether an account is the last owner able to act for a project that is not removed. */
enum store_rc owners_is_last(struct store_tx *tx, struct arena *a, int64_t account, bool *last);

extern const char owners_refuse_last[];

/* Refuses to take an account out of use if that would leave a project without an owner. */
enum err owners_keep_last(struct store_tx *tx, const struct work *w);

#endif
