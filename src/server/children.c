/* children: the children of the master: started, watched, replaced, ended. */
#include "server/children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/housekeeper.h"
#include "server/pool_state.h"
#include "server/sandbox.h"
#include "server/systemd.h"
#include "server/worker.h"
#include "shared/board.h"

enum {
	GRACE_MS = 1000, /* after a kill, so that whoever waited for the victim can go on */
};

enum {
	SHORT_LIFE_MS = 1000, /* who dies younger is started again later and later */
	DELAY_MIN_MS = 100,
	DELAY_MAX_MS = 5000,
};

const struct child_kind worker_job = {"worker", worker_run, true};

const struct child_kind housekeeper_job = {"housekeeper", housekeeper_run, false};

const struct child_kind prepare_job = {"prepare", prepare_run, false};

static bool
shut_in(const struct pool *pool, const struct child_kind *job, struct sandbox *sandbox)
{
	if (sandbox_enter(pool->settings, sandbox))
		return true;
	log_error("a %s cannot shut itself in: %s; sandbox = off goes on without", job->name,
		  sandbox->missing);
	return false;
}

/* What a child does between fork and exit.  The lock stays the master's alone; when the master
 * dies, its children end too. */
static _Noreturn void
child_main(struct pool *pool, const struct child_kind *job, size_t self)
{
	struct sandbox sandbox;
	int status;

	pool->self = self;
	close(pool->lock_fd);
	if (!job->listens)
		close(pool->listener); /* or it would look alive after the master's death */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != pool->master || !shut_in(pool, job, &sandbox))
		exit(1);
	status = job->run(pool);
	if (job == &prepare_job && status == 0) /* once for all of them */
		log_info("sandbox: %s%s%s", sandbox_text(&sandbox),
			 *sandbox.missing != '\0' ? "; " : "", sandbox.missing);
	exit(status);
}

pid_t
child_fork(struct pool *pool, const struct child_kind *job, size_t self)
{
	pid_t pid = fork();

	if (pid == 0)
		child_main(pool, job, self);
	if (pid < 0)
		log_error("cannot fork a %s: %s", job->name, strerror(errno));
	return pid;
}

void
child_enter(struct pool *pool, struct child *c, enum child_state state)
{
	struct board_slot *slot = &pool->board->slots[c - pool->children];

	c->state = state;
	c->since_ms = clock_ms();
	slot->since_ms = clock_wall_ms();
	slot->state = (int32_t)state;
	slot->job = c->job->listens ? BOARD_WORKER : BOARD_HOUSEKEEPER;
	slot->pid = state > CHILD_DUE ? c->pid : 0;
}

/* A clean slot for a new process. */
static void
clear_slot(struct board_slot *slot)
{
	slot->pid = 0;
	slot->requests = 0;
	slot->tick_ms = clock_ms();
	for (size_t i = 0; i < BOARD_THREADS; i++)
		slot->pulses[i] = 0;
}

void
child_start(struct pool *pool, struct child *c)
{
	size_t self = (size_t)(c - pool->children);

	clear_slot(&pool->board->slots[self]);
	c->pid = child_fork(pool, c->job, self);
	c->killed = false;
	if (c->pid > 0) {
		child_enter(pool, c, CHILD_STARTING);
		return;
	}
	c->pid = 0;
	c->delay_ms = DELAY_MAX_MS;
	child_enter(pool, c, CHILD_DUE);
}

static struct child *
child_add(struct pool *pool, const struct child_kind *job, struct child *replaces)
{
	struct child *c = pool->children;

	while (c->state != CHILD_NONE)
		c++;
	*c = (struct child){.job = job, .replaces = replaces};
	child_start(pool, c);
	return c;
}

void
child_end(struct pool *pool, struct child *c, int signal_number)
{
	kill(c->pid, signal_number);
	child_enter(pool, c, CHILD_DRAINING);
}

struct child *
child_find(struct pool *pool, pid_t pid)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (pool->children[i].state > CHILD_DUE && pool->children[i].pid == pid)
			return &pool->children[i];
	return NULL;
}

size_t
children_in_state(const struct pool *pool, enum child_state state)
{
	size_t count = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++)
		count += pool->children[i].state == state;
	return count;
}

static void
log_death(const struct child *c, int status, const char *then)
{
	if (WIFSIGNALED(status))
		log_error("%s %d died: signal %d%s", c->job->name, (int)c->pid, WTERMSIG(status),
			  then);
	else
		log_error("%s %d died: exit status %d%s", c->job->name, (int)c->pid,
			  WEXITSTATUS(status), then);
}

/* For /metrics and `regcred status`. */
static void
show_death(struct board *b, const struct child *c, int status)
{
	board_count(BOARD_DEATHS);
	b->died_pid = (int32_t)c->pid;
	b->died_status = status;
	b->died_hanging = c->killed;
	b->died_ms = clock_wall_ms();
}

/* One that dies in use is replaced at once; one that hardly lived, after a pause that doubles. */
static void
child_died(struct pool *pool, struct child *c, int status)
{
	bool short_life = clock_ms() - c->since_ms < SHORT_LIFE_MS;

	show_death(pool->board, c, status);
	if (c->replaces != NULL) {
		log_death(c, status, "; the one that it should replace goes on");
		c->replaces = NULL; /* or it would count as a successor when that one dies */
		child_enter(pool, c, CHILD_NONE);
		return;
	}
	if (!short_life)
		c->delay_ms = 0;
	else if (c->delay_ms == 0)
		c->delay_ms = DELAY_MIN_MS;
	else
		c->delay_ms = c->delay_ms * 2 > DELAY_MAX_MS ? DELAY_MAX_MS : c->delay_ms * 2;
	log_death(c, status, short_life ? "; it starts again after a pause" : "");
	child_enter(pool, c, CHILD_DUE);
}

/* True if a reload has already started somebody in place of the child that is gone. */
static bool
has_successor(struct pool *pool, const struct child *gone)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		if (pool->children[i].replaces != gone)
			continue;
		pool->children[i].replaces = NULL;
		return true;
	}
	return false;
}

bool
child_lives(const struct child *c)
{
	return c->state == CHILD_STARTING || c->state == CHILD_READY;
}

/* Whether a worker is there that will go, or is going. */
static bool
has_leaving_worker(const struct pool *pool)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		const struct child *c = &pool->children[i], *before = c->replaces;

		if (c->state == CHILD_DRAINING && c->job->listens)
			return true;
		if (child_lives(c) && c->job->listens &&
		    (c->surplus || (before != NULL && child_lives(before))))
			return true;
	}
	return false;
}

void
children_end_housekeepers(struct pool *pool)
{
	if (has_leaving_worker(pool))
		return;
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];

		if (!child_lives(c) || c->job->listens)
			continue;
		if (pool->stopping) {
			child_end(pool, c, SIGTERM);
		} else if (c->state == CHILD_READY && c->replaces != NULL) {
			if (child_lives(c->replaces))
				child_end(pool, c->replaces, SIGTERM);
			c->replaces = NULL;
		}
	}
}

void
child_gone(struct pool *pool, struct child *c, int status)
{
	bool expected = c->state == CHILD_DRAINING || pool->stopping;

	if (!expected && !has_successor(pool, c)) {
		child_died(pool, c, status);
	} else {
		if (status != 0 && !c->killed)
			log_death(c, status, "");
		child_enter(pool, c, CHILD_NONE);
	}
	children_end_housekeepers(pool);
}

/* Nobody replaces them, and all that should are there. */
static void
end_surplus(struct pool *pool)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (pool->children[i].surplus && pool->children[i].state == CHILD_READY)
			child_end(pool, &pool->children[i], SIGTERM);
}

void
child_ready(struct pool *pool, pid_t pid)
{
	struct child *c = child_find(pool, pid);

	if (c == NULL || c->state != CHILD_STARTING)
		return;
	child_enter(pool, c, CHILD_READY);
	if (c->job->listens) {
		if (c->replaces != NULL && c->replaces->pid > 0)
			child_end(pool, c->replaces, SIGTERM);
		c->replaces = NULL;
	}
	children_end_housekeepers(pool);
	if (pool->stopping ||
	    children_in_state(pool, CHILD_STARTING) + children_in_state(pool, CHILD_DUE) > 0)
		return;
	end_surplus(pool);
	if (pool->announced)
		return;
	log_info("ready: %lld workers of %lld threads%s%s", (long long)pool->settings->workers,
		 (long long)pool->settings->threads, pool->own_socket ? " at " : "",
		 pool->own_socket ? pool->settings->socket : "");
	systemd_notify("READY=1");
	pool->announced = true;
}

void
children_replace_all(struct pool *pool)
{
	struct child *old[CHILDREN_MAX], *kept = NULL;
	size_t count = 0, next = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];

		if (c->state == CHILD_DUE)
			child_enter(pool, c, CHILD_NONE); /* a new one comes anyway */
		if (child_lives(c) && c->job->listens)
			old[count++] = c;
		else if (child_lives(c) && c->replaces == NULL) {
			if (kept == NULL)
				kept = child_add(pool, &housekeeper_job, c);
			else if (c != kept)
				c->surplus = true; /* of a reload that did not come to its end */
		}
	}
	for (int64_t i = 0; i < pool->settings->workers; i++)
		child_add(pool, &worker_job, next < count ? old[next++] : NULL);
	while (next < count)
		old[next++]->surplus = true;
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (pool->children[i].state != CHILD_NONE && !pool->children[i].job->listens)
			return;
	child_add(pool, &housekeeper_job, NULL);
}

/* How long a process has hung: as a whole, or in the oldest of its requests.  The signs of life of
 * one that has just started may be missing.  Without any, who is there ran before a reload that did
 * not find the board, and shows itself on the old one. */
static int64_t
hangs_for_ms(const struct pool *pool, const struct child *c, int64_t now)
{
	const struct board_slot *slot = &pool->board->slots[c - pool->children];
	int64_t since = slot->tick_ms;

	if (since == 0)
		return 0;
	for (size_t i = 0; i < BOARD_THREADS; i++) {
		int64_t pulse = slot->pulses[i];

		if (pulse > 0 && pulse < since)
			since = pulse;
	}
	return now - since;
}

void
children_kill_hanging(struct pool *pool, int64_t now)
{
	int64_t limit = pool->settings->request_timeout_s * 1000, longest = limit;
	struct child *worst = NULL;

	if (limit == 0 || now - pool->hang_killed_ms < GRACE_MS)
		return;
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];
		int64_t hung = child_lives(c) && !c->killed ? hangs_for_ms(pool, c, now) : 0;

		if (hung > longest) {
			longest = hung;
			worst = c;
		}
	}
	if (worst == NULL)
		return;
	log_error("%s %d has hung for %lld s: killed", worst->job->name, (int)worst->pid,
		  (long long)(longest / 1000));
	kill(worst->pid, SIGKILL);
	worst->killed = true;
	pool->hang_killed_ms = now;
	board_count(BOARD_HANGS);
}
