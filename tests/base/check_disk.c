/* check_disk: network file systems by their number, and files that hold room in reserve. */
#include <check.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"

#include "support/support.h"

static const struct {
	long type;
	const char *name; /* NULL: local */
} types[] = {
	{0x6969, "NFS"},
	{(long)0xff534d42, "CIFS"},
	{(int)0xff534d42, "CIFS"},
	{0x01021997, "9P"},
	{0x65735546, "FUSE"},
	{0xef53, NULL} /* ext4 */,
	{0x01021994, NULL} /* tmpfs */,
	{0x794c7630, NULL} /* overlay */,
	{0x58465342, NULL} /* XFS */,
	{0, NULL},
};

START_TEST(a_file_system_is_known_by_its_number)
{
	const char *name = disk_network_type(types[_i].type);

	ck_assert(types[_i].name == NULL ? name == NULL
					 : name != NULL && strcmp(name, types[_i].name) == 0);
}
END_TEST

START_TEST(a_file_that_is_not_there_lies_where_its_directory_does)
{
	ck_assert_int_gt(disk_free_bytes(rig_path("none")), 0);
	ck_assert_int_lt(disk_free_bytes(rig_path("none")), INT64_MAX);
	ck_assert_int_eq(disk_free_bytes("/no/such/directory/file"), INT64_MAX);
	ck_assert_ptr_null(disk_network("/no/such/directory/file"));
}
END_TEST

START_TEST(a_reserve_has_blocks_and_is_given_back_once)
{
	const char *path = rig_path("reserve");
	struct stat st;

	ck_assert(disk_reserve(path, 100000));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 100000);
	ck_assert_int_ge((int64_t)st.st_blocks * 512, 100000);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	ck_assert(disk_reserve(path, 100000));
	ck_assert(disk_reserve(path, 5000)); /* another size takes its place */
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, 5000);
	ck_assert(disk_release(path));
	ck_assert(!disk_release(path));
	ck_assert(disk_reserve(path, 0)); /* none is wanted */
	ck_assert_int_ne(stat(path, &st), 0);
}
END_TEST

START_TEST(a_reserve_that_does_not_fit_leaves_nothing)
{
	const char *path = rig_path("large");
	const struct rlimit small = {4096, RLIM_INFINITY}, any = {RLIM_INFINITY, RLIM_INFINITY};
	struct stat st;

	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &small), 0);
	bool made = disk_reserve(path, 100000);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &any), 0);
	ck_assert(!made);
	ck_assert_int_ne(stat(path, &st), 0);
	ck_assert(!disk_reserve(rig_path("no/such/reserve"), 1));
}
END_TEST

START_TEST(files_and_directories_are_flushed)
{
	ck_assert(disk_reserve(rig_path("flushed"), 1));
	ck_assert(disk_sync(rig_path("flushed")));
	ck_assert(disk_sync_directory(rig_path("flushed")));
	ck_assert(!disk_sync(rig_path("none")));
	ck_assert(!disk_sync_directory(rig_path("no/such")));
}
END_TEST

static Suite *
disk_suite(void)
{
	Suite *suite = suite_create("disk");
	TCase *tc = tcase_create("disk");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_loop_test(tc, a_file_system_is_known_by_its_number, 0, COUNT_OF(types));
	tcase_add_test(tc, a_file_that_is_not_there_lies_where_its_directory_does);
	tcase_add_test(tc, a_reserve_has_blocks_and_is_given_back_once);
	tcase_add_test(tc, a_reserve_that_does_not_fit_leaves_nothing);
	tcase_add_test(tc, files_and_directories_are_flushed);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(disk_suite());
}
