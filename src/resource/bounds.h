/* bounds: the bounds of keys: no key makes one that may do more. */
#ifndef REGCRED_RESOURCE_BOUNDS_H
#define REGCRED_RESOURCE_BOUNDS_H

#include "base/err.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "store/store.h"

/* The registries that a key is given are there for whoever makes or changes it. */
enum err bounds_check_registry_ids(struct store_tx *tx, const struct work *w);

/* A new key takes the bounds of the key that makes it, unless it is given narrower ones. */
enum err bounds_inherit(const struct context *c, struct record *row, struct error *e);

/* Access key and secret of a new API key, where the caller did not, or may not, give its own. */
void bounds_make_key(const struct context *c, struct record *row, struct change *change);

/* What a PUT changes of a key's bounds may not make it wider than the key that asks, and its role
 * not wider than it was. */
enum err update_bounds(const struct work *w, const struct record *old, const struct record *row);

#endif
