/* pool_state: what the parts of the pool share. */
#ifndef REGCRED_SERVER_POOL_STATE_H
#define REGCRED_SERVER_POOL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/settings.h"
#include "shared/board.h"
#include "shared/limiter.h"
#include "shared/refusals.h"

enum {
	TICK_MS = 1000, /* how often a process shows that it is alive, and the master looks */
};

enum {
	WORKERS_MAX = 64,
	CHILDREN_MAX = 2 * (WORKERS_MAX + 1), /* in a reload old and new ones live side by side */
};

enum child_state {
	CHILD_NONE,	/* a free slot */
	CHILD_DUE,	/* to be started at since_ms + delay_ms */
	CHILD_STARTING, /* forked, not yet serving */
	CHILD_READY,
	CHILD_DRAINING, /* told to end */
};

struct pool;

struct child_kind {
	const char *name;
	int (*run)(const struct pool *pool);
	bool listens; /* keeps the listening socket */
};

struct child {
	enum child_state state;
	const struct child_kind *job;
	pid_t pid;
	int64_t since_ms;	/* when the state began */
	int64_t delay_ms;	/* back-off after a short life */
	struct child *replaces; /* in a reload: whom it sends home once it is ready */
	bool killed;
	bool surplus; /* in a reload: nobody replaces it; it goes when the new ones are ready */
};

struct pool {
	const struct settings *settings;
	char **argv; /* what a reload executes */
	pid_t probe; /* that looks whether a reload would do; 0 for none */
	int64_t probe_since_ms;
	int64_t hang_killed_ms; /* when a process that hung was last killed */
	struct board *board;
	size_t self; /* in a child: its place in `children`, and its slot of the board */
	struct limiter *limiter; /* shared with the workers; NULL for none */
	struct limiter *check_limiter;
	struct refusals *refusals; /* from the workers to the housekeeper */
	pid_t master;
	int listener;
	int lock_fd;
	bool unix_socket;    /* peers can be checked */
	bool own_socket;     /* made here, so it is removed here */
	dev_t socket_device; /* the socket's file, to remove no other */
	ino_t socket_inode;
	bool stopping;
	bool reload_wanted;
	bool announced;
	struct child children[CHILDREN_MAX];
};

#endif
