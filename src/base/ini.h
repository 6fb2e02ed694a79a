/* ini: reads the lines of a settings file, `name = value`. */
#ifndef REGCRED_BASE_INI_H
#define REGCRED_BASE_INI_H

#include <stdbool.h>

/* Handles one line, trimmed, which it may modify. False stops the reading. */
typedef bool (*ini_fn)(void *arg, unsigned number, char *line);

/* Calls take(arg, number, line) for each line of a text that is neither empty nor a comment ("#" or
 * ";"), with its number, from 1. Modifies the text. False if take() returned false. */
bool ini_each(char *text, ini_fn take, void *arg) __attribute__((warn_unused_result));

/* Splits a line at `equals`, which points to its "=", into name and value, both trimmed. Returns
 * the value. */
char *ini_split(char *line, char *equals);

#endif
