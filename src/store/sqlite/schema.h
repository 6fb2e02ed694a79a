/* schema: the tables of a database, as created by the migrations. */
#ifndef REGCRED_STORE_SQLITE_SCHEMA_H
#define REGCRED_STORE_SQLITE_SCHEMA_H

#include <sqlite3.h>
#include <stdbool.h>

#include "store/store.h"

/* Runs the migrations after `from`, up to `to`, in one transaction. */
bool schema_make(sqlite3 *db, int from, int to);

/* Whether the database has exactly the schema of the migrations up to that version; if not, the
 * first difference is in why. */
bool schema_is_right(sqlite3 *db, const char *path, int version, char why[STORE_WHY_MAX]);

#endif
