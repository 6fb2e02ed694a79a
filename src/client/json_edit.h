/* json_edit: members of a JSON text set and removed, while all else in it stays as it is written:
 * order, numbers, escapes, blanks and line breaks.  A new member is written in the manner of its
 * neighbours.
 *
 * The text has passed json_parse() as an object.  What comes back is in the arena; NULL without
 * memory.
 */
#ifndef REGCRED_CLIENT_JSON_EDIT_H
#define REGCRED_CLIENT_JSON_EDIT_H

#include "base/arena.h"

/* Sets a member of the object, or of the object that is its member `outer`, to a string; either is
 * made if it is not there.  outer NULL: of the object itself. */
const char *json_edit_set(struct arena *a, const char *text, const char *outer, const char *name,
			  const char *value);
const char *json_edit_remove(struct arena *a, const char *text, const char *outer,
			     const char *name);

#endif
