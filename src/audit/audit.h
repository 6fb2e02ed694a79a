/* audit: the audit log: rows that are chained by a keyed hash, and signed stretches of them.
 *
 *   segment 1 (cut off)     segment 2               segment 3 = the head
 *   [first .. last]         [first ...... last] ──► [first ... last]
 *                    last ──► previous ── row ◄── row ◄── row ── last, rewritten with each row
 *
 * Each row holds the hash of the row before and a keyed hash over that and all of its columns.  The
 * newest segment, the head, says how far the log reads, so that an end that was cut off is noticed;
 * its own hash is keyed too.  Old rows are deleted up to the beginning of a segment; the segment
 * before keeps, signed, where the rest begins.  A segment with a reason does not follow on the one
 * before: somebody who has the key began anew, and said why.
 *
 * A row is appended in the transaction of what it records, and is gone with it if that is rolled
 * back: the head is read and written in there.  Whoever has the key file can forge all of it; who
 * has an old copy of the database can put it back, which only a hash that was noted elsewhere
 * shows.
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
	const char *resource_type, *resource_id; /* "registryCredential", "1c7"; NULL for none */
	int64_t owner_id;			 /* the account whose row it is; 0: nobody's */
	int response_code;			 /* of the answer, if the actor is sent one */
	int64_t attempts;			 /* 0 counts as 1 */
	const char *access_key;			 /* of a refused sign-in */
	const char *changes;			 /* JSON, or NULL; without a secret */
	int64_t at_ms;
};

/* Appends a row.  STORE_FAILED, logged, if the head is missing or damaged: nothing is written then
 * that could not be proven, until `regcred audit restart`. */
enum store_rc audit_append(struct store_tx *tx, struct arena *a, const struct keyring *ring,
			   const struct audit_entry *entry) __attribute__((warn_unused_result));

/* Signs the log of a new database, so that one that was wiped does not look new. */
enum store_rc audit_begin(struct store *s, const struct keyring *ring)
	__attribute__((warn_unused_result));

enum { AUDIT_HASH_SIZE = 2 * SECRET_MAC_SIZE + 1, AUDIT_PROBLEM_MAX = 512 };

/* A row and its hash, as somebody noted it. */
struct audit_anchor {
	int64_t id; /* 0: none */
	char hash[AUDIT_HASH_SIZE];
};
/* "1234:HASH", as `regcred audit head` prints it. */
bool audit_anchor_parse(const char *text, struct audit_anchor *out)
	__attribute__((warn_unused_result));

/* The last row; id 0 if nothing was ever recorded.  STORE_FAILED: the head is missing or damaged.
 */
enum store_rc audit_head(struct store *s, const struct keyring *ring, struct audit_anchor *out)
	__attribute__((warn_unused_result));

struct audit_check {
	struct store *store;
	const struct keyring *ring;
	struct audit_anchor anchor;
	bool (*stopped)(void); /* true: end soon; NULL: never */
	FILE *progress;	       /* NULL for none */
};
struct audit_report {
	int64_t rows;		   /* that are right */
	int64_t first_id, last_id; /* from where to where; first_id > last_id: no row */
	int64_t since_ms;	   /* since when the log is provable; 0: nothing was recorded yet */
	bool cut;		   /* what was before was cut off when it was old enough */
	char reason[AUDIT_PROBLEM_MAX]; /* what was before is not provable: why it was begun anew */
	char problem[AUDIT_PROBLEM_MAX]; /* the first that is wrong; "" for nothing */
	char note[AUDIT_PROBLEM_MAX];
};
/* Walks the log as it is at one moment.  STORE_OK with a report; else it could not be read, or was
 * stopped (STORE_ABORTED). */
enum store_rc audit_verify(const struct audit_check *check, struct audit_report *out)
	__attribute__((warn_unused_result));

/* Begins a new segment that does not follow on what was there, which says why. */
enum store_rc audit_restart(struct store *s, const struct keyring *ring, const struct actor *who,
			    const char *reason, int64_t now_ms) __attribute__((warn_unused_result));

enum {
	AUDIT_SEGMENT_ROWS = 100000,		/* the next pass begins a new segment after that */
	AUDIT_SEGMENT_MS = 24 * 60 * 60 * 1000, /* or after that */
	AUDIT_CUT_ROWS = 500,			/* deleted in one transaction */
	AUDIT_CUT_MAX = 20000,			/* in one pass */
};
/* One pass of the housekeeper: begins a new segment when the last one is long or old enough, cuts
 * off whole segments that are older than keep_ms (0: none ever).  *done: deleted rows. */
enum store_rc audit_sweep(struct store *s, const struct keyring *ring, int64_t now_ms,
			  int64_t keep_ms, size_t *done) __attribute__((warn_unused_result));

/* For tests: the hash that a row should have.  False without memory. */
bool audit_row_hash(const struct keyring *ring, struct arena *a, const struct record *row,
		    unsigned char out[SECRET_MAC_SIZE]) __attribute__((warn_unused_result));

enum {
	SMALL_ARENA = 256 * 1024,
};

extern const unsigned char audit_no_hash[SECRET_MAC_SIZE];

bool audit_is_hash(const struct value *v, const unsigned char hash[SECRET_MAC_SIZE]);

bool audit_is_signed(const struct keyring *ring, struct arena *a, const struct audit_segment *s);

/* As the migration leaves it, and in a database in which nothing was ever made: whatever is made has
 * a row in the log, so that a log without any beside rows of something was wiped. */
bool audit_is_unused(struct store_tx *tx, struct arena *a, const struct audit_segment *s);

enum store_rc audit_put_segment(struct store_tx *tx, struct arena *a, const struct keyring *ring,
				struct audit_segment *s);

/* The head, proven.  STORE_FAILED if it cannot be. */
enum store_rc audit_find_head(struct store_tx *tx, struct arena *a, const struct keyring *ring,
			      struct audit_segment *head);

/* Behind the head, which goes on with it. */
enum store_rc audit_append_to(struct store_tx *tx, struct arena *a, const struct keyring *ring,
			      struct audit_segment *head, const struct audit_entry *entry);

void audit_to_hex(const struct value *hash, char out[AUDIT_HASH_SIZE]);

#endif
