/* check_exec: programs that renew a login: what they are asked, what they may answer, what they may
 * do, and what of it is logged. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "renew/hide.h"
#include "renew/program.h"
#include "renew/sources.h"

#include "support/sources.h"
#include "support/support.h"

static struct renewal r;
static bool trusts; /* the programs of these tests, which are where anybody may write */

const char *__wrap_program_distrust(struct arena *arena, const char *path);
const char *__real_program_distrust(struct arena *arena, const char *path);

const char *
__wrap_program_distrust(struct arena *arena, const char *path)
{
	return trusts ? NULL : __real_program_distrust(arena, path);
}

ARENA_FIXTURE((trusts = true,
	       r = sources_renewal(a, source_find("exec"), "{'program':'p','lifetimeSeconds':3600}",
				   "registry.example:5000")))

static void
end(void)
{
	sources_renewal_end(&r);
	teardown();
}

#define ck_assert_result(result, wanted)                                                           \
	ck_assert_msg((result) == (wanted), "%s: %s", renew_result_word(result), r.message)

/* Makes a program of these lines of shell, and its place in the list. */
static void
make_program(const char *style, const char *script)
{
	const char *path = rig_path("program");
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fprintf(f, "#!/bin/sh\n%s\n", script), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, 0755), 0);
	sources_settings.programs = arena_printf(a, "other=/bin/false p=%s:%s", style, path);
}

static enum renew_result
run_program(const char *style, const char *script)
{
	make_program(style, script);
	r.message = NULL;
	r.expires_ms = 0;
	return exec_fetch(&r);
}

/* What is logged meanwhile. */
static char logged[4096];

static enum renew_result
run_logged(const char *style, const char *script)
{
	const char *path = rig_path("log");
	int kept = dup(STDERR_FILENO);
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	log_set_level(LOG_WARN);
	ck_assert(kept >= 0 && file >= 0 && dup2(file, STDERR_FILENO) >= 0);
	enum renew_result result = run_program(style, script);
	ck_assert(dup2(kept, STDERR_FILENO) >= 0);
	memset(logged, 0, sizeof(logged));
	ck_assert_int_ge(pread(file, logged, sizeof(logged) - 1, 0), 0);
	close(kept);
	close(file);
	return result;
}

/* clang-format off */
#define ECHO(text) "printf '%s\\n' '" text "'"
#define DOCKER(server, user, secret) ECHO("{\"ServerURL\":\"" server "\",\"Username\":\"" user "\",\"Secret\":\"" secret "\"}")
#define KUBELET(lasts, logins) ECHO("{\"kind\":\"CredentialProviderResponse\",\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\"," \
	"\"cacheKeyType\":\"Registry\"," lasts "\"auth\":{" logins "}}")
#define KUBECTL(status) ECHO("{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{" status "}}")
#define LOGIN(key) "\"" key "\":{\"username\":\"u\",\"password\":\"s\"}"
#define NOT_JSON "The program's answer is not JSON."

/* The protocol and the program; the result; where it succeeds user, secret and life in seconds, else the sentence's beginning. */
static const struct { const char *style, *script; enum renew_result result; const char *user, *text; int life_s; } answers[] = {
	{ "docker", DOCKER("registry.example:5000", "u", "s3cret"), RENEW_REFRESHED, "u", "s3cret", 3600 },
	{ "docker", DOCKER("https://registry.example:5000/v1/", "u", "s"), RENEW_REFRESHED, "u", "s", 3600 },
	{ "docker", DOCKER("", "u", "s"), RENEW_REFRESHED, "u", "s", 3600 },
	{ "docker", DOCKER("registry.example:5000", "<token>", "identity"), RENEW_REFRESHED, "<token>", "identity", 3600 },
	{ "docker", "test \"$(cat)\" = registry.example:5000 && test \"$*\" = get && " DOCKER("", "u", "s"),
	  RENEW_REFRESHED, "u", "s", 3600 },
	/* Web tokens say their own end: 2100 and 2001. */
	{ "docker", DOCKER("", "u", "eyJhbGciOiAibm9uZSJ9.eyJleHAiOiA0MTAyNDQ0ODAwfQ.x"), RENEW_REFRESHED, "u", "eyJhbGciOiAibm9uZSJ9.eyJleHAiOiA0MTAyNDQ0ODAwfQ.x", 86400 },
	{ "docker", DOCKER("", "u", "eyJhbGciOiAibm9uZSJ9.eyJleHAiOiAxMDAwMDAwMDAwfQ.x"), RENEW_BAD_ANSWER, NULL, "The source gave a secret that has expired", 0 },
	{ "docker", DOCKER("registry.example", "u", "s"), RENEW_BAD_ANSWER, NULL, "The program's answer is a login for another registry.", 0 },
	{ "docker", DOCKER("", "", "s"), RENEW_BAD_ANSWER, NULL, "The program's answer lacks Username or Secret.", 0 },
	{ "docker", DOCKER("", "u", ""), RENEW_BAD_ANSWER, NULL, "The program's answer lacks Username or Secret.", 0 },
	{ "docker", DOCKER("", "u", "a\\nb"), RENEW_BAD_ANSWER, NULL, "The program's answer lacks Username or Secret.", 0 },
	{ "docker", ECHO("[]"), RENEW_BAD_ANSWER, NULL, "The program's answer lacks Username or Secret.", 0 },
	{ "docker", ECHO("<html>"), RENEW_BAD_ANSWER, NULL, NOT_JSON, 0 },
	{ "docker", ":", RENEW_BAD_ANSWER, NULL, NOT_JSON, 0 },
	{ "docker", "printf '{\"Username\":\"u\\0\"}'", RENEW_BAD_ANSWER, NULL, NOT_JSON, 0 },
	{ "docker", DOCKER("", "u", "s") "; " DOCKER("", "u", "s"), RENEW_BAD_ANSWER, NULL, NOT_JSON, 0 },
	{ "docker", "echo credentials not found in native keychain; exit 1", RENEW_SOURCE_REFUSED, NULL, "The program has no login for", 0 },
	{ "docker", "echo no credentials server URL; exit 1", RENEW_BAD_ANSWER, NULL, "The program did not take the registry's name", 0 },
	{ "docker", "echo no credentials username; exit 1", RENEW_SOURCE_REFUSED, NULL, "The program's login for this registry has no user", 0 },
	{ "docker", "echo something else; exit 1", RENEW_BAD_ANSWER, NULL, "The program ended with status 1", 0 },
	{ "docker", DOCKER("", "u", "s") "; exit 7", RENEW_BAD_ANSWER, NULL, "The program ended with status 7", 0 },
	{ "docker", "kill -SEGV $$", RENEW_BAD_ANSWER, NULL, "The program crashed with signal 11.", 0 },
	{ "docker", "head -c 1048576 /dev/zero", RENEW_BAD_ANSWER, NULL, "The program printed more than 64 KiB.", 0 },
	{ "docker", "yes", RENEW_BAD_ANSWER, NULL, "The program printed more than 64 KiB.", 0 },
	{ "docker", "head -c 1048576 /dev/zero >&2; " DOCKER("", "u", "s"), RENEW_REFRESHED, "u", "s", 3600 },
	{ "docker", "exec <&- >&- 2>&-; exec true", RENEW_BAD_ANSWER, NULL, NOT_JSON, 0 },
	{ "kubelet", KUBELET("\"cacheDuration\":\"10m30s\",", LOGIN("registry.example:5000")), RENEW_REFRESHED, "u", "s", 630 },
	{ "kubelet", KUBELET("\"cacheDuration\":\"1.5h\",", LOGIN("*.example:5000/acme")), RENEW_REFRESHED, "u", "s", 5400 },
	{ "kubelet", KUBELET("\"cacheDuration\":\"0s\",", LOGIN("registry.*:5000")), RENEW_REFRESHED, "u", "s", 3600 },
	{ "kubelet", KUBELET("", LOGIN("other.example") "," LOGIN("registry.example:5000")), RENEW_REFRESHED, "u", "s", 3600 },
	{ "kubelet", "test \"$(cat)\" = '{\"apiVersion\":\"credentialprovider.kubelet.k8s.io/v1\",\"kind\":\"CredentialProviderRequest\","
	  "\"image\":\"registry.example:5000\"}' && test $# = 0 && " KUBELET("", LOGIN("registry.example:5000")), RENEW_REFRESHED, "u", "s", 3600 },
	{ "kubelet", KUBELET("", LOGIN("*:5000")), RENEW_BAD_ANSWER, NULL, "The program's answer has no login for this registry.", 0 },
	{ "kubelet", KUBELET("", LOGIN("registry.example")), RENEW_BAD_ANSWER, NULL, "The program's answer has no login for", 0 },
	{ "kubelet", KUBELET("", ""), RENEW_BAD_ANSWER, NULL, "The program's answer has no login for this registry.", 0 },
	{ "kubelet", KUBELET("\"cacheDuration\":\"soon\",", LOGIN("*.example:5000")), RENEW_BAD_ANSWER, NULL, "The program's cacheDuration", 0 },
	{ "kubelet", KUBELET("\"cacheDuration\":\"-1h\",", LOGIN("*.example:5000")), RENEW_BAD_ANSWER, NULL, "The program's cacheDuration", 0 },
	{ "kubelet", KUBELET("\"cacheDuration\":\"nanh\",", LOGIN("*.example:5000")), RENEW_BAD_ANSWER, NULL, "The program's cacheDuration", 0 },
	{ "kubelet", KUBELET("\"cacheDuration\":\"9999999999h\",", LOGIN("*.example:5000")), RENEW_BAD_ANSWER, NULL, "The program's cacheDur", 0 },
	{ "kubelet", KUBELET("", "\"*.example:5000\":{\"username\":\"u\"}"), RENEW_BAD_ANSWER, NULL, "The program's answer lacks username or", 0 },
	{ "kubelet", DOCKER("", "u", "s"), RENEW_BAD_ANSWER, NULL, "The program's answer is not a CredentialProviderResponse.", 0 },
	{ "kubectl", KUBECTL("\"token\":\"t0\",\"expirationTimestamp\":\"2099-01-01T00:00:00Z\""), RENEW_REFRESHED, NULL, "t0", 86400 },
	{ "kubectl", KUBECTL("\"token\":\"t0\""), RENEW_REFRESHED, NULL, "t0", 3600 },
	{ "kubectl", "case $KUBERNETES_EXEC_INFO in *ExecCredential*) " KUBECTL("\"token\":\"t0\"") ";; esac", RENEW_REFRESHED, NULL, "t0", 3600 },
	{ "kubectl", KUBECTL("\"token\":\"t0\",\"expirationTimestamp\":\"2001-01-01T00:00:00Z\""), RENEW_BAD_ANSWER, NULL, "The source gave a secret", 0 },
	{ "kubectl", KUBECTL("\"token\":\"t0\",\"expirationTimestamp\":\"soon\""), RENEW_BAD_ANSWER, NULL, "The program's expirationTimestamp", 0 },
	{ "kubectl", KUBECTL("\"clientKeyData\":\"k\""), RENEW_BAD_ANSWER, NULL, "The program's answer lacks status.token.", 0 },
};

/* What it writes to stderr when it fails; what of it is logged, behind the program's name and status. */
#define HIDDEN "what it wrote to stderr is not shown, as it may be a secret"
static const struct { const char *said, *shown; } errors[] = {
	{ "no connection to the server", "no connection to the server" },
	{ "dial tcp 10.0.0.1:443: connect: connection refused", "dial tcp ...: connect: connection refused" },
	{ "first line of it\nsecond line", "first line of it" },
	{ "cannot reach the server at https://vault.example/v1", "cannot reach the server at ..." },
	{ "it said s3cret-of-another to me", "it said ... to me" },
	{ "the password is swordfish", HIDDEN },
	{ "I sent the wrong password swordfish", "I sent the wrong ..." },
	{ "swordfish", HIDDEN },
	{ "AKIAIOSFODNN7EXAMPLE", HIDDEN },
	{ "eyJhbGciOi.eyJzdWIi.c2ln is not good", "... is not good" },
	{ "the server (at 10.0.0.1) said: 'no way, code 42'.", "the server (at ...) said: 'no way, code 42'." },
	{ "", "" },
};
/* clang-format on */

START_TEST(every_answer_has_its_result)
{
	int64_t life;

	r.user = "present";
	ck_assert_result(run_program(answers[_i].style, answers[_i].script), answers[_i].result);
	if (answers[_i].result != RENEW_REFRESHED) {
		ck_assert_msg(strncmp(r.message, answers[_i].text, strlen(answers[_i].text)) == 0,
			      "%s", r.message);
		return;
	}
	ck_assert_pstr_eq(r.new_user, answers[_i].user);
	ck_assert_str_eq(r.new_secret, answers[_i].text);
	life = (r.expires_ms - r.now_ms) / 1000;
	ck_assert_msg(answers[_i].life_s == 86400 ? life > 86400 : life == answers[_i].life_s,
		      "%lld", (long long)life);
}
END_TEST

START_TEST(of_stderr_no_word_is_logged_that_may_be_a_secret)
{
	ck_assert_result(run_logged("docker", arena_printf(a, "cat >&2 <<'END'\n%s\nEND\nexit 3",
							   errors[_i].said)),
			 RENEW_BAD_ANSWER);
	ck_assert_msg(strstr(logged, "the program p of refresh_programs ended with status 3") !=
			      NULL,
		      "%s", logged);
	ck_assert_msg(strstr(logged, errors[_i].shown) != NULL, "%s", logged);
	ck_assert_ptr_null(strstr(logged, "swordfish"));
	ck_assert_ptr_null(strstr(logged, "s3cret"));
}
END_TEST

START_TEST(a_program_that_gave_a_secret_logs_nothing)
{
	ck_assert_result(run_logged("docker", "echo plain words of it >&2; " DOCKER("", "u", "s")),
			 RENEW_REFRESHED);
	ck_assert_str_eq(logged, "");
	ck_assert_result(
		run_logged("docker", "printf 'a\\033[2J\\007b two three four\\n' >&2; exit 1"),
		RENEW_BAD_ANSWER);
	ck_assert_ptr_null(strchr(logged, '\033'));
	ck_assert_ptr_null(strchr(logged, '\007'));
}
END_TEST

START_TEST(without_a_life_it_is_told_to_set_one)
{
	static const char *const odd[] = {"0", "-1", "0.5", "1e-9", "1e300", "31536001"};

	r.config = rig_json(a, "{\"program\":\"p\"}");
	ck_assert_result(run_program("docker", DOCKER("", "u", "s")), RENEW_MISCONFIGURED);
	ck_assert_str_eq(r.message, "The program does not say how long its secret lives: set "
				    "lifetimeSeconds in sourceConfig.");
	for (size_t i = 0; i < COUNT_OF(odd); i++) {
		r.config = rig_json(
			a, arena_printf(a, "{\"program\":\"p\",\"lifetimeSeconds\":%s}", odd[i]));
		ck_assert_result(run_program("docker", DOCKER("", "u", "s")), RENEW_MISCONFIGURED);
		ck_assert_str_eq(r.message,
				 "The member \"lifetimeSeconds\" of sourceConfig has to be "
				 "a number of seconds, from 1 to 31536000.");
	}
	r.config = rig_json(a, "{\"program\":\"p\"}");
	ck_assert_result(run_program("kubectl", KUBECTL("\"token\":\"t\"")), RENEW_MISCONFIGURED);
	ck_assert_ptr_nonnull(strstr(r.message, "set publicValue"));
}
END_TEST

START_TEST(a_hub_has_dockers_name_for_it)
{
	r.address = "docker.io";
	ck_assert_result(
		run_program("docker", "test \"$(cat)\" = https://index.docker.io/v1/ && " DOCKER(
					      "https://index.docker.io/v1/", "u", "s")),
		RENEW_REFRESHED);
	ck_assert_result(run_program("kubelet", KUBELET("", LOGIN("index.docker.io"))),
			 RENEW_REFRESHED);
}
END_TEST

START_TEST(it_is_alone)
{
	sources_settings.environment = "HOME=/nowhere LANG=C nothing";
	ck_assert_int_eq(setenv("SECRET_OF_THE_SERVER", "s", 1), 0);
	/* Its directory, session and group, what is open, its rights, its variables, its signals;
	 * 32 and 33 are the C library's own. */
	ck_assert_result(
		run_logged(
			"docker",
			"set -e; test \"$(pwd)\" = / || exit 11\n"
			"read pid name state ppid group session rest </proc/$$/stat\n"
			"test $group = $$ && test $session = $$ || exit 12\n"
			"ls /proc/$$/fd >$0.left; grep -v -x -e 0 -e 1 -e 2 -e 10 -e 11 $0.left && "
			"exit 13\n"
			"grep -q 'NoNewPrivs:.1' /proc/$$/status || exit 14\n"
			"test \"$HOME\" = /nowhere || exit 15\n"
			"tr '\\0' '\\n' </proc/$$/environ | grep -v -e ^HOME= -e ^LANG= && exit "
			"16\n"
			"grep -q 'SigIgn:.0000000[01][08]0000000' /proc/self/status || exit 17\n"
			"grep -q 'SigBlk:.0000000000000000' /proc/self/status || exit 18\n" DOCKER(
				"", "u", "s")),
		RENEW_REFRESHED);
}
END_TEST

static pid_t
read_pid(const char *path)
{
	FILE *f = fopen(path, "re");
	int pid = 0;

	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%d", &pid), 1);
	(void)fclose(f);
	return pid;
}

/* Gone, or only waiting for somebody to take its status. */
static bool
is_gone(pid_t pid)
{
	char path[64], state = 'Z';
	FILE *f;

	(void)snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (f == NULL)
		return true;
	(void)!fscanf(f, "%*d (%*[^)]) %c", &state);
	(void)fclose(f);
	return state == 'Z' || state == 'X';
}

static void
assert_gone(const char *path)
{
	pid_t pid = read_pid(path);

	for (int i = 0; i < 200 && !is_gone(pid); i++)
		usleep(10000);
	ck_assert_msg(is_gone(pid), "%s goes on", path);
	(void)unlink(path);
}

/* clang-format off */
static const struct { const char *script; enum renew_result result; } leavers[] = {
	{ "sleep 60 & echo $! >$0.left; " DOCKER("", "u", "s"), RENEW_REFRESHED },
	{ "sleep 60 >/dev/null 2>&1 </dev/null & echo $! >$0.left; " DOCKER("", "u", "s"), RENEW_REFRESHED },
	{ "setsid sleep 60 & echo $! >$0.left; " DOCKER("", "u", "s"), RENEW_REFRESHED },
	{ "setsid sh -c 'echo $$ >'$0'.left; exec setsid sleep 60' & sleep 0.3; " DOCKER("", "u", "s"), RENEW_REFRESHED },
	{ "trap '' TERM INT HUP; sleep 60 & echo $! >$0.left; wait", RENEW_TIMEOUT },
	{ "echo $$ >$0.left; exec sleep 60", RENEW_TIMEOUT },
	{ "echo $$ >$0.left; kill -STOP $$", RENEW_TIMEOUT },
	{ "sleep 60 & echo $! >$0.left; yes", RENEW_BAD_ANSWER },
	{ "sleep 60 & echo $! >$0.left; exit 1", RENEW_BAD_ANSWER },
};
/* clang-format on */

START_TEST(what_it_started_ends_with_it)
{
	const char *path = rig_path("program.left");
	const int64_t begun = clock_ms();

	/* The deadline is of the renewal, or 20 s. */
	r.deadline_ms = begun + 700;
	ck_assert_result(run_program("docker", leavers[_i].script), leavers[_i].result);
	ck_assert_int_lt(clock_ms() - begun, 5000);
	assert_gone(path);
}
END_TEST

static void
write_line(const char *path)
{
	FILE *f = fopen(path, "we");

	ck_assert_ptr_nonnull(f);
	ck_assert_int_ge(fputs("a line\n", f), 0);
	ck_assert_int_eq(fclose(f), 0);
}

/* What is below a hidden folder, by whatever name, or was made beside it later; what is around it.
 */
START_TEST(what_is_hidden_is_out_of_reach)
{
	enum { LANDLOCK_VERSION = 1 };
	const char *held = arena_strdup(a, rig_path("held")),
		   *link = arena_strdup(a, rig_path("link"));
	const char *key = arena_strdup(a, rig_path("key")),
		   *later = arena_strdup(a, rig_path("later"));
	const char *open = arena_printf(a, "%s/open", held);
	const char *const hidden[] = {held, key, "/nowhere/at/all", ""};

#ifdef SYS_landlock_create_ruleset
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_VERSION) < 0)
		return;
#endif
	ck_assert(mkdir(held, 0700) == 0 && mkdir(open, 0700) == 0 && symlink(held, link) == 0);
	write_line(key);
	write_line(rig_path("beside"));
	write_line(arena_printf(a, "%s/inside", held));
	write_line(arena_printf(a, "%s/own", open));
	make_program("docker", "");
	ck_assert(hide_prepare(hidden, COUNT_OF(hidden), open));
	write_line(later);
	ck_assert_result(
		run_program("docker",
			    arena_printf(a,
					 "cd %s/.. && for f in held/inside link/inside key later "
					 "held/open/own link/open/own beside /etc/passwd; do\n"
					 "(read line <$f) 2>/dev/null && said=\"$said $f\"; done\n"
					 "(: >held/new) 2>/dev/null && said=\"$said new\"\n"
					 "(: >held/open/new) 2>/dev/null && said=\"$said open\"\n"
					 "printf '{\"Username\":\"u\",\"Secret\":\"%%s\"}' "
					 "\"$said\"",
					 held)),
		RENEW_REFRESHED);
	ck_assert_str_eq(r.new_secret, " held/open/own link/open/own beside /etc/passwd open");
	ck_assert(hide_prepare(NULL, 0, NULL));
	static const char *const made[] = {"held/inside", "held/open/own", "held/open/new",
					   "held/open", "held"};
	for (size_t i = 0; i < COUNT_OF(made); i++)
		ck_assert_int_eq(remove(rig_path(made[i])), 0);
}
END_TEST

START_TEST(a_program_has_to_be_roots_and_there)
{
	const char *mine = rig_path("program");
	const struct {
		const char *path, *why; /* NULL: trusted */
	} cases[] = {
		{"/bin/true", NULL},
		{"/usr/bin/env", NULL},
		{"/no/such", "/no/such: No such file or directory"},
		{"/usr/bin", "/usr/bin is not a file"},
		{"/etc/passwd", "/etc/passwd: Permission denied"},
		{"/dev/null", "/dev/null can be changed by others than root"},
		{mine, geteuid() == 0 ? " can be changed by others than root"
				      : " does not belong to root"},
	};

	make_program("docker", ":");
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		const char *why = __real_program_distrust(a, cases[i].path);

		ck_assert_msg(cases[i].why == NULL
				      ? why == NULL
				      : why != NULL && strstr(why, cases[i].why) != NULL,
			      "%s: %s", cases[i].path, why);
	}
	trusts = false;
	ck_assert_result(run_logged("docker", DOCKER("", "u", "s")), RENEW_UNREACHABLE);
	ck_assert_str_eq(r.message, "The program may not be run on this server; the log says why.");
	ck_assert_ptr_nonnull(strstr(logged, "the program p of refresh_programs is not run: "));
}
END_TEST

START_TEST(only_what_the_settings_list_is_run)
{
	static const char *const lists[] = {"",	  "q=/bin/true", "p",
					    "p=", "p=true",	 "p=nostyle:/bin/true"};

	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		sources_settings.programs = lists[i];
		ck_assert_result(exec_fetch(&r), RENEW_MISCONFIGURED);
		ck_assert_str_eq(r.message,
				 "The setting refresh_programs lists no program with this name.");
	}
	/* One that is no program: the kernel says so. */
	make_program("docker", ":");
	ck_assert_int_eq(truncate(rig_path("program"), 1), 0);
	ck_assert_result(exec_fetch(&r), RENEW_UNREACHABLE);
	ck_assert_str_eq(r.message, "The program cannot be started; the log says why.");
}
END_TEST

START_TEST(without_memory_it_is_asked_later)
{
	bool failed = true;

	make_program("docker", DOCKER("", "u", "s"));
	for (unsigned n = 1; failed; n++) {
		struct renewal again = r;

		ck_assert_uint_le(n, 200);
		(void)sources_fetch_failing(&again, SOURCE_EXEC, n, &failed);
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("exec");
	TCase *tcase = tcase_create("exec");

	tcase_add_unchecked_fixture(tcase, rig_make, rig_remove);
	tcase_add_checked_fixture(tcase, setup, end);
	tcase_add_loop_test(tcase, every_answer_has_its_result, 0, COUNT_OF(answers));
	tcase_add_loop_test(tcase, of_stderr_no_word_is_logged_that_may_be_a_secret, 0,
			    COUNT_OF(errors));
	tcase_add_test(tcase, a_program_that_gave_a_secret_logs_nothing);
	tcase_add_test(tcase, without_a_life_it_is_told_to_set_one);
	tcase_add_test(tcase, a_hub_has_dockers_name_for_it);
	tcase_add_test(tcase, it_is_alone);
	tcase_add_loop_test(tcase, what_it_started_ends_with_it, 0, COUNT_OF(leavers));
	tcase_add_test(tcase, what_is_hidden_is_out_of_reach);
	tcase_add_test(tcase, a_program_has_to_be_roots_and_there);
	tcase_add_test(tcase, only_what_the_settings_list_is_run);
	tcase_add_test(tcase, without_memory_it_is_asked_later);
	suite_add_tcase(suite, tcase);
	return run_suite(suite);
}
