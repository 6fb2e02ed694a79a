/* hold: the check that a new login waits for. */
#ifndef REGCRED_RESOURCE_HOLD_H
#define REGCRED_RESOURCE_HOLD_H

#include "base/err.h"
#include "model/process.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "store/store.h"

/* Counts a check requested by the caller. Counted for the account, because a key can create others.
 */
enum err hold_count_check(const struct context *c, struct error *e);

/* The account that owns the row, read once in a transaction. */
enum store_rc hold_read_account(struct store_tx *tx, struct work *w);

/* Holds a plan that has to wait until the login is checked, and notes it in the row; *plan is
 * unchanged if there is nothing to wait for. */
enum err hold_for_check(struct store_tx *tx, struct work *w, const struct plan **plan,
			struct plan *held);

/* An active login whose user name or password has changed is checked again if its project wants
 * checks: sets *wanted, and notes it in the row in memory, with another state if the project
 * requires it. The login stays in use meanwhile. */
enum err hold_changed(struct store_tx *tx, struct work *w, bool *wanted);
#define HOLD_COLUMNS                                                                               \
	(COL_BIT(COL_VERIFY_DUE) | COL_BIT(COL_VERIFY_ATTEMPT) | COL_BIT(COL_VERIFY_FOR) |         \
	 COL_BIT(COL_VERIFY_RULE) | COL_BIT(COL_TRANSITION_TEXT))

#endif
