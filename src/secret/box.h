/* box: seals a text with a key that is itself a text, for programs without a key file. */
#ifndef REGCRED_SECRET_BOX_H
#define REGCRED_SECRET_BOX_H

#include "base/arena.h"

/* The text, encrypted and authenticated, in base64; NULL if out of memory. `purpose` keeps apart
 * what one key is used for. */
const char *box_seal(struct arena *a, const char *key, const char *purpose, const char *text);
/* NULL if it was not sealed by that key for that purpose, was altered, or memory ran out. */
const char *box_open(struct arena *a, const char *key, const char *purpose, const char *sealed);
/* A name in hexadecimal digits that says nothing about the text without the key. */
const char *box_name(struct arena *a, const char *key, const char *text);

#endif
