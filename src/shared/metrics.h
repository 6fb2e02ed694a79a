/* metrics: the counters of a pool in Prometheus text format 0.0.4.
 *
 * Labels are route templates, methods and statuses, never an id, a name or an address.
 */
#ifndef REGCRED_METRICS_H
#define REGCRED_METRICS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "shared/board.h"

#define METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* A gauge: a current value. */
struct gauge {
	const char *name;   /* in `regcred status` */
	const char *metric; /* in /metrics */
	const char *help;
	int64_t value;
};

/* Words of labels, each list ended by NULL. */
struct metrics_words {
	const char *const *sources, *const *results; /* of renewals; at most BOARD_SOURCES and
							BOARD_RESULTS */
	const char *const *states;		     /* of logins; at most BOARD_STATES */
	const char *const *labels[BOARD_LABELLED];   /* at most BOARD_LABELS; those of
							BOARD_VERIFICATIONS are results of checks */
};

struct metrics_now {
	int64_t now_ms;		    /* wall clock */
	const struct gauge *gauges; /* of the database */
	size_t gauge_count;
	struct metrics_words words;
};

/* routes: BOARD_ROUTES names, NULL for an unused row. Returns the text and its length; NULL if out
 * of memory. */
const char *metrics_text(struct arena *a, const struct board *b, const char *const *routes,
			 const struct metrics_now *now, size_t *len);

#endif
