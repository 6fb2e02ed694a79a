/* readers: the connections of a store that read. */
#include "store/readers.h"

#include <stdlib.h>

bool
readers_init(struct readers *r, size_t most)
{
	*r = (struct readers){.free = calloc(most, sizeof(*r->free))};
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->ready, NULL);
	return r->free != NULL;
}

void
readers_destroy(struct readers *r)
{
	(void)pthread_mutex_destroy(&r->mutex);
	(void)pthread_cond_destroy(&r->ready);
	free(r->free);
}

void *
readers_take(struct readers *r)
{
	(void)pthread_mutex_lock(&r->mutex);
	while (r->count == 0)
		(void)pthread_cond_wait(&r->ready, &r->mutex);
	void *connection = r->free[--r->count];
	(void)pthread_mutex_unlock(&r->mutex);
	return connection;
}

void
readers_give(struct readers *r, void *connection)
{
	(void)pthread_mutex_lock(&r->mutex);
	r->free[r->count++] = connection;
	(void)pthread_cond_signal(&r->ready);
	(void)pthread_mutex_unlock(&r->mutex);
}
