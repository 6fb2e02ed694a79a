/* process: which action may run in which state, and which state it leads to.
 *
 *   requested ─create─► registering ─► (activate) ─► activating ─► active
 *                                        ▲                           │
 *                                     inactive ◄─── deactivating ◄───┘
 *                                        └─remove─► removing ─► removed ─purge─► purging ─► purged
 *
 * A request runs a whole chain of processes and commits its last state; its answer shows the first
 * transitional one.  Only checking a login takes time: a chain that waits for it stays in the
 * transitional state of its last process, in the database.
 */
#ifndef REGCRED_PROCESS_H
#define REGCRED_PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#include "model/schema.h"

enum state {
	ST_ACTIVATING,
	ST_ACTIVE,
	ST_DEACTIVATING,
	ST_INACTIVE,
	ST_PURGED,
	ST_PURGING,
	ST_REGISTERING,
	ST_REMOVED,
	ST_REMOVING,
	ST_REQUESTED,
	ST_UPDATING_ACTIVE,
	ST_UPDATING_INACTIVE,
	ST__COUNT
};

#define ST_BIT(state) (1U << (state))

/* Whether a process of a registry login waits until the login has been checked (login/verifier.h),
 * or until its source was asked for a new secret (renew/).
 */
enum waiting { WAITS_NEVER, WAITS_IF_ASKED, WAITS_ALWAYS, WAITS_FOR_SOURCE };

struct process {
	const char *name;
	unsigned from;	   /* ST_BIT of each state it may start in */
	enum state during; /* while it runs; shown in the answer */
	enum state done;   /* when it is done, unless another process follows */
	const char *then; /* the process that follows at once, starting from `during`; NULL: none */
	bool frees;	  /* frees space or protects: still allowed while the disk is full */
	enum waiting waits;
	enum column needs; /* it is only for rows where this column is not null */
};

/* One process that ran: a row of the process log. */
struct step {
	const struct process *process;
	enum state before, during, after;
};

enum { PROCESS_STEPS_MAX = 3 }; /* deactivate and remove, and one spare */

struct plan {
	struct step steps[PROCESS_STEPS_MAX];
	size_t count;
	enum state before; /* state that the row must have */
	enum state shown;  /* transitional state of the answer */
	enum state after;  /* state that is committed */
	bool frees;	   /* all of its processes do */
};

/* Ends with a row whose name is NULL. */
extern const struct process process_table[];

const char *state_name(enum state state);
/* False for an unknown name. */
bool state_parse(const char *name, enum state *state);
/* transitioning: yes. */
bool state_is_transitional(enum state state);

/* The row of a process that may start in the state; NULL if it may not. */
const struct process *process_find(const char *name, enum state state);

/* The chain that the process starts in this state; false if it may not start. */
bool process_plan(const char *name, enum state state, struct plan *plan);
/* Appends the chain of a second process; false if it may not start in the state where the first
 * ends. */
bool process_plan_append(struct plan *plan, const char *name);
/* Makes a plan stop in the middle of its last process. */
void process_plan_hold(struct plan *plan);

/* Checks that every following process exists and may start in its state, and that every state is
 * reachable. NULL, or a sentence. */
const char *process_check(void);

#endif
