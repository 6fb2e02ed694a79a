/* verifier: takes a check, asks the registry, finishes; and the threads that do so. */
#include "login/verifier.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "login/use.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/check.h"
#include "resource/resource.h"
#include "secret/keyring.h"
#include "store/store.h"

enum { ARENA_MAX = 4 * 1024 * 1024, THREADS_MAX = 16 };

struct verifier {
	struct store *store;
	const struct keyring *ring;
	const struct check_settings *settings;
	struct seats *tests;  /* the caller's: for the threads of requests */
	struct seats *checks; /* for its own threads */
	pthread_mutex_t mutex;
	pthread_cond_t work;
	bool stopping, woken;
	int64_t last; /* the account whose login was taken last: it is the next one's turn */
	pthread_t threads[THREADS_MAX];
	size_t thread_count;
};

/* What happens to a row in the state in which it waits. A login in use is not deactivated because
 * its registry is down. */
static const struct ending {
	enum state during;
	const char *process;
	enum state before; /* a state in which the process may start */
	enum state passed, refused;
	enum check_verdict refuses; /* the mildest verdict that refuses the login, if the project
				 requires a check */
} endings[] = {
	{ST_ACTIVATING, "activate", ST_INACTIVE, ST_ACTIVE, ST_INACTIVE, VERDICT_DOUBTFUL},
	{ST_UPDATING_ACTIVE, "verify", ST_ACTIVE, ST_ACTIVE, ST_INACTIVE, VERDICT_BAD},
	{ST_UPDATING_INACTIVE, "verify", ST_INACTIVE, ST_INACTIVE, ST_INACTIVE, VERDICT_BAD},
	/* A check that nobody waits for: it repeats, or the project only wants to be warned. */
	{ST_ACTIVE, "verify", ST_ACTIVE, ST_ACTIVE, ST_ACTIVE, VERDICT_BAD},
};

static const struct ending *
find_ending(enum state during)
{
	for (size_t i = 0; i < sizeof(endings) / sizeof(*endings); i++)
		if (endings[i].during == during)
			return &endings[i];
	return NULL;
}

/* A check on its way through the three steps. */
struct job {
	struct verifier *verifier;
	struct arena *arena;
	int64_t account; /* whose turn it is */
	bool taken;
	struct record row, registry;
	int64_t due_ms; /* the lease: if it has changed, another thread has taken over */
	struct check_report report;
};

/* Due checks of one account in order, 0: those without an owner; or, if NULL, those of the accounts
 * after `after`. */
static struct list_query
due_query(const int64_t *account, int64_t after)
{
	struct list_query q = {.family = &family_credential,
			       .owners = owners_all,
			       .condition_count = 1,
			       .sort = account != NULL ? COL_VERIFY_DUE : COL_VERIFY_FOR,
			       .limit = 1};

	q.conditions[0] = (struct condition){
		.column = COL_VERIFY_DUE, .op = OP_LTE, .value = value_int(clock_wall_ms())};
	if (account != NULL || after >= 0)
		q.conditions[q.condition_count++] =
			(struct condition){.column = COL_VERIFY_FOR,
					   .op = account == NULL ? OP_GT
						 : *account == 0 ? OP_NULL
								 : OP_EQ,
					   .value = value_int(account != NULL ? *account : after)};
	return q;
}

static enum err
take_in_transaction(struct store_tx *tx, void *arg)
{
	struct job *job = arg;
	struct list_query q = due_query(&job->account, 0);
	struct value columns[COL__COUNT] = {0};
	struct record_list list;

	job->taken = false;
	if (store_tx_list(tx, job->arena, &q, &list) != STORE_OK)
		return ERR_INTERNAL;
	if (list.count == 0)
		return ERR_NONE;
	job->row = list.items[0];
	job->registry = (struct record){0};
	const struct value *registry = &job->row.columns[COL_REGISTRY_ID];
	if (registry->type == VALUE_INT) {
		enum store_rc rc = store_tx_get(tx, job->arena, &family_storage_pool,
						registry->number, &owners_all, &job->registry);

		if (rc != STORE_OK && rc != STORE_NONE)
			return ERR_INTERNAL;
		job->row.columns[COL_SERVER_ADDRESS] = job->registry.columns[COL_SERVER_ADDRESS];
	}
	job->due_ms = clock_wall_ms() + job->verifier->settings->timeout_ms + VERIFY_LEASE_EXTRA_MS;
	columns[COL_VERIFY_DUE] = value_int(job->due_ms);
	columns[COL_VERIFY_ATTEMPT] = value_int(job->row.columns[COL_VERIFY_ATTEMPT].number + 1);
	if (store_update(tx, &family_credential, record_id(&job->row), columns,
			 COL_BIT(COL_VERIFY_DUE) | COL_BIT(COL_VERIFY_ATTEMPT)) != STORE_OK)
		return ERR_INTERNAL;
	job->row.columns[COL_VERIFY_ATTEMPT] = columns[COL_VERIFY_ATTEMPT];
	job->taken = true;
	return ERR_NONE;
}

static void
give_up(struct job *job, enum check_result result, const char *message)
{
	job->report = (struct check_report){.result = result, .message = message};
}

/* False: the check could not be carried out, because memory ran out or the stored password does not
 * open. That says nothing about the login: the lease ends, and the check is tried again. */
static bool
ask(struct job *job)
{
	const struct context context = {.arena = job->arena, .ring = job->verifier->ring};
	const struct registry_at at = {.address = record_text(&job->registry, COL_SERVER_ADDRESS),
				       .token_host = record_text(&job->registry, COL_TOKEN_HOST),
				       .repository = record_text(&job->row, COL_VERIFY_REPOSITORY)};
	const char *secret = login_open(&context, &job->row, OPEN_TO_CHECK);
	bool readable = secret != NULL || job->row.columns[COL_SECRET_VALUE].type == VALUE_NULL;

	if (job->row.columns[COL_VERIFY_ATTEMPT].number > VERIFY_ATTEMPTS_MAX)
		give_up(job, CHECK_TIMEOUT,
			"The server could not carry out the check; its log says why.");
	else if (at.address == NULL || job->registry.columns[COL_REMOVED].type != VALUE_NULL)
		give_up(job, CHECK_UNREACHABLE, "The registry of the login was removed.");
	else
		return readable && registry_check(job->verifier->settings, job->arena, &at,
						  record_text(&job->row, COL_PUBLIC_VALUE), secret,
						  &job->report);
	return !arena_failed(job->arena);
}

static bool
is_rule(const struct record *row, const char *rule)
{
	const char *text = record_text(row, COL_VERIFY_RULE);

	return text != NULL && strcmp(text, rule) == 0;
}

/* When it was last good, and since when it is not. A doubtful result changes neither, nor what is
 * told of a login in use. */
static void
note_history(const struct record *row, enum check_verdict verdict, struct value *columns)
{
	columns[COL_LAST_GOOD] = row->columns[COL_LAST_GOOD];
	if (verdict == VERDICT_GOOD) {
		columns[COL_LAST_GOOD] = columns[COL_VERIFIED];
		return;
	}
	columns[COL_FIRST_BAD] = row->columns[COL_FIRST_BAD];
	if (verdict == VERDICT_BAD && columns[COL_FIRST_BAD].type == VALUE_NULL)
		columns[COL_FIRST_BAD] = columns[COL_VERIFIED];
	if (verdict == VERDICT_DOUBTFUL && columns[COL_FIRST_BAD].type != VALUE_NULL &&
	    columns[COL_TRANSITION_TEXT].type == VALUE_NULL)
		columns[COL_TRANSITION_TEXT] = row->columns[COL_TRANSITION_TEXT];
}

/* Sets the new columns of the row; returns its new state. */
static enum state
conclude(const struct job *job, const struct record *row, const struct ending *ending,
	 struct value *columns)
{
	const struct check_report *report = &job->report;
	enum check_verdict verdict = check_verdict_of(report->result);
	bool refused = is_rule(row, "require") && verdict >= ending->refuses;
	bool tell = refused || (verdict == VERDICT_BAD && ending->during == ST_ACTIVE) ||
		    (verdict != VERDICT_GOOD && ending->passed == ST_ACTIVE &&
		     (is_rule(row, "warn") || is_rule(row, "require")));

	columns[COL_VERIFY_RESULT] = value_text(check_result_word(report->result));
	columns[COL_VERIFY_MESSAGE] = value_text(report->message);
	if (report->http_status != 0)
		columns[COL_VERIFY_STATUS] = value_int(report->http_status);
	columns[COL_VERIFY_MS] = value_int(report->ms);
	columns[COL_VERIFIED] = value_int(clock_wall_ms() / 1000 * 1000);
	if (tell && ending->during != ST_UPDATING_INACTIVE)
		columns[COL_TRANSITION_TEXT] = value_text(report->message);
	note_history(row, verdict, columns);
	return refused ? ending->refused : ending->passed;
}

/* Recorded like any other change of state. */
static enum store_rc
note_end(struct store_tx *tx, const struct job *job, const struct record *row,
	 const struct ending *ending, enum state after)
{
	const struct context context = {.ring = job->verifier->ring,
					.actor = {.via = "verifier", .request_id = "verifier"},
					.now_ms = clock_wall_ms()};
	const char *changes = arena_printf(job->arena,
					   "{\"state\":{\"old\":\"%s\",\"new\":\"%s\"},"
					   "\"verificationResult\":{\"old\":null,\"new\":\"%s\"}}",
					   state_name(ending->during), state_name(after),
					   check_result_word(job->report.result));

	if (changes == NULL)
		return STORE_NO_MEMORY;
	return resource_note(tx, &context, job->arena, ending->process, 0, row, changes);
}

/* A login that was accepted was sent to the right host. */
static enum store_rc
remember_host(struct store_tx *tx, const struct job *job)
{
	const struct context context = {.arena = job->arena,
					.ring = job->verifier->ring,
					.actor = {.via = "verifier", .request_id = "verifier"},
					.now_ms = clock_wall_ms()};

	if (job->report.result != CHECK_VALID || job->report.token_host == NULL ||
	    job->registry.columns[COL_TOKEN_HOST].type != VALUE_NULL)
		return STORE_OK;
	return use_note_host(tx, &context, record_id(&job->registry), job->report.token_host);
}

/* A change made meanwhile wins: then the result is about an old version of the row. */
static enum err
finish_in_transaction(struct store_tx *tx, void *arg)
{
	static const enum column set[] = {
		COL_VERIFY_RESULT, COL_VERIFY_MESSAGE,	COL_VERIFY_STATUS, COL_VERIFY_MS,
		COL_VERIFIED,	   COL_VERIFY_DUE,	COL_VERIFY_RULE,   COL_VERIFY_ATTEMPT,
		COL_VERIFY_FOR,	   COL_TRANSITION_TEXT, COL_LAST_GOOD,	   COL_FIRST_BAD};
	struct job *job = arg;
	struct value columns[COL__COUNT] = {0};
	struct record row;
	uint64_t given = 0;
	enum store_rc rc = store_tx_get(tx, job->arena, &family_credential, record_id(&job->row),
					&owners_all, &row);

	if (rc != STORE_OK && rc != STORE_NONE)
		return ERR_INTERNAL;
	if (rc == STORE_NONE || row.columns[COL_VERIFY_DUE].type != VALUE_INT ||
	    row.columns[COL_VERIFY_DUE].number != job->due_ms ||
	    row.columns[COL_VERIFY_ATTEMPT].number != job->row.columns[COL_VERIFY_ATTEMPT].number)
		return ERR_NONE;
	for (size_t i = 0; i < sizeof(set) / sizeof(*set); i++)
		given |= COL_BIT(set[i]);
	const struct ending *ending = find_ending(record_state(&row));
	if (ending == NULL) /* not a state that waits for a check */
		return store_update(tx, &family_credential, record_id(&row), columns,
				    COL_BIT(COL_VERIFY_DUE)) == STORE_OK
			       ? ERR_NONE
			       : ERR_INTERNAL;
	enum state after = conclude(job, &row, ending, columns);
	rc = store_transition(tx, &family_credential, record_id(&row), ending->during, after,
			      columns, given);
	/* A check that repeats is told only when it finds something else than before. */
	bool same =
		ending->during == ST_ACTIVE && (row.columns[COL_FIRST_BAD].type == VALUE_NULL) ==
						       (columns[COL_FIRST_BAD].type == VALUE_NULL);
	if (rc == STORE_OK && !same)
		rc = note_end(tx, job, &row, ending, after);
	if (rc == STORE_OK)
		rc = remember_host(tx, job);
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

static bool
run_job(struct job *job)
{
	struct store *store = job->verifier->store;

	if (store_write(store, take_in_transaction, job) != STORE_OK || !job->taken)
		return false;
	if (!ask(job)) {
		log_error("the login 1c%lld cannot be checked, for want of memory or because its "
			  "password does not open: it is tried again",
			  (long long)record_id(&job->row));
		return false;
	}
	log_info("login 1c%lld: %s, status %d, %lld ms", (long long)record_id(&job->row),
		 check_result_word(job->report.result), job->report.http_status,
		 (long long)job->report.ms);
	if (store_write(store, finish_in_transaction, job) == STORE_OK)
		return true;
	log_error("the result for the login 1c%lld could not be stored: it is checked again",
		  (long long)record_id(&job->row));
	return false;
}

/* Takes the next account with a due check and a free thread: accounts take turns, however many
 * checks one of them has. Looking needs no writers' lock. */
static bool
verifier_take_turn(struct job *job)
{
	struct verifier *v = job->verifier;
	int64_t began, after;
	bool around = false;

	(void)pthread_mutex_lock(&v->mutex);
	began = after = v->last;
	(void)pthread_mutex_unlock(&v->mutex);
	while (!around || after < began) {
		struct list_query q = due_query(NULL, after);
		struct record_list list;

		if (store_list(v->store, job->arena, &q, &list) != STORE_OK)
			return false;
		if (list.count == 0 && (around || began < 0))
			return false;
		around = around || list.count == 0;
		after = list.count == 0 ? -1 : list.items[0].columns[COL_VERIFY_FOR].number;
		if (list.count == 0 || (v->checks != NULL && !seats_take(v->checks, after)))
			continue;
		job->account = after;
		(void)pthread_mutex_lock(&v->mutex);
		v->last = after;
		(void)pthread_mutex_unlock(&v->mutex);
		return true;
	}
	return false;
}

bool
verifier_run_one(struct verifier *v)
{
	struct job job = {.verifier = v, .arena = arena_new(ARENA_MAX)};
	bool done = false;

	if (job.arena != NULL && verifier_take_turn(&job)) {
		done = run_job(&job);
		if (v->checks != NULL)
			seats_leave(v->checks, job.account);
	}
	arena_free(job.arena);
	return done;
}

/* Threads */

static void
wait_for_work(struct verifier *v)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += VERIFY_LOOK_MS / 1000;
	(void)pthread_mutex_lock(&v->mutex);
	if (!v->woken && !v->stopping)
		(void)pthread_cond_timedwait(&v->work, &v->mutex, &until);
	v->woken = false;
	(void)pthread_mutex_unlock(&v->mutex);
}

static bool
is_stopping(struct verifier *v)
{
	(void)pthread_mutex_lock(&v->mutex);
	bool stopping = v->stopping;
	(void)pthread_mutex_unlock(&v->mutex);
	return stopping;
}

static void *
verifier_thread_run(void *arg)
{
	struct verifier *v = arg;

	log_set_request("verifier");
	while (!is_stopping(v))
		if (!verifier_run_one(v))
			wait_for_work(v);
	return NULL;
}

struct verifier *
verifier_new(struct store *store, const struct keyring *ring, const struct check_settings *settings,
	     struct seats *tests)
{
	struct verifier *v = calloc(1, sizeof(*v));
	pthread_condattr_t attributes;

	if (v == NULL)
		return NULL;
	v->store = store;
	v->ring = ring;
	v->settings = settings;
	v->tests = tests;
	v->last = -1;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&v->mutex, NULL);
	(void)pthread_cond_init(&v->work, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	return v;
}

bool
verifier_start(struct verifier *v, size_t threads)
{
	if (threads > THREADS_MAX)
		threads = THREADS_MAX;
	v->checks = seats_new((unsigned)threads, (unsigned)(threads + 1) / 2);
	if (v->checks == NULL)
		return false;
	while (v->thread_count < threads) {
		if (pthread_create(&v->threads[v->thread_count], NULL, verifier_thread_run, v) != 0)
			return false;
		v->thread_count++;
	}
	return true;
}

void
verifier_free(struct verifier *v)
{
	if (v == NULL)
		return;
	(void)pthread_mutex_lock(&v->mutex);
	v->stopping = true;
	(void)pthread_cond_broadcast(&v->work);
	(void)pthread_mutex_unlock(&v->mutex);
	for (size_t i = 0; i < v->thread_count; i++)
		(void)pthread_join(v->threads[i], NULL);
	seats_free(v->checks);
	(void)pthread_mutex_destroy(&v->mutex);
	(void)pthread_cond_destroy(&v->work);
	free(v);
}

void
verifier_wake(struct verifier *v)
{
	if (v->thread_count == 0) {
		(void)verifier_run_one(v);
		return;
	}
	(void)pthread_mutex_lock(&v->mutex);
	v->woken = true;
	(void)pthread_cond_signal(&v->work);
	(void)pthread_mutex_unlock(&v->mutex);
}

enum err
verifier_test(struct verifier *v, struct arena *a, int64_t account, const struct tried_login *login,
	      struct check_report *out, struct error *e)
{
	if (!seats_take(v->tests, account)) {
		e->retry_after_s = 1;
		return err_set(e, ERR_TOO_MANY, NULL,
			       "The server, or your account, has as many logins being tried as it "
			       "may: try again in a second.");
	}
	bool done =
		registry_check(v->settings, a, &login->registry, login->user, login->secret, out);
	seats_leave(v->tests, account);
	return done ? ERR_NONE : err_set(e, ERR_INTERNAL, NULL, NULL);
}
