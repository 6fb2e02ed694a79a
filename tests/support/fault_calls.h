/* fault_calls: calls of the C library and of libsodium fail when a test wants it: the k-th of a
 * kind from now on, once, with the errno that it says.  For programs that are linked with
 * FAULT_CALLS (Makefile.am), and for one thread.
 */
#ifndef REGCRED_TESTS_FAULT_CALLS_H
#define REGCRED_TESTS_FAULT_CALLS_H

#include <stdbool.h>
#include <sys/stat.h>

enum fault_call {
	CALL_ACCESS,
	CALL_CALLOC,
	CALL_FCHMOD,
	CALL_FCHOWN,
	CALL_FLOCK,
	CALL_FSTAT,
	CALL_FSYNC,
	CALL_MALLOC,
	CALL_OPEN,
	CALL_READ,
	CALL_REALPATH,
	CALL_RENAME,
	CALL_SODIUM_INIT,
	CALL_SODIUM_PAD,
	CALL_STAT,
	CALL_STRDUP,
	CALL_WRITE, /* errno 0: it writes one byte alone */
	CALL__COUNT
};
const char *call_name(enum fault_call call);

/* The k-th call from now on fails (1: the next one). */
void call_fails(enum fault_call call, unsigned k, int error);
/* No call fails any more.  True if one has failed. */
bool calls_go_on(void);

/* What some calls answer in place of the truth. */
extern struct fault_answers {
	bool somebody_else; /* than the process is run by */
	const struct stat *stat;
	const char *realpath;
	void (*before_clock)(void); /* happens once, before the next look at the clock */
} fault_answers;

#endif
