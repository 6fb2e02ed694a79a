/* line: the write queue: transactions that wait share one commit. */
#ifndef REGCRED_STORE_SQLITE_LINE_H
#define REGCRED_STORE_SQLITE_LINE_H

#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "store/sqlite/sqlite.h"
#include "store/store.h"

/* A request that waits for its transaction, or to work alone; on the stack of its thread. */
struct waiter {
	store_fn fn; /* NULL: alone */
	void *arg;
	const char *request; /* for the log */
	int64_t since_us;
	bool frees; /* may have what is kept back for a full disk */
	enum store_rc rc;
	bool settled;  /* rc is final: it is not run (again) */
	bool leads;    /* woken to lead, not with a result */
	bool unwaited; /* nobody waits for it: see struct later */
	sem_t woken;
	struct waiter *next;
};

void queue_lock(int fd);

void enter_line(struct store *s, struct waiter *self);

void queue_end_writing(struct store *s);

/* Runs the transactions of the head of the line, and of others behind it. */
struct waiter *queue_write_batch(struct store *s);

/* Wakes those of a batch whose results are there: two, each of whom wakes two of its half.  Woken
 * all at once they would fight for the processor with whoever writes now, one by one the last would
 * wait longest. */
void queue_wake(struct waiter *batch);

enum store_rc queue_write(struct store *s, store_fn fn, void *arg, bool frees);

/* For work with the writing connection that is no transaction of its own; ends with
 * queue_end_writing().
 */
void queue_begin_alone(struct store *s);

#endif
