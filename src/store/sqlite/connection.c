/* connection: connections to SQLite, their statements, and what their errors mean. */
#include "store/sqlite/connection.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "base/disk.h"
#include "base/log.h"
#include "model/schema.h"
#include "shared/board.h"
#include "store/sql.h"
#include "store/sqlite/db.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum {
	CACHE_KIB =
		1024, /* page cache of a connection: the operating system's cache serves the rest */
	/* Size the log keeps when it restarts: overwriting is cheaper than growing. */
	WAL_KEEP_BYTES = 15 * 1024 * 1024,
	/* Steps of SQLite's virtual machine between two checks of the clock: about ten rows
	   of a list, each of which may compare for milliseconds. */
	LATE_STEPS = 100,
	QUERY_MS = 2000, /* a list that takes longer is aborted: filters can be made arbitrarily
			    expensive */
};

void
connection_meet_trouble(struct trouble *t, const char *what, int code)
{
	long long now = clock_ms(), told = atomic_load(&t->told_ms);

	atomic_store(&t->met, true);
	board_count(BOARD_DATABASE_FAILURES);
	if (now - told < TROUBLE_TELL_MS ||
	    !atomic_compare_exchange_strong(&t->told_ms, &told, now)) {
		(void)atomic_fetch_add(&t->untold, 1);
		return;
	}
	unsigned more = atomic_exchange(&t->untold, 0);
	log_error("database: %s (%d), and %u times more since the last such line. Nothing is "
		  "repaired: look at the disk, then at `regcred check`, or restore a backup",
		  what, code, more);
}

/* Whether a failure means that there is no room.  SQLite recognises only ENOSPC on writes; a quota
 * or a file size limit means the same.  connection_begin() has cleared errno before. */
static bool
is_full(struct connection *c, int rc)
{
	/* SQLite's stored errno may be from an earlier failure. */
	int error = errno != 0 ? errno : sqlite3_system_errno(c->db);

	switch (rc & 0xff) {
	case SQLITE_FULL:
		return true;
	case SQLITE_IOERR:
	case SQLITE_CANTOPEN:
		return error == ENOSPC || error == EDQUOT || error == EFBIG;
	default:
		return false;
	}
}

static enum store_rc
classify(struct connection *c, int rc)
{
	if (is_full(c, rc))
		return STORE_FULL;
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return STORE_OK;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
	case SQLITE_PROTOCOL: /* somebody keeps the locks of the write-ahead log */
		return STORE_BUSY;
	case SQLITE_INTERRUPT:
		log_warn("database: a query took more than %d ms and was given up", QUERY_MS);
		return STORE_BUSY;
	case SQLITE_NOMEM:
		return STORE_NO_MEMORY;
	case SQLITE_CONSTRAINT:
		return STORE_CONSTRAINT;
	case SQLITE_IOERR:
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_CANTOPEN:
		c->broken = true;
		connection_meet_trouble(c->trouble, sqlite3_errmsg(c->db), rc);
		return STORE_FAILED;
	default:
		break;
	}
	log_error("database: %s (%d)", sqlite3_errmsg(c->db), rc);
	return STORE_FAILED;
}

enum store_rc
connection_rc(struct connection *c, int rc)
{
	enum store_rc result = classify(c, rc);

	if (result != STORE_OK)
		c->failure = result;
	return result;
}

/* After the start only plain reading and writing of rows is allowed, whatever SQL reaches the
 * database. */
static int
connection_authorize(void *reading, int action, const char *a, const char *b, const char *c,
		     const char *d)
{
	(void)c, (void)d;
	switch (action) {
	case SQLITE_SELECT:
	case SQLITE_READ:
	case SQLITE_RECURSIVE:
	case SQLITE_TRANSACTION:
		return SQLITE_OK;
	case SQLITE_FUNCTION:
		return b != NULL && strcmp(b, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
	case SQLITE_PRAGMA:
		return a != NULL && ((b == NULL && (strcmp(a, "user_version") == 0 ||
						    strcmp(a, "application_id") == 0)) ||
				     strcmp(a, "quick_check") == 0)
			       ? SQLITE_OK
			       : SQLITE_DENY;
	case SQLITE_INSERT:
	case SQLITE_UPDATE:
	case SQLITE_DELETE:
	case SQLITE_SAVEPOINT:
		return reading != NULL ? SQLITE_DENY : SQLITE_OK;
	default:
		return SQLITE_DENY;
	}
}

/* Called by SQLite while a statement runs: not 0 interrupts it. */
static int
is_late(void *arg)
{
	const struct connection *c = arg;
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec > c->deadline.tv_sec ||
	       (now.tv_sec == c->deadline.tv_sec && now.tv_nsec > c->deadline.tv_nsec);
}

void
connection_set_deadline(struct connection *c)
{
	(void)clock_gettime(CLOCK_MONOTONIC, &c->deadline);
	c->deadline.tv_sec += QUERY_MS / 1000;
}

bool
connection_run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

void
connection_count_no_memory(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

int
connection_nap(void *arg, int naps)
{
	(void)arg;
	if (naps >= BUSY_MS / NAP_MS)
		return 0;
	(void)sqlite3_sleep(NAP_MS);
	return 1;
}

bool
connection_ask_text(sqlite3 *db, const char *sql, char *out, size_t size)
{
	sqlite3_stmt *stmt = NULL;
	bool done = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		    sqlite3_step(stmt) == SQLITE_ROW;
	const char *text = done ? (const char *)sqlite3_column_text(stmt, 0) : NULL;

	(void)snprintf(out, size, "%s", text != NULL ? text : "none");
	/* What it changes is committed here, after its row. */
	return sqlite3_finalize(stmt) == SQLITE_OK && done;
}

static bool
uses_wal(sqlite3 *db, bool *wal)
{
	char mode[16];
	bool done = connection_ask_text(db, "PRAGMA journal_mode", mode, sizeof(mode));

	*wal = strcmp(mode, "wal") == 0;
	return done;
}

/* Without a write-ahead log: the journal is truncated and flushed at a commit; deleting it would
 * need a flush of the directory. Pages changed by a long transaction stay in memory, because
 * writing them early would block readers until its end. */
static bool
use_rollback(sqlite3 *db)
{
	return connection_run(db, "PRAGMA journal_mode = TRUNCATE; PRAGMA cache_spill = OFF");
}

static bool
configure(sqlite3 *db, bool reading, bool *wal)
{
	char sql[512];

	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_VIEW, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DDL, 0, NULL);
	(void)sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
	(void)sqlite3_busy_handler(db, connection_nap, NULL);
	sqlite3_limit(db, SQLITE_LIMIT_LENGTH, 1 << 20);
	sqlite3_limit(db, SQLITE_LIMIT_SQL_LENGTH, 64 * 1024);
	sqlite3_limit(db, SQLITE_LIMIT_EXPR_DEPTH, 200);
	sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
	sqlite3_limit(db, SQLITE_LIMIT_LIKE_PATTERN_LENGTH, 8 * 1024);
	(void)snprintf(
		sql, sizeof(sql),
		"PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0; PRAGMA cell_size_check = ON; "
		"PRAGMA cache_size = -%d;"
		"PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON; PRAGMA synchronous = FULL;"
		"PRAGMA journal_size_limit = %d; PRAGMA wal_autocheckpoint = 0; PRAGMA query_only "
		"= %s;",
		CACHE_KIB, WAL_KEEP_BYTES, reading ? "ON" : "OFF");
	/* json_each is set up at its first use, which the authorizer would treat as creating a
	 * table. */
	return connection_run(db, sql) && uses_wal(db, wal) && (*wal || use_rollback(db)) &&
	       connection_run(db, "SELECT 1 FROM json_each('[]')") &&
	       sqlite3_set_authorizer(db, connection_authorize, reading ? db : NULL) == SQLITE_OK;
}

bool
connection_is_kept(sqlite3 *db)
{
	int code = sqlite3_errcode(db) & 0xff;

	return code == SQLITE_BUSY || code == SQLITE_PROTOCOL;
}

bool
connection_open(struct connection *c, const char *path, bool reading, char why[STORE_WHY_MAX])
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
		    SQLITE_OPEN_EXRESCODE;

	*c = (struct connection){.trouble = c->trouble};
	if (sqlite3_open_v2(path, &c->db, flags, NULL) != SQLITE_OK ||
	    !configure(c->db, reading, &c->wal)) {
		(void)snprintf(why, STORE_WHY_MAX, "cannot open the database %s: %s", path,
			       db_why(c->db));
		int error = connection_is_kept(c->db) ? EBUSY : EIO;
		(void)sqlite3_close(c->db);
		errno = error;
		c->db = NULL;
		c->broken = true;
		return false;
	}
	if (reading)
		sqlite3_progress_handler(c->db, LATE_STEPS, is_late, c);
	return true;
}

void
connection_close(struct connection *c)
{
	for (size_t i = 0; i < c->statement_count; i++) {
		(void)sqlite3_finalize(c->statements[i].stmt);
		free(c->statements[i].sql);
	}
	c->statement_count = 0;
	/* The last connection to close would checkpoint the log into a file that may be damaged. */
	if (c->db != NULL && atomic_load(&c->trouble->met))
		(void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_close(c->db);
	c->db = NULL;
}

ino_t
connection_log_inode(const char *path)
{
	char name[DISK_PATH_MAX];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s-wal", path);
	return stat(name, &st) == 0 ? st.st_ino : 0;
}

static struct statement *
statement_slot(struct connection *c)
{
	struct statement *oldest = &c->statements[0];

	if (c->statement_count < STATEMENTS_MAX)
		return &c->statements[c->statement_count++];
	for (size_t i = 1; i < STATEMENTS_MAX; i++)
		if (c->statements[i].used < oldest->used)
			oldest = &c->statements[i];
	(void)sqlite3_finalize(oldest->stmt);
	free(oldest->sql);
	return oldest;
}

/* The prepared statement of a text, kept for the next time; NULL with *rc set. */
static sqlite3_stmt *
connection_prepare(struct connection *c, const char *sql, size_t len, int *rc)
{
	sqlite3_stmt *stmt = NULL;

	for (size_t i = 0; i < c->statement_count; i++)
		if (c->statements[i].len == len && memcmp(c->statements[i].sql, sql, len) == 0) {
			c->statements[i].used = ++c->clock;
			return c->statements[i].stmt;
		}
	char *copy = strdup(sql);
	if (copy == NULL) {
		*rc = SQLITE_NOMEM;
		return NULL;
	}
	*rc = sqlite3_prepare_v3(c->db, sql, (int)len + 1, SQLITE_PREPARE_PERSISTENT, &stmt, NULL);
	if (*rc != SQLITE_OK) {
		free(copy);
		return NULL;
	}
	*statement_slot(c) =
		(struct statement){.sql = copy, .len = len, .stmt = stmt, .used = ++c->clock};
	return stmt;
}

static int
bind_value(sqlite3_stmt *stmt, int place, const struct value *v)
{
	switch (v->type) {
	case VALUE_INT:
		return sqlite3_bind_int64(stmt, place, v->number);
	case VALUE_TEXT:
		return sqlite3_bind_text(stmt, place, v->text, (int)v->len, SQLITE_STATIC);
	case VALUE_BLOB:
		return sqlite3_bind_blob(stmt, place, v->text, (int)v->len, SQLITE_STATIC);
	case VALUE_NULL:
		break;
	}
	return sqlite3_bind_null(stmt, place);
}

void
statement_release(sqlite3_stmt *stmt)
{
	if (stmt == NULL)
		return;
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
}

sqlite3_stmt *
connection_begin(struct connection *c, const struct sql *q, enum store_rc *out)
{
	int rc = SQLITE_OK;

	if (q->failed) {
		*out = STORE_NO_MEMORY;
		return NULL;
	}
	errno = 0;
	sqlite3_stmt *stmt = connection_prepare(c, q->text, q->len, &rc);
	for (size_t i = 0; stmt != NULL && rc == SQLITE_OK && i < q->bind_count; i++)
		rc = bind_value(stmt, (int)i + 1, &q->binds[i]);
	if (rc == SQLITE_OK)
		return stmt;
	statement_release(stmt);
	*out = connection_rc(c, rc);
	return NULL;
}

enum store_rc
connection_exec(struct connection *c, const char *sql)
{
	struct sql q;
	enum store_rc result = STORE_OK;

	sql_fixed(&q, sql, NULL, 0);
	sqlite3_stmt *stmt = connection_begin(c, &q, &result);
	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc != SQLITE_DONE)
		result = connection_rc(c, rc);
	statement_release(stmt);
	return result;
}

void
connection_roll_back(struct connection *c)
{
	if (sqlite3_get_autocommit(c->db) != 0 || connection_exec(c, "ROLLBACK") == STORE_OK)
		return;
	c->broken = true;
	connection_close(c);
}
