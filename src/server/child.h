/* child: what every lasting child does: it shows that it is alive, watches its threads, says that
 * it is ready, waits for its end. */
#ifndef REGCRED_SERVER_CHILD_H
#define REGCRED_SERVER_CHILD_H

#include <stdbool.h>
#include <stdint.h>

#include "server/pool_state.h"

/* From now on a thread of its own shows each second that the process is alive, ends it if one of
 * the others hangs, and calls each_second, unless that is NULL.  False with errno set. */
bool child_begin(const struct pool *pool, void (*each_second)(void *arg), void *arg)
	__attribute__((warn_unused_result));

void child_tell_ready(const struct pool *pool);

/* Waits for the signal to end, at most for so long; 0 if it did not come. */
int child_wait_for_end(int64_t seconds);

/* The master is gone. */
bool child_is_orphan(const struct pool *pool);

#endif
