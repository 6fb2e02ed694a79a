/* handout: retrieving credentials as files for other programs: docker's config.json, podman's
 * auth.json, a Kubernetes Secret, the output of a credential helper.
 *
 * The logins are found and opened; then one transaction checks them again, notes their use and
 * records it in the audit log. What cannot be recorded is not revealed.
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
	HANDOUT_LOGINS_MAX = 1000, /* logins in a file; each adds a row to the audit log */
	HANDOUT_BYTES_MAX = 4 * 1024 * 1024, /* half of what nginx buffers with the shipped files */
	HANDOUT_LAST_USED_MS = 60 * 1000,    /* a login's last use is written at most this often */
};

struct hand_out {
	const char *content_type;
	const char *text; /* in the arena */
	size_t len;
	const char *left_out; /* "1c7, 1c9": logins left out because the format cannot hold them;
				 NULL: none */
};

/* Retrieves the logins that the body asks for, by the fields of the type handOut. ERR_FORBIDDEN:
 * the key may not retrieve logins. ERR_NO_LOGIN: none fits, unless all are requested. */
enum err handout_run(const struct context *c, const struct resource_type *type,
		     const struct json *body, struct hand_out *out, struct error *e)
	__attribute__((warn_unused_result));

/* Notes that the caller's key has used a login now; does nothing if that was noted within the last
 * minute. */
enum store_rc handout_note_use(struct store_tx *tx, const struct context *c,
			       const struct record *row) __attribute__((warn_unused_result));
/* Whether handout_note_use() would change something. */
bool handout_is_use_due(const struct context *c, const struct record *row);

#endif
