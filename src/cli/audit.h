/* audit: the commands for the audit log. */
#ifndef REGCRED_CLI_AUDIT_H
#define REGCRED_CLI_AUDIT_H

#include "cli/session.h"

int command_audit_head(struct session *s);

int command_audit_verify(struct session *s);

int command_audit_restart(struct session *s);

/* Newest first, page by page. */
int command_audit_list(struct session *s);

#endif
