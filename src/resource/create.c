/* create: the operation create. */
#include <string.h>

#include "access/permissions.h"
#include "access/rights.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "model/body.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/url.h"
#include "resource/bounds.h"
#include "resource/hold.h"
#include "resource/members.h"
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
may_create_field(const void *context, const struct field *field)
{
	const struct view_of_type *view = context;

	return (auth_field(view->role, view->type, field) & MAY_CREATE) != 0;
}

/* Checks that the account that will own the row is live: its removal may be under way. */
static enum err
check_account(struct store_tx *tx, struct work *w)
{
	bool given = (w->change->given & COL_BIT(COL_ACCOUNT_ID)) != 0;

	if ((w->row->type->family->columns & COL_BIT(COL_ACCOUNT_ID)) == 0)
		return ERR_NONE;
	enum store_rc rc = hold_read_account(tx, w);
	if (rc != STORE_OK && rc != STORE_NONE)
		return work_fail(w, rc);
	if (rc == STORE_NONE || w->account.columns[COL_REMOVED].type != VALUE_NULL)
		return given ? err_set(w->error, ERR_INVALID_REFERENCE, "accountId", NULL)
			     : err_set(w->error, ERR_FORBIDDEN, NULL,
				       "The account that it would belong to was removed: use a key "
				       "of another one.");
	if (!auth_may_name(w->context->id->role, record_text(&w->account, COL_KIND)))
		return err_set(w->error, ERR_INVALID_REFERENCE, "accountId", NULL);
	return ERR_NONE;
}

/* Checks that every other reference is to a live row of that account. */
static enum err
check_references(struct store_tx *tx, const struct work *w)
{
	int64_t account = w->row->columns[COL_ACCOUNT_ID].number;
	const struct owners owner = {.ids = &account, .count = 1};

	for (const struct field *f = w->row->type->fields; f->name != NULL; f++) {
		struct record target;

		if (f->type != FT_REFERENCE || f->column == COL_ACCOUNT_ID ||
		    (w->change->given & COL_BIT(f->column)) == 0 ||
		    w->row->columns[f->column].type == VALUE_NULL)
			continue;
		enum store_rc rc = store_tx_get(tx, w->context->arena, f->reference->family,
						w->row->columns[f->column].number, &owner, &target);
		if (rc != STORE_OK && rc != STORE_NONE)
			return work_fail(w, rc);
		if (rc == STORE_NONE || !record_is_of_type(&target, f->reference) ||
		    target.columns[COL_REMOVED].type != VALUE_NULL)
			return err_set(w->error, ERR_INVALID_REFERENCE, f->name, NULL);
	}
	return ERR_NONE;
}

/* Checks the limits of the account, so that enough is left for others. */
static enum err
check_room(struct store_tx *tx, const struct work *w)
{
	const struct context *c = w->context;
	const struct record *row = w->row;
	const int64_t most = c->limits.rows;
	int64_t owned = 0;

	for (size_t i = 0; i < c->id->membership_count; i++)
		owned += identity_owns(&c->id->memberships[i]) && !c->id->memberships[i].granted;
	if ((row->type->flags & TYPE_PROJECT) != 0 && c->id->account_role == ROLE_USER &&
	    c->limits.projects > 0 && owned >= c->limits.projects)
		return err_set(w->error, ERR_INVALID_OPTION, "name",
			       "You own as many projects as a user may: remove one first, or ask "
			       "an administrator for a larger projects_per_user.");
	if ((row->type->family->columns & COL_BIT(COL_ACCOUNT_ID)) == 0 || most == 0)
		return ERR_NONE;
	enum store_rc rc = store_tx_has_rows(tx, row->type->family, record_text(row, COL_KIND),
					     row->columns[COL_ACCOUNT_ID].number, most);
	if (rc == STORE_OK)
		return err_set(w->error, ERR_INVALID_OPTION, "accountId",
			       "The project has as many rows of this type as it may: remove some "
			       "first, or ask an administrator for a larger rows_per_project.");
	return rc == STORE_NONE ? ERR_NONE : work_fail(w, rc);
}

static enum err
note_create(struct store_tx *tx, const struct work *w, const struct plan *plan)
{
	/* Columns that every row has say nothing about this one. */
	uint64_t silent =
		COL_BIT(COL_ID) | COL_BIT(COL_UUID) | COL_BIT(COL_STATE) | COL_BIT(COL_CREATED);

	if ((w->row->type->flags & TYPE_VERIFIED) != 0)
		silent |= COL_BIT(COL_SECRET_VERSION) | COL_BIT(COL_REFRESH_DUE);
	if (trail_same_text(record_text(w->row, COL_KIND), w->row->type->id))
		silent |= COL_BIT(COL_KIND);
	enum store_rc rc = trail_note_changes(tx, w->context, "create", 201, NULL, w->row,
					      w->row->type->family->columns & ~silent, plan,
					      w->member_changes);

	return rc == STORE_OK ? ERR_NONE : work_fail(w, rc);
}

static enum err
create_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct plan *plan = w->plan;
	struct plan held;

	if (w->repeated) {
		w->row->columns[COL_STATE] = value_text(state_name(plan->shown));
		return bounds_check_login(tx, w, w->row);
	}
	if (check_account(tx, w) != ERR_NONE || check_room(tx, w) != ERR_NONE ||
	    check_references(tx, w) != ERR_NONE || bounds_check_lists(tx, w) != ERR_NONE ||
	    bounds_check_login(tx, w, w->row) != ERR_NONE ||
	    secrets_keep_new_current(tx, w->context, w->row, w->change, w->error) != ERR_NONE ||
	    hold_for_check(tx, w, &plan, &held) != ERR_NONE)
		return w->error->code;
	enum store_rc rc = row_insert(tx, w->row, plan);
	if (rc == STORE_CONSTRAINT)
		return work_conflict(w, tx);
	if (rc != STORE_OK)
		return work_fail(w, rc);
	if (w->members != NULL && members_set(tx, w) != ERR_NONE)
		return w->error->code;
	return note_create(tx, w, plan);
}

/* Sets the key by which logins are found. An address that no image can have is refused: no login
 * would ever be found by it. */
static enum err
read_address(const struct context *c, struct record *row, struct error *e)
{
	const char *address = record_text(row, COL_SERVER_ADDRESS);
	struct registry_url url;

	if (row->type->family != &family_storage_pool || address == NULL)
		return ERR_NONE;
	const char *why = strchr(address, '*') != NULL
				  ? "A pattern is not the address of a registry, and would never "
				    "match one: store a registry for each host."
				  : registry_url_parse(c->arena, address, &url);
	if (why == NULL && *url.path != '\0' && registry_path_check(url.path) != NULL)
		why = "No image can have the path of the address: write it as in image names, in "
		      "lower case, or leave it out.";
	if (arena_failed(c->arena))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (why != NULL)
		return err_set(e, ERR_INVALID_FORMAT, "serverAddress", why);
	row->columns[COL_ADDRESS_KEY] = value_text(url.key);
	return ERR_NONE;
}

/* Builds the row from the body, the caller and the type. */
static void
fill_row(const struct context *c, const struct resource_type *type, const struct change *change,
	 struct record *row)
{
	*row = (struct record){.type = type};
	for (unsigned column = 1; column < COL__COUNT; column++)
		if ((change->given & COL_BIT(column)) != 0)
			row->columns[column] = change->columns[column];
	if ((type->family->columns & COL_BIT(COL_ACCOUNT_ID)) != 0 &&
	    row->columns[COL_ACCOUNT_ID].type == VALUE_NULL)
		row->columns[COL_ACCOUNT_ID] = value_int(c->id->scope_id);
	if (type->kind != NULL)
		row->columns[COL_KIND] = value_text(type->kind);
	else if (row->columns[COL_KIND].type == VALUE_NULL)
		row->columns[COL_KIND] =
			value_text(type->default_kind != NULL ? type->default_kind : type->id);
	row->type = type_of_row(type->family, record_text(row, COL_KIND));
	row_start(c, row);
}

/* Checks values that the field table does not restrict. */
static enum err
check_new(const struct context *c, struct record *row, struct error *e)
{
	const char *uuid = record_text(row, COL_UUID), *access = record_text(row, COL_PUBLIC_VALUE);
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:";

	/* Sealed values are bound to the uuid, so its form is checked. */
	if (uuid != NULL && (*uuid == '\0' || uuid[strspn(uuid, plain)] != '\0'))
		return err_set(e, ERR_INVALID_CHARACTERS, "uuid",
			       "A uuid has letters, digits, - _ . and : only: leave the rest out.");
	/* In HTTP Basic a colon ends the user name. */
	if ((row->type->flags & TYPE_API_KEY) != 0 && access != NULL && strchr(access, ':') != NULL)
		return err_set(e, ERR_INVALID_CHARACTERS, "publicValue",
			       "An access key cannot contain a colon, where HTTP Basic ends it: "
			       "leave it out.");
	if (row->type->family == &family_account &&
	    !auth_may_name(c->id->role, record_text(row, COL_KIND)))
		return err_set(
			e, ERR_INVALID_OPTION, "kind",
			"Only a superadmin creates accounts of this kind: choose another one.");
	return read_address(c, row, e);
}

enum err
resource_create(const struct context *c, const struct resource_type *type, const struct json *body,
		struct record *out, const char **secret, struct error *e)
{
	const struct view_of_type view = {c->id->role, type};
	const struct schema_rules rules = {type,  c->version, SCHEMA_CREATE, NULL, may_create_field,
					   &view, c->arena};
	struct member_list members;
	struct change change;
	struct plan plan;

	*secret = NULL;
	if (auth_may_method(c->id, type, MAY_CREATE, e) != ERR_NONE ||
	    schema_read(&rules, body, &change, e) != ERR_NONE)
		return e->code;
	fill_row(c, type, &change, out);
	if (bounds_may_write(c, out->type, e) != ERR_NONE)
		return e->code;
	if (check_new(c, out, e) != ERR_NONE)
		return e->code;
	if ((out->type->flags & TYPE_API_KEY) != 0) {
		if (bounds_inherit(c, out, e) != ERR_NONE)
			return e->code;
		bounds_make_key(c, out, &change);
	}
	enum store_rc rc = login_find_address(c->store, NULL, c->arena, out);
	if (rc != STORE_OK)
		return store_err(rc, e);
	if (renewal_check(c, NULL, out, &change, &change.given, e) != ERR_NONE ||
	    secrets_protect_new(c, out, &change, e) != ERR_NONE)
		return e->code;
	(void)renewal_follow(c, NULL, out, change.given);
	version_begin(out);
	if (arena_failed(c->arena))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	(void)process_plan("create", ST_REQUESTED, &plan);

	struct work w = {.context = c, .row = out, .error = e, .change = &change, .plan = &plan};
	if ((out->type->flags & TYPE_PROJECT) != 0) {
		if (members_read(c, change.members, &members, e) != ERR_NONE ||
		    members_add_owner(c, &members, e) != ERR_NONE)
			return e->code;
		w.members = &members;
	}
	if (work_run(&w, create_in_transaction) != ERR_NONE)
		return e->code;
	/* A secret is shown once. */
	*secret = w.repeated ? NULL : change.secret;
	return ERR_NONE;
}
