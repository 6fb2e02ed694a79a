/* clock: the current time. Code that makes decisions by the time takes it as a parameter, for
 * tests.
 */
#ifndef REGCRED_CLOCK_H
#define REGCRED_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline int64_t
clock_read_us(clockid_t clock)
{
	struct timespec now;

	(void)clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Monotonic: for pauses and deadlines. */
static inline int64_t
clock_us(void)
{
	return clock_read_us(CLOCK_MONOTONIC);
}

static inline int64_t
clock_ms(void)
{
	return clock_us() / 1000;
}

/* Since the epoch, by this machine's clock or, where hosts share a database, by the database's. */
int64_t clock_wall_ms(void);
/* From now on the time is counted from this one, until the next call. */
void clock_follow(int64_t now_ms);

#endif
