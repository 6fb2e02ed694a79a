/* open: makes databases, brings them up to date, opens and closes stores. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/schema.h"
#include "store/migrations.h"
#include "store/postgres/link.h"
#include "store/postgres/postgres.h"
#include "store/queue.h"
#include "store/readers.h"
#include "store/sql.h"
#include "store/store.h"

enum { MIGRATE_MS = 10 * 60 * 1000 };

/* For one task, whose caller says what is wrong. */
static struct link_place
quiet_place(const char *address)
{
	return (struct link_place){
		.address = address, .failed_ms = -LINK_PAUSE_MS, .told_ms = INT64_MAX / 2};
}

static int
newest_version(void)
{
	int newest = 0;

	for (const struct migration *m = postgres_migrations; m->sql != NULL; m++)
		newest = m->number;
	return newest;
}

static bool
failed(struct server_link *l, const char *what, char why[STORE_WHY_MAX])
{
	const char *message =
		l->connection != NULL ? PQerrorMessage(l->connection) : "the connection was lost";

	(void)snprintf(why, STORE_WHY_MAX, "%s the database %.512s: %.2048s", what,
		       l->place->address, message);
	why[strcspn(why, "\n")] = '\0';
	return false;
}

/* The version of the database; 0: there is none of regcred in it. */
static bool
schema_version(struct server_link *l, int *version, char why[STORE_WHY_MAX])
{
	enum store_rc rc;
	PGresult *result = link_run(l, "SELECT to_regclass('regcred.meta') IS NULL", &rc);
	bool empty = result != NULL && *PQgetvalue(result, 0, 0) == 't';

	link_clear(result);
	*version = 0;
	if (result == NULL || empty)
		return result != NULL || failed(l, "cannot read", why);
	result = link_run(l, "SELECT value FROM regcred.meta WHERE name = 'schema_version'", &rc);
	if (result == NULL)
		return failed(l, "cannot read", why);
	if (PQntuples(result) == 1)
		*version = atoi(PQgetvalue(result, 0, 0));
	link_clear(result);
	return true;
}

static bool
too_new(const char *address, int version, char why[STORE_WHY_MAX])
{
	(void)snprintf(why, STORE_WHY_MAX,
		       "the database %.512s has version %d, newer than this program knows (%d): "
		       "start the program that made it",
		       address, version, newest_version());
	return false;
}

static bool
run_migrations(struct server_link *l, int version, char why[STORE_WHY_MAX])
{
	char text[128];
	enum store_rc rc = STORE_OK;

	for (const struct migration *m = postgres_migrations; m->sql != NULL && rc == STORE_OK; m++)
		if (m->number > version)
			link_clear(link_run(l, m->sql, &rc));
	if (version > 0 && rc == STORE_OK) {
		(void)snprintf(text, sizeof(text),
			       "INSERT INTO regcred.lease (name, holder, until) VALUES "
			       "('" STORE_MIGRATED "', '%d', 0) ON CONFLICT DO NOTHING",
			       version);
		link_clear(link_run(l, text, &rc));
	}
	(void)snprintf(text, sizeof(text),
		       "UPDATE regcred.meta SET value = '%d' WHERE name = 'schema_version'; COMMIT",
		       newest_version());
	if (rc == STORE_OK)
		link_clear(link_run(l, text, &rc));
	return rc == STORE_OK || failed(l, "cannot bring up to date", why);
}

/* With the lock, for which a second host waits, and then finds nothing to do. */
static bool
migrate(struct server_link *l, bool create, char why[STORE_WHY_MAX])
{
	enum store_rc rc;
	int version;

	if (!schema_version(l, &version, why))
		return false;
	if (version == newest_version())
		return true;
	if (version == 0 && !create) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "there is no regcred in the database %.512s: make it with `regcred "
			       "init`",
			       l->place->address);
		return false;
	}
	link_allow(l, MIGRATE_MS);
	link_clear(link_run(l, "BEGIN; SELECT pg_advisory_xact_lock(7234242)", &rc));
	if (rc != STORE_OK)
		return failed(l, "cannot lock", why);
	if (!schema_version(l, &version, why))
		return false;
	if (version > newest_version())
		return too_new(l->place->address, version, why);
	return run_migrations(l, version, why);
}

bool
postgres_migrate(const char *address, bool create, bool wal, bool keeps, char why[STORE_WHY_MAX])
{
	struct link_place place = quiet_place(address);
	struct server_link l = {.place = &place};

	(void)wal;
	(void)keeps;
	bool done = link_wrong_address(address, why) == NULL && link_open(&l, why) &&
		    migrate(&l, create, why);
	link_close(&l);
	return done;
}

/* Whether each table has all columns: it is asked for them. */
static bool
has_columns(struct server_link *l, char why[STORE_WHY_MAX])
{
	static const struct owners everyone = {.all = true};
	static const struct dialect no_words = {0}; /* one row by its id needs none */
	struct arena *a = arena_new(64 * 1024);
	bool right = a != NULL;
	struct sql q;
	enum store_rc rc;

	for (const struct family *const *f = families; right && *f != NULL; f++) {
		sql_get(&q, &no_words, a, *f, 0, &everyone);
		link_allow(l, LINK_READ_MS);
		link_clear(link_query(l, &q, "", &rc));
		right = rc == STORE_OK ||
			failed(l, "a table is not as this program makes it in", why);
	}
	arena_free(a);
	return right;
}

bool
postgres_check(const char *address, char why[STORE_WHY_MAX])
{
	struct link_place place = quiet_place(address);
	struct server_link l = {.place = &place};
	int version;
	bool right = link_wrong_address(address, why) == NULL && link_open(&l, why) &&
		     schema_version(&l, &version, why) &&
		     (version != newest_version() || has_columns(&l, why));

	link_close(&l);
	return right;
}

/* Opens the link, and looks whether this program knows the tables. */
static bool
is_up_to_date(struct server_link *l, char why[STORE_WHY_MAX])
{
	const char *address = l->place->address;
	int version;

	if (link_wrong_address(address, why) != NULL || !link_open(l, why) ||
	    !schema_version(l, &version, why))
		return false;
	if (version > newest_version())
		return too_new(address, version, why);
	if (version < newest_version())
		(void)snprintf(why, STORE_WHY_MAX,
			       "the database %.512s has version %d, this program needs %d: %s",
			       address, version, newest_version(),
			       version == 0 ? "make it with `regcred init`"
					    : "stop regcredd and start it, which brings it up to "
					      "date");
	return version == newest_version();
}

struct store *
postgres_open(const char *address, size_t readers, char why[STORE_WHY_MAX])
{
	struct postgres_store *s = calloc(1, sizeof(*s));

	(void)snprintf(why, STORE_WHY_MAX, "out of memory");
	if (s == NULL)
		return NULL;
	bool room = readers_init(&s->free_readers, readers);

	s->address = strdup(address);
	s->readers = calloc(readers, sizeof(*s->readers));
	s->place = (struct link_place){.address = s->address,
				       .failed_ms = -LINK_PAUSE_MS,
				       .told_ms = -LINK_TELL_MS,
				       .busy_told_ms = -LINK_TELL_MS};
	s->writer.place = &s->place;
	queue_init(&s->queue, &s->base, &postgres_queue, &s->writer);
	if (room && s->address != NULL && s->readers != NULL) {
		for (; s->reader_count < readers; s->reader_count++) {
			struct server_link *l = &s->readers[s->reader_count];

			l->place = &s->place;
			readers_give(&s->free_readers, l);
		}
		/* The one that is taken first. */
		if (is_up_to_date(&s->readers[readers - 1], why))
			return &s->base;
	}
	postgres_close(&s->base);
	return NULL;
}

bool
postgres_start(struct store *base)
{
	return queue_start(&postgres_of(base)->queue);
}

void
postgres_close(struct store *base)
{
	struct postgres_store *s = postgres_of(base);

	queue_end(&s->queue);
	queue_destroy(&s->queue);
	for (size_t i = 0; i < s->reader_count; i++)
		link_close(&s->readers[i]);
	link_close(&s->writer);
	readers_destroy(&s->free_readers);
	free(s->readers);
	free(s->address);
	free(s);
}
