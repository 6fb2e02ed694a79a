/* limiter: how often sign-ins have failed, in a table that the processes of a pool share.
 *
 * Failures are counted for each address, and for each key together with the address, so that
 * nobody can lock out a key from elsewhere.  A count begins with its first failure and is forgotten
 * when the window is over.  The size of the table is fixed: a flood overwrites the smallest and
 * oldest counts.  The time is the caller's, in seconds.
 */
#ifndef REGCRED_LIMITER_H
#define REGCRED_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limiter;

enum { LIMITER_FAILURES_MAX = 1000, LIMITER_WINDOW_MAX_S = 86400 };

/* In memory that children share after a fork; `failures` of an address, half as many (rounded up)
 * of one of its keys.  NULL without memory. */
struct limiter *limiter_new(unsigned failures, unsigned window_s);
/* Goes on with the counts of an earlier program behind its descriptor, which is taken over; NULL,
 * and the descriptor is the caller's or closed, if they are not of this program's form. */
struct limiter *limiter_adopt(int fd, unsigned failures, unsigned window_s);
int limiter_fd(const struct limiter *l);
/* Of this process alone: others keep theirs. */
void limiter_free(struct limiter *l);

/* 0 if the address may try the key, else the seconds until it may. */
unsigned limiter_wait_s(const struct limiter *l, const char *address, const char *key,
			int64_t now_s);
/* Counts a failure.  True if it was the one after which the address, or the key from there, has to
 * wait. */
bool limiter_failed(struct limiter *l, const char *address, const char *key, int64_t now_s);

/* Counts a use by somebody who may have `failures` of them in a window: 0, or the seconds to wait
 * if that are used up. */
unsigned limiter_take(struct limiter *l, const char *who, int64_t now_s)
	__attribute__((warn_unused_result));

/* Bytes of the table: for tests. */
size_t limiter_size(void);

#endif
