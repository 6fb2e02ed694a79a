/* reload: a reload: the new program is probed, then executed in place of the master. */
#include "server/reload.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/settings.h"
#include "server/children.h"
#include "server/config.h"
#include "server/pool.h"
#include "server/pool_state.h"
#include "service/app.h"
#include "shared/board.h"
#include "shared/limiter.h"

#define HANDOVER_VARIABLE "REGCRED_HANDOVER" /* number of the descriptor with the handover */

/* What a reload cannot change: the master holds it, or both old and new processes use it. */
static const char *const fixed_settings[FIXED_COUNT] = {
	"state_dir", "database", "socket", "socket_mode", "pid_file", "user", "group",
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

void
reload_keep_all(const struct pool *pool, int handover, bool over_exec)
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

void
reload_probe(struct pool *pool)
{
	pool->reload_wanted =
		pool->probe != 0 ||
		children_in_state(pool, CHILD_DRAINING) + children_in_state(pool, CHILD_STARTING) >
			0;
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
	reload_keep_all(pool, fd, true);
	execute(pool->argv);
	refuse_reload(strerror(errno));
	reload_keep_all(pool, fd, false);
	close(fd);
	unsetenv(HANDOVER_VARIABLE);
}

void
reload_probe_ended(struct pool *pool, int status)
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

struct handover *
reload_find_handover(void)
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
