/* program: runs a program that the settings list, and takes what it prints.
 *
 * The list is "NAME=PATH NAME=STYLE:PATH ...": a client names the program, never its path or an
 * argument.  The style is the protocol that the program speaks, "docker" where none is given.
 *
 * A program is run without a shell, in / and in a session of its own, with nothing open but its
 * three pipes, with no environment but what it is given, without a way to more rights, and to what
 * hide.h hides.  It can leave neither its session nor its process group, so whatever it started
 * ends with it.
 */
#ifndef REGCRED_RENEW_PROGRAM_H
#define REGCRED_RENEW_PROGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"

enum {
	PROGRAM_OUTPUT_MAX = 64 * 1024, /* bytes; a program that prints more is ended */
	PROGRAM_ERRORS_MAX = 4 * 1024,	/* kept of what it writes to stderr; the rest is dropped */
};

enum program_style { PROGRAM_DOCKER, PROGRAM_KUBELET, PROGRAM_KUBECTL, PROGRAM__COUNT };

struct program {
	char name[LIST_ITEM_SIZE];
	char path[LIST_ITEM_SIZE];
	enum program_style style;
};

/* The next program of the list; false at its end.  An item that is none has an empty path. */
bool program_next(const char **list, struct program *out);
/* The program with this name; false if there is none. */
bool program_find(const char *list, const char *name, struct program *out);

/* NULL, or why this program may not be run, for the log: it and all directories above it have to
 * belong to root, and nobody else may change them. */
const char *program_distrust(struct arena *a, const char *path);

enum program_end {
	PROGRAM_EXITED,	 /* with run->status */
	PROGRAM_CRASHED, /* by the signal run->status */
	PROGRAM_LATE,	 /* it ran past the deadline */
	PROGRAM_TALKED,	 /* it printed more than PROGRAM_OUTPUT_MAX */
	PROGRAM_FAILED,	 /* it could not be started; run->status is errno */
};

struct program_run {
	/* Given: */
	struct arena *arena;
	const char *path;
	const char *const *arguments;	/* the first is its own name; ended by NULL */
	const char *const *environment; /* "NAME=value"; ended by NULL */
	const char *input;		/* less than a pipe holds: 16 KiB */
	int64_t deadline_ms;		/* monotonic clock, clock.h */
	/* Returned, in the arena: */
	int status;
	char *output; /* NUL-terminated; may have NULs within */
	size_t len;
	char *errors; /* NUL-terminated */
};

/* Runs the program until it ends, or is ended, with all that it started. */
enum program_end program_run(struct program_run *run);

#endif
