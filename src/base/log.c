/* log: a line is built in a buffer of fixed size and written by one write. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

/* Lines of up to PIPE_BUF bytes are written whole, even to a pipe with other writers. */
enum { LINE_MAX_BYTES = 2048, END_MAX_BYTES = 3 };

static const char *const level_names[LOG__COUNT] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static atomic_int log_level = LOG_INFO;
static atomic_bool log_json;
static _Thread_local const char *own_request;

struct line {
	char bytes[LINE_MAX_BYTES];
	size_t len;
};

void
log_set_level(enum log_level level)
{
	atomic_store_explicit(&log_level, (int)level, memory_order_relaxed);
}

void
log_set_json(bool json)
{
	atomic_store_explicit(&log_json, json, memory_order_relaxed);
}

bool
log_level_parse(const char *text, enum log_level *level)
{
	for (unsigned i = 0; i < LOG__COUNT; i++)
		if (strcmp(text, level_names[i]) == 0) {
			*level = (enum log_level)i;
			return true;
		}
	return false;
}

void
log_set_request(const char *request_id)
{
	own_request = request_id;
}

const char *
log_request(void)
{
	return own_request;
}

/* False if the line is full; room for its end stays free. */
static bool
log_put(struct line *line, const char *bytes, size_t len)
{
	if (len >= sizeof(line->bytes) - END_MAX_BYTES - line->len)
		return false;
	memcpy(line->bytes + line->len, bytes, len);
	line->len += len;
	return true;
}

/* Text from a client must not start a new log line or control a terminal: unsafe bytes are written
 * as \xNN. In JSON the backslash is doubled, so that a parser sees the same text. */
static void
log_put_escaped(struct line *line, const char *text)
{
	bool json = atomic_load_explicit(&log_json, memory_order_relaxed);
	size_t len = strlen(text);

	for (size_t i = 0, step; i < len; i += step) {
		char special[8];

		step = text_shown(text + i, len - i);
		bool quoted = json && (text[i] == '"' || text[i] == '\\');
		if (step == 0)
			snprintf(special, sizeof(special), "%s\\x%02x", json ? "\\" : "",
				 (unsigned)(unsigned char)text[i]);
		else if (quoted)
			snprintf(special, sizeof(special), "\\%c", text[i]);
		if (!(step == 0 || quoted ? log_put(line, special, strlen(special))
					  : log_put(line, text + i, step)))
			return;
		step = step == 0 ? 1 : step;
	}
}

static void __attribute__((format(printf, 2, 3)))
log_put_formatted(struct line *line, const char *format, ...)
{
	char text[128];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	(void)log_put(line, text, strlen(text));
}

/* TIME LEVEL [PID] REQUEST TEXT, or the same five as an object. */
static void
log_fill(struct line *line, enum log_level level, const char *request, const char *text)
{
	bool json = atomic_load_explicit(&log_json, memory_order_relaxed);
	char when[32] = "";
	time_t now = time(NULL);
	struct tm tm;

	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &tm);
	log_put_formatted(line,
			  json ? "{\"time\":\"%s\",\"level\":\"%s\",\"pid\":%ld,\"request\":\""
			       : "%s %s [%ld] ",
			  when, level_names[level], (long)getpid());
	log_put_escaped(line, request);
	log_put_formatted(line, "%s", json ? "\",\"message\":\"" : " ");
	log_put_escaped(line, text);
	const char *end = json ? "\"}\n" : "\n";
	memcpy(line->bytes + line->len, end, strlen(end));
	line->len += strlen(end);
}

void
log_write(enum log_level level, const char *format, ...)
{
	int saved = errno; /* callers may still use the errno they have just logged */
	const char *request = own_request != NULL ? own_request : "-";
	char text[LINE_MAX_BYTES];
	struct line line = {.len = 0};
	va_list args;
	int len;

	if ((int)level > atomic_load_explicit(&log_level, memory_order_relaxed))
		return;
	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (len < 0)
		text[0] = '\0';
	log_fill(&line, level, request, text);
	while (write(STDERR_FILENO, line.bytes, line.len) < 0 && errno == EINTR)
		continue;
	errno = saved;
}
