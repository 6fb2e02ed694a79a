/* queue: the write queue: waiting transactions share one commit.
 *
 *   write() ── enters ──► queue ── the leader ──► ticket, lock file ──► takes a batch
 *        │                                                                        │
 *        │ waits for `woken`; while it is                  bodies one by one; COMMIT
 *        │ still in the queue, BUSY_MS at most                                    │
 *        ▼                                                                        ▼
 *      result ◄── wakes two, each of which wakes two of its half ◄── releases the lock,
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
#include "store/sqlite/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

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
#include "base/remedy.h"
#include "shared/board.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/health.h"
#include "store/sqlite/ready.h"

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

/* The lock file */

/* Takes the ticket lock, a lock of another kind on the first byte of the same file: the last holder
 * does not get the lock again before others that wait. Without it the lock still excludes, but not
 * fairly. False with errno: not available at once. */
static bool
take_turn(int fd, short type, enum patience patience)
{
	struct flock first = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};
	int rc;

	while ((rc = fcntl(fd, patience == PATIENT ? F_OFD_SETLKW : F_OFD_SETLK, &first)) != 0 &&
	       errno == EINTR)
		;
	return rc == 0 || (errno != EAGAIN && errno != EACCES);
}

static bool
take_lock(int fd, enum patience patience)
{
	int rc;

	while ((rc = flock(fd, patience == PATIENT ? LOCK_EX : LOCK_EX | LOCK_NB)) != 0 &&
	       errno == EINTR)
		;
	return rc == 0;
}

enum store_rc
queue_lock(int fd, bool turns, enum patience patience)
{
	const struct timespec nap = {.tv_nsec = 1000000};
	int64_t end_ms = clock_ms() + BUSY_MS;
	bool turn = !turns, locked = false;

	for (;;) {
		turn = turn || take_turn(fd, F_WRLCK, patience);
		locked = turn && take_lock(fd, patience);
		if (locked || (turn && errno != EWOULDBLOCK) || clock_ms() >= end_ms)
			break;
		(void)nanosleep(&nap, NULL);
	}
	int error = errno;
	if (turns && turn)
		(void)take_turn(fd, F_UNLCK, patience);
	if (locked)
		return STORE_OK;
	if (error == EWOULDBLOCK || error == EACCES)
		return STORE_BUSY;
	log_error("database: the lock file cannot be locked: %s", remedy_text(error));
	return STORE_FAILED;
}

pid_t
queue_lock_holder(int fd)
{
	char line[256];
	struct stat st;
	long found = 0;
	FILE *locks = fopen("/proc/locks", "re");

	if (locks == NULL)
		return 0;
	while (fstat(fd, &st) == 0 && found <= 0 && fgets(line, sizeof(line), locks) != NULL) {
		unsigned major_of, minor_of;
		unsigned long long inode;

		/* "1: FLOCK  ADVISORY  WRITE 1234 fd:01:5678 0 EOF"; "1: -> ..." waits. */
		if (sscanf(line, "%*s FLOCK %*s %*s %ld %x:%x:%llu", &found, &major_of, &minor_of,
			   &inode) != 4 ||
		    inode != st.st_ino || major_of != major(st.st_dev) ||
		    minor_of != minor(st.st_dev))
			found = 0;
	}
	(void)fclose(locks);
	return found > 0 ? (pid_t)found : 0;
}

/* Once a minute. */
static void
tell_busy(struct sqlite_store *s)
{
	long long now = clock_ms(), told = atomic_load(&s->busy_told_ms);

	if (now - told < TROUBLE_TELL_MS ||
	    !atomic_compare_exchange_strong(&s->busy_told_ms, &told, now))
		return;
	log_error(
		"database: the writers' lock %s.lock was not free for %d s; it is held by process "
		"%ld (0: unknown). Changes are answered with 503 until that goes on or ends",
		s->path, BUSY_MS / 1000, (long)queue_lock_holder(s->lock_fd));
}

/* A batch */

/* Runs one body.  STORE_OK and STORE_ABORTED are its own result, anything else is the batch's.  A
 * body that shares its transaction has its own savepoint. */
static enum store_rc
run_body(struct sqlite_store *s, struct waiter *w, bool shares)
{
	struct connection *c = &s->writer;
	struct store_tx tx = {.engine = s->base.engine, .connection = c};
	enum store_rc rc = shares ? connection_exec(c, "SAVEPOINT body") : STORE_OK;

	if (rc != STORE_OK)
		return rc;
	c->failure = STORE_OK;
	log_set_request(w->request);
	bool failed = w->fn(&tx, w->arg) != ERR_NONE;
	bool gone = sqlite3_get_autocommit(c->db) != 0; /* the whole transaction */
	if ((failed || gone) && c->failure == STORE_FULL)
		return STORE_FULL; /* not the body's fault, and the same for the whole batch */
	if (gone)
		return c->failure != STORE_OK ? c->failure : STORE_FAILED;
	if (failed && shares)
		rc = connection_exec(c, "ROLLBACK TO body");
	if (rc == STORE_OK && shares)
		rc = connection_exec(c, "RELEASE body");
	return failed && rc == STORE_OK ? STORE_ABORTED : rc;
}

static enum store_rc
run_bodies(struct sqlite_store *s, struct waiter *batch, bool share)
{
	for (struct waiter *w = batch; w != NULL; w = w->next) {
		w->rc = run_body(s, w, share);
		if (w->rc != STORE_OK && w->rc != STORE_ABORTED)
			return w->rc;
	}
	return STORE_OK;
}

/* The uses of keys that were to be noted with the next commit. */
static size_t
take_uses(struct sqlite_store *s, struct key_use uses[USES_MAX])
{
	(void)pthread_mutex_lock(&s->line_mutex);
	size_t count = s->use_count;

	memcpy(uses, s->uses, count * sizeof(*uses));
	s->use_count = 0;
	(void)pthread_mutex_unlock(&s->line_mutex);
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

/* Without a write-ahead log a commit waits until nobody reads, and keeps new readers out meanwhile.
 * Who reads for very long, as a stopped `regcred backup`, would so stop everybody: it is asked
 * before, for a moment at a time, in between which others can read. */
static enum store_rc
wait_for_readers(struct connection *c)
{
	enum { MOMENT_MS = 200, PAUSE_MS = 100 };
	int64_t end_ms = clock_ms() + BUSY_MS;
	enum store_rc rc;

	(void)sqlite3_busy_timeout(c->db, MOMENT_MS);
	while ((rc = connection_exec(c, "BEGIN EXCLUSIVE")) == STORE_BUSY && clock_ms() < end_ms)
		(void)sqlite3_sleep(PAUSE_MS);
	(void)sqlite3_busy_handler(c->db, connection_nap, NULL);
	if (rc == STORE_BUSY)
		log_error("database: somebody has been reading it for %d s, so that nothing can "
			  "be changed: look for a command that was stopped, or a CGI",
			  BUSY_MS / 1000);
	return rc == STORE_OK ? connection_exec(c, "COMMIT") : rc;
}

/* One transaction, and one wait for the disk, for all bodies of a batch. If it fails as a whole
 * nothing has changed, and each waiter gets the error. */
static void
commit_batch(struct sqlite_store *s, struct waiter *batch)
{
	struct connection *c = &s->writer;
	struct store_tx tx = {.engine = s->base.engine, .connection = c}; /* for the uses */
	struct key_use uses[USES_MAX];
	size_t use_count = take_uses(s, uses), count = 0;
	bool share = batch != NULL && (batch->next != NULL || use_count > 0);

	if (batch == NULL && use_count == 0)
		return;
	enum store_rc rc = c->wal ? STORE_OK : wait_for_readers(c);
	if (rc == STORE_OK)
		rc = connection_exec(c, "BEGIN IMMEDIATE");
	int64_t now_us = clock_us();

	for (struct waiter *w = batch; w != NULL; w = w->next, count++)
		board_write_wait(now_us - w->since_us);
	if (rc == STORE_OK)
		rc = run_bodies(s, batch, share);
	log_set_request(NULL);
	if (rc == STORE_OK)
		rc = note_uses(&tx, uses, use_count);
	if (rc == STORE_OK)
		rc = connection_exec(c, batch != NULL && !share && batch->rc == STORE_ABORTED
						? "ROLLBACK"
						: "COMMIT");
	if (use_count > 0)
		tell_use(rc);
	if (rc == STORE_OK) {
		board_commit(count);
		return;
	}
	board_count(BOARD_COMMIT_FAILURES);
	connection_roll_back(c);
	/* Even if a body was refused: the reason may have been a change by another of the batch. */
	for (struct waiter *w = batch; w != NULL; w = w->next)
		w->rc = rc;
}

/* The queue */

/* With the mutex. */
static void
call_leader(struct sqlite_store *s)
{
	struct waiter *head = s->waiting;

	if (s->commits && (head == NULL || head->fn != NULL)) {
		(void)sem_post(&s->called);
		return;
	}
	head->leads = true;
	(void)sem_post(&head->woken);
}

static void
enter(struct sqlite_store *s, struct waiter *self)
{
	(void)pthread_mutex_lock(&s->line_mutex);
	bool first = !s->led;

	s->led = true;
	*s->waiting_end = self;
	s->waiting_end = &self->next;
	if (first)
		call_leader(s);
	(void)pthread_mutex_unlock(&s->line_mutex);
}

/* Leaves the queue; false if it was taken meanwhile, or has to lead. */
static bool
leave_queue(struct sqlite_store *s, struct waiter *self)
{
	struct waiter **place = &s->waiting;

	(void)pthread_mutex_lock(&s->line_mutex);
	while (*place != NULL && *place != self)
		place = &(*place)->next;
	bool out = *place == self && !self->leads;

	if (out) {
		*place = self->next;
		if (self->next == NULL)
			s->waiting_end = place;
	}
	(void)pthread_mutex_unlock(&s->line_mutex);
	return out;
}

/* Returns true when this waiter leads, or when its transaction has ended and it has left the queue;
 * false if it has given up. */
static bool
stand_in_queue(struct sqlite_store *s, struct waiter *self)
{
	struct timespec until;
	bool out = false;

	(void)sem_init(&self->woken, 0, 0);
	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += BUSY_MS / 1000;
	enter(s, self);
	while (!out && sem_clockwait(&self->woken, CLOCK_MONOTONIC, &until) != 0) {
		if (errno != ETIMEDOUT)
			continue; /* a signal */
		out = leave_queue(s, self);
		until.tv_sec += BUSY_MS / 1000; /* it runs */
	}
	SEEN(&self->woken);
	if (out)
		tell_busy(s);
	return !out;
}

/* Takes the first waiter out of the queue, and those after it that may share its transaction. NULL
 * if the one that was first has given up, and now the queue is empty or the first needs exclusive
 * use. */
static struct waiter *
take_batch(struct sqlite_store *s, bool alone)
{
	(void)pthread_mutex_lock(&s->line_mutex);
	struct waiter *batch = s->waiting, *last = batch;

	if (batch != NULL && !alone && batch->fn == NULL)
		batch = NULL;
	if (batch != NULL) {
		for (size_t n = 1; batch->fn != NULL && last->next != NULL &&
				   last->next->fn != NULL && n < BATCH_MAX;
		     n++)
			last = last->next;
		s->waiting = last->next;
		last->next = NULL;
		if (s->waiting == NULL)
			s->waiting_end = &s->waiting;
	}
	(void)pthread_mutex_unlock(&s->line_mutex);
	return batch;
}

/* Takes the writing connection for this thread and, by the lock file, this process. From then on it
 * is noticed if the leader hangs. */
static enum store_rc
begin_writing(struct sqlite_store *s, bool alone, enum patience patience, struct waiter **batch)
{
	/* On network file systems, used without a write-ahead log, the two kinds of locks may be
	 * the same. */
	enum store_rc rc = queue_lock(s->lock_fd, s->writer.wal, patience);

	*batch = take_batch(s, alone);
	pulse_begin();
	if (rc == STORE_BUSY)
		tell_busy(s);
	if (rc == STORE_OK && (!file_is_here(s) || !connection_ready(s, &s->writer, false)))
		return STORE_FAILED;
	return rc;
}

void
queue_end_writing(struct sqlite_store *s)
{
	pulse_end();
	(void)flock(s->lock_fd, LOCK_UN);
	(void)pthread_mutex_lock(&s->line_mutex);
	s->led = s->waiting != NULL || (s->commits && s->use_count > 0);
	if (s->led)
		call_leader(s);
	(void)pthread_mutex_unlock(&s->line_mutex);
}

/* Runs the transactions of the first waiter, and of others after it. */
static struct waiter *
write_batch(struct sqlite_store *s, enum patience patience)
{
	struct waiter *batch;
	enum store_rc rc = begin_writing(s, false, patience, &batch);

	if (rc == STORE_OK)
		commit_batch(s, batch);
	else
		for (struct waiter *w = batch; w != NULL; w = w->next)
			w->rc = rc;
	queue_end_writing(s);
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

void *
queue_commit_run(void *arg)
{
	struct sqlite_store *s = arg;

	for (;;) {
		while (sem_wait(&s->called) != 0)
			; /* a signal */
		(void)pthread_mutex_lock(&s->line_mutex);
		bool ends = s->ends && !s->led;

		(void)pthread_mutex_unlock(&s->line_mutex);
		if (ends)
			return NULL;
		wake(write_batch(s, PATIENT));
	}
}

enum store_rc
queue_begin_alone(struct sqlite_store *s, enum patience patience)
{
	struct waiter self = {0}, *batch;
	enum store_rc rc = STORE_BUSY;

	if (stand_in_queue(s, &self)) {
		rc = begin_writing(s, true, patience, &batch);
		if (rc != STORE_OK)
			queue_end_writing(s);
	}
	(void)sem_destroy(&self.woken);
	return rc;
}

enum store_rc
sqlite_write(struct store *base, store_fn fn, void *arg)
{
	struct sqlite_store *s = sqlite_of(base);
	struct waiter self = {.fn = fn,
			      .arg = arg,
			      .request = log_request(),
			      .since_us = clock_us(),
			      .rc = STORE_BUSY};
	bool busy = pulse_pause();

	if (stand_in_queue(s, &self)) {
		if (self.leads)
			(void)write_batch(s, IMPATIENT);
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
sqlite_note_use(struct store *base, const struct key_use *use)
{
	struct sqlite_store *s = sqlite_of(base);

	if (!s->commits || sqlite_is_low(base)) {
		struct key_use copy = *use;

		tell_use(sqlite_is_low(base) ? STORE_FULL
					     : sqlite_write(base, note_use_alone, &copy));
		return;
	}
	(void)pthread_mutex_lock(&s->line_mutex);
	size_t i = 0;
	while (i < s->use_count && s->uses[i].key != use->key)
		i++;
	bool first = i < USES_MAX && !s->led;
	if (i < USES_MAX) { /* otherwise another request will note it */
		s->uses[i] = *use;
		s->use_count += i == s->use_count;
		s->led = true;
	}
	if (first)
		call_leader(s);
	(void)pthread_mutex_unlock(&s->line_mutex);
}
