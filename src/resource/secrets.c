/* secrets: seals, opens and records the secrets of rows. */
#include "resource/secrets.h"

#include <string.h>

#include "access/permissions.h"
#include "access/rights.h"
#include "access/standing.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/log.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/quota.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "store/store.h"

static enum store_rc
get_row(struct store *s, struct store_tx *tx, struct arena *a, const struct family *family,
	int64_t id, struct record *out)
{
	return tx != NULL ? store_tx_get(tx, a, family, id, &owners_all, out)
			  : store_get(s, a, family, id, &owners_all, out);
}

enum store_rc
login_find_address(struct store *s, struct store_tx *tx, struct arena *a, struct record *row)
{
	const struct value *id = &row->columns[COL_REGISTRY_ID];
	struct record registry = {0}, login;
	enum store_rc rc;

	if (row->type->family == &family_secret_version) {
		rc = get_row(s, tx, a, &family_credential, row->columns[COL_CREDENTIAL_ID].number,
			     &login);
		if (rc != STORE_OK)
			return rc == STORE_NONE ? STORE_OK : rc;
		id = &login.columns[COL_REGISTRY_ID];
	} else if (row->type->family != &family_credential) {
		return STORE_OK;
	}
	if (id->type != VALUE_INT)
		return STORE_OK;
	rc = get_row(s, tx, a, &family_storage_pool, id->number, &registry);
	row->columns[COL_SERVER_ADDRESS] =
		rc == STORE_OK ? registry.columns[COL_SERVER_ADDRESS] : value_null();
	return rc == STORE_NONE ? STORE_OK : rc;
}

/* False if out of memory: then nothing is shown. */
static bool
note_opened(const struct context *c, const struct record *row, const char *text)
{
	struct opened *o = c->opened;

	if (o->count == o->room) {
		size_t room = o->room == 0 ? 16 : 2 * o->room;
		struct opened_row *more = arena_array(c->arena, room, sizeof(*more));

		if (more == NULL)
			return false;
		if (o->count > 0)
			memcpy(more, o->rows, o->count * sizeof(*more));
		o->rows = more;
		o->room = room;
	}
	o->rows[o->count++] = (struct opened_row){
		row->type, record_id(row), row->columns[row->type->family->owner].number, text};
	return true;
}

static bool
may_show(const struct identity *id, const struct record *row)
{
	const struct field *field = type_sealed_field(row->type);

	return field != NULL && (auth_field(id->role, row->type, field) & MAY_OPEN) != 0 &&
	       auth_may_open(id, row);
}

static bool
may_hand_out(const struct identity *id, const struct record *row)
{
	return auth_may_reveal(id) && auth_may_hand_out(id, row);
}

static bool
may_inject(const struct identity *id, const struct record *row)
{
	return auth_may_inject(id) && auth_may_hand_out(id, row);
}

bool
login_may_open(const struct context *c, const struct record *row, enum opening why)
{
	static bool (*const may[])(const struct identity *id, const struct record *row) = {
		[OPEN_TO_SHOW] = may_show,
		[OPEN_TO_HAND_OUT] = may_hand_out,
		[OPEN_TO_INJECT] = may_inject,
	};

	return type_sealed_field(row->type) != NULL && (row->type->flags & TYPE_HASHED) == 0 &&
	       (why == OPEN_TO_CHECK || may[why](c->id, row));
}

const char *
login_open(const struct context *c, const struct record *row, enum opening why)
{
	const struct value *sealed = &row->columns[COL_SECRET_VALUE];

	if (sealed->type == VALUE_NULL || !login_may_open(c, row, why))
		return NULL;
	const struct seal_place place = seal_place_of(row);
	const char *text = secret_open(c->ring, c->arena, &place, sealed);
	if (text == NULL && !arena_failed(c->arena))
		log_error("the secret of %s 1%s%lld cannot be opened: it or the address of its "
			  "registry was altered, or it was moved or sealed with another key",
			  row->type->id, row->type->family->prefix, (long long)record_id(row));
	return text;
}

/* A secret that a change has already opened for its answer. */
static const char *
find_opened(const struct opened *o, const struct record *row)
{
	for (size_t i = 0; i < o->recorded; i++)
		if (o->rows[i].type == row->type && o->rows[i].id == record_id(row))
			return o->rows[i].text;
	return NULL;
}

const char *
resource_open(const struct context *c, struct store_tx *tx, const struct record *row)
{
	const char *text = c->opened != NULL ? find_opened(c->opened, row) : NULL;

	if (text != NULL || c->opened == NULL)
		return text;
	if (!may_show(c->id, row))
		return NULL;
	struct record bound = *row;
	if (bound.columns[COL_SERVER_ADDRESS].type == VALUE_NULL)
		c->opened->failed = login_find_address(c->store, tx, c->arena, &bound);
	if (c->opened->failed != STORE_OK)
		return NULL;
	text = login_open(c, &bound, OPEN_TO_SHOW);
	return text != NULL && note_opened(c, row, text) ? text : NULL;
}

struct opened_work {
	const struct context *context;
	struct error *error;
};

enum err
trail_note_opened(struct store_tx *tx, const struct context *c, struct error *e)
{
	enum store_rc rc = c->opened != NULL ? c->opened->failed : STORE_OK;
	int64_t owner_id = 0;

	for (size_t i = c->opened != NULL ? c->opened->recorded : 0;
	     rc == STORE_OK && c->opened != NULL && i < c->opened->count; i++) {
		const struct opened_row *o = &c->opened->rows[i];
		struct record row = {.type = o->type};

		if (o->owner_id != owner_id &&
		    standing_check(tx, c->arena, c->id, o->owner_id, e) != ERR_NONE)
			return e->code;
		owner_id = o->owner_id;
		row.columns[COL_ID] = value_int(o->id);
		row.columns[o->type->family->owner] = value_int(o->owner_id);
		rc = resource_note(tx, c, c->arena, "readSecret", 200, &row, NULL);
	}
	return rc == STORE_OK ? ERR_NONE : store_err(rc, e);
}

static enum err
opened_in_transaction(struct store_tx *tx, void *arg)
{
	const struct opened_work *w = arg;

	return trail_note_opened(tx, w->context, w->error);
}

enum err
resource_record_opened(const struct context *c, struct error *e)
{
	struct opened_work w = {c, e};

	if (c->opened->failed != STORE_OK)
		return store_err(c->opened->failed, e);
	if (quota_take_room(c, (c->opened->count - c->opened->recorded) * QUOTA_ROW_BYTES, e) !=
	    ERR_NONE)
		return e->code;
	/* Secrets stay available as long as there is room for this row. */
	enum store_rc rc = store_write_freeing(c->store, opened_in_transaction, &w);

	if (rc == STORE_OK)
		c->opened->recorded = c->opened->count;
	return rc == STORE_OK ? ERR_NONE : rc == STORE_ABORTED ? e->code : store_err(rc, e);
}

const char *
secrets_text(const struct change *change, const struct field *field)
{
	return field->column == COL_SOURCE_SECRET ? change->source_secret : change->secret;
}

static enum err
secrets_protect(const struct context *c, struct record *row, const struct field *field,
		const char *text, struct error *e)
{
	struct value *out = &row->columns[field->column];
	bool done = true;

	if (text == NULL)
		return ERR_NONE;
	const struct seal_place place = seal_place_in(row, field);
	if ((row->type->flags & TYPE_HASHED) != 0) {
		done = secret_hash(c->ring, c->arena, &place, text, out);
	} else {
		done = secret_seal(c->ring, c->arena, &place, text, out);
	}
	return done ? ERR_NONE : err_set(e, ERR_INTERNAL, NULL, NULL);
}

enum err
secrets_protect_new(const struct context *c, struct record *row, const struct change *change,
		    struct error *e)
{
	for (const struct field *f = row->type->fields; f->name != NULL; f++)
		if ((f->flags & F_SEALED) != 0 &&
		    secrets_protect(c, row, f, secrets_text(change, f), e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}

/* Whether the database knows the key that sealed the value, by its check value: another key may
 * have the same id. */
static enum store_rc
knows_key(struct store_tx *tx, const struct context *c, const struct value *sealed)
{
	int64_t id = secret_key_id(sealed);
	struct value check;
	enum store_rc rc = store_tx_key_check(tx, c->arena, id, "seal", &check);

	return rc == STORE_OK && !keyring_matches(c->ring, id, "seal", &check) ? STORE_NONE : rc;
}

/* See secrets_keep_new_current(). */
static enum err
secrets_keep_current(struct store_tx *tx, const struct context *c, struct record *row,
		     const struct field *field, const char *text, struct error *e)
{
	enum store_rc rc = STORE_NONE;

	if (text == NULL || (row->type->flags & TYPE_HASHED) != 0)
		return ERR_NONE;
	for (int tries = 0; tries < 2 && rc == STORE_NONE; tries++) {
		if (tries > 0) {
			keyring_refresh(c->ring);
			if (secrets_protect(c, row, field, text, e) != ERR_NONE)
				return e->code;
		}
		rc = knows_key(tx, c, &row->columns[field->column]);
	}
	if (rc == STORE_NONE)
		log_error("the database does not know the key that new secrets are sealed with: "
			  "this key file is not the one of its last `regcred rekey`");
	return rc == STORE_OK ? ERR_NONE : store_err(rc, e);
}

enum err
secrets_store(struct store_tx *tx, const struct context *c, struct record *row,
	      const struct field *field, const char *text, struct error *e)
{
	return secrets_protect(c, row, field, text, e) == ERR_NONE
		       ? secrets_keep_current(tx, c, row, field, text, e)
		       : e->code;
}

enum err
secrets_keep_new_current(struct store_tx *tx, const struct context *c, struct record *row,
			 const struct change *change, struct error *e)
{
	for (const struct field *f = row->type->fields; f->name != NULL; f++)
		if ((f->flags & F_SEALED) != 0 &&
		    secrets_keep_current(tx, c, row, f, secrets_text(change, f), e) != ERR_NONE)
			return e->code;
	return ERR_NONE;
}
