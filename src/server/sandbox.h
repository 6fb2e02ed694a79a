/* sandbox: what a process that serves requests gives up before the first one.
 *
 * Landlock leaves it the files of the settings and what name resolution and TLS read; seccomp takes
 * away the system calls that sandbox.c lists.  Both are for the calling thread and those that it
 * starts, so this is called before there are others, and cannot be taken back.
 */
#ifndef REGCRED_SANDBOX_H
#define REGCRED_SANDBOX_H

#include <stdbool.h>

#include "base/settings.h"

/* What is in force afterwards. */
struct sandbox {
	bool landlock;
	bool seccomp;
	char missing[96]; /* why something is not in force; "" if all of it is, or if none was
			     wanted */
};

/* Shuts the calling process in as s->sandbox says.  What the kernel or the build lacks is left out
 * and named in `missing`; false, with `missing` set, if a filter was there and could not be put
 * on: then the process must not serve. */
bool sandbox_enter(const struct settings *s, struct sandbox *out)
	__attribute__((warn_unused_result));

/* "landlock, seccomp", "landlock", "nothing": for logs. */
const char *sandbox_text(const struct sandbox *sandbox);

#endif
