/* lock: the lock file, which orders the writers of all processes. */
#ifndef REGCRED_STORE_SQLITE_LOCK_H
#define REGCRED_STORE_SQLITE_LOCK_H

#include <stdbool.h>
#include <sys/types.h>

#include "store/queue.h"
#include "store/store.h"

/* Waits for the lock file, in fair order if `turns` is set.  STORE_BUSY after BUSY_MS; STORE_FAILED
 * where the file system cannot lock.  flock(LOCK_UN) gives it back. */
enum store_rc lock_take(int fd, bool turns, enum patience patience);

/* The process that holds the lock file; 0 if unknown. */
pid_t lock_holder(int fd);

#endif
