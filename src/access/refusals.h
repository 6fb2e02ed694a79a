/* refusals: what this process has refused and not yet written to the audit log: sign-ins, and
 * changes and retrievals of logins that a caller was not allowed.
 *
 * They are counted for each minute, address and key, so that few rows are written however many
 * refusals there are. The table is small and fixed: it distinguishes REFUSALS_A_MINUTE of each
 * minute and counts the rest together. Its content is lost if the process is killed.
 */
#ifndef REGCRED_REFUSALS_H
#define REGCRED_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

struct refusals;

enum {
	REFUSALS_A_MINUTE = 20, /* counted separately; the rest is one more row */
	REFUSALS_MINUTES = 5,	/* minutes that fit before they are written */
	REFUSALS_MAX = (REFUSALS_A_MINUTE + 1) * REFUSALS_MINUTES,
	REFUSAL_ADDRESS_SIZE = 46,
	REFUSAL_NAME_SIZE = 64,	 /* a longer name is left out */
	REFUSAL_USER_SIZE = 256, /* and a longer user */
};

struct refusal {
	int64_t minute;			    /* since 1970 */
	int64_t count;			    /* 0: a free slot */
	int status;			    /* of the last answer: 401, 403, 429 */
	char address[REFUSAL_ADDRESS_SIZE]; /* "" for the rest of a minute */
	char key[REFUSAL_NAME_SIZE];	    /* an access key, or "" */
	char user[REFUSAL_USER_SIZE];	    /* user the web server authenticated, or whom a token
					       is for, or "" */
	/* For a caller who was signed in, static texts: what was refused, and how the caller had
	 * authenticated. */
	const char *event, *type, *via; /* NULL: the sign-in was refused */
	int64_t account_id, key_id;
};

/* NULL if out of memory. */
struct refusals *refusals_new(void);
void refusals_free(struct refusals *r);

/* Adds one to the counts; its count may be more than 1. */
void refusals_add(struct refusals *r, const struct refusal *one);
/* Copies the refusals of earlier minutes; returns their number. */
size_t refusals_copy(struct refusals *r, int64_t before_minute, struct refusal out[REFUSALS_MAX]);
/* Subtracts copied refusals after they were written. */
void refusals_forget(struct refusals *r, const struct refusal *items, size_t count);

#endif
