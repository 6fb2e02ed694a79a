/* upkeep: maintenance commands: init, sweep, status, rekey, backup, restore, check. */
#include "cli/upkeep.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/exit.h"
#include "base/http.h"
#include "base/remedy.h"
#include "base/settings.h"
#include "cli/session.h"
#include "nginx_check/nginx_check.h"
#include "renew/survey.h"
#include "secret/key_file.h"
#include "secret/keyring.h"
#include "service/app.h"
#include "service/backup.h"
#include "service/housekeeper.h"
#include "service/owner.h"
#include "service/rekey.h"
#include "service/sealed.h"
#include "service/status.h"
#include "store/sqlite/file.h"
#include "store/store.h"

/* False with a sentence in why where that cannot be known: a server that cannot be reached. */
static bool
look_for_database(const char *database, bool *there, char why[STORE_WHY_MAX])
{
	char none[STORE_WHY_MAX];

	if (store_is_file(database)) {
		*there = access(database, F_OK) == 0;
		return true;
	}
	if (!store_check(database, why))
		return false;
	struct store *store = store_open(database, 1, none);

	store_close(store);
	*there = store != NULL;
	return true;
}

int
command_init(struct session *s)
{
	char why[CONFIG_WHY_MAX];
	const struct settings *settings = s->settings;
	bool is_there = false;

	/* In this order: another init makes the key first. */
	if (!look_for_database(settings->database, &is_there, why))
		return session_fail(why);
	bool fresh = access(settings->key_file, F_OK) != 0;

	if (mkdir(settings->state_dir, 0700) != 0 && errno != EEXIST) {
		(void)fprintf(stderr, "regcred: cannot create %s: %s\n", settings->state_dir,
			      remedy_text(errno));
		return EXIT_FAILED;
	}
	/* A new key for an old database would lose every secret in it. */
	if (fresh && is_there)
		return session_fail("the database exists but its master key does not: put the key "
				    "file back, or name "
				    "it with --key-file");
	if (!secret_init())
		return session_fail(
			"libsodium cannot start: the system gives it no random numbers");
	if (fresh && !keyring_create(settings->key_file, why)) {
		if (errno != EEXIST)
			return session_fail(why);
		fresh = false; /* another init was faster */
	}
	if (!app_prepare(settings, PREPARE_CREATE, why))
		return session_fail(why);
	(void)printf("%s %s\n", fresh ? "made" : "kept", settings->key_file);
	(void)printf("ready: %s\n", settings->database);
	if (fresh)
		(void)printf("Keep a copy of the key file in a safe place: without it no stored "
			     "secret can be read.\n");
	return EXIT_OK;
}

int
command_sweep(struct session *s)
{
	app_run_renewals(s->app);
	app_run_checks(s->app);
	return app_sweep(s->app, NULL, NULL)
		       ? EXIT_OK
		       : session_fail("the sweep did not finish: see the log");
}

int
command_status(struct session *s)
{
	return (int)status_report(s->settings, arguments_find(s->arguments, "json") != NULL,
				  stdout);
}

/* Reports known mistakes in an nginx configuration; path NULL: none to check. */
static int
check_nginx(const char *path, bool behind_proxy)
{
	struct nginx_report report;
	char why[CONFIG_WHY_MAX];

	if (path == NULL)
		return EXIT_OK;
	if (!nginx_check(path, behind_proxy, stdout, &report, why, sizeof(why)))
		return session_fail(why);
	(void)printf("%s: %zu problems, %zu warnings\n", path, report.problems, report.warnings);
	return report.problems == 0 ? EXIT_OK : EXIT_FAILED;
}

int
command_rekey(struct session *s)
{
	const char *batch = arguments_value(s->arguments, "batch", NULL);
	char why[SECRET_WHY_MAX];
	struct rekey r = {.store = s->context.store,
			  .ring = s->context.ring,
			  .key_file = s->settings->key_file,
			  .batch = batch != NULL ? session_read_count(batch, REKEY_BATCH_MAX)
						 : REKEY_BATCH_DEFAULT,
			  .stop = &stop_asked,
			  .out = stdout,
			  .progress = stderr};

	if (r.batch == 0) {
		(void)fprintf(stderr, "regcred: --batch must be a whole number from 1 to %d\n",
			      REKEY_BATCH_MAX);
		return EXIT_USAGE;
	}
	stop_on_signals();
	if (!rekey_run(&r, why)) {
		(void)fflush(stdout);
		return session_fail(why);
	}
	(void)printf("Keep a copy of the new key file %s in a safe place: older copies cannot open "
		     "this database.\n",
		     s->settings->key_file);
	return EXIT_OK;
}

/* One line for each key that is in the file or named by a value. */
static int
upkeep_print_keys(const struct session *s)
{
	struct sealing_key keys[KEYRING_MAX];
	struct key_rows rows[KEY_ROWS_MAX];
	size_t key_count = keyring_sealing(s->context.ring, keys), count = 0;
	int status = EXIT_OK;

	if (sealed_count(s->context.store, rows, &count) != STORE_OK)
		return session_fail("the sealed values cannot be counted: run `regcred check`");
	for (size_t k = 0; k < key_count; k++) {
		long long sealed = 0;

		for (size_t i = 0; i < count; i++)
			if (rows[i].id == keys[k].id)
				sealed = (long long)rows[i].rows;
		(void)printf("key %u%s: %lld sealed values\n", keys[k].id,
			     keys[k].primary ? " (primary)" : "", sealed);
	}
	for (size_t i = 0; i < count; i++) {
		bool known = false;

		for (size_t k = 0; k < key_count; k++)
			known = known || keys[k].id == rows[i].id;
		if (known)
			continue;
		(void)printf(
			"key %lld (NOT IN THE FILE): %lld sealed values that cannot be opened\n",
			(long long)rows[i].id, (long long)rows[i].rows);
		status = EXIT_FAILED;
	}
	char why[SECRET_WHY_MAX];
	if (status == EXIT_OK && !rekey_opens_all(s->context.store, s->context.ring, why))
		status = session_fail(why);
	if (key_count > 1)
		(void)printf("a rotation is in progress: finish it with `regcred rekey`\n");
	return status;
}

/* Becomes the owner like other commands, but only after the check has reported problems. */
static int
check_sealed(struct session *s)
{
	char why[CONFIG_WHY_MAX];

	s->app = app_new(s->settings, why);
	if (s->app == NULL)
		return session_fail(why);
	app_local(s->app, s->arena, &s->identity, &s->context);
	return upkeep_print_keys(s);
}

static int
copy_or_restore(struct session *s, bool (*work)(const struct backup *b, char why[CONFIG_WHY_MAX]))
{
	char why[CONFIG_WHY_MAX];
	const struct backup b = {.settings = s->settings,
				 .file = s->arguments->word_count > 0 ? s->arguments->words[0]
								      : NULL,
				 .force = arguments_find(s->arguments, "force") != NULL,
				 .stop = &stop_asked,
				 .out = stdout,
				 .progress = stderr};

	if (b.file == NULL)
		return session_fail("which file? name one");
	stop_on_signals();
	(void)signal(SIGXFSZ,
		     SIG_IGN); /* exceeding a file size limit is an error, like a full disk */
	return work(&b, why) ? EXIT_OK : session_fail(why);
}

int
command_backup(struct session *s)
{
	return copy_or_restore(s, backup_make);
}

int
command_restore(struct session *s)
{
	return copy_or_restore(s, backup_restore);
}

/* Prints the journal mode, the file system, and the mode after the next start. */
static void
print_journal(const struct session *s)
{
	static const char *const names[] = {"rollback", "write-ahead log"};
	const char *network = disk_network(s->settings->database);
	bool wal = file_has_wal(s->settings->database), wanted = app_wants_wal(s->settings);

	(void)printf("journal: %s", names[wal]);
	if (network != NULL)
		(void)printf(", on the network file system %s", network);
	if (wal != wanted)
		(void)printf("; the next start of regcredd, or `regcred init`, makes it %s",
			     names[wanted]);
	(void)printf("\n");
}

/* Workers, housekeeper and refresher: each reads and writes. */
static size_t
pool_connections(const struct settings *s)
{
	return (size_t)(s->workers + 2) * (size_t)(s->readers + 1);
}

int
command_check(struct session *s)
{
	char why[CONFIG_WHY_MAX];

	if (!owner_become(s->settings, false, why) || !app_prepare(s->settings, PREPARE_CHECK, why))
		return session_fail(why);
	(void)printf("ok: %s opens with %s\n", s->settings->database, s->settings->key_file);
	int status = check_sealed(s);
	if (s->app != NULL) {
		if (store_is_file(s->settings->database))
			print_journal(s);
		if (!store_describe(s->app->store, pool_connections(s->settings), stdout) &&
		    status == EXIT_OK)
			status = EXIT_FAILED;
		if (!renew_survey(s->app->store, &s->app->renewals, stdout) && status == EXIT_OK)
			status = EXIT_FAILED;
	}
	owner_leave(); /* the web server's files may be root's */
	int nginx = check_nginx(arguments_value(s->arguments, "nginx", NULL),
				s->settings->trust_forwarded);
	return status != EXIT_OK ? status : nginx;
}
