/* read: reads a row, a list, or the target of a link. */
#include "resource/read.h"

#include "access/identity.h"
#include "access/permissions.h"
#include "access/power.h"
#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/bounds.h"
#include "resource/quota.h"
#include "resource/resource.h"
#include "store/store.h"

bool
record_is_of_type(const struct record *row, const struct resource_type *type)
{
	return row->type == type || type_is_child(row->type, type);
}

enum err
resource_not_found(struct error *e)
{
	return err_set(e, ERR_NOT_FOUND, NULL, NULL);
}

static enum err
store_failed(enum store_rc rc, struct error *e)
{
	return rc == STORE_NONE ? resource_not_found(e) : store_err(rc, e);
}

/* The accounts whose rows of the type the caller sees. */
static struct owners
owners_of(const struct context *c, const struct resource_type *type)
{
	/* The log tells of every login: a key for some logins sees none of it. */
	if (type->family == &family_audit_log && power_is_for_logins(&c->id->key))
		return (struct owners){.count = 0};
	if ((type->flags & TYPE_OWN_ROWS) != 0 && !c->id->all_accounts)
		return (struct owners){.ids = &c->id->scope_id, .count = 1};
	return c->id->owners;
}

/* A key for some logins sees no others. */
static enum err
within_bounds(const struct context *c, const struct record *row, struct error *e)
{
	bool holds;

	if (bounds_hold(c, NULL, row, &holds, e) != ERR_NONE)
		return e->code;
	return holds ? ERR_NONE : resource_not_found(e);
}

enum err
resource_read(const struct context *c, const struct resource_type *type, const char *id,
	      struct record *out, struct error *e)
{
	int64_t row_id;

	if ((auth_type(c->id->role, type) & MAY_READ) == 0 || type->family == NULL ||
	    !id_parse(type->family, id, &row_id))
		return resource_not_found(e);
	const struct owners owners = owners_of(c, type);
	enum store_rc rc = store_get(c->store, c->arena, type->family, row_id, &owners, out);
	if (rc != STORE_OK)
		return store_failed(rc, e);
	return record_is_of_type(out, type) ? within_bounds(c, out, e) : resource_not_found(e);
}

bool
resource_field_visible(const void *context, const struct field *field)
{
	const struct view_of_type *view = context;

	return (auth_field(view->role, view->type, field) & MAY_READ) != 0;
}

/* The accounts whose rows a collection shows, if not all that the caller may see. */
static struct owners
owners_of_list(const struct context *c, const struct resource_type *type,
	       const struct list_request *request)
{
	const struct identity *id = c->id;
	bool administers = !id->scoped &&
			   (id->account_role == ROLE_ADMIN || id->account_role == ROLE_READADMIN);

	if ((type->flags & TYPE_SELF) != 0 && !id->all_accounts)
		return (struct owners){.ids = &id->scope_id, .count = 1};
	/* An administrator's own projects, unless all are requested. */
	if ((type->flags & TYPE_PROJECT) != 0 && administers && !request->all)
		return (struct owners){.ids = id->owners.ids, .count = id->owners.count};
	return owners_of(c, type);
}

/* The columns that a page needs: without those that the family keeps for other types, and without
 * secrets that the caller may not read. */
static uint64_t
columns_of_list(const struct context *c, const struct resource_type *type, enum column sort)
{
	uint64_t columns = COL_BIT(COL_ID) | COL_BIT(COL_UUID) | COL_BIT(COL_KIND) |
			   COL_BIT(COL_STATE) | COL_BIT(COL_TRANSITION_TEXT) | COL_BIT(sort) |
			   COL_BIT(type->family->owner);
	if (type->family == &family_credential) /* what transitioningMessage says */
		columns |= COL_BIT(COL_WARNED) | COL_BIT(COL_EXPIRES);

	if (type->kind == NULL) /* rows of other types are listed as well */
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

enum { SCAN_PAGE = 500, SCAN_ARENA = 32 * 1024 * 1024 };

/* A list by a key for some logins: most rows may be none that it shows, so they are looked at in
 * memory of their own, and only with what tells whether the key covers them. */
struct scan {
	const struct context *context;
	const struct list_request *request;
	struct context looking; /* the same, with the memory of one page */
	struct list_query query;
	struct record_list page, *out;
	struct error *error;
};

static struct list_query
scan_query(const struct list_request *r)
{
	struct list_query q = r->list;

	q.limit = SCAN_PAGE;
	if (q.family == &family_credential)
		q.columns = COL_BIT(COL_ID) | COL_BIT(COL_KIND) | COL_BIT(COL_STATE) |
			    COL_BIT(COL_ACCOUNT_ID) | COL_BIT(COL_REGISTRY_ID) |
			    COL_BIT(COL_PATH_PREFIX) | COL_BIT(r->list.sort);
	return q;
}

/* Reads a row whole; it may have changed meanwhile. */
static enum err
scan_take(struct scan *s, int64_t id)
{
	const struct context *c = s->context;
	const struct list_query *all = &s->request->list;
	struct list_query q = {.family = all->family,
			       .kind = all->kind,
			       .owners = all->owners,
			       .columns = all->columns,
			       .with_removed = true,
			       .conditions = {{.column = COL_ID, .value = value_int(id)}},
			       .condition_count = 1,
			       .limit = 1};
	struct record_list found;
	bool holds = false;
	enum store_rc rc = store_list(c->store, c->arena, &q, &found);

	if (rc != STORE_OK)
		return store_err(rc, s->error);
	if (found.count > 0 &&
	    bounds_hold(&s->looking, NULL, &found.items[0], &holds, s->error) != ERR_NONE)
		return s->error->code;
	if (holds)
		s->out->items[all->from.backwards ? all->limit - ++s->out->count
						  : s->out->count++] = found.items[0];
	return ERR_NONE;
}

/* Takes the rows that the key covers: as many as fit, from the side where the page begins. */
static enum err
scan_page(struct scan *s)
{
	bool backwards = s->request->list.from.backwards;

	for (size_t n = 0; n < s->page.count && !s->out->more; n++) {
		const struct record *row = &s->page.items[backwards ? s->page.count - 1 - n : n];
		bool holds;

		if (bounds_hold(&s->looking, NULL, row, &holds, s->error) != ERR_NONE)
			return s->error->code;
		if (holds && s->out->count == s->request->list.limit)
			s->out->more = true;
		else if (holds && scan_take(s, record_id(row)) != ERR_NONE)
			return s->error->code;
	}
	return ERR_NONE;
}

/* Where the next page begins, in memory that stays. */
static void
scan_continue(struct scan *s)
{
	struct position *from = &s->query.from;
	const struct record *row = &s->page.items[from->backwards ? 0 : s->page.count - 1];

	query_continue(s->context->arena, s->request, row, from);
	if (from->value.type == VALUE_TEXT)
		from->value = value_text(arena_strdup(s->context->arena, from->value.text));
}

static enum err
scan_run(struct scan *s)
{
	s->page.more = true;
	while (s->page.more && !s->out->more) {
		arena_reset(s->looking.arena);
		enum store_rc rc =
			store_list(s->context->store, s->looking.arena, &s->query, &s->page);
		if (rc != STORE_OK)
			return store_err(rc, s->error);
		if (scan_page(s) != ERR_NONE)
			return s->error->code;
		if (s->page.count > 0)
			scan_continue(s);
	}
	return ERR_NONE;
}

static enum err
list_within(const struct context *c, const struct list_request *request, struct record_list *out,
	    struct error *e)
{
	size_t limit = request->list.limit;
	struct scan s = {.context = c,
			 .request = request,
			 .looking = *c,
			 .query = scan_query(request),
			 .out = out,
			 .error = e};

	*out = (struct record_list){.items = arena_array(c->arena, limit, sizeof(*out->items))};
	s.looking.arena = arena_new(SCAN_ARENA);
	if (out->items == NULL || s.looking.arena == NULL) {
		arena_free(s.looking.arena);
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	}
	enum err rc = scan_run(&s);
	arena_free(s.looking.arena);
	if (rc != ERR_NONE)
		return rc;
	if (request->list.from.backwards)
		out->items += limit - out->count;
	return arena_failed(c->arena) ? err_set(e, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}

static bool
is_within(const struct context *c, const struct list_request *request)
{
	return power_is_for_logins(&c->id->key) && (request->list.family == &family_credential ||
						    request->list.family == &family_secret_version);
}

/* Whether the database has to look into the text of each row, or into rows that are not shown. */
static bool
is_search(const struct context *c, const struct list_request *request)
{
	for (size_t i = 0; i < request->list.condition_count; i++) {
		enum condition_op op = request->list.conditions[i].op;

		if (op == OP_PREFIX || op == OP_LIKE || op == OP_NOT_LIKE)
			return true;
	}
	return is_within(c, request);
}

static enum err
list_unlimited(const struct context *c, const struct list_request *request, struct record_list *out,
	       struct error *e)
{
	if (is_within(c, request))
		return list_within(c, request, out, e);
	enum store_rc rc = store_list(c->store, c->arena, &request->list, out);
	return rc == STORE_OK ? ERR_NONE : store_err(rc, e);
}

/* Searches of one account leave half of the connections for reading to others. */
static enum err
list_read(const struct context *c, const struct list_request *request, struct record_list *out,
	  struct error *e)
{
	struct seats *seats = is_search(c, request) ? c->limits.searches : NULL;

	if (seats == NULL)
		return list_unlimited(c, request, out, e);
	if (!seats_take(seats, quota_account(c))) {
		e->retry_after_s = 1;
		return err_set(e, ERR_TOO_MANY, NULL,
			       "Your account has as many searches running as it may: try again in "
			       "a second.");
	}
	enum err rc = list_unlimited(c, request, out, e);
	seats_leave(seats, quota_account(c));
	return rc;
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
	return list_read(c, request, out, e);
}

enum err
resource_follow(const struct context *c, const struct record *row, const struct link *link,
		struct record *out, struct error *e)
{
	const struct resource_type *target = link->target;
	const struct value *id = &row->columns[link->column];

	if (id->type != VALUE_INT || (auth_type(c->id->role, target) & MAY_READ) == 0)
		return resource_not_found(e);
	enum store_rc rc =
		store_get(c->store, c->arena, target->family, id->number, &c->id->owners, out);
	if (rc != STORE_OK)
		return store_failed(rc, e);
	return record_is_of_type(out, target) ? within_bounds(c, out, e) : resource_not_found(e);
}

struct list_query
query_naming(const struct resource_type *type, enum column column, int64_t id,
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
		return resource_not_found(e);
	if (q->condition_count == CONDITIONS_MAX)
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "There are more than 32 filters: send fewer.");
	q->family = link->target->family;
	q->kind = link->target->kind;
	q->owners = c->id->owners;
	q->conditions[q->condition_count++] = (struct condition){
		.column = link->column, .op = OP_EQ, .value = value_int(record_id(row))};
	request->whole = !request->paged;
	if (request->whole)
		q->limit = LIMIT_MAX;
	return list_read(c, request, out, e);
}
