/* reload: reads the settings again; if they are in order, new processes take over with them. */
#ifndef REGCRED_SERVER_RELOAD_H
#define REGCRED_SERVER_RELOAD_H

#include "server/pool_state.h"

/* Reads the settings, and starts the process that checks them with key and database; later, if a
 * reload is under way. */
void reload_begin(struct pool *pool);

void reload_probe_ended(struct pool *pool, int status);

#endif
