/* tokens: a cache of tokens that registries gave in exchange for logins, kept until they expire.
 *
 * One per process, shared by its threads, of fixed size; tokens are wiped when dropped. If several
 * threads want the same token, one fetches it and the others wait. A failed fetch is remembered
 * briefly, so that a dead server does not delay every request.
 */
#ifndef REGCRED_TOKENS_H
#define REGCRED_TOKENS_H

#include <stdint.h>

#include "base/arena.h"
#include "outbound/seats.h"

struct tokens;

enum {
	TOKENS_MAX = 256, /* tokens kept; one more replaces the next to expire */
	TOKENS_KEY_SIZE = 32,
	TOKENS_FAILED_MS = 1000, /* a failed fetch is not retried for so long */
};

enum tokens_rc {
	TOKENS_FOUND,
	TOKENS_FETCH,	  /* the caller must fetch it, and then call tokens_put() */
	TOKENS_FAILED,	  /* a fetch failed a moment ago */
	TOKENS_BUSY,	  /* too many threads wait, in total or for this caller */
	TOKENS_NO_MEMORY, /* the arena has failed */
};

/* Threads that fetch or wait take one of the seats, which the caller keeps. NULL: no memory. */
struct tokens *tokens_new(struct seats *seats);
void tokens_free(struct tokens *t);

/* Looks up the token with this key for `who`; *out is a copy in the arena. Times are of the
 * monotonic clock. Waits for another thread's fetch until the deadline, then returns TOKENS_FAILED.
 */
enum tokens_rc tokens_take(struct tokens *t, struct arena *a,
			   const unsigned char key[TOKENS_KEY_SIZE], int64_t who, int64_t now_ms,
			   int64_t deadline_ms, const char **out)
	__attribute__((warn_unused_result));
/* Ends a fetch by `who`: stores the token until until_ms, or with text NULL the failure. If out of
 * memory nothing is stored, and the next caller fetches again. */
void tokens_put(struct tokens *t, const unsigned char key[TOKENS_KEY_SIZE], int64_t who,
		const char *text, int64_t now_ms, int64_t until_ms);

#endif
