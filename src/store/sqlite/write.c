/* write: what a transaction does to rows. */
#include <string.h>

#include "base/arena.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "store/sqlite/rows.h"
#include "store/sqlite/sql.h"
#include "store/sqlite/sqlite.h"
#include "store/store.h"

enum store_rc
store_tx_get(struct store_tx *tx, struct arena *a, const struct family *family, int64_t id,
	     const struct owners *owners, struct record *out)
{
	return row_get(tx->connection, a, family, id, owners, out);
}

enum store_rc
store_tx_list(struct store_tx *tx, struct arena *a, const struct list_query *q,
	      struct record_list *out)
{
	return row_list(tx->connection, a, q, out);
}

enum store_rc
store_insert(struct store_tx *tx, struct record *record)
{
	struct sql q;
	int changed = 0;

	sql_insert(&q, record, false);
	enum store_rc rc = row_change(tx, &q, &changed);
	if (rc == STORE_OK)
		record->columns[COL_ID] = value_int(sqlite3_last_insert_rowid(tx->connection->db));
	return rc;
}

enum store_rc
store_insert_as(struct store_tx *tx, const struct record *record)
{
	struct sql q;
	int changed = 0;

	sql_insert(&q, record, true);
	return row_change(tx, &q, &changed);
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
	enum store_rc rc = row_change(tx, &q, &changed);
	return rc == STORE_OK && changed != 1 ? STORE_NONE : rc;
}

enum column
store_conflict(const struct store_tx *tx)
{
	return tx->conflict;
}
