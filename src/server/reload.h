/* reload: a reload: the new program is probed, then executed in place of the master. */
#ifndef REGCRED_SERVER_RELOAD_H
#define REGCRED_SERVER_RELOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/settings.h"
#include "server/pool_state.h"
#include "shared/limiter.h"

enum { FIXED_COUNT = 7 /* settings that a reload cannot change: reload.c */ };

/* What a master leaves for the program that it executes, in a memfd.  The first three members stay
 * as they are in every version. */
struct handover {
	uint64_t magic;
	uint64_t size;
	int64_t master;
	int listener, lock_fd, limiter_fd; /* limiter_fd -1: none */
	bool unix_socket, own_socket;
	dev_t socket_device;
	ino_t socket_inode;
	char fixed[FIXED_COUNT][CONFIG_PATH_MAX];
	struct {
		enum child_state state;
		bool listens;
		pid_t pid;
		int64_t since_ms;
	} children[CHILDREN_MAX];
};

void reload_keep_all(const struct pool *pool, int handover, bool over_exec);

/* Lets the program on the disk look at the settings, before anything is replaced. */
void reload_probe(struct pool *pool);

void reload_probe_ended(struct pool *pool, int status);

/* NULL if this is a fresh start. */
struct handover *reload_find_handover(void);

#endif
