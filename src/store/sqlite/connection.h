/* connection: connections to SQLite, their statements, and what their errors mean. */
#ifndef REGCRED_STORE_SQLITE_CONNECTION_H
#define REGCRED_STORE_SQLITE_CONNECTION_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <time.h>

#include "store/sql.h"
#include "store/store.h"

enum {
	STATEMENTS_MAX = 64, /* prepared statements kept by a connection */
};

struct statement {
	char *sql;
	size_t len; /* of sql: compared first, because many texts begin alike */
	sqlite3_stmt *stmt;
	unsigned long used;
};

/* Damage and I/O errors seen by the threads of this process. */
struct trouble {
	atomic_bool met;	/* until store_ping() has checked the file */
	atomic_llong looked_ms; /* when it did */
	atomic_llong told_ms;
	atomic_uint untold;
};

struct connection {
	sqlite3 *db;
	struct trouble *trouble;
	struct statement statements[STATEMENTS_MAX];
	size_t statement_count;
	unsigned long clock;
	bool wal;		  /* when it was opened; else a rollback journal */
	bool broken;		  /* has to be opened again before its next use */
	enum store_rc failure;	  /* the last that connection_rc() told */
	struct timespec deadline; /* of the running statement, for readers */
};

/* Logged once a minute. */
void connection_meet_trouble(struct trouble *t, const char *what, int code);

enum store_rc connection_rc(struct connection *c, int rc);

void connection_set_deadline(struct connection *c);

bool connection_run(sqlite3 *db, const char *sql);

enum store_rc connection_exec(struct connection *c, const char *sql);

/* Rolls back what a failure left open, unless SQLite has done so already. If that fails the
 * connection is closed, and with it its lock, for which all processes would wait. */
void connection_roll_back(struct connection *c);

/* Called before SQLite's first use in a process, later it changes nothing.  Otherwise SQLite keeps
 * memory statistics that nobody uses, under one lock that all threads take at every allocation. */
void connection_count_no_memory(void);

/* Called by SQLite while others hold a lock: 0 gives up. */
int connection_nap(void *arg, int naps);

/* The first column of the first row. */
bool connection_ask_text(sqlite3 *db, const char *sql, char *out, size_t size);

bool connection_open(struct connection *c, const char *path, bool reading, char why[STORE_WHY_MAX]);

void connection_close(struct connection *c);

/* The inode of the write-ahead log; 0: there is none. */
ino_t connection_log_inode(const char *path);

/* Whether the last call failed because another process keeps the database, which may end. */
bool connection_is_kept(sqlite3 *db);

void statement_release(sqlite3_stmt *stmt);

/* A statement with its values bound; NULL with *out set. */
sqlite3_stmt *connection_begin(struct connection *c, const struct sql *q, enum store_rc *out);

#endif
