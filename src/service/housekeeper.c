/* housekeeper: one pass of the housekeeper. */
#include "service/housekeeper.h"

#include <stdio.h>
#include <unistd.h>

#include "access/refusals.h"
#include "audit/audit.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/settings.h"
#include "resource/resource.h"
#include "service/app.h"
#include "store/store.h"

enum {
	WAL_TRUNCATE_BYTES = 15 * 1024 * 1024, /* above that the housekeeper empties the
						* write-ahead log: more than writers leave */
};

/* The end of the audit log goes to the other log now and then, which lies elsewhere: a row that was
 * noted there cannot be cut off or replaced unseen. */
static void
log_anchor(struct app *app)
{
	enum { ANCHOR_ROWS = 1000 };
	struct audit_anchor head;

	if (audit_head(app->store, app->ring, &head) != STORE_OK ||
	    head.id < app->anchor_id + (app->anchor_id == 0 ? 1 : ANCHOR_ROWS))
		return;
	app->anchor_id = head.id;
	log_info("audit log: anchor %lld:%s", (long long)head.id, head.hash);
}

struct refusal_work {
	struct app *app;
	struct arena *arena;
	const struct refusal *items;
	size_t count;
};

static enum err
refusals_in_transaction(struct store_tx *tx, void *arg)
{
	const struct refusal_work *w = arg;

	for (size_t i = 0; i < w->count; i++) {
		const struct refusal *r = &w->items[i];
		const struct audit_entry entry = {
			.who = {.via = "none",
				.answered = true,
				.address = r->address[0] != '\0' ? r->address : NULL,
				.proxy_user = r->user[0] != '\0' ? r->user : NULL},
			.event = "signInRefused",
			.response_code = r->status,
			.attempts = r->count,
			.access_key = r->key[0] != '\0' ? r->key : NULL,
			.at_ms = r->minute * 60000};

		if (audit_append(tx, w->arena, w->app->ring, &entry) != STORE_OK)
			return ERR_INTERNAL;
	}
	return ERR_NONE;
}

bool
app_write_refusals(struct app *app, bool all)
{
	struct refusals *refusals = app->auth.refusals;
	struct refusal items[REFUSALS_MAX];
	struct refusal_work w = {.app = app, .items = items};

	if (refusals == NULL)
		return true;
	w.count = refusals_copy(refusals, all ? INT64_MAX : clock_wall_ms() / 60000, items);
	if (w.count == 0)
		return true;
	w.arena = arena_new(APP_ARENA_MAX);
	enum store_rc rc = w.arena != NULL
				   ? store_write_freeing(app->store, refusals_in_transaction, &w)
				   : STORE_NO_MEMORY;
	if (w.arena != NULL)
		arena_free(w.arena);
	if (rc == STORE_OK)
		refusals_forget(refusals, items, w.count);
	else
		log_warn("refused sign-ins could not be written to the audit log%s",
			 all ? " and are lost" : "; it is tried again");
	return rc == STORE_OK;
}

/* How long the lease is given out for: a process that dies with it keeps the others from the work
 * no longer than that. */
enum { LEASE_MS = 60 * 1000, HOLDER_SIZE = 320 };

struct housekeeping {
	struct store *store;
	app_goes_on goes_on;
	void *arg;
	char holder[HOLDER_SIZE];
	int64_t until_ms;
	int64_t rows;
	enum store_rc taken; /* STORE_NONE: somebody else has the lease */
};

static enum err
take_lease_in_transaction(struct store_tx *tx, void *arg)
{
	struct housekeeping *h = arg;
	int64_t now = clock_wall_ms();

	h->until_ms = now + LEASE_MS;
	h->taken = store_take_lease(tx, HOUSEKEEPING, h->holder, now, h->until_ms);
	return h->taken == STORE_OK ? ERR_NONE : ERR_CONFLICT;
}

static enum err
end_lease_in_transaction(struct store_tx *tx, void *arg)
{
	const struct housekeeping *h = arg;

	return store_end_lease(tx, HOUSEKEEPING, h->holder, clock_wall_ms(), h->rows) == STORE_OK
		       ? ERR_NONE
		       : ERR_CONFLICT;
}

/* Between two batches: the lease is made to last in good time. */
static bool
keep_lease(void *arg)
{
	struct housekeeping *h = arg;

	if (h->goes_on != NULL && !h->goes_on(h->arg))
		return false;
	return h->until_ms - clock_wall_ms() > LEASE_MS / 2 ||
	       store_write_freeing(h->store, take_lease_in_transaction, h) == STORE_OK;
}

static void
name_holder(char holder[HOLDER_SIZE])
{
	char host[HOLDER_SIZE / 2] = "?";

	if (gethostname(host, sizeof(host) - 1) != 0)
		(void)snprintf(host, sizeof(host), "?");
	(void)snprintf(holder, HOLDER_SIZE, "%s:%d", host, (int)getpid());
}

static bool
sweep(struct app *app, struct housekeeping *h)
{
	const struct settings *s = app->settings;
	const struct sweep limits = {clock_wall_ms(),
				     s->removed_keep_s * 1000,
				     s->purged_keep_s * 1000,
				     keep_lease,
				     h};
	size_t done = 0, cut = 0;
	enum store_rc rc = resource_sweep(app->store, app->ring, &limits, &done);

	if (done > 0)
		log_info("housekeeper: %zu rows purged or deleted", done);
	if (rc == STORE_OK)
		rc = audit_sweep(app->store, app->ring, limits.now_ms, s->audit_keep_s * 1000,
				 &cut);
	if (cut > 0)
		log_info("housekeeper: %zu rows of the audit log are old and were cut off", cut);
	h->rows = (int64_t)(done + cut);
	if (rc == STORE_OK)
		log_anchor(app);
	/* On a small disk it may be the write-ahead log that takes the room. */
	if (store_wal_size(app->store) > (store_is_low(app->store) ? 0 : WAL_TRUNCATE_BYTES)) {
		enum store_rc folded = store_checkpoint(app->store);

		rc = rc == STORE_OK ? folded : rc;
	}
	store_keep_ballast(app->store);
	if (rc != STORE_OK)
		log_warn("housekeeper: the pass did not end; it is tried again");
	return rc == STORE_OK;
}

bool
app_sweep(struct app *app, app_goes_on goes_on, void *arg)
{
	struct housekeeping h = {.store = app->store, .goes_on = goes_on, .arg = arg};

	name_holder(h.holder);
	enum store_rc rc = store_write_freeing(app->store, take_lease_in_transaction, &h);
	if (rc == STORE_ABORTED && h.taken == STORE_NONE) {
		log_info("housekeeper: another process is at work");
		return true;
	}
	if (rc != STORE_OK) {
		log_warn("housekeeper: the pass did not begin; it is tried again");
		return false;
	}
	bool ok = sweep(app, &h);
	if (store_write_freeing(app->store, end_lease_in_transaction, &h) != STORE_OK)
		log_warn("housekeeper: another process has taken the work over");
	return ok;
}
