/* verifier: checks registry logins that wait for it, in threads of its own.
 *
 *   a request   holds the row in its transitional state and notes that a check is due (resource.c)
 *   a thread    takes a due row: moves its time behind a lease, in a transaction
 *               asks the registry, in no transaction
 *               moves the row on, if it is still the one that was taken
 *
 * All that is known about a check is in its row.  If whoever does it dies, the lease ends and the
 * next thread that looks, of whatever process, takes the row again.  Accounts have their turn one
 * after the other, and none has more than half of the threads.
 */
#ifndef REGCRED_VERIFIER_H
#define REGCRED_VERIFIER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/err.h"
#include "outbound/seats.h"
#include "registry/check.h"
#include "secret/keyring.h"
#include "store/store.h"

enum {
	VERIFY_ATTEMPTS_MAX = 3,      /* of a check that ends with the death of who does it */
	VERIFY_LEASE_EXTRA_MS = 3000, /* beyond the time that a check may take */
	VERIFY_LOOK_MS = 1000,	      /* between two looks for what others left */
};

/* Of one process, shared by its threads. */
struct verifier;

/* NULL without memory.  Everything is kept by reference.  Threads in verifier_test() take one of
 * the seats. */
struct verifier *verifier_new(struct store *store, const struct keyring *ring,
			      const struct check_settings *settings, struct seats *tests);
/* Ends its threads when they have finished their checks. */
void verifier_free(struct verifier *v);
/* Starts its threads; before that, verifier_wake() does the work itself. */
bool verifier_start(struct verifier *v, size_t threads) __attribute__((warn_unused_result));
/* To be called behind a commit that has made a check due. */
void verifier_wake(struct verifier *v);
/* Does one check that is due.  False: there is none, or the database failed. */
bool verifier_run_one(struct verifier *v);

struct tried_login {
	const char *address, *user, *secret;
};

/* Tries a login, for an account, and stores nothing.  ERR_TOO_MANY while as many as may are under
 * way; ERR_INTERNAL without memory. */
enum err verifier_test(struct verifier *v, struct arena *a, int64_t account,
		       const struct tried_login *login, struct check_report *out, struct error *e)
	__attribute__((warn_unused_result));

#endif
