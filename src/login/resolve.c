/* resolve: finds the logins for a registry, checks whether they fit, sorts them. */
#include "login/resolve.h"

#include <stdlib.h>
#include <string.h>

#include "access/identity.h"
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
#include "resource/resource.h"
#include "secret/seal.h"
#include "store/store.h"

/* The store allocates a whole page before it reads, and most registries have few logins, so the
 * first page is small. */
enum { PAGE = 500, FIRST_PAGE = 8, ROOM = 16 };

/* Reading the question */

static enum err
one_of(const char *field, const struct wanted *w, struct error *e)
{
	if (w->image == NULL && w->address == NULL && w->registry_id == 0)
		return ERR_NONE;
	return err_set(e, ERR_INVALID_OPTION, field,
		       "There is more than one of image, serverAddress and registryId: send one.");
}

static enum err
unreadable(const struct context *c, const char *field, const char *why, struct error *e)
{
	if (arena_failed(c->arena))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	return err_set(e, ERR_INVALID_FORMAT, field, why);
}

static enum err
resolve_read_address(const struct context *c, struct wanted *out, struct error *e)
{
	struct registry_url url;
	const char *why = registry_url_parse(c->arena, out->address, &url);

	if (why != NULL)
		return unreadable(c, "serverAddress", why, e);
	out->parts.key = url.key;
	out->parts.written = url.written;
	if (*url.path != '\0')
		out->parts.repository = url.path;
	return ERR_NONE;
}

static enum err
read_registry(const struct resource_type *type, const struct json *body, struct wanted *out,
	      struct error *e)
{
	const char *id = NULL;

	if (type_field(type, "registryId", API_V1)->type != FT_STRING) /* part of the answer */
		return ERR_NONE;
	if (schema_read_question(type, "registryId", body, &id, e) != ERR_NONE)
		return e->code;
	if (id == NULL)
		return ERR_NONE;
	if (one_of("registryId", out, e) != ERR_NONE)
		return e->code;
	return id_parse(&family_storage_pool, id, &out->registry_id)
		       ? ERR_NONE
		       : err_set(e, ERR_INVALID_REFERENCE, "registryId", NULL);
}

enum err
resolve_read(const struct context *c, const struct resource_type *type, const struct json *body,
	     struct wanted *out, struct error *e)
{
	*out = (struct wanted){0};
	if (schema_read_question(type, "image", body, &out->image, e) != ERR_NONE)
		return e->code;
	if (out->image != NULL) {
		const char *why = registry_image_parse(c->arena, out->image, &out->parts);

		if (why != NULL)
			return unreadable(c, "image", why, e);
	}
	struct wanted so_far = *out;
	if (schema_read_question(type, "serverAddress", body, &out->address, e) != ERR_NONE)
		return e->code;
	if (out->address != NULL && (one_of("serverAddress", &so_far, e) != ERR_NONE ||
				     resolve_read_address(c, out, e) != ERR_NONE))
		return e->code;
	return read_registry(type, body, out, e);
}

/* Finding */

/* What has to be known of a registry to choose its logins. */
struct known_registry {
	int64_t id, owner;
	const struct registry_url *url; /* NULL: not requested, or not allowed to the key */
	const char *address;		/* as stored; logins are bound to it */
	const char *token_host;
	bool active;
};

enum { KNOWN_MAX = 256 };

struct finder {
	const struct context *context;
	const struct wanted *wanted;
	bool revealed;
	struct owners owners;
	bool *active; /* for each owner: logins of an inactive project cannot be used */
	struct login_list *out;
	struct error *error;
	struct known_registry *known; /* a small cache, by id */
};

static enum err
resolve_add(struct finder *f, const struct login *login)
{
	struct login_list *list = f->out;

	if (list->count == list->room) {
		size_t room = list->room != 0 ? 2 * list->room : ROOM;
		struct login *items = arena_array(f->context->arena, room, sizeof(*items));

		if (items == NULL)
			return err_set(f->error, ERR_INTERNAL, NULL, NULL);
		if (list->count > 0)
			memcpy(items, list->items, list->count * sizeof(*items));
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = *login;
	return ERR_NONE;
}

static bool
is_owner_active(const struct finder *f, int64_t owner)
{
	for (size_t i = 0; i < f->owners.count; i++)
		if (f->owners.ids[i] == owner)
			return f->active[i];
	return false;
}

/* Whether it can be used now, for any purpose. */
static enum login_reason
judge(const struct finder *f, const struct known_registry *registry, const struct record *row)
{
	const struct value *expires = &row->columns[COL_EXPIRES];

	if (!is_owner_active(f, registry->owner))
		return LOGIN_PROJECT_INACTIVE;
	if (!registry->active)
		return LOGIN_REGISTRY_INACTIVE;
	/* A login that is being checked again stays in use meanwhile. */
	if (record_state(row) != ST_ACTIVE && record_state(row) != ST_UPDATING_ACTIVE)
		return LOGIN_INACTIVE;
	if (expires->type == VALUE_INT && expires->number <= f->context->now_ms)
		return LOGIN_EXPIRED;
	const char *user = record_text(row, COL_PUBLIC_VALUE);
	if (user == NULL || *user == '\0' || secret_is_empty(&row->columns[COL_SECRET_VALUE]))
		return LOGIN_INCOMPLETE;
	return LOGIN_ADDRESS;
}

/* Columns that the choice does not need. */
static const uint64_t unused_columns = COL_BIT(COL_NAME) | COL_BIT(COL_DESCRIPTION) |
				       COL_BIT(COL_EMAIL) | COL_BIT(COL_TRANSITION_TEXT) |
				       COL_BIT(COL_VERIFY_MESSAGE);

/* The address of a registry may have a path too; both apply. */
static void
set_path(struct login *login)
{
	const char *own = record_text(login->row, COL_PATH_PREFIX), *outer = login->registry->path;

	login->path = own != NULL ? own : outer;
	if (own != NULL && !registry_path_holds(outer, own) && login->reason == LOGIN_ADDRESS)
		login->reason = LOGIN_OTHER_PATH;
}

/* Checks that the address is valid, and that the registry is requested and allowed to the key. */
static enum err
know_registry(struct finder *f, const struct record *row, struct known_registry *out)
{
	const struct context *c = f->context;
	const char *address = record_text(row, COL_SERVER_ADDRESS);
	struct registry_url *url = arena_alloc(c->arena, sizeof(*url));

	*out = (struct known_registry){.id = record_id(row),
				       .owner = row->columns[COL_ACCOUNT_ID].number,
				       .active = record_state(row) == ST_ACTIVE};
	if (url == NULL)
		return err_set(f->error, ERR_INTERNAL, NULL, NULL);
	if (address != NULL && power_holds_registry(&c->id->key, out->id) &&
	    registry_url_parse(c->arena, address, url) == NULL) {
		out->url = url;
		out->address = address;
		out->token_host = record_text(row, COL_TOKEN_HOST);
	}
	return ERR_NONE;
}

/* The registry of a login, read once and cached. */
static enum err
registry_of(struct finder *f, const struct record *login, struct known_registry **out)
{
	const struct context *c = f->context;
	int64_t id = login->columns[COL_REGISTRY_ID].number;
	struct record row;

	*out = &f->known[id % KNOWN_MAX];
	if ((*out)->id == id)
		return ERR_NONE;
	enum store_rc rc =
		store_get(c->store, c->arena, &family_storage_pool, id, &f->owners, &row);
	if (rc == STORE_OK && row.columns[COL_REMOVED].type == VALUE_NULL)
		return know_registry(f, &row, *out);
	**out = (struct known_registry){.id = id};
	return rc == STORE_OK || rc == STORE_NONE ? ERR_NONE : store_err(rc, f->error);
}

static enum err
add_login(struct finder *f, const struct known_registry *registry, struct record *row)
{
	const struct context *c = f->context;
	struct login login = {
		.row = row, .registry = registry->url, .token_host = registry->token_host};

	if (registry->url == NULL)
		return ERR_NONE;
	row->columns[COL_SERVER_ADDRESS] = value_text(registry->address);
	login.own = row->columns[COL_ACCOUNT_ID].number == c->id->scope_id;
	login.reason = judge(f, registry, row);
	set_path(&login);
	if ((f->revealed && !auth_may_hand_out(c->id, row)) ||
	    !power_holds_path(&c->id->key, login.path))
		return ERR_NONE;
	return resolve_add(f, &login);
}

/* The logins of a registry; NULL: of all registries. */
static enum err
add_logins(struct finder *f, struct known_registry *registry)
{
	struct list_query q = {.family = &family_credential,
			       .kind = types_table[T_REGISTRY_CREDENTIAL].kind,
			       .owners = f->owners,
			       .columns = family_credential.columns & ~unused_columns,
			       .secrets_cut = true,
			       .limit = registry != NULL ? FIRST_PAGE : PAGE};
	struct record_list page = {.more = true};

	if (registry != NULL)
		q.conditions[q.condition_count++] = (struct condition){
			.column = COL_REGISTRY_ID, .op = OP_EQ, .value = value_int(registry->id)};
	while (page.more) {
		enum store_rc rc = store_list(f->context->store, f->context->arena, &q, &page);

		if (rc != STORE_OK)
			return store_err(rc, f->error);
		q.limit = PAGE;
		for (size_t i = 0; i < page.count; i++) {
			struct known_registry *of = registry;

			q.from = (struct position){.set = true, .id = record_id(&page.items[i])};
			if ((of == NULL && registry_of(f, &page.items[i], &of) != ERR_NONE) ||
			    add_login(f, of, &page.items[i]) != ERR_NONE)
				return f->error->code;
		}
	}
	return ERR_NONE;
}

/* The logins of all registries with this value in a column, which has an index. */
static enum err
add_registries(struct finder *f, enum column column, struct value value, bool plain_http)
{
	struct list_query q = {.family = &family_storage_pool,
			       .kind = types_table[T_REGISTRY].kind,
			       .owners = f->owners,
			       .columns = COL_BIT(COL_ID) | COL_BIT(COL_KIND) | COL_BIT(COL_STATE) |
					  COL_BIT(COL_ACCOUNT_ID) | COL_BIT(COL_SERVER_ADDRESS) |
					  COL_BIT(COL_TOKEN_HOST),
			       .conditions = {{.column = column, .op = OP_EQ, .value = value}},
			       .condition_count = 1,
			       .limit = FIRST_PAGE};
	struct record_list page = {.more = true};

	while (page.more) {
		enum store_rc rc = store_list(f->context->store, f->context->arena, &q, &page);

		if (rc != STORE_OK)
			return store_err(rc, f->error);
		for (size_t i = 0; i < page.count; i++) {
			struct known_registry registry;

			q.from = (struct position){.set = true, .id = record_id(&page.items[i])};
			if (know_registry(f, &page.items[i], &registry) != ERR_NONE)
				return f->error->code;
			/* The column only finds: what counts is the address that logins are bound
			 * to. */
			if (registry.url != NULL && (!plain_http || registry.url->plain_http) &&
			    (column != COL_ADDRESS_KEY ||
			     strcmp(registry.url->key, value.text) == 0) &&
			    add_logins(f, &registry) != ERR_NONE)
				return f->error->code;
		}
	}
	return ERR_NONE;
}

/* An image may name the port of a registry whose address has the port of http, or none. */
static enum err
add_by_key(struct finder *f, const char *key)
{
	static const char http_port[] = ":80";
	size_t len = strlen(key), tail = sizeof(http_port) - 1;

	if (add_registries(f, COL_ADDRESS_KEY, value_text(key), false) != ERR_NONE)
		return f->error->code;
	if (len <= tail || strcmp(key + len - tail, http_port) != 0)
		return ERR_NONE;
	const char *bare = arena_copy(f->context->arena, key, len - tail);
	return bare != NULL ? add_registries(f, COL_ADDRESS_KEY, value_text(bare), true)
			    : err_set(f->error, ERR_INTERNAL, NULL, NULL);
}

/* Whether the caller belongs to the project, and the project is active. */
static enum err
look_at_project(const struct finder *f, int64_t project, bool *joined, bool *active)
{
	const struct context *c = f->context;
	const struct membership *m = identity_membership(c->id, project);
	struct record row;

	*joined = identity_role_in_project(c->id, project) != ROLE_NONE;
	*active = m != NULL && m->active;
	if (m != NULL || !*joined) /* administrators belong to all projects */
		return ERR_NONE;
	enum store_rc rc =
		store_get(c->store, c->arena, &family_account, project, &owners_all, &row);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, f->error);
	*active = rc == STORE_OK && record_state(&row) == ST_ACTIVE;
	return ERR_NONE;
}

/* The accounts whose logins are considered: when scoped, the project; else the caller's own account
 * and the projects that its key names. Not all of the caller's projects, because anybody can be
 * added to someone else's project, which must not decide which login they get. */
static enum err
find_owners(struct finder *f)
{
	const struct identity *id = f->context->id;
	const char *list = id->scoped ? NULL : id->key.project_ids;
	int64_t *ids = arena_array(f->context->arena, LIST_ITEMS_MAX + 1, sizeof(*ids));
	char one[LIST_ITEM_SIZE];
	size_t count = 1;
	bool joined;

	f->active = arena_array(f->context->arena, LIST_ITEMS_MAX + 1, sizeof(*f->active));
	if (ids == NULL || f->active == NULL)
		return err_set(f->error, ERR_INTERNAL, NULL, NULL);
	ids[0] = id->scope_id;
	f->active[0] = true;
	while (count <= LIST_ITEMS_MAX && list_next(&list, one)) {
		if (!id_parse(&family_account, one, &ids[count]))
			continue;
		if (look_at_project(f, ids[count], &joined, &f->active[count]) != ERR_NONE)
			return f->error->code;
		count += joined;
	}
	f->owners = (struct owners){.ids = ids, .count = count};
	return ERR_NONE;
}

enum err
resolve_find(const struct context *c, const struct wanted *wanted, bool revealed,
	     struct login_list *out, struct error *e)
{
	struct finder f = {.context = c,
			   .wanted = wanted,
			   .revealed = revealed || c->id->role == ROLE_REVEAL,
			   .out = out,
			   .error = e,
			   .known =
				   arena_array(c->arena, KNOWN_MAX, sizeof(struct known_registry))};
	enum err rc;

	*out = (struct login_list){.named = c->id->scoped};
	if (find_owners(&f) != ERR_NONE)
		return e->code;
	if (f.known == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (wanted->registry_id != 0)
		rc = add_registries(&f, COL_ID, value_int(wanted->registry_id), false);
	else if (wanted->parts.key != NULL)
		rc = add_by_key(&f, wanted->parts.key);
	else
		rc = add_logins(&f, NULL);
	if (rc != ERR_NONE)
		return rc;
	return arena_failed(c->arena) ? err_set(e, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}

/* Ordering */

/* The rules, in order: positive if a goes before b. */
static int64_t
by_account(const struct login *a, const struct login *b)
{
	return a->own - b->own;
}

static int64_t
by_path(const struct login *a, const struct login *b)
{
	return (int64_t)strlen(a->path) - (int64_t)strlen(b->path);
}

static int64_t
by_default(const struct login *a, const struct login *b)
{
	return a->row->columns[COL_IS_DEFAULT].number - b->row->columns[COL_IS_DEFAULT].number;
}

/* By id, not by date: the clock may have been wrong. */
static int64_t
by_age(const struct login *a, const struct login *b)
{
	return record_id(a->row) - record_id(b->row);
}

static const struct {
	int64_t (*compare)(const struct login *a, const struct login *b);
	enum login_reason reason;
} rules[] = {{by_account, LOGIN_ACCOUNT},
	     {by_path, LOGIN_PATH_PREFIX},
	     {by_default, LOGIN_IS_DEFAULT},
	     {by_age, LOGIN_NEWEST}};

/* Applies the first rule by which the two differ. */
static int64_t
compare(const struct login *a, const struct login *b, enum login_reason *why)
{
	for (size_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
		int64_t order = rules[i].compare(a, b);

		*why = rules[i].reason;
		if (order != 0)
			return order;
	}
	return 0;
}

static int
in_order(const void *left, const void *right)
{
	const struct login *a = left, *b = right;
	enum login_reason why;

	if (a->fits != b->fits)
		return a->fits ? -1 : 1;
	int64_t order = compare(a, b, &why);
	return order > 0 ? -1 : order < 0 ? 1 : 0;
}

void
resolve_sort(struct login_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		list->items[i].fits = list->items[i].reason == LOGIN_ADDRESS;
	if (list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), in_order);
}

/* One of the two was left by a create request that was sent twice. */
static bool
is_double(const struct login *a, const struct login *b)
{
	const char *user = record_text(a->row, COL_PUBLIC_VALUE);
	const char *other = record_text(b->row, COL_PUBLIC_VALUE);

	return a->row->columns[COL_REGISTRY_ID].number == b->row->columns[COL_REGISTRY_ID].number &&
	       user != NULL && other != NULL && strcmp(user, other) == 0 &&
	       strcmp(a->path, b->path) == 0;
}

void
resolve_order(struct login_list *list, const char *repository)
{
	for (size_t i = 0; i < list->count; i++) {
		struct login *l = &list->items[i];

		if (l->reason == LOGIN_ADDRESS &&
		    !registry_path_holds(l->path, repository != NULL ? repository : ""))
			l->reason = LOGIN_OTHER_PATH;
	}
	resolve_sort(list);
	for (size_t i = 1; i < list->count && list->items[i].fits; i++)
		(void)compare(&list->items[0], &list->items[i], &list->items[i].reason);
	if (list->count > 1 && list->items[1].fits)
		list->items[0].reason = list->items[1].reason;
	for (size_t i = 1; i < list->count && list->items[i].fits; i++)
		if (is_double(&list->items[0], &list->items[i]))
			list->items[i].reason = LOGIN_DOUBLE;
}

bool
resolve_is_lost(const struct context *c, const struct login_list *list)
{
	return list->count == 0 && !list->named && c->id->key.project_ids == NULL &&
	       (c->id->membership_count > 0 || c->id->all_accounts);
}

const char *
resolve_text(const struct login_list *list, const struct login *login)
{
	static const struct {
		const char *chosen, *other;
	} texts[LOGIN__COUNT] = {
#define REASON(name, word, chosen, other) {chosen, other},
#include "model/login_reason.def"
#undef REASON
	};

	if (login == NULL && list->count == 0 && !list->named)
		return "There is no login for it in your own account: name the project, in the "
		       "path of the request or in projectIds of the key.";
	if (login == NULL)
		return list->count == 0 ? "There is no login for the registry: store one."
					: "No login for the registry fits.";
	if (login != list->items || !login->fits)
		return texts[login->reason].other;
	if (login->reason == LOGIN_NEWEST && login->row->columns[COL_IS_DEFAULT].number != 0)
		return "It is the newest of several defaults.";
	return texts[login->reason].chosen;
}
