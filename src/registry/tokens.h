/* tokens: what registries gave in exchange for logins, kept until it expires.
 *
 * In the memory of one process, shared by its threads, of fixed size, wiped when it is dropped.  Of
 * several threads that want the same token one fetches it and the others wait.  That a fetch failed
 * is kept too, for a moment, so that a dead server does not hold each request anew.
 */
#ifndef REGCRED_TOKENS_H
#define REGCRED_TOKENS_H

#include <stdint.h>

#include "base/arena.h"
#include "outbound/seats.h"

struct tokens;

enum {
	TOKENS_MAX = 256, /* kept; a further one takes the place of the next to expire */
	TOKENS_KEY_SIZE = 32,
	TOKENS_FAILED_MS = 1000, /* for so long a failure is not tried again */
};

enum tokens_rc {
	TOKENS_FOUND,
	TOKENS_FETCH,	  /* it is the caller's to fetch: tokens_put() must follow */
	TOKENS_FAILED,	  /* it could not be had a moment ago */
	TOKENS_BUSY,	  /* too many threads wait, of all or of this one */
	TOKENS_NO_MEMORY, /* the arena has failed */
};

/* Threads that fetch or wait take one of the seats, which stay the caller's.  NULL without memory.
 */
struct tokens *tokens_new(struct seats *seats);
void tokens_free(struct tokens *t);

/* The token under this key, a copy in the arena, for `who`.  Times are of the monotonic clock;
 * waits for another thread until the deadline, which is TOKENS_FAILED then. */
enum tokens_rc tokens_take(struct tokens *t, struct arena *a,
			   const unsigned char key[TOKENS_KEY_SIZE], int64_t who, int64_t now_ms,
			   int64_t deadline_ms, const char **out)
	__attribute__((warn_unused_result));
/* The end of a fetch by `who`: the token until then, or NULL: until then there is none.  Without
 * memory it is not kept, and the next caller fetches again. */
void tokens_put(struct tokens *t, const unsigned char key[TOKENS_KEY_SIZE], int64_t who,
		const char *text, int64_t now_ms, int64_t until_ms);

#endif
