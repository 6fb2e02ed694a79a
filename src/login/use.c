/* use: the last use of a login, and opening it. */
#include "login/use.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "login/format.h"
#include "login/handout.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

enum err
use_open_login(struct hand_out_work *w, struct entry *entry)
{
	const struct context *c = w->context;
	const struct record *row = entry->login->row;
	const char *id = id_format(c->arena, &family_credential, record_id(row));

	entry->user = record_text(row, COL_PUBLIC_VALUE);
	entry->secret = login_open(c, row, OPEN_TO_HAND_OUT);
	if (entry->secret == NULL || id == NULL || entry->key == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (w->format->auth && strchr(entry->user, ':') != NULL)
		return err_set(w->error, ERR_INVALID_FORMAT, "format",
			       arena_printf(c->arena,
					    "The user name of %s contains a colon, which this "
					    "format cannot hold: use another format.",
					    id));
	return ERR_NONE;
}

bool
handout_is_use_due(const struct context *c, const struct record *row)
{
	const struct value *last = &row->columns[COL_LAST_USED];

	return last->type != VALUE_INT || last->number > c->now_ms ||
	       c->now_ms - last->number >= HANDOUT_LAST_USED_MS;
}

enum store_rc
handout_note_use(struct store_tx *tx, const struct context *c, const struct record *row)
{
	struct value columns[COL__COUNT] = {0};

	if (!handout_is_use_due(c, row))
		return STORE_OK;
	columns[COL_LAST_USED] = value_int(c->now_ms - c->now_ms % 1000);
	if (c->id->key_id != 0)
		columns[COL_LAST_USED_BY] = value_int(c->id->key_id);
	return store_update(tx, &family_credential, record_id(row), columns,
			    COL_BIT(COL_LAST_USED) | COL_BIT(COL_LAST_USED_BY));
}
