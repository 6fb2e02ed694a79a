/* version: the former secrets of a login, and those on their way: rows of secret_version.
 *
 *   pending      a value that was chosen or made, and is not the login's yet (renew/)
 *   previous     was the login's; kept sealed until its `until`
 *   discarding   wiped here; the source still has to delete it (renew/)
 *   expired      wiped
 */
#ifndef REGCRED_RESOURCE_VERSION_H
#define REGCRED_RESOURCE_VERSION_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "store/store.h"

enum { VERSIONS_MAX = 10 }; /* of a login; the oldest are deleted */

struct new_version {
	const char *state;
	int64_t version;
	const char *user, *secret, *handle; /* plain; may be NULL */
	int64_t until_ms;		    /* 0: none */
};
/* Stores a version of the login, sealed, and deletes those beyond VERSIONS_MAX.  *out, if not NULL,
 * is the row. */
enum store_rc version_add(struct store_tx *tx, const struct context *c, const struct record *login,
			  const struct new_version *version, struct record *out)
	__attribute__((warn_unused_result));
/* The newest version of the login in that state; STORE_NONE if there is none. */
enum store_rc version_newest(struct store_tx *tx, struct arena *a, int64_t login_id,
			     const char *state, struct record *out)
	__attribute__((warn_unused_result));
/* Its plain text, of a row from version_newest(); NULL: wiped, does not open (logged), or out of
 * memory. */
const char *version_open(const struct context *c, const struct record *version);
/* The newest former secret of a login that is still kept, for a caller who may have the login for
 * that purpose.  secret is NULL if there is none, or (logged) it does not open. */
struct former {
	const char *user, *secret;
	struct value sealed;
};
enum store_rc version_open_former(const struct context *c, const struct record *login,
				  enum opening why, struct former *out)
	__attribute__((warn_unused_result));
/* A login is purged: wipes all its versions. If version_is_at_source(), renew/ deletes them, and
 * the present secret, at the source. */
enum store_rc version_purge(struct store_tx *tx, const struct context *c,
			    const struct record *login) __attribute__((warn_unused_result));
/* Whether the source of a login can delete its secrets, and needs the sourceSecret for that. */
bool version_is_at_source(const struct record *login);

/* The number of a login's present secret; 0: it has none yet. */
int64_t version_of(const struct record *login);

/* A new row begins with version 1 if it has a secret. */
void version_begin(struct record *row);
/* In an update that has set a new secret: the old one becomes a version, kept for the login's
 * overlap; adds what follows to *columns. */
enum err version_replace(struct store_tx *tx, const struct context *c, const struct record *old,
			 struct record *row, uint64_t *columns, struct error *e)
	__attribute__((warn_unused_result));

/* The action rollback: the newest former secret that is still kept changes places with the present
 * one. */
enum err version_roll_back(struct store_tx *tx, struct work *w) __attribute__((warn_unused_result));

/* Wipes versions whose time has come, at most max; *done counts them. */
enum store_rc version_sweep(struct store_tx *tx, struct arena *a, int64_t now_ms, size_t max,
			    size_t *done) __attribute__((warn_unused_result));

#endif
