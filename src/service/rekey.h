/* rekey: rotation of the key that seals secrets, while the pool runs.
 *
 * What the key file says is the state of a rotation, so that any run goes on where another ended:
 *
 *   seal 1, primary 1 ─add─► seal 1 2, primary 1 ─► seal 1 2, primary 2 ─► seal 2, primary 2
 *                            2 gets its check value  1 is looked for in all   1 was needed by
 *                                                    rows, which are sealed   nobody any more
 *                                                    again
 *
 * A key above the primary is to become it; keys below it are to go.  Ids only grow.
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
	REKEY_BATCH_MAX = 10000, /* values that one transaction seals again */
};

struct rekey {
	struct store *store;
	const struct keyring *ring; /* of key_file */
	const char *key_file;
	size_t batch;
	const volatile sig_atomic_t *stop; /* not 0: end soon */
	FILE *out, *progress;		   /* steps; what is done of what is to do */
};

/* True when the rotation has ended: one key seals, and everything is sealed with it.  Else false
 * with a sentence in why; calling it again goes on. */
bool rekey_run(const struct rekey *r, char why[SECRET_WHY_MAX]) __attribute__((warn_unused_result));

/* Gives each key that seals, or will, a check value in the database if it has none; refuses, with a
 * sentence in why, where the database knows another key of that number.  Called at start as well,
 * for a database that was put back from before a rotation. */
bool rekey_register(struct store *s, const struct keyring *ring, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

/* Whether a rotation of that database is under way, by its lease; who runs it, "HOST:PROCESS". */
enum { REKEY_HOLDER_SIZE = 320 };
bool rekey_runs_on(const char *database, char holder[REKEY_HOLDER_SIZE]);

/* Opens every sealed value: a key has a number, but only what it opens proves it.  False with a
 * sentence in why. */
bool rekey_opens_all(struct store *s, const struct keyring *ring, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

/* How many values each key id has sealed; id 0: what is no sealed value. */
struct key_rows {
	int64_t id;
	int64_t rows;
};
enum { KEY_ROWS_MAX = 64 };
enum store_rc rekey_count(struct store *s, struct key_rows out[KEY_ROWS_MAX], size_t *count)
	__attribute__((warn_unused_result));

#endif
