/* remote: logins on a regcred server, as the programs on other machines need them: the one for an
 * address, all of them, stored and removed.
 *
 * An address is whatever docker and its relatives call a registry: "ghcr.io",
 * "https://index.docker.io/v1/", "localhost:5000".  Two that mean the same registry are the same.
 */
#ifndef REGCRED_REMOTE_H
#define REGCRED_REMOTE_H

#include <stdbool.h>

#include "base/arena.h"
#include "client/client.h"
#include "registry/url.h"

enum remote_rc {
	REMOTE_OK,
	REMOTE_NONE,	/* there is no such login */
	REMOTE_FOREIGN, /* erase: there is one, but remote_store() did not make it */
	REMOTE_FAILED,	/* client->why says why */
};

/* Texts live in the session's arena. */
struct remote_login {
	const char *user, *secret;
};

/* An address that docker uses for a registry; false with a sentence in why.  One with a path, such
 * as ".../v1/access-token", is none; registry_url_parse() takes such. */
bool remote_address(struct arena *a, const char *address, struct registry_url *out,
		    const char **why);

/* The login that the server hands out for a registry.  On record there. */
enum remote_rc remote_get(struct client *c, const char *address, struct remote_login *out)
	__attribute__((warn_unused_result));

/* Calls each(arg, address, user) for all that remote_get() would find. */
enum remote_rc remote_list(struct client *c,
			   void (*each)(void *arg, const char *address, const char *user),
			   void *arg) __attribute__((warn_unused_result));

/* What to store.  A login is the same if registry, path and user are. */
struct remote_store {
	struct registry_url address; /* its path is the pathPrefix of the login */
	const char *user, *secret;
	const char *description; /* of a login that is made */
	bool shared;	/* note by which keys it was stored: remote_erase() then leaves it to the
			   others */
	bool preferred; /* what remote_get() answers from then on */
	bool keep;	/* leave a login that is there as it is */
	bool dry;	/* change nothing */
};
/* What was done, or would be. */
enum remote_done { REMOTE_KEPT, REMOTE_UPDATED, REMOTE_MADE, REMOTE_MADE_BOTH };

enum remote_rc remote_store(struct client *c, const struct remote_store *store,
			    enum remote_done *done) __attribute__((warn_unused_result));

/* Takes the key of the session off the logins of a registry that have this description; those that
 * no other key has stored are deactivated and removed. */
enum remote_rc remote_erase(struct client *c, const struct registry_url *address,
			    const char *description) __attribute__((warn_unused_result));

#endif
