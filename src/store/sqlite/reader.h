/* reader: the connections that read. */
#ifndef REGCRED_STORE_SQLITE_READER_H
#define REGCRED_STORE_SQLITE_READER_H

#include <sqlite3.h>
#include <stddef.h>

#include "model/schema.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

struct connection *reader_take(struct store *s);

void reader_give(struct store *s, struct connection *c);

/* Takes a reader and begins a fixed statement; NULL with *rc set and nothing held. */
sqlite3_stmt *reader_fixed(struct store *s, struct connection **c, const char *text,
			   const struct value *binds, size_t count, enum store_rc *rc);

void reader_done(struct store *s, struct connection *c, sqlite3_stmt *stmt);

#endif
