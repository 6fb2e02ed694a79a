/* text: UTF-8, base64 and percent encoding. */
#ifndef REGCRED_BASE_TEXT_H
#define REGCRED_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/http.h"

#define UNRESERVED_CHARS DIGITS LETTERS "-._~" /* RFC 3986, 2.3 */

/* True if text is valid UTF-8: no overlong forms, no surrogates, nothing above U+10FFFF, no NUL
 * within len. */
bool http_utf8_valid(const char *text, size_t len);

/* Characters (code points) of valid UTF-8. */
size_t http_utf8_length(const char *text);

/* The bytes of the character at text, if a terminal or a log may show it as it is; else 0.  Not
 * shown are controls (C0, DEL, C1), line and paragraph separators, marks that change the direction
 * of writing, and what is not UTF-8: nothing of them may move a cursor, begin a line, or show a
 * text in another order than it has. */
size_t text_shown(const char *text, size_t len);
/* Puts '?' in the place of what is not shown.  For everything that a server, a file or a database
 * says to a terminal. */
void text_make_plain(char *text);
void text_print_plain(FILE *out, const char *text);

/* Percent-encodes everything but unreserved characters (RFC 3986), for a query that is built again.
 */
char *http_encode(struct arena *a, const char *text);

/* Base64 with padding; NULL without memory. */
char *http_base64(struct arena *a, const char *bytes, size_t len);

/* A list that is kept as one text, blanks between. */
enum { LIST_ITEMS_MAX = 32, LIST_ITEM_SIZE = 256 };
/* Its first item in out, *list moved to the next; false at the end. */
bool list_next(const char **list, char out[LIST_ITEM_SIZE]);
/* The list with one item more, which may be the first; NULL without memory. */
const char *list_add(struct arena *a, const char *list, const char *item);

#endif
