/* check_nginx: what the check of an nginx configuration finds, and what it leaves in peace.
 *
 * The files of tests/data/nginx are copied beside those of nginx/ into a directory of the test, for
 * nginx looks for all includes beside the configuration.  One table runs some of them as they are;
 * the other takes good.conf, in which nothing is wrong, and changes one line at a time.
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
#include "nginx_check/site.h"

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

enum { PATH_SIZE = 512, TEXT_SIZE = 64 * 1024, WHY_SIZE = 512, BODY_MAX = 64 * 1024 };

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
findings(const char *path, size_t body_max)
{
	static char text[TEXT_SIZE];
	char *lines = NULL, *rest = NULL, why[WHY_SIZE] = "";
	size_t size = 0, problems = 0, warnings = 0, len = 0;
	struct nginx_report report = {99, 99};
	FILE *out = open_memstream(&lines, &size);
	bool ok;

	ck_assert_ptr_nonnull(out);
	ok = nginx_check(path, body_max, out, &report, why, sizeof(why));
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
	{ "stock.conf",
	  "stock.conf:9?next-upstream stock.conf:8!stock-params fastcgi_params:9!remote-user stock.conf:9!no-host "
	  "stock.conf:9!no-scheme stock.conf:9?body-larger stock.conf:9!body-file stock.conf:9?answer-file "
	  "stock.conf:9!error-page stock.conf:9!log-default stock.conf:5?headers-small stock.conf:6?no-tls" },
	{ "both.conf", "both.conf:8!stock-conf fastcgi.conf:9!remote-user fastcgi.conf:4!type-twice" },
	{ "inherit.conf",
	  "inherit.conf:21!no-host inherit.conf:21!no-scheme inherit.conf:21!no-uri inherit.conf:21!no-method "
	  "inherit.conf:21!no-length inherit.conf:21!no-type inherit.conf:21!no-address inherit.conf:26!error-page "
	  "inherit.conf:32!log-secret" },
	{ "limit_except.conf", "limit_except.conf:13!identity-open limit_except.conf:13!identity-unverified" },
	{ "open_token.conf", "open_token.conf:6!token-readable" },
	{ "include.conf", "include.conf:6!include-missing sites.d/20-bad.conf:4?underscores sites.d/20-bad.conf:2?no-tls" },
	{ "regcred_params", "regcred_params:1!no-location" },
	/* What nginx would refuse too, with the place. */
	{ "unclosed.conf", "cannot: unclosed.conf:1: the block that begins here is not closed" },
	{ "broken.conf", "cannot: unclosed.conf:1: the block that begins here is not closed" },
	{ "closed.conf", "cannot: closed.conf:3: this } closes no block" },
	{ "quote.conf", "cannot: quote.conf:1: the quote that begins here is not closed" },
	{ "glued.conf", "cannot: glued.conf:1: a space or ; is missing behind a quote" },
	{ "semicolon.conf", "cannot: semicolon.conf:2: \"listen\" does not end with ; or {" },
	{ "empty.conf", "cannot: empty.conf:2: a directive is missing in front of this ; or {" },
	{ "lua.conf", "cannot: lua.conf:4: a block of Lua is not closed" },
	{ "loop.conf", "cannot: loop.conf:2: this include leads back to loop.conf" },
	{ "nothing.conf", "cannot: nothing.conf cannot be read: No such file or directory" },
	{ "sites.d", "cannot: sites.d cannot be read: Is a directory" },
};

/* Other values for what stands in the good ones.  The rules that must then speak, in their order. */
static const struct { const char *file, *from, *to, *rules; } changes[] = {
	/* Logins that nginx adds. */
	{ "regcred_inject.conf", "    internal;", "", "inject-open" },
	{ "regcred_inject.conf", "client_max_body_size       0;", "", "inject-body" },
	{ "regcred_inject.conf", "client_max_body_size       0;", "client_max_body_size 64k;", "inject-body" },
	{ "good.conf", "$regcred_registry registry.example.test", "$regcred_registry $http_x_registry", "inject-client" },
	{ "regcred_inject_proxy", "proxy_set_header Authorization ", "proxy_set_header Other ", "inject-header" },
	{ "regcred_inject_proxy", "$regcred_authorization;", "$http_authorization;", "inject-header" },
	{ "regcred_inject_proxy", "proxy_hide_header WWW", "#", "inject-challenge" },
	{ "good.conf", "https://registry.example.test;", "https://registry.example.test/;", "inject-path" },
	{ "good.conf", "https://registry.example.test;", "http://registry.example.test;", "inject-http" },
	{ "good.conf", "https://registry.example.test;", "http://127.0.0.1:5000;", "" },
	{ "regcred_inject_proxy", "proxy_ssl_verify         on", "proxy_ssl_verify off", "inject-unverified" },
	{ "regcred_inject.conf", "fastcgi_keep_conn          off", "fastcgi_keep_conn on", "keep-conn" },
	{ "regcred_inject.conf", "$request_uri;", "$uri;", "decoded-uri" },

	/* The way to regcred. */
	{ "good.conf", "upstream regcred {", "upstream other {", "upstream-missing" },
	{ "good.conf", "regcredd.sock;", "regcredd.sock; keepalive 8;", "upstream-keepalive" },
	{ "good.conf", "regcredd.sock;", "regcredd.sock; keepalive 0;", "" },
	{ "regcred_params", "fastcgi_keep_conn          off", "fastcgi_keep_conn on", "keep-conn" },
	{ "regcred_params", "fastcgi_keep_conn          off", "fastcgi_keep_conn ON", "keep-conn" },
	{ "regcred_params", "fastcgi_keep_conn          off", "fastcgi_keep_conn 'on'", "keep-conn" },
	{ "regcred_params", "fastcgi_keep_conn          off", "#fastcgi_keep_conn on", "" },
	{ "regcred_params", "fastcgi_next_upstream      off", "fastcgi_next_upstream error non_idempotent", "retry-writes" },
	{ "regcred_params", "fastcgi_next_upstream      off", "fastcgi_next_upstream error timeout", "next-upstream" },
	{ "regcred_params", "fastcgi_next_upstream      off;", "", "next-upstream" },
	{ "regcred_params", "fastcgi_cache              off", "fastcgi_cache zone", "cache" },
	{ "regcred_params", "fastcgi_store              off", "fastcgi_store on", "store" },
	{ "regcred_params", "fastcgi_store              off", "fastcgi_store /data$uri", "store" },
	{ "regcred_params", "fastcgi_intercept_errors   off", "fastcgi_intercept_errors on", "intercept-errors" },
	{ "regcred_params", "access_log ", "fastcgi_pass_request_headers off; access_log ", "no-headers" },
	{ "regcred_params", "access_log ", "fastcgi_pass_request_body off; access_log ", "no-body" },

	/* Parameters. */
	{ "regcred_params", "REQUEST_METHOD  ", "REQUEST_METHOD_ ", "no-method" },
	{ "regcred_params", "REQUEST_URI  ", "REQUEST_ ", "no-uri" },
	{ "regcred_params", "CONTENT_TYPE  ", "content_type ", "no-type" },
	{ "regcred_params", "CONTENT_LENGTH  ", "CONTENT ", "no-length" },
	{ "regcred_params", "REMOTE_ADDR        $remote_addr", "REMOTE_ADDR \"\"", "no-address" },
	{ "regcred_params", "REGCRED_HOST  ", "HOST ", "no-host" },
	{ "regcred_params", "REGCRED_SCHEME  ", "SCHEME ", "no-scheme" },
	{ "regcred_params", "$request_uri;", "$uri;", "decoded-uri" },
	{ "regcred_params", "$request_uri;", "$document_uri$is_args$args;", "decoded-uri" },
	{ "regcred_params", "$http_host;", "$host;", "host-value" },
	{ "regcred_params", "$http_host;", "$http_x_forwarded_host;", "host-value" },
	{ "regcred_params", "REMOTE_USER        \"\"", "REMOTE_USER $remote_user", "remote-user" },
	{ "regcred_params", "$content_type;", "$content_type if_not_empty;", "" },
	{ "regcred_params", "$content_type;", "$content_type; fastcgi_param CONTENT_TYPE $content_type;", "type-twice" },
	{ "good.conf", "PROXY_USER $remote_user;", "PROXY_USER $remote_user; fastcgi_param REGCRED_PROXY_USER \"root\";", "user-twice" },
	{ "good.conf", "PROXY_USER $remote_user;", "PROXY_USER $remote_user; fastcgi_param REGCRED_PROXY_USER \"\";", "" },
	{ "good.conf", "PROXY_GROUPS $sso_groups;", "PROXY_GROUPS $sso_groups; fastcgi_param REGCRED_PROXY_GROUPS g;", "groups-twice" },
	{ "good.conf", "PROXY_GROUPS $sso_groups;", "PROXY_EMAIL $sso_user; fastcgi_param REGCRED_PROXY_EMAIL $sso_user;", "email-twice" },
	{ "good.conf", "include token.conf;", "include token.conf; include token.conf;", "token-twice" },

	/* Bodies and answers. */
	{ "regcred_params", "client_max_body_size       64k", "client_max_body_size 65536", "" },
	{ "regcred_params", "client_max_body_size       64k", "client_max_body_size 32K", "body-smaller" },
	{ "regcred_params", "client_max_body_size       64k", "client_max_body_size 0", "body-larger body-file" },
	{ "regcred_params", "client_max_body_size       64k", "client_max_body_size 1g", "body-larger body-file" },
	{ "regcred_params", "client_max_body_size       64k;", "", "body-larger body-file" },
	{ "regcred_params", "client_body_buffer_size    128k", "client_body_buffer_size 63k", "body-file" },
	{ "regcred_params", "client_body_buffer_size    128k;", "", "body-file" },
	{ "regcred_params", "client_body_buffer_size    128k", "client_body_buffer_size 64k", "body-buffer" },
	{ "regcred_params", "client_body_buffer_size    128k", "client_body_buffer_size 1m", "" },
	{ "regcred_params", "client_body_buffer_size    128k", "client_body_buffer_size 128k; client_body_in_file_only clean", "body-in-file" },
	{ "regcred_params", "fastcgi_request_buffering  on", "fastcgi_request_buffering off", "request-buffering" },
	{ "regcred_params", "fastcgi_buffering          on", "fastcgi_buffering off", "buffering" },
	{ "regcred_params", "fastcgi_max_temp_file_size 0;", "", "answer-file" },
	{ "regcred_params", "fastcgi_max_temp_file_size 0;", "fastcgi_max_temp_file_size 1m;", "answer-file" },

	/* nginx's own errors. */
	{ "regcred_params", "error_page 400 413 414 429 500 502 503 504", "error_page 400 414", "error-page" },
	{ "regcred_params", "error_page 400 413 ", "error_page 400 ", "error-page" },
	{ "regcred_params", "503 504 /.regcred-error", "503 504 =502 /.regcred-error", "" },
	{ "regcred_params", "503 504 /.regcred-error", "503 504 /50x.html", "error-not-json" },
	{ "regcred_params", "503 504 /.regcred-error", "503 504 /50x.json", "" },
	{ "regcred_params", "503 504 /.regcred-error", "503 504 $where", "" },
	{ "regcred_params", "503 504 /.regcred-error", "503 504 https://example.com/sorry", "error-not-json" },
	{ "regcred_params", "503 504 /.regcred-error", "503 504 /lost", "error-location" },
	{ "regcred_params", "503 504 /.regcred-error", "503 504 @lost", "error-location" },
	{ "good.conf", "include regcred.conf;", "", "error-location" },
	{ "regcred.conf", "default_type \"application/json; charset=utf-8\"", "default_type text/plain", "error-not-json" },

	/* Logs. */
	{ "regcred_params", "access_log                 off", "access_log /tmp/l", "log-secret" },
	{ "regcred_params", "access_log                 off", "access_log syslog:server=unix:/dev/log combined", "log-secret" },
	{ "regcred_params", "access_log                 off", "access_log /tmp/l path if=$slow", "" },
	{ "regcred_params", "access_log                 off", "access_log /tmp/l other", "log-unknown" },
	{ "regcred_params", "access_log                 off;", "", "" }, /* http has a good one */
	{ "regcred.conf", "access_log off", "access_log /tmp/l", "log-secret" },
	{ "regcred_params", "access_log                 off", "error_log /tmp/l debug", "log-debug" },

	/* Identity. */
	{ "good.conf", "auth_basic \"registry logins\";", "", "identity-open identity-unverified" },
	{ "good.conf", "auth_basic \"registry logins\";", "auth_basic off;", "identity-open identity-unverified" },
	{ "good.conf", "auth_basic \"registry logins\";", "auth_request /auth;", "identity-unverified" },
	{ "good.conf", "auth_basic \"registry logins\";", "auth_pam logins;", "" },
	{ "good.conf", "auth_basic \"registry logins\";", "set $realm x; auth_basic $realm;", "" },
	{ "good.conf", "auth_basic \"registry logins\";", "set $realm Off; auth_basic $realm;", "identity-open identity-unverified" },
	{ "good.conf", "auth_basic \"registry logins\";", "auth_basic x; satisfy any;", "identity-satisfy" },
	{ "good.conf", "PROXY_USER $remote_user", "PROXY_USER $http_x_user", "identity-client" },
	{ "good.conf", "PROXY_USER $remote_user", "PROXY_USER ${HTTP_X_User}", "identity-client" },
	{ "good.conf", "PROXY_USER $remote_user", "PROXY_USER x$arg_user", "identity-client" },
	{ "good.conf", "PROXY_USER $remote_user", "PROXY_USER $remote_user; fastcgi_param REGCRED_PROXY_EMAIL $cookie_mail", "identity-client" },
	{ "good.conf", "PROXY_USER $remote_user;", "PROXY_USER $me; set $me $http_x_user;", "identity-client" },
	{ "good.conf", "auth_request /auth;", "", "identity-open" },
	{ "good.conf", "auth_request /auth;", "auth_request off;", "identity-open" },
	{ "good.conf", "auth_request_set $sso_user", "auth_request_set $sso_name", "identity-unset" },
	{ "good.conf", "PROXY_USER $sso_user", "PROXY_USER $upstream_http_x_auth_request_user", "identity-unset" },
	{ "good.conf", "auth_request_set $sso_user $upstream_http_x_auth_request_user;", "auth_request_set $sso_user $http_x_user;", "identity-client" },
	{ "good.conf", "PROXY_USER $sso_user", "PROXY_USER $remote_user", "identity-unverified" },
	{ "good.conf", "ssl_verify_client optional;", "ssl_verify_client on;", "" },
	{ "good.conf", "ssl_verify_client optional;", "ssl_verify_client optional_no_ca;", "identity-open" },
	{ "good.conf", "ssl_verify_client optional;", "", "identity-open" },
	{ "good.conf", "map $ssl_client_s_dn", "map $http_x_dn", "identity-open identity-client" },
	{ "good.conf", "include token.conf;", "", "no-token" },
	{ "good.conf", "include token.conf;", "fastcgi_param REGCRED_PROXY_TOKEN '';", "no-token" },
	{ "good.conf", "include token.conf;", "fastcgi_param REGCRED_PROXY_TOKEN secret;", "token-readable" },
	{ "good.conf", "include token.conf;", "fastcgi_param REGCRED_PROXY_TOKEN $http_x_token;", "identity-client" },

	/* Counters. */
	{ "regcred.conf", "deny all;", "", "metrics-open" },
	{ "regcred.conf", "deny all;", "allow all; deny all;", "metrics-open" },
	{ "regcred.conf", "deny all;", "allow 192.0.2.0/24; deny all;", "" },
	{ "regcred.conf", "deny all;", "auth_basic operators;", "" },
	{ "regcred.conf", "deny all;", "internal;", "" },
	{ "regcred.conf", "REGCRED_METRICS \"yes\"", "REGCRED_METRICS \"\"", "" },

	/* The server. */
	{ "good.conf", "listen 127.0.0.1:18181;", "listen 127.0.0.1:18181; underscores_in_headers on;", "underscores" },
	{ "good.conf", "buffers 2 32k;", "buffers 4 8k;", "headers-small" },
	{ "good.conf", "buffers 2 32k;", "buffers 4 16k;", "" },
	{ "good.conf", "buffers 2 32k;", "buffers 8 16k;", "headers-large" },
	{ "good.conf", "listen 127.0.0.1:18181;", "listen 80;", "no-tls" },
	{ "good.conf", "listen 127.0.0.1:18181;", "listen *:80; listen [::]:80;", "no-tls" },
	{ "good.conf", "listen 127.0.0.1:18181;", "listen localhost.example.com:80;", "no-tls" },
	{ "good.conf", "listen 127.0.0.1:18181;", "listen 443 ssl http2;", "" },
	{ "good.conf", "listen 127.0.0.1:18181;", "listen 80; ssl on;", "" },
	{ "good.conf", "listen 127.0.0.1:18181;", "listen 80; if ($scheme = http) { return 301 https://x$request_uri; }", "" },
	{ "good.conf", "listen 127.0.0.1:18183;", "", "no-tls" },
};

/* Log formats, and whether they tell a secret. */
static const struct { const char *format; bool tells; } formats[] = {
	{ "$request", true }, { "$request_uri", true }, { "$args", true }, { "$query_string", true }, { "$http_authorization", true },
	{ "\"${request}\"", true }, { "$REQUEST", true }, { "$arg_secretValue", true }, { "$http_x_api_key", true },
	{ "$request_body", true }, { "$http_referer", true }, { "$http_cookie", true }, { "$uri?$args", true },
	{ "$request_time", false }, { "$request_method", false }, { "$request_id", false }, { "$request_length", false }, { "$uri", false },
	{ "$remote_user", false }, { "$http_user_agent", false }, { "$regcred_path", false }, { "request", false }, { "$arguments", false },
};
// clang-format on

START_TEST(a_file_gives_these_findings)
{
	ck_assert_int_eq(chdir(dir), 0);
	const char *got, *expected = files[_i].found;

	/* A refusal names the file as it was given. */
	if (strncmp(expected, "cannot: ", 8) == 0) {
		got = findings(files[_i].file, BODY_MAX);
		ck_assert_str_eq(got, expected);
		return;
	}
	got = findings(here(files[_i].file), BODY_MAX);
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
	rules = rules_of(findings(here("good.conf"), BODY_MAX));
	write_text(changes[_i].file, original, 0644);
	ck_assert_msg(strcmp(rules, changes[_i].rules) == 0, "%s -> %s:\n%s\nexpected\n%s",
		      changes[_i].from, changes[_i].to, rules, changes[_i].rules);
}
END_TEST

START_TEST(a_log_format_is_judged_by_its_variables)
{
	static char text[TEXT_SIZE];
	const char *got;

	(void)snprintf(text, sizeof(text),
		       "map $request_uri $regcred_path { ~(?<p>[^?]*) $p; }\n"
		       "log_format x '%s';\n"
		       "server { listen 127.0.0.1:80; large_client_header_buffers 2 32k;\n"
		       "include regcred.conf; access_log /tmp/l x;\n"
		       "location = /.regcred-error { access_log /tmp/l x; }\n"
		       "location /x { access_log /tmp/l x; fastcgi_pass regcred; } }\n",
		       formats[_i].format);
	write_text("format.conf", text, 0644);
	got = findings(here("format.conf"), BODY_MAX);
	ck_assert_msg((strstr(got, "format.conf:6!log-secret") != NULL) == formats[_i].tells,
		      "%s: %s", formats[_i].format, got);
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
	ck_assert_str_eq(findings(here("quick.conf"), BODY_MAX), "");
}
END_TEST

START_TEST(the_longest_body_is_a_parameter)
{
	ck_assert_ptr_nonnull(strstr(findings(here("good.conf"), 128 * 1024), "!body-smaller"));
	ck_assert_ptr_nonnull(strstr(findings(here("good.conf"), 1000), "?body-larger"));
}
END_TEST

/* Some user's file that only root may read: the rest is judged, and it is said. */
START_TEST(an_include_that_may_not_be_read_is_a_warning)
{
	if (geteuid() == 0)
		return; /* root may read everything */
	ck_assert_int_eq(chmod(here("token.conf"), 0), 0);
	const char *got = findings(here("good.conf"), BODY_MAX);

	ck_assert_int_eq(chmod(here("token.conf"), 0600), 0);
	ck_assert_ptr_nonnull(strstr(got, "?include-denied"));
}
END_TEST

START_TEST(the_token_may_be_readable_for_a_group_only)
{
	ck_assert_int_eq(chmod(here("token.conf"), 0640), 0);
	ck_assert_str_eq(findings(here("good.conf"), BODY_MAX), "");
	ck_assert_int_eq(chmod(here("token.conf"), 0604), 0);
	ck_assert_str_eq(findings(here("good.conf"), BODY_MAX), "token.conf:1!token-readable");
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
	ck_assert_ptr_nonnull(strstr(findings(here("deep.conf"), BODY_MAX), "nested too deeply"));
	for (int i = 0; i < 40; i++) {
		(void)snprintf(name, sizeof(name), "deep%d.conf", i);
		(void)snprintf(text, sizeof(text), "include deep%d.conf;\n", i + 1);
		write_text(name, text, 0644);
	}
	ck_assert_ptr_nonnull(
		strstr(findings(here("deep0.conf"), BODY_MAX), "includes are nested too deeply"));
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
		(void)findings(here("damaged.conf"), BODY_MAX);
		(void)snprintf(damaged, sizeof(damaged), "%s", text);
		damaged[i] = bytes[i % sizeof(bytes)];
		write_text("damaged.conf", damaged, 0644);
		(void)findings(here("damaged.conf"), BODY_MAX);
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
	tcase_add_test(t, the_longest_body_is_a_parameter);
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
