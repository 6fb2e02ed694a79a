/* file: the database as a file: opened alone, copied, verified. */
#ifndef REGCRED_STORE_SQLITE_FILE_H
#define REGCRED_STORE_SQLITE_FILE_H

#include <sqlite3.h>
#include <stdbool.h>

int file_user_version(sqlite3 *db);

int file_newest_migration(void);

bool file_is_ours(sqlite3 *db, int version);

#endif
