/* check_registry_check: what a check asks a small stand-in, how often it resolves names, and what
 * it does without memory.  The many ways to lie are in tests/api/test_verify.py. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/arena.h"
#include "outbound/lookup.h"
#include "outbound/memory.h"
#include "registry/check.h"
#include "registry/result.h"


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

static void
setup(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET,
				      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(address);

	a = arena_new(1024 * 1024);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_eq(bind(listener, (struct sockaddr *)&address, len), 0);
	ck_assert_int_eq(listen(listener, 64), 0);
	ck_assert_int_eq(getsockname(listener, (struct sockaddr *)&address, &len), 0);
	port = ntohs(address.sin_port);
	(void)snprintf(bearer_answer, sizeof(bearer_answer),
		       "HTTP/1.1 401 No\r\n" API
		       "WWW-Authenticate: Bearer realm=\"http://auth.test:%u/token\"\r\n" EMPTY,
		       port);
	atomic_store(&requests, 0);
	atomic_store(&resolutions, 0);
	ck_assert_int_eq(pthread_create(&server, NULL, serve, NULL), 0);
}

static void
teardown(void)
{
	registry_check_fail_at(0);
	shutdown(listener, SHUT_RDWR);
	pthread_join(server, NULL);
	close(listener);
	arena_free(a);
}

static void
one_address(const char *text, unsigned of_port, struct address_list *out)
{
	struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)of_port)};

	ck_assert_int_eq(inet_pton(AF_INET, text, &in.sin_addr), 1);
	memcpy(&out->addresses[out->count++], &in, sizeof(in));
}

/* The stand-in for the first question about each name, metadata for every further one. */
static bool
resolve_and_turn(const char *host, unsigned of_port, struct address_list *out)
{
	int limit = strcmp(host, "auth.test") == 0 ? 2 : 1;

	(void)of_port;
	one_address(atomic_fetch_add(&resolutions, 1) < limit ? "127.0.0.1" : "169.254.169.254",
		    port, out);
	return true;
}

static bool
resolve_to_loopback(const char *host, unsigned of_port, struct address_list *out)
{
	(void)host, (void)of_port;
	one_address("127.0.0.1", port, out);
	return true;
}

static bool
resolve_to_metadata(const char *host, unsigned of_port, struct address_list *out)
{
	(void)host;
	one_address("169.254.169.254", of_port, out);
	one_address("0.0.0.0", of_port, out);
	return true;
}

static bool
resolve_to_nothing(const char *host, unsigned of_port, struct address_list *out)
{
	(void)host, (void)of_port, (void)out;
	return false;
}

static atomic_bool hangs;

static bool
resolve_never(const char *host, unsigned of_port, struct address_list *out)
{
	(void)host, (void)of_port, (void)out;
	while (atomic_load(&hangs))
		usleep(1000);
	return false;
}

static struct check_settings
settings_with(resolve_fn resolve)
{
	return (struct check_settings){.networks = "127.0.0.0/8",
				       .insecure = "",
				       .ca_file = "",
				       .proxy = "",
				       .timeout_ms = 20000,
				       .resolve = resolve};
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

	ck_assert(registry_check(s, a, at(name), "user", secret, &report));
	return report;
}

#define ck_assert_result(report, wanted)                                                           \
	ck_assert_str_eq(check_result_word((report).result), check_result_word(wanted))

START_TEST(a_login_is_taken_or_refused)
{
	const struct check_settings s = settings_with(resolve_to_loopback);
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
	const struct check_settings s = settings_with(resolve_and_turn);

	ck_assert_result(check_it(&s, "http://basic.test", "right"), CHECK_VALID);
	ck_assert_int_eq(atomic_load(&resolutions), 1);
	ck_assert_int_ge(atomic_load(&requests), 3);
}
END_TEST

START_TEST(a_token_server_is_resolved_once_too)
{
	const struct check_settings s = settings_with(resolve_and_turn);

	/* It gives a token to everybody, and /v2/ takes it: nothing is proven. */
	ck_assert_result(check_it(&s, "http://bearer.test", "right"), CHECK_ANONYMOUS_ACCESS);
	ck_assert_int_eq(atomic_load(&resolutions), 2);
}
END_TEST

START_TEST(a_refused_target_is_not_connected_to)
{
	struct check_settings s = settings_with(resolve_to_metadata);
	struct check_report report = check_it(&s, "http://basic.test", "right");

	ck_assert_result(report, CHECK_UNREACHABLE);
	ck_assert_int_eq(report.http_status, 0);
	const char *message = report.message;

	/* Loopback without leave, a name that is not there: the same words. */
	s = settings_with(resolve_to_loopback);
	s.networks = "";
	report = check_it(&s, "http://basic.test", "right");
	ck_assert_result(report, CHECK_UNREACHABLE);
	ck_assert_str_eq(report.message, message);
	s = settings_with(resolve_to_nothing);
	report = check_it(&s, "http://basic.test", "right");
	ck_assert_result(report, CHECK_UNREACHABLE);
	ck_assert_str_eq(report.message, message);
	ck_assert_int_eq(atomic_load(&requests), 0);
}
END_TEST

START_TEST(plain_http_is_only_spoken_where_it_is_asked_for)
{
	struct check_settings s = settings_with(resolve_to_loopback);

	ck_assert_result(check_it(&s, "basic.test", "right"), CHECK_TLS_ERROR);
	s.insecure = arena_printf(a, "other.test, %s", at("basic.test"));
	ck_assert_result(check_it(&s, "basic.test", "right"), CHECK_VALID);
	ck_assert_result(check_it(&s, "https://basic.test", "right"), CHECK_TLS_ERROR);
}
END_TEST

START_TEST(a_resolver_that_hangs_is_left_behind)
{
	struct check_settings s = settings_with(resolve_never);

	s.timeout_ms = 50;
	atomic_store(&hangs, true);
	ck_assert_result(check_it(&s, "http://basic.test", "right"), CHECK_TIMEOUT);
	atomic_store(&hangs, false);
}
END_TEST

START_TEST(an_address_that_is_none_says_so)
{
	const struct check_settings s = settings_with(resolve_to_loopback);
	struct check_report report = check_it(&s, "ftp://x", "right");

	ck_assert_result(report, CHECK_UNREACHABLE);
	ck_assert_ptr_nonnull(strstr(report.message, "https://"));
	ck_assert_int_eq(atomic_load(&requests), 0);
}
END_TEST

START_TEST(without_memory_there_is_no_result)
{
	const struct check_settings s = settings_with(resolve_to_loopback);
	struct check_report report;
	char address[64];
	bool done = false;

	(void)snprintf(address, sizeof(address), "http://basic.test:%u", port);

	for (unsigned n = 1; !done; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		done = registry_check(&s, a, address, "user", "right", &report);
		ck_assert_uint_lt(n, 500);
	}
	ck_assert_result(report, CHECK_VALID);
}
END_TEST

START_TEST(without_memory_for_curl_there_is_no_wrong_result)
{
	const struct check_settings s = settings_with(resolve_to_loopback);
	struct check_report report;
	unsigned failed = 0, fine = 0;
	char address[64];

	(void)snprintf(address, sizeof(address), "http://basic.test:%u", port);

	/* Each allocation in turn; some curl does without. */
	for (unsigned n = 1; fine < 20; n++) {
		arena_reset(a);
		registry_check_fail_at(n);
		bool done = registry_check(&s, a, address, "user", "right", &report);
		registry_check_fail_at(0);
		ck_assert_msg(!done || report.result == CHECK_VALID ||
				      report.result == CHECK_UNREACHABLE,
			      "allocation %u: %s", n, check_result_word(report.result));
		failed += !done;
		fine = done && report.result == CHECK_VALID ? fine + 1 : 0;
		ck_assert_uint_lt(n, 3000);
	}
	ck_assert_uint_gt(failed, 10);
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
	tcase_add_test(tc, plain_http_is_only_spoken_where_it_is_asked_for);
	tcase_add_test(tc, a_resolver_that_hangs_is_left_behind);
	tcase_add_test(tc, an_address_that_is_none_says_so);
	tcase_add_test(tc, without_memory_there_is_no_result);
	tcase_add_test(tc, without_memory_for_curl_there_is_no_wrong_result);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(registry_check_suite());
}
