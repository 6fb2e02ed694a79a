/* list: a query of a list and what it returns, as plain data. */
#ifndef REGCRED_MODEL_LIST_H
#define REGCRED_MODEL_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/schema.h"

/* Whose rows a caller may see.  The owner is the family's owner column. */
struct owners {
	bool all;
	const int64_t *ids;
	size_t count;
};

enum condition_op {
	OP_EQ,
	OP_NE,
	OP_LT,
	OP_LTE,
	OP_GT,
	OP_GTE,
	OP_PREFIX,
	OP_LIKE,
	OP_NOT_LIKE,
	OP_NULL,
	OP_NOT_NULL,
	OP_NOTHING,
	OP__COUNT
};

struct condition {
	enum column column;   /* COL_NONE: a field that is always null */
	enum condition_op op; /* OP_NOTHING matches no row: for an impossible value */
	struct value value;
	bool any_case; /* EQ and NE: A to Z match a to z */
};

/* Where a page begins: after (or, backwards, before) the row with this sort value and id. */
struct position {
	bool set;
	bool backwards;
	struct value value; /* of the sort column; unused when sorting by id */
	int64_t id;
};

enum { CONDITIONS_MAX = 32, LIST_SECRET = 128 };

struct list_query {
	const struct family *family;
	const char *kind; /* NULL: any */
	uint64_t columns; /* COL_BIT of those needed; the rest is null. 0: all */
	bool secrets_cut; /* of a secret only LIST_SECRET bytes: whether there is one, and which */
	struct owners owners;
	bool with_removed;
	struct condition conditions[CONDITIONS_MAX];
	size_t condition_count;
	enum column sort; /* COL_ID or COL_NONE: by id */
	bool sort_cut; /* sort a long text only by its first SORT_CHARS characters, so that a marker
			  stays short */
	bool descending;
	struct position from;
	size_t limit;
};

struct record_list {
	struct record *items; /* in the order of the page, even when read backwards */
	size_t count;
	bool more; /* more rows follow in the direction of reading, or the page was cut because it
		      became too large */
};

enum { SORT_CHARS = 255 };

static const struct owners owners_all = {.all = true};

#endif
