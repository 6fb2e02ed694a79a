/* postgres: a PostgreSQL server of the tests' own, and what the rig needs of it. */
#include "support/postgres.h"

#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "base/arena.h"

static char server[64];

static int
run_script(const char *what)
{
	char *script = source_path("tests/support/postgres.sh"), line[512];

	(void)snprintf(line, sizeof(line), "REGCRED_TEST_POSTGRES='-c fsync=off' %s %s %s", script,
		       what, server);
	int status = system(line); // NOLINT: a fixed script, a directory of our own
	free(script);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/* Outside of the tests, where Check cannot fail. */
static void
give_up(const char *what)
{
	(void)fprintf(stderr, "postgres: %s\n", what);
	exit(1);
}

bool
postgres_begin(void)
{
	enum { MISSING = 77 };

	(void)snprintf(server, sizeof(server), "/tmp/regcred-pg-XXXXXX");
	if (mkdtemp(server) == NULL)
		give_up("cannot make a directory in /tmp");
	int status = run_script("start");
	if (status != 0 && status != MISSING)
		give_up("the server does not start");
	if (status == MISSING)
		(void)rmdir(server);
	return status == 0;
}

void
postgres_stop(void)
{
	char line[128];

	(void)snprintf(line, sizeof(line), "rm -rf %s", server);
	if (run_script("stop") != 0 || system(line) != 0) // NOLINT: a directory of our own
		give_up("the server does not stop");
}

/* "test.db": regcred_test. */
static const char *
database_name(const char *name)
{
	static char text[64];

	(void)snprintf(text, sizeof(text), "regcred_%.*s", (int)strcspn(name, "."), name);
	return text;
}

static const char *
address_of(const char *database)
{
	static char text[RIG_PATH_MAX];

	(void)snprintf(text, sizeof(text), "postgresql:///%s?host=%s&user=regcred", database,
		       server);
	return text;
}

static PGconn *
connect_to(const char *address)
{
	PGconn *c = PQconnectdb(address);

	ck_assert_msg(PQstatus(c) == CONNECTION_OK, "%s", PQerrorMessage(c));
	PQclear(PQexec(c, "SET search_path = regcred; SET client_min_messages = error"));
	return c;
}

static PGresult *
ask(PGconn *c, const char *sql)
{
	PGresult *result = PQexec(c, sql);

	ck_assert_msg(PQresultStatus(result) == PGRES_TUPLES_OK ||
			      PQresultStatus(result) == PGRES_COMMAND_OK,
		      "%s: %s", sql, PQerrorMessage(c));
	return result;
}

static void
administer(const char *sql)
{
	PGconn *c = connect_to(address_of("postgres"));

	PQclear(ask(c, sql));
	PQfinish(c);
}

static bool
exists(const char *database)
{
	PGconn *c = connect_to(address_of("postgres"));
	char sql[128];

	(void)snprintf(sql, sizeof(sql), "SELECT 1 FROM pg_database WHERE datname = '%s'",
		       database);
	PGresult *result = ask(c, sql);
	bool found = PQntuples(result) == 1;

	PQclear(result);
	PQfinish(c);
	return found;
}

const char *
postgres_place(const char *name)
{
	const char *database = database_name(name);
	char sql[128];

	(void)snprintf(sql, sizeof(sql), "CREATE DATABASE %s", database);
	if (!exists(database))
		administer(sql);
	return address_of(database);
}

void
postgres_copy(const char *from, const char *to)
{
	char sql[192];

	(void)snprintf(sql, sizeof(sql), "DROP DATABASE IF EXISTS %s WITH (FORCE)",
		       database_name(to));
	administer(sql);
	int n = snprintf(sql, sizeof(sql), "CREATE DATABASE %s", database_name(to));
	(void)snprintf(sql + n, sizeof(sql) - (size_t)n, " TEMPLATE %s", database_name(from));
	administer(sql);
}

const char *
postgres_sql(struct rig *rig, const char *sql)
{
	PGconn *c = connect_to(rig->database);
	PGresult *result = ask(c, sql);
	const char *text = "no row";

	if (PQntuples(result) > 0)
		text = arena_strdup(rig->arena,
				    PQgetisnull(result, 0, 0) ? "null" : PQgetvalue(result, 0, 0));
	PQclear(result);
	PQfinish(c);
	return text;
}

void
postgres_exec(struct rig *rig, const char *sql)
{
	PGconn *c = connect_to(rig->database);

	PQclear(ask(c, sql));
	PQfinish(c);
}

const char *
postgres_dump(struct rig *rig)
{
	static const char *const tables[] = {"account",	       "credential", "storage_pool",
					     "project_member", "audit_log",  "audit_segment",
					     "secret_version"};
	PGconn *c = connect_to(rig->database);
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	ck_assert_ptr_nonnull(out);
	for (size_t i = 0; i < COUNT_OF(tables); i++) {
		PGresult *rows =
			ask(c, arena_printf(rig->arena, "SELECT * FROM %s ORDER BY id", tables[i]));

		for (int r = 0; r < PQntuples(rows); r++) {
			for (int f = 0; f < PQnfields(rows); f++)
				if (strncmp(PQfname(rows, f), "last_used", 9) != 0)
					(void)fprintf(out, "|%s", PQgetvalue(rows, r, f));
			(void)fputc('\n', out);
		}
		PQclear(rows);
	}
	PQfinish(c);
	ck_assert_int_eq(fclose(out), 0);
	const char *copy = arena_copy(rig->arena, text, size);
	free(text);
	return copy;
}
