/* html: a JSON document as an HTML page. */
#include "api/html.h"

#include <string.h>

#include "base/arena.h"

/* Nothing is loaded and nothing runs. */
const char html_policy[] =
	"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

struct writer {
	struct arena *arena;
	char *bytes;
	size_t len, room;
	bool failed;
};

static void
html_put(struct writer *w, const char *text, size_t len)
{
	if (w->failed)
		return;
	if (w->room - w->len < len + 1) {
		size_t room = (w->len + len + 1) * 2;
		char *bytes = arena_alloc(w->arena, room);

		if (bytes == NULL) {
			w->failed = true;
			return;
		}
		if (w->len > 0)
			memcpy(bytes, w->bytes, w->len);
		w->bytes = bytes;
		w->room = room;
	}
	memcpy(w->bytes + w->len, text, len);
	w->len += len;
	w->bytes[w->len] = '\0';
}

static void
html_put_text(struct writer *w, const char *text)
{
	html_put(w, text, strlen(text));
}

static void
html_put_escaped(struct writer *w, const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		switch (text[i]) {
		case '<':
			html_put_text(w, "&lt;");
			break;
		case '>':
			html_put_text(w, "&gt;");
			break;
		case '&':
			html_put_text(w, "&amp;");
			break;
		case '"':
			html_put_text(w, "&quot;");
			break;
		case '\'':
			html_put_text(w, "&#39;");
			break;
		default:
			html_put(w, text + i, 1);
		}
	}
}

/* JSON inside a script element: escapes '<', which could end the element, and line separators,
 * which break some parsers. */
static void
put_data(struct writer *w, const char *json, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (json[i] == '<')
			html_put_text(w, "\\u003c");
		else if (json[i] == '&')
			html_put_text(w, "\\u0026");
		else if (len - i >= 3 && memcmp(json + i, "\xe2\x80\xa8", 3) == 0)
			html_put_text(w, "\\u2028"), i += 2;
		else if (len - i >= 3 && memcmp(json + i, "\xe2\x80\xa9", 3) == 0)
			html_put_text(w, "\\u2029"), i += 2;
		else
			html_put(w, json + i, 1);
	}
}

/* Length of the string that begins at the quote json[0], including both quotes. */
static size_t
string_length(const char *json, size_t len)
{
	size_t i = 1;

	while (i < len && json[i] != '"')
		i += json[i] == '\\' ? 2 : 1;
	return i < len ? i + 1 : len;
}

static void
html_put_string(struct writer *w, const char *json, size_t len, const char *base)
{
	size_t base_len = strlen(base);
	/* A URL of ours that contains an escape stays text, because the link would lead elsewhere;
	 * so does the URL of an action, which a link cannot run. */
	bool url = memmem(json, len, "?action=", 8) == NULL && len > base_len + 2 &&
		   strncmp(json + 1, base, base_len) == 0 && json[1 + base_len] == '/' &&
		   memchr(json, '\\', len) == NULL;

	if (url) {
		html_put_text(w, "&quot;<a href=\"");
		html_put_escaped(w, json + 1, len - 2);
		html_put_text(w, "\">");
		html_put_escaped(w, json + 1, len - 2);
		html_put_text(w, "</a>&quot;");
		return;
	}
	html_put_escaped(w, json, len);
}

static void
new_line(struct writer *w, size_t depth)
{
	html_put_text(w, "\n");
	for (size_t i = 0; i < depth; i++)
		html_put_text(w, "  ");
}

/* Writes compact JSON with line breaks, indentation and links. */
static void
put_document(struct writer *w, const char *json, size_t len, const char *base)
{
	size_t depth = 0;

	for (size_t i = 0; i < len; i++) {
		char c = json[i];

		if (c == '"') {
			size_t n = string_length(json + i, len - i);

			html_put_string(w, json + i, n, base);
			i += n - 1;
		} else if ((c == '{' || c == '[') && i + 1 < len &&
			   json[i + 1] == (c == '{' ? '}' : ']')) {
			html_put(w, json + i++, 2);
		} else if (c == '{' || c == '[') {
			html_put(w, &c, 1);
			new_line(w, ++depth);
		} else if (c == '}' || c == ']') {
			new_line(w, depth > 0 ? --depth : 0);
			html_put(w, &c, 1);
		} else if (c == ',') {
			html_put(w, &c, 1);
			new_line(w, depth);
		} else if (c == ':') {
			html_put_text(w, ": ");
		} else {
			html_put(w, &c, 1);
		}
	}
}

size_t
html_size(const char *json, size_t len)
{
	size_t size = 3 * len; /* twice as a link, once as data */

	for (size_t i = 0; i < len; i++)
		size += strchr(",{}[]\"&<>'", json[i]) != NULL ? 17
							       : 0; /* an escape, or a new line */
	return size;
}

const char *
html_page(struct arena *a, const struct page *page, size_t *len)
{
	struct writer w = {.arena = a};

	w.room = html_size(page->json, page->json_len) + 4096; /* the buffer rarely grows */
	w.bytes = arena_alloc(a, w.room);
	if (w.bytes == NULL)
		return NULL;

	html_put_text(&w, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
			  "<meta name=\"viewport\" content=\"width=device-width\">\n<title>");
	html_put_escaped(&w, page->title, strlen(page->title));
	html_put_text(&w, "</title>\n</head>\n<body>\n<p><a href=\"");
	html_put_escaped(&w, page->schemas, strlen(page->schemas));
	html_put_text(&w, "\">Schemas</a></p>\n<pre>");
	put_document(&w, page->json, page->json_len, page->base);
	html_put_text(&w, "</pre>\n<script type=\"application/json\" id=\"schemas\">\"");
	put_data(&w, page->schemas, strlen(page->schemas));
	html_put_text(&w, "\"</script>\n<script type=\"application/json\" id=\"data\">");
	put_data(&w, page->json, page->json_len);
	html_put_text(&w, "</script>\n</body>\n</html>\n");
	*len = w.len;
	return w.failed ? NULL : w.bytes;
}
