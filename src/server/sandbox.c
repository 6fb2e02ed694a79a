/* sandbox: the files (Landlock) and the system calls (seccomp) that are left to a worker.
 *
 * The two tables are the whole policy.  A call that is in neither list of calls answers ENOSYS, as
 * an older kernel would: the C library then falls back, or its caller sees an error.  The calls
 * that only an intruder makes end the process, which the master logs.
 */
#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/harden.h"
#include "base/settings.h"

#ifdef HAVE_LANDLOCK
#endif
#ifdef HAVE_SECCOMP

#endif

/* The sanitizers look into the process from outside of it, and read files that are none of ours.
 * Coverage is written into the build tree when a process ends. */
#ifdef REGCRED_COVERAGE
enum { STAYS_OPEN = true };
#else
enum { STAYS_OPEN = SANITIZED };
#endif

static bool
lacks(struct sandbox *out, const char *what)
{
	snprintf(out->missing, sizeof(out->missing), "%s", what);
	return true;
}

static bool __attribute__((unused)) failed(struct sandbox *out, const char *what, int error)
{
	snprintf(out->missing, sizeof(out->missing), "%s: %s", what, strerror(error));
	return false;
}

/* ---- Landlock ---- */

#ifdef LANDLOCK_CREATE_RULESET_VERSION

#define LOOK ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define CHANGE                                                                                     \
	(LOOK | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                   \
	 LANDLOCK_ACCESS_FS_MAKE_REG)
/* All rights of the first version of Landlock.  Truncation (third version) is left alone: whoever
 * may write may truncate. */
#define HANDLED                                                                                    \
	(CHANGE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                     \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                              \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
/* The rights that there are on something that is not a directory. */
#define OF_FILES                                                                                   \
	((uint64_t)LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_READ_FILE |                     \
	 LANDLOCK_ACCESS_FS_WRITE_FILE)

// clang-format off
/* What the libraries read while a registry is checked.  Directories, not files, where a program
 * replaces the file by renaming: a rule stays with the old one. */
static const struct {
	const char *path;
	uint64_t access;
} system_paths[] = {
	{ "/etc", LOOK },			/* resolv.conf, hosts, nsswitch.conf, ssl, localtime */
	{ "/usr", LOOK },			/* libraries of nsswitch.conf, CA files, time zones */
	{ "/lib", LOOK },
	{ "/lib64", LOOK },
	{ "/run/systemd/resolve", LOOK },	/* what resolv.conf may be a link to */
	{ "/run/resolvconf", LOOK },
	{ "/run/NetworkManager", LOOK },
	{ "/run/nscd", LOOK },
	{ "/dev/null", LOOK | LANDLOCK_ACCESS_FS_WRITE_FILE },
	{ "/dev/urandom", LOOK },
	{ "/dev/random", LOOK },
	{ "/proc/self", LOOK },
	{ "/proc/sys/vm/overcommit_memory", LOOK },	/* the C library's allocator */
};
// clang-format on

/* True also if there is nothing at the path: then nothing is lost. */
static bool
allow_path(int rules, const char *path, uint64_t access)
{
	struct landlock_path_beneath_attr beneath = {.allowed_access = access};
	struct stat found;
	bool ok;

	beneath.parent_fd = open(path, O_PATH | O_CLOEXEC);
	if (beneath.parent_fd < 0)
		return true;
	ok = fstat(beneath.parent_fd, &found) == 0;
	if (ok && !S_ISDIR(found.st_mode))
		beneath.allowed_access &= OF_FILES;
	ok = ok &&
	     syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &beneath, 0) == 0;
	close(beneath.parent_fd);
	return ok;
}

/* The directory of a file: the file may be replaced, and its neighbours be made. */
static bool
allow_around(int rules, const char *file, uint64_t access)
{
	char path[CONFIG_PATH_MAX];

	if (*file == '\0')
		return true;
	snprintf(path, sizeof(path), "%s", file);
	return allow_path(rules, dirname(path), access);
}

static bool
allow_paths(int rules, const struct settings *s)
{
	for (size_t i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]); i++)
		if (!allow_path(rules, system_paths[i].path, system_paths[i].access))
			return false;
	return allow_path(rules, s->state_dir, CHANGE) &&
	       allow_around(rules, s->database, CHANGE) && allow_around(rules, s->key_file, LOOK) &&
	       allow_around(rules, s->proxy_token_file, LOOK) &&
	       allow_around(rules, s->verify_ca_file, LOOK);
}

static bool
restrict_files(const struct settings *s, struct sandbox *out)
{
	const struct landlock_ruleset_attr attr = {.handled_access_fs = HANDLED};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	bool ok;

	if (rules < 0)
		return lacks(out, "the kernel has no Landlock");
	ok = allow_paths(rules, s) && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	if (!ok)
		failed(out, "Landlock", errno);
	close(rules);
	out->landlock = ok;
	return ok;
}

#else

static bool
restrict_files(const struct settings *s, struct sandbox *out)
{
	(void)s;
	return lacks(out, "built without Landlock");
}

#endif

/* ---- seccomp ---- */

#ifdef HAVE_SECCOMP

// clang-format off
/* By name, so that a call which an architecture does not have is passed over. */
static const char *const allowed_calls[] = {
	/* memory, threads, the end */
	"brk", "mmap", "mmap2", "munmap", "mprotect", "mremap", "madvise", "mlock", "munlock", "mlock2", "futex", "futex_time64",
	"set_robust_list", "get_robust_list", "rseq", "set_tid_address", "sched_yield", "sched_getaffinity", "membarrier",
	"exit", "exit_group", "restart_syscall", "arch_prctl", "getpid", "getppid", "gettid",
	/* signals: a worker waits for them; add_signals() has the one that it sends */
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigtimedwait_time64", "rt_sigsuspend", "sigaltstack", "alarm", "setitimer",
	/* time, randomness, who we are */
	"clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep", "clock_nanosleep_time64", "nanosleep",
	"gettimeofday", "time", "getrandom", "getuid", "geteuid", "getgid", "getegid", "uname", "sysinfo", "getrusage", "times",
	"umask",
	/* files */
	"open", "openat", "close", "read", "write", "pread64", "pwrite64", "readv", "writev", "lseek", "_llseek",
	"fsync", "fdatasync", "ftruncate", "ftruncate64", "fallocate", "flock", "fcntl", "fcntl64", "dup", "dup3", "fchmod", "fchown",
	"stat", "fstat", "lstat", "newfstatat", "fstatat64", "stat64", "fstat64", "lstat64", "statx", "statfs", "fstatfs",
	"statfs64", "fstatfs64", "access", "faccessat", "faccessat2", "readlink", "readlinkat", "getcwd", "getdents64",
	"unlink", "unlinkat", "rename", "renameat", "renameat2", "pipe2",
	/* the web server's connections, and those to registries and name servers */
	"accept", "accept4", "connect", "bind", "getsockname", "getpeername", "getsockopt", "setsockopt", "shutdown", "socketpair",
	"recv", "recvfrom", "recvmsg", "recvmmsg", "send", "sendto", "sendmsg", "sendmmsg", "ioctl",
	"poll", "ppoll", "ppoll_time64", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd2",
};
/* What nothing here ever does: the process ends. */
static const char *const deadly_calls[] = {
	"execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
	"mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_by_handle_at",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "capset",
	"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "io_uring_setup",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
	"acct", "quotactl", "settimeofday", "clock_settime", "adjtimex", "iopl", "ioperm", "personality",
};
// clang-format on

static int
add_calls(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		int rc =
			number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, number, 0);

		if (rc != 0 && rc != -EDOM) /* not of this architecture */
			return rc;
	}
	return 0;
}

static struct scmp_arg_cmp
argument(unsigned number, enum scmp_compare op, scmp_datum_t a, scmp_datum_t b)
{
	return (struct scmp_arg_cmp){.arg = number, .op = op, .datum_a = a, .datum_b = b};
}

/* Sockets of the kinds in use: no raw ones, no packets, no kernel interfaces but the one that
 * getaddrinfo asks for our addresses. */
static int
add_sockets(scmp_filter_ctx filter)
{
	static const struct {
		int domain, type;
	} kinds[] = {
		{AF_UNIX, SOCK_STREAM}, {AF_UNIX, SOCK_DGRAM},	 {AF_INET, SOCK_STREAM},
		{AF_INET, SOCK_DGRAM},	{AF_INET6, SOCK_STREAM}, {AF_INET6, SOCK_DGRAM},
		{AF_NETLINK, SOCK_RAW},
	};
	const scmp_datum_t type_bits = (scmp_datum_t) ~(SOCK_NONBLOCK | SOCK_CLOEXEC) & 0xffffffff;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int rc = seccomp_rule_add(
			filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
			argument(0, SCMP_CMP_EQ, (scmp_datum_t)kinds[i].domain, 0),
			argument(1, SCMP_CMP_MASKED_EQ, type_bits, (scmp_datum_t)kinds[i].type));

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* One that a process sends itself, as abort() does; and to the master the one that says "ready".
 * Whoever got into a worker could end the pool otherwise, and all that its user runs. */
static int
add_signals(scmp_filter_ctx filter)
{
	const scmp_datum_t all = 0xffffffff;
	int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1,
				  argument(0, SCMP_CMP_MASKED_EQ, all, (scmp_datum_t)getpid()));

	if (rc != 0)
		return rc;
	return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(rt_sigqueueinfo), 2,
				argument(0, SCMP_CMP_MASKED_EQ, all, (scmp_datum_t)getppid()),
				argument(1, SCMP_CMP_MASKED_EQ, all, (scmp_datum_t)SANDBOX_SIGNAL));
}

/* Threads, but no processes.  clone3's flags lie in memory, where a filter cannot look; the default
 * answer to it is ENOSYS, upon which the C library takes clone.  prctl for the names of threads;
 * prlimit to read a limit. */
static int
add_narrow(scmp_filter_ctx filter)
{
	const scmp_datum_t thread = 0x00010000; /* CLONE_THREAD */
	const struct {
		int call;
		struct scmp_arg_cmp argument;
	} calls[] = {
		{SCMP_SYS(clone), argument(0, SCMP_CMP_MASKED_EQ, thread, thread)},
		{SCMP_SYS(prctl), argument(0, SCMP_CMP_EQ, PR_SET_NAME, 0)},
		{SCMP_SYS(prctl), argument(0, SCMP_CMP_EQ, PR_SET_PDEATHSIG, 0)},
		{SCMP_SYS(prlimit64), argument(2, SCMP_CMP_EQ, 0, 0)},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i].call, 1,
					  calls[i].argument);

		if (rc != 0)
			return rc;
	}
	int rc = add_sockets(filter);
	return rc == 0 ? add_signals(filter) : rc;
}

static bool
restrict_calls(bool only_log, struct sandbox *out)
{
	const uint32_t other = only_log ? SCMP_ACT_LOG : SCMP_ACT_ERRNO(ENOSYS);
	const uint32_t deadly = only_log ? SCMP_ACT_LOG : SCMP_ACT_KILL_PROCESS;
	scmp_filter_ctx filter;
	int rc;

	if (seccomp_api_get() == 0)
		return lacks(out, "the kernel has no seccomp filters");
	filter = seccomp_init(other);
	if (filter == NULL)
		return failed(out, "seccomp", ENOMEM);
	rc = add_calls(filter, SCMP_ACT_ALLOW, allowed_calls,
		       sizeof(allowed_calls) / sizeof(allowed_calls[0]));
	if (rc == 0)
		rc = add_narrow(filter);
	if (rc == 0 && !only_log)
		rc = add_calls(filter, deadly, deadly_calls,
			       sizeof(deadly_calls) / sizeof(deadly_calls[0]));
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	out->seccomp = rc == 0;
	out->only_log = only_log;
	return rc == 0 || failed(out, "seccomp", -rc);
}

#else

static bool
restrict_calls(bool only_log, struct sandbox *out)
{
	(void)only_log;
	return lacks(out, "built without libseccomp");
}

#endif

bool
sandbox_enter(const struct settings *s, struct sandbox *out)
{
	*out = (struct sandbox){0};
	if (s->sandbox == SANDBOX_OFF)
		return true;
	if (STAYS_OPEN)
		return lacks(out, "built with a sanitizer");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return lacks(out, "the kernel has no no_new_privs");
	/* Landlock cannot only log: it stays away while somebody looks for what is missing. */
	if (s->sandbox == SANDBOX_ON && !restrict_files(s, out))
		return false;
	return restrict_calls(s->sandbox == SANDBOX_LOG, out);
}

const char *
sandbox_text(const struct sandbox *sandbox)
{
	if (sandbox->only_log)
		return "seccomp that only logs";
	if (sandbox->landlock)
		return sandbox->seccomp ? "landlock, seccomp" : "landlock";
	return sandbox->seccomp ? "seccomp" : "nothing";
}
