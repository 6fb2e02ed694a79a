/* children: the children of the master: started, watched, replaced, ended. */
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

/* A new generation beside the one that runs, which goes when the new one is ready. */
void children_replace_all(struct pool *pool);

/* Tells all to end. */
void children_stop(struct pool *pool);

void child_gone(struct pool *pool, struct child *c, int status);

/* What time brings: starts who is due, sees who is ready, kills who is silent or drains too long.
 * The time until the next such moment. */
int64_t children_tend(struct pool *pool, int64_t now);

#endif
