/* health: whether the database is there and whole. */
#ifndef REGCRED_STORE_SQLITE_HEALTH_H
#define REGCRED_STORE_SQLITE_HEALTH_H

#include <stdbool.h>

#include "store/sqlite/sqlite.h"

/* Whether the names still lead to the files that are open: what is written to others is lost. */
bool file_is_here(struct store *s);

#endif
