/* use: opens a chosen login, checks that it is unchanged, notes its use.
 *
 * A login is chosen and opened before the writers' lock is taken. The transaction that records its
 * use checks it again: a login that has been deactivated, removed or changed meanwhile is not
 * revealed.
 */
#ifndef REGCRED_LOGIN_USE_H
#define REGCRED_LOGIN_USE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "login/handout.h"
#include "login/resolve.h"
#include "model/format.h"
#include "resource/resource.h"

/* One login to be written to a file. */
struct entry {
	const struct login *login;
	const char *key; /* what the file calls the registry, or a part of it */
	const char *user, *secret;
	bool again; /* another name for the previous one: recorded only once */
};

/* A file that is being made. */
struct hand_out_work {
	const struct context *context;
	const struct format *format;
	struct wanted wanted;
	const char *name, *namespace; /* of a Kubernetes object */
	struct entry *entries;
	size_t count, logins; /* logins: entries without their second names */
	size_t bytes;	      /* of their users and secrets */
	bool stale;	      /* a login has changed since it was chosen */
	bool former;	      /* the former user names and passwords are wanted */
	bool parts;	      /* the registry of the image has logins for parts of it */
	const char *version;  /* of the protocol that the answer follows */
	struct hand_out *out;
	struct error *error;
};

extern const char use_changing[];
/* The reason when the server is at fault. */
extern const char use_unopened[];

/* Fills in user and secret of an entry. *why is NULL, or says why the login cannot be in the file.
 */
enum err use_open_login(struct hand_out_work *w, struct entry *entry, const char **why)
	__attribute__((warn_unused_result));

/* Reads the row of a chosen login whole. ERR_UNAVAILABLE: it has changed since. */
enum err use_read(const struct context *c, struct login *login, struct error *e)
	__attribute__((warn_unused_result));

/* Checks that the login and its registry are unchanged since it was chosen. */
enum store_rc use_check(struct store_tx *tx, const struct context *c, const struct record *login,
			bool *same) __attribute__((warn_unused_result));

/* Remembers where logins of a registry go, unless that is known already. */
enum store_rc use_note_host(struct store_tx *tx, const struct context *c, int64_t registry_id,
			    const char *token_host) __attribute__((warn_unused_result));

#endif
