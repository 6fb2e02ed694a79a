/* fault_calls: see the header. */
#include "support/fault_calls.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static const char *const names[CALL__COUNT] = {
	[CALL_ACCESS] = "access",
	[CALL_CALLOC] = "calloc",
	[CALL_FCHMOD] = "fchmod",
	[CALL_FCHOWN] = "fchown",
	[CALL_FLOCK] = "flock",
	[CALL_FSTAT] = "fstat",
	[CALL_FSYNC] = "fsync",
	[CALL_MALLOC] = "malloc",
	[CALL_OPEN] = "open",
	[CALL_READ] = "read",
	[CALL_REALPATH] = "realpath",
	[CALL_RENAME] = "rename",
	[CALL_SODIUM_INIT] = "sodium_init",
	[CALL_SODIUM_PAD] = "sodium_pad",
	[CALL_STAT] = "stat",
	[CALL_STRDUP] = "strdup",
	[CALL_WRITE] = "write",
};

struct fault_answers fault_answers;

/* Other threads of a test make calls too. */
static struct {
	_Atomic enum fault_call call;
	atomic_uint left; /* calls until the one that fails; 0: none does */
	atomic_int error;
	atomic_bool failed;
} fault;

const char *
call_name(enum fault_call call)
{
	return names[call];
}

void
call_fails(enum fault_call call, unsigned k, int error)
{
	fault.call = call;
	fault.error = error;
	fault.failed = false;
	fault.left = k;
}

bool
calls_go_on(void)
{
	fault.left = 0;
	return fault.failed;
}

static bool
fails(enum fault_call call)
{
	unsigned left = fault.left;

	while (left > 0 && fault.call == call &&
	       !atomic_compare_exchange_weak(&fault.left, &left, left - 1))
		;
	if (left != 1 || fault.call != call)
		return false;
	fault.failed = true;
	errno = fault.error;
	return true;
}

/* One row for each call: what it returns, its name and parameters, the arguments, and what it
 * returns when it fails. */
#define CALL(type, name, parameters, arguments, id, failure)                                       \
	type __real_##name parameters;                                                             \
	type __wrap_##name parameters;                                                             \
	type __wrap_##name parameters                                                              \
	{                                                                                          \
		return fails(id) ? failure : __real_##name arguments;                              \
	}

/* clang-format off */
CALL(int, access, (const char *path, int mode), (path, mode), CALL_ACCESS, -1)
CALL(void *, calloc, (size_t count, size_t size), (count, size), CALL_CALLOC, NULL)
CALL(int, fchmod, (int fd, mode_t mode), (fd, mode), CALL_FCHMOD, -1)
CALL(int, fchown, (int fd, uid_t uid, gid_t gid), (fd, uid, gid), CALL_FCHOWN, -1)
CALL(int, flock, (int fd, int operation), (fd, operation), CALL_FLOCK, -1)
CALL(int, fstat, (int fd, struct stat *out), (fd, out), CALL_FSTAT, -1)
CALL(int, fsync, (int fd), (fd), CALL_FSYNC, -1)
CALL(void *, malloc, (size_t size), (size), CALL_MALLOC, NULL)
CALL(ssize_t, read, (int fd, void *out, size_t len), (fd, out, len), CALL_READ, -1)
CALL(int, rename, (const char *from, const char *to), (from, to), CALL_RENAME, -1)
CALL(int, sodium_init, (void), (), CALL_SODIUM_INIT, -1)
CALL(int, sodium_pad, (size_t *padded, unsigned char *text, size_t len, size_t block, size_t room), (padded, text, len, block, room), CALL_SODIUM_PAD, -1)
CALL(char *, strdup, (const char *text), (text), CALL_STRDUP, NULL)
/* clang-format on */

/* Those that do more. */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
char *__real_realpath(const char *path, char *out);
char *__wrap_realpath(const char *path, char *out);
int __real_stat(const char *path, struct stat *out);
int __wrap_stat(const char *path, struct stat *out);
ssize_t __real_write(int fd, const void *bytes, size_t len);
ssize_t __wrap_write(int fd, const void *bytes, size_t len);
uid_t __real_geteuid(void);
uid_t __wrap_geteuid(void);
int __real_clock_gettime(clockid_t clock, struct timespec *out);
int __wrap_clock_gettime(clockid_t clock, struct timespec *out);

int
__wrap_open(const char *path, int flags, ...)
{
	va_list more;
	unsigned mode;

	va_start(more, flags);
	mode = (flags & O_CREAT) != 0 ? va_arg(more, unsigned) : 0;
	va_end(more);
	return fails(CALL_OPEN) ? -1 : __real_open(path, flags, mode);
}

char *
__wrap_realpath(const char *path, char *out)
{
	if (fails(CALL_REALPATH))
		return NULL;
	return fault_answers.realpath != NULL ? strdup(fault_answers.realpath)
					      : __real_realpath(path, out);
}

int
__wrap_stat(const char *path, struct stat *out)
{
	if (fails(CALL_STAT))
		return -1;
	if (fault_answers.stat == NULL)
		return __real_stat(path, out);
	*out = *fault_answers.stat;
	return 0;
}

uid_t
__wrap_geteuid(void)
{
	return __real_geteuid() + fault_answers.somebody_else;
}

ssize_t
__wrap_write(int fd, const void *bytes, size_t len)
{
	if (!fails(CALL_WRITE))
		return __real_write(fd, bytes, len);
	return fault.error == 0 ? __real_write(fd, bytes, 1) : -1;
}

int
__wrap_clock_gettime(clockid_t clock, struct timespec *out)
{
	void (*before)(void) = fault_answers.before_clock;

	if (before != NULL) {
		fault_answers.before_clock = NULL;
		before();
	}
	return __real_clock_gettime(clock, out);
}
