/* TODO */
#include "server/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/settings.h"
#include "server/children.h"
#include "server/identity.h"
#include "server/listener.h"
#include "server/pool_state.h"
#include "server/reload.h"
#include "server/systemd.h"
#include "server/worker.h"
#include "shared/board.h"
#include "shared/limiter.h"
#include "shared/refusals.h"

// clang-format off
/* pool: the master and the processes that it keeps running.
 *
 * Signals are blocked in every thread and fetched in one place of each process: the master's loop, a worker's main thread.
 *
 *   to the master   TERM INT QUIT  finish what runs, exit
 *                   HUP            read the settings again and execute the program that is on the
 *                                  disk; new workers first, then the old ones finish
 *   to a worker     TERM           finish what runs, exit
 *                   USR1           serve what waits at the socket too, then exit
 *   from a worker   SIGNAL_READY   it serves
 */
// clang-format on
#include "server/pool.h"

enum { PROBE_MAX_MS = 30000 }; /* for the look before a reload */

_Static_assert((int)CHILD_NONE == (int)BOARD_NOBODY && (int)CHILD_DUE == (int)BOARD_DUE &&
		       (int)CHILD_STARTING == (int)BOARD_STARTING &&
		       (int)CHILD_READY == (int)BOARD_READY &&
		       (int)CHILD_DRAINING == (int)BOARD_DRAINING,
	       "the board shows these states");

/* ---- the master: children ---- */

/* A connection wakes one thread.  If that dies before it takes the connection, the wake-up dies
 * with it, and the connection would wait for the next one: here that is. */
static void
nudge(const struct pool *pool)
{
	struct sockaddr_storage address;
	socklen_t len = sizeof(address);
	int fd;

	if (getsockname(pool->listener, (struct sockaddr *)&address, &len) != 0)
		return;
	fd = socket(address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return;
	(void)!connect(fd, (struct sockaddr *)&address, len);
	close(fd);
}

/* ---- the master: reload ---- */

static void
reap(struct pool *pool)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = child_find(pool, pid);

		if (pid == pool->probe)
			reload_probe_ended(pool, status);
		else if (c != NULL)
			child_gone(pool, c, status);
		if (WIFSIGNALED(status) && !pool->stopping)
			nudge(pool);
	}
}

/* Makes the socket go away first, so that nobody joins the queue that the workers then serve to its
 * end.  A socket that was handed over stays, and so does its queue, for whoever serves it next. */
static void
stop(struct pool *pool, int signal_number)
{
	const char *path = pool->settings->socket;
	struct stat now;

	if (pool->stopping)
		return;
	log_info("stopping: signal %d", signal_number);
	systemd_notify("STOPPING=1");
	pool->stopping = true;
	if (pool->probe != 0)
		kill(pool->probe, SIGKILL);
	if (pool->own_socket && lstat(path, &now) == 0 && now.st_dev == pool->socket_device &&
	    now.st_ino == pool->socket_inode && unlink(path) != 0)
		log_warn("cannot remove %s: %s", path, strerror(errno));
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];

		if (c->state == CHILD_DUE)
			child_enter(pool, c, CHILD_NONE);
		else if (child_lives(c) && c->job->listens)
			child_end(pool, c, pool->own_socket ? SIGUSR1 : SIGTERM);
	}
	children_end_housekeepers(pool);
}

/* Starts who is due, kills who drains too long; the time until the next such moment. */
static int64_t
tend(struct pool *pool)
{
	int64_t now = clock_ms(), next = now + TICK_MS;

	pool->board->tick_ms = now;
	children_kill_hanging(pool, now);
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];
		int64_t at = c->since_ms;

		if (c->state == CHILD_DUE)
			at += c->delay_ms;
		else if (c->state == CHILD_DRAINING && !c->killed)
			at += pool->settings->drain_timeout_s * 1000;
		else
			continue;
		if (at > now) {
			next = at < next ? at : next;
		} else if (c->state == CHILD_DUE) {
			child_start(pool, c);
		} else {
			log_warn("%s %d did not end in time: killed", c->job->name, (int)c->pid);
			kill(c->pid, SIGKILL);
			c->killed = true;
		}
	}
	if (pool->probe != 0) {
		next = next < now + PROBE_MAX_MS ? next : now + PROBE_MAX_MS;
		if (now - pool->probe_since_ms >= PROBE_MAX_MS)
			kill(pool->probe, SIGKILL);
	}
	return next - now;
}

static void
handle_signal(struct pool *pool, const siginfo_t *info)
{
	if (info->si_signo == SIGNAL_READY)
		child_ready(pool, info->si_pid);
	else if (info->si_signo == SIGHUP)
		pool->reload_wanted = true;
	else if (info->si_signo != SIGCHLD)
		stop(pool, info->si_signo);
}

static void
master_signals(sigset_t *set)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP};

	sigemptyset(set);
	sigaddset(set, SIGNAL_READY);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(set, numbers[i]);
}

static void
master_loop(struct pool *pool)
{
	sigset_t set;

	master_signals(&set);
	while (!pool->stopping || children_in_state(pool, CHILD_DRAINING) > 0) {
		int64_t wait_ms = tend(pool);
		struct timespec wait = {.tv_sec = (time_t)(wait_ms / 1000),
					.tv_nsec = (long)(wait_ms % 1000) * 1000000};
		siginfo_t info;

		if (sigtimedwait(&set, &info, &wait) > 0)
			handle_signal(pool, &info);
		reap(pool);
		if (pool->reload_wanted && !pool->stopping)
			reload_probe(pool);
	}
}

/* Runs the preparing child to its end.  A signal to stop ends it: the database rolls back what was
 * not committed. */
static bool
pool_prepare(struct pool *pool)
{
	pid_t pid = child_fork(pool, &prepare_job, BOARD_SLOTS);
	sigset_t set;
	int status;

	master_signals(&set);
	sigdelset(&set, SIGHUP);
	while (pid > 0 && waitpid(pid, &status, WNOHANG) != pid) {
		siginfo_t info;

		if (sigwaitinfo(&set, &info) <= 0 || info.si_signo == SIGCHLD)
			continue;
		kill(pid, SIGKILL);
		waitpid(pid, &status, 0);
		stop(pool, info.si_signo);
		return false;
	}
	if (pid > 0 && WIFSIGNALED(status))
		log_error("the check before the start died: signal %d", WTERMSIG(status));
	return pid > 0 && status == 0;
}

/* ---- the master: lock, socket, privileges ---- */

/* Counting goes on without a file: it must not keep a pool from starting that a full disk leaves
 * able to answer reads. */
static bool
open_board(struct pool *pool, bool go_on)
{
	char path[CONFIG_PATH_MAX + 32];

	snprintf(path, sizeof(path), BOARD_FILE, pool->settings->state_dir);
	pool->board = go_on ? board_open(path, true) : NULL;
	if (pool->board == NULL)
		pool->board = board_new(path);
	if (pool->board == NULL) {
		log_warn("cannot make %s, so `regcred status` will not see this pool: %s", path,
			 strerror(errno));
		pool->board = board_new(NULL);
	}
	if (pool->board == NULL) {
		log_error("no memory");
		return false;
	}
	pool->board->master = (int32_t)getpid();
	pool->board->loaded_ms = clock_wall_ms();
	if (pool->board->started_ms == 0)
		pool->board->started_ms = clock_wall_ms();
	pool->board->workers = pool->settings->workers;
	board_use(pool->board);
	return true;
}

static void
remove_files(const struct pool *pool)
{
	const struct settings *s = pool->settings;

	if (pool->own_socket && !pool->stopping)
		unlink(s->socket);
	if (*s->pid_file != '\0')
		unlink(s->pid_file);
	if (pool->board != NULL) {
		char path[CONFIG_PATH_MAX + 32];

		snprintf(path, sizeof(path), BOARD_FILE, s->state_dir);
		unlink(path);
	}
}

static bool
pool_serve(struct pool *pool)
{
	const struct settings *s = pool->settings;
	bool ok = false;
	uid_t uid;
	gid_t gid;

	if (!find_identity(s, &uid, &gid) || !identity_take_lock(pool, uid, gid))
		return false;
	if (!open_listener(pool, uid, gid) || !identity_write_pid_file(pool, uid, gid) ||
	    !identity_become(s, uid, gid) || !harden_dumps(s->core_dumps))
		goto out;
	if (open_board(pool, false) && pool_prepare(pool)) {
		if (geteuid() == 0)
			log_warn("running as root: name a user in the settings");
		children_replace_all(pool);
		master_loop(pool);
	}
	ok = pool->stopping; /* asked for, not a failure */
out:
	remove_files(pool);
	return ok;
}

/* Takes over what the program before left: descriptors, and the processes that still run. */
static bool
take_over(struct pool *pool, const struct handover *h)
{
	pool->listener = h->listener;
	pool->lock_fd = h->lock_fd;
	pool->unix_socket = h->unix_socket;
	pool->own_socket = h->own_socket;
	pool->socket_device = h->socket_device;
	pool->socket_inode = h->socket_inode;
	if (!harden_dumps(pool->settings->core_dumps) || !open_board(pool, true))
		return false;
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];

		*c = (struct child){.job = h->children[i].listens ? &worker_job : &housekeeper_job,
				    .pid = h->children[i].pid};
		child_enter(pool, c, h->children[i].state);
		c->since_ms = h->children[i].since_ms;
	}
	reload_keep_all(pool, -1, false);
	if (pool->own_socket && listen(pool->listener, (int)pool->settings->backlog) != 0)
		log_warn("cannot set the backlog: %s", strerror(errno));
	board_count(BOARD_RELOADS);
	children_replace_all(pool);
	master_loop(pool);
	remove_files(pool);
	return pool->stopping;
}

/* The counts of before, if they are there and still wanted. */
static bool
make_limiter(struct pool *pool, const struct handover *h)
{
	unsigned failures = (unsigned)pool->settings->auth_failures;
	unsigned window_s = (unsigned)pool->settings->auth_failures_window_s;

	if (failures > 0 && h != NULL && h->limiter_fd >= 0)
		pool->limiter = limiter_adopt(h->limiter_fd, failures, window_s);
	else if (h != NULL && h->limiter_fd >= 0)
		close(h->limiter_fd);
	if (failures > 0 && pool->limiter == NULL)
		pool->limiter = limiter_new(failures, window_s);
	return failures == 0 || pool->limiter != NULL;
}

/* Of the checks that accounts ask for: a minute's count, which a reload may forget. */
static bool
make_check_limiter(struct pool *pool)
{
	unsigned uses = (unsigned)pool->settings->verify_per_minute;

	pool->check_limiter = uses > 0 ? limiter_new(uses, 60) : NULL;
	return uses == 0 || pool->check_limiter != NULL;
}

bool
pool_end_is_pending(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1 ||
		sigismember(&set, SIGQUIT) == 1);
}

int
pool_run(const struct settings *s, char **argv)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	struct handover *before = reload_find_handover();
	bool ok = false;

	if (pool == NULL) {
		log_error("no memory");
		free(before);
		return 1;
	}
	pool->settings = s;
	pool->refusals = refusals_new();
	pool->argv = argv;
	pool->master = getpid();
	pool->listener = -1;
	pool->lock_fd = -1;
	umask(0077);
	identity_block_signals();
	if (pool->refusals == NULL || !make_limiter(pool, before) || !make_check_limiter(pool))
		log_error("no memory");
	else
		ok = before != NULL ? take_over(pool, before) : pool_serve(pool);
	free(before);
	if (pool->listener >= 0)
		close(pool->listener);
	if (pool->lock_fd >= 0)
		close(pool->lock_fd);
	limiter_free(pool->limiter);
	limiter_free(pool->check_limiter);
	board_use(NULL);
	board_close(pool->board);
	refusals_free(pool->refusals);
	free(pool);
	if (ok)
		log_info("stopped");
	return ok ? 0 : 1;
}
