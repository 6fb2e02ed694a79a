/* pool: the master: makes or takes over the listening socket, forks workers, replaces the dead
 * ones, ends them cleanly.
 *
 *   regcredd (master: socket, lock; never opens the database)
 *      ├─ prepare: migrates, checks the key, exits (once, before the others)
 *      ├─ housekeeper
 *      └─ worker × W ── thread × T: ppoll(listener, wake-up) → accept4 → peer check → gateway_serve
 */
#ifndef REGCRED_POOL_H
#define REGCRED_POOL_H

#include "config.h"

/* Runs until SIGTERM or SIGINT; the exit status. */
int pool_run(const struct settings *s);

#endif
