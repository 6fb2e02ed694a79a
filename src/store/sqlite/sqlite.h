/* sqlite: what the parts of the SQLite engine share. */
#ifndef REGCRED_STORE_SQLITE_SQLITE_H
#define REGCRED_STORE_SQLITE_SQLITE_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>

#include "model/schema.h"
#include "store/engine.h"
#include "store/queue.h"
#include "store/readers.h"
#include "store/sqlite/checkpoint.h"
#include "store/sqlite/connection.h"
#include "store/store.h"

enum {
	APPLICATION_ID = 0x72637264, /* "rcrd" */
	PROGRESS_STEPS =
		20000, /* steps of SQLite's virtual machine between two checks of the clock */
	/* For readers during recovery and, without a write-ahead log, during commits or reads;
	   writers queue at the lock file. */
	BUSY_MS = QUEUE_WAIT_MS,
	NAP_MS = 5, /* between two tries: SQLite's own pauses grow so long that others get ahead */
	LOOK_MS = 1000, /* between two checks of the free space, or of a damaged database */
	TROUBLE_TELL_MS = 60 * 1000, /* between log lines about damage and I/O errors */
};

struct sqlite_store {
	struct store base;
	char *path;
	int64_t min_free_bytes;
	atomic_llong looked_ms; /* when the free space was last checked */
	atomic_bool low;	/* and the results */
	atomic_llong room;
	struct trouble trouble;
	struct stat file;	/* the database, as it was opened */
	atomic_ullong log_file; /* inode of its write-ahead log; 0: none */
	atomic_bool lost;	/* its file is gone or was replaced, which was logged */
	int lock_fd;
	atomic_llong busy_told_ms;
	struct queue queue;
	struct connection writer;
	struct checkpointer checkpointer;
	int wal_frames; /* of the write-ahead log: then it is checkpointed */
	struct connection *readers;
	size_t reader_count;
	struct readers free_readers; /* of those */
};

static inline struct sqlite_store *
sqlite_of(struct store *s)
{
	return (struct sqlite_store *)s; /* base is the first */
}

/* How the queue writes: writer.c. */
extern const struct queue_engine sqlite_queue;

/* The table of functions in engine.c; engine.h and store.h say what they do. */
size_t sqlite_files(const char *path, bool secret, char files[STORE_FILES_MAX][STORE_FILE_SIZE]);
bool sqlite_migrate(const char *path, bool create, bool wal, bool keeps, char why[STORE_WHY_MAX]);
bool sqlite_check(const char *path, char why[STORE_WHY_MAX]);
struct store *sqlite_open(const char *path, size_t readers, char why[STORE_WHY_MAX]);
void sqlite_close(struct store *base);
bool sqlite_start(struct store *base);
enum store_rc sqlite_read(struct store *base, store_fn fn, void *arg);
enum store_rc sqlite_write(struct store *base, store_fn fn, void *arg);
void sqlite_note_use(struct store *base, const struct key_use *use);
void sqlite_use_room(struct store *base, int64_t min_free_bytes);
bool sqlite_is_low(struct store *base);
int64_t sqlite_free_room(struct store *base);
void sqlite_suspect(struct store *base);
enum store_rc sqlite_ping(struct store *base);
enum store_rc sqlite_tidy(struct store *base);
enum store_rc sqlite_settle(struct store *base);
size_t sqlite_gauges(struct store *base, struct gauge out[STORE_GAUGES_MAX]);
enum store_rc sqlite_begin_read(struct store *base, struct store_tx *tx);
void sqlite_end_read(struct store *base, struct store_tx *tx);

#endif
