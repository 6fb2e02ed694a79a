// clang-format off
/* pool: the master and the processes that it keeps running.
 *
 * Signals are blocked in every thread and received in one place of each process: the master's
 * loop, a worker's main thread.
 *
 *   to the master   TERM INT QUIT  finish current requests, exit
 *                   HUP            reload the settings; start new workers, then stop the old ones
 *   to a worker     TERM           finish current requests, exit
 *                   USR1           also serve the connections waiting at the socket, then exit
 *
 * A worker sends no signals: its slot of the scoreboard shows that it serves and is alive.
 */
// clang-format on
#include "server/pool.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/remedy.h"
#include "server/children.h"
#include "server/identity.h"
#include "server/listener.h"
#include "server/pool_state.h"
#include "server/reload.h"
#include "server/systemd.h"

enum { PROBE_MAX_MS = 30000 }; /* for the check before a reload */

/* A connection wakes one thread. If that thread dies before accepting it, the connection would wait
 * until the next one arrives: this makes one. */
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

/* Removes the socket first, so that no new connections join the queue, which the workers then serve
 * to its end. An inherited socket stays, with its queue, for the next process that serves it. */
static void
stop(struct pool *pool, int signal_number)
{
	if (pool->stopping)
		return;
	log_info("stopping: signal %d", signal_number);
	systemd_notify("STOPPING=1");
	pool->stopping = true;
	if (pool->probe != 0)
		kill(pool->probe, SIGKILL);
	listener_remove(pool);
	children_stop(pool);
}

static void
master_signals(sigset_t *set)
{
	static const int numbers[] = {SIGCHLD, SIGTERM, SIGINT, SIGQUIT, SIGHUP};

	sigemptyset(set);
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(set, numbers[i]);
}

static void
handle_signal(struct pool *pool, int number)
{
	if (number == SIGHUP)
		pool->reload_wanted = true;
	else if (number != SIGCHLD)
		stop(pool, number);
}

/* Without its file the socket cannot be reached: creates another one, and workers for it. */
static void
keep_socket(struct pool *pool)
{
	if (pool->replacing || !listener_is_lost(pool) || !listener_renew(pool))
		return;
	children_replace_all(pool);
	pool->farewell = SIGUSR1; /* connections made before are served */
}

static void
master_loop(struct pool *pool)
{
	sigset_t set;

	master_signals(&set);
	while (!pool->stopping || children_in_state(pool, CHILD_DRAINING) > 0) {
		int64_t now = clock_ms(), wait_ms = children_tend(pool, now);
		struct timespec wait = {.tv_sec = (time_t)(wait_ms / 1000),
					.tv_nsec = (long)(wait_ms % 1000) * 1000000};
		int got;

		if (pool->probe != 0 && now - pool->probe_since_ms >= PROBE_MAX_MS)
			kill(pool->probe, SIGKILL);
		got = sigtimedwait(&set, NULL, &wait);
		if (got > 0)
			handle_signal(pool, got);
		reap(pool);
		if (pool->stopping)
			continue;
		keep_socket(pool);
		if (pool->reload_wanted)
			reload_begin(pool);
	}
}

/* Runs the preparing child to its end. A stop signal kills it: the database rolls back what was not
 * committed. */
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
		log_error("the check before the start died of signal %d", WTERMSIG(status));
	return pid > 0 && status == 0;
}

/* ---- the master: lock, socket, privileges ---- */

/* Continues without a file: on a full disk a pool can still answer reads, so this must not prevent
 * its start. */
static bool
open_board(struct pool *pool)
{
	char path[CONFIG_PATH_MAX + 32];

	snprintf(path, sizeof(path), BOARD_FILE, pool->settings->state_dir);
	pool->board = board_new(path);
	if (pool->board == NULL) {
		log_warn("cannot create %s, so `regcred status` will not see this pool: %s", path,
			 remedy_text(errno));
		pool->board = board_new(NULL);
	}
	if (pool->board == NULL) {
		log_error("out of memory");
		return false;
	}
	pool->board->master = (int32_t)getpid();
	pool->board->started_ms = pool->board->loaded_ms = clock_wall_ms();
	pool->board->workers = pool->settings->workers;
	pool->board->own_socket = pool->own_socket;
	board_use(pool->board);
	return true;
}

static void
remove_files(struct pool *pool)
{
	const struct settings *s = pool->settings;

	listener_remove(pool);
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
	if (open_board(pool) && pool_prepare(pool)) {
		if (geteuid() == 0)
			log_warn("running as root: name a user in the settings");
		children_replace_all(pool);
		master_loop(pool);
	}
	ok = pool->stopping; /* stopped on request is not a failure */
out:
	remove_files(pool);
	return ok;
}

int
pool_run(const struct settings *s, int argc, char **argv)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	bool ok = false;

	if (pool != NULL)
		pool->settings = malloc(sizeof(*s));
	if (pool == NULL || pool->settings == NULL) {
		log_error("out of memory");
		free(pool);
		return 1;
	}
	*pool->settings = *s;
	pool->argc = argc;
	pool->argv = argv;
	pool->master = getpid();
	pool->listener = -1;
	pool->lock_fd = -1;
	umask(0077);
	identity_block_signals();
	pool->limiter = limiter_new();
	if (pool->limiter == NULL)
		log_error("out of memory");
	else
		ok = pool_serve(pool);
	if (pool->listener >= 0)
		close(pool->listener);
	if (pool->lock_fd >= 0)
		close(pool->lock_fd);
	limiter_free(pool->limiter);
	board_use(NULL);
	board_close(pool->board);
	free(pool->settings);
	free(pool->next);
	free(pool->before);
	free(pool);
	if (ok)
		log_info("stopped");
	return ok ? 0 : 1;
}
