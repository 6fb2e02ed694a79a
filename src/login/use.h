/* use: opening a login that was chosen, looking again whether it is as it was, noting its use.
 *
 * A login is chosen and opened before the writers' lock is taken.  In the transaction that records
 * its use it is looked at once more: what was deactivated, removed or changed meanwhile does not
 * leave.
 */
#ifndef REGCRED_LOGIN_USE_H
#define REGCRED_LOGIN_USE_H

#include "base/err.h"
#include "login/format.h"

/* The reason that is the server's fault. */
extern const char use_unopened[];

/* Fills in user and secret of an entry.  *why: NULL, or why the login cannot be in the file. */
enum err use_open_login(struct hand_out_work *w, struct entry *entry, const char **why)
	__attribute__((warn_unused_result));

/* Whether the login and its registry are as they were when it was chosen. */
enum store_rc use_check(struct store_tx *tx, const struct context *c, const struct record *login,
			bool *same) __attribute__((warn_unused_result));

#endif
