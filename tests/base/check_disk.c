/* check_disk: network file systems by their number, and files that hold room in reserve. */
#include <check.h>
#include <fcntl.h>
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

START_TEST(files_and_directories_are_flushed)
{
	int fd = open(rig_path("flushed"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	(void)close(fd);
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
	tcase_add_test(tc, files_and_directories_are_flushed);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(disk_suite());
}
