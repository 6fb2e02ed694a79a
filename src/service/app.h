/* app: one request from its first byte to its last, without FastCGI: route, authenticate,
 * authorize, act, represent.
 *
 * An app is shared by all threads of a process.  It is made after the fork, because it holds
 * database connections.
 */
#ifndef REGCRED_APP_H
#define REGCRED_APP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "shared/board.h"
#include "server/config.h"
#include "base/http.h"
#include "resource/resource.h"

struct app;

/* Checks the key file against the database, prepares the database, and releases everything again.
 * Run by a short-lived child of the master before it forks workers, so that a wrong key or a newer
 * database is one clear line and a non-zero exit.  False with the sentence in why. */
enum prepare {
	PREPARE_CHECK,	 /* change nothing */
	PREPARE_MIGRATE, /* bring an old database up to date; one that is not there is an error */
	PREPARE_CREATE,	 /* make the database if there is none */
};
bool app_prepare(const struct settings *s, enum prepare how, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* Whether the database is to have a write-ahead log: by the setting, and by where it lies. */
bool app_wants_wal(const struct settings *s);

/* NULL with a sentence in why.  The settings are kept by reference. */
struct app *app_new(const struct settings *s, char why[CONFIG_WHY_MAX]);
void app_free(struct app *app);
/* Counts failed sign-ins there from now on.  Kept by reference. */
void app_use_limiter(struct app *app, struct limiter *limiter);
/* Counts them there for the audit log, until app_write_refusals().  Kept by reference. */
void app_use_refusals(struct app *app, struct refusals *refusals);

/* Answers /metrics from there from now on.  Kept by reference. */
void app_use_board(struct app *app, const struct board *board);
/* Counts the checks that accounts ask for there.  Kept by reference. */
void app_use_check_limiter(struct app *app, struct limiter *limiter);
/* Starts the threads that check logins; without them the request that asks for a check does it
 * before it is answered.  False if they cannot be started. */
bool app_start_checks(struct app *app) __attribute__((warn_unused_result));
/* Does the checks that are due: for CGI alone. */
void app_run_checks(struct app *app);

/* Answers a request.  Always fills *response, whatever fails; everything it points to lives in the
 * arena or is static.  Safe to be called by several threads, each with its own arena. */
void app_handle(struct app *app, const struct request *request, struct arena *arena,
		struct response *response);

/* For the command line of whoever may read key and database: acts as superadmin.  Both structs are
 * the caller's. */
void app_local(struct app *app, struct arena *a, struct identity *id, struct context *c);

/* Writes the refused sign-ins of past minutes, or all, to the audit log.  True if that worked; else
 * they stay where they are. */
bool app_write_refusals(struct app *app, bool all);

/* Asked between the steps of a pass whether it goes on. */
typedef bool (*app_goes_on)(void *arg);

/* The lease of the housekeeper: of all processes that share a database one does the work. */
#define HOUSEKEEPING "housekeeping"

/* One pass of the housekeeper, by a lease; true and nothing done if another process has it: purges
 * what is due, deletes what was purged long ago, shrinks the WAL.  True if it did all of it.
 * goes_on may be NULL. */
bool app_sweep(struct app *app, app_goes_on goes_on, void *arg);

enum {
	APP_ARENA_MAX = 64 * 1024 * 1024
}; /* limit for the arena of one request: a page of 3,000 rows with long texts fits */

#endif
