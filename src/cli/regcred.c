/* cli: the `regcred` command: administration on the machine that holds the database and the key.
 *
 * Whoever can read both can do everything; the command therefore acts as superadmin, through the
 * same operations as the API.
 */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/exit.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/settings.h"
#include "cli/audit.h"
#include "cli/keys.h"
#include "cli/session.h"
#include "cli/upkeep.h"
#include "client/cli_client.h"
#include "server/config.h"
#include "service/app.h"

/* clang-format off */
static const struct command {
	const char *first, *second;
	int (*run)(struct session *s);
	bool opens;              /* needs database and key */
	const char *options[7];  /* that it takes */
	const char *help;
} commands[] = {
	{ "init",    NULL,     command_init,         false, { NULL },                                   "make state directory, master key and database" },
	{ "key",     "create", command_key_create,   true,  { "account", "name", "description", "expires", "role", "networks", NULL }, "make an API key of an account and print it once" },
	{ "key",     "list",   command_key_list,     true,  { NULL },                                   "list the API keys: id, account, access key, state, created, expires, last used, from, role, name" },
	{ "key",     "revoke", command_key_revoke,   true,  { NULL },                                   "deactivate and remove a key: its id or access key" },
	{ "account", "add",    command_account_add,  true,  { "kind", "name", "description", "proxy-user", NULL }, "add an account (user, admin, project, ...) and print its id" },
	{ "account", "list",   command_account_list, true,  { NULL },                                   "list the accounts: id, kind, state, created, name" },
	{ "account", "lock",   command_account_lock, true,  { NULL },                                   "deactivate an account, whatever it owns: nobody signs in by it or by the keys that it made" },
	{ "account", "unlock", command_account_unlock, true, { NULL },                                  "activate it again" },
	{ "sweep",   NULL,     command_sweep,        true,  { NULL },                                   "purge and delete what is due: only for CGI; regcredd does it by itself" },
	{ "status",  NULL,     command_status,       false, { "json", NULL },                           "show the state of the pool, the database and the housekeeper; exit status 1 if something is wrong, 3 if no pool runs" },
	{ "rekey",   NULL,     command_rekey,        true,  { "batch", NULL },                          "replace the key that seals secrets while regcredd runs; continues a rotation that was interrupted" },
	{ "audit",   "list",   command_audit_list,   true,  { "resource", "event", "limit", "json", NULL }, "print the audit log, newest first: id, time, who, from where, what, of what, changes" },
	{ "audit",   "verify", command_audit_verify, true,  { "anchor", NULL },                         "prove that no row of the audit log was altered, removed or added; names the first that was" },
	{ "audit",   "head",   command_audit_head,   true,  { NULL },                                   "print number and hash of its last row, to be kept elsewhere for --anchor" },
	{ "audit",   "restart", command_audit_restart, true, { "reason", NULL },                        "start the audit log over after one that cannot be proven or continued" },
	{ "backup",  NULL,     command_backup,       false, { "force", NULL },                          "copy the database to a file while regcredd runs, and prove the copy" },
	{ "restore", NULL,     command_restore,      false, { NULL },                                   "replace the database by a copy while nothing runs; the old one is kept" },
	{ "check",   NULL,     command_check,        false, { "nginx", NULL },                          "read the configuration, open the database with the key, count what each key has sealed; look for known mistakes in an nginx configuration" },
};

/* clang-format on */

/* Options that stand alone. */
static bool
is_flag(const char *name)
{
	return strcmp(name, "json") == 0 || strcmp(name, "force") == 0;
}

static void
cli_usage(FILE *out)
{
	(void)fprintf(out, "usage: regcred [SETTING]... COMMAND [OPTION]...\n\ncommands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *c = &commands[i];

		(void)fprintf(out, "  %s%s%s", c->first, c->second != NULL ? " " : "",
			      c->second != NULL ? c->second : "");
		for (size_t j = 0; c->options[j] != NULL; j++)
			(void)fprintf(out, " [--%s%s]", c->options[j],
				      is_flag(c->options[j]) ? "" : " TEXT");
		(void)fprintf(out, "%s\n      %s\n",
			      c->run == command_key_revoke || c->run == command_account_lock ||
					      c->run == command_account_unlock
				      ? " ID"
			      : c->run == command_backup || c->run == command_restore ? " FILE"
										      : "",
			      c->help);
	}
	cli_client_help(out);
	(void)fprintf(out, "\nsettings:\n");
	config_help(out);
}

static const struct command *
cli_find_command(const struct arguments *arguments)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
		const struct command *c = &commands[i];

		if (arguments->word_count == 0 || strcmp(c->first, arguments->words[0]) != 0)
			continue;
		if (c->second == NULL ||
		    (arguments->word_count > 1 && strcmp(c->second, arguments->words[1]) == 0))
			return c;
	}
	return NULL;
}

static bool
takes(const struct command *command, const char *name)
{
	for (size_t i = 0; command->options[i] != NULL; i++)
		if (strcmp(command->options[i], name) == 0)
			return true;
	return false;
}

/* One argument that is no setting; false if it fits nowhere. */
static bool
read_argument(struct arguments *out, int argc, char **argv, int *arg)
{
	char *word = argv[*arg];

	if (strncmp(word, "--", 2) != 0) {
		if (out->word_count == WORDS_MAX)
			return false;
		out->words[out->word_count++] = word;
		(*arg)++;
		return true;
	}
	char *value = strchr(word, '=');
	if (value == NULL && is_flag(word + 2)) {
		if (out->option_count == OPTIONS_MAX)
			return false;
		out->options[out->option_count].name = word + 2;
		out->options[out->option_count++].value = word;
		(*arg)++;
		return true;
	}
	if (out->option_count == OPTIONS_MAX || (value == NULL && *arg + 1 >= argc))
		return false;
	if (value != NULL)
		*value++ = '\0';
	else
		value = argv[++*arg];
	out->options[out->option_count].name = word + 2;
	out->options[out->option_count++].value = value;
	(*arg)++;
	return true;
}

static bool
is_word(const struct arguments *arguments, const char *a, const char *b)
{
	for (size_t i = 0; i < arguments->word_count; i++)
		if (strcmp(arguments->words[i], a) == 0 || strcmp(arguments->words[i], b) == 0)
			return true;
	return false;
}

static int
cli_run(const struct command *command, struct session *s)
{
	char why[CONFIG_WHY_MAX];
	int status = EXIT_FAILED;

	s->arena = arena_new(APP_ARENA_MAX);
	if (s->arena == NULL)
		return session_fail("there is no memory");
	if (command->opens && (s->app = app_new(s->settings, why)) == NULL) {
		(void)session_fail(why);
	} else {
		if (command->opens)
			app_local(s->app, s->arena, &s->identity, &s->context);
		status = command->run(s);
	}
	app_free(s->app);
	arena_free(s->arena);
	if (fflush(stdout) != 0)
		status = session_fail("the output could not be written");
	return status;
}

int
main(int argc, char **argv)
{
	static struct settings settings;
	struct arguments arguments = {0};
	char why[CONFIG_WHY_MAX];
	int arg = 1;

	if (!harden_descriptors())
		return EXIT_FAILED;
	(void)umask(0077);
	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		cli_usage(stdout);
		return EXIT_OK;
	}
	if (argc > 1 && strcmp(argv[1], "--version") == 0) {
		(void)printf("regcred %s\n", REGCRED_VERSION);
		return EXIT_OK;
	}
	if (cli_client_knows(argc, argv))
		return cli_client_run(argc, argv);
	/* Settings may stand before and behind the command: what is left over goes through the
	 * loader at once. */
	char *settings_argv[2 * OPTIONS_MAX + 64] = {argv[0]};
	int settings_argc = 1;
	while (arg < argc) {
		int before = arg;
		bool takes_next = false;

		if (settings_argc + 2 > (int)(sizeof(settings_argv) / sizeof(*settings_argv)))
			return session_fail("there are too many options");
		if (config_is_option(argv[arg], &takes_next)) {
			settings_argv[settings_argc++] = argv[arg++];
			if (takes_next && arg < argc)
				settings_argv[settings_argc++] = argv[arg++];
		} else if (!read_argument(&arguments, argc, argv, &arg)) {
			(void)fprintf(stderr, "regcred: cannot use `%s`; see regcred --help\n",
				      argv[before]);
			return EXIT_USAGE;
		}
	}
	const struct command *command = cli_find_command(&arguments);
	if (command == NULL || is_word(&arguments, "--help", "-h")) {
		cli_usage(stderr);
		return EXIT_USAGE;
	}
	for (size_t i = 0; i < arguments.option_count; i++)
		if (!takes(command, arguments.options[i].name)) {
			(void)fprintf(stderr,
				      "regcred: `%s` takes no option --%s; see regcred --help\n",
				      command->first, arguments.options[i].name);
			return EXIT_USAGE;
		}
	arg = 1;
	if (!config_load(&settings, settings_argc, settings_argv, &arg, why)) {
		(void)session_fail(why);
		return EXIT_USAGE;
	}
	log_set_level(settings.log_level == LOG_DEBUG ? LOG_DEBUG : LOG_WARN);
	if (!harden_dumps(settings.core_dumps))
		return EXIT_FAILED;
	struct session session = {.settings = &settings, .arguments = &arguments};
	return cli_run(command, &session);
}
