/* terminal: asks the user questions. */
#ifndef REGCRED_CLIENT_TERMINAL_H
#define REGCRED_CLIENT_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Reads one line from the terminal at standard input, without echo if it is secret. A signal that
 * arrives meanwhile takes effect after the terminal has been restored. False if nothing was typed.
 */
bool terminal_ask(const char *question, bool secret, char *out, size_t size)
	__attribute__((warn_unused_result));

#endif
