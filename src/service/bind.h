/* bind: binds secrets that an older version stored to their places (secret/seal.h).
 *
 * The older form is refused everywhere else, or whoever can write to the database could still copy
 * a value of that form. So that the migration cannot be made to run again, that it is done is part
 * of the signature of the audit log's head (audit.h).
 */
#ifndef REGCRED_SERVICE_BIND_H
#define REGCRED_SERVICE_BIND_H

#include <stdbool.h>

#include "base/settings.h"
#include "secret/keyring.h"
#include "store/store.h"

/* Binds what is not bound yet, once in the life of a database; can be interrupted and repeated. The
 * keys are known to be those of the database. False with a sentence in why. */
bool bind_secrets(struct store *s, const struct keyring *ring, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

#endif
