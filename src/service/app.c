/* app: starts and stops an app: settings, keys, database, threads.
 *
 * The order of the checks: body, key, project, CSRF, versions and schemas,
 * type, id, action, method, fields.
 */
#include "service/app.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "access/proxy.h"
#include "access/sign_in.h"
#include "audit/audit.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/disk.h"
#include "base/json_in.h"
#include "base/log.h"
#include "base/remedy.h"
#include "base/settings.h"
#include "login/inject.h"
#include "login/verifier.h"
#include "model/check.h"
#include "model/schema.h"
#include "registry/check.h"
#include "renew/hide.h"
#include "renew/renew.h"
#include "renew/restore.h"
#include "renew/source.h"
#include "resource/resource.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "service/bind.h"
#include "service/rekey.h"
#include "service/rekey_lease.h"
#include "shared/board.h"
#include "shared/limiter.h"
#include "store/store.h"

/* Starting */

/* The first check value that does not match the keys; NULL if all match. *primary: whether the
 * primary key has one. */
static const struct key_check *
find_stranger(const struct keyring *ring, const struct key_check *checks, size_t count,
	      bool *primary)
{
	struct sealing_key keys[KEYRING_MAX];
	size_t key_count = keyring_sealing(ring, keys);
	const struct key_check *stranger = NULL;

	*primary = false;
	for (size_t i = 0; i < count; i++) {
		if (stranger == NULL &&
		    !keyring_matches(ring, checks[i].key_id, checks[i].use, &checks[i].value))
			stranger = &checks[i];
		for (size_t k = 0; k < key_count; k++)
			if (keys[k].primary && checks[i].key_id == keys[k].id &&
			    strcmp(checks[i].use, "seal") == 0)
				*primary = true;
	}
	return stranger;
}

/* Compares the keys with the check values in the database; a new database gets those of this key
 * file. A rotation may change file and database between the two reads: then it compares again.
 */
static bool
check_keys(const struct settings *s, struct store *store, struct keyring *ring, enum prepare how,
	   char why[CONFIG_WHY_MAX])
{
	struct arena *a = arena_new(256 * 1024);
	struct key_check *checks = NULL;
	const struct key_check *stranger = NULL;
	size_t count = 0;
	bool right = a != NULL, primary = false;

	for (int looks = 0; right && looks < 2 && (looks == 0 || stranger != NULL); looks++) {
		if (looks > 0)
			keyring_refresh(ring);
		enum store_rc rc = store_key_checks(store, a, &checks, &count);
		if (rc == STORE_BUSY)
			errno = EBUSY;
		right = rc == STORE_OK;
		stranger = right ? find_stranger(ring, checks, count, &primary) : NULL;
	}
	if (!right) {
		(void)snprintf(
			why, CONFIG_WHY_MAX,
			"cannot read the database %s: look at its disk, then at `regcred check`",
			s->database);
	} else if (stranger != NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "the master key %s is not the one that the database %s was made "
			       "with, or is older than its last `regcred rekey` (key id %lld): put "
			       "the right file back",
			       s->key_file, s->database, (long long)stranger->key_id);
		right = false;
	} else if (count == 0 && how != PREPARE_CREATE) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "the database %s has no master key recorded: run `regcred init`",
			       s->database);
		right = false;
	} else if (how != PREPARE_CHECK) {
		right = (primary || rekey_register(store, ring, why)) &&
			bind_secrets(store, ring, why);
	}
	arena_free(a);
	return right;
}

static bool
init_tables(char why[CONFIG_WHY_MAX])
{
	const char *wrong = schema_check();

	if (wrong == NULL)
		wrong = auth_init();
	if (wrong == NULL && !secret_init())
		wrong = "libsodium cannot start: the system gives it no random numbers";
	if (wrong != NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%s", wrong);
		return false;
	}
	json_in_init();
	return true;
}

bool
app_wants_wal(const struct settings *s)
{
	return !store_is_file(s->database) || s->journal == JOURNAL_WAL ||
	       (s->journal == JOURNAL_AUTO && disk_network(s->database) == NULL);
}

/* Logs an unusual journal mode at the start. */
static void
tell_journal(const struct settings *s)
{
	const char *network = store_is_file(s->database) ? disk_network(s->database) : NULL;

	if (!app_wants_wal(s))
		log_warn("the database %s has a rollback journal instead of a write-ahead log, "
			 "because %s%s: reads and commits wait for each other",
			 s->database,
			 s->journal == JOURNAL_AUTO ? "it is on " : "the setting journal says so",
			 s->journal == JOURNAL_AUTO ? network : "");
	else if (network != NULL)
		log_warn("the database %s is on %s, and the setting journal gives it a "
			 "write-ahead log: it gets damaged if a second host opens it",
			 s->database, network);
}

static bool
is_no_project(struct store *store, struct arena *a, int64_t id)
{
	struct record project;
	enum store_rc rc = store_get(store, a, &family_account, id, &owners_all, &project);

	return rc == STORE_NONE ||
	       (rc == STORE_OK && ((project.type->flags & TYPE_PROJECT) == 0 ||
				   project.columns[COL_REMOVED].type != VALUE_NULL));
}

/* A project that does not exist would otherwise go unnoticed. */
static void
warn_of_projects(const struct settings *s, struct store *store)
{
	struct arena *a = arena_new(1024 * 1024);

	for (size_t i = 0; a != NULL && i < s->group_count; i++)
		if (s->groups[i].kind == NULL && is_no_project(store, a, s->groups[i].project_id))
			log_warn("[groups]: %s gives a role in project 1a%lld, which does not "
				 "exist: correct the line",
				 s->groups[i].name, (long long)s->groups[i].project_id);
	for (size_t i = 0; a != NULL && i < s->token_count; i++)
		if (is_no_project(store, a, s->tokens[i].project_id))
			log_warn("[token %s]: the project 1a%lld does not exist: correct the line",
				 s->tokens[i].name, (long long)s->tokens[i].project_id);
	arena_free(a);
}

/* A row of the audit log about the database as a whole. */
static enum err __attribute__((format(printf, 4, 5)))
note_database(struct store_tx *tx, const struct keyring *ring, const char *event,
	      const char *format, ...)
{
	struct arena *a = arena_new(256 * 1024);
	char changes[128];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(changes, sizeof(changes), format, args);
	va_end(args);
	const struct audit_entry entry = {
		.who.via = "command", .event = event, .changes = changes, .at_ms = clock_wall_ms()};
	enum store_rc rc = a != NULL ? audit_append(tx, a, ring, &entry) : STORE_NO_MEMORY;

	arena_free(a);
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

struct migration_note {
	const struct keyring *ring;
	struct arena *arena;
	struct lease lease; /* its holder: the old version of the schema; NULL: none */
};

static enum err
look_for_migration(struct store_tx *tx, void *arg)
{
	struct migration_note *note = arg;
	enum store_rc rc = store_tx_lease(tx, note->arena, STORE_MIGRATED, &note->lease);

	return rc == STORE_OK || rc == STORE_NONE ? ERR_NONE : ERR_INTERNAL;
}

static enum err
migration_in_transaction(struct store_tx *tx, void *arg)
{
	struct migration_note *note = arg;

	note->lease.holder = NULL;
	if (look_for_migration(tx, note) != ERR_NONE)
		return ERR_INTERNAL;
	if (note->lease.holder == NULL) /* recorded meanwhile */
		return ERR_NONE;
	return store_end_lease(tx, STORE_MIGRATED, note->lease.holder) == STORE_OK
		       ? note_database(tx, note->ring, "migrate", "{\"version\":{\"old\":%d}}",
				       atoi(note->lease.holder))
		       : ERR_INTERNAL;
}

/* Records a migration that nobody has recorded yet: who migrated may have been killed after it. */
static bool
tell_migration(const struct settings *s, struct store *store, const struct keyring *ring,
	       enum prepare how, char why[CONFIG_WHY_MAX])
{
	struct migration_note note = {.ring = ring, .arena = arena_new(64 * 1024)};
	bool done = note.arena != NULL && store_read(store, look_for_migration, &note) == STORE_OK;
	const char *from = note.lease.holder;

	if (done && from != NULL && !store_is_file(s->database))
		log_info("the database %s of version %s was brought up to date", s->database, from);
	else if (done && from != NULL && how != PREPARE_RESTORE)
		log_info("the database %s of version %s was brought up to date; a copy of the old "
			 "one is %s.version-%s",
			 s->database, from, s->database, from);
	if (done && from != NULL)
		done = store_write_freeing(store, migration_in_transaction, &note) == STORE_OK;
	if (!done)
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "cannot write to the audit log of %s: see `regcred audit verify`",
			       s->database);
	arena_free(note.arena);
	return done;
}

struct restore_note {
	const struct keyring *ring;
	size_t keys, logins;
};

static enum err
restore_in_transaction(struct store_tx *tx, void *arg)
{
	const struct restore_note *note = arg;

	if (renew_after_restore(tx, note->ring) != STORE_OK || rekey_lease_drop(tx) != STORE_OK)
		return ERR_INTERNAL;
	return note_database(tx, note->ring, "restore", "{\"keys\":%zu,\"logins\":%zu}", note->keys,
			     note->logins);
}

bool
app_note_restore(const struct settings *s, size_t keys, size_t logins, char why[CONFIG_WHY_MAX])
{
	struct keyring *ring = keyring_load(s->key_file, why);
	struct store *store = ring != NULL ? store_open(s->database, 1, why) : NULL;
	struct restore_note note = {ring, keys, logins};
	bool done = store != NULL &&
		    store_write_freeing(store, restore_in_transaction, &note) == STORE_OK;

	if (store != NULL && !done)
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "cannot write to the audit log of %s: see `regcred audit verify`",
			       s->database);
	/* The file is renamed without its log: closing would not say that it could not empty it. */
	if (done && store_settle(store) != STORE_OK) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "cannot bring its write-ahead log into %s: look at its disk",
			       s->database);
		done = false;
	}
	store_close(store);
	keyring_free(ring);
	return done;
}

bool
app_prepare(const struct settings *s, enum prepare how, char why[CONFIG_WHY_MAX])
{
	char token[PROXY_TOKEN_SIZE];

	if (!init_tables(why))
		return false;
	if (s->proxy_auth && !proxy_token_load(s->proxy_token_file, token, why))
		return false;
	explicit_bzero(token, sizeof(token));
	struct keyring *ring = keyring_load(s->key_file, why);
	if (ring == NULL)
		return false;
	bool ready = how == PREPARE_CHECK ||
		     store_migrate(s->database, how == PREPARE_CREATE, app_wants_wal(s),
				   how != PREPARE_RESTORE, why);
	struct store *store =
		ready && store_check(s->database, why) ? store_open(s->database, 1, why) : NULL;
	bool right = store != NULL && check_keys(s, store, ring, how, why);
	if (right && how == PREPARE_CREATE && audit_begin(store, ring) != STORE_OK) {
		(void)snprintf(
			why, CONFIG_WHY_MAX,
			"cannot write to the database %s: look at its disk, and at who owns it",
			s->database);
		right = false;
	}
	if (right && how != PREPARE_CHECK)
		right = tell_migration(s, store, ring, how, why);
	if (right)
		warn_of_projects(s, store);
	if (right && how != PREPARE_CHECK)
		tell_journal(s);
	store_close(store);
	keyring_free(ring);
	return right;
}

struct app *
app_new(const struct settings *s, char why[CONFIG_WHY_MAX])
{
	struct app *app = calloc(1, sizeof(*app));

	if (app == NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "out of memory");
		return NULL;
	}
	app->settings = s;
	errno = 0;
	(void)pthread_mutex_init(&app->template_mutex, NULL);
	if (!init_tables(why) ||
	    (s->proxy_auth && !proxy_token_load(s->proxy_token_file, app->proxy_token, why)) ||
	    (app->ring = keyring_load(s->key_file, why)) == NULL ||
	    (app->store = store_open(s->database, (size_t)s->readers, why)) == NULL ||
	    !check_keys(s, app->store, app->ring, PREPARE_MIGRATE, why)) {
		int error = errno;

		app_free(app);
		errno = error;
		return NULL;
	}
	store_use_room(app->store, s->min_free_bytes);
	app->checks = (struct check_settings){.networks = s->verify_networks,
					      .insecure = s->insecure_registries,
					      .ca_file = s->verify_ca_file,
					      .proxy = s->verify_proxy,
					      .timeout_ms = s->verify_timeout_s * 1000};
	app->renewals = (struct renew_settings){.networks = s->verify_networks,
						.ca_file = s->verify_ca_file,
						.proxy = s->verify_proxy,
						.timeout_ms = s->refresh_timeout_s * 1000,
						.metadata = s->refresh_metadata ? "aws" : "",
						.programs = s->refresh_programs,
						.environment = s->refresh_environment,
						.tokens_dir = s->refresh_tokens_dir};
	/* Tests of logins, and waiting for tokens, block the threads of their requests: some are
	 * reserved for other requests, and one account or key gets at most half. */
	app->seats = seats_new((unsigned)(s->threads * 3 + 3) / 4, (unsigned)(s->threads + 1) / 2);
	app->searches = seats_new((unsigned)s->readers, (unsigned)(s->readers + 1) / 2);
	if (app->seats != NULL && app->searches != NULL) {
		app->verifier = verifier_new(app->store, app->ring, &app->checks, app->seats);
		app->inject = inject_new(&app->checks, app->seats);
		const struct renewer_parts parts = {app->store, app->ring, &app->renewals,
						    &app->checks, sources};
		app->renewer = renewer_new(&parts);
	}
	if (app->verifier == NULL || app->inject == NULL || app->renewer == NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "out of memory");
		app_free(app);
		return NULL;
	}
	app->auth = (struct auth){.store = app->store,
				  .ring = app->ring,
				  .open = s->open,
				  .proxy_token = s->proxy_auth ? app->proxy_token : NULL,
				  .proxy_trust_cgi = s->proxy_trust_cgi,
				  .proxy_create_users = s->proxy_create_users,
				  .groups = s->groups,
				  .group_count = s->group_count,
				  .tokens = {.rules = s->tokens,
					     .count = s->token_count,
					     .state_dir = s->state_dir,
					     .ca_file = s->verify_ca_file,
					     .proxy = s->verify_proxy,
					     .timeout_ms = s->verify_timeout_s * 1000,
					     .seats = app->seats}};
	app->limits.searches = app->searches;
	app->limits.rows = s->rows_per_project;
	app->limits.projects = s->projects_per_user;
	return app;
}

bool
app_use_pool(struct app *app, struct limiter *limiter, const struct board *board)
{
	const struct settings *s = app->settings;

	app->board = board;
	app->auth.failures = (struct limit){limiter, 'f', (unsigned)s->auth_failures,
					    (unsigned)s->auth_failures_window_s};
	app->limits.checks = (struct limit){limiter, 'c', (unsigned)s->verify_per_minute, 60};
	app->limits.writes = (struct limit){limiter, 'w', (unsigned)s->writes_per_minute, 60};
	app->limits.room =
		(struct limit){limiter, 'd', s->room_per_account > 0 ? 4000 : 0, 24 * 60 * 60};
	app->limits.room_share = s->room_per_account;
	app->limits.repositories =
		(struct limit){limiter, 'i', (unsigned)s->repositories_per_hour, 60 * 60};
	app->auth.refusals = refusals_new();
	return app->auth.refusals != NULL;
}

bool
app_start_checks(struct app *app)
{
	return store_start(app->store) &&
	       verifier_start(app->verifier, (size_t)app->settings->verify_threads);
}

void
app_hide_files(const struct settings *s)
{
	enum { OURS = 3 };
	char files[STORE_FILES_MAX][STORE_FILE_SIZE];
	char open[CONFIG_PATH_MAX + sizeof("/programs")];
	const char *paths[OURS + STORE_FILES_MAX] = {s->state_dir, s->key_file,
						     s->proxy_token_file};

	if (*s->refresh_programs == '\0')
		return;
	size_t count = store_files(s->database, true, files);

	for (size_t i = 0; i < count; i++)
		paths[OURS + i] = files[i];
	(void)snprintf(open, sizeof(open), "%s/programs", s->state_dir);
	if (!hide_prepare(paths, OURS + count, open))
		log_error("the programs of refresh_programs are not run, because the key and the "
			  "database cannot be hidden from them: %s",
			  remedy_text(errno));
}

bool
app_start_renewals(struct app *app)
{
	return store_start(app->store) &&
	       renewer_start(app->renewer, (size_t)app->settings->refresh_threads);
}

void
app_run_checks(struct app *app)
{
	while (verifier_run_one(app->verifier))
		;
}

void
app_run_renewals(struct app *app)
{
	app_hide_files(app->settings);
	while (renewer_run_one(app->renewer))
		;
}

void
app_free(struct app *app)
{
	if (app == NULL)
		return;
	verifier_free(app->verifier);
	renewer_free(app->renewer);
	inject_free(app->inject);
	seats_free(app->seats);
	seats_free(app->searches);
	refusals_free(app->auth.refusals);
	for (unsigned r = 0; r < ROLE__COUNT; r++)
		for (unsigned v = 0; v < API__COUNT; v++)
			free(app->templates[r][v].text);
	store_close(app->store);
	keyring_free(app->ring);
	(void)pthread_mutex_destroy(&app->template_mutex);
	explicit_bzero(app->proxy_token, sizeof(app->proxy_token));
	free(app);
}

void
app_local(struct app *app, struct arena *a, struct identity *id, struct context *c)
{
	*id = (struct identity){.user_id = AUTH_OPEN_ACCOUNT,
				.scope_id = AUTH_OPEN_ACCOUNT,
				.kind = "superadmin",
				.role = ROLE_SUPERADMIN,
				.account_role = ROLE_SUPERADMIN,
				.all_accounts = true,
				.key.rank = RANK_FULL,
				.via = "command"};
	id->owners.all = true;
	*c = (struct context){.arena = a,
			      .store = app->store,
			      .ring = app->ring,
			      .actor = identity_actor(id),
			      .id = id,
			      .version = API_V2_BETA,
			      .now_ms = clock_wall_ms(),
			      .removed_keep_ms = app->settings->removed_keep_s * 1000};
	c->actor.request_id = "command";
}
