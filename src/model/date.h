/* date: dates as the API writes and reads them. */
#ifndef REGCRED_MODEL_DATE_H
#define REGCRED_MODEL_DATE_H

#include <stdbool.h>
#include <stdint.h>

/* "2024-05-06T07:08:09Z", 21 bytes with the NUL. */
void date_format(int64_t ms, char out[21]);

/* A date and time of RFC 3339, with fraction and offset or without; a day without a time; a number
 * of milliseconds since the epoch; or "now".  A day that is not in the calendar is refused. */
bool date_parse(const char *text, int64_t now_ms, int64_t *ms);

/* A date to be stored: all of these but "now" and a day without a time, from 1970 to 9999, in whole
 * seconds.
 */
bool date_read(const char *text, int64_t *ms);

/* A span of time, "14d" or "12h". */
bool date_span(const char *text, int64_t *seconds);
/* The same, of at least an hour and at most a year. */
bool date_read_span(const char *text, int64_t *seconds);
enum { SPAN_TEXT_SIZE = 24 };
void date_format_span(int64_t seconds, char out[SPAN_TEXT_SIZE]);

/* The date of an HTTP header, "Mon, 06 May 2024 07:08:09 GMT". */
bool date_read_http(const char *text, int64_t *ms);

#endif
