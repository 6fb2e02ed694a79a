/* quota: what one account may take of what all share. */
#ifndef REGCRED_RESOURCE_QUOTA_H
#define REGCRED_RESOURCE_QUOTA_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "resource/resource.h"

/* The account whose limits apply: for a project's key the member who created it. */
int64_t quota_account(const struct context *c);

/* Counts one more use of a limit for that account: ERR_TOO_MANY with the sentence. */
enum err quota_count(const struct context *c, const struct limit *limit, const char *why,
		     struct error *e);
extern const char quota_too_many[]; /* changes */

enum { QUOTA_ROW_BYTES = 1024 }; /* of a row without long texts, or of one of the audit log */
/* Counts what a change will add to the database: of the free space one account gets a share in a
 * day, so it gets less and less of it, and there is always room for others. */
enum err quota_take_room(const struct context *c, size_t bytes, struct error *e)
	__attribute__((warn_unused_result));

#endif
