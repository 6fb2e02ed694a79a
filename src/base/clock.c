/* clock: the time that hosts agree on. */
#include "base/clock.h"

#include <stdatomic.h>

/* What is added to this machine's clock. */
static atomic_llong ahead_ms;

int64_t
clock_wall_ms(void)
{
	return clock_read_us(CLOCK_REALTIME) / 1000 +
	       atomic_load_explicit(&ahead_ms, memory_order_relaxed);
}

void
clock_follow(int64_t now_ms)
{
	enum { JITTER_MS = 50 }; /* what an answer may take: time that goes back helps nobody */
	long long ahead = now_ms - clock_read_us(CLOCK_REALTIME) / 1000;
	long long difference = ahead - atomic_load_explicit(&ahead_ms, memory_order_relaxed);

	if (difference > JITTER_MS || difference < -JITTER_MS)
		atomic_store_explicit(&ahead_ms, ahead, memory_order_relaxed);
}
