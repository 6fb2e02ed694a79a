/* pool_state: what the parts of the pool share. */
#ifndef REGCRED_SERVER_POOL_STATE_H
#define REGCRED_SERVER_POOL_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/settings.h"
#include "server/sandbox.h"
#include "shared/board.h"
#include "shared/limiter.h"

enum {
	TICK_MS = 1000, /* how often a process shows that it is alive, and the master checks */
};

enum {
	WORKERS_MAX = 64,
	CHILDREN_MAX = 2 * (WORKERS_MAX + 2), /* a reload runs old and new ones side by side */
};

struct pool;

struct child_kind {
	const char *name;
	int (*run)(const struct pool *pool);
	enum board_job shown;
	bool listens; /* keeps the listening socket */
	enum sandbox_for sandbox;
};

struct child {
	enum child_state state;
	const struct child_kind *job;
	pid_t pid;
	unsigned generation; /* pool.generation when it was added */
	int64_t since_ms;    /* when the state began */
	int64_t delay_ms;    /* back-off after a short life */
	bool killed;
};

struct pool {
	struct settings *settings; /* settings for new children */
	struct settings *next;	   /* new settings while a reload checks them */
	struct settings *before;   /* old settings, while a new generation starts; or NULL */
	int argc;
	char **argv;	     /* what a reload reads again */
	unsigned generation; /* of children: one more with each reload */
	bool replacing;	     /* an old generation serves until the new one is ready */
	int farewell;	     /* the signal that the old generation gets then */
	pid_t probe;	     /* process that checks the new settings; 0: none */
	int64_t probe_since_ms;
	struct board *board;
	size_t self; /* in a child: its index in `children`, and its slot in the scoreboard */
	struct limiter *limiter; /* shared with the workers */
	pid_t master;
	int listener;
	int lock_fd;
	bool unix_socket;    /* peers can be checked */
	bool own_socket;     /* created by us, so removed by us */
	bool socket_lost;    /* its file is gone and could not be created again */
	dev_t socket_device; /* the socket's file: ours, or before we create it the previous */
	ino_t socket_inode;  /* master's; so that no other file is removed */
	bool stopping;
	bool reload_wanted;
	bool announced;
	struct child children[CHILDREN_MAX];
};

#endif
