/* child: what every child does: it ticks, says that it is ready, ends in time. */
#include "server/child.h"

#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/pool_state.h"
#include "server/worker.h"

void
child_tick(const struct pool *pool)
{
	pool->board->slots[pool->self].tick_ms = clock_ms();
}

int
child_wait_for_end(const struct pool *pool, int64_t seconds)
{
	const struct timespec pause = {.tv_sec = TICK_MS / 1000};
	int64_t end_ms = clock_ms() + seconds * 1000;
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	do {
		child_tick(pool);
		got = sigtimedwait(&set, NULL, &pause);
	} while (got < 0 && clock_ms() < end_ms);
	return got < 0 ? 0 : got;
}

void
child_tell_ready(const struct pool *pool)
{
	union sigval nothing = {0};

	if (getppid() == pool->master)
		sigqueue(pool->master, SIGNAL_READY, nothing);
}

void
child_end_in_time(const struct pool *pool)
{
	sigset_t alarm_only;

	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	signal(SIGALRM, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	alarm((unsigned)pool->settings->drain_timeout_s);
}
