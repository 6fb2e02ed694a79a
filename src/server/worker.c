/* worker: a worker process: its threads accept connections and serve them. */
#include "server/worker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/remedy.h"
#include "base/settings.h"
#include "server/child.h"
#include "server/gateway.h"
#include "server/pool_state.h"
#include "service/app.h"
#include "service/housekeeper.h"
#include "shared/board.h"

enum {
	ACCEPT_PAUSE_MS = 100, /* after accept failed because descriptors ran out */
	ASIDE_MAX = 128,       /* requests that wait while others are served */
};

/* What the threads of a worker share. */
enum drain { DRAIN_NO, DRAIN_CURRENT, DRAIN_QUEUE };

struct worker;

struct thread {
	pthread_t id;
	struct worker *worker;
	_Atomic(struct gateway *) gateway;
	int epoll;
	uint64_t caller; /* whose request it answers; 0: none. Guarded by the worker's mutex */
};

/* Gateways, first in, first out. */
struct row {
	struct gateway *items[ASIDE_MAX];
	size_t first, count;
};

struct worker {
	const struct pool *pool;
	struct app *app;
	struct thread *threads;
	int wake; /* eventfd: readable once drain is set */
	atomic_int drain;
	atomic_llong complained_s; /* when a refused peer was last logged */
	pthread_mutex_t mutex;	   /* guards what follows, and each thread's caller */
	struct row aside;	   /* with a request that was read, and waits */
	struct row idle;	   /* what threads use in their place; freed by the process's end */
};

static bool
peer_allowed(const struct settings *s, uid_t uid)
{
	if (uid == 0 || uid == geteuid())
		return true;
	for (size_t i = 0; i < s->allowed_users_count; i++)
		if (s->allowed_users[i] == uid)
			return true;
	return false;
}

/* Accepts only connections from known users, because others may be able to write to the socket.
 * Logs at most one refusal a second. */
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
		log_warn("refused a connection from uid %u: add it to allowed_users if it is the "
			 "web server's",
			 (unsigned)peer.uid);
	return false;
}

/* After a failed accept: true if it makes sense to try again at once. */
static bool
accept_failed(int error)
{
	if (error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS) {
		log_error("cannot accept a connection: %s", remedy_text(error));
		usleep(ACCEPT_PAUSE_MS * 1000);
	}
	return error != EAGAIN;
}

static void
row_put(struct row *r, struct gateway *g)
{
	r->items[(r->first + r->count++) % ASIDE_MAX] = g;
}

static struct gateway *
row_take(struct row *r)
{
	struct gateway *g = r->items[r->first];

	if (r->count == 0)
		return NULL;
	r->first = (r->first + 1) % ASIDE_MAX;
	r->count--;
	return g;
}

/* Whether this caller already has a quarter of the threads. Called with the mutex held. */
static bool
worker_is_crowded(const struct worker *w, uint64_t caller)
{
	size_t count = (size_t)w->pool->settings->threads, same = 0;

	for (size_t i = 0; caller != 0 && i < count; i++)
		same += w->threads[i].caller == caller;
	return same > 0 && same >= count / 4;
}

/* One caller who asks for much at once does not make others wait: while there are more connections
 * at the socket, what the thread has read for him is put aside. False: it is to be answered now. */
static bool
put_aside(struct thread *t, uint64_t caller)
{
	struct worker *w = t->worker;
	struct pollfd more = {.fd = w->pool->listener, .events = POLLIN};
	struct gateway *spare = NULL;

	(void)pthread_mutex_lock(&w->mutex);
	bool aside = worker_is_crowded(w, caller) && w->aside.count < ASIDE_MAX &&
		     poll(&more, 1, 0) == 1;
	if (aside) {
		spare = row_take(&w->idle);
		if (spare == NULL)
			spare = gateway_new(w->app);
		aside = spare != NULL;
	}
	if (aside) {
		row_put(&w->aside, t->gateway);
		t->gateway = spare;
	} else {
		t->caller = caller;
	}
	(void)pthread_mutex_unlock(&w->mutex);
	return aside;
}

static void
thread_answer(struct thread *t)
{
	gateway_answer(t->gateway);
	(void)pthread_mutex_lock(&t->worker->mutex);
	t->caller = 0;
	(void)pthread_mutex_unlock(&t->worker->mutex);
}

/* Accepts a connection and serves it; one that is put aside is followed by the next. False if there
 * was none. */
static bool
serve_one(struct thread *t)
{
	struct worker *w = t->worker;

	for (;;) {
		int fd = accept4(w->pool->listener, NULL, NULL, SOCK_CLOEXEC);

		if (fd < 0)
			return accept_failed(errno);
		if (!check_peer(w, fd)) {
			close(fd);
			return true;
		}
		if (!gateway_read(t->gateway, fd))
			return true;
		if (put_aside(t, gateway_caller(t->gateway)))
			continue;
		thread_answer(t);
		return true;
	}
}

/* Answers the first request that was put aside; false if there is none. */
static bool
serve_aside(struct thread *t)
{
	struct worker *w = t->worker;

	(void)pthread_mutex_lock(&w->mutex);
	struct gateway *g = row_take(&w->aside);
	if (g != NULL) {
		row_put(&w->idle, t->gateway);
		t->gateway = g;
		t->caller = gateway_caller(g);
	}
	(void)pthread_mutex_unlock(&w->mutex);
	if (g != NULL)
		thread_answer(t);
	return g != NULL;
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

static void *
worker_thread_run(void *arg)
{
	struct thread *t = arg;
	struct worker *w = t->worker;

	while (atomic_load(&w->drain) == DRAIN_NO) {
		struct epoll_event events[2];
		int count = epoll_wait(t->epoll, events, 2, -1);

		/* Woken for a connection, it serves one even while draining, because no other
		 * thread was woken. */
		for (int i = 0; i < count; i++)
			if (events[i].data.fd == w->pool->listener)
				(void)serve_one(t);
		/* In turns with new ones: neither keeps the other waiting. */
		while (serve_aside(t))
			(void)serve_one(t);
	}
	while ((atomic_load(&w->drain) == DRAIN_QUEUE && serve_one(t)) || serve_aside(t))
		;
	return NULL;
}

static bool
thread_start(struct thread *t, struct worker *w)
{
	t->worker = w;
	t->epoll = watch(w);
	t->gateway = t->epoll < 0 ? NULL : gateway_new(w->app);
	return t->gateway != NULL && pthread_create(&t->id, NULL, worker_thread_run, t) == 0;
}

/* Called each second by the watching thread. */
static void
worker_each_second(void *arg)
{
	const struct worker *w = arg;

	for (int64_t i = 0; i < w->pool->settings->threads; i++)
		if (w->threads[i].gateway != NULL)
			gateway_hurry(w->threads[i].gateway);
}

/* Waits for the signal to exit. Writes refused sign-ins soon after their minute. */
static enum drain
worker_wait(struct worker *w)
{
	enum { STEP_S = 10 };
	int end;

	child_tell_ready(w->pool);
	while ((end = child_wait_for_end(STEP_S)) == 0)
		(void)app_write_refusals(w->app, false); /* logs its failures */
	if (!child_is_orphan(w->pool) || !w->pool->own_socket)
		return end == SIGUSR1 ? DRAIN_QUEUE : DRAIN_CURRENT;
	(void)shutdown(w->pool->listener,
		       SHUT_RD); /* no connection may join a queue that no one serves */
	return DRAIN_QUEUE;
}

/* Starts the threads, waits for the signal to exit, joins them. */
static int
worker_serve(struct worker *w, size_t count)
{
	const uint64_t one = 1;
	size_t started = 0;

	while (started < count && thread_start(&w->threads[started], w))
		started++;
	if (started == count) {
		atomic_store(&w->drain, worker_wait(w));
	} else {
		log_error("cannot start a thread: %s", remedy_text(errno));
		atomic_store(&w->drain, DRAIN_CURRENT);
	}
	if (write(w->wake, &one, sizeof(one)) != (ssize_t)sizeof(one))
		return 1;
	for (size_t i = 0; i < started; i++)
		pthread_join(w->threads[i].id, NULL);
	(void)app_write_refusals(w->app, true);
	return started == count ? 0 : 1;
}

int
worker_run(const struct pool *pool)
{
	char why[CONFIG_WHY_MAX];
	size_t count = (size_t)pool->settings->threads;
	static struct worker w; /* static, because another thread uses it until the process exits */

	w.pool = pool;
	(void)pthread_mutex_init(&w.mutex, NULL);
	w.wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	w.threads = calloc(count, sizeof(*w.threads));

	if (w.wake < 0 || w.threads == NULL || !gateway_init() ||
	    !child_begin(pool, worker_each_second, &w)) {
		log_error("a worker cannot start: %s", remedy_text(errno));
		return 1;
	}
	w.app = app_new(pool->settings, why);
	if (w.app == NULL) {
		log_error("a worker cannot start: %s", why);
		return 1;
	}
	if (!app_use_pool(w.app, pool->limiter, pool->board) || !app_start_checks(w.app)) {
		log_error("a worker cannot start its threads: %s", remedy_text(errno));
		app_free(w.app);
		return 1;
	}
	int status = worker_serve(&w, count);
	app_free(w.app);
	return status;
}
