/* local: runs the commands that work in the database of this machine.
 *
 * A user who can read database and key can do everything anyway, so such a command acts as
 * superadmin, through the same operations as the API.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "access/permissions.h"
#include "base/arena.h"
#include "base/exit.h"
#include "base/harden.h"
#include "base/log.h"
#include "base/settings.h"
#include "cli/command.h"
#include "cli/session.h"
#include "cli/upkeep.h"
#include "server/config.h"
#include "service/app.h"
#include "service/owner.h"
#include "store/store.h"

bool
local_is_setting(const char *name, bool *needs_value)
{
	char typed[64];

	return (size_t)snprintf(typed, sizeof(typed), "--%s", name) < sizeof(typed) &&
	       config_is_option(typed, needs_value);
}

void
local_print_settings(void)
{
	(void)printf("\nsettings:\n");
	config_help(stdout);
}

void
local_print_kinds(FILE *out)
{
	for (const struct account_kind *k = account_kinds; k->kind != NULL; k++)
		(void)fprintf(out, " %s", k->kind);
}

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
		for (int k = 0; !command_takes(command, &a->options[i]) && k < a->options[i].count;
		     k++)
			settings_argv[settings_argc++] = argv[a->options[i].at + k];
	return config_load(settings, settings_argc, settings_argv, &arg, why);
}

int
local_run(const struct command *command, const struct arguments *a, char **argv)
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

bool
local_has_database(const struct command *command, const struct arguments *a, char **argv)
{
	static struct settings settings;
	char why[CONFIG_WHY_MAX];

	return !load_settings(&settings, command, a, argv, why) ||
	       !store_is_file(settings.database) || access(settings.database, F_OK) == 0 ||
	       errno != ENOENT;
}
