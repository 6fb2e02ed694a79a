/* sandbox: restricts a process before it does its first piece of work.
 *
 * Landlock allows only the files of the settings and those that name resolution and TLS read;
 * seccomp blocks the system calls that sandbox.c lists. Both apply to the calling thread and those
 * it starts later, so call this before starting threads. It cannot be undone.
 */
#ifndef REGCRED_SANDBOX_H
#define REGCRED_SANDBOX_H

#include <stdbool.h>

#include "base/settings.h"

/* Who is shut in. Only the refresher may start programs: those of refresh_programs, with what is
 * needed to load them. They run in the same sandbox. */
enum sandbox_for { SANDBOX_SERVER, SANDBOX_REFRESHER };

/* What is in force. */
struct sandbox {
	bool landlock;
	bool seccomp;
	char missing[96]; /* why something is not in force; "" if everything is, or if none was
			     requested */
};

/* Restricts the calling process as s->sandbox says. What the kernel or the build does not support
 * is skipped and named in `missing`. False, with `missing` set, if a supported filter could not be
 * installed: then the process must not serve. */
bool sandbox_enter(const struct settings *s, enum sandbox_for who, struct sandbox *out)
	__attribute__((warn_unused_result));

/* "landlock, seccomp", "landlock", "nothing": for logs. */
const char *sandbox_text(const struct sandbox *sandbox);

#endif
