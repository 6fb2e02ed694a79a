/* sql: SQL text made from the tables of types.c and from a list_query, with the values to bind.
 *
 * Everything that came from a client is bound, never written into the text; the text contains only
 * names of our own tables.
 */
#ifndef REGCRED_STORE_SQL_H
#define REGCRED_STORE_SQL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/process.h"
#include "model/schema.h"

enum { SQL_TEXT_MAX = 8192, SQL_BINDS_MAX = 2 * CONDITIONS_MAX + 16 };

struct sql {
	char text[SQL_TEXT_MAX];
	size_t len;
	struct value binds[SQL_BINDS_MAX];
	size_t bind_count;
	bool failed; /* text or binds did not fit, or no memory: a bug or an attack, never sent to
			the database */
};

/* The words that databases do not share. */
struct dialect {
	const char *like; /* compares ignoring the case of A to Z only */
	struct {
		const char *before, *after;
	} any_case_column, any_case_value, /* around both sides of a comparison in any case */
		any_id;		 /* around the ids, as one text, in "COLUMN is one of ..." */
	char ids_begin, ids_end; /* of that text */
	const char *no_index;	 /* before a column: do not choose an index for its sake */
};

/* A fixed text with the values of one request. */
void sql_fixed(struct sql *q, const char *text, const struct value *binds, size_t count);
/* SELECT of all columns of the family, in the order of enum column, of row ?1 if one of the owners
 * owns it. */
void sql_get(struct sql *q, const struct dialect *d, struct arena *a, const struct family *family,
	     int64_t id, const struct owners *owners);
/* SELECT of a page, of sql_columns() in the order of enum column; asks for one row more than the
 * limit. */
void sql_list(struct sql *q, const struct dialect *d, struct arena *a,
	      const struct list_query *list);
uint64_t sql_columns(const struct list_query *list);
/* Without an id the database assigns the next one. */
void sql_insert(struct sql *q, const struct record *record, bool with_id);
/* UPDATE of the columns of `given`; only if the row is in `from`, unless that is ST__COUNT. */
void sql_update(struct sql *q, const struct family *family, int64_t id, const struct value *columns,
		uint64_t given, enum state from);

#endif
