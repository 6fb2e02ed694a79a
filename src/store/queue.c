/* queue: the write queue: waiting transactions share one commit.
 *
 *   write() ── enters ──► queue ── the leader ──► other processes' turn ──► takes a batch
 *        │                                                                        │
 *        │ waits for `woken`; while it is                  bodies one by one; COMMIT
 *        │ still in the queue, QUEUE_WAIT_MS at most                              │
 *        ▼                                                                        ▼
 *      result ◄── wakes two, each of which wakes two of its half ◄── gives the turn away,
 *                                                                    calls the next leader
 *
 * The leader is the committer, a thread of the store; without threads, and for work that is not a
 * transaction, it is the first waiter in the queue.  Three invariants:
 *
 *   1. `led` is true from when a waiter enters an empty queue until the leader finds it empty: so
 *      there is exactly one leader while anyone waits.
 *   2. Only the leader takes waiters out of the queue, except one that has waited too long, which
 *      takes itself out.  Both hold the mutex, which guards the list and `led`, not the work.
 *   3. A waiter is on the stack of its thread: once it has been woken, or has taken itself out, no
 *      other thread touches it.
 */
#include "store/queue.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

#ifdef __SANITIZE_THREAD__
#include <sanitizer/tsan_interface.h>
#define SEEN(semaphore) __tsan_acquire(semaphore) /* it does not know sem_clockwait */
#else
#define SEEN(semaphore) (void)(semaphore)
#endif

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pulse.h"
#include "shared/board.h"

enum {
	BATCH_MAX = 64, /* transactions that share one commit */
};

/* A request that waits for its transaction, or for exclusive use; on the stack of its thread. */
struct waiter {
	store_fn fn; /* NULL: alone */
	void *arg;
	const char *request; /* for the log */
	int64_t since_us;
	enum store_rc rc;
	bool leads; /* woken to lead, not with a result */
	sem_t woken;
	struct waiter *next;
};

/* A batch */

static struct store_tx
queue_tx(const struct queue *q)
{
	return (struct store_tx){.engine = q->store->engine, .connection = q->connection};
}

/* Runs one body.  STORE_OK and STORE_ABORTED are its own result, anything else is the batch's.  A
 * body that shares its transaction has its own savepoint. */
static enum store_rc
run_body(struct queue *q, struct waiter *w, bool shares)
{
	struct store_tx tx = queue_tx(q);
	enum store_rc rc = shares ? q->engine->exec(q->store, "SAVEPOINT body") : STORE_OK;

	if (rc != STORE_OK)
		return rc;
	q->engine->begin_body(q->store);
	log_set_request(w->request);
	bool failed = w->fn(&tx, w->arg) != ERR_NONE;
	rc = q->engine->end_body(q->store, failed);
	if (rc == STORE_OK && failed && shares)
		rc = q->engine->exec(q->store, "ROLLBACK TO SAVEPOINT body");
	if (rc == STORE_OK && shares)
		rc = q->engine->exec(q->store, "RELEASE SAVEPOINT body");
	return failed && rc == STORE_OK ? STORE_ABORTED : rc;
}

static enum store_rc
run_bodies(struct queue *q, struct waiter *batch, bool share)
{
	for (struct waiter *w = batch; w != NULL; w = w->next) {
		w->rc = run_body(q, w, share);
		if (w->rc != STORE_OK && w->rc != STORE_ABORTED)
			return w->rc;
	}
	return STORE_OK;
}

/* The uses of keys that were to be noted with the next commit. */
static size_t
take_uses(struct queue *q, struct key_use uses[USES_MAX])
{
	(void)pthread_mutex_lock(&q->mutex);
	size_t count = q->use_count;

	memcpy(uses, q->uses, count * sizeof(*uses));
	q->use_count = 0;
	(void)pthread_mutex_unlock(&q->mutex);
	return count;
}

static enum store_rc
note_uses(struct store_tx *tx, const struct key_use *uses, size_t count)
{
	enum store_rc rc = STORE_OK;

	for (size_t i = 0; rc == STORE_OK && i < count; i++)
		rc = store_touch_key(tx, uses[i].key, uses[i].before_ms, uses[i].now_ms,
				     uses[i].address);
	return rc;
}

static void
tell_use(enum store_rc rc)
{
	if (rc == STORE_FULL)
		log_debug("the last use of a key could not be noted: the disk is full");
	else if (rc != STORE_OK)
		log_info("the last use of a key could not be noted");
}

/* One transaction, and one wait for the disk, for all bodies of a batch. If it fails as a whole
 * nothing has changed, and each waiter gets the error. */
static void
commit_batch(struct queue *q, struct waiter *batch)
{
	struct store_tx tx = queue_tx(q); /* for the uses */
	struct key_use uses[USES_MAX];
	size_t use_count = take_uses(q, uses), count = 0;
	bool share = batch != NULL && (batch->next != NULL || use_count > 0);

	if (batch == NULL && use_count == 0)
		return;
	enum store_rc rc = q->engine->begin(q->store);
	int64_t now_us = clock_us();

	for (struct waiter *w = batch; w != NULL; w = w->next, count++)
		board_write_wait(now_us - w->since_us);
	if (rc == STORE_OK)
		rc = run_bodies(q, batch, share);
	log_set_request(NULL);
	if (rc == STORE_OK)
		rc = note_uses(&tx, uses, use_count);
	if (rc == STORE_OK && batch != NULL && !share && batch->rc == STORE_ABORTED)
		q->engine->roll_back(q->store);
	else if (rc == STORE_OK)
		rc = q->engine->commit(q->store);
	if (use_count > 0)
		tell_use(rc);
	if (rc == STORE_OK) {
		board_commit(count);
		return;
	}
	board_count(BOARD_COMMIT_FAILURES);
	q->engine->roll_back(q->store);
	/* Even if a body was refused: the reason may have been a change by another of the batch. */
	for (struct waiter *w = batch; w != NULL; w = w->next)
		w->rc = rc;
}

/* The queue */

/* With the mutex. */
static void
call_leader(struct queue *q)
{
	struct waiter *head = q->waiting;

	if (q->commits && (head == NULL || head->fn != NULL)) {
		(void)sem_post(&q->called);
		return;
	}
	head->leads = true;
	(void)sem_post(&head->woken);
}

static void
enter(struct queue *q, struct waiter *self)
{
	(void)pthread_mutex_lock(&q->mutex);
	bool first = !q->led;

	q->led = true;
	*q->waiting_end = self;
	q->waiting_end = &self->next;
	if (first)
		call_leader(q);
	(void)pthread_mutex_unlock(&q->mutex);
}

/* Leaves the queue; false if it was taken meanwhile, or has to lead. */
static bool
leave_queue(struct queue *q, struct waiter *self)
{
	struct waiter **place = &q->waiting;

	(void)pthread_mutex_lock(&q->mutex);
	while (*place != NULL && *place != self)
		place = &(*place)->next;
	bool out = *place == self && !self->leads;

	if (out) {
		*place = self->next;
		if (self->next == NULL)
			q->waiting_end = place;
	}
	(void)pthread_mutex_unlock(&q->mutex);
	return out;
}

/* Returns true when this waiter leads, or when its transaction has ended and it has left the queue;
 * false if it has given up. */
static bool
stand_in_queue(struct queue *q, struct waiter *self)
{
	struct timespec until;
	bool out = false;

	(void)sem_init(&self->woken, 0, 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += QUEUE_WAIT_MS / 1000;
	enter(q, self);
	while (!out && sem_clockwait(&self->woken, CLOCK_MONOTONIC, &until) != 0) {
		if (errno != ETIMEDOUT)
			continue; /* a signal */
		out = leave_queue(q, self);
		until.tv_sec += QUEUE_WAIT_MS / 1000; /* it runs */
	}
	SEEN(&self->woken);
	if (out)
		q->engine->tell_busy(q->store);
	return !out;
}

/* Takes the first waiter out of the queue, and those after it that may share its transaction. NULL
 * if the one that was first has given up, and now the queue is empty or the first needs exclusive
 * use. */
static struct waiter *
take_batch(struct queue *q, bool alone)
{
	(void)pthread_mutex_lock(&q->mutex);
	struct waiter *batch = q->waiting, *last = batch;

	if (batch != NULL && !alone && batch->fn == NULL)
		batch = NULL;
	if (batch != NULL) {
		for (size_t n = 1; batch->fn != NULL && last->next != NULL &&
				   last->next->fn != NULL && n < BATCH_MAX;
		     n++)
			last = last->next;
		q->waiting = last->next;
		last->next = NULL;
		if (q->waiting == NULL)
			q->waiting_end = &q->waiting;
	}
	(void)pthread_mutex_unlock(&q->mutex);
	return batch;
}

/* Takes the writing connection for this thread and this process. From then on it is noticed if the
 * leader hangs. */
static enum store_rc
begin_writing(struct queue *q, bool alone, enum patience patience, struct waiter **batch)
{
	enum store_rc rc = q->engine->take(q->store, patience);

	*batch = take_batch(q, alone);
	pulse_begin();
	if (rc == STORE_BUSY)
		q->engine->tell_busy(q->store);
	return rc;
}

void
queue_end_writing(struct queue *q)
{
	pulse_end();
	q->engine->give(q->store);
	(void)pthread_mutex_lock(&q->mutex);
	q->led = q->waiting != NULL || (q->commits && q->use_count > 0);
	if (q->led)
		call_leader(q);
	(void)pthread_mutex_unlock(&q->mutex);
}

/* Runs the transactions of the first waiter, and of others after it. */
static struct waiter *
write_batch(struct queue *q, enum patience patience)
{
	struct waiter *batch;
	enum store_rc rc = begin_writing(q, false, patience, &batch);

	if (rc == STORE_OK)
		commit_batch(q, batch);
	else
		for (struct waiter *w = batch; w != NULL; w = w->next)
			w->rc = rc;
	queue_end_writing(q);
	return batch;
}

/* Wakes the waiters of a finished batch: two, each of which wakes two of its half. All at once
 * would compete with the current writer for the processor; one by one the last would wait too long.
 */
static void
wake(struct waiter *batch)
{
	struct waiter *end = batch, *middle = batch;

	if (batch == NULL)
		return;
	while (end->next != NULL && end->next->next != NULL) {
		middle = middle->next;
		end = end->next->next;
	}
	struct waiter *second = middle->next;
	middle->next = NULL;
	if (second != NULL)
		(void)sem_post(&second->woken);
	(void)sem_post(&batch->woken);
}

static void *
commit_run(void *arg)
{
	struct queue *q = arg;

	for (;;) {
		while (sem_wait(&q->called) != 0)
			; /* a signal */
		(void)pthread_mutex_lock(&q->mutex);
		bool ends = q->ends && !q->led;

		(void)pthread_mutex_unlock(&q->mutex);
		if (ends)
			return NULL;
		wake(write_batch(q, PATIENT));
	}
}

enum store_rc
queue_begin_alone(struct queue *q, enum patience patience)
{
	struct waiter self = {0}, *batch;
	enum store_rc rc = STORE_BUSY;

	if (stand_in_queue(q, &self)) {
		rc = begin_writing(q, true, patience, &batch);
		if (rc != STORE_OK)
			queue_end_writing(q);
	}
	(void)sem_destroy(&self.woken);
	return rc;
}

enum store_rc
queue_write(struct queue *q, store_fn fn, void *arg)
{
	struct waiter self = {.fn = fn,
			      .arg = arg,
			      .request = log_request(),
			      .since_us = clock_us(),
			      .rc = STORE_BUSY};
	bool busy = pulse_pause();

	if (stand_in_queue(q, &self)) {
		if (self.leads)
			(void)write_batch(q, IMPATIENT);
		wake(self.next);
	}
	(void)sem_destroy(&self.woken);
	pulse_resume(busy);
	log_set_request(self.request);
	return self.rc;
}

/* Uses of keys */

static enum err
note_use_alone(struct store_tx *tx, void *arg)
{
	return note_uses(tx, arg, 1) == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

void
queue_note_use(struct queue *q, const struct key_use *use)
{
	bool low = q->store->engine->is_low(q->store);

	if (!q->commits || low) {
		struct key_use copy = *use;

		tell_use(low ? STORE_FULL : queue_write(q, note_use_alone, &copy));
		return;
	}
	(void)pthread_mutex_lock(&q->mutex);
	size_t i = 0;
	while (i < q->use_count && q->uses[i].key != use->key)
		i++;
	bool first = i < USES_MAX && !q->led;
	if (i < USES_MAX) { /* otherwise another request will note it */
		q->uses[i] = *use;
		q->use_count += i == q->use_count;
		q->led = true;
	}
	if (first)
		call_leader(q);
	(void)pthread_mutex_unlock(&q->mutex);
}

/* Beginning and end */

void
queue_init(struct queue *q, struct store *s, const struct queue_engine *engine, void *connection)
{
	*q = (struct queue){.store = s, .engine = engine, .connection = connection};
	q->waiting_end = &q->waiting;
	(void)pthread_mutex_init(&q->mutex, NULL);
	(void)sem_init(&q->called, 0, 0);
}

bool
queue_start(struct queue *q)
{
	q->commits = pthread_create(&q->committer, NULL, commit_run, q) == 0;
	return q->commits;
}

void
queue_end(struct queue *q)
{
	if (!q->commits)
		return;
	(void)pthread_mutex_lock(&q->mutex);
	q->ends = true;
	(void)pthread_mutex_unlock(&q->mutex);
	(void)sem_post(&q->called);
	(void)pthread_join(q->committer, NULL);
	q->commits = false;
}

void
queue_destroy(struct queue *q)
{
	(void)pthread_mutex_destroy(&q->mutex);
	(void)sem_destroy(&q->called);
}
