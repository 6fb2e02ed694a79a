/* challenge: what a server asks for in WWW-Authenticate (RFC 9110, 11.6.1).
 *
 *   Bearer realm="https://auth.example/token",service="registry.example", Basic realm="x"
 *
 * Parsed strictly: a header that does not follow the grammar is ignored, because guessing its
 * meaning could send a password to the wrong place.
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

/* The challenges of all headers of one answer, in order. */
struct challenge_list {
	struct challenge items[CHALLENGES_MAX];
	size_t count;
};

/* Appends the challenges of one header.  False, with the list unchanged: the header is malformed,
 * the list is full, or out of memory (the arena has failed). */
bool challenge_parse(struct arena *a, const char *header, struct challenge_list *list)
	__attribute__((warn_unused_result));
/* The first challenge of a scheme; NULL if there is none. */
const struct challenge *challenge_find(const struct challenge_list *list, const char *scheme);
/* NULL: not given. */
const char *challenge_param(const struct challenge *challenge, const char *name);

#endif
