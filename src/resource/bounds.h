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

/* ERR_FORBIDDEN if the caller's key does not allow creating or changing rows of that type. */
enum err bounds_may_write(const struct context *c, const struct resource_type *type,
			  struct error *e);

/* Checks that whoever creates or changes a key can see the registries and projects in its lists. */
enum err bounds_check_lists(struct store_tx *tx, const struct work *w);

/* A new key inherits the limits of the key that creates it, unless it is given narrower ones, and
 * the role of its creator. */
enum err bounds_inherit(const struct context *c, struct record *row, struct error *e);

/* Generates access key and secret of a new API key if the caller did not, or may not, choose them.
 */
void bounds_make_key(const struct context *c, struct record *row, struct change *change);

/* A changed key that can do more than before must not exceed what the caller may grant. */
enum err bounds_check_update(const struct work *w, const struct record *old,
			     const struct record *row, uint64_t columns);
enum err bounds_check_activate(struct store_tx *tx, const struct work *w);

/* Checks that the caller's key covers a login; other rows pass. Reads in the transaction unless
 * that is NULL. */
enum err bounds_hold(const struct context *c, struct store_tx *tx, const struct record *row,
		     bool *holds, struct error *e);
/* The same for a login as it would be after a change: ERR_INVALID_OPTION. */
enum err bounds_check_login(struct store_tx *tx, const struct work *w, const struct record *row);

#endif
