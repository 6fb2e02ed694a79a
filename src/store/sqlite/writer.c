/* writer: how the SQLite engine writes what is in the queue. */
#include <sqlite3.h>
#include <stdatomic.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/log.h"
#include "store/queue.h"
#include "store/sqlite/connection.h"
#include "store/sqlite/health.h"
#include "store/sqlite/lock.h"
#include "store/sqlite/ready.h"
#include "store/sqlite/sqlite.h"

/* Once a minute. */
static void
writer_tell_busy(struct store *base)
{
	struct sqlite_store *s = sqlite_of(base);
	long long now = clock_ms(), told = atomic_load(&s->busy_told_ms);

	if (now - told < TROUBLE_TELL_MS ||
	    !atomic_compare_exchange_strong(&s->busy_told_ms, &told, now))
		return;
	log_error(
		"database: the writers' lock %s.lock was not free for %d s; it is held by process "
		"%ld (0: unknown). Changes are answered with 503 until that goes on or ends",
		s->path, BUSY_MS / 1000, (long)lock_holder(s->lock_fd));
}

static enum store_rc
writer_take(struct store *base, enum patience patience)
{
	struct sqlite_store *s = sqlite_of(base);
	/* On network file systems, used without a write-ahead log, the two kinds of locks may be
	 * the same. */
	enum store_rc rc = lock_take(s->lock_fd, s->writer.wal, patience);

	if (rc == STORE_OK && (!file_is_here(s) || !connection_ready(s, &s->writer, false)))
		return STORE_FAILED;
	return rc;
}

static void
writer_give(struct store *base)
{
	(void)flock(sqlite_of(base)->lock_fd, LOCK_UN);
}

/* Without a write-ahead log a commit waits until nobody reads, and keeps new readers out meanwhile.
 * Who reads for very long, as a stopped `regcred backup`, would so stop everybody: it is asked
 * before, for a moment at a time, in between which others can read. */
static enum store_rc
wait_for_readers(struct connection *c)
{
	enum { MOMENT_MS = 200, PAUSE_MS = 100 };
	int64_t end_ms = clock_ms() + BUSY_MS;
	enum store_rc rc;

	(void)sqlite3_busy_timeout(c->db, MOMENT_MS);
	while ((rc = connection_exec(c, "BEGIN EXCLUSIVE")) == STORE_BUSY && clock_ms() < end_ms)
		(void)sqlite3_sleep(PAUSE_MS);
	(void)sqlite3_busy_handler(c->db, connection_nap, NULL);
	if (rc == STORE_BUSY)
		log_error("database: somebody has been reading it for %d s, so that nothing can "
			  "be changed: look for a command that was stopped, or a CGI",
			  BUSY_MS / 1000);
	return rc == STORE_OK ? connection_exec(c, "COMMIT") : rc;
}

static enum store_rc
writer_begin(struct store *base)
{
	struct connection *c = &sqlite_of(base)->writer;
	enum store_rc rc = c->wal ? STORE_OK : wait_for_readers(c);

	return rc == STORE_OK ? connection_exec(c, "BEGIN IMMEDIATE") : rc;
}

static enum store_rc
writer_exec(struct store *base, const char *text)
{
	return connection_exec(&sqlite_of(base)->writer, text);
}

static enum store_rc
writer_commit(struct store *base)
{
	return writer_exec(base, "COMMIT");
}

static void
writer_roll_back(struct store *base)
{
	connection_roll_back(&sqlite_of(base)->writer);
}

static void
writer_begin_body(struct store *base)
{
	sqlite_of(base)->writer.failure = STORE_OK;
}

/* SQLite may have rolled the whole transaction back by itself. */
static enum store_rc
writer_end_body(struct store *base, bool failed)
{
	const struct connection *c = &sqlite_of(base)->writer;
	bool gone = sqlite3_get_autocommit(c->db) != 0;

	if ((failed || gone) && c->failure == STORE_FULL)
		return STORE_FULL; /* not the body's fault, and the same for the whole batch */
	if (gone)
		return c->failure != STORE_OK ? c->failure : STORE_FAILED;
	return STORE_OK;
}

const struct queue_engine sqlite_queue = {
	.take = writer_take,
	.give = writer_give,
	.begin = writer_begin,
	.exec = writer_exec,
	.commit = writer_commit,
	.roll_back = writer_roll_back,
	.begin_body = writer_begin_body,
	.end_body = writer_end_body,
	.tell_busy = writer_tell_busy,
};

enum store_rc
sqlite_write(struct store *base, store_fn fn, void *arg)
{
	return queue_write(&sqlite_of(base)->queue, fn, arg);
}

void
sqlite_note_use(struct store *base, const struct key_use *use)
{
	queue_note_use(&sqlite_of(base)->queue, use);
}
