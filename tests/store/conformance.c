/* conformance: the promises of store.h, as any engine has to keep them. */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/store.h"

#include "support/support.h"

enum { WRITERS = 4, ROUNDS = 40 };

static struct rig rig;
static const struct owners everyone = {.all = true};

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

static struct record
registry_row(const char *uuid, const char *address, const char *description)
{
	struct record row = {.type = &types_table[T_REGISTRY]};

	row.columns[COL_UUID] = value_text(uuid);
	row.columns[COL_KIND] = value_text("registry");
	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
	row.columns[COL_STATE] = value_text("active");
	row.columns[COL_CREATED] = value_int(RIG_NOW);
	row.columns[COL_SERVER_ADDRESS] = value_text(address);
	row.columns[COL_DESCRIPTION] = value_text(description);
	return row;
}

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

START_TEST(what_a_body_reads_is_true_until_its_commit_and_it_runs_once)
{
	struct count counts[WRITERS];
	pthread_t threads[WRITERS];
	struct record row;
	char why[STORE_WHY_MAX];
	int64_t id = rig_registry(&rig, PROJECT_DEFAULT, "counted");

	rig_exec(&rig, "UPDATE storage_pool SET created = 0");
	for (int i = 0; i < WRITERS; i++) {
		counts[i] = (struct count){.store = store_open(rig.database, 1, why),
					   .arena = arena_new(RIG_ARENA),
					   .id = id};
		ck_assert_msg(counts[i].store != NULL, "%s", why);
		ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &counts[i]), 0);
	}
	for (int i = 0; i < WRITERS; i++) {
		ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert(!counts[i].failed);
		ck_assert_int_eq(counts[i].runs, ROUNDS);
		store_close(counts[i].store);
		arena_free(counts[i].arena);
	}
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
		struct record row = registry_row(name, name, texts[i]);

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
	struct record one = registry_row("u1", "same", NULL),
		      two = registry_row("u2", "SAME", NULL);

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

static Suite *
conformance_suite(void)
{
	Suite *suite = suite_create("conformance");
	TCase *tc = tcase_create("conformance");

	tcase_set_timeout(tc, 30);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_a_body_reads_is_true_until_its_commit_and_it_runs_once);
	tcase_add_test(tc, texts_are_compared_by_bytes_and_null_comes_first);
	tcase_add_loop_test(tc, a_condition_finds_what_it_says, 0, COUNT_OF(comparisons));
	tcase_add_test(tc, after_a_constraint_nothing_of_the_body_is_there);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(conformance_suite());
}
