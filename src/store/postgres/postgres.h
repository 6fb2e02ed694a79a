/* postgres: what the parts of the PostgreSQL engine share. */
#ifndef REGCRED_STORE_POSTGRES_POSTGRES_H
#define REGCRED_STORE_POSTGRES_POSTGRES_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "store/engine.h"
#include "store/postgres/link.h"
#include "store/queue.h"
#include "store/readers.h"
#include "store/store.h"

enum {
	TOKEN_SIZE = 40,
	DONE_KEPT_MS = 24 * 60 * 60 * 1000, /* a transaction's row in regcred.done */
};

struct postgres_store {
	struct store base;
	char *address;
	struct link_place place;
	struct queue queue;
	struct server_link writer;
	char token[TOKEN_SIZE]; /* of the transaction that is open */
	struct server_link *readers;
	size_t reader_count;
	struct readers free_readers; /* of those */
};

static inline struct postgres_store *
postgres_of(struct store *s)
{
	return (struct postgres_store *)s; /* base is the first */
}

/* How the queue writes: writer.c. */
extern const struct queue_engine postgres_queue;

/* The table of functions in engine.c; engine.h and store.h say what they do. */
bool postgres_migrate(const char *address, bool create, bool wal, bool keeps,
		      char why[STORE_WHY_MAX]);
bool postgres_check(const char *address, char why[STORE_WHY_MAX]);
struct store *postgres_open(const char *address, size_t readers, char why[STORE_WHY_MAX]);
void postgres_close(struct store *base);
bool postgres_start(struct store *base);
enum store_rc postgres_write(struct store *base, store_fn fn, void *arg);
void postgres_note_use(struct store *base, const struct key_use *use);
enum store_rc postgres_tidy(struct store *base);
bool postgres_describe(struct store *base, size_t connections, FILE *out);

#endif
