/* sweep: purges removed rows and deletes purged ones. */

#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "resource/state.h"
#include "resource/version.h"
#include "secret/keyring.h"
#include "store/store.h"

enum {
	SWEEP_BATCH = 200,
};

struct sweep_work {
	const struct keyring *ring;
	const struct sweep *sweep;
	const struct family *family;
	struct arena *arena;
	size_t done;
};

static enum err
purge_in_transaction(struct store_tx *tx, void *arg)
{
	struct sweep_work *w = arg;
	const struct context c = {.arena = w->arena,
				  .ring = w->ring,
				  .now_ms = w->sweep->now_ms,
				  .removed_keep_ms = w->sweep->removed_keep_ms,
				  .actor = {.via = "housekeeper", .request_id = "sweep"}};
	int64_t ids[SWEEP_BATCH];
	size_t count = 0;
	enum store_rc rc = store_due(tx, w->family, w->sweep->now_ms, ids, SWEEP_BATCH, &count);

	for (size_t i = 0; rc == STORE_OK && i < count; i++) {
		struct record row;
		struct plan plan;

		rc = store_tx_get(tx, w->arena, w->family, ids[i], &owners_all, &row);
		if (rc == STORE_OK && process_plan("purge", record_state(&row), &plan))
			rc = row_move(tx, &c, w->arena, "purge", &row, &plan);
	}
	w->done = count;
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

static enum err
forget_in_transaction(struct store_tx *tx, void *arg)
{
	struct sweep_work *w = arg;
	const struct sweep *s = w->sweep;

	return store_forget(tx, w->family, s->now_ms - s->purged_keep_ms, SWEEP_BATCH, &w->done) ==
			       STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

static enum err
versions_in_transaction(struct store_tx *tx, void *arg)
{
	struct sweep_work *w = arg;

	return version_sweep(tx, w->arena, w->sweep->now_ms, SWEEP_BATCH, &w->done) == STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

/* Works in batches, each in its own transaction, so that other writers do not have to wait. */
static enum store_rc
sweep_family(struct store *s, const struct keyring *ring, const struct sweep *sweep,
	     const struct family *family, store_fn fn, size_t *done)
{
	struct sweep_work w = {.ring = ring,
			       .sweep = sweep,
			       .family = family,
			       .done = SWEEP_BATCH,
			       .arena = arena_new(16 * 1024 * 1024)};
	enum store_rc rc = w.arena != NULL ? STORE_OK : STORE_NO_MEMORY;

	while (rc == STORE_OK && w.done == SWEEP_BATCH &&
	       (sweep->goes_on == NULL || sweep->goes_on(sweep->arg))) {
		w.done = 0;
		arena_reset(w.arena);
		rc = store_write_freeing(s, fn, &w);
		*done += w.done;
	}
	arena_free(w.arena);
	return rc;
}

enum store_rc
resource_sweep(struct store *s, const struct keyring *ring, const struct sweep *sweep, size_t *done)
{
	enum store_rc rc = STORE_OK;

	*done = 0;
	for (size_t i = 0; rc == STORE_OK && families[i] != NULL; i++) {
		if ((families[i]->columns & COL_BIT(COL_STATE)) == 0)
			continue;
		rc = sweep_family(s, ring, sweep, families[i], purge_in_transaction, done);
		if (rc == STORE_OK)
			rc = sweep_family(s, ring, sweep, families[i], forget_in_transaction, done);
	}
	if (rc == STORE_OK)
		rc = sweep_family(s, ring, sweep, &family_secret_version, versions_in_transaction,
				  done);
	return rc;
}
