/* rows: rows to records, records to rows, and fixed statements. */
#ifndef REGCRED_STORE_SQLITE_ROWS_H
#define REGCRED_STORE_SQLITE_ROWS_H

#include <sqlite3.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/schema.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/sql.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

/* Reads an "unprotected" value of SQLite, because a mutex would cost as much as the read. A
 * connection has only one user at a time here. */
struct value row_column(struct arena *a, sqlite3_stmt *stmt, int column);

enum store_rc row_get(struct connection *c, struct arena *a, const struct family *family,
		      int64_t id, const struct owners *owners, struct record *out);

enum store_rc row_list(struct connection *c, struct arena *a, const struct list_query *list,
		       struct record_list *out);

/* A fixed text with the values of one request. */
void sql_fixed(struct sql *q, const char *text, const struct value *binds, size_t count);

/* Runs a statement that returns no row; the number of changed rows in *changed. */
enum store_rc row_change(struct store_tx *tx, const struct sql *q, int *changed);

enum store_rc row_change_fixed(struct store_tx *tx, const char *text, const struct value *binds,
			       size_t count, int *changed);

enum store_rc connection_exec(struct connection *c, const char *sql);

/* Rolls back what a failure left open, unless SQLite has done so already. If that fails the
 * connection is closed, and with it its lock, for which all processes would wait.
 */
void connection_roll_back(struct connection *c);

/* The next row of a statement: STORE_OK, STORE_NONE after the last, else what failed. */
enum store_rc row_step(struct connection *c, sqlite3_stmt *stmt);

/* Runs a statement and reads that many columns of its first row; STORE_NONE if there is none. */
enum store_rc row_one(struct connection *c, struct arena *a, const struct sql *q, struct value *out,
		      int columns);

#endif
