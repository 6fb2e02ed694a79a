/* text: UTF-8, base64 and percent encoding. */
#include "base/text.h"

#include <sodium.h>
#include <string.h>

#include "base/arena.h"

/* How many bytes the well-formed character at p has; 0 if there is none within len bytes.  The
 * bounds of the second byte are those of table 3-7 of the Unicode standard.  The bytes are looked
 * at in order and none behind the first wrong one. */
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

char *
http_base64(struct arena *a, const char *bytes, size_t len)
{
	size_t room = sodium_base64_encoded_len(len, sodium_base64_VARIANT_ORIGINAL);
	char *out = arena_alloc(a, room);

	if (out != NULL)
		(void)sodium_bin2base64(out, room, (const unsigned char *)bytes, len,
					sodium_base64_VARIANT_ORIGINAL);
	return out;
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
