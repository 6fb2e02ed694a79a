/* store: opens a store and hands on to its engine what is the engine's. */
#include "store/store.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "store/engine.h"

bool
store_is_file(const char *path)
{
	return strncmp(path, "postgresql://", strlen("postgresql://")) != 0 &&
	       strncmp(path, "postgres://", strlen("postgres://")) != 0;
}

/* The engine for a place; NULL, with a sentence in why, if this program has none. */
static const struct engine *
store_engine(const char *path, char why[STORE_WHY_MAX])
{
	if (store_is_file(path))
		return &sqlite_engine;
#ifdef HAVE_POSTGRESQL
	(void)why;
	return &postgres_engine;
#else
	(void)snprintf(why, STORE_WHY_MAX,
		       "this regcred was built without PostgreSQL: build it with libpq and "
		       "./configure --with-postgresql");
	return NULL;
#endif
}

size_t
store_files(const char *path, bool secret, char files[STORE_FILES_MAX][STORE_FILE_SIZE])
{
	char why[STORE_WHY_MAX];
	const struct engine *engine = store_engine(path, why);

	return engine != NULL ? engine->files(path, secret, files) : 0;
}

bool
store_migrate(const char *path, bool create, bool wal, bool keeps, char why[STORE_WHY_MAX])
{
	const struct engine *engine = store_engine(path, why);

	return engine != NULL && engine->migrate(path, create, wal, keeps, why);
}

bool
store_check(const char *path, char why[STORE_WHY_MAX])
{
	const struct engine *engine = store_engine(path, why);

	return engine != NULL && engine->check(path, why);
}

struct store *
store_open(const char *path, size_t readers, char why[STORE_WHY_MAX])
{
	const struct engine *engine = store_engine(path, why);
	struct store *s = engine != NULL ? engine->open(path, readers, why) : NULL;

	if (s != NULL)
		s->engine = engine;
	return s;
}

void
store_close(struct store *s)
{
	if (s != NULL)
		s->engine->close(s);
}

bool
store_start(struct store *s)
{
	return s->engine->start(s);
}

void
store_use_room(struct store *s, int64_t min_free_bytes)
{
	s->engine->use_room(s, min_free_bytes);
}

int64_t
store_free_room(struct store *s)
{
	return s->engine->free_room != NULL ? s->engine->free_room(s) : INT64_MAX;
}

bool
store_is_low(struct store *s)
{
	return s->engine->is_low(s);
}

enum store_rc
store_read(struct store *s, store_fn fn, void *arg)
{
	return s->engine->read(s, fn, arg);
}

enum store_rc
store_write(struct store *s, store_fn fn, void *arg)
{
	return store_is_low(s) ? STORE_FULL : s->engine->write(s, fn, arg);
}

enum store_rc
store_write_freeing(struct store *s, store_fn fn, void *arg)
{
	return s->engine->write(s, fn, arg);
}

void
store_note_use(struct store *s, int64_t id, int64_t before_ms, int64_t now_ms, const char *address)
{
	struct key_use use = {.key = id, .before_ms = before_ms, .now_ms = now_ms};

	(void)snprintf(use.address, sizeof(use.address), "%s", address);
	s->engine->note_use(s, &use);
}

enum column
store_conflict(const struct store_tx *tx)
{
	return tx->conflict;
}

void
store_suspect(struct store *s)
{
	s->engine->suspect(s);
}

enum store_rc
store_ping(struct store *s)
{
	return s->engine->ping(s);
}

enum store_rc
store_tidy(struct store *s)
{
	return s->engine->tidy(s);
}

enum store_rc
store_settle(struct store *s)
{
	return s->engine->settle(s);
}

size_t
store_gauges(struct store *s, struct gauge out[STORE_GAUGES_MAX])
{
	return s->engine->gauges(s, out);
}

bool
store_describe(struct store *s, size_t connections, FILE *out)
{
	return s->engine->describe == NULL || s->engine->describe(s, connections, out);
}

enum err
store_err(enum store_rc rc, struct error *e)
{
	switch (rc) {
	case STORE_FULL:
		return err_set(e, ERR_DISK_FULL, NULL,
			       "Free space on the disk of the database: it recovers by itself once "
			       "space is freed, and reading, deactivating and removing work "
			       "meanwhile.");
	case STORE_BUSY:
	case STORE_FAILED:
	case STORE_UNKNOWN:
		(void)err_set(e, ERR_UNAVAILABLE, NULL,
			      rc == STORE_UNKNOWN
				      ? "It is not known whether the change was made, because the "
					"database did not answer: look before you send it again."
				      : NULL);
		e->retry_after_s = STORE_RETRY_AFTER_S;
		return ERR_UNAVAILABLE;
	case STORE_OK:
	case STORE_NONE:
	case STORE_CONSTRAINT:
	case STORE_ABORTED:
	case STORE_NO_MEMORY:
		break;
	}
	return err_set(e, ERR_INTERNAL, NULL, NULL);
}
