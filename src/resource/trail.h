/* trail: writes to the audit log what happens to rows. */
#ifndef REGCRED_RESOURCE_TRAIL_H
#define REGCRED_RESOURCE_TRAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json_out.h"
#include "model/process.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

/* Writes a text, cut if it is long. */
void trail_write_text(struct json_out *w, const char *text);

bool trail_same_text(const char *a, const char *b);

bool trail_same_value(const struct value *a, const struct value *b);

/* plan: for a new row, or NULL. */
enum store_rc trail_note_changes(struct store_tx *tx, const struct context *c, const char *event,
				 int status, const struct record *old, const struct record *row,
				 uint64_t columns, const struct plan *plan, const char *members);

enum store_rc trail_note_state(struct store_tx *tx, const struct context *c, struct arena *a,
			       const char *event, const struct record *row,
			       const struct plan *plan);

#endif
