/* rekey_lease: only one rotation works on a database, whichever process and copy of the key file it
 * uses. The key file too is changed only under the lease, in a transaction that has just renewed
 * it.
 */
#ifndef REGCRED_SERVICE_REKEY_LEASE_H
#define REGCRED_SERVICE_REKEY_LEASE_H

#include <stdbool.h>

#include "secret/keyring.h"
#include "store/store.h"

enum { REKEY_HOLDER_SIZE = 320 };
/* This process: "HOST:NAMESPACE:PROCESS"; containers on one host may have its name, and processes
 * of their own. */
void rekey_lease_name(char holder[REKEY_HOLDER_SIZE]);
/* Takes the lease, or makes one's own last. In the transaction of each step, so that none runs
 * without it; with a sentence in why if another process has it. */
enum err rekey_lease_keep(struct store_tx *tx, const char *own, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));
enum store_rc rekey_lease_end(struct store_tx *tx, const char *own)
	__attribute__((warn_unused_result));
/* Ends whoever's lease in a copy that nobody uses yet. */
enum store_rc rekey_lease_drop(struct store_tx *tx) __attribute__((warn_unused_result));
/* Whether a rotation of that database is under way, and whose. */
bool rekey_lease_runs(const char *database, char holder[REKEY_HOLDER_SIZE]);

#endif
