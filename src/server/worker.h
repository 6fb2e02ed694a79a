/* worker: a worker process: its threads accept connections and serve them. */
#ifndef REGCRED_SERVER_WORKER_H
#define REGCRED_SERVER_WORKER_H

#include "server/pool_state.h"

int worker_run(const struct pool *pool);

#endif
