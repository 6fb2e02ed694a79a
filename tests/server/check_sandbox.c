/* What a process that has shut itself in can still do, and what not.  Each probe runs in a child of
 * its own, since there is no way back out. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/settings.h"
#include "renew/hide.h"
#include "server/sandbox.h"
#include "service/app.h"

#include "support/support.h"

static char dir[64];	 /* the state directory */
static char outside[96]; /* a file beside it */

static void
write_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, "x", 1), 1);
	close(fd);
}

static void
set_up(void)
{
	snprintf(dir, sizeof(dir), "/tmp/check_sandbox.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(outside, sizeof(outside), "%s.outside", dir);
	write_file(outside);
}

static void
tear_down(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/inside", dir);
	unlink(path);
	ck_assert_int_eq(unlink(outside), 0);
	ck_assert_int_eq(rmdir(dir), 0);
}

/* ---- probes: 0 if the call went through, else its errno ---- */

static int
error_of(bool done)
{
	return done ? 0 : errno;
}

static int
open_at(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);
	int error = error_of(fd >= 0);

	if (fd >= 0)
		close(fd);
	return error;
}

static int
write_inside(void)
{
	char path[96];

	snprintf(path, sizeof(path), "%s/inside", dir);
	return open_at(path, O_RDWR | O_CREAT);
}

static int
read_outside(void)
{
	return open_at(outside, O_RDONLY);
}

static int
write_outside(void)
{
	return open_at(outside, O_WRONLY);
}

static int
write_etc(void)
{
	return open_at("/etc/regcred-probe", O_WRONLY | O_CREAT);
}

static int
read_etc(void)
{
	return open_at("/etc/passwd", O_RDONLY);
}

static int
read_root(void)
{
	return open_at("/", O_RDONLY | O_DIRECTORY);
}

static void *
nothing(void *arg)
{
	return arg;
}

static int
start_thread(void)
{
	pthread_t thread;
	int rc = pthread_create(&thread, NULL, nothing, NULL);

	return rc != 0 ? rc : pthread_join(thread, NULL);
}

static int
resolve_name(void)
{
	struct addrinfo *found = NULL;
	int rc = getaddrinfo("localhost", "80", NULL, &found);

	if (rc == 0)
		freeaddrinfo(found);
	return rc == 0 ? 0 : EHOSTUNREACH;
}

static int
socket_of(int domain, int type)
{
	int fd = socket(domain, type | SOCK_CLOEXEC, 0);
	int error = error_of(fd >= 0);

	if (fd >= 0)
		close(fd);
	return error;
}

static int
stream_socket(void)
{
	return socket_of(AF_INET, SOCK_STREAM);
}

static int
raw_socket(void)
{
	return socket_of(AF_INET, SOCK_RAW);
}

static int
packet_socket(void)
{
	return socket_of(AF_PACKET, SOCK_RAW);
}

static int
fork_process(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return error_of(pid > 0);
}

static int
run_program(void)
{
	char name[] = "true";
	char *argv[] = {name, NULL};

	execv("/bin/true", argv);
	return errno;
}

static int
trace(void)
{
	return error_of(ptrace(PTRACE_TRACEME, 0, NULL, NULL) == 0);
}

static int
mount_something(void)
{
	return error_of(mount("none", dir, "tmpfs", 0, NULL) == 0);
}

static int
become_root(void)
{
	return error_of(setuid(0) == 0);
}

static int
allow_dumps(void)
{
	return error_of(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) == 0);
}

static int
raise_core_limit(void)
{
	const struct rlimit some = {1, 1};

	return error_of(setrlimit(RLIMIT_CORE, &some) == 0);
}

static int
kill_master(void)
{
	return error_of(kill(getppid(), 0) == 0);
}

static int
queue_to(pid_t pid, int number)
{
	const union sigval nothing = {0};

	return error_of(sigqueue(pid, number, nothing) == 0);
}

static int
queue_to_master(void)
{
	return queue_to(getppid(), 0);
}

static int
queue_to_init(void)
{
	return queue_to(1, 0);
}

static int
signal_thread_of_master(void)
{
	return error_of(syscall(SYS_tgkill, getppid(), getppid(), 0) == 0);
}

static int
signal_own_thread(void)
{
	return error_of(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), 0) == 0);
}

enum { DIES = -1 };

static const struct {
	const char *name;
	int (*probe)(void);
	int expected;  /* errno, or DIES */
	bool landlock; /* who forbids it, if it is forbidden */
} probes[] = {
	{"write in the state directory", write_inside, 0, false},
	{"read in /etc", read_etc, 0, false},
	{"start a thread", start_thread, 0, false},
	{"resolve a name", resolve_name, 0, false},
	{"open a connection", stream_socket, 0, false},
	{"read a file elsewhere", read_outside, EACCES, true},
	{"write a file elsewhere", write_outside, EACCES, true},
	{"write in /etc", write_etc, EACCES, true},
	{"list the root directory", read_root, EACCES, true},
	{"raw socket", raw_socket, ENOSYS, false},
	{"packet socket", packet_socket, ENOSYS, false},
	{"start a process", fork_process, ENOSYS, false},
	{"signal a thread of its own", signal_own_thread, 0, false},
	{"signal another process", kill_master, ENOSYS, false},
	{"signal the master", queue_to_master, ENOSYS, false},
	{"signal a third process", queue_to_init, ENOSYS, false},
	{"signal a thread of the master", signal_thread_of_master, ENOSYS, false},
	{"allow core files again", allow_dumps, ENOSYS, false},
	{"raise the limit of core files", raise_core_limit, ENOSYS, false},
	{"run a program", run_program, DIES, false},
	{"trace", trace, DIES, false},
	{"mount", mount_something, DIES, false},
	{"become root", become_root, DIES, false},
};

enum { NOT_HERE = 250, BROKEN = 251 }; /* exit statuses that are no errno of a probe */

static int
shut_in_and_probe(int i, bool on)
{
	struct settings s = {.sandbox = on};
	struct sandbox sandbox;

	snprintf(s.state_dir, sizeof(s.state_dir), "%s", dir);
	snprintf(s.database, sizeof(s.database), "%s/regcred.db", dir);
	snprintf(s.key_file, sizeof(s.key_file), "%s/master.key", dir);
	if (!sandbox_enter(&s, SANDBOX_SERVER, &sandbox))
		return BROKEN;
	if (on && probes[i].expected != 0 &&
	    !(probes[i].landlock ? sandbox.landlock : sandbox.seccomp))
		return NOT_HERE;
	return probes[i].probe();
}

static int
status_of_probe(int i, bool on)
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(shut_in_and_probe(i, on));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	return status;
}

START_TEST(a_process_that_is_shut_in_has_what_it_needs_and_no_more)
{
	int status = status_of_probe(_i, true);

	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE) {
		fprintf(stderr, "not in force here: %s\n", probes[_i].name);
		return;
	}
	if (probes[_i].expected == DIES) {
		ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS, "%s: status 0x%x",
			      probes[_i].name, (unsigned)status);
		return;
	}
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == probes[_i].expected,
		      "%s: status 0x%x", probes[_i].name, (unsigned)status);
}
END_TEST

/* The control: without the sandbox the same probes get through, or the tests above prove nothing.
 */
START_TEST(without_a_sandbox_nothing_is_forbidden)
{
	static const char *const free_for_all[] = {
		"read a file elsewhere", "write a file elsewhere", "list the root directory",
		"start a process",	 "signal the master",	   "signal a thread of the master"};
	int passed = 0;

	for (int i = 0; (size_t)i < COUNT_OF(probes); i++)
		for (size_t k = 0; k < sizeof(free_for_all) / sizeof(free_for_all[0]); k++)
			if (strcmp(probes[i].name, free_for_all[k]) == 0)
				passed += status_of_probe(i, false) == 0;
	ck_assert_int_eq(passed, COUNT_OF(free_for_all));
}
END_TEST

/* clang-format off */
/* The refresher's settings, the program that it starts in a process of its own, and that one's exit status: EACCES where Landlock
 * refuses it; "SCRIPT" stands for one that ends with 7. */
static const struct { const char *programs, *path; int expected; } starts[] = {
	{ "true=/bin/true", "/bin/true", 0 },
	{ "true=/bin/true", "/bin/false", EACCES },
	{ "true=/bin/true", "/bin/sh", EACCES },
	{ "true=/bin/true", "SCRIPT", EACCES },
	{ "a=SCRIPT b=/bin/true", "SCRIPT", 7 },
	{ "a=SCRIPT b=/bin/true", "/bin/true", 0 },
	{ "gone=/nowhere/at/all", "/bin/true", EACCES },
	{ "", "/bin/true", ENOSYS }, /* not even the process */
};
/* clang-format on */

static char script[128];

static const char *
with_script(char *out, size_t size, const char *text)
{
	const char *at = strstr(text, "SCRIPT");

	if (at == NULL)
		return text;
	snprintf(out, size, "%.*s%s%s", (int)(at - text), text, script, at + strlen("SCRIPT"));
	return out;
}

static void
write_script(void)
{
	static const char text[] = "#! /bin/sh -e\nexit 7\n";
	int fd;

	snprintf(script, sizeof(script), "%s.script", dir);
	fd = open(script, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0700);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	close(fd);
}

static int
refresher_starts(const char *programs, const char *path)
{
	struct settings s = {.sandbox = 1};
	char room[256], name[] = "program";
	char *argv[] = {name, NULL}, *environment[] = {NULL};
	struct sandbox sandbox;
	int status;

	snprintf(s.state_dir, sizeof(s.state_dir), "%s", dir);
	snprintf(s.refresh_programs, sizeof(s.refresh_programs), "%s",
		 with_script(room, sizeof(room), programs));
	if (!sandbox_enter(&s, SANDBOX_REFRESHER, &sandbox))
		return BROKEN;
	if (!sandbox.landlock || !sandbox.seccomp)
		return NOT_HERE;
	pid_t pid = fork();
	if (pid == 0) {
		execve(with_script(room, sizeof(room), path), argv, environment);
		_exit(errno);
	}
	if (pid < 0)
		return errno;
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return BROKEN;
	return WEXITSTATUS(status);
}

START_TEST(the_refresher_starts_what_the_settings_list_and_nothing_else)
{
	int status;

	write_script();
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(refresher_starts(starts[_i].programs, starts[_i].path));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(unlink(script), 0);
	if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_HERE)
		return;
	ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == starts[_i].expected,
		      "status 0x%x", (unsigned)status);
}
END_TEST

#if defined(HAVE_POSTGRESQL) && defined(HAVE_LANDLOCK)
/* What opens a database on a server is hidden, but not what everybody may read. */
static int
look_as_a_program(const char *public)
{
	enum { LANDLOCK_VERSION = 1 };
	struct settings s = {.refresh_programs = "true=/bin/true"};

	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION) < 0)
		return NOT_HERE;
	snprintf(s.state_dir, sizeof(s.state_dir), "%s", dir);
	snprintf(s.database, sizeof(s.database),
		 "postgresql://localhost/regcred?passfile=%s&sslrootcert=%s", outside, public);
	app_hide_files(&s);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || !hide_enter())
		return BROKEN;
	return read_outside() == EACCES && open_at(public, O_RDONLY) == 0 ? 0 : BROKEN;
}

START_TEST(no_program_reads_the_password_of_a_database)
{
	char public[128];
	int status;

	snprintf(public, sizeof(public), "%s.public", dir);
	write_file(public);
	ck_assert_int_eq(chmod(public, 0644), 0);
	pid_t pid = fork();
	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(look_as_a_program(public));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_int_eq(unlink(public), 0);
	ck_assert(WIFEXITED(status) &&
		  (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == NOT_HERE));
}
END_TEST
#endif

/* Under a filter that answers seccomp(2) so, as old container profiles and emulators do. */
static int
enter_without_seccomp(int error)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_seccomp, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	const struct sock_fprog program = {COUNT_OF(code), code};
	struct settings s = {.sandbox = 1};
	struct sandbox sandbox;

	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
	    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0)
		return NOT_HERE;
	snprintf(s.state_dir, sizeof(s.state_dir), "%s", dir);
	if (!sandbox_enter(&s, SANDBOX_SERVER, &sandbox) || sandbox.seccomp ||
	    sandbox.missing[0] == '\0')
		return BROKEN;
	return 0;
}

START_TEST(a_kernel_without_seccomp_is_gone_on_with)
{
	static const int errors[] = {ENOSYS, EPERM, EINVAL};
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(enter_without_seccomp(errors[_i]));
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert_msg(WIFEXITED(status) &&
			      (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == NOT_HERE),
		      "status 0x%x", (unsigned)status);
}
END_TEST

START_TEST(the_text_says_what_is_in_force)
{
	const struct sandbox all = {.landlock = true, .seccomp = true}, none = {0},
			     files = {.landlock = true}, calls = {.seccomp = true};

	ck_assert_str_eq(sandbox_text(&all), "landlock, seccomp");
	ck_assert_str_eq(sandbox_text(&none), "nothing");
	ck_assert_str_eq(sandbox_text(&files), "landlock");
	ck_assert_str_eq(sandbox_text(&calls), "seccomp");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("sandbox");
	TCase *tc = tcase_create("sandbox");

	tcase_add_checked_fixture(tc, set_up, tear_down);
	tcase_add_loop_test(tc, a_process_that_is_shut_in_has_what_it_needs_and_no_more, 0,
			    COUNT_OF(probes));
	tcase_add_test(tc, without_a_sandbox_nothing_is_forbidden);
	tcase_add_loop_test(tc, a_kernel_without_seccomp_is_gone_on_with, 0, 3);
	tcase_add_loop_test(tc, the_refresher_starts_what_the_settings_list_and_nothing_else, 0,
			    COUNT_OF(starts));
#if defined(HAVE_POSTGRESQL) && defined(HAVE_LANDLOCK)
	tcase_add_test(tc, no_program_reads_the_password_of_a_database);
#endif
	tcase_add_test(tc, the_text_says_what_is_in_force);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
