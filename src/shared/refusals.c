/* refusals: counts of refused sign-ins in shared memory. */
#include "shared/refusals.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>

struct refusals {
	pthread_mutex_t lock; /* held for a look at the table; a process that dies gives it back */
	struct refusal items[REFUSALS_MAX];
};

struct refusals *
refusals_new(void)
{
	pthread_mutexattr_t kind;
	struct refusals *r =
		mmap(NULL, sizeof(*r), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (r == MAP_FAILED)
		return NULL;
	(void)pthread_mutexattr_init(&kind);
	(void)pthread_mutexattr_setpshared(&kind, PTHREAD_PROCESS_SHARED);
	(void)pthread_mutexattr_setrobust(&kind, PTHREAD_MUTEX_ROBUST);
	(void)pthread_mutex_init(&r->lock, &kind);
	(void)pthread_mutexattr_destroy(&kind);
	return r;
}

void
refusals_free(struct refusals *r)
{
	if (r != NULL)
		(void)munmap(r, sizeof(*r));
}

/* Whoever had it may have died in the middle of a count, which is then off by one line. */
static void
lock(struct refusals *r)
{
	if (pthread_mutex_lock(&r->lock) == EOWNERDEAD)
		(void)pthread_mutex_consistent(&r->lock);
}

static bool
is_same(const struct refusal *a, const struct refusal *b)
{
	return a->minute == b->minute && strcmp(a->address, b->address) == 0 &&
	       strcmp(a->key, b->key) == 0 && strcmp(a->user, b->user) == 0;
}

/* The place of one like it, or a free one for it; NULL if its minute, or the table, has none. */
static struct refusal *
refusals_find_place(struct refusals *r, const struct refusal *one, size_t most)
{
	struct refusal *place = NULL;
	size_t of_minute = 0;

	for (size_t i = 0; i < REFUSALS_MAX; i++) {
		struct refusal *item = &r->items[i];

		if (item->count == 0) {
			place = place == NULL ? item : place;
			continue;
		}
		if (is_same(item, one))
			return item;
		of_minute += item->minute == one->minute;
	}
	return of_minute < most ? place : NULL;
}

/* Where everything goes that has no place of its own: the rest of its minute, or of any. */
static struct refusal *
find_rest(struct refusals *r, struct refusal *one)
{
	one->address[0] = one->key[0] = one->user[0] = '\0';
	struct refusal *place = refusals_find_place(r, one, SIZE_MAX);
	for (size_t i = 0; place == NULL && i < REFUSALS_MAX; i++)
		if (r->items[i].address[0] == '\0')
			place = &r->items[i];
	return place != NULL ? place : &r->items[0];
}

void
refusals_add(struct refusals *r, const struct refusal *one)
{
	struct refusal copy = *one;

	lock(r);
	struct refusal *place = refusals_find_place(r, &copy, REFUSALS_A_MINUTE);
	if (place == NULL)
		place = find_rest(r, &copy);
	if (place->count == 0) {
		*place = copy;
	} else {
		place->count += copy.count;
		place->status = copy.status;
	}
	(void)pthread_mutex_unlock(&r->lock);
}

size_t
refusals_take(struct refusals *r, int64_t before_minute, struct refusal out[REFUSALS_MAX])
{
	size_t n = 0;

	lock(r);
	for (size_t i = 0; i < REFUSALS_MAX; i++)
		if (r->items[i].count > 0 && r->items[i].minute < before_minute) {
			out[n++] = r->items[i];
			r->items[i] = (struct refusal){0};
		}
	(void)pthread_mutex_unlock(&r->lock);
	return n;
}
