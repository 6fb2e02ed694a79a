/* read: reads a row, a list, or the target of a link. */
#ifndef REGCRED_RESOURCE_READ_H
#define REGCRED_RESOURCE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/list.h"
#include "model/schema.h"

bool record_is_of_type(const struct record *row, const struct resource_type *type);

enum err resource_not_found(struct error *e);

/* Live rows of a type that refer to a row in a column. */
struct list_query query_naming(const struct resource_type *type, enum column column, int64_t id,
			       const struct owners *owners, size_t limit);

#endif
