/* store: the storage interface: named operations on records, and transactions.
 *
 * No SQL and no SQLite type is in here, so that another engine can stand behind it.  A store is of
 * one process and shared by its threads; it must not cross a fork.  Texts that are returned live in
 * the arena.
 *
 * What each engine promises (tests/store/conformance.c):
 *
 *   - a write is acknowledged only when it is on the disk;
 *   - bodies of transactions run one after another, over all processes: what one reads stays true until
 *     its commit.  A body runs once, perhaps in another thread;
 *   - after STORE_CONSTRAINT the body returns an error, and nothing of it happens;
 *   - texts are compared by bytes, NULL sorts before them; LIKE, and what asks for any case, ignores the
 *     case of A to Z only;
 *   - a read ends after two seconds, a wait for the lock after five: STORE_BUSY.
 */
#ifndef REGCRED_STORE_H
#define REGCRED_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/process.h"
#include "model/schema.h"
#include "shared/metrics.h"

enum store_rc {
	STORE_OK,
	STORE_NONE,	  /* no such row, or it is not in the state that was asked for */
	STORE_CONSTRAINT, /* a unique index was hit: store_conflict() says which column */
	STORE_BUSY,	  /* the lock could not be had in time */
	STORE_FULL,	  /* no room on the disk; nothing was changed */
	STORE_ABORTED,	  /* the body of the transaction returned an error; nothing was changed */
	STORE_NO_MEMORY,
	STORE_FAILED, /* I/O error, damage, a bug: logged */
};
/* The error of the client for anything but OK, NONE, CONSTRAINT and ABORTED. */
enum err store_err(enum store_rc rc, struct error *e);

struct store;
struct store_tx;

enum { STORE_WHY_MAX = 4096 };

/* Brings the database at path up to date, in one transaction; makes it if `create` says so.  A
 * newer one than this program is refused.  From then on it has a write-ahead log, or, if not `wal`,
 * a rollback journal, which network file systems need: there reads and a commit wait for each
 * other.  To change that, or its tables, nobody else may have it open.  An old database is copied
 * to PATH.version-N first, and *from is its version, 0 if nothing was changed; neither if from is
 * NULL.  False with a sentence in why. */
bool store_migrate(const char *path, bool create, bool wal, int *from, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Opens a database that is up to date, with that many connections for reading.  NULL with a
 * sentence in why. */
struct store *store_open(const char *path, size_t readers, char why[STORE_WHY_MAX]);
void store_close(struct store *s);

/* With less room on the disk store_write() is refused; looked at once a second.  Without a call, or
 * 0, it never is. */
void store_use_room(struct store *s, int64_t min_free_bytes);
/* Whether store_write() is refused now. */
bool store_is_low(struct store *s);

enum store_rc store_get(struct store *s, struct arena *a, const struct family *family, int64_t id,
			const struct owners *owners, struct record *out)
	__attribute__((warn_unused_result));
enum store_rc store_list(struct store *s, struct arena *a, const struct list_query *q,
			 struct record_list *out) __attribute__((warn_unused_result));

/* An API key by its access key, whatever its state, and the account that it belongs to: what
 * signing in needs of both.  STORE_NONE if there is none. */
enum store_rc store_find_key(struct store *s, struct arena *a, const char *access_key,
			     struct record *key, struct record *account)
	__attribute__((warn_unused_result));

/* The account of somebody whom the web server signs in, by the exact name, whatever its state: its
 * external_id, with this external_id_type.  STORE_NONE if there is none. */
#define STORE_PROXY_TYPE "proxy"
enum store_rc store_find_proxy_user(struct store *s, struct arena *a, const char *name,
				    struct record *account) __attribute__((warn_unused_result));

struct membership {
	int64_t project_id;
	const char *role; /* owner, member, restricted, readonly */
	bool active;	  /* the project is */
	bool granted;	  /* by a group of the sign-on, not by a row */
};
/* The projects that the account is a member of, removed ones of which it is an owner included. */
enum store_rc store_memberships(struct store *s, struct arena *a, int64_t account_id,
				struct membership **out, size_t *count)
	__attribute__((warn_unused_result));

/* What the rights of a caller rest on, as it is now. */
struct standing {
	bool has_key; /* it is there, and of that account */
	struct record key;
	const char *kind, *state; /* of the account */
	const char *role;	  /* of its membership in the project; NULL: it is no member */
	bool project_active;
	/* Who made the key, where that is known: kind and state, and the role in the key's account.
	 */
	const char *maker_kind, *maker_state, *maker_role;
};
/* key_id, project_id: 0 for none.  STORE_NONE: there is no such account. */
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

/* How many values of a family's column begin with the same bytes; rows of a kind whose secrets are
 * hashed, not sealed, do not count. */
struct prefix_count {
	struct value prefix;
	int64_t rows;
};
enum { PREFIXES_MAX = 64 }; /* further ones are left out: they are damage */
enum store_rc store_count_sealed(struct store *s, struct arena *a, const struct family *family,
				 enum column column, size_t prefix_len, struct prefix_count **out,
				 size_t *count) __attribute__((warn_unused_result));

/* Runs fn(tx, arg), which only reads, on one state of the database.  However long it takes, nobody
 * waits for it, but the write-ahead log grows meanwhile.  STORE_ABORTED as for store_write(). */
typedef enum err (*store_fn)(struct store_tx *tx, void *arg);
enum store_rc store_read(struct store *s, store_fn fn, void *arg)
	__attribute__((warn_unused_result));

/* Runs fn(tx, arg) once, in a transaction of its own, perhaps in another thread.  STORE_OK:
 * committed and on the disk.  STORE_ABORTED: fn returned something else than ERR_NONE.  Anything
 * else: nothing has happened, though fn may have run; STORE_FULL also where little room is left,
 * STORE_BUSY where others kept the lock for seconds.  Transactions that wait share one commit. */
enum store_rc store_write(struct store *s, store_fn fn, void *arg)
	__attribute__((warn_unused_result));
/* For what frees room or protects somebody: little room does not refuse it. */
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
/* Compare and set: sets the state, and the columns of `given`, if the row is in `from`; else
 * STORE_NONE. */
enum store_rc store_transition(struct store_tx *tx, const struct family *family, int64_t id,
			       enum state from, enum state to, const struct value *columns,
			       uint64_t given) __attribute__((warn_unused_result));
/* Notes when and from where a key was last used, unless another request has done so after
 * before_ms. */
enum store_rc store_touch_key(struct store_tx *tx, int64_t id, int64_t before_ms, int64_t now_ms,
			      const char *address) __attribute__((warn_unused_result));
/* The same with the next commit, for which nobody waits once the store was started; else in a
 * transaction of its own.  What could not be noted is logged. */
void store_note_use(struct store *s, int64_t id, int64_t before_ms, int64_t now_ms,
		    const char *address);
/* Which column a STORE_CONSTRAINT of this transaction was about; COL_NONE if it is not known. */
enum column store_conflict(const struct store_tx *tx);

enum store_rc store_add_key_check(struct store_tx *tx, const struct key_check *check)
	__attribute__((warn_unused_result));

/* The value of a check; STORE_NONE if there is none. */
enum store_rc store_tx_key_check(struct store_tx *tx, struct arena *a, int64_t key_id,
				 const char *use, struct value *out)
	__attribute__((warn_unused_result));
enum store_rc store_delete_key_check(struct store_tx *tx, int64_t key_id, const char *use,
				     size_t *deleted) __attribute__((warn_unused_result));
/* Whether a value of the column begins so: STORE_OK or STORE_NONE.  Reads the whole family. */
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

/* Ids of removed rows of the family whose time to be purged has come, at most max, oldest first. */
/* A request that is done once, however often it is sent: hashes of its Idempotency-Key, and of its
 * URL and body. */
struct once {
	int64_t account_id;
	const char *key, *request;
};
/* The request that was done with this key after that time, and the row that it made. */
enum store_rc store_once_find(struct store_tx *tx, struct arena *a, const struct once *once,
			      int64_t since_ms, const char **request, int64_t *row_id)
	__attribute__((warn_unused_result));
/* Notes it, and forgets those that are older. */
enum store_rc store_once_note(struct store_tx *tx, const struct once *once, int64_t row_id,
			      int64_t now_ms, int64_t forget_before_ms)
	__attribute__((warn_unused_result));

enum store_rc store_due(struct store_tx *tx, const struct family *family, int64_t now_ms,
			int64_t *ids, size_t max, size_t *count)
	__attribute__((warn_unused_result));
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

/* Databases as files, opened for the one call, also of older versions.  False with a sentence in
 * why. */

/* Writes a consistent copy into an empty file, beside writers.  go_on is called with the bytes so
 * far and in all; false ends it. */
bool store_copy(const char *path, const char *to, bool (*go_on)(void *arg, int64_t, int64_t),
		void *arg, char why[STORE_WHY_MAX]) __attribute__((warn_unused_result));
struct store_facts {
	int version;
	int64_t bytes, rows;
	int64_t ids;   /* sum of the last id of each table: it never falls */
	char keys[64]; /* ids of the keys that it needs, "1, 2" */
};
/* Whether it is a database of regcred, not newer than this program, and whole.  go_on as above,
 * with -1 for the bytes so far, which are not known here. */
bool store_verify(const char *path, bool (*go_on)(void *arg, int64_t, int64_t), void *arg,
		  struct store_facts *out, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
bool store_ids(const char *path, int64_t *ids, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Whether the tables are as this program makes them; the first difference in why. */
bool store_check_schema(const char *path, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Whether a lease of that name lasts; its holder. */
bool store_file_lease(const char *path, const char *name, int64_t now_ms, char *holder,
		      size_t size);
/* Lets new rows of path get ids that no row of `than` had; far higher ones if that cannot be read.
 * True also where there is no `than`. */
bool store_raise_ids(const char *path, const char *than, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Brings the write-ahead log into the database and removes it.  STORE_BUSY if somebody else has it
 * open, STORE_NONE if the database is damaged, anything else with a sentence in why if it cannot be
 * done now. */
enum store_rc store_fold(const char *path, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Tells the credentials that are active in path and were not in `than`; false if the two cannot be
 * compared. */
bool store_revived(const char *path, const char *than,
		   void (*tell)(void *arg, const char *what, int64_t id), void *arg)
	__attribute__((warn_unused_result));

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

/* How many active rows of a kind of credentials have an older one with the same registry, public
 * value and path.  Reads them all. */
enum store_rc store_count_doubles(struct store *s, const char *kind, int64_t *doubles)
	__attribute__((warn_unused_result));

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
/* Whether it has a write-ahead log. */
bool store_has_wal(const struct store *s);

#endif
