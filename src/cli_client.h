/* cli_client: the commands of `regcred` that talk to a server over the API, from any machine:
 * login, logout, import.  They have options of their own and read no settings of regcredd.
 */
#ifndef REGCRED_CLI_CLIENT_H
#define REGCRED_CLI_CLIENT_H

#include <stdbool.h>
#include <stdio.h>

/* Whether argv[1] is one of them. */
bool cli_client_knows(int argc, char *const *argv);
/* Runs it; the exit status. */
int cli_client_run(int argc, char **argv);
/* Their part of --help. */
void cli_client_help(FILE *out);

#endif
