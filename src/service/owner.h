/* owner: root works on a state directory as its owner, who could else lead root by names and
 * journals to any file.
 */
#ifndef REGCRED_SERVICE_OWNER_H
#define REGCRED_SERVICE_OWNER_H

#include <stdbool.h>

#include "base/settings.h"

/* As root, becomes the owner of the state directory: for good, or until owner_leave().  Called
 * before anything in it is touched.  True also for anybody else, and where the directory is root's
 * or is not there.  False with a sentence in why. */
bool owner_become(const struct settings *s, bool for_good, char why[CONFIG_WHY_MAX])
	__attribute__((warn_unused_result));
/* Root again, who was that before. */
void owner_leave(void);
/* Whether root works as somebody else. */
bool owner_is_borrowed(void);

#endif
