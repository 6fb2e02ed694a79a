/* authorize: the Authorization header for a request to a registry: Basic, or a token. */
#ifndef REGCRED_REGISTRY_AUTHORIZE_H
#define REGCRED_REGISTRY_AUTHORIZE_H

#include <stdbool.h>

#include "base/arena.h"
#include "registry/check.h"

/* Asks the registry at this address how it lets clients in, and its token server for a token for
 * these scopes (ended by NULL): "repository:acme/app:pull".  report->result is CHECK_VALID if there
 * is a grant.  A registry that wants Basic, or nothing, gets the login itself.  Else as above. */
bool registry_authorize(const struct check_settings *s, struct arena *a, const char *address,
			const char *user, const char *secret, const char *const *scopes,
			struct grant *out, struct check_report *report)
	__attribute__((warn_unused_result));

#endif
