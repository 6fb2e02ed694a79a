/* command: the tables of the commands of `regcred` and of their options. */
#ifndef REGCRED_CLI_COMMAND_H
#define REGCRED_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/arguments.h"
#include "client/call.h"

struct session;

/* An option has the same meaning in every command. */
struct option {
	const char *name;
	const char *value; /* as --help shows it; NULL: the option has no value */
	const char *help;
	void (*values)(FILE *out); /* prints the possible values */
};

struct command {
	const char *name;     /* one or two words */
	const char *operands; /* as --help shows them */
	size_t most;	      /* operands */
	const char *options;  /* names in the table of options */
	int (*run)(struct session *s);
	bool opens;			   /* needs database and key */
	int (*ask)(struct client_call *c); /* instead of run: talks to a server, reads no settings;
					      neither: completion */
	const char *help;
};

/* Both end with a NULL name. */
extern const struct option options[];
extern const struct command commands[];

/* Whether the command takes the option. */
bool command_takes(const struct command *c, const struct argument_option *option);
/* What works in the database of this machine, local.c; a program that is a client only has
 * no_local.c instead. */
bool local_is_setting(const char *name, bool *needs_value);
void local_print_settings(void);
void local_print_kinds(FILE *out);
int local_run(const struct command *command, const struct arguments *a, char **argv);
/* Whether the settings name a database that is there, or one of which that cannot be told. */
bool local_has_database(const struct command *command, const struct arguments *a, char **argv);

#endif
