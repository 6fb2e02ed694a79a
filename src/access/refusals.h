/* refusals: what was refused by this process, on its way to the audit log: sign-ins, and changes and
 * hand-outs that a caller was not allowed.
 *
 * They are counted for each minute, address and key, so that there are few rows to write however
 * many there were.  The table is small and fixed: of one minute it tells so many apart, the rest is
 * counted together.  What is in it is lost if the process is killed.
 */
#ifndef REGCRED_REFUSALS_H
#define REGCRED_REFUSALS_H

#include <stddef.h>
#include <stdint.h>

struct refusals;

enum {
	REFUSALS_A_MINUTE = 20, /* told apart; the rest is one row more */
	REFUSALS_MINUTES = 5,	/* that find room before they are written */
	REFUSALS_MAX = (REFUSALS_A_MINUTE + 1) * REFUSALS_MINUTES,
	REFUSAL_ADDRESS_SIZE = 46,
	REFUSAL_NAME_SIZE = 64, /* a longer name is left out */
};

struct refusal {
	int64_t minute;			    /* since 1970 */
	int64_t count;			    /* 0: the place is free */
	int status;			    /* of the last answer: 401, 403, 429 */
	char address[REFUSAL_ADDRESS_SIZE]; /* "" for all the rest */
	char key[REFUSAL_NAME_SIZE];	    /* an access key, or "" */
	char user[REFUSAL_NAME_SIZE];	    /* whom the web server had signed in, or "" */
	/* Of a caller who had signed in, static texts: what was refused, and how he had. */
	const char *event, *type, *via; /* NULL: a sign-in was */
	int64_t account_id, key_id;
};

/* NULL without memory. */
struct refusals *refusals_new(void);
void refusals_free(struct refusals *r);

/* Counts what one says; its count may be more than 1. */
void refusals_add(struct refusals *r, const struct refusal *one);
/* Copies those of minutes before that one; their number. */
size_t refusals_copy(struct refusals *r, int64_t before_minute, struct refusal out[REFUSALS_MAX]);
/* Takes off what was copied: it is written. */
void refusals_forget(struct refusals *r, const struct refusal *items, size_t count);

#endif
