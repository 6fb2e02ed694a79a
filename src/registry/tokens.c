/* tokens: a small table under one lock. */
#include "registry/tokens.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/pulse.h"

enum token_state { FREE, FETCHING, THERE, FAILED };

struct token {
	enum token_state state;
	unsigned char key[TOKENS_KEY_SIZE];
	char *text; /* set if the state is THERE */
	int64_t until_ms;
};

struct tokens {
	pthread_mutex_t mutex;
	pthread_cond_t fetched;
	struct seats *seats;
	struct token items[TOKENS_MAX];
};

struct tokens *
tokens_new(struct seats *seats)
{
	struct tokens *t = calloc(1, sizeof(*t));
	pthread_condattr_t attributes;

	if (t == NULL)
		return NULL;
	t->seats = seats;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&t->mutex, NULL);
	(void)pthread_cond_init(&t->fetched, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	return t;
}

static void
drop(struct token *item)
{
	if (item->text != NULL)
		explicit_bzero(item->text, strlen(item->text));
	free(item->text);
	*item = (struct token){.state = FREE};
}

void
tokens_free(struct tokens *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; i < TOKENS_MAX; i++)
		drop(&t->items[i]);
	(void)pthread_mutex_destroy(&t->mutex);
	(void)pthread_cond_destroy(&t->fetched);
	free(t);
}

/* Finds a token, and drops expired ones; NULL if there is none. */
static struct token *
tokens_find(struct tokens *t, const unsigned char key[TOKENS_KEY_SIZE], int64_t now_ms)
{
	struct token *found = NULL;

	for (size_t i = 0; i < TOKENS_MAX; i++) {
		struct token *item = &t->items[i];

		if ((item->state == THERE || item->state == FAILED) && item->until_ms <= now_ms)
			drop(item);
		if (item->state != FREE && memcmp(item->key, key, TOKENS_KEY_SIZE) == 0)
			found = item;
	}
	return found;
}

/* A free slot, or the one that expires next; NULL if all are being fetched. */
static struct token *
find_room(struct tokens *t)
{
	struct token *room = NULL;

	for (size_t i = 0; i < TOKENS_MAX; i++) {
		struct token *item = &t->items[i];

		if (item->state == FREE)
			return item;
		if (item->state != FETCHING && (room == NULL || item->until_ms < room->until_ms))
			room = item;
	}
	return room;
}

/* Waits while another thread fetches it; false when the time is up. */
static bool
wait_fetched(struct tokens *t, int64_t deadline_ms)
{
	const struct timespec until = {.tv_sec = (time_t)(deadline_ms / 1000),
				       .tv_nsec = (long)(deadline_ms % 1000) * 1000000};

	bool busy = pulse_pause();
	bool woken = pthread_cond_timedwait(&t->fetched, &t->mutex, &until) == 0;
	pulse_resume(busy);
	return woken;
}

static enum tokens_rc
begin_fetch(struct tokens *t, const unsigned char key[TOKENS_KEY_SIZE], int64_t who)
{
	struct token *room = find_room(t);

	if (room == NULL || !seats_take(t->seats, who))
		return TOKENS_BUSY;
	drop(room);
	room->state = FETCHING;
	memcpy(room->key, key, TOKENS_KEY_SIZE);
	return TOKENS_FETCH;
}

static enum tokens_rc
tokens_take_entry(struct tokens *t, struct arena *a, const unsigned char key[TOKENS_KEY_SIZE],
		  int64_t who, int64_t now_ms, int64_t deadline_ms, const char **out)
{
	struct token *item = tokens_find(t, key, now_ms);

	while (item != NULL && item->state == FETCHING) {
		if (!seats_take(t->seats, who))
			return TOKENS_BUSY;
		bool fetched = wait_fetched(t, deadline_ms);
		seats_leave(t->seats, who);
		if (!fetched)
			return TOKENS_FAILED;
		item = tokens_find(t, key, now_ms);
	}
	if (item == NULL)
		return begin_fetch(t, key, who);
	if (item->state == FAILED)
		return TOKENS_FAILED;
	*out = arena_strdup(a, item->text);
	return *out != NULL ? TOKENS_FOUND : TOKENS_NO_MEMORY;
}

enum tokens_rc
tokens_take(struct tokens *t, struct arena *a, const unsigned char key[TOKENS_KEY_SIZE],
	    int64_t who, int64_t now_ms, int64_t deadline_ms, const char **out)
{
	(void)pthread_mutex_lock(&t->mutex);
	enum tokens_rc rc = tokens_take_entry(t, a, key, who, now_ms, deadline_ms, out);
	(void)pthread_mutex_unlock(&t->mutex);
	return rc;
}

void
tokens_put(struct tokens *t, const unsigned char key[TOKENS_KEY_SIZE], int64_t who,
	   const char *text, int64_t now_ms, int64_t until_ms)
{
	(void)pthread_mutex_lock(&t->mutex);
	struct token *item = tokens_find(t, key, now_ms);
	if (item != NULL) {
		seats_leave(t->seats, who);
		drop(item);
		item->text = text != NULL ? strdup(text) : NULL;
		item->state = item->text != NULL ? THERE : text != NULL ? FREE : FAILED;
		item->until_ms = until_ms;
		memcpy(item->key, key, TOKENS_KEY_SIZE);
	}
	(void)pthread_cond_broadcast(&t->fetched);
	(void)pthread_mutex_unlock(&t->mutex);
}
