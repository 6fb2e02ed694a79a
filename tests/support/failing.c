/* failing: put before the C library by LD_PRELOAD, numbers the calls of a program that touch files,
 * and lets some of them fail, kills the program before one, or runs another command there.
 *
 * FAILING_PLAN="12=fail;40=kill": what happens at which call.  "12=always": from there on all calls
 * of that name fail; "12=run": FAILING_RUN is run, by the shell.
 *
 * FAILING_LOG=FILE: a line for each call: its number, "c" if it changes a file or "n" if it does
 * not, its name, the end of the path.
 *
 * FAILING_HASTE=1: who sleeps does not: the clock goes on by that time.
 *
 * FAILING_HUP=1: the numbers begin when a SIGHUP is taken.
 *
 * Forked processes count on together: a step happens once, in the one that comes to that number.
 *
 * Standard input, output and error are not counted, nor is what happens before main().
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { STEPS_MAX = 8, LINE = 256 };

struct step {
	unsigned at;
	char what;		  /* f, k, a, r */
	const char *_Atomic name; /* a: the call, once it is known */
};
static struct common {
	struct step steps[STEPS_MAX];
	_Atomic unsigned calls;
	_Atomic bool counts;
} * common;
static size_t step_count;
static bool is_on, in_haste;
static int log_fd = -1;
static _Atomic int64_t ahead_ns;
static __thread bool inside;

static void __attribute__((constructor)) failing_begin(void)
{
	const char *plan = getenv("FAILING_PLAN"), *path = getenv("FAILING_LOG");

	in_haste = getenv("FAILING_HASTE") != NULL;
	common = mmap(NULL, sizeof(*common), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
		      0);
	if (common == MAP_FAILED)
		abort();
	common->counts = getenv("FAILING_HUP") == NULL;
	if (path != NULL)
		log_fd = (int)syscall(SYS_openat, AT_FDCWD, path,
				      O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
	for (char *end; plan != NULL && *plan != '\0' && step_count < STEPS_MAX; plan = end) {
		common->steps[step_count].at = (unsigned)strtoul(plan, &end, 10);
		common->steps[step_count++].what = end[1];
		end += strcspn(end, ";");
		end += *end == ';';
	}
	(void)unsetenv("FAILING_PLAN"); /* not for what it starts */
	(void)unsetenv("FAILING_LOG");
	is_on = step_count > 0 || log_fd >= 0;
}

static void
failing_write(unsigned number, bool changes, const char *name, const char *path)
{
	char line[LINE];
	size_t len = path != NULL ? strlen(path) : 0;
	int n = snprintf(line, sizeof(line), "%u %c %s %s\n", number, changes ? 'c' : 'n', name,
			 len > 60  ? path + len - 60
			 : len > 0 ? path
				   : "-");

	(void)syscall(SYS_write, log_fd, line, (size_t)n);
}

/* Called before each call; true: it is to fail. */
static bool
failing(const char *name, bool changes, const char *path)
{
	bool fails = false;

	if (!is_on || inside || !common->counts)
		return false;
	unsigned number = atomic_fetch_add(&common->calls, 1) + 1;
	if (log_fd >= 0)
		failing_write(number, changes, name, path);
	for (size_t i = 0; i < step_count; i++) {
		struct step *s = &common->steps[i];
		const char *all = s->name; /* at the same address in forked processes */

		fails = fails || (all != NULL && strcmp(all, name) == 0);
		if (s->at != number)
			continue;
		if (s->what == 'a')
			s->name = name;
		fails = fails || s->what == 'f' || s->what == 'a';
		if (s->what == 'k')
			(void)syscall(SYS_kill, getpid(), SIGKILL);
		if (s->what == 'r') {
			inside = true;
			if (system(getenv("FAILING_RUN")) < 0)
				abort();
			inside = false;
		}
	}
	return fails;
}

static const char *
path_of(int fd)
{
	static __thread char path[LINE];
	char link[64];

	if (log_fd < 0)
		return NULL;
	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = syscall(SYS_readlink, link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	return path;
}

#define REAL(result, name, parameters)                                                             \
	static result(*real) parameters;                                                           \
	if (real == NULL)                                                                          \
		*(void **)&real = dlsym(RTLD_NEXT, #name);

/* A call with a file's descriptor, and one with a path.  FAILED is what it returns. */
#define BY_FD(result, name, parameters, arguments, fd, changes, error, FAILED)                     \
	result name parameters                                                                     \
	{                                                                                          \
		REAL(result, name, parameters)                                                     \
		if ((fd) > 2 && failing(#name, changes, path_of(fd))) {                            \
			errno = error;                                                             \
			return FAILED;                                                             \
		}                                                                                  \
		return real arguments;                                                             \
	}
#define BY_PATH(result, name, parameters, arguments, path, changes, error, FAILED)                 \
	result name parameters                                                                     \
	{                                                                                          \
		REAL(result, name, parameters)                                                     \
		if (failing(#name, changes, path)) {                                               \
			errno = error;                                                             \
			return FAILED;                                                             \
		}                                                                                  \
		return real arguments;                                                             \
	}

/* clang-format off */
BY_FD(ssize_t, write, (int fd, const void *bytes, size_t len), (fd, bytes, len), fd, true, ENOSPC, -1)
BY_FD(ssize_t, pwrite, (int fd, const void *bytes, size_t len, off_t at), (fd, bytes, len, at), fd, true, ENOSPC, -1)
BY_FD(ssize_t, pwrite64, (int fd, const void *bytes, size_t len, off64_t at), (fd, bytes, len, at), fd, true, ENOSPC, -1)
BY_FD(ssize_t, read, (int fd, void *bytes, size_t len), (fd, bytes, len), fd, false, EIO, -1)
BY_FD(ssize_t, pread, (int fd, void *bytes, size_t len, off_t at), (fd, bytes, len, at), fd, false, EIO, -1)
BY_FD(ssize_t, pread64, (int fd, void *bytes, size_t len, off64_t at), (fd, bytes, len, at), fd, false, EIO, -1)
BY_FD(int, ftruncate, (int fd, off_t len), (fd, len), fd, true, EIO, -1)
BY_FD(int, ftruncate64, (int fd, off64_t len), (fd, len), fd, true, EIO, -1)
BY_FD(int, posix_fallocate, (int fd, off_t at, off_t len), (fd, at, len), fd, true, ENOSPC, ENOSPC)
BY_FD(int, fsync, (int fd), (fd), fd, true, EIO, -1)
BY_FD(int, fdatasync, (int fd), (fd), fd, true, EIO, -1)
BY_FD(int, fchmod, (int fd, mode_t mode), (fd, mode), fd, true, EPERM, -1)
BY_FD(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), fd, true, EPERM, -1)
BY_FD(int, fchownat, (int fd, const char *path, uid_t uid, gid_t gid, int how), (fd, path, uid, gid, how), fd, true, EPERM, -1)
BY_FD(int, fstat, (int fd, struct stat *st), (fd, st), fd, false, EIO, -1)
BY_FD(int, fstat64, (int fd, struct stat64 *st), (fd, st), fd, false, EIO, -1)
BY_FD(int, flock, (int fd, int how), (fd, how), fd, false, ENOLCK, -1)
BY_FD(int, bind, (int fd, const struct sockaddr *at, socklen_t len), (fd, at, len), fd, true, EADDRINUSE, -1)
BY_FD(int, listen, (int fd, int most), (fd, most), fd, true, EADDRINUSE, -1)
BY_PATH(int, stat, (const char *path, struct stat *st), (path, st), path, false, EIO, -1)
BY_PATH(int, stat64, (const char *path, struct stat64 *st), (path, st), path, false, EIO, -1)
BY_PATH(int, lstat, (const char *path, struct stat *st), (path, st), path, false, EIO, -1)
BY_PATH(int, lstat64, (const char *path, struct stat64 *st), (path, st), path, false, EIO, -1)
BY_PATH(int, access, (const char *path, int mode), (path, mode), path, false, EACCES, -1)
BY_PATH(int, faccessat, (int at, const char *path, int mode, int flags), (at, path, mode, flags), path, false, EACCES, -1)
BY_PATH(int, mkostemp, (char *path, int flags), (path, flags), path, true, EMFILE, -1)
BY_PATH(int, mkostemp64, (char *path, int flags), (path, flags), path, true, EMFILE, -1)
BY_PATH(int, rename, (const char *from, const char *to), (from, to), to, true, EPERM, -1)
BY_PATH(int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags), to, true, EPERM, -1)
BY_PATH(int, link, (const char *from, const char *to), (from, to), to, true, EPERM, -1)
BY_PATH(int, unlink, (const char *path), (path), path, true, EPERM, -1)
BY_PATH(int, lchown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid), path, true, EPERM, -1)
BY_PATH(int, mkdir, (const char *path, mode_t mode), (path, mode), path, true, EPERM, -1)
BY_PATH(int, rmdir, (const char *path), (path), path, true, EPERM, -1)
BY_PATH(pid_t, fork, (void), (), NULL, true, EAGAIN, -1)
/* clang-format on */

#define OPENS(name)                                                                                \
	int name(const char *path, int flags, ...)                                                 \
	{                                                                                          \
		mode_t mode = 0;                                                                   \
		va_list list;                                                                      \
                                                                                                   \
		REAL(int, name, (const char *path, int flags, ...))                                \
		va_start(list, flags);                                                             \
		if ((flags & (O_CREAT | O_TMPFILE)) != 0)                                          \
			mode = va_arg(list, mode_t);                                               \
		va_end(list);                                                                      \
		if (failing(#name, (flags & O_CREAT) != 0, path)) {                                \
			errno = EMFILE;                                                            \
			return -1;                                                                 \
		}                                                                                  \
		return real(path, flags, mode);                                                    \
	}
OPENS(open)
OPENS(open64)

#define LOCKS(name)                                                                                \
	int name(int fd, int what, ...)                                                            \
	{                                                                                          \
		void *with;                                                                        \
		va_list list;                                                                      \
                                                                                                   \
		REAL(int, name, (int fd, int what, ...))                                           \
		va_start(list, what);                                                              \
		with = va_arg(list, void *);                                                       \
		va_end(list);                                                                      \
		if ((what == F_SETLK || what == F_SETLKW || what == F_OFD_SETLK) &&                \
		    ((struct flock *)with)->l_type != F_UNLCK &&                                   \
		    failing(#name, false, path_of(fd))) {                                          \
			errno = ENOLCK;                                                            \
			return -1;                                                                 \
		}                                                                                  \
		return real(fd, what, with);                                                       \
	}
LOCKS(fcntl)
LOCKS(fcntl64)

int
sigtimedwait(const sigset_t *set, siginfo_t *info, const struct timespec *most)
{
	REAL(int, sigtimedwait, (const sigset_t *, siginfo_t *, const struct timespec *))
	int got = real(set, info, most);

	if (got == SIGHUP)
		common->counts = true;
	return got;
}

/* Time */

static int
failing_sleep(const struct timespec *t)
{
	atomic_fetch_add(&ahead_ns, (int64_t)t->tv_sec * 1000000000 + t->tv_nsec);
	return 0;
}

int
nanosleep(const struct timespec *t, struct timespec *left)
{
	REAL(int, nanosleep, (const struct timespec *, struct timespec *))
	return in_haste ? failing_sleep(t) : real(t, left);
}

int
usleep(useconds_t us)
{
	const struct timespec t = {us / 1000000, (long)(us % 1000000) * 1000};

	return nanosleep(&t, NULL);
}

int
clock_gettime(clockid_t clock, struct timespec *t)
{
	REAL(int, clock_gettime, (clockid_t, struct timespec *))
	int rc = real(clock, t);
	int64_t ns = t->tv_nsec + atomic_load(&ahead_ns);

	t->tv_sec += ns / 1000000000;
	t->tv_nsec = ns % 1000000000;
	return rc;
}
