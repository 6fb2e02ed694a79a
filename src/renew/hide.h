/* hide: files that the programs of exec cannot reach, whatever else they may.
 *
 * Landlock only allows, so what is allowed is everything around the hidden paths: as it is when
 * hide_prepare() looks.  What is created there later is out of reach too.  It is set once in a
 * process, before that shuts itself in, and each program shuts itself in once more before it
 * begins. On a kernel without Landlock nothing is hidden.
 */
#ifndef REGCRED_RENEW_HIDE_H
#define REGCRED_RENEW_HIDE_H

#include <stdbool.h>
#include <stddef.h>

/* From now on no program reaches these paths, and what is below them but `open` (NULL: nothing).
 * Those that do not exist are passed over.  False with errno: then hide_enter() fails. */
bool hide_prepare(const char *const *paths, size_t count, const char *open)
	__attribute__((warn_unused_result));

/* In a process that is about to be the program; it has to have no_new_privs.  Makes only calls that
 * a child of a process with threads may make. */
bool hide_enter(void) __attribute__((warn_unused_result));

#endif
