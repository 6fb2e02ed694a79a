/* pool: the master: creates or inherits the listening socket, forks workers, replaces those that
 * die, stops them cleanly.
 *
 *   regcredd (master: socket, lock; never opens the database)
 *      ├─ prepare: migrates, checks the key, exits (once, before the others)
 *      ├─ housekeeper
 *      ├─ refresher
 *      └─ worker × W ── thread × T: epoll(listener, wake-up) → accept4 → peer check → gateway_read
 */
#ifndef REGCRED_SERVER_POOL_H
#define REGCRED_SERVER_POOL_H

#include "base/settings.h"

/* Runs until SIGTERM or SIGINT; returns the exit status. argc, argv: the options, which a reload
 * reads again. */
int pool_run(const struct settings *s, int argc, char **argv);

#endif
