/* harden: restrictions that a process with secrets puts on itself. */
#ifndef REGCRED_HARDEN_H
#define REGCRED_HARDEN_H

#include <stdbool.h>

/* A sanitizer inspects its own process as a debugger does, so such builds stay dumpable. */
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

/* Opens standard input, output and error, where they are closed, on a descriptor that can be
 * neither read nor written. Otherwise the next file opened would get that number, and output and
 * log lines would end up in it. Each program calls this first; false if it fails. */
bool harden_descriptors(void) __attribute__((warn_unused_result));

/* The status with which a program exits that has printed to standard output: that of a failure,
 * with a sentence, if not all of it could be written. Each program ends with it. */
int harden_output(const char *program, int status) __attribute__((warn_unused_result));

/* With core_dumps false: no core file, even where the system pipes them to a program, and no
 * debugger of the same user can attach. Children inherit both; changing the user undoes the second,
 * so call this afterwards. False, logged, if the system refuses. */
bool harden_dumps(bool core_dumps) __attribute__((warn_unused_result));

#endif
