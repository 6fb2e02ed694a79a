/* owner: lets root work on a state directory as its owner, who could otherwise make root touch any
 * file, through file names and journals.
 */
#ifndef REGCRED_SERVICE_OWNER_H
#define REGCRED_SERVICE_OWNER_H

#include <stdbool.h>

#include "base/settings.h"

/* As root, becomes the owner of the state directory, or of the database if that directory is
 * root's: permanently, or until owner_leave(). Call it before touching anything in it. Does
 * nothing, and returns true, for other users and if all of it belongs to root or does not exist.
 * False with a sentence in why. */
bool owner_become(const struct settings *s, bool for_good, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));
/* Becomes root again, if it was root before. */
void owner_leave(void);
/* Whether root currently acts as another user. */
bool owner_is_borrowed(void);

#endif
