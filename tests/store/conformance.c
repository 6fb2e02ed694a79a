/* conformance: the promises of store.h, as any engine has to keep them. */
#include <check.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/store.h"

#include "store/bodies.h"
#include "support/support.h"

enum { WRITERS = 4, ROUNDS = 40 };

static struct rig rig;

static void
setup(void)
{
	rig_open(&rig);
}

static void
teardown(void)
{
	rig_close(&rig);
}

/* An acknowledged write is on the disk. */

/* Another process: writes, says so, and does nothing more. */
static void
write_and_wait(int tell)
{
	struct record row = registry_row(PROJECT_DEFAULT, "u1", "kept");
	struct body b = {.insert = {&row}};
	char why[STORE_WHY_MAX];
	struct store *s = store_open(rig.database, 1, why);

	if (s == NULL || store_write(s, run_body, &b) != STORE_OK || write(tell, "", 1) != 1)
		_exit(1);
	for (;;)
		(void)pause();
}

START_TEST(what_was_acknowledged_outlives_the_process)
{
	int ends[2];
	char byte;

	ck_assert_int_eq(pipe(ends), 0);
	pid_t child = fork();
	ck_assert_int_ge(child, 0);
	if (child == 0)
		write_and_wait(ends[1]);
	ck_assert_int_eq(close(ends[1]), 0);
	ck_assert_int_eq(read(ends[0], &byte, 1), 1);
	ck_assert_int_eq(kill(child, SIGKILL), 0);
	ck_assert_int_eq(waitpid(child, NULL, 0), child);
	(void)close(ends[0]);
	ck_assert_str_eq(rig_sql(&rig, "SELECT uuid FROM storage_pool"), "u1");
}
END_TEST

/* Bodies run one after another, whoever has the store open. */

struct count {
	struct store *store;
	struct arena *arena;
	int64_t id;
	int runs;
	bool failed;
};

static enum err
add_one(struct store_tx *tx, void *arg)
{
	struct count *c = arg;
	struct value columns[COL__COUNT] = {0};
	struct record row;

	c->runs++;
	if (store_tx_get(tx, c->arena, &family_storage_pool, c->id, &everyone, &row) != STORE_OK)
		return ERR_INTERNAL;
	columns[COL_CREATED] = value_int(row.columns[COL_CREATED].number + 1);
	return store_update(tx, &family_storage_pool, c->id, columns, COL_BIT(COL_CREATED)) ==
			       STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

static void *
count_up(void *arg)
{
	struct count *c = arg;

	for (int i = 0; i < ROUNDS; i++) {
		arena_reset(c->arena);
		c->failed = store_write(c->store, add_one, c) != STORE_OK || c->failed;
	}
	return NULL;
}

/* Counts with a store of its own; false if a write failed, or a body did not run once. */
static bool
count_alone(int64_t id)
{
	char why[STORE_WHY_MAX];
	struct count c = {
		.store = store_open(rig.database, 1, why), .arena = arena_new(RIG_ARENA), .id = id};

	if (c.store != NULL && c.arena != NULL)
		(void)count_up(&c);
	store_close(c.store);
	arena_free(c.arena);
	return !c.failed && c.runs == ROUNDS;
}

static void *
count_in_a_thread(void *arg)
{
	return count_alone(*(const int64_t *)arg) ? arg : NULL;
}

static void
count_in_threads(int64_t id)
{
	pthread_t threads[WRITERS];
	void *done;

	for (int i = 0; i < WRITERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_in_a_thread, &id), 0);
	for (int i = 0; i < WRITERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], &done), 0);
		ck_assert_ptr_nonnull(done);
	}
}

static void
count_in_processes(int64_t id)
{
	pid_t children[WRITERS];
	int status;

	for (int i = 0; i < WRITERS; i++) {
		children[i] = fork();
		ck_assert_int_ge(children[i], 0);
		if (children[i] == 0)
			_exit(count_alone(id) ? 0 : 1);
	}
	for (int i = 0; i < WRITERS; i++) {
		ck_assert_int_eq(waitpid(children[i], &status, 0), children[i]);
		ck_assert_int_eq(status, 0);
	}
}

START_TEST(what_a_body_reads_is_true_until_its_commit_and_it_runs_once)
{
	static void (*const ways[])(int64_t id) = {count_in_threads, count_in_processes};
	struct record row;
	int64_t id = rig_registry(&rig, PROJECT_DEFAULT, "counted");

	rig_exec(&rig, "UPDATE storage_pool SET created = 0");
	ways[_i](id);
	/* What was acknowledged is there, for whoever opens it. */
	ck_assert_int_eq(store_get(rig.store, rig.arena, &family_storage_pool, id, &everyone, &row),
			 STORE_OK);
	ck_assert_int_eq(row.columns[COL_CREATED].number, WRITERS * ROUNDS);
}
END_TEST

/* Order and comparison */

static const struct {
	enum condition_op op;
	const char *value;
	bool any_case;
	const char *found;
} comparisons[] = {
	{OP_NULL, NULL, false, "null"},
	{OP_EQ, "a", false, "a"},
	{OP_EQ, "a", true, "A a"},
	{OP_LIKE, "a", false, "A a"},
	{OP_LIKE, "\xc3\xa4", false, "\xc3\xa4"},
	{OP_PREFIX, "_", false, "_"},
	{OP_GT, "Z", false, "_ a \xc3\x84 \xc3\xa4"},
	{OP_NOT_NULL, NULL, false, "A Z _ a \xc3\x84 \xc3\xa4"},
};

static void
insert_texts(void)
{
	static const char *const texts[] = {"a", "\xc3\xa4", "Z", NULL, "A", "\xc3\x84", "_"};

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		const char *name = arena_printf(rig.arena, "u%zu", i);
		struct record row = registry_row(PROJECT_DEFAULT, name, name);

		row.columns[COL_DESCRIPTION] = value_text(texts[i]);
		rig_insert(&rig, &row);
	}
}

static const char *
found_by(const struct list_query *q)
{
	struct record_list list;
	const char *text = "";

	ck_assert_int_eq(store_list(rig.store, rig.arena, q, &list), STORE_OK);
	for (size_t i = 0; i < list.count; i++) {
		const char *one = record_text(&list.items[i], COL_DESCRIPTION);

		text = arena_printf(rig.arena, "%s%s%s", text, i > 0 ? " " : "",
				    one != NULL ? one : "null");
	}
	return text;
}

START_TEST(texts_are_compared_by_bytes_and_null_comes_first)
{
	struct list_query q = {.family = &family_storage_pool,
			       .owners = everyone,
			       .sort = COL_DESCRIPTION,
			       .limit = 100};

	insert_texts();
	ck_assert_str_eq(found_by(&q), "null A Z _ a \xc3\x84 \xc3\xa4");
	q.descending = true;
	ck_assert_str_eq(found_by(&q), "\xc3\xa4 \xc3\x84 a _ Z A null");
}
END_TEST

START_TEST(a_condition_finds_what_it_says)
{
	struct list_query q = {.family = &family_storage_pool,
			       .owners = everyone,
			       .sort = COL_DESCRIPTION,
			       .limit = 100,
			       .condition_count = 1};

	insert_texts();
	q.conditions[0] = (struct condition){.column = COL_DESCRIPTION,
					     .op = comparisons[_i].op,
					     .value = value_text(comparisons[_i].value),
					     .any_case = comparisons[_i].any_case};
	ck_assert_str_eq(found_by(&q), comparisons[_i].found);
}
END_TEST

/* A constraint that is hit */

static enum err
insert_twice(struct store_tx *tx, void *arg)
{
	struct record one = registry_row(PROJECT_DEFAULT, "u1", "same"),
		      two = registry_row(PROJECT_DEFAULT, "u2", "SAME");

	if (store_insert(tx, &one) != STORE_OK)
		return ERR_INTERNAL;
	*(enum store_rc *)arg = store_insert(tx, &two);
	ck_assert_int_eq(store_conflict(tx), COL_SERVER_ADDRESS);
	return ERR_CONFLICT; /* as a body must after that */
}

START_TEST(after_a_constraint_nothing_of_the_body_is_there)
{
	enum store_rc rc = STORE_OK;

	ck_assert_int_eq(store_write(rig.store, insert_twice, &rc), STORE_ABORTED);
	ck_assert_int_eq(rc, STORE_CONSTRAINT);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"), "0");
}
END_TEST

/* Ids, uniqueness, changes */

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
	ck_assert_int_eq(store_write(rig.store, run_body, &b),
			 addresses[_i].conflict == COL_NONE ? STORE_OK : STORE_ABORTED);
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
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_ABORTED);
	ck_assert_int_eq(b.inserted[0], STORE_CONSTRAINT);
	ck_assert_int_eq(b.conflict, COL_PUBLIC_VALUE);
	same.columns[COL_UUID] = value_text("u1");
	same.columns[COL_PUBLIC_VALUE] = value_text("DEF");
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_ABORTED);
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
				 "SELECT count(*) FROM storage_pool WHERE description IS NULL AND "
				 "state = 'active' AND name || server_address IN ('newone', "
				 "'twotwo')"),
			 "2");
	b.columns[COL_NAME] = value_null();
	ck_assert_int_eq(store_write(rig.store, run_change, &b), STORE_OK);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool WHERE name IS NULL"),
			 "1");
	b.id = two + 1;
	ck_assert_int_eq(store_write(rig.store, run_change, &b), STORE_OK);
	ck_assert_int_eq(b.rc, STORE_NONE);
}
END_TEST

/* What takes too long */

enum { SLOW_ROWS = 4000, SLOW_TEXT = 4096, SLOW_PATTERN = 512, SLOW_MS = 15 * 1000 };

/* Rows whose descriptions are expensive to compare. */
static enum err
insert_slow_rows(struct store_tx *tx, void *text)
{
	for (unsigned i = 0; i < SLOW_ROWS; i++) {
		char name[16];

		(void)snprintf(name, sizeof(name), "u%u", i);
		struct record row = registry_row(PROJECT_DEFAULT, name, name);
		row.columns[COL_DESCRIPTION] = value_text(text);
		if (store_insert(tx, &row) != STORE_OK)
			return ERR_INTERNAL;
	}
	return ERR_NONE;
}

START_TEST(a_read_ends_after_two_seconds)
{
	char text[SLOW_TEXT + 1], pattern[SLOW_PATTERN + 3];
	struct list_query q = {.family = &family_storage_pool,
			       .owners = everyone,
			       .limit = 100,
			       .condition_count = 1};
	struct record_list list;

	memset(text, 'a', SLOW_TEXT);
	text[SLOW_TEXT] = '\0';
	/* From each of 3,585 places on it compares 512 letters in vain. */
	(void)snprintf(pattern, sizeof(pattern), "%%%.*sb", SLOW_PATTERN, text);
	ck_assert_int_eq(store_write(rig.store, insert_slow_rows, text), STORE_OK);
	q.conditions[0] = (struct condition){
		.column = COL_DESCRIPTION, .op = OP_LIKE, .value = value_text(pattern)};
	int64_t began_ms = clock_ms();
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_BUSY);
	ck_assert_int_ge(clock_ms() - began_ms, 1900);
	ck_assert_int_le(clock_ms() - began_ms,
			 SLOW_MS); /* else it takes longer than the test may */
}
END_TEST

struct holder {
	struct store *store;
	sem_t begun, ends;
};

static enum err
hold_the_lock(struct store_tx *tx, void *arg)
{
	struct holder *h = arg;

	(void)tx;
	(void)sem_post(&h->begun);
	(void)sem_wait(&h->ends);
	return ERR_NONE;
}

static void *
write_for_long(void *arg)
{
	struct holder *h = arg;

	return store_write(h->store, hold_the_lock, h) == STORE_OK ? arg : NULL;
}

START_TEST(a_wait_for_the_lock_ends_after_five_seconds)
{
	struct record row = registry_row(PROJECT_DEFAULT, "u1", "late");
	struct body b = {.insert = {&row}};
	char why[STORE_WHY_MAX];
	struct holder h = {.store = store_open(rig.database, 1, why)};
	pthread_t thread;
	void *done;

	ck_assert_ptr_nonnull(h.store);
	(void)sem_init(&h.begun, 0, 0);
	(void)sem_init(&h.ends, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, write_for_long, &h), 0);
	ck_assert_int_eq(sem_wait(&h.begun), 0);
	int64_t began_ms = clock_ms();
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_BUSY);
	ck_assert_int_ge(clock_ms() - began_ms, 4900);
	ck_assert_int_le(clock_ms() - began_ms, SLOW_MS);
	(void)sem_post(&h.ends);
	ck_assert_int_eq(pthread_join(thread, &done), 0);
	ck_assert_ptr_nonnull(done);
	ck_assert_uint_eq(b.runs, 0);
	ck_assert_int_eq(store_write(rig.store, run_body, &b), STORE_OK);
	store_close(h.store);
}
END_TEST

static Suite *
conformance_suite(void)
{
	Suite *suite = suite_create("conformance");
	TCase *tc = tcase_create("conformance");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_acknowledged_outlives_the_process);
	tcase_add_loop_test(tc, what_a_body_reads_is_true_until_its_commit_and_it_runs_once, 0, 2);
	tcase_add_test(tc, texts_are_compared_by_bytes_and_null_comes_first);
	tcase_add_loop_test(tc, a_condition_finds_what_it_says, 0, COUNT_OF(comparisons));
	tcase_add_test(tc, after_a_constraint_nothing_of_the_body_is_there);
	tcase_add_test(tc, ids_are_shared_in_a_family_and_never_used_again);
	tcase_add_test(tc, a_body_that_fails_leaves_nothing_behind);
	tcase_add_loop_test(tc, an_address_is_unique_in_its_account_in_any_case_until_it_is_removed,
			    0, COUNT_OF(addresses));
	tcase_add_test(tc, a_uuid_and_an_access_key_are_unique_for_ever);
	tcase_add_loop_test(tc, a_state_changes_only_from_the_state_that_was_seen, 0, ST__COUNT);
	tcase_add_test(tc, an_update_sets_the_given_columns_of_one_row_and_no_other);
	tcase_add_test(tc, a_read_ends_after_two_seconds);
	tcase_add_test(tc, a_wait_for_the_lock_ends_after_five_seconds);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_on_engines(conformance_suite);
}
