/* db: opens the database for one task, apart from a store. */
#ifndef REGCRED_STORE_SQLITE_DB_H
#define REGCRED_STORE_SQLITE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/store.h"

/* Opens an untrusted file: nothing in it gets executed.  False with a sentence in why; *db is to be
 * closed either way. */
bool db_open(const char *path, int flags, sqlite3 **db, char why[STORE_WHY_MAX]);

/* SQLite's last message, and what a person can do.  Stays until the thread's next call. */
const char *db_why(sqlite3 *db);

/* False, with "WHAT PATH: " and SQLite's message in why. */
bool db_failed(const char *what, const char *path, sqlite3 *db, char why[STORE_WHY_MAX]);

/* The first column of the first row. */
bool db_number(sqlite3 *db, const char *sql, int64_t *out);

int db_version(sqlite3 *db);

/* The version of a database; -1 if there is none, or it cannot be read. */
int db_version_at(const char *path);

/* The version that this program needs. */
int db_newest(void);

bool db_is_ours(sqlite3 *db, int version);

/* Whether SQLite may play back the journal next to the database, if there is one: not a journal
 * that names another file, which SQLite would delete. */
bool db_has_harmless_journal(const char *path, char why[STORE_WHY_MAX]);

#endif
