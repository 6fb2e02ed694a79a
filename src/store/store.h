/* store: the storage interface: named operations on records, and transactions.
 *
 * It contains no SQL and no SQLite types, so that another engine can implement it. A store belongs
 * to one process and is shared by its threads; it must not be used across a fork. Returned texts
 * are in the arena.
 *
 * What each engine promises (tests/store/conformance.c):
 *
 *   - a write is acknowledged only when it is on the disk;
 *   - bodies of transactions run one after another, in all processes: what one reads stays true
 *     until its commit.  A body runs once, perhaps in another thread;
 *   - after STORE_CONSTRAINT the body returns an error, and nothing of it happens;
 *   - texts are compared by bytes, NULL sorts before them; LIKE and comparisons in any case
 *     ignore only the case of A to Z;
 *   - a read ends after two seconds, a wait for the lock after five: STORE_BUSY.
 */
#ifndef REGCRED_STORE_H
#define REGCRED_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/process.h"
#include "model/schema.h"
#include "shared/metrics.h"

enum store_rc {
	STORE_OK,
	STORE_NONE,	  /* no such row, or it is not in the expected state */
	STORE_CONSTRAINT, /* duplicate in a unique index: store_conflict() tells the column */
	STORE_BUSY,	  /* the lock could not be taken in time */
	STORE_FULL,	  /* no space on the disk; nothing was changed */
	STORE_ABORTED,	  /* the body of the transaction returned an error; nothing was changed */
	STORE_UNKNOWN,	  /* it is not known whether the change was made */
	STORE_NO_MEMORY,
	STORE_FAILED, /* I/O error, damage, a bug: logged */
};
enum { STORE_RETRY_AFTER_S = 5 }; /* when to try again */

/* The error for the client, for anything but OK, NONE, CONSTRAINT and ABORTED. */
enum err store_err(enum store_rc rc, struct error *e);

struct store;
struct store_tx;

/* Whether a database is a file of this machine, rather than the address of a server
 * (postgresql://...). */
bool store_is_file(const char *path);
/* What a store reads besides the settings, as absolute paths: the file and its journals; or, of a
 * server, what each connection needs: password and certificates.  With `secret` only what nobody
 * else may read. */
enum { STORE_FILES_MAX = 8, STORE_FILE_SIZE = 4096 + 16 };
size_t store_files(const char *path, bool secret, char files[STORE_FILES_MAX][STORE_FILE_SIZE]);

enum { STORE_WHY_MAX = 4096 };

/* Migrates the database at path in one transaction; creates it if `create` is set. Refuses one that
 * is newer than this program. Afterwards it has a write-ahead log or, without `wal`, a rollback
 * journal, which network file systems need; with that, reads and commits wait for each other. To
 * change the journal or the tables, no other process may have it open.  An old database leaves a
 * lease STORE_MIGRATED, whose holder is its version, until somebody has recorded that; with `keeps`
 * it is copied to PATH.version-N first.  False with a sentence in why. */
#define STORE_MIGRATED "migrate"
bool store_migrate(const char *path, bool create, bool wal, bool keeps, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Whether the tables are as this program makes them; the first difference in why. */
bool store_check(const char *path, char why[STORE_WHY_MAX]) __attribute__((warn_unused_result));
/* Opens a database that is up to date, with that many connections for reading.  NULL with a
 * sentence in why; errno is EBUSY if another process keeps it, which may end. */
struct store *store_open(const char *path, size_t readers, char why[STORE_WHY_MAX]);
void store_close(struct store *s);

/* With less free disk space store_write() is refused; checked once a second. Without this call, or
 * with 0, it never is. */
void store_use_room(struct store *s, int64_t min_free_bytes);
/* Bytes that may still be written before that; INT64_MAX: any number. */
int64_t store_free_room(struct store *s);
/* Whether store_write() is refused now. */
bool store_is_low(struct store *s);

enum store_rc store_get(struct store *s, struct arena *a, const struct family *family, int64_t id,
			const struct owners *owners, struct record *out)
	__attribute__((warn_unused_result));
enum store_rc store_list(struct store *s, struct arena *a, const struct list_query *q,
			 struct record_list *out) __attribute__((warn_unused_result));

/* An API key by its access key, in any state, and the account that owns it: the columns of both
 * that signing in needs.  STORE_NONE if there is none. */
enum store_rc store_find_key(struct store *s, struct arena *a, const char *access_key,
			     struct record *key, struct record *account)
	__attribute__((warn_unused_result));

/* The account of a user authenticated by the web server, by the exact name, in any state:
 * external_id with this external_id_type.  STORE_NONE if there is none. */
#define STORE_PROXY_TYPE "proxy"
enum store_rc store_find_proxy_user(struct store *s, struct arena *a, const char *name,
				    struct record *account) __attribute__((warn_unused_result));

struct membership {
	int64_t project_id;
	const char *role; /* owner, member, restricted, readonly */
	bool active;	  /* whether the project is active */
	bool granted;	  /* by a group of reverse-proxy authentication, not by a row */
};
/* The projects that the account is a member of, including removed ones that it owns. */
enum store_rc store_memberships(struct store *s, struct arena *a, int64_t account_id,
				struct membership **out, size_t *count)
	__attribute__((warn_unused_result));

/* The current state of what a caller's rights depend on. */
struct standing {
	bool has_key; /* the key exists and belongs to that account */
	struct record key;
	const char *kind, *state; /* of the account */
	const char *role;	  /* role of its membership in the project; NULL: not a member */
	bool project_active;
	/* The creator of the key, if known: kind and state, and the role in the key's account. */
	const char *maker_kind, *maker_state, *maker_role;
};
/* key_id, project_id: 0: none. STORE_NONE: no such account. */
enum store_rc store_standing(struct store *s, struct arena *a, int64_t account_id, int64_t key_id,
			     int64_t project_id, struct standing *out)
	__attribute__((warn_unused_result));
enum store_rc store_tx_standing(struct store_tx *tx, struct arena *a, int64_t account_id,
				int64_t key_id, int64_t project_id, struct standing *out)
	__attribute__((warn_unused_result));

struct key_check {
	int64_t key_id;
	const char *use;
	struct value value;
};
enum store_rc store_key_checks(struct store *s, struct arena *a, struct key_check **out,
			       size_t *count) __attribute__((warn_unused_result));

/* How many values of a family's column begin with the same bytes; rows of kinds with hashed rather
 * than sealed secrets do not count. */
struct prefix_count {
	struct value prefix;
	int64_t rows;
};
enum { PREFIXES_MAX = 64 }; /* more are not counted: the data is damaged */
enum store_rc store_count_sealed(struct store *s, struct arena *a, const struct family *family,
				 enum column column, size_t prefix_len, struct prefix_count **out,
				 size_t *count) __attribute__((warn_unused_result));

/* Runs fn(tx, arg), which only reads, on a snapshot of the database. It blocks nobody, however long
 * it takes, but the write-ahead log grows meanwhile.  STORE_ABORTED as for store_write(). */
typedef enum err (*store_fn)(struct store_tx *tx, void *arg);
enum store_rc store_read(struct store *s, store_fn fn, void *arg)
	__attribute__((warn_unused_result));

/* Runs fn(tx, arg) once, in its own transaction, perhaps in another thread. STORE_OK: committed and
 * on the disk. STORE_ABORTED: fn did not return ERR_NONE. Anything else: nothing has changed,
 * though fn may have run; STORE_FULL also if little space is left, STORE_BUSY if others held the
 * lock for seconds. Waiting transactions share one commit. */
enum store_rc store_write(struct store *s, store_fn fn, void *arg)
	__attribute__((warn_unused_result));
/* For changes that free space or protect someone: not refused when little space is left. */
enum store_rc store_write_freeing(struct store *s, store_fn fn, void *arg)
	__attribute__((warn_unused_result));

enum store_rc store_tx_get(struct store_tx *tx, struct arena *a, const struct family *family,
			   int64_t id, const struct owners *owners, struct record *out)
	__attribute__((warn_unused_result));
enum store_rc store_tx_list(struct store_tx *tx, struct arena *a, const struct list_query *q,
			    struct record_list *out) __attribute__((warn_unused_result));
/* Whether an account has at least so many live rows of that kind: STORE_OK or STORE_NONE. */
enum store_rc store_tx_has_rows(struct store_tx *tx, const struct family *family, const char *kind,
				int64_t account_id, int64_t most)
	__attribute__((warn_unused_result));
/* Stores a new row and sets its id in the record. */
enum store_rc store_insert(struct store_tx *tx, struct record *record)
	__attribute__((warn_unused_result));
/* Stores a new row under the id that the record has. */
enum store_rc store_insert_as(struct store_tx *tx, const struct record *record)
	__attribute__((warn_unused_result));
/* Sets the columns of `given` on a row. */
enum store_rc store_update(struct store_tx *tx, const struct family *family, int64_t id,
			   const struct value *columns, uint64_t given)
	__attribute__((warn_unused_result));
/* Deletes a row; STORE_OK also if there is none. */
enum store_rc store_delete(struct store_tx *tx, const struct family *family, int64_t id)
	__attribute__((warn_unused_result));
/* Compare and set: sets the state, and the columns of `given`, if the row is in `from`; else
 * STORE_NONE. */
enum store_rc store_transition(struct store_tx *tx, const struct family *family, int64_t id,
			       enum state from, enum state to, const struct value *columns,
			       uint64_t given) __attribute__((warn_unused_result));
/* Notes when and from where a key was last used, unless another request has done so after
 * before_ms. */
enum store_rc store_touch_key(struct store_tx *tx, int64_t id, int64_t before_ms, int64_t now_ms,
			      const char *address) __attribute__((warn_unused_result));
/* The same with the next commit, without waiting for it, once the store was started; before that in
 * its own transaction. Failures are logged. */
void store_note_use(struct store *s, int64_t id, int64_t before_ms, int64_t now_ms,
		    const char *address);
/* The column of this transaction's STORE_CONSTRAINT; COL_NONE if unknown. */
enum column store_conflict(const struct store_tx *tx);

enum store_rc store_add_key_check(struct store_tx *tx, const struct key_check *check)
	__attribute__((warn_unused_result));

/* The check value of a key; STORE_NONE if there is none. */
enum store_rc store_tx_key_check(struct store_tx *tx, struct arena *a, int64_t key_id,
				 const char *use, struct value *out)
	__attribute__((warn_unused_result));
enum store_rc store_delete_key_check(struct store_tx *tx, int64_t key_id, const char *use,
				     size_t *deleted) __attribute__((warn_unused_result));
/* Whether a value of the column begins with that prefix: STORE_OK or STORE_NONE.  Reads the whole
 * family. */
enum store_rc store_tx_find_sealed(struct store_tx *tx, const struct family *family,
				   enum column column, const struct value *prefix)
	__attribute__((warn_unused_result));
/* Compare and set: STORE_NONE if the column does not hold `from` any more. */
enum store_rc store_replace_value(struct store_tx *tx, const struct family *family, int64_t id,
				  enum column column, const struct value *from,
				  const struct value *to) __attribute__((warn_unused_result));

/* A stretch of the audit log; audit.h says what it means.  Its hashes live in the arena. */
struct audit_segment {
	int64_t id;
	int64_t first_id, last_id; /* rows */
	int64_t began_ms;
	int64_t closed_ms;  /* 0: rows are still added */
	int64_t cut_ms;	    /* 0: it stands */
	const char *reason; /* may be NULL */
	struct value previous, last, mac;
	bool unbound; /* not stored: signed in the older form (audit.h) */
};
/* The newest segment that began no later than that; STORE_NONE if there is none. */
enum store_rc store_audit_newest(struct store_tx *tx, struct arena *a, int64_t began_ms,
				 struct audit_segment *out) __attribute__((warn_unused_result));
/* The oldest segment with a higher id, STORE_NONE behind the last. */
enum store_rc store_audit_after(struct store_tx *tx, struct arena *a, int64_t id,
				struct audit_segment *out) __attribute__((warn_unused_result));
/* Stores a segment, in place of the one of its id. */
enum store_rc store_audit_put(struct store_tx *tx, const struct audit_segment *segment)
	__attribute__((warn_unused_result));
/* Only what a row changes of its segment: last_id, began_ms, last, mac. */
enum store_rc store_audit_advance(struct store_tx *tx, const struct audit_segment *segment)
	__attribute__((warn_unused_result));
/* Deletes rows below first_id, at most max, oldest first; if that were all, also the segments below
 * first_segment. */
enum store_rc store_audit_cut(struct store_tx *tx, int64_t first_id, int64_t first_segment,
			      size_t max, size_t *deleted) __attribute__((warn_unused_result));

/* A request that is done once, however often it is sent: hashes of its Idempotency-Key, and of its
 * URL and body. */
struct once {
	int64_t account_id;
	const char *key, *request;
};
/* The request that was done with this key after that time, and its row. */
enum store_rc store_once_find(struct store_tx *tx, struct arena *a, const struct once *once,
			      int64_t since_ms, const char **request, int64_t *row_id)
	__attribute__((warn_unused_result));
/* Notes it, in place of one whose row is gone, and forgets those that are older. */
enum store_rc store_once_note(struct store_tx *tx, const struct once *once, int64_t row_id,
			      int64_t now_ms, int64_t forget_before_ms)
	__attribute__((warn_unused_result));

/* Ids of removed rows of the family whose time to be purged has come, at most max, oldest first. */
enum store_rc store_due(struct store_tx *tx, const struct family *family, int64_t now_ms,
			int64_t *ids, size_t max, size_t *count)
	__attribute__((warn_unused_result));
/* Ids of active logins that are to be checked now and then, by their own interval or because their
 * project wants checks (then every_s), and have no time for it yet; and of those whose time is
 * later than can be, because the clock was wrong; at most max. */
enum store_rc store_unchecked(struct store *s, int64_t now_ms, int64_t every_s, int64_t *ids,
			      size_t max, size_t *count) __attribute__((warn_unused_result));
/* Deletes purged rows that were removed before that time and that nothing refers to, at most max.
 */
enum store_rc store_forget(struct store_tx *tx, const struct family *family,
			   int64_t removed_before_ms, size_t max, size_t *deleted)
	__attribute__((warn_unused_result));

/* Somebody else met damage or an I/O error: store_ping() looks through the whole. */
void store_suspect(struct store *s);
/* Whether the database can be read: STORE_OK, or what stands in the way.  After damage or an I/O
 * error the whole of it, as far as two seconds allow, at most once a second. */
enum store_rc store_ping(struct store *s) __attribute__((warn_unused_result));

/* Work that one process at a time does, of all that share the database. */
struct lease {
	const char *holder;
	int64_t until_ms;
};
/* Takes a lease, or makes one's own last until then, even one that another lost; STORE_NONE:
 * somebody else has it, and it lasts. */
enum store_rc store_take_lease(struct store_tx *tx, const char *name, const char *holder,
			       int64_t now_ms, int64_t until_ms)
	__attribute__((warn_unused_result));
/* Gives one's own lease back. */
enum store_rc store_end_lease(struct store_tx *tx, const char *name, const char *holder)
	__attribute__((warn_unused_result));
/* STORE_NONE: nobody has it.  It may have run out. */
enum store_rc store_tx_lease(struct store_tx *tx, struct arena *a, const char *name,
			     struct lease *out) __attribute__((warn_unused_result));

/* How many rows of a family there are of each kind and state, and how many of them are due to be
 * purged.  Reads the whole family. */
struct state_count {
	const char *kind, *state;
	int64_t rows, due;
};
enum { STATE_COUNTS_MAX = 128 };
enum store_rc store_count_states(struct store *s, struct arena *a, const struct family *family,
				 int64_t now_ms, struct state_count **out, size_t *count)
	__attribute__((warn_unused_result));

/* Credentials in use, by kind and source: how many end before now plus each of the spans, when the
 * next one ends (0: none does), how many were not renewed at the last try though little of their
 * life is left, and when the first was or is to be renewed (0: none is).  Reads the whole family.
 */
enum { EXPIRY_SPANS_MAX = 8, EXPIRY_COUNTS_MAX = 64 };
struct expiry_count {
	const char *kind, *source; /* source NULL: none */
	int64_t within[EXPIRY_SPANS_MAX];
	int64_t next_ms, overdue, first_due_ms;
};
enum store_rc store_count_expiring(struct store *s, struct arena *a, int64_t now_ms,
				   const int64_t *spans_ms, size_t span_count,
				   struct expiry_count **out, size_t *count)
	__attribute__((warn_unused_result));

/* Credentials of a kind by state and last check, but for purged ones: how many there are, and how
 * many were used for the last time, or made, before each of two moments.  Reads the whole family.
 */
enum { USE_SPANS = 2, USE_COUNTS_MAX = 256 };
struct use_count {
	const char *state, *verification; /* verification NULL: never checked */
	int64_t rows, unused[USE_SPANS];
};
enum store_rc store_count_use(struct store *s, struct arena *a, const char *kind,
			      const int64_t before_ms[USE_SPANS], struct use_count **out,
			      size_t *count) __attribute__((warn_unused_result));

/* How many active rows of a kind of credentials have an older one with the same registry, public
 * value and path.  Reads them all. */
enum store_rc store_count_doubles(struct store *s, const char *kind, int64_t *doubles)
	__attribute__((warn_unused_result));

/* What the engine promises, a line each, for a person; false if something of it is not enough.
 * `connections`: how many all processes of a pool open. */
bool store_describe(struct store *s, size_t connections, FILE *out);

/* Before anything is written, in a process with many threads: transactions are run by a thread of
 * the store's own from now on.  False if there are no more threads. */
bool store_start(struct store *s) __attribute__((warn_unused_result));
/* Now and then: what keeps the engine's files small. */
enum store_rc store_tidy(struct store *s) __attribute__((warn_unused_result));
/* What was overwritten or deleted is on the disk no more.  STORE_BUSY: readers are in the way; try
 * again in a moment. */
enum store_rc store_settle(struct store *s) __attribute__((warn_unused_result));
/* Figures of the engine; their number. */
enum { STORE_GAUGES_MAX = 4 };
size_t store_gauges(struct store *s, struct gauge out[STORE_GAUGES_MAX]);

#endif
