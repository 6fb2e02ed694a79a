/* check_powercut: the disk forgets, at any moment, what was not synced: every acknowledged write is
 * there afterwards, none is there by half, and the service goes on.
 *
 * Two apps on one database, as of two worker processes, with writing threads each, and a third
 * that empties the write-ahead log.  REGCRED_SEED: that seed alone; REGCRED_LONG: 1,000 instead of
 * 50.  The moment of the cut and what it leaves come from the seed; how threads take turns does
 * not, so a seed that failed may have to be run several times.  All of it once more with a rollback
 * journal.
 */
#include <check.h>
#include <pthread.h>
#include <sched.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/route.h"
#include "base/arena.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/log.h"
#include "base/settings.h"
#include "service/app.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

#include "support/fault_vfs.h"
#include "support/support.h"

enum {
	SEEDS = 50,
	SEEDS_LONG = 1000,
	CONTROL_SEEDS = 8,
	APPS = 2,
	WRITERS = 4,
	OBJECTS_MAX = 600, /* of one writer */
	CUT_MAX = 3000,	   /* changes of files until the cut */
	ROUNDS = 2,
};

/* The life of a credential, step by step; what is logged in all after a step. */
/* clang-format off */

static const struct { const char *method, *behind_id, *body; int status; const char *state; int logged; } steps[] = {
	{ "POST",   NULL,                 NULL,               201, "active",   2 },
	{ "PUT",    "",                   "{\"name\":\"n\"}", 200, "active",   2 },
	{ "POST",   "?action=deactivate", "",                 202, "inactive", 3 },
	{ "DELETE", "",                   "",                 200, "removed",  4 },
	{ "POST",   "?action=purge",      "",                 202, "purged",   5 },
};
/* clang-format on */

struct object {
	int done;   /* steps that were acknowledged */
	int begun;  /* and those that were asked for */
	int wanted; /* where this one's life ends: objects stay behind in every state */
};

struct writer {
	struct app *app;
	struct rig *rig;
	int number;
	struct object objects[OBJECTS_MAX];
	int count;
};

/* What was found after the cuts. */
struct losses {
	int acknowledged, lost, wrong;
	char what[256];
};

static struct rig rig;
static struct writer writers[WRITERS];
static bool normal; /* synchronous=NORMAL, for the control */

/* What the store says to SQLite, but for the control. */
int __real_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
			void *arg, char **why);
int __wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
			void *arg, char **why);
int
__wrap_sqlite3_exec(sqlite3 *db, const char *sql, int (*row)(void *, int, char **, char **),
		    void *arg, char **why)
{
	static const char full[] = "synchronous = FULL", less[] = "synchronous = 1   ";
	char changed[1024];
	const char *place = normal ? strstr(sql, full) : NULL;

	if (place == NULL || strlen(sql) >= sizeof(changed))
		return __real_sqlite3_exec(db, sql, row, arg, why);
	(void)strcpy(changed, sql);
	memcpy(changed + (place - sql), less, sizeof(less) - 1);
	return __real_sqlite3_exec(db, changed, row, arg, why);
}

static const char *
create_body(struct arena *a, const struct writer *w, int object)
{
	return arena_printf(a,
			    "{\"registryId\":\"1sp1\",\"publicValue\":\"w%d-%d\",\"email\":\"e\","
			    "\"secretValue\":\"secret of w%d-%d\"}",
			    w->number, object, w->number, object);
}

/* One step of one object; false when the power is gone. */
static bool
take_step(struct writer *w, struct arena *a, int object, char id[32])
{
	struct object *o = &w->objects[object];
	const int step = o->done;
	struct response response;
	struct request request = {.method = steps[step].method,
				  .prefix = "",
				  .scheme = "https",
				  .host = "r.example.test",
				  .client = "10.1.2.3",
				  .id = "test",
				  .user_agent = "curl/7.88",
				  .accept = "*/*"};

	request.api_key = person_key(a, PROJECT_DEFAULT);
	request.target = step == 0 ? "/v1/registrycredentials"
				   : arena_printf(a, "/v1/registrycredentials/%s%s", id,
						  steps[step].behind_id);
	request.body = step == 0 ? create_body(a, w, object) : steps[step].body;
	request.body_len = strlen(request.body);
	o->begun = step + 1;
	app_handle(w->app, &request, a, &response);
	if (response.status != steps[step].status)
		return false;
	if (step == 0)
		(void)sscanf(response.body, "{\"id\":\"%31[^\"]", id);
	o->done = step + 1;
	return true;
}

static void *
write_until_the_cut(void *arg)
{
	struct writer *w = arg;
	struct arena *a = arena_new(RIG_ARENA);
	bool alive = true;

	while (alive && w->count < OBJECTS_MAX) {
		const int object = w->count++;
		struct object *o = &w->objects[object];
		char id[32] = "";

		*o = (struct object){.wanted = 1 + object % (int)COUNT_OF(steps)};
		while (alive && o->done < o->wanted) {
			alive = take_step(w, a, object, id);
			arena_reset(a);
		}
	}
	arena_free(a);
	return NULL;
}

static enum err
write_a_little(struct store_tx *tx, void *arg)
{
	enum store_rc rc = store_take_lease(tx, "test", "test", *(int64_t *)arg, 0);

	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

static bool
start_early(struct store *s)
{
	sqlite_of(s)->wal_frames = 20;
	return store_start(s);
}

/* Another process: one that empties the log, or a worker that checkpoints it beside the writers,
 * again and again. */
static void *
empty_the_log(void *arg)
{
	char why[STORE_WHY_MAX];
	struct store *s = store_open(rig.database, 1, why);
	const bool *beside = arg;
	bool ready = s != NULL && (!*beside || start_early(s));

	for (int64_t now = 1; ready && !power_is_cut(); now++) {
		for (int i = 0; i < 200 && !power_is_cut(); i++)
			(void)sched_yield();
		enum store_rc rc = *beside ? store_write(s, write_a_little, &now) : store_settle(s);
		(void)rc; /* a reader may be in the way, or the power be gone */
	}
	store_close(s);
	return NULL;
}

/* Everything runs until the power is cut; then everything ends. */
static void
run_until_the_cut(unsigned at, bool deaf, bool beside)
{
	struct app *apps[APPS] = {0};
	pthread_t threads[WRITERS], housekeeper;
	char why[CONFIG_WHY_MAX];
	bool running = true;

	power_on(at, deaf);
	for (int i = 0; i < APPS; i++)
		running = (apps[i] = app_new(&rig.settings, why)) != NULL && running;
	if (running) {
		ck_assert_int_eq(pthread_create(&housekeeper, NULL, empty_the_log, &beside), 0);
		for (int i = 0; i < WRITERS; i++) {
			writers[i].app = apps[i % APPS];
			ck_assert_int_eq(
				pthread_create(&threads[i], NULL, write_until_the_cut, &writers[i]),
				0);
		}
		for (int i = 0; i < WRITERS; i++)
			ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
		ck_assert(power_is_cut()); /* else a request failed for another reason */
		ck_assert_int_eq(pthread_join(housekeeper, NULL), 0);
	} else {
		ck_assert_msg(power_is_cut(), "%s", why);
	}
	for (int i = 0; i < APPS; i++)
		app_free(apps[i]);
}

static void
note(struct losses *l, int *counter, const char *name, const char *found)
{
	(*counter)++;
	if (l->what[0] == '\0')
		(void)snprintf(l->what, sizeof(l->what), "%.120s: %.120s", name, found);
}

static sqlite3_stmt *
prepared(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *stmt = NULL;

	return sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK ? stmt : NULL;
}

static void
expect_text(struct losses *l, sqlite3 *db, const char *sql, const char *wanted)
{
	sqlite3_stmt *stmt = prepared(db, sql);
	int rc = sqlite3_step(stmt);
	const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(stmt, 0) : "no row";

	if (rc != SQLITE_ROW ? strcmp(wanted, "no row") != 0 || rc != SQLITE_DONE
			     : strcmp(text, wanted) != 0)
		note(l, &l->wrong, sql, text);
	(void)sqlite3_finalize(stmt);
}

/* An object as the database has it: 0 for no row, else the steps that it has taken; -1 for what is
 * no step. */
static int
steps_found(sqlite3_stmt *stmt)
{
	if (sqlite3_step(stmt) != SQLITE_ROW)
		return 0;
	const char *state = (const char *)sqlite3_column_text(stmt, 0);
	bool named = sqlite3_column_type(stmt, 1) != SQLITE_NULL;
	bool sealed = sqlite3_column_type(stmt, 2) != SQLITE_NULL;
	int logged = sqlite3_column_int(stmt, 3);

	for (int s = 0; s < (int)COUNT_OF(steps); s++)
		if (strcmp(state, steps[s].state) == 0 && logged == steps[s].logged &&
		    (strcmp(state, "active") != 0 || named == (s > 0)) &&
		    sealed == (strcmp(state, "purged") != 0))
			return s + 1;
	return -1;
}

static void
look_at_objects(struct losses *l, sqlite3 *db, int *rows)
{
	sqlite3_stmt *stmt = prepared(
		db, "SELECT state, name, secret_value, (SELECT count(*) FROM audit_log, "
		    "json_each(changes, '$.state.passed') WHERE resource_id = '1c' || c.id AND "
		    "value LIKE '%ing') FROM credential c WHERE "
		    "public_value = ?1 AND kind = 'registryCredential'");
	char name[32], found_text[64];

	for (int w = 0; w < WRITERS; w++)
		for (int i = 0; i < writers[w].count; i++) {
			const struct object *o = &writers[w].objects[i];

			(void)snprintf(name, sizeof(name), "w%d-%d", w, i);
			(void)sqlite3_bind_text(stmt, 1, name, -1, SQLITE_STATIC);
			int found = steps_found(stmt);
			(void)snprintf(found_text, sizeof(found_text), "%d of %d steps, %d begun",
				       found, o->done, o->begun);
			l->acknowledged += o->done;
			if (found < 0 || found > o->begun)
				note(l, &l->wrong, name, found_text);
			else if (found < o->done)
				note(l, &l->lost, name, found_text);
			*rows += found != 0;
			(void)sqlite3_reset(stmt);
		}
	(void)sqlite3_finalize(stmt);
}

/* What the disk held against what was acknowledged. */
static void
look(struct losses *l)
{
	sqlite3 *db = NULL;
	int rows = 0;
	char count[16];

	if (sqlite3_open(rig.database, &db) != SQLITE_OK)
		note(l, &l->wrong, rig.database, sqlite3_errmsg(db));
	expect_text(l, db, "PRAGMA integrity_check", "ok");
	expect_text(l, db, "PRAGMA foreign_key_check", "no row");
	look_at_objects(l, db, &rows);
	(void)snprintf(count, sizeof(count), "%d", rows);
	expect_text(l, db, "SELECT count(*) FROM credential WHERE kind = 'registryCredential'",
		    count);
	(void)sqlite3_close(db);
}

/* The service goes on: it starts, shows the secret of an object that is left, and writes. */
static void
go_on(struct losses *l)
{
	struct json *doc = NULL;
	char why[CONFIG_WHY_MAX] = "";
	const char *first = "/v1/projects/1a5/registrycredentials?publicValue=w0-0";

	rig.app = app_new(&rig.settings, why);
	if (rig.app == NULL) {
		note(l, &l->wrong, "start", why);
		return;
	}
	int status = rig_ask(&rig, PERSON_PROJECTADMIN, "GET", first, NULL, &doc);
	const char *secret = json_at(rig.arena, doc, "data.0.secretValue");
	if (status != 200 || (strcmp(secret, "-") != 0 && strcmp(secret, "secret of w0-0") != 0))
		note(l, &l->wrong, "read", secret);
	status = rig_ask(&rig, PROJECT_DEFAULT, "PUT", "/v1/registries/1sp1", "{\"name\":\"n\"}",
			 NULL);
	if (status != 200)
		note(l, &l->wrong, "write", "refused");
	app_free(rig.app);
	rig.app = NULL;
}

static struct losses
cut_and_look(uint64_t seed, bool deaf)
{
	struct losses l = {0};
	uint64_t random = seed;

	for (int i = 0; i < WRITERS; i++)
		writers[i] = (struct writer){.rig = &rig, .number = i};
	for (int round = 0; round < ROUNDS && l.lost + l.wrong == 0; round++) {
		/* Half of them early: in the start, in the recovery after the last one. */
		unsigned range = fault_random(&random) % 2 == 0 ? CUT_MAX : CUT_MAX / 40;

		unsigned at = 1 + (unsigned)(fault_random(&random) % range);
		run_until_the_cut(at, deaf, fault_random(&random) % 2 == 0);
		power_off(fault_random(&random));
		l.acknowledged = 0;
		look(&l);
		if (!deaf && !normal)
			go_on(&l);
	}
	return l;
}

static void
setup(void)
{
	rig_open(&rig);
	(void)rig_registry(&rig, PROJECT_DEFAULT, "reg.test");
	store_close(rig.store);
	rig.store = NULL;
}

/* The same, with a rollback journal. */
static void
setup_rollback(void)
{
	char why[STORE_WHY_MAX];
	struct losses l = {0};
	sqlite3 *db = NULL;

	setup();
	ck_assert_msg(store_migrate(rig.database, false, false, true, why), "%s", why);
	ck_assert_int_eq(sqlite3_open(rig.database, &db), SQLITE_OK);
	expect_text(&l, db, "PRAGMA journal_mode", "delete"); /* of what keeps no log */
	(void)sqlite3_close(db);
	ck_assert_msg(l.wrong == 0, "%s", l.what);
}

static void
teardown(void)
{
	rig_close(&rig);
}

static uint64_t
seed_of(int i)
{
	const char *given = getenv("REGCRED_SEED");

	return (uint64_t)(given != NULL ? atoll(given) : i);
}

static int
seeds(void)
{
	return getenv("REGCRED_SEED") != NULL	? 1
	       : getenv("REGCRED_LONG") != NULL ? SEEDS_LONG
						: SEEDS;
}

START_TEST(no_acknowledged_write_is_lost)
{
	struct losses l = cut_and_look(seed_of(_i), false);

	if (_i % 50 == 0)
		(void)fprintf(stderr, "power cut: seed %d of %d\n", _i, seeds());
	ck_assert_msg(l.lost + l.wrong == 0,
		      "REGCRED_SEED=%llu: %d of %d acknowledged writes lost, %d wrong: %s",
		      (unsigned long long)seed_of(_i), l.lost, l.acknowledged, l.wrong, l.what);
}
END_TEST

/* The controls: what is not synced is lost, and this program sees it. */
static const struct {
	const char *name;
	bool normal, deaf, rollback;
} controls[] = {
	{"synchronous=NORMAL", true, false, false},
	{"a disk that does not sync", false, true, false},
	{"a disk that does not sync, with a rollback journal", false, true, true},
};

START_TEST(without_the_sync_some_are_lost)
{
	int acknowledged = 0, bad = 0;

	normal = controls[_i].normal;
	if (controls[_i].rollback) {
		teardown();
		setup_rollback();
	}
	for (int seed = 1; seed <= CONTROL_SEEDS; seed++) {
		struct losses l = cut_and_look((uint64_t)seed, controls[_i].deaf);

		acknowledged += l.acknowledged;
		bad += l.lost + l.wrong > 0;
		teardown();
		controls[_i].rollback ? setup_rollback() : setup();
	}
	(void)fprintf(stderr, "power cut, %s: losses with %d of %d seeds\n", controls[_i].name, bad,
		      CONTROL_SEEDS);
	ck_assert_int_gt(acknowledged, 0);
	ck_assert_int_gt(bad, 0);
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("powercut");
	TCase *tc = tcase_create("powercut"), *rollback = tcase_create("rollback");

	if (!fault_vfs_register())
		return EXIT_FAILURE;
	log_set_level(LOG_ERROR);
	tcase_set_timeout(tc, 120);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, no_acknowledged_write_is_lost, 1, seeds() + 1);
	tcase_add_loop_test(tc, without_the_sync_some_are_lost, 0, COUNT_OF(controls));
	suite_add_tcase(suite, tc);
	tcase_set_timeout(rollback, 120);
	tcase_add_unchecked_fixture(rollback, rig_make, rig_remove);
	tcase_add_checked_fixture(rollback, setup_rollback, teardown);
	tcase_add_loop_test(rollback, no_acknowledged_write_is_lost, 1, seeds() + 1);
	suite_add_tcase(suite, rollback);
	return run_suite(suite);
}
