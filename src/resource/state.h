/* state: moves rows through their states, with their dependent rows. */
#ifndef REGCRED_RESOURCE_STATE_H
#define REGCRED_RESOURCE_STATE_H

#include <stdbool.h>

#include "base/arena.h"
#include "model/process.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

bool plan_runs(const struct plan *plan, const char *process);

void row_forget_waiting(struct record *row);

/* Moves a row along a plan, with its dependent rows. STORE_NONE: another request moved it first. */
enum store_rc plan_run(struct store_tx *tx, const struct context *c, const struct record *row,
		       const struct plan *plan);

/* The same, and records it in the audit log. */
enum store_rc row_move(struct store_tx *tx, const struct context *c, struct arena *a,
		       const char *event, const struct record *row, const struct plan *plan);

/* Deactivates first if needed; false if the row cannot be removed in this state. */
bool plan_removal(enum state state, bool from_active, struct plan *plan);

enum store_rc row_insert(struct store_tx *tx, struct record *row, const struct plan *plan);

#endif
