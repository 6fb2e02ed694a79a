/* program: the list, whom a program has to belong to, and running it.
 *
 * Between fork() and execve() only calls are made that a child of a process with threads may make.
 */
#include "renew/program.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/pulse.h"
#include "renew/hide.h"

/* The list */

static const char *const style_names[PROGRAM__COUNT] = {
	[PROGRAM_DOCKER] = "docker",
	[PROGRAM_KUBELET] = "kubelet",
	[PROGRAM_KUBECTL] = "kubectl",
};

bool
program_next(const char **list, struct program *out)
{
	char item[LIST_ITEM_SIZE];
	const char *path;

	*out = (struct program){.style = PROGRAM_DOCKER};
	if (!list_next(list, item))
		return false;
	size_t len = strcspn(item, "=");
	memcpy(out->name, item, len);
	path = item + len + (item[len] == '=');
	for (int style = 0; style < PROGRAM__COUNT; style++) {
		len = strlen(style_names[style]);
		if (strncmp(path, style_names[style], len) == 0 && path[len] == ':') {
			out->style = (enum program_style)style;
			path += len + 1;
			break;
		}
	}
	if (*path == '/')
		memcpy(out->path, path, strlen(path));
	return true;
}

bool
program_find(const char *list, const char *name, struct program *out)
{
	while (program_next(&list, out))
		if (*out->path != '\0' && strcmp(out->name, name) == 0)
			return true;
	return false;
}

/* Whom it belongs to */

static const char *
distrust_one(struct arena *a, const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return arena_printf(a, "%s: %s", path, strerror(errno));
	if (st.st_uid != 0)
		return arena_printf(a, "%s does not belong to root", path);
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0)
		return arena_printf(a, "%s can be changed by others than root", path);
	return NULL;
}

/* Each directory from / on, then the file. */
static const char *
distrust_all(struct arena *a, const char *path)
{
	const char *why = distrust_one(a, "/");

	for (const char *end = path; why == NULL && *end != '\0';) {
		end += strspn(end, "/");
		end += strcspn(end, "/");
		why = distrust_one(a, arena_printf(a, "%.*s", (int)(end - path), path));
	}
	return why;
}

const char *
program_distrust(struct arena *a, const char *path)
{
	char real[PATH_MAX];
	struct stat st;
	const char *why;

	/* As it is written, for the directories in which links are; and where they lead. */
	if (realpath(path, real) == NULL)
		return arena_printf(a, "%s: %s", path, strerror(errno));
	why = distrust_all(a, path);
	if (why == NULL)
		why = distrust_all(a, real);
	if (why == NULL && (stat(real, &st) != 0 || !S_ISREG(st.st_mode)))
		why = arena_printf(a, "%s is not a file", path);
	if (why == NULL && access(real, X_OK) != 0)
		why = arena_printf(a, "%s: %s", path, strerror(errno));
	return why;
}

/* The child */

enum { PIPE_IN, PIPE_OUT, PIPE_ERR, PIPE_START, PIPE__COUNT };

/* A new session or process group is granted, and there is none.  A program of another word size has
 * other numbers, and gets out: it is listed by an administrator, who means no harm. */
static struct sock_filter stays[] = {
	BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsid, 1, 0),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setpgid, 0, 1),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | 0),
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
};

static bool
child_descriptors(int pipes[PIPE__COUNT][2])
{
	enum { START = STDERR_FILENO + 1 };
	int start = pipes[PIPE_START][1];

	return dup2(pipes[PIPE_IN][0], STDIN_FILENO) >= 0 &&
	       dup2(pipes[PIPE_OUT][1], STDOUT_FILENO) >= 0 &&
	       dup2(pipes[PIPE_ERR][1], STDERR_FILENO) >= 0 &&
	       (start == START || dup3(start, START, O_CLOEXEC) >= 0) &&
	       syscall(SYS_close_range, START + 1, UINT_MAX, 0) == 0;
}

static _Noreturn void
child_begin(const struct program_run *run, int pipes[PIPE__COUNT][2])
{
	static const struct sock_fprog filter = {sizeof(stays) / sizeof(*stays), stays};
	int start = pipes[PIPE_START][1];
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	if (setsid() >= 0 && prctl(PR_SET_PDEATHSIG, SIGKILL) == 0 &&
	    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && chdir("/") == 0 && hide_enter() &&
	    child_descriptors(pipes)) {
		start = STDERR_FILENO + 1;
		/* Without seccomp only what stays in the group is killed. */
		(void)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter);
		(void)sigprocmask(SIG_SETMASK, &none, NULL);
		/* execve() changes neither. */
		execve(run->path, (char *const *)(uintptr_t)run->arguments,
		       (char *const *)(uintptr_t)run->environment);
	}
	(void)!write(start, &errno, sizeof(errno));
	_exit(127);
}

/* The parent */

static void
close_one(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
	*fd = -1;
}

/* Where the bytes of a pipe go. */
struct program_sink {
	int *fd;
	char *bytes; /* room for max and a NUL */
	size_t len, max;
	bool over; /* there was more */
};

/* Takes what the pipe holds, and no more, for who writes may be faster; closes it at its end. */
static void
sink_take(struct program_sink *sink)
{
	enum { PIPE_HOLDS = 64 * 1024 };
	char chunk[4096];
	size_t taken = 0;
	ssize_t got;

	do {
		got = read(*sink->fd, chunk, sizeof(chunk));
		size_t room = sink->max - sink->len, n = got > 0 ? (size_t)got : 0;

		sink->over = sink->over || n > room;
		memcpy(sink->bytes + sink->len, chunk, n < room ? n : room);
		sink->len += n < room ? n : room;
		taken += n;
	} while (got > 0 && taken < PIPE_HOLDS);
	explicit_bzero(chunk, sizeof(chunk));
	if (got == 0)
		close_one(sink->fd);
}

static bool
has_ended(pid_t pid)
{
	siginfo_t info = {0};

	return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0 &&
	       info.si_pid == pid;
}

/* Until it has ended, has to be ended, or its time is over. */
static enum program_end
program_watch(pid_t pid, const struct program_run *run, struct program_sink *out,
	      struct program_sink *err)
{
	enum { TICK_MS = 10 }; /* it may leave its pipes to a child, so their end says nothing */

	for (;;) {
		struct pollfd ready[] = {{.fd = *out->fd, .events = POLLIN},
					 {.fd = *err->fd, .events = POLLIN}};

		if (clock_ms() >= run->deadline_ms)
			return PROGRAM_LATE;
		(void)poll(ready, 2, TICK_MS); /* without pipes: that long */
		bool ended = has_ended(pid);
		if (*out->fd >= 0)
			sink_take(out);
		if (*err->fd >= 0)
			sink_take(err);
		if (out->over)
			return PROGRAM_TALKED;
		if (ended)
			return PROGRAM_EXITED;
	}
}

/* Kills the group, then takes the leader's status: until then nobody else gets its number. */
static enum program_end
end_group(pid_t pid, enum program_end end, int start, int *status)
{
	siginfo_t info = {0};

	(void)kill(pid, SIGKILL); /* it may not lead its group yet */
	(void)kill(-pid, SIGKILL);
	while (waitid(P_PID, (id_t)pid, &info, WEXITED) != 0 && errno == EINTR)
		;
	*status = info.si_status;
	if (end != PROGRAM_EXITED)
		return end;
	if (read(start, status, sizeof(*status)) == (ssize_t)sizeof(*status))
		return PROGRAM_FAILED;
	return info.si_code == CLD_EXITED ? PROGRAM_EXITED : PROGRAM_CRASHED;
}

static bool
make_pipes(int pipes[PIPE__COUNT][2], const char *input)
{
	size_t len = strlen(input);

	for (int i = 0; i < PIPE__COUNT; i++)
		if (pipe2(pipes[i], O_CLOEXEC | O_NONBLOCK) != 0)
			return false;
	/* The child's ends are ordinary ones. */
	if (fcntl(pipes[PIPE_IN][0], F_SETFL, 0) != 0 ||
	    fcntl(pipes[PIPE_OUT][1], F_SETFL, 0) != 0 ||
	    fcntl(pipes[PIPE_ERR][1], F_SETFL, 0) != 0)
		return false;
	return write(pipes[PIPE_IN][1], input, len) == (ssize_t)len;
}

enum program_end
program_run(struct program_run *run)
{
	int pipes[PIPE__COUNT][2] = {{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
	struct program_sink out = {&pipes[PIPE_OUT][0],
				   arena_alloc(run->arena, PROGRAM_OUTPUT_MAX + 1), 0,
				   PROGRAM_OUTPUT_MAX, false};
	struct program_sink err = {&pipes[PIPE_ERR][0],
				   arena_alloc(run->arena, PROGRAM_ERRORS_MAX + 1), 0,
				   PROGRAM_ERRORS_MAX, false};
	enum program_end end = PROGRAM_FAILED;
	pid_t pid = -1;

	errno = ENOMEM;
	if (out.bytes != NULL && err.bytes != NULL && make_pipes(pipes, run->input))
		pid = fork();
	run->status = errno;
	if (pid < 0)
		goto out;
	if (pid == 0)
		child_begin(run, pipes);
	close_one(&pipes[PIPE_IN][0]);
	close_one(&pipes[PIPE_IN][1]);
	close_one(&pipes[PIPE_OUT][1]);
	close_one(&pipes[PIPE_ERR][1]);
	close_one(&pipes[PIPE_START][1]);
	bool busy = pulse_pause(); /* the deadline is ours */
	end = program_watch(pid, run, &out, &err);
	end = end_group(pid, end, pipes[PIPE_START][0], &run->status);
	pulse_resume(busy);
	run->output = out.bytes;
	run->len = out.len;
	run->errors = err.bytes;
out:
	for (int i = 0; i < PIPE__COUNT; i++) {
		close_one(&pipes[i][0]);
		close_one(&pipes[i][1]);
	}
	return end;
}
