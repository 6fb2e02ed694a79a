/* header: parses the elements of HTTP headers (RFC 9110, 5.6): tokens, quoted strings, values. */
#ifndef REGCRED_BASE_HEADER_H
#define REGCRED_BASE_HEADER_H

#include <stdbool.h>

#include "base/arena.h"

#define DIGITS "0123456789"
#define LETTERS "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define TOKEN_CHARS DIGITS LETTERS "!#$%&'*+-.^_`|~" /* RFC 9110, 5.6.2 */

/* The rest of the input, and the arena for copies. */
struct header_reader {
	struct arena *arena;
	const char *at;
};

bool http_is_blank(char c);
bool http_is_control(char c);

void header_skip_blanks(struct header_reader *r);
/* A token in lower case; NULL if there is none, or out of memory. */
char *header_name(struct header_reader *r);
/* The value after the '=' of a parameter: a quoted string, in which \x means x, or a word of these
 * characters. NULL: neither of them, a control character, no closing quote, or out of memory. */
char *header_value(struct header_reader *r, const char *chars);

#endif
