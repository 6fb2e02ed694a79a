/* slow: limits how many threads of this process wait for slow clients to read an answer. */
#include "server/slow.h"

#include <pthread.h>
#include <stddef.h>

enum { WAITING_MAX = 128 }; /* half of the most threads that a worker may have */

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static int64_t waiting[WAITING_MAX]; /* the account that each waits for */
static size_t count;

/* At least one, even in the smallest pool. */
static size_t
share(int64_t threads, int64_t part)
{
	return threads < part ? 1 : (size_t)(threads / part);
}

/* Called with the mutex held. */
static bool
slow_has_room(int64_t account, int64_t threads)
{
	size_t same = 0;

	for (size_t i = 0; i < count; i++)
		same += waiting[i] == account;
	return count < WAITING_MAX && count < share(threads, 2) && same < share(threads, 4);
}

bool
slow_is_full(int64_t account, int64_t threads)
{
	(void)pthread_mutex_lock(&mutex);
	bool full = !slow_has_room(account, threads);
	(void)pthread_mutex_unlock(&mutex);
	return full;
}

bool
slow_begin(int64_t account, int64_t threads)
{
	(void)pthread_mutex_lock(&mutex);
	bool may = slow_has_room(account, threads);
	if (may)
		waiting[count++] = account;
	(void)pthread_mutex_unlock(&mutex);
	return may;
}

void
slow_end(int64_t account)
{
	size_t i = 0;

	(void)pthread_mutex_lock(&mutex);
	while (waiting[i] != account)
		i++;
	waiting[i] = waiting[--count];
	(void)pthread_mutex_unlock(&mutex);
}
