/* check_backup: copies and restores that are stopped or refused leave everything as it was. */
#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "service/app.h"
#include "service/backup.h"
#include "store/sqlite/file.h"
#include "store/store.h"

#include "support/fault_vfs.h"
#include "support/support.h"

static struct rig rig;
static char why[CONFIG_WHY_MAX];
static volatile sig_atomic_t stop;
static FILE *quiet;

/* The store is closed: a restore is done while nothing runs. */
static void
setup(void)
{
	rig_open(&rig);
	(void)rig_registry(&rig, PROJECT_DEFAULT, "before");
	store_close(rig.store);
	rig.store = NULL;
	(void)snprintf(rig.settings.state_dir, sizeof(rig.settings.state_dir), "%s", rig_dir());
	quiet = fopen("/dev/null", "w");
	ck_assert_ptr_nonnull(quiet);
	stop = 0;
}

static void
teardown(void)
{
	(void)fclose(quiet);
	rig_close(&rig);
}

static struct backup
backup_of(const char *file, bool force)
{
	return (struct backup){.settings = &rig.settings,
			       .file = file,
			       .force = force,
			       .stop = &stop,
			       .out = quiet,
			       .progress = quiet};
}

/* How many files of the directory have a name that begins so. */
static int
files_like(const char *start)
{
	DIR *d = opendir(rig_dir());
	int n = 0;

	ck_assert_ptr_nonnull(d);
	for (const struct dirent *e; (e = readdir(d)) != NULL;)
		n += strncmp(e->d_name, start, strlen(start)) == 0;
	ck_assert_int_eq(closedir(d), 0);
	return n;
}

/* The registries of the database, past any store. */
static const char *
registries(void)
{
	return rig_sql(&rig, "SELECT group_concat(server_address) FROM storage_pool");
}

START_TEST(a_copy_that_is_stopped_leaves_nothing)
{
	const char *file = rig_path("stopped.db");
	const struct backup b = backup_of(file, false);

	/* So much that the copy asks whether to go on. */
	rig_exec(&rig, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
		       "5000) INSERT INTO storage_pool (uuid, kind, account_id, state, created, "
		       "server_address) SELECT 'u' || i, 'registry', 5, 'active', 0, 'r' || i FROM "
		       "n");
	stop = 1;
	ck_assert(!backup_make(&b, why));
	ck_assert_int_eq(files_like("stopped.db"), 0);
	stop = 0;
	ck_assert_msg(backup_make(&b, why), "%s", why);
	ck_assert_int_eq(files_like("stopped.db"), 1);
}
END_TEST

/* clang-format off */
static const struct { const char *file; bool force; const char *why; } refused[] = {
	{ "-",              false, "name one" },
	{ "test.db",        true,  "is the database itself" },
	{ "master.key",     false, "already exists" },
	{ "master.key",     true,  "is not a backup of yours" },
	{ "none/copy.db",   false, "No such file or directory; check the path" },
};
/* clang-format on */

START_TEST(a_copy_is_refused_there)
{
	const char *file = strcmp(refused[_i].file, "-") == 0 ? "-" : rig_path(refused[_i].file);
	const struct backup b = backup_of(file, refused[_i].force);

	ck_assert(!backup_make(&b, why));
	ck_assert_msg(strstr(why, refused[_i].why) != NULL, "%s", why);
}
END_TEST

START_TEST(a_restore_that_is_stopped_or_refused_changes_nothing)
{
	const char *file = rig_path("copy.db");
	const struct backup copy = backup_of(file, true), key = backup_of(rig_key_file(), false);
	char holder[CONFIG_TEXT_MAX];

	ck_assert_msg(backup_make(&copy, why), "%s", why);
	rig_exec(&rig, "UPDATE storage_pool SET server_address = 'after'");
	ck_assert(!backup_restore(&key, why));
	ck_assert_str_eq(registries(), "after");
	/* A rotation works on it, of a process that lives. */
	(void)snprintf(holder, sizeof(holder), "elsewhere:1:1");
	rig_exec(&rig, arena_printf(rig.arena, "INSERT INTO lease VALUES ('rekey', '%s', %lld)",
				    holder, (long long)clock_wall_ms() + 60000));
	ck_assert(!backup_restore(&copy, why));
	ck_assert_ptr_nonnull(strstr(why, "regcred rekey"));
	ck_assert_str_eq(registries(), "after");
	rig_exec(&rig, "DELETE FROM lease");
	ck_assert_msg(backup_restore(&copy, why), "%s", why);
	ck_assert_str_eq(registries(), "before");
	ck_assert_int_eq(unlink(file), 0);
}
END_TEST

START_TEST(restores_within_a_second_keep_each_old_database)
{
	const char *file = rig_path("copy.db");
	const struct backup b = backup_of(file, true);
	int old = files_like("test.db.old-");

	ck_assert_msg(backup_make(&b, why), "%s", why);
	for (int i = 0; i < 3; i++)
		ck_assert_msg(backup_restore(&b, why), "%s", why);
	ck_assert_int_eq(files_like("test.db.old-"), old + 3);
	ck_assert_int_eq(files_like("test.db.restor"), 0);
	ck_assert_int_eq(unlink(file), 0);
}
END_TEST

/* Also what would only be left in a log that is not renamed with it. */
START_TEST(a_restore_beside_a_failing_disk_is_whole_or_none)
{
	static const enum fault_kind kinds[] = {FAULT_WRITE, FAULT_SYNC, FAULT_TRUNCATE};
	const struct backup b = backup_of(rig_path("copy.db"), true);
	const bool wal = app_wants_wal(&rig.settings);
	unsigned failed = 1, refused_ones = 0;

	ck_assert_msg(backup_make(&b, why), "%s", why);
	for (unsigned k = 1; failed > 0; k++) {
		rig_exec(&rig, "UPDATE storage_pool SET server_address = 'after'");
		fault_arm(kinds[_i], k, false);
		bool done = backup_restore(&b, why);
		failed = fault_disarm();
		ck_assert_msg(strcmp(registries(), done ? "before" : "after") == 0, "%u: %s", k,
			      registries());
		ck_assert_int_eq(files_like("test.db.restor"), 0);
		if (done) {
			ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM audit_log WHERE "
						       "event_type = 'restore'"),
					 "1");
			ck_assert(file_has_wal(rig.database) == wal);
		}
		refused_ones += !done;
	}
	ck_assert_uint_gt(refused_ones, 0);
	ck_assert_int_eq(unlink(rig_path("copy.db")), 0);
}
END_TEST

static Suite *
backup_suite(void)
{
	Suite *suite = suite_create("backup");
	TCase *tc = tcase_create("backup");

	tcase_set_timeout(tc, 120);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_copy_that_is_stopped_leaves_nothing);
	tcase_add_loop_test(tc, a_copy_is_refused_there, 0, COUNT_OF(refused));
	tcase_add_test(tc, a_restore_that_is_stopped_or_refused_changes_nothing);
	tcase_add_test(tc, restores_within_a_second_keep_each_old_database);
	tcase_add_loop_test(tc, a_restore_beside_a_failing_disk_is_whole_or_none, 0, 3);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	if (!fault_vfs_register())
		return EXIT_FAILURE;
	return run_suite(backup_suite());
}
