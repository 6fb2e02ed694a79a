/* restore: what it means for logins that the database was put back to a copy, or the clock to an
 * earlier time. */
#ifndef REGCRED_RENEW_RESTORE_H
#define REGCRED_RENEW_RESTORE_H

#include "secret/keyring.h"
#include "store/store.h"

/* Makes every login that has a source due at once: its secret may have been replaced since the copy
 * was made.  Where the present one can only be read at the source, or others may have been made
 * there, a version is left pending, so that the source is looked through first. */
enum store_rc renew_after_restore(struct store_tx *tx, const struct keyring *ring)
	__attribute__((warn_unused_result));

/* Logins that were renewed at a time that is still to come, and are not due soon, become due: by
 * how much the clock was ahead nobody knows, so their secrets may end before. At most max; *done
 * counts them. */
enum store_rc renew_after_clock(struct store *s, int64_t now_ms, size_t max, size_t *done)
	__attribute__((warn_unused_result));

#endif
