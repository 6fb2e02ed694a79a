/* config: every setting in one table (config.c): name, type, range, default, environment variable,
 * help text.
 *
 * The table makes the INI file's keys, the REGCRED_* variables, the long options of both programs,
 * `regcredd --help`, the man pages' option lists and the tests.  Later sources win: default, file,
 * environment, option.  An unknown key, a bad value or a repeated key in the file prevents the
 * start, with an error that names the file and the line.
 */
#ifndef REGCRED_CONFIG_H
#define REGCRED_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

#include "base/settings.h"

/* One row of the table, for --help, the man pages and the tests. */
struct setting {
	const char
		*name; /* key in the file, "workers"; option --workers; variable REGCRED_WORKERS */
	const char *
		type; /* "path", "text", "number", "octal", "seconds", "yes|no", "level", "users" */
	const char *fallback; /* default as text */
	const char *help;     /* one sentence; NULL: for tests, not listed */
	int64_t min, max;     /* of numbers */
	size_t offset, size;  /* of the member of struct settings that it fills */
};
/* Ends with a row whose name is NULL. */
extern const struct setting config_table[];

/* Loads defaults, then the file ("--config FILE", or the default file if it exists), then the
 * environment, then options from argv[*arg] on as long as they are settings ("--workers 4",
 * "--workers=4", "--open" for a yes|no setting). *arg is left at the first argument that is not a
 * setting. False with a sentence in why. */
bool config_load(struct settings *s, int argc, char **argv, int *arg, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

/* Applies the log settings. */
void config_use_log(const struct settings *s);

/* Logs a warning for each dangerous setting in force. */
void config_warn(const struct settings *s);

/* Whether an argument is an option that config_load() takes, and whether its value is the next
 * argument: for programs that accept settings among their own arguments. */
bool config_is_option(const char *argument, bool *takes_next);

/* Print the option list of --help, and the one of regcred.conf(5). */
void config_help(FILE *out);
void config_man(FILE *out);

#endif
