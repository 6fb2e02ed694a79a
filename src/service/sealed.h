/* sealed: the values that are sealed, and with which key. */
#ifndef REGCRED_SERVICE_SEALED_H
#define REGCRED_SERVICE_SEALED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/schema.h"
#include "store/store.h"

/* The field of a type whose values in that column are sealed; NULL if there is none, or a hashed
 * one. */
const struct field *sealed_field(const struct resource_type *type, enum column column);
/* The next family and column, from *i on, in which types have a sealed field, each once; false
 * after the last. */
bool sealed_next(size_t *i, const struct family **family, enum column *column);

/* The number of values sealed by each key id; id 0: not a sealed value. */
struct key_rows {
	int64_t id;
	int64_t rows;
};
enum { KEY_ROWS_MAX = 64 };
enum store_rc sealed_count(struct store *s, struct key_rows out[KEY_ROWS_MAX], size_t *count)
	__attribute__((warn_unused_result));

#endif
