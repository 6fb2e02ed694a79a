/* job: one renewal on its way through take, ask and finish; for use within renew/ only. */
#ifndef REGCRED_RENEW_JOB_H
#define REGCRED_RENEW_JOB_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/schema.h"
#include "model/source.h"
#include "registry/check.h"
#include "renew/renew.h"
#include "renew/source.h"
#include "resource/resource.h"
#include "store/store.h"

struct renew_job {
	const struct renewer_parts *parts;
	struct arena *arena;
	int64_t id, seen_due_ms; /* the row, as it was found */
	bool taken;
	struct record row, registry;
	const struct source_row *source; /* NULL: the row's is not in the table */
	enum source_id source_id;
	const char *rule; /* whether its project has new secrets checked: off, warn, require */
	int64_t due_ms;	  /* the lease: if it has changed, the row is somebody else's */
	int64_t attempt;  /* since the last success, this one included */
	bool intent;	  /* there is a row of what is about to be set */
	struct record pending;
	struct renewal renewal;
	enum renew_result result;
	bool stored;  /* by finish: nobody was faster */
	bool checked; /* by the registry: */
	struct check_report report;
};

/* What renew/ does is not a request's: who did it in the audit log, and the keys. */
struct context job_context(const struct renew_job *job);

/* Reads the registry of the row, to whose address the row's secrets are bound, if it is there. */
enum store_rc job_read_registry(struct store_tx *tx, struct renew_job *job);
/* Sets source and source_id from the row. */
void job_find_source(struct renew_job *job);
/* Fills in the renewal from the row and its registry: opens the secrets, reads the configuration.
 * False: the source cannot be asked, and job->result and the message say why; or memory ran out. */
bool job_prepare(struct renew_job *job) __attribute__((warn_unused_result));
/* Frees all of it. */
void job_release(struct renew_job *job);

/* Steps of a renewal, renewer_run_one()'s. */
enum err job_take(struct store_tx *tx, void *job);
/* False: memory or descriptors ran out, which says nothing about the login: the lease ends. */
bool job_ask(struct renew_job *job) __attribute__((warn_unused_result));
enum err job_finish(struct store_tx *tx, void *job);

/* Deletes one former secret at its source, if its time is up.  False: there is none. */
bool discard_one(const struct renewer_parts *parts);

#endif
