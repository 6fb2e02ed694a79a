/* app: handles a request without FastCGI: route, authenticate, authorize, act, represent.
 *
 * An app is shared by all threads of a process.  Create it after the fork, because it holds
 * database connections.
 */
#ifndef REGCRED_APP_H
#define REGCRED_APP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "access/proxy.h"
#include "access/refusals.h"
#include "base/arena.h"
#include "base/settings.h"
#include "login/inject.h"
#include "login/verifier.h"
#include "model/schema.h"
#include "registry/check.h"
#include "renew/renew.h"
#include "resource/resource.h"
#include "secret/keyring.h"
#include "shared/board.h"
#include "shared/limiter.h"
#include "store/store.h"

struct app;

/* Checks the key file against the database, prepares the database, and releases everything again. A
 * short-lived child of the master runs it before any worker starts, so that a wrong key or a newer
 * database gives one clear message and a non-zero exit. False with a sentence in why. */
enum prepare {
	PREPARE_CHECK,	 /* change nothing */
	PREPARE_MIGRATE, /* migrate an old database; a missing one is an error */
	PREPARE_RESTORE, /* the same, for a copy that nobody else uses yet */
	PREPARE_CREATE,	 /* create the database if there is none */
};
/* Records in the audit log that the database was restored, and how many keys and logins became
 * valid again; then nothing is left in its write-ahead log. */
bool app_note_restore(const struct settings *s, size_t keys, size_t logins,
		      char why[CONFIG_WHY_MAX]) __attribute__((warn_unused_result));
bool app_prepare(const struct settings *s, enum prepare how, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* Whether the database should use a write-ahead log, by the setting and its file system. */
bool app_wants_wal(const struct settings *s);

/* NULL with a sentence in why, and errno as store_open() sets it.  The settings must outlive it. */
struct app *app_new(const struct settings *s, char why[CONFIG_WHY_MAX]);
void app_free(struct app *app);
/* Makes it a worker of a pool: uses the pool's rate limits and counters, and keeps refused sign-ins
 * until app_write_refusals(). Both arguments must outlive it. False if out of memory.
 */
bool app_use_pool(struct app *app, struct limiter *limiter, const struct board *board)
	__attribute__((warn_unused_result));
/* Starts the threads that check logins; without them a request for a check runs it before it is
 * answered.  False if they cannot be started. */
bool app_start_checks(struct app *app) __attribute__((warn_unused_result));
/* Hides the key, the database or the password of its server, and what else is in the state
 * directory, but for its folder "programs", from the programs that renew logins (renew/hide.h).
 * What fails is logged, and none is run. */
void app_hide_files(const struct settings *s);
/* Starts the threads that renew logins: only the refresher. */
bool app_start_renewals(struct app *app) __attribute__((warn_unused_result));
/* Runs the checks and the renewals that are due: only for CGI. */
void app_run_checks(struct app *app);
void app_run_renewals(struct app *app);

/* For the command line of a user who may read key and database: acts as superadmin. The caller owns
 * both structs. */
void app_local(struct app *app, struct arena *a, struct identity *id, struct context *c);

enum {
	APP_ARENA_MAX = 64 * 1024 * 1024
}; /* limit for the arena of one request: a page of 3,000 rows with long texts fits */

struct template
{
	char *text;
	size_t len;
};

struct app {
	const struct settings *settings;
	const struct board *board; /* scoreboard of the pool; NULL: no pool */
	struct store *store;
	struct keyring *ring;
	struct auth auth;
	struct check_settings checks;
	struct seats *seats; /* for threads that wait for registries */
	struct seats *searches;
	struct verifier *verifier;
	struct renew_settings renewals;
	struct renewer *renewer;
	struct inject *inject;
	struct limits limits;
	char proxy_token[PROXY_TOKEN_SIZE];
	_Atomic uint64_t failures_met; /* database failures of all processes at the last ping */
	int64_t anchor_id;	       /* row of the audit log that was last written to the log */
	pthread_mutex_t template_mutex;
	struct template templates[ROLE__COUNT][API__COUNT];
};

#endif
