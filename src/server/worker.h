/* worker: a worker process: its threads accept connections and serve them. */
#ifndef REGCRED_SERVER_WORKER_H
#define REGCRED_SERVER_WORKER_H

#include "server/pool_state.h"
#include "server/sandbox.h"

#define SIGNAL_READY SANDBOX_SIGNAL

int worker_run(const struct pool *pool);

#endif
