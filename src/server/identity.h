/* identity: the user the pool runs as, its lock and its pid file. */
#ifndef REGCRED_SERVER_IDENTITY_H
#define REGCRED_SERVER_IDENTITY_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/settings.h"
#include "server/pool_state.h"

/* Allows only one master for a state directory. The lock file holds its pid and the socket it
 * created. */
bool identity_take_lock(struct pool *pool, uid_t uid, gid_t gid);
void identity_note_socket(const struct pool *pool);

bool identity_write_pid_file(const struct pool *pool, uid_t uid, gid_t gid);

/* The user and group to run as: those of the settings if started as root, else the current ones. */
bool find_identity(const struct settings *s, uid_t *uid, gid_t *gid);

bool identity_become(const struct settings *s, uid_t uid, gid_t gid);

/* Blocks all signals but those raised by a program error, such as SIGSEGV: blocking these would
 * hide where it happened. */
void identity_block_signals(void);

#endif
