/* discard: deletes former secrets at sources that keep two, once nobody needs them; of a purged
 * login also what may have been made and was never stored.
 *
 * The housekeeper has wiped them here; the row's `until` is the time of the next try, or the end of
 * the lease of the one that is under way.  A purged login has its sourceSecret until the last one
 * is deleted, or DISCARD_TRIES have failed. */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "renew/job.h"
#include "renew/renew.h"
#include "renew/source.h"
#include "resource/version.h"
#include "store/store.h"

enum { DISCARD_AGAIN_MS = 600 * 1000, DISCARD_TRIES = 12, DISCARD_ARENA = 4 * 1024 * 1024 };

struct discarding {
	struct renew_job job; /* of the login */
	struct record version;
	int64_t until_ms;  /* as it was found; then the end of the lease */
	const char *state; /* afterwards, and its time */
	int64_t again_ms;
};

static bool
discard_find(struct discarding *d)
{
	struct list_query q = {.family = &family_secret_version,
			       .owners = owners_all,
			       .condition_count = 2,
			       .sort = COL_UNTIL,
			       .limit = 1};
	struct record_list list;

	q.conditions[0] = (struct condition){
		.column = COL_VERSION_STATE, .op = OP_EQ, .value = value_text("discarding")};
	q.conditions[1] = (struct condition){
		.column = COL_UNTIL, .op = OP_LTE, .value = value_int(clock_wall_ms())};
	if (store_list(d->job.parts->store, d->job.arena, &q, &list) != STORE_OK || list.count == 0)
		return false;
	d->version = list.items[0];
	d->until_ms = d->version.columns[COL_UNTIL].number;
	return true;
}

/* Sets state and time of the row if its time is still the one that is known here. */
static enum err
discard_move(struct store_tx *tx, const struct discarding *d, const char *state, int64_t until_ms,
	     bool *moved)
{
	struct value columns[COL__COUNT] = {0};
	struct record now;
	enum store_rc rc = store_tx_get(tx, d->job.arena, &family_secret_version,
					record_id(&d->version), &owners_all, &now);

	*moved = rc == STORE_OK && now.columns[COL_UNTIL].type == VALUE_INT &&
		 now.columns[COL_UNTIL].number == d->until_ms;
	if (!*moved)
		return rc == STORE_OK || rc == STORE_NONE ? ERR_NONE : ERR_INTERNAL;
	columns[COL_UNTIL] = value_int(until_ms);
	columns[COL_VERSION_STATE] = value_text(state);
	return store_update(tx, &family_secret_version, record_id(&d->version), columns,
			    COL_BIT(COL_UNTIL) | COL_BIT(COL_VERSION_STATE)) == STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

static enum err
discard_take(struct store_tx *tx, void *arg)
{
	struct discarding *d = arg;
	int64_t lease_ms =
		clock_wall_ms() + d->job.parts->settings->timeout_ms + RENEW_LEASE_EXTRA_MS;
	enum store_rc rc = store_tx_get(tx, d->job.arena, &family_credential,
					d->version.columns[COL_CREDENTIAL_ID].number, &owners_all,
					&d->job.row);

	if (rc == STORE_NONE) { /* the login is gone: the others are not to wait for it */
		bool moved;

		return discard_move(tx, d, "expired", clock_wall_ms(), &moved);
	}
	if (rc == STORE_OK)
		rc = job_read_registry(tx, &d->job);
	if (rc != STORE_OK)
		return ERR_INTERNAL;
	enum err err = discard_move(tx, d, "discarding", lease_ms, &d->job.taken);
	d->until_ms = lease_ms;
	return err;
}

/* Of a purged login, whose refresh_attempt counts the tries that failed. */
static enum store_rc
discard_bound(struct store_tx *tx, struct discarding *d, const struct record *login)
{
	struct value columns[COL__COUNT] = {0};
	int64_t failed = login->columns[COL_REFRESH_ATTEMPT].number + 1;

	if (strcmp(d->state, "expired") == 0)
		return STORE_OK;
	if (failed >= DISCARD_TRIES) {
		d->state = "expired";
		log_warn("login 1c%lld was purged, but its source still has a secret of it, until "
			 "that ends: delete it there",
			 (long long)record_id(login));
	}
	columns[COL_REFRESH_ATTEMPT] = value_int(failed);
	return store_update(tx, &family_credential, record_id(login), columns,
			    COL_BIT(COL_REFRESH_ATTEMPT));
}

/* Once there is nothing left to delete. */
static enum store_rc
discard_wipe_key(struct store_tx *tx, const struct discarding *d, const struct record *login)
{
	static const struct value columns[COL__COUNT];
	struct record left;
	enum store_rc rc = version_newest(tx, d->job.arena, record_id(login), "discarding", &left);

	if (rc != STORE_NONE)
		return rc;
	return store_update(tx, &family_credential, record_id(login), columns,
			    COL_BIT(COL_SOURCE_SECRET) | COL_BIT(COL_REFRESH_ATTEMPT));
}

static enum err
discard_finish(struct store_tx *tx, void *arg)
{
	struct discarding *d = arg;
	struct record login;
	bool moved = false;
	enum store_rc rc = store_tx_get(tx, d->job.arena, &family_credential,
					record_id(&d->job.row), &owners_all, &login);
	bool purged = rc == STORE_OK && record_state(&login) == ST_PURGED;

	if (purged)
		rc = discard_bound(tx, d, &login);
	if (rc != STORE_OK && rc != STORE_NONE)
		return ERR_INTERNAL;
	enum err err = discard_move(tx, d, d->state, d->again_ms, &moved);
	if (err != ERR_NONE || !purged)
		return err;
	return discard_wipe_key(tx, d, &login) == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

/* Of a login that has no such source any more the secret stays at the source until its own end. */
static void
discard_ask(struct discarding *d)
{
	struct renew_job *job = &d->job;

	d->state = "expired";
	d->again_ms = clock_wall_ms();
	if (!job_prepare(job) || job->parts->sources[job->source_id].discard == NULL)
		return;
	job->renewal.handle = record_text(&d->version, COL_HANDLE);
	job->renewal.intent = record_text(&d->version, COL_UUID);
	job->result = job->renewal.fetch != NULL
			      ? job->parts->sources[job->source_id].discard(&job->renewal)
			      : RENEW_UNREACHABLE; /* out of memory */
	if (job->result == RENEW_REFRESHED)
		return;
	d->state = "discarding";
	d->again_ms += DISCARD_AGAIN_MS;
	log_warn("login 1c%lld: its former secret cannot be deleted at the source (%s): it is "
		 "tried again",
		 (long long)record_id(&job->row), renew_result_word(job->result));
}

bool
discard_one(const struct renewer_parts *parts)
{
	struct discarding d = {.job = {.parts = parts, .arena = arena_new(DISCARD_ARENA)}};
	bool done = false;

	if (d.job.arena != NULL && discard_find(&d) &&
	    store_write_freeing(parts->store, discard_take, &d) == STORE_OK && d.job.taken) {
		discard_ask(&d);
		done = store_write_freeing(parts->store, discard_finish, &d) == STORE_OK;
	}
	job_release(&d.job);
	return done;
}
