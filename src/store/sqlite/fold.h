/* fold: the thread that checkpoints the write-ahead log. */
#ifndef REGCRED_STORE_SQLITE_FOLD_H
#define REGCRED_STORE_SQLITE_FOLD_H

#include <pthread.h>
#include <stdbool.h>

#include "store/sqlite/connection.h"

/* Folds the write-ahead log into the database, in a thread of its own. */
struct folder {
	pthread_t thread;
	bool runs;
	pthread_mutex_t mutex;
	pthread_cond_t called;
	bool wanted, ends;
	struct connection hold; /* reads while `fold` works */
	struct connection fold;
};

void *fold_run(void *arg);

#endif
