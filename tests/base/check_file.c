/* check_file: files that are read whole and replaced, and the lines of settings. */
#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ini.h"

#include "support/fault_calls.h"
#include "support/support.h"

enum { MOST = 16 };

static const struct file_rules rules = {
	.what = "the thing ", .max = MOST, .closed = 077, .own = true};
static char text[MOST + 1], why[4096];

/* A path in the directory of the tests that stays. */
static const char *
place(const char *name)
{
	static char paths[4][4096];
	static unsigned next;

	next = (next + 1) % 4;
	return strcpy(paths[next], rig_path(name));
}

static void
make(const char *path, const char *bytes, size_t len, mode_t mode)
{
	(void)unlink(path);
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

/* clang-format off */
static const struct { const char *bytes; size_t len; mode_t mode; const char *why; } files[] = {
	{ "",                  0,  0600, NULL },
	{ "abc\n",             4,  0400, NULL },
	{ "abc\n",             4,  0700, NULL },
	{ "0123456789abcdef",  16, 0600, NULL },
	{ "0123456789abcdefg", 17, 0600, "too long: it has more than 16 bytes" },
	{ "a\0b",              3,  0600, "holds a NUL byte" },
	{ "a",                 1,  0640, "has the mode 0640" },
	{ "a",                 1,  0604, "has the mode 0604" },
	{ "a",                 1,  0611, "has the mode 0611" },
};
/* clang-format on */

START_TEST(a_file_is_read_whole_or_refused)
{
	const char *path = place("file");
	struct stat st;

	make(path, files[_i].bytes, files[_i].len, files[_i].mode);
	ssize_t len = file_read(path, &rules, text, &st, why, sizeof(why));
	if (files[_i].why == NULL) {
		ck_assert_msg(len == (ssize_t)files[_i].len, "%s", why);
		ck_assert_str_eq(text, files[_i].bytes);
		ck_assert_int_eq(st.st_mode & 07777, files[_i].mode);
		return;
	}
	ck_assert_int_eq(len, -1);
	ck_assert_int_eq(errno, 0);
	ck_assert_msg(strstr(why, files[_i].why) != NULL && strncmp(why, "the thing /", 11) == 0,
		      "%s", why);
}
END_TEST

START_TEST(what_is_not_a_file_is_refused_at_once)
{
	const char *pipe = place("pipe");

	ck_assert_int_eq(mkfifo(pipe, 0600), 0);
	const char *const paths[] = {pipe, place("."), "/dev/null"};
	for (size_t i = 0; i < COUNT_OF(paths); i++) {
		ck_assert_int_eq(file_read(paths[i], &rules, text, NULL, why, sizeof(why)), -1);
		ck_assert_ptr_nonnull(strstr(why, "is not a file"));
	}
	ck_assert_int_eq(file_read("/no/such", &rules, text, NULL, why, sizeof(why)), -1);
	ck_assert_int_eq(errno, ENOENT);
	ck_assert_str_eq(
		why,
		"the thing /no/such cannot be read: No such file or directory; check the path");
}
END_TEST

START_TEST(a_file_of_another_user_is_refused)
{
	const char *path = place("foreign");

	make(path, "a", 1, 0600);
	if (geteuid() == 0)
		ck_assert_int_eq(chown(path, 1234, 1234), 0);
	fault_answers.somebody_else = true;
	ck_assert_int_eq(file_read(path, &rules, text, NULL, why, sizeof(why)), -1);
	fault_answers.somebody_else = false;
	ck_assert_ptr_nonnull(strstr(why, "belongs to another user"));
}
END_TEST

/* clang-format off */
static const struct { mode_t mode; bool by_group, by_root, root_reads, taken; } secrets[] = {
	{ 0440, true,  true,  false, true  },
	{ 0640, true,  true,  false, true  },
	{ 0400, true,  true,  false, true  },
	{ 0444, true,  true,  false, false },
	{ 0460, true,  true,  false, false },
	{ 0450, true,  true,  false, false },
	{ 0441, true,  true,  false, false },
	{ 0440, false, true,  false, false },
	{ 0440, true,  false, false, false },
	{ 0440, true,  true,  true,  false },
};
/* clang-format on */

/* As far as the mode goes: that the group is ours is what the kernel looks at. */
START_TEST(a_secret_of_root_is_read_by_its_group)
{
	const struct file_rules by_group = {
		.what = "the thing ", .max = 16, .closed = 077, .by_group = secrets[_i].by_group};
	const char *path = place("secret");

	if (geteuid() != 0)
		return;
	make(path, "a", 1, secrets[_i].mode);
	if (!secrets[_i].by_root)
		ck_assert_int_eq(chown(path, 1234, 1234), 0);
	fault_answers.somebody_else = !secrets[_i].root_reads;
	ssize_t len = file_read(path, &by_group, text, NULL, why, sizeof(why));
	fault_answers.somebody_else = false;
	ck_assert_int_eq(len, secrets[_i].taken ? 1 : -1);
	if (!secrets[_i].taken)
		ck_assert_ptr_nonnull(strstr(why, "has the mode"));
}
END_TEST

/* How a file may be written; what is there before; whether that is replaced. */
static const struct {
	struct file_put put;
	const char *before;
	int error;
} puts_[] = {
	{{.mode = 0600}, NULL, 0},
	{{.mode = 0640}, "old", 0},
	{{.mode = 0400, .locked = true}, "old", 0},
	{{.mode = 0400, .fresh = true}, NULL, 0},
	{{.mode = 0400, .fresh = true}, "old", EEXIST},
};

static const char *
read_back(const char *path)
{
	static const struct file_rules any = {.max = MOST};

	return file_read(path, &any, text, NULL, why, sizeof(why)) >= 0 ? text : NULL;
}

/* How many names are in the directory of the test. */
static size_t
names_left(void)
{
	char command[8200];
	size_t count = 0;

	(void)snprintf(command, sizeof(command), "ls -A %s | wc -l", rig_path("w"));
	FILE *f = popen(command, "r"); /* NOLINT */
	ck_assert_ptr_nonnull(f);
	ck_assert_int_eq(fscanf(f, "%zu", &count), 1);
	ck_assert_int_eq(pclose(f), 0);
	return count;
}

/* Whatever fails, the file is the old one or the new one, and there is no other. */
START_TEST(a_file_is_replaced_whole_or_stays)
{
	static const enum fault_call calls[] = {CALL_OPEN,  CALL_FCHMOD, CALL_FCHOWN,
						CALL_WRITE, CALL_FSYNC,	 CALL_RENAME};
	const char *path = place("w/file"), *before = puts_[_i].before;
	struct stat st;

	(void)mkdir(rig_path("w"), 0700);
	for (size_t c = 0; c < COUNT_OF(calls); c++) {
		bool failed = true;

		for (unsigned k = 1; failed; k++) {
			(void)unlink(path);
			if (before != NULL)
				make(path, before, strlen(before), 0600);
			call_fails(calls[c], k, EIO);
			bool done = file_write(path, "new", 3, &puts_[_i].put);
			failed = calls_go_on();
			const char *now = read_back(path);
			ck_assert(done == (!failed && puts_[_i].error == 0));
			if (!failed && puts_[_i].error == 0) {
				ck_assert_str_eq(now, "new");
				ck_assert_int_eq(stat(path, &st), 0);
				ck_assert_int_eq(st.st_mode & 07777, puts_[_i].put.mode);
			} else if (now != NULL && strcmp(now, "new") != 0) {
				ck_assert_str_eq(now, before);
			}
			ck_assert_uint_eq(names_left(), now != NULL);
			(void)unlink(path);
		}
	}
}
END_TEST

START_TEST(a_file_keeps_its_owner_or_loses_its_group_s_rights)
{
	const char *path = place("owned");
	struct stat like, st;
	struct file_put put = {.mode = 0640, .like = &like};

	make(path, "old", 3, 0640);
	ck_assert_int_eq(stat(path, &like), 0);
	ck_assert(file_write(path, "new", 3, &put));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0640);
	call_fails(CALL_FCHOWN, 1, EPERM);
	ck_assert(file_write(path, "newer", 5, &put));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0600);
	call_fails(CALL_FCHOWN, 1, EPERM);
	fault_answers.somebody_else = true;
	ck_assert(!file_write(path, "newest", 6, &put));
	fault_answers.somebody_else = false;
	ck_assert_str_eq(read_back(path), "newer");
	(void)calls_go_on();
}
END_TEST

START_TEST(what_a_killed_run_left_is_replaced)
{
	const char *path = place("left");
	const struct file_put put = {.mode = 0400, .locked = true};

	make(place("left.new"), "half", 4, 0400);
	ck_assert(file_write(path, "whole", 5, &put));
	ck_assert_str_eq(read_back(path), "whole");
	ck_assert_int_ne(access(place("left.new"), F_OK), 0);
}
END_TEST

/* clang-format off */
static const struct { const char *text, *lines; } settings[] = {
	{ "",                                     "" },
	{ "a = b",                                "1[a|b]" },
	{ "a=b\nc = d e\n",                       "1[a|b]2[c|d e]" },
	{ "\n\n a\t=\t b \r\n",                   "3[a|b]" },
	{ "# a = b\n ; a = b\n  \n\t\nc = # d\n", "5[c|# d]" },
	{ "a = b = c\n",                          "1[a|b = c]" },
	{ "a =\n= b\n=\n",                        "1[a|]2[|b]3[|]" },
	{ "a = b\nplain\nc = d\n",                "1[a|b]2!" },
	{ "[a]\n",                                "1!" },
};
/* clang-format on */

static bool
take_line(void *arg, unsigned number, char *line)
{
	char *equals = strchr(line, '='), *out = arg, *end = out + strlen(out);

	if (equals == NULL) {
		(void)sprintf(end, "%u!", number);
		return false;
	}
	const char *value = ini_split(line, equals);
	(void)sprintf(end, "%u[%s|%s]", number, line, value);
	return true;
}

START_TEST(lines_have_numbers_names_and_values)
{
	char copy[256], out[256] = "";

	(void)strcpy(copy, settings[_i].text);
	bool whole = ini_each(copy, take_line, out);
	ck_assert_str_eq(out, settings[_i].lines);
	ck_assert(whole == (strchr(out, '!') == NULL));
}
END_TEST

int
main(void)
{
	Suite *s = suite_create("file");
	TCase *tc = tcase_create("file");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_loop_test(tc, a_file_is_read_whole_or_refused, 0, (int)COUNT_OF(files));
	tcase_add_test(tc, what_is_not_a_file_is_refused_at_once);
	tcase_add_test(tc, a_file_of_another_user_is_refused);
	tcase_add_loop_test(tc, a_secret_of_root_is_read_by_its_group, 0, COUNT_OF(secrets));
	tcase_add_loop_test(tc, a_file_is_replaced_whole_or_stays, 0, (int)COUNT_OF(puts_));
	tcase_add_test(tc, a_file_keeps_its_owner_or_loses_its_group_s_rights);
	tcase_add_test(tc, what_a_killed_run_left_is_replaced);
	tcase_add_loop_test(tc, lines_have_numbers_names_and_values, 0, (int)COUNT_OF(settings));
	suite_add_tcase(s, tc);
	return run_suite(s);
}
