/* ini: the lines of a file of settings, `name = value`. */
#ifndef REGCRED_BASE_INI_H
#define REGCRED_BASE_INI_H

#include <stdbool.h>

/* Takes one line, without the blanks around it; it may change it.  False ends the reading. */
typedef bool (*ini_fn)(void *arg, unsigned number, char *line);

/* Calls take(arg, number, line) for each line of a text that is neither empty nor a comment ("#" or
 * ";"), with its number, from 1.  The text is changed.  False if take was. */
bool ini_each(char *text, ini_fn take, void *arg) __attribute__((warn_unused_result));

/* Cuts a line at its "=", the character that equals points to, into name and value without blanks
 * around them; the value. */
char *ini_split(char *line, char *equals);

#endif
