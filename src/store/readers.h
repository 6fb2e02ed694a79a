/* readers: the connections of a store that read: each has one user at a time. */
#ifndef REGCRED_STORE_READERS_H
#define REGCRED_STORE_READERS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct readers {
	pthread_mutex_t mutex;
	pthread_cond_t ready;
	void **free; /* the engine's connections that nobody uses */
	size_t count;
};

/* With room for that many; false without memory. */
bool readers_init(struct readers *r, size_t most);
/* The connections are the caller's to close. */
void readers_destroy(struct readers *r);

/* The one that was given back last, whose caches are warm; waits for one. */
void *readers_take(struct readers *r);
/* Gives one back, or adds it. */
void readers_give(struct readers *r, void *connection);

#endif
