/* rekey: rotation of the key that seals secrets, while the pool runs.
 *
 * The key file holds the state of a rotation, so any run continues where another stopped:
 *
 *   seal 1, primary 1 ─add─► seal 1 2, primary 1 ─► seal 1 2, primary 2 ─► seal 2, primary 2
 *                            2 gets its check value  values sealed with 1     1 is no longer
 *                                                    are sealed again         needed
 *
 * A key above the primary is about to become primary; keys below it are to be removed. Ids only
 * grow.
 */
#ifndef REGCRED_REKEY_H
#define REGCRED_REKEY_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "secret/keyring.h"
#include "store/store.h"

enum {
	REKEY_BATCH_DEFAULT = 200,
	REKEY_BATCH_MAX = 10000, /* values that one transaction reseals */
};

struct rekey {
	struct store *store;
	const struct keyring *ring; /* of key_file */
	const char *key_file;
	size_t batch;
	const volatile sig_atomic_t *stop; /* not 0: stop soon */
	FILE *out, *progress;		   /* where to print the steps, and the progress */
};

/* True when the rotation is complete: one key seals, and everything is sealed with it. Else false
 * with a sentence in why; another call continues. */
bool rekey_run(const struct rekey *r, char why[SECRET_WHY_MAX]) __attribute__((warn_unused_result));

/* Stores a check value in the database for each key that seals or will seal and has none. False
 * with a sentence in why if the database knows another key with that number. Also called at start,
 * for a database restored from before a rotation. */
bool rekey_register(struct store *s, const struct keyring *ring, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

/* Opens every sealed value: only that proves that the keys are the right ones. False with a
 * sentence in why. */
bool rekey_opens_all(struct store *s, const struct keyring *ring, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

#endif
