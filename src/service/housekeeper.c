/* housekeeper: one pass of the housekeeper. */
#include "service/housekeeper.h"

#include "access/refusals.h"
#include "audit/audit.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/settings.h"
#include "login/recheck.h"
#include "renew/restore.h"
#include "resource/resource.h"
#include "resource/warn.h"
#include "service/app.h"
#include "service/expiry.h"
#include "shared/board.h"
#include "store/store.h"

/* Now and then writes the end of the audit log to the process log, which is stored elsewhere: a row
 * noted there cannot be deleted or replaced unnoticed. */
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
			.who = {.via = r->via != NULL ? r->via : "none",
				.account_id = r->account_id,
				.key_id = r->key_id,
				.answered = true,
				.address = r->address[0] != '\0' ? r->address : NULL,
				.proxy_user = r->user[0] != '\0' ? r->user : NULL},
			.event = r->event != NULL ? r->event : "signInRefused",
			.resource_type = r->type,
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
	arena_free(w.arena);
	if (rc == STORE_OK)
		refusals_forget(refusals, items, w.count);
	else
		log_warn("refused sign-ins could not be written to the audit log%s",
			 all ? " and are lost" : "; it will be tried again");
	return rc == STORE_OK;
}

/* For /metrics. */
static void
look_at_expiry(struct app *app)
{
	struct arena *a = board_is_used() ? arena_new(APP_ARENA_MAX) : NULL;
	struct board_expiry found = {0};

	if (a == NULL)
		return;
	if (expiry_look(app->store, a, clock_wall_ms(), &found) == STORE_OK &&
	    expiry_count_logins(app->store, a, clock_wall_ms(), &found) == STORE_OK)
		board_show_expiry(&found);
	else
		log_warn("housekeeper: the logins could not be counted; it will be tried "
			 "again");
	arena_free(a);
}

bool
app_sweep(struct app *app, app_goes_on goes_on, void *arg)
{
	const struct settings *s = app->settings;
	const struct sweep limits = {clock_wall_ms(), s->removed_keep_s * 1000,
				     s->purged_keep_s * 1000, goes_on, arg};
	enum { CLOCK_BATCH = 1000 };
	size_t done = 0, cut = 0, told = 0, planned = 0, early = 0;
	enum store_rc rc = resource_sweep(app->store, app->ring, &limits, &done);

	if (done > 0)
		log_info("housekeeper: %zu rows purged or deleted", done);
	if (rc == STORE_OK)
		rc = audit_sweep(app->store, app->ring, limits.now_ms, s->audit_keep_s * 1000,
				 &cut);
	if (cut > 0)
		log_info("housekeeper: %zu old rows of the audit log were cut off", cut);
	if (rc == STORE_OK)
		rc = warn_sweep(app->store, app->ring, limits.now_ms, &told);
	if (told > 0)
		log_info("housekeeper: %zu logins or keys expire soon or have expired: see the "
			 "audit log",
			 told);
	if (rc == STORE_OK)
		rc = recheck_schedule(app->store, limits.now_ms, &planned);
	if (rc == STORE_OK)
		rc = renew_after_clock(app->store, limits.now_ms, CLOCK_BATCH, &early);
	if (early > 0)
		log_info("housekeeper: the clock was put back: %zu logins that were renewed after "
			 "the present time are renewed at once",
			 early);
	if (rc == STORE_OK)
		log_anchor(app);
	look_at_expiry(app);
	enum store_rc tidied = store_tidy(app->store);
	rc = rc == STORE_OK ? tidied : rc;
	if (rc == STORE_OK)
		board_swept(clock_wall_ms(), (int64_t)(done + cut));
	else
		log_warn("housekeeper: the pass did not finish; it will be tried again");
	return rc == STORE_OK;
}
