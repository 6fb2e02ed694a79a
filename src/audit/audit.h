/* audit: the audit log: rows chained by a keyed hash, in signed segments.
 *
 *   segment 1 (cut off)     segment 2               segment 3 = the head
 *   [first .. last]         [first ...... last] ──► [first ... last]
 *                    last ──► previous ── row ◄── row ◄── row ── last, rewritten with each row
 *
 * Each row holds the hash of the row before and a keyed hash over that and all of its columns.  The
 * newest segment, the head, records where the log ends, so that a truncated log is noticed; its own
 * hash is keyed too. Old rows are deleted up to the beginning of a segment; the previous segment
 * keeps a signed record of where the rest begins. A segment with a reason does not continue the
 * previous one: someone who has the key restarted the log and gave that reason.
 *
 * A row is appended in the transaction of the change it records, and is rolled back with it.
 * Someone who has the key file can forge the whole log; someone who has an old copy of the database
 * can put it back, which only a hash noted elsewhere reveals.
 */
#ifndef REGCRED_AUDIT_H
#define REGCRED_AUDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "access/actor.h"
#include "base/arena.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "store/store.h"

struct audit_entry {
	struct actor who;
	const char *event;
	const char *resource_type, *resource_id; /* "registryCredential", "1c7"; NULL: none */
	int64_t owner_id;			 /* the account that owns the resource; 0: none */
	int response_code;			 /* status of the answer, if the actor gets one */
	int64_t attempts;			 /* 0 counts as 1 */
	const char *access_key;			 /* of a refused sign-in */
	const char *changes;			 /* JSON without secrets, or NULL */
	int64_t at_ms;
};

/* Appends a row; an update that is equal to the last row, and comes within AUDIT_COUNT_MS of it, is
 * counted in that row instead.  STORE_FAILED, logged, if the head is missing or damaged: then
 * nothing is written until `regcred audit restart`, because it could not be proven. */
enum store_rc audit_append(struct store_tx *tx, struct arena *a, const struct keyring *ring,
			   const struct audit_entry *entry) __attribute__((warn_unused_result));

/* A head that is signed in the older form says that secrets in this database may be stored unbound
 * (secret/seal.h); rows are added in that form until audit_append_bound(). A head that cannot be
 * verified says nothing. */
enum store_rc audit_is_unbound(struct store *s, const struct keyring *ring, bool *unbound)
	__attribute__((warn_unused_result));
/* Appends a row, and says from then on that every secret is bound. */
enum store_rc audit_append_bound(struct store_tx *tx, struct arena *a, const struct keyring *ring,
				 const struct audit_entry *entry)
	__attribute__((warn_unused_result));

/* Signs the log of a new database, so that a wiped one does not look new. */
enum store_rc audit_begin(struct store *s, const struct keyring *ring)
	__attribute__((warn_unused_result));

enum { AUDIT_HASH_SIZE = 2 * SECRET_MAC_SIZE + 1, AUDIT_PROBLEM_MAX = 512 };

/* A row and its hash, as noted elsewhere. */
struct audit_anchor {
	int64_t id; /* 0: none */
	char hash[AUDIT_HASH_SIZE];
};
/* "1234:HASH", as `regcred audit head` prints it. */
bool audit_anchor_parse(const char *text, struct audit_anchor *out)
	__attribute__((warn_unused_result));

enum { AUDIT_COUNT_MS = 60 * 1000 };
/* The last row that will not change any more; id 0 if nothing has been recorded yet.  STORE_FAILED:
 * the head is missing or damaged.
 */
enum store_rc audit_head(struct store *s, const struct keyring *ring, struct audit_anchor *out)
	__attribute__((warn_unused_result));

struct audit_check {
	struct store *store;
	const struct keyring *ring;
	struct audit_anchor anchor;
	bool (*stopped)(void); /* true: stop soon; NULL: never */
	FILE *progress;	       /* NULL for none */
};
struct audit_report {
	int64_t rows;		   /* correct rows */
	int64_t first_id, last_id; /* range checked; first_id > last_id: no rows */
	int64_t since_ms; /* the log is provable since then; 0: nothing has been recorded yet */
	bool cut;	  /* older rows were deleted when they expired */
	char reason[AUDIT_PROBLEM_MAX];	 /* why the log was restarted; earlier rows are not provable
					  */
	char problem[AUDIT_PROBLEM_MAX]; /* the first problem; "": none */
	char note[AUDIT_PROBLEM_MAX];
};
/* Verifies the log in one snapshot. STORE_OK with a report; else it could not be read, or was
 * stopped (STORE_ABORTED). */
enum store_rc audit_verify(const struct audit_check *check, struct audit_report *out)
	__attribute__((warn_unused_result));

/* Begins a new segment that does not continue the log, with the reason. */
enum store_rc audit_restart(struct store *s, const struct keyring *ring, const struct actor *who,
			    const char *reason, int64_t now_ms) __attribute__((warn_unused_result));

enum {
	AUDIT_SEGMENT_ROWS = 100000, /* rows after which the next pass begins a new segment */
	AUDIT_SEGMENT_MS = 24 * 60 * 60 * 1000, /* or time after which it does */
	AUDIT_CUT_ROWS = 500,			/* rows deleted in one transaction */
	AUDIT_CUT_MAX = 20000,			/* rows deleted in one pass */
};
/* One pass of the housekeeper: begins a new segment when the last one is long or old enough, and
 * deletes whole segments that are older than keep_ms (0: never). *done: number of deleted rows. */
enum store_rc audit_sweep(struct store *s, const struct keyring *ring, int64_t now_ms,
			  int64_t keep_ms, size_t *done) __attribute__((warn_unused_result));

/* For tests: the hash that a row should have. False if out of memory. */
bool audit_row_hash(const struct keyring *ring, struct arena *a, const struct record *row,
		    unsigned char out[SECRET_MAC_SIZE]) __attribute__((warn_unused_result));

enum {
	SMALL_ARENA = 256 * 1024,
};

extern const unsigned char audit_no_hash[SECRET_MAC_SIZE];

bool audit_is_hash(const struct value *v, const unsigned char hash[SECRET_MAC_SIZE]);

bool audit_is_signed(const struct keyring *ring, struct arena *a, const struct audit_segment *s);
/* In the newer form, which says that all secrets are bound. */
bool audit_says_bound(const struct keyring *ring, struct arena *a, const struct audit_segment *s);

/* Whether the log is as the migration leaves it and the database has never been used: every change
 * has a row in the log, so an empty log next to other rows was wiped. */
bool audit_is_unused(struct store_tx *tx, struct arena *a, const struct audit_segment *s);

enum store_rc audit_put_segment(struct store_tx *tx, struct arena *a, const struct keyring *ring,
				struct audit_segment *s);

/* The head, verified. STORE_FAILED if it cannot be verified. */
enum store_rc audit_find_head(struct store_tx *tx, struct arena *a, const struct keyring *ring,
			      struct audit_segment *head);

/* Appends a row after the head, and updates the head. */
enum store_rc audit_append_to(struct store_tx *tx, struct arena *a, const struct keyring *ring,
			      struct audit_segment *head, const struct audit_entry *entry);

void audit_to_hex(const struct value *hash, char out[AUDIT_HASH_SIZE]);

#endif
