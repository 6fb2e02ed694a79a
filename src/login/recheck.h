/* recheck: when logins in use are checked again, which nobody asked for.
 *
 * A login is checked every `verifyEvery` seconds; by default every day if its project wants checks
 * at all, else never.  The housekeeper gives each active login without a check its next time, near
 * the end of its interval and spread over a part of it; then the check is like any other.
 */
#ifndef REGCRED_LOGIN_RECHECK_H
#define REGCRED_LOGIN_RECHECK_H

#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

enum { RECHECK_EVERY_S = 24 * 60 * 60 };

/* *done counts the logins that got a time. */
enum store_rc recheck_schedule(struct store *s, int64_t now_ms, size_t *done)
	__attribute__((warn_unused_result));

#endif
