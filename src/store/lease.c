/* lease: lets only one process do a job. */
#include "base/arena.h"
#include "model/record.h"
#include "store/rows.h"
#include "store/store.h"

enum store_rc
store_take_lease(struct store_tx *tx, const char *name, const char *holder, int64_t now_ms,
		 int64_t until_ms)
{
	const struct value binds[] = {value_text(name), value_text(holder), value_int(now_ms),
				      value_int(until_ms)};
	int changed = 0;

	enum store_rc rc =
		row_change(tx,
			   "INSERT INTO lease (name, holder, until) VALUES (?1, ?2, ?4) "
			   "ON CONFLICT (name) DO UPDATE SET until = ?4, holder = ?2 "
			   /* A lease that lasts too long was taken when the clock was wrong. */
			   "WHERE lease.holder = ?2 OR lease.until <= ?3 OR "
			   "lease.until > ?4 + (?4 - ?3)",
			   binds, 4, &changed);
	return rc == STORE_OK && changed == 0 ? STORE_NONE : rc;
}

enum store_rc
store_end_lease(struct store_tx *tx, const char *name, const char *holder)
{
	const struct value binds[] = {value_text(name), value_text(holder)};
	int changed = 0;

	return row_change(tx, "DELETE FROM lease WHERE name = ?1 AND holder = ?2", binds, 2,
			  &changed);
}

enum store_rc
store_tx_lease(struct store_tx *tx, struct arena *a, const char *name, struct lease *out)
{
	const struct value binds[] = {value_text(name)};
	struct value row[2];

	enum store_rc rc =
		row_one(tx, a, "SELECT holder, until FROM lease WHERE name = ?1", binds, 1, row, 2);
	if (rc == STORE_OK)
		*out = (struct lease){.holder = row[0].text, .until_ms = row[1].number};
	return rc;
}
