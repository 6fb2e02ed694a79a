/* remote: access to logins on a regcred server for programs on other machines: get the one for an
 * address, list, store and remove them.
 *
 * An address is any name that docker and similar tools use for a registry: "ghcr.io",
 * "https://index.docker.io/v1/", "localhost:5000".  Two addresses of the same registry are treated
 * as equal.
 */
#ifndef REGCRED_REMOTE_H
#define REGCRED_REMOTE_H

#include <stdbool.h>

#include "base/arena.h"
#include "client/client.h"
#include "registry/url.h"

enum remote_rc {
	REMOTE_OK,
	REMOTE_NONE,	/* no such login */
	REMOTE_FOREIGN, /* erase: it exists, but was not created by remote_store() */
	REMOTE_CHANGED, /* someone else has changed it meanwhile, again and again */
	REMOTE_FAILED,	/* see client->why; it is filled for REMOTE_CHANGED as well */
};

/* Texts are in the session's arena. */
struct remote_login {
	const char *user, *secret;
};

/* An address that docker uses for a registry; false with a sentence in why.  Refuses one with a
 * path, such as ".../v1/access-token"; registry_url_parse() accepts those. */
bool remote_address(struct arena *a, const char *address, struct registry_url *out,
		    const char **why);

/* The address of a new registry, as in images: with the scheme if it is http, because the default
 * is TLS, and without a port only if it was given without one. */
const char *remote_new_address(struct arena *a, const struct registry_url *url);

/* Retrieves the login for a registry. The server records it in the audit log. */
enum remote_rc remote_get(struct client *c, const char *address, struct remote_login *out)
	__attribute__((warn_unused_result));

/* Calls each(arg, address, user) for every login that remote_get() would find. */
enum remote_rc remote_list(struct client *c,
			   void (*each)(void *arg, const char *address, const char *user),
			   void *arg) __attribute__((warn_unused_result));

/* Calls each(arg, row) for the rows of a collection until it returns false; the query begins with
 * "&", or is empty. */
enum remote_rc remote_walk(struct client *c, const char *collection, const char *query,
			   bool (*each)(void *arg, const struct json *row), void *arg)
	__attribute__((warn_unused_result));

/* What to store. Logins with the same registry, path and user are the same login. */
struct remote_store {
	struct registry_url address; /* its path is the pathPrefix of the login */
	const char *user, *secret;
	const char *description; /* of a new login */
	bool shared;	/* note which keys stored it: remote_erase() then keeps it for the others */
	bool preferred; /* make it the login that remote_get() returns from then on */
	bool keep;	/* do not change an existing login */
	bool dry;	/* change nothing */
};
/* What was done, or would be done. */
enum remote_done { REMOTE_KEPT, REMOTE_UPDATED, REMOTE_MADE, REMOTE_MADE_BOTH };

enum remote_rc remote_store(struct client *c, const struct remote_store *store,
			    enum remote_done *done) __attribute__((warn_unused_result));

/* Removes the session's key from the logins of a registry with this description; those that no
 * other key has stored are deactivated and removed. */
enum remote_rc remote_erase(struct client *c, const struct registry_url *address,
			    const char *description) __attribute__((warn_unused_result));

#endif
