/* secrets: seals, opens and records the secrets of rows. */
#ifndef REGCRED_RESOURCE_SECRETS_H
#define REGCRED_RESOURCE_SECRETS_H

#include "base/err.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

/* One row for each secret. */
enum err trail_note_opened(struct store_tx *tx, const struct context *c, struct error *e);

/* The plain text that a change gives a sealed field; NULL: none. */
const char *secrets_text(const struct change *change, const struct field *field);

/* Seals or hashes text into the column of that field; NULL leaves it as it is. */
enum err secrets_protect(const struct context *c, struct record *row, const struct field *field,
			 const char *text, struct error *e);
/* The same for all sealed fields of a new row. */
enum err secrets_protect_new(const struct context *c, struct record *row,
			     const struct change *change, struct error *e);

/* In the transaction that stores a fresh secret: a key that `regcred rekey` has retired since the
 * value was sealed must not be used again, even if this process was delayed. Reseals with the
 * current keys of the file.
 */
enum err secrets_keep_current(struct store_tx *tx, const struct context *c, struct record *row,
			      const struct field *field, const char *text, struct error *e);
enum err secrets_keep_new_current(struct store_tx *tx, const struct context *c, struct record *row,
				  const struct change *change, struct error *e);

#endif
