/* html: the page that a browser gets instead of JSON: the same document, readable,
 * with links to click.
 *
 * No script runs and nothing is loaded from elsewhere; the data lies in non-executable script
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

/* At most how many bytes of a page a piece of JSON becomes. */
size_t html_size(const char *json, size_t len);

/* The page; NULL without memory. */
const char *html_page(struct arena *a, const struct page *page, size_t *len);

#endif
