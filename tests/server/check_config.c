/* config: where values come from, which win, and what is refused. */
#include <check.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/settings.h"
#include "secret/jws.h"
#include "server/config.h"

static char directory[64];
static char file_name[128];

static void
set_up(void)
{
	/* The machine's own settings must not show through. */
	for (const struct setting *row = config_table; row->name != NULL; row++) {
		char name[64];

		snprintf(name, sizeof(name), "REGCRED_%s", row->name);
		for (char *p = name; *p != '\0'; p++)
			if (*p >= 'a' && *p <= 'z')
				*p = (char)(*p - 'a' + 'A');
		unsetenv(name);
	}
	unsetenv("CREDENTIALS_DIRECTORY");
	snprintf(directory, sizeof(directory), "check_config.XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(file_name, sizeof(file_name), "%s/regcred.conf", directory);
	/* An empty file in place of the default one. */
	fclose(fopen(file_name, "w"));
	setenv("REGCRED_CONFIG", file_name, 1);
}

static void
tear_down(void)
{
	char key[160];

	snprintf(key, sizeof(key), "%s/master.key", directory);
	unlink(key);
	unlink(file_name);
	ck_assert_int_eq(rmdir(directory), 0);
}

static void
write_bytes(const char *bytes, size_t len)
{
	FILE *out = fopen(file_name, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(bytes, 1, len, out), len);
	ck_assert_int_eq(fclose(out), 0);
}

static void
write_file(const char *text)
{
	write_bytes(text, strlen(text));
}

enum { ARGS_MAX = 8, ARG_MAX_BYTES = 2048 };

struct args {
	int argc;
	char text[ARGS_MAX][ARG_MAX_BYTES];
	char *argv[ARGS_MAX + 1];
};

/* A program's arguments from a NULL-terminated list, the program's name before them. */
static void
args_init(struct args *a, const char *const *list)
{
	memset(a, 0, sizeof(*a));
	strcpy(a->text[a->argc++], "program");
	for (; list != NULL && *list != NULL; list++)
		snprintf(a->text[a->argc++], ARG_MAX_BYTES, "%s", *list);
	for (int i = 0; i < a->argc; i++)
		a->argv[i] = a->text[i];
}

/* Loads with these options; where config_load stopped in *arg. */
static bool
load_with(struct settings *s, const char *const *list, int *arg, char why[CONFIG_WHY_MAX])
{
	struct args a;

	args_init(&a, list);
	*arg = 1;
	why[0] = '\0';
	return config_load(s, a.argc, a.argv, arg, why);
}

static void
load(struct settings *s)
{
	char why[CONFIG_WHY_MAX];
	int arg;

	ck_assert_msg(load_with(s, NULL, &arg, why), "%s", why);
}

/* Loads what must not load; every word of expected has to stand in the reason. */
static void
refuse(const char *const *list, const char *expected)
{
	struct settings s;
	char why[CONFIG_WHY_MAX];
	int arg;

	ck_assert(!load_with(&s, list, &arg, why));
	ck_assert_msg(strstr(why, expected) != NULL, "\"%s\" does not say \"%s\"", why, expected);
}

START_TEST(defaults_are_as_documented)
{
	struct settings s;

	load(&s);
	ck_assert_str_eq(s.state_dir, "/var/lib/regcred");
	ck_assert_str_eq(s.database, "/var/lib/regcred/regcred.db");
	ck_assert_str_eq(s.key_file, "/var/lib/regcred/master.key");
	ck_assert_str_eq(s.socket, "/var/lib/regcred/regcredd.sock");
	ck_assert_str_eq(s.pid_file, "");
	ck_assert_str_eq(s.base_url, "");
	ck_assert_int_eq(s.socket_mode, 0660);
	ck_assert_int_eq(s.workers, 2);
	ck_assert_int_eq(s.threads, 16);
	ck_assert_int_eq(s.backlog, 1024);
	ck_assert_int_eq(s.removed_keep_s, 600);
	ck_assert_int_eq(s.purged_keep_s, 2 * 24 * 60 * 60);
	ck_assert_uint_eq(s.allowed_users_count, 0);
	ck_assert_int_eq(s.log_level, LOG_INFO);
	ck_assert(!s.open);
	ck_assert(!s.trust_forwarded);
}
END_TEST

START_TEST(every_row_of_the_table_is_complete)
{
	for (const struct setting *row = config_table; row->name != NULL; row++) {
		size_t len = row->help != NULL ? strlen(row->help) : 0;

		ck_assert_uint_gt(row->size, 0);
		ck_assert_uint_le(row->offset + row->size, sizeof(struct settings));
		ck_assert_ptr_nonnull(row->fallback);
		ck_assert_msg(row->help == NULL || (len > 0 && row->help[len - 1] == '.'),
			      "%s: no sentence", row->name);
		ck_assert_msg(row->name[strspn(row->name, "abcdefghijklmnopqrstuvwxyz_")] == '\0',
			      "%s: not a plain name", row->name);
		for (const struct setting *other = config_table; other < row; other++) {
			ck_assert_str_ne(other->name, row->name);
			ck_assert_uint_ne(other->offset, row->offset);
		}
	}
}
END_TEST

START_TEST(a_file_may_hold_comments_blanks_and_its_section)
{
	struct settings s;

	write_file("# a comment\n"
		   "\n"
		   "; another\n"
		   "[regcred]\r\n"
		   "  workers\t=  3  \r\n"
		   "base_url = https://creds.example.test:8443/a/b\n"
		   "pid_file =\n"
		   "open=yes\n"
		   "state_dir = /srv/a # b = c");
	load(&s);
	ck_assert_int_eq(s.workers, 3);
	ck_assert_str_eq(s.base_url, "https://creds.example.test:8443/a/b");
	ck_assert_str_eq(s.pid_file, "");
	ck_assert(s.open);
	/* A '#' within a value belongs to it. */
	ck_assert_str_eq(s.state_dir, "/srv/a # b = c");
	ck_assert_str_eq(s.database, "/srv/a # b = c/regcred.db");
}
END_TEST

static const struct {
	const char *text;
	const char *why;
} bad_files[] = {
	{"workers = 2\nworker = 3\n", "regcred.conf:2: unknown setting \"worker\""},
	{"workers2 = 2\n", ":1: unknown setting"},
	{"Workers = 2\n", ":1: unknown setting"},
	{"state-dir = /x\n", ":1: unknown setting"},
	{"config = /x\n", ":1: unknown setting"},
	{"= 2\n", ":1: unknown setting"},
	{"\n\nworkers = 2\n#\nworkers = 2\n",
	 ":5: workers is set twice; the first time is in line 3"},
	{"workers\n", ":1: neither"},
	{"[other]\n", ":1: neither"},
	{"[regcred] workers = 1\n", ":1: unknown setting"},
	{"[groups]\nops = admin\nops = user\n",
	 ":3: the group \"ops\" already has a line like that"},
	{"[groups]\nops = 1a5:owner\nops = 1a5:member\n",
	 ":3: the group \"ops\" already has a line"},
	{"[groups]\nops = superadmin\n",
	 ":2: a group gives admin, readAdmin, user, or PROJECT:ROLE"},
	{"[groups]\nops = 1a5:\n", ":2: a group gives"},
	{"[groups]\na,b = admin\n", ":2: a group's name has"},
	{"[groups]\n= admin\n", ":2: a group's name has"},
	{"[groups]\nops\n", ":2: neither"},
	{"[groups]\nworkers = 2\n", ":2: a group gives"},
	{"[groups]\nops = admin\n[regcred]\nops = admin\n", ":4: unknown setting"},
	{"ops = admin\n", ":1: unknown setting"},
	{"workers = 2 # two\n", ":1: workers must be a whole number from 1 to 64"},
	{"\xef\xbb\xbfworkers = 2\n", ":1: unknown setting"},
	{"\nworkers = 0", ":2: workers must be"},
	{"pid_file = /a\tb\n", "control characters"},
};

START_TEST(a_bad_line_is_named_with_its_file_and_number)
{
	write_file(bad_files[_i].text);
	refuse(NULL, bad_files[_i].why);
	refuse(NULL, file_name);
}
END_TEST

START_TEST(groups_have_a_section_of_their_own)
{
	struct settings s;

	write_file("workers = 3\n"
		   "[groups]\n"
		   "# people\n"
		   "ops = admin\n"
		   "  ops\t= 1a5:member \n"
		   "cn=ops = 1a17:readonly\n"
		   "[regcred]\n"
		   "threads = 5\n"
		   "[groups]\n"
		   "readers = readAdmin\n"
		   "#hash = admin\n"
		   "\\#hash = user\n"
		   "\\;semi = user\n"
		   "\\[square] = user\n"
		   "DOM\\#x = user\n"
		   "\"quoted\" = user\n");
	load(&s);
	ck_assert_int_eq(s.workers, 3);
	ck_assert_int_eq(s.threads, 5);
	ck_assert_uint_eq(s.group_count, 9);
	ck_assert_str_eq(s.groups[0].name, "ops");
	ck_assert_str_eq(s.groups[0].kind, "admin");
	ck_assert_str_eq(s.groups[1].name, "ops");
	ck_assert_ptr_null(s.groups[1].kind);
	ck_assert_str_eq(s.groups[1].role, "member");
	ck_assert_int_eq(s.groups[1].project_id, 5);
	ck_assert_str_eq(s.groups[2].name, "cn=ops");
	ck_assert_int_eq(s.groups[2].project_id, 17);
	ck_assert_str_eq(s.groups[3].kind, "readAdmin");
	ck_assert_str_eq(s.groups[4].name, "#hash");
	ck_assert_str_eq(s.groups[4].kind, "user");
	ck_assert_str_eq(s.groups[5].name, ";semi");
	ck_assert_str_eq(s.groups[6].name, "[square]");
	ck_assert_str_eq(s.groups[7].name, "DOM\\#x");
	ck_assert_str_eq(s.groups[8].name, "\"quoted\"");
}
END_TEST

#define TOKEN_LINES "issuer = https://i\naudience = a\nkeys = /k\nproject = 1a5\nclaim.sub = x:*\n"

START_TEST(tokens_have_a_section_each)
{
	struct settings s;

	write_file("[token one]\n" TOKEN_LINES "claim.ref = a=b\n[groups]\nops = admin\n"
		   "[token two-2]\n" TOKEN_LINES "paths = acme, team\n[regcred]\nworkers = 3\n");
	load(&s);
	ck_assert_uint_eq(s.token_count, 2);
	ck_assert_str_eq(s.tokens[0].name, "one");
	ck_assert_uint_eq(s.tokens[0].claim_count, 2);
	ck_assert_str_eq(s.tokens[0].claims[1].pattern, "a=b");
	ck_assert_str_eq(s.tokens[1].name, "two-2");
	ck_assert_str_eq(s.tokens[1].paths, "acme team");
	ck_assert_uint_eq(s.group_count, 1);
	ck_assert_int_eq(s.workers, 3);
}
END_TEST

/* clang-format off */
static const struct { const char *text, *why; } bad_tokens[] = {
	{ "[token x]\n", "[token x] needs a line `issuer = ...`" },
	{ "[token x]\nissuer = i\n[regcred]\n", ":3: [token x] needs a line `audience" },
	{ "[token x]\n[token y]\n" TOKEN_LINES, ":2: [token x] needs" },
	{ "[token x]\n" TOKEN_LINES "[token x]\n" TOKEN_LINES, ":7: there is a section [token x] already" },
	{ "[token ]\n", ":1: the name of a section" },
	{ "[token a b]\n", ":1: the name of a section" },
	{ "[token ../x]\n", ":1: the name of a section" },
	{ "[token a] b]\n", ":1: the name of a section" },
	{ "[regcred] x]\n", ":1: neither" },
	{ "[groups]x]\n", ":1: neither" },
	{ "[token x]\nworkers = 2\n", ":2: unknown name \"workers\"" },
	{ "[token x]\nissuer\n", ":2: neither" },
	{ "[token x]\nissuer = a\nissuer = b\n", ":3: issuer is set twice" },
	{ "[token x]\nissuer = https://i\naudience = a\nkeys = /k\nproject = 1a5\n", "needs a claim" },
};
/* clang-format on */

START_TEST(a_bad_line_of_a_token_is_named)
{
	write_file(bad_tokens[_i].text);
	refuse(NULL, bad_tokens[_i].why);
}
END_TEST

START_TEST(there_is_a_limit_to_the_sections_of_tokens)
{
	static char text[(CONFIG_TOKENS_MAX + 1) * (sizeof(TOKEN_LINES) + 16)];
	size_t len = 0;

	for (int i = 0; i <= CONFIG_TOKENS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "[token t%d]\n" TOKEN_LINES,
					i);
	write_file(text);
	refuse(NULL, "more than 64 sections");
}
END_TEST

START_TEST(without_the_library_there_are_no_tokens)
{
	write_file("[token one]\n" TOKEN_LINES);
	refuse(NULL, "built without libjose");
}
END_TEST

START_TEST(there_is_a_limit_to_the_lines_of_groups)
{
	struct settings s;
	char text[CONFIG_GROUPS_MAX * 16 + 64] = "[groups]\n";
	size_t len = strlen(text);

	for (int i = 0; i < CONFIG_GROUPS_MAX; i++)
		len += (size_t)snprintf(text + len, sizeof(text) - len, "g%d=admin\n", i);
	write_file(text);
	load(&s);
	ck_assert_uint_eq(s.group_count, CONFIG_GROUPS_MAX);
	snprintf(text + len, sizeof(text) - len, "one more=admin\n");
	write_file(text);
	refuse(NULL, ":258: there are more than 256 lines in [groups]");
}
END_TEST

START_TEST(sign_on_needs_a_token_and_excludes_the_open_mode)
{
	write_file("proxy_auth = yes\n");
	refuse(NULL, "proxy_auth needs proxy_token_file");
	write_file("proxy_auth = yes\nproxy_token_file = /x\nopen = yes\n");
	refuse(NULL, "proxy_auth and open cannot both be set");
}
END_TEST

START_TEST(a_nul_byte_in_the_file_is_refused)
{
	static const char text[] = "workers = 2\nthreads = 1\0 6";

	write_bytes(text, sizeof(text) - 1);
	refuse(NULL, "holds a NUL byte");
}
END_TEST

START_TEST(a_named_file_must_exist)
{
	static const char *const missing[] = {"--config", "no/such/file", NULL};
	static const char *const is_directory[] = {"--config=.", NULL};

	refuse(missing, "no/such/file cannot be read: No such file");
	refuse(is_directory, ". is not a file");
}
END_TEST

/* As options, which take the same road as the file and the environment. */
static const struct {
	const char *option;
	bool good;
} values[] = {
	{"--workers=1", true},
	{"--refresh-programs=", true},
	{"--refresh-programs=a=/b/c d-e=kubelet:/f", true},
	{"--refresh-programs=a", false},
	{"--refresh-programs=a=b", false},
	{"--refresh-programs=a=shell:/b", false},
	{"--refresh-programs==/b", false},
	{"--refresh-programs=a=/b c", false},
	{"--refresh-metadata=aws", true},
	{"--refresh-metadata=gcp", false},
	{"--refresh-timeout-s=0", false},
	{"--workers=64", true},
	{"--workers=65", false},
	{"--workers=0", false},
	{"--workers=-1", false},
	{"--workers=+1", false},
	{"--workers= 1", false},
	{"--workers=1 ", false},
	{"--workers=1.0", false},
	{"--workers=0x1", false},
	{"--workers=", false},
	{"--workers=two", false},
	{"--workers=99999999999999999999", false},
	{"--workers=007", true},
	{"--threads=256", true},
	{"--threads=257", false},
	{"--backlog=127", false},
	{"--removed-keep-s=600", true},
	{"--removed-keep-s=599", false},
	{"--removed_keep_s=601", true},
	{"--removed-keep-s=10m", false},
	{"--socket-mode=0600", true},
	{"--socket-mode=660", true},
	{"--socket-mode=0680", false},
	{"--socket-mode=0500", false},
	{"--socket-mode=1777", false},
	{"--open", true},
	{"--open=yes", true},
	{"--open=no", true},
	{"--open=true", false},
	{"--open=", false},
	{"--log-level=debug", true},
	{"--log-level=warn", true},
	{"--log-level=loud", false},
	{"--log-level=", false},
	{"--allowed-users=", true},
	{"--allowed-users=root", true},
	{"--allowed-users=root, 33 0,,1000", true},
	{"--allowed-users=no-such-user-here", false},
	{"--allowed-users=4294967294", true},
	{"--allowed-users=4294967295", false},
	{"--allowed-users=-1", false},
	{"--allowed-users=1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", true},
	{"--allowed-users=1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17", false},
	{"--state-dir=", false},
	{"--state-dir=relative", true},
	{"--state-dir=a\nb", false},
	{"--base-url=", true},
	{"--base-url=http://h", true},
	{"--base-url=https://creds.example.test", true},
	{"--base-url=https://creds.example.test:8443/a/b-c_d.e~f", true},
	{"--base-url=https://[2001:db8::1]:8443", true},
	{"--base-url=creds.example.test", false},
	{"--base-url=ftp://h", false},
	{"--base-url=httpsx://h", false},
	{"--base-url=https://", false},
	{"--base-url=https:///a", false},
	{"--base-url=https://h/", false},
	{"--base-url=https://h/a/", false},
	{"--base-url=https://h//a", false},
	{"--base-url=https://h/a?b", false},
	{"--base-url=https://h/a#b", false},
	{"--base-url=https://h/\"a", false},
	{"--base-url=https://u@h", false},
	{"--base-url=https://h h", false},
	{"--base-url=https://h:99999", false},
};

START_TEST(values_are_checked_by_their_type_and_range)
{
	const char *const list[] = {values[_i].option, NULL};
	struct settings s;
	char why[CONFIG_WHY_MAX];
	int arg;

	ck_assert_msg(load_with(&s, list, &arg, why) == values[_i].good, "%s: \"%s\"",
		      values[_i].option, why);
	ck_assert(values[_i].good == (why[0] == '\0'));
	if (values[_i].good)
		ck_assert_int_eq(arg, 2);
}
END_TEST

START_TEST(users_become_numbers)
{
	static const char *const list[] = {"--allowed-users", "root, 33 1000", NULL};
	struct settings s;
	char why[CONFIG_WHY_MAX];
	int arg;

	setenv("REGCRED_ALLOWED_USERS", "1 2 3 4 5", 1);
	ck_assert(load_with(&s, list, &arg, why));
	ck_assert_uint_eq(s.allowed_users_count, 3);
	ck_assert_uint_eq(s.allowed_users[0], 0);
	ck_assert_uint_eq(s.allowed_users[1], 33);
	ck_assert_uint_eq(s.allowed_users[2], 1000);
}
END_TEST

START_TEST(option_wins_over_environment_over_file_over_default)
{
	static const char *const list[] = {"--workers", "5", NULL};
	struct settings s;
	char why[CONFIG_WHY_MAX];
	int arg;

	write_file("workers = 3\nthreads = 3\nreaders = 3\n");
	setenv("REGCRED_WORKERS", "4", 1);
	setenv("REGCRED_THREADS", "4", 1);
	ck_assert_msg(load_with(&s, list, &arg, why), "%s", why);
	ck_assert_int_eq(s.workers, 5);
	ck_assert_int_eq(s.threads, 4);
	ck_assert_int_eq(s.readers, 3);
	ck_assert_int_eq(s.backlog, 1024);
}
END_TEST

START_TEST(a_bad_value_is_refused_even_if_a_later_source_would_win)
{
	static const char *const list[] = {"--workers", "5", NULL};

	setenv("REGCRED_WORKERS", "many", 1);
	refuse(list, "REGCRED_WORKERS must be a whole number");
}
END_TEST

START_TEST(variables_of_the_clients_are_none_of_our_business)
{
	struct settings s;

	setenv("REGCRED_URL", "http://127.0.0.1:8080", 1);
	setenv("REGCRED_WORKER", "x", 1);
	setenv("REGCRED_", "x", 1);
	load(&s);
	unsetenv("REGCRED_URL");
	unsetenv("REGCRED_WORKER");
	unsetenv("REGCRED_");
}
END_TEST

START_TEST(option_config_wins_over_the_variable)
{
	const char *const list[] = {"--workers=5", "--config", file_name, NULL};
	struct settings s;
	char why[CONFIG_WHY_MAX];
	int arg;

	write_file("threads = 7\nworkers = 3\n");
	setenv("REGCRED_CONFIG", "no/such/file", 1);
	ck_assert_msg(load_with(&s, list, &arg, why), "%s", why);
	ck_assert_int_eq(s.threads, 7);
	/* The file comes before every option, wherever --config stands. */
	ck_assert_int_eq(s.workers, 5);
}
END_TEST

static const struct {
	const char *args[5];
	int stops_at;
} stops[] = {
	{{NULL}, 1},
	{{"--workers", "3", "create", NULL}, 3},
	{{"--open", "create", NULL}, 2},
	{{"--help", "--workers=3", NULL}, 1},
	{{"--workers=3", "--check", NULL}, 2},
	{{"--workersx=3", NULL}, 1},
	{{"--worker=3", NULL}, 1},
	{{"-workers=3", NULL}, 1},
	{{"--", NULL}, 1},
	{{"--=3", NULL}, 1},
	{{"create", "--workers=x", NULL}, 1},
};

START_TEST(reading_stops_at_the_first_argument_that_is_no_setting)
{
	struct settings s;
	char why[CONFIG_WHY_MAX];
	int arg;

	ck_assert_msg(load_with(&s, stops[_i].args, &arg, why), "%s", why);
	ck_assert_int_eq(arg, stops[_i].stops_at);
}
END_TEST

START_TEST(an_option_without_its_value_is_refused)
{
	static const char *const number[] = {"--workers", NULL};
	static const char *const config[] = {"--open", "--config", NULL};

	refuse(number, "--workers needs a value");
	refuse(config, "--config needs a value");
}
END_TEST

START_TEST(paths_follow_state_dir_unless_they_are_named)
{
	static const char *const list[] = {"--state-dir=/srv/r", "--socket=/run/r.sock", NULL};
	struct settings s;
	char why[CONFIG_WHY_MAX];
	int arg;

	ck_assert(load_with(&s, list, &arg, why));
	ck_assert_str_eq(s.database, "/srv/r/regcred.db");
	ck_assert_str_eq(s.key_file, "/srv/r/master.key");
	ck_assert_str_eq(s.socket, "/run/r.sock");
}
END_TEST

START_TEST(the_key_is_taken_from_systemd_if_it_is_there)
{
	char key[160];
	struct settings s;

	setenv("CREDENTIALS_DIRECTORY", directory, 1);
	load(&s);
	ck_assert_str_eq(s.key_file, "/var/lib/regcred/master.key");
	snprintf(key, sizeof(key), "%s/master.key", directory);
	fclose(fopen(key, "w"));
	load(&s);
	ck_assert_str_eq(s.key_file, key);
	setenv("REGCRED_KEY_FILE", "/named", 1);
	load(&s);
	ck_assert_str_eq(s.key_file, "/named");
}
END_TEST

START_TEST(values_that_do_not_fit_are_refused_not_cut)
{
	char option[CONFIG_PATH_MAX + 64] = "--state-dir=";
	const char *const list[] = {option, NULL};
	size_t prefix = strlen(option);
	struct settings s;
	char why[CONFIG_WHY_MAX];
	int arg;

	memset(option + prefix, 'x', CONFIG_PATH_MAX);
	refuse(list, "--state-dir must be shorter than 1024 bytes");
	/* Fits itself, but nothing below it does. */
	option[prefix + CONFIG_PATH_MAX - 1] = '\0';
	refuse(list, "state_dir is too long");
	option[prefix + CONFIG_PATH_MAX - 1 - strlen("/regcredd.sock")] = '\0';
	ck_assert_msg(load_with(&s, list, &arg, why), "%s", why);
}
END_TEST

static char *
printed_by(void (*print)(FILE *out))
{
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);

	ck_assert_ptr_nonnull(out);
	print(out);
	fclose(out);
	return text;
}

START_TEST(help_and_man_page_name_every_setting_but_those_for_tests)
{
	char *help = printed_by(config_help), *man = printed_by(config_man);

	for (const struct setting *row = config_table; row->name != NULL; row++) {
		bool shown = row->help != NULL;
		char option[64], item[64];

		snprintf(option, sizeof(option), "  --%s%c", row->name,
			 strcmp(row->type, "yes|no") == 0 ? '[' : ' ');
		for (char *p = option; *p != '\0'; p++)
			*p = *p == '_' ? '-' : *p;
		snprintf(item, sizeof(item), ".It Cm %s =", row->name);
		ck_assert_msg((strstr(help, option) != NULL) == shown, "%s", option);
		ck_assert_msg((strstr(man, item) != NULL) == shown, "%s", item);
		ck_assert_msg(!shown || strstr(help, row->help) != NULL, "%s has no help", option);
		ck_assert_msg(!shown || strstr(man, row->help) != NULL, "%s has no help", item);
	}
	ck_assert_ptr_nonnull(strstr(help, "--config FILE"));
	free(help);
	free(man);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof((table)[0])))

static Suite *
suite(void)
{
	Suite *s = suite_create("config");
	TCase *t = tcase_create("config");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, defaults_are_as_documented);
	tcase_add_test(t, every_row_of_the_table_is_complete);
	tcase_add_test(t, a_file_may_hold_comments_blanks_and_its_section);
	tcase_add_loop_test(t, a_bad_line_is_named_with_its_file_and_number, 0, COUNT(bad_files));
	tcase_add_test(t, groups_have_a_section_of_their_own);
	tcase_add_test(t, there_is_a_limit_to_the_lines_of_groups);
	if (jws_is_built()) {
		tcase_add_test(t, tokens_have_a_section_each);
		tcase_add_loop_test(t, a_bad_line_of_a_token_is_named, 0, COUNT(bad_tokens));
		tcase_add_test(t, there_is_a_limit_to_the_sections_of_tokens);
	} else {
		tcase_add_test(t, without_the_library_there_are_no_tokens);
	}
	tcase_add_test(t, sign_on_needs_a_token_and_excludes_the_open_mode);
	tcase_add_test(t, a_nul_byte_in_the_file_is_refused);
	tcase_add_test(t, a_named_file_must_exist);
	tcase_add_loop_test(t, values_are_checked_by_their_type_and_range, 0, COUNT(values));
	tcase_add_test(t, users_become_numbers);
	tcase_add_test(t, option_wins_over_environment_over_file_over_default);
	tcase_add_test(t, a_bad_value_is_refused_even_if_a_later_source_would_win);
	tcase_add_test(t, variables_of_the_clients_are_none_of_our_business);
	tcase_add_test(t, option_config_wins_over_the_variable);
	tcase_add_loop_test(t, reading_stops_at_the_first_argument_that_is_no_setting, 0,
			    COUNT(stops));
	tcase_add_test(t, an_option_without_its_value_is_refused);
	tcase_add_test(t, paths_follow_state_dir_unless_they_are_named);
	tcase_add_test(t, the_key_is_taken_from_systemd_if_it_is_there);
	tcase_add_test(t, values_that_do_not_fit_are_refused_not_cut);
	tcase_add_test(t, help_and_man_page_name_every_setting_but_those_for_tests);
	suite_add_tcase(s, t);
	return s;
}

int
main(void)
{
	SRunner *runner = srunner_create(suite());
	int failed;

	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
