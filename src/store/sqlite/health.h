/* health: whether the database is present and intact. */
#ifndef REGCRED_STORE_SQLITE_HEALTH_H
#define REGCRED_STORE_SQLITE_HEALTH_H

#include <stdbool.h>

#include "store/sqlite/sqlite.h"

/* Whether the paths still name the open files: writes to replaced files are lost. */
bool file_is_here(struct sqlite_store *s);

#endif
