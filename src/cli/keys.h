/* keys: the commands for keys and accounts. */
#ifndef REGCRED_CLI_KEYS_H
#define REGCRED_CLI_KEYS_H

#include "cli/session.h"

int command_key_create(struct session *s);

int command_account_add(struct session *s);

int command_key_list(struct session *s);

int command_account_list(struct session *s);

int command_account_lock(struct session *s);

int command_account_unlock(struct session *s);

int command_key_revoke(struct session *s);

#endif
