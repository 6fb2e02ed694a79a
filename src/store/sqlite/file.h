/* file: the database as a file: opens it separately, copies it, verifies it. */
#ifndef REGCRED_STORE_SQLITE_FILE_H
#define REGCRED_STORE_SQLITE_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

#include "store/store.h"

int file_user_version(sqlite3 *db);

int file_newest_migration(void);

bool file_is_ours(sqlite3 *db, int version);

/* The version of a database; -1 if there is none, or it cannot be read. */
int file_version(const char *path);

/* Whether SQLite may play back the journal next to the database, if there is one: not a journal
 * that names another file, which SQLite would delete. */
bool file_has_harmless_journal(const char *path, char why[STORE_WHY_MAX]);

#endif
