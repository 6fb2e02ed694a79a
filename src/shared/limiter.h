/* limiter: rate limits, in one table that the processes of a pool share.
 *
 * Failed sign-ins are counted for each address, and for each key together with the address, so that
 * nobody can lock out a key from another address; other events are counted for each caller. A
 * window starts with the first event, and the count is dropped when it ends.  The size of the table
 * is fixed: a flood overwrites the smallest and oldest counts.  The caller passes the time, in
 * seconds.
 */
#ifndef REGCRED_LIMITER_H
#define REGCRED_LIMITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct limiter;

enum { LIMITER_MOST = 16000, LIMITER_WINDOW_MAX_S = 86400 };

/* At most so many events in a window. Each limit has its own kind, so that limits do not share
 * counts. Without a table, or with a maximum of 0, there is no limit. */
struct limit {
	struct limiter *table;
	char kind;
	unsigned most, window_s;
};

/* In memory that children share after a fork. NULL if out of memory. */
struct limiter *limiter_new(void);
/* Frees this process's mapping only. */
void limiter_free(struct limiter *l);

/* 0 if the address may try the key, else the seconds until it may.  A key may fail half as often
 * (rounded up) as an address. */
unsigned limiter_wait_s(const struct limit *limit, const char *address, const char *key,
			int64_t now_s);
/* Counts a failure.  True if it was the one after which the address, or the key from there, has to
 * wait. */
bool limiter_failed(const struct limit *limit, const char *address, const char *key, int64_t now_s);

/* Counts a use: 0, or the seconds to wait if the window is used up. */
unsigned limiter_take(const struct limit *limit, const char *who, int64_t now_s)
	__attribute__((warn_unused_result));

/* Counts a part of a whole, which is worth limit->most: what is left over a whole count is counted
 * by chance, so that many small parts are counted right. The whole may be another each time. */
unsigned limiter_take_part(const struct limit *limit, const char *who, uint64_t part,
			   uint64_t whole, int64_t now_s) __attribute__((warn_unused_result));

#endif
