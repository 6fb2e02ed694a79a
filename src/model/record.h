/* record: a row in memory: columns, values, ids. */
#ifndef REGCRED_MODEL_RECORD_H
#define REGCRED_MODEL_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/text.h"
#include "model/process.h"
#include "model/schema.h"

const char *column_name(const struct family *family, enum column column);

/* How the column is stored when it is not null. */
enum value_type column_type(const struct family *family, enum column column);

struct value value_null(void);

struct value value_int(int64_t number);

struct value value_text(const char *text);

struct value value_blob(const void *bytes, size_t len);

int64_t record_id(const struct record *record);

const char *record_text(const struct record *record, enum column column); /* NULL if null */

enum state record_state(const struct record *record);

/* External ids: strict prefix, decimal without leading zeros, "1c7". */
bool id_parse(const struct family *family, const char *text, int64_t *id);

char *id_format(struct arena *a, const struct family *family, int64_t id);

size_t id_write(char out[ID_TEXT_SIZE], const struct family *family, int64_t id);

#endif
