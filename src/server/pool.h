/* pool: the master: makes or takes over the listening socket, forks workers, replaces the dead
 * ones, ends them cleanly.
 *
 *   regcredd (master: socket, lock; never opens the database)
 *      ├─ prepare: migrates, checks the key, exits (once, before the others)
 *      ├─ housekeeper
 *      └─ worker × W ── thread × T: ppoll(listener, wake-up) → accept4 → peer check → gateway_serve
 */
#ifndef REGCRED_SERVER_POOL_H
#define REGCRED_SERVER_POOL_H

#include <stdbool.h>

#include "base/settings.h"

/* A reload: the master runs the program that is on the disk now as a probe; if that finds settings,
 * key and database in order, the master executes it in its own place and goes on with socket, lock
 * and the old processes, which stay until new ones serve.
 */
enum pool_start {
	POOL_FRESH,
	POOL_PROBE,	/* a child of a master that wants to reload */
	POOL_TAKE_OVER, /* the master itself, with the new program */
};
enum pool_start pool_how(void);
/* Whether a reload with these settings would do; logs what does not.  The exit status. */
int pool_probe(const struct settings *s);
/* Runs until SIGTERM or SIGINT; the exit status.  argv: what to execute at a reload. */
int pool_run(const struct settings *s, char **argv);
/* True if the master has been told to end: for a master that is not running yet. */
bool pool_end_is_pending(void);

#endif
