/* terminal: questions to the person at it. */
#ifndef REGCRED_CLIENT_TERMINAL_H
#define REGCRED_CLIENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* One line from the terminal at standard input, which does not show it if it is secret.  A signal
 * that comes meanwhile does what it does once the terminal is as it was.  False if nothing was
 * typed. */
bool terminal_ask(const char *question, bool secret, char *out, size_t size)
	__attribute__((warn_unused_result));

#endif
