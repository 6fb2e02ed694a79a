/* cli: the `regcred` command: administration on the machine that holds the database and the key,
 * and the commands that ask a server from any machine.
 *
 * A user who can read database and key can do everything anyway, so the command acts as superadmin,
 * through the same operations as the API.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/permissions.h"
#include "base/arena.h"
#include "base/arguments.h"
#include "base/exit.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/settings.h"
#include "base/text.h"
#include "cli/audit.h"
#include "cli/keys.h"
#include "cli/session.h"
#include "cli/upkeep.h"
#include "client/call.h"
#include "client/cli_client.h"
#include "client/cli_keys.h"
#include "client/cli_logins.h"
#include "model/source.h"
#include "server/config.h"
#include "service/app.h"
#include "service/owner.h"

static void print_roles(FILE *out);
static void print_kinds(FILE *out);
static void print_sources(FILE *out);
static int client_completion(struct client_call *c);

/* clang-format off */

/* An option has the same meaning in every command. */
static const struct option {
	const char *name;
	const char *value;                /* as --help shows it; NULL: the option has no value */
	const char *help;
	void (*values)(FILE *out);        /* prints the possible values */
} options[] = {
	{ "account",     "ID",       "account or project that the key is for, such as 1a5", NULL },
	{ "all",         NULL,       "for every registry that is not named", NULL },
	{ "allow-http",  NULL,       "send the key and all logins unencrypted; loopback needs no permission", NULL },
	{ "anchor",      "LINE",     "a line that `regcred audit head` printed: that row must still be there", NULL },
	{ "batch",       "N",        "values to reseal per transaction, 1 to 10000; 200 by default", NULL },
	{ "ca-file",     "FILE",     "CA certificates that the server's certificate is checked against", NULL },
	{ "context",     "NAME",     "the server that `regcred login --context NAME` stored; REGCRED_CONTEXT says the same", NULL },
	{ "default",     NULL,       "the login that is used where several fit", NULL },
	{ "description", "TEXT",     "a description", NULL },
	{ "dry-run",     NULL,       "show what would be done without changing anything", NULL },
	{ "event",       "EVENT",    "only rows of this event, such as create, handOut or signInRefused", NULL },
	{ "expires",     "TIME",     "when it ends: 2030-01-31T00:00:00Z, or days or hours from now: 90d, 12h", NULL },
	{ "follow",      NULL,       "go on with rows as they come", NULL },
	{ "for",         "PURPOSE",  "what the key is for: host, ci or inject; prints what to put where", NULL },
	{ "force",       NULL,       "do it although the command advises against it", NULL },
	{ "from-file",   "FILE",     "the password is the content of this file", NULL },
	{ "help",        NULL,       "print this", NULL },
	{ "json",        NULL,       "print JSON, one object per line", NULL },
	{ "key-file",    "FILE",     "file of mode 0600 with the lines access_key = ... and secret_key = ...", NULL },
	{ "kind",        "KIND",     "kind of the account; user by default", print_kinds },
	{ "limit",       "N",        "rows at most", NULL },
	{ "name",        "TEXT",     "a name", NULL },
	{ "networks",    "NETWORKS", "networks that the key works from: 192.0.2.0/24,2001:db8::/32", NULL },
	{ "nginx",       "FILE",     "nginx configuration to check, with everything it includes", NULL },
	{ "overlap",     "TIME",     "how long the former password can still be asked for, such as 1h", NULL },
	{ "password-stdin", NULL,    "the password comes from standard input", NULL },
	{ "path",        "PATH",     "only for repositories below this path, such as acme/app; may be repeated", NULL },
	{ "podman",      NULL,       "change auth.json of podman, skopeo and buildah", NULL },
	{ "project",     "PROJECT",  "name or id of the project", NULL },
	{ "proxy-user",  "NAME",     "name that the web server signs the person in by", NULL },
	{ "quiet",       NULL,       "print ids only; -q is the same", NULL },
	{ "reason",      "TEXT",     "why; kept in the audit log", NULL },
	{ "registry",    "REGISTRY", "only for this registry; may be repeated", NULL },
	{ "replace",     NULL,       "replace the password of an existing login by the one in the file", NULL },
	{ "resource",    "ID",       "only rows about this resource, such as 1c7", NULL },
	{ "role",        "ROLE",     "what the key is limited to; by default it may do what its account may", print_roles },
	{ "set",         "NAME=VALUE", "a member of the source's configuration; may be repeated", NULL },
	{ "source",      "SOURCE",   "where the login renews itself from", print_sources },
	{ "test",        NULL,       "check it at its registry at once", NULL },
	{ "undo",        NULL,       "remove the entries that name regcred", NULL },
	{ "user",        "NAME",     "the user name at the registry; -u is the same", NULL },
	{ "verify-repository", "PATH", "a repository that the check of this login pulls from", NULL },
	{ "within",      "TIME",     "days or hours, such as 14d or 36h; 14d by default", NULL },
};

static const struct command {
	const char *name;                         /* one or two words */
	const char *operands;                     /* as --help shows them */
	size_t most;                              /* operands */
	const char *options;                      /* names in the table above */
	int (*run)(struct session *s);
	bool opens;                               /* needs database and key */
	int (*ask)(struct client_call *c);        /* instead of run: talks to a server, reads no settings */
	const char *help;
} commands[] = {
	{ "ls", " [REGISTRY]", 1, "project context json quiet", NULL, false, client_ls, "list the logins: id, registry, user, path, state, whether it works, when it expires, last used" },
	{ "show", " LOGIN", 1, "project context json quiet", NULL, false, client_show, "show a login: give its id, its name, its registry or USER@REGISTRY" },
	{ "add", " REGISTRY[/PATH]", 1, "user password-stdin from-file source set name description expires verify-repository default test project context json quiet", NULL, false, client_add, "store a login; its password is typed, piped or in a file" },
	{ "rotate", " LOGIN", 1, "password-stdin from-file overlap expires test project context json quiet", NULL, false, client_rotate, "give a login a new password" },
	{ "refresh", " LOGIN", 1, "project context json", NULL, false, client_refresh, "renew a login at its source now" },
	{ "test", " REGISTRY", 1, "user password-stdin from-file project context json", NULL, false, client_test, "try a user name and password at a registry without storing them" },
	{ "verify", " LOGIN", 1, "project context json", NULL, false, client_verify, "check a stored login at its registry" },
	{ "enable", " LOGIN...", ARGUMENT_WORDS_MAX, "project context", NULL, false, client_enable, "activate logins" },
	{ "disable", " LOGIN...", ARGUMENT_WORDS_MAX, "project context", NULL, false, client_disable, "deactivate logins: nobody gets them from then on" },
	{ "rm", " LOGIN...", ARGUMENT_WORDS_MAX, "project context", NULL, false, client_rm, "deactivate and remove logins" },
	{ "which", " IMAGE", 1, "project context json", NULL, false, client_which, "show which login an image uses and why, and why not the others; exit status 1 if none" },
	{ "expiring", "", 0, "within project context json quiet", NULL, false, client_expiring, "list the logins that expire soon or have expired" },
	{ "used", "", 0, "project context json quiet", NULL, false, client_used, "list the logins by when they were last used, and by which key" },
	{ "registries", "", 0, "project context json quiet", NULL, false, client_registries, "list the registries" },
	{ "key ls", "", 0, "project context json quiet", NULL, false, client_key_ls, "list the API keys of the server with their bounds" },
	{ "projects", "", 0, "context json quiet", NULL, false, client_projects, "list the projects that this key sees" },
	{ "members", "", 0, "project context json quiet", NULL, false, client_members, "list the members of projects" },
	{ "audit", "", 0, "resource event limit follow project context json", NULL, false, client_audit, "print the newest rows of the audit log" },
	{ "whoami", "", 0, "context", NULL, false, client_whoami, "show the server, the key, its bounds and what it may do" },
	{ "doctor", " [IMAGE]", 1, "project context", NULL, false, client_doctor, "walk the path of a pull of this image from this machine, and say of each step what is wrong and what to do" },
	{ "kubelet-setup", " IMAGES...", ARGUMENT_WORDS_MAX, "key-file context", NULL, false, client_kubelet_setup, "print the configuration by which a kubelet asks regcred-kubelet-provider for the logins of these images" },
	{ "completion", " SHELL", 1, "", NULL, false, client_completion, "print what makes bash, zsh or fish complete these commands" },
	{ "init", "", 0, "", command_init, false, NULL, "create the state directory, the master key and the database" },
	{ "key create", "", 0, "for registry path account name description expires role networks project context json", command_key_create, true, client_key_create, "create an API key and print it once: with --for on the server that was logged in to, else in the database of this machine" },
	{ "key list", "", 0, "json", command_key_list, true, NULL, "list the API keys: id, account, access key, state, created, expires, last used, from, role, name" },
	{ "key revoke", " KEY", 1, "project context", command_key_revoke, true, client_key_revoke, "deactivate and remove a key: its id or access key; in the database of this machine if there is one, else on the server that was logged in to" },
	{ "account add", "", 0, "kind name description proxy-user", command_account_add, true, NULL, "add an account (user, admin, project, ...) and print its id" },
	{ "account list", "", 0, "json", command_account_list, true, NULL, "list the accounts: id, kind, state, created, name" },
	{ "account lock", " ID", 1, "", command_account_lock, true, NULL, "deactivate an account, whatever it owns: it and the keys that it made no longer sign anyone in" },
	{ "account unlock", " ID", 1, "", command_account_unlock, true, NULL, "activate it again" },
	{ "sweep", "", 0, "", command_sweep, true, NULL, "purge and delete what is due; needed for CGI only, since regcredd does it by itself" },
	{ "status", "", 0, "json", command_status, false, NULL, "show the state of the pool, the database and the housekeeper; exit status 1 if something is wrong, 3 if no pool runs" },
	{ "rekey", "", 0, "batch", command_rekey, true, NULL, "replace the key that seals secrets while regcredd runs; continues an interrupted rotation" },
	{ "audit list", "", 0, "resource event limit json", command_audit_list, true, NULL, "print the audit log, newest first: id, time, who, from where, what, of what, changes" },
	{ "audit verify", "", 0, "anchor", command_audit_verify, true, NULL, "prove that no row of the audit log was altered, removed or added; names the first one that was" },
	{ "audit head", "", 0, "", command_audit_head, true, NULL, "print the number and hash of its last row; keep them elsewhere for --anchor" },
	{ "audit restart", "", 0, "reason force", command_audit_restart, true, NULL, "restart an audit log that cannot be proven or continued" },
	{ "backup", " FILE", 1, "force", command_backup, false, NULL, "copy the database to a file while regcredd runs, and check the copy" },
	{ "restore", " FILE", 1, "", command_restore, false, NULL, "replace the database with a copy while nothing runs; the old one is kept" },
	{ "check", "", 0, "nginx", command_check, false, NULL, "check the configuration, the database and its key, and count what each key has sealed; or look for known mistakes in an nginx configuration" },
	{ "login", " URL", ARGUMENT_WORDS_MAX, "key-file ca-file allow-http context", NULL, false, client_login, "store the address and API key of a server in ~/.config/regcred/client.ini, once the server has accepted the key" },
	{ "logout", "", ARGUMENT_WORDS_MAX, "context", NULL, false, client_logout, "remove that file" },
	{ "import", " FILE...", ARGUMENT_WORDS_MAX, "dry-run replace project context", NULL, false, client_import, "store the logins of config.json and auth.json on that server" },
	{ "docker-setup", " REGISTRY...", ARGUMENT_WORDS_MAX, "all undo podman dry-run", NULL, false, client_docker_setup, "make docker ask docker-credential-regcred for the logins of these registries" },
};

/* clang-format on */

enum { COMMANDS = sizeof(commands) / sizeof(*commands) };

static void
print_roles(FILE *out)
{
	(void)fputs(
#define KEY_ROLE(name, of) " " name
#include "model/key_role.def"
		, out);
}

static void
print_sources(FILE *out)
{
	for (const char *const *name = source_names; *name != NULL; name++)
		(void)fprintf(out, " %s", *name);
}

static void
print_kinds(FILE *out)
{
	for (const struct account_kind *k = account_kinds; k->kind != NULL; k++)
		(void)fprintf(out, " %s", k->kind);
}

static const struct option *
option_find(const char *name, size_t len)
{
	for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* The next name of a command's list; NULL at its end. */
static const struct option *
option_next(const char **list)
{
	size_t len = strcspn(*list, " ");
	const struct option *option = len > 0 ? option_find(*list, len) : NULL;

	*list += len + ((*list)[len] == ' ');
	return option;
}

static bool
is_setting(const char *name, bool *needs_value)
{
	char typed[64];

	return (size_t)snprintf(typed, sizeof(typed), "--%s", name) < sizeof(typed) &&
	       config_is_option(typed, needs_value);
}

static bool
option_needs_value(const char *name, size_t len)
{
	const struct option *option = option_find(name, len);
	bool needs_value = false;

	if (option != NULL)
		return option->value != NULL;
	return is_setting(name, &needs_value) && needs_value;
}

/* Help */

static void
print_command(FILE *out, const struct command *c)
{
	const char *list = c->options;

	(void)fputs(c->name, out);
	for (const struct option *o; (o = option_next(&list)) != NULL;)
		(void)fprintf(out, " [--%s%s%s]", o->name, o->value != NULL ? " " : "",
			      o->value != NULL ? o->value : "");
	(void)fprintf(out, "%s\n", c->operands);
}

static int
cli_print_help(void)
{
	(void)printf("usage: regcred [SETTING]... COMMAND [OPTION]...\n"
		     "       regcred COMMAND --help\n\ncommands:\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		(void)printf("  ");
		print_command(stdout, &commands[i]);
		(void)printf("      %s\n", commands[i].help);
	}
	(void)printf("\nsettings:\n");
	config_help(stdout);
	return EXIT_OK;
}

static int
print_command_help(const struct command *c)
{
	const char *list = c->options;

	(void)printf("usage: regcred ");
	print_command(stdout, c);
	(void)printf("\n%s\n", c->help);
	for (const struct option *o; (o = option_next(&list)) != NULL;) {
		char typed[32];

		(void)snprintf(typed, sizeof(typed), "--%s %s", o->name,
			       o->value != NULL ? o->value : "");
		(void)printf("%s  %-22s %s",
			     o == option_find(c->options, strcspn(c->options, " ")) ? "\n" : "",
			     typed, o->help);
		if (o->values != NULL) {
			(void)printf("; one of:");
			o->values(stdout);
		}
		(void)putchar('\n');
	}
	if (c->run != NULL)
		(void)printf("\nSettings of regcredd, such as --state-dir, are options too: see "
			     "regcred --help.\n");
	return EXIT_OK;
}

/* Completion */

static void
print_words(const struct command *c, const char *before, const char *after)
{
	const char *list = c->options;

	for (const struct option *o; (o = option_next(&list)) != NULL;)
		(void)printf("%s%s%s", before, o->name, after);
}

/* For bash, and for zsh, which can read the same. */
static void
complete_bash(void)
{
	(void)printf("_regcred() {\n\tlocal words=\n\tcase \"${COMP_WORDS[*]:1}\" in\n");
	for (size_t i = 0; i < COMMANDS; i++) {
		(void)printf("\t'%s '*) words='", commands[i].name);
		print_words(&commands[i], " --", "");
		(void)printf("' ;;\n");
	}
	(void)printf("\t*) words='");
	for (size_t i = 0; i < COMMANDS; i++)
		(void)printf("%s ", commands[i].name);
	(void)printf("help version' ;;\n\tesac\n"
		     "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$2\")\n}\n"
		     "complete -o default -F _regcred regcred\n");
}

static void
complete_zsh(void)
{
	(void)printf("autoload -U +X bashcompinit && bashcompinit\n"
		     "mapfile() { COMPREPLY=(\"${(@f)$(cat)}\"); }\n");
	complete_bash();
}

/* In the quotes of fish. */
static void
print_quoted(const char *text)
{
	(void)putchar('\'');
	for (; *text != '\0'; text++)
		(void)printf("%s%c", *text == '\'' ? "\\" : "", *text);
	(void)putchar('\'');
}

static void
complete_fish(void)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		const char *list = commands[i].options;

		(void)printf("complete -c regcred -n __fish_use_subcommand -a '%s' -d ",
			     commands[i].name);
		print_quoted(commands[i].help);
		(void)putchar('\n');
		for (const struct option *o; (o = option_next(&list)) != NULL;) {
			(void)printf("complete -c regcred -n \"string match -q -- '* %s *' "
				     "(commandline -cp)\" -l %s%s -d ",
				     commands[i].name, o->name, o->value != NULL ? " -r" : "");
			print_quoted(o->help);
			(void)putchar('\n');
		}
	}
}

static int
client_completion(struct client_call *c)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", complete_bash}, {"zsh", complete_zsh}, {"fish", complete_fish}};
	const char *wanted = c->arguments->word_count > 0 ? c->arguments->words[0] : "";

	for (size_t i = 0; i < sizeof(shells) / sizeof(*shells); i++)
		if (strcmp(shells[i].shell, wanted) == 0) {
			shells[i].print();
			return EXIT_OK;
		}
	return call_fail("for which shell? bash, zsh or fish");
}

/* Finding and checking */

/* The number of words in the command's name; 0: not this command. */
static size_t
match(const struct command *c, const struct arguments *a)
{
	const char *space = strchr(c->name, ' ');
	size_t len = space != NULL ? (size_t)(space - c->name) : strlen(c->name);

	if (a->word_count == 0 || strlen(a->words[0]) != len ||
	    strncmp(a->words[0], c->name, len) != 0)
		return 0;
	if (space == NULL)
		return 1;
	return a->word_count > 1 && strcmp(a->words[1], space + 1) == 0 ? 2 : 0;
}

/* Takes the first words off. */
static void
shift_words(struct arguments *a, size_t count)
{
	a->word_count -= count;
	memmove(a->words, a->words + count, a->word_count * sizeof(*a->words));
}

/* Finds the command, and leaves only its operands in the words; NULL if there is none. */
static const struct command *
find_command(struct arguments *a, bool admin)
{
	const struct command *found = NULL;
	size_t most = 0;

	for (size_t i = 0; i < COMMANDS; i++) {
		size_t words = admin && commands[i].run == NULL ? 0 : match(&commands[i], a);

		if (words > most) { /* "audit list" before "audit" */
			most = words;
			found = &commands[i];
		}
	}
	shift_words(a, most);
	return found;
}

static int
wrong_usage(const struct command *c, const char *what, const char *which, const char *more)
{
	(void)fputs("regcred: ", stderr);
	(void)fputs(what, stderr);
	text_print_plain(stderr, which);
	(void)fprintf(stderr, "%s\n", more);
	if (c == NULL) {
		(void)fputs("see regcred --help\n", stderr);
		return EXIT_USAGE;
	}
	(void)fputs("usage: regcred ", stderr);
	print_command(stderr, c);
	return EXIT_USAGE;
}

/* Lists the commands that begin with a word such as "key" or "audit". */
static bool
print_group(const char *word)
{
	size_t len = strlen(word), found = 0;

	for (size_t i = 0; i < COMMANDS; i++)
		if (strncmp(commands[i].name, word, len) == 0 && commands[i].name[len] == ' ') {
			if (found++ == 0)
				(void)printf("usage:\n");
			(void)printf("  regcred ");
			print_command(stdout, &commands[i]);
		}
	return found > 0;
}

static int
unknown_command(const struct arguments *a)
{
	char words[256];

	if (a->word_count == 0 && a->option_count > 0)
		return wrong_usage(NULL, "which command is --", a->options[0].name, " for?");
	if (a->word_count == 0)
		return wrong_usage(NULL, "which command?", "", "");
	for (size_t i = 0; i < COMMANDS; i++) {
		size_t len = strlen(a->words[0]);

		if (strncmp(commands[i].name, a->words[0], len) != 0 ||
		    commands[i].name[len] != ' ')
			continue;
		if (a->word_count == 1)
			return wrong_usage(NULL, "which command of regcred ", a->words[0], "?");
		(void)snprintf(words, sizeof(words), "%s %s", a->words[0], a->words[1]);
		return wrong_usage(NULL, "unknown command \"", words, "\"");
	}
	return wrong_usage(NULL, "unknown command \"", a->words[0], "\"");
}

static bool
takes(const struct command *c, const struct argument_option *option)
{
	const char *list = c->options;

	for (const struct option *o; (o = option_next(&list)) != NULL;)
		if (argument_is(option, o->name))
			return true;
	return false;
}

/* Reports options that do not belong to the command, and values in the wrong form. */
static int
check_arguments(const struct command *c, const struct arguments *a)
{
	for (size_t i = 0; i < a->option_count; i++) {
		const struct argument_option *given = &a->options[i];
		size_t len = strcspn(given->name, "=");
		const struct option *o = option_find(given->name, len);
		bool needs_value = o != NULL && o->value != NULL, own = takes(c, given);
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, given->name);
		if (!own && (c->run == NULL || !is_setting(given->name, &needs_value)))
			return wrong_usage(c, "unknown option --", name, "");
		if (own && needs_value && given->value == NULL)
			return wrong_usage(c, "option needs a value: --", name, "");
		if (own && !needs_value && given->value != NULL)
			return wrong_usage(c, "this option takes no value: --", name, "");
	}
	return a->word_count > c->most
		       ? wrong_usage(c, "unexpected argument: ", a->words[c->most], "")
		       : EXIT_OK;
}

/* Running */

static int
cli_run(const struct command *command, struct session *s)
{
	char why[CONFIG_WHY_MAX];
	int status = EXIT_FAILED;

	s->arena = arena_new(APP_ARENA_MAX);
	if (s->arena == NULL)
		return session_fail("out of memory");
	/* Commands that also use other files become the owner temporarily themselves. */
	bool whole = command->run == command_backup || command->run == command_restore ||
		     command->run == command_check;
	if (!whole && !owner_become(s->settings, true, why)) {
		(void)session_fail(why);
	} else if (command->opens && (s->app = app_new(s->settings, why)) == NULL) {
		(void)session_fail(why);
	} else {
		if (command->opens)
			app_local(s->app, s->arena, &s->identity, &s->context);
		status = command->run(s);
	}
	app_free(s->app);
	arena_free(s->arena);
	return status;
}

/* Settings may be before and after the command: all options that are not the command's own are
 * loaded together. */
static bool
load_settings(struct settings *settings, const struct command *command, const struct arguments *a,
	      char **argv, char why[CONFIG_WHY_MAX])
{
	char *settings_argv[2 * ARGUMENT_OPTIONS_MAX + 1] = {argv[0]};
	int settings_argc = 1, arg = 1;

	for (size_t i = 0; i < a->option_count; i++)
		for (int k = 0; !takes(command, &a->options[i]) && k < a->options[i].count; k++)
			settings_argv[settings_argc++] = argv[a->options[i].at + k];
	return config_load(settings, settings_argc, settings_argv, &arg, why);
}

static int
run_with_settings(const struct command *command, const struct arguments *a, char **argv)
{
	static struct settings settings;
	char why[CONFIG_WHY_MAX];

	if (!load_settings(&settings, command, a, argv, why)) {
		(void)session_fail(why);
		return EXIT_USAGE;
	}
	log_set_level(settings.log_level == LOG_DEBUG ? LOG_DEBUG : LOG_WARN);
	if (!harden_dumps(settings.core_dumps))
		return EXIT_FAILED;
	struct session session = {.settings = &settings, .arguments = a};
	return cli_run(command, &session);
}

/* Two commands work in the database of this machine or ask a server: a key for a purpose is made on
 * the server, and so is everything where there is no database. */
static bool
asks_server(const struct command *command, const struct arguments *a, char **argv)
{
	static struct settings settings;
	char why[CONFIG_WHY_MAX];

	if (command->run == NULL || command->ask == NULL)
		return command->run == NULL;
	if (arguments_find(a, "for") != NULL || arguments_find(a, "account") != NULL)
		return arguments_find(a, "for") != NULL;
	return load_settings(&settings, command, a, argv, why) &&
	       access(settings.database, F_OK) != 0 && errno == ENOENT;
}

static bool
is_word(const struct arguments *a, const char *word)
{
	return a->word_count > 0 && strcmp(a->words[0], word) == 0;
}

static int
cli_run_line(struct arguments *a, char **argv)
{
	bool help = arguments_find(a, "help") != NULL || is_word(a, "help");

	if (is_word(a, "help"))
		shift_words(a, 1);
	if (arguments_find(a, "version") != NULL || (a->word_count == 1 && is_word(a, "version"))) {
		(void)printf("regcred %s\n", REGCRED_VERSION);
		return EXIT_OK;
	}
	bool admin = is_word(a, "admin");
	if (admin)
		shift_words(a, 1);
	if (help && a->word_count == 0)
		return cli_print_help();
	const struct command *command = find_command(a, admin);
	if (command == NULL)
		return help && print_group(a->words[0]) ? EXIT_OK : unknown_command(a);
	if (help)
		return print_command_help(command);
	int status = check_arguments(command, a);
	if (status != EXIT_OK)
		return status;
	return !admin && asks_server(command, a, argv) ? call_run(command->ask, a)
						       : run_with_settings(command, a, argv);
}

int
main(int argc, char **argv)
{
	static struct arguments arguments;

	if (!harden_descriptors())
		return EXIT_FAILED;
	(void)umask(0077);
	if (!arguments_read(&arguments, argc, argv, option_needs_value))
		return wrong_usage(NULL, "too many arguments or options", "", "");
	int status = cli_run_line(&arguments, argv);
	return fflush(stdout) == 0 ? status
				   : session_fail("the output could not be written: is the disk "
						  "full, or the pipe closed?");
}
