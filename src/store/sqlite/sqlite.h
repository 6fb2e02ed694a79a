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
#include "store/sqlite/connection.h"
#include "store/sqlite/fold.h"
#include "store/sqlite/line.h"
#include "store/store.h"

enum {
	APPLICATION_ID = 0x72637264, /* "rcrd" */
	PROGRESS_STEPS = 20000,	     /* of SQLite's machine, between two looks at the clock */
	/* For readers during recovery, and without a write-ahead log while somebody commits or
	 * reads; writers queue at the lock file. */
	BUSY_MS = 5000,
	NAP_MS = 5,	/* between two tries: SQLite's own naps grow so long that others go first */
	LOOK_MS = 1000, /* between two looks at the room on the disk, or through a sick database */
	TROUBLE_TELL_MS = 60 * 1000, /* between two lines about damage and I/O errors */
};

struct store {
	char *path;
	char *ballast; /* path of the file that is given back when the disk is full */
	struct store_room room;
	atomic_llong looked_ms; /* when the room on the disk was last looked at */
	atomic_bool low;	/* and what was found */
	struct trouble trouble;
	struct stat file;	/* the database, as it was opened */
	atomic_ullong log_file; /* inode of its write-ahead log; 0: none */
	atomic_bool lost;	/* another file, or none, has its name: told */
	int lock_fd;
	pthread_mutex_t line_mutex; /* guards the line and `led`, not the work */
	struct waiter *waiting, **waiting_end;
	bool led;
	unsigned later; /* how many in the line are struct later */
	pthread_t committer;
	bool commits; /* it runs */
	sem_t called; /* the committer; with an empty line: to end */
	struct connection writer;
	struct folder folder;
	int fold_frames; /* of the write-ahead log: then it is folded */
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
