/* restore: what a database that was put back from a copy means for its logins. */
#ifndef REGCRED_RENEW_RESTORE_H
#define REGCRED_RENEW_RESTORE_H

#include "secret/keyring.h"
#include "store/store.h"

/* Makes every login that has a source due at once: its secret may have been replaced since the copy
 * was made.  Where the present one can only be read at the source, or others may have been made
 * there, a version is left pending, so that the source is looked through first. */
enum store_rc renew_after_restore(struct store_tx *tx, const struct keyring *ring)
	__attribute__((warn_unused_result));

#endif
