/* resource: the operations, once for every type. */
#include "resource/resource.h"

#include <stdio.h>
#include <string.h>

#include "base/http.h"
#include "base/json_out.h"
#include "shared/limiter.h"
#include "base/log.h"
#include "base/network.h"
#include "registry/check.h"
#include "registry/url.h"
#include "login/verifier.h"

enum {
	CASCADE_BATCH = 500,
	CASCADE_ARENA = 16 * 1024 * 1024,
	SWEEP_BATCH = 200,
	LOGGED_CHARS = 255,   /* of a text in the audit log */
	LOGGED_MEMBERS = 100, /* of a list of members */
};

static const struct owners everyone = {.all = true};

/* Reading */

static bool
is_of_type(const struct record *row, const struct resource_type *type)
{
	return row->type == type || type_is_child(row->type, type);
}

static enum err
not_found(struct error *e)
{
	return err_set(e, ERR_NOT_FOUND, NULL, NULL);
}

static enum err
store_failed(enum store_rc rc, struct error *e)
{
	return rc == STORE_NONE ? not_found(e) : store_err(rc, e);
}

/* Whose rows of the type the caller sees. */
static struct owners
owners_of(const struct context *c, const struct resource_type *type)
{
	if ((type->flags & TYPE_OWN_ROWS) != 0 && !c->id->all_accounts)
		return (struct owners){.ids = &c->id->scope_id, .count = 1};
	return c->id->owners;
}

enum err
resource_read(const struct context *c, const struct resource_type *type, const char *id,
	      struct record *out, struct error *e)
{
	int64_t row_id;

	if ((auth_type(c->id->role, type) & MAY_READ) == 0 || type->family == NULL ||
	    !id_parse(type->family, id, &row_id))
		return not_found(e);
	const struct owners owners = owners_of(c, type);
	enum store_rc rc = store_get(c->store, c->arena, type->family, row_id, &owners, out);
	if (rc != STORE_OK)
		return store_failed(rc, e);
	return is_of_type(out, type) ? ERR_NONE : not_found(e);
}

bool
resource_field_visible(const void *context, const struct field *field)
{
	const struct view_of_type *view = context;

	return (auth_field(view->role, view->type, field) & MAY_READ) != 0;
}

/* Whose rows a collection shows, where that is not simply whose rows the caller may see. */
static struct owners
owners_of_list(const struct context *c, const struct resource_type *type,
	       const struct list_request *request)
{
	const struct identity *id = c->id;
	bool administers = !id->scoped &&
			   (id->account_role == ROLE_ADMIN || id->account_role == ROLE_READADMIN);

	if ((type->flags & TYPE_SELF) != 0 && !id->all_accounts)
		return (struct owners){.ids = &id->scope_id, .count = 1};
	/* An administrator's own projects, unless it asks for all of them (contract 1.4). */
	if ((type->flags & TYPE_PROJECT) != 0 && administers && !request->all)
		return (struct owners){.ids = id->owners.ids, .count = id->owners.count};
	return owners_of(c, type);
}

/* What a page needs of the rows of a type: neither what its family keeps for other types, nor a
 * secret that the caller may not read. */
static uint64_t
columns_of_list(const struct context *c, const struct resource_type *type, enum column sort)
{
	uint64_t columns = COL_BIT(COL_ID) | COL_BIT(COL_UUID) | COL_BIT(COL_KIND) |
			   COL_BIT(COL_STATE) | COL_BIT(COL_TRANSITION_TEXT) | COL_BIT(sort) |
			   COL_BIT(type->family->owner);

	if (type->kind == NULL) /* the rows of other types are listed as well */
		return type->family->columns;
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if ((f->flags & F_SEALED) == 0 ||
		    (auth_field(c->id->role, type, f) & MAY_OPEN) != 0)
			columns |= COL_BIT(f->column);
	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++)
		if (l->kind == LINK_REFERENCE)
			columns |= COL_BIT(l->column);
	return columns;
}

enum err
resource_list(const struct context *c, const struct resource_type *type,
	      struct list_request *request, struct record_list *out, struct error *e)
{
	request->list.family = type->family;
	request->list.kind = type->kind;
	request->list.columns = columns_of_list(c, type, request->list.sort);
	request->list.owners = owners_of_list(c, type, request);
	request->whole = (type->flags & TYPE_PROJECT) != 0 && !request->paged;
	if (request->whole)
		request->list.limit = LIMIT_MAX;
	enum store_rc rc = store_list(c->store, c->arena, &request->list, out);
	return rc == STORE_OK ? ERR_NONE : store_err(rc, e);
}

enum err
resource_follow(const struct context *c, const struct record *row, const struct link *link,
		struct record *out, struct error *e)
{
	const struct resource_type *target = link->target;
	const struct value *id = &row->columns[link->column];

	if (id->type != VALUE_INT || (auth_type(c->id->role, target) & MAY_READ) == 0)
		return not_found(e);
	enum store_rc rc =
		store_get(c->store, c->arena, target->family, id->number, &c->id->owners, out);
	if (rc != STORE_OK)
		return store_failed(rc, e);
	return is_of_type(out, target) && out->columns[COL_REMOVED].type == VALUE_NULL
		       ? ERR_NONE
		       : not_found(e);
}

/* Live rows of a type that name a row in a column. */
static struct list_query
naming(const struct resource_type *type, enum column column, int64_t id,
       const struct owners *owners, size_t limit)
{
	struct list_query q = {.family = type->family,
			       .kind = type->kind,
			       .owners = *owners,
			       .condition_count = 1,
			       .limit = limit};

	q.conditions[0] = (struct condition){.column = column, .op = OP_EQ, .value = value_int(id)};
	return q;
}

enum err
resource_children(const struct context *c, const struct record *row, const struct link *link,
		  struct list_request *request, struct record_list *out, struct error *e)
{
	struct list_query *q = &request->list;

	if ((auth_type(c->id->role, link->target) & MAY_READ) == 0)
		return not_found(e);
	if (q->condition_count == CONDITIONS_MAX)
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "There are more filters than regcred takes.");
	q->family = link->target->family;
	q->kind = link->target->kind;
	q->owners = c->id->owners;
	q->conditions[q->condition_count++] = (struct condition){
		.column = link->column, .op = OP_EQ, .value = value_int(record_id(row))};
	request->whole = !request->paged;
	if (request->whole)
		q->limit = LIMIT_MAX;
	enum store_rc rc = store_list(c->store, c->arena, q, out);
	return rc == STORE_OK ? ERR_NONE : store_err(rc, e);
}

/* The audit log */

enum store_rc
resource_note(struct store_tx *tx, const struct context *c, struct arena *a, const char *event,
	      int status, const struct record *row, const char *changes)
{
	const struct family *family = row->type->family;
	const struct audit_entry entry = {
		.who = {.account_id = c->id != NULL ? c->id->user_id : 0,
			.key_id = c->id != NULL ? c->id->key_id : 0,
			.proxy_user = c->id != NULL ? c->id->proxy_user : NULL,
			.via = c->id != NULL ? c->id->via : "housekeeper",
			.address = c->client,
			.request_id = c->request_id},
		.event = event,
		.resource_type = row->type->id,
		.resource_id = id_format(a, family, record_id(row)),
		.owner_id = row->columns[family->owner].number,
		.response_code = c->answer.write != NULL ? status : 0,
		.changes = changes,
		.at_ms = c->now_ms,
	};

	return entry.resource_id != NULL ? audit_append(tx, a, c->ring, &entry) : STORE_NO_MEMORY;
}

/* A text, cut where it is long. */
static void
write_text(struct json_out *w, const char *text)
{
	size_t chars = 0, i = 0;

	for (; text[i] != '\0'; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && chars++ == LOGGED_CHARS)
			break;
	json_begin_string(w);
	json_piece(w, arena_copy(w->arena, text, i));
	json_piece(w, text[i] != '\0' ? "\xe2\x80\xa6" : "");
	json_end_string(w);
}

static void
write_value(struct json_out *w, const struct field *field, const struct value *v)
{
	char date[21];

	if (v->type == VALUE_TEXT) {
		write_text(w, v->text);
	} else if (v->type != VALUE_INT) {
		json_null(w);
	} else if (field->type == FT_BOOLEAN) {
		json_bool(w, v->number != 0);
	} else if (field->type == FT_REFERENCE) {
		json_string(w, id_format(w->arena, field->reference->family, v->number));
	} else if (field->type == FT_DATE) {
		date_format(v->number, date);
		json_string(w, date);
	} else {
		json_int(w, v->number);
	}
}

static bool
same_text(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool
same_value(const struct value *a, const struct value *b)
{
	if (a->type != VALUE_TEXT || b->type != VALUE_TEXT)
		return a->type == b->type && a->number == b->number;
	return strcmp(a->text, b->text) == 0;
}

/* The fields of these columns, {"name":{"old":...,"new":...}}: those that differ, or, without an
 * old row, those that are not null.  Of a secret only that it was set. */
static void
write_changes(struct json_out *w, const struct record *old, const struct record *row,
	      uint64_t columns)
{
	for (const struct field *f = row->type->fields; f->name != NULL; f++) {
		const struct value *v = &row->columns[f->column];
		bool secret = (f->flags & F_SEALED) != 0;

		if (f->column == COL_NONE || (columns & COL_BIT(f->column)) == 0)
			continue;
		columns &= ~COL_BIT(f->column); /* a field may stand there once for each version */
		if (old != NULL ? !secret && same_value(&old->columns[f->column], v)
				: v->type == VALUE_NULL)
			continue;
		json_name(w, f->name);
		json_begin_object(w);
		if (secret) {
			json_name(w, "secret");
			json_bool(w, true);
		} else {
			if (old != NULL) {
				json_name(w, "old");
				write_value(w, f, &old->columns[f->column]);
			}
			json_name(w, "new");
			write_value(w, f, v);
		}
		json_end_object(w);
	}
}

static enum store_rc
note_changes(struct store_tx *tx, const struct context *c, const char *event, int status,
	     const struct record *old, const struct record *row, uint64_t columns,
	     const char *members)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, c->arena);
	json_begin_object(&w);
	write_changes(&w, old, row, columns);
	if (members != NULL) {
		json_name(&w, "members");
		json_raw(&w, members, strlen(members));
	}
	json_end_object(&w);
	const char *text = json_out_text(&w, &len);
	return text != NULL ? resource_note(tx, c, c->arena, event, status, row, text)
			    : STORE_NO_MEMORY;
}

static enum store_rc
note_state(struct store_tx *tx, const struct context *c, struct arena *a, const char *event,
	   const struct record *row, const struct plan *plan)
{
	const char *text = arena_printf(a, "{\"state\":{\"old\":\"%s\",\"new\":\"%s\"}}",
					state_name(plan->before), state_name(plan->after));
	int status = strcmp(event, "delete") == 0 ? 200 : 202;

	return text != NULL ? resource_note(tx, c, a, event, status, row, text) : STORE_NO_MEMORY;
}

/* Secrets */

struct seal_place
resource_seal_place(const struct record *row, const struct field *field)
{
	return (struct seal_place){.table = row->type->family->table,
				   .uuid = record_text(row, COL_UUID),
				   .field = field->name,
				   .account_id = row->columns[row->type->family->owner].number};
}

const struct field *
resource_sealed_field(const struct resource_type *type)
{
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if ((f->flags & F_SEALED) != 0)
			return f;
	return NULL;
}

/* False without memory: then nothing is shown. */
static bool
note_opened(const struct context *c, const struct record *row)
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
	o->rows[o->count++] = (struct opened_row){row->type, record_id(row),
						  row->columns[row->type->family->owner].number};
	return true;
}

const char *
resource_open(const struct context *c, const struct record *row, const struct field *field)
{
	const struct value *sealed = &row->columns[field->column];

	if (sealed->type == VALUE_NULL || (row->type->flags & TYPE_HASHED) != 0 ||
	    (auth_field(c->id->role, row->type, field) & MAY_OPEN) == 0 ||
	    !auth_may_open(c->id, row) || c->opened == NULL)
		return NULL;
	const struct seal_place place = resource_seal_place(row, field);
	const char *text = secret_open(c->ring, c->arena, &place, sealed);
	if (text == NULL)
		log_error("the secret of %s %lld cannot be opened: it was altered, moved or sealed "
			  "with another key",
			  row->type->family->table, (long long)record_id(row));
	return text != NULL && note_opened(c, row) ? text : NULL;
}

struct opened_work {
	const struct context *context;
	struct error *error;
};

/* One row for each secret. */
static enum err
note_opened_rows(struct store_tx *tx, const struct context *c, struct error *e)
{
	enum store_rc rc = STORE_OK;

	for (size_t i = 0; rc == STORE_OK && c->opened != NULL && i < c->opened->count; i++) {
		const struct opened_row *o = &c->opened->rows[i];
		struct record row = {.type = o->type};

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

	return note_opened_rows(tx, w->context, w->error);
}

enum err
resource_record_opened(const struct context *c, struct error *e)
{
	struct opened_work w = {c, e};
	/* Whoever needs a secret now gets it while there is room for this row. */
	enum store_rc rc = store_write_freeing(c->store, opened_in_transaction, &w);

	if (rc == STORE_OK)
		c->opened->count = 0;
	return rc == STORE_OK ? ERR_NONE : rc == STORE_ABORTED ? e->code : store_err(rc, e);
}

/* Seals or hashes text into the record's secret column; NULL stays null. */
static enum err
protect(const struct context *c, struct record *row, const char *text, struct error *e)
{
	const struct field *field = resource_sealed_field(row->type);
	struct value *out = &row->columns[COL_SECRET_VALUE];
	bool done = true;

	if (field == NULL || text == NULL)
		return ERR_NONE;
	if ((row->type->flags & TYPE_HASHED) != 0) {
		done = secret_hash(c->ring, c->arena, text, out);
	} else {
		const struct seal_place place = resource_seal_place(row, field);

		done = secret_seal(c->ring, c->arena, &place, text, out);
	}
	return done ? ERR_NONE : err_set(e, ERR_INTERNAL, NULL, NULL);
}

/* In the transaction that stores a fresh secret: a key that `regcred rekey` retired since the
 * sealing must not come back, whatever kept this process.  Seals again with what the file says now.
 */
static enum err
keep_current(struct store_tx *tx, const struct context *c, struct record *row, const char *text,
	     struct error *e)
{
	enum store_rc rc = STORE_NONE;

	if (text == NULL || (row->type->flags & TYPE_HASHED) != 0)
		return ERR_NONE;
	for (int tries = 0; tries < 2 && rc == STORE_NONE; tries++) {
		if (tries > 0) {
			keyring_refresh(c->ring);
			if (protect(c, row, text, e) != ERR_NONE)
				return e->code;
		}
		rc = store_tx_has_key_check(tx, secret_key_id(&row->columns[COL_SECRET_VALUE]),
					    "seal");
	}
	if (rc == STORE_NONE)
		log_error("the database does not know the key that new secrets are sealed with");
	return rc == STORE_OK ? ERR_NONE : store_err(rc, e);
}

/* State changes */

static bool
runs(const struct plan *plan, const char *process)
{
	for (size_t i = 0; i < plan->count; i++)
		if (strcmp(plan->steps[i].process->name, process) == 0)
			return true;
	return false;
}

static enum store_rc
log_steps(struct store_tx *tx, const struct context *c, const struct record *row,
	  const struct plan *plan)
{
	for (size_t i = 0; i < plan->count; i++) {
		const struct log_entry entry = {
			.family = row->type->family,
			.resource_id = record_id(row),
			.step = &plan->steps[i],
			.account_id = c->id != NULL ? c->id->user_id : 0,
			.request_id = c->request_id,
			.at_ms = c->now_ms,
		};
		enum store_rc rc = store_log(tx, &entry);

		if (rc != STORE_OK)
			return rc;
	}
	return STORE_OK;
}

static int64_t
whole_seconds(int64_t ms)
{
	return ms - ms % 1000; /* createdTS is created, to the millisecond (contract 3.1) */
}

static enum store_rc cascade(struct store_tx *tx, const struct context *c,
			     const struct record *row);
static enum store_rc move_row(struct store_tx *tx, const struct context *c, struct arena *a,
			      const char *event, const struct record *row, const struct plan *plan);

/* What a row keeps while its login waits to be checked. */
static const enum column waiting_columns[] = {COL_VERIFY_DUE, COL_VERIFY_ATTEMPT, COL_VERIFY_RULE,
					      COL_TRANSITION_TEXT};

enum { WAITING_COLUMNS = sizeof(waiting_columns) / sizeof(*waiting_columns) };

static void
forget_waiting(struct record *row)
{
	for (size_t i = 0; i < WAITING_COLUMNS; i++)
		row->columns[waiting_columns[i]] = value_null();
}

/* Moves a row along a plan, with what belongs to it.  STORE_NONE: somebody else moved it first. */
static enum store_rc
run_plan(struct store_tx *tx, const struct context *c, const struct record *row,
	 const struct plan *plan)
{
	struct value columns[COL__COUNT] = {0};
	uint64_t given = 0;

	for (size_t i = 0; i < WAITING_COLUMNS; i++) {
		given |= COL_BIT(waiting_columns[i]);
		if (state_is_transitional(plan->after))
			columns[waiting_columns[i]] = row->columns[waiting_columns[i]];
	}
	if (runs(plan, "remove")) {
		columns[COL_REMOVED] = value_int(whole_seconds(c->now_ms));
		columns[COL_REMOVE_TIME] = value_int(whole_seconds(c->now_ms) + c->removed_keep_ms);
		given |= COL_BIT(COL_REMOVED) | COL_BIT(COL_REMOVE_TIME);
	}
	if (runs(plan, "purge"))
		given |= COL_BIT(COL_SECRET_VALUE); /* destroyed: set to null */
	enum store_rc rc =
		store_transition(tx, row->type->family, record_id(row), plan->before, plan->after,
				 columns, given & row->type->family->columns);
	if (rc == STORE_OK)
		rc = log_steps(tx, c, row, plan);
	if (rc == STORE_OK && runs(plan, "purge"))
		rc = cascade(tx, c, row);
	return rc;
}

/* The same, on record. */
static enum store_rc
move_row(struct store_tx *tx, const struct context *c, struct arena *a, const char *event,
	 const struct record *row, const struct plan *plan)
{
	enum store_rc rc = run_plan(tx, c, row, plan);

	return rc == STORE_OK ? note_state(tx, c, a, event, row, plan) : rc;
}

/* Deactivates first where that is needed; false if the row cannot be removed from where it is. */
static bool
plan_removal(enum state state, bool from_active, struct plan *plan)
{
	if (process_plan("remove", state, plan))
		return true;
	return from_active && process_plan("deactivate", state, plan) &&
	       process_plan_append(plan, "remove");
}

static enum store_rc
cascade_one(struct store_tx *tx, const struct context *c, const struct record *row,
	    const struct cascade *to)
{
	const struct resource_type *type = to->type;
	struct list_query q = naming(type, to->column, record_id(row), &everyone, CASCADE_BATCH);
	struct record_list list = {.more = true};
	struct arena *arena = arena_new(
		CASCADE_ARENA); /* of one batch: a registry may have any number of credentials */
	enum store_rc rc = arena != NULL ? STORE_OK : STORE_NO_MEMORY;

	while (rc == STORE_OK && list.more) {
		arena_reset(arena);
		rc = store_tx_list(tx, arena, &q, &list);
		for (size_t i = 0; rc == STORE_OK && i < list.count; i++) {
			struct plan plan;

			if (plan_removal(record_state(&list.items[i]), true, &plan))
				rc = move_row(tx, c, arena, "remove", &list.items[i], &plan);
			q.from = (struct position){.set = true, .id = record_id(&list.items[i])};
		}
	}
	if (arena != NULL)
		arena_free(arena);
	return rc;
}

static enum store_rc
cascade(struct store_tx *tx, const struct context *c, const struct record *row)
{
	enum store_rc rc = STORE_OK;

	for (const struct cascade *to = row->type->cascades;
	     rc == STORE_OK && to != NULL && to->type != NULL; to++)
		rc = cascade_one(tx, c, row, to);
	return rc;
}

/* The argument of the transactions below. */
struct work {
	store_fn run;
	bool frees;
	const struct context *context;
	struct record *row;
	struct change *change;
	const struct plan *plan;
	const char *event; /* for the audit log */
	const char *member_changes;
	const struct json *members;
	bool with_members;
	struct record_list *members_now;
	const char *secret; /* for the answer to a create */
	struct error *error;
	struct record account; /* that the row belongs to: see read_account() */
	bool account_read;
	bool counted; /* its check of a login, also if it runs twice */
};

static enum err
fail(const struct work *w, enum store_rc rc)
{
	return rc == STORE_NONE ? err_set(w->error, ERR_CONFLICT, NULL, NULL)
				: store_err(rc, w->error);
}

static enum err
conflict(const struct work *w, const struct store_tx *tx)
{
	const struct resource_type *type = w->row->type;
	enum column column = store_conflict(tx);

	if (column == COL_UUID)
		return err_set(w->error, ERR_NOT_UNIQUE, "uuid", NULL);
	if (column != COL_NONE && column == type->unique)
		return err_set(w->error, type->unique_error, type->unique_field, NULL);
	return err_set(w->error, ERR_CONFLICT, NULL, NULL);
}

static enum err
answer(const struct context *c, const struct record *row, const char *secret,
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
	if (rc != ERR_NONE || answer(c, w->row, w->secret, w->members_now, w->error) != ERR_NONE ||
	    note_opened_rows(tx, c, w->error) != ERR_NONE)
		return w->error->code;
	if (c->opened != NULL)
		c->opened->count = 0;
	return ERR_NONE;
}

/* Runs a transaction, with the answer to it, and turns its failure into the request's error. */
static enum err
write(struct work *w, store_fn fn)
{
	w->run = fn;
	enum store_rc rc = w->frees ? store_write_freeing(w->context->store, run_work, w)
				    : store_write(w->context->store, run_work, w);

	if (rc == STORE_OK)
		return ERR_NONE;
	return rc == STORE_ABORTED ? w->error->code : store_err(rc, w->error);
}

/* Checks of logins */

/* One more check that the caller asks for.  Counted for the account: a key can make others. */
static enum err
count_check(const struct context *c, struct error *e)
{
	const char *who = arena_printf(c->arena, "1a%lld", (long long)c->id->user_id);

	if (c->checks == NULL)
		return ERR_NONE;
	if (who == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	e->retry_after_s = limiter_take(c->checks, who, c->now_ms / 1000);
	return e->retry_after_s == 0 ? ERR_NONE
				     : err_set(e, ERR_TOO_MANY, NULL,
					       "Too many logins were checked in the last minute.");
}

/* The account that the row belongs to, read once in a transaction. */
static enum store_rc
read_account(struct store_tx *tx, struct work *w)
{
	if (w->account_read)
		return STORE_OK;
	enum store_rc rc =
		store_tx_get(tx, w->context->arena, &family_account,
			     w->row->columns[COL_ACCOUNT_ID].number, &everyone, &w->account);
	w->account_read = rc == STORE_OK;
	return rc;
}

/* What the account of a row asks for before a login becomes active. */
static enum err
read_rule(struct store_tx *tx, struct work *w, const char **out)
{
	enum store_rc rc = read_account(tx, w);

	if (rc != STORE_OK)
		return fail(w, rc);
	*out = record_text(&w->account, COL_VERIFICATION);
	if (*out == NULL)
		*out = "off";
	return ERR_NONE;
}

/* A plan that has to wait until the login is checked is held, and the row says so; *plan stays as
 * it is if there is nothing to wait for. */
static enum err
hold_for_check(struct store_tx *tx, struct work *w, const struct plan **plan, struct plan *held)
{
	enum waiting waits = (*plan)->steps[(*plan)->count - 1].process->waits;
	struct value *columns = w->row->columns;
	const char *rule = "off";

	forget_waiting(w->row);
	if ((w->row->type->flags & TYPE_VERIFIED) == 0 || waits == WAITS_NEVER)
		return ERR_NONE;
	if (read_rule(tx, w, &rule) != ERR_NONE)
		return w->error->code;
	if (waits == WAITS_IF_ASKED && strcmp(rule, "off") == 0)
		return ERR_NONE;
	if (!w->counted && count_check(w->context, w->error) != ERR_NONE)
		return w->error->code;
	w->counted = true;
	*held = **plan;
	process_plan_hold(held);
	*plan = held;
	columns[COL_VERIFY_DUE] = value_int(w->context->now_ms);
	columns[COL_VERIFY_ATTEMPT] = value_int(0);
	columns[COL_VERIFY_RULE] = value_text(rule);
	columns[COL_TRANSITION_TEXT] =
		value_text("The login is being checked against its registry.");
	return ERR_NONE;
}

/* Members of a project */

struct member {
	const char *external_id, *external_id_type, *role;
};

static const char *
option_of(const struct resource_type *type, const char *field_name, const struct json *node,
	  const char *fallback)
{
	const struct field *field = type_field(type, field_name, API_V1);

	if (node == NULL || node->type == JSON_NULL)
		return fallback;
	for (const char *const *option = field->options;
	     node->type == JSON_STRING && *option != NULL; option++)
		if (strcmp(*option, node->text) == 0)
			return *option;
	return NULL;
}

static enum err
read_members(const struct work *w, struct member **out, size_t *count)
{
	const struct resource_type *type = &types_table[T_PROJECT_MEMBER];
	size_t n = 0;

	for (const struct json *node = w->members != NULL ? w->members->child : NULL; node != NULL;
	     node = node->next)
		n++;
	*out = arena_array(w->context->arena, n + 1, sizeof(**out));
	*count = 0;
	if (*out == NULL)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	for (const struct json *node = w->members != NULL ? w->members->child : NULL; node != NULL;
	     node = node->next) {
		const struct json *id = json_member(node, "externalId");
		struct member *m = &(*out)[(*count)++];

		if (id == NULL || id->type != JSON_STRING || *id->text == '\0' ||
		    strlen(id->text) > 255)
			return err_set(w->error, ERR_INVALID_FORMAT, "members",
				       "Each member needs an externalId.");
		m->external_id = id->text;
		m->external_id_type = option_of(type, "externalIdType",
						json_member(node, "externalIdType"), "rancher_id");
		m->role = option_of(type, "role", json_member(node, "role"), "member");
		if (m->external_id_type == NULL || m->role == NULL)
			return err_set(w->error, ERR_INVALID_OPTION, "members", NULL);
	}
	return ERR_NONE;
}

/* A rancher_id must name a live account that is no project. */
static enum err
check_member(struct store_tx *tx, const struct work *w, const struct member *m)
{
	struct record account;
	int64_t id;

	if (strcmp(m->external_id_type, "rancher_id") != 0)
		return ERR_NONE;
	if (!id_parse(&family_account, m->external_id, &id))
		return err_set(w->error, ERR_INVALID_REFERENCE, "members", NULL);
	enum store_rc rc =
		store_tx_get(tx, w->context->arena, &family_account, id, &everyone, &account);
	if (rc != STORE_OK && rc != STORE_NONE)
		return fail(w, rc);
	if (rc == STORE_NONE || (account.type->flags & TYPE_PROJECT) != 0 ||
	    account.columns[COL_REMOVED].type != VALUE_NULL)
		return err_set(w->error, ERR_INVALID_REFERENCE, "members", NULL);
	return ERR_NONE;
}

/* Fills in what every new row has. */
static void
start_row(const struct context *c, struct record *row)
{
	char *uuid = arena_alloc(c->arena, SECRET_UUID_SIZE);

	if (row->columns[COL_UUID].type == VALUE_NULL && uuid != NULL) {
		secret_row_uuid(c->now_ms, uuid);
		row->columns[COL_UUID] = value_text(uuid);
	}
	row->columns[COL_CREATED] = value_int(whole_seconds(c->now_ms));
}

static enum store_rc
insert_with_log(struct store_tx *tx, const struct context *c, struct record *row,
		const struct plan *plan)
{
	row->columns[COL_STATE] = value_text(state_name(plan->after));
	enum store_rc rc = store_insert(tx, row);
	row->columns[COL_STATE] =
		value_text(state_name(plan->shown)); /* from here on for the answer */
	return rc == STORE_OK ? log_steps(tx, c, row, plan) : rc;
}

static enum err
add_member(struct store_tx *tx, const struct work *w, int64_t project, const struct member *m)
{
	struct record row = {.type = &types_table[T_PROJECT_MEMBER]};
	struct plan plan;

	(void)process_plan("create", ST_REQUESTED, &plan);
	start_row(w->context, &row);
	row.columns[COL_KIND] = value_text(row.type->id);
	row.columns[COL_PROJECT_ID] = value_int(project);
	row.columns[COL_EXTERNAL_ID] = value_text(m->external_id);
	row.columns[COL_EXTERNAL_ID_TYPE] = value_text(m->external_id_type);
	row.columns[COL_ROLE] = value_text(m->role);
	enum store_rc rc = insert_with_log(tx, w->context, &row, &plan);
	if (rc == STORE_CONSTRAINT)
		return err_set(w->error, ERR_NOT_UNIQUE, "members", NULL);
	return rc == STORE_OK ? ERR_NONE : fail(w, rc);
}

static bool
same_member(const struct record *row, const struct member *m)
{
	return strcmp(record_text(row, COL_EXTERNAL_ID), m->external_id) == 0 &&
	       strcmp(record_text(row, COL_EXTERNAL_ID_TYPE), m->external_id_type) == 0 &&
	       strcmp(record_text(row, COL_ROLE), m->role) == 0;
}

/* For the audit log: who goes and who comes, each a list that ends where it gets long. */
struct member_changes {
	struct json_out gone, come;
	size_t gone_count, come_count;
};

static void
write_member(struct json_out *w, size_t *count, const char *id, const char *type, const char *role)
{
	if ((*count)++ >= LOGGED_MEMBERS)
		return;
	json_begin_object(w);
	json_name(w, "externalId");
	write_text(w, id);
	json_name(w, "externalIdType");
	json_string(w, type);
	json_name(w, "role");
	json_string(w, role);
	json_end_object(w);
}

static void
begin_members(struct member_changes *m, struct arena *a)
{
	*m = (struct member_changes){0};
	json_out_init(&m->gone, a);
	json_out_init(&m->come, a);
	json_begin_array(&m->gone);
	json_begin_array(&m->come);
}

/* {"old":[...],"new":[...]}, and how many there were if that is more than are told. */
static const char *
end_members(struct member_changes *m, struct arena *a)
{
	size_t len;

	json_end_array(&m->gone);
	json_end_array(&m->come);
	const char *gone = json_out_text(&m->gone, &len), *come = json_out_text(&m->come, &len);
	if (gone == NULL || come == NULL)
		return NULL;
	if (m->gone_count <= LOGGED_MEMBERS && m->come_count <= LOGGED_MEMBERS)
		return arena_printf(a, "{\"old\":%s,\"new\":%s}", gone, come);
	return arena_printf(a, "{\"old\":%s,\"new\":%s,\"oldCount\":%zu,\"newCount\":%zu}", gone,
			    come, m->gone_count, m->come_count);
}

/* Removes the members that are not in the new list and adds those that are new. */
static enum err
set_members(struct store_tx *tx, struct work *w, const struct member *members, size_t count)
{
	struct member_changes changes;

	int64_t project = record_id(w->row);
	struct list_query q = naming(&types_table[T_PROJECT_MEMBER], COL_PROJECT_ID, project,
				     &everyone, LIMIT_MAX);
	struct record_list old;
	bool *kept = arena_array(w->context->arena, count + 1, sizeof(*kept));
	enum store_rc rc =
		kept != NULL ? store_tx_list(tx, w->context->arena, &q, &old) : STORE_NO_MEMORY;

	begin_members(&changes, w->context->arena);
	for (size_t i = 0; rc == STORE_OK && i < old.count; i++) {
		struct plan plan;
		bool stays = false;

		for (size_t j = 0; j < count && !stays; j++)
			if (!kept[j] && same_member(&old.items[i], &members[j]))
				stays = kept[j] = true;
		if (stays)
			continue;
		write_member(&changes.gone, &changes.gone_count,
			     record_text(&old.items[i], COL_EXTERNAL_ID),
			     record_text(&old.items[i], COL_EXTERNAL_ID_TYPE),
			     record_text(&old.items[i], COL_ROLE));
		if (plan_removal(record_state(&old.items[i]), true, &plan))
			rc = run_plan(tx, w->context, &old.items[i], &plan);
	}
	if (rc != STORE_OK)
		return fail(w, rc);
	for (size_t j = 0; j < count; j++) {
		const struct member *m = &members[j];

		if (kept[j])
			continue;
		if (check_member(tx, w, m) != ERR_NONE || add_member(tx, w, project, m) != ERR_NONE)
			return w->error->code;
		write_member(&changes.come, &changes.come_count, m->external_id,
			     m->external_id_type, m->role);
	}
	w->member_changes = end_members(&changes, w->context->arena);
	if (w->member_changes == NULL)
		return fail(w, STORE_NO_MEMORY);
	if (w->members_now == NULL)
		return ERR_NONE;
	rc = store_tx_list(tx, w->context->arena, &q, w->members_now);
	return rc == STORE_OK ? ERR_NONE : fail(w, rc);
}

/* An owner whom regcred can know: of the other kinds of ids nobody signs in here. */
static bool
has_owner(const struct member *members, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(members[i].role, "owner") == 0 &&
		    strcmp(members[i].external_id_type, "rancher_id") == 0)
			return true;
	return false;
}

/* Creating */

static bool
may_create_field(const void *context, const struct field *field)
{
	const struct view_of_type *view = context;

	return (auth_field(view->role, view->type, field) & MAY_CREATE) != 0;
}

static bool
may_update_field(const void *context, const struct field *field)
{
	const struct view_of_type *view = context;

	return (auth_field(view->role, view->type, field) & MAY_UPDATE) != 0;
}

/* The account that the new row will belong to lives, whoever named it: its removal may be under
 * way. */
static enum err
check_account(struct store_tx *tx, struct work *w)
{
	bool given = (w->change->given & COL_BIT(COL_ACCOUNT_ID)) != 0;

	if ((w->row->type->family->columns & COL_BIT(COL_ACCOUNT_ID)) == 0)
		return ERR_NONE;
	enum store_rc rc = read_account(tx, w);
	if (rc != STORE_OK && rc != STORE_NONE)
		return fail(w, rc);
	if (rc == STORE_NONE || w->account.columns[COL_REMOVED].type != VALUE_NULL)
		return given ? err_set(w->error, ERR_INVALID_REFERENCE, "accountId", NULL)
			     : err_set(w->error, ERR_FORBIDDEN, NULL, NULL);
	if (!auth_may_name(w->context->id->role, record_text(&w->account, COL_KIND)))
		return err_set(w->error, ERR_INVALID_REFERENCE, "accountId", NULL);
	return ERR_NONE;
}

/* The registries that a key is given are there for whoever makes or changes it. */
static enum err
check_registry_ids(struct store_tx *tx, const struct work *w)
{
	const char *list = record_text(w->row, COL_REGISTRY_IDS);
	char one[LIST_ITEM_SIZE];
	int64_t id;

	if ((w->change->given & COL_BIT(COL_REGISTRY_IDS)) == 0)
		return ERR_NONE;
	while (list_next(&list, one)) {
		struct record registry;
		enum store_rc rc =
			id_parse(&family_storage_pool, one, &id)
				? store_tx_get(tx, w->context->arena, &family_storage_pool, id,
					       &w->context->id->owners, &registry)
				: STORE_NONE;

		if (rc != STORE_OK && rc != STORE_NONE)
			return fail(w, rc);
		if (rc == STORE_NONE || registry.columns[COL_REMOVED].type != VALUE_NULL)
			return err_set(w->error, ERR_INVALID_REFERENCE, "registryIds", NULL);
	}
	return ERR_NONE;
}

/* Every other reference that was given names a live row of that account. */
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
			return fail(w, rc);
		if (rc == STORE_NONE || !is_of_type(&target, f->reference) ||
		    target.columns[COL_REMOVED].type != VALUE_NULL)
			return err_set(w->error, ERR_INVALID_REFERENCE, f->name, NULL);
	}
	return ERR_NONE;
}

static enum err
note_create(struct store_tx *tx, const struct work *w)
{
	/* What every row has says nothing about this one. */
	uint64_t silent =
		COL_BIT(COL_ID) | COL_BIT(COL_UUID) | COL_BIT(COL_STATE) | COL_BIT(COL_CREATED);

	if (same_text(record_text(w->row, COL_KIND), w->row->type->id))
		silent |= COL_BIT(COL_KIND);
	enum store_rc rc = note_changes(tx, w->context, "create", 201, NULL, w->row,
					w->row->type->family->columns & ~silent, w->member_changes);

	return rc == STORE_OK ? ERR_NONE : fail(w, rc);
}

static enum err
create_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct plan *plan = w->plan;
	struct plan held;
	struct member *members = NULL;
	size_t count = 0;

	if (check_account(tx, w) != ERR_NONE || check_references(tx, w) != ERR_NONE ||
	    check_registry_ids(tx, w) != ERR_NONE ||
	    keep_current(tx, w->context, w->row, w->change->secret, w->error) != ERR_NONE ||
	    hold_for_check(tx, w, &plan, &held) != ERR_NONE)
		return w->error->code;
	enum store_rc rc = insert_with_log(tx, w->context, w->row, plan);
	if (rc == STORE_CONSTRAINT)
		return conflict(w, tx);
	if (rc != STORE_OK)
		return fail(w, rc);
	if (!w->with_members)
		return note_create(tx, w);
	if (read_members(w, &members, &count) != ERR_NONE)
		return w->error->code;
	if (!has_owner(members, count) && w->context->id->role != ROLE_SERVICE &&
	    w->context->id->role != ROLE_SUPERADMIN)
		members[count++] = (struct member){
			id_format(w->context->arena, &family_account, w->context->id->user_id),
			"rancher_id", "owner"};
	return set_members(tx, w, members, count) == ERR_NONE ? note_create(tx, w) : w->error->code;
}

/* Whether each path of inner lies below one of outer; both are lists. */
static bool
paths_within(const char *outer, const char *inner)
{
	char path[LIST_ITEM_SIZE], prefix[LIST_ITEM_SIZE];
	bool within = inner != NULL;

	while (within && list_next(&inner, path)) {
		const char *rest = outer;

		within = false;
		while (!within && list_next(&rest, prefix))
			within = registry_path_holds(prefix, path);
	}
	return within;
}

static bool
ids_within(const char *outer, const char *inner)
{
	char one[LIST_ITEM_SIZE];
	int64_t id;
	bool within = inner != NULL;

	while (within && list_next(&inner, one))
		within = id_parse(&family_storage_pool, one, &id) &&
			 auth_list_has_id(outer, &family_storage_pool, id);
	return within;
}

/* Whether a key's column is as narrow as that of the key that asks. */
static bool
within_bounds(const struct key_bounds *own, const struct record *key, enum column column)
{
	const char *networks = record_text(key, COL_NETWORKS);
	const struct value *expires = &key->columns[COL_EXPIRES];

	switch (column) {
	case COL_ROLE:
		return auth_role_within(own->role, record_text(key, COL_ROLE));
	case COL_NETWORKS:
		return own->networks == NULL ||
		       (networks != NULL && network_list_within(own->networks, networks));
	case COL_EXPIRES:
		return own->expires_ms == 0 ||
		       (expires->type == VALUE_INT && expires->number <= own->expires_ms);
	case COL_REGISTRY_IDS:
		return own->registry_ids == NULL ||
		       ids_within(own->registry_ids, record_text(key, COL_REGISTRY_IDS));
	case COL_PATH_PREFIXES:
		return own->path_prefixes == NULL ||
		       paths_within(own->path_prefixes, record_text(key, COL_PATH_PREFIXES));
	default:
		return true;
	}
}

static const struct {
	enum column column;
	const char *field;
} bounds[] = {{COL_EXPIRES, "expires"},
	      {COL_NETWORKS, "networks"},
	      {COL_ROLE, "role"},
	      {COL_REGISTRY_IDS, "registryIds"},
	      {COL_PATH_PREFIXES, "pathPrefixes"}};

enum { BOUNDS = sizeof(bounds) / sizeof(*bounds) };

static const char wider_than_own[] = "A key can make no key that may do more than itself.";

static const char no_grant[] =
	"Only an owner, or a key that may be handed logins, gives that right.";

/* The right to be handed logins is given on purpose, or with the role that is good for nothing
 * else; it is not inherited. */
static enum err
bound_reveal(const struct context *c, struct record *row, struct error *e)
{
	const char *role = record_text(row, COL_ROLE);
	struct value *reveal = &row->columns[COL_REVEAL];

	if (role != NULL && (strcmp(role, "reveal") == 0 || auth_is_inject_only(role)))
		*reveal = value_int(1);
	if (reveal->number == 0)
		return ERR_NONE;
	if (role != NULL && strcmp(role, "readonly") == 0)
		return err_set(e, ERR_INVALID_OPTION, "reveal",
			       "A readonly key is handed no logins.");
	return auth_may_grant(c->id) ? ERR_NONE
				     : err_set(e, ERR_INVALID_OPTION, "reveal", no_grant);
}

/* A new key takes the bounds of the key that makes it, unless it is given narrower ones. */
static enum err
bound_key(const struct context *c, struct record *row, struct error *e)
{
	const struct key_bounds *own = &c->id->key;
	struct value *expires = &row->columns[COL_EXPIRES];

	if (expires->type == VALUE_INT && expires->number <= c->now_ms)
		return err_set(e, ERR_INVALID_FORMAT, "expires", "It must lie in the future.");
	if (expires->type == VALUE_NULL && own->expires_ms != 0)
		*expires = value_int(own->expires_ms);
	if (row->columns[COL_NETWORKS].type == VALUE_NULL)
		row->columns[COL_NETWORKS] = value_text(own->networks);
	if (row->columns[COL_ROLE].type == VALUE_NULL)
		row->columns[COL_ROLE] = value_text(own->role);
	if (row->columns[COL_REGISTRY_IDS].type == VALUE_NULL)
		row->columns[COL_REGISTRY_IDS] = value_text(own->registry_ids);
	if (row->columns[COL_PATH_PREFIXES].type == VALUE_NULL)
		row->columns[COL_PATH_PREFIXES] = value_text(own->path_prefixes);
	for (size_t i = 0; i < BOUNDS; i++)
		if (!within_bounds(own, row, bounds[i].column))
			return err_set(e, ERR_INVALID_OPTION, bounds[i].field, wider_than_own);
	return bound_reveal(c, row, e);
}

/* Access key and secret of a new API key, where the caller did not, or may not, give its own. */
static void
make_key(const struct context *c, struct record *row, struct change *change)
{
	const char *given = record_text(row, COL_PUBLIC_VALUE);

	if (given == NULL || *given == '\0') {
		char *access = arena_alloc(c->arena, SECRET_ACCESS_KEY_SIZE);

		if (access != NULL)
			secret_access_key(access);
		row->columns[COL_PUBLIC_VALUE] = value_text(access);
	}
	if (change->secret == NULL || *change->secret == '\0') {
		char *secret = arena_alloc(c->arena, SECRET_KEY_SIZE);

		if (secret != NULL)
			secret_key(secret);
		change->secret = secret;
	}
}

/* The row as the body, the caller and the type make it. */
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
	start_row(c, row);
}

/* What a caller that may choose more than others must not choose. */
static enum err
check_new(const struct context *c, const struct record *row, struct error *e)
{
	const char *uuid = record_text(row, COL_UUID), *access = record_text(row, COL_PUBLIC_VALUE);
	static const char plain[] = "0123456789abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ-_.:";

	/* A sealed value is bound to it, part by part. */
	if (uuid != NULL && (*uuid == '\0' || uuid[strspn(uuid, plain)] != '\0'))
		return err_set(e, ERR_INVALID_CHARACTERS, "uuid", NULL);
	/* HTTP Basic ends the user name there. */
	if ((row->type->flags & TYPE_API_KEY) != 0 && access != NULL && strchr(access, ':') != NULL)
		return err_set(e, ERR_INVALID_CHARACTERS, "publicValue", NULL);
	if (row->type->family == &family_account &&
	    !auth_may_name(c->id->role, record_text(row, COL_KIND)))
		return err_set(e, ERR_INVALID_OPTION, "kind", NULL);
	return ERR_NONE;
}

enum err
resource_create(const struct context *c, const struct resource_type *type, const struct json *body,
		struct record *out, const char **secret, struct error *e)
{
	const struct view_of_type view = {c->id->role, type};
	const struct schema_rules rules = {type,  c->version, SCHEMA_CREATE, NULL, may_create_field,
					   &view, c->arena};
	struct change change;
	struct plan plan;

	*secret = NULL;
	if ((auth_type(c->id->role, type) & MAY_CREATE) == 0)
		return err_set(e, ERR_METHOD_NOT_ALLOWED, NULL, NULL);
	if (schema_read(&rules, body, &change, e) != ERR_NONE)
		return e->code;
	fill_row(c, type, &change, out);
	if (check_new(c, out, e) != ERR_NONE)
		return e->code;
	if ((type->flags & TYPE_API_KEY) != 0) {
		if (bound_key(c, out, e) != ERR_NONE)
			return e->code;
		make_key(c, out, &change);
	}
	if (protect(c, out, change.secret, e) != ERR_NONE)
		return e->code;
	if (arena_failed(c->arena))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	(void)process_plan("create", ST_REQUESTED, &plan);

	struct work w = {.context = c,
			 .row = out,
			 .change = &change,
			 .plan = &plan,
			 .members = change.members,
			 .error = e};
	w.with_members = (out->type->flags & TYPE_PROJECT) != 0;
	w.secret = change.secret;
	if (write(&w, create_in_transaction) != ERR_NONE)
		return e->code;
	*secret = change.secret;
	return ERR_NONE;
}

/* Updating */

/* A secret that was given as null is left alone unless the caller can read it: to others it always
 * was null (contract 10.4). A purged row keeps no secret. */
static enum err
update_secret(struct store_tx *tx, const struct context *c, const struct change *given,
	      struct record *row, uint64_t *columns, struct error *e)
{
	const struct field *field = resource_sealed_field(row->type);
	enum state state = record_state(row);

	if (field == NULL || (*columns & COL_BIT(field->column)) == 0)
		return ERR_NONE;
	bool opens = (auth_field(c->id->role, row->type, field) & MAY_OPEN) != 0;
	if ((given->secret == NULL && !opens) || state == ST_PURGED || state == ST_PURGING) {
		*columns &= ~COL_BIT(field->column);
		return ERR_NONE;
	}
	row->columns[field->column] = value_null();
	if (protect(c, row, given->secret, e) != ERR_NONE)
		return e->code;
	return keep_current(tx, c, row, given->secret, e);
}

/* Owners */

/* The account that a row of projectMember makes an owner. */
static bool
owner_of(const struct record *member, int64_t *account)
{
	return strcmp(record_text(member, COL_ROLE), "owner") == 0 &&
	       strcmp(record_text(member, COL_EXTERNAL_ID_TYPE), "rancher_id") == 0 &&
	       id_parse(&family_account, record_text(member, COL_EXTERNAL_ID), account);
}

/* An owner who acts on the project may have been removed since the request began. */
static enum err
still_owns(struct store_tx *tx, const struct work *w)
{
	const struct context *c = w->context;
	struct list_query q = naming(&types_table[T_PROJECT_MEMBER], COL_PROJECT_ID,
				     record_id(w->row), &everyone, LIMIT_MAX);
	struct record_list members;
	bool found = false;
	int64_t id;

	if ((w->row->type->flags & TYPE_PROJECT) == 0 ||
	    !auth_owns_by_row(c->id, record_id(w->row)))
		return ERR_NONE;
	enum store_rc rc = store_tx_list(tx, c->arena, &q, &members);
	for (size_t i = 0; rc == STORE_OK && !found && i < members.count; i++)
		found = owner_of(&members.items[i], &id) && id == c->id->user_id;
	if (rc != STORE_OK)
		return fail(w, rc);
	return found ? ERR_NONE : err_set(w->error, ERR_FORBIDDEN, NULL, NULL);
}

/* Whether a project has an owner who can act: an active account of a kind that
 * may, other than `except` (0: any). */
static enum store_rc
find_owner(struct store_tx *tx, struct arena *a, int64_t project, int64_t except, bool *found)
{
	struct list_query q = naming(&types_table[T_PROJECT_MEMBER], COL_PROJECT_ID, project,
				     &everyone, LIMIT_MAX);
	struct record_list members;
	enum store_rc rc = store_tx_list(tx, a, &q, &members);

	*found = false;
	for (size_t i = 0; rc == STORE_OK && !*found && i < members.count; i++) {
		struct record account;
		int64_t id;

		if (!owner_of(&members.items[i], &id) || id == except)
			continue;
		rc = store_tx_get(tx, a, &family_account, id, &everyone, &account);
		if (rc == STORE_OK)
			*found = record_state(&account) == ST_ACTIVE &&
				 auth_may_own(record_text(&account, COL_KIND));
		else if (rc == STORE_NONE)
			rc = STORE_OK;
	}
	return rc;
}

/* Whether an account is the last owner who can act of a project that is not removed. */
static enum store_rc
is_last_owner(struct store_tx *tx, struct arena *a, int64_t account, bool *last)
{
	struct list_query q =
		naming(&types_table[T_PROJECT_MEMBER], COL_EXTERNAL_ID, 0, &everyone, LIMIT_MAX);
	struct record_list list;
	enum store_rc rc;

	*last = false;
	q.conditions[0].value = value_text(id_format(a, &family_account, account));
	if (q.conditions[0].value.text == NULL)
		return STORE_NO_MEMORY;
	rc = store_tx_list(tx, a, &q, &list);
	for (size_t i = 0; rc == STORE_OK && !*last && i < list.count; i++) {
		const struct record *m = &list.items[i];
		int64_t project_id = m->columns[COL_PROJECT_ID].number;
		struct record project;
		bool other = true;
		int64_t id;

		if (!owner_of(m, &id))
			continue;
		rc = store_tx_get(tx, a, &family_account, project_id, &everyone, &project);
		if (rc == STORE_OK && project.columns[COL_REMOVED].type == VALUE_NULL)
			rc = find_owner(tx, a, project_id, account, &other);
		*last = rc == STORE_OK && !other;
	}
	return rc;
}

static const char last_owner[] = "A project would be left without an active owner.";

/* An account does not become one of a kind that cannot act while a project would be left to nobody.
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
			       "A row cannot become one of another type.");
	if (!auth_may_name(w->context->id->role, kind))
		return err_set(w->error, ERR_INVALID_OPTION, "kind", NULL);
	if ((row->type->flags & TYPE_SELF) == 0 || auth_may_own(kind) ||
	    !auth_may_own(record_text(old, COL_KIND)))
		return ERR_NONE;
	enum store_rc rc = is_last_owner(tx, w->context->arena, record_id(row), &last);
	if (rc != STORE_OK)
		return fail(w, rc);
	return last ? err_set(w->error, ERR_INVALID_OPTION, "kind", last_owner) : ERR_NONE;
}

/* Which logins a key may be handed is made wider only by those who may give the right to it. */
static enum err
update_reveal(const struct work *w, const struct record *old, const struct record *row)
{
	static const enum column columns[] = {COL_REGISTRY_IDS, COL_PATH_PREFIXES};
	const struct key_bounds before = {.registry_ids = record_text(old, COL_REGISTRY_IDS),
					  .path_prefixes = record_text(old, COL_PATH_PREFIXES)};
	bool wider = row->columns[COL_REVEAL].number > old->columns[COL_REVEAL].number;

	for (size_t i = 0; i < sizeof(columns) / sizeof(*columns); i++)
		wider = wider || !within_bounds(&before, row, columns[i]);
	return !wider || auth_may_grant(w->context->id)
		       ? ERR_NONE
		       : err_set(w->error, ERR_INVALID_OPTION, "reveal", no_grant);
}

/* What a PUT changes of a key's bounds may not make it wider than the key that asks, and its role
 * not wider than it was. */
static enum err
update_bounds(const struct work *w, const struct record *old, const struct record *row)
{
	if ((row->type->flags & TYPE_API_KEY) == 0)
		return ERR_NONE;
	if (!auth_role_within(record_text(old, COL_ROLE), record_text(row, COL_ROLE)))
		return err_set(w->error, ERR_INVALID_OPTION, "role",
			       "The role of a key can only be made narrower.");
	for (size_t i = 0; i < BOUNDS; i++) {
		enum column column = bounds[i].column;

		if (!same_value(&old->columns[column], &row->columns[column]) &&
		    !within_bounds(&w->context->id->key, row, column))
			return err_set(w->error, ERR_INVALID_OPTION, bounds[i].field,
				       wider_than_own);
	}
	return update_reveal(w, old, row);
}

/* A result is about the login that was checked.  Of another one nothing is known, and a check that
 * is under way begins again. */
static uint64_t
forget_result(const struct context *c, const struct record *old, struct record *row,
	      uint64_t columns)
{
	static const enum column results[] = {COL_VERIFY_RESULT, COL_VERIFY_MESSAGE,
					      COL_VERIFY_STATUS, COL_VERIFY_MS, COL_VERIFIED};
	uint64_t given = 0;

	if ((row->type->flags & TYPE_VERIFIED) == 0 ||
	    ((columns & COL_BIT(COL_SECRET_VALUE)) == 0 &&
	     same_value(&old->columns[COL_PUBLIC_VALUE], &row->columns[COL_PUBLIC_VALUE])))
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

static enum err
update_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct context *c = w->context;
	const struct family *family = w->row->type->family;
	uint64_t columns = w->change->given & family->columns;
	struct record old;
	struct plan plan;

	enum store_rc rc =
		store_tx_get(tx, c->arena, family, record_id(w->row), &c->id->owners, &old);
	if (rc != STORE_OK)
		return rc == STORE_NONE ? not_found(w->error) : fail(w, rc);
	*w->row = old;
	for (unsigned i = 1; i < COL__COUNT; i++)
		if ((columns & COL_BIT(i)) != 0 && i != COL_SECRET_VALUE)
			w->row->columns[i] = w->change->columns[i];
	if (still_owns(tx, w) != ERR_NONE || update_bounds(w, &old, w->row) != ERR_NONE ||
	    check_registry_ids(tx, w) != ERR_NONE ||
	    update_kind(tx, w, &old, w->row, columns) != ERR_NONE ||
	    update_secret(tx, c, w->change, w->row, &columns, w->error) != ERR_NONE)
		return w->error->code;
	columns |= forget_result(c, &old, w->row, columns);
	rc = store_update(tx, family, record_id(w->row), w->row->columns, columns);
	if (rc == STORE_CONSTRAINT)
		return conflict(w, tx);
	if (rc == STORE_OK && (old.type->flags & TYPE_UPDATE_LOGS) != 0 &&
	    !same_text(record_text(&old, COL_NAME), record_text(w->row, COL_NAME)) &&
	    process_plan("update", record_state(&old), &plan))
		rc = log_steps(tx, c, w->row, &plan);
	if (rc == STORE_OK)
		rc = note_changes(tx, c, "update", 200, &old, w->row, columns, NULL);
	return rc == STORE_OK ? ERR_NONE : fail(w, rc);
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
		return not_found(e);
	if ((auth_type(c->id->role, type) & MAY_UPDATE) == 0)
		return err_set(e, ERR_METHOD_NOT_ALLOWED, NULL, NULL);
	enum err found = resource_read(c, type, id, out, &read_error);
	if (found == ERR_NONE)
		rules.stored = out;
	else if (found != ERR_NOT_FOUND)
		return err_set(e, found, NULL, NULL);
	/* A wrong body is reported before a missing row (contract 7.3). */
	if (schema_read(&rules, body, &change, e) != ERR_NONE)
		return e->code;
	if (found != ERR_NONE)
		return not_found(e);
	if (!auth_may_manage(c->id, out))
		return err_set(e, ERR_FORBIDDEN, NULL, NULL);
	if (change.given == 0)
		return answer(c, out, NULL, NULL, e);
	struct work w = {.context = c, .row = out, .change = &change, .error = e};
	return write(&w, update_in_transaction);
}

/* Deleting and acting */

/* An account is not taken out of use while a project would be left to nobody. */
static enum err
keep_last_owner(struct store_tx *tx, const struct work *w)
{
	bool last = false;

	if ((w->row->type->flags & TYPE_SELF) == 0 ||
	    (!runs(w->plan, "deactivate") && !runs(w->plan, "remove")))
		return ERR_NONE;
	enum store_rc rc = is_last_owner(tx, w->context->arena, record_id(w->row), &last);
	if (rc != STORE_OK)
		return fail(w, rc);
	return last ? err_set(w->error, ERR_ACTION_NOT_AVAILABLE, "action", last_owner) : ERR_NONE;
}

static enum err
move_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	const struct plan *plan = w->plan;
	struct plan held;

	if (still_owns(tx, w) != ERR_NONE || keep_last_owner(tx, w) != ERR_NONE ||
	    hold_for_check(tx, w, &plan, &held) != ERR_NONE)
		return w->error->code;
	enum store_rc rc = move_row(tx, w->context, w->context->arena, w->event, w->row, plan);

	/* Another request was faster: what was asked for is not possible any more. */
	if (rc == STORE_NONE)
		return err_set(w->error, ERR_ACTION_NOT_AVAILABLE, "action", NULL);
	if (rc != STORE_OK)
		return fail(w, rc);
	w->row->columns[COL_STATE] = value_text(state_name(w->plan->shown));
	return ERR_NONE;
}

static enum err
move(const struct context *c, struct record *row, const char *event, const struct plan *plan,
     struct error *e)
{
	struct work w = {.context = c,
			 .row = row,
			 .event = event,
			 .plan = plan,
			 .frees = plan->frees,
			 .error = e};

	return write(&w, move_in_transaction);
}

/* The chain that removes a row by DELETE; the answer to a project's shows it `removing` at once. */
static bool
plan_delete(const struct resource_type *type, enum state state, struct plan *plan)
{
	if (!plan_removal(state, (type->flags & TYPE_PROJECT) != 0, plan))
		return false;
	plan->shown = ST_REMOVING;
	return true;
}

enum err
resource_delete(const struct context *c, const struct resource_type *type, const char *id,
		struct record *out, struct error *e)
{
	struct plan plan;

	if ((auth_type(c->id->role, type) & MAY_DELETE) == 0)
		return err_set(e, ERR_METHOD_NOT_ALLOWED, NULL, NULL);
	if (resource_read(c, type, id, out, e) != ERR_NONE)
		return e->code;
	if (!auth_may_manage(c->id, out))
		return err_set(e, ERR_FORBIDDEN, NULL, NULL);
	enum state state = record_state(out);
	if (state == ST_REMOVING || state == ST_REMOVED)
		return answer(c, out, NULL, NULL, e);
	if (!plan_delete(out->type, record_state(out), &plan))
		return err_set(e, ERR_METHOD_NOT_ALLOWED, NULL, NULL);
	if (move(c, out, "delete", &plan, e) == ERR_ACTION_NOT_AVAILABLE)
		return err_set(e, ERR_CONFLICT, NULL, NULL);
	return e->code;
}

enum { LIVE_STATES = ST_BIT(ST_ACTIVE) | ST_BIT(ST_INACTIVE) };

static bool
plan_action(const struct resource_type *type, enum state state, const char *action,
	    struct plan *plan)
{
	if ((type->flags & TYPE_PROJECT) != 0 && strcmp(action, "delete") == 0)
		return plan_delete(type, state, plan);
	return process_plan(action, state, plan);
}

bool
resource_may_act(const struct identity *id, const struct record *row)
{
	return (auth_type(id->role, row->type) & MAY_ACT) != 0 && auth_may_manage(id, row);
}

bool
resource_has_action(const struct resource_type *type, enum state state, const struct action *action)
{
	struct plan plan;

	if (action->input != NULL)
		return (ST_BIT(state) & LIVE_STATES) != 0;
	return plan_action(type, state, action->name, &plan);
}

bool
resource_offers(const struct identity *id, const struct record *row, const struct action *action)
{
	return resource_may_act(id, row) &&
	       resource_has_action(row->type, record_state(row), action);
}

static enum err
members_in_transaction(struct store_tx *tx, void *arg)
{
	struct work *w = arg;
	struct member *members = NULL;
	size_t count = 0;
	bool found = false;

	enum store_rc rc = store_tx_get(tx, w->context->arena, w->row->type->family,
					record_id(w->row), &everyone, w->row);
	if (rc != STORE_OK)
		return fail(w, rc);
	if ((ST_BIT(record_state(w->row)) & LIVE_STATES) == 0)
		return err_set(w->error, ERR_ACTION_NOT_AVAILABLE, "action", NULL);
	if (still_owns(tx, w) != ERR_NONE || read_members(w, &members, &count) != ERR_NONE)
		return w->error->code;
	if (!has_owner(members, count))
		return err_set(w->error, ERR_INVALID_FORMAT, "members",
			       "A project needs at least one owner.");
	if (set_members(tx, w, members, count) != ERR_NONE)
		return w->error->code;
	/* A member who stays is not looked at again, and may have gone meanwhile. */
	rc = find_owner(tx, w->context->arena, record_id(w->row), 0, &found);
	if (rc == STORE_OK && !found)
		return err_set(w->error, ERR_INVALID_REFERENCE, "members", last_owner);
	if (rc != STORE_OK)
		return fail(w, rc);
	rc = note_changes(tx, w->context, w->event, 202, w->row, w->row, 0, w->member_changes);
	return rc == STORE_OK ? ERR_NONE : fail(w, rc);
}

static enum err
act_with_members(const struct context *c, struct record *row, const char *event,
		 const struct json *body, struct record_list *members, struct error *e)
{
	const struct json *list = json_member(body, "members");

	if (list == NULL)
		return err_set(e, ERR_MISSING_REQUIRED, "members", NULL);
	if (list->type != JSON_ARRAY)
		return err_set(e, ERR_INVALID_FORMAT, "members", "It must be an array.");
	struct work w = {.context = c,
			 .row = row,
			 .event = event,
			 .members = list,
			 .members_now = members,
			 .error = e};
	return write(&w, members_in_transaction);
}

/* A text of a body; *out stays NULL for null. */
static enum err
read_input(const struct resource_type *type, const struct json *body, const char *name,
	   const char **out, struct error *e)
{
	const struct field *field = type_field(type, name, API_V1);
	const struct json *node = json_member(body, name);

	*out = NULL;
	if (node == NULL || node->type == JSON_NULL)
		return (field->flags & F_REQUIRED) == 0
			       ? ERR_NONE
			       : err_set(e, ERR_MISSING_REQUIRED, field->name, NULL);
	if (node->type == JSON_OBJECT || node->type == JSON_ARRAY)
		return err_set(e, ERR_INVALID_FORMAT, field->name,
			       "It must be a single value, not an object or array.");
	if (http_utf8_length(node->text) > field->max_len)
		return err_set(e, ERR_MAX_LENGTH, field->name, NULL);
	*out = node->text;
	return ERR_NONE;
}

/* Tries a login at a registry.  The caller waits for it, so it takes its thread and no other; how
 * many may at a time is the verifier's. */
static enum err
act_by_test(const struct context *c, struct record *row, const char *event, const struct json *body,
	    struct record_list *members, struct error *e)
{
	const struct resource_type *input = &types_table[T_REGISTRY_TEST_INPUT];
	const char *user, *secret;
	struct check_report report;

	(void)event, (void)members;
	if (read_input(input, body, "publicValue", &user, e) != ERR_NONE ||
	    read_input(input, body, "secretValue", &secret, e) != ERR_NONE ||
	    count_check(c, e) != ERR_NONE ||
	    verifier_test(c->verifier, c->arena, record_text(row, COL_SERVER_ADDRESS), user, secret,
			  &report, e) != ERR_NONE)
		return e->code;
	return c->answer.report != NULL ? c->answer.report(c->answer.arg, &report, e) : ERR_NONE;
}

/* Actions that are no process, by what they take. */
static const struct {
	const char *input;
	enum err (*act)(const struct context *c, struct record *row, const char *event,
			const struct json *body, struct record_list *members, struct error *e);
} acts[] = {
	{"registryTestInput", act_by_test},
	{"setProjectMembersInput", act_with_members},
};

enum err
resource_action(const struct context *c, const struct resource_type *type, const char *id,
		const char *name, const struct json *body, struct record *out,
		struct record_list *members, struct error *e)
{
	const struct action *action = type_action(type, name, c->version);
	struct plan plan;

	*members = (struct record_list){0};
	if (action == NULL || id == NULL)
		return err_set(e, ERR_INVALID_ACTION, "action", NULL);
	if (resource_read(c, type, id, out, e) != ERR_NONE)
		return e->code;
	if (!resource_offers(c->id, out, action))
		return err_set(e, ERR_ACTION_NOT_AVAILABLE, "action", NULL);
	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++)
		if (action->input != NULL && strcmp(acts[i].input, action->input) == 0)
			return acts[i].act(c, out, name, body, members, e);
	if (!plan_action(out->type, record_state(out), name, &plan))
		return err_set(e, ERR_ACTION_NOT_AVAILABLE, "action", NULL);
	return move(c, out, name, &plan, e);
}

/* The sweep */

struct sweep_work {
	const struct keyring *ring;
	const struct sweep *sweep;
	const struct family *family;
	struct arena *arena;
	size_t done;
};

static enum err
purge_in_transaction(struct store_tx *tx, void *arg)
{
	struct sweep_work *w = arg;
	const struct context c = {.arena = w->arena,
				  .ring = w->ring,
				  .now_ms = w->sweep->now_ms,
				  .removed_keep_ms = w->sweep->removed_keep_ms,
				  .request_id = "sweep"};
	int64_t ids[SWEEP_BATCH];
	size_t count = 0;
	enum store_rc rc = store_due(tx, w->family, w->sweep->now_ms, ids, SWEEP_BATCH, &count);

	for (size_t i = 0; rc == STORE_OK && i < count; i++) {
		struct record row;
		struct plan plan;

		rc = store_tx_get(tx, w->arena, w->family, ids[i], &everyone, &row);
		if (rc == STORE_OK && process_plan("purge", record_state(&row), &plan))
			rc = move_row(tx, &c, w->arena, "purge", &row, &plan);
	}
	w->done = count;
	return rc == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

static enum err
forget_in_transaction(struct store_tx *tx, void *arg)
{
	struct sweep_work *w = arg;
	const struct sweep *s = w->sweep;

	return store_forget(tx, w->family, s->now_ms - s->purged_keep_ms,
			    s->now_ms - s->log_keep_ms, SWEEP_BATCH, &w->done) == STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

/* Batch after batch, each in a transaction of its own, so that writers are not kept waiting. */
static enum store_rc
sweep_family(struct store *s, const struct keyring *ring, const struct sweep *sweep,
	     const struct family *family, store_fn fn, size_t *done)
{
	struct sweep_work w = {.ring = ring,
			       .sweep = sweep,
			       .family = family,
			       .done = SWEEP_BATCH,
			       .arena = arena_new(16 * 1024 * 1024)};
	enum store_rc rc = w.arena != NULL ? STORE_OK : STORE_NO_MEMORY;

	while (rc == STORE_OK && w.done == SWEEP_BATCH &&
	       (sweep->goes_on == NULL || sweep->goes_on(sweep->arg))) {
		w.done = 0;
		arena_reset(w.arena);
		rc = store_write_freeing(s, fn, &w);
		*done += w.done;
	}
	if (w.arena != NULL)
		arena_free(w.arena);
	return rc;
}

enum store_rc
resource_sweep(struct store *s, const struct keyring *ring, const struct sweep *sweep, size_t *done)
{
	static const struct family *const families[] = {&family_credential, &family_storage_pool,
							&family_project_member, &family_account};
	enum store_rc rc = STORE_OK;

	*done = 0;
	for (size_t i = 0; rc == STORE_OK && i < sizeof(families) / sizeof(*families); i++) {
		rc = sweep_family(s, ring, sweep, families[i], purge_in_transaction, done);
		if (rc == STORE_OK)
			rc = sweep_family(s, ring, sweep, families[i], forget_in_transaction, done);
	}
	return rc;
}
