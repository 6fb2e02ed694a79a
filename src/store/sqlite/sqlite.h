/* sqlite: what the parts of the SQLite engine share. */
#ifndef REGCRED_STORE_SQLITE_SQLITE_H
#define REGCRED_STORE_SQLITE_SQLITE_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "model/schema.h"
#include "store/sqlite/checkpoint.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

enum {
	APPLICATION_ID = 0x72637264, /* "rcrd" */
	PROGRESS_STEPS =
		20000, /* steps of SQLite's virtual machine between two checks of the clock */
	/* For readers during recovery and, without a write-ahead log, during commits or reads;
	   writers queue at the lock file. */
	BUSY_MS = 5000,
	NAP_MS = 5, /* between two tries: SQLite's own pauses grow so long that others get ahead */
	LOOK_MS = 1000, /* between two checks of the free space, or of a damaged database */
	USES_MAX = 64,	/* pending uses of keys */
	USE_ADDRESS_SIZE = 64,
	TROUBLE_TELL_MS = 60 * 1000, /* between log lines about damage and I/O errors */
};

/* The use of a key, until it is noted. */
struct key_use {
	int64_t key, before_ms, now_ms;
	char address[USE_ADDRESS_SIZE];
};

struct store {
	char *path;
	int64_t min_free_bytes;
	atomic_llong looked_ms; /* when the free space was last checked */
	atomic_bool low;	/* and the result */
	struct trouble trouble;
	struct stat file;	/* the database, as it was opened */
	atomic_ullong log_file; /* inode of its write-ahead log; 0: none */
	atomic_bool lost;	/* its file is gone or was replaced, which was logged */
	int lock_fd;
	pthread_mutex_t line_mutex; /* guards the queue, `led`, `ends` and the uses, not the work */
	struct waiter *waiting, **waiting_end;
	bool led;
	bool ends;		       /* the committer has to exit */
	struct key_use uses[USES_MAX]; /* to be noted with the next commit */
	size_t use_count;
	atomic_llong busy_told_ms;
	pthread_t committer;
	bool commits; /* it runs */
	sem_t called; /* the committer */
	struct connection writer;
	struct checkpointer checkpointer;
	int wal_frames; /* of the write-ahead log: then it is checkpointed */
	pthread_mutex_t read_mutex;
	pthread_cond_t read_ready;
	struct connection *readers;
	size_t reader_count;
	struct connection *free_readers;
};

struct store_tx {
	struct connection *connection;
	enum column conflict;
};

#endif
