/* cli_client: the commands of `regcred` that talk to a server over the API, from any machine:
 * login, logout, import.  They have options of their own and read no settings of regcredd.
 */
#ifndef REGCRED_CLI_CLIENT_H
#define REGCRED_CLI_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/file.h"
#include "client/client.h"

/* Whether argv[1] is one of them. */
bool cli_client_knows(int argc, char *const *argv);
/* Runs it; the exit status. */
int cli_client_run(int argc, char **argv);
/* Their part of --help. */
void cli_client_help(FILE *out);

/* The text of a file of at most 1 MiB; NULL with a sentence in why, and errno as file_read() sets
 * it. */
char *cli_client_read(struct arena *a, const char *path, char why[CLIENT_WHY_MAX]);
/* file_write() after the directories of the path were made. */
bool cli_client_write(struct arena *a, const char *path, const char *text,
		      const struct file_put *put) __attribute__((warn_unused_result));

#endif
