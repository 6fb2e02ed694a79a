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

/* Seals or hashes a text into the column of that field, in the transaction that stores it; NULL
 * leaves the column as it is. */
enum err secrets_store(struct store_tx *tx, const struct context *c, struct record *row,
		       const struct field *field, const char *text, struct error *e);

/* All sealed fields of a new row, before the writers' lock is taken. */
enum err secrets_protect_new(const struct context *c, struct record *row,
			     const struct change *change, struct error *e);
/* And then in the transaction that stores it: a key that `regcred rekey` has retired since must not
 * be used again, even if this process was delayed. Reseals with the current keys of the file. */
enum err secrets_keep_new_current(struct store_tx *tx, const struct context *c, struct record *row,
				  const struct change *change, struct error *e);

#endif
