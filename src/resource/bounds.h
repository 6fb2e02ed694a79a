/* bounds: what a key may do to other keys, and to logins. */
#ifndef REGCRED_RESOURCE_BOUNDS_H
#define REGCRED_RESOURCE_BOUNDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "store/store.h"

/* Whether the key that asks leaves the caller rows of that type to make or change: ERR_FORBIDDEN.
 */
enum err bounds_may_write(const struct context *c, const struct resource_type *type,
			  struct error *e);

/* The registries and projects that a key is given are there for whoever makes or changes it. */
enum err bounds_check_lists(struct store_tx *tx, const struct work *w);

/* A new key takes the bounds of the key that makes it, unless it is given narrower ones, and the
 * role of whoever makes it. */
enum err bounds_inherit(const struct context *c, struct record *row, struct error *e);

/* Access key and secret of a new API key, where the caller did not, or may not, give its own. */
void bounds_make_key(const struct context *c, struct record *row, struct change *change);

/* A key that can do more than before must not do more than the caller may give. */
enum err bounds_check_update(const struct work *w, const struct record *old,
			     const struct record *row, uint64_t columns);
enum err bounds_check_activate(struct store_tx *tx, const struct work *w);

/* Whether a login lies within what the key that asks is for; other rows do.  Reads in the
 * transaction unless that is NULL. */
enum err bounds_hold(const struct context *c, struct store_tx *tx, const struct record *row,
		     bool *holds, struct error *e);
/* The same of a login as it would be: ERR_INVALID_OPTION. */
enum err bounds_check_login(struct store_tx *tx, const struct work *w, const struct record *row);

#endif
