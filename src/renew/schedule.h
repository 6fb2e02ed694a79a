/* schedule: when a login is renewed next.  Functions of their arguments alone; all times in
 * milliseconds.
 *
 * A life is the time from the receipt of a secret to its end, which the source has told.  What is
 * spread is spread by a seed, a hash of the login and of its attempt, so that every process comes
 * to the same time.
 */
#ifndef REGCRED_RENEW_SCHEDULE_H
#define REGCRED_RENEW_SCHEDULE_H

#include <stdbool.h>
#include <stdint.h>

#include "renew/source.h"

enum {
	SCHEDULE_FIRST_MS = 15 * 1000,	     /* the first pause after a failure; then doubled */
	SCHEDULE_PAUSE_MAX_MS = 900 * 1000,  /* of those pauses, and a quarter of the rest */
	SCHEDULE_ASKED_MAX_MS = 3600 * 1000, /* of a pause that the source asks for */
	SCHEDULE_EVERY_DAYS = 30,     /* where the source names no end and the login no interval */
	SCHEDULE_LIFE_MAX_DAYS = 400, /* an end that is farther away is none */
};

/* The seed of a login's times: version and attempt change it. */
uint64_t schedule_seed(const char *uuid, int64_t version, int64_t attempt);

/* After a success: half the life if that is two hours or more, else later, but with a rest in which
 * several attempts fit.  every_ms later, whatever the end, if that is not 0: a new secret may not
 * move the end.  expires_ms 0: the source names none; then, and if it is farther away than
 * SCHEDULE_LIFE_MAX_DAYS, after SCHEDULE_EVERY_DAYS. */
int64_t schedule_after_success(int64_t received_ms, int64_t expires_ms, int64_t every_ms,
			       uint64_t seed);

/* After the n-th failure in a row, from 1 on.  expires_ms: of the present secret, 0: none.
 * asked_ms: the pause that the source asks for, 0: none.  0: not before somebody changes
 * something. */
int64_t schedule_after_failure(enum renew_result result, int64_t attempt, int64_t now_ms,
			       int64_t expires_ms, int64_t asked_ms, uint64_t seed);

/* Whether less than a quarter of the life is left. */
bool schedule_is_late(int64_t received_ms, int64_t expires_ms, int64_t now_ms);

#endif
