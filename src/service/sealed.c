/* sealed: the values that are sealed, and with which key. */
#include "service/sealed.h"

#include "base/arena.h"
#include "resource/resource.h"
#include "secret/seal.h"

enum { COUNT_ARENA = 256 * 1024 };

const struct field *
sealed_field(const struct resource_type *type)
{
	return (type->flags & TYPE_HASHED) == 0 ? type_sealed_field(type) : NULL;
}

bool
sealed_next(size_t *i, const struct family **family, enum column *column)
{
	while (families[*i] != NULL) {
		*family = families[(*i)++];
		for (const struct resource_type *t = types_table; t->id != NULL; t++) {
			const struct field *field = t->family == *family ? sealed_field(t) : NULL;

			if (field != NULL) {
				*column = field->column;
				return true;
			}
		}
	}
	return false;
}

enum store_rc
sealed_count(struct store *s, struct key_rows out[KEY_ROWS_MAX], size_t *count)
{
	struct arena *a = arena_new(COUNT_ARENA);
	enum store_rc rc = a != NULL ? STORE_OK : STORE_NO_MEMORY;
	const struct family *family;
	enum column column;
	size_t i = 0;

	*count = 0;
	while (rc == STORE_OK && sealed_next(&i, &family, &column)) {
		struct prefix_count *prefixes;
		size_t prefix_count;

		rc = store_count_sealed(s, a, family, column, SECRET_PREFIX, &prefixes,
					&prefix_count);
		for (size_t p = 0; rc == STORE_OK && p < prefix_count; p++) {
			int64_t id = secret_key_id(&prefixes[p].prefix);
			size_t at = 0;

			while (at < *count && out[at].id != id)
				at++;
			if (at == KEY_ROWS_MAX)
				continue;
			if (at == *count)
				out[(*count)++] = (struct key_rows){.id = id};
			out[at].rows += prefixes[p].rows;
		}
	}
	if (a != NULL)
		arena_free(a);
	return rc;
}
