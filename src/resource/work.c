/* work: the transaction of a change, including the memory for its answer.
 *
 * The answer is printed after the commit.  Everything that could fail is done before: the secret
 * that it shows is opened and recorded, and memory is reserved, so that a client never gets an
 * error for a change that was committed.
 */
#include "resource/work.h"

#include <string.h>

#include "access/standing.h"
#include "base/arena.h"
#include "resource/members.h"
#include "resource/precondition.h"
#include "resource/quota.h"
#include "resource/secrets.h"
#include "secret/random.h"

enum {
	ROOM_LEAST = 36 * 1024, /* the document without its texts, its form, and the headers */
	ROOM_OF_ROW = 2 * 1024, /* for each row in a list: keys, links, dates */
	ROOM_OF_BYTE =
		24, /* a byte may become six, appear twice, and be copied as the text grows */
};

void
row_start(const struct context *c, struct record *row)
{
	char *uuid = arena_alloc(c->arena, SECRET_UUID_SIZE);

	if (row->columns[COL_UUID].type == VALUE_NULL && uuid != NULL) {
		secret_row_uuid(c->now_ms, uuid);
		row->columns[COL_UUID] = value_text(uuid);
	}
	row->columns[COL_CREATED] = value_int(c->now_ms - c->now_ms % 1000);
}

static size_t
size_of_values(const struct value *columns)
{
	size_t len = 0;

	for (unsigned i = 0; i < COL__COUNT; i++)
		len += columns[i].type == VALUE_TEXT || columns[i].type == VALUE_BLOB
			       ? columns[i].len
			       : 0;
	return len;
}

/* At most what a change adds to the database: the row, its indexes, what the audit log says of it,
 * and members. */
static size_t
size_of_work(const struct work *w)
{
	size_t size = 2 * QUOTA_ROW_BYTES + 2 * size_of_values(w->row->columns);

	if (w->change != NULL)
		size += 2 * size_of_values(w->change->columns);
	if (w->members != NULL)
		size += w->members->count * QUOTA_ROW_BYTES;
	return size;
}

enum err
work_fail(const struct work *w, enum store_rc rc)
{
	return rc == STORE_NONE ? err_set(w->error, ERR_CONFLICT, NULL, NULL)
				: store_err(rc, w->error);
}

enum err
work_conflict(const struct work *w, const struct store_tx *tx)
{
	const struct resource_type *type = w->row->type;
	enum column column = store_conflict(tx);

	if (column == COL_UUID)
		return err_set(w->error, ERR_NOT_UNIQUE, "uuid", NULL);
	if (column != COL_NONE && column == type->unique)
		return err_set(w->error, type->unique_error, type->unique_field, NULL);
	return err_set(w->error, ERR_CONFLICT, NULL, NULL);
}

static size_t
room_of_texts(const struct record *row)
{
	return ROOM_OF_BYTE * size_of_values(row->columns);
}

static bool
reserve_answer(const struct context *c, const struct record *row, const struct record_list *members)
{
	size_t room = ROOM_LEAST + room_of_texts(row);

	for (size_t i = 0; members != NULL && i < members->count; i++)
		room += ROOM_OF_ROW + room_of_texts(&members->items[i]);
	return arena_reserve(c->arena, room);
}

enum { ONCE_MS = 24 * 60 * 60 * 1000 };

/* If the same request was done before: sets w->repeated, and the row as it is now. */
static enum err
find_once(struct store_tx *tx, struct work *w)
{
	const struct context *c = w->context;
	const char *request = NULL;
	struct record row;
	int64_t id = 0;

	if (c->once == NULL)
		return ERR_NONE;
	enum store_rc rc =
		store_once_find(tx, c->arena, c->once, c->now_ms - ONCE_MS, &request, &id);
	if (rc == STORE_OK && strcmp(request, c->once->request) != 0)
		return err_set(w->error, ERR_NOT_UNIQUE, "Idempotency-Key",
			       "Another request used this Idempotency-Key within the last day: "
			       "choose another one.");
	if (rc == STORE_OK)
		rc = store_tx_get(tx, c->arena, w->row->type->family, id, &c->id->owners, &row);
	if (rc != STORE_OK)
		return rc == STORE_NONE ? ERR_NONE : work_fail(w, rc);
	*w->row = row;
	w->repeated = true;
	return ERR_NONE;
}

static enum err
note_once(struct store_tx *tx, const struct work *w)
{
	const struct context *c = w->context;

	if (c->once == NULL || w->repeated)
		return ERR_NONE;
	enum store_rc rc =
		store_once_note(tx, c->once, record_id(w->row), c->now_ms, c->now_ms - ONCE_MS);
	return rc == STORE_OK ? ERR_NONE : work_fail(w, rc);
}

static enum err
run_work(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct context *c = w->context;
	int64_t owner = w->row->columns[w->row->type->family->owner].number;

	/* What was done before changes nothing, and the row is not as it was then. */
	if (standing_check(tx, c->arena, c->id, owner, w->error) != ERR_NONE ||
	    find_once(tx, w) != ERR_NONE ||
	    (!w->repeated && precondition_check(tx, c, w->row, w->error) != ERR_NONE) ||
	    w->run(tx, w) != ERR_NONE || note_once(tx, w) != ERR_NONE)
		return w->error->code;
	(void)resource_open(c, tx, w->row);
	if (trail_note_opened(tx, c, w->error) != ERR_NONE)
		return w->error->code;
	if (c->opened != NULL)
		c->opened->recorded = c->opened->count;
	return reserve_answer(c, w->row, w->members_now)
		       ? ERR_NONE
		       : err_set(w->error, ERR_INTERNAL, NULL, NULL);
}

static enum err
leave_alone(struct store_tx *tx, void *arg)
{
	(void)tx, (void)arg;
	return ERR_NONE;
}

enum err
work_nothing(const struct context *c, struct record *row, struct error *e)
{
	struct work w = {.context = c, .row = row, .error = e};

	return c->precondition != NULL ? work_run(&w, leave_alone) : ERR_NONE;
}

enum err
work_run(struct work *w, store_fn fn)
{
	if (!w->frees && (quota_count(w->context, &w->context->limits.writes, quota_too_many,
				      w->error) != ERR_NONE ||
			  quota_take_room(w->context, size_of_work(w), w->error) != ERR_NONE))
		return w->error->code;
	w->run = fn;
	enum store_rc rc = w->frees ? store_write_freeing(w->context->store, run_work, w)
				    : store_write(w->context->store, run_work, w);

	if (rc == STORE_OK)
		return ERR_NONE;
	return rc == STORE_ABORTED ? w->error->code : store_err(rc, w->error);
}
