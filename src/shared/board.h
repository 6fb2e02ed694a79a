/* board: the scoreboard: what the processes of a pool show each other and `regcred status`:
 * counters, and which processes are alive.
 *
 * One block of shared memory of fixed size, changed only by atomic operations, so a process that
 * dies leaves nothing locked. It is a file in the state directory, so that other programs can read
 * it; if it cannot be created, anonymous memory is used.
 *
 * Like the log it is global to the process: before board_use(), as in a plain CGI, counting does
 * nothing.
 */
#ifndef REGCRED_BOARD_H
#define REGCRED_BOARD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/http.h"

enum {
	BOARD_SLOTS = 132,  /* processes: twice 64 workers, a housekeeper and a refresher */
	BOARD_ROUTES = 16,  /* routes that are counted separately */
	BOARD_SOURCES = 16, /* sources of logins, and results of asking one */
	BOARD_RESULTS = 16,
	BOARD_STATES = 16, /* of resources, and labels of other counters */
	BOARD_LABELS = 16,
	BOARD_BOUNDS = 16, /* buckets of a histogram, including the open-ended one */
	BOARD_VERSION_SIZE = 32,
};

#define BOARD_FILE "%s/regcredd.board" /* in the state directory */

/* Counters: name in /metrics, sentence. */
#define BOARD_COUNTERS(X)                                                                          \
	X(COMMITS, "regcred_commits_total", "Commits to the database.")                            \
	X(COMMIT_FAILURES, "regcred_commit_failures_total",                                        \
	  "Transactions that could not be committed.")                                             \
	X(DATABASE_FAILURES, "regcred_database_failures_total",                                    \
	  "Accesses to the database that met damage or an I/O error.")                             \
	X(REFUSED, "regcred_sign_in_refused_total", "Requests whose key or sign-on was refused.")  \
	X(LIMITED, "regcred_sign_in_limited_total",                                                \
	  "Requests refused because their address had failed too often.")                          \
	X(STRANGERS, "regcred_peers_refused_total",                                                \
	  "Connections of users that allowed_users does not name.")                                \
	X(DEATHS, "regcred_process_deaths_total",                                                  \
	  "Processes of the pool that died without having been told to end.")                      \
	X(HANGS, "regcred_process_hangs_total",                                                    \
	  "Processes of the pool that were killed because they hung.")                             \
	X(SLOW, "regcred_slow_connections_total",                                                  \
	  "Connections closed because a request or its answer took too long on the way.")          \
	X(RELOADS, "regcred_reloads_total", "Reloads that were carried out.")                      \
	X(RELOADS_REFUSED, "regcred_reloads_refused_total",                                        \
	  "Reloads that were refused; the old configuration went on.")

enum board_counter {
#define X(id, name, help) BOARD_##id,
	BOARD_COUNTERS(X)
#undef X
		BOARD__COUNT
};

struct histogram {
	_Atomic uint64_t buckets[BOARD_BOUNDS]; /* not cumulated */
	_Atomic uint64_t sum;			/* microseconds, or pieces */
};

enum { BOARD_STATUSES = 20 };

enum board_job { BOARD_WORKER, BOARD_HOUSEKEEPER, BOARD_REFRESHER };
/* The life of a process: server/children.c has the table. */
enum child_state {
	CHILD_NONE,	/* a free slot */
	CHILD_DUE,	/* waiting to be started after a pause */
	CHILD_STARTING, /* forked, not yet serving */
	CHILD_READY,
	CHILD_DRAINING, /* told to end */
};

/* A process of the pool; the master is in board.master. */
struct board_slot {
	_Atomic int32_t pid;	    /* 0: none */
	_Atomic int32_t job, state; /* enum board_job, enum child_state */
	_Atomic int32_t ready;	    /* the process has reported that it serves */
	_Atomic int32_t hung;	    /* it hangs, and exits or is killed for that */
	_Atomic int32_t running;    /* requests at this moment */
	_Atomic int64_t since_ms;   /* wall clock, when the state began */
	_Atomic int64_t tick_ms;    /* monotonic clock, last sign of life */
	_Atomic uint64_t requests;
};

/* What credentials there are and which of them end within a time from now, by the housekeeper's
 * last look: metrics and `regcred status` show them. */
enum { BOARD_WITHIN = 6 };
extern const char *const board_within_names[BOARD_WITHIN]; /* "0s", "1h" */
extern const int64_t board_within_ms[BOARD_WITHIN];
enum { BOARD_UNUSED = 2 };
extern const char *const board_unused_names[BOARD_UNUSED]; /* "30d" */
extern const int64_t board_unused_ms[BOARD_UNUSED];
struct board_expiry {
	_Atomic int64_t looked_ms;				  /* 0: not yet */
	_Atomic int64_t logins[BOARD_WITHIN], keys[BOARD_WITHIN]; /* logins: without a source */
	_Atomic int64_t next_ms[BOARD_SOURCES + 1]; /* the last one: without a source; 0: none */
	_Atomic int64_t overdue, first_due_ms;
	_Atomic int64_t states[BOARD_STATES][BOARD_RESULTS + 1]; /* logins by state and last check;
								    the last one: never checked */
	_Atomic int64_t unused[BOARD_UNUSED];			 /* active ones */
};

/* Counters that have a label. */
enum board_labelled { BOARD_VERIFICATIONS, BOARD_HANDOUTS, BOARD_INJECTS, BOARD_LABELLED };

struct board {
	uint64_t magic, size;
	char version[BOARD_VERSION_SIZE];
	_Atomic int32_t master;
	_Atomic int64_t started_ms, loaded_ms; /* wall clock: when the master started, when it
						  loaded its configuration */
	_Atomic int64_t tick_ms;
	_Atomic int64_t workers;		 /* as configured */
	_Atomic int32_t own_socket, socket_lost; /* created by the pool; its file is gone */
	_Atomic int64_t died_ms; /* the last unexpected exit: when, which process, status of
				    wait(2); 0: none */
	_Atomic int32_t died_pid, died_status, died_hanging;
	_Atomic int64_t swept_ms,
		swept_rows; /* the housekeeper's last complete pass: when it ended; 0: none */
	_Atomic uint64_t counters[BOARD__COUNT];
	_Atomic uint64_t requests[BOARD_ROUTES][HTTP__COUNT][BOARD_STATUSES];
	struct histogram durations[BOARD_ROUTES];
	struct histogram write_waits, batches;
	struct board_expiry expiry;
	_Atomic uint64_t labelled[BOARD_LABELLED][BOARD_LABELS];
	_Atomic uint64_t renewals[BOARD_SOURCES][BOARD_RESULTS];
	struct histogram renewal_durations[BOARD_SOURCES];
	struct board_slot slots[BOARD_SLOTS];
};

/* Creates an empty scoreboard that replaces the one at path; path NULL: anonymous memory. NULL with
 * errno on failure. */
struct board *board_new(const char *path);
/* Opens the scoreboard at path for reading; NULL if there is none with this program's layout. */
struct board *board_open(const char *path);
void board_close(struct board *b);

/* From now on this process counts in b; NULL: nowhere. */
void board_use(struct board *b);
/* Assigns the slot to this process. */
void board_take_slot(size_t slot);

void board_count(enum board_counter counter);
/* A request of this thread begins and ends. */
void board_begin(void);
void board_end(void);
void board_request(unsigned route, enum http_method method, int status, int64_t us);
void board_write_wait(int64_t us);
void board_commit(size_t pieces);
/* Whether this process counts anywhere. */
bool board_is_used(void);
void board_show_expiry(const struct board_expiry *found);
/* A source of logins was asked for a new secret. */
void board_renewal(unsigned source, unsigned result, int64_t us);
void board_count_labelled(enum board_labelled counter, unsigned label);
void board_swept(int64_t now_ms, int64_t rows);

/* The upper bounds of the histograms, BOARD_BOUNDS - 1 at most, in microseconds and in pieces;
 * returns how many there are. */
extern const int64_t board_us_bounds[], board_piece_bounds[];
extern const size_t board_us_count, board_piece_count;
/* The status of a column of `requests`; 0 for the last one, which counts all other statuses. */
int board_status(size_t column);

#endif
