/* backup: copies of the database that are whole, and putting one back.
 *
 * A copy is made beside writers, checked, flushed, and takes its name last.  A restore prepares the
 * new database beside the old one and exchanges the two in one step: interrupted anywhere, either
 * the old or the new one is there.  Secrets stay sealed; the key file is not part of a copy.
 */
#ifndef REGCRED_BACKUP_H
#define REGCRED_BACKUP_H

#include <signal.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/settings.h"

struct backup {
	const struct settings *settings;
	const char *file;
	bool force;			   /* a copy may replace a file that is there */
	const volatile sig_atomic_t *stop; /* not 0: end soon */
	FILE *out, *progress;
};

/* False with a sentence in why; nothing is left then. */
bool backup_make(const struct backup *b, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));
/* Refused while a pool runs on the state directory.  The old database is kept under a dated name.
 */
bool backup_restore(const struct backup *b, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

#endif
