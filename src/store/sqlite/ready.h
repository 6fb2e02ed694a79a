/* ready: makes a connection ready for its next use. */
#ifndef REGCRED_STORE_SQLITE_READY_H
#define REGCRED_STORE_SQLITE_READY_H

#include <stdbool.h>

#include "store/sqlite/connection.h"
#include "store/sqlite/sqlite.h"

/* Opens a broken connection again; false if that does not help. */
bool connection_ready(struct sqlite_store *s, struct connection *c, bool reading);

#endif
