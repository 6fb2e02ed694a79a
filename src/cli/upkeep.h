/* upkeep: maintenance commands: init, sweep, status, rekey, backup, restore, check. */
#ifndef REGCRED_CLI_UPKEEP_H
#define REGCRED_CLI_UPKEEP_H

#include "cli/session.h"

int command_init(struct session *s);

int command_sweep(struct session *s);

int command_status(struct session *s);

int command_rekey(struct session *s);

int command_backup(struct session *s);

int command_restore(struct session *s);

int command_check(struct session *s);

#endif
