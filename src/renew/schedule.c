/* schedule: when a login is renewed next. */
#include "renew/schedule.h"

enum {
	SECOND_MS = 1000,
	MINUTE_MS = 60 * SECOND_MS,
	HOUR_MS = 60 * MINUTE_MS,
	SPREAD = 10, /* a tenth of the distance, either way */
};

/* FNV-1a, then a mixing step, so that neighbours get seeds far apart. */
uint64_t
schedule_seed(const char *uuid, int64_t version, int64_t attempt)
{
	const uint64_t prime = 1099511628211U;
	uint64_t hash = 14695981039346656037U;

	for (const char *p = uuid; *p != '\0'; p++)
		hash = (hash ^ (unsigned char)*p) * prime;
	hash = (hash ^ (uint64_t)version) * prime;
	hash = (hash ^ (uint64_t)attempt) * prime;
	hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccdU;
	return hash ^ (hash >> 33);
}

/* Evenly from 0 to most. */
static int64_t
schedule_part(int64_t most, uint64_t seed)
{
	return most > 0 ? (int64_t)(seed % ((uint64_t)most + 1)) : 0;
}

static int64_t
schedule_spread(int64_t distance, uint64_t seed)
{
	int64_t tenth = distance / SPREAD;

	return distance - tenth + schedule_part(2 * tenth, seed);
}

static int64_t
schedule_min(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
schedule_max(int64_t a, int64_t b)
{
	return a > b ? a : b;
}

int64_t
schedule_after_success(int64_t received_ms, int64_t expires_ms, int64_t every_ms, uint64_t seed)
{
	int64_t life = expires_ms - received_ms, distance, latest;

	if (every_ms <= 0 &&
	    (expires_ms == 0 || life > SCHEDULE_LIFE_MAX_DAYS * 24 * (int64_t)HOUR_MS))
		every_ms = (int64_t)SCHEDULE_EVERY_DAYS * 24 * HOUR_MS;
	if (every_ms > 0)
		return received_ms + schedule_spread(every_ms, seed);
	if (life >= 2 * (int64_t)HOUR_MS)
		distance = life / 2;
	else
		distance = schedule_max(life * 2 / 3, life - 5 * (int64_t)MINUTE_MS);
	/* A minute at least, so that nobody is asked all the time; and for a secret that hardly
	 * lives longer, rather too often than too late. */
	distance = schedule_spread(schedule_max(distance, MINUTE_MS), seed);
	latest = life >= 30 * (int64_t)MINUTE_MS ? life - 10 * (int64_t)MINUTE_MS : life * 5 / 6;
	return received_ms + schedule_max(schedule_min(distance, latest), 5 * (int64_t)SECOND_MS);
}

/* In what is left of a life several attempts have to fit. */
static int64_t
schedule_longest(int64_t pause, int64_t rest_ms)
{
	return rest_ms > 0 ? schedule_min(pause, rest_ms / 4) : pause;
}

/* Doubled with each attempt; the whole pause is drawn, so that many that failed together do not
 * come back together. */
static int64_t
schedule_back_off(int64_t attempt, int64_t rest_ms, uint64_t seed)
{
	int64_t pause = SCHEDULE_FIRST_MS;

	for (int64_t n = 1; n < attempt && pause < SCHEDULE_PAUSE_MAX_MS; n++)
		pause *= 2;
	pause = schedule_longest(schedule_min(pause, SCHEDULE_PAUSE_MAX_MS), rest_ms);
	return SECOND_MS + schedule_part(pause, seed);
}

int64_t
schedule_after_failure(enum renew_result result, int64_t attempt, int64_t now_ms,
		       int64_t expires_ms, int64_t asked_ms, uint64_t seed)
{
	switch (result) {
	case RENEW_MISCONFIGURED:
		return 0;
	case RENEW_SOURCE_REFUSED:
		return now_ms + schedule_spread((attempt <= 1 ? 1 : 6) * (int64_t)HOUR_MS, seed);
	case RENEW_CLOCK_SKEW:
	case RENEW_NEW_SECRET_REFUSED:
		return now_ms + schedule_spread(10 * (int64_t)MINUTE_MS, seed);
	case RENEW_RATE_LIMITED:
		/* No sooner than it asks for. */
		asked_ms = schedule_min(asked_ms, SCHEDULE_ASKED_MAX_MS);
		break;
	case RENEW_UNREACHABLE:
		/* It may be up again sooner than it thinks. */
		asked_ms = schedule_longest(schedule_min(asked_ms, SCHEDULE_PAUSE_MAX_MS),
					    expires_ms - now_ms);
		break;
	default:
		asked_ms = 0;
		break;
	}
	if (asked_ms > 0)
		return now_ms + asked_ms + schedule_part(asked_ms / SPREAD, seed);
	return now_ms + schedule_back_off(attempt, expires_ms - now_ms, seed);
}

bool
schedule_is_late(int64_t received_ms, int64_t expires_ms, int64_t now_ms)
{
	return expires_ms != 0 && expires_ms - now_ms < (expires_ms - received_ms) / 4;
}
