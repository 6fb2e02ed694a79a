/* job: what is known of a renewal; asks the source, and the registry. */
#include "renew/job.h"

#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/log.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "outbound/fetch.h"
#include "registry/check.h"
#include "renew/renew.h"
#include "renew/source.h"
#include "resource/resource.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "store/store.h"

struct context
job_context(const struct renew_job *job)
{
	return (struct context){.arena = job->arena,
				.ring = job->parts->ring,
				.actor = {.via = "refresher", .request_id = "refresher"},
				.now_ms = clock_wall_ms()};
}

void
job_release(struct renew_job *job)
{
	fetch_free(job->renewal.fetch);
	arena_free(job->arena);
}

static bool
job_refuse(struct renew_job *job, const char *message)
{
	job->result = RENEW_MISCONFIGURED;
	job->renewal.message = message;
	return false;
}

void
job_find_source(struct renew_job *job)
{
	const char *name = record_text(&job->row, COL_SOURCE);

	job->source = name != NULL ? source_find(name) : NULL;
	if (job->source != NULL)
		job->source_id = (enum source_id)(job->source - source_table);
}

enum store_rc
job_read_registry(struct store_tx *tx, struct renew_job *job)
{
	const struct value *registry = &job->row.columns[COL_REGISTRY_ID];
	enum store_rc rc = STORE_NONE;

	if (registry->type == VALUE_INT)
		rc = store_tx_get(tx, job->arena, &family_storage_pool, registry->number,
				  &owners_all, &job->registry);
	job->row.columns[COL_SERVER_ADDRESS] = job->registry.columns[COL_SERVER_ADDRESS];
	return rc == STORE_NONE ? STORE_OK : rc;
}

static const char *
job_open_source_secret(struct renew_job *job)
{
	const struct value *sealed = &job->row.columns[COL_SOURCE_SECRET];
	const struct seal_place place =
		seal_place_in(&job->row, type_field(job->row.type, "sourceSecret", API_V2_BETA));

	return sealed->type == VALUE_NULL
		       ? NULL
		       : secret_open(job->parts->ring, job->arena, &place, sealed);
}

bool
job_prepare(struct renew_job *job)
{
	const struct context c = job_context(job);
	const char *config = record_text(&job->row, COL_SOURCE_CONFIG);
	struct renewal *r = &job->renewal;
	struct json *tree = NULL;
	struct error e = {0};

	job_find_source(job);
	r->settings = job->parts->settings;
	r->arena = job->arena;
	r->login_id = record_id(&job->row);
	r->address = record_text(&job->registry, COL_SERVER_ADDRESS);
	r->user = record_text(&job->row, COL_PUBLIC_VALUE);
	r->secret = login_open(&c, &job->row, OPEN_TO_CHECK);
	r->handle = record_text(&job->row, COL_SOURCE_HANDLE);
	r->source_secret = job_open_source_secret(job);
	r->fetch = fetch_new();
	r->now_ms = clock_wall_ms();
	r->deadline_ms = clock_ms() + r->settings->timeout_ms;
	if (job->source == NULL || job->parts->sources[job->source_id].fetch == NULL)
		return job_refuse(job, "This program does not know the source of the login.");
	if (r->source_secret == NULL && job->row.columns[COL_SOURCE_SECRET].type != VALUE_NULL)
		return job_refuse(job, "The stored sourceSecret does not open: store it again.");
	if (json_parse(job->arena, config != NULL ? config : "{}",
		       strlen(config != NULL ? config : "{}"), &tree, &e) != ERR_NONE)
		return job_refuse(job, "The stored sourceConfig cannot be read: store it again.");
	r->config = tree;
	return true;
}

/* Whether the registry refuses the login, rather than that nobody knows. */
static bool
job_is_refused(const struct renew_job *job)
{
	return job->checked && check_verdict_of(job->report.result) == VERDICT_BAD;
}

/* The new secret, if the project wants it checked.  Where the former one is dead already, the new
 * one is stored whatever the registry says of it. */
static bool
job_check(struct renew_job *job)
{
	const struct renewal *r = &job->renewal;
	const struct registry_at at = {.address = r->address,
				       .token_host = record_text(&job->registry, COL_TOKEN_HOST),
				       .repository = record_text(&job->row, COL_VERIFY_REPOSITORY)};
	enum source_class class = job->source->class;

	if (strcmp(job->rule, "off") == 0 || r->unchanged)
		return true;
	if (!registry_check(job->parts->checks, job->arena, &at,
			    r->new_user != NULL ? r->new_user : r->user, r->new_secret,
			    &job->report))
		return false;
	job->checked = true;
	if (job_is_refused(job) && strcmp(job->rule, "require") == 0 &&
	    (class == SOURCE_ADDITIVE || class == SOURCE_SECOND)) {
		job->result = RENEW_NEW_SECRET_REFUSED;
		job->renewal.message = NULL;
	}
	return true;
}

static bool
job_lives_too_long(const struct renew_job *job)
{
	const struct renewal *r = &job->renewal;
	int64_t most_ms = job->source->life_days * (24 * 3600 * INT64_C(1000));

	return most_ms != 0 && r->expires_ms != 0 && r->expires_ms - r->now_ms > most_ms;
}

bool
job_ask(struct renew_job *job)
{
	if (!job_prepare(job))
		return !arena_failed(job->arena);
	if (job->renewal.address == NULL || job->registry.columns[COL_REMOVED].type != VALUE_NULL) {
		(void)job_refuse(job, "The registry of the login was removed.");
		return true;
	}
	if (job->renewal.fetch == NULL)
		return false;
	job->result = job->parts->sources[job->source_id].fetch(&job->renewal);
	if (arena_failed(job->arena))
		return false;
	if (job->result != RENEW_REFRESHED)
		return true;
	if (!job->renewal.unchanged &&
	    (job->renewal.new_secret == NULL || *job->renewal.new_secret == '\0')) {
		job->result = RENEW_BAD_ANSWER;
		return true;
	}
	if (job_lives_too_long(job)) {
		job->result = RENEW_BAD_ANSWER;
		job->renewal.message =
			"The source gave an end that is later than such a secret can have: "
			"is it in another unit?";
		return true;
	}
	return job_check(job) && !arena_failed(job->arena);
}
