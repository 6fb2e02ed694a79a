/* arena: the memory of one request.
 *
 * Bump allocation from chunks, released all at once.  Failure is sticky: after the first failed
 * allocation every later one returns NULL too, so callers may keep building and check
 * arena_failed() once. All memory is wiped when the arena is reset, because a request holds
 * passwords.
 */
#ifndef REGCRED_ARENA_H
#define REGCRED_ARENA_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct arena;

/* A new arena that allocates at most limit bytes between two resets. NULL if out of memory. */
struct arena *arena_new(size_t limit);
/* Wipes and releases everything.  NULL is allowed. */
void arena_free(struct arena *a);
/* Wipes all allocations and keeps one chunk for the next request. */
void arena_reset(struct arena *a);

/* size bytes, zeroed, aligned for any type; NULL on failure. */
void *arena_alloc(struct arena *a, size_t size);
/* count elements of size bytes each; refuses an overflowing product. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* A NUL-terminated copy. */
char *arena_copy(struct arena *a, const char *bytes, size_t len);
char *arena_strdup(struct arena *a, const char *text);
char *arena_printf(struct arena *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Reserves size bytes: no allocation fails until they are used up. False if there is no room for
 * them. */
bool arena_reserve(struct arena *a, size_t size) __attribute__((warn_unused_result));

bool arena_failed(const struct arena *a);
/* Tests: the n-th allocation from now fails (1 = the next); 0 turns it off. */
void arena_fail_at(struct arena *a, unsigned n);

#endif
