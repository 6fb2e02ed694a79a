/* queue: the write queue: waiting transactions share one commit. */
#ifndef REGCRED_STORE_SQLITE_QUEUE_H
#define REGCRED_STORE_SQLITE_QUEUE_H

#include <sys/types.h>

#include "store/sqlite/sqlite.h"
#include "store/store.h"

/* How long to wait for the lock file: the store's own thread waits as long as it takes, because the
 * waiters in the queue give up by themselves. */
enum patience { IMPATIENT, PATIENT };

/* Waits for the lock file, in fair order if `turns` is set.  STORE_BUSY after BUSY_MS; STORE_FAILED
 * where the file system cannot lock. */
enum store_rc queue_lock(int fd, bool turns, enum patience patience);

/* The process that holds the lock file; 0 if unknown. */
pid_t queue_lock_holder(int fd);

/* For work with the writing connection that is not an ordinary transaction; after STORE_OK call
 * queue_end_writing(). */
enum store_rc queue_begin_alone(struct sqlite_store *s, enum patience patience);

void queue_end_writing(struct sqlite_store *s);

/* The committer: the thread that leads the queue. */
void *queue_commit_run(void *arg);

#endif
