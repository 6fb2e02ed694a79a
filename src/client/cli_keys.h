/* cli_keys: the commands for API keys, projects and the audit log, over the API. */
#ifndef REGCRED_CLIENT_CLI_KEYS_H
#define REGCRED_CLIENT_CLI_KEYS_H

#include "client/call.h"

/* Each returns the exit status. */
int client_audit(struct client_call *c);
int client_key_create(struct client_call *c);
int client_key_ls(struct client_call *c);
int client_key_revoke(struct client_call *c);
int client_members(struct client_call *c);
int client_projects(struct client_call *c);
int client_whoami(struct client_call *c);
/* doctor.c, kubelet_setup.c */
int client_doctor(struct client_call *c);
int client_kubelet_setup(struct client_call *c);

#endif
