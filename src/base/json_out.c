/* json_out: writes JSON, fast for ordinary bytes because every answer is written here.
 *
 * A string is tested eight bytes at a time and, if plain, copied whole; otherwise a table says how
 * to write each byte. The buffer doubles inside the arena, and old buffers are wiped with the
 * arena.
 */
#include "base/json_out.h"

#include <string.h>

#include "base/arena.h"
#include "base/json_in.h"
#include "base/text.h"

enum { FIRST_ROOM = 8 * 1024 }; /* a resource has about 2 KiB */

/* What a byte of a string needs: 0 nothing, ESCAPE_HEX \u00XX, TEXT_END and NOT_ASCII a closer
 * look, else \ and that letter. */
enum { ESCAPE_HEX = 1, TEXT_END = 2, NOT_ASCII = 3 };

/* clang-format off */
#define FOUR(x)    (x), (x), (x), (x)
#define SIXTEEN(x) FOUR(x), FOUR(x), FOUR(x), FOUR(x)
static const unsigned char needs[256] = {
	/* 0x00 */ TEXT_END, ESCAPE_HEX, ESCAPE_HEX, ESCAPE_HEX, FOUR(ESCAPE_HEX),
	/* 0x08 */ 'b', 't', 'n', ESCAPE_HEX, 'f', 'r', ESCAPE_HEX, ESCAPE_HEX,
	/* 0x10 */ SIXTEEN(ESCAPE_HEX),
	/* 0x20 */ 0, 0, '"', 0, FOUR(0), FOUR(0), FOUR(0),
	/* 0x30 */ SIXTEEN(0), SIXTEEN(0),
	/* 0x50 */ FOUR(0), FOUR(0), FOUR(0), '\\', 0, 0, 0,
	/* 0x60 */ SIXTEEN(0), SIXTEEN(0),
	/* 0x80 */ SIXTEEN(NOT_ASCII), SIXTEEN(NOT_ASCII), SIXTEEN(NOT_ASCII), SIXTEEN(NOT_ASCII),
	/* 0xc0 */ SIXTEEN(NOT_ASCII), SIXTEEN(NOT_ASCII), SIXTEEN(NOT_ASCII), SIXTEEN(NOT_ASCII),
};
/* clang-format on */

void
json_out_init(struct json_out *w, struct arena *a)
{
	*w = (struct json_out){.arena = a};
}

/* Moves to a buffer of twice the size, or as large as needed. */
static bool
writer_grow(struct json_out *w, size_t more)
{
	size_t room = w->room > 0 ? w->room : FIRST_ROOM, least;
	char *bytes;

	w->failed = w->failed || __builtin_add_overflow(w->len, more, &least);
	if (w->failed)
		return false;
	while (room < least)
		if (__builtin_mul_overflow(room, 2, &room))
			room = least;
	bytes = arena_alloc(w->arena, room);
	if (bytes == NULL) {
		w->failed = true;
		return false;
	}
	if (w->len > 0)
		memcpy(bytes, w->bytes, w->len);
	w->bytes = bytes;
	w->room = room;
	return true;
}

/* Makes room for so many bytes; false if that fails or failed before. */
static inline bool
need(struct json_out *w, size_t more)
{
	return (more <= w->room - w->len && !w->failed) || writer_grow(w, more);
}

static inline void
writer_put(struct json_out *w, const char *bytes, size_t len)
{
	if (!need(w, len))
		return;
	memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
}

/* A short fixed value, with the comma before it. */
static inline void
writer_put_value(struct json_out *w, const char *bytes, size_t len)
{
	if (!need(w, len + 1))
		return;
	if (w->comma)
		w->bytes[w->len++] = ',';
	memcpy(w->bytes + w->len, bytes, len);
	w->len += len;
	w->comma = true;
}

static inline void
writer_open_with(struct json_out *w, char bracket)
{
	writer_put_value(w, &bracket, 1);
	w->comma = false;
}

static inline void
close_with(struct json_out *w, char bracket)
{
	writer_put(w, &bracket, 1);
	w->comma = true;
}

void
json_begin_object(struct json_out *w)
{
	writer_open_with(w, '{');
}

void
json_end_object(struct json_out *w)
{
	close_with(w, '}');
}

void
json_begin_array(struct json_out *w)
{
	writer_open_with(w, '[');
}

void
json_end_array(struct json_out *w)
{
	close_with(w, ']');
}

static void
put_escape(struct json_out *w, unsigned char byte, unsigned char letter)
{
	static const char hex[] = "0123456789abcdef";
	char text[6] = {'\\', 'u', '0', '0', hex[byte >> 4], hex[byte & 15]};

	if (letter == ESCAPE_HEX) {
		writer_put(w, text, sizeof(text));
		return;
	}
	text[1] = (char)letter;
	writer_put(w, text, 2);
}

/* The length of the UTF-8 character at p; 0 if it is invalid. The final NUL of the text ends a
 * truncated character. */
static size_t
character(const unsigned char *p)
{
	size_t len = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;

	return http_utf8_valid((const char *)p, len) ? len : 0;
}

/* The inside of a string. */
static void
writer_put_text(struct json_out *w, const char *text)
{
	const unsigned char *run = (const unsigned char *)text, *p = run;

	for (;;) {
		size_t len;

		while (needs[*p] == 0)
			p++;
		len = needs[*p] == NOT_ASCII ? character(p) : 0;
		p += len;
		if (len > 0)
			continue;
		writer_put(w, (const char *)run, (size_t)(p - run));
		if (needs[*p] == TEXT_END)
			return;
		if (needs[*p] == NOT_ASCII)
			writer_put(w, "\xef\xbf\xbd", 3); /* U+FFFD */
		else
			put_escape(w, *p, needs[*p]);
		run = ++p;
	}
}

/* True if no byte needs an escape or a closer look.  Eight at a time: almost every string is plain,
 * and every answer is mostly strings. */
static bool
writer_is_plain(const char *text, size_t len)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), tops = ones << 7;
	unsigned char rest = 0;
	size_t i = 0;

	for (; len - i >= sizeof(uint64_t); i += sizeof(uint64_t)) {
		uint64_t x, quote, backslash;

		memcpy(&x, text + i, sizeof(x));
		quote = x ^ (ones * '"');
		backslash = x ^ (ones * '\\');
		/* The top bit of a byte is set where it is not ASCII, is below a blank, or became
		 * 0. */
		if (((x | (x - ones * ' ') | (quote - ones) | (backslash - ones)) & tops) != 0)
			return false;
	}
	for (; i < len; i++)
		rest |= needs[(unsigned char)text[i]];
	return rest == 0;
}

/* A string, with the comma before it and its ending: a quote, or a quote and a colon. */
static inline void
writer_put_string(struct json_out *w, const char *text, size_t len, const char *close,
		  size_t close_len)
{
	char *to;

	if (!writer_is_plain(text, len)) {
		writer_put_value(w, "\"", 1);
		writer_put_text(w, text);
		writer_put(w, close, close_len);
		return;
	}
	if (!need(w, len + 2 + close_len))
		return;
	to = w->bytes + w->len;
	if (w->comma)
		*to++ = ',';
	*to++ = '"';
	memcpy(to, text, len);
	memcpy(to + len, close, close_len);
	w->len = (size_t)(to - w->bytes) + len + close_len;
}

void
json_name(struct json_out *w, const char *name)
{
	if (name == NULL) {
		w->failed = true;
		return;
	}
	writer_put_string(w, name, strlen(name), "\":", 2);
	w->comma = false;
}

void
json_string(struct json_out *w, const char *text)
{
	json_string_n(w, text, text != NULL ? strlen(text) : 0);
}

void
json_string_n(struct json_out *w, const char *text, size_t len)
{
	if (text == NULL) {
		json_null(w);
		return;
	}
	writer_put_string(w, text, len, "\"", 1);
	w->comma = true;
}

void
json_string_member(struct json_out *w, const char *name, const char *text)
{
	json_name(w, name);
	json_string(w, text);
}

void
json_begin_string(struct json_out *w)
{
	writer_put_value(w, "\"", 1);
}

void
json_piece(struct json_out *w, const char *text)
{
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0)
		return;
	if (writer_is_plain(text, len))
		writer_put(w, text, len);
	else
		writer_put_text(w, text);
}

void
json_end_string(struct json_out *w)
{
	writer_put(w, "\"", 1);
}

void
json_reserve(struct json_out *w, size_t bytes)
{
	(void)need(w, bytes);
}

void
json_int(struct json_out *w, int64_t number)
{
	char digits[20], *p = digits + sizeof(digits);
	uint64_t rest = number < 0 ? -(uint64_t)number : (uint64_t)number;

	do {
		*--p = (char)('0' + rest % 10);
		rest /= 10;
	} while (rest > 0);
	if (number < 0)
		*--p = '-';
	writer_put_value(w, p, (size_t)(digits + sizeof(digits) - p));
}

void
json_bool(struct json_out *w, bool value)
{
	if (value)
		writer_put_value(w, "true", 4);
	else
		writer_put_value(w, "false", 5);
}

void
json_null(struct json_out *w)
{
	writer_put_value(w, "null", 4);
}

void
json_raw(struct json_out *w, const char *text, size_t len)
{
	writer_put_value(w, text, len);
}

void
json_raw_piece(struct json_out *w, const char *text, size_t len)
{
	writer_put(w, text, len);
}

void
json_copy(struct json_out *w, const struct json *value)
{
	switch (value->type) {
	case JSON_NULL:
		json_null(w);
		return;
	case JSON_STRING:
		json_string(w, value->text);
		return;
	case JSON_FALSE:
	case JSON_TRUE:
	case JSON_NUMBER:
		json_raw(w, value->text, strlen(value->text));
		return;
	case JSON_ARRAY:
		json_begin_array(w);
		for (const struct json *item = value->child; item != NULL; item = item->next)
			json_copy(w, item);
		json_end_array(w);
		return;
	case JSON_OBJECT:
		json_begin_object(w);
		for (const struct json *item = value->child; item != NULL; item = item->next) {
			json_name(w, item->name);
			json_copy(w, item);
		}
		json_end_object(w);
	}
}

struct json_gap
json_gap(struct json_out *w)
{
	struct json_gap gap = {w->len, w->comma};

	w->comma = true;
	return gap;
}

void
json_until(struct json_out *w, const struct json_out *from, size_t at, struct json_gap gap)
{
	writer_put(w, from->bytes + at, gap.at - at);
	w->comma = gap.comma;
}

bool
json_out_failed(const struct json_out *w)
{
	return w->failed;
}

const char *
json_out_text(struct json_out *w, size_t *len)
{
	if (!need(w, 1))
		return NULL;
	w->bytes[w->len] = '\0';
	*len = w->len;
	return w->bytes;
}

const char *
json_pairs(struct arena *a, const char *const *pairs)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	json_begin_object(&w);
	for (; pairs[0] != NULL; pairs += 2)
		json_string_member(&w, pairs[0], pairs[1]);
	json_end_object(&w);
	return json_out_text(&w, &len);
}
