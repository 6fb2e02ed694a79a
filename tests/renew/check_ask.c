/* check_ask: what one request to a source sends, and what is made of any answer. */
#include <check.h>
#include <stdbool.h>
#include <string.h>
#include <sys/socket.h>

#include "base/arena.h"
#include "base/clock.h"
#include "renew/ask.h"

#include "support/sources.h"
#include "support/support.h"

static struct renewal r;
static bool is_inside; /* whether the stand-in counts as a server of an internal network */

bool __wrap_outbound_is_inside(const struct sockaddr *address, const char *networks);

bool
__wrap_outbound_is_inside(const struct sockaddr *address, const char *networks)
{
	(void)address, (void)networks;
	return is_inside;
}

ARENA_FIXTURE(r = sources_renewal(a, NULL, "{'endpoint':'URL(ask,right)','none':null}", "reg.test"))

static void
end(void)
{
	sources_renewal_end(&r);
	teardown();
}

#define ck_assert_result(result, wanted)                                                           \
	ck_assert_str_eq(renew_result_word(result), renew_result_word(wanted))

/* clang-format off */
#define NOT_JSON "The source answers with something that is not a JSON object: is its address right, and is no other server in between?"
#define DATE "The source's clock says"
/* The fault; the result, the beginning of its sentence (NULL: the usual one), the status, and after how many seconds to ask again. */
static const struct { const char *fault; enum renew_result result; const char *message; int status; int retry_s; } answers[] = {
	{ "right",             RENEW_REFRESHED,      NULL, 200, 0 },
	{ "html",              RENEW_BAD_ANSWER,     NOT_JSON, 200, 0 },
	{ "empty",             RENEW_BAD_ANSWER,     "The source's answer lacks a member (token)", 200, 0 },
	{ "array",             RENEW_BAD_ANSWER,     NOT_JSON, 200, 0 },
	{ "other",             RENEW_BAD_ANSWER,     "The source's answer lacks a member (token)", 200, 0 },
	{ "long",              RENEW_BAD_ANSWER,     "The source's answer is longer than 64 KiB.", 200, 0 },
	{ "redirect",          RENEW_BAD_ANSWER,     "The source redirects", 302, 0 },
	{ "throttled",         RENEW_RATE_LIMITED,   NULL, 429, 120 },
	{ "retry-date",        RENEW_RATE_LIMITED,   NULL, 429, 600 },
	{ "retry-long",        RENEW_RATE_LIMITED,   NULL, 429, 3600 },
	{ "retry-words",       RENEW_RATE_LIMITED,   NULL, 429, 0 },
	{ "broken",            RENEW_UNREACHABLE,    "The source has a failure", 503, 0 },
	{ "drop-before",       RENEW_UNREACHABLE,    NULL, 0, 0 },
	{ "drop-after",        RENEW_UNREACHABLE,    NULL, 0, 0 },
	{ "cut",               RENEW_UNREACHABLE,    "The source's answer breaks off", 200, 0 },
	{ "cut-chunk",         RENEW_UNREACHABLE,    "The source's answer breaks off", 200, 0 },
	{ "bom",               RENEW_BAD_ANSWER,     NOT_JSON, 200, 0 },
	{ "utf-16",            RENEW_BAD_ANSWER,     NOT_JSON, 200, 0 },
	{ "gzip",              RENEW_BAD_ANSWER,     NOT_JSON, 200, 0 },
	{ "retry-past",        RENEW_RATE_LIMITED,   NULL, 429, 0 },
	{ "retry-fraction",    RENEW_RATE_LIMITED,   NULL, 429, 0 },
	{ "retry-negative",    RENEW_RATE_LIMITED,   NULL, 429, 0 },
	{ "retry-down",        RENEW_UNREACHABLE,    "The source has a failure", 503, 120 },
	{ "400",               RENEW_BAD_ANSWER,     "The source refuses the request", 400, 0 },
	{ "401",               RENEW_SOURCE_REFUSED, NULL, 401, 0 },
	{ "403",               RENEW_SOURCE_REFUSED, NULL, 403, 0 },
	{ "404",               RENEW_BAD_ANSWER,     "The source refuses the request", 404, 0 },
	{ "408",               RENEW_TIMEOUT,        NULL, 408, 0 },
	{ "500",               RENEW_UNREACHABLE,    "The source has a failure", 500, 0 },
	{ "600",               RENEW_BAD_ANSWER,     NULL, 600, 0 },
	{ "skewed",            RENEW_CLOCK_SKEW,     DATE, 401, 0 },
};
/* clang-format on */

static enum renew_result
ask_for(const char *fault, struct ask_answer *answer)
{
	const struct ask q = {.url = sources_url(a, "ask", fault), .wants = "token"};

	return ask(&r, &q, answer);
}

START_TEST(every_answer_has_its_result)
{
	struct ask_answer answer;
	const int retry_s = answers[_i].retry_s;

	ck_assert_result(ask_for(answers[_i].fault, &answer), answers[_i].result);
	ck_assert_int_eq(r.http_status, answers[_i].status);
	if (answers[_i].message == NULL)
		ck_assert_ptr_null(r.message);
	else
		ck_assert_msg(strstr(r.message, answers[_i].message) == r.message, "%s", r.message);
	ck_assert_int_ge(r.retry_after_ms, retry_s * 1000 - 2000);
	ck_assert_int_le(r.retry_after_ms, retry_s * 1000);
}
END_TEST

START_TEST(a_clock_that_differs_is_told_with_both_times)
{
	struct ask_answer answer;
	const int64_t now = r.now_ms;

	ck_assert_result(ask_for("skewed", &answer), RENEW_CLOCK_SKEW);
	ck_assert_int_ge(answer.skew_ms, -362000);
	ck_assert_int_le(answer.skew_ms, -358000);
	ck_assert_ptr_nonnull(strstr(r.message, ", this server's 20"));
	ck_assert_int_ge(r.now_ms, now);
	/* What the source says by its clock is later by ours. */
	ck_assert_result(ask_expires(&r, &answer, (double)now), RENEW_REFRESHED);
	ck_assert_int_ge(r.expires_ms, now + 358000);
}
END_TEST

START_TEST(whoever_hangs_is_left_at_the_deadline)
{
	struct ask_answer answer;

	r.deadline_ms = clock_ms() + 300;
	ck_assert_result(ask_for("hang-before", &answer), RENEW_TIMEOUT);
	ck_assert_result(ask_for("right", &answer), RENEW_TIMEOUT); /* nothing is left */
	ck_assert_int_eq(r.http_status, 0);
}
END_TEST

START_TEST(a_request_is_sent_as_it_is)
{
	const char *form = ask_form(a, ask_form(a, "", "a", "1 &=\xc3\xa4"), "b", NULL);
	const struct ask q = {.url = ask_url(&r, "endpoint", NULL, "/x/y"),
			      .method = "PATCH",
			      .headers = {"X-Test: yes", "ACCEPT: text/x-test"},
			      .user = "me",
			      .password = "se:cret",
			      .body = ask_form(a, form, "c", "~")};
	struct ask_answer answer;

	ck_assert_result(ask(&r, &q, &answer), RENEW_REFRESHED);
	ck_assert_str_eq(json_at(a, answer.document, "method"), "PATCH");
	ck_assert_str_eq(json_at(a, answer.document, "path"), "/x/y");
	ck_assert_str_eq(json_at(a, answer.document, "body"), "a=1%20%26%3D%C3%A4&c=~");
	ck_assert_str_eq(json_at(a, answer.document, "headers.x-test"), "yes");
	ck_assert_str_eq(json_at(a, answer.document, "headers.accept"), "text/x-test");
	ck_assert_str_eq(json_at(a, answer.document, "headers.authorization"),
			 "Basic bWU6c2U6Y3JldA==");
}
END_TEST

/* A member that could have named an internal server tells nothing about what answers there. */
START_TEST(inside_only_a_source_is_told_from_nothing)
{
	static const struct {
		const char *fault;
		enum renew_result result;
		int status;
	} inside[] = {
		{"right", RENEW_REFRESHED, 200},    {"401", RENEW_SOURCE_REFUSED, 401},
		{"other", RENEW_UNREACHABLE, 0},    {"html", RENEW_UNREACHABLE, 0},
		{"redirect", RENEW_UNREACHABLE, 0}, {"server-of-another", RENEW_UNREACHABLE, 0},
		{"empty", RENEW_UNREACHABLE, 0},
	};
	struct ask_answer answer;

	for (size_t i = 0; i < COUNT_OF(inside); i++) {
		is_inside = true;
		ck_assert_result(ask_for(inside[i].fault, &answer), inside[i].result);
		ck_assert_int_eq(r.http_status, inside[i].status);
	}
}
END_TEST

START_TEST(loopback_is_refused_unless_it_is_allowed)
{
	struct ask_answer answer;

	sources_settings.networks = "";
	ck_assert_result(ask_for("right", &answer), RENEW_UNREACHABLE);
	const struct ask q = {.url = sources_url(a, "ask", "right"), .metadata = true};
	ck_assert_result(ask(&r, &q, &answer), RENEW_REFRESHED);
}
END_TEST

START_TEST(a_url_in_source_config_is_one)
{
	static const char *const wrong[] = {
		"{'endpoint':'ftp://x'}",	   "{'endpoint':'https://u@x'}",
		"{'endpoint':'https://u:p@x'}",	   "{'endpoint':'https://x/?a'}",
		"{'endpoint':'https://x/#a'}",	   "{'endpoint':'x'}",
		"{'endpoint':'https://x y'}",	   "{'endpoint':'file:///etc/passwd'}",
		"{'endpoint':'https://x\\r\\ny'}",
	};
	static const struct {
		const char *config, *url;
	} right[] = {
		{"{'endpoint':'https://x'}", "https://x/p?q"},
		{"{'endpoint':'HTTPS://x:8443/a//'}", "https://x:8443/a/p?q"},
		{"{}", "https://usual/p?q"},
		{"{'endpoint':null}", "https://usual/p?q"},
	};

	for (size_t i = 0; i < COUNT_OF(wrong); i++) {
		struct renewal w = sources_renewal(a, NULL, wrong[i], "reg.test");

		ck_assert_ptr_null(ask_url(&w, "endpoint", "https://usual", "/p"));
		ck_assert_ptr_nonnull(strstr(w.message, "\"endpoint\""));
		sources_renewal_end(&w);
	}
	for (size_t i = 0; i < COUNT_OF(right); i++) {
		struct renewal w = sources_renewal(a, NULL, right[i].config, "reg.test");

		ck_assert_str_eq(ask_url(&w, "endpoint", "https://usual", "/p?q"), right[i].url);
		sources_renewal_end(&w);
	}
}
END_TEST

START_TEST(members_are_read_strictly)
{
	static const struct {
		const char *text;
		bool is_one;
		double number;
	} numbers[] = {
		{"3600", true, 3600}, {"'3600'", true, 3600}, {"1.5e3", true, 1500},
		{"''", false, 0},     {"'0x10'", false, 0},   {"'inf'", false, 0},
		{"1e999", false, 0},  {"true", false, 0},     {"'12 '", false, 0},
		{"null", false, 0},   {"'1.2.3'", false, 0},  {"'nan'", false, 0},
	};

	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		double got = -1;
		struct renewal n = sources_renewal(
			a, NULL, arena_printf(a, "{'n':%s}", numbers[i].text), "reg.test");

		ck_assert_msg(ask_number(n.config, "n", &got) == numbers[i].is_one, "%s",
			      numbers[i].text);
		if (numbers[i].is_one)
			ck_assert(got > numbers[i].number - 0.5 && got < numbers[i].number + 0.5);
		sources_renewal_end(&n);
	}
	const struct json *texts =
		rig_json(a, "{\"a\":\"x\",\"b\":\"\",\"c\":1,\"d\":\"x\\ny\",\"e\":\"x y\"}");
	ck_assert_str_eq(ask_text(texts, "a"), "x");
	ck_assert_ptr_null(ask_text(texts, "b"));
	ck_assert_ptr_null(ask_text(texts, "c"));
	ck_assert_ptr_null(ask_text(texts, "missing"));
	ck_assert_ptr_null(ask_secret(texts, "d"));
	ck_assert_str_eq(ask_secret(texts, "e"), "x y");
}
END_TEST

START_TEST(an_expiry_lies_ahead)
{
	const struct ask_answer answer = {0};
	const double now = (double)r.now_ms;

	ck_assert_result(ask_expires(&r, &answer, now + 1000), RENEW_REFRESHED);
	ck_assert_int_eq(r.expires_ms, r.now_ms + 1000);
	ck_assert_result(ask_expires(&r, &answer, now), RENEW_BAD_ANSWER);
	ck_assert_result(ask_expires(&r, &answer, 1e300), RENEW_BAD_ANSWER);
	ck_assert_result(ask_expires(&r, &answer, -1e300), RENEW_BAD_ANSWER);
	ck_assert_result(ask_lasts(&r, 3600), RENEW_REFRESHED);
	ck_assert_int_eq(r.expires_ms, r.now_ms + 3600000);
	ck_assert_result(ask_lasts(&r, 0), RENEW_BAD_ANSWER);
}
END_TEST

START_TEST(of_a_code_only_harmless_characters_are_shown)
{
	ck_assert_result(ask_end(&r, RENEW_BAD_ANSWER, "No.", "a<b>\n\x1b[31mc_1.-"),
			 RENEW_BAD_ANSWER);
	ck_assert_str_eq(r.message, "No. (ab31mc_1.-)");
	(void)ask_end(&r, RENEW_BAD_ANSWER, "No.", "<>");
	ck_assert_str_eq(r.message, "No.");
	(void)ask_end(&r, RENEW_BAD_ANSWER, "No.",
		      "0123456789012345678901234567890123456789012345678901234567890123456789");
	ck_assert_uint_eq(strlen(r.message), strlen("No. ()") + 64);
}
END_TEST

/* Each allocation fails once; what was asked is asked again later. */
START_TEST(without_memory_there_is_a_result)
{
	struct ask_answer answer;

	for (unsigned n = 1;; n++) {
		struct arena *small = arena_new(RIG_ARENA);
		const char *url = sources_url(a, "ask", "right");
		const struct ask q = {.url = url, .body = "x", .wants = "token"};

		r.arena = small;
		arena_fail_at(small, n);
		enum renew_result result = ask(&r, &q, &answer);
		bool failed = arena_failed(small);
		arena_free(small);
		if (!failed) {
			ck_assert_result(result, RENEW_REFRESHED);
			ck_assert_uint_gt(n, 3);
			return;
		}
		ck_assert_result(result, RENEW_UNREACHABLE);
		ck_assert_ptr_nonnull(strstr(r.message, "out of memory"));
	}
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("ask");
	TCase *tests = tcase_create("ask");

	tcase_add_unchecked_fixture(tests, sources_start, sources_stop);
	tcase_add_checked_fixture(tests, setup, end);
	tcase_add_loop_test(tests, every_answer_has_its_result, 0, (int)COUNT_OF(answers));
	tcase_add_test(tests, a_clock_that_differs_is_told_with_both_times);
	tcase_add_test(tests, whoever_hangs_is_left_at_the_deadline);
	tcase_add_test(tests, a_request_is_sent_as_it_is);
	tcase_add_test(tests, inside_only_a_source_is_told_from_nothing);
	tcase_add_test(tests, loopback_is_refused_unless_it_is_allowed);
	tcase_add_test(tests, a_url_in_source_config_is_one);
	tcase_add_test(tests, members_are_read_strictly);
	tcase_add_test(tests, an_expiry_lies_ahead);
	tcase_add_test(tests, of_a_code_only_harmless_characters_are_shown);
	tcase_add_test(tests, without_memory_there_is_a_result);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
