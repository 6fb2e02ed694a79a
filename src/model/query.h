/* query: the parameters of a collection as a list_query: filters, sort, limit, marker, include.
 *
 * Unknown fields and modifiers are ignored, as in the original.  A marker is a position in one
 * order of rows, so rows that come and go make no page skip or repeat one; a marker of another
 * order is ignored.
 */
#ifndef REGCRED_QUERY_H
#define REGCRED_QUERY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "model/list.h"
#include "model/schema.h"

enum { LIMIT_DEFAULT = 100, LIMIT_MAX = 3000 };

struct modifier {
	const char *name;
	enum condition_op op;
	unsigned sets; /* 1 << enum filter_set of those that take it */
};
/* Ends with a NULL name; in the order in which schemas print them. */
extern const struct modifier modifier_table[];

struct filter {
	const struct field *field;
	const struct modifier *modifier;
	const char *value; /* as it was given */
};

struct list_request {
	struct list_query list; /* family, kind and owners are the caller's to set */
	struct filter filters[CONDITIONS_MAX];
	size_t filter_count;
	const struct field *sort; /* NULL: none asked for, or none that could be */
	const char *include;	  /* NULL: none */
	bool paged;		  /* limit or marker was given */
	bool whole;		  /* shown without pages as long as all fits */
	bool all;		  /* all=true */
};

/* visible(context, field): the caller's role has the field; only such fields filter and sort.
 * ERR_BAD_REQUEST: more filters than CONDITIONS_MAX; ERR_INTERNAL: no memory. */
enum err query_parse(struct arena *a, const struct resource_type *type, enum api_version version,
		     const struct pairs *pairs,
		     bool (*visible)(const void *context, const struct field *field),
		     const void *context, int64_t now_ms, struct list_request *out, struct error *e)
	__attribute__((warn_unused_result));

/* Moves a position to behind this row, or, if it is read backwards, to before it. */
void query_continue(struct arena *a, const struct list_request *request, const struct record *row,
		    struct position *position);

/* The marker of the page behind this row, or before it. */
char *query_marker(struct arena *a, const struct list_request *request, const struct record *row,
		   bool backwards);

#endif
