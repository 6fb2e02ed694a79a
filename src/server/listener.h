/* listener: the socket that the pool listens at: made, or taken over. */
#ifndef REGCRED_SERVER_LISTENER_H
#define REGCRED_SERVER_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/pool_state.h"

bool open_listener(struct pool *pool, uid_t uid, gid_t gid);

#endif
