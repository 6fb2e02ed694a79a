/* sandbox: the files (Landlock) and the system calls (seccomp) that a process of the pool may use.
 *
 * The tables are the whole policy.  Files: those not listed are inaccessible. System calls: those
 * that only an intruder makes kill the process, which the master logs; some more fail with ENOSYS,
 * as on an older kernel; the rest is allowed, so that a new C library works. The systemd unit adds
 * systemd's own allow-list.
 */
#include "server/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <link.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifdef HAVE_LANDLOCK
#include <linux/landlock.h>
#endif
#ifdef HAVE_SECCOMP
#include <linux/seccomp.h>
#include <seccomp.h>
#endif

#include "base/harden.h"
#include "base/settings.h"
#include "renew/program.h"
#include "store/store.h"

/* Sanitizers trace the process from outside and read other files. Coverage data is written into the
 * build tree at exit. */
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

#ifdef HAVE_LANDLOCK

#define LOOK ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR)
#define CHANGE                                                                                     \
	(LOOK | LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE |                   \
	 LANDLOCK_ACCESS_FS_MAKE_REG)
/* All rights of the first version of Landlock.  Truncation (third version) is not handled: a
 * process that may write may truncate. */
#define HANDLED                                                                                    \
	(CHANGE | LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_REMOVE_DIR |                     \
	 LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_DIR |                              \
	 LANDLOCK_ACCESS_FS_MAKE_SOCK | LANDLOCK_ACCESS_FS_MAKE_FIFO |                             \
	 LANDLOCK_ACCESS_FS_MAKE_BLOCK | LANDLOCK_ACCESS_FS_MAKE_SYM)
/* The rights that apply to a file that is not a directory. */
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
	{ "/run/systemd/resolve", LOOK },	/* possible target of the link resolv.conf */
	{ "/run/resolvconf", LOOK },
	{ "/run/NetworkManager", LOOK },
	{ "/run/nscd", LOOK },
	{ "/dev/null", LOOK | LANDLOCK_ACCESS_FS_WRITE_FILE },
	{ "/dev/urandom", LOOK },
	{ "/dev/random", LOOK },
	{ "/proc/locks", LOOK },			/* who holds the writers' lock */
	{ "/proc/self", LOOK },
	{ "/proc/sys/vm/overcommit_memory", LOOK },	/* the C library's allocator */
};
// clang-format on

/* Also true if the path does not exist. */
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

/* Allows the directory of a file, so that the file can be replaced and others created next to it.
 */
static bool
allow_around(int rules, const char *file, uint64_t access)
{
	char path[CONFIG_PATH_MAX];

	if (*file == '\0')
		return true;
	snprintf(path, sizeof(path), "%s", file);
	return allow_path(rules, dirname(path), access);
}

#define RUN ((uint64_t)LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_EXECUTE)

/* Allows what loads programs, which is what has loaded this one. */
static int
allow_loader(struct dl_phdr_info *info, size_t size, void *rules)
{
	(void)size;
	for (size_t i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_INTERP)
			return allow_path(*(int *)rules,
					  (const char *)info->dlpi_addr +
						  info->dlpi_phdr[i].p_vaddr,
					  RUN)
				       ? 0
				       : -1;
	return 0;
}

/* Allows a program, and the interpreter that a script names in its first line. */
static bool
allow_program(int rules, const char *path)
{
	char line[256], *interpreter = line + 2;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len = fd < 0 ? 0 : read(fd, line, sizeof(line) - 1);

	if (fd >= 0)
		close(fd);
	line[len < 0 ? 0 : len] = '\0';
	if (strncmp(line, "#!", 2) == 0) {
		interpreter += strspn(interpreter, " \t");
		interpreter[strcspn(interpreter, " \t\n")] = '\0';
		if (*interpreter == '/' && !allow_path(rules, interpreter, RUN))
			return false;
	}
	return allow_path(rules, path, RUN);
}

static bool
allow_programs(int rules, const char *list)
{
	struct program program;

	if (*list != '\0' && dl_iterate_phdr(allow_loader, &rules) != 0)
		return false;
	while (program_next(&list, &program))
		if (!allow_program(rules, program.path))
			return false;
	return true;
}

/* A server's password and certificates are read again with each connection. */
static bool
allow_database(int rules, const char *database)
{
	char files[STORE_FILES_MAX][STORE_FILE_SIZE];

	if (store_is_file(database))
		return allow_around(rules, database, CHANGE);
	for (size_t i = 0, count = store_files(database, false, files); i < count; i++)
		if (!allow_path(rules, files[i], LOOK))
			return false;
	return true;
}

static bool
allow_paths(int rules, const struct settings *s, enum sandbox_for who)
{
	if (who == SANDBOX_REFRESHER && (!allow_programs(rules, s->refresh_programs) ||
					 !allow_path(rules, s->refresh_tokens_dir, LOOK)))
		return false;
	for (size_t i = 0; i < s->token_count; i++)
		if (s->tokens[i].keys[0] == '/' && !allow_around(rules, s->tokens[i].keys, LOOK))
			return false;
	for (size_t i = 0; i < sizeof(system_paths) / sizeof(system_paths[0]); i++)
		if (!allow_path(rules, system_paths[i].path, system_paths[i].access))
			return false;
	return allow_path(rules, s->state_dir, CHANGE) && allow_database(rules, s->database) &&
	       allow_around(rules, s->key_file, LOOK) &&
	       allow_around(rules, s->proxy_token_file, LOOK) &&
	       allow_around(rules, s->verify_ca_file, LOOK);
}

static bool
restrict_files(const struct settings *s, enum sandbox_for who, struct sandbox *out)
{
	const struct landlock_ruleset_attr attr = {.handled_access_fs = HANDLED};
	int rules = (int)syscall(SYS_landlock_create_ruleset, &attr, sizeof(attr), 0);
	bool ok;

	if (rules < 0)
		return lacks(out, "the kernel has no Landlock");
	ok = allow_paths(rules, s, who) && syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	if (!ok)
		failed(out, "Landlock", errno);
	close(rules);
	out->landlock = ok;
	return ok;
}

#else

static bool
restrict_files(const struct settings *s, enum sandbox_for who, struct sandbox *out)
{
	(void)s;
	(void)who;
	return lacks(out, "built without Landlock");
}

#endif

/* ---- seccomp ---- */

#ifdef HAVE_SECCOMP

// clang-format off
/* By name, so that a call which an architecture does not have is passed over.  What only an intruder
 * does: the process ends. */
static const char *const deadly_calls[] = {
	"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "pidfd_getfd",
	"mount", "umount2", "pivot_root", "chroot", "unshare", "setns", "open_by_handle_at",
	"setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid", "setgroups", "capset",
	"bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "io_uring_setup",
	"init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff",
	"acct", "quotactl", "settimeofday", "clock_settime", "adjtimex", "iopl", "ioperm", "personality",
};
/* The same, where no program may be started. */
static const char *const starting_calls[] = { "execve", "execveat", "fork", "vfork" };
/* What a library may try, and does without where a kernel does not have it.  clone3's flags are in
 * memory, where a filter cannot look: the C library takes clone instead. */
static const char *const refused_calls[] = {
	"clone3", "tkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "pidfd_open", "pidfd_send_signal", "process_madvise",
	"setfsuid", "setfsgid", "setrlimit", "mknod", "mknodat", "open_tree", "move_mount", "fsopen", "fsmount", "fspick", "mount_setattr",
	"io_uring_enter", "io_uring_register", "io_setup", "vmsplice", "fanotify_init", "syslog", "clock_adjtime",
	"msgget", "semget", "shmget", "mq_open", "uselib", "vhangup",
};
// clang-format on

static int
add_calls(scmp_filter_ctx filter, uint32_t action, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int number = seccomp_syscall_resolve_name(names[i]);
		int rc =
			number == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, action, number, 0);

		if (rc != 0 && rc != -EDOM) /* does not exist on this architecture */
			return rc;
	}
	return 0;
}

static struct scmp_arg_cmp
argument(unsigned number, enum scmp_compare op, scmp_datum_t a, scmp_datum_t b)
{
	return (struct scmp_arg_cmp){.arg = number, .op = op, .datum_a = a, .datum_b = b};
}

static const uint32_t refuse = SCMP_ACT_ERRNO(ENOSYS);

/* Refuses unused kinds of sockets: raw, packet, and kernel interfaces except the one that
 * getaddrinfo uses to list addresses. */
static int
add_sockets(scmp_filter_ctx filter)
{
	const scmp_datum_t all = 0xffffffff, type_bits = 0xf;
	int rc = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), 1,
				  argument(0, SCMP_CMP_GT, AF_NETLINK, 0));

	for (int domain = 0; rc == 0 && domain < AF_NETLINK; domain++) {
		bool used = domain == AF_UNIX || domain == AF_INET || domain == AF_INET6;

		rc = seccomp_rule_add(filter, refuse, SCMP_SYS(socket), used ? 2 : 1,
				      argument(0, SCMP_CMP_MASKED_EQ, all, (scmp_datum_t)domain),
				      argument(1, SCMP_CMP_MASKED_EQ, type_bits, SOCK_RAW));
	}
	return rc;
}

/* Calls refused only with certain arguments: creating processes rather than threads, signals to
 * others, enabling debuggers and core files, changing limits. */
static int
add_narrow(scmp_filter_ctx filter, bool starts)
{
	const scmp_datum_t thread = 0x00010000; /* CLONE_THREAD */
	const struct {
		int call;
		struct scmp_arg_cmp argument;
		bool starts; /* also where programs may be started */
	} calls[] = {
		{SCMP_SYS(clone), argument(0, SCMP_CMP_MASKED_EQ, thread, 0), false},
		{SCMP_SYS(kill), argument(0, SCMP_CMP_GE, 0, 0), false},
		{SCMP_SYS(tgkill), argument(0, SCMP_CMP_NE, (scmp_datum_t)getpid(), 0), false},
		{SCMP_SYS(prctl), argument(0, SCMP_CMP_EQ, PR_SET_DUMPABLE, 0), true},
		{SCMP_SYS(prctl), argument(0, SCMP_CMP_EQ, PR_SET_PTRACER, 0), true},
		{SCMP_SYS(prlimit64), argument(2, SCMP_CMP_NE, 0, 0), true},
		{SCMP_SYS(ioctl), argument(1, SCMP_CMP_EQ, TIOCSTI, 0), true},
	};

	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++) {
		int rc = starts && !calls[i].starts
				 ? 0
				 : seccomp_rule_add(filter, refuse, calls[i].call, 1,
						    calls[i].argument);

		if (rc != 0)
			return rc;
	}
	return add_sockets(filter);
}

/* Asks the kernel, because the library always claims support. */
static bool
can_kill(void)
{
	uint32_t action = SECCOMP_RET_KILL_PROCESS;

	return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

static bool
restrict_calls(bool starts, struct sandbox *out)
{
	scmp_filter_ctx filter;
	int rc;

	if (!can_kill())
		return lacks(out, "the kernel has no seccomp filters");
	filter = seccomp_init(SCMP_ACT_ALLOW);
	if (filter == NULL)
		return failed(out, "seccomp", ENOMEM);
	rc = add_calls(filter, SCMP_ACT_KILL_PROCESS, deadly_calls,
		       sizeof(deadly_calls) / sizeof(deadly_calls[0]));
	if (rc == 0 && !starts)
		rc = add_calls(filter, SCMP_ACT_KILL_PROCESS, starting_calls,
			       sizeof(starting_calls) / sizeof(starting_calls[0]));
	if (rc == 0)
		rc = add_calls(filter, refuse, refused_calls,
			       sizeof(refused_calls) / sizeof(refused_calls[0]));
	if (rc == 0)
		rc = add_narrow(filter, starts);
	if (rc == 0)
		rc = seccomp_load(filter);
	seccomp_release(filter);
	out->seccomp = rc == 0;
	return rc == 0 || failed(out, "seccomp", -rc);
}

#else

static bool
restrict_calls(bool starts, struct sandbox *out)
{
	(void)starts;
	return lacks(out, "built without libseccomp");
}

#endif

bool
sandbox_enter(const struct settings *s, enum sandbox_for who, struct sandbox *out)
{
	bool starts = who == SANDBOX_REFRESHER && *s->refresh_programs != '\0';

	*out = (struct sandbox){0};
	if (!s->sandbox)
		return true;
	if (STAYS_OPEN)
		return lacks(out, "built with a sanitizer");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return lacks(out, "the kernel has no no_new_privs");
	return restrict_files(s, who, out) && restrict_calls(starts, out);
}

const char *
sandbox_text(const struct sandbox *sandbox)
{
	if (sandbox->landlock)
		return sandbox->seccomp ? "landlock, seccomp" : "landlock";
	return sandbox->seccomp ? "seccomp" : "nothing";
}
