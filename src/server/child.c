/* child: what every long-running child does: shows that it is alive, watches its threads, reports
 * that it is ready, waits for the signal to exit. */
#include "server/child.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/pulse.h"

static struct {
	const struct pool *pool;
	void (*each_second)(void *arg);
	void *arg;
} watch;

static struct board_slot *
own_slot(const struct pool *pool)
{
	return &pool->board->slots[pool->self];
}

bool
child_is_orphan(const struct pool *pool)
{
	return getppid() != pool->master;
}

/* A hanging thread holds its request, and perhaps the writers' lock, for ever: exit, and the master
 * starts another process. */
static void
end_if_hanging(const struct pool *pool)
{
	int64_t limit = pool->settings->request_timeout_s * 1000, oldest = pulse_oldest_ms();

	if (limit == 0 || oldest <= limit)
		return;
	log_error("a thread has hung for %lld s: the process ends and is replaced",
		  (long long)(oldest / 1000));
	own_slot(pool)->hung = 1;
	board_count(BOARD_HANGS);
	abort();
}

static void *
child_watch(void *arg)
{
	const struct pool *pool = watch.pool;
	const struct timespec pause = {.tv_sec = TICK_MS / 1000};
	int64_t last = clock_ms(), orphan_ms = 0;

	for (;;) {
		int64_t now = clock_ms();

		own_slot(pool)->tick_ms = now;
		if (now - last > 3 * TICK_MS)
			pulse_renew(); /* the whole process was suspended */
		last = now;
		end_if_hanging(pool);
		if (watch.each_second != NULL)
			watch.each_second(watch.arg);
		if (child_is_orphan(pool) && orphan_ms == 0)
			orphan_ms = now;
		if (orphan_ms != 0 && now - orphan_ms > pool->settings->drain_timeout_s * 1000)
			_exit(1); /* no master is left to kill it */
		nanosleep(&pause, NULL);
	}
	return arg;
}

bool
child_begin(const struct pool *pool, void (*each_second)(void *arg), void *arg)
{
	pthread_t thread;

	watch.pool = pool;
	watch.each_second = each_second;
	watch.arg = arg;
	board_take_slot(pool->self);
	return pthread_create(&thread, NULL, child_watch, NULL) == 0 && pthread_detach(thread) == 0;
}

void
child_tell_ready(const struct pool *pool)
{
	own_slot(pool)->ready = 1;
}

int
child_wait_for_end(int64_t seconds)
{
	const struct timespec wait = {.tv_sec = (time_t)seconds};
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	got = sigtimedwait(&set, NULL, &wait);
	return got < 0 ? 0 : got;
}
