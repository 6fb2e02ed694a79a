/* renew: finds what is due, runs the three steps; and the threads that do so. */
#include "renew/renew.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/log.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "outbound/seats.h"
#include "renew/job.h"
#include "renew/schedule.h"
#include "shared/board.h"
#include "store/store.h"

enum { RENEW_ARENA_MAX = 8 * 1024 * 1024, RENEW_PAGE = 100 };

_Static_assert((int)SOURCE__COUNT <= (int)BOARD_SOURCES && (int)RENEW__COUNT <= (int)BOARD_RESULTS,
	       "a counter for each");

struct renewer {
	struct renewer_parts parts;
	struct seats *hosts;	/* NULL: there are no threads */
	struct seats *accounts; /* likewise: one account has half of them, however many hosts */
	pthread_mutex_t mutex;
	pthread_cond_t work;
	bool stopping;
	pthread_t threads[RENEW_THREADS_MAX];
	size_t thread_count;
};

/* ---- which one ---- */

/* Those that end first come first. */
static struct list_query
renew_query(const struct record *after)
{
	struct list_query q = {.family = &family_credential,
			       .columns = COL_BIT(COL_ID) | COL_BIT(COL_ACCOUNT_ID) |
					  COL_BIT(COL_EXPIRES) | COL_BIT(COL_REFRESH_DUE) |
					  COL_BIT(COL_SOURCE) | COL_BIT(COL_SOURCE_CONFIG),
			       .owners = owners_all,
			       .condition_count = 1,
			       .sort = COL_EXPIRES,
			       .limit = RENEW_PAGE};

	q.conditions[0] = (struct condition){
		.column = COL_REFRESH_DUE, .op = OP_LTE, .value = value_int(clock_wall_ms())};
	if (after != NULL)
		q.from = (struct position){
			.set = true, .value = after->columns[COL_EXPIRES], .id = record_id(after)};
	return q;
}

/* Stands for the host that the source is on: the one that the configuration names; else all logins
 * with that source have the same. */
static int64_t
renew_host(struct arena *a, const struct record *row)
{
	static const char *const members[] = {"endpoint", "address", "authority", "program"};
	const char *source = record_text(row, COL_SOURCE), *text = NULL;
	const char *config = record_text(row, COL_SOURCE_CONFIG);
	struct json *tree = NULL;
	struct error e = {0};

	if (config != NULL && json_parse(a, config, strlen(config), &tree, &e) == ERR_NONE)
		for (size_t i = 0; text == NULL && i < sizeof(members) / sizeof(*members); i++)
			text = source_text(tree, members[i]);
	if (text == NULL)
		text = source != NULL ? source : "";
	return (int64_t)schedule_seed(text, 0, 0);
}

static bool
renew_try_to_take(struct renewer *r, struct renew_job *job, const struct record *row)
{
	job->id = record_id(row);
	job->seen_due_ms = row->columns[COL_REFRESH_DUE].number;
	return store_write_freeing(r->parts.store, job_take, job) == STORE_OK && job->taken;
}

/* The seats of a login that is being renewed. */
struct seated {
	int64_t host, account;
};

static bool
renew_sit(struct renewer *r, const struct seated *who)
{
	if (r->hosts == NULL)
		return true;
	if (!seats_take(r->accounts, who->account))
		return false;
	if (seats_take(r->hosts, who->host))
		return true;
	seats_leave(r->accounts, who->account);
	return false;
}

static void
renew_rise(struct renewer *r, const struct seated *who)
{
	if (r->hosts == NULL)
		return;
	seats_leave(r->hosts, who->host);
	seats_leave(r->accounts, who->account);
}

/* Looking needs no writers' lock.  *who gets its seats. */
static bool
renew_take_next(struct renewer *r, struct renew_job *job, struct seated *who)
{
	struct record_list list = {0};

	do {
		const struct list_query q =
			renew_query(list.count > 0 ? &list.items[list.count - 1] : NULL);

		if (store_list(r->parts.store, job->arena, &q, &list) != STORE_OK)
			return false;
		for (size_t i = 0; i < list.count; i++) {
			*who = (struct seated){
				.host = renew_host(job->arena, &list.items[i]),
				.account = list.items[i].columns[COL_ACCOUNT_ID].number};
			if (!renew_sit(r, who))
				continue;
			if (renew_try_to_take(r, job, &list.items[i]))
				return true;
			renew_rise(r, who);
		}
	} while (list.more && !arena_failed(job->arena));
	return false;
}

/* ---- the steps ---- */

/* A full disk or a busy database may be over before the lease is: what the source has given is not
 * thrown away at the first failure. */
static bool
renew_finish(struct renewer *r, struct renew_job *job)
{
	const struct timespec pause = {.tv_nsec = 500 * 1000000L};
	enum store_rc rc;

	while ((rc = store_write_freeing(r->parts.store, job_finish, job)) == STORE_FULL ||
	       rc == STORE_BUSY) {
		if (clock_wall_ms() > job->due_ms - RENEW_LEASE_EXTRA_MS / 2)
			break;
		(void)nanosleep(&pause, NULL);
	}
	return rc == STORE_OK;
}

/* A second secret that nobody will use. */
static void
renew_give_back(struct renewer *r, struct renew_job *job)
{
	const struct source_calls *source = &r->parts.sources[job->source_id];

	if (job->renewal.new_handle == NULL || job->source->class != SOURCE_SECOND ||
	    source->discard == NULL || (job->stored && job->result == RENEW_REFRESHED))
		return;
	job->renewal.handle = job->renewal.new_handle;
	if (source->discard(&job->renewal) != RENEW_REFRESHED)
		log_warn("login 1c%lld: the source has a secret that is not used; the next renewal "
			 "deletes it",
			 (long long)job->id);
}

static void
renew_tell(const struct renew_job *job)
{
	const char *source = job->source != NULL ? job->source->name : "unknown";

	if (!job->stored)
		log_info("login 1c%lld: it was changed or renewed by another while its source %s "
			 "was asked",
			 (long long)job->id, source);
	else if (job->result == RENEW_REFRESHED)
		log_info("login 1c%lld: %s by its source %s", (long long)job->id,
			 job->renewal.unchanged ? "found unchanged" : "renewed", source);
	else
		log_warn("login 1c%lld: not renewed by its source %s: %s, status %d",
			 (long long)job->id, source, renew_result_word(job->result),
			 job->renewal.http_status);
}

static bool
renew_run(struct renewer *r, struct renew_job *job)
{
	int64_t began_us = clock_us();
	bool asked = job_ask(job);

	if (!asked) {
		log_error("the login 1c%lld could not be renewed for want of memory: it is tried "
			  "again",
			  (long long)job->id);
		return false;
	}
	if (job->source != NULL)
		board_renewal(job->source_id, job->result, clock_us() - began_us);
	if (!renew_finish(r, job))
		log_error("what the source of the login 1c%lld gave could not be stored: it is "
			  "asked again",
			  (long long)job->id);
	else
		renew_tell(job);
	if (job->source != NULL)
		renew_give_back(r, job);
	return job->stored;
}

bool
renewer_run_one(struct renewer *r)
{
	struct renew_job job = {.parts = &r->parts, .arena = arena_new(RENEW_ARENA_MAX)};
	bool done = false;
	struct seated who;

	if (job.arena == NULL)
		return false;
	if (renew_take_next(r, &job, &who)) {
		done = renew_run(r, &job);
		renew_rise(r, &who);
	} else {
		done = discard_one(&r->parts);
	}
	job_release(&job);
	return done;
}

/* ---- threads ---- */

static void
renewer_wait(struct renewer *r)
{
	struct timespec until;

	(void)clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += RENEW_LOOK_MS / 1000;
	(void)pthread_mutex_lock(&r->mutex);
	if (!r->stopping)
		(void)pthread_cond_timedwait(&r->work, &r->mutex, &until);
	(void)pthread_mutex_unlock(&r->mutex);
}

static bool
renewer_is_stopping(struct renewer *r)
{
	(void)pthread_mutex_lock(&r->mutex);
	bool stopping = r->stopping;
	(void)pthread_mutex_unlock(&r->mutex);
	return stopping;
}

static void *
renewer_thread_run(void *arg)
{
	struct renewer *r = arg;

	log_set_request("refresher");
	(void)pthread_setname_np(pthread_self(), "renew"); /* top(1) shows it */
	while (!renewer_is_stopping(r))
		if (!renewer_run_one(r))
			renewer_wait(r);
	return NULL;
}

struct renewer *
renewer_new(const struct renewer_parts *parts)
{
	struct renewer *r = calloc(1, sizeof(*r));
	pthread_condattr_t attributes;

	if (r == NULL)
		return NULL;
	r->parts = *parts;
	(void)pthread_condattr_init(&attributes);
	(void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	(void)pthread_mutex_init(&r->mutex, NULL);
	(void)pthread_cond_init(&r->work, &attributes);
	(void)pthread_condattr_destroy(&attributes);
	return r;
}

bool
renewer_start(struct renewer *r, size_t threads)
{
	if (threads > RENEW_THREADS_MAX)
		threads = RENEW_THREADS_MAX;
	r->hosts = seats_new((unsigned)threads, RENEW_PER_HOST);
	r->accounts = seats_new((unsigned)threads, (unsigned)(threads + 1) / 2);
	if (r->hosts == NULL || r->accounts == NULL)
		return false;
	while (r->thread_count < threads) {
		if (pthread_create(&r->threads[r->thread_count], NULL, renewer_thread_run, r) != 0)
			return false;
		r->thread_count++;
	}
	return true;
}

void
renewer_free(struct renewer *r)
{
	if (r == NULL)
		return;
	(void)pthread_mutex_lock(&r->mutex);
	r->stopping = true;
	(void)pthread_cond_broadcast(&r->work);
	(void)pthread_mutex_unlock(&r->mutex);
	for (size_t i = 0; i < r->thread_count; i++)
		(void)pthread_join(r->threads[i], NULL);
	seats_free(r->hosts);
	seats_free(r->accounts);
	(void)pthread_mutex_destroy(&r->mutex);
	(void)pthread_cond_destroy(&r->work);
	free(r);
}
