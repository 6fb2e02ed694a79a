/* work: the transaction of a change, from its body to its answer. */
#ifndef REGCRED_RESOURCE_WORK_H
#define REGCRED_RESOURCE_WORK_H

#include <stdbool.h>

#include "base/err.h"
#include "base/json_in.h"
#include "model/list.h"
#include "model/process.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

/* The argument of the transactions below. */
struct work {
	store_fn run;
	bool frees;
	const struct context *context;
	struct record *row;
	struct change *change;
	const struct plan *plan;
	const char *event; /* for the audit log */
	const char *member_changes;
	const struct json *members;
	bool with_members;
	struct record_list *members_now;
	const char *secret; /* for the answer to a create */
	struct error *error;
	struct record account; /* that the row belongs to: see hold_read_account() */
	bool account_read;
	bool counted; /* its check of a login, also if it runs twice */
};

enum err work_fail(const struct work *w, enum store_rc rc);

enum err work_conflict(const struct work *w, const struct store_tx *tx);

enum err work_answer(const struct context *c, const struct record *row, const char *secret,
		     const struct record_list *members, struct error *e);

/* Runs a transaction, with the answer to it, and turns its failure into the request's error. */
enum err work_run(struct work *w, store_fn fn);

#endif
