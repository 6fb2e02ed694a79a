/* check_open: databases made, brought up to date and refused; what the connections refuse. */
#include <check.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/migrations.h"
#include "store/sql.h"
#include "store/sqlite/file.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

#include "store/bodies.h"
#include "support/support.h"

enum { HANDLES_MAX = 16 };

static struct rig rig;
static char why[STORE_WHY_MAX];

static void
setup(void)
{
	rig_open(&rig);
	why[0] = '\0';
}

static void
teardown(void)
{
	rig_close(&rig);
}

/* Migrations */

/* The first column of the first row. */
static const char *
ask(const char *path, const char *sql)
{
	(void)snprintf(rig.database, sizeof(rig.database), "%s", path);
	return rig_sql(&rig, sql);
}

static void
make(const char *path, const char *sql)
{
	sqlite3 *db = NULL;

	ck_assert_int_eq(sqlite3_open(path, &db), SQLITE_OK);
	ck_assert_int_eq(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(db), SQLITE_OK);
}

/* The number of the last migration, as text. */
static const char *
newest(void)
{
	static char text[16];

	for (const struct migration *m = migrations; m->sql != NULL; m++)
		(void)snprintf(text, sizeof(text), "%d", m->number);
	return text;
}

START_TEST(a_fresh_database_has_the_well_known_accounts)
{
	const char *path = fresh_path("fresh.db");
	struct stat st;

	ck_assert_msg(store_migrate(path, true, true, true, why), "%s", why);
	ck_assert_str_eq(ask(path, "PRAGMA user_version"), newest());
	ck_assert_str_eq(ask(path, "PRAGMA application_id"), "1919119972");
	ck_assert_str_eq(ask(path, "PRAGMA journal_mode"), "wal");
	ck_assert_str_eq(ask(path, "SELECT group_concat(id || ' ' || kind || ' ' || uuid || ' ' || "
				   "state, ', ') FROM account"),
			 "1 admin admin active, 2 system system active, 3 superadmin superadmin "
			 "active, 4 token token active, 5 project adminProject active");
	ck_assert_str_eq(ask(path, "SELECT project_id || external_id || role FROM project_member"),
			 "51a1owner");
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 0777, 0600);
	struct store *s = store_open(path, 1, why);
	ck_assert_msg(s != NULL, "%s", why);
	store_close(s);
}
END_TEST

START_TEST(every_table_is_strict)
{
	const char *path = fresh_path("fresh.db");

	ck_assert_msg(store_migrate(path, true, true, true, why), "%s", why);
	ck_assert_str_eq(ask(path, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' "
				   "AND name NOT LIKE 'sqlite_%' AND strict = 0"),
			 "0");
	ck_assert_str_eq(ask(path, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' "
				   "AND name NOT LIKE 'sqlite_%'"),
			 "11");
}
END_TEST

START_TEST(the_journal_is_changed_there_and_back)
{
	static const struct {
		bool wal;
		const char *mode;
	} steps[] = {{false, "delete"}, {true, "wal"}, {false, "delete"}, {false, "delete"}};
	const char *path = fresh_path("fresh.db");

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		ck_assert_msg(store_migrate(path, true, steps[i].wal, true, why), "%s", why);
		ck_assert_str_eq(ask(path, "PRAGMA journal_mode"), steps[i].mode);
		struct store *s = store_open(path, 2, why);
		ck_assert_msg(s != NULL, "%s", why);
		ck_assert(file_has_wal(path) == steps[i].wal);
		if (steps[i].wal) {
			ck_assert(!store_migrate(path, false, false, true, why));
			ck_assert_ptr_nonnull(strstr(why, "nobody else may use it"));
		}
		store_close(s);
	}
}
END_TEST

START_TEST(a_second_migration_changes_nothing)
{
	const char *path = fresh_path("fresh.db");

	ck_assert(store_migrate(path, true, true, true, why));
	make(path, "UPDATE account SET name = 'kept' WHERE id = 5");
	ck_assert_msg(store_migrate(path, true, true, true, why), "%s", why);
	ck_assert_msg(store_migrate(path, false, true, true, why), "%s", why);
	ck_assert_str_eq(ask(path, "SELECT name FROM account WHERE id = 5"), "kept");
	ck_assert_str_eq(ask(path, "SELECT count(*) FROM account"), "5");
	ck_assert_str_eq(ask(path, "PRAGMA user_version"), newest());
}
END_TEST

START_TEST(a_database_of_the_first_version_is_brought_up_to_date_with_its_rows)
{
	const char *path = fresh_path("old.db");

	make(path, migrations[0].sql);
	make(path,
	     "PRAGMA application_id = 1919119972; PRAGMA user_version = 1;"
	     "INSERT INTO credential (uuid, kind, account_id, state, public_value) VALUES "
	     "('u', 'apiKey', 1, 'active', 'OLD');"
	     "INSERT INTO storage_pool (uuid, kind, account_id, state, server_address) VALUES "
	     "('1', 'registry', 1, 'active', ' HTTPS://Ghcr.IO:443/v2/ '), "
	     "('2', 'registry', 1, 'active', 'index.docker.io'), "
	     "('3', 'registry', 1, 'active', 'not an address'), "
	     "('4', 'registry', 1, 'removed', NULL)");
	ck_assert_ptr_null(store_open(path, 1, why));
	ck_assert_msg(store_migrate(path, false, true, true, why), "%s", why);
	ck_assert_str_eq(ask(path, "PRAGMA user_version"), newest());
	ck_assert_str_eq(ask(path, "SELECT name || holder FROM lease"), STORE_MIGRATED "1");
	ck_assert_str_eq(ask(path, "SELECT public_value || (expires IS NULL) || (role IS NULL) || "
				   "(networks IS NULL) || (last_used IS NULL) FROM credential"),
			 "OLD1111");
	ck_assert_str_eq(ask(path, "SELECT group_concat(coalesce(address_key, '-'), ' ') FROM "
				   "storage_pool"),
			 "ghcr.io docker.io - -");
	struct store *s = store_open(path, 1, why);
	ck_assert_msg(s != NULL, "%s", why);
	store_close(s);
}
END_TEST

/* What stands in the file, and what is said about it. */
/* clang-format off */
static const struct { const char *sql, *sentence; } foreign[] = {
	{"CREATE TABLE t (a); PRAGMA user_version = 3", "is not a database of regcred"},
	{"CREATE TABLE t (a); PRAGMA application_id = 1", "is not a database of regcred"},
	{"CREATE TABLE t (a); PRAGMA application_id = 1; PRAGMA user_version = 1", "is not a database of regcred"},
	{"PRAGMA application_id = 1919119972; PRAGMA user_version = 9999", "newer than this program"},
	{"PRAGMA application_id = 1919119972; PRAGMA user_version = 2147483647", "newer than this program"},
	/* Somebody else's tables, and nothing that says so. */
	{"CREATE TABLE account (a); PRAGMA user_version = 0", "up to date"},
};
/* clang-format on */

START_TEST(a_foreign_or_newer_database_is_refused_and_left_alone)
{
	const char *path = fresh_path("foreign.db");

	make(path, foreign[_i].sql);
	const char *before = ask(path, "SELECT count(*) FROM sqlite_schema");
	ck_assert(!store_migrate(path, true, true, true, why));
	ck_assert_msg(strstr(why, foreign[_i].sentence) != NULL, "%s", why);
	ck_assert_ptr_nonnull(strstr(why, path));
	ck_assert_str_eq(ask(path, "SELECT count(*) FROM sqlite_schema"), before);
	ck_assert_ptr_null(store_open(path, 1, why));
	ck_assert_ptr_nonnull(strstr(why, path));
}
END_TEST

START_TEST(a_file_that_is_no_database_is_refused_and_left_alone)
{
	const char *path = fresh_path("text.db");
	char text[64] = "";
	FILE *f = fopen(path, "w");

	ck_assert_ptr_nonnull(f);
	for (int i = 0; i < 100; i++)
		ck_assert_int_ge(fputs("this is a letter to somebody\n", f), 0);
	ck_assert_int_eq(fclose(f), 0);
	ck_assert(!store_migrate(path, true, true, true, why));
	ck_assert_ptr_nonnull(strstr(why, path));
	ck_assert_ptr_null(store_open(path, 1, why));
	f = fopen(path, "r");
	ck_assert_ptr_nonnull(fgets(text, sizeof(text), f));
	ck_assert_str_eq(text, "this is a letter to somebody\n");
	ck_assert_int_eq(fclose(f), 0);
}
END_TEST

START_TEST(a_database_that_is_not_there_is_not_opened_and_not_made)
{
	const char *path = fresh_path("nothing.db");
	struct stat st;

	ck_assert_ptr_null(store_open(path, 1, why));
	ck_assert_ptr_nonnull(strstr(why, "regcred init"));
	ck_assert(!store_migrate(path, false, true, true, why));
	ck_assert_ptr_nonnull(strstr(why, "regcred init"));
	ck_assert_int_ne(stat(path, &st), 0);
	ck_assert(!store_migrate(rig_path("no/such.db"), true, true, true, why));
	ck_assert_ptr_nonnull(strstr(why, "no/such.db"));
}
END_TEST

START_TEST(a_database_without_tables_is_not_opened)
{
	const char *path = fresh_path("empty.db");

	make(path, "PRAGMA user_version = 0; CREATE TABLE t (a); DROP TABLE t");
	ck_assert_ptr_null(store_open(path, 1, why));
	ck_assert_ptr_nonnull(strstr(why, "version 0"));
}
END_TEST

START_TEST(a_link_in_place_of_the_database_is_not_followed)
{
	const char *path = fresh_path("link.db"), *target = fresh_path("fresh.db");

	ck_assert(store_migrate(target, true, true, true, why));
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert(!store_migrate(path, true, true, true, why));
	ck_assert_ptr_null(store_open(path, 1, why));
	(void)unlink(path);
}
END_TEST

START_TEST(a_filter_by_registry_does_not_go_through_the_account)
{
	const int64_t owner = PROJECT_DEFAULT;
	struct list_query q = {.family = &family_credential,
			       .kind = "registryCredential",
			       .owners = {.ids = &owner, .count = 1},
			       .condition_count = 1,
			       .limit = 100};
	struct sql sql;
	sqlite3 *db;
	sqlite3_stmt *stmt;

	q.conditions[0] =
		(struct condition){.column = COL_REGISTRY_ID, .op = OP_EQ, .value = value_int(1)};
	sql_list(&sql, &sqlite_engine.dialect, rig.arena, &q);
	ck_assert(!sql.failed);
	ck_assert_int_eq(sqlite3_open(rig.database, &db), SQLITE_OK);
	ck_assert_int_eq(
		sqlite3_prepare_v2(db, arena_printf(rig.arena, "EXPLAIN QUERY PLAN %s", sql.text),
				   -1, &stmt, NULL),
		SQLITE_OK);
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
	const char *plan = arena_strdup(rig.arena, (const char *)sqlite3_column_text(stmt, 3));
	ck_assert_int_eq(sqlite3_step(stmt), SQLITE_DONE); /* no sorting */
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	ck_assert_ptr_nonnull(strstr(plan, "USING INDEX credential_registry"));
}
END_TEST

/* Counts its calls, and says no at the one that arg names. */
struct calls {
	int64_t count, stop_at, done;
};

static bool
count_calls(void *arg, int64_t done, int64_t all)
{
	struct calls *c = arg;

	(void)all;
	c->done = done;
	return ++c->count != c->stop_at;
}

START_TEST(a_long_check_of_a_file_tells_and_can_be_ended)
{
	struct calls to_the_end = {.stop_at = -1}, ended = {.stop_at = 2};
	struct file_facts facts;

	rig_exec(&rig,
		 "INSERT INTO account (uuid, kind, state, created) WITH RECURSIVE n (i) AS "
		 "(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) SELECT 'u' || i, 'x', "
		 "'', i FROM n");
	ck_assert_msg(file_verify(rig.database, count_calls, &to_the_end, &facts, why), "%s", why);
	ck_assert_int_gt(to_the_end.count, 2);
	ck_assert_int_eq(to_the_end.done, -1);
	ck_assert(!file_verify(rig.database, count_calls, &ended, &facts, why));
	ck_assert_int_eq(ended.count, 2);
	ck_assert_ptr_nonnull(strstr(why, "interrupted"));
	ck_assert_ptr_null(strstr(why, "damaged"));
}
END_TEST

/* What the connections refuse: they are caught while the store opens them. */

static sqlite3 *handles[HANDLES_MAX];
static size_t handle_count;

static int
catch_handle(sqlite3 *db, char **message, const struct sqlite3_api_routines *api)
{
	(void)message, (void)api;
	ck_assert_uint_lt(handle_count, HANDLES_MAX);
	handles[handle_count++] = db;
	return SQLITE_OK;
}

/* clang-format off */
static const struct { const char *sql; bool writer, reader; } statements[] = {
	{ "SELECT count(*) FROM account",                              true,  true },
	{ "SELECT value FROM json_each('[1]')",                        true,  true },
	{ "WITH RECURSIVE n(i) AS (SELECT 1) SELECT i FROM n",         true,  true },
	{ "PRAGMA user_version",                                       true,  true },
	{ "INSERT INTO key_check VALUES (9, 'x', x'00')",              true,  false },
	{ "UPDATE account SET name = 'x'",                             true,  false },
	{ "DELETE FROM key_check",                                     true,  false },
	{ "ATTACH ':memory:' AS other",                                false, false },
	{ "ATTACH '/tmp/x.db' AS other",                               false, false },
	{ "DETACH main",                                               false, false },
	{ "PRAGMA journal_mode = DELETE",                              false, false },
	{ "PRAGMA journal_mode",                                       false, false },
	{ "PRAGMA synchronous = OFF",                                  false, false },
	{ "PRAGMA writable_schema = ON",                               false, false },
	{ "PRAGMA user_version = 9",                                   false, false },
	{ "PRAGMA application_id = 9",                                 false, false },
	{ "PRAGMA query_only = OFF",                                   false, false },
	{ "PRAGMA foreign_keys = OFF",                                 false, false },
	{ "PRAGMA trusted_schema = ON",                                false, false },
	{ "PRAGMA key_check",                                          false, false },
	{ "PRAGMA temp_store_directory = '/tmp'",                      false, false },
	{ "PRAGMA wal_checkpoint(TRUNCATE)",                           false, false },
	{ "SELECT * FROM pragma_table_info('account')",                false, false },
	{ "CREATE TABLE t (a)",                                        false, false },
	{ "CREATE TEMP TABLE t (a)",                                   false, false },
	{ "CREATE TABLE t AS SELECT * FROM account",                   false, false },
	{ "CREATE INDEX i ON account (name)",                          false, false },
	{ "CREATE VIEW v AS SELECT 1",                                 false, false },
	{ "CREATE TRIGGER t AFTER INSERT ON account BEGIN SELECT 1; END", false, false },
	{ "CREATE VIRTUAL TABLE t USING fts5(a)",                      false, false },
	{ "DROP TABLE audit_log"  ,                                    false, false },
	{ "DROP INDEX storage_pool_address",                           false, false },
	{ "ALTER TABLE account RENAME TO a",                           false, false },
	{ "ALTER TABLE account ADD COLUMN x",                          false, false },
	{ "UPDATE sqlite_schema SET sql = ''",                         false, false },
	{ "DELETE FROM sqlite_schema",                                 false, false },
	{ "REINDEX",                                                   false, false },
	{ "ANALYZE",                                                   false, false },
	{ "VACUUM",                                                    false, false },
	{ "VACUUM INTO '/tmp/x.db'",                                   false, false },
	{ "SELECT load_extension('x')",                                false, false },
};
/* clang-format on */

static void
catch_all(void)
{
	handle_count = 0;
	store_close(rig.store);
	ck_assert_int_eq(sqlite3_auto_extension((void (*)(void))catch_handle), SQLITE_OK);
	rig.store = store_open(rig.database, 2, why);
	sqlite3_reset_auto_extension();
	ck_assert_msg(rig.store != NULL, "%s", why);
	ck_assert_uint_eq(handle_count, 3);
}

START_TEST(a_connection_runs_plain_reads_and_writes_and_nothing_else)
{
	catch_all();
	for (size_t i = 0; i < handle_count; i++) {
		bool taken = i == 0 ? statements[_i].writer : statements[_i].reader;
		int rc = sqlite3_exec(handles[i], statements[_i].sql, NULL, NULL, NULL);

		ck_assert_msg((rc == SQLITE_OK) == taken, "connection %zu: %s: %s", i,
			      statements[_i].sql, sqlite3_errmsg(handles[i]));
		/* A reader is refused by name, not only because it cannot write. */
		if (!taken && statements[_i].writer)
			ck_assert_int_eq(rc, SQLITE_AUTH);
	}
}
END_TEST

START_TEST(a_connection_is_set_up_as_the_design_says)
{
	catch_all();
	for (size_t i = 0; i < handle_count; i++) {
		int on = -1;

		ck_assert_int_eq(sqlite3_db_config(handles[i], SQLITE_DBCONFIG_DEFENSIVE, -1, &on),
				 0);
		ck_assert_int_eq(on, 1);
		ck_assert_int_eq(
			sqlite3_db_config(handles[i], SQLITE_DBCONFIG_TRUSTED_SCHEMA, -1, &on), 0);
		ck_assert_int_eq(on, 0);
		ck_assert_int_eq(
			sqlite3_db_config(handles[i], SQLITE_DBCONFIG_ENABLE_FKEY, -1, &on), 0);
		ck_assert_int_eq(on, 1);
		ck_assert_int_eq(sqlite3_limit(handles[i], SQLITE_LIMIT_ATTACHED, -1), 0);
		ck_assert_int_le(sqlite3_limit(handles[i], SQLITE_LIMIT_LENGTH, -1), 1 << 20);
		ck_assert_int_eq(sqlite3_set_authorizer(handles[i], NULL, NULL), SQLITE_OK);
	}
	sqlite3_stmt *stmt;
	static const struct {
		const char *sql;
		int value;
	} settings[] = {{"PRAGMA synchronous", 2},     {"PRAGMA foreign_keys", 1},
			{"PRAGMA secure_delete", 1},   {"PRAGMA temp_store", 2},
			{"PRAGMA cell_size_check", 1}, {"PRAGMA query_only", 0}};
	for (size_t i = 0; i < COUNT_OF(settings); i++) {
		ck_assert_int_eq(sqlite3_prepare_v2(handles[0], settings[i].sql, -1, &stmt, NULL),
				 SQLITE_OK);
		ck_assert_int_eq(sqlite3_step(stmt), SQLITE_ROW);
		ck_assert_msg(sqlite3_column_int(stmt, 0) == settings[i].value, "%s",
			      settings[i].sql);
		ck_assert_int_eq(sqlite3_finalize(stmt), SQLITE_OK);
	}
}
END_TEST

static Suite *
open_suite(void)
{
	Suite *suite = suite_create("open");
	TCase *tc = tcase_create("open");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_fresh_database_has_the_well_known_accounts);
	tcase_add_test(tc, every_table_is_strict);
	tcase_add_test(tc, the_journal_is_changed_there_and_back);
	tcase_add_test(tc, a_second_migration_changes_nothing);
	tcase_add_test(tc, a_database_of_the_first_version_is_brought_up_to_date_with_its_rows);
	tcase_add_loop_test(tc, a_foreign_or_newer_database_is_refused_and_left_alone, 0,
			    COUNT_OF(foreign));
	tcase_add_test(tc, a_file_that_is_no_database_is_refused_and_left_alone);
	tcase_add_test(tc, a_database_that_is_not_there_is_not_opened_and_not_made);
	tcase_add_test(tc, a_database_without_tables_is_not_opened);
	tcase_add_test(tc, a_link_in_place_of_the_database_is_not_followed);
	tcase_add_test(tc, a_filter_by_registry_does_not_go_through_the_account);
	tcase_add_test(tc, a_long_check_of_a_file_tells_and_can_be_ended);
	tcase_add_loop_test(tc, a_connection_runs_plain_reads_and_writes_and_nothing_else, 0,
			    COUNT_OF(statements));
	tcase_add_test(tc, a_connection_is_set_up_as_the_design_says);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(open_suite());
}
