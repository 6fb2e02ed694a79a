/* queue: the write queue: waiting transactions share one commit.
 *
 * What every engine does so is here; how one keeps other processes out, begins and commits is in
 * its table of functions.
 */
#ifndef REGCRED_STORE_QUEUE_H
#define REGCRED_STORE_QUEUE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdbool.h>
#include <stddef.h>

#include "store/engine.h"
#include "store/store.h"

enum {
	QUEUE_WAIT_MS = 5000, /* for one's turn, in this process and among all */
	USES_MAX = 64,	      /* pending uses of keys */
};

/* How long to wait for other processes: the queue's own thread waits as long as it takes, because
 * the waiters in the queue give up by themselves. */
enum patience { IMPATIENT, PATIENT };

/* With the store, the writing connection is this thread's between take() and give(). */
struct queue_engine {
	/* Keeps other processes from writing, and gets the connection ready. */
	enum store_rc (*take)(struct store *s, enum patience patience);
	void (*give)(struct store *s);
	/* A transaction; commit() and roll_back() end it. */
	enum store_rc (*begin)(struct store *s);
	enum store_rc (*exec)(struct store *s, const char *text);
	enum store_rc (*commit)(struct store *s);
	void (*roll_back)(struct store *s);
	/* Before and after a body: end_body() is the transaction's fate, STORE_OK while it can go
	 * on; `failed`: the body did. */
	void (*begin_body)(struct store *s);
	enum store_rc (*end_body)(struct store *s, bool failed);
	/* Nobody's turn has come for QUEUE_WAIT_MS: logs it. */
	void (*tell_busy)(struct store *s);
};

struct queue {
	struct store *store;
	const struct queue_engine *engine;
	void *connection;      /* of the writer, for struct store_tx */
	pthread_mutex_t mutex; /* guards what follows, not the work */
	struct waiter *waiting, **waiting_end;
	bool led;
	bool ends;		       /* the committer has to exit */
	struct key_use uses[USES_MAX]; /* to be noted with the next commit */
	size_t use_count;
	pthread_t committer;
	bool commits; /* it runs */
	sem_t called; /* the committer */
};

void queue_init(struct queue *q, struct store *s, const struct queue_engine *engine,
		void *connection);
/* Starts the committer; false if there are no more threads. */
bool queue_start(struct queue *q);
/* Ends the committer, once the queue is empty. */
void queue_end(struct queue *q);
void queue_destroy(struct queue *q);

/* store_write() and store_note_use(). */
enum store_rc queue_write(struct queue *q, store_fn fn, void *arg);
void queue_note_use(struct queue *q, const struct key_use *use);

/* For work with the writing connection that is not an ordinary transaction; after STORE_OK call
 * queue_end_writing(). */
enum store_rc queue_begin_alone(struct queue *q, enum patience patience);
void queue_end_writing(struct queue *q);

#endif
