/* record: a row in memory: columns, values, ids. */
#include "model/record.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "model/process.h"
#include "model/schema.h"

const char *
column_name(const struct family *family, enum column column)
{
	return family->rows[column].name;
}

enum value_type
column_type(const struct family *family, enum column column)
{
	return family->rows[column].type;
}

struct value
value_null(void)
{
	return (struct value){.type = VALUE_NULL};
}

struct value
value_int(int64_t number)
{
	return (struct value){.type = VALUE_INT, .number = number};
}

struct value
value_text(const char *text)
{
	if (text == NULL)
		return value_null();
	return (struct value){.type = VALUE_TEXT, .text = text, .len = strlen(text)};
}

struct value
value_blob(const void *bytes, size_t len)
{
	return (struct value){.type = VALUE_BLOB, .text = bytes, .len = len};
}

int64_t
record_id(const struct record *record)
{
	return record->columns[COL_ID].number;
}

const char *
record_text(const struct record *record, enum column column)
{
	return record->columns[column].type == VALUE_TEXT ? record->columns[column].text : NULL;
}

enum state
record_state(const struct record *record)
{
	enum state state = ST_PURGED; /* for a corrupt state: no action is possible then */
	const char *name = record_text(record, COL_STATE);

	if (name != NULL && !state_parse(name, &state))
		state = ST_PURGED;
	return state;
}

bool
id_parse(const struct family *family, const char *text, int64_t *id)
{
	size_t prefix = strlen(family->prefix);

	if (text[0] != '1' || strncmp(text + 1, family->prefix, prefix) != 0)
		return false;
	const char *digits = text + 1 + prefix;
	size_t len = strspn(digits, "0123456789");
	if (len == 0 || len > ID_DIGITS_MAX || digits[len] != '\0' || digits[0] == '0')
		return false;
	*id = strtoll(digits, NULL, 10);
	return true;
}

size_t
id_write(char out[ID_TEXT_SIZE], const struct family *family, int64_t id)
{
	char digits[ID_TEXT_SIZE], *d = digits + sizeof(digits);
	char *p = out;

	*p++ = '1';
	p = stpcpy(p, family->prefix);
	*--d = '\0';
	do
		*--d = (char)('0' + id % 10);
	while ((id /= 10) > 0);
	return (size_t)(stpcpy(p, d) - out);
}

char *
id_format(struct arena *a, const struct family *family, int64_t id)
{
	char *out = arena_alloc(a, ID_TEXT_SIZE);

	if (out != NULL)
		(void)id_write(out, family, id);
	return out;
}
