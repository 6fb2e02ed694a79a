/* query: the parameters of a collection as a list_query: filters, sort, limit, marker, include.
 *
 * Unknown fields and modifiers are ignored, as in the original.  A marker is a position in one sort
 * order, so that pages neither skip nor repeat rows when others are added or removed; a marker of
 * another order is ignored.
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
/* In the order in which schemas print them; ends with a NULL name. */
extern const struct modifier modifier_table[];

struct filter {
	const struct field *field;
	const struct modifier *modifier;
	const char *value; /* as given */
};

struct list_request {
	struct list_query list; /* the caller sets family, kind and owners */
	struct filter filters[CONDITIONS_MAX];
	size_t filter_count;
	const struct field *sort; /* NULL: none requested, or not sortable */
	const char *include;	  /* NULL: none */
	bool paged;		  /* limit or marker was given */
	bool whole;		  /* not paged as long as everything fits */
	bool all;		  /* all=true */
};

/* visible(context, field): whether the caller's role sees the field; only such fields filter and
 * sort. ERR_BAD_REQUEST: more filters than CONDITIONS_MAX; ERR_INTERNAL: out of memory. */
enum err query_parse(struct arena *a, const struct resource_type *type, enum api_version version,
		     const struct pairs *pairs,
		     bool (*visible)(const void *context, const struct field *field),
		     const void *context, int64_t now_ms, struct list_request *out, struct error *e)
	__attribute__((warn_unused_result));

/* Moves a position to after this row, or, when reading backwards, to before it. */
void query_continue(struct arena *a, const struct list_request *request, const struct record *row,
		    struct position *position);

/* The marker of the page after this row, or before it. */
char *query_marker(struct arena *a, const struct list_request *request, const struct record *row,
		   bool backwards);

#endif
