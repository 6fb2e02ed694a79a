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

enum {
	TICK_MS = 1000, /* how often a process shows that it is alive, and the master looks */
};

enum {
	WORKERS_MAX = 64,
	CHILDREN_MAX = 2 * (WORKERS_MAX + 1), /* in a reload old and new ones live side by side */
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
	unsigned generation; /* of pool.generation, when it was added */
	int64_t since_ms;    /* when the state began */
	int64_t delay_ms;    /* back-off after a short life */
	bool killed;
};

struct pool {
	struct settings *settings; /* with which children start */
	struct settings *next;	   /* what a reload wants, while they are checked */
	struct settings *before;   /* while a newer generation starts, to go back to; or NULL */
	int argc;
	char **argv;	     /* what a reload reads again */
	unsigned generation; /* of children: one more with each reload */
	bool replacing;	     /* an older generation serves until the new one is ready */
	int farewell;	     /* the signal that the older one gets then */
	pid_t probe;	     /* that looks whether a reload would do; 0 for none */
	int64_t probe_since_ms;
	struct board *board;
	size_t self; /* in a child: its place in `children`, and its slot of the board */
	struct limiter *limiter; /* shared with the workers */
	pid_t master;
	int listener;
	int lock_fd;
	bool unix_socket;    /* peers can be checked */
	bool own_socket;     /* made here, so it is removed here */
	bool socket_lost;    /* its file is gone and could not be made again */
	dev_t socket_device; /* the socket's file: ours, or until it is made the one of the */
	ino_t socket_inode;  /* master before; to remove no other */
	bool stopping;
	bool reload_wanted;
	bool announced;
	struct child children[CHILDREN_MAX];
};

#endif
