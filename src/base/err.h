/* err: the table of errors (err.def), and the error that a request passes up the call chain.
 *
 * A function that can fail for the client returns enum err and fills struct error once, where the
 * cause is known; success (ERR_NONE) leaves it untouched, so calls chain:  if (f(&e) != ERR_NONE)
 * return e.code.  Only api/answer.c turns it into HTTP.
 */
#ifndef REGCRED_ERR_H
#define REGCRED_ERR_H

enum err {
	ERR_NONE,
#define ERR(name, status, code, message, detail) ERR_##name,
#include "base/err.def"
#undef ERR
	ERR__COUNT
};

struct error {
	enum err code;
	const char *field;	/* the field at fault, or NULL; static or in the request's arena */
	const char *detail;	/* a sentence for people: what is wrong and what to do next; never a
				   secret */
	unsigned retry_after_s; /* for ERR_TOO_MANY and ERR_UNAVAILABLE: seconds until a retry makes
				   sense; else 0 */
};

/* Fills *e and returns code.  detail NULL: the sentence of err.def. */
enum err err_set(struct error *e, enum err code, const char *field, const char *detail);

int err_status(enum err code);
/* The code that clients see, such as "Not Found". */
const char *err_code(enum err code);
/* NULL for validation errors. */
const char *err_message(enum err code);
/* The default detail that err_set() uses. */
const char *err_detail(enum err code);

#endif
