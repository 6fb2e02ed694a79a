/* pulse: one word for each thread, set by it and read by the watching thread. */
#include "base/pulse.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/clock.h"

enum { THREADS_MAX = 512 }; /* a worker's 256, and those of the store and the verifier */

static _Atomic int64_t pulses[THREADS_MAX]; /* monotonic clock; 0: nothing */
static atomic_uint used;
static _Thread_local _Atomic int64_t *own;

/* A thread that finds no free place is not watched. */
static _Atomic int64_t *
pulse_own(void)
{
	static _Thread_local _Atomic int64_t unseen;

	if (own == NULL) {
		unsigned n = atomic_fetch_add(&used, 1);

		own = n < THREADS_MAX ? &pulses[n] : &unseen;
	}
	return own;
}

void
pulse_begin(void)
{
	atomic_store_explicit(pulse_own(), clock_ms(), memory_order_relaxed);
}

void
pulse_end(void)
{
	atomic_store_explicit(pulse_own(), 0, memory_order_relaxed);
}

bool
pulse_pause(void)
{
	return atomic_exchange_explicit(pulse_own(), 0, memory_order_relaxed) != 0;
}

void
pulse_resume(bool was)
{
	if (was)
		pulse_begin();
	else
		pulse_end();
}

int64_t
pulse_oldest_ms(void)
{
	int64_t now = clock_ms(), oldest = now;

	for (size_t i = 0; i < THREADS_MAX; i++) {
		int64_t since = atomic_load_explicit(&pulses[i], memory_order_relaxed);

		if (since != 0 && since < oldest)
			oldest = since;
	}
	return now - oldest;
}

void
pulse_renew(void)
{
	int64_t now = clock_ms();

	for (size_t i = 0; i < THREADS_MAX; i++) {
		int64_t since = atomic_load(&pulses[i]);

		if (since != 0)
			(void)atomic_compare_exchange_strong(&pulses[i], &since, now);
	}
}
