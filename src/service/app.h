/* app: one request from its first byte to its last, without FastCGI: route, authenticate,
 * authorize, act, represent.
 *
 * An app is shared by all threads of a process.  It is made after the fork, because it holds
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
#include "resource/resource.h"
#include "secret/keyring.h"
#include "shared/board.h"
#include "shared/limiter.h"
#include "store/store.h"

struct app;

/* Checks the key file against the database, prepares the database, and releases everything again.
 * Run by a short-lived child of the master before it forks workers, so that a wrong key or a newer
 * database is one clear line and a non-zero exit.  False with the sentence in why. */
enum prepare {
	PREPARE_CHECK,	 /* change nothing */
	PREPARE_MIGRATE, /* bring an old database up to date; one that is not there is an error */
	PREPARE_RESTORE, /* the same, of a copy that nobody else knows yet */
	PREPARE_CREATE,	 /* make the database if there is none */
};
/* Writes into the audit log that the database was put back, and how many keys and logins are valid
 * again by that. */
bool app_note_restore(const struct settings *s, size_t keys, size_t logins,
		      char why[CONFIG_WHY_MAX]) __attribute__((warn_unused_result));
bool app_prepare(const struct settings *s, enum prepare how, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* Whether the database is to have a write-ahead log: by the setting, and by where it lies. */
bool app_wants_wal(const struct settings *s);

/* NULL with a sentence in why.  The settings are kept by reference. */
struct app *app_new(const struct settings *s, char why[CONFIG_WHY_MAX]);
void app_free(struct app *app);
/* As a worker of a pool: counts what is limited there, answers /metrics from there, and keeps
 * refused sign-ins until app_write_refusals().  Both are kept by reference.  False without memory.
 */
bool app_use_pool(struct app *app, struct limiter *limiter, const struct board *board)
	__attribute__((warn_unused_result));
/* Starts the threads that check logins; without them the request that asks for a check does it
 * before it is answered.  False if they cannot be started. */
bool app_start_checks(struct app *app) __attribute__((warn_unused_result));
/* Does the checks that are due: for CGI alone. */
void app_run_checks(struct app *app);

/* For the command line of whoever may read key and database: acts as superadmin.  Both structs are
 * the caller's. */
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
	const struct board *board; /* of the pool; NULL for none */
	struct store *store;
	struct keyring *ring;
	struct auth auth;
	struct check_settings checks;
	struct seats *seats; /* of threads that wait for registries */
	struct verifier *verifier;
	struct inject *inject;
	struct limits limits;
	char proxy_token[PROXY_TOKEN_SIZE];
	_Atomic uint64_t failures_met; /* of the database, by all processes, at the last ping */
	int64_t anchor_id;	       /* row of the audit log that the log was told last */
	pthread_mutex_t template_mutex;
	struct template templates[ROLE__COUNT][API__COUNT];
};

#endif
