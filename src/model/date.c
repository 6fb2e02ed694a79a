/* date: dates as the API writes and reads them. */
#include "model/date.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* Does not use gmtime, which takes a lock for the time zone: every row has a date or two. */
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

/* The days since 1970-01-01 of a calendar date. */
static bool
days_of(int64_t year, int64_t month, int64_t day, int64_t *days)
{
	int64_t from_march = year - (month <= 2), march = month > 2 ? month - 3 : month + 9;
	int64_t y, m, d;

	*days = from_march * 365 + from_march / 4 - from_march / 100 + from_march / 400 +
		(153 * march + 2) / 5 + day - 1 - 719468;
	civil(*days, &y, &m, &d);
	return y == year && m == month && d == day;
}

/* Reads exactly that many digits, a number up to most, and the character after them, if any. */
static bool
take_number(const char **text, size_t digits, int64_t most, char after, int64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < digits; i++, (*text)++) {
		if (**text < '0' || **text > '9')
			return false;
		*out = *out * 10 + (**text - '0');
	}
	if (*out > most || (after != '\0' && **text != after))
		return false;
	*text += after != '\0';
	return true;
}

/* The time after the day in RFC 3339, with fraction and offset. */
static bool
take_time(const char *text, int64_t *ms)
{
	int64_t hour, minute, second, fraction = 0, offset_h = 0, offset_m = 0;

	if (strchr("Tt ", *text++) == NULL || !take_number(&text, 2, 23, ':', &hour) ||
	    !take_number(&text, 2, 59, ':', &minute) || !take_number(&text, 2, 59, '\0', &second))
		return false;
	if (*text == '.') {
		size_t digits = strspn(++text, "0123456789");

		for (size_t i = 0; i < 3; i++)
			fraction = fraction * 10 + (i < digits ? text[i] - '0' : 0);
		if (digits == 0)
			return false;
		text += digits;
	}
	/* An unencoded '+' in a query arrives as a blank. */
	int sign = *text == '-' ? -1 : *text == '+' || *text == ' ' ? 1 : 0;
	if (sign == 0 && *text != 'Z' && *text != 'z')
		return false;
	text++;
	if (sign != 0 && (!take_number(&text, 2, 23, ':', &offset_h) ||
			  !take_number(&text, 2, 59, '\0', &offset_m)))
		return false;
	*ms = ((hour * 60 + minute - sign * (offset_h * 60 + offset_m)) * 60 + second) * 1000 +
	      fraction;
	return *text == '\0';
}

bool
date_parse(const char *text, int64_t now_ms, int64_t *ms)
{
	int64_t year, month, day, days, of_day = 0;

	if (strcmp(text, "now") == 0) {
		*ms = now_ms;
		return true;
	}
	size_t digits = strspn(text, "0123456789");
	if (digits > 0 && digits <= ID_DIGITS_MAX && text[digits] == '\0') {
		*ms = strtoll(text, NULL, 10);
		/* Seconds of a day after 1973 would be taken for one of 1970. */
		return *ms < INT64_C(100000000) || *ms >= INT64_C(100000000000);
	}
	if (!take_number(&text, 4, 9999, '-', &year) || year == 0 ||
	    !take_number(&text, 2, 12, '-', &month) || !take_number(&text, 2, 31, '\0', &day) ||
	    !days_of(year, month, day, &days) || (*text != '\0' && !take_time(text, &of_day)))
		return false;
	*ms = days * 86400000 + of_day;
	return true;
}

bool
date_read(const char *text, int64_t *ms)
{
	/* A day without a time does not say when it ends. */
	bool is_day = strspn(text, "0123456789-") == strlen(text) && strchr(text, '-') != NULL;

	if (is_day || strcmp(text, "now") == 0 || !date_parse(text, 0, ms) || *ms < 0 ||
	    *ms > date_last_ms)
		return false;
	*ms -= *ms % 1000;
	return true;
}

bool
date_read_http(const char *text, int64_t *ms)
{
	static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
	char month[4], rfc[48];
	unsigned day, year, hour, minute, second;
	int used = 0;

	if (sscanf(text, "%*3[A-Za-z], %2u %3[A-Za-z] %4u %2u:%2u:%2u GMT%n", &day, month, &year,
		   &hour, &minute, &second, &used) != 6 ||
	    used == 0 || text[used] != '\0')
		return false;
	const char *at = strstr(months, month);
	if (at == NULL || strlen(month) != 3 || (at - months) % 3 != 0)
		return false;
	(void)snprintf(rfc, sizeof(rfc), "%04u-%02d-%02uT%02u:%02u:%02uZ", year,
		       (int)(at - months) / 3 + 1, day, hour, minute, second);
	return date_parse(rfc, 0, ms);
}

bool
date_span(const char *text, int64_t *seconds)
{
	enum { HOUR_S = 60 * 60, DAY_S = 24 * HOUR_S, DIGITS_MAX = 6 };
	size_t digits = strspn(text, "0123456789");
	char unit = text[digits];

	if (digits == 0 || digits > DIGITS_MAX || (unit != 'd' && unit != 'h') ||
	    text[digits + 1] != '\0')
		return false;
	*seconds = strtoll(text, NULL, 10) * (unit == 'd' ? DAY_S : HOUR_S);
	return true;
}

bool
date_read_span(const char *text, int64_t *seconds)
{
	enum { YEAR_S = 366 * 24 * 60 * 60 };

	return date_span(text, seconds) && *seconds > 0 && *seconds <= YEAR_S;
}

void
date_format_span(int64_t seconds, char out[SPAN_TEXT_SIZE])
{
	enum { HOUR_S = 60 * 60, DAY_S = 24 * HOUR_S };
	bool days = seconds % DAY_S == 0;

	(void)snprintf(out, SPAN_TEXT_SIZE, "%lld%c",
		       (long long)(seconds / (days ? DAY_S : HOUR_S)), days ? 'd' : 'h');
}
