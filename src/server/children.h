/* children: the children of the master: started, watched, replaced, ended. */
#ifndef REGCRED_SERVER_CHILDREN_H
#define REGCRED_SERVER_CHILDREN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "server/pool_state.h"

extern const struct child_kind worker_job;

extern const struct child_kind housekeeper_job;

extern const struct child_kind prepare_job;

pid_t child_fork(struct pool *pool, const struct child_kind *job, size_t self);

/* Also shows it on the board. */
void child_enter(struct pool *pool, struct child *c, enum child_state state);

void child_start(struct pool *pool, struct child *c);

void child_end(struct pool *pool, struct child *c, int signal_number);

struct child *child_find(struct pool *pool, pid_t pid);

size_t children_in_state(const struct pool *pool, enum child_state state);

bool child_lives(const struct child *c);

/* A housekeeper goes behind the workers that it works with, to write down what they refused last:
 * at an end, and in a reload. */
void children_end_housekeepers(struct pool *pool);

void child_gone(struct pool *pool, struct child *c, int status);

/* A child says that it serves: in a reload its predecessor may go now. */
void child_ready(struct pool *pool, pid_t pid);

/* New ones beside the old ones, which are sent home one by one as the new ones are ready. */
void children_replace_all(struct pool *pool);

/* Kills the process that has hung longest and too long.  One at a time: others may only wait for it
 * or for what it holds. */
void children_kill_hanging(struct pool *pool, int64_t now);

#endif
