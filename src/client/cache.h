/* cache: logins that the helper keeps for a while, for times when the server does not answer.
 *
 * Off unless the setting `cache` says for how long.  Each login is a file of mode 0600 in
 * $XDG_CACHE_HOME/regcred or ~/.cache/regcred, sealed with the secret of the API key: without that
 * key, or with another one, it cannot be read, nor which registry it is for.
 */
#ifndef REGCRED_CLIENT_CACHE_H
#define REGCRED_CLIENT_CACHE_H

#include <stdbool.h>

#include "client/remote.h"

/* Keeps a login that the server has just given.  Failures are not told: the cache is a help. */
void cache_put(struct client *c, const char *registry, const struct remote_login *login);
/* The login, if it was kept no longer ago than the setting allows. */
bool cache_get(struct client *c, const char *registry, struct remote_login *out);
/* The server has said that this key has no such login (any more). */
void cache_forget(struct client *c, const char *registry);

/* The setting in seconds: "30m", "1h", at most a day; 0: no cache; -1: it cannot be read. */
long cache_seconds(const char *setting);

#endif
