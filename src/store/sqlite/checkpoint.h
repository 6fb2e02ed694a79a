/* checkpoint: the thread that checkpoints the write-ahead log. */
#ifndef REGCRED_STORE_SQLITE_CHECKPOINT_H
#define REGCRED_STORE_SQLITE_CHECKPOINT_H

#include <pthread.h>
#include <stdbool.h>

#include "store/sqlite/connection.h"

struct checkpointer {
	pthread_t thread;
	bool runs;
	pthread_mutex_t mutex;
	pthread_cond_t called;
	bool wanted, ends;
	struct connection hold; /* reads while `work` works */
	struct connection work;
};

void *checkpoint_run(void *arg);

#endif
