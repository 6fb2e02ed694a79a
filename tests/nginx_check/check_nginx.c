/* check_nginx: what the check of an nginx configuration finds, and what it leaves in peace.
 *
 * The files of tests/data/nginx are copied to those of nginx/ into a directory of the test, for
 * nginx looks for all includes next to the configuration.  Each file of mistakes/ says in its first
 * line which rules have to speak; in those of right/ none may.  One table is about how files are
 * read; the other takes good.conf, in which nothing is wrong, and changes a line of the shipped
 * files.
 */
#include <check.h>
#include <errno.h>
#include <glob.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "nginx_check/nginx_check.h"

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

enum { PATH_SIZE = 512, TEXT_SIZE = 64 * 1024, WHY_SIZE = 512 };

static char dir[PATH_SIZE];

/* A path in the directory, in static storage. */
static const char *
here(const char *name)
{
	static char path[PATH_SIZE + 128];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
read_text(const char *path, char text[TEXT_SIZE])
{
	FILE *f = fopen(path, "r");
	size_t len;

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	len = fread(text, 1, TEXT_SIZE - 1, f);
	text[len] = '\0';
	(void)fclose(f);
}

static void
write_text(const char *name, const char *text, mode_t mode)
{
	const char *path = here(name);
	FILE *f = fopen(path, "w");

	ck_assert_msg(f != NULL, "%s: %s", path, strerror(errno));
	(void)fputs(text, f);
	(void)fclose(f);
	ck_assert_int_eq(chmod(path, mode), 0);
}

/* Files of the source tree, under their own names. */
static void
copy_all(const char *pattern, const char *to)
{
	static char text[TEXT_SIZE];
	const char *root = getenv("REGCRED_SRC");
	char path[PATH_SIZE], name[PATH_SIZE];
	glob_t files = {0};

	(void)snprintf(path, sizeof(path), "%s/%s", root == NULL ? "." : root, pattern);
	ck_assert_msg(glob(path, 0, NULL, &files) == 0, "no %s: set REGCRED_SRC", path);
	for (size_t i = 0; i < files.gl_pathc; i++) {
		struct stat st;

		if (stat(files.gl_pathv[i], &st) != 0 || !S_ISREG(st.st_mode))
			continue;
		read_text(files.gl_pathv[i], text);
		(void)snprintf(name, sizeof(name), "%s%s", to, strrchr(files.gl_pathv[i], '/') + 1);
		write_text(name, text, 0644);
	}
	globfree(&files);
}

static void
make_dir(void)
{
	(void)snprintf(dir, sizeof(dir), "%s/regcred-nginx-XXXXXX",
		       getenv("TMPDIR") != NULL ? getenv("TMPDIR") : "/tmp");
	ck_assert_ptr_nonnull(mkdtemp(dir));
	ck_assert_int_eq(mkdir(here("sites.d"), 0755), 0);
	copy_all("nginx/*", "");
	copy_all("tests/data/nginx/*", "");
	copy_all("tests/data/nginx/sites.d/*", "sites.d/");
	copy_all("tests/data/nginx/mistakes/*", "mistake-");
	copy_all("tests/data/nginx/right/*", "right-");
	write_text("token.conf",
		   "fastcgi_param REGCRED_PROXY_TOKEN \"0123456789abcdef0123456789abcdef\";\n",
		   0600);
}

static void
remove_files(const char *pattern)
{
	glob_t files = {0};

	if (glob(here(pattern), 0, NULL, &files) == 0)
		for (size_t i = 0; i < files.gl_pathc; i++)
			(void)remove(files.gl_pathv[i]);
	globfree(&files);
}

static void
remove_dir(void)
{
	remove_files("sites.d/*");
	remove_files("*");
	(void)rmdir(dir);
}

/* "FILE:LINE: severity: sentence [rule]", shortened to "FILE:LINE!rule" for a problem and with ?
 * for a warning. */
static void
shorten(char *line, char *to, size_t size, size_t *problems, size_t *warnings)
{
	char *rule = strrchr(line, '['), *sentence = strstr(line, ": "), mark;
	size_t prefix = strlen(dir) + 1;

	ck_assert_msg(rule != NULL && sentence != NULL, "not a finding: %s", line);
	ck_assert_msg(strlen(line) > 60 && strstr(line, "; ") != NULL, "says not what to do: %s",
		      line);
	ck_assert_msg(strstr(line, "{}") == NULL, "has a gap: %s", line);
	mark = strncmp(sentence, ": problem: ", 11) == 0 ? '!' : '?';
	ck_assert(mark == '!' || strncmp(sentence, ": warning: ", 11) == 0);
	++*(mark == '!' ? problems : warnings);
	*sentence = '\0';
	rule[strcspn(rule, "]")] = '\0';
	ck_assert(strncmp(line, dir, prefix - 1) == 0);
	(void)snprintf(to, size, "%s%s%c%s", to[0] == '\0' ? "" : " ", line + prefix, mark,
		       rule + 1);
}

/* The findings in their order, between blanks; "cannot: WHY" if there is nothing to judge. */
static const char *
findings(const char *path)
{
	static char text[TEXT_SIZE];
	char *lines = NULL, *rest = NULL, why[WHY_SIZE] = "";
	size_t size = 0, problems = 0, warnings = 0, len = 0;
	struct nginx_report report = {99, 99};
	FILE *out = open_memstream(&lines, &size);
	bool ok;

	ck_assert_ptr_nonnull(out);
	ok = nginx_check(path, false, out, &report, why, sizeof(why));
	(void)fclose(out);
	text[0] = '\0';
	if (!ok)
		(void)snprintf(text, sizeof(text), "cannot: %s", why);
	ck_assert(ok == (why[0] == '\0'));
	for (char *line = strtok_r(lines, "\n", &rest); ok && line != NULL;
	     line = strtok_r(NULL, "\n", &rest)) {
		char one[PATH_SIZE] = "";

		shorten(line, one, sizeof(one), &problems, &warnings);
		len += (size_t)snprintf(text + len, sizeof(text) - len, "%s%s", len == 0 ? "" : " ",
					one);
	}
	ck_assert_uint_eq(report.problems, problems);
	ck_assert_uint_eq(report.warnings, warnings);
	free(lines);
	return text;
}

// clang-format off

/* Configurations as they are. */
static const struct { const char *file, *found; } files[] = {
	{ "good.conf", "" },
	{ "regcred.conf", "" }, /* a part of a configuration may be looked at alone */
	{ "words.conf", "words.conf:21?underscores" },
	{ "inherit.conf",
	  "inherit.conf:21!method inherit.conf:21!uri inherit.conf:21!address inherit.conf:21!scheme inherit.conf:21!host "
	  "inherit.conf:26?error-page inherit.conf:32!log" },
	{ "include.conf", "include.conf:6?include-unread sites.d/20-bad.conf:4?underscores" },
	{ "regcred_params", "regcred_params:1!no-location" },
	/* What nginx would refuse too, with the place. */
	{ "unclosed.conf", "cannot: unclosed.conf:1: the block that begins here is not closed" },
	{ "broken.conf", "cannot: unclosed.conf:1: the block that begins here is not closed" },
	{ "closed.conf", "cannot: closed.conf:3: this } closes no block" },
	{ "quote.conf", "cannot: quote.conf:1: the quote that begins here is not closed" },
	{ "glued.conf", "cannot: glued.conf:1: a space or ; is missing after a quote" },
	{ "semicolon.conf", "cannot: semicolon.conf:2: \"listen\" does not end with ; or {" },
	{ "empty.conf", "cannot: empty.conf:2: a directive is missing before this ; or {" },
	{ "lua.conf", "cannot: lua.conf:4: a block of Lua is not closed" },
	{ "loop.conf", "cannot: loop.conf:2: this include leads back to loop.conf" },
	{ "nothing.conf", "cannot: nothing.conf cannot be read: No such file or directory; check the path" },
	{ "sites.d", "cannot: sites.d cannot be read: Is a directory; name a file, not a directory" },
};

/* Lines of the shipped files, changed, and the rules that must then speak, in their order. */
static const struct { const char *file, *from, *to, *rules; } changes[] = {
	{ "regcred_params", "REQUEST_METHOD  ", "REQUEST_METHOD_ ", "method" },
	{ "regcred_params", "REQUEST_URI  ", "REQUEST_ ", "uri" },
	{ "regcred_params", "REMOTE_ADDR        $remote_addr", "REMOTE_ADDR \"\"", "address" },
	{ "regcred_params", "REGCRED_SCHEME  ", "SCHEME ", "scheme" },
	{ "regcred_params", "REGCRED_HOST       $host;", "OTHER $host;", "host" },
	{ "regcred_params", "REGCRED_HOST       $http_host;", "OTHER $http_host;", "" },
	{ "regcred_params", "client_max_body_size       64k", "client_max_body_size 65536", "" },
	{ "regcred_params", "client_max_body_size       64k;", "", "body-file" },
	{ "regcred_params", "client_body_buffer_size    128k;", "", "body-file" },
	{ "regcred_params", "client_body_buffer_size    128k", "client_body_buffer_size 64k", "body-file" },
	{ "regcred_params", "fastcgi_max_temp_file_size 0;", "", "answer-file" },
	{ "regcred_params", "fastcgi_cache              off", "fastcgi_cache zone", "cache" },
	{ "regcred_params", "fastcgi_store              off", "fastcgi_store /data$uri", "store" },
	{ "regcred_params", "gzip                       off;", "gzip 'ON';", "gzip" },
	{ "regcred_params", "gzip                       off;", "", "" },
	{ "regcred_params", "error_log                  /dev/null;", "", "error-log" },
	{ "regcred_params", "error_page 400 401 403 404 413", "error_page 400 413", "error-page" },
	{ "regcred_params", "error_page 400 401 403 404 413", "error_page 400 401 403 ", "error-page" },
	{ "regcred_params", "access_log                 off", "access_log syslog:server=unix:/dev/log combined", "log" },
	{ "regcred_params", "access_log                 off", "access_log /tmp/l path if=$slow", "" },
	{ "regcred_params", "access_log                 off;", "", "" }, /* http has a good one */
	{ "regcred.conf", "access_log off", "access_log /tmp/l", "log" },
	{ "regcred.conf", "deny all;", "", "metrics-open" },
	{ "regcred.conf", "deny all;", "auth_basic operators; auth_basic_user_file /etc/nginx/htpasswd;", "" },
	{ "regcred.conf", "deny all;", "internal;", "" },
	{ "regcred.conf", "REGCRED_METRICS \"yes\"", "REGCRED_METRICS \"\"", "" },
	{ "regcred_inject.conf", "    internal;", "", "inject-open" },
	{ "regcred_inject.conf", "$request_uri;", "$uri;", "uri" },
	{ "regcred_inject_proxy", "proxy_set_header Authorization ", "proxy_set_header Other ", "inject-header inject-leak" },
	{ "regcred_inject_proxy", "$regcred_authorization;", "$http_authorization;", "inject-header" },
	{ "regcred_inject_proxy", "proxy_hide_header WWW", "#", "inject-challenge" },
	{ "regcred_inject_proxy", "proxy_ssl_verify         on", "proxy_ssl_verify off", "inject-tls" },
	{ "regcred_inject_proxy", "proxy_buffer_size ", "#", "inject-buffer" },
};

/* Log formats, and whether they tell a secret. */
static const struct { const char *format; bool tells; } formats[] = {
	{ "$request", true }, { "$request_uri", true }, { "$args", true }, { "$query_string", true }, { "$http_authorization", true },
	{ "\"${request}\"", true }, { "$REQUEST", true }, { "$arg_secretValue", true }, { "$http_x_api_key", true },
	{ "$request_body", true }, { "$http_referer", true }, { "$http_cookie", true }, { "$uri?$args", true },
	{ "$request_time", false }, { "$request_method", false }, { "$request_id", false }, { "$request_length", false }, { "$uri", false },
	{ "$upstream_http_x_registry_authorization", true },
	{ "$remote_user", false }, { "$http_user_agent", false }, { "$regcred_path", false }, { "request", false }, { "$arguments", false },
};
// clang-format on

START_TEST(a_file_gives_these_findings)
{
	ck_assert_int_eq(chdir(dir), 0);
	const char *got, *expected = files[_i].found;

	/* A refusal names the file as it was given. */
	if (strncmp(expected, "cannot: ", 8) == 0) {
		got = findings(files[_i].file);
		ck_assert_str_eq(got, expected);
		return;
	}
	got = findings(here(files[_i].file));
	ck_assert_msg(strcmp(got, expected) == 0, "%s:\n%s\nexpected\n%s", files[_i].file, got,
		      expected);
}
END_TEST

/* Writes file with its first `from` replaced. */
static void
change(const char *file, const char *from, const char *to)
{
	static char old[TEXT_SIZE], new[TEXT_SIZE];
	char *at;

	read_text(here(file), old);
	at = strstr(old, from);
	ck_assert_msg(at != NULL, "%s has no \"%s\"", file, from);
	(void)snprintf(new, sizeof(new), "%.*s%s%s", (int)(at - old), old, to, at + strlen(from));
	write_text(file, new, 0644);
}

/* "FILE:LINE!rule ..." to "rule ...", each rule once: a change touches several locations. */
static const char *
rules_of(const char *found)
{
	static char text[TEXT_SIZE], rules[TEXT_SIZE];
	char *rest = NULL, padded[PATH_SIZE];

	(void)snprintf(text, sizeof(text), "%s", found);
	(void)snprintf(rules, sizeof(rules), " ");
	for (char *one = strtok_r(text, " ", &rest); one != NULL;
	     one = strtok_r(NULL, " ", &rest)) {
		(void)snprintf(padded, sizeof(padded), " %s ", one + strcspn(one, "!?") + 1);
		if (strstr(rules, padded) == NULL)
			strcat(rules, padded + 1);
	}
	rules[strlen(rules) - 1] = '\0';
	return rules[0] == '\0' ? rules : rules + 1;
}

START_TEST(one_change_of_a_good_configuration_is_found)
{
	static char original[TEXT_SIZE];
	const char *rules;

	read_text(here(changes[_i].file), original);
	change(changes[_i].file, changes[_i].from, changes[_i].to);
	rules = rules_of(findings(here("good.conf")));
	write_text(changes[_i].file, original, 0644);
	ck_assert_msg(strcmp(rules, changes[_i].rules) == 0, "%s -> %s:\n%s\nexpected\n%s",
		      changes[_i].from, changes[_i].to, rules, changes[_i].rules);
}
END_TEST

START_TEST(a_log_format_is_judged_by_its_variables)
{
	static char text[TEXT_SIZE];
	const char *got;

	(void)snprintf(
		text, sizeof(text),
		"include regcred_http.conf; map $request_uri $regcred_path { ~(?<p>[^?]*) $p; }\n"
		"log_format x '%s';\n"
		"server { listen 127.0.0.1:80; large_client_header_buffers 2 32k;\n"
		"include regcred.conf; access_log /tmp/l x;\n"
		"location = /.regcred-error { access_log /tmp/l x; }\n"
		"location /x { access_log /tmp/l x; fastcgi_pass regcred; } }\n",
		formats[_i].format);
	write_text("format.conf", text, 0644);
	got = findings(here("format.conf"));
	ck_assert_msg((strstr(got, "format.conf:6!log") != NULL) == formats[_i].tells, "%s: %s",
		      formats[_i].format, got);
}
END_TEST

/* The shipped example as ./quickstart renders it. */
START_TEST(the_quick_start_has_no_findings)
{
	static const char *const values[][2] = {
		{"@PORT@", "8080"},
		{"@STATE@", "/tmp"},
		{"@SOCKET@", "/tmp/s"},
		{"@USER_LINE@", ""},
	};

	static char text[TEXT_SIZE];

	read_text(here("quickstart.conf.in"), text);
	write_text("quick.conf", text, 0644);
	for (size_t i = 0; i < COUNT_OF(values); i++)
		do {
			change("quick.conf", values[i][0], values[i][1]);
			read_text(here("quick.conf"), text);
		} while (strstr(text, values[i][0]) != NULL);
	change("quick.conf", "@NGINX_DIR@", "the directory of regcred.conf");
	change("quick.conf", "@NGINX_DIR@", dir);
	ck_assert_str_eq(findings(here("quick.conf")), "");
}
END_TEST

/* "# RULE ..." in the first line of the file. */
static const char *
rules_named(const char *path)
{
	static char text[TEXT_SIZE];

	read_text(path, text);
	ck_assert_msg(strncmp(text, "# ", 2) == 0, "%s names no rules", path);
	text[strcspn(text, "\n")] = '\0';
	return text + 2;
}

static void
each_file_is_judged(const char *pattern, const char *none)
{
	glob_t found = {0};

	ck_assert_int_eq(glob(here(pattern), 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		const char *path = found.gl_pathv[i], *expected = rules_named(path);
		const char *rules = rules_of(findings(path));

		ck_assert_msg(strcmp(rules, strcmp(expected, none) == 0 ? "" : expected) == 0,
			      "%s:\n%s\nexpected\n%s", path, rules, expected);
	}
	ck_assert_uint_gt(found.gl_pathc, 10);
	globfree(&found);
}

START_TEST(each_mistake_is_found)
{
	each_file_is_judged("mistake-*", "");
}
END_TEST

START_TEST(what_is_right_has_no_findings)
{
	each_file_is_judged("right-*", "nothing");
}
END_TEST

START_TEST(behind_another_proxy_its_address_is_asked_for)
{
	struct nginx_report report;
	char why[WHY_SIZE];
	FILE *null = fopen("/dev/null", "w");

	ck_assert(nginx_check(here("good.conf"), true, null, &report, why, sizeof(why)));
	ck_assert_uint_gt(report.warnings, 0);
	ck_assert(nginx_check(here("right-behind_a_proxy.conf"), true, null, &report, why,
			      sizeof(why)));
	ck_assert_uint_eq(report.warnings, 0);
	(void)fclose(null);
}
END_TEST

/* Some user's file that only root may read: the rest is judged, and it is said. */
START_TEST(an_include_that_may_not_be_read_is_a_warning)
{
	if (geteuid() == 0)
		return; /* root may read everything */
	ck_assert_int_eq(chmod(here("token.conf"), 0), 0);
	const char *got = findings(here("good.conf"));

	ck_assert_int_eq(chmod(here("token.conf"), 0600), 0);
	ck_assert_ptr_nonnull(strstr(got, "?include-unread"));
}
END_TEST

START_TEST(the_token_may_be_readable_for_a_group_only)
{
	ck_assert_int_eq(chmod(here("token.conf"), 0640), 0);
	ck_assert_str_eq(findings(here("good.conf")), "");
	ck_assert_int_eq(chmod(here("token.conf"), 0604), 0);
	ck_assert_str_eq(findings(here("good.conf")), "token.conf:1!token-readable");
	ck_assert_int_eq(chmod(here("token.conf"), 0600), 0);
}
END_TEST

START_TEST(too_deep_is_refused)
{
	static char text[TEXT_SIZE];
	char name[32], *end = text;

	for (int i = 0; i < 1000; i++)
		end += sprintf(end, "a{");
	write_text("deep.conf", text, 0644);
	ck_assert_ptr_nonnull(strstr(findings(here("deep.conf")), "nested too deeply"));
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "deep%d.conf", i);
		(void)snprintf(text, sizeof(text), "include deep%d.conf;\n", i + 1);
		write_text(name, text, 0644);
	}
	ck_assert_ptr_nonnull(
		strstr(findings(here("deep0.conf")), "includes are nested too deeply"));
}
END_TEST

/* Any beginning and any damaged byte of a configuration is judged or refused, and never worse. */
START_TEST(damaged_files_are_judged_or_refused)
{
	static const char bytes[] = {'{', '}', ';', '"', '\'', '\\', '$', '#', '\n', ' ', 0x01};
	static char text[TEXT_SIZE], damaged[TEXT_SIZE];

	read_text(here("words.conf"), text);
	for (size_t i = 0; text[i] != '\0'; i++) {
		(void)snprintf(damaged, sizeof(damaged), "%.*s", (int)i, text);
		write_text("damaged.conf", damaged, 0644);
		(void)findings(here("damaged.conf"));
		(void)snprintf(damaged, sizeof(damaged), "%s", text);
		damaged[i] = bytes[i % sizeof(bytes)];
		write_text("damaged.conf", damaged, 0644);
		(void)findings(here("damaged.conf"));
	}
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("nginx");
	TCase *t = tcase_create("nginx");
	SRunner *runner;
	int failed;

	tcase_set_timeout(t, 60);
	tcase_add_unchecked_fixture(t, make_dir, remove_dir);
	tcase_add_loop_test(t, a_file_gives_these_findings, 0, COUNT_OF(files));
	tcase_add_loop_test(t, one_change_of_a_good_configuration_is_found, 0, COUNT_OF(changes));
	tcase_add_loop_test(t, a_log_format_is_judged_by_its_variables, 0, COUNT_OF(formats));
	tcase_add_test(t, the_quick_start_has_no_findings);
	tcase_add_test(t, each_mistake_is_found);
	tcase_add_test(t, what_is_right_has_no_findings);
	tcase_add_test(t, behind_another_proxy_its_address_is_asked_for);
	tcase_add_test(t, an_include_that_may_not_be_read_is_a_warning);
	tcase_add_test(t, the_token_may_be_readable_for_a_group_only);
	tcase_add_test(t, too_deep_is_refused);
	tcase_add_test(t, damaged_files_are_judged_or_refused);
	suite_add_tcase(s, t);
	runner = srunner_create(s);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
