/* engine: what the statements of store/ need of a database.
 *
 * Everything that is SQL any database could run is in store/, once. What differs is here, as one
 * table of functions and words for each engine; the folder store/NAME/ fills it in, and holds what
 * is the engine's own: connections, locks, files, migrations.
 *
 * A statement names its values ?1, ?2, ... in any order; a question mark means nothing else in it,
 * so an engine with another notation can replace it. It keeps to what SQLite and PostgreSQL both
 * understand: integers for truth, NULLS FIRST and LAST written out, no function of one database.
 */
#ifndef REGCRED_STORE_ENGINE_H
#define REGCRED_STORE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "model/schema.h"
#include "shared/metrics.h"
#include "store/sql.h"
#include "store/store.h"

/* What the store of each engine begins with. */
struct store {
	const struct engine *engine;
};

struct store_tx {
	const struct engine *engine;
	void *connection;     /* the engine's */
	enum column conflict; /* of the last STORE_CONSTRAINT */
};

/* A statement that runs, at one of its rows. */
struct cursor {
	struct store_tx *tx;
	void *result; /* the engine's */
	int row;      /* the same */
};

enum { USE_ADDRESS_SIZE = 64 };

/* The use of a key, until it is noted. */
struct key_use {
	int64_t key, before_ms, now_ms;
	char address[USE_ADDRESS_SIZE];
};

struct engine {
	struct dialect dialect;

	/* store.h says what these do. */
	size_t (*files)(const char *path, bool secret,
			char files[STORE_FILES_MAX][STORE_FILE_SIZE]);
	bool (*migrate)(const char *path, bool create, bool wal, bool keeps,
			char why[STORE_WHY_MAX]);
	bool (*check)(const char *path, char why[STORE_WHY_MAX]);
	struct store *(*open)(const char *path, size_t readers, char why[STORE_WHY_MAX]);
	void (*close)(struct store *s);
	bool (*start)(struct store *s);
	enum store_rc (*read)(struct store *s, store_fn fn, void *arg);
	enum store_rc (*write)(struct store *s, store_fn fn, void *arg);
	void (*note_use)(struct store *s, const struct key_use *use);
	void (*use_room)(struct store *s, int64_t min_free_bytes);
	bool (*is_low)(struct store *s);
	int64_t (*free_room)(struct store *s); /* NULL: not known */
	void (*suspect)(struct store *s);
	enum store_rc (*ping)(struct store *s);
	enum store_rc (*tidy)(struct store *s);
	enum store_rc (*settle)(struct store *s);
	size_t (*gauges)(struct store *s, struct gauge out[STORE_GAUGES_MAX]);
	bool (*describe)(struct store *s, size_t connections, FILE *out); /* NULL: nothing */

	/* A connection to read one statement with; end_read() gives it back. Waits for one. */
	enum store_rc (*begin_read)(struct store *s, struct store_tx *tx);
	void (*end_read)(struct store *s, struct store_tx *tx);

	/* Runs a statement; end() ends it, unless this was not STORE_OK. */
	enum store_rc (*begin)(struct store_tx *tx, const struct sql *q, struct cursor *out);
	/* Moves to the next row, or the first: STORE_OK, STORE_NONE after the last. */
	enum store_rc (*step)(struct cursor *c);
	/* A value of the row, copied into the arena: VALUE_INT for every kind of whole number. */
	struct value (*column)(const struct cursor *c, struct arena *a, int column);
	void (*end)(struct cursor *c);
	/* Runs a statement without rows: how many it changed.  With STORE_CONSTRAINT, `conflict` of
	 * the transaction is set (rows_column_named() helps). */
	enum store_rc (*change)(struct store_tx *tx, const struct sql *q, int *changed);
	/* The same for an INSERT of one row, whose id the database chooses. */
	enum store_rc (*insert)(struct store_tx *tx, const struct sql *q, int64_t *id);
};

extern const struct engine sqlite_engine, postgres_engine;

#endif
