/* use: opens a chosen login, checks that it is unchanged, notes its use. */
#include "login/use.h"

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "login/handout.h"
#include "model/format.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "resource/trail.h"
#include "resource/version.h"
#include "store/store.h"

const char use_changing[] = "The login is being changed: try again.";
const char use_unopened[] = "has a password that cannot be opened: store it again";

/* Why a file of this format cannot hold the login; NULL: it can. */
static const char *
use_obstacle(const struct format *format, const struct entry *entry)
{
	if (entry->secret == NULL)
		return use_unopened;
	if (*entry->secret == '\0')
		return "has an empty password: store it again";
	if (format->auth && strchr(entry->user, ':') != NULL)
		return "has a colon in its user name, which this format cannot hold: use another "
		       "format";
	if (format->kubernetes && strcmp(entry->user, FORMAT_TOKEN_USER) == 0)
		return "is an identity token, which this format cannot hold: store a user name "
		       "and a password";
	return NULL;
}

/* The former user name and password of the login, instead of the present ones. */
static enum err
open_former(struct hand_out_work *w, struct entry *entry, const char **why)
{
	struct former former;
	enum store_rc rc =
		version_open_former(w->context, entry->login->row, OPEN_TO_HAND_OUT, &former);

	if (rc != STORE_OK)
		return store_err(rc, w->error);
	entry->user = former.user != NULL ? former.user : "";
	entry->secret = former.secret;
	*why = former.sealed.type == VALUE_NULL
		       ? "keeps no former password: ask for the present one"
		       : use_obstacle(w->format, entry);
	return ERR_NONE;
}

enum err
use_open_login(struct hand_out_work *w, struct entry *entry, const char **why)
{
	const struct context *c = w->context;
	struct login *whole = arena_alloc(c->arena, sizeof(*whole));

	*why = NULL;
	entry->user = record_text(entry->login->row, COL_PUBLIC_VALUE);
	if (w->format->names)
		return ERR_NONE;
	if (whole == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	*whole = *entry->login;
	if (use_read(c, whole, w->error) != ERR_NONE) {
		w->stale = w->error->detail == use_changing;
		return w->error->code;
	}
	entry->login = whole;
	if (w->former)
		return open_former(w, entry, why);
	entry->secret = login_open(c, whole->row, OPEN_TO_HAND_OUT);
	*why = use_obstacle(w->format, entry);
	if (arena_failed(c->arena))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	return ERR_NONE;
}

/* The columns by which a login is chosen, and those that are revealed. */
static const enum column use_columns[] = {COL_STATE,	  COL_PUBLIC_VALUE, COL_SECRET_VALUE,
					  COL_EXPIRES,	  COL_PATH_PREFIX,  COL_REGISTRY_ID,
					  COL_ACCOUNT_ID, COL_REMOVED};

/* Of b, a secret, there may be only the beginning. */
static bool
use_same_value(const struct value *a, const struct value *b)
{
	if (a->type != b->type)
		return false;
	if (a->type == VALUE_TEXT)
		return strcmp(a->text, b->text) == 0;
	if (a->type == VALUE_BLOB)
		return (b->len == a->len || (b->len == LIST_SECRET && b->len < a->len)) &&
		       memcmp(a->text, b->text, b->len) == 0;
	return a->type == VALUE_NULL || a->number == b->number;
}

static bool
use_same(const struct record *row, const struct record *chosen)
{
	for (size_t i = 0; i < sizeof(use_columns) / sizeof(*use_columns); i++)
		if (!use_same_value(&row->columns[use_columns[i]],
				    &chosen->columns[use_columns[i]]))
			return false;
	return true;
}

enum err
use_read(const struct context *c, struct login *login, struct error *e)
{
	struct record *row = arena_alloc(c->arena, sizeof(*row));
	enum store_rc rc = STORE_NO_MEMORY;

	if (row != NULL)
		rc = store_get(c->store, c->arena, &family_credential, record_id(login->row),
			       &owners_all, row);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	if (rc == STORE_NONE || !use_same(row, login->row))
		return err_set(e, ERR_UNAVAILABLE, NULL, use_changing);
	/* Of its registry: the secret is bound to it. */
	row->columns[COL_SERVER_ADDRESS] = login->row->columns[COL_SERVER_ADDRESS];
	login->row = row;
	return ERR_NONE;
}

enum store_rc
use_check(struct store_tx *tx, const struct context *c, const struct record *login, bool *same)
{
	struct record row;

	*same = false;
	enum store_rc rc =
		store_tx_get(tx, c->arena, &family_credential, record_id(login), &owners_all, &row);
	if (rc != STORE_OK)
		return rc == STORE_NONE ? STORE_OK : rc;
	if (!use_same(&row, login))
		return STORE_OK;
	rc = store_tx_get(tx, c->arena, &family_storage_pool, row.columns[COL_REGISTRY_ID].number,
			  &owners_all, &row);
	*same = rc == STORE_OK && record_state(&row) == ST_ACTIVE;
	return rc == STORE_NONE ? STORE_OK : rc;
}

static bool
use_is_old(const struct context *c, const struct record *row)
{
	const struct value *last = &row->columns[COL_LAST_USED];

	return last->type != VALUE_INT || last->number > c->now_ms ||
	       c->now_ms - last->number >= HANDOUT_LAST_USED_MS;
}

/* Whether it has a source that is to be asked later than it dies. One that is being asked, or that
 * has failed, has its time already. */
static bool
use_is_dying(const struct context *c, const struct record *row)
{
	enum { DYING_MS = 60 * 1000 };
	const struct value *expires = &row->columns[COL_EXPIRES],
			   *due = &row->columns[COL_REFRESH_DUE];

	return record_text(row, COL_SOURCE) != NULL && expires->type == VALUE_INT &&
	       expires->number - c->now_ms < DYING_MS && due->type == VALUE_INT &&
	       due->number > c->now_ms && row->columns[COL_REFRESH_ATTEMPT].number == 0;
}

bool
handout_is_use_due(const struct context *c, const struct record *row)
{
	return use_is_old(c, row) || use_is_dying(c, row);
}

/* Makes the next renewal due, if it still is later. */
static enum store_rc
use_hasten(struct store_tx *tx, const struct context *c, const struct record *row)
{
	struct value columns[COL__COUNT] = {0};
	struct record now;
	enum store_rc rc =
		store_tx_get(tx, c->arena, &family_credential, record_id(row), &owners_all, &now);

	if (rc != STORE_OK || !use_is_dying(c, &now))
		return rc == STORE_NONE ? STORE_OK : rc;
	columns[COL_REFRESH_DUE] = value_int(c->now_ms);
	return store_update(tx, &family_credential, record_id(row), columns,
			    COL_BIT(COL_REFRESH_DUE));
}

enum store_rc
handout_note_use(struct store_tx *tx, const struct context *c, const struct record *row)
{
	struct value columns[COL__COUNT] = {0};
	enum store_rc rc = use_is_dying(c, row) ? use_hasten(tx, c, row) : STORE_OK;

	if (rc != STORE_OK || !use_is_old(c, row))
		return rc;
	columns[COL_LAST_USED] = value_int(c->now_ms - c->now_ms % 1000);
	if (c->id->key_id != 0)
		columns[COL_LAST_USED_BY] = value_int(c->id->key_id);
	return store_update(tx, &family_credential, record_id(row), columns,
			    COL_BIT(COL_LAST_USED) | COL_BIT(COL_LAST_USED_BY));
}

enum store_rc
use_note_host(struct store_tx *tx, const struct context *c, int64_t registry_id,
	      const char *token_host)
{
	const uint64_t column = COL_BIT(COL_TOKEN_HOST);
	struct record old, row;
	enum store_rc rc =
		store_tx_get(tx, c->arena, &family_storage_pool, registry_id, &owners_all, &old);

	if (rc != STORE_OK || old.columns[COL_TOKEN_HOST].type != VALUE_NULL)
		return rc == STORE_NONE ? STORE_OK : rc;
	row = old;
	row.columns[COL_TOKEN_HOST] = value_text(token_host);
	rc = store_update(tx, &family_storage_pool, registry_id, row.columns, column);
	return rc == STORE_OK
		       ? trail_note_changes(tx, c, "update", 0, &old, &row, column, NULL, NULL)
		       : rc;
}
