/* cli_client: the commands of `regcred` that talk to a server over the API, from any machine:
 * login, logout, import, docker-setup.  They read no settings of regcredd.
 */
#ifndef REGCRED_CLI_CLIENT_H
#define REGCRED_CLI_CLIENT_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/file.h"
#include "client/call.h"
#include "client/client.h"

/* Each returns the exit status. */
int client_login(struct client_call *c);
int client_logout(struct client_call *c);
int client_import(struct client_call *c);
int client_docker_setup(struct client_call *c);

/* The text of a file of at most 1 MiB; NULL with a sentence in why, and errno as file_read() sets
 * it. */
char *cli_client_read(struct arena *a, const char *path, char why[CLIENT_WHY_MAX]);
/* file_write() that creates the directories of the path first. */
bool cli_client_write(struct arena *a, const char *path, const char *text,
		      const struct file_put *put) __attribute__((warn_unused_result));

#endif
