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

/* The length in bytes of the character at text if it is safe to print on a terminal or in a log;
 * else 0. Not safe are controls (C0, DEL, C1), line and paragraph separators, bidirectional marks
 * and invalid UTF-8: they could move the cursor, start a new line or reorder the text. */
size_t text_shown(const char *text, size_t len);
/* Replaces what is not safe to print with '?'. For all text from a server, a file or a database
 * that is printed on a terminal. */
void text_make_plain(char *text);
void text_print_plain(FILE *out, const char *text);

/* Percent-encodes everything but unreserved characters (RFC 3986), for rebuilding a query. */
char *http_encode(struct arena *a, const char *text);

/* Base64 with padding; NULL if out of memory. */
char *http_base64(struct arena *a, const char *bytes, size_t len);
/* The same for tokens and URLs: with - and _, without padding. */
char *http_base64url(struct arena *a, const char *bytes, size_t len);

/* A list stored as one text, separated by blanks. */
enum { LIST_ITEMS_MAX = 32, LIST_ITEM_SIZE = 256 };
/* Copies the first item to out and moves *list to the next; false at the end. */
bool list_next(const char **list, char out[LIST_ITEM_SIZE]);
/* The list with one more item; NULL if out of memory. */
const char *list_add(struct arena *a, const char *list, const char *item);

#endif
