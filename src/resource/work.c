/* work: the transaction of a change, from its body to its answer. */
#include "resource/work.h"

#include "base/err.h"
#include "model/list.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "resource/secrets.h"
#include "store/store.h"

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

enum err
work_answer(const struct context *c, const struct record *row, const char *secret,
	    const struct record_list *members, struct error *e)
{
	if (c->answer.write == NULL)
		return ERR_NONE;
	return c->answer.write(c->answer.arg, row, secret, members, e);
}

static enum err
run_work(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct context *c = w->context;

	*w->error = (struct error){0}; /* it may run twice */
	w->account_read = false;
	if (c->opened != NULL)
		c->opened->count = 0;
	enum err rc = w->run(tx, w);
	if (rc != ERR_NONE ||
	    work_answer(c, w->row, w->secret, w->members_now, w->error) != ERR_NONE ||
	    trail_note_opened(tx, c, w->error) != ERR_NONE)
		return w->error->code;
	if (c->opened != NULL)
		c->opened->count = 0;
	return ERR_NONE;
}

enum err
work_run(struct work *w, store_fn fn)
{
	w->run = fn;
	enum store_rc rc = w->frees ? store_write_freeing(w->context->store, run_work, w)
				    : store_write(w->context->store, run_work, w);

	if (rc == STORE_OK)
		return ERR_NONE;
	return rc == STORE_ABORTED ? w->error->code : store_err(rc, w->error);
}
