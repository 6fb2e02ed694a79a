/* listener: the socket that the pool listens at: made, or taken over. */
#ifndef REGCRED_SERVER_LISTENER_H
#define REGCRED_SERVER_LISTENER_H

#include <stdbool.h>
#include <sys/types.h>

#include "server/pool_state.h"

bool open_listener(struct pool *pool, uid_t uid, gid_t gid);

/* Whether the file of a socket that we made is gone, or another's. */
bool listener_is_lost(const struct pool *pool);
/* Makes it again; false with one line in the log, however often it is tried. */
bool listener_renew(struct pool *pool);
/* Removes the file, if it is ours. */
void listener_remove(struct pool *pool);

#endif
