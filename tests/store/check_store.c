/* check_store: migrations, transactions, compare-and-set, uniqueness, whose rows are seen, what the
 * connections refuse, and many threads at once. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/harden.h"
#include "base/pulse.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/seal.h"
#include "store/sql.h"
#include "store/sqlite/file.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

#include "support/support.h"

enum { THREADS = 8, ROUNDS = 25, HANDLES_MAX = 16, FEW_FRAMES = 30 };

static int migrated; /* from which version */

static struct rig rig;
static char why[STORE_WHY_MAX];
static const struct owners everyone = {.all = true};

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

static const char *
fresh_path(const char *name)
{
	static const char *const endings[] = {"", "-wal", "-shm", ".lock"};
	char path[RIG_PATH_MAX];

	for (size_t i = 0; i < COUNT_OF(endings); i++) {
		(void)snprintf(path, sizeof(path), "%s/%s%s", rig_dir(), name, endings[i]);
		(void)unlink(path);
	}
	return rig_path(name);
}

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

	ck_assert_msg(store_migrate(path, true, true, &migrated, why), "%s", why);
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

	ck_assert_msg(store_migrate(path, true, true, &migrated, why), "%s", why);
	ck_assert_str_eq(ask(path, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' "
				   "AND name NOT LIKE 'sqlite_%' AND strict = 0"),
			 "0");
	ck_assert_str_eq(ask(path, "SELECT count(*) FROM pragma_table_list WHERE schema = 'main' "
				   "AND name NOT LIKE 'sqlite_%'"),
			 "9");
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
		ck_assert_msg(store_migrate(path, true, steps[i].wal, &migrated, why), "%s", why);
		ck_assert_str_eq(ask(path, "PRAGMA journal_mode"), steps[i].mode);
		struct store *s = store_open(path, 2, why);
		ck_assert_msg(s != NULL, "%s", why);
		ck_assert(file_has_wal(path) == steps[i].wal);
		if (steps[i].wal) {
			ck_assert(!store_migrate(path, false, false, &migrated, why));
			ck_assert_ptr_nonnull(strstr(why, "nobody else may use it"));
		}
		store_close(s);
	}
}
END_TEST

START_TEST(a_second_migration_changes_nothing)
{
	const char *path = fresh_path("fresh.db");

	ck_assert(store_migrate(path, true, true, &migrated, why));
	make(path, "UPDATE account SET name = 'kept' WHERE id = 5");
	ck_assert_msg(store_migrate(path, true, true, &migrated, why), "%s", why);
	ck_assert_msg(store_migrate(path, false, true, &migrated, why), "%s", why);
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
	ck_assert_msg(store_migrate(path, false, true, &migrated, why), "%s", why);
	ck_assert_str_eq(ask(path, "PRAGMA user_version"), newest());
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
	ck_assert(!store_migrate(path, true, true, &migrated, why));
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
	ck_assert(!store_migrate(path, true, true, &migrated, why));
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
	ck_assert(!store_migrate(path, false, true, &migrated, why));
	ck_assert_ptr_nonnull(strstr(why, "regcred init"));
	ck_assert_int_ne(stat(path, &st), 0);
	ck_assert(!store_migrate(rig_path("no/such.db"), true, true, &migrated, why));
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

	ck_assert(store_migrate(target, true, true, &migrated, why));
	ck_assert_int_eq(symlink(target, path), 0);
	ck_assert(!store_migrate(path, true, true, &migrated, why));
	ck_assert_ptr_null(store_open(path, 1, why));
	(void)unlink(path);
}
END_TEST

/* Transactions: a list of steps that one body does. */

struct body {
	struct record *insert[4];
	enum store_rc inserted[4];
	enum column conflict;
	bool abort;
	unsigned runs;
	enum store_rc result;
};

static enum err
run_body(struct store_tx *tx, void *arg)
{
	struct body *b = arg;
	struct error e;

	b->runs++;
	for (size_t i = 0; i < COUNT_OF(b->insert) && b->insert[i] != NULL; i++) {
		b->inserted[i] = store_insert(tx, b->insert[i]);
		if (b->inserted[i] == STORE_CONSTRAINT)
			b->conflict = store_conflict(tx);
	}
	return b->abort ? err_set(&e, ERR_CONFLICT, NULL, NULL) : ERR_NONE;
}

static struct record
registry_row(int64_t account, const char *uuid, const char *address)
{
	struct record row = {.type = &types_table[T_REGISTRY]};

	row.columns[COL_UUID] = value_text(uuid);
	row.columns[COL_KIND] = value_text("registry");
	row.columns[COL_ACCOUNT_ID] = value_int(account);
	row.columns[COL_STATE] = value_text("active");
	row.columns[COL_CREATED] = value_int(RIG_NOW);
	row.columns[COL_SERVER_ADDRESS] = value_text(address);
	return row;
}

START_TEST(a_row_is_stored_and_read_back_column_by_column)
{
	struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]}, got;
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "r.example.test");

	row.columns[COL_UUID] = value_text("the uuid");
	row.columns[COL_KIND] = value_text("registryCredential");
	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
	row.columns[COL_NAME] = value_text("caf\xc3\xa9 'quoted' \xf0\x9f\x90\xb3");
	row.columns[COL_DESCRIPTION] = value_text("");
	row.columns[COL_STATE] = value_text("inactive");
	row.columns[COL_CREATED] = value_int(INT64_C(1714979289000));
	row.columns[COL_SECRET_VALUE] = value_blob("\0\x01\xff\0", 4);
	row.columns[COL_REGISTRY_ID] = value_int(registry);
	row.columns[COL_IS_DEFAULT] = value_int(1);
	row.columns[COL_REVEAL] = value_int(0); /* what it is unless given */
	rig_insert(&rig, &row);
	ck_assert_int_gt(record_id(&row), 0);
	ck_assert_int_eq(store_get(rig.store, rig.arena, &family_credential, record_id(&row),
				   &everyone, &got),
			 STORE_OK);
	ck_assert_ptr_eq(got.type, &types_table[T_REGISTRY_CREDENTIAL]);
	for (unsigned c = 1; c < COL__COUNT; c++) {
		const struct value *want = &row.columns[c], *have = &got.columns[c];

		ck_assert_msg(have->type == want->type, "%s",
			      column_name(&family_credential, (enum column)c));
		ck_assert_int_eq(have->number, want->number);
		ck_assert_uint_eq(have->len, want->len);
		if (want->len > 0)
			ck_assert_int_eq(memcmp(have->text, want->text, want->len), 0);
	}
	ck_assert_str_eq(got.columns[COL_DESCRIPTION].text, "");
	ck_assert_int_eq(record_state(&got), ST_INACTIVE);
}
END_TEST

/* A limit on the size of files is a disk that is full, wherever this runs. */
static void
limit_files(off_t bytes)
{
	const struct rlimit limit = {(rlim_t)bytes, RLIM_INFINITY};

	(void)signal(SIGXFSZ, SIG_IGN);
	ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static const char *
short_text(int number)
{
	static char text[8];

	(void)snprintf(text, sizeof(text), "%02x", (unsigned)number & 0xff);
	return text;
}

static int64_t
gauge_of(struct store *s, const char *name)
{
	struct gauge gauges[STORE_GAUGES_MAX];
	size_t count = store_gauges(s, gauges);

	for (size_t i = 0; i < count; i++)
		if (strcmp(gauges[i].name, name) == 0)
			return gauges[i].value;
	ck_abort_msg("there is no %s", name);
	return -1;
}

START_TEST(a_full_disk_refuses_and_changes_nothing)
{
	struct record first = registry_row(PROJECT_DEFAULT, "1", "one"), got;
	struct record second = registry_row(PROJECT_DEFAULT, "2", "two");
	struct body before = {.insert = {&first}}, refused = {.insert = {&second}};
	struct stat st;

	ck_assert_int_eq(store_write(rig.store, run_body, &before), STORE_OK);
	/* The log becomes the largest file, so that a limit stops it alone. */
	ck_assert_int_eq(stat(rig.database, &st), 0);
	for (int i = 0; gauge_of(rig.store, "walBytes") < (int64_t)st.st_size + 65536; i++) {
		struct record row = registry_row(PROJECT_DEFAULT, short_text(i), short_text(i));
		struct body more = {.insert = {&row}};

		ck_assert_int_eq(store_write(rig.store, run_body, &more), STORE_OK);
	}
	/* No file, and so no log of transactions, may grow beyond what it is. */
	limit_files(gauge_of(rig.store, "walBytes"));
	enum store_rc rc = store_write(rig.store, run_body, &refused);
	enum store_rc read = store_get(rig.store, rig.arena, &family_storage_pool,
				       record_id(&first), &everyone, &got);
	limit_files((off_t)RLIM_INFINITY);
	ck_assert_int_eq(rc, STORE_FULL);
	ck_assert_int_eq(read, STORE_OK);
	ck_assert_uint_eq(refused.runs, 1);
	ck_assert_int_eq(store_write(rig.store, run_body, &refused), STORE_OK);
}
END_TEST

/* Without a write-ahead log it is the body that meets the full disk, not the commit. */
START_TEST(with_a_rollback_journal_a_full_disk_refuses_as_well)
{
	struct record first = registry_row(PROJECT_DEFAULT, "1", "one");
	struct body refused = {.insert = {&first}};
	const char *path = fresh_path("fresh.db");

	ck_assert_msg(store_migrate(path, true, false, &migrated, why), "%s", why);
	struct store *s = store_open(path, 1, why);
	ck_assert_msg(s != NULL, "%s", why);
	limit_files(0);
	enum store_rc rc = store_write_freeing(s, run_body, &refused);
	limit_files((off_t)RLIM_INFINITY);
	ck_assert_int_eq(rc, STORE_FULL);
	ck_assert_int_eq(store_write_freeing(s, run_body, &refused), STORE_OK);
	store_close(s);
}
END_TEST

START_TEST(below_the_mark_only_what_frees_room_is_written)
{
	struct record first = registry_row(PROJECT_DEFAULT, "1", "one");
	struct record second = registry_row(PROJECT_DEFAULT, "2", "two");
	struct body refused = {.insert = {&first}}, freed = {.insert = {&second}};

	store_use_room(rig.store, INT64_MAX / 2);
	ck_assert_int_eq(store_write(rig.store, run_body, &refused), STORE_FULL);
	ck_assert_uint_eq(refused.runs, 0);
	ck_assert_int_eq(store_write_freeing(rig.store, run_body, &freed), STORE_OK);
	ck_assert_uint_eq(freed.runs, 1);
}
END_TEST

START_TEST(ids_are_shared_in_a_family_and_never_used_again)
{
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "one");
	int64_t one = rig_credential(&rig, PROJECT_DEFAULT, registry, NULL);

	rig_exec(&rig,
		 arena_printf(rig.arena, "DELETE FROM credential WHERE id = %lld", (long long)one));
	ck_assert_int_eq(rig_credential(&rig, PROJECT_DEFAULT, registry, NULL), one + 1);
}
END_TEST

START_TEST(a_body_that_fails_leaves_nothing_behind)
{
	struct record one = registry_row(PROJECT_DEFAULT, "u1", "a1"),
		      two = registry_row(PROJECT_DEFAULT, "u2", "a2");
	struct body b = {.insert = {&one, &two}, .abort = true};
	const char *before = rig_dump(&rig);

	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_ABORTED);
	ck_assert_int_eq(b.inserted[0], STORE_OK);
	ck_assert_int_eq(b.inserted[1], STORE_OK);
	ck_assert_str_eq(rig_dump(&rig), before);
	/* The store goes on. */
	b.abort = false;
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_OK);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"), "2");
	ck_assert_uint_eq(b.runs, 2);
}
END_TEST

START_TEST(a_constraint_that_is_hit_does_not_undo_the_rest)
{
	struct record one = registry_row(PROJECT_DEFAULT, "u1", "a1"),
		      two = registry_row(PROJECT_DEFAULT, "u2", "A1"),
		      three = registry_row(PROJECT_DEFAULT, "u3", "a3");
	struct body b = {.insert = {&one, &two, &three}};

	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_OK);
	ck_assert_int_eq(b.inserted[0], STORE_OK);
	ck_assert_int_eq(b.inserted[1], STORE_CONSTRAINT);
	ck_assert_int_eq(b.inserted[2], STORE_OK);
	ck_assert_int_eq(b.conflict, COL_SERVER_ADDRESS);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"), "2");
}
END_TEST

/* Uniqueness (5.6) */

static const struct {
	int64_t first_account, second_account;
	const char *first, *second, *meanwhile;
	enum column conflict; /* COL_NONE: taken */
} addresses[] = {
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "reg.test", "reg.test", NULL, COL_SERVER_ADDRESS},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "reg.test", "REG.test", NULL, COL_SERVER_ADDRESS},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "Reg.Test:5000", "rEG.tEST:5000", NULL,
	 COL_SERVER_ADDRESS},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "reg.test", "reg.test/", NULL, COL_NONE},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "reg.test", " reg.test", NULL, COL_NONE},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "reg.test", "https://reg.test", NULL, COL_NONE},
	{PROJECT_DEFAULT, PROJECT_OTHER, "reg.test", "reg.test", NULL, COL_NONE},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "reg.test", "reg.test",
	 "UPDATE storage_pool SET state = 'inactive'", COL_SERVER_ADDRESS},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "reg.test", "reg.test",
	 "UPDATE storage_pool SET state = 'removed', removed = 5", COL_NONE},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, "reg.test", "reg.test",
	 "UPDATE storage_pool SET state = 'purged', removed = 5", COL_NONE},
};

START_TEST(an_address_is_unique_in_its_account_in_any_case_until_it_is_removed)
{
	struct record first = registry_row(addresses[_i].first_account, "u1", addresses[_i].first),
		      second = registry_row(addresses[_i].second_account, "u2",
					    addresses[_i].second);
	struct body b = {.insert = {&second}};

	rig_insert(&rig, &first);
	if (addresses[_i].meanwhile != NULL)
		rig_exec(&rig, addresses[_i].meanwhile);
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_OK);
	ck_assert_int_eq(b.inserted[0],
			 addresses[_i].conflict == COL_NONE ? STORE_OK : STORE_CONSTRAINT);
	ck_assert_int_eq(b.conflict, addresses[_i].conflict);
}
END_TEST

START_TEST(a_uuid_and_an_access_key_are_unique_for_ever)
{
	struct record key = {.type = &types_table[T_API_KEY]}, same;
	struct body b = {.insert = {&same}};

	key.columns[COL_UUID] = value_text("u1");
	key.columns[COL_KIND] = value_text("apiKey");
	key.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
	key.columns[COL_STATE] = value_text("purged");
	key.columns[COL_REMOVED] = value_int(1);
	key.columns[COL_PUBLIC_VALUE] = value_text("ABC");
	rig_insert(&rig, &key);
	same = key;
	same.columns[COL_UUID] = value_text("u2");
	same.columns[COL_ACCOUNT_ID] = value_int(PROJECT_OTHER);
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_OK);
	ck_assert_int_eq(b.inserted[0], STORE_CONSTRAINT);
	ck_assert_int_eq(b.conflict, COL_PUBLIC_VALUE);
	same.columns[COL_UUID] = value_text("u1");
	same.columns[COL_PUBLIC_VALUE] = value_text("DEF");
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_OK);
	ck_assert_int_eq(b.conflict, COL_UUID);
	/* A registryCredential's user name is no key: any number may have it. */
	same.columns[COL_UUID] = value_text("u3");
	same.columns[COL_KIND] = value_text("registryCredential");
	same.columns[COL_PUBLIC_VALUE] = value_text("ABC");
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_OK);
	ck_assert_int_eq(b.inserted[0], STORE_OK);
}
END_TEST

/* Changes */

struct change_body {
	int64_t id;
	enum state from, to;
	struct value columns[COL__COUNT];
	uint64_t given;
	bool update;
	enum store_rc rc;
};

static enum err
run_change(struct store_tx *tx, void *arg)
{
	struct change_body *b = arg;

	b->rc = b->update ? store_update(tx, &family_storage_pool, b->id, b->columns, b->given)
			  : store_transition(tx, &family_storage_pool, b->id, b->from, b->to,
					     b->columns, b->given);
	return ERR_NONE;
}

/* From each of the twelve states: only the state that is asked for moves. */
START_TEST(a_state_changes_only_from_the_state_that_was_seen)
{
	int64_t id = rig_registry(&rig, PROJECT_DEFAULT, "r.test");
	enum state stored = (enum state)_i;

	for (unsigned from = 0; from < ST__COUNT; from++) {
		struct change_body b = {.id = id, .from = (enum state)from, .to = ST_REMOVED};

		rig_exec(&rig, arena_printf(rig.arena, "UPDATE storage_pool SET state = '%s'",
					    state_name(stored)));
		b.columns[COL_NAME] = value_text("moved");
		b.columns[COL_REMOVED] = value_int(RIG_NOW);
		b.given = COL_BIT(COL_NAME) | COL_BIT(COL_REMOVED);
		ck_assert_int_eq(store_write(rig.store, run_change, &b), STORE_OK);
		ck_assert_int_eq(b.rc, from == (unsigned)stored ? STORE_OK : STORE_NONE);
		ck_assert_str_eq(rig_sql(&rig, "SELECT state FROM storage_pool"),
				 from == (unsigned)stored ? "removed" : state_name(stored));
		if (from == (unsigned)stored) {
			ck_assert_str_eq(rig_sql(&rig, "SELECT name || removed FROM storage_pool"),
					 "moved1714979289000");
			rig_exec(&rig, "UPDATE storage_pool SET name = 'n', removed = NULL");
		}
	}
}
END_TEST

START_TEST(an_update_sets_the_given_columns_of_one_row_and_no_other)
{
	int64_t one = rig_registry(&rig, PROJECT_DEFAULT, "one"),
		two = rig_registry(&rig, PROJECT_DEFAULT, "two");
	struct change_body b = {.id = one, .update = true};

	b.columns[COL_NAME] = value_text("new");
	b.columns[COL_DESCRIPTION] = value_text("not given");
	b.columns[COL_REMOVED] = value_null();
	b.given = COL_BIT(COL_NAME);
	ck_assert_int_eq(store_write(rig.store, run_change, &b), STORE_OK);
	ck_assert_int_eq(b.rc, STORE_OK);
	ck_assert_str_eq(rig_sql(&rig,
				 "SELECT group_concat(name || ' ' || (description IS NULL) || "
				 "' ' || server_address || ' ' || state, ', ') FROM "
				 "storage_pool"),
			 "new 1 one active, two 1 two active");
	b.columns[COL_NAME] = value_null();
	ck_assert_int_eq(store_write(rig.store, run_change, &b), STORE_OK);
	ck_assert_str_eq(rig_sql(&rig, "SELECT name IS NULL FROM storage_pool"), "1");
	b.id = two + 1;
	ck_assert_int_eq(store_write(rig.store, run_change, &b), STORE_OK);
	ck_assert_int_eq(b.rc, STORE_NONE);
}
END_TEST

/* Whose rows are seen */

static const int64_t ids_of_one[] = {PROJECT_DEFAULT}, ids_of_two[] = {PROJECT_DEFAULT, 99},
		     ids_of_both[] = {PROJECT_OTHER, PROJECT_DEFAULT},
		     ids_of_stranger[] = {PERSON_STRANGER};
static const struct {
	struct owners owners;
	bool first, second; /* the registry of the first project, of the second */
} views[] = {
	{{.all = true}, true, true},
	{{.all = false}, false, false},
	{{.ids = ids_of_one, .count = 1}, true, false},
	{{.ids = ids_of_two, .count = 2}, true, false},
	{{.ids = ids_of_both, .count = 2}, true, true},
	{{.ids = ids_of_both, .count = 1}, false, true},
	{{.ids = ids_of_stranger, .count = 1}, false, false},
	{{.all = true, .ids = ids_of_stranger, .count = 1}, true, true},
};

START_TEST(only_rows_of_the_owners_are_seen)
{
	int64_t one = rig_registry(&rig, PROJECT_DEFAULT, "one"),
		two = rig_registry(&rig, PROJECT_OTHER, "two");
	const struct list_query q = {
		.family = &family_storage_pool, .owners = views[_i].owners, .limit = 10};
	struct record row;
	struct record_list list;

	ck_assert_int_eq(
		store_get(rig.store, rig.arena, &family_storage_pool, one, &views[_i].owners, &row),
		views[_i].first ? STORE_OK : STORE_NONE);
	ck_assert_int_eq(
		store_get(rig.store, rig.arena, &family_storage_pool, two, &views[_i].owners, &row),
		views[_i].second ? STORE_OK : STORE_NONE);
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, (size_t)views[_i].first + (size_t)views[_i].second);
	for (size_t i = 0; i < list.count; i++)
		ck_assert(record_id(&list.items[i]) == one ? views[_i].first : views[_i].second);
}
END_TEST

START_TEST(a_list_hides_removed_rows_unless_they_are_asked_for)
{
	struct list_query q = {.family = &family_storage_pool, .owners = everyone, .limit = 10};
	struct record_list list;

	rig_registry(&rig, PROJECT_DEFAULT, "one");
	rig_registry(&rig, PROJECT_DEFAULT, "two");
	rig_exec(&rig, "UPDATE storage_pool SET removed = 5 WHERE server_address = 'one'");
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_str_eq(record_text(&list.items[0], COL_SERVER_ADDRESS), "two");
	q.with_removed = true;
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 2);
	ck_assert(!list.more);
	q.limit = 1;
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(list.more);
}
END_TEST

START_TEST(a_list_of_a_kind_has_no_other)
{
	const struct list_query q = {.family = &family_credential,
				     .kind = "registryCredential",
				     .owners = everyone,
				     .limit = 100};
	struct record_list list;
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "one");

	rig_credential(&rig, PROJECT_DEFAULT, registry, NULL);
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 1); /* the keys of all persons are of the family as well */
	ck_assert_ptr_eq(list.items[0].type, &types_table[T_REGISTRY_CREDENTIAL]);
}
END_TEST

START_TEST(a_list_reads_the_columns_that_are_needed)
{
	const struct list_query q = {.family = &family_credential,
				     .kind = "registryCredential",
				     .columns = COL_BIT(COL_ID) | COL_BIT(COL_KIND) |
						COL_BIT(COL_EMAIL) | COL_BIT(COL_SERVER_ADDRESS),
				     .owners = everyone,
				     .limit = 100};
	struct record_list list;
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "one");
	int64_t id = rig_credential(&rig, PROJECT_DEFAULT, registry, "secret");

	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_ptr_eq(list.items[0].type, &types_table[T_REGISTRY_CREDENTIAL]);
	ck_assert_int_eq(record_id(&list.items[0]), id);
	ck_assert_str_eq(record_text(&list.items[0], COL_EMAIL), "ci@corp.example.test");
	for (unsigned c = 1; c < COL__COUNT; c++)
		if ((q.columns & family_credential.columns & COL_BIT(c)) == 0)
			ck_assert_int_eq(list.items[0].columns[c].type, VALUE_NULL);
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

START_TEST(a_page_of_very_long_texts_ends_early_and_says_so)
{
	enum { ROWS = 60, TEXT = 60000 };
	const struct list_query q = {
		.family = &family_storage_pool, .owners = everyone, .limit = 3000};
	struct record_list list;
	size_t seen = 0;

	rig_exec(&rig,
		 arena_printf(rig.arena,
			      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
			      "WHERE i < %d) INSERT INTO storage_pool (uuid, kind, account_id, "
			      "state, description) SELECT 'u' || i, 'registry', 5, 'active', "
			      "hex(zeroblob(%d)) FROM n",
			      ROWS, TEXT / 2));
	for (struct list_query page = q; seen < ROWS;
	     page.from.id = record_id(&list.items[list.count - 1])) {
		ck_assert_int_eq(store_list(rig.store, rig.arena, &page, &list), STORE_OK);
		ck_assert_uint_gt(list.count, 0);
		seen += list.count;
		ck_assert(list.more == (seen < ROWS));
		page.from.set = true;
		if (seen < ROWS)
			ck_assert_uint_lt(list.count, ROWS);
	}
	ck_assert_uint_eq(seen, ROWS);
}
END_TEST

/* Keys and memberships */

START_TEST(a_key_is_found_with_its_account_whatever_its_state)
{
	struct record key, account;

	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "owner", &key, &account), STORE_OK);
	ck_assert_int_eq(record_id(&account), PERSON_OWNER);
	ck_assert_int_eq(key.columns[COL_ACCOUNT_ID].number, PERSON_OWNER);
	ck_assert_str_eq(record_text(&account, COL_KIND), "user");
	ck_assert_int_eq(record_state(&key), ST_ACTIVE);
	rig_exec(&rig, "UPDATE credential SET state = 'removed', removed = 5 WHERE public_value = "
		       "'owner'");
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "owner", &key, &account), STORE_OK);
	ck_assert_int_eq(record_state(&key), ST_REMOVED);
	ck_assert_int_eq(key.columns[COL_REMOVED].number, 5);
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "Owner", &key, &account), STORE_NONE);
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "", &key, &account), STORE_NONE);
	ck_assert_ptr_null(key.type);
	ck_assert_int_eq(key.columns[COL_SECRET_VALUE].type, VALUE_NULL);
	ck_assert_int_eq(account.columns[COL_ID].type, VALUE_NULL);
	/* Not a key, though of the family. */
	rig_exec(&rig, "UPDATE credential SET kind = 'password' WHERE public_value = 'member'");
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "member", &key, &account),
			 STORE_NONE);
	/* Nor is there a first one. */
	rig_exec(&rig, "UPDATE credential SET kind = 'password' WHERE kind = 'apiKey'");
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "owner", &key, &account), STORE_NONE);
	ck_assert_ptr_null(key.type);
}
END_TEST

static enum err
touch(struct store_tx *tx, void *arg)
{
	const int64_t *now_ms = arg;

	return store_touch_key(tx, 1, *now_ms - 60000, *now_ms,
			       arena_printf(rig.arena, "192.0.2.%d", (int)(*now_ms / 60000))) ==
			       STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

START_TEST(the_use_of_a_key_is_noted_once_a_minute)
{
	/* When it is used, and what is noted then; a clock may be set back. */
	static const struct {
		int64_t now_ms;
		const char *noted;
	} uses[] = {{600000, "600000 192.0.2.10"},
		    {659999, "600000 192.0.2.10"},
		    {660000, "660000 192.0.2.11"},
		    {900000, "900000 192.0.2.15"},
		    {60000, "60000 192.0.2.1"}};

	for (size_t i = 0; i < COUNT_OF(uses); i++) {
		int64_t now_ms = uses[i].now_ms;

		ck_assert_int_eq(store_write(rig.store, touch, &now_ms), STORE_OK);
		ck_assert_str_eq(rig_sql(&rig, "SELECT last_used || ' ' || last_used_address FROM "
					       "credential WHERE id = 1"),
				 uses[i].noted);
	}
}
END_TEST

START_TEST(memberships_are_of_the_account_and_name_the_role)
{
	struct membership *list;
	size_t count;

	ck_assert_int_eq(store_memberships(rig.store, rig.arena, PERSON_OWNER, &list, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(list[0].project_id, PROJECT_DEFAULT);
	ck_assert_str_eq(list[0].role, "owner");
	ck_assert(list[0].active);
	ck_assert_int_eq(list[1].project_id, PROJECT_INACTIVE);
	ck_assert(!list[1].active);
	ck_assert_int_eq(list[2].project_id, PROJECT_REMOVED);
	ck_assert(!list[2].active);
	ck_assert_int_eq(store_memberships(rig.store, rig.arena, PERSON_STRANGER, &list, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 0);
	rig_exec(&rig, "UPDATE project_member SET removed = 5 WHERE external_id = '1a8'");
	ck_assert_int_eq(store_memberships(rig.store, rig.arena, PERSON_MEMBER, &list, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 0);
	/* 1a9 at another identity provider is somebody else. */
	rig_exec(&rig, "UPDATE project_member SET external_id_type = 'github_user' WHERE "
		       "external_id = '1a9'");
	ck_assert_int_eq(store_memberships(rig.store, rig.arena, PERSON_RESTRICTED, &list, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(key_checks_are_kept)
{
	struct key_check *checks;
	size_t count;

	ck_assert_int_eq(store_key_checks(rig.store, rig.arena, &checks, &count), STORE_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(checks[0].use, "hash");
	ck_assert_str_eq(checks[1].use, "seal");
	for (size_t i = 0; i < count; i++)
		ck_assert(keyring_matches(rig.ring, checks[i].key_id, checks[i].use,
					  &checks[i].value));
}
END_TEST

/* What the rotation of the key asks for */

struct value_body {
	int64_t id;
	const struct value *from, *to;
	enum store_rc replaced, found, known, unknown;
};

static enum err
use_values(struct store_tx *tx, void *arg)
{
	struct value_body *b = arg;
	const struct value prefix = value_blob("new", 3);
	struct value value;

	b->replaced = store_replace_value(tx, &family_credential, b->id, COL_SECRET_VALUE, b->from,
					  b->to);
	b->found = store_tx_find_sealed(tx, &family_credential, COL_SECRET_VALUE, &prefix);
	b->known = store_tx_key_check(tx, rig.arena, 1, "seal", &value);
	b->unknown = store_tx_key_check(tx, rig.arena, 1, "other", &value);
	return ERR_NONE;
}

START_TEST(a_value_is_replaced_only_if_it_is_still_the_one)
{
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "rekey.test");
	int64_t id = rig_credential(&rig, PROJECT_DEFAULT, registry, "secret");
	const struct value old = value_blob("old value", 9), new = value_blob("new value", 9);
	struct value_body b = {.id = id, .from = &new, .to = &old};
	struct prefix_count *counts;
	size_t count, at = 0;

	rig_exec(&rig, "UPDATE credential SET secret_value = CAST('old value' AS BLOB) WHERE kind "
		       "= 'registryCredential'");
	ck_assert_int_eq(store_write(rig.store, use_values, &b), STORE_OK);
	ck_assert_int_eq(b.replaced, STORE_NONE);
	ck_assert_int_eq(b.found, STORE_NONE);
	ck_assert_int_eq(b.known, STORE_OK);
	ck_assert_int_eq(b.unknown, STORE_NONE);
	b.from = &old;
	b.to = &new;
	ck_assert_int_eq(store_write(rig.store, use_values, &b), STORE_OK);
	ck_assert_int_eq(b.replaced, STORE_OK);
	ck_assert_int_eq(b.found, STORE_OK);
	/* Values of API keys, which are hashed, do not count. */
	rig_exec(&rig, "UPDATE credential SET secret_value = CAST('new hash' AS BLOB) WHERE kind = "
		       "'apiKey'");
	ck_assert_int_eq(store_count_sealed(rig.store, rig.arena, &family_credential,
					    COL_SECRET_VALUE, 3, &counts, &count),
			 STORE_OK);
	while (at < count && memcmp(counts[at].prefix.text, "new", 3) != 0)
		at++;
	ck_assert_uint_lt(at, count);
	ck_assert_int_eq(counts[at].rows, 1);
}
END_TEST

/* What is due, and what is forgotten */

struct due_body {
	const struct family *family;
	int64_t now, before;
	size_t max, count;
	int64_t ids[10];
	bool forget;
};

static enum err
run_due(struct store_tx *tx, void *arg)
{
	struct due_body *b = arg;

	ck_assert_int_eq(b->forget ? store_forget(tx, b->family, b->before, b->max, &b->count)
				   : store_due(tx, b->family, b->now, b->ids, b->max, &b->count),
			 STORE_OK);
	return ERR_NONE;
}

START_TEST(removed_rows_are_due_when_their_time_has_come_oldest_first)
{
	struct due_body b = {.family = &family_storage_pool, .now = 2000, .max = 10};
	int64_t ids[5];

	for (int i = 0; i < 5; i++)
		ids[i] = rig_registry(&rig, PROJECT_DEFAULT, arena_printf(rig.arena, "r%d", i));
	rig_exec(&rig,
		 "UPDATE storage_pool SET state = 'removed', removed = 1 WHERE server_address IN "
		 "('r0', 'r1', 'r2');"
		 "UPDATE storage_pool SET state = 'purged', removed = 1, remove_time = 1 WHERE "
		 "server_address = 'r3';"
		 "UPDATE storage_pool SET remove_time = 2000 WHERE server_address = 'r0';"
		 "UPDATE storage_pool SET remove_time = 2001 WHERE server_address = 'r1';"
		 "UPDATE storage_pool SET remove_time = 1000 WHERE server_address = 'r2';");
	ck_assert_int_eq(store_write(rig.store, run_due, &b), STORE_OK);
	ck_assert_uint_eq(b.count, 2);
	ck_assert_int_eq(b.ids[0], ids[2]);
	ck_assert_int_eq(b.ids[1], ids[0]);
	b.max = 1;
	ck_assert_int_eq(store_write(rig.store, run_due, &b), STORE_OK);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_int_eq(b.ids[0], ids[2]);
}
END_TEST

START_TEST(purged_rows_are_forgotten_when_old_and_free_of_references)
{
	struct due_body b = {
		.family = &family_storage_pool, .before = 1000, .max = 10, .forget = true};
	int64_t named = rig_registry(&rig, PROJECT_DEFAULT, "named");

	rig_registry(&rig, PROJECT_DEFAULT, "old");
	rig_registry(&rig, PROJECT_DEFAULT, "young");
	rig_registry(&rig, PROJECT_DEFAULT, "removed");
	rig_credential(&rig, PROJECT_DEFAULT, named, NULL);
	rig_exec(&rig, "UPDATE storage_pool SET state = 'purged', removed = 999;"
		       "UPDATE storage_pool SET removed = 1000 WHERE server_address = 'young';"
		       "UPDATE storage_pool SET state = 'removed' WHERE server_address = "
		       "'removed';");
	ck_assert_int_eq(store_write(rig.store, run_due, &b), STORE_OK);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_str_eq(rig_sql(&rig, "SELECT group_concat(server_address) FROM storage_pool"),
			 "named,young,removed");
	rig_exec(&rig, "DELETE FROM credential WHERE registry_id IS NOT NULL");
	ck_assert_int_eq(store_write(rig.store, run_due, &b), STORE_OK);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_str_eq(rig_sql(&rig, "SELECT group_concat(server_address) FROM storage_pool"),
			 "young,removed");
}
END_TEST

START_TEST(a_checkpoint_empties_the_log)
{
	rig_registry(&rig, PROJECT_DEFAULT, "one");
	ck_assert_int_gt(gauge_of(rig.store, "walBytes"), 0);
	ck_assert_int_eq(store_settle(rig.store), STORE_OK);
	ck_assert_int_eq(gauge_of(rig.store, "walBytes"), 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"), "1");
}
END_TEST

/* Another process works on the log, for a moment; the child that does, told by its lock alone. */
static pid_t
checkpoint_elsewhere(unsigned us)
{
	enum { CHECKPOINTER = 121 }; /* the byte of the shared memory that SQLite locks for it */
	struct flock byte = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = CHECKPOINTER, .l_len = 1};
	char path[RIG_PATH_MAX + 8];
	int ready[2];
	char one = 'y';

	(void)snprintf(path, sizeof(path), "%s-shm", rig.database);
	ck_assert_int_eq(pipe(ready), 0);
	pid_t child = fork();
	if (child == 0) {
		int fd = open(path, O_RDWR | O_CLOEXEC);

		if (fd < 0 || fcntl(fd, F_SETLK, &byte) != 0)
			one = 'n';
		if (write(ready[1], &one, 1) == 1)
			(void)usleep(us);
		_exit(0);
	}
	ck_assert_int_gt(child, 0);
	ck_assert_int_eq(read(ready[0], &one, 1), 1);
	ck_assert_int_eq(one, 'y');
	(void)close(ready[0]);
	(void)close(ready[1]);
	return child;
}

/* Whoever holds the lock does not wait: the caller tries again. */
START_TEST(the_log_is_not_emptied_beside_a_process_that_works_on_it)
{
	enum { A_WHILE_US = 300000 };

	rig_registry(&rig, PROJECT_DEFAULT, "one");
	pid_t child = checkpoint_elsewhere(A_WHILE_US);
	enum store_rc rc = store_settle(rig.store);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	ck_assert_int_eq(rc, STORE_BUSY);
	ck_assert_int_eq(store_settle(rig.store), STORE_OK);
	ck_assert_int_eq(gauge_of(rig.store, "walBytes"), 0);
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

START_TEST(a_foreign_key_that_leads_nowhere_is_refused)
{
	struct record row = registry_row(9999, "u1", "a1");
	struct body b = {.insert = {&row}};
	enum store_rc rc = store_write(rig.store, run_body, &b);

	ck_assert(rc != STORE_OK || b.inserted[0] == STORE_CONSTRAINT);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"), "0");
}
END_TEST

/* Values are bound, never text. */
START_TEST(hostile_values_are_only_values)
{
	static const char *const hostile = "'; DROP TABLE account; --";
	struct record row = registry_row(PROJECT_DEFAULT, hostile, hostile), got;
	struct list_query q = {.family = &family_storage_pool,
			       .kind = "x' OR '1'='1",
			       .owners = everyone,
			       .limit = 10};
	struct record_list list;

	rig_insert(&rig, &row);
	ck_assert_int_eq(store_get(rig.store, rig.arena, &family_storage_pool, record_id(&row),
				   &everyone, &got),
			 STORE_OK);
	ck_assert_str_eq(record_text(&got, COL_SERVER_ADDRESS), hostile);
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) > 0 FROM account"), "1");
}
END_TEST

START_TEST(a_list_with_every_condition_there_is_room_for_still_runs)
{
	static const int64_t owners[] = {PROJECT_DEFAULT, PROJECT_OTHER};
	struct list_query q = {.family = &family_credential,
			       .kind = "registryCredential",
			       .owners = {.ids = owners, .count = 2},
			       .condition_count = CONDITIONS_MAX,
			       .sort = COL_PUBLIC_VALUE,
			       .sort_cut = true,
			       .from = {.set = true, .value = value_text("a"), .id = 1},
			       .limit = 3000};
	struct record_list list;

	for (size_t i = 0; i < CONDITIONS_MAX; i++)
		q.conditions[i] = (struct condition){
			.column = COL_PUBLIC_VALUE, .op = OP_NOT_LIKE, .value = value_text("x")};
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

/* Many at once */

struct worker {
	pthread_t thread;
	unsigned number;
	int64_t id;
	unsigned won;
	bool failed;
};

static void *
write_and_read(void *arg)
{
	struct worker *w = arg;
	struct arena *a = arena_new(RIG_ARENA);

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct record row = registry_row(PROJECT_DEFAULT, NULL, NULL), got;
		struct record_list list;
		const struct list_query q = {
			.family = &family_storage_pool, .owners = everyone, .limit = 3000};
		/* Every fifth is given up. */
		struct body b = {.insert = {&row}, .abort = i % 5 == 4};

		arena_reset(a);
		row.columns[COL_UUID] = value_text(arena_printf(a, "u%u-%u", w->number, i));
		row.columns[COL_SERVER_ADDRESS] = row.columns[COL_UUID];
		enum store_rc rc = store_write(rig.store, run_body, &b);
		if (rc != (b.abort ? STORE_ABORTED : STORE_OK) || b.inserted[0] != STORE_OK ||
		    b.runs == 0)
			w->failed = true;
		/* What was acknowledged is there for every reader. */
		rc = store_get(rig.store, a, &family_storage_pool, record_id(&row), &everyone,
			       &got);
		if (!b.abort && (rc != STORE_OK || strcmp(record_text(&got, COL_UUID),
							  record_text(&row, COL_UUID)) != 0))
			w->failed = true;
		if (store_list(rig.store, a, &q, &list) != STORE_OK)
			w->failed = true;
	}
	arena_free(a);
	return NULL;
}

/* Without threads of the store's own, and with. */
static void
use_threads(int i)
{
	sqlite_of(rig.store)->wal_frames = FEW_FRAMES;
	if (i == 1)
		ck_assert(store_start(rig.store));
}

static void
run_threads(void *(*fn)(void *), struct worker *workers, int64_t id)
{
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){.number = i, .id = id};
		ck_assert_int_eq(pthread_create(&workers[i].thread, NULL, fn, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		ck_assert_int_eq(pthread_join(workers[i].thread, NULL), 0);
		ck_assert(!workers[i].failed);
	}
}

START_TEST(many_threads_write_and_read_and_nothing_is_lost)
{
	struct worker workers[THREADS];

	use_threads(_i);
	run_threads(write_and_read, workers, 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"),
			 arena_printf(rig.arena, "%d", THREADS * ROUNDS * 4 / 5));
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(DISTINCT uuid) FROM storage_pool"),
			 arena_printf(rig.arena, "%d", THREADS * ROUNDS * 4 / 5));
	ck_assert_str_eq(rig_sql(&rig, "PRAGMA integrity_check"), "ok");
}
END_TEST

static void *
toggle(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		struct change_body b = {.id = w->id,
					.from = i % 2 == 0 ? ST_ACTIVE : ST_INACTIVE,
					.to = i % 2 == 0 ? ST_INACTIVE : ST_ACTIVE};

		b.columns[COL_NAME] = value_null();
		if (store_write(rig.store, run_change, &b) != STORE_OK ||
		    (b.rc != STORE_OK && b.rc != STORE_NONE))
			w->failed = true;
		w->won += b.rc == STORE_OK;
	}
	return NULL;
}

static void *
remove_once(void *arg)
{
	struct worker *w = arg;
	struct change_body b = {.id = w->id, .from = ST_ACTIVE, .to = ST_REMOVED};

	if (store_write(rig.store, run_change, &b) != STORE_OK)
		w->failed = true;
	w->won = b.rc == STORE_OK;
	return NULL;
}

START_TEST(of_many_threads_one_makes_the_change)
{
	struct worker workers[THREADS];
	unsigned won = 0;

	use_threads(_i);
	for (int round = 0; round < 5; round++) {
		int64_t id =
			rig_registry(&rig, PROJECT_DEFAULT, arena_printf(rig.arena, "r%d", round));
		run_threads(remove_once, workers, id);
		won = 0;
		for (unsigned i = 0; i < THREADS; i++)
			won += workers[i].won;
		ck_assert_uint_eq(won, 1);
	}
	int64_t id = rig_registry(&rig, PROJECT_DEFAULT, "toggled");
	run_threads(toggle, workers, id);
	won = 0;
	for (unsigned i = 0; i < THREADS; i++)
		won += workers[i].won;
	/* Each success flips the state: their number says where it ends. */
	ck_assert_str_eq(
		rig_sql(&rig, "SELECT state FROM storage_pool WHERE server_address = 'toggled'"),
		won % 2 == 0 ? "active" : "inactive");
}
END_TEST

static void *
same_address(void *arg)
{
	struct worker *w = arg;

	for (unsigned i = 0; i < ROUNDS; i++) {
		char uuid[32], address[32];
		(void)snprintf(uuid, sizeof(uuid), "u%u-%u", w->number, i);
		(void)snprintf(address, sizeof(address), w->number % 2 == 0 ? "r%u" : "R%u", i);
		struct record row = registry_row(PROJECT_DEFAULT, uuid, address);
		struct body b = {.insert = {&row}};

		if (store_write(rig.store, run_body, &b) != STORE_OK)
			w->failed = true;
		w->won += b.inserted[0] == STORE_OK;
	}
	return NULL;
}

START_TEST(of_many_threads_one_gets_the_address)
{
	struct worker workers[THREADS];
	unsigned won = 0;

	use_threads(_i);
	run_threads(same_address, workers, 0);
	for (unsigned i = 0; i < THREADS; i++)
		won += workers[i].won;
	ck_assert_uint_eq(won, ROUNDS);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"),
			 arena_printf(rig.arena, "%d", ROUNDS));
}
END_TEST

/* Without memory */

/* Bodies that share a transaction: two that are well around one that fails, with what it did
 * before.
 */

static void *
write_body(void *arg)
{
	struct body *b = arg;

	b->result = store_write(rig.store, run_body, b);
	return NULL;
}

/* While the test has the lock file they queue behind the first, and then share its transaction. */
static void
write_as_one(struct body *bodies, size_t count)
{
	enum { PATIENCE_US = 50000 };
	pthread_t threads[4];
	char path[RIG_PATH_MAX + 8];

	(void)snprintf(path, sizeof(path), "%s.lock", rig.database);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	for (size_t i = 0; i < count; i++) {
		ck_assert_int_eq(pthread_create(&threads[i], NULL, write_body, &bodies[i]), 0);
		(void)usleep(PATIENCE_US);
	}
	ck_assert_int_eq(close(fd), 0);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
}

/* clang-format off */
static const struct {
	const char *name;
	bool inserts, clashes; /* what the one in the middle does before it gives up */
} halfway[] = {
	{ "fails with nothing done", false, false },
	{ "fails at a constraint",   false, true },
	{ "fails after a change",    true,  false },
	{ "fails after both",        true,  true },
};
/* clang-format on */
enum { HALFWAY = COUNT_OF(halfway) };

START_TEST(a_body_that_fails_halfway_takes_nobody_along)
{
	const int which = _i % HALFWAY;
	struct record rows[] = {registry_row(PROJECT_DEFAULT, "u1", "a1"),
				registry_row(PROJECT_DEFAULT, "u2", "a2"),
				registry_row(PROJECT_DEFAULT, "u3", "a3"),
				registry_row(PROJECT_DEFAULT, "u4", "A1")};
	struct body bodies[] = {{.insert = {&rows[0]}}, {.abort = true}, {.insert = {&rows[2]}}};
	size_t n = 0;

	use_threads(_i / HALFWAY);
	if (halfway[which].inserts)
		bodies[1].insert[n++] = &rows[1];
	if (halfway[which].clashes)
		bodies[1].insert[n++] = &rows[3];
	write_as_one(bodies, COUNT_OF(bodies));
	ck_assert_int_eq(bodies[0].result, STORE_OK);
	ck_assert_int_eq(bodies[1].result, STORE_ABORTED);
	ck_assert_int_eq(bodies[2].result, STORE_OK);
	if (halfway[which].clashes)
		ck_assert_int_eq(bodies[1].inserted[n - 1], STORE_CONSTRAINT);
	ck_assert_str_eq(rig_sql(&rig,
				 "SELECT group_concat(uuid) FROM (SELECT uuid FROM storage_pool "
				 "ORDER BY uuid)"),
			 "u1,u3");
	for (size_t i = 0; i < COUNT_OF(bodies); i++)
		ck_assert_uint_eq(bodies[i].runs, 1);
}
END_TEST

/* The use of a key, noted beside the requests */

START_TEST(the_use_of_a_key_is_noted_without_waiting_for_the_lock)
{
	enum { USES = 500 };
	static const char noted[] =
		"SELECT last_used || last_used_address FROM credential WHERE kind = 'apiKey' AND "
		"public_value = 'K'";
	char path[RIG_PATH_MAX + 8];

	rig_exec(&rig,
		 "INSERT INTO credential (uuid, kind, account_id, state, public_value) VALUES "
		 "('k', 'apiKey', 1, 'active', 'K')");
	int64_t key = atoll(rig_sql(&rig, "SELECT max(id) FROM credential"));
	use_threads(1);
	(void)snprintf(path, sizeof(path), "%s.lock", rig.database);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	for (int i = 0; i < USES; i++) /* it comes back, however often */
		store_note_use(rig.store, key, RIG_NOW - 60000, RIG_NOW, "10.0.0.1");
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(last_used) FROM credential"), "0");
	ck_assert_int_eq(close(fd), 0);
	/* An end waits for what is to be noted. */
	store_close(rig.store);
	rig.store = store_open(rig.database, 1, why);
	ck_assert_str_eq(rig_sql(&rig, noted),
			 arena_printf(rig.arena, "%lld10.0.0.1", (long long)RIG_NOW));
	/* Without threads of the store's own it is noted at once. */
	store_note_use(rig.store, key, RIG_NOW, RIG_NOW + 1000, "10.0.0.2");
	ck_assert_str_eq(rig_sql(&rig, noted),
			 arena_printf(rig.arena, "%lld10.0.0.2", (long long)RIG_NOW + 1000));
}
END_TEST

/* Whoever writes is seen to hang; whoever waits for the writers' lock does not hang */

static enum err
look_at_the_pulse(struct store_tx *tx, void *arg)
{
	(void)tx;
	(void)usleep(20000);
	*(int64_t *)arg = pulse_oldest_ms();
	return ERR_NONE;
}

static void *
write_in_a_request(void *arg)
{
	pulse_begin();
	ck_assert_int_eq(store_write(rig.store, look_at_the_pulse, arg), STORE_OK);
	pulse_end();
	return NULL;
}

START_TEST(who_writes_is_seen_and_who_waits_for_the_lock_does_not_hang)
{
	int64_t writing = 0;
	pthread_t thread;
	char path[RIG_PATH_MAX + 8];

	use_threads(_i);
	(void)snprintf(path, sizeof(path), "%s.lock", rig.database);
	int fd = open(path, O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_in_a_request, &writing), 0);
	(void)usleep(100000);
	ck_assert_int_eq(pulse_oldest_ms(), 0);
	ck_assert_int_eq(close(fd), 0);
	ck_assert_int_eq(pthread_join(thread, NULL), 0);
	ck_assert_int_ge(writing, 20);
	ck_assert_int_lt(writing, 90);
	ck_assert_int_eq(pulse_oldest_ms(), 0);
}
END_TEST

/* The log, folded beside the writers */

static void *
write_much(void *arg)
{
	struct worker *w = arg;
	struct arena *a = arena_new(RIG_ARENA);

	for (unsigned i = 0; i < 4 * ROUNDS; i++) {
		struct record row = registry_row(PROJECT_DEFAULT, NULL, NULL);
		struct body b = {.insert = {&row}};

		arena_reset(a);
		row.columns[COL_UUID] = value_text(arena_printf(a, "u%u-%u", w->number, i));
		row.columns[COL_SERVER_ADDRESS] = row.columns[COL_UUID];
		if (store_write(rig.store, run_body, &b) != STORE_OK)
			w->failed = true;
	}
	arena_free(a);
	return NULL;
}

START_TEST(the_log_is_folded_beside_the_writers_and_does_not_grow)
{
	enum { FRAME = 4096 + 24, BATCH = 120 }; /* the most that is written at once */
	struct worker workers[THREADS];
	int64_t largest = 0;

	use_threads(1);
	for (int round = 0; round < 3; round++) {
		run_threads(write_much, workers, 0);
		rig_exec(&rig, "UPDATE storage_pool SET uuid = id || 'x', server_address = id || "
			       "'x'");
		largest = gauge_of(rig.store, "walBytes") > largest
				  ? gauge_of(rig.store, "walBytes")
				  : largest;
	}
	ck_assert_int_gt(gauge_of(rig.store, "bytes"), 2 * FEW_FRAMES * FRAME);
	ck_assert_int_lt(largest, (FEW_FRAMES + 800 + BATCH) * FRAME);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"),
			 arena_printf(rig.arena, "%d", 3 * THREADS * 4 * ROUNDS));
	ck_assert_str_eq(rig_sql(&rig, "PRAGMA integrity_check"), "ok");
}
END_TEST

/* What folding beside the writers depends on, of SQLite itself. */

static int
note_frames(void *arg, sqlite3 *db, const char *name, int frames)
{
	(void)db, (void)name;
	*(int *)arg = frames;
	return SQLITE_OK;
}

static void
run_sql(sqlite3 *db, const char *sql)
{
	ck_assert_msg(sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK, "%s: %s", sql,
		      sqlite3_errmsg(db));
}

struct log_of_three {
	sqlite3 *writer, *reader, *folder;
	int frames; /* after the writer's last commit */
};

static void
open_three(struct log_of_three *l)
{
	const char *path = fresh_path("facts.db");
	sqlite3 **all[] = {&l->writer, &l->reader, &l->folder};

	for (size_t i = 0; i < COUNT_OF(all); i++)
		ck_assert_int_eq(sqlite3_open(path, all[i]), SQLITE_OK);
	run_sql(l->writer, "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;"
			   "CREATE TABLE t (x)");
	(void)sqlite3_wal_hook(l->writer, note_frames, &l->frames);
	run_sql(l->writer, "INSERT INTO t VALUES (1)");
	run_sql(l->folder, "SELECT * FROM t"); /* before that it knows of no log */
}

static void
close_three(struct log_of_three *l)
{
	ck_assert_int_eq(sqlite3_close(l->reader), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(l->folder), SQLITE_OK);
	ck_assert_int_eq(sqlite3_close(l->writer), SQLITE_OK);
}

static int
fold_now(const struct log_of_three *l, int *all, int *folded)
{
	return sqlite3_wal_checkpoint_v2(l->folder, NULL, SQLITE_CHECKPOINT_PASSIVE, all, folded);
}

START_TEST(nobody_begins_the_log_anew_while_somebody_reads_in_it)
{
	struct log_of_three l = {0};
	int all = 0, folded = 0;

	open_three(&l);
	int before = l.frames;
	run_sql(l.reader, "BEGIN; SELECT * FROM t");
	ck_assert_int_eq(fold_now(&l, &all, &folded), SQLITE_OK);
	ck_assert_int_eq(folded, all); /* all is folded, and still: */
	run_sql(l.writer, "INSERT INTO t VALUES (2)");
	ck_assert_int_gt(l.frames, before);
	/* The control: once the reader has gone the next commit begins it anew. */
	run_sql(l.reader, "COMMIT");
	ck_assert_int_eq(fold_now(&l, &all, &folded), SQLITE_OK);
	run_sql(l.writer, "INSERT INTO t VALUES (3)");
	ck_assert_int_lt(l.frames, before);
	close_three(&l);
}
END_TEST

START_TEST(nothing_is_folded_while_somebody_reads_the_file_alone)
{
	struct log_of_three l = {0};
	int all = 0, folded = 0;

	open_three(&l);
	ck_assert_int_eq(fold_now(&l, &all, &folded), SQLITE_OK);
	ck_assert_int_eq(folded, all);
	run_sql(l.reader, "BEGIN; SELECT * FROM t"); /* there is nothing in the log */
	run_sql(l.writer, "INSERT INTO t VALUES (2)");
	ck_assert_int_le(l.frames, all); /* which was begun anew */
	ck_assert_int_eq(fold_now(&l, &all, &folded), SQLITE_OK);
	ck_assert_int_eq(folded, 0);
	run_sql(l.reader, "COMMIT"); /* the control */
	ck_assert_int_eq(fold_now(&l, &all, &folded), SQLITE_OK);
	ck_assert_int_eq(folded, all);
	ck_assert_int_gt(folded, 0);
	close_three(&l);
}
END_TEST

START_TEST(reading_without_memory_says_so)
{
	struct record row;
	struct record_list list;
	const struct list_query q = {.family = &family_credential, .owners = everyone, .limit = 5};
	struct arena *a = arena_new(RIG_ARENA);
	unsigned n = 1;

	for (;; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		enum store_rc one = store_get(rig.store, a, &family_credential, 1, &everyone, &row);
		enum store_rc two = store_list(rig.store, a, &q, &list);
		if (!arena_failed(a)) {
			ck_assert_int_eq(one, STORE_OK);
			ck_assert_int_eq(two, STORE_OK);
			break;
		}
		ck_assert(one == STORE_NO_MEMORY || two == STORE_NO_MEMORY);
		ck_assert_uint_lt(n, 200);
	}
	ck_assert_uint_gt(n, 10);
	arena_free(a);
}
END_TEST

static const struct {
	enum store_rc rc;
	enum err err;
} failures[] = {
	{STORE_FULL, ERR_DISK_FULL},
	{STORE_BUSY, ERR_UNAVAILABLE},
	{STORE_FAILED, ERR_UNAVAILABLE},
	{STORE_NO_MEMORY, ERR_INTERNAL},
};

struct lease_step {
	const char *holder;
	int64_t now_ms;
	bool ends; /* gives it back, else takes it until now + 100 */
	enum store_rc expected;
	const char *after; /* who has it then; NULL: nobody */
};

static enum err
step_in_transaction(struct store_tx *tx, void *arg)
{
	const struct lease_step *step = arg;
	struct lease lease = {0};

	ck_assert_int_eq(step->ends ? store_end_lease(tx, "work", step->holder)
				    : store_take_lease(tx, "work", step->holder, step->now_ms,
						       step->now_ms + 100),
			 step->expected);
	ck_assert_int_eq(store_tx_lease(tx, rig.arena, "work", &lease),
			 step->after != NULL ? STORE_OK : STORE_NONE);
	ck_assert_pstr_eq(lease.holder, step->after);
	return ERR_NONE;
}

START_TEST(a_lease_is_with_one_holder_until_it_ends_or_is_given_back)
{
	static const struct lease_step steps[] = {
		{"a:1", 1000, false, STORE_OK, "a:1"},
		{"b:2", 1050, false, STORE_NONE, "a:1"}, /* a has it */
		{"a:1", 1060, false, STORE_OK, "a:1"},
		{"b:2", 1159, false, STORE_NONE, "a:1"},
		{"b:2", 1159, true, STORE_OK, "a:1"},  /* nobody ends another's */
		{"b:2", 1160, false, STORE_OK, "b:2"}, /* a died */
		{"a:1", 1161, true, STORE_OK, "b:2"},  /* and comes too late */
		{"a:1", 1161, false, STORE_NONE, "b:2"},
		{"b:2", 1170, true, STORE_OK, NULL},
		{"a:1", 1190, false, STORE_OK, "a:1"},
		{"b:2", 1091, false, STORE_NONE, "a:1"}, /* another host's clock */
		{"b:2", 1089, false, STORE_OK, "b:2"},	 /* the clock was put back */
	};

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct lease_step step = steps[i];

		ck_assert_int_eq(store_write(rig.store, step_in_transaction, &step), STORE_OK);
	}
}
END_TEST

START_TEST(rows_are_counted_by_kind_and_state)
{
	struct record one = registry_row(PROJECT_DEFAULT, "1", "one");
	struct record two = registry_row(PROJECT_DEFAULT, "2", "two");
	struct body first = {.insert = {&one}}, second = {.insert = {&two}};
	struct state_count *counts;
	size_t count;

	ck_assert_int_eq(store_write(rig.store, run_body, &first), STORE_OK);
	ck_assert_int_eq(store_write(rig.store, run_body, &second), STORE_OK);
	rig_sql(&rig, "UPDATE storage_pool SET state = 'removed', remove_time = 500 WHERE "
		      "server_address = 'two'");
	ck_assert_int_eq(store_count_states(rig.store, rig.arena, &family_storage_pool, 499,
					    &counts, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(counts[0].kind, "registry");
	ck_assert_str_eq(counts[1].state, "removed");
	ck_assert_int_eq(counts[0].rows + counts[1].rows, 2);
	ck_assert_int_eq(counts[1].due, 0);
	ck_assert_int_eq(store_count_states(rig.store, rig.arena, &family_storage_pool, 500,
					    &counts, &count),
			 STORE_OK);
	ck_assert_int_eq(counts[0].due, 0);
	ck_assert_int_eq(counts[1].due, 1);
}
END_TEST

START_TEST(doubles_are_counted_by_registry_user_and_path)
{
	static const char doubled[] =
		"INSERT INTO credential (uuid, kind, account_id, state, public_value, registry_id, "
		"path_prefix) SELECT hex(randomblob(8)), kind, account_id, state, column3, 7, "
		"column4 "
		"FROM (VALUES (1, 1, 'bot', NULL), (2, 1, 'bot', NULL), (3, 1, 'bot', NULL), "
		"(4, 1, 'bot', 'acme'), (5, 1, 'bot', 'acme'), (6, 1, 'Bot', NULL), (7, 1, NULL, "
		"NULL), "
		"(8, 1, NULL, NULL)), (SELECT 'registryCredential' AS kind, 5 AS account_id, "
		"'active' "
		"AS state)";
	int64_t doubles = -1;

	ck_assert_int_eq(store_count_doubles(rig.store, "registryCredential", &doubles), STORE_OK);
	ck_assert_int_eq(doubles, 0);
	rig_sql(&rig, "PRAGMA foreign_keys = OFF");
	rig_sql(&rig, doubled);
	ck_assert_int_eq(store_count_doubles(rig.store, "registryCredential", &doubles), STORE_OK);
	ck_assert_int_eq(doubles, 3);
	rig_sql(&rig, "UPDATE credential SET state = 'inactive' WHERE path_prefix = 'acme'");
	ck_assert_int_eq(store_count_doubles(rig.store, "registryCredential", &doubles), STORE_OK);
	ck_assert_int_eq(doubles, 2);
}
END_TEST

START_TEST(a_failure_of_the_store_is_an_error_of_the_client)
{
	struct error e = {0};

	ck_assert_int_eq(store_err(failures[_i].rc, &e), failures[_i].err);
	ck_assert_int_eq(e.code, failures[_i].err);
}
END_TEST

static Suite *
store_suite(void)
{
	Suite *suite = suite_create("store");
	TCase *tc = tcase_create("store");

	tcase_set_timeout(tc, 30);
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
	tcase_add_test(tc, a_row_is_stored_and_read_back_column_by_column);
	tcase_add_test(tc, a_full_disk_refuses_and_changes_nothing);
	tcase_add_test(tc, with_a_rollback_journal_a_full_disk_refuses_as_well);
	tcase_add_test(tc, below_the_mark_only_what_frees_room_is_written);
	tcase_add_test(tc, ids_are_shared_in_a_family_and_never_used_again);
	tcase_add_test(tc, a_body_that_fails_leaves_nothing_behind);
	tcase_add_test(tc, a_constraint_that_is_hit_does_not_undo_the_rest);
	tcase_add_loop_test(tc, an_address_is_unique_in_its_account_in_any_case_until_it_is_removed,
			    0, COUNT_OF(addresses));
	tcase_add_test(tc, a_uuid_and_an_access_key_are_unique_for_ever);
	tcase_add_loop_test(tc, a_state_changes_only_from_the_state_that_was_seen, 0, ST__COUNT);
	tcase_add_test(tc, an_update_sets_the_given_columns_of_one_row_and_no_other);
	tcase_add_loop_test(tc, only_rows_of_the_owners_are_seen, 0, COUNT_OF(views));
	tcase_add_test(tc, a_list_hides_removed_rows_unless_they_are_asked_for);
	tcase_add_test(tc, a_list_of_a_kind_has_no_other);
	tcase_add_test(tc, a_list_reads_the_columns_that_are_needed);
	tcase_add_test(tc, a_filter_by_registry_does_not_go_through_the_account);
	tcase_add_test(tc, a_page_of_very_long_texts_ends_early_and_says_so);
	tcase_add_test(tc, a_key_is_found_with_its_account_whatever_its_state);
	tcase_add_test(tc, the_use_of_a_key_is_noted_once_a_minute);
	tcase_add_test(tc, memberships_are_of_the_account_and_name_the_role);
	tcase_add_test(tc, key_checks_are_kept);
	tcase_add_test(tc, a_value_is_replaced_only_if_it_is_still_the_one);
	tcase_add_test(tc, removed_rows_are_due_when_their_time_has_come_oldest_first);
	tcase_add_test(tc, purged_rows_are_forgotten_when_old_and_free_of_references);
	tcase_add_test(tc, a_checkpoint_empties_the_log);
	tcase_add_test(tc, the_log_is_not_emptied_beside_a_process_that_works_on_it);
	tcase_add_test(tc, a_long_check_of_a_file_tells_and_can_be_ended);
	tcase_add_loop_test(tc, a_connection_runs_plain_reads_and_writes_and_nothing_else, 0,
			    COUNT_OF(statements));
	tcase_add_test(tc, a_connection_is_set_up_as_the_design_says);
	tcase_add_test(tc, a_foreign_key_that_leads_nowhere_is_refused);
	tcase_add_test(tc, hostile_values_are_only_values);
	tcase_add_test(tc, a_list_with_every_condition_there_is_room_for_still_runs);
	tcase_add_loop_test(tc, many_threads_write_and_read_and_nothing_is_lost, 0, 2);
	tcase_add_loop_test(tc, of_many_threads_one_makes_the_change, 0, 2);
	tcase_add_loop_test(tc, of_many_threads_one_gets_the_address, 0, 2);
	tcase_add_loop_test(tc, a_body_that_fails_halfway_takes_nobody_along, 0, 2 * HALFWAY);
	tcase_add_test(tc, the_use_of_a_key_is_noted_without_waiting_for_the_lock);
	tcase_add_loop_test(tc, who_writes_is_seen_and_who_waits_for_the_lock_does_not_hang, 0, 2);
	tcase_add_test(tc, the_log_is_folded_beside_the_writers_and_does_not_grow);
	tcase_add_test(tc, nobody_begins_the_log_anew_while_somebody_reads_in_it);
	tcase_add_test(tc, nothing_is_folded_while_somebody_reads_the_file_alone);
	tcase_add_test(tc, reading_without_memory_says_so);
	tcase_add_test(tc, a_lease_is_with_one_holder_until_it_ends_or_is_given_back);
	tcase_add_test(tc, rows_are_counted_by_kind_and_state);
	tcase_add_test(tc, doubles_are_counted_by_registry_user_and_path);
	tcase_add_loop_test(tc, a_failure_of_the_store_is_an_error_of_the_client, 0,
			    COUNT_OF(failures));
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(store_suite());
}
