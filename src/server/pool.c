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

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pthread.h>
#include <pwd.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "service/app.h"
#include "shared/board.h"
#include "base/clock.h"
#include "server/gateway.h"
#include "base/harden.h"
#include "shared/limiter.h"
#include "base/log.h"
#include "shared/refusals.h"
#include "server/sandbox.h"

#define SIGNAL_READY SANDBOX_SIGNAL

enum { ORPHANS_WAIT_MS = 5000 }; /* for the workers of a master that was killed */

enum {
	TICK_MS = 1000,	 /* how often a process shows that it is alive, and the master looks */
	GRACE_MS = 1000, /* after a kill, so that whoever waited for the victim can go on */
};

enum { PROBE_MAX_MS = 30000 }; /* for the look before a reload */

#define HANDOVER_VARIABLE "REGCRED_HANDOVER" /* number of the descriptor with the handover */

enum {
	WORKERS_MAX = 64,
	CHILDREN_MAX = 2 * (WORKERS_MAX + 1), /* in a reload old and new ones live side by side */
	SHORT_LIFE_MS = 1000, /* who dies younger is started again later and later */
	DELAY_MIN_MS = 100,
	DELAY_MAX_MS = 5000,
	SYSTEMD_FIRST_FD = 3,  /* sd_listen_fds(3) */
	ACCEPT_PAUSE_MS = 100, /* after an accept that failed for want of descriptors */
};

enum child_state {
	CHILD_NONE,	/* a free slot */
	CHILD_DUE,	/* to be started at since_ms + delay_ms */
	CHILD_STARTING, /* forked, not yet serving */
	CHILD_READY,
	CHILD_DRAINING, /* told to end */
};

_Static_assert((int)CHILD_NONE == (int)BOARD_NOBODY && (int)CHILD_DUE == (int)BOARD_DUE &&
		       (int)CHILD_STARTING == (int)BOARD_STARTING &&
		       (int)CHILD_READY == (int)BOARD_READY &&
		       (int)CHILD_DRAINING == (int)BOARD_DRAINING,
	       "the board shows these states");

struct pool;

struct child_kind {
	const char *name;
	int (*run)(const struct pool *pool);
	bool listens; /* keeps the listening socket */
};

struct child {
	enum child_state state;
	const struct child_kind *job;
	pid_t pid;
	int64_t since_ms;	/* when the state began */
	int64_t delay_ms;	/* back-off after a short life */
	struct child *replaces; /* in a reload: whom it sends home once it is ready */
	bool killed;
	bool surplus; /* in a reload: nobody replaces it; it goes when the new ones are ready */
};

struct pool {
	const struct settings *settings;
	char **argv; /* what a reload executes */
	pid_t probe; /* that looks whether a reload would do; 0 for none */
	int64_t probe_since_ms;
	int64_t hang_killed_ms; /* when a process that hung was last killed */
	struct board *board;
	size_t self; /* in a child: its place in `children`, and its slot of the board */
	struct limiter *limiter; /* shared with the workers; NULL for none */
	struct limiter *check_limiter;
	struct refusals *refusals; /* from the workers to the housekeeper */
	pid_t master;
	int listener;
	int lock_fd;
	bool unix_socket;    /* peers can be checked */
	bool own_socket;     /* made here, so it is removed here */
	dev_t socket_device; /* the socket's file, to remove no other */
	ino_t socket_inode;
	bool stopping;
	bool reload_wanted;
	bool announced;
	struct child children[CHILDREN_MAX];
};

/* What the threads of a worker share. */
enum drain { DRAIN_NO, DRAIN_CURRENT, DRAIN_QUEUE };

struct worker {
	const struct pool *pool;
	struct app *app;
	int wake; /* eventfd: readable from the moment on when drain is set */
	atomic_int drain;
	atomic_llong complained_s; /* when a refused peer was last logged */
};

/* ---- a worker ---- */

static bool
peer_allowed(const struct settings *s, uid_t uid)
{
	if (uid == 0 || uid == geteuid())
		return true;
	for (size_t i = 0; i < s->allowed_uid_count; i++)
		if (s->allowed_uids[i] == uid)
			return true;
	return false;
}

/* Whoever can write to the socket could be anyone, so only known users may.  At most one complaint
 * a second. */
static bool
check_peer(struct worker *w, int fd)
{
	struct ucred peer = {.uid = (uid_t)-1};
	socklen_t len = sizeof(peer);
	long long now_s = clock_ms() / 1000;

	if (!w->pool->unix_socket)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0 &&
	    peer_allowed(w->pool->settings, peer.uid))
		return true;
	board_count(BOARD_STRANGERS);
	if (atomic_exchange(&w->complained_s, now_s) != now_s)
		log_warn("refused a connection of uid %u: name it in allowed_users if it is the "
			 "web server's",
			 (unsigned)peer.uid);
	return false;
}

static void
set_timeouts(int fd, int64_t seconds)
{
	struct timeval pause = {.tv_sec = (time_t)seconds};

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &pause, sizeof(pause));
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &pause, sizeof(pause));
}

/* After a failed accept: true if another try makes sense now. */
static bool
accept_failed(int error)
{
	if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS) {
		log_error("cannot accept a connection: %s", strerror(error));
		usleep(ACCEPT_PAUSE_MS * 1000);
	}
	return error != EAGAIN;
}

/* Accepts and serves one connection; false if there was none. */
static bool
serve_one(struct worker *w, struct gateway *g)
{
	int fd = accept4(w->pool->listener, NULL, NULL, SOCK_CLOEXEC);

	if (fd < 0)
		return accept_failed(errno);
	if (!check_peer(w, fd)) {
		close(fd);
		return true;
	}
	set_timeouts(fd, w->pool->settings->read_timeout_s);
	gateway_serve(g, fd);
	return true;
}

/* An epoll of its own for each thread: EPOLLEXCLUSIVE wakes one of them for a connection, where a
 * shared poll would wake all. */
static int
watch(const struct worker *w)
{
	struct epoll_event connection = {.events = EPOLLIN | EPOLLEXCLUSIVE,
					 .data.fd = w->pool->listener};
	struct epoll_event wake = {.events = EPOLLIN, .data.fd = w->wake};
	int epoll = epoll_create1(EPOLL_CLOEXEC);

	if (epoll < 0)
		return -1;
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, w->pool->listener, &connection) == 0 &&
	    epoll_ctl(epoll, EPOLL_CTL_ADD, w->wake, &wake) == 0)
		return epoll;
	close(epoll);
	return -1;
}

struct thread {
	pthread_t id;
	struct worker *worker;
	struct gateway *gateway;
	size_t number;
	int epoll;
};

static void *
thread_run(void *arg)
{
	struct thread *t = arg;
	struct worker *w = t->worker;

	board_thread(w->pool->self, t->number);
	while (atomic_load(&w->drain) == DRAIN_NO) {
		struct epoll_event events[2];
		int count = epoll_wait(t->epoll, events, 2, -1);

		/* Woken for a connection, it serves one, also while draining: nobody else was. */
		for (int i = 0; i < count; i++)
			if (events[i].data.fd == w->pool->listener)
				(void)serve_one(w, t->gateway);
	}
	while (atomic_load(&w->drain) == DRAIN_QUEUE && serve_one(w, t->gateway))
		;
	return NULL;
}

static bool
thread_start(struct thread *t, struct worker *w)
{
	t->worker = w;
	t->epoll = watch(w);
	t->gateway = t->epoll < 0 ? NULL : gateway_new(w->app);
	return t->gateway != NULL && pthread_create(&t->id, NULL, thread_run, t) == 0;
}

static void
thread_release(struct thread *t)
{
	if (t->gateway != NULL)
		gateway_free(t->gateway);
	if (t->epoll >= 0)
		close(t->epoll);
}

/* Shows the master that this process is alive. */
static void
tick(const struct pool *pool)
{
	pool->board->slots[pool->self].tick_ms = clock_ms();
}

/* Waits for the end, at most for so long, with a sign of life each second; 0 if it did not come. */
static int
wait_for_end(const struct pool *pool, int64_t seconds)
{
	const struct timespec pause = {.tv_sec = TICK_MS / 1000};
	int64_t end_ms = clock_ms() + seconds * 1000;
	sigset_t set;
	int got;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGUSR1);
	do {
		tick(pool);
		got = sigtimedwait(&set, NULL, &pause);
	} while (got < 0 && clock_ms() < end_ms);
	return got < 0 ? 0 : got;
}

static void
tell_ready(const struct pool *pool)
{
	union sigval nothing = {0};

	if (getppid() == pool->master)
		sigqueue(pool->master, SIGNAL_READY, nothing);
}

/* An orphan that hangs is ended by the kernel. */
static void
end_in_time(const struct pool *pool)
{
	sigset_t alarm_only;

	sigemptyset(&alarm_only);
	sigaddset(&alarm_only, SIGALRM);
	signal(SIGALRM, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &alarm_only, NULL);
	alarm((unsigned)pool->settings->drain_timeout_s);
}

/* Starts the threads, waits for the end, joins them. */
static int
worker_serve(struct worker *w, struct thread *threads, size_t count)
{
	const uint64_t one = 1;
	size_t started = 0;

	while (started < count) {
		threads[started].number = started;
		if (!thread_start(&threads[started], w))
			break;
		started++;
	}
	if (started == count) {
		tell_ready(w->pool);
		int end = wait_for_end(w->pool, INT32_MAX);

		atomic_store(&w->drain, end == SIGUSR1 ? DRAIN_QUEUE : DRAIN_CURRENT);
		if (getppid() != w->pool->master)
			end_in_time(w->pool); /* nobody is left who would */
	} else {
		log_error("cannot start a thread: %s", strerror(errno));
		atomic_store(&w->drain, DRAIN_CURRENT);
		thread_release(&threads[started]);
	}
	if (write(w->wake, &one, sizeof(one)) != (ssize_t)sizeof(one))
		return 1;
	for (size_t i = 0; i < started; i++) {
		pthread_join(threads[i].id, NULL);
		thread_release(&threads[i]);
	}
	return started == count ? 0 : 1;
}

static int
worker_run(const struct pool *pool)
{
	char why[CONFIG_WHY_MAX];
	size_t count = (size_t)pool->settings->threads;
	struct worker w = {.pool = pool, .wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
	struct thread *threads = calloc(count, sizeof(*threads));
	int status = 1;

	if (w.wake < 0 || threads == NULL || !gateway_init()) {
		log_error("a worker cannot start: %s", strerror(errno));
		goto out;
	}
	w.app = app_new(pool->settings, why);
	if (w.app == NULL) {
		log_error("a worker cannot start: %s", why);
		goto out;
	}
	app_use_limiter(w.app, pool->limiter);
	app_use_board(w.app, pool->board);
	app_use_refusals(w.app, pool->refusals);
	app_use_check_limiter(w.app, pool->check_limiter);
	if (app_start_checks(w.app))
		status = worker_serve(&w, threads, count);
	else
		log_error("a worker cannot start its threads: %s", strerror(errno));
	app_free(w.app);
out:
	free(threads);
	if (w.wake >= 0)
		close(w.wake);
	return status;
}

/* ---- the housekeeper ---- */

/* Between two steps of a pass: false if it has been told to end. */
static bool
housekeeper_goes_on(void *arg)
{
	const struct pool *const *pool = arg;
	sigset_t set;

	tick(*pool);
	return sigpending(&set) != 0 ||
	       (sigismember(&set, SIGTERM) != 1 && sigismember(&set, SIGUSR1) != 1);
}

static int
housekeeper_run(const struct pool *pool)
{
	enum { STEP_S = 10 }; /* refused sign-ins are written so soon after their minute */
	int64_t every = pool->settings->sweep_every_s, waited = every;
	int64_t step = every < STEP_S ? every : STEP_S;
	char why[CONFIG_WHY_MAX];
	struct app *app = app_new(pool->settings, why);

	if (app == NULL) {
		log_error("the housekeeper cannot start: %s", why);
		return 1;
	}
	app_use_refusals(app, pool->refusals);
	tell_ready(pool);
	/* Both log what they could not do. */
	do {
		(void)app_write_refusals(app, false);
		if (waited >= every) {
			(void)app_sweep(app, housekeeper_goes_on, &pool);
			waited = 0;
		}
		waited += step;
	} while (wait_for_end(pool, step) == 0);
	(void)app_write_refusals(app, true);
	app_free(app);
	return 0;
}

/* ---- the short-lived child that looks before the others start ---- */

static int
prepare_run(const struct pool *pool)
{
	char why[CONFIG_WHY_MAX];

	if (app_prepare(pool->settings, PREPARE_MIGRATE, why))
		return 0;
	log_error("%s", why);
	return 1;
}

static const struct child_kind worker_job = {"worker", worker_run, true};
static const struct child_kind housekeeper_job = {"housekeeper", housekeeper_run, false};
static const struct child_kind prepare_job = {"prepare", prepare_run, false};

/* ---- the master: children ---- */

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

static pid_t
start(struct pool *pool, const struct child_kind *job, size_t self)
{
	pid_t pid = fork();

	if (pid == 0)
		child_main(pool, job, self);
	if (pid < 0)
		log_error("cannot fork a %s: %s", job->name, strerror(errno));
	return pid;
}

/* Also shows it on the board. */
static void
enter(struct pool *pool, struct child *c, enum child_state state)
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

static void
child_start(struct pool *pool, struct child *c)
{
	size_t self = (size_t)(c - pool->children);

	clear_slot(&pool->board->slots[self]);
	c->pid = start(pool, c->job, self);
	c->killed = false;
	if (c->pid > 0) {
		enter(pool, c, CHILD_STARTING);
		return;
	}
	c->pid = 0;
	c->delay_ms = DELAY_MAX_MS;
	enter(pool, c, CHILD_DUE);
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

static void
child_end(struct pool *pool, struct child *c, int signal_number)
{
	kill(c->pid, signal_number);
	enter(pool, c, CHILD_DRAINING);
}

static struct child *
find_child(struct pool *pool, pid_t pid)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (pool->children[i].state > CHILD_DUE && pool->children[i].pid == pid)
			return &pool->children[i];
	return NULL;
}

static size_t
count_state(const struct pool *pool, enum child_state state)
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
		enter(pool, c, CHILD_NONE);
		return;
	}
	if (!short_life)
		c->delay_ms = 0;
	else if (c->delay_ms == 0)
		c->delay_ms = DELAY_MIN_MS;
	else
		c->delay_ms = c->delay_ms * 2 > DELAY_MAX_MS ? DELAY_MAX_MS : c->delay_ms * 2;
	log_death(c, status, short_life ? "; it starts again after a pause" : "");
	enter(pool, c, CHILD_DUE);
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

static bool
lives(const struct child *c)
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
		if (lives(c) && c->job->listens &&
		    (c->surplus || (before != NULL && lives(before))))
			return true;
	}
	return false;
}

/* A housekeeper goes behind the workers that it works with, to write down what they refused last:
 * at an end, and in a reload. */
static void
end_housekeepers(struct pool *pool)
{
	if (has_leaving_worker(pool))
		return;
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];

		if (!lives(c) || c->job->listens)
			continue;
		if (pool->stopping) {
			child_end(pool, c, SIGTERM);
		} else if (c->state == CHILD_READY && c->replaces != NULL) {
			if (lives(c->replaces))
				child_end(pool, c->replaces, SIGTERM);
			c->replaces = NULL;
		}
	}
}

static void
child_gone(struct pool *pool, struct child *c, int status)
{
	bool expected = c->state == CHILD_DRAINING || pool->stopping;

	if (!expected && !has_successor(pool, c)) {
		child_died(pool, c, status);
	} else {
		if (status != 0 && !c->killed)
			log_death(c, status, "");
		enter(pool, c, CHILD_NONE);
	}
	end_housekeepers(pool);
}

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

/* What sd_notify(3) does: one datagram to the address that systemd named, where it did; "@" stands
 * for the first byte of an abstract one.  Nobody waits for us: nothing is lost with it. */
static void
notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = path == NULL ? 0 : strlen(path);
	int fd;

	if (len < 2 || len >= sizeof(address.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(address.sun_path, path, len);
	if (path[0] == '@')
		address.sun_path[0] = '\0';
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || sendto(fd, state, strlen(state), 0, (const struct sockaddr *)&address,
			     (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)) < 0)
		log_warn("cannot tell systemd \"%s\": %s", state, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* Nobody replaces them, and all that should are there. */
static void
end_surplus(struct pool *pool)
{
	for (size_t i = 0; i < CHILDREN_MAX; i++)
		if (pool->children[i].surplus && pool->children[i].state == CHILD_READY)
			child_end(pool, &pool->children[i], SIGTERM);
}

/* A child says that it serves: in a reload its predecessor may go now. */
static void
child_ready(struct pool *pool, pid_t pid)
{
	struct child *c = find_child(pool, pid);

	if (c == NULL || c->state != CHILD_STARTING)
		return;
	enter(pool, c, CHILD_READY);
	if (c->job->listens) {
		if (c->replaces != NULL && c->replaces->pid > 0)
			child_end(pool, c->replaces, SIGTERM);
		c->replaces = NULL;
	}
	end_housekeepers(pool);
	if (pool->stopping || count_state(pool, CHILD_STARTING) + count_state(pool, CHILD_DUE) > 0)
		return;
	end_surplus(pool);
	if (pool->announced)
		return;
	log_info("ready: %lld workers of %lld threads%s%s", (long long)pool->settings->workers,
		 (long long)pool->settings->threads, pool->own_socket ? " at " : "",
		 pool->own_socket ? pool->settings->socket : "");
	notify("READY=1");
	pool->announced = true;
}

/* ---- the master: reload ---- */

/* What a reload cannot change: the master holds it, or both old and new processes use it. */
static const char *const fixed_settings[] = {
	"state_dir", "database", "socket", "socket_mode", "pid_file", "user", "group",
};
enum { FIXED_COUNT = sizeof(fixed_settings) / sizeof(fixed_settings[0]) };

/* What a master leaves for the program that it executes, in a memfd.  The first three members stay
 * as they are in every version. */
struct handover {
	uint64_t magic;
	uint64_t size;
	int64_t master;
	int listener, lock_fd, limiter_fd; /* limiter_fd -1: none */
	bool unix_socket, own_socket;
	dev_t socket_device;
	ino_t socket_inode;
	char fixed[FIXED_COUNT][CONFIG_PATH_MAX];
	struct {
		enum child_state state;
		bool listens;
		pid_t pid;
		int64_t since_ms;
	} children[CHILDREN_MAX];
};

static const uint64_t handover_magic = UINT64_C(0x7265676372656468); /* "regcredh" */

/* The value of a setting as text. */
static void
setting_text(const struct settings *s, const char *name, char out[CONFIG_PATH_MAX])
{
	const struct setting *row = config_table;
	const char *at;

	while (strcmp(row->name, name) != 0)
		row++;
	at = (const char *)s + row->offset;
	if (strcmp(row->type, "path") == 0 || strcmp(row->type, "text") == 0)
		snprintf(out, CONFIG_PATH_MAX, "%s", at);
	else
		snprintf(out, CONFIG_PATH_MAX, strcmp(row->type, "octal") == 0 ? "%04llo" : "%lld",
			 *(const long long *)(const void *)at);
}

static void
fill_handover(const struct pool *pool, struct handover *h)
{
	*h = (struct handover){.magic = handover_magic,
			       .size = sizeof(*h),
			       .master = pool->master,
			       .listener = pool->listener,
			       .lock_fd = pool->lock_fd,
			       .limiter_fd = pool->limiter != NULL ? limiter_fd(pool->limiter) : -1,
			       .unix_socket = pool->unix_socket,
			       .own_socket = pool->own_socket,
			       .socket_device = pool->socket_device,
			       .socket_inode = pool->socket_inode};
	for (size_t i = 0; i < FIXED_COUNT; i++)
		setting_text(pool->settings, fixed_settings[i], h->fixed[i]);
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		const struct child *c = &pool->children[i];

		h->children[i].state = c->state;
		h->children[i].listens = c->job != NULL && c->job->listens;
		h->children[i].pid = c->pid;
		h->children[i].since_ms = c->since_ms;
	}
}

/* A descriptor with the handover, and its number in the environment; -1 with errno set. */
static int
write_handover(const struct pool *pool)
{
	char number[16];
	struct handover *h = malloc(sizeof(*h));
	int fd = h == NULL ? -1 : memfd_create("regcred-handover", MFD_CLOEXEC);

	if (fd >= 0) {
		fill_handover(pool, h);
		snprintf(number, sizeof(number), "%d", fd);
		if (write(fd, h, sizeof(*h)) != (ssize_t)sizeof(*h) ||
		    setenv(HANDOVER_VARIABLE, number, 1) != 0) {
			close(fd);
			fd = -1;
		}
	}
	free(h);
	return fd;
}

/* Reads what it can; false if nobody left anything. */
static bool
read_handover(struct handover *h)
{
	const char *number = getenv(HANDOVER_VARIABLE);
	int fd = number == NULL || *number == '\0' ? -1 : (int)strtol(number, NULL, 10);

	memset(h, 0, sizeof(*h));
	return fd >= 0 &&
	       pread(fd, h, sizeof(*h), 0) >= (ssize_t)offsetof(struct handover, listener) &&
	       h->magic == handover_magic;
}

static void
keep_open(int fd, bool over_exec)
{
	if (fd >= 0)
		(void)fcntl(fd, F_SETFD, over_exec ? 0 : FD_CLOEXEC);
}

static void
keep_all(const struct pool *pool, int handover, bool over_exec)
{
	keep_open(handover, over_exec);
	keep_open(pool->listener, over_exec);
	keep_open(pool->lock_fd, over_exec);
	if (pool->limiter != NULL)
		keep_open(limiter_fd(pool->limiter), over_exec);
}

static void
refuse_reload(const char *why)
{
	board_count(BOARD_RELOADS_REFUSED);
	log_error("reload refused: %s; the settings and the program of before go on", why);
}

/* execvp() would give a file of no known form to a shell. */
static void
execute(char **argv)
{
	if (strchr(argv[0], '/') != NULL)
		execv(argv[0], argv);
	else
		execvp(argv[0], argv);
}

static _Noreturn void
probe_main(const struct pool *pool, int handover)
{
	sigset_t none;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	keep_open(handover, true);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execute(pool->argv);
	log_error("cannot execute %s: %s", pool->argv[0], strerror(errno));
	_exit(1);
}

/* Lets the program on the disk look at the settings, before anything is replaced. */
static void
probe(struct pool *pool)
{
	pool->reload_wanted =
		pool->probe != 0 ||
		count_state(pool, CHILD_DRAINING) + count_state(pool, CHILD_STARTING) > 0;
	if (pool->reload_wanted)
		return; /* one is under way: again when it is over */
	log_info("reload");
	int fd = write_handover(pool);
	pid_t pid = fd < 0 ? -1 : fork();

	if (pid == 0)
		probe_main(pool, fd);
	if (pid < 0)
		refuse_reload(strerror(errno));
	else
		pool->probe = pid;
	pool->probe_since_ms = clock_ms();
	if (fd >= 0)
		close(fd);
	unsetenv(HANDOVER_VARIABLE);
}

/* Becomes the program that the probe found in order.  The processes stay: their parent is the same
 * process. */
static void
exec_master(struct pool *pool)
{
	int fd = write_handover(pool);

	if (fd < 0) {
		refuse_reload(strerror(errno));
		return;
	}
	keep_all(pool, fd, true);
	execute(pool->argv);
	refuse_reload(strerror(errno));
	keep_all(pool, fd, false);
	close(fd);
	unsetenv(HANDOVER_VARIABLE);
}

static void
probe_ended(struct pool *pool, int status)
{
	char why[128];

	pool->probe = 0;
	if (pool->stopping)
		return;
	if (status == 0) {
		exec_master(pool);
		return;
	}
	if (WIFSIGNALED(status))
		snprintf(why, sizeof(why), "the new program died: signal %d", WTERMSIG(status));
	else
		snprintf(why, sizeof(why), "the new program ended with exit status %d",
			 WEXITSTATUS(status));
	refuse_reload(why);
}

/* New ones beside the old ones, which are sent home one by one as the new ones are ready. */
static void
replace_all(struct pool *pool)
{
	struct child *old[CHILDREN_MAX], *kept = NULL;
	size_t count = 0, next = 0;

	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];

		if (c->state == CHILD_DUE)
			enter(pool, c, CHILD_NONE); /* a new one comes anyway */
		if (lives(c) && c->job->listens)
			old[count++] = c;
		else if (lives(c) && c->replaces == NULL) {
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

static void
reap(struct pool *pool)
{
	int status;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		struct child *c = find_child(pool, pid);

		if (pid == pool->probe)
			probe_ended(pool, status);
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
	notify("STOPPING=1");
	pool->stopping = true;
	if (pool->probe != 0)
		kill(pool->probe, SIGKILL);
	if (pool->own_socket && lstat(path, &now) == 0 && now.st_dev == pool->socket_device &&
	    now.st_ino == pool->socket_inode && unlink(path) != 0)
		log_warn("cannot remove %s: %s", path, strerror(errno));
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];

		if (c->state == CHILD_DUE)
			enter(pool, c, CHILD_NONE);
		else if (lives(c) && c->job->listens)
			child_end(pool, c, pool->own_socket ? SIGUSR1 : SIGTERM);
	}
	end_housekeepers(pool);
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

/* Kills the process that has hung longest and too long.  One at a time: others may only wait for it
 * or for what it holds. */
static void
kill_who_hangs(struct pool *pool, int64_t now)
{
	int64_t limit = pool->settings->request_timeout_s * 1000, longest = limit;
	struct child *worst = NULL;

	if (limit == 0 || now - pool->hang_killed_ms < GRACE_MS)
		return;
	for (size_t i = 0; i < CHILDREN_MAX; i++) {
		struct child *c = &pool->children[i];
		int64_t hung = lives(c) && !c->killed ? hangs_for_ms(pool, c, now) : 0;

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

/* Starts who is due, kills who drains too long; the time until the next such moment. */
static int64_t
tend(struct pool *pool)
{
	int64_t now = clock_ms(), next = now + TICK_MS;

	pool->board->tick_ms = now;
	kill_who_hangs(pool, now);
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
	while (!pool->stopping || count_state(pool, CHILD_DRAINING) > 0) {
		int64_t wait_ms = tend(pool);
		struct timespec wait = {.tv_sec = (time_t)(wait_ms / 1000),
					.tv_nsec = (long)(wait_ms % 1000) * 1000000};
		siginfo_t info;

		if (sigtimedwait(&set, &info, &wait) > 0)
			handle_signal(pool, &info);
		reap(pool);
		if (pool->reload_wanted && !pool->stopping)
			probe(pool);
	}
}

/* Runs the preparing child to its end.  A signal to stop ends it: the database rolls back what was
 * not committed. */
static bool
prepare(struct pool *pool)
{
	pid_t pid = start(pool, &prepare_job, BOARD_SLOTS);
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

/* Notes our pid in a file, which belongs to the user that we become. */
static bool
write_pid(int fd, uid_t uid, gid_t gid)
{
	char text[32];
	int len = snprintf(text, sizeof(text), "%d\n", (int)getpid());

	return (geteuid() != 0 || fchown(fd, uid, gid) == 0) && ftruncate(fd, 0) == 0 &&
	       pwrite(fd, text, (size_t)len, 0) == len;
}

/* Only one master on a state directory. */
static bool
take_lock(struct pool *pool, uid_t uid, gid_t gid)
{
	char path[CONFIG_PATH_MAX + 32], other[32] = "";
	struct stat found;

	snprintf(path, sizeof(path), "%s/regcredd.lock", pool->settings->state_dir);
	pool->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (pool->lock_fd < 0) {
		log_error("cannot open %s: %s", path, strerror(errno));
		return false;
	}
	/* As root in a directory of somebody else: a second link would give the other file away. */
	if (fstat(pool->lock_fd, &found) != 0 || found.st_nlink != 1) {
		log_error("%s is not a file of regcredd's own", path);
		return false;
	}
	if (flock(pool->lock_fd, LOCK_EX | LOCK_NB) != 0) {
		if (pread(pool->lock_fd, other, sizeof(other) - 1, 0) < 0)
			other[0] = '\0';
		other[strcspn(other, "\n")] = '\0';
		log_error("another regcredd (process %s) runs on %s", other,
			  pool->settings->state_dir);
		return false;
	}
	if (!write_pid(pool->lock_fd, uid, gid)) {
		log_error("cannot write %s: %s", path, strerror(errno));
		return false;
	}
	return true;
}

static bool
is_listening(int fd)
{
	int listening = 0;
	socklen_t len = sizeof(listening);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* A socket that somebody else made: systemd's LISTEN_FDS, or fd 0 from spawn-fcgi or supervisor. -1
 * if there is none. */
static int
inherited_socket(void)
{
	const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

	if (pid != NULL && count != NULL && strtol(pid, NULL, 10) == getpid() &&
	    strtol(count, NULL, 10) >= 1 && is_listening(SYSTEMD_FIRST_FD))
		return SYSTEMD_FIRST_FD;
	return is_listening(STDIN_FILENO) ? STDIN_FILENO : -1;
}

/* Somebody answers at the address: it is in use.  Nobody: a socket left over from a crash. */
static bool
is_answered(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool answered;

	if (fd < 0)
		return true;
	answered = connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 ||
		   errno == EAGAIN;
	close(fd);
	return answered;
}

/* The lock is ours, so whoever answers on our own socket is a worker of a master that was killed,
 * and about to end.  True if it is gone in time. */
static bool
await_silence(const struct sockaddr_un *address)
{
	const struct timespec pause = {.tv_nsec = 50 * 1000000};

	for (int i = 0; i < ORPHANS_WAIT_MS / 50; i++) {
		if (!is_answered(address))
			return true;
		nanosleep(&pause, NULL);
	}
	return false;
}

/* Removes what a crash left at the path, and nothing else. */
static bool
clear_path(const struct sockaddr_un *address)
{
	const char *path = address->sun_path;
	struct stat found;

	if (lstat(path, &found) != 0 && errno == ENOENT)
		return true;
	if (!S_ISSOCK(found.st_mode)) {
		log_error("%s exists and is not a socket", path);
		return false;
	}
	if (!await_silence(address)) {
		log_error("another program answers at %s", path);
		return false;
	}
	if (unlink(path) != 0) {
		log_error("cannot remove the stale %s: %s", path, strerror(errno));
		return false;
	}
	log_info("removed a stale socket at %s", path);
	return true;
}

/* Made by ourselves, not by FCGX_OpenSocket, which binds with whatever umask there is and exits on
 * a failure. */
static bool
bind_socket(struct pool *pool, const struct sockaddr_un *address, uid_t uid, gid_t gid)
{
	const struct settings *s = pool->settings;
	mode_t old = umask(0777 & ~(mode_t)s->socket_mode);
	int rc = bind(pool->listener, (const struct sockaddr *)address, sizeof(*address));

	umask(old);
	if (rc != 0) {
		log_error("cannot make %s: %s", s->socket, strerror(errno));
		return false;
	}
	pool->own_socket = true;
	struct stat found = {0};
	if (lstat(s->socket, &found) != 0 || (geteuid() == 0 && lchown(s->socket, uid, gid) != 0) ||
	    listen(pool->listener, (int)s->backlog) != 0) {
		log_error("cannot set up %s: %s", s->socket, strerror(errno));
		unlink(s->socket);
		return false;
	}
	pool->socket_device = found.st_dev;
	pool->socket_inode = found.st_ino;
	return true;
}

static bool
make_socket(struct pool *pool, uid_t uid, gid_t gid)
{
	const char *path = pool->settings->socket;
	struct sockaddr_un address = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(address.sun_path)) {
		log_error(
			"the socket's path is longer than the %zu bytes that the system allows: %s",
			sizeof(address.sun_path) - 1, path);
		return false;
	}
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (!clear_path(&address))
		return false;
	pool->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (pool->listener < 0) {
		log_error("cannot make a socket: %s", strerror(errno));
		return false;
	}
	return bind_socket(pool, &address, uid, gid);
}

static bool
open_listener(struct pool *pool, uid_t uid, gid_t gid)
{
	int domain = 0, flags;
	socklen_t len = sizeof(domain);

	pool->listener = inherited_socket();
	if (pool->listener < 0 && !make_socket(pool, uid, gid))
		return false;
	flags = fcntl(pool->listener, F_GETFL);
	if (flags < 0 || fcntl(pool->listener, F_SETFL, flags | O_NONBLOCK) != 0 ||
	    getsockopt(pool->listener, SOL_SOCKET, SO_DOMAIN, &domain, &len) != 0) {
		log_error("cannot use the listening socket: %s", strerror(errno));
		return false;
	}
	pool->unix_socket = domain == AF_UNIX;
	if (!pool->unix_socket)
		log_warn(
			"the listening socket is not a Unix socket: whoever reaches it is trusted");
	return true;
}

static bool
write_pid_file(const struct pool *pool, uid_t uid, gid_t gid)
{
	const char *path = pool->settings->pid_file;
	struct stat found;
	bool ok;
	int fd;

	if (*path == '\0')
		return true;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	ok = fd >= 0 && fstat(fd, &found) == 0 && found.st_nlink == 1 && write_pid(fd, uid, gid) &&
	     fchmod(fd, 0644) == 0;
	if (!ok)
		log_error("cannot write %s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	return ok;
}

/* Whom to become: the settings' user and group if started as root, else whom we are. */
static bool
find_identity(const struct settings *s, uid_t *uid, gid_t *gid)
{
	struct passwd *user;
	struct group *group;

	*uid = geteuid();
	*gid = getegid();
	if (*s->user != '\0') {
		user = getpwnam(s->user);
		if (user == NULL) {
			log_error("there is no user %s", s->user);
			return false;
		}
		*uid = user->pw_uid;
		*gid = user->pw_gid;
	}
	if (*s->group != '\0') {
		group = getgrnam(s->group);
		if (group == NULL) {
			log_error("there is no group %s", s->group);
			return false;
		}
		*gid = group->gr_gid;
	}
	if (geteuid() != 0 && *uid != geteuid()) {
		log_error("only root can become %s", s->user);
		return false;
	}
	return true;
}

static bool
become(const struct settings *s, uid_t uid, gid_t gid)
{
	if (geteuid() != 0)
		return true;
	if ((*s->user != '\0' ? initgroups(s->user, gid) : setgroups(0, NULL)) != 0 ||
	    setgid(gid) != 0 || setuid(uid) != 0 || (uid != 0 && setuid(0) == 0)) {
		log_error("cannot become user %u, group %u: %s", (unsigned)uid, (unsigned)gid,
			  strerror(errno));
		return false;
	}
	return true;
}

/* Blocks all signals but those that a fault of our own raises: blocked, these would hide where it
 * happened. */
static void
block_signals(void)
{
	static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
	sigset_t set;

	sigfillset(&set);
	for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
		sigdelset(&set, faults[i]);
	sigprocmask(SIG_SETMASK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

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

/* From the lock to the last child. */
static bool
run(struct pool *pool)
{
	const struct settings *s = pool->settings;
	bool ok = false;
	uid_t uid;
	gid_t gid;

	if (!find_identity(s, &uid, &gid) || !take_lock(pool, uid, gid))
		return false;
	if (!open_listener(pool, uid, gid) || !write_pid_file(pool, uid, gid) ||
	    !become(s, uid, gid) || !harden_dumps(s->core_dumps))
		goto out;
	if (open_board(pool, false) && prepare(pool)) {
		if (geteuid() == 0)
			log_warn("running as root: name a user in the settings");
		replace_all(pool);
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
		enter(pool, c, h->children[i].state);
		c->since_ms = h->children[i].since_ms;
	}
	keep_all(pool, -1, false);
	if (pool->own_socket && listen(pool->listener, (int)pool->settings->backlog) != 0)
		log_warn("cannot set the backlog: %s", strerror(errno));
	board_count(BOARD_RELOADS);
	replace_all(pool);
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

enum pool_start
pool_how(void)
{
	struct handover *h = malloc(sizeof(*h));
	enum pool_start how = POOL_FRESH;

	if (h != NULL && read_handover(h))
		how = h->master == getpid()    ? POOL_TAKE_OVER
		      : h->master == getppid() ? POOL_PROBE
					       : POOL_FRESH;
	free(h);
	return how;
}

/* False with a line in the log if a setting differs that cannot. */
static bool
check_fixed(const struct handover *h, const struct settings *s)
{
	char now[CONFIG_PATH_MAX];
	bool same = true;

	for (size_t i = 0; i < FIXED_COUNT; i++) {
		setting_text(s, fixed_settings[i], now);
		if (strcmp(now, h->fixed[i]) == 0)
			continue;
		log_error("%s cannot be changed by a reload, from \"%s\" to \"%s\": stop regcredd "
			  "and "
			  "start it",
			  fixed_settings[i], h->fixed[i], now);
		same = false;
	}
	return same;
}

int
pool_probe(const struct settings *s)
{
	char why[CONFIG_WHY_MAX];
	struct handover *h = malloc(sizeof(*h));
	bool right = false;

	if (h == NULL || !read_handover(h))
		log_error("no memory");
	else if (h->size != sizeof(*h))
		log_error("this program cannot take over from the one that runs: stop regcredd and "
			  "start it");
	else
		right = check_fixed(h, s);
	free(h);
	if (right && !app_prepare(s, PREPARE_CHECK, why)) {
		log_error("%s", why);
		right = false;
	}
	return right ? 0 : 1;
}

bool
pool_end_is_pending(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1 ||
		sigismember(&set, SIGQUIT) == 1);
}

/* NULL if this is a fresh start. */
static struct handover *
find_handover(void)
{
	struct handover *h = malloc(sizeof(*h));
	const char *number = getenv(HANDOVER_VARIABLE);

	if (h == NULL || !read_handover(h) || h->master != getpid() || h->size != sizeof(*h)) {
		free(h);
		h = NULL;
	}
	if (h != NULL && number != NULL)
		close((int)strtol(number, NULL, 10));
	unsetenv(HANDOVER_VARIABLE);
	return h;
}

int
pool_run(const struct settings *s, char **argv)
{
	struct pool *pool = calloc(1, sizeof(*pool));
	struct handover *before = find_handover();
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
	block_signals();
	if (pool->refusals == NULL || !make_limiter(pool, before) || !make_check_limiter(pool))
		log_error("no memory");
	else
		ok = before != NULL ? take_over(pool, before) : run(pool);
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
