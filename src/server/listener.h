/* listener: the pool's listening socket, created or inherited. */
#ifndef REGCRED_SERVER_LISTENER_H
#define REGCRED_SERVER_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/pool_state.h"

bool open_listener(struct pool *pool, uid_t uid, gid_t gid);

/* Whether the file of a socket that we created is gone or has been replaced. */
bool listener_is_lost(const struct pool *pool);
/* Creates it again; false on failure, which is logged only once. */
bool listener_renew(struct pool *pool);
/* Removes the socket file if it is ours. */
void listener_remove(struct pool *pool);

#endif
