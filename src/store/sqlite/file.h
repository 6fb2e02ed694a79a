/* file: what commands do with a database as a file: copy it, verify it, put another in its place.
 *
 * The file is opened for the one call, also if its version is an older one. False with a sentence
 * in why.
 */
#ifndef REGCRED_STORE_SQLITE_FILE_H
#define REGCRED_STORE_SQLITE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

/* Writes a consistent copy into an empty file, beside writers.  go_on is called with the bytes so
 * far and in all; false ends it. */
bool file_copy(const char *path, const char *to, bool (*go_on)(void *arg, int64_t, int64_t),
	       void *arg, char why[STORE_WHY_MAX]) __attribute__((warn_unused_result));
struct file_facts {
	int version;
	int64_t bytes, rows;
	int64_t ids;   /* sum of the last id of each table: it never falls */
	char keys[64]; /* ids of the keys that it needs, "1, 2" */
};
/* Whether it is a database of regcred, not newer than this program, and whole.  go_on as above,
 * with -1 for the bytes so far, which are not known here. */
bool file_verify(const char *path, bool (*go_on)(void *arg, int64_t, int64_t), void *arg,
		 struct file_facts *out, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
bool file_ids(const char *path, int64_t *ids, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Whether a lease of that name lasts; its holder. One that lasts for more than most_ms was taken
 * when the clock was wrong, and is none. */
bool file_lease(const char *path, const char *name, int64_t now_ms, int64_t most_ms, char *holder,
		size_t size);
/* Lets new rows of path get ids that no row of `than` had; far higher ones if that cannot be read.
 * True also where there is no `than`. */
bool file_raise_ids(const char *path, const char *than, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Brings the write-ahead log into the database and removes it.  STORE_BUSY if somebody else has it
 * open, STORE_NONE if the database is damaged, anything else with a sentence in why if it cannot be
 * done now. */
enum store_rc file_checkpoint(const char *path, char why[STORE_WHY_MAX])
	__attribute__((warn_unused_result));
/* Tells the credentials that are active in path and were not in `than`; false if the two cannot be
 * compared. */
bool file_revived(const char *path, const char *than,
		  void (*tell)(void *arg, const char *what, int64_t id), void *arg)
	__attribute__((warn_unused_result));
/* Whether it has a write-ahead log, rather than a rollback journal. */
bool file_has_wal(const char *path);

#endif
