/* work: the transaction of a change, including the memory for its answer. */
#ifndef REGCRED_RESOURCE_WORK_H
#define REGCRED_RESOURCE_WORK_H

#include <stdbool.h>

#include "base/err.h"
#include "model/list.h"
#include "model/process.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

struct member_list;

/* The argument of the transactions.  All have context, row and error; besides
 *
 *   create        change, plan; members of a project
 *   update        change
 *   move          plan, event, frees
 *   set_members   members, members_now, event
 *
 * What follows the line is the transaction's own. */
struct work {
	const struct context *context;
	struct record *row;
	struct error *error;
	struct change *change;
	const struct plan *plan;
	const char *event; /* for the audit log */
	bool frees;	   /* room on the disk */
	const struct member_list *members;
	struct record_list *members_now;
	/* --- */
	store_fn run;
	const char *member_changes; /* for the audit log */
	struct record account;	    /* the account that owns the row: see hold_read_account() */
	bool account_read;
	bool repeated; /* the same request was done before: run() only prepares the answer */
};

/* Fills in the columns that every new row has. */
void row_start(const struct context *c, struct record *row);

enum err work_fail(const struct work *w, enum store_rc rc);

enum err work_conflict(const struct work *w, const struct store_tx *tx);

/* A change that changes nothing: only checks its precondition. */
enum err work_nothing(const struct context *c, struct record *row, struct error *e)
	__attribute__((warn_unused_result));

/* Runs a transaction and turns its failure into the request's error.  Afterwards the answer can be
 * printed without allocating memory. */
enum err work_run(struct work *w, store_fn fn);

#endif
