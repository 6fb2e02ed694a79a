/* html: the page that a browser gets instead of JSON: the same document, readable,
 * with links to click.
 *
 * No script runs and nothing is loaded from elsewhere; the data is in non-executable script
 * elements for a richer page to use.
 */
#ifndef REGCRED_HTML_H
#define REGCRED_HTML_H

#include <stddef.h>

#include "base/arena.h"

/* What a page needs besides the document. */
struct page {
	const char *title;
	const char *schemas; /* URL of the schema collection of the scope */
	const char *base;    /* strings that begin with it become links */
	const char *json;    /* the answer, compact, as json_out wrote it */
	size_t json_len;
};

/* The value of the page's Content-Security-Policy. */
extern const char html_policy[];

/* The maximum size of a piece of JSON in a page, in bytes. */
size_t html_size(const char *json, size_t len);

/* The page; NULL if out of memory. */
const char *html_page(struct arena *a, const struct page *page, size_t *len);

#endif
