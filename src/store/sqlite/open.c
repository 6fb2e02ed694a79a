/* store_sqlite: the storage interface on SQLite.
 *
 * One connection of a process writes.  Requests that wait to write share one transaction, each in a
 * savepoint of its own, and so one wait for the disk.  Between processes a flock on a lock file
 * orders them: writers queue fairly instead of sleeping in SQLite's back-off, and no checkpoint
 * overlaps a commit that restarts the write-ahead log.  Reads use a pool of read-only connections;
 * a statement is reset as soon as its rows are copied.  After damage or an I/O error the connection
 * is closed and opened again for the next user; nothing is repaired here.
 */
#include "store/store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <semaphore.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "shared/board.h"
#include "base/clock.h"
#include "base/disk.h"
#include "base/harden.h"
#include "base/log.h"
#include "store/sqlite/migrations.h"
#include "store/sqlite/sql.h"

enum {
	APPLICATION_ID = 0x72637264, /* "rcrd" */
	RETRY_AFTER_S = 5,
	STATEMENTS_MAX = 64, /* prepared ones kept by a connection */
	PAGE_TEXT_MAX =
		2 * 1024 *
		1024, /* bytes of text in one page of a list; the page ends there and says so */
	CACHE_KIB =
		1024, /* page cache of a connection: the operating system's cache serves the rest */
	FOLD_FRAMES_MORE = 800, /* of the write-ahead log, until a commit folds because the thread
				   that should does not get on */
	/* What the log keeps when it begins anew: writing over is cheaper than growing. */
	WAL_KEEP_BYTES = 15 * 1024 * 1024,
	LATER_MAX = 64,	    /* uses of keys that wait to be noted */
	BATCH_MAX = 64,	    /* transactions that share one commit */
	COUNT_PAGE = 20000, /* rows that one statement of a count looks at, so that none is late */
	KINDS_TEXT_MAX = 512,
	SEALED_TEXT_MAX = 1024,
	QUERY_MS = 2000, /* a list that takes longer is given up: filters can be made to cost any
			    time */
	PROGRESS_STEPS = 20000, /* of SQLite's machine, between two looks at the clock */
	/* For readers during recovery, and without a write-ahead log while somebody commits or
	 * reads; writers queue at the lock file. */
	BUSY_MS = 5000,
	NAP_MS = 5,	/* between two tries: SQLite's own naps grow so long that others go first */
	LOOK_MS = 1000, /* between two looks at the room on the disk, or through a sick database */
	TELL_MS = 60 * 1000, /* between two lines about damage and I/O errors */
};

struct statement {
	char *sql;
	size_t len; /* of sql: looked at first, since many texts begin alike */
	sqlite3_stmt *stmt;
	unsigned long used;
};

/* Damage and I/O errors, as met by the threads of this process. */
struct trouble {
	atomic_uint generation; /* rises with each: older connections are opened again */
	atomic_bool met;	/* until store_ping() has looked through the file */
	atomic_llong looked_ms; /* when it did */
	atomic_llong told_ms;
	atomic_uint untold;
};

struct connection {
	sqlite3 *db;
	struct trouble *trouble;
	unsigned generation; /* of trouble, when it was opened */
	struct statement statements[STATEMENTS_MAX];
	size_t statement_count;
	unsigned long clock;
	bool wal;		  /* when it was opened; else a rollback journal */
	bool broken;		  /* to be opened again before its next use */
	enum store_rc failure;	  /* the last that rc_of() told */
	struct timespec deadline; /* of the statement that runs, for readers */
	struct connection *next;
};

/* A request that waits for its transaction, or to work alone; on the stack of its thread. */
struct waiter {
	store_fn fn; /* NULL: alone */
	void *arg;
	const char *request;	/* for the log */
	_Atomic int64_t *pulse; /* of its thread */
	int64_t since_us;
	bool frees; /* may have what is kept back for a full disk */
	enum store_rc rc;
	bool settled;  /* rc is final: it is not run (again) */
	bool leads;    /* woken to lead, not with a result */
	bool unwaited; /* nobody waits for it: see struct later */
	sem_t woken;
	struct waiter *next;
};

/* The use of a key, which is noted when the line comes to it; freed then. */
struct later {
	struct waiter waiter; /* first: the waiter's address is its own */
	int64_t key, before_ms, now_ms;
	char address[];
};

/* Folds the write-ahead log into the database, in a thread of its own. */
struct folder {
	pthread_t thread;
	bool runs;
	pthread_mutex_t mutex;
	pthread_cond_t called;
	bool wanted, ends;
	struct connection hold; /* reads while `fold` works */
	struct connection fold;
};

struct store {
	char *path;
	char *ballast; /* path of the file that is given back when the disk is full */
	struct store_room room;
	atomic_llong looked_ms; /* when the room on the disk was last looked at */
	atomic_bool low;	/* and what was found */
	struct trouble trouble;
	struct stat file;	/* the database, as it was opened */
	atomic_ullong log_file; /* inode of its write-ahead log; 0: none */
	atomic_bool lost;	/* another file, or none, has its name: told */
	int lock_fd;
	pthread_mutex_t line_mutex; /* guards the line and `led`, not the work */
	struct waiter *waiting, **waiting_end;
	bool led;
	unsigned later; /* how many in the line are struct later */
	pthread_t committer;
	bool commits; /* it runs */
	sem_t called; /* the committer; with an empty line: to end */
	struct connection writer;
	struct folder folder;
	int fold_frames; /* of the write-ahead log: then it is folded */
	pthread_mutex_t read_mutex;
	pthread_cond_t read_ready;
	struct connection *readers;
	size_t reader_count;
	struct connection *free_readers;
};

struct store_tx {
	struct connection *connection;
	enum column conflict;
};

/* Told once a minute.  Whatever was read before is not believed any more. */
static void
meet_trouble(struct trouble *t, const char *what, int code)
{
	long long now = clock_ms(), told = atomic_load(&t->told_ms);

	atomic_store(&t->met, true);
	(void)atomic_fetch_add(&t->generation, 1);
	board_count(BOARD_DATABASE_FAILURES);
	if (now - told < TELL_MS || !atomic_compare_exchange_strong(&t->told_ms, &told, now)) {
		(void)atomic_fetch_add(&t->untold, 1);
		return;
	}
	unsigned more = atomic_exchange(&t->untold, 0);
	log_error("database: %s (%d), and %u times more since the last such line. Nothing is "
		  "repaired: look at the disk, then at `regcred check`, or restore a backup",
		  what, code, more);
}

/* Whether a failure means that there is no room.  SQLite knows ENOSPC at writing alone; a quota or
 * a limit on the size of files is as full.  It does not note the system's error of every failed
 * COMMIT; begin() has cleared errno before. */
static bool
is_full(struct connection *c, int rc)
{
	int noted = sqlite3_system_errno(c->db), error = noted != 0 ? noted : errno;

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
		meet_trouble(c->trouble, sqlite3_errmsg(c->db), rc);
		return STORE_FAILED;
	default:
		break;
	}
	log_error("database: %s (%d)", sqlite3_errmsg(c->db), rc);
	return STORE_FAILED;
}

static enum store_rc
rc_of(struct connection *c, int rc)
{
	enum store_rc result = classify(c, rc);

	if (result != STORE_OK)
		c->failure = result;
	return result;
}

enum err
store_err(enum store_rc rc, struct error *e)
{
	switch (rc) {
	case STORE_FULL:
		return err_set(e, ERR_DISK_FULL, NULL,
			       "Make room on the disk that the database lies on; then it goes on "
			       "by itself. Reading, deactivating and removing work meanwhile.");
	case STORE_BUSY:
	case STORE_FAILED:
		(void)err_set(e, ERR_UNAVAILABLE, NULL, NULL);
		e->retry_after_s = RETRY_AFTER_S;
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

/* After start nothing but plain reading and writing of rows is allowed, whatever text reaches the
 * database. */
static int
authorize(void *reading, int action, const char *a, const char *b, const char *c, const char *d)
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

static void
set_deadline(struct connection *c)
{
	(void)clock_gettime(CLOCK_MONOTONIC, &c->deadline);
	c->deadline.tv_sec += QUERY_MS / 1000;
}

static bool
run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL) == SQLITE_OK;
}

/* Called before SQLite's first use in a process, later it changes nothing.  Otherwise SQLite counts
 * its memory, for nobody, under one lock that all threads take at every allocation. */
static void
count_no_memory(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

/* Called by SQLite while others hold a lock: 0 gives up. */
static int
nap(void *arg, int naps)
{
	(void)arg;
	if (naps >= BUSY_MS / NAP_MS)
		return 0;
	(void)sqlite3_sleep(NAP_MS);
	return 1;
}

/* The first column of the first row. */
static bool
ask_text(sqlite3 *db, const char *sql, char *out, size_t size)
{
	sqlite3_stmt *stmt = NULL;
	bool done = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		    sqlite3_step(stmt) == SQLITE_ROW;
	const char *text = done ? (const char *)sqlite3_column_text(stmt, 0) : NULL;

	(void)snprintf(out, size, "%s", text != NULL ? text : "none");
	(void)sqlite3_finalize(stmt);
	return done;
}

static bool
uses_wal(sqlite3 *db, bool *wal)
{
	char mode[16];
	bool done = ask_text(db, "PRAGMA journal_mode", mode, sizeof(mode));

	*wal = strcmp(mode, "wal") == 0;
	return done;
}

/* Without a write-ahead log: the journal is cut and flushed at a commit, rather than deleted, which
 * would need a flush of the directory.  Pages that a long transaction changed stay in memory: to
 * write them early would keep readers away until its end. */
static bool
use_rollback(sqlite3 *db)
{
	return run(db, "PRAGMA journal_mode = TRUNCATE; PRAGMA cache_spill = OFF");
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
	(void)sqlite3_busy_handler(db, nap, NULL);
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
	/* json_each is set up at its first use, which the authorizer would take for the making of a
	 * table. */
	return run(db, sql) && uses_wal(db, wal) && (*wal || use_rollback(db)) &&
	       run(db, "SELECT 1 FROM json_each('[]')") &&
	       sqlite3_set_authorizer(db, authorize, reading ? db : NULL) == SQLITE_OK;
}

static bool
connection_open(struct connection *c, const char *path, bool reading, char why[STORE_WHY_MAX])
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
		    SQLITE_OPEN_EXRESCODE;

	*c = (struct connection){.next = c->next,
				 .trouble = c->trouble,
				 .generation = atomic_load(&c->trouble->generation)};
	if (sqlite3_open_v2(path, &c->db, flags, NULL) != SQLITE_OK ||
	    !configure(c->db, reading, &c->wal)) {
		(void)snprintf(why, STORE_WHY_MAX, "cannot open the database %s: %s", path,
			       c->db != NULL ? sqlite3_errmsg(c->db) : "no memory");
		(void)sqlite3_close(c->db);
		c->db = NULL;
		c->broken = true;
		return false;
	}
	if (reading)
		sqlite3_progress_handler(c->db, PROGRESS_STEPS, is_late, c);
	return true;
}

static void
connection_close(struct connection *c)
{
	for (size_t i = 0; i < c->statement_count; i++) {
		(void)sqlite3_finalize(c->statements[i].stmt);
		free(c->statements[i].sql);
	}
	c->statement_count = 0;
	/* The last to close would fold the log into a file that may be damaged. */
	if (c->db != NULL && atomic_load(&c->trouble->met))
		(void)sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	(void)sqlite3_close(c->db);
	c->db = NULL;
}

/* The inode of the write-ahead log; 0: there is none. */
static ino_t
log_inode(const char *path)
{
	char name[DISK_PATH_MAX];
	struct stat st;

	(void)snprintf(name, sizeof(name), "%s-wal", path);
	return stat(name, &st) == 0 ? st.st_ino : 0;
}

/* Called by SQLite at the end of each commit of the writer, under the lock file. */
static int
on_commit(void *arg, sqlite3 *db, const char *name, int frames)
{
	struct store *s = arg;
	struct folder *f = &s->folder;

	if (frames >= s->fold_frames + (f->runs ? FOLD_FRAMES_MORE : 0)) {
		(void)sqlite3_wal_checkpoint_v2(db, name, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	} else if (frames >= s->fold_frames) {
		(void)pthread_mutex_lock(&f->mutex);
		f->wanted = true;
		(void)pthread_cond_signal(&f->called);
		(void)pthread_mutex_unlock(&f->mutex);
	}
	return SQLITE_OK; /* what could not be folded stays in the log */
}

/* A connection that failed badly, or is older than a failure of another, is opened again; false if
 * that does not help. */
static bool
connection_ready(struct store *s, struct connection *c, bool reading)
{
	char why[STORE_WHY_MAX];

	if (!c->broken && c->generation == atomic_load(&s->trouble.generation))
		return true;
	connection_close(c);
	if (!connection_open(c, s->path, reading, why)) {
		meet_trouble(&s->trouble, why, 0);
		return false;
	}
	if (c->wal)
		atomic_store(&s->log_file, log_inode(s->path));
	if (c == &s->writer)
		(void)sqlite3_wal_hook(c->db, on_commit, s);
	return true;
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
prepare(struct connection *c, const char *sql, size_t len, int *rc)
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

static void
release(sqlite3_stmt *stmt)
{
	if (stmt == NULL)
		return;
	(void)sqlite3_reset(stmt);
	(void)sqlite3_clear_bindings(stmt);
}

/* A statement with its values bound; NULL with *out set. */
static sqlite3_stmt *
begin(struct connection *c, const struct sql *q, enum store_rc *out)
{
	int rc = SQLITE_OK;

	if (q->failed) {
		*out = STORE_NO_MEMORY;
		return NULL;
	}
	errno = 0;
	sqlite3_stmt *stmt = prepare(c, q->text, q->len, &rc);
	for (size_t i = 0; stmt != NULL && rc == SQLITE_OK && i < q->bind_count; i++)
		rc = bind_value(stmt, (int)i + 1, &q->binds[i]);
	if (rc == SQLITE_OK)
		return stmt;
	release(stmt);
	*out = rc_of(c, rc);
	return NULL;
}

/* SQLite calls such a value unprotected: by a mutex that would cost as much as the reading.  Here a
 * connection has one user at a time. */
static struct value
column_value(struct arena *a, sqlite3_stmt *stmt, int column)
{
	sqlite3_value *v = sqlite3_column_value(stmt, column);
	const void *bytes;
	size_t len;

	switch (sqlite3_value_type(v)) {
	case SQLITE_INTEGER:
		return value_int(sqlite3_value_int64(v));
	case SQLITE_TEXT:
		bytes = sqlite3_value_text(v);
		len = (size_t)sqlite3_value_bytes(v);
		return (struct value){.type = VALUE_TEXT,
				      .text = bytes != NULL ? arena_copy(a, bytes, len) : NULL,
				      .len = len};
	case SQLITE_BLOB:
		bytes = sqlite3_value_blob(v);
		len = (size_t)sqlite3_value_bytes(v);
		return value_blob(arena_copy(a, bytes != NULL ? bytes : "", len), len);
	default:
		return value_null();
	}
}

/* Copies these columns of a family, all that a row has, into a record that is zero. */
static void
read_record(struct arena *a, sqlite3_stmt *stmt, const struct family *family, uint64_t columns,
	    struct record *out)
{
	int at = 0;

	for (uint64_t rest = columns; rest != 0; rest &= rest - 1)
		out->columns[__builtin_ctzll(rest)] = column_value(a, stmt, at++);
	const char *kind = record_text(out, COL_KIND);
	out->type = type_of_row(family, kind != NULL ? kind : "");
}

static enum store_rc
get_one(struct connection *c, struct arena *a, const struct family *family, int64_t id,
	const struct owners *owners, struct record *out)
{
	struct sql q;
	enum store_rc result = STORE_OK;

	sql_get(&q, a, family, id, owners);
	sqlite3_stmt *stmt = begin(c, &q, &result);
	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		*out = (struct record){0};
		read_record(a, stmt, family, family->columns, out);
	} else {
		result = rc == SQLITE_DONE ? STORE_NONE : rc_of(c, rc);
	}
	release(stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

static void
reverse(struct record_list *list)
{
	for (size_t i = 0; i < list->count / 2; i++) {
		struct record other = list->items[i];

		list->items[i] = list->items[list->count - 1 - i];
		list->items[list->count - 1 - i] = other;
	}
}

/* Room for one more record; what an arena hands out is zero. */
static bool
grow(struct arena *a, struct record_list *list, size_t limit, size_t *room)
{
	if (list->count < *room)
		return true;
	size_t more = *room == 0 ? (limit < 128 ? limit + 1 : 128) : *room * 2;
	struct record *items = arena_array(a, more, sizeof(*items));
	if (items == NULL)
		return false;
	if (list->count > 0)
		memcpy(items, list->items, list->count * sizeof(*items));
	list->items = items;
	*room = more;
	return true;
}

static size_t
text_size(const struct record *record)
{
	size_t size = 0;

	for (unsigned c = 1; c < COL__COUNT; c++)
		size += record->columns[c].len;
	return size;
}

static enum store_rc
get_list(struct connection *c, struct arena *a, const struct list_query *list,
	 struct record_list *out)
{
	struct sql q;
	enum store_rc result = STORE_OK;
	size_t room = 0, bytes = 0;
	uint64_t columns = sql_columns(list);
	int rc;

	*out = (struct record_list){0};
	sql_list(&q, a, list);
	sqlite3_stmt *stmt = begin(c, &q, &result);
	if (stmt == NULL)
		return result;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (out->count == list->limit || bytes > PAGE_TEXT_MAX) {
			out->more = true;
			break;
		}
		if (!grow(a, out, list->limit, &room))
			break;
		read_record(a, stmt, list->family, columns, &out->items[out->count]);
		bytes += text_size(&out->items[out->count++]);
	}
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		result = rc_of(c, rc);
	release(stmt);
	if (list->from.backwards)
		reverse(out);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

/* A fixed text with the values of one request. */
static void
fixed(struct sql *q, const char *text, const struct value *binds, size_t count)
{
	q->len = strlen(text);
	memcpy(q->text, text, q->len + 1);
	for (size_t i = 0; i < count; i++)
		q->binds[i] = binds[i];
	q->bind_count = count;
	q->failed = false;
}

/* Runs a statement that returns no row; the number of changed rows in *changed. */
static enum store_rc
change(struct store_tx *tx, const struct sql *q, int *changed)
{
	struct connection *c = tx->connection;
	enum store_rc result = STORE_OK;
	sqlite3_stmt *stmt = begin(c, q, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_DONE) {
		*changed = sqlite3_changes(c->db);
	} else {
		result = rc_of(c, rc);
		if (result == STORE_CONSTRAINT) {
			/* "UNIQUE constraint failed: storage_pool.account_id,
			 * storage_pool.server_address": the last one counts. */
			const char *dot = strrchr(sqlite3_errmsg(c->db), '.');

			tx->conflict = COL_NONE;
			for (unsigned col = 1; dot != NULL && col < COL__COUNT; col++)
				if (strcmp(dot + 1, column_name((enum column)col)) == 0)
					tx->conflict = (enum column)col;
		}
	}
	release(stmt);
	return result;
}

static enum store_rc
change_fixed(struct store_tx *tx, const char *text, const struct value *binds, size_t count,
	     int *changed)
{
	struct sql q;

	fixed(&q, text, binds, count);
	return change(tx, &q, changed);
}

/* Whether the names still lead to the files that are open: what is written to others is lost. */
static bool
is_here(struct store *s)
{
	struct stat now;
	bool found = stat(s->path, &now) == 0 && now.st_dev == s->file.st_dev &&
		     now.st_ino == s->file.st_ino;
	bool lost = !found || (atomic_load(&s->log_file) != 0 &&
			       log_inode(s->path) != atomic_load(&s->log_file));

	if (lost && !atomic_exchange(&s->lost, true))
		log_error("the %s %s%s was removed or replaced while it is in use: nothing is "
			  "written until it is back, or regcredd is stopped and started again",
			  found ? "write-ahead log" : "database", s->path, found ? "-wal" : "");
	else if (!lost)
		atomic_store(&s->lost, false);
	return !lost;
}

/* Reading */

static struct connection *
reader_take(struct store *s)
{
	(void)pthread_mutex_lock(&s->read_mutex);
	while (s->free_readers == NULL)
		(void)pthread_cond_wait(&s->read_ready, &s->read_mutex);
	struct connection *c = s->free_readers;
	s->free_readers = c->next;
	(void)pthread_mutex_unlock(&s->read_mutex);
	set_deadline(c);
	return c;
}

static void
reader_give(struct store *s, struct connection *c)
{
	(void)pthread_mutex_lock(&s->read_mutex);
	c->next = s->free_readers;
	s->free_readers = c;
	(void)pthread_cond_signal(&s->read_ready);
	(void)pthread_mutex_unlock(&s->read_mutex);
}

enum store_rc
store_get(struct store *s, struct arena *a, const struct family *family, int64_t id,
	  const struct owners *owners, struct record *out)
{
	struct connection *c = reader_take(s);
	enum store_rc rc = STORE_FAILED;

	if (connection_ready(s, c, true))
		rc = get_one(c, a, family, id, owners, out);
	reader_give(s, c);
	return rc;
}

enum store_rc
store_list(struct store *s, struct arena *a, const struct list_query *q, struct record_list *out)
{
	struct connection *c = reader_take(s);
	enum store_rc rc = STORE_FAILED;

	if (connection_ready(s, c, true))
		rc = get_list(c, a, q, out);
	reader_give(s, c);
	return rc;
}

/* Takes a reader and begins a fixed statement; NULL with *rc set and nothing held. */
static sqlite3_stmt *
read_fixed(struct store *s, struct connection **c, const char *text, const struct value *binds,
	   size_t count, enum store_rc *rc)
{
	struct sql q;
	sqlite3_stmt *stmt = NULL;

	*c = reader_take(s);
	*rc = STORE_FAILED;
	fixed(&q, text, binds, count);
	if (connection_ready(s, *c, true))
		stmt = begin(*c, &q, rc);
	if (stmt == NULL)
		reader_give(s, *c);
	return stmt;
}

static void
read_done(struct store *s, struct connection *c, sqlite3_stmt *stmt)
{
	release(stmt);
	reader_give(s, c);
}

/* What is needed of whoever asks: id, kind, state and name, the first columns of the row. */
static void
read_account(struct arena *a, sqlite3_stmt *stmt, struct record *account)
{
	*account = (struct record){.type = &types_table[T_ACCOUNT]};
	account->columns[COL_ID] = column_value(a, stmt, 0);
	account->columns[COL_KIND] = column_value(a, stmt, 1);
	account->columns[COL_STATE] = column_value(a, stmt, 2);
	account->columns[COL_NAME] = column_value(a, stmt, 3);
}

enum store_rc
store_find_key(struct store *s, struct arena *a, const char *access_key, struct record *key,
	       struct record *account)
{
	/* For a key that there is not the next one is read in vain, behind the last the first: the
	 * answer must not come sooner.  The second word on the kind is the condition of the partial
	 * index, which is not used without. */
#define OF_KEYS "FROM credential WHERE kind = 'apiKey' AND kind IN ('apiKey', 'password') "
	static const char text[] =
		"SELECT a.id, a.kind, a.state, a.name, c.id, c.state, c.removed, "
		"c.secret_value, c.expires, c.role, c.networks, c.last_used, c.reveal, "
		"c.registry_ids, c.path_prefixes, c.public_value = ?1 "
		"FROM credential c JOIN account a ON a.id = c.account_id WHERE c.id = coalesce("
		"(SELECT id " OF_KEYS "AND public_value >= ?1 ORDER BY public_value LIMIT 1), "
		"(SELECT id " OF_KEYS "ORDER BY public_value LIMIT 1))";
#undef OF_KEYS
	const struct value binds[] = {value_text(access_key)};
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt = read_fixed(s, &c, text, binds, 1, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		read_account(a, stmt, account);
		*key = (struct record){.type = &types_table[T_API_KEY]};
		key->columns[COL_ACCOUNT_ID] = account->columns[COL_ID];
		key->columns[COL_ID] = column_value(a, stmt, 4);
		key->columns[COL_STATE] = column_value(a, stmt, 5);
		key->columns[COL_REMOVED] = column_value(a, stmt, 6);
		key->columns[COL_SECRET_VALUE] = column_value(a, stmt, 7);
		key->columns[COL_EXPIRES] = column_value(a, stmt, 8);
		key->columns[COL_ROLE] = column_value(a, stmt, 9);
		key->columns[COL_NETWORKS] = column_value(a, stmt, 10);
		key->columns[COL_LAST_USED] = column_value(a, stmt, 11);
		key->columns[COL_REVEAL] = column_value(a, stmt, 12);
		key->columns[COL_REGISTRY_IDS] = column_value(a, stmt, 13);
		key->columns[COL_PATH_PREFIXES] = column_value(a, stmt, 14);
		result = sqlite3_column_int(stmt, 15) != 0 ? STORE_OK : STORE_NONE;
	} else {
		result = rc == SQLITE_DONE ? STORE_NONE : rc_of(c, rc);
	}
	read_done(s, c, stmt);
	if (result != STORE_OK)
		*key = *account = (struct record){0};
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_find_proxy_user(struct store *s, struct arena *a, const char *name, struct record *account)
{
	static const char text[] =
		"SELECT id, kind, state, name FROM account WHERE external_id_type "
		"= '" STORE_PROXY_TYPE "' AND external_id = ?1";
	const struct value binds[] = {value_text(name)};
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt = read_fixed(s, &c, text, binds, 1, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		read_account(a, stmt, account);
		result = STORE_OK;
	} else {
		result = rc == SQLITE_DONE ? STORE_NONE : rc_of(c, rc);
	}
	read_done(s, c, stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_memberships(struct store *s, struct arena *a, int64_t account_id, struct membership **out,
		  size_t *count)
{
	static const char text[] = "SELECT m.project_id, m.role, p.state = 'active' FROM "
				   "project_member m JOIN account p ON p.id = m.project_id"
				   " WHERE m.removed IS NULL AND m.external_id_type = 'rancher_id' "
				   "AND m.external_id = '1a' || ?1"
				   " AND p.kind = 'project' ORDER BY m.project_id";
	const struct value binds[] = {value_int(account_id)};
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt = read_fixed(s, &c, text, binds, 1, &result);
	struct membership *list = NULL;
	size_t room = 0, n = 0;
	int rc;

	if (stmt == NULL)
		return result;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		if (n == room) {
			struct membership *more =
				arena_array(a, room = room == 0 ? 8 : room * 2, sizeof(*more));

			if (more == NULL)
				break;
			if (n > 0)
				memcpy(more, list, n * sizeof(*more));
			list = more;
		}
		list[n].project_id = sqlite3_column_int64(stmt, 0);
		list[n].role = column_value(a, stmt, 1).text;
		list[n].granted = false;
		list[n++].active = sqlite3_column_int(stmt, 2) != 0;
	}
	result = rc == SQLITE_DONE ? STORE_OK : rc == SQLITE_ROW ? STORE_NO_MEMORY : rc_of(c, rc);
	read_done(s, c, stmt);
	*out = list;
	*count = n;
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

void
store_suspect(struct store *s)
{
	atomic_store(&s->trouble.met, true);
	(void)atomic_fetch_add(&s->trouble.generation, 1);
}

/* After damage or an I/O error the whole file has to be well, as far as can be read in the time of
 * a query, before it is trusted again. */
static enum store_rc
look_through(struct store *s)
{
	struct connection *c;
	long long now = clock_ms(), looked = atomic_load(&s->trouble.looked_ms);
	char found[256] = "";
	enum store_rc rc = STORE_FAILED;

	if (now - looked < LOOK_MS ||
	    !atomic_compare_exchange_strong(&s->trouble.looked_ms, &looked, now))
		return STORE_FAILED;
	c = reader_take(s);
	if (connection_ready(s, c, true)) {
		bool read = ask_text(c->db, "PRAGMA quick_check(1)", found, sizeof(found));
		int code = sqlite3_extended_errcode(c->db);

		if ((read && strcmp(found, "ok") == 0) || code == SQLITE_INTERRUPT)
			rc = STORE_OK;
		else if (read)
			meet_trouble(&s->trouble, found, SQLITE_CORRUPT);
		else
			rc = rc_of(c, code);
		if (rc == STORE_OK && atomic_load(&s->trouble.generation) == c->generation &&
		    atomic_exchange(&s->trouble.met, false))
			log_warn("database: it can be read again");
	}
	reader_give(s, c);
	return rc;
}

enum store_rc
store_ping(struct store *s)
{
	struct connection *c;

	if (!is_here(s))
		return STORE_FAILED;
	if (atomic_load(&s->trouble.met))
		return look_through(s);
	enum store_rc result;
	sqlite3_stmt *stmt = read_fixed(s, &c, "SELECT 1 FROM account LIMIT 1", NULL, 0, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	result = rc == SQLITE_ROW ? STORE_OK : rc == SQLITE_DONE ? STORE_NONE : rc_of(c, rc);
	read_done(s, c, stmt);
	return result;
}

enum store_rc
store_key_checks(struct store *s, struct arena *a, struct key_check **out, size_t *count)
{
	enum { KEYS_MAX = 64 };
	struct connection *c;
	enum store_rc result;
	sqlite3_stmt *stmt =
		read_fixed(s, &c, "SELECT key_id, use, value FROM key_check ORDER BY key_id, use",
			   NULL, 0, &result);
	int rc = SQLITE_DONE;

	if (stmt == NULL)
		return result;
	*count = 0;
	*out = arena_array(a, KEYS_MAX, sizeof(**out));
	while (*out != NULL && *count < KEYS_MAX && (rc = sqlite3_step(stmt)) == SQLITE_ROW) {
		struct key_check *k = &(*out)[(*count)++];

		k->key_id = sqlite3_column_int64(stmt, 0);
		k->use = column_value(a, stmt, 1).text;
		k->value = column_value(a, stmt, 2);
	}
	result = rc == SQLITE_ROW || rc == SQLITE_DONE ? STORE_OK : rc_of(c, rc);
	read_done(s, c, stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

/* Writing */

/* " AND kind NOT IN ('apiKey', ...)": the kinds of the family whose secrets are hashed. */
static const char *
not_hashed(const struct family *family, char out[KINDS_TEXT_MAX])
{
	size_t n = 0;

	out[0] = '\0';
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (t->family == family && t->kind != NULL && (t->flags & TYPE_HASHED) != 0)
			n += (size_t)snprintf(out + n, KINDS_TEXT_MAX - n, "%s'%s'",
					      n == 0 ? " AND kind NOT IN (" : ", ", t->kind);
	if (n > 0)
		(void)snprintf(out + n, KINDS_TEXT_MAX - n, ")");
	return out;
}

/* Adds the rows of a prefix to its count. */
static void
count_prefix(struct prefix_count *counts, size_t *count, const struct value *prefix, int64_t rows)
{
	size_t i = 0;

	while (i < *count &&
	       (counts[i].prefix.len != prefix->len ||
		(prefix->len > 0 && memcmp(counts[i].prefix.text, prefix->text, prefix->len) != 0)))
		i++;
	if (i == PREFIXES_MAX)
		return;
	if (i == *count)
		counts[(*count)++] = (struct prefix_count){*prefix, 0};
	counts[i].rows += rows;
}

enum store_rc
store_count_sealed(struct store *s, struct arena *a, const struct family *family,
		   enum column column, size_t prefix_len, struct prefix_count **out, size_t *count)
{
	char text[SEALED_TEXT_MAX], kinds[KINDS_TEXT_MAX];
	int64_t last = 0, rows = COUNT_PAGE;
	enum store_rc result = STORE_OK;

	*count = 0;
	*out = arena_array(a, PREFIXES_MAX, sizeof(**out));
	if (*out == NULL)
		return STORE_NO_MEMORY;
	(void)snprintf(
		text, sizeof(text),
		"SELECT p, count(*), max(id) FROM (SELECT id, substr(%s, 1, ?1) AS p FROM %s "
		"WHERE id > ?2 AND %s IS NOT NULL%s ORDER BY id LIMIT ?3) GROUP BY p",
		column_name(column), family->table, column_name(column), not_hashed(family, kinds));
	while (result == STORE_OK && rows == COUNT_PAGE) {
		const struct value binds[] = {value_int((int64_t)prefix_len), value_int(last),
					      value_int(COUNT_PAGE)};
		struct connection *c;
		sqlite3_stmt *stmt = read_fixed(s, &c, text, binds, 3, &result);
		int rc;

		if (stmt == NULL)
			return result;
		rows = 0;
		while ((rc = sqlite3_step(stmt)) == SQLITE_ROW) {
			const struct value prefix = column_value(a, stmt, 0);
			int64_t highest = sqlite3_column_int64(stmt, 2);

			rows += sqlite3_column_int64(stmt, 1);
			last = highest > last ? highest : last;
			if (!arena_failed(a))
				count_prefix(*out, count, &prefix, sqlite3_column_int64(stmt, 1));
		}
		result = rc == SQLITE_DONE ? STORE_OK : rc_of(c, rc);
		read_done(s, c, stmt);
	}
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

bool
store_is_low(struct store *s)
{
	int64_t now = clock_ms();

	if (s->room.min_free_bytes == 0)
		return false;
	if (now - atomic_load(&s->looked_ms) < LOOK_MS)
		return atomic_load(&s->low);
	atomic_store(&s->looked_ms, now);
	bool low = disk_free_bytes(s->path) < s->room.min_free_bytes;
	if (atomic_exchange(&s->low, low) == low)
		return low;
	if (low)
		log_error("the disk of %s has less than %" PRId64
			  " bytes left (min_free_bytes): nothing is created or updated until there "
			  "is more",
			  s->path, s->room.min_free_bytes);
	else
		log_info("the disk of %s has room again", s->path);
	return low;
}

static void
lock(int fd)
{
	while (flock(fd, LOCK_EX) != 0 && errno == EINTR)
		;
}

/* The turn is a lock of its own kind on the first byte of the same file.  Without it the lock
 * still excludes, though not in turns. */
static void
turn(int fd, short type)
{
	struct flock first = {.l_type = type, .l_whence = SEEK_SET, .l_len = 1};

	while (fcntl(fd, F_OFD_SETLKW, &first) != 0 && errno == EINTR)
		;
}

static enum store_rc
exec(struct connection *c, const char *sql)
{
	struct sql q;
	enum store_rc result = STORE_OK;

	fixed(&q, sql, NULL, 0);
	sqlite3_stmt *stmt = begin(c, &q, &result);
	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc != SQLITE_DONE)
		result = rc_of(c, rc);
	release(stmt);
	return result;
}

/* Ends what a failure left open; SQLite has rolled back some failures by itself.  Where not even
 * that can be done the connection ends, and with it its lock, which all processes would wait for.
 */
static void
roll_back(struct connection *c)
{
	if (sqlite3_get_autocommit(c->db) != 0 || exec(c, "ROLLBACK") == STORE_OK)
		return;
	c->broken = true;
	connection_close(c);
}

/* How the bodies of a batch are kept apart.  A savepoint costs a copy of every page that its body
 * changes; without one a body that fails after it changed something is tangled with the others. */
enum apart { TOGETHER, APART };

/* Runs one body.  STORE_OK and STORE_ABORTED are its own result, anything else is the batch's;
 * *tangled: what it changed can only be undone with everything else. */
static enum store_rc
run_body(struct connection *c, struct waiter *w, enum apart apart, bool *tangled)
{
	struct store_tx tx = {.connection = c};
	enum store_rc rc = apart == APART ? exec(c, "SAVEPOINT body") : STORE_OK;
	sqlite3_int64 changes = sqlite3_total_changes64(c->db);

	if (rc != STORE_OK)
		return rc;
	c->failure = STORE_OK;
	log_set_request(w->request);
	bool failed = w->fn(&tx, w->arg) != ERR_NONE;
	bool gone = sqlite3_get_autocommit(c->db) != 0; /* the whole transaction */
	if ((failed || gone) && c->failure == STORE_FULL)
		return STORE_FULL; /* not the body's fault, and the same for all */
	if (gone)
		return STORE_ABORTED;
	if (apart == TOGETHER) {
		*tangled = failed && (sqlite3_total_changes64(c->db) != changes ||
				      (c->failure != STORE_OK && c->failure != STORE_CONSTRAINT));
		return failed ? STORE_ABORTED : STORE_OK;
	}
	if (failed && (rc = exec(c, "ROLLBACK TO body")) != STORE_OK)
		return rc;
	rc = exec(c, "RELEASE body");
	return failed && rc == STORE_OK ? STORE_ABORTED : rc;
}

static enum store_rc
run_bodies(struct connection *c, struct waiter *batch, enum apart apart, bool *tangled)
{
	for (struct waiter *w = batch; w != NULL && !*tangled; w = w->next) {
		if (w->settled)
			continue;
		w->rc = run_body(c, w, apart, tangled);
		if (sqlite3_get_autocommit(c->db) != 0)
			return c->failure;
		if (w->rc != STORE_OK && w->rc != STORE_ABORTED)
			return w->rc;
	}
	return STORE_OK;
}

/* Builds with a sanitizer run every second batch again, so that a body that may not be run twice
 * shows itself. */
static bool
is_run_twice(void)
{
	static atomic_uint batches;

	return SANITIZED && atomic_fetch_add(&batches, 1) % 2 == 1;
}

/* One transaction, and one wait for the disk, for all bodies of a batch.  If it fails as a whole,
 * nothing of it has happened and each is told so. */
static void
commit_batch(struct connection *c, struct waiter *batch)
{
	enum store_rc rc = exec(c, "BEGIN IMMEDIATE");
	int64_t now_us = clock_us();
	bool tangled = false;
	size_t count = 0;

	for (struct waiter *w = batch; w != NULL; w = w->next, count++)
		board_write_wait(now_us - w->since_us);
	if (rc == STORE_OK)
		rc = run_bodies(c, batch, TOGETHER, &tangled);
	if (rc == STORE_OK && (tangled ? batch->next != NULL : is_run_twice())) {
		tangled = false;
		rc = exec(c, "ROLLBACK");
		if (rc == STORE_OK)
			rc = exec(c, "BEGIN IMMEDIATE");
		if (rc == STORE_OK)
			rc = run_bodies(c, batch, APART, &tangled);
	}
	log_set_request(NULL);
	if (rc == STORE_OK)
		rc = exec(c, tangled ? "ROLLBACK" : "COMMIT"); /* tangled with nobody */
	if (rc == STORE_OK) {
		board_commit(count);
		return;
	}
	board_count(BOARD_COMMIT_FAILURES);
	roll_back(c);
	for (struct waiter *w = batch; w != NULL; w = w->next)
		if (!w->settled && w->rc != STORE_ABORTED)
			w->rc = rc;
}

enum store_rc
store_read(struct store *s, store_fn fn, void *arg)
{
	enum { LONG_S = 365 * 24 * 60 * 60 };
	struct connection *c = reader_take(s);
	struct store_tx tx = {.connection = c};
	enum store_rc rc = STORE_FAILED;

	if (connection_ready(s, c, true))
		rc = exec(c, "BEGIN");
	if (rc == STORE_OK) {
		c->deadline.tv_sec += LONG_S;
		rc = fn(&tx, arg) == ERR_NONE ? STORE_OK : STORE_ABORTED;
		roll_back(c);
	}
	reader_give(s, c);
	return rc;
}

/* Called with the lock file.  For another process that folds the log right now SQLite calls no busy
 * handler; but that is soon done, and while nobody commits it is not begun again. */
static int
checkpoint(struct connection *c)
{
	int64_t end_ms = clock_ms() + BUSY_MS;
	int rc;

	while ((rc = sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL,
					       NULL)) == SQLITE_BUSY &&
	       clock_ms() < end_ms)
		(void)sqlite3_sleep(NAP_MS);
	return rc;
}

/* The disk is full: gives back what was kept for that, and what the write-ahead log holds.  False
 * if another try makes no sense. */
static bool
make_room(struct store *s)
{
	bool given = disk_release(s->ballast);

	if (given)
		log_error("the disk of %s is full: %s is given back, so that logins can still be "
			  "deactivated and removed; make room",
			  s->path, s->ballast);
	return (connection_ready(s, &s->writer, false) && checkpoint(&s->writer) == SQLITE_OK) ||
	       given;
}

/* Runs those again that may use the ballast, if it was the disk that failed them. */
static void
commit_freeing(struct store *s, struct waiter *batch)
{
	bool any = false;

	for (struct waiter *w = batch; w != NULL; w = w->next) {
		w->settled = !w->frees || w->rc != STORE_FULL;
		any = any || !w->settled;
	}
	if (any && make_room(s) && connection_ready(s, &s->writer, false))
		commit_batch(&s->writer, batch);
}

/* The line: all of a process who want to write.
 *
 * Its head leads: it takes the lock file, and then it either works alone or is written for, with
 * those behind it, by whoever leads for it: a thread of its own if there is one, else the head
 * itself.  When that is done the next head is called.  `led` is true while somebody leads or was
 * called to, which is whenever the line is not empty. */

/* Called without the mutex: nobody but its leader takes a head out of the line. */
static void
call_leader(struct store *s, struct waiter *head)
{
	if (s->commits && head->fn != NULL) {
		(void)sem_post(&s->called);
		return;
	}
	head->leads = true;
	(void)sem_post(&head->woken);
}

static void
enter_line(struct store *s, struct waiter *self)
{
	(void)pthread_mutex_lock(&s->line_mutex);
	bool first = !s->led;

	s->led = true;
	*s->waiting_end = self;
	s->waiting_end = &self->next;
	(void)pthread_mutex_unlock(&s->line_mutex);
	if (first)
		call_leader(s, self);
}

/* Returns when this waiter leads, or its transaction has ended; it has left the line then. */
static void
stand_in_line(struct store *s, struct waiter *self)
{
	(void)sem_init(&self->woken, 0, 0);
	board_wait();
	enter_line(s, self);
	while (sem_wait(&self->woken) != 0)
		; /* a signal */
	board_go_on(self->pulse);
}

/* Takes the head, and those behind it that may share its transaction, out of the line. */
static struct waiter *
take_batch(struct store *s)
{
	(void)pthread_mutex_lock(&s->line_mutex);
	struct waiter *batch = s->waiting, *last = batch;

	for (size_t n = 1;
	     batch->fn != NULL && last->next != NULL && last->next->fn != NULL && n < BATCH_MAX;
	     n++)
		last = last->next;
	s->waiting = last->next;
	last->next = NULL;
	if (s->waiting == NULL)
		s->waiting_end = &s->waiting;
	(void)pthread_mutex_unlock(&s->line_mutex);
	return batch;
}

/* The writing connection, alone in this process and, by the lock file, on this machine.  Who has
 * just had the lock does not get it again before another that waits: that one has the turn.  From
 * then on a request of the batch runs, and is seen if it hangs: the first that has a pulse, which
 * the use of a key and the check of a login have not. */
static struct waiter *
begin_writing(struct store *s)
{
	bool turns = s->writer.wal; /* else the two kinds of locks may be one, in a network */

	if (turns)
		turn(s->lock_fd, F_WRLCK);
	lock(s->lock_fd);
	if (turns)
		turn(s->lock_fd, F_UNLCK);
	struct waiter *batch = take_batch(s);

	const struct waiter *seen = batch;
	while (seen->pulse == NULL && seen->next != NULL)
		seen = seen->next;
	board_go_on(seen->pulse);
	return batch;
}

static void
end_writing(struct store *s)
{
	(void)flock(s->lock_fd, LOCK_UN);
	(void)pthread_mutex_lock(&s->line_mutex);
	struct waiter *head = s->waiting;

	s->led = head != NULL;
	(void)pthread_mutex_unlock(&s->line_mutex);
	if (head != NULL)
		call_leader(s, head);
}

/* Runs the transactions of the head of the line, and of others behind it. */
static struct waiter *
write_batch(struct store *s)
{
	struct waiter *batch = begin_writing(s);

	if (is_here(s) && connection_ready(s, &s->writer, false))
		commit_batch(&s->writer, batch);
	else
		for (struct waiter *w = batch; w != NULL; w = w->next)
			w->rc = STORE_FAILED;
	commit_freeing(s, batch);
	end_writing(s);
	return batch;
}

/* Wakes those of a batch whose results are there: two, each of whom wakes two of its half.  Woken
 * all at once they would fight for the processor with whoever writes now, one by one the last would
 * wait longest. */
static void
wake(struct waiter *batch)
{
	struct waiter *end = batch, *middle = batch;

	if (batch == NULL)
		return;
	while (end->next != NULL && end->next->next != NULL) {
		middle = middle->next;
		end = end->next->next;
	}
	struct waiter *second = middle->next;
	middle->next = NULL;
	if (second != NULL)
		(void)sem_post(&second->woken);
	(void)sem_post(&batch->woken);
}

static enum store_rc
write_as(struct store *s, store_fn fn, void *arg, bool frees)
{
	struct waiter self = {.fn = fn,
			      .arg = arg,
			      .frees = frees,
			      .request = log_request(),
			      .pulse = board_pulse(),
			      .since_us = clock_us()};

	stand_in_line(s, &self);
	if (self.leads)
		(void)write_batch(s);
	wake(self.next);
	(void)sem_destroy(&self.woken);
	log_set_request(self.request);
	return self.rc;
}

/* Noting the use of a key */

static enum err
note_use(struct store_tx *tx, void *arg)
{
	const struct later *l = arg;

	return store_touch_key(tx, l->key, l->before_ms, l->now_ms, l->address) == STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

static void
told_use(enum store_rc rc)
{
	if (rc == STORE_FULL)
		log_debug("the last use of a key could not be noted: the disk is full");
	else if (rc != STORE_OK)
		log_info("the last use of a key could not be noted");
}

/* Ends those of a batch for whom nobody waits; the others. */
static struct waiter *
end_later(struct store *s, struct waiter *batch)
{
	struct waiter **place = &batch;

	while (*place != NULL) {
		struct waiter *w = *place;

		if (!w->unwaited) {
			place = &w->next;
			continue;
		}
		*place = w->next;
		told_use(w->rc);
		free(w);
		(void)pthread_mutex_lock(&s->line_mutex);
		s->later--;
		(void)pthread_mutex_unlock(&s->line_mutex);
	}
	return batch;
}

/* A key that is used again and again meanwhile comes again and again: there is an end to that. */
static bool
may_come_later(struct store *s)
{
	(void)pthread_mutex_lock(&s->line_mutex);
	bool may = s->later < LATER_MAX;

	s->later += may;
	(void)pthread_mutex_unlock(&s->line_mutex);
	return may;
}

void
store_note_use(struct store *s, int64_t key, int64_t before_ms, int64_t now_ms, const char *address)
{
	size_t size = strlen(address) + 1;

	if (store_is_low(s)) {
		told_use(STORE_FULL);
		return;
	}
	struct later *l = calloc(1, sizeof(*l) + size);
	if (l == NULL) {
		told_use(STORE_NO_MEMORY);
		return;
	}
	l->key = key;
	l->before_ms = before_ms;
	l->now_ms = now_ms;
	memcpy(l->address, address, size);
	if (!s->commits)
		told_use(write_as(s, note_use, l, false));
	if (!s->commits || !may_come_later(s)) {
		free(l);
		return;
	}
	l->waiter =
		(struct waiter){.fn = note_use, .arg = l, .unwaited = true, .since_us = clock_us()};
	enter_line(s, &l->waiter);
}

/* For work with the writing connection that is no transaction of its own; ends with end_writing().
 */
static void
begin_alone(struct store *s)
{
	struct waiter self = {.pulse = board_pulse()};

	stand_in_line(s, &self);
	(void)begin_writing(s);
	(void)sem_destroy(&self.woken);
}

enum store_rc
store_write(struct store *s, store_fn fn, void *arg)
{
	return store_is_low(s) ? STORE_FULL : write_as(s, fn, arg, false);
}

enum store_rc
store_write_freeing(struct store *s, store_fn fn, void *arg)
{
	return write_as(s, fn, arg, true);
}

void
store_use_room(struct store *s, const struct store_room *room)
{
	s->room = *room;
}

void
store_keep_ballast(struct store *s)
{
	begin_alone(s);
	if (disk_free_bytes(s->path) >= s->room.min_free_bytes + s->room.ballast_bytes &&
	    !disk_reserve(s->ballast, s->room.ballast_bytes))
		log_warn("cannot make %s: %s", s->ballast, strerror(errno));
	end_writing(s);
}

enum store_rc
store_tx_get(struct store_tx *tx, struct arena *a, const struct family *family, int64_t id,
	     const struct owners *owners, struct record *out)
{
	return get_one(tx->connection, a, family, id, owners, out);
}

enum store_rc
store_tx_list(struct store_tx *tx, struct arena *a, const struct list_query *q,
	      struct record_list *out)
{
	return get_list(tx->connection, a, q, out);
}

enum store_rc
store_insert(struct store_tx *tx, struct record *record)
{
	struct sql q;
	int changed = 0;

	sql_insert(&q, record, false);
	enum store_rc rc = change(tx, &q, &changed);
	if (rc == STORE_OK)
		record->columns[COL_ID] = value_int(sqlite3_last_insert_rowid(tx->connection->db));
	return rc;
}

enum store_rc
store_insert_as(struct store_tx *tx, const struct record *record)
{
	struct sql q;
	int changed = 0;

	sql_insert(&q, record, true);
	return change(tx, &q, &changed);
}

enum store_rc
store_update(struct store_tx *tx, const struct family *family, int64_t id,
	     const struct value *columns, uint64_t given)
{
	return store_transition(tx, family, id, ST__COUNT, ST__COUNT, columns, given);
}

enum store_rc
store_transition(struct store_tx *tx, const struct family *family, int64_t id, enum state from,
		 enum state to, const struct value *columns, uint64_t given)
{
	struct value values[COL__COUNT] = {0};
	struct sql q;
	int changed = 0;

	if (columns != NULL)
		memcpy(values, columns, sizeof(values));
	if (to != ST__COUNT) {
		values[COL_STATE] = value_text(state_name(to));
		given |= COL_BIT(COL_STATE);
	}
	if ((given & family->columns) == 0)
		return STORE_OK;
	sql_update(&q, family, id, values, given, from);
	enum store_rc rc = change(tx, &q, &changed);
	return rc == STORE_OK && changed != 1 ? STORE_NONE : rc;
}

enum store_rc
store_touch_key(struct store_tx *tx, int64_t id, int64_t before_ms, int64_t now_ms,
		const char *address)
{
	const struct value binds[] = {value_int(id), value_int(before_ms), value_int(now_ms),
				      value_text(address)};
	int changed = 0;

	return change_fixed(
		tx,
		"UPDATE credential SET last_used = ?3, last_used_address = ?4 WHERE id = ?1 AND "
		"(last_used IS NULL OR last_used <= ?2 OR last_used > ?3)",
		binds, sizeof(binds) / sizeof(*binds), &changed);
}

enum column
store_conflict(const struct store_tx *tx)
{
	return tx->conflict;
}

enum store_rc
store_log(struct store_tx *tx, const struct log_entry *entry)
{
	const struct value binds[] = {
		value_text(entry->family->table),
		value_int(entry->resource_id),
		value_text(entry->step->process->name),
		value_text(state_name(entry->step->before)),
		value_text(state_name(entry->step->during)),
		value_text(state_name(entry->step->after)),
		entry->account_id != 0 ? value_int(entry->account_id) : value_null(),
		value_text(entry->request_id),
		value_int(entry->at_ms),
	};
	int changed = 0;

	return change_fixed(tx,
			    "INSERT INTO process_log (family, resource_id, process, state_before, "
			    "state_during, "
			    "state_after, account_id,"
			    " request_id, at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
			    binds, sizeof(binds) / sizeof(*binds), &changed);
}

enum store_rc
store_add_key_check(struct store_tx *tx, const struct key_check *check)
{
	const struct value binds[] = {value_int(check->key_id), value_text(check->use),
				      check->value};
	int changed = 0;

	return change_fixed(tx, "INSERT INTO key_check (key_id, use, value) VALUES (?1, ?2, ?3)",
			    binds, 3, &changed);
}

/* Runs a statement that returns at most one row; STORE_NONE for no row. */
static enum store_rc
find(struct store_tx *tx, const struct sql *q)
{
	enum store_rc result = STORE_OK;
	sqlite3_stmt *stmt = begin(tx->connection, q, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc != SQLITE_ROW)
		result = rc == SQLITE_DONE ? STORE_NONE : rc_of(tx->connection, rc);
	release(stmt);
	return result;
}

enum store_rc
store_take_lease(struct store_tx *tx, const char *name, const char *holder, int64_t now_ms,
		 int64_t until_ms)
{
	const struct value binds[] = {value_text(name), value_text(holder), value_int(now_ms),
				      value_int(until_ms)};
	int changed = 0;

	enum store_rc rc = change_fixed(
		tx,
		"INSERT INTO lease (name, holder, until, began) VALUES (?1, ?2, ?4, ?3) "
		"ON CONFLICT (name) DO UPDATE SET until = ?4, "
		"began = iif(holder = ?2 AND ended IS NULL, began, ?3), "
		"rows = iif(holder = ?2 AND ended IS NULL, rows, 0), holder = ?2, ended = NULL "
		/* One that lasts far longer than any was taken when the clock was wrong. */
		"WHERE holder = ?2 OR until <= ?3 OR until > ?4 + (?4 - ?3)",
		binds, sizeof(binds) / sizeof(*binds), &changed);
	return rc == STORE_OK && changed == 0 ? STORE_NONE : rc;
}

enum store_rc
store_end_lease(struct store_tx *tx, const char *name, const char *holder, int64_t now_ms,
		int64_t rows)
{
	const struct value binds[] = {value_text(name), value_text(holder), value_int(now_ms),
				      value_int(rows)};
	int changed = 0;

	enum store_rc rc = change_fixed(tx,
					"UPDATE lease SET until = ?3, ended = ?3, rows = ?4 WHERE "
					"name = ?1 AND holder = ?2",
					binds, sizeof(binds) / sizeof(*binds), &changed);
	return rc == STORE_OK && changed == 0 ? STORE_NONE : rc;
}

enum store_rc
store_lease(struct store *s, struct arena *a, const char *name, struct lease *out)
{
	const struct value binds[] = {value_text(name)};
	enum store_rc result;
	struct connection *c;
	sqlite3_stmt *stmt = read_fixed(
		s, &c, "SELECT holder, until, began, ended, rows FROM lease WHERE name = ?1", binds,
		1, &result);

	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW) {
		const struct value holder = column_value(a, stmt, 0);

		*out = (struct lease){.holder = holder.text,
				      .until_ms = sqlite3_column_int64(stmt, 1),
				      .began_ms = sqlite3_column_int64(stmt, 2),
				      .ended_ms = sqlite3_column_int64(stmt, 3),
				      .rows = sqlite3_column_int64(stmt, 4)};
		result = STORE_OK;
	} else {
		result = rc == SQLITE_DONE ? STORE_NONE : rc_of(c, rc);
	}
	read_done(s, c, stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_count_states(struct store *s, struct arena *a, const struct family *family, int64_t now_ms,
		   struct state_count **out, size_t *count)
{
	enum { COUNT_TEXT_MAX = 256 };
	const struct value binds[] = {value_int(now_ms)};
	char text[COUNT_TEXT_MAX];
	enum store_rc result = STORE_OK;
	struct connection *c;
	int rc;

	*count = 0;
	*out = arena_array(a, STATE_COUNTS_MAX, sizeof(**out));
	if (*out == NULL)
		return STORE_NO_MEMORY;
	(void)snprintf(text, sizeof(text),
		       "SELECT kind, state, count(*), "
		       "total(state = 'removed' AND remove_time <= ?1) "
		       "FROM %s GROUP BY kind, state ORDER BY kind, state",
		       family->table);
	sqlite3_stmt *stmt = read_fixed(s, &c, text, binds, 1, &result);
	if (stmt == NULL)
		return result;
	while ((rc = sqlite3_step(stmt)) == SQLITE_ROW && *count < STATE_COUNTS_MAX) {
		const struct value kind = column_value(a, stmt, 0),
				   state = column_value(a, stmt, 1);

		(*out)[(*count)++] = (struct state_count){.kind = kind.text,
							  .state = state.text,
							  .rows = sqlite3_column_int64(stmt, 2),
							  .due = sqlite3_column_int64(stmt, 3)};
	}
	result = rc == SQLITE_DONE || rc == SQLITE_ROW ? STORE_OK : rc_of(c, rc);
	read_done(s, c, stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_tx_has_key_check(struct store_tx *tx, int64_t key_id, const char *use)
{
	const struct value binds[] = {value_int(key_id), value_text(use)};
	struct sql q;

	fixed(&q, "SELECT 1 FROM key_check WHERE key_id = ?1 AND use = ?2", binds, 2);
	return find(tx, &q);
}

enum store_rc
store_delete_key_check(struct store_tx *tx, int64_t key_id, const char *use)
{
	const struct value binds[] = {value_int(key_id), value_text(use)};
	int changed = 0;

	return change_fixed(tx, "DELETE FROM key_check WHERE key_id = ?1 AND use = ?2", binds, 2,
			    &changed);
}

enum store_rc
store_tx_find_sealed(struct store_tx *tx, const struct family *family, enum column column,
		     const struct value *prefix)
{
	const struct value binds[] = {*prefix, value_int((int64_t)prefix->len)};
	struct sql q;
	char text[SEALED_TEXT_MAX], kinds[KINDS_TEXT_MAX];

	(void)snprintf(text, sizeof(text),
		       "SELECT 1 FROM %s WHERE substr(%s, 1, ?2) = ?1%s LIMIT 1", family->table,
		       column_name(column), not_hashed(family, kinds));
	fixed(&q, text, binds, 2);
	return find(tx, &q);
}

enum store_rc
store_replace_value(struct store_tx *tx, const struct family *family, int64_t id,
		    enum column column, const struct value *from, const struct value *to)
{
	const struct value binds[] = {value_int(id), *from, *to};
	int changed = 0;
	char text[SEALED_TEXT_MAX];

	(void)snprintf(text, sizeof(text), "UPDATE %s SET %s = ?3 WHERE id = ?1 AND %s = ?2",
		       family->table, column_name(column), column_name(column));
	enum store_rc rc = change_fixed(tx, text, binds, 3, &changed);
	return rc == STORE_OK && changed != 1 ? STORE_NONE : rc;
}

/* The audit log */

#define SEGMENT_COLUMNS "id, first_id, last_id, began, closed, cut, reason, previous, last, mac"

static enum store_rc
read_segment(struct store_tx *tx, struct arena *a, const char *text, int64_t bound,
	     struct audit_segment *out)
{
	const struct value binds[] = {value_int(bound)};
	struct sql q;
	enum store_rc result = STORE_OK;

	fixed(&q, text, binds, 1);
	sqlite3_stmt *stmt = begin(tx->connection, &q, &result);
	if (stmt == NULL)
		return result;
	int rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*out = (struct audit_segment){
			.id = sqlite3_column_int64(stmt, 0),
			.first_id = sqlite3_column_int64(stmt, 1),
			.last_id = sqlite3_column_int64(stmt, 2),
			.began_ms = sqlite3_column_int64(stmt, 3),
			.closed_ms = sqlite3_column_int64(stmt, 4),
			.cut_ms = sqlite3_column_int64(stmt, 5),
			.reason = column_value(a, stmt, 6).text,
			.previous = column_value(a, stmt, 7),
			.last = column_value(a, stmt, 8),
			.mac = column_value(a, stmt, 9),
		};
	else
		result = rc == SQLITE_DONE ? STORE_NONE : rc_of(tx->connection, rc);
	release(stmt);
	return arena_failed(a) ? STORE_NO_MEMORY : result;
}

enum store_rc
store_audit_newest(struct store_tx *tx, struct arena *a, int64_t began_ms,
		   struct audit_segment *out)
{
	return read_segment(tx, a,
			    "SELECT " SEGMENT_COLUMNS " FROM audit_segment WHERE began <= ?1 "
			    "ORDER BY id DESC LIMIT 1",
			    began_ms, out);
}

enum store_rc
store_audit_after(struct store_tx *tx, struct arena *a, int64_t id, struct audit_segment *out)
{
	return read_segment(tx, a,
			    "SELECT " SEGMENT_COLUMNS " FROM audit_segment WHERE id > ?1 "
			    "ORDER BY id LIMIT 1",
			    id, out);
}

enum store_rc
store_audit_put(struct store_tx *tx, const struct audit_segment *s)
{
	const struct value binds[] = {
		value_int(s->id),
		value_int(s->first_id),
		value_int(s->last_id),
		value_int(s->began_ms),
		s->closed_ms != 0 ? value_int(s->closed_ms) : value_null(),
		s->cut_ms != 0 ? value_int(s->cut_ms) : value_null(),
		value_text(s->reason),
		s->previous,
		s->last,
		s->mac,
	};
	int changed = 0;

	return change_fixed(
		tx,
		"INSERT INTO audit_segment (" SEGMENT_COLUMNS
		") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, "
		"?8, ?9, ?10) ON CONFLICT (id) DO UPDATE SET first_id = ?2, last_id = ?3, began = "
		"?4, "
		"closed = ?5, cut = ?6, reason = ?7, previous = ?8, last = ?9, mac = ?10",
		binds, sizeof(binds) / sizeof(*binds), &changed);
}

enum store_rc
store_audit_advance(struct store_tx *tx, const struct audit_segment *s)
{
	const struct value binds[] = {value_int(s->id), value_int(s->last_id),
				      value_int(s->began_ms), s->last, s->mac};
	int changed = 0;

	enum store_rc rc = change_fixed(
		tx,
		"UPDATE audit_segment SET last_id = ?2, began = ?3, last = ?4, mac = ?5 WHERE id = "
		"?1",
		binds, 5, &changed);
	return rc == STORE_OK && changed != 1 ? STORE_NONE : rc;
}

enum store_rc
store_audit_cut(struct store_tx *tx, int64_t first_id, int64_t first_segment, size_t max,
		size_t *deleted)
{
	const struct value binds[] = {value_int(first_id), value_int((int64_t)max)};
	const struct value segment[] = {value_int(first_segment)};
	int changed = 0;

	*deleted = 0;
	enum store_rc rc = change_fixed(tx,
					"DELETE FROM audit_log WHERE id IN (SELECT id FROM "
					"audit_log WHERE id < ?1 ORDER BY "
					"id LIMIT ?2)",
					binds, 2, &changed);
	if (rc != STORE_OK)
		return rc;
	*deleted = (size_t)changed;
	if (*deleted == max)
		return STORE_OK;
	return change_fixed(tx, "DELETE FROM audit_segment WHERE id < ?1", segment, 1, &changed);
}

enum store_rc
store_due(struct store_tx *tx, const struct family *family, int64_t now_ms, int64_t *ids,
	  size_t max, size_t *count)
{
	struct sql q;
	char text[256];
	enum store_rc result = STORE_OK;
	const struct value binds[] = {value_int(now_ms), value_int((int64_t)max)};
	int rc = SQLITE_DONE;

	(void)snprintf(text, sizeof(text),
		       "SELECT id FROM %s WHERE state = 'removed' AND remove_time <= ?1 ORDER BY "
		       "remove_time LIMIT ?2",
		       family->table);
	fixed(&q, text, binds, 2);
	*count = 0;
	sqlite3_stmt *stmt = begin(tx->connection, &q, &result);
	if (stmt == NULL)
		return result;
	while (*count < max && (rc = sqlite3_step(stmt)) == SQLITE_ROW)
		ids[(*count)++] = sqlite3_column_int64(stmt, 0);
	if (rc != SQLITE_ROW && rc != SQLITE_DONE)
		result = rc_of(tx->connection, rc);
	release(stmt);
	return result;
}

/* Rows that still name one of these keep it alive: table and column. */
static const struct {
	const struct family *family, *child;
	enum column column;
} references[] = {
	{&family_storage_pool, &family_credential, COL_REGISTRY_ID},
	{&family_account, &family_credential, COL_ACCOUNT_ID},
	{&family_account, &family_storage_pool, COL_ACCOUNT_ID},
};

enum store_rc
store_forget(struct store_tx *tx, const struct family *family, int64_t removed_before_ms,
	     int64_t log_before_ms, size_t max, size_t *deleted)
{
	char text[1536];
	int changed = 0;
	const struct value binds[] = {value_int(removed_before_ms), value_int((int64_t)max)};
	const struct value log_binds[] = {value_int(log_before_ms), value_int((int64_t)max)};

	int n = snprintf(text, sizeof(text),
			 "DELETE FROM %s WHERE id IN (SELECT id FROM %s x WHERE state = 'purged' "
			 "AND removed < ?1",
			 family->table, family->table);
	for (size_t i = 0; i < sizeof(references) / sizeof(*references); i++)
		if (references[i].family == family)
			n += snprintf(text + n, sizeof(text) - (size_t)n,
				      " AND NOT EXISTS (SELECT 1 FROM %s WHERE %s = x.id)",
				      references[i].child->table,
				      column_name(references[i].column));
	(void)snprintf(text + n, sizeof(text) - (size_t)n, " ORDER BY removed LIMIT ?2)");
	enum store_rc rc = change_fixed(tx, text, binds, 2, &changed);
	*deleted = rc == STORE_OK ? (size_t)changed : 0;
	if (rc != STORE_OK)
		return rc;
	rc = change_fixed(tx,
			  "DELETE FROM process_log WHERE id IN (SELECT id FROM process_log WHERE "
			  "at < ?1 ORDER "
			  "BY at LIMIT ?2)",
			  log_binds, 2, &changed);
	/* The caller goes on as long as either has more. */
	if (rc == STORE_OK && (size_t)changed > *deleted)
		*deleted = (size_t)changed;
	return rc;
}

bool
store_has_wal(const struct store *s)
{
	return s->writer.wal;
}

int64_t
store_size(const struct store *s)
{
	struct stat st;

	return stat(s->path, &st) == 0 ? (int64_t)st.st_size : 0;
}

int64_t
store_wal_size(struct store *s)
{
	char path[4096];
	struct stat st;

	(void)snprintf(path, sizeof(path), "%s-wal", s->path);
	return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

/* Folds what the log holds into the file, as far as nobody reads older rows. */
static bool
fold(struct connection *c)
{
	return rc_of(c, sqlite3_wal_checkpoint_v2(c->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL,
						  NULL)) == STORE_OK;
}

/* What the log holds now, while others go on writing.  The known fault of this SQLite needs a
 * commit that begins the log anew while a checkpoint runs.  No commit can as long as `hold` reads:
 * either it reads in the log, which then stays, or, since everything is folded, in the file alone,
 * which then is not written to. */
static bool
fold_beside(struct store *s, struct folder *f)
{
	bool done = false;

	if (!is_here(s) || !connection_ready(s, &f->hold, true) ||
	    !connection_ready(s, &f->fold, false) || exec(&f->hold, "BEGIN") != STORE_OK)
		return false;
	if (exec(&f->hold, "SELECT 1 FROM key_check WHERE 0") == STORE_OK)
		done = fold(&f->fold);
	roll_back(&f->hold);
	return done;
}

/* The little that came meanwhile, with nobody writing: the next commit begins the log anew. */
static void
fold_rest(struct store *s)
{
	begin_alone(s);
	if (is_here(s) && connection_ready(s, &s->writer, false))
		(void)fold(&s->writer);
	end_writing(s);
}

static void *
fold_run(void *arg)
{
	struct store *s = arg;
	struct folder *f = &s->folder;

	(void)pthread_mutex_lock(&f->mutex);
	while (!f->ends) {
		if (!f->wanted) {
			(void)pthread_cond_wait(&f->called, &f->mutex);
			continue;
		}
		(void)pthread_mutex_unlock(&f->mutex);
		if (fold_beside(s, f))
			fold_rest(s);
		(void)pthread_mutex_lock(&f->mutex);
		f->wanted = false;
	}
	(void)pthread_mutex_unlock(&f->mutex);
	return NULL;
}

static void *
commit_run(void *arg)
{
	struct store *s = arg;

	for (;;) {
		while (sem_wait(&s->called) != 0)
			; /* a signal */
		(void)pthread_mutex_lock(&s->line_mutex);
		bool called = s->waiting != NULL;

		(void)pthread_mutex_unlock(&s->line_mutex);
		if (!called) /* to end */
			return NULL;
		wake(end_later(s, write_batch(s)));
	}
}

/* Before anything is written: who waits now would wait for nobody. */
bool
store_use_threads(struct store *s, int fold_frames)
{
	struct folder *f = &s->folder;

	s->fold_frames = fold_frames;
	if (pthread_create(&s->committer, NULL, commit_run, s) != 0)
		return false;
	s->commits = true;
	f->hold.broken = f->fold.broken = true;
	f->runs = connection_ready(s, &f->hold, true) && connection_ready(s, &f->fold, false) &&
		  pthread_create(&f->thread, NULL, fold_run, s) == 0;
	return f->runs;
}

static void
end_threads(struct store *s)
{
	struct folder *f = &s->folder;

	if (f->runs) {
		(void)pthread_mutex_lock(&f->mutex);
		f->ends = true;
		(void)pthread_cond_signal(&f->called);
		(void)pthread_mutex_unlock(&f->mutex);
		(void)pthread_join(f->thread, NULL);
	}
	connection_close(&f->hold);
	connection_close(&f->fold);
	if (s->commits) {
		(void)sem_post(&s->called);
		(void)pthread_join(s->committer, NULL);
	}
}

enum store_rc
store_checkpoint(struct store *s)
{
	enum store_rc rc = STORE_FAILED;

	begin_alone(s);
	if (connection_ready(s, &s->writer, false)) {
		int result = checkpoint(&s->writer);

		rc = result == SQLITE_OK ? STORE_OK : rc_of(&s->writer, result);
		if (rc == STORE_FULL && make_room(s))
			rc = STORE_OK;
	}
	end_writing(s);
	return rc;
}

/* Opening */

static int
lock_file(const char *path)
{
	char name[4096];

	if ((size_t)snprintf(name, sizeof(name), "%s.lock", path) >= sizeof(name))
		return -1;
	int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd >= 0 && access(path, F_OK) == 0 && !disk_own_like(fd, path)) {
		(void)close(fd);
		return -1;
	}
	return fd;
}

/* A database that is not there is never made by the way: its volume may just not be mounted. */
static bool
is_there(const char *path, char why[STORE_WHY_MAX])
{
	if (access(path, F_OK) == 0)
		return true;
	(void)snprintf(why, STORE_WHY_MAX,
		       "there is no database %s (%s): make it with `regcred init`", path,
		       strerror(errno));
	return false;
}

static int
user_version(sqlite3 *db)
{
	sqlite3_stmt *stmt = NULL;
	int version = -1;

	if (sqlite3_prepare_v2(db, "PRAGMA user_version", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		version = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return version;
}

static int
newest_migration(void)
{
	int newest = 0;

	for (const struct migration *m = migrations; m->sql != NULL; m++)
		newest = m->number;
	return newest;
}

static bool
is_ours(sqlite3 *db, int version)
{
	sqlite3_stmt *stmt = NULL;
	int id = 0;

	if (sqlite3_prepare_v2(db, "PRAGMA application_id", -1, &stmt, NULL) == SQLITE_OK &&
	    sqlite3_step(stmt) == SQLITE_ROW)
		id = sqlite3_column_int(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return id == APPLICATION_ID || (id == 0 && version == 0);
}

/* Runs the missing migrations in one transaction. */
static bool
migrate(sqlite3 *db, int version)
{
	char sql[128];

	if (!run(db, "BEGIN IMMEDIATE"))
		return false;
	for (const struct migration *m = migrations; m->sql != NULL; m++)
		if (m->number > version && !run(db, m->sql))
			return false;
	(void)snprintf(sql, sizeof(sql),
		       "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
		       APPLICATION_ID, newest_migration());
	return run(db, sql);
}

/* Gives the database the kind of journal that is asked for, if it has the other. */
static bool
set_journal(sqlite3 *db, bool wal)
{
	char mode[16];

	return ask_text(db, wal ? "PRAGMA journal_mode = WAL" : "PRAGMA journal_mode = TRUNCATE",
			mode, sizeof(mode)) &&
	       strcmp(mode, wal ? "wal" : "truncate") == 0 &&
	       run(db, "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
}

static bool
migrate_locked(const char *path, bool create, bool wal, char why[STORE_WHY_MAX])
{
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW |
		    SQLITE_OPEN_EXRESCODE | (create ? SQLITE_OPEN_CREATE : 0);
	sqlite3 *db = NULL;
	bool done = false;
	mode_t mask = umask(0077);
	int rc = sqlite3_open_v2(path, &db, flags, NULL);

	(void)umask(mask);
	if (db != NULL) /* it is, without memory */
		(void)sqlite3_busy_handler(db, nap, NULL);
	/* A log that lies on a network file system is read without the shared memory that is not
	 * to be had there. */
	if (rc == SQLITE_OK && !wal && !run(db, "PRAGMA locking_mode = EXCLUSIVE"))
		rc = SQLITE_ERROR;
	int version = rc == SQLITE_OK ? user_version(db) : -1;
	if (rc != SQLITE_OK || version < 0)
		(void)snprintf(why, STORE_WHY_MAX, "cannot open the database %s: %s%s", path,
			       sqlite3_errmsg(db),
			       !wal && (sqlite3_errcode(db) & 0xff) == SQLITE_BUSY
				       ? ": nobody else may use it while its write-ahead log is "
					 "replaced"
				       : "");
	else if (!is_ours(db, version))
		(void)snprintf(why, STORE_WHY_MAX, "%s is not a database of regcred", path);
	else if (version > newest_migration())
		(void)snprintf(why, STORE_WHY_MAX,
			       "the database %s has version %d, newer than this program knows "
			       "(%d): start the program that made it",
			       path, version, newest_migration());
	else if (!set_journal(db, wal))
		(void)snprintf(why, STORE_WHY_MAX, "cannot give the database %s a %s: %s", path,
			       wal ? "write-ahead log" : "rollback journal", sqlite3_errmsg(db));
	else if (version < newest_migration() && !migrate(db, version))
		(void)snprintf(why, STORE_WHY_MAX, "cannot bring the database %s up to date: %s",
			       path, sqlite3_errmsg(db));
	else
		done = true;
	(void)sqlite3_close(db);
	return done;
}

bool
store_migrate(const char *path, bool create, bool wal, char why[STORE_WHY_MAX])
{
	if (!create && !is_there(path, why))
		return false;
	int fd = lock_file(path);

	if (fd < 0) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "cannot write to the directory of the database %s: %s", path,
			       strerror(errno));
		return false;
	}
	lock(fd);
	bool done = migrate_locked(path, create, wal, why);
	(void)close(fd);
	return done;
}

static bool
open_all(struct store *s, size_t readers, char why[STORE_WHY_MAX])
{
	if (!connection_open(&s->writer, s->path, false, why))
		return false;
	(void)sqlite3_wal_hook(s->writer.db, on_commit, s);
	for (size_t i = 0; i < readers; i++) {
		s->readers[i].trouble = &s->trouble;
		if (!connection_open(&s->readers[i], s->path, true, why))
			return false;
		s->readers[i].next = s->free_readers;
		s->free_readers = &s->readers[i];
	}
	return true;
}

static void
close_all(struct store *s)
{
	for (size_t i = 0; s->readers != NULL && i < s->reader_count; i++)
		connection_close(&s->readers[i]);
	connection_close(&s->writer);
	s->free_readers = NULL;
}

/* Who opens the database alone, as a CGI does, needs room for the memory that a write-ahead log is
 * shared by; on a full disk that is what is kept back. */
static bool
open_with_room(struct store *s, size_t readers, char why[STORE_WHY_MAX])
{
	if (open_all(s, readers, why))
		return true;
	if (disk_free_bytes(s->path) >= DISK_FULL_BYTES || !disk_release(s->ballast))
		return false;
	log_error("the disk of %s is full: %s is given back, so that the database can be opened; "
		  "make room",
		  s->path, s->ballast);
	close_all(s);
	return open_all(s, readers, why);
}

struct store *
store_open(const char *path, size_t readers, char why[STORE_WHY_MAX])
{
	struct store *s = calloc(1, sizeof(*s));

	count_no_memory();
	if (s == NULL)
		goto failed;
	s->lock_fd = -1;
	s->trouble.looked_ms = -LOOK_MS;
	s->trouble.told_ms = -TELL_MS;
	s->looked_ms = -LOOK_MS; /* the clock may have begun just now */
	s->waiting_end = &s->waiting;
	s->fold_frames = STORE_FOLD_FRAMES;
	s->writer.trouble = s->folder.hold.trouble = s->folder.fold.trouble = &s->trouble;
	(void)pthread_mutex_init(&s->line_mutex, NULL);
	(void)sem_init(&s->called, 0, 0);
	(void)pthread_mutex_init(&s->folder.mutex, NULL);
	(void)pthread_cond_init(&s->folder.called, NULL);
	(void)pthread_mutex_init(&s->read_mutex, NULL);
	(void)pthread_cond_init(&s->read_ready, NULL);
	s->path = strdup(path);
	if (asprintf(&s->ballast, "%s.ballast", path) < 0)
		s->ballast = NULL;
	s->readers = calloc(readers, sizeof(*s->readers));
	s->reader_count = readers;
	if (s->path == NULL || s->ballast == NULL || s->readers == NULL)
		goto failed;
	if (!is_there(path, why))
		goto out;
	s->lock_fd = lock_file(path);
	if (s->lock_fd < 0)
		goto failed;
	if (stat(path, &s->file) != 0)
		goto failed;
	if (!open_with_room(s, readers, why))
		goto out;
	int version = user_version(s->readers[0].db);
	s->log_file = s->writer.wal ? log_inode(path) : 0;
	if (!is_ours(s->readers[0].db, version)) {
		(void)snprintf(why, STORE_WHY_MAX, "%s is not a database of regcred", path);
		goto out;
	}
	if (version != newest_migration()) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "the database %s has version %d, this program needs %d%s", path,
			       version, newest_migration(),
			       version < newest_migration()
				       ? ": stop regcredd and start it, which brings it up to date"
				       : "");
		goto out;
	}
	return s;
failed:
	(void)snprintf(why, STORE_WHY_MAX, "cannot open the database %s: %s", path,
		       strerror(errno));
out:
	store_close(s);
	return NULL;
}

void
store_close(struct store *s)
{
	if (s == NULL)
		return;
	end_threads(s);
	close_all(s);
	if (s->lock_fd >= 0)
		(void)close(s->lock_fd);
	(void)pthread_mutex_destroy(&s->line_mutex);
	(void)sem_destroy(&s->called);
	(void)pthread_mutex_destroy(&s->folder.mutex);
	(void)pthread_cond_destroy(&s->folder.called);
	(void)pthread_mutex_destroy(&s->read_mutex);
	(void)pthread_cond_destroy(&s->read_ready);
	free(s->readers);
	free(s->ballast);
	free(s->path);
	free(s);
}

/* Databases as files */

static bool
file_failed(const char *what, const char *path, sqlite3 *db, char why[STORE_WHY_MAX])
{
	(void)snprintf(why, STORE_WHY_MAX, "%s %s: %s", what, path,
		       db != NULL ? sqlite3_errmsg(db) : "no memory");
	return false;
}

static bool
file_open(const char *path, int flags, sqlite3 **db, char why[STORE_WHY_MAX])
{
	*db = NULL;
	if (access(path, F_OK) != 0) {
		(void)snprintf(why, STORE_WHY_MAX, "cannot open %s: %s", path, strerror(errno));
		return false;
	}
	if (sqlite3_open_v2(path, db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL) ==
		    SQLITE_OK &&
	    sqlite3_busy_timeout(*db, BUSY_MS) == SQLITE_OK)
		return true;
	return file_failed("cannot open", path, *db, why);
}

/* The first column of the first row. */
static bool
ask_number(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *stmt = NULL;
	bool done = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL) == SQLITE_OK &&
		    sqlite3_step(stmt) == SQLITE_ROW;

	if (done)
		*out = sqlite3_column_int64(stmt, 0);
	(void)sqlite3_finalize(stmt);
	return done;
}

struct copying {
	bool (*go_on)(void *arg, int64_t done, int64_t all);
	void *arg;
	const char *to; /* NULL: nothing is written */
	int64_t all;
};

static int
on_copying(void *arg)
{
	const struct copying *c = arg;
	struct stat st;
	int64_t done = c->to == NULL ? -1 : stat(c->to, &st) == 0 ? (int64_t)st.st_size : 0;

	return c->go_on(c->arg, done, c->all) ? 0 : 1;
}

/* Not the backup functions of SQLite: beside writers these begin again and again. */
bool
store_copy(const char *path, const char *to, bool (*go_on)(void *arg, int64_t, int64_t), void *arg,
	   char why[STORE_WHY_MAX])
{
	struct copying copying = {.go_on = go_on, .arg = arg, .to = to};
	sqlite3_stmt *stmt = NULL;
	sqlite3 *db;
	bool done = file_open(path, SQLITE_OPEN_READWRITE, &db, why);

	if (done) {
		(void)ask_number(db,
				 "SELECT page_count * page_size FROM pragma_page_count, "
				 "pragma_page_size",
				 &copying.all);
		sqlite3_progress_handler(db, PROGRESS_STEPS, on_copying, &copying);
		done = sqlite3_prepare_v2(db, "VACUUM INTO ?1", -1, &stmt, NULL) == SQLITE_OK &&
		       sqlite3_bind_text(stmt, 1, to, -1, SQLITE_STATIC) == SQLITE_OK &&
		       sqlite3_step(stmt) == SQLITE_DONE;
		if (!done)
			(void)file_failed("cannot copy", path, db, why);
	}
	(void)sqlite3_finalize(stmt);
	(void)sqlite3_close(db);
	return done;
}

/* Counts what is in a file that is whole. */
static bool
count_facts(sqlite3 *db, struct store_facts *out)
{
	return ask_number(db,
			  "SELECT (SELECT count(*) FROM credential) + (SELECT count(*) FROM "
			  "storage_pool) + (SELECT count(*) FROM account) + (SELECT count(*) FROM "
			  "project_member)",
			  &out->rows) &&
	       ask_number(db, "SELECT coalesce(sum(seq), 0) FROM sqlite_sequence", &out->ids) &&
	       ask_number(db,
			  "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size",
			  &out->bytes) &&
	       ask_text(db,
			"SELECT group_concat(key_id, ', ') FROM (SELECT DISTINCT key_id FROM "
			"key_check WHERE use = 'seal' ORDER BY key_id)",
			out->keys, sizeof(out->keys));
}

static bool
verify(sqlite3 *db, const char *path, struct store_facts *out, char why[STORE_WHY_MAX])
{
	char text[256] = "";
	int64_t broken = 0;

	out->version = user_version(db);
	if (out->version <= 0 || !is_ours(db, out->version)) {
		(void)snprintf(why, STORE_WHY_MAX, "%s is not a database of regcred", path);
		return false;
	}
	if (out->version > newest_migration()) {
		(void)snprintf(why, STORE_WHY_MAX,
			       "%s has version %d, newer than this program knows (%d)", path,
			       out->version, newest_migration());
		return false;
	}
	bool whole = ask_text(db, "PRAGMA integrity_check(1)", text, sizeof(text)) &&
		     strcmp(text, "ok") == 0 &&
		     ask_number(db, "SELECT count(*) FROM pragma_foreign_key_check", &broken) &&
		     broken == 0;
	if (!whole && (sqlite3_errcode(db) & 0xff) == SQLITE_INTERRUPT)
		return file_failed("cannot check", path, db, why);
	if (!whole) {
		(void)snprintf(why, STORE_WHY_MAX, "%s is damaged: %s", path,
			       broken != 0     ? "a row names one that is missing"
			       : *text != '\0' ? text
					       : sqlite3_errmsg(db));
		return false;
	}
	return count_facts(db, out) ? true : file_failed("cannot read", path, db, why);
}

bool
store_verify(const char *path, bool (*go_on)(void *arg, int64_t, int64_t), void *arg,
	     struct store_facts *out, char why[STORE_WHY_MAX])
{
	struct copying checking = {.go_on = go_on, .arg = arg};
	sqlite3 *db;

	*out = (struct store_facts){0};
	bool whole = file_open(path, SQLITE_OPEN_READONLY, &db, why);
	if (whole) {
		sqlite3_progress_handler(db, PROGRESS_STEPS, on_copying, &checking);
		whole = verify(db, path, out, why);
	}
	(void)sqlite3_close(db);
	return whole;
}

bool
store_ids(const char *path, int64_t *ids, char why[STORE_WHY_MAX])
{
	sqlite3 *db;
	bool done = file_open(path, SQLITE_OPEN_READWRITE, &db, why);

	if (done && !ask_number(db, "SELECT coalesce(sum(seq), 0) FROM sqlite_sequence", ids))
		done = file_failed("cannot read", path, db, why);
	(void)sqlite3_close(db);
	return done;
}

/* Notes a last id of 0 for tables that have none yet, so that each has a row to raise. */
static bool
begin_ids(sqlite3 *db)
{
	return run(db, "INSERT INTO sqlite_sequence (name, seq) SELECT name, 0 FROM sqlite_master "
		       "WHERE type = 'table' AND sql LIKE '%AUTOINCREMENT%' AND name NOT IN "
		       "(SELECT name FROM sqlite_sequence)");
}

/* Raises the last ids to those of `than`; false if they cannot be read. */
static bool
raise_to(sqlite3 *db, const char *than)
{
	char why[STORE_WHY_MAX];
	sqlite3_stmt *from = NULL, *to = NULL;
	sqlite3 *old;
	int rc = SQLITE_ERROR;

	if (file_open(than, SQLITE_OPEN_READWRITE, &old, why) &&
	    sqlite3_prepare_v2(old, "SELECT name, seq FROM sqlite_sequence", -1, &from, NULL) ==
		    SQLITE_OK &&
	    sqlite3_prepare_v2(db, "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
			       -1, &to, NULL) == SQLITE_OK)
		while ((rc = sqlite3_step(from)) == SQLITE_ROW) {
			(void)sqlite3_bind_value(to, 1, sqlite3_column_value(from, 0));
			(void)sqlite3_bind_int64(to, 2, sqlite3_column_int64(from, 1));
			if (sqlite3_step(to) != SQLITE_DONE || sqlite3_reset(to) != SQLITE_OK)
				break;
		}
	(void)sqlite3_finalize(from);
	(void)sqlite3_finalize(to);
	(void)sqlite3_close(old);
	return rc == SQLITE_DONE;
}

bool
store_raise_ids(const char *path, const char *than, char why[STORE_WHY_MAX])
{
	sqlite3 *db;
	bool done = file_open(path, SQLITE_OPEN_READWRITE, &db, why);

	if (done && access(than, F_OK) == 0 &&
	    (!begin_ids(db) ||
	     (!raise_to(db, than) && !run(db, "UPDATE sqlite_sequence SET seq = seq + 1000000"))))
		done = file_failed("cannot change", path, db, why);
	(void)sqlite3_close(db);
	return done;
}

enum store_rc
store_fold(const char *path)
{
	char why[STORE_WHY_MAX];
	sqlite3 *db;
	int rc = SQLITE_CANTOPEN;

	/* Out of WAL: that needs that nobody else has it open. */
	if (file_open(path, SQLITE_OPEN_READWRITE, &db, why))
		rc = sqlite3_exec(db,
				  "PRAGMA journal_mode = DELETE; SELECT count(*) FROM key_check",
				  NULL, NULL, NULL);
	(void)sqlite3_close(db);
	if ((rc & 0xff) == SQLITE_BUSY || (rc & 0xff) == SQLITE_LOCKED)
		return STORE_BUSY;
	return rc == SQLITE_OK ? STORE_OK : STORE_FAILED;
}
