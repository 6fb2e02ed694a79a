/* link: a connection to PostgreSQL, and what its errors mean.
 *
 * One thread uses it at a time.  Each statement has a time limit of its own, which the server's
 * answer need not keep: a link on which one ran out is closed, and opened again for its next use.
 */
#ifndef REGCRED_STORE_POSTGRES_LINK_H
#define REGCRED_STORE_POSTGRES_LINK_H

#include <libpq-fe.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/schema.h"
#include "store/sql.h"
#include "store/store.h"

enum {
	LINK_READ_MS = 2000,	  /* for a statement that reads */
	LINK_WRITE_MS = 10000,	  /* for one that writes, and the wait for one's turn before it */
	LINK_CONNECT_S = 2,	  /* for each host, unless the database's address says otherwise */
	LINK_PAUSE_MS = 1000,	  /* after a host did not answer, before it is asked again */
	LINK_TELL_MS = 60 * 1000, /* between log lines about trouble */
};

/* What the links of a process share. */
struct link_place {
	const char *address;	   /* of the database, as in the settings */
	atomic_llong failed_ms;	   /* when it could not be reached */
	atomic_llong busy_told_ms; /* when it was logged that the turn was not free */
	atomic_llong told_ms;	   /* when trouble was logged, how much was not since */
	atomic_uint untold;
	atomic_llong
		timeline; /* the highest that was met: a server with a lower one was left behind */
};

struct server_link {
	PGconn *connection; /* NULL: closed */
	struct link_place *place;
	int64_t deadline_ms;   /* of its next statements, by clock_ms() */
	bool warned;	       /* the server sent a warning since link_forget_warning() */
	enum store_rc failure; /* the last */
	enum column conflict;  /* of the last STORE_CONSTRAINT */
};

/* NULL if the address is one that is used: of a server on this machine, or with
 * sslmode=verify-full, and without a password in it.  Else what is wrong. */
const char *link_wrong_address(const char *address, char why[STORE_WHY_MAX]);

/* As store_files(). */
size_t link_files(const char *address, bool secret, char files[STORE_FILES_MAX][STORE_FILE_SIZE]);

/* Opens a link that is closed or broken; with a sentence in why, which may be NULL. */
bool link_open(struct server_link *l, char why[STORE_WHY_MAX]);
void link_close(struct server_link *l);
/* Gives its next statements so much time. */
void link_allow(struct server_link *l, int64_t ms);

/* Statements of ours without values, separated by semicolons: the result of the last one, for the
 * caller to clear; NULL after an error, with *out set.  Its values are texts. */
PGresult *link_run(struct server_link *l, const char *text, enum store_rc *out);
/* One statement; its values are in binary form. */
PGresult *link_query(struct server_link *l, const struct sql *q, const char *more,
		     enum store_rc *out);
/* Wipes what a result held, and frees it. */
void link_clear(PGresult *result);

/* A value of a binary result, copied into the arena, which a number does not need. */
struct value link_value(const PGresult *result, int row, int column, struct arena *a);

#endif
