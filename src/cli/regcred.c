/* regcred: the `regcred` command: finds the command in the table, checks its options, prints help
 * and completion. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arguments.h"
#include "base/exit.h"
#include "base/harden.h"
#include "base/text.h"
#include "base/version.h"
#include "cli/command.h"
#include "client/call.h"

static const struct option *
option_find(const char *name, size_t len)
{
	for (size_t i = 0; options[i].name != NULL; i++)
		if (strlen(options[i].name) == len && strncmp(options[i].name, name, len) == 0)
			return &options[i];
	return NULL;
}

/* The next option of a command's list; NULL at its end. */
static const struct option *
option_next(const char **list)
{
	size_t len = strcspn(*list, " ");
	const struct option *option = len > 0 ? option_find(*list, len) : NULL;

	*list += len + ((*list)[len] == ' ');
	return option;
}

static bool
option_needs_value(const char *name, size_t len)
{
	const struct option *option = option_find(name, len);
	bool needs_value = false;

	if (option != NULL)
		return option->value != NULL;
	return local_is_setting(name, &needs_value) && needs_value;
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
	for (size_t i = 0; commands[i].name != NULL; i++) {
		(void)printf("  ");
		print_command(stdout, &commands[i]);
		(void)printf("      %s\n", commands[i].help);
	}
	local_print_settings();
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
	for (size_t i = 0; commands[i].name != NULL; i++) {
		(void)printf("\t'%s '*) words='", commands[i].name);
		print_words(&commands[i], " --", "");
		(void)printf("' ;;\n");
	}
	(void)printf("\t*) words='");
	for (size_t i = 0; commands[i].name != NULL; i++)
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
	for (size_t i = 0; commands[i].name != NULL; i++) {
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
print_completion(const struct arguments *a)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {{"bash", complete_bash}, {"zsh", complete_zsh}, {"fish", complete_fish}};
	const char *wanted = a->word_count > 0 ? a->words[0] : "";

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

	for (size_t i = 0; commands[i].name != NULL; i++) {
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

	for (size_t i = 0; commands[i].name != NULL; i++)
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
	for (size_t i = 0; commands[i].name != NULL; i++) {
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

/* Reports options that do not belong to the command, and values in the wrong form. */
static int
check_arguments(const struct command *c, const struct arguments *a)
{
	for (size_t i = 0; i < a->option_count; i++) {
		const struct argument_option *given = &a->options[i];
		size_t len = strcspn(given->name, "=");
		const struct option *o = option_find(given->name, len);
		bool needs_value = o != NULL && o->value != NULL, own = command_takes(c, given);
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s", (int)len, given->name);
		if (!own && (c->run == NULL || !local_is_setting(given->name, &needs_value)))
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

/* Running
 *
 * Two commands work in the database of this machine or ask a server: a key for a purpose is made on
 * the server, and so is everything where there is no database. */
static bool
asks_server(const struct command *command, const struct arguments *a, char **argv)
{
	if (command->run == NULL || command->ask == NULL)
		return command->run == NULL;
	if (arguments_find(a, "for") != NULL || arguments_find(a, "account") != NULL)
		return arguments_find(a, "for") != NULL;
	return !local_has_database(command, a, argv);
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
		(void)printf("regcred %s\n", version_text);
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
	if (command->run == NULL && command->ask == NULL)
		return print_completion(a);
	return !admin && asks_server(command, a, argv) ? call_run(command->ask, a)
						       : local_run(command, a, argv);
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
	return harden_output("regcred", status);
}
