/* check_check: what a check asks a small stand-in, how often it resolves names, and what
 * it does without memory.  The many ways to lie are in tests/api/test_verify.py. */
#include <arpa/inet.h>
#include <check.h>
#include <dlfcn.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "registry/check.h"

#include "support/fault_calls.h"
#include "support/support.h"

enum { REQUEST_MAX = 8192 };

#define EMPTY "Content-Length: 0\r\nConnection: close\r\n\r\n"
#define API "Docker-Distribution-Api-Version: registry/2.0\r\n"

static struct arena *a;
static int listener;
static unsigned port;
static char bearer_answer[512];
static pthread_t server;
static atomic_int requests, resolutions;

static bool
has(const char *request, const char *part)
{
	return strstr(request, part) != NULL;
}

/* A registry with Basic, which knows user:right, and one with a token server at auth.test that
 * gives everybody a token. */
static const char *
answer_to(const char *request)
{
	if (has(request, "Host: auth.test"))
		return "HTTP/1.1 200 OK\r\nContent-Length: 13\r\nConnection: close\r\n\r\n"
		       "{\"token\":\"t\"}";
	if (has(request, "Host: bearer.test") && !has(request, "Bearer t"))
		return bearer_answer;
	if (!has(request, "Host: bearer.test") &&
	    !has(request, "Authorization: Basic dXNlcjpyaWdodA=="))
		return "HTTP/1.1 401 No\r\n" API "WWW-Authenticate: Basic realm=\"x\"\r\n" EMPTY;
	if (has(request, "GET /v2/ "))
		return "HTTP/1.1 200 OK\r\n" API EMPTY;
	return "HTTP/1.1 404 No\r\n" EMPTY;
}

static void *
serve(void *arg)
{
	(void)arg;
	for (;;) {
		char request[REQUEST_MAX] = "";
		size_t len = 0;
		ssize_t got = 1;
		int fd = accept(listener, NULL, NULL);

		if (fd < 0)
			return NULL;
		/* A client that begins with TLS is answered in HTTP. */
		while (got > 0 && request[0] != 0x16 && strstr(request, "\r\n\r\n") == NULL &&
		       len < REQUEST_MAX - 1) {
			got = read(fd, request + len, REQUEST_MAX - 1 - len);
			len += got > 0 ? (size_t)got : 0;
		}
		atomic_fetch_add(&requests, 1);
		const char *answer = answer_to(request);
		(void)!write(fd, answer, strlen(answer));
		close(fd);
	}
}

/* A text with the stand-in's port for the word PORT. */
static const char *
with_port(const char *text)
{
	const char *place = strstr(text, "PORT");

	return place == NULL
		       ? text
		       : arena_printf(a, "%.*s%u%s", (int)(place - text), text, port, place + 4);
}

static void
use_realm(const char *realm)
{
	(void)snprintf(bearer_answer, sizeof(bearer_answer),
		       "HTTP/1.1 401 No\r\n" API "WWW-Authenticate: Bearer realm=\"%s\"\r\n" EMPTY,
		       with_port(realm));
}

static void
setup(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_ANY)};
	socklen_t len = sizeof(address);

	a = arena_new(1024 * 1024);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(listener, 64), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	port = ntohs(address.sin_port);
	use_realm("http://auth.test:PORT/token");
	atomic_store(&requests, 0);
	atomic_store(&resolutions, 0);
	ck_assert_int_eq(pthread_create(&server, NULL, serve, NULL), 0);
}

static void
teardown(void)
{
	(void)calls_go_on();
	shutdown(listener, SHUT_RDWR);
	pthread_join(server, NULL);
	close(listener);
	arena_free(a);
}

/* In the place of the system's resolver, for libcurl: what its names are numbers for. */
static const char *(*resolver)(const char *host, int n);

static const char *
loopback_once_for_each(const char *host, int n)
{
	/* The stand-in for the first question about each name, metadata for every further one. */
	return n < (strcmp(host, "auth.test") == 0 ? 2 : 1) ? "127.0.0.1" : "169.254.169.254";
}

static const char *
loopback(const char *host, int n)
{
	(void)host, (void)n;
	return "127.0.0.1";
}

static const char *
metadata(const char *host, int n)
{
	(void)host, (void)n;
	return "169.254.169.254";
}

static const char *
nothing(const char *host, int n)
{
	(void)host, (void)n;
	return NULL;
}

static atomic_bool hangs;

static const char *
never(const char *host, int n)
{
	(void)host, (void)n;
	while (atomic_load(&hangs))
		usleep(1000);
	return NULL;
}

int
getaddrinfo(const char *host, const char *service, const struct addrinfo *hints,
	    struct addrinfo **out)
{
	static int (*system_getaddrinfo)(const char *, const char *, const struct addrinfo *,
					 struct addrinfo **);
	struct addrinfo numeric = *hints;
	const char *address = resolver(host, atomic_fetch_add(&resolutions, 1));

	if (system_getaddrinfo == NULL)
		*(void **)&system_getaddrinfo = dlsym(RTLD_NEXT, "getaddrinfo");
	numeric.ai_flags = AI_NUMERICHOST;
	return address == NULL ? EAI_NONAME : system_getaddrinfo(address, service, &numeric, out);
}

static struct check_settings
settings_with(const char *(*resolve)(const char *host, int n))
{
	resolver = resolve;
	return (struct check_settings){.networks = "127.0.0.0/8",
				       .insecure = "",
				       .ca_file = "",
				       .proxy = "",
				       .timeout_ms = 20000};
}

/* The address of the stand-in under a name. */
static const char *
at(const char *name)
{
	return arena_printf(a, "%s:%u", name, port);
}

static struct check_report
check_it(const struct check_settings *s, const char *name, const char *secret)
{
	struct check_report report;

	ck_assert(registry_check(s, a, &(struct registry_at){.address = at(name)}, "user", secret,
				 &report));
	return report;
}

#define ck_assert_result(report, wanted)                                                           \
	ck_assert_str_eq(check_result_word((report).result), check_result_word(wanted))

START_TEST(a_login_is_taken_or_refused)
{
	const struct check_settings s = settings_with(loopback);
	struct check_report report = check_it(&s, "http://basic.test", "right");

	ck_assert_result(report, CHECK_VALID);
	ck_assert_int_eq(report.http_status, 200);
	ck_assert_int_ge(report.ms, 0);
	report = check_it(&s, "http://basic.test", "wrong");
	ck_assert_result(report, CHECK_INVALID_CREDENTIAL);
	ck_assert_int_eq(report.http_status, 401);
	report = check_it(&s, "http://basic.test", NULL);
	ck_assert_result(report, CHECK_INVALID_CREDENTIAL);
}
END_TEST

START_TEST(a_name_is_resolved_once)
{
	const struct check_settings s = settings_with(loopback_once_for_each);

	ck_assert_result(check_it(&s, "http://basic.test", "right"), CHECK_VALID);
	ck_assert_int_eq(atomic_load(&resolutions), 1);
	ck_assert_int_ge(atomic_load(&requests), 3);
}
END_TEST

START_TEST(a_token_server_is_resolved_once_too)
{
	const struct check_settings s = settings_with(loopback_once_for_each);

	/* It gives a token to everybody, and /v2/ takes it: nothing is proven. */
	ck_assert_result(check_it(&s, "http://bearer.test", "right"), CHECK_ANONYMOUS_ACCESS);
	ck_assert_int_eq(atomic_load(&resolutions), 2);
}
END_TEST

START_TEST(a_refused_target_is_not_connected_to)
{
	struct check_settings s = settings_with(metadata);
	struct check_report report = check_it(&s, "http://basic.test", "right");

	ck_assert_result(report, CHECK_UNREACHABLE);
	ck_assert_int_eq(report.http_status, 0);
	const char *message = report.message;

	/* Loopback without leave, a name that is not there: the same words. */
	s = settings_with(loopback);
	s.networks = "";
	report = check_it(&s, "http://basic.test", "right");
	ck_assert_result(report, CHECK_UNREACHABLE);
	ck_assert_str_eq(report.message, message);
	s = settings_with(nothing);
	report = check_it(&s, "http://basic.test", "right");
	ck_assert_result(report, CHECK_UNREACHABLE);
	ck_assert_str_eq(report.message, message);
	ck_assert_int_eq(atomic_load(&requests), 0);
}
END_TEST

/* Spellings of addresses that are refused: no one of them is connected to, whoever names it. */
static const char *const refused[] = {
	"http://127.0.0.2:PORT",
	"http://127.2:PORT",
	"http://127.0.2:PORT",
	"http://2130706434:PORT",
	"http://017700000002:PORT",
	"http://0177.0.0.2:PORT",
	"http://0x7f.2:PORT",
	"http://0x7f000002:PORT",
	"http://0:PORT",
	"http://0.0.0.0:PORT",
	"http://[::]:PORT",
	"http://[::1]:PORT",
	"http://[::1%25lo]:PORT",
	"http://[::127.0.0.2]:PORT",
	"http://[::ffff:127.0.0.2]:PORT",
	"http://[::ffff:7f00:2]:PORT",
	"http://[::ffff:0:127.0.0.2]:PORT",
	"http://[64:ff9b::7f00:2]:PORT",
	"http://[2002:7f00:2::]:PORT",
	"http://[fe80::1%25lo]:PORT",
	"http://127.0.0.2.:PORT",
	"http://127.0.0.2:PORT/path",
	"http://127.0.0.2:PORT#@example.test",
	"http://127.0.0.2:PORT?@example.test",
	"http://user:pw@127.0.0.2:PORT",
	"http://example.test@127.0.0.2:PORT",
	"http://127.0.0.2\\@example.test:PORT",
	"http://localhost:PORT",
	"http://LOCALHOST.:PORT",
	"http://ip6-localhost:PORT",
	"http://169.254.169.254",
	"http://[::ffff:169.254.169.254]",
	"http://metadata.google.internal",
	"http:///127.0.0.2:PORT",
	"//127.0.0.2:PORT",
	"/token",
	"file:///etc/passwd",
	"gopher://127.0.0.2:PORT/_GET",
	"ftp://127.0.0.2:PORT/",
	"dict://127.0.0.2:PORT/",
	"http://127.0.0.2:PORT\r\nEvil: yes",
	"http://127.0.0.2:PORT/ x",
};

/* The registry may be reached, what else has a name here may not. */
static const char *
only_the_registry(const char *host, int n)
{
	(void)n;
	return strcmp(host, "bearer.test") == 0		       ? "127.0.0.3"
	       : strcmp(host, "metadata.google.internal") == 0 ? "169.254.169.254"
							       : "127.0.0.2";
}

START_TEST(no_refused_address_is_connected_to)
{
	struct check_settings s = settings_with(only_the_registry);
	struct check_report report;

	s.networks = "127.0.0.3/32";
	ck_assert(registry_check(&s, a, &(struct registry_at){.address = with_port(refused[_i])},
				 "user", "right", &report));
	ck_assert_msg(report.result != CHECK_VALID && report.http_status == 0, "%s: %s",
		      refused[_i], check_result_word(report.result));
	ck_assert_int_eq(atomic_load(&requests), 0);
	/* As the realm of a registry that may be asked. */
	use_realm(refused[_i]);
	report = check_it(&s, "http://bearer.test", "right");
	ck_assert_msg(report.result == CHECK_UNREACHABLE || report.result == CHECK_NOT_A_REGISTRY,
		      "%s: %s", refused[_i], check_result_word(report.result));
	ck_assert_int_eq(atomic_load(&requests), 1);
}
END_TEST

START_TEST(plain_http_is_only_spoken_where_it_is_asked_for)
{
	struct check_settings s = settings_with(loopback);

	ck_assert_result(check_it(&s, "basic.test", "right"), CHECK_TLS_ERROR);
	s.insecure = arena_printf(a, "other.test, %s", at("basic.test"));
	ck_assert_result(check_it(&s, "basic.test", "right"), CHECK_VALID);
	ck_assert_result(check_it(&s, "https://basic.test", "right"), CHECK_TLS_ERROR);
}
END_TEST

START_TEST(a_resolver_that_hangs_is_left_behind)
{
	struct check_settings s = settings_with(never);

	s.timeout_ms = 50;
	atomic_store(&hangs, true);
	struct check_report report = check_it(&s, "http://basic.test", "right");
	ck_assert_result(report, CHECK_TIMEOUT);
	ck_assert_int_lt(report.ms, 5000);
	atomic_store(&hangs, false);
}
END_TEST

START_TEST(an_address_that_is_none_says_so)
{
	const struct check_settings s = settings_with(loopback);
	struct check_report report = check_it(&s, "ftp://x", "right");

	ck_assert_result(report, CHECK_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(report.message, "https://"));
	ck_assert_int_eq(atomic_load(&requests), 0);
}
END_TEST

START_TEST(without_memory_there_is_no_result)
{
	const struct check_settings s = settings_with(loopback);
	struct check_report report;
	char address[64];
	bool done = false;

	(void)snprintf(address, sizeof(address), "http://basic.test:%u", port);

	for (unsigned n = 1; !done; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		done = registry_check(&s, a, &(struct registry_at){.address = address}, "user",
				      "right", &report);
		ck_assert_uint_lt(n, 500);
	}
	ck_assert_result(report, CHECK_VALID);
}
END_TEST

START_TEST(without_memory_for_curl_there_is_no_wrong_result)
{
	static const enum fault_call calls[] = {CALL_MALLOC, CALL_CALLOC, CALL_STRDUP};
	const struct check_settings s = settings_with(loopback);
	struct check_report report;
	unsigned failed = 0;
	bool again = true;
	char address[64];

	(void)snprintf(address, sizeof(address), "http://basic.test:%u", port);
	ck_assert(registry_check(&s, a, &(struct registry_at){.address = address}, "user", "right",
				 &report)); /* libcurl is started */
	/* Each allocation in turn; some curl does without. */
	for (unsigned n = 1; again; n++) {
		arena_reset(a);
		call_fails(calls[_i], n, ENOMEM);
		bool done = registry_check(&s, a, &(struct registry_at){.address = address}, "user",
					   "right", &report);
		again = calls_go_on();
		ck_assert_msg(!done || report.result == CHECK_VALID ||
				      report.result == CHECK_UNREACHABLE,
			      "allocation %u: %s", n, check_result_word(report.result));
		failed += !done;
	}
	ck_assert_uint_gt(failed, 0);
}
END_TEST

static int descriptors[1024];

/* The process has no descriptor left: the registry is not to blame.  (The stand-in is in the same
 * process, and may be what lacks one: then it does not answer.) */
START_TEST(without_descriptors_there_is_no_result)
{
	struct check_settings s = settings_with(loopback);
	const struct rlimit few = {64, 64};
	struct check_report report;
	size_t n = 0;

	s.timeout_ms = 300;
	ck_assert_int_eq(setrlimit(RLIMIT_NOFILE, &few), 0);
	while ((descriptors[n] = dup(0)) >= 0)
		n++;
	for (size_t left = 0; left < 8; left++) {
		arena_reset(a);
		bool done = registry_check(
			&s, a, &(struct registry_at){.address = at("http://basic.test")}, "user",
			"right", &report);

		ck_assert_msg(!done || report.result == CHECK_VALID ||
				      report.result == CHECK_TIMEOUT,
			      "%zu left: %s", left, check_result_word(report.result));
		close(descriptors[--n]);
	}
	while (n > 0)
		close(descriptors[--n]);
}
END_TEST

static Suite *
registry_check_suite(void)
{
	Suite *suite = suite_create("registry_check");
	TCase *tc = tcase_create("registry_check");

	tcase_set_timeout(tc, 120);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_login_is_taken_or_refused);
	tcase_add_test(tc, a_name_is_resolved_once);
	tcase_add_test(tc, a_token_server_is_resolved_once_too);
	tcase_add_test(tc, a_refused_target_is_not_connected_to);
	tcase_add_loop_test(tc, no_refused_address_is_connected_to, 0, COUNT_OF(refused));
	tcase_add_test(tc, plain_http_is_only_spoken_where_it_is_asked_for);
	tcase_add_test(tc, a_resolver_that_hangs_is_left_behind);
	tcase_add_test(tc, an_address_that_is_none_says_so);
	tcase_add_test(tc, without_memory_there_is_no_result);
	tcase_add_loop_test(tc, without_memory_for_curl_there_is_no_wrong_result, 0, 3);
	tcase_add_test(tc, without_descriptors_there_is_no_result);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(registry_check_suite());
}
