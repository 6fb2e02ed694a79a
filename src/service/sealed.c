/* sealed: the values that are sealed, and with which key. */
#include "service/sealed.h"

#include "base/arena.h"
#include "secret/seal.h"

enum { COUNT_ARENA = 256 * 1024 };

const struct field *
sealed_field(const struct resource_type *type, enum column column)
{
	if (type->family == NULL || (type->flags & TYPE_HASHED) != 0)
		return NULL;
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if ((f->flags & F_SEALED) != 0 && f->column == column)
			return f;
	return NULL;
}

static bool
sealed_in(const struct family *family, enum column column)
{
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (t->family == family && sealed_field(t, column) != NULL)
			return true;
	return false;
}

bool
sealed_next(size_t *i, const struct family **family, enum column *column)
{
	for (; families[*i / COL__COUNT] != NULL; (*i)++) {
		*family = families[*i / COL__COUNT];
		*column = (enum column)(*i % COL__COUNT);
		if (sealed_in(*family, *column)) {
			(*i)++;
			return true;
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
	arena_free(a);
	return rc;
}
