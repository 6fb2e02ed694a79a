/* metrics: the scoreboard as Prometheus text. */
#include "shared/metrics.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/http.h"
#include "shared/board.h"

enum { TEXT_MAX = 512 * 1024 }; /* the whole scoreboard takes less than half of it */

struct text {
	char *bytes;
	size_t len;
	bool failed;
};

static void __attribute__((format(printf, 2, 3))) put(struct text *t, const char *format, ...)
{
	va_list args;

	if (t->failed)
		return;
	va_start(args, format);
	int len = vsnprintf(t->bytes + t->len, TEXT_MAX - t->len, format, args);
	va_end(args);
	if (len < 0 || (size_t)len >= TEXT_MAX - t->len)
		t->failed = true;
	else
		t->len += (size_t)len;
}

static void
metrics_put_head(struct text *t, const char *name, const char *type, const char *help)
{
	put(t, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
put_one(struct text *t, const char *name, const char *type, const char *help, int64_t value)
{
	metrics_put_head(t, name, type, help);
	put(t, "%s %" PRId64 "\n", name, value);
}

static const char *
method_name(unsigned method)
{
	static const char *const names[HTTP__COUNT] = {
		[HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
		[HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE", [HTTP_OTHER] = "other"};

	return names[method];
}

static void
put_requests(struct text *t, const struct board *b, const char *const *routes)
{
	static const char name[] = "regcred_http_requests_total";

	metrics_put_head(t, name, "counter", "Requests by route, method and status.");
	for (unsigned r = 0; r < BOARD_ROUTES; r++)
		for (unsigned m = 0; routes[r] != NULL && m < HTTP__COUNT; m++)
			for (size_t s = 0; s < BOARD_STATUSES; s++) {
				uint64_t n = b->requests[r][m][s];
				char status[8] = "other";

				if (n == 0)
					continue;
				if (board_status(s) != 0)
					(void)snprintf(status, sizeof(status), "%d",
						       board_status(s));
				put(t, "%s{route=\"%s\",method=\"%s\",status=\"%s\"} %" PRIu64 "\n",
				    name, routes[r], method_name(m), status, n);
			}
}

/* The unit of the sum and the bounds: 1 or, for microseconds shown as seconds, 1e6. */
static void
put_histogram(struct text *t, const char *name, const char *label, const struct histogram *h,
	      const int64_t *bounds, size_t count, double unit)
{
	const char *comma = *label != '\0' ? "," : "";
	uint64_t total = 0;

	for (size_t i = 0; i < count; i++) {
		total += h->buckets[i];
		put(t, "%s_bucket{%s%sle=\"%g\"} %" PRIu64 "\n", name, label, comma,
		    (double)bounds[i] / unit, total);
	}
	total += h->buckets[count];
	put(t, "%s_bucket{%s%sle=\"+Inf\"} %" PRIu64 "\n", name, label, comma, total);
	const char *open = *label != '\0' ? "{" : "", *close = *label != '\0' ? "}" : "";
	put(t, "%s_sum%s%s%s %.6f\n", name, open, label, close, (double)h->sum / unit);
	put(t, "%s_count%s%s%s %" PRIu64 "\n", name, open, label, close, total);
}

static void
put_durations(struct text *t, const struct board *b, const char *const *routes)
{
	static const char name[] = "regcred_http_request_duration_seconds";
	char label[96];

	metrics_put_head(t, name, "histogram",
			 "Time from the reading of a request to the last byte of its answer.");
	for (unsigned r = 0; r < BOARD_ROUTES; r++) {
		if (routes[r] == NULL)
			continue;
		(void)snprintf(label, sizeof(label), "route=\"%s\"", routes[r]);
		put_histogram(t, name, label, &b->durations[r], board_us_bounds, board_us_count,
			      1e6);
	}
}

static void
put_counters(struct text *t, const struct board *b)
{
	static const struct {
		const char *name, *help;
	} rows[] = {
#define X(id, name, help) [BOARD_##id] = {name, help},
		BOARD_COUNTERS(X)
#undef X
	};

	for (unsigned i = 0; i < BOARD__COUNT; i++)
		put_one(t, rows[i].name, "counter", rows[i].help, (int64_t)b->counters[i]);
}

/* ---- logins that renew themselves ---- */

static void
put_renewals(struct text *t, const struct board *b, const struct metrics_words *words)
{
	static const char total[] = "regcred_refreshes_total",
			  time[] = "regcred_refresh_duration_seconds";
	char label[96];

	metrics_put_head(t, total, "counter", "Renewals of logins by source and result.");
	for (size_t s = 0; words->sources[s] != NULL; s++)
		for (size_t r = 0; words->results[r] != NULL; r++)
			if (b->renewals[s][r] != 0)
				put(t, "%s{source=\"%s\",result=\"%s\"} %" PRIu64 "\n", total,
				    words->sources[s], words->results[r],
				    (uint64_t)b->renewals[s][r]);
	metrics_put_head(
		t, time, "histogram",
		"Time that a source took to give a new secret, with the registry's check of it.");
	for (size_t s = 0; words->sources[s] != NULL; s++) {
		(void)snprintf(label, sizeof(label), "source=\"%s\"", words->sources[s]);
		put_histogram(t, time, label, &b->renewal_durations[s], board_us_bounds,
			      board_us_count, 1e6);
	}
}

static void
put_labelled(struct text *t, const struct board *b, const struct metrics_words *words)
{
	static const struct {
		const char *name, *label, *help;
	} rows[BOARD_LABELLED] = {
		[BOARD_VERIFICATIONS] = {"regcred_verifications_total", "result",
					 "Checks of logins at their registries."},
		[BOARD_HANDOUTS] = {"regcred_handouts_total", "format",
				    "Files of logins that were retrieved."},
		[BOARD_INJECTS] = {"regcred_injects_total", "outcome",
				   "Requests to registries for which a login was asked."},
	};

	for (size_t i = 0; i < BOARD_LABELLED; i++) {
		metrics_put_head(t, rows[i].name, "counter", rows[i].help);
		for (size_t n = 0; words->labels[i] != NULL && words->labels[i][n] != NULL; n++)
			if (b->labelled[i][n] != 0)
				put(t, "%s{%s=\"%s\"} %" PRIu64 "\n", rows[i].name, rows[i].label,
				    words->labels[i][n], (uint64_t)b->labelled[i][n]);
	}
}

static void
put_logins(struct text *t, const struct board_expiry *e, const struct metrics_words *words)
{
	static const char all[] = "regcred_logins", unused[] = "regcred_logins_unused";
	const char *const *checks = words->labels[BOARD_VERIFICATIONS];
	size_t count = 0;

	while (checks != NULL && checks[count] != NULL)
		count++;
	metrics_put_head(t, all, "gauge", "Logins by state and last check.");
	for (size_t s = 0; words->states != NULL && words->states[s] != NULL; s++)
		for (size_t i = 0; i <= count; i++) {
			size_t place = i < count ? i : BOARD_RESULTS;

			if (e->states[s][place] != 0)
				put(t, "%s{state=\"%s\",verification=\"%s\"} %" PRId64 "\n", all,
				    words->states[s], i < count ? checks[i] : "none",
				    (int64_t)e->states[s][place]);
		}
	metrics_put_head(t, unused, "gauge",
			 "Active logins that nobody has retrieved for that time.");
	for (size_t i = 0; i < BOARD_UNUSED; i++)
		put(t, "%s{for=\"%s\"} %" PRId64 "\n", unused, board_unused_names[i],
		    (int64_t)e->unused[i]);
}

static void
put_within(struct text *t, const char *name, const char *help, const _Atomic int64_t *counts)
{
	metrics_put_head(t, name, "gauge", help);
	for (size_t i = 0; i < BOARD_WITHIN; i++)
		put(t, "%s{within=\"%s\"} %" PRId64 "\n", name, board_within_names[i],
		    (int64_t)counts[i]);
}

static void
put_next(struct text *t, const struct board_expiry *e, const struct metrics_words *words)
{
	static const char name[] = "regcred_login_next_expiry_timestamp_seconds";

	metrics_put_head(t, name, "gauge", "When the next login with that source ends.");
	for (size_t s = 0; words->sources[s] != NULL; s++)
		if (e->next_ms[s] != 0)
			put(t, "%s{source=\"%s\"} %" PRId64 "\n", name, words->sources[s],
			    (int64_t)e->next_ms[s] / 1000);
	if (e->next_ms[BOARD_SOURCES] != 0)
		put(t, "%s{source=\"none\"} %" PRId64 "\n", name,
		    (int64_t)e->next_ms[BOARD_SOURCES] / 1000);
}

/* As the housekeeper saw it last: a scrape reads no table. */
static void
metrics_put_expiry(struct text *t, const struct board_expiry *e, const struct metrics_words *words)
{
	if (e->looked_ms == 0)
		return;
	put_within(t, "regcred_logins_expiring",
		   "Logins in use without a source that end within that time.", e->logins);
	put_within(t, "regcred_keys_expiring", "API keys in use that end within that time.",
		   e->keys);
	put_logins(t, e, words);
	put_next(t, e, words);
	put_one(t, "regcred_refresh_overdue", "gauge",
		"Logins whose last renewal failed and of whose life less than a quarter is left.",
		e->overdue);
	if (e->first_due_ms != 0)
		put_one(t, "regcred_refresh_oldest_due_timestamp_seconds", "gauge",
			"When the first renewal is or was due.", e->first_due_ms / 1000);
}

static int64_t
count_processes(const struct board *b)
{
	int64_t count = 0;

	for (size_t i = 0; i < BOARD_SLOTS; i++)
		count += b->slots[i].pid != 0;
	return count;
}

const char *
metrics_text(struct arena *a, const struct board *b, const char *const *routes,
	     const struct metrics_now *now, size_t *len)
{
	struct text t = {.bytes = arena_alloc(a, TEXT_MAX)};

	if (t.bytes == NULL)
		return NULL;
	metrics_put_head(&t, "regcred_build_info", "gauge",
			 "Always 1; the label is the program's version.");
	put(&t, "regcred_build_info{version=\"%s\"} 1\n", REGCRED_VERSION);
	put_one(&t, "regcred_start_time_seconds", "gauge", "When the pool started.",
		b->started_ms / 1000);
	put_one(&t, "regcred_config_load_time_seconds", "gauge",
		"When the pool last read its settings.", b->loaded_ms / 1000);
	put_one(&t, "regcred_uptime_seconds", "gauge", "Since when the pool runs.",
		(now->now_ms - b->started_ms) / 1000);
	put_one(&t, "regcred_processes", "gauge", "Workers, housekeeper and refresher that run.",
		count_processes(b));
	for (size_t i = 0; i < now->gauge_count; i++)
		put_one(&t, now->gauges[i].metric, "gauge", now->gauges[i].help,
			now->gauges[i].value);
	put_counters(&t, b);
	put_requests(&t, b, routes);
	put_durations(&t, b, routes);
	if (now->words.sources != NULL) {
		put_renewals(&t, b, &now->words);
		put_labelled(&t, b, &now->words);
		metrics_put_expiry(&t, &b->expiry, &now->words);
	}
	metrics_put_head(&t, "regcred_write_wait_seconds", "histogram",
			 "Time that a write waits for its turn, before its transaction begins.");
	put_histogram(&t, "regcred_write_wait_seconds", "", &b->write_waits, board_us_bounds,
		      board_us_count, 1e6);
	metrics_put_head(&t, "regcred_commit_writes", "histogram", "Writes that share one commit.");
	put_histogram(&t, "regcred_commit_writes", "", &b->batches, board_piece_bounds,
		      board_piece_count, 1);
	*len = t.len;
	return t.failed ? NULL : t.bytes;
}
