/* check_queue: many who write at once, the write-ahead log beside them, a disk that is full. */
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
#include "model/record.h"
#include "model/schema.h"
#include "secret/seal.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

#include "store/bodies.h"
#include "support/support.h"

enum { THREADS = 8, ROUNDS = 25, FEW_FRAMES = 30 };

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

	ck_assert_msg(store_migrate(path, true, false, true, why), "%s", why);
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

		enum store_rc rc = store_write(rig.store, run_body, &b);
		if (rc != (b.inserted[0] == STORE_CONSTRAINT ? STORE_ABORTED : STORE_OK))
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

static Suite *
queue_suite(void)
{
	Suite *suite = suite_create("queue");
	TCase *tc = tcase_create("queue");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_full_disk_refuses_and_changes_nothing);
	tcase_add_test(tc, with_a_rollback_journal_a_full_disk_refuses_as_well);
	tcase_add_test(tc, below_the_mark_only_what_frees_room_is_written);
	tcase_add_test(tc, a_checkpoint_empties_the_log);
	tcase_add_test(tc, the_log_is_not_emptied_beside_a_process_that_works_on_it);
	tcase_add_loop_test(tc, many_threads_write_and_read_and_nothing_is_lost, 0, 2);
	tcase_add_loop_test(tc, of_many_threads_one_makes_the_change, 0, 2);
	tcase_add_loop_test(tc, of_many_threads_one_gets_the_address, 0, 2);
	tcase_add_loop_test(tc, a_body_that_fails_halfway_takes_nobody_along, 0, 2 * HALFWAY);
	tcase_add_test(tc, the_use_of_a_key_is_noted_without_waiting_for_the_lock);
	tcase_add_loop_test(tc, who_writes_is_seen_and_who_waits_for_the_lock_does_not_hang, 0, 2);
	tcase_add_test(tc, the_log_is_folded_beside_the_writers_and_does_not_grow);
	tcase_add_test(tc, nobody_begins_the_log_anew_while_somebody_reads_in_it);
	tcase_add_test(tc, nothing_is_folded_while_somebody_reads_the_file_alone);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(queue_suite());
}
