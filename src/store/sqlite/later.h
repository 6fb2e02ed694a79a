/* later: uses of keys, noted without anybody waiting. */
#ifndef REGCRED_STORE_SQLITE_LATER_H
#define REGCRED_STORE_SQLITE_LATER_H

#include <stdint.h>

#include "store/sqlite/line.h"

/* The use of a key, which is noted when the line comes to it; freed then. */
struct later {
	struct waiter waiter; /* first: the waiter's address is its own */
	int64_t key, before_ms, now_ms;
	char address[];
};

void *queue_commit_run(void *arg);

#endif
