/* describe: what the server promises, for `regcred check`. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/postgres/link.h"
#include "store/postgres/postgres.h"

static const char questions[] =
	"SELECT current_setting('server_version'), "
	"(SELECT datcollate FROM pg_database WHERE datname = current_database()), "
	"current_setting('max_connections')::bigint - "
	"current_setting('superuser_reserved_connections')::bigint, "
	"current_setting('synchronous_standby_names'), current_setting('synchronous_commit'), "
	"pg_backend_pid(), current_setting('fsync'), current_setting('full_page_writes')";
enum { RELEASE, LOCALE, CONNECTIONS, STANDBYS, COMMIT, PID, FSYNC, PAGES };

/* An acknowledged change, and what it survives. */
static bool
describe_promise(const PGresult *r, FILE *out)
{
	const char *standbys = PQgetvalue(r, 0, STANDBYS), *commit = PQgetvalue(r, 0, COMMIT);

	if (strcmp(PQgetvalue(r, 0, FSYNC), "on") != 0 ||
	    strcmp(PQgetvalue(r, 0, PAGES), "on") != 0 || strcmp(commit, "off") == 0) {
		(void)fprintf(out, "problem: a power cut of the server loses changes that were "
				   "acknowledged: set fsync, full_page_writes and "
				   "synchronous_commit to on\n");
		return false;
	}
	if (*standbys == '\0' || strcmp(commit, "local") == 0)
		(void)fprintf(out, "replication: no standby is waited for: a failover may lose "
				   "changes that were acknowledged; to lose none, set "
				   "synchronous_standby_names\n");
	else
		(void)fprintf(out,
			      "replication: synchronous (%s): an acknowledged change is there "
			      "after a failover\n",
			      standbys);
	return true;
}

/* Whether the server lets all connections of a pool in. */
static bool
describe_room(const PGresult *r, bool pooled, size_t connections, FILE *out)
{
	int64_t room = atoll(PQgetvalue(r, 0, CONNECTIONS));
	bool enough = pooled || (int64_t)connections <= room;

	(void)fprintf(out,
		      "connections: a pool with these settings opens up to %zu, the server allows "
		      "%" PRId64 "\n",
		      connections, room);
	if (!enough)
		(void)fprintf(out, "problem: that is not enough: raise max_connections, or lower "
				   "workers or readers\n");
	return enough;
}

static bool
describe_server(struct server_link *l, size_t connections, FILE *out)
{
	enum store_rc rc;
	PGresult *r = link_run(l, questions, &rc);

	if (r == NULL) {
		(void)fprintf(out, "problem: the server does not answer\n");
		return false;
	}
	bool pooled = PQbackendPID(l->connection) != atoi(PQgetvalue(r, 0, PID));

	(void)fprintf(out, "server: PostgreSQL %s, locale %s%s\n", PQgetvalue(r, 0, RELEASE),
		      PQgetvalue(r, 0, LOCALE), pooled ? ", through a pooler" : "");
	bool promised = describe_promise(r, out);
	bool enough = describe_room(r, pooled, connections, out);

	link_clear(r);
	return promised && enough;
}

bool
postgres_describe(struct store *base, size_t connections, FILE *out)
{
	struct store_tx tx = {.engine = base->engine};

	if (base->engine->begin_read(base, &tx) != STORE_OK) {
		(void)fprintf(out, "problem: the server cannot be reached\n");
		return false;
	}
	bool right = describe_server(tx.connection, connections, out);

	base->engine->end_read(base, &tx);
	return right;
}
