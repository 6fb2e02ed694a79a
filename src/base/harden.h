/* harden: what a process that holds secrets forbids itself. */
#ifndef REGCRED_HARDEN_H
#define REGCRED_HARDEN_H

#include <stdbool.h>

/* A sanitizer looks into its own process as a debugger would: such a build stays open to it. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

/* Gives standard input, output and error, where the caller has closed them, a descriptor that can
 * be neither read nor written to: else the next file that is opened gets the number, and what is
 * printed or logged goes into it.  The first thing that each program does; false if it cannot. */
bool harden_descriptors(void) __attribute__((warn_unused_result));

/* With core_dumps false: no core file, also where the system pipes them to a program, and no
 * debugger of the same user can attach. Children inherit both; becoming another user undoes the
 * second, so it is called after that.  False, with a line in the log, if the system refuses. */
bool harden_dumps(bool core_dumps) __attribute__((warn_unused_result));

#endif
