/* children: child processes of the master: starts, watches, replaces and stops them. */
#ifndef REGCRED_SERVER_CHILDREN_H
#define REGCRED_SERVER_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/pool_state.h"

extern const struct child_kind prepare_job, check_job;

pid_t child_fork(struct pool *pool, const struct child_kind *job, size_t self);

struct child *child_find(struct pool *pool, pid_t pid);

size_t children_in_state(const struct pool *pool, enum child_state state);

/* Starts a new generation next to the running one, which stops when the new one is ready. */
void children_replace_all(struct pool *pool);

/* Tells all children to exit. */
void children_stop(struct pool *pool);

void child_gone(struct pool *pool, struct child *c, int status);

/* Starts children that are due, notices those that are ready, kills those that hang or drain too
 * long. Returns the time until it has to run again. */
int64_t children_tend(struct pool *pool, int64_t now);

#endif
