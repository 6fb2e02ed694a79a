/* child: what every long-running child does: shows that it is alive, watches its threads, reports
 * that it is ready, waits for the signal to exit. */
#ifndef REGCRED_SERVER_CHILD_H
#define REGCRED_SERVER_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "server/pool_state.h"

/* Starts a thread that each second shows that the process is alive, exits if another thread hangs,
 * and calls each_second unless that is NULL. False with errno on failure. */
bool child_begin(const struct pool *pool, void (*each_second)(void *arg), void *arg)
	__attribute__((warn_unused_result));

void child_tell_ready(const struct pool *pool);

/* Waits up to that long for the signal to exit; returns the signal, 0 if none came. */
int child_wait_for_end(int64_t seconds);

/* Whether the master is gone. */
bool child_is_orphan(const struct pool *pool);

#endif
