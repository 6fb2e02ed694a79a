/* log: one line per event to stderr, with level, time and request id; never a secret.
 *
 * The text is written by one write(2), so lines of several processes do not mix.  Control
 * characters from clients are written as \xNN.
 */
#ifndef REGCRED_LOG_H
#define REGCRED_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG__COUNT };

void log_set_level(enum log_level level);
/* Each line is a JSON object: time, level, pid, request, message. */
void log_set_json(bool json);
bool log_level_parse(const char *text, enum log_level *level);
/* Sets the request id of this thread's lines; NULL for none. The text is not copied. */
void log_set_request(const char *request_id);
const char *log_request(void);
void log_write(enum log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

#define log_error(...) log_write(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_write(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_write(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_DEBUG, __VA_ARGS__)

#endif
