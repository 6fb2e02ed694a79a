/* no_local: in place of local.c, where only the client is built: there is no database. */
#include "base/exit.h"
#include "cli/command.h"

bool
local_is_setting(const char *name, bool *needs_value)
{
	(void)name, (void)needs_value;
	return false;
}

void
local_print_settings(void)
{
}

void
local_print_kinds(FILE *out)
{
	(void)out;
}

int
local_run(const struct command *command, const struct arguments *a, char **argv)
{
	(void)command, (void)a, (void)argv;
	return call_fail("this regcred is a client only: run it on the server");
}

bool
local_has_database(const struct command *command, const struct arguments *a, char **argv)
{
	(void)command, (void)a, (void)argv;
	return false;
}
