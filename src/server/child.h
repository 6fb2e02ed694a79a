/* child: what every child does: it ticks, says that it is ready, ends in time. */
#ifndef REGCRED_SERVER_CHILD_H
#define REGCRED_SERVER_CHILD_H

#include <stdint.h>

#include "server/pool_state.h"

/* Shows the master that this process is alive. */
void child_tick(const struct pool *pool);

/* Waits for the end, at most for so long, with a sign of life each second; 0 if it did not come. */
int child_wait_for_end(const struct pool *pool, int64_t seconds);

void child_tell_ready(const struct pool *pool);

/* An orphan that hangs is ended by the kernel. */
void child_end_in_time(const struct pool *pool);

#endif
