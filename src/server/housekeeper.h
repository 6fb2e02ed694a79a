/* housekeeper: the housekeeper process of the pool. */
#ifndef REGCRED_SERVER_HOUSEKEEPER_H
#define REGCRED_SERVER_HOUSEKEEPER_H

#include "server/pool_state.h"

int housekeeper_run(const struct pool *pool);

/* The check before the start, which also migrates the database; and the check of a reload. */
int prepare_run(const struct pool *pool);
int check_run(const struct pool *pool);

#endif
