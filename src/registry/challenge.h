/* challenge: what a server asks for in WWW-Authenticate (RFC 9110, 11.6.1).
 *
 *   Bearer realm="https://auth.example/token",service="registry.example", Basic realm="x"
 *
 * Read strictly: a header that does not follow the grammar counts for nothing, because whoever
 * guesses what it means may send a password to the wrong place.
 */
#ifndef REGCRED_CHALLENGE_H
#define REGCRED_CHALLENGE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

enum { CHALLENGES_MAX = 8, CHALLENGE_PARAMS_MAX = 8 };

struct challenge {
	const char *scheme; /* in lower case: "basic", "bearer" */
	struct {
		const char *name; /* in lower case */
		const char *value;
	} params[CHALLENGE_PARAMS_MAX];
	size_t param_count;
};

/* Of all headers of one answer, in their order. */
struct challenge_list {
	struct challenge items[CHALLENGES_MAX];
	size_t count;
};

/* Appends the challenges of one header.  False, with the list as it was: the header is not well
 * formed, there are more than the list takes, or there is no memory (the arena has failed). */
bool challenge_parse(struct arena *a, const char *header, struct challenge_list *list)
	__attribute__((warn_unused_result));
/* The first of a scheme; NULL for none. */
const struct challenge *challenge_find(const struct challenge_list *list, const char *scheme);
/* NULL: not given. */
const char *challenge_param(const struct challenge *challenge, const char *name);

#endif
