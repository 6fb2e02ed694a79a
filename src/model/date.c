/* date: dates as the API writes and reads them. */
#include "model/date.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "model/schema.h"

static void
put_number(char *out, int64_t number, size_t digits)
{
	while (digits-- > 0) {
		out[digits] = (char)('0' + number % 10);
		number /= 10;
	}
}

/* Year, month and day of the days since 1970-01-01.  The year is taken to begin in March, so that
 * the leap day is its last one and the months before it have a regular pattern of 153 days in five.
 */
static void
civil(int64_t days, int64_t *year, int64_t *month, int64_t *day)
{
	enum { ERA_DAYS = 146097, BEFORE_1970 = 719468 }; /* 400 years; days from 0000-03-01 */
	int64_t since = days + BEFORE_1970, in_era = since % ERA_DAYS;
	int64_t of_era = (in_era - in_era / 1460 + in_era / 36524 - in_era / (ERA_DAYS - 1)) / 365;
	int64_t in_year = in_era - (365 * of_era + of_era / 4 - of_era / 100);
	int64_t march = (5 * in_year + 2) / 153; /* 0 for March */

	*day = in_year - (153 * march + 2) / 5 + 1;
	*month = march < 10 ? march + 3 : march - 9;
	*year = since / ERA_DAYS * 400 + of_era + (*month <= 2);
}

static const int64_t date_last_ms = INT64_C(253402300799000); /* end of 9999 */

/* Without the library's calendar, which takes a lock for the time zone: every row has a date or
 * two. */
void
date_format(int64_t ms, char out[21])
{
	static const int64_t day_s = 86400;
	int64_t seconds, year, month, day;

	if (ms < 0)
		ms = 0;
	if (ms > date_last_ms)
		ms = date_last_ms;
	seconds = ms / 1000;

	civil(seconds / day_s, &year, &month, &day);
	memcpy(out, "0000-00-00T00:00:00Z", 21);
	put_number(out, year, 4);
	put_number(out + 5, month, 2);
	put_number(out + 8, day, 2);
	put_number(out + 11, seconds % day_s / 3600, 2);
	put_number(out + 14, seconds % 3600 / 60, 2);
	put_number(out + 17, seconds % 60, 2);
}

bool
date_parse(const char *text, int64_t now_ms, int64_t *ms)
{
	struct tm tm = {0};
	char again[21];
	int used = 0;

	if (strcmp(text, "now") == 0) {
		*ms = now_ms;
		return true;
	}
	size_t digits = strspn(text, "0123456789");
	if (digits > 0 && digits <= ID_DIGITS_MAX && text[digits] == '\0') {
		*ms = strtoll(text, NULL, 10);
		return true;
	}
	if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
		   &tm.tm_hour, &tm.tm_min, &tm.tm_sec, &used) != 6 ||
	    used != 20 || text[used] != '\0')
		return false;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	*ms = (int64_t)timegm(&tm) * 1000;
	/* What is no date of the calendar, or has signs and blanks in it, comes out as another
	 * text. */
	date_format(*ms, again);
	return strcmp(again, text) == 0;
}

bool
date_read(const char *text, int64_t *ms)
{
	if (strcmp(text, "now") == 0 || !date_parse(text, 0, ms) || *ms > date_last_ms)
		return false;
	*ms -= *ms % 1000;
	return true;
}
