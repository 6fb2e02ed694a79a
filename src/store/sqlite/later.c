/* later: uses of keys, noted without anybody waiting. */
#include "store/sqlite/later.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "store/sqlite/line.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum {
	LATER_MAX = 64, /* uses of keys that wait to be noted */
};

static enum err
later_note_use(struct store_tx *tx, void *arg)
{
	const struct later *l = arg;

	return store_touch_key(tx, l->key, l->before_ms, l->now_ms, l->address) == STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

static void
told_use(enum store_rc rc)
{
	if (rc == STORE_FULL)
		log_debug("the last use of a key could not be noted: the disk is full");
	else if (rc != STORE_OK)
		log_info("the last use of a key could not be noted");
}

/* Ends those of a batch for whom nobody waits; the others. */
static struct waiter *
end_later(struct store *s, struct waiter *batch)
{
	struct waiter **place = &batch;

	while (*place != NULL) {
		struct waiter *w = *place;

		if (!w->unwaited) {
			place = &w->next;
			continue;
		}
		*place = w->next;
		told_use(w->rc);
		free(w);
		(void)pthread_mutex_lock(&s->line_mutex);
		s->later--;
		(void)pthread_mutex_unlock(&s->line_mutex);
	}
	return batch;
}

/* A key that is used again and again meanwhile comes again and again: there is an end to that. */
static bool
may_come_later(struct store *s)
{
	(void)pthread_mutex_lock(&s->line_mutex);
	bool may = s->later < LATER_MAX;

	s->later += may;
	(void)pthread_mutex_unlock(&s->line_mutex);
	return may;
}

void
store_note_use(struct store *s, int64_t key, int64_t before_ms, int64_t now_ms, const char *address)
{
	size_t size = strlen(address) + 1;

	if (store_is_low(s)) {
		told_use(STORE_FULL);
		return;
	}
	struct later *l = calloc(1, sizeof(*l) + size);
	if (l == NULL) {
		told_use(STORE_NO_MEMORY);
		return;
	}
	l->key = key;
	l->before_ms = before_ms;
	l->now_ms = now_ms;
	memcpy(l->address, address, size);
	if (!s->commits)
		told_use(queue_write(s, later_note_use, l, false));
	if (!s->commits || !may_come_later(s)) {
		free(l);
		return;
	}
	l->waiter = (struct waiter){
		.fn = later_note_use, .arg = l, .unwaited = true, .since_us = clock_us()};
	enter_line(s, &l->waiter);
}

void *
queue_commit_run(void *arg)
{
	struct store *s = arg;

	for (;;) {
		while (sem_wait(&s->called) != 0)
			; /* a signal */
		(void)pthread_mutex_lock(&s->line_mutex);
		bool called = s->waiting != NULL;

		(void)pthread_mutex_unlock(&s->line_mutex);
		if (!called) /* to end */
			return NULL;
		queue_wake(end_later(s, queue_write_batch(s)));
	}
}
