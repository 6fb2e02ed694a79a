/* reload: reads the settings again; if they are valid, new processes take over with them. */
#ifndef REGCRED_SERVER_RELOAD_H
#define REGCRED_SERVER_RELOAD_H

#include "server/pool_state.h"

/* Reads the settings, and starts a process that checks them against the key and the database.
 * Postponed if a reload is already under way. */
void reload_begin(struct pool *pool);

void reload_probe_ended(struct pool *pool, int status);

#endif
