/* header: the words that headers are made of (RFC 9110, 5.6): tokens, quoted strings, values. */
#ifndef REGCRED_BASE_HEADER_H
#define REGCRED_BASE_HEADER_H

#include <stdbool.h>

#include "base/arena.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TOKEN_CHARS DIGITS LETTERS "!#$%&'*+-.^_`|~" /* RFC 9110, 5.6.2 */

/* What has not been read yet, and where copies go. */
struct header_reader {
	struct arena *arena;
	const char *at;
};

bool http_is_blank(char c);
bool http_is_control(char c);

void header_skip_blanks(struct header_reader *r);
/* A token in lower case; NULL if there is none, or no memory. */
char *header_name(struct header_reader *r);
/* What follows the '=' of a parameter: a quoted string, with \x for x, or a word of these
 * characters. NULL: neither, a control character in it, no second quote, or no memory. */
char *header_value(struct header_reader *r, const char *chars);

#endif
