/* seats: the taken seats, under one lock. */
#include "outbound/seats.h"

#include <pthread.h>
#include <stdlib.h>

struct seats {
	pthread_mutex_t mutex;
	unsigned count, each, taken;
	int64_t who[]; /* who takes each seat, in no order */
};

struct seats *
seats_new(unsigned count, unsigned each)
{
	struct seats *s = calloc(1, sizeof(*s) + count * sizeof(s->who[0]));

	if (s == NULL)
		return NULL;
	(void)pthread_mutex_init(&s->mutex, NULL);
	s->count = count;
	s->each = each;
	return s;
}

void
seats_free(struct seats *s)
{
	if (s != NULL)
		(void)pthread_mutex_destroy(&s->mutex);
	free(s);
}

bool
seats_take(struct seats *s, int64_t who)
{
	unsigned own = 0;

	(void)pthread_mutex_lock(&s->mutex);
	for (unsigned i = 0; i < s->taken; i++)
		own += s->who[i] == who;
	bool free_seat = s->taken < s->count && own < s->each;
	if (free_seat)
		s->who[s->taken++] = who;
	(void)pthread_mutex_unlock(&s->mutex);
	return free_seat;
}

void
seats_leave(struct seats *s, int64_t who)
{
	unsigned i = 0;

	(void)pthread_mutex_lock(&s->mutex);
	while (i < s->taken && s->who[i] != who)
		i++;
	if (i < s->taken)
		s->who[i] = s->who[--s->taken];
	(void)pthread_mutex_unlock(&s->mutex);
}
