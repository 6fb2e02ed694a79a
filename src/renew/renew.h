/* renew: renews logins at their sources in the background, in its own threads.
 *
 *   take     a transaction finds a due row, sets its time to the end of a lease, and notes what is
 *            about to be set at the source (take.c says for which sources)
 *   ask      the source, then the registry whether it accepts the new secret; no transaction
 *   finish   a transaction stores the secret, keeps the former one for a while, and sets when the
 *            row is due next; unless somebody has taken or changed the row since
 *
 * The whole state of a renewal is in the rows. If the process that runs it dies, the lease ends and
 * the next thread of any process that looks takes the row again.
 */
#ifndef REGCRED_RENEW_RENEW_H
#define REGCRED_RENEW_RENEW_H

#include <stdbool.h>
#include <stddef.h>

#include "registry/check.h"
#include "renew/source.h"
#include "secret/keyring.h"
#include "store/store.h"

enum {
	RENEW_PER_HOST = 4,	     /* sources on one host that a process asks at a time */
	RENEW_LEASE_EXTRA_MS = 3000, /* added to the time that a renewal may take */
	RENEW_LOOK_MS = 1000,	     /* between two searches for what is due */
	RENEW_THREADS_MAX = 16,
};

/* All of it must outlive the renewer. */
struct renewer_parts {
	struct store *store;
	const struct keyring *ring;
	const struct renew_settings *settings;
	const struct check_settings *checks;
	const struct source_calls *sources; /* by enum source_id */
};

/* One per process, shared by its threads. */
struct renewer;

/* NULL if out of memory. */
struct renewer *renewer_new(const struct renewer_parts *parts);
/* Lets its threads finish what they have begun, then stops them. */
void renewer_free(struct renewer *r);
bool renewer_start(struct renewer *r, size_t threads) __attribute__((warn_unused_result));
/* Renews one login that is due, or deletes one former secret at its source. False: there is nothing
 * to do, or the database failed. */
bool renewer_run_one(struct renewer *r);

#endif
