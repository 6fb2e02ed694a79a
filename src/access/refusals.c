/* refusals: counts of refused requests. */
#include "access/refusals.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct refusals {
	pthread_mutex_t mutex;
	struct refusal items[REFUSALS_MAX];
};

struct refusals *
refusals_new(void)
{
	struct refusals *r = calloc(1, sizeof(*r));

	if (r != NULL)
		(void)pthread_mutex_init(&r->mutex, NULL);
	return r;
}

void
refusals_free(struct refusals *r)
{
	if (r != NULL)
		(void)pthread_mutex_destroy(&r->mutex);
	free(r);
}

static bool
is_same(const struct refusal *a, const struct refusal *b)
{
	return a->minute == b->minute && a->event == b->event && a->type == b->type &&
	       a->account_id == b->account_id && a->key_id == b->key_id &&
	       strcmp(a->address, b->address) == 0 && strcmp(a->key, b->key) == 0 &&
	       strcmp(a->user, b->user) == 0;
}

/* The slot that already counts it, or a free one; NULL if its minute or the table is full. */
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

/* The slot for refusals without their own: the rest of its minute, or of any minute. */
static struct refusal *
find_rest(struct refusals *r, struct refusal *one)
{
	one->address[0] = one->key[0] = one->user[0] = '\0';
	one->event = one->type = one->via = NULL;
	one->account_id = one->key_id = 0;
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

	(void)pthread_mutex_lock(&r->mutex);
	struct refusal *place = refusals_find_place(r, &copy, REFUSALS_A_MINUTE);
	if (place == NULL)
		place = find_rest(r, &copy);
	if (place->count == 0) {
		*place = copy;
	} else {
		place->count += copy.count;
		place->status = copy.status;
	}
	(void)pthread_mutex_unlock(&r->mutex);
}

size_t
refusals_copy(struct refusals *r, int64_t before_minute, struct refusal out[REFUSALS_MAX])
{
	size_t n = 0;

	(void)pthread_mutex_lock(&r->mutex);
	for (size_t i = 0; i < REFUSALS_MAX; i++)
		if (r->items[i].count > 0 && r->items[i].minute < before_minute)
			out[n++] = r->items[i];
	(void)pthread_mutex_unlock(&r->mutex);
	return n;
}

void
refusals_forget(struct refusals *r, const struct refusal *items, size_t count)
{
	(void)pthread_mutex_lock(&r->mutex);
	for (size_t i = 0; i < REFUSALS_MAX; i++)
		for (size_t k = 0; r->items[i].count > 0 && k < count; k++)
			if (is_same(&r->items[i], &items[k]))
				r->items[i].count -= items[k].count;
	(void)pthread_mutex_unlock(&r->mutex);
}
