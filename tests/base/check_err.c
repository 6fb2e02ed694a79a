/* check_err: the table of errors, and the log. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

/* What clients compare with: docs/api.md, Errors.  Typed in once more, so that a slip in err.def is
 * seen. */
/* clang-format off */
static const struct { enum err err; int status; const char *code; bool validation; } published[] = {
	{ERR_INVALID_BODY, 400, "InvalidBodyContent", false},
	{ERR_BAD_REQUEST, 400, "Bad Request", false},
	{ERR_SERVER_ADDRESS_USED, 400, "ServerAddressUsed", false},
	{ERR_INVALID_PROJECT_ID, 400, "InvalidFormat", false},
	{ERR_NO_OWNER, 400, "InvalidFormat", false},
	{ERR_UNAUTHORIZED, 401, "Unauthorized", false},
	{ERR_FORBIDDEN, 403, "Forbidden", false},
	{ERR_INVALID_CSRF_TOKEN, 403, "InvalidCSRFToken", false},
	{ERR_NOT_FOUND, 404, "Not Found", false},
	{ERR_NO_LOGIN, 404, "NoLogin", false},
	{ERR_METHOD_NOT_ALLOWED, 405, "Method not allowed", false},
	{ERR_CONFLICT, 409, "Conflict", false},
	{ERR_PRECONDITION_FAILED, 412, "Precondition Failed", false},
	{ERR_TOO_LARGE, 413, "Request Entity Too Long", false},
	{ERR_MISSING_REQUIRED, 422, "MissingRequired", true},
	{ERR_NOT_NULLABLE, 422, "NotNullable", true},
	{ERR_INVALID_REFERENCE, 422, "InvalidReference", true},
	{ERR_INVALID_FORMAT, 422, "InvalidFormat", true},
	{ERR_INVALID_OPTION, 422, "InvalidOption", true},
	{ERR_INVALID_CHARACTERS, 422, "InvalidCharacters", true},
	{ERR_MIN_LENGTH, 422, "MinLengthExceeded", true},
	{ERR_MAX_LENGTH, 422, "MaxLengthExceeded", true},
	{ERR_NOT_UNIQUE, 422, "NotUnique", true},
	{ERR_INVALID_ACTION, 422, "InvalidAction", true},
	{ERR_ACTION_NOT_AVAILABLE, 422, "ActionNotAvailable", true},
	{ERR_TOO_MANY, 429, "Too Many Requests", false},
	{ERR_INTERNAL, 500, "Internal Server Error", false},
	{ERR_REGISTRY_DOWN, 502, "RegistryUnavailable", false},
	{ERR_UNAVAILABLE, 503, "Service Unavailable", false},
	{ERR_DISK_FULL, 507, "Insufficient Storage", false},
};
/* clang-format on */

START_TEST(an_error_has_its_published_status_and_code)
{
	enum err err = published[_i].err;

	ck_assert_int_eq(err_status(err), published[_i].status);
	ck_assert_str_eq(err_code(err), published[_i].code);
}
END_TEST

START_TEST(only_validation_errors_have_no_message)
{
	ck_assert(published[_i].validation == (err_message(published[_i].err) == NULL));
}
END_TEST

START_TEST(every_error_has_a_sentence)
{
	const char *detail = err_detail(published[_i].err);

	ck_assert(detail[0] >= 'A' && detail[0] <= 'Z' && detail[strlen(detail) - 1] == '.');
	ck_assert_ptr_null(strpbrk(detail, "\"\\"));
}
END_TEST

START_TEST(every_error_is_in_the_table)
{
	ck_assert_uint_eq(sizeof(published) / sizeof(published[0]), ERR__COUNT - 1);
}
END_TEST

START_TEST(setting_an_error_fills_it_and_returns_its_code)
{
	struct error e = {0};

	ck_assert_int_eq(err_set(&e, ERR_MIN_LENGTH, "email", "It is empty."), ERR_MIN_LENGTH);
	ck_assert_int_eq(e.code, ERR_MIN_LENGTH);
	ck_assert_str_eq(e.field, "email");
	ck_assert_str_eq(e.detail, "It is empty.");
	ck_assert_int_eq(err_set(&e, ERR_NOT_FOUND, NULL, NULL), ERR_NOT_FOUND);
	ck_assert_ptr_null(e.field);
	ck_assert_str_eq(e.detail, err_detail(ERR_NOT_FOUND));
}
END_TEST

/* The log writes to descriptor 2, which is a pipe during these tests. */

static int stderr_copy, pipe_ends[2];
static char output[8192];

static void
setup_log(void)
{
	stderr_copy = dup(STDERR_FILENO);
	ck_assert_int_ge(stderr_copy, 0);
	ck_assert_int_eq(pipe(pipe_ends), 0);
	ck_assert_int_eq(dup2(pipe_ends[1], STDERR_FILENO), STDERR_FILENO);
	log_set_level(LOG_INFO);
	log_set_request(NULL);
}

static void
teardown_log(void)
{
	dup2(stderr_copy, STDERR_FILENO);
	close(stderr_copy);
	close(pipe_ends[0]);
	close(pipe_ends[1]);
}

/* What was written by one write. */
static const char *
written(void)
{
	ssize_t len;

	ck_assert_int_eq(write(STDERR_FILENO, "", 1), 1); /* so that an empty pipe does not block */
	len = read(pipe_ends[0], output, sizeof(output) - 1);
	ck_assert_int_gt(len, 0);
	output[len - 1] = '\0';
	return output;
}

/* The line behind "time level [pid] ". */
static const char *
message(void)
{
	const char *bracket = strstr(written(), "] ");

	ck_assert_ptr_nonnull(bracket);
	return bracket + 2;
}

START_TEST(a_line_has_time_level_pid_and_request)
{
	int year, month, day, hour, minute, second, end = 0;
	long pid;
	char rest[64];

	log_set_request("req-7");
	log_warn("disk %s", "full");
	ck_assert_int_eq(sscanf(written(), "%4d-%2d-%2dT%2d:%2d:%2dZ warn [%ld] %n%63[^\n]", &year,
				&month, &day, &hour, &minute, &second, &pid, &end, rest),
			 8);
	ck_assert_int_ge(year, 2024);
	ck_assert_int_eq(pid, getpid());
	ck_assert_str_eq(output + end, "req-7 disk full\n");
}
END_TEST

/* clang-format off */
static const struct { const char *text, *line; } escapes[] = {
	{"plain", "- plain\n"},
	{"", "- \n"},
	{"two\nlines", "- two\\x0alines\n"},
	{"\r\t\x1b[31m", "- \\x0d\\x09\\x1b[31m\n"},
	{"\x7f", "- \\x7f\n"},
	{"gr\xc3\xbc\xc3\x9f", "- gr\xc3\xbc\xc3\x9f\n"},
	{"\xe2\x82\xac \xf0\x9f\x94\x91", "- \xe2\x82\xac \xf0\x9f\x94\x91\n"},
	{"\xc2\x9b" "31m", "- \\xc2\\x9b31m\n"}, /* the C1 control that begins an escape sequence */
	{"\xc2\xa0", "- \xc2\xa0\n"},
	{"\xff\xfe", "- \\xff\\xfe\n"},
	{"\xc3", "- \\xc3\n"},
	{"\xe2\x82", "- \\xe2\\x82\n"},
	{"\xed\xa0\x80", "- \\xed\\xa0\\x80\n"},
	{"\xc0\xaf", "- \\xc0\\xaf\n"},
	{"\x80", "- \\x80\n"},
	{"a\xe2\x80\xae" "b", "- a\\xe2\\x80\\xaeb\n"}, /* what follows is written from right to left */
	{"\xe2\x81\xa6", "- \\xe2\\x81\\xa6\n"},
	{"\xe2\x80\xa8", "- \\xe2\\x80\\xa8\n"}, /* the line separator */
	{"\xd8\x9c", "- \\xd8\\x9c\n"},
	{"\xe2\x80\xa6\xe2\x82\xac", "- \xe2\x80\xa6\xe2\x82\xac\n"},
};
/* clang-format on */

START_TEST(what_could_forge_a_line_is_escaped)
{
	log_info("%s", escapes[_i].text);
	ck_assert_str_eq(message(), escapes[_i].line);
}
END_TEST

START_TEST(the_request_id_is_escaped_as_well)
{
	log_set_request("a\nb");
	log_error("x");
	ck_assert_str_eq(message(), "a\\x0ab x\n");
}
END_TEST

START_TEST(long_lines_are_cut)
{
	static const char fill[] = {'x', '\n'};
	static char text[5000];
	size_t len;

	memset(text, fill[_i], sizeof(text) - 1);
	log_info("%s", text);
	len = strlen(written());
	ck_assert_uint_le(len, 2048);
	ck_assert_uint_gt(len, 2040);
	ck_assert_ptr_eq(strchr(output, '\n'), output + len - 1);
}
END_TEST

/* Escaped so that its reader gets the text that the plain line shows. */
START_TEST(a_line_is_an_object_where_that_is_wanted)
{
	log_set_json(true);
	log_set_request("r\"1");
	log_warn("say \"%s\" \\ \xff\n", "hi");
	const char *line = written();
	log_set_json(false);
	ck_assert_ptr_nonnull(strstr(line, "{\"time\":\"20"));
	ck_assert_ptr_nonnull(strstr(line, "\",\"level\":\"warn\",\"pid\":"));
	ck_assert_ptr_nonnull(strstr(line, ",\"request\":\"r\\\"1\",\"message\":\"say \\\"hi\\\" "
					   "\\\\ \\\\xff\\\\x0a\"}\n"));
}
END_TEST

START_TEST(a_long_object_is_whole)
{
	char text[4096];

	memset(text, '"', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	log_set_json(true);
	log_info("%s", text);
	const char *line = written();
	size_t len = strlen(line);
	log_set_json(false);
	ck_assert_uint_le(len, 2048);
	ck_assert_str_eq(line + len - 5, "\\\"\"}\n");
}
END_TEST

START_TEST(a_level_hides_what_is_less_important)
{
	log_debug("hidden");
	ck_assert_str_eq(written(), "");
	log_set_level(LOG_ERROR);
	log_warn("hidden");
	ck_assert_str_eq(written(), "");
	log_set_level(LOG_DEBUG);
	log_debug("shown");
	ck_assert_str_eq(message(), "- shown\n");
}
END_TEST

START_TEST(levels_are_read_by_name)
{
	enum log_level level = LOG_DEBUG;

	ck_assert(log_level_parse("error", &level) && level == LOG_ERROR);
	ck_assert(log_level_parse("warn", &level) && level == LOG_WARN);
	ck_assert(log_level_parse("info", &level) && level == LOG_INFO);
	ck_assert(log_level_parse("debug", &level) && level == LOG_DEBUG);
	ck_assert(!log_level_parse("INFO", &level) && level == LOG_DEBUG);
	ck_assert(!log_level_parse("", &level));
	ck_assert(!log_level_parse("warning", &level));
}
END_TEST

START_TEST(logging_leaves_errno_alone)
{
	errno = ENOSPC;
	log_error("x");
	ck_assert_int_eq(errno, ENOSPC);
}
END_TEST

#define COUNT_OF(table) ((int)(sizeof(table) / sizeof((table)[0])))

int
main(void)
{
	Suite *suite = suite_create("err");
	TCase *err = tcase_create("err"), *log = tcase_create("log");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, err);
	tcase_add_loop_test(err, an_error_has_its_published_status_and_code, 0,
			    COUNT_OF(published));
	tcase_add_loop_test(err, only_validation_errors_have_no_message, 0, COUNT_OF(published));
	tcase_add_loop_test(err, every_error_has_a_sentence, 0, COUNT_OF(published));
	tcase_add_test(err, every_error_is_in_the_table);
	tcase_add_test(err, setting_an_error_fills_it_and_returns_its_code);
	suite_add_tcase(suite, log);
	tcase_add_checked_fixture(log, setup_log, teardown_log);
	tcase_add_test(log, a_line_has_time_level_pid_and_request);
	tcase_add_loop_test(log, what_could_forge_a_line_is_escaped, 0, COUNT_OF(escapes));
	tcase_add_test(log, the_request_id_is_escaped_as_well);
	tcase_add_loop_test(log, long_lines_are_cut, 0, 2);
	tcase_add_test(log, a_level_hides_what_is_less_important);
	tcase_add_test(log, a_line_is_an_object_where_that_is_wanted);
	tcase_add_test(log, a_long_object_is_whole);
	tcase_add_test(log, levels_are_read_by_name);
	tcase_add_test(log, logging_leaves_errno_alone);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
