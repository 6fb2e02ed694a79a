/* rows: what statements are made of: run one, go through its rows, change some. */
#ifndef REGCRED_STORE_ROWS_H
#define REGCRED_STORE_ROWS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/schema.h"
#include "store/engine.h"
#include "store/sql.h"
#include "store/store.h"

/* A connection to read one statement with; ended by read_end(), which returns rc, unless this was
 * not STORE_OK. */
static inline enum store_rc
read_begin(struct store *s, struct store_tx *tx)
{
	*tx = (struct store_tx){.engine = s->engine};
	return s->engine->begin_read(s, tx);
}

static inline enum store_rc
read_end(struct store *s, struct store_tx *tx, enum store_rc rc)
{
	s->engine->end_read(s, tx);
	return rc;
}

/* Rows one after another: engine.h says what these do. */
static inline enum store_rc
cursor_begin(struct store_tx *tx, const struct sql *q, struct cursor *out)
{
	*out = (struct cursor){.tx = tx};
	return tx->engine->begin(tx, q, out);
}

static inline enum store_rc
cursor_begin_fixed(struct store_tx *tx, const char *text, const struct value *binds, size_t count,
		   struct cursor *out)
{
	struct sql q;

	sql_fixed(&q, text, binds, count);
	return cursor_begin(tx, &q, out);
}

static inline enum store_rc
cursor_step(struct cursor *c)
{
	return c->tx->engine->step(c);
}

static inline struct value
cursor_column(const struct cursor *c, struct arena *a, int column)
{
	return c->tx->engine->column(c, a, column);
}

/* A whole number. */
static inline int64_t
cursor_number(const struct cursor *c, int column)
{
	return c->tx->engine->column(c, NULL, column).number;
}

static inline void
cursor_end(struct cursor *c)
{
	c->tx->engine->end(c);
}

/* Of a walk through rows that ended with this step: past the last one, or before, on purpose. */
static inline enum store_rc
cursor_rc(enum store_rc rc)
{
	return rc == STORE_NONE ? STORE_OK : rc;
}

/* Runs a statement that returns no row; the number of changed rows in *changed. */
enum store_rc row_change(struct store_tx *tx, const char *text, const struct value *binds,
			 size_t count, int *changed);

/* Runs a statement and reads that many columns of its first row; STORE_NONE if there is none. */
enum store_rc row_one(struct store_tx *tx, struct arena *a, const char *text,
		      const struct value *binds, size_t count, struct value *out, int columns);

/* The column of a family's table with that name; COL_NONE if there is none. */
enum column rows_column_named(const char *table, size_t table_len, const char *column);

#endif
