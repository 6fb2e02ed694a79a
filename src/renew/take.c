/* take: takes a due row, and notes what is about to be set at its source.
 *
 *   class      before the call         once the new secret is stored
 *   ADDITIVE   nothing                 the former one is kept until its end or that of the overlap
 *   CHOSEN     pending, with a value   the former one is dead: only its number is kept
 *   READABLE   pending                 the same
 *   SECOND     pending                 the former one is kept, then deleted at the source
 *
 * A version that is still pending when its login is due again says that a call may have reached the
 * source: then the same value is set once more, or the source is looked through first.
 */
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "model/source.h"
#include "renew/job.h"
#include "renew/renew.h"
#include "resource/version.h"
#include "secret/keyring.h"
#include "secret/random.h"
#include "store/store.h"

/* The registry, and what the project asks of new secrets. */
static enum store_rc
take_read_around(struct store_tx *tx, struct renew_job *job)
{
	struct record account;
	enum store_rc rc =
		store_tx_get(tx, job->arena, &family_account,
			     job->row.columns[COL_ACCOUNT_ID].number, &owners_all, &account);

	if (rc != STORE_OK && rc != STORE_NONE)
		return rc;
	job->rule = rc == STORE_OK ? record_text(&account, COL_VERIFICATION) : NULL;
	if (job->rule == NULL)
		job->rule = "off";
	return job_read_registry(tx, job);
}

static enum store_rc
take_lease(struct store_tx *tx, struct renew_job *job)
{
	const struct renewer_parts *parts = job->parts;
	struct value *columns = job->row.columns;

	job->due_ms = clock_wall_ms() + parts->settings->timeout_ms + parts->checks->timeout_ms +
		      RENEW_LEASE_EXTRA_MS;
	columns[COL_REFRESH_DUE] = value_int(job->due_ms);
	if (columns[COL_REFRESH_ATTEMPT].type == VALUE_INT &&
	    columns[COL_REFRESH_ATTEMPT].number > 0)
		job->attempt = columns[COL_REFRESH_ATTEMPT].number;
	job->attempt++;
	/* No change of the login makes others ask too before the lease is over: renewal_due(). */
	columns[COL_REFRESH_ATTEMPT] = value_int(
		job->source != NULL && job->source->class != SOURCE_ADDITIVE ? -job->due_ms
									     : job->attempt);
	return store_update(tx, &family_credential, job->id, columns,
			    COL_BIT(COL_REFRESH_DUE) | COL_BIT(COL_REFRESH_ATTEMPT));
}

/* Upper and lower case and digits, which is what such sources ask for. */
static const char *
take_choose(struct arena *a)
{
	char key[SECRET_KEY_SIZE];

	secret_key(key);
	const char *chosen = arena_printf(a, "%sAa1", key);
	explicit_bzero(key, sizeof(key));
	return chosen;
}

static enum store_rc
take_note_intent(struct store_tx *tx, struct renew_job *job)
{
	const struct context c = job_context(job);
	struct new_version version = {.state = "pending",
				      .version = version_of(&job->row) + 1,
				      .user = record_text(&job->row, COL_PUBLIC_VALUE)};

	if (job->source->class == SOURCE_CHOSEN) {
		version.secret = job->renewal.chosen = take_choose(job->arena);
		if (version.secret == NULL)
			return STORE_NO_MEMORY;
	}
	enum store_rc rc = version_add(tx, &c, &job->row, &version, &job->pending);
	job->intent = rc == STORE_OK;
	return rc;
}

/* What an earlier renewal was about to set.  A value that does not open any more was sealed with
 * another key file: whether the source has it does not matter, since it is set anew. */
static enum store_rc
take_intent(struct store_tx *tx, struct renew_job *job)
{
	const struct context c = job_context(job);
	enum store_rc rc = version_newest(tx, job->arena, job->id, "pending", &job->pending);

	if (rc == STORE_NONE)
		return take_note_intent(tx, job);
	if (rc != STORE_OK)
		return rc;
	job->intent = job->renewal.again = true;
	if (job->source->class != SOURCE_CHOSEN)
		return STORE_OK;
	job->renewal.chosen = version_open(&c, &job->pending);
	if (job->renewal.chosen != NULL)
		return STORE_OK;
	rc = arena_failed(job->arena)
		     ? STORE_NO_MEMORY
		     : store_delete(tx, &family_secret_version, record_id(&job->pending));
	return rc == STORE_OK ? take_note_intent(tx, job) : rc;
}

enum err
job_take(struct store_tx *tx, void *arg)
{
	struct renew_job *job = arg;
	enum store_rc rc =
		store_tx_get(tx, job->arena, &family_credential, job->id, &owners_all, &job->row);

	job->taken = false;
	job->attempt = 0; /* the body may run twice */
	if (rc == STORE_NONE)
		return ERR_NONE;
	if (rc == STORE_OK && (job->row.columns[COL_REMOVED].type != VALUE_NULL ||
			       job->row.columns[COL_REFRESH_DUE].type != VALUE_INT ||
			       job->row.columns[COL_REFRESH_DUE].number != job->seen_due_ms))
		return ERR_NONE; /* another thread was faster */
	if (rc == STORE_OK)
		rc = take_read_around(tx, job);
	job_find_source(job);
	if (rc == STORE_OK)
		rc = take_lease(tx, job);
	if (rc == STORE_OK && job->source != NULL && job->source->class != SOURCE_ADDITIVE) {
		rc = take_intent(tx, job);
		job->renewal.intent = record_text(&job->pending, COL_UUID);
	}
	job->taken = rc == STORE_OK;
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}
