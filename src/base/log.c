/* log: a line is built in one buffer of fixed size and leaves by one write. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/text.h"

/* Lines of up to PIPE_BUF bytes are written whole, also to a pipe that others write to. */
enum { LINE_MAX_BYTES = 2048 };

static const char *const level_names[LOG__COUNT] = {
	[LOG_ERROR] = "error",
	[LOG_WARN] = "warn",
	[LOG_INFO] = "info",
	[LOG_DEBUG] = "debug",
};

static atomic_int log_level = LOG_INFO;
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

/* False if the line is full; one byte stays free for the line feed. */
static bool
log_put(struct line *line, const char *bytes, size_t len)
{
	if (len >= sizeof(line->bytes) - line->len)
		return false;
	memcpy(line->bytes + line->len, bytes, len);
	line->len += len;
	return true;
}

/* What a client sent must not be able to start a line of its own or to talk to a terminal: what is
 * not shown becomes \xNN, byte by byte. */
static void
log_put_escaped(struct line *line, const char *text, size_t len)
{
	for (size_t i = 0, step; i < len; i += step) {
		char hex[5];

		step = text_shown(text + i, len - i);
		if (step > 0) {
			if (!log_put(line, text + i, step))
				return;
			continue;
		}
		step = 1;
		snprintf(hex, sizeof(hex), "\\x%02x", (unsigned)(unsigned char)text[i]);
		if (!log_put(line, hex, 4))
			return;
	}
}

static void
log_put_head(struct line *line, enum log_level level)
{
	char head[64];
	time_t now = time(NULL);
	struct tm tm;
	size_t len = 0;
	int more;

	if (gmtime_r(&now, &tm) != NULL)
		len = strftime(head, sizeof(head), "%Y-%m-%dT%H:%M:%SZ", &tm);
	more = snprintf(head + len, sizeof(head) - len, " %s [%ld] ", level_names[level],
			(long)getpid());
	if (more > 0 && (size_t)more < sizeof(head) - len)
		len += (size_t)more;
	(void)log_put(line, head, len);
}

void
log_write(enum log_level level, const char *format, ...)
{
	int saved = errno; /* callers go on with the errno that they have just logged */
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
		len = 0;
	if ((size_t)len >= sizeof(text))
		len = (int)sizeof(text) - 1;
	log_put_head(&line, level);
	log_put_escaped(&line, request, strlen(request));
	(void)log_put(&line, " ", 1);
	log_put_escaped(&line, text, (size_t)len);
	line.bytes[line.len++] = '\n';
	while (write(STDERR_FILENO, line.bytes, line.len) < 0 && errno == EINTR)
		continue;
	errno = saved;
}
