/* header: reads tokens and quoted strings for all headers. */
#include "base/header.h"

#include <ctype.h>
#include <string.h>

bool
http_is_blank(char c)
{
	return c == ' ' || c == '\t';
}

bool
http_is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

void
header_skip_blanks(struct header_reader *r)
{
	r->at += strspn(r->at, " \t");
}

/* A word of these characters; NULL if there is none, or out of memory. */
static char *
header_word(struct header_reader *r, const char *chars)
{
	size_t len = strspn(r->at, chars);
	char *word = len > 0 ? arena_copy(r->arena, r->at, len) : NULL;

	r->at += len;
	return word;
}

char *
header_name(struct header_reader *r)
{
	char *name = header_word(r, TOKEN_CHARS);

	for (char *p = name; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return name;
}

char *
header_value(struct header_reader *r, const char *chars)
{
	if (*r->at != '"')
		return header_word(r, chars);
	const char *start = ++r->at;
	for (; *r->at != '"'; r->at++) {
		if (*r->at == '\\')
			r->at++;
		if (http_is_control(*r->at) && *r->at != '\t')
			return NULL; /* the end of the text, too */
	}
	char *out = arena_copy(r->arena, start, (size_t)(r->at++ - start)), *end = out;
	for (const char *p = out; p != NULL && *p != '\0'; p++)
		*end++ = *p == '\\' ? *++p : *p;
	if (out != NULL)
		*end = '\0';
	return out;
}
