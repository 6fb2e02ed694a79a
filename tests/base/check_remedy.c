/* check_remedy: a failed system call, with what to do. */
#include <check.h>
#include <errno.h>

#include "base/remedy.h"

#include "support/support.h"

static const struct {
	int error;
	const char *text;
} cases[] = {
	{ENOSPC, "No space left on device; free space on the disk"},
	{EMFILE, "Too many open files; raise the limit on open files"},
	{ENOTTY, "Inappropriate ioctl for device"}, /* nothing is known that helps */
};

START_TEST(an_error_is_told_with_what_to_do)
{
	ck_assert_str_eq(remedy_text(cases[_i].error), cases[_i].text);
}
END_TEST

static Suite *
remedy_suite(void)
{
	Suite *suite = suite_create("remedy");
	TCase *tc = tcase_create("remedy");

	tcase_add_loop_test(tc, an_error_is_told_with_what_to_do, 0, COUNT_OF(cases));
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(remedy_suite());
}
