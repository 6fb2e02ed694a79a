/* refresher: the process of the pool that renews logins at their sources. */
#ifndef REGCRED_SERVER_REFRESHER_H
#define REGCRED_SERVER_REFRESHER_H

#include "server/pool_state.h"

int refresher_run(const struct pool *pool);

#endif
