/* handout: passwords leave regcred here, as files that other programs read: docker's config.json,
 * podman's auth.json, a Secret of Kubernetes, what a credential helper prints.
 *
 * The logins are found and opened, and then, in one transaction, looked at again, noted as used and
 * recorded: what cannot be recorded does not leave.
 */
#ifndef REGCRED_HANDOUT_H
#define REGCRED_HANDOUT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/json_in.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

enum {
	HANDOUT_LOGINS_MAX = 1000,	  /* in one file: each is a row of the audit log */
	HANDOUT_LAST_USED_MS = 60 * 1000, /* a login's last use is written so often at most */
};

struct hand_out {
	const char *content_type;
	const char *text; /* in the arena */
	size_t len;
	const char *left_out; /* "1c7, 1c9": logins that this format cannot hold; NULL: none */
};

/* What the body asks for, by the fields of the type handOut.  ERR_FORBIDDEN: the key may not be
 * handed logins.  ERR_NO_LOGIN: none fits, unless all are asked for. */
enum err handout_run(const struct context *c, const struct resource_type *type,
		     const struct json *body, struct hand_out *out, struct error *e)
	__attribute__((warn_unused_result));

/* Notes that a login was used now, by the caller's key; nothing if that was noted within the last
 * minute. */
enum store_rc handout_note_use(struct store_tx *tx, const struct context *c,
			       const struct record *row) __attribute__((warn_unused_result));
/* Whether that would change something. */
bool handout_is_use_due(const struct context *c, const struct record *row);

#endif
