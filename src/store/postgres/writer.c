/* writer: how the PostgreSQL engine writes what is in the queue.
 *
 * One transaction at a time holds the row of regcred.turn, of all hosts: whatever it reads is newer
 * than the lock, and stays true until its commit.  Each writes a row with a token of its own into
 * regcred.done.  A COMMIT that is not answered is decided by that row, looked for once the turn has
 * been taken again: before, the transaction may still be waiting for its standby.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "model/record.h"
#include "store/postgres/link.h"
#include "store/postgres/postgres.h"
#include "store/queue.h"
#include "store/rows.h"
#include "store/store.h"

#define BEGIN_TEXT(wait)                                                                           \
	"BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '" wait "'; "              \
	"SET LOCAL statement_timeout = '10s'; "                                                    \
	"SET LOCAL idle_in_transaction_session_timeout = '10s'; "                                  \
	"SELECT id FROM regcred.turn WHERE id = 1 FOR UPDATE; "

static enum store_rc
turn_take(struct store *base, enum patience patience)
{
	(void)patience; /* the server orders the writers */
	return link_open(&postgres_of(base)->writer, NULL) ? STORE_OK : STORE_FAILED;
}

static void
turn_give(struct store *base)
{
	(void)base; /* the end of the transaction did */
}

static enum store_rc
turn_begin(struct store *base)
{
	static const char text[] =
		BEGIN_TEXT("5s") "INSERT INTO regcred.done (token, at) VALUES (gen_random_uuid(), "
				 "(extract(epoch FROM clock_timestamp()) * 1000)::bigint) "
				 "RETURNING token, at";
	struct postgres_store *s = postgres_of(base);
	enum store_rc rc;

	s->writer.failure = STORE_OK;
	link_allow(&s->writer, LINK_WRITE_MS);
	PGresult *result = link_run(&s->writer, text, &rc);
	if (result == NULL)
		return rc;
	(void)snprintf(s->token, sizeof(s->token), "%s", PQgetvalue(result, 0, 0));
	clock_follow(strtoll(PQgetvalue(result, 0, 1), NULL, 10));
	link_clear(result);
	return STORE_OK;
}

static enum store_rc
turn_exec(struct store *base, const char *text)
{
	enum store_rc rc;

	link_clear(link_run(&postgres_of(base)->writer, text, &rc));
	return rc;
}

static void
turn_roll_back(struct store *base)
{
	struct server_link *l = &postgres_of(base)->writer;

	if (l->connection == NULL || PQtransactionStatus(l->connection) == PQTRANS_IDLE)
		return;
	link_allow(l, LINK_READ_MS);
	if (turn_exec(base, "ROLLBACK") != STORE_OK)
		link_close(l);
}

/* Whether the transaction is there; false where that cannot be known yet. */
static bool
look_for_token(struct postgres_store *s, bool *there)
{
	struct server_link *l = &s->writer;
	char text[sizeof(BEGIN_TEXT("2s")) + 128];
	enum store_rc rc;

	if (!link_open(l, NULL))
		return false;
	(void)snprintf(text, sizeof(text), "%sSELECT count(*) FROM regcred.done WHERE token = '%s'",
		       BEGIN_TEXT("2s"), s->token);
	link_allow(l, LINK_WRITE_MS);
	PGresult *result = link_run(l, text, &rc);
	if (result != NULL)
		*there = strcmp(PQgetvalue(result, 0, 0), "1") == 0;
	link_clear(result);
	turn_roll_back(&s->base);
	return result != NULL;
}

/* What became of a COMMIT that was sent and not answered. */
static enum store_rc
decide(struct postgres_store *s)
{
	enum { DECIDE_MS = 8000 };
	const struct timespec pause = {.tv_nsec = 100 * 1000000};
	bool there = false;

	for (int64_t end_ms = clock_ms() + DECIDE_MS; clock_ms() < end_ms;) {
		if (look_for_token(s, &there)) {
			log_warn("database: a COMMIT was not answered; the server says that it %s",
				 there ? "was done" : "was not");
			return there ? STORE_OK : STORE_FAILED;
		}
		(void)nanosleep(&pause, NULL);
	}
	log_error("database: a COMMIT was not answered, and it is not known whether it was done");
	return STORE_UNKNOWN;
}

static enum store_rc
turn_commit(struct store *base)
{
	struct postgres_store *s = postgres_of(base);
	struct server_link *l = &s->writer;
	enum store_rc rc;

	l->warned = false;
	link_allow(l, LINK_WRITE_MS);
	PGresult *result = link_run(l, "COMMIT", &rc);
	if (result == NULL)
		return l->connection == NULL ? decide(s) : rc;
	/* A transaction that had failed is rolled back, without an error. */
	bool done = strcmp(PQcmdStatus(result), "COMMIT") == 0;

	link_clear(result);
	if (done && l->warned) {
		log_error(
			"database: the standby has not confirmed a change in time: it may be lost "
			"if the server fails now");
		return STORE_UNKNOWN;
	}
	return done ? STORE_OK : STORE_FAILED;
}

static void
turn_begin_body(struct store *base)
{
	struct server_link *l = &postgres_of(base)->writer;

	l->failure = STORE_OK;
	link_allow(l, LINK_WRITE_MS);
}

static enum store_rc
turn_end_body(struct store *base, bool failed)
{
	const struct server_link *l = &postgres_of(base)->writer;

	if (l->connection == NULL)
		return l->failure != STORE_OK ? l->failure : STORE_FAILED;
	if (failed && l->failure == STORE_FULL)
		return STORE_FULL; /* not the body's fault, and the same for the whole batch */
	/* A body that goes on after an error of the database is a bug. */
	return !failed && PQtransactionStatus(l->connection) == PQTRANS_INERROR ? STORE_FAILED
										: STORE_OK;
}

static void
turn_tell_busy(struct store *base)
{
	static const char text[] =
		"SELECT pid || ' of ' || coalesce(client_addr::text, 'the same machine') || ' (' "
		"|| application_name || ')' FROM pg_stat_activity WHERE pid IN (SELECT "
		"unnest(pg_blocking_pids(pid)) FROM pg_stat_activity WHERE wait_event_type = "
		"'Lock' AND query LIKE '%regcred.turn%') LIMIT 1";
	struct postgres_store *s = postgres_of(base);
	long long now = clock_ms(), told = atomic_load(&s->place.busy_told_ms);
	struct server_link l = {.place = &s->place};
	PGresult *result = NULL;
	enum store_rc rc;

	if (now - told < LINK_TELL_MS ||
	    !atomic_compare_exchange_strong(&s->place.busy_told_ms, &told, now))
		return;
	if (link_open(&l, NULL))
		result = link_run(&l, text, &rc);
	log_error("database: the turn of the writers was not free for %d s; it is held by %s. "
		  "Changes are answered with 503 until that goes on or ends",
		  QUEUE_WAIT_MS / 1000,
		  result != NULL && PQntuples(result) == 1 ? PQgetvalue(result, 0, 0)
							   : "an unknown session");
	link_clear(result);
	link_close(&l);
}

const struct queue_engine postgres_queue = {
	.take = turn_take,
	.give = turn_give,
	.begin = turn_begin,
	.exec = turn_exec,
	.commit = turn_commit,
	.roll_back = turn_roll_back,
	.begin_body = turn_begin_body,
	.end_body = turn_end_body,
	.tell_busy = turn_tell_busy,
};

enum store_rc
postgres_write(struct store *base, store_fn fn, void *arg)
{
	return queue_write(&postgres_of(base)->queue, fn, arg);
}

void
postgres_note_use(struct store *base, const struct key_use *use)
{
	queue_note_use(&postgres_of(base)->queue, use);
}

static enum err
forget_done(struct store_tx *tx, void *arg)
{
	const struct value binds[] = {value_int(clock_wall_ms() - DONE_KEPT_MS)};
	int changed = 0;

	(void)arg;
	return row_change(tx, "DELETE FROM done WHERE at < ?1", binds, 1, &changed) == STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

enum store_rc
postgres_tidy(struct store *base)
{
	return postgres_write(base, forget_done, NULL);
}
