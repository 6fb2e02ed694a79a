/* verifier: checks registry logins in the background, in its own threads.
 *
 *   a request   leaves the row in its transitional state, with a check due (resource/hold.c)
 *   a thread    takes a due row: sets its time to the end of a lease, in a transaction
 *               asks the registry, outside of any transaction
 *               moves the row to its next state, if no other thread has taken it since
 *
 * The whole state of a check is in its row. If the process that runs it dies, the lease ends and
 * the next thread of any process that looks takes the row again. Accounts take turns, and none gets
 * more than half of the threads.
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
	VERIFY_ATTEMPTS_MAX = 3,      /* of a check during which the process dies */
	VERIFY_LEASE_EXTRA_MS = 3000, /* added to the time that a check may take */
	VERIFY_LOOK_MS = 1000,	      /* between two searches for abandoned checks */
};

/* One per process, shared by its threads. */
struct verifier;

/* NULL if out of memory. All arguments must outlive it. Threads in verifier_test() take one of the
 * seats. */
struct verifier *verifier_new(struct store *store, const struct keyring *ring,
			      const struct check_settings *settings, struct seats *tests);
/* Lets its threads finish their checks, then stops them. */
void verifier_free(struct verifier *v);
/* Starts its threads; before that, verifier_wake() runs the checks itself. */
bool verifier_start(struct verifier *v, size_t threads) __attribute__((warn_unused_result));
/* Call it after a commit that has made a check due. */
void verifier_wake(struct verifier *v);
/* Runs one check that is due. False: there is none, or the database failed. */
bool verifier_run_one(struct verifier *v);

struct tried_login {
	struct registry_at registry;
	const char *user, *secret;
};

/* Checks a login for an account, and stores nothing. ERR_TOO_MANY if too many are under way;
 * ERR_INTERNAL if out of memory. */
enum err verifier_test(struct verifier *v, struct arena *a, int64_t account,
		       const struct tried_login *login, struct check_report *out, struct error *e)
	__attribute__((warn_unused_result));

#endif
