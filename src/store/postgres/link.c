/* link: connections to PostgreSQL. */
#include "store/postgres/link.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/record.h"
#include "store/rows.h"

/* Types of values, as PostgreSQL numbers them (pg_type.dat). */
enum { TYPE_BYTES = 17, TYPE_INT8 = 20, TYPE_INT4 = 23, TYPE_TEXT = 25 };

enum { VERSION_MIN = 130000 };

/* The address */

static const char *
link_option(const PQconninfoOption *options, const char *keyword)
{
	for (const PQconninfoOption *o = options; o->keyword != NULL; o++)
		if (strcmp(o->keyword, keyword) == 0 && o->val != NULL)
			return o->val;
	return "";
}

/* Whether all hosts of a list are this machine: sockets, or the loopback. */
static bool
is_here(const char *hosts)
{
	static const char *const here[] = {"", "localhost", "127.0.0.1", "::1"};

	for (const char *host = hosts;; host++) {
		size_t len = strcspn(host, ",");
		bool found = *host == '/' || *host == '@';

		for (size_t i = 0; !found && i < sizeof(here) / sizeof(*here); i++)
			found = strlen(here[i]) == len && strncmp(host, here[i], len) == 0;
		if (!found)
			return false;
		host += len;
		if (*host == '\0')
			return true;
	}
}

const char *
link_wrong_address(const char *address, char why[STORE_WHY_MAX])
{
	char *wrong = NULL;
	PQconninfoOption *options = PQconninfoParse(address, &wrong);

	*why = '\0';
	if (options == NULL) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "the setting database is not a valid address: %s",
			       wrong != NULL ? wrong : "out of memory");
		why[strcspn(why, "\n")] = '\0';
		PQfreemem(wrong);
		return why;
	}
	const char *hosts = link_option(options, "host"), *mode = link_option(options, "sslmode");

	if (*link_option(options, "password") != '\0')
		(void)snprintf(why, STORE_WHY_MAX,
			       "the setting database has a password in it, which everybody would "
			       "see: put it into a file of mode 0600 and name that with passfile=");
	else if (!is_here(hosts) && strcmp(mode, "verify-full") != 0)
		(void)snprintf(why, STORE_WHY_MAX,
			       "the database is on another machine: add sslmode=verify-full, and "
			       "sslrootcert= if its certificate is of an authority of your own");
	PQconninfoFree(options);
	return *why != '\0' ? why : NULL;
}

size_t
link_files(const char *address, bool secret, char files[STORE_FILES_MAX][STORE_FILE_SIZE])
{
	/* The secret ones first. */
	static const char *const names[] = {"passfile", "sslkey", "sslcert", "sslrootcert",
					    "sslcrl"};
	enum { SECRET = 2 };
	const size_t all = secret ? SECRET : sizeof(names) / sizeof(*names);
	PQconninfoOption *options = PQconninfoParse(address, NULL);
	size_t count = 0;

	for (size_t i = 0; options != NULL && i < all; i++) {
		const char *path = link_option(options, names[i]);

		if (*path == '/')
			(void)snprintf(files[count++], STORE_FILE_SIZE, "%s", path);
	}
	PQconninfoFree(options);
	return count;
}

/* Errors */

/* Logged once a minute; never the server's own sentence, which may hold values. */
static void
tell_trouble(struct server_link *l, const char *what, const char *state)
{
	struct link_place *p = l->place;
	long long now = clock_ms(), told = atomic_load(&p->told_ms);

	if (now - told < LINK_TELL_MS || !atomic_compare_exchange_strong(&p->told_ms, &told, now)) {
		(void)atomic_fetch_add(&p->untold, 1);
		return;
	}
	log_error("database: %s%s%s (%u more since the last such line)", what,
		  *state != '\0' ? ", SQLSTATE " : "", state, atomic_exchange(&p->untold, 0));
}

/* clang-format off */
static const struct { const char *begins; enum store_rc rc; } states[] = {
	{ "23",    STORE_CONSTRAINT },
	{ "40",    STORE_BUSY },      /* serialization, deadlock */
	{ "53100", STORE_FULL },
	{ "53200", STORE_NO_MEMORY },
	{ "53300", STORE_BUSY },      /* too many connections */
	{ "55P03", STORE_BUSY },      /* lock_timeout */
	{ "57014", STORE_BUSY },      /* statement_timeout, or cancelled */
	{ "25P02", STORE_ABORTED },   /* after another error: that one counts */
};
/* clang-format on */

/* "Key (account_id, lower(server_address))=(5, ...) already exists.", in any language: the last
 * column counts. */
static enum column
link_conflict(const PGresult *result)
{
	const char *table = PQresultErrorField(result, PG_DIAG_TABLE_NAME);
	const char *detail = PQresultErrorField(result, PG_DIAG_MESSAGE_DETAIL);
	const char *end = detail != NULL ? strstr(detail, ")=(") : NULL, *begin = end;
	char name[64];

	if (table == NULL || end == NULL)
		return COL_NONE;
	while (begin > detail && strchr("( ", begin[-1]) == NULL)
		begin--;
	(void)snprintf(name, sizeof(name), "%.*s", (int)strcspn(begin, ")"), begin);
	return rows_column_named(table, strlen(table), name);
}

static enum store_rc
link_failed(struct server_link *l, const PGresult *result)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	enum store_rc rc = STORE_FAILED;

	for (size_t i = 0; state != NULL && i < sizeof(states) / sizeof(*states); i++)
		if (strncmp(state, states[i].begins, strlen(states[i].begins)) == 0)
			rc = states[i].rc;
	if (rc == STORE_ABORTED)
		rc = l->failure != STORE_OK ? l->failure : STORE_FAILED;
	else if (rc == STORE_CONSTRAINT)
		l->conflict = link_conflict(result);
	else if (rc != STORE_BUSY)
		tell_trouble(l,
			     rc == STORE_FULL ? "the disk of the server is full"
					      : "the server refused a statement",
			     state != NULL ? state : "");
	l->failure = rc;
	return rc;
}

/* The link cannot be used any more. */
static enum store_rc
link_lost(struct server_link *l, const char *what, enum store_rc rc)
{
	tell_trouble(l, what, "");
	link_close(l);
	l->failure = rc;
	return rc;
}

/* Opening and closing */

static void
on_notice(void *arg, const PGresult *notice)
{
	const char *severity = PQresultErrorField(notice, PG_DIAG_SEVERITY_NONLOCALIZED);

	if (severity != NULL && strcmp(severity, "WARNING") == 0)
		((struct server_link *)arg)->warned = true;
}

void
link_close(struct server_link *l)
{
	PQfinish(l->connection);
	l->connection = NULL;
}

void
link_allow(struct server_link *l, int64_t ms)
{
	l->deadline_ms = clock_ms() + ms;
}

/* Follows the clock of the database, and refuses a server that others have left behind. */
static bool
look_at_server(struct server_link *l, char *why)
{
	static const char text[] =
		"SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, "
		"('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::bigint";
	enum store_rc rc;
	PGresult *result = link_run(l, text, &rc);

	if (result == NULL) {
		(void)snprintf(why, STORE_WHY_MAX, "it does not answer as a primary server does");
		return false;
	}
	long long timeline = strtoll(PQgetvalue(result, 0, 1), NULL, 10),
		  highest = atomic_load(&l->place->timeline);

	clock_follow(strtoll(PQgetvalue(result, 0, 0), NULL, 10));
	link_clear(result);
	while (timeline > highest &&
	       !atomic_compare_exchange_weak(&l->place->timeline, &highest, timeline))
		;
	if (timeline >= highest)
		return true;
	(void)snprintf(why, STORE_WHY_MAX,
		       "another server has taken over from this one (timeline %lld, this one has "
		       "%lld): stop it, or make it a standby",
		       highest, timeline);
	return false;
}

static bool
is_suitable(struct server_link *l, char *why)
{
	const char *encoding = PQparameterStatus(l->connection, "server_encoding");

	if (PQserverVersion(l->connection) < VERSION_MIN)
		(void)snprintf(why, STORE_WHY_MAX, "it is older than PostgreSQL 13");
	else if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
		(void)snprintf(why, STORE_WHY_MAX,
			       "it is not encoded as UTF8: make it with createdb -E UTF8 "
			       "-T template0");
	else
		return look_at_server(l, why);
	return false;
}

/* Connects; `host` and `port` take the place of those in the address if they are not NULL. */
static bool
connect_to(struct server_link *l, const char *host, const char *port, char *text)
{
	enum { NUMBER_SIZE = 16, PROGRAM_SIZE = 32 };
	char seconds[NUMBER_SIZE], program[PROGRAM_SIZE];
	/* What stands before dbname is used where the address does not say otherwise. */
	const char *const names[] = {"fallback_application_name",
				     "connect_timeout",
				     "tcp_user_timeout",
				     "keepalives_idle",
				     "keepalives_interval",
				     "keepalives_count",
				     "target_session_attrs",
				     "dbname",
				     "client_encoding",
				     "host",
				     "port",
				     NULL};
	const char *const values[] = {program,	    seconds,	       "5000", "10", "3",  "3",
				      "read-write", l->place->address, "UTF8", host, port, NULL};

	(void)snprintf(seconds, sizeof(seconds), "%d", LINK_CONNECT_S);
	(void)snprintf(program, sizeof(program), "regcred/%d", (int)getpid());
	l->connection = PQconnectdbParams(names, values, 1);
	link_allow(l, LINK_READ_MS);
	if (PQstatus(l->connection) == CONNECTION_OK) {
		(void)PQsetNoticeReceiver(l->connection, on_notice, l);
		if (is_suitable(l, text))
			return true;
	} else {
		(void)snprintf(text, STORE_WHY_MAX, "%s",
			       l->connection != NULL ? PQerrorMessage(l->connection)
						     : "out of memory");
	}
	text[strcspn(text, "\n")] = '\0';
	link_close(l);
	return false;
}

/* Cuts the first of a list off, in place; NULL if there is none. */
static char *
next_of(char **list)
{
	char *one = *list;

	if (one == NULL)
		return NULL;
	*list = strchr(one, ',');
	if (*list != NULL)
		*(*list)++ = '\0';
	return one;
}

/* Connects to the first host that lets us write and was not left behind.  libpq would take the
 * first of the two. */
static bool
connect_to_one_of(struct server_link *l, char *hosts, char *ports, char *text)
{
	char *port = NULL;

	for (char *host; (host = next_of(&hosts)) != NULL;) {
		char *next = next_of(&ports);

		port = next != NULL ? next : port; /* one port is that of all hosts */
		if (connect_to(l, host, port, text))
			return true;
	}
	return false;
}

static bool
connect_to_any(struct server_link *l, char *text)
{
	PQconninfoOption *options = PQconninfoParse(l->place->address, NULL);
	char *hosts = options != NULL ? strdup(link_option(options, "host")) : NULL;
	char *ports = options != NULL ? strdup(link_option(options, "port")) : NULL;
	bool done = false;

	if (hosts == NULL || ports == NULL)
		(void)snprintf(text, STORE_WHY_MAX, "out of memory");
	else if (strchr(hosts, ',') == NULL)
		done = connect_to(l, NULL, NULL, text);
	else
		done = connect_to_one_of(l, hosts, ports, text);
	free(hosts);
	free(ports);
	PQconninfoFree(options);
	return done;
}

bool
link_open(struct server_link *l, char why[STORE_WHY_MAX])
{
	char text[STORE_WHY_MAX] = "";

	if (l->connection != NULL && PQstatus(l->connection) == CONNECTION_OK)
		return true;
	link_close(l);
	if (clock_ms() - atomic_load(&l->place->failed_ms) < LINK_PAUSE_MS) {
		l->failure = STORE_FAILED;
		return false;
	}
	if (connect_to_any(l, text))
		return true;
	if (why != NULL)
		(void)snprintf(why, STORE_WHY_MAX, "cannot use the database %.512s: %.2048s",
			       l->place->address, text);
	atomic_store(&l->place->failed_ms, clock_ms());
	(void)link_lost(l, text, STORE_FAILED);
	return false;
}

/* Statements */

static void
cancel(struct server_link *l)
{
	char why[256];
	PGcancel *request = PQgetCancel(l->connection);

	if (request != NULL)
		(void)PQcancel(request, why, sizeof(why));
	PQfreeCancel(request);
}

/* Waits until there is a result, or none more, or the connection is lost; false if the time ran
 * out.
 */
static bool
wait_for_result(struct server_link *l)
{
	enum { GRACE_MS = 1000 };
	bool cancelled = false;

	while (PQisBusy(l->connection)) {
		struct pollfd ready = {.fd = PQsocket(l->connection), .events = POLLIN};
		int64_t left = l->deadline_ms + (cancelled ? GRACE_MS : 0) - clock_ms();

		if (left <= 0 && cancelled)
			return false;
		if (left <= 0) {
			cancel(l);
			cancelled = true;
		} else if (poll(&ready, 1, (int)(left < 1000 ? left : 1000)) > 0 &&
			   !PQconsumeInput(l->connection)) {
			return true;
		}
	}
	return true;
}

/* The last result of what was sent, if it was; NULL with *out set after an error. */
static PGresult *
take_result(struct server_link *l, bool sent, enum store_rc *out)
{
	PGresult *last = NULL, *next;

	if (!sent) {
		*out = link_lost(l, "the connection was lost", STORE_FAILED);
		return NULL;
	}
	for (;;) {
		if (!wait_for_result(l)) {
			link_clear(last);
			*out = link_lost(l, "the server does not answer in time", STORE_BUSY);
			return NULL;
		}
		next = PQgetResult(l->connection);
		if (next == NULL)
			break;
		/* After an error nothing more comes of a list of statements. */
		link_clear(last);
		last = next;
	}
	if (last == NULL || PQstatus(l->connection) != CONNECTION_OK) {
		link_clear(last);
		*out = link_lost(l, "the connection was lost", STORE_FAILED);
		return NULL;
	}
	if (PQresultStatus(last) == PGRES_TUPLES_OK || PQresultStatus(last) == PGRES_COMMAND_OK) {
		*out = STORE_OK;
		return last;
	}
	*out = link_failed(l, last);
	link_clear(last);
	return NULL;
}

PGresult *
link_run(struct server_link *l, const char *text, enum store_rc *out)
{
	return take_result(l, PQsendQuery(l->connection, text) != 0, out);
}

/* "?7" is "$7" here, and tables are in a schema of our own, which no setting of a connection has to
 * name. */
static bool
translate(const char *from, const char *more, char to[SQL_TEXT_MAX])
{
	static const char *const before[] = {"FROM ", "JOIN ", "INTO ", "UPDATE "};
	static const char schema[] = "regcred.";
	size_t n = 0;

	for (const char *p = from; *p != '\0'; p++) {
		size_t word = 0;

		if (n + sizeof(schema) + 8 > SQL_TEXT_MAX)
			return false;
		for (size_t i = 0; word == 0 && i < sizeof(before) / sizeof(*before); i++)
			if ((p == from || p[-1] == ' ' || p[-1] == '(') &&
			    strncmp(p, before[i], strlen(before[i])) == 0)
				word = strlen(before[i]);
		if (word == 0) {
			to[n++] = *p == '?' ? '$' : *p;
			continue;
		}
		memcpy(to + n, p, word);
		n += word;
		p += word - 1;
		/* A table has a small letter, "(SELECT" and "DO UPDATE SET" have not. */
		if (p[1] >= 'a' && p[1] <= 'z') {
			memcpy(to + n, schema, sizeof(schema) - 1);
			n += sizeof(schema) - 1;
		}
	}
	if (n + strlen(more) + 1 > SQL_TEXT_MAX)
		return false;
	memcpy(to + n, more, strlen(more) + 1);
	return true;
}

struct parameters {
	Oid types[SQL_BINDS_MAX];
	const char *values[SQL_BINDS_MAX];
	int lengths[SQL_BINDS_MAX], formats[SQL_BINDS_MAX];
	uint64_t numbers[SQL_BINDS_MAX];
};

static void
fill_parameters(const struct sql *q, struct parameters *out)
{
	for (size_t i = 0; i < q->bind_count; i++) {
		const struct value *v = &q->binds[i];

		out->formats[i] = 1;
		out->types[i] = 0;
		out->values[i] = NULL;
		out->lengths[i] = 0;
		if (v->type == VALUE_INT) {
			out->numbers[i] = htobe64((uint64_t)v->number);
			out->types[i] = TYPE_INT8;
			out->values[i] = (const char *)&out->numbers[i];
			out->lengths[i] = sizeof(out->numbers[i]);
		} else if (v->type == VALUE_TEXT) {
			out->types[i] = TYPE_TEXT;
			out->values[i] = v->text;
			out->lengths[i] = (int)v->len;
		} else if (v->type == VALUE_BLOB) {
			out->types[i] = TYPE_BYTES;
			out->values[i] = v->text != NULL ? v->text : "";
			out->lengths[i] = (int)v->len;
		}
	}
}

PGresult *
link_query(struct server_link *l, const struct sql *q, const char *more, enum store_rc *out)
{
	char text[SQL_TEXT_MAX];
	struct parameters p;

	if (q->failed || !translate(q->text, more, text)) {
		*out = l->failure = STORE_NO_MEMORY;
		return NULL;
	}
	fill_parameters(q, &p);
	return take_result(l,
			   PQsendQueryParams(l->connection, text, (int)q->bind_count, p.types,
					     p.values, p.lengths, p.formats, 1) != 0,
			   out);
}

void
link_clear(PGresult *result)
{
	if (result != NULL && PQresultStatus(result) == PGRES_TUPLES_OK)
		for (int row = 0; row < PQntuples(result); row++)
			for (int column = 0; column < PQnfields(result); column++)
				explicit_bzero(PQgetvalue(result, row, column),
					       (size_t)PQgetlength(result, row, column));
	PQclear(result);
}

struct value
link_value(const PGresult *result, int row, int column, struct arena *a)
{
	const char *bytes = PQgetvalue(result, row, column);
	size_t len = (size_t)PQgetlength(result, row, column);
	uint64_t number = 0;
	uint32_t half = 0;

	if (PQgetisnull(result, row, column))
		return value_null();
	switch (PQftype(result, column)) {
	case TYPE_TEXT:
		return (struct value){
			.type = VALUE_TEXT, .text = arena_copy(a, bytes, len), .len = len};
	case TYPE_BYTES:
		return value_blob(arena_copy(a, bytes, len), len);
	case TYPE_INT4:
		memcpy(&half, bytes, sizeof(half));
		return value_int((int32_t)ntohl(half));
	default: /* no statement asks for other types */
		memcpy(&number, bytes, len < sizeof(number) ? len : sizeof(number));
		return value_int((int64_t)be64toh(number));
	}
}
