// clang-format off
/* children: child processes of the master: starts, watches, replaces and stops them.
 *
 * The states of a child: the new state after each event.
 *
 *   state      its time is up      reports that it is      dies       pool stops   newer ones are ready
 *                                  ready
 *   NONE       -                   -                       -          -            -
 *   DUE        STARTING (1)        -                       -          NONE         NONE
 *   STARTING   -                   READY                   DUE (2)    DRAINING     DRAINING
 *   READY      -                   -                       DUE (2)    DRAINING     DRAINING
 *   DRAINING   is killed (3)       -                       NONE       -            -
 *
 *   (1) stays DUE, with a longer pause, if fork fails
 *   (2) at once, or after a pause that doubles if it lived only briefly.  While a new generation
 *       starts next to an old one it becomes NONE; if it belonged to the new one, the new generation
 *       is told to exit and the old one continues in full.  If the socket's file was lost, there is
 *       no way back: then the new generation is restarted until it serves
 *   (3) after drain_timeout_s.  STARTING and READY are killed, and so die, if they show no sign of
 *       life for request_timeout_s
 */
// clang-format on
#include "server/children.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/remedy.h"
#include "server/config.h"
#include "server/housekeeper.h"
#include "server/refresher.h"
#include "server/sandbox.h"
#include "server/systemd.h"
#include "server/worker.h"
#include "service/app.h"

enum {
	SHORT_LIFE_MS = 1000, /* children that die sooner are restarted with growing delays */
	DELAY_MIN_MS = 100,
	DELAY_MAX_MS = 5000,
	READY_LOOK_MS = 20, /* how often the master checks while a child starts */
};

static const struct child_kind worker_job = {"worker", worker_run, BOARD_WORKER, true,
					     SANDBOX_SERVER};
static const struct child_kind housekeeper_job = {"housekeeper", housekeeper_run, BOARD_HOUSEKEEPER,
						  false, SANDBOX_SERVER};
static const struct child_kind refresher_job = {"refresher", refresher_run, BOARD_REFRESHER, false,
						SANDBOX_REFRESHER};
const struct child_kind prepare_job = {"prepare", prepare_run, BOARD_WORKER, false, SANDBOX_SERVER};
const struct child_kind check_job = {"check", check_run, BOARD_WORKER, false, SANDBOX_SERVER};

static bool
shut_in(const struct pool *pool, const struct child_kind *job, struct sandbox *sandbox)
{
	if (job->sandbox == SANDBOX_REFRESHER)
		app_hide_files(pool->settings);
	if (sandbox_enter(pool->settings, job->sandbox, sandbox))
		return true;
	log_error("a %s cannot be sandboxed: %s; set sandbox = off to run without", job->name,
		  sandbox->missing);
	return false;
}

/* What a child does between fork and exit.  Only the master keeps the lock; when the master dies,
 * its children exit too. */
static _Noreturn void
child_main(struct pool *pool, const struct child_kind *job, size_t self)
{
	struct sandbox sandbox;
	int status;

	pool->self = self;
	close(pool->lock_fd);
	if (!job->listens)
		close(pool->listener); /* otherwise the socket would seem alive after the master's
					  death */
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() != pool->master || !shut_in(pool, job, &sandbox))
		exit(1);
	status = job->run(pool);
	if (job == &prepare_job && status == 0) /* load once for all children */
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
		log_error("cannot fork a %s: %s", job->name, remedy_text(errno));
	return pid;
}

static struct board_slot *
slot_of(const struct pool *pool, const struct child *c)
{
	return &pool->board->slots[c - pool->children];
}

/* Also shows the state on the scoreboard. */
static void
child_enter(struct pool *pool, struct child *c, enum child_state state)
{
	struct board_slot *slot = slot_of(pool, c);

	c->state = state;
	c->since_ms = clock_ms();
	slot->since_ms = clock_wall_ms();
	slot->state = (int32_t)state;
	slot->job = c->job->shown;
	slot->pid = state > CHILD_DUE ? c->pid : 0;
}

/* Clears a slot for a new process. */
static void
clear_slot(struct board_slot *slot)
{
	slot->pid = 0;
	slot->ready = slot->hung = slot->running = 0;
	slot->requests = 0;
	slot->tick_ms = clock_ms();
}

static void
child_start(struct pool *pool, struct child *c)
{
	clear_slot(slot_of(pool, c));
	c->pid = child_fork(pool, c->job, (size_t)(c - pool->children));
	c->killed = false;
	if (c->pid > 0) {
		child_enter(pool, c, CHILD_STARTING);
		return;
	}
	c->pid = 0;
	c->delay_ms = DELAY_MAX_MS;
	child_enter(pool, c, CHILD_DUE);
}

static void
child_add(struct pool *pool, const struct child_kind *job)
{
	struct child *c = pool->children;

	while (c->state != CHILD_NONE)
		c++;
	*c = (struct child){.job = job, .generation = pool->generation};
	child_start(pool, c);
}

static bool
child_lives(const struct child *c)
{
	return c->state == CHILD_STARTING || c->state == CHILD_READY;
}

static void
child_end(struct pool *pool, struct child *c, int signal_number)
{
	if (child_lives(c)) {
		kill(c->pid, signal_number);
		child_enter(pool, c, CHILD_DRAINING);
	} else if (c->state == CHILD_DUE) {
		child_enter(pool, c, CHILD_NONE);
	}
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

/* How many children of the current generation do that job. */
static int64_t
children_at(const struct pool *pool, const struct child_kind *job)
{
	int64_t count = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		const struct child *c = &pool->children[i];

		count += (child_lives(c) || c->state == CHILD_DUE) &&
			 c->generation == pool->generation && c->job == job;
	}
	return count;
}

/* Adds the missing children of the current generation. */
static void
children_fill(struct pool *pool)
{
	const struct {
		const struct child_kind *job;
		int64_t count;
	} wanted[] = {
		{&worker_job, pool->settings->workers}, {&housekeeper_job, 1}, {&refresher_job, 1}};

	for (size_t i = 0; i < sizeof(wanted) / sizeof(*wanted); i++)
		for (int64_t n = children_at(pool, wanted[i].job); n < wanted[i].count; n++)
			child_add(pool, wanted[i].job);
}

void
children_replace_all(struct pool *pool)
{
	pool->replacing =
		children_in_state(pool, CHILD_READY) + children_in_state(pool, CHILD_STARTING) > 0;
	pool->farewell = SIGTERM;
	pool->announced = false;
	pool->generation++;
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (pool->children[i].state == CHILD_DUE)
			child_end(pool, &pool->children[i], 0); /* it is replaced anyway */
	children_fill(pool);
}

/* The new generation has failed: stops it, and the old one continues with the old settings. */
static void
children_go_back(struct pool *pool)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (pool->children[i].generation == pool->generation)
			child_end(pool, &pool->children[i], SIGTERM);
	if (pool->before != NULL) {
		free(pool->settings);
		pool->settings = pool->before;
		pool->before = NULL;
	}
	pool->board->workers = pool->settings->workers;
	config_use_log(pool->settings);
	pool->generation--;
	pool->replacing = false;
	pool->announced = true; /* was announced long ago */
	board_count(BOARD_RELOADS_REFUSED);
	log_error("reload refused: a new process does not start; the old settings stay in use");
	children_fill(pool);
}

void
children_stop(struct pool *pool)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (pool->children[i].state != CHILD_NONE)
			child_end(pool, &pool->children[i],
				  pool->own_socket && pool->children[i].job->listens ? SIGUSR1
										     : SIGTERM);
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
show_death(const struct pool *pool, const struct child *c, int status)
{
	struct board *b = pool->board;

	board_count(BOARD_DEATHS);
	b->died_pid = (int32_t)c->pid;
	b->died_status = status;
	b->died_hanging = slot_of(pool, c)->hung;
	b->died_ms = clock_wall_ms();
}

static void
child_start_again(struct pool *pool, struct child *c, int status)
{
	bool short_life = clock_ms() - c->since_ms < SHORT_LIFE_MS;

	if (!short_life)
		c->delay_ms = 0;
	else if (c->delay_ms == 0)
		c->delay_ms = DELAY_MIN_MS;
	else
		c->delay_ms = c->delay_ms * 2 > DELAY_MAX_MS ? DELAY_MAX_MS : c->delay_ms * 2;
	log_death(c, status, short_life ? "; it starts again after a pause" : "");
	child_enter(pool, c, CHILD_DUE);
}

void
child_gone(struct pool *pool, struct child *c, int status)
{
	if (c->state == CHILD_DRAINING) {
		if (status != 0 && !c->killed)
			log_death(c, status, "");
		child_enter(pool, c, CHILD_NONE);
		return;
	}
	show_death(pool, c, status);
	if (!pool->replacing || (c->generation == pool->generation && pool->farewell == SIGUSR1)) {
		child_start_again(pool, c, status);
		return;
	}
	log_death(c, status, "");
	child_enter(pool, c, CHILD_NONE);
	if (c->generation == pool->generation)
		children_go_back(pool);
}

/* The whole generation is ready: stops the previous one. */
static void
children_are_ready(struct pool *pool)
{
	for (size_t i = 0; pool->replacing && i < CHILDREN_MAX; i++)
		if (pool->children[i].generation != pool->generation)
			child_end(pool, &pool->children[i], pool->farewell);
	pool->replacing = false;
	free(pool->before);
	pool->before = NULL;
	if (pool->announced)
		return;
	log_info("ready: %lld workers of %lld threads%s%s", (long long)pool->settings->workers,
		 (long long)pool->settings->threads, pool->own_socket ? " at " : "",
		 pool->own_socket ? pool->settings->socket : "");
	systemd_notify("READY=1");
	pool->announced = true;
}

/* Reads from its slot whether a child is ready and alive. */
static void
child_look(struct pool *pool, struct child *c, int64_t now)
{
	struct board_slot *slot = slot_of(pool, c);
	int64_t limit = pool->settings->request_timeout_s * 1000, silent = now - slot->tick_ms;

	if (c->state == CHILD_STARTING && slot->ready)
		child_enter(pool, c, CHILD_READY);
	if (limit == 0 || silent <= limit || c->killed)
		return;
	log_error("%s %d has hung for %lld s: killed and replaced", c->job->name, (int)c->pid,
		  (long long)(silent / 1000));
	kill(c->pid, SIGKILL);
	c->killed = true;
	slot->hung = 1;
	board_count(BOARD_HANGS);
}

/* The time limit of its state has been reached. */
static void
child_time_is_up(struct pool *pool, struct child *c)
{
	if (c->state == CHILD_DUE) {
		child_start(pool, c);
		return;
	}
	log_warn("%s %d did not end in time: killed", c->job->name, (int)c->pid);
	kill(c->pid, SIGKILL);
	c->killed = true;
}

/* When that will be; INT64_MAX: never. */
static int64_t
child_time(const struct pool *pool, const struct child *c)
{
	if (c->state == CHILD_DUE)
		return c->since_ms + c->delay_ms;
	if (c->state == CHILD_DRAINING && !c->killed)
		return c->since_ms + pool->settings->drain_timeout_s * 1000;
	return INT64_MAX;
}

/* If the master itself was suspended, the children may have been as well: extend their time. */
static void
forgive_silence(struct pool *pool, int64_t now)
{
	if (now - pool->board->tick_ms > 3 * TICK_MS)
		for (size_t i = 0; i < CHILDREN_MAX; i++)
			pool->board->slots[i].tick_ms = now;
	pool->board->tick_ms = now;
}

int64_t
children_tend(struct pool *pool, int64_t now)
{
	int64_t next = now + TICK_MS;

	forgive_silence(pool, now);
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];
		int64_t at = child_time(pool, c);

		if (child_lives(c))
			child_look(pool, c, now);
		if (at <= now)
			child_time_is_up(pool, c);
		else if (at < next)
			next = at;
	}
	if (children_in_state(pool, CHILD_STARTING) > 0)
		next = next < now + READY_LOOK_MS ? next : now + READY_LOOK_MS;
	else if (!pool->stopping && children_in_state(pool, CHILD_DUE) == 0)
		children_are_ready(pool);
	return next - now;
}
