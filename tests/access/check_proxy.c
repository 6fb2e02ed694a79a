/* check_proxy: the token's file, the web server's claims, and what groups give. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/proxy.h"
#include "base/err.h"
#include "base/http.h"
#include "base/settings.h"

#include "support/fault_calls.h"

#define COUNT_OF(table) ((int)(sizeof(table) / sizeof((table)[0])))

static const char token[] = "0123456789abcdef0123456789abcdef";
static char file[64];

static void
set_up(void)
{
	snprintf(file, sizeof(file), "check_proxy.XXXXXX");
	int fd = mkstemp(file);

	ck_assert_int_ge(fd, 0);
	close(fd);
}

static void
tear_down(void)
{
	unlink(file);
}

static void
write_file(const char *text, size_t len, mode_t mode)
{
	FILE *out = fopen(file, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite(text, 1, len, out), len);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(file, mode), 0);
}

/* clang-format off */
static const struct { const char *text; mode_t mode; const char *why; } files[] = {
	{ "0123456789abcdef0123456789abcdef",       0600, NULL },
	{ "0123456789abcdef0123456789abcdef\n",     0400, NULL },
	{ "0123456789abcdef0123456789abcdef\r\n\n", 0600, NULL },
	{ "0123456789abcdef0123456789abcde",        0600, "at least 32" },
	{ "",                                       0600, "at least 32" },
	{ "\n0123456789abcdef0123456789abcdef",     0600, "one line" },
	{ "0123456789abcdef0123456789abcdef\nx",    0600, "one line" },
	{ "0123456789abcdef 0123456789abcdef",      0600, "one line" },
	{ "0123456789abcdef\"0123456789abcdef",     0600, "one line" },
	{ "0123456789abcdef;0123456789abcdef",      0600, "one line" },
	{ "0123456789abcdef0123456789abcdef",       0640, "0600 or 0400" },
	{ "0123456789abcdef0123456789abcdef",       0644, "0600 or 0400" },
	{ "0123456789abcdef0123456789abcdef",       0602, "0600 or 0400" },
	{ "0123456789abcdef0123456789abcdef",       0700, "0600 or 0400" },
};
/* clang-format on */

START_TEST(a_token_is_one_long_line_that_only_its_owner_reads)
{
	char got[PROXY_TOKEN_SIZE] = "", why[CONFIG_WHY_MAX] = "";

	write_file(files[_i].text, strlen(files[_i].text), files[_i].mode);
	bool loaded = proxy_token_load(file, got, why);
	ck_assert_msg(loaded == (files[_i].why == NULL), "%s", why);
	if (loaded) {
		ck_assert_str_eq(got, token);
	} else {
		ck_assert_msg(strstr(why, files[_i].why) != NULL && strstr(why, file) != NULL, "%s",
			      why);
		ck_assert_ptr_null(strstr(why, "cdef"));
	}
}
END_TEST

START_TEST(a_token_may_have_512_characters_and_no_NUL)
{
	char text[600], got[PROXY_TOKEN_SIZE], why[CONFIG_WHY_MAX];

	memset(text, 'x', sizeof(text));
	write_file(text, 512, 0600);
	ck_assert(proxy_token_load(file, got, why));
	ck_assert_uint_eq(strlen(got), 512);
	write_file(text, 513, 0600);
	ck_assert(!proxy_token_load(file, got, why));
	write_file(text, sizeof(text), 0600);
	ck_assert(!proxy_token_load(file, got, why));
	text[40] = '\0';
	write_file(text, 50, 0600);
	ck_assert(!proxy_token_load(file, got, why));
	ck_assert(!proxy_token_load("/dev/null", got, why));
	ck_assert(!proxy_token_load(".", got, why));
	ck_assert(!proxy_token_load("check_proxy.absent", got, why));
}
END_TEST

static const struct {
	enum fault_call call;
	const char *why;
} failing[] = {
	{CALL_OPEN, "cannot be read: Input/output error"},
	{CALL_FSTAT, "cannot be read: Input/output error"},
	{CALL_READ, "cannot be read: Input/output error"},
};

START_TEST(a_token_that_the_disk_does_not_give_is_none)
{
	char got[PROXY_TOKEN_SIZE] = "", why[CONFIG_WHY_MAX] = "";

	write_file(token, strlen(token), 0600);
	call_fails(failing[_i].call, 1, EIO);
	ck_assert(!proxy_token_load(file, got, why));
	ck_assert(calls_go_on());
	ck_assert_msg(strstr(why, failing[_i].why) != NULL && strstr(why, file) != NULL, "%s", why);
	ck_assert_str_eq(got, "");
	ck_assert_msg(proxy_token_load(file, got, why), "%s", why);
	ck_assert_str_eq(got, token);
}
END_TEST

/* clang-format off */
#define T "0123456789abcdef0123456789abcdef"
static const struct { struct proxy_claim claim; enum err rc; } claims[] = {
	{ { .token = T, .user = "alice" },                                   ERR_NONE },
	{ { .token = T, .user = "alice", .groups = "a,b", .email = "a@b" },  ERR_NONE },
	{ { .token = T, .user = "Gr\xc3\xb6\xc3\x9f" "e" },                  ERR_NONE },
	{ { .token = T, .user = "a\xc2\xa0" "b" },                           ERR_NONE },
	{ { .token = T },                                                    ERR_NONE },
	{ { .user = "alice" },                                               ERR_UNAUTHORIZED },
	{ { .groups = "ops" },                                               ERR_UNAUTHORIZED },
	{ { .user = "alice", .token = "" },                                  ERR_UNAUTHORIZED },
	{ { .user = "alice", .token = "0123456789abcdef0123456789abcdeF" },  ERR_UNAUTHORIZED },
	{ { .user = "alice", .token = T "0" },                               ERR_UNAUTHORIZED },
	{ { .user = "", .token = "x" },                                      ERR_UNAUTHORIZED },
	{ { .token = T, .user = "alice", .repeated = true },                 ERR_BAD_REQUEST },
	{ { .token = "x", .user = "alice", .repeated = true },               ERR_BAD_REQUEST },
	{ { .token = T, .user = "" },                                        ERR_BAD_REQUEST },
	{ { .token = T, .user = "alice", .groups = "" },                     ERR_BAD_REQUEST },
	{ { .token = T, .user = "alice", .email = "" },                      ERR_BAD_REQUEST },
	{ { .token = T, .groups = "ops" },                                   ERR_BAD_REQUEST },
	{ { .token = T, .email = "a@b" },                                    ERR_BAD_REQUEST },
	{ { .token = T, .user = "a\nb" },                                    ERR_BAD_REQUEST },
	{ { .token = T, .user = "a\x7f" },                                   ERR_BAD_REQUEST },
	{ { .token = T, .user = "a\xc2\x85" },                               ERR_BAD_REQUEST },
	{ { .token = T, .user = "a\xff" },                                   ERR_BAD_REQUEST },
	{ { .token = T, .user = "alice", .groups = "a\tb" },                 ERR_BAD_REQUEST },
	{ { .token = T, .user = "alice", .email = "\xc0\x80" },              ERR_BAD_REQUEST },
};
/* clang-format on */

START_TEST(claims_need_the_token_and_plain_text)
{
	struct error e = {0};

	ck_assert(proxy_claimed(&claims[_i].claim) || claims[_i].claim.repeated);
	ck_assert_int_eq(proxy_check(&claims[_i].claim, token, &e), claims[_i].rc);
}
END_TEST

START_TEST(claims_have_a_longest_length)
{
	char text[PROXY_GROUPS_MAX + 2];
	struct error e = {0};

	memset(text, 'x', sizeof(text));
	text[PROXY_GROUPS_MAX + 1] = '\0';
	struct proxy_claim claim = {.token = token, .user = "u", .groups = text + 1};
	ck_assert_int_eq(proxy_check(&claim, token, &e), ERR_NONE);
	claim.groups = text;
	ck_assert_int_eq(proxy_check(&claim, token, &e), ERR_BAD_REQUEST);
	claim = (struct proxy_claim){.token = token,
				     .user = text + PROXY_GROUPS_MAX + 1 - PROXY_USER_MAX};
	ck_assert_int_eq(proxy_check(&claim, token, &e), ERR_NONE);
	claim.user--;
	ck_assert_int_eq(proxy_check(&claim, token, &e), ERR_BAD_REQUEST);
}
END_TEST

START_TEST(nothing_is_claimed_where_nothing_was_sent)
{
	struct proxy_claim claim = {.cgi = true};

	ck_assert(!proxy_claimed(&claim));
	claim.email = "";
	ck_assert(proxy_claimed(&claim));
}
END_TEST

/* clang-format off */
static const struct { const char *text, *kind, *role; int64_t project; } grants[] = {
	{ "admin", "admin", NULL, 0 },     { "readAdmin", "readAdmin", NULL, 0 }, { "user", "user", NULL, 0 },
	{ "1a5:member", NULL, "member", 5 }, { "1a17:owner", NULL, "owner", 17 },
	{ "1a5:restricted", NULL, "restricted", 5 }, { "1a5:readonly", NULL, "readonly", 5 },
	{ "superadmin", NULL, NULL, 0 },   { "service", NULL, NULL, 0 },    { "projectadmin", NULL, NULL, 0 },
	{ "project", NULL, NULL, 0 },      { "Admin", NULL, NULL, 0 },      { "", NULL, NULL, 0 },
	{ "1a5", NULL, NULL, 0 },          { "1a5:", NULL, NULL, 0 },       { ":member", NULL, NULL, 0 },
	{ "5:member", NULL, NULL, 0 },     { "1c5:member", NULL, NULL, 0 }, { "1a05:member", NULL, NULL, 0 },
	{ "1a5:boss", NULL, NULL, 0 },     { "1a5:member ", NULL, NULL, 0 }, { "1a5:owner:x", NULL, NULL, 0 },
	{ "1a99999999999999999999999999999999999:owner", NULL, NULL, 0 },
};
/* clang-format on */

START_TEST(a_group_gives_a_kind_or_a_role)
{
	struct group_grant got;
	bool right = grants[_i].kind != NULL || grants[_i].role != NULL;

	ck_assert_int_eq(proxy_grant_parse(grants[_i].text, &got), right);
	if (right) {
		ck_assert_pstr_eq(got.kind, grants[_i].kind);
		ck_assert_pstr_eq(got.role, grants[_i].role);
		ck_assert_int_eq(got.project_id, grants[_i].project);
	}
}
END_TEST

/* clang-format off */
static const struct { const char *list, *name; bool in; } lists[] = {
	{ "ops", "ops", true },          { "a,ops", "ops", true },       { "ops,a", "ops", true },
	{ "a|ops|b", "ops", true },      { " ops ", "ops", true },       { "a, ops ,b", "ops", true },
	{ ",ops", "ops", true },         { "|ops", "ops", true },        { "a,,ops", "ops", true },
	{ "my ops", "my ops", true },
	{ "Ops", "ops", false },         { "opsx", "ops", false },       { "xops", "ops", false },
	{ "op", "ops", false },          { "", "ops", false },           { ",", "ops", false },
	{ "my ops", "ops", false },      { "a;ops", "ops", false },
	/* A separator of the other sort is part of a name. */
	{ "people, ops|b", "ops", false }, { "|people, ops", "ops", false }, { ",a|ops,b", "ops", false },
	{ NULL, "ops", false },
};
/* clang-format on */

START_TEST(a_list_of_groups_holds_whole_names)
{
	ck_assert_int_eq(proxy_in_groups(lists[_i].list, lists[_i].name), lists[_i].in);
}
END_TEST

START_TEST(the_strongest_kind_counts)
{
	static const struct group_grant given[] = {
		{.name = "ops", .kind = "admin"},
		{.name = "readers", .kind = "readAdmin"},
		{.name = "all", .kind = "user"},
		{.name = "team", .role = "owner", .project_id = 5}};
	static const struct {
		const char *kind, *list, *result;
	} cases[] = {
		{"user", NULL, "user"},
		{"user", "team", "user"},
		{"user", "readers", "readAdmin"},
		{"user", "ops,readers", "admin"},
		{"user", "readers|ops", "admin"},
		{"admin", "all", "admin"},
		{"admin", "readers", "admin"},
		{"readAdmin", "all", "readAdmin"},
		{"projectadmin", "all", "projectadmin"},
		{"projectadmin", "ops", "admin"},
		{"service", "ops", "service"}, /* who is nobody's person stays what it is */
	};

	for (int i = 0; i < COUNT_OF(cases); i++)
		ck_assert_str_eq(proxy_kind(cases[i].kind, cases[i].list, given, 4),
				 cases[i].result);
}
END_TEST

START_TEST(only_people_are_signed_in)
{
	static const char *const people[] = {"user", "projectadmin", "readAdmin", "admin"};
	static const char *const others[] = {"superadmin", "service", "project", "agent",
					     "token",	   "system",  "",	 "User"};

	for (int i = 0; i < COUNT_OF(people); i++)
		ck_assert(proxy_may_be(people[i]));
	for (int i = 0; i < COUNT_OF(others); i++)
		ck_assert(!proxy_may_be(others[i]));
}
END_TEST

START_TEST(a_group_has_a_name_that_can_be_in_a_list)
{
	char name[CONFIG_GROUP_SIZE + 1];

	ck_assert(proxy_group_name_valid("ops"));
	ck_assert(proxy_group_name_valid("cn=ops"));
	ck_assert(!proxy_group_name_valid(""));
	ck_assert(!proxy_group_name_valid("a,b"));
	ck_assert(!proxy_group_name_valid("a|b"));
	ck_assert(!proxy_group_name_valid("a\tb"));
	ck_assert(!proxy_group_name_valid("\xff"));
	memset(name, 'x', sizeof(name));
	name[CONFIG_GROUP_SIZE] = '\0';
	ck_assert(!proxy_group_name_valid(name));
	ck_assert(proxy_group_name_valid(name + 1));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("proxy");
	TCase *t = tcase_create("proxy");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_loop_test(t, a_token_is_one_long_line_that_only_its_owner_reads, 0,
			    COUNT_OF(files));
	tcase_add_test(t, a_token_may_have_512_characters_and_no_NUL);
	tcase_add_loop_test(t, a_token_that_the_disk_does_not_give_is_none, 0, COUNT_OF(failing));
	tcase_add_loop_test(t, claims_need_the_token_and_plain_text, 0, COUNT_OF(claims));
	tcase_add_test(t, claims_have_a_longest_length);
	tcase_add_test(t, nothing_is_claimed_where_nothing_was_sent);
	tcase_add_loop_test(t, a_group_gives_a_kind_or_a_role, 0, COUNT_OF(grants));
	tcase_add_loop_test(t, a_list_of_groups_holds_whole_names, 0, COUNT_OF(lists));
	tcase_add_test(t, the_strongest_kind_counts);
	tcase_add_test(t, only_people_are_signed_in);
	tcase_add_test(t, a_group_has_a_name_that_can_be_in_a_list);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
