/* warn: tells, in the audit log, of logins and keys that are about to expire.
 *
 * One row for each threshold of the project, by default two weeks, one week and a day before the
 * end, and one when that has come; `warned` of the row is the last threshold that was told, in
 * seconds.  A login with a source is told only if its renewal fails and little of its life is left
 * (overdue), and when it has expired.
 */
#ifndef REGCRED_RESOURCE_WARN_H
#define REGCRED_RESOURCE_WARN_H

#include <stddef.h>
#include <stdint.h>

#include "model/schema.h"
#include "secret/keyring.h"
#include "store/store.h"

/* One pass; *done counts the rows of the audit log. */
enum store_rc warn_sweep(struct store *s, const struct keyring *ring, int64_t now_ms, size_t *done)
	__attribute__((warn_unused_result));

#endif
