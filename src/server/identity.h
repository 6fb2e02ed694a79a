/* identity: whom the pool runs as, its lock and its pid file. */
#ifndef REGCRED_SERVER_IDENTITY_H
#define REGCRED_SERVER_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/settings.h"
#include "server/pool_state.h"

/* Only one master on a state directory.  The lock file says who it is, and which socket it made. */
bool identity_take_lock(struct pool *pool, uid_t uid, gid_t gid);
void identity_note_socket(const struct pool *pool);

bool identity_write_pid_file(const struct pool *pool, uid_t uid, gid_t gid);

/* Whom to become: the settings' user and group if started as root, else whom we are. */
bool find_identity(const struct settings *s, uid_t *uid, gid_t *gid);

bool identity_become(const struct settings *s, uid_t uid, gid_t gid);

/* Blocks all signals but those that a fault of our own raises: blocked, these would hide where it
 * happened. */
void identity_block_signals(void);

#endif
