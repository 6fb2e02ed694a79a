/* write: what a transaction does to rows. */
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/engine.h"
#include "store/rows.h"
#include "store/sql.h"
#include "store/store.h"

enum store_rc
store_insert(struct store_tx *tx, struct record *record)
{
	struct sql q;
	int64_t id = 0;

	sql_insert(&q, record, false);
	enum store_rc rc = tx->engine->insert(tx, &q, &id);
	if (rc == STORE_OK)
		record->columns[COL_ID] = value_int(id);
	return rc;
}

enum store_rc
store_insert_as(struct store_tx *tx, const struct record *record)
{
	struct sql q;
	int changed = 0;

	sql_insert(&q, record, true);
	return tx->engine->change(tx, &q, &changed);
}

enum store_rc
store_update(struct store_tx *tx, const struct family *family, int64_t id,
	     const struct value *columns, uint64_t given)
{
	return store_transition(tx, family, id, ST__COUNT, ST__COUNT, columns, given);
}

enum store_rc
store_transition(struct store_tx *tx, const struct family *family, int64_t id, enum state from,
		 enum state to, const struct value *columns, uint64_t given)
{
	struct value values[COL__COUNT] = {0};
	struct sql q;
	int changed = 0;

	if (columns != NULL)
		memcpy(values, columns, sizeof(values));
	if (to != ST__COUNT) {
		values[COL_STATE] = value_text(state_name(to));
		given |= COL_BIT(COL_STATE);
	}
	if ((given & family->columns) == 0)
		return STORE_OK;
	sql_update(&q, family, id, values, given, from);
	enum store_rc rc = tx->engine->change(tx, &q, &changed);
	return rc == STORE_OK && changed != 1 ? STORE_NONE : rc;
}

enum store_rc
store_delete(struct store_tx *tx, const struct family *family, int64_t id)
{
	enum { DELETE_TEXT_MAX = 128 };
	const struct value binds[] = {value_int(id)};
	char text[DELETE_TEXT_MAX];
	int changed = 0;

	(void)snprintf(text, sizeof(text), "DELETE FROM %s WHERE id = ?1", family->table);
	return row_change(tx, text, binds, 1, &changed);
}
