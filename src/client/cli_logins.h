/* cli_logins: the commands for logins, over the API, from any machine. */
#ifndef REGCRED_CLIENT_CLI_LOGINS_H
#define REGCRED_CLIENT_CLI_LOGINS_H

#include "client/call.h"

/* Each returns the exit status. */
int client_add(struct client_call *c);
int client_disable(struct client_call *c);
int client_enable(struct client_call *c);
int client_expiring(struct client_call *c);
int client_ls(struct client_call *c);
int client_refresh(struct client_call *c);
int client_registries(struct client_call *c);
int client_rm(struct client_call *c);
int client_rotate(struct client_call *c);
int client_show(struct client_call *c);
int client_test(struct client_call *c);
int client_used(struct client_call *c);
int client_verify(struct client_call *c);
int client_which(struct client_call *c);

#endif
