/* finish: stores what came of a renewal, in one transaction. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/date.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/check.h"
#include "renew/job.h"
#include "renew/renew.h"
#include "renew/schedule.h"
#include "renew/source.h"
#include "resource/renewal.h"
#include "resource/resource.h"
#include "resource/secrets.h"
#include "resource/version.h"
#include "store/store.h"

/* The changes to the row, as they are collected. */
struct finish {
	struct store_tx *tx;
	struct renew_job *job;
	struct context context;
	struct record row; /* as it is now */
	struct value columns[COL__COUNT];
	uint64_t given;
};

static void
finish_set(struct finish *f, enum column column, struct value value)
{
	f->columns[column] = value;
	f->given |= COL_BIT(column);
}

static int64_t
finish_number(const struct finish *f, enum column column)
{
	const struct value *value = &f->row.columns[column];

	return value->type == VALUE_INT ? value->number : 0;
}

/* Times are kept in whole seconds. */
static struct value
finish_time(int64_t ms)
{
	return ms == 0 ? value_null() : value_int(ms / 1000 * 1000);
}

static uint64_t
finish_seed(const struct finish *f, int64_t attempt)
{
	return schedule_seed(record_text(&f->row, COL_UUID), finish_number(f, COL_SECRET_VERSION),
			     attempt);
}

/* ---- the audit log ---- */

static const char *
finish_date(struct arena *a, const struct value *time)
{
	char text[21];

	if (time->type != VALUE_INT)
		return "null";
	date_format(time->number, text);
	return arena_printf(a, "\"%s\"", text);
}

static enum store_rc
finish_note_success(struct finish *f)
{
	struct arena *a = f->job->arena;
	const char *changes = arena_printf(a,
					   "{\"secretVersion\":{\"old\":%lld,\"new\":%lld},"
					   "\"expiresAt\":{\"old\":%s,\"new\":%s}}",
					   (long long)f->columns[COL_SECRET_VERSION].number - 1,
					   (long long)f->columns[COL_SECRET_VERSION].number,
					   finish_date(a, &f->row.columns[COL_EXPIRES]),
					   finish_date(a, &f->columns[COL_EXPIRES]));

	return changes == NULL
		       ? STORE_NO_MEMORY
		       : resource_note(f->tx, &f->context, a, "refresh", 0, &f->row, changes);
}

/* Only when the result is another one than the last time: a source that is down for a day is one
 * row, not a hundred. */
static enum store_rc
finish_note_failure(struct finish *f)
{
	const char *old = record_text(&f->row, COL_REFRESH_RESULT),
		   *new = renew_result_word(f->job->result), *changes;
	struct arena *a = f->job->arena;

	if (old != NULL && strcmp(old, new) == 0)
		return STORE_OK;
	changes =
		old == NULL
			? arena_printf(a, "{\"refreshResult\":{\"old\":null,\"new\":\"%s\"}}", new)
			: arena_printf(a, "{\"refreshResult\":{\"old\":\"%s\",\"new\":\"%s\"}}",
				       old, new);
	return changes == NULL
		       ? STORE_NO_MEMORY
		       : resource_note(f->tx, &f->context, a, "refreshFailed", 0, &f->row, changes);
}

/* ---- columns ---- */

static const char *
finish_message(const struct finish *f)
{
	const char *message = f->job->renewal.message;

	return message != NULL ? message : renew_result_sentence(f->job->result);
}

static void
finish_set_result(struct finish *f)
{
	const struct renew_job *job = f->job;
	int status = job->renewal.http_status;

	finish_set(f, COL_REFRESH_RESULT, value_text(renew_result_word(job->result)));
	finish_set(f, COL_REFRESH_MESSAGE, value_text(finish_message(f)));
	finish_set(f, COL_REFRESH_STATUS, status != 0 ? value_int(status) : value_null());
}

/* What the registry said of the new secret. */
static void
finish_set_check(struct finish *f)
{
	const struct check_report *report = &f->job->report;
	enum check_verdict verdict = check_verdict_of(report->result);
	struct value now = finish_time(f->context.now_ms);

	if (!f->job->checked)
		return;
	finish_set(f, COL_VERIFY_RESULT, value_text(check_result_word(report->result)));
	finish_set(f, COL_VERIFY_MESSAGE, value_text(report->message));
	finish_set(f, COL_VERIFY_STATUS,
		   report->http_status != 0 ? value_int(report->http_status) : value_null());
	finish_set(f, COL_VERIFY_MS, value_int(report->ms));
	finish_set(f, COL_VERIFIED, now);
	if (verdict == VERDICT_GOOD) {
		finish_set(f, COL_LAST_GOOD, now);
		finish_set(f, COL_FIRST_BAD, value_null());
	} else {
		finish_set(f, COL_TRANSITION_TEXT, value_text(report->message));
		if (verdict == VERDICT_BAD && f->row.columns[COL_FIRST_BAD].type == VALUE_NULL)
			finish_set(f, COL_FIRST_BAD, now);
	}
}

static void
finish_set_schedule(struct finish *f)
{
	const struct renewal *r = &f->job->renewal;
	int64_t now_ms = f->context.now_ms;

	finish_set(f, COL_REFRESH_ATTEMPT, value_int(0));
	finish_set(f, COL_REFRESH_DUE,
		   value_int(schedule_after_success(now_ms, r->expires_ms, r->every_ms,
						    finish_seed(f, 0))));
}

/* Until when the former secret is of use. */
static int64_t
finish_until(const struct finish *f)
{
	enum { OVERLAP_DEFAULT_S = 3600 }; /* where the source lets two live side by side */
	enum source_class class = f->job->source->class;
	const struct value *overlap = &f->row.columns[COL_OVERLAP];
	int64_t seconds = overlap->type == VALUE_INT ? overlap->number : OVERLAP_DEFAULT_S;
	int64_t until = f->context.now_ms + seconds * 1000, end = finish_number(f, COL_EXPIRES);

	if (class == SOURCE_CHOSEN || class == SOURCE_READABLE)
		return f->context.now_ms; /* it is dead */
	return end != 0 && end < until ? end : until;
}

/* The former secret becomes a version; what was pending is the login's now. */
static enum store_rc
finish_keep_former(struct finish *f)
{
	const struct record *row = &f->row;
	int64_t until = finish_until(f) / 1000 * 1000;
	bool kept = until > f->context.now_ms,
	     had = row->columns[COL_SECRET_VALUE].type != VALUE_NULL;
	const char *secret = kept ? login_open(&f->context, row, OPEN_TO_CHECK) : NULL,
		   *handle = record_text(row, COL_SOURCE_HANDLE), *state = "expired";
	enum store_rc rc = STORE_OK;

	if (secret != NULL)
		state = "previous";
	else if (f->job->source->class == SOURCE_SECOND && handle != NULL)
		state = "discarding";
	if (f->job->intent)
		rc = store_delete(f->tx, &family_secret_version, record_id(&f->job->pending));
	if (rc == STORE_NONE) /* with the source it was for */
		rc = STORE_OK;
	finish_set(f, COL_PREVIOUS_UNTIL, secret != NULL ? value_int(until) : value_null());
	if (rc != STORE_OK || !had)
		return rc;
	return version_add(f->tx, &f->context, row,
			   &(struct new_version){.state = state,
						 .version = version_of(row),
						 .user = record_text(row, COL_PUBLIC_VALUE),
						 .secret = secret,
						 .handle = handle,
						 .until_ms = until},
			   NULL);
}

static enum store_rc
finish_store_secret(struct finish *f)
{
	const struct field *field = type_sealed_field(f->row.type);
	const struct renewal *r = &f->job->renewal;
	struct record sealed = f->row;
	struct error e = {0};
	enum store_rc rc = finish_keep_former(f);

	if (rc != STORE_OK)
		return rc;
	if (secrets_store(f->tx, &f->context, &sealed, field, r->new_secret, &e) != ERR_NONE)
		return STORE_FAILED;
	finish_set(f, COL_SECRET_VALUE, sealed.columns[COL_SECRET_VALUE]);
	if (r->new_user != NULL)
		finish_set(f, COL_PUBLIC_VALUE, value_text(r->new_user));
	finish_set(f, COL_SOURCE_HANDLE,
		   r->new_handle != NULL ? value_text(r->new_handle) : value_null());
	finish_set(f, COL_EXPIRES, finish_time(r->expires_ms));
	finish_set(f, COL_SECRET_VERSION, value_int(version_of(&f->row) + 1));
	finish_set(f, COL_REFRESHED, finish_time(f->context.now_ms));
	finish_set(f, COL_WARNED, value_null());
	return STORE_OK;
}

static enum store_rc
finish_success(struct finish *f)
{
	const struct renewal *r = &f->job->renewal;
	enum store_rc rc = STORE_OK;

	finish_set(f, COL_TRANSITION_TEXT, value_null());
	if (!r->unchanged)
		rc = finish_store_secret(f);
	else if (r->expires_ms != 0)
		finish_set(f, COL_EXPIRES, finish_time(r->expires_ms));
	finish_set_check(f);
	finish_set_schedule(f);
	return rc == STORE_OK && !r->unchanged ? finish_note_success(f) : rc;
}

/* Whether a person has to know of the failure: nothing to use, little time left, or nothing that
 * another try would mend. */
static bool
finish_is_alarming(const struct finish *f)
{
	switch (f->job->result) {
	case RENEW_SOURCE_REFUSED:
	case RENEW_MISCONFIGURED:
	case RENEW_NEW_SECRET_REFUSED:
		return true;
	default:
		return f->row.columns[COL_SECRET_VALUE].type == VALUE_NULL ||
		       schedule_is_late(finish_number(f, COL_REFRESHED),
					finish_number(f, COL_EXPIRES), f->context.now_ms);
	}
}

static enum store_rc
finish_failure(struct finish *f)
{
	int64_t attempt = f->job->attempt;
	int64_t due = schedule_after_failure(
		f->job->result, attempt, f->context.now_ms, finish_number(f, COL_EXPIRES),
		f->job->renewal.retry_after_ms, finish_seed(f, attempt));

	finish_set(f, COL_REFRESH_ATTEMPT, value_int(attempt));
	finish_set(f, COL_REFRESH_DUE, due != 0 ? value_int(due) : value_null());
	finish_set(f, COL_TRANSITION_TEXT,
		   finish_is_alarming(f) ? value_text(finish_message(f)) : value_null());
	return finish_note_failure(f);
}

/* A row that only waits for this goes back to where it was; one that also waits for a check is
 * moved by that. */
static enum store_rc
finish_store(struct finish *f)
{
	enum state from = record_state(&f->row), to = from;

	if (f->row.columns[COL_VERIFY_DUE].type == VALUE_NULL && from == ST_UPDATING_ACTIVE)
		to = ST_ACTIVE;
	else if (f->row.columns[COL_VERIFY_DUE].type == VALUE_NULL && from == ST_UPDATING_INACTIVE)
		to = ST_INACTIVE;
	return store_transition(f->tx, &family_credential, f->job->id, from, to, f->columns,
				f->given);
}

/* Whether the source was taken off the login while it made the stored secret useless: then the new
 * one is the only one that works, and nobody will ask for another. */
static bool
finish_is_stranded(const struct finish *f)
{
	const struct renew_job *job = f->job;

	return job->result == RENEW_REFRESHED && !job->renewal.unchanged && job->source != NULL &&
	       (job->source->class == SOURCE_CHOSEN || job->source->class == SOURCE_READABLE) &&
	       f->row.columns[COL_REMOVED].type == VALUE_NULL &&
	       record_text(&f->row, COL_SOURCE) == NULL &&
	       version_of(&f->row) == version_of(&job->row);
}

/* The secret alone; its end is the user's now. */
static enum store_rc
finish_rescue(struct finish *f)
{
	enum store_rc rc = finish_store_secret(f);

	finish_set(f, COL_REFRESH_ATTEMPT, value_null());
	if (rc == STORE_OK)
		rc = finish_note_success(f);
	f->given &= ~(COL_BIT(COL_EXPIRES) | COL_BIT(COL_SOURCE_HANDLE));
	return rc == STORE_OK
		       ? store_update(f->tx, &family_credential, f->job->id, f->columns, f->given)
		       : rc;
}

/* Who waits until the source has been asked need not wait for the end of the lease. */
static enum store_rc
finish_let_go(struct finish *f)
{
	const struct value *due = &f->row.columns[COL_REFRESH_DUE];

	if (finish_number(f, COL_REFRESH_ATTEMPT) != -f->job->due_ms)
		return STORE_OK;
	finish_set(f, COL_REFRESH_ATTEMPT, value_null());
	if (due->type == VALUE_INT && due->number == f->job->due_ms + RENEWAL_AFTER_MS)
		finish_set(f, COL_REFRESH_DUE, value_int(f->context.now_ms));
	return store_update(f->tx, &family_credential, f->job->id, f->columns, f->given);
}

/* A change made meanwhile wins: then the secret may be one of another source. */
enum err
job_finish(struct store_tx *tx, void *arg)
{
	struct renew_job *job = arg;
	struct finish f = {.tx = tx, .job = job, .context = job_context(job)};
	enum store_rc rc =
		store_tx_get(tx, job->arena, &family_credential, job->id, &owners_all, &f.row);

	job->stored = false;
	if (rc == STORE_NONE)
		return ERR_NONE;
	if (rc != STORE_OK)
		return ERR_INTERNAL;
	bool mine = f.row.columns[COL_REMOVED].type == VALUE_NULL &&
		    f.row.columns[COL_REFRESH_DUE].type == VALUE_INT &&
		    f.row.columns[COL_REFRESH_DUE].number == job->due_ms;
	if (!mine && !finish_is_stranded(&f))
		return finish_let_go(&f) == STORE_OK ? ERR_NONE : ERR_INTERNAL;
	rc = login_find_address(NULL, tx, job->arena, &f.row);
	if (rc != STORE_OK)
		return ERR_INTERNAL;
	if (!mine) {
		rc = finish_rescue(&f);
		job->stored = rc == STORE_OK;
		return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
	}
	finish_set_result(&f);
	rc = job->result == RENEW_REFRESHED ? finish_success(&f) : finish_failure(&f);
	if (rc == STORE_OK)
		rc = finish_store(&f);
	job->stored = rc == STORE_OK;
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}
