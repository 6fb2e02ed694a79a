/* backup: makes consistent copies of the database, and restores them.
 *
 * A copy is made while others write, checked, flushed, and only then renamed to its final name. A
 * restore prepares the new database next to the old one and swaps them in one step: if interrupted,
 * either the old or the new one is in place. Secrets stay sealed; a copy does not include the key
 * file.
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
	bool force;			   /* a copy may replace an existing file */
	const volatile sig_atomic_t *stop; /* not 0: stop soon */
	FILE *out, *progress;
};

/* False with a sentence in why; leaves nothing behind then, unless the sentence says that it was
 * made. */
bool backup_make(const struct backup *b, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));
/* Refused while a pool runs on the state directory. The old database is kept under a dated name. */
bool backup_restore(const struct backup *b, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));

#endif
