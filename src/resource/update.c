/* update: the operation update. */

#include "access/permissions.h"
#include "access/rights.h"
#include "base/err.h"
#include "base/json_in.h"
#include "model/body.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/bounds.h"
#include "resource/hold.h"
#include "resource/owners.h"
#include "resource/read.h"
#include "resource/renewal.h"
#include "resource/resource.h"
#include "resource/secrets.h"
#include "resource/state.h"
#include "resource/trail.h"
#include "resource/version.h"
#include "resource/work.h"
#include "store/store.h"

static bool
may_update_field(const void *context, const struct field *field)
{
	const struct view_of_type *view = context;

	return (auth_field(view->role, view->type, field) & MAY_UPDATE) != 0;
}

/* A secret given as null is not changed unless the caller can read it: other callers always see
 * null. A purged row has no secret. */
static enum err
update_secret(struct store_tx *tx, const struct context *c, const struct change *given,
	      struct record *row, uint64_t *columns, struct error *e)
{
	enum state state = record_state(row);

	for (const struct field *f = row->type->fields; f->name != NULL; f++) {
		if ((f->flags & F_SEALED) == 0 || (*columns & COL_BIT(f->column)) == 0)
			continue;
		const char *text = secrets_text(given, f);
		bool opens = (auth_field(c->id->role, row->type, f) & MAY_OPEN) != 0;
		if ((text == NULL && !opens) || state == ST_PURGED || state == ST_PURGING) {
			*columns &= ~COL_BIT(f->column);
			continue;
		}
		row->columns[f->column] = value_null();
		if (secrets_store(tx, c, row, f, text, e) != ERR_NONE)
			return e->code;
	}
	return ERR_NONE;
}

/* Refuses to change an account to a kind that cannot act if that would leave a project without an
 * owner.
 */
static enum err
update_kind(struct store_tx *tx, const struct work *w, const struct record *old,
	    const struct record *row, uint64_t columns)
{
	bool last = false;

	if ((columns & COL_BIT(COL_KIND)) == 0)
		return ERR_NONE;
	const char *kind = record_text(row, COL_KIND);
	if (kind == NULL || type_of_row(row->type->family, kind) != row->type)
		return err_set(w->error, ERR_INVALID_OPTION, "kind",
			       "An account never becomes a project, nor a project an account: "
			       "choose another kind.");
	if (!auth_may_name(w->context->id->role, kind))
		return err_set(w->error, ERR_INVALID_OPTION, "kind",
			       "Only a superadmin gives accounts this kind: choose another one.");
	if ((row->type->flags & TYPE_SELF) == 0 || auth_may_own(kind) ||
	    !auth_may_own(record_text(old, COL_KIND)))
		return ERR_NONE;
	enum store_rc rc = owners_is_last(tx, w->context->arena, record_id(row), &last);
	if (rc != STORE_OK)
		return work_fail(w, rc);
	return last ? err_set(w->error, ERR_INVALID_OPTION, "kind", owners_refuse_last) : ERR_NONE;
}

/* A result applies to the login that was checked. After a change nothing is known, and a running
 * check starts again. */
static uint64_t
forget_result(const struct context *c, const struct record *old, struct record *row,
	      uint64_t columns)
{
	static const enum column results[] = {COL_VERIFY_RESULT, COL_VERIFY_MESSAGE,
					      COL_VERIFY_STATUS, COL_VERIFY_MS,
					      COL_VERIFIED,	 COL_FIRST_BAD};
	uint64_t given = 0;

	if ((row->type->flags & TYPE_VERIFIED) == 0 ||
	    ((columns & COL_BIT(COL_SECRET_VALUE)) == 0 &&
	     trail_same_value(&old->columns[COL_PUBLIC_VALUE], &row->columns[COL_PUBLIC_VALUE])))
		return 0;
	for (size_t i = 0; i < sizeof(results) / sizeof(*results); i++) {
		row->columns[results[i]] = value_null();
		given |= COL_BIT(results[i]);
	}
	if (old->columns[COL_VERIFY_DUE].type == VALUE_NULL)
		return given;
	row->columns[COL_VERIFY_DUE] = value_int(c->now_ms);
	return given | COL_BIT(COL_VERIFY_DUE);
}

/* The columns that update_secret() sets. By the type, because families share the places of columns.
 */
static uint64_t
sealed_columns(const struct resource_type *type)
{
	uint64_t columns = 0;

	for (const struct field *f = type->fields; f->name != NULL; f++)
		if ((f->flags & F_SEALED) != 0)
			columns |= COL_BIT(f->column);
	return columns;
}

/* The housekeeper finds out when a login whose checks repeat at another interval is checked next. A
 * check that somebody waits for goes on. */
static uint64_t
check_anew(struct record *row, uint64_t columns)
{
	if ((row->type->flags & TYPE_VERIFIED) == 0 || (columns & COL_BIT(COL_VERIFY_EVERY)) == 0 ||
	    record_state(row) != ST_ACTIVE || (columns & COL_BIT(COL_VERIFY_DUE)) != 0)
		return 0;
	row->columns[COL_VERIFY_DUE] = value_null();
	return COL_BIT(COL_VERIFY_DUE);
}

/* A login or key with another end is warned of again. */
static uint64_t
warn_anew(const struct record *old, struct record *row, uint64_t columns)
{
	if (row->type->family != &family_credential || (columns & COL_BIT(COL_EXPIRES)) == 0 ||
	    trail_same_value(&old->columns[COL_EXPIRES], &row->columns[COL_EXPIRES]))
		return 0;
	row->columns[COL_WARNED] = value_null();
	return COL_BIT(COL_WARNED);
}

static enum err
update_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct context *c = w->context;
	const struct family *family = w->row->type->family;
	uint64_t columns = w->change->given & family->columns;
	struct record old;

	enum store_rc rc =
		store_tx_get(tx, c->arena, family, record_id(w->row), &c->id->owners, &old);
	if (rc != STORE_OK)
		return rc == STORE_NONE ? resource_not_found(w->error) : work_fail(w, rc);
	rc = login_find_address(c->store, tx, c->arena, &old);
	if (rc != STORE_OK)
		return work_fail(w, rc);
	*w->row = old;
	const uint64_t plain = columns & ~sealed_columns(old.type);
	for (unsigned i = 1; i < COL__COUNT; i++)
		if ((plain & COL_BIT(i)) != 0)
			w->row->columns[i] = w->change->columns[i];
	bool holds;
	if (bounds_hold(c, tx, &old, &holds, w->error) != ERR_NONE)
		return w->error->code;
	if (!holds)
		return resource_not_found(w->error);
	if (owners_still_own(tx, w) != ERR_NONE ||
	    bounds_check_update(w, &old, w->row, columns) != ERR_NONE ||
	    bounds_check_login(tx, w, w->row) != ERR_NONE ||
	    bounds_check_lists(tx, w) != ERR_NONE ||
	    update_kind(tx, w, &old, w->row, columns) != ERR_NONE ||
	    renewal_check(c, &old, w->row, w->change, &columns, w->error) != ERR_NONE ||
	    update_secret(tx, c, w->change, w->row, &columns, w->error) != ERR_NONE)
		return w->error->code;
	columns |= renewal_follow(c, &old, w->row, columns);
	if (version_replace(tx, c, &old, w->row, &columns, w->error) != ERR_NONE)
		return w->error->code;
	uint64_t forgotten = forget_result(c, &old, w->row, columns);
	bool wanted = false;
	if (forgotten != 0 && hold_changed(tx, w, &wanted) != ERR_NONE)
		return w->error->code;
	bool held = record_state(w->row) != record_state(&old);
	columns |= forgotten | (wanted ? HOLD_COLUMNS : 0) | check_anew(w->row, columns) |
		   warn_anew(&old, w->row, columns);
	rc = held ? store_transition(tx, family, record_id(w->row), ST_ACTIVE, ST_UPDATING_ACTIVE,
				     w->row->columns, columns)
		  : store_update(tx, family, record_id(w->row), w->row->columns, columns);
	if (rc == STORE_CONSTRAINT)
		return work_conflict(w, tx);
	if (rc == STORE_OK)
		rc = trail_note_changes(tx, c, "update", 200, &old, w->row,
					columns | (held ? COL_BIT(COL_STATE) : 0), NULL, NULL);
	return rc == STORE_OK ? ERR_NONE : work_fail(w, rc);
}

enum err
resource_update(const struct context *c, const struct resource_type *type, const char *id,
		const struct json *body, struct record *out, struct error *e)
{
	const struct view_of_type view = {c->id->role, type};
	struct schema_rules rules = {type,  c->version, SCHEMA_UPDATE, NULL, may_update_field,
				     &view, c->arena};
	struct change change;
	struct error read_error = {0};
	int64_t row_id;

	if (!id_parse(type->family, id, &row_id))
		return resource_not_found(e);
	if (auth_may_method(c->id, type, MAY_UPDATE, e) != ERR_NONE)
		return e->code;
	enum err found = resource_read(c, type, id, out, &read_error);
	if (found == ERR_NONE)
		rules.stored = out;
	else if (found != ERR_NOT_FOUND)
		return err_set(e, found, NULL, NULL);
	/* A wrong body is reported before a missing row. */
	if (schema_read(&rules, body, &change, e) != ERR_NONE)
		return e->code;
	if (found != ERR_NONE)
		return resource_not_found(e);
	if (bounds_may_write(c, out->type, e) != ERR_NONE)
		return e->code;
	if (!auth_may_manage(c->id, out))
		return err_set(e, ERR_FORBIDDEN, NULL, NULL);
	if (change.given == 0)
		return work_nothing(c, out, e);
	struct work w = {.context = c, .row = out, .change = &change, .error = e};
	return work_run(&w, update_in_transaction);
}
