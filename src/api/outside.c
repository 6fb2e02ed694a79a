/* outside: the paths outside the API: /ping and /metrics. */
#include "api/outside.h"

#include <stdatomic.h>
#include <string.h>

#include "api/answer.h"
#include "api/call.h"
#include "api/ui.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/http.h"
#include "login/inject.h"
#include "model/format.h"
#include "model/process.h"
#include "model/schema.h"
#include "model/source.h"
#include "service/app.h"
#include "shared/board.h"
#include "shared/metrics.h"
#include "store/store.h"

/* Names in /metrics, without a project's scope. */
_Static_assert((int)AT__COUNT <= (int)BOARD_ROUTES, "the board has a row for each place");

static const char *const place_names[BOARD_ROUTES] = {
	[AT_NOWHERE] = "other",
	[AT_ROOT] = "/",
	[AT_VERSION] = "/{version}",
	[AT_SCHEMAS] = "/{version}/schemas",
	[AT_SCHEMA] = "/{version}/schemas/{type}",
	[AT_OPENAPI] = "/{version}/openapi.json",
	[AT_QUESTION] = "/{version}/{question}",
	[AT_COLLECTION] = "/{version}/{type}",
	[AT_RESOURCE] = "/{version}/{type}/{id}",
	[AT_LINK] = "/{version}/{type}/{id}/{link}",
	[AT_PING] = "/ping",
	[AT_METRICS] = "/metrics",
	[AT_INJECT] = "/v2/",
	[AT_UI] = "/ui/",
};

/* For load balancers. Unhealthy if the database cannot be read. */
static void
answer_ping(struct app *app, const struct request *request, struct arena *arena,
	    struct response *response)
{
	uint64_t met = app->board != NULL
			       ? atomic_load(&app->board->counters[BOARD_DATABASE_FAILURES])
			       : 0;

	(void)request, (void)arena;
	/* A failure in another worker counts as well. */
	if (met != atomic_exchange(&app->failures_met, met))
		store_suspect(app->store);
	bool healthy = store_ping(app->store) == STORE_OK;
	response->status = healthy ? 200 : 503;
	response->content_type = "text/plain; charset=utf-8";
	response->body = healthy ? "pong" : "the database cannot be read";
	response->body_len = strlen(response->body);
}

/* Only for a location of the web server that allows it, and only in a pool. */
static void
answer_metrics(struct app *app, const struct request *request, struct arena *arena,
	       struct response *response)
{
	struct gauge gauges[STORE_GAUGES_MAX];
	const char *states[ST__COUNT + 1] = {NULL};
	const struct metrics_now now = {clock_wall_ms(),
					gauges,
					store_gauges(app->store, gauges),
					{source_names,
					 refresh_results,
					 states,
					 {[BOARD_VERIFICATIONS] = verification_results,
					  [BOARD_HANDOUTS] = format_names,
					  [BOARD_INJECTS] = inject_outcomes}}};
	size_t len = 0;

	for (int state = 0; state < ST__COUNT; state++)
		states[state] = state_name((enum state)state);
	const char *text = metrics_text(arena, app->board, place_names, &now, &len);

	(void)request;
	if (text == NULL) {
		answer_without_memory(response);
		return;
	}
	response->status = 200;
	response->content_type = METRICS_TYPE;
	response->body = text;
	response->body_len = len;
	response_header(response, "Cache-Control", "no-store");
}

static const struct outside outside_table[] = {
	{"ping", AT_PING, false, answer_ping},
	{"healthcheck", AT_PING, false, answer_ping},
	{"metrics", AT_METRICS, true, answer_metrics},
	{"ui", AT_UI, false, ui_answer},
};

const struct outside *
find_outside(const struct app *app, const struct request *request)
{
	for (size_t i = 0; i < sizeof(outside_table) / sizeof(*outside_table); i++) {
		const struct outside *o = &outside_table[i];
		const char *path = request->target + strspn(request->target, "/");
		size_t len = strlen(o->path);

		/* Repeated and trailing slashes are ignored, as in every path. */
		if (strncmp(path, o->path, len) == 0 &&
		    (strchr("?", path[len + strspn(path + len, "/")]) != NULL ||
		     (o->place == AT_UI && path[len] == '/')) &&
		    (!o->counters || (app->board != NULL && request->metrics != NULL)))
			return o;
	}
	return NULL;
}
