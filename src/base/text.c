/* text: UTF-8, base64 and percent encoding. */
#include "base/text.h"

#include <sodium.h>
#include <string.h>

#include "base/arena.h"

/* The length in bytes of the well-formed character at p; 0 if there is none within len bytes.  The
 * bounds of the second byte are those of table 3-7 of the Unicode standard.  The bytes are read in
 * order, and none after the first wrong one. */
static size_t
utf8_step(const unsigned char *p, size_t len)
{
	unsigned char least = 0x80, most = 0xbf;
	size_t n;

	if (p[0] < 0x80)
		return p[0] != 0;
	if (p[0] < 0xc2 || p[0] > 0xf4)
		return 0;
	n = p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : 4;
	if (p[0] == 0xe0)
		least = 0xa0; /* overlong below */
	else if (p[0] == 0xed)
		most = 0x9f; /* surrogates above */
	else if (p[0] == 0xf0)
		least = 0x90;
	else if (p[0] == 0xf4)
		most = 0x8f; /* U+10FFFF is the last one */
	if (len < n || p[1] < least || p[1] > most)
		return 0;
	for (size_t i = 2; i < n; i++)
		if ((p[i] & 0xc0) != 0x80)
			return 0;
	return n;
}

bool
http_utf8_valid(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;

	for (size_t i = 0, n; i < len; i += n) {
		n = utf8_step(p + i, len - i);
		if (n == 0)
			return false;
	}
	return true;
}

size_t
http_utf8_length(const char *text)
{
	size_t count = 0;

	for (; *text != '\0'; text++)
		count += ((unsigned char)*text & 0xc0) != 0x80;
	return count;
}

/* Characters of two and three bytes that are not safe to print. */
static bool
text_is_control(const unsigned char *p, size_t n)
{
	if (n == 2)
		return (p[0] == 0xc2 && p[1] < 0xa0) || (p[0] == 0xd8 && p[1] == 0x9c);
	if (n != 3 || p[0] != 0xe2)
		return n == 3 && p[0] == 0xef && p[1] == 0xbb && p[2] == 0xbf;
	return (p[1] == 0x80 &&
		((p[2] >= 0x8b && p[2] <= 0x8f) || (p[2] >= 0xa8 && p[2] <= 0xae))) ||
	       (p[1] == 0x81 && p[2] >= 0xa0 && p[2] <= 0xaf);
}

size_t
text_shown(const char *text, size_t len)
{
	const unsigned char *p = (const unsigned char *)text;
	size_t n = utf8_step(p, len);

	if (n == 1)
		return p[0] >= 0x20 && p[0] != 0x7f;
	return n == 0 || text_is_control(p, n) ? 0 : n;
}

/* The number of bytes that one '?' replaces: a whole character, or one invalid byte. */
static size_t
text_hidden(const char *text, size_t len)
{
	size_t n = utf8_step((const unsigned char *)text, len);

	return n == 0 ? 1 : n;
}

void
text_make_plain(char *text)
{
	char *to = text;
	size_t len = strlen(text);

	for (size_t i = 0, n; i < len; i += n) {
		n = text_shown(text + i, len - i);
		if (n == 0) {
			n = text_hidden(text + i, len - i);
			*to++ = '?';
			continue;
		}
		memmove(to, text + i, n);
		to += n;
	}
	*to = '\0';
}

void
text_print_plain(FILE *out, const char *text)
{
	size_t len = strlen(text);

	for (size_t i = 0, n; i < len; i += n) {
		n = text_shown(text + i, len - i);
		if (n > 0) {
			(void)fwrite(text + i, 1, n, out);
			continue;
		}
		n = text_hidden(text + i, len - i);
		(void)fputc('?', out);
	}
}

static char *
text_base64(struct arena *a, const char *bytes, size_t len, int variant)
{
	size_t room = sodium_base64_encoded_len(len, variant);
	char *out = arena_alloc(a, room);

	if (out != NULL)
		(void)sodium_bin2base64(out, room, (const unsigned char *)bytes, len, variant);
	return out;
}

char *
http_base64(struct arena *a, const char *bytes, size_t len)
{
	return text_base64(a, bytes, len, sodium_base64_VARIANT_ORIGINAL);
}

char *
http_base64url(struct arena *a, const char *bytes, size_t len)
{
	return text_base64(a, bytes, len, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

char *
http_encode(struct arena *a, const char *text)
{
	static const char hex[] = "0123456789ABCDEF";
	char *encoded = arena_array(a, strlen(text) + 1, 3), *out = encoded;

	if (encoded == NULL)
		return NULL;
	for (; *text != '\0'; text++) {
		unsigned char c = (unsigned char)*text;

		if (strchr(UNRESERVED_CHARS, *text) != NULL) {
			*out++ = *text;
			continue;
		}
		*out++ = '%';
		*out++ = hex[c >> 4];
		*out++ = hex[c & 15];
	}
	return encoded;
}

bool
list_next(const char **list, char out[LIST_ITEM_SIZE])
{
	const char *text = *list;
	size_t len = text != NULL ? strcspn(text, " ") : 0;

	if (len == 0 || len >= LIST_ITEM_SIZE)
		return false;
	memcpy(out, text, len);
	out[len] = '\0';
	*list = text + len + (text[len] == ' ');
	return true;
}

const char *
list_add(struct arena *a, const char *list, const char *item)
{
	return arena_printf(a, "%s%s%s", list, *list != '\0' ? " " : "", item);
}
