/* json_edit: sets and removes members of a JSON text and keeps everything else as written: order,
 * numbers, escapes, blanks and line breaks. A new member is formatted like its neighbours.
 *
 * The text must have passed json_parse() as an object. Results are in the arena; NULL if out of
 * memory.
 */
#ifndef REGCRED_CLIENT_JSON_EDIT_H
#define REGCRED_CLIENT_JSON_EDIT_H

#include "base/arena.h"

/* Sets a member of the object, or of the object that is its member `outer`, to a string; either is
 * created if it does not exist. outer NULL: a member of the object itself. */
const char *json_edit_set(struct arena *a, const char *text, const char *outer, const char *name,
			  const char *value);
const char *json_edit_remove(struct arena *a, const char *text, const char *outer,
			     const char *name);

#endif
