/* once: what was done with an Idempotency-Key. */
#include "base/arena.h"
#include "model/record.h"
#include "store/rows.h"
#include "store/store.h"

enum store_rc
store_once_find(struct store_tx *tx, struct arena *a, const struct once *once, int64_t since_ms,
		const char **request, int64_t *row_id)
{
	const struct value binds[] = {value_int(once->account_id), value_text(once->key),
				      value_int(since_ms)};
	struct value found[2];

	enum store_rc result = row_one(tx, a,
				       "SELECT request, row_id FROM once WHERE account_id = ?1 AND "
				       "key = ?2 AND created > ?3",
				       binds, 3, found, 2);
	if (result == STORE_OK) {
		*request = found[0].text;
		*row_id = found[1].number;
	}
	return result;
}

enum store_rc
store_once_note(struct store_tx *tx, const struct once *once, int64_t row_id, int64_t now_ms,
		int64_t forget_before_ms)
{
	const struct value old[] = {value_int(forget_before_ms), value_int(once->account_id),
				    value_text(once->key)};
	const struct value binds[] = {value_int(once->account_id), value_text(once->key),
				      value_text(once->request), value_int(row_id),
				      value_int(now_ms)};
	int changed;
	enum store_rc rc =
		row_change(tx,
			   "DELETE FROM once WHERE created <= ?1 OR (account_id = ?2 AND "
			   "key = ?3)",
			   old, 3, &changed);

	return rc == STORE_OK ? row_change(tx, "INSERT INTO once VALUES (?1, ?2, ?3, ?4, ?5)",
					   binds, 5, &changed)
			      : rc;
}
