/* reader: the connections that read. */
#ifndef REGCRED_STORE_SQLITE_READER_H
#define REGCRED_STORE_SQLITE_READER_H

#include "store/sqlite/connection.h"
#include "store/sqlite/sqlite.h"

struct connection *reader_take(struct sqlite_store *s);

void reader_give(struct sqlite_store *s, struct connection *c);

#endif
