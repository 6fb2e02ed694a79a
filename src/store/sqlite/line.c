/* line: the write queue: transactions that wait share one commit. */
#include "store/sqlite/line.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/pulse.h"
#include "shared/board.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/health.h"
#include "store/sqlite/ready.h"
#include "store/sqlite/room.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum {
	BATCH_MAX = 64, /* transactions that share one commit */
};

void
queue_lock(int fd)
{
	while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
		;
}

/* The turn is a lock of its own kind on the first byte of the same file.  Without it the lock
 * still excludes, though not in turns. */
static void
turn(int fd, short type)
{
	struct flock first = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	while (fcntl(fd, F_OFD_SETLKW, &first) != 0 && errno == EINTR)
		;
}

/* How the bodies of a batch are kept apart.  A savepoint costs a copy of every page that its body
 * changes; without one a body that fails after it changed something is tangled with the others. */
enum apart { TOGETHER, APART };

/* Runs one body.  STORE_OK and STORE_ABORTED are its own result, anything else is the batch's;
 * *tangled: what it changed can only be undone with everything else. */
static enum store_rc
run_body(struct connection *c, struct waiter *w, enum apart apart, bool *tangled)
{
	struct store_tx tx = {.connection = c};
	enum store_rc rc = apart == APART ? connection_exec(c, "SAVEPOINT body") : STORE_OK;
	sqlite3_int64 changes = sqlite3_total_changes64(c->db);

	if (rc != STORE_OK)
		return rc;
	c->failure = STORE_OK;
	log_set_request(w->request);
	bool failed = w->fn(&tx, w->arg) != ERR_NONE;
	bool gone = sqlite3_get_autocommit(c->db) != 0; /* the whole transaction */
	if ((failed || gone) && c->failure == STORE_FULL)
		return STORE_FULL; /* not the body's fault, and the same for all */
	if (gone)
		return STORE_ABORTED;
	if (apart == TOGETHER) {
		*tangled = failed && (sqlite3_total_changes64(c->db) != changes ||
				      (c->failure != STORE_OK && c->failure != STORE_CONSTRAINT));
		return failed ? STORE_ABORTED : STORE_OK;
	}
	if (failed && (rc = connection_exec(c, "ROLLBACK TO body")) != STORE_OK)
		return rc;
	rc = connection_exec(c, "RELEASE body");
	return failed && rc == STORE_OK ? STORE_ABORTED : rc;
}

static enum store_rc
run_bodies(struct connection *c, struct waiter *batch, enum apart apart, bool *tangled)
{
	for (struct waiter *w = batch; w != NULL && !*tangled; w = w->next) {
		if (w->settled)
			continue;
		w->rc = run_body(c, w, apart, tangled);
		if (sqlite3_get_autocommit(c->db) != 0)
			return c->failure;
		if (w->rc != STORE_OK && w->rc != STORE_ABORTED)
			return w->rc;
	}
	return STORE_OK;
}

/* Builds with a sanitizer run every second batch again, so that a body that may not be run twice
 * shows itself. */
static bool
is_run_twice(void)
{
	static atomic_uint batches;

	return SANITIZED && atomic_fetch_add(&batches, 1) % 2 == 1;
}

/* One transaction, and one wait for the disk, for all bodies of a batch.  If it fails as a whole,
 * nothing of it has happened and each is told so. */
static void
commit_batch(struct connection *c, struct waiter *batch)
{
	enum store_rc rc = connection_exec(c, "BEGIN IMMEDIATE");
	int64_t now_us = clock_us();
	bool tangled = false;
	size_t count = 0;

	for (struct waiter *w = batch; w != NULL; w = w->next, count++)
		board_write_wait(now_us - w->since_us);
	if (rc == STORE_OK)
		rc = run_bodies(c, batch, TOGETHER, &tangled);
	if (rc == STORE_OK && (tangled ? batch->next != NULL : is_run_twice())) {
		tangled = false;
		rc = connection_exec(c, "ROLLBACK");
		if (rc == STORE_OK)
			rc = connection_exec(c, "BEGIN IMMEDIATE");
		if (rc == STORE_OK)
			rc = run_bodies(c, batch, APART, &tangled);
	}
	log_set_request(NULL);
	if (rc == STORE_OK)
		rc = connection_exec(c, tangled ? "ROLLBACK" : "COMMIT"); /* tangled with nobody */
	if (rc == STORE_OK) {
		board_commit(count);
		return;
	}
	board_count(BOARD_COMMIT_FAILURES);
	connection_roll_back(c);
	for (struct waiter *w = batch; w != NULL; w = w->next)
		if (!w->settled && w->rc != STORE_ABORTED)
			w->rc = rc;
}

/* Runs those again that may use the ballast, if it was the disk that failed them. */
static void
commit_freeing(struct store *s, struct waiter *batch)
{
	bool any = false;

	for (struct waiter *w = batch; w != NULL; w = w->next) {
		w->settled = !w->frees || w->rc != STORE_FULL;
		any = any || !w->settled;
	}
	if (any && make_room(s) && connection_ready(s, &s->writer, false))
		commit_batch(&s->writer, batch);
}

/* Called without the mutex: nobody but its leader takes a head out of the line. */
static void
call_leader(struct store *s, struct waiter *head)
{
	if (s->commits && head->fn != NULL) {
		(void)sem_post(&s->called);
		return;
	}
	head->leads = true;
	(void)sem_post(&head->woken);
}

void
enter_line(struct store *s, struct waiter *self)
{
	(void)pthread_mutex_lock(&s->line_mutex);
	bool first = !s->led;

	s->led = true;
	*s->waiting_end = self;
	s->waiting_end = &self->next;
	(void)pthread_mutex_unlock(&s->line_mutex);
	if (first)
		call_leader(s, self);
}

/* Returns when this waiter leads, or its transaction has ended; it has left the line then. */
static void
stand_in_line(struct store *s, struct waiter *self)
{
	(void)sem_init(&self->woken, 0, 0);
	enter_line(s, self);
	while (sem_wait(&self->woken) != 0)
		; /* a signal */
}

/* Takes the head, and those behind it that may share its transaction, out of the line. */
static struct waiter *
take_batch(struct store *s)
{
	(void)pthread_mutex_lock(&s->line_mutex);
	struct waiter *batch = s->waiting, *last = batch;

	for (size_t n = 1;
	     batch->fn != NULL && last->next != NULL && last->next->fn != NULL && n < BATCH_MAX;
	     n++)
		last = last->next;
	s->waiting = last->next;
	last->next = NULL;
	if (s->waiting == NULL)
		s->waiting_end = &s->waiting;
	(void)pthread_mutex_unlock(&s->line_mutex);
	return batch;
}

/* The writing connection, alone in this process and, by the lock file, on this machine.  Who has
 * just had the lock does not get it again before another that waits: that one has the turn.  From
 * then on the thread that leads is seen if it hangs. */
static struct waiter *
begin_writing(struct store *s)
{
	bool turns = s->writer.wal; /* else the two kinds of locks may be one, in a network */

	if (turns)
		turn(s->lock_fd, F_WRLCK);
	queue_lock(s->lock_fd);
	if (turns)
		turn(s->lock_fd, F_UNLCK);
	pulse_begin();
	return take_batch(s);
}

void
queue_end_writing(struct store *s)
{
	pulse_end();
	(void)flock(s->lock_fd, LOCK_UN);
	(void)pthread_mutex_lock(&s->line_mutex);
	struct waiter *head = s->waiting;

	s->led = head != NULL;
	(void)pthread_mutex_unlock(&s->line_mutex);
	if (head != NULL)
		call_leader(s, head);
}

struct waiter *
queue_write_batch(struct store *s)
{
	struct waiter *batch = begin_writing(s);

	if (file_is_here(s) && connection_ready(s, &s->writer, false))
		commit_batch(&s->writer, batch);
	else
		for (struct waiter *w = batch; w != NULL; w = w->next)
			w->rc = STORE_FAILED;
	commit_freeing(s, batch);
	queue_end_writing(s);
	return batch;
}

void
queue_wake(struct waiter *batch)
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

enum store_rc
queue_write(struct store *s, store_fn fn, void *arg, bool frees)
{
	struct waiter self = {.fn = fn,
			      .arg = arg,
			      .frees = frees,
			      .request = log_request(),
			      .since_us = clock_us()};
	bool busy = pulse_pause();

	stand_in_line(s, &self);
	if (self.leads)
		(void)queue_write_batch(s);
	queue_wake(self.next);
	(void)sem_destroy(&self.woken);
	pulse_resume(busy);
	log_set_request(self.request);
	return self.rc;
}

void
queue_begin_alone(struct store *s)
{
	struct waiter self = {0};

	stand_in_line(s, &self);
	(void)begin_writing(s);
	(void)sem_destroy(&self.woken);
}

enum store_rc
store_write(struct store *s, store_fn fn, void *arg)
{
	return store_is_low(s) ? STORE_FULL : queue_write(s, fn, arg, false);
}

enum store_rc
store_write_freeing(struct store *s, store_fn fn, void *arg)
{
	return queue_write(s, fn, arg, true);
}
