/* repr: what goes over the wire. */
#include "api/repr.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/network.h"
#include "registry/check.h"

/* Numbers of a type's fields by name, as filters are printed, and with name and state in front, as
 * a resource is (contract 3.1). Made by repr_init(), read only afterwards. */
static unsigned char by_name[TYPES_MAX][FIELDS_MAX], in_resource[TYPES_MAX][FIELDS_MAX];
static size_t field_count[TYPES_MAX];

/* The actions of a type, as a bit for each, that a row offers in a state. */
static uint32_t offered[TYPES_MAX][ST__COUNT];

/* The plural names as they stand in generated URLs: wholly lower-case (contract 1.3). */
enum { SEGMENT_MAX = 32 };
static char segment[TYPES_MAX][SEGMENT_MAX];

static int
rank(const char *name)
{
	return strcmp(name, "name") == 0 ? 0 : strcmp(name, "state") == 0 ? 1 : 2;
}

static bool
goes_before(const struct field *a, const struct field *b, bool ranked)
{
	int by_rank = ranked ? rank(a->name) - rank(b->name) : 0;

	return by_rank != 0 ? by_rank < 0 : strcmp(a->name, b->name) < 0;
}

static size_t
sort_fields(const struct resource_type *type, bool ranked, unsigned char *out)
{
	size_t n = 0;

	for (const struct field *f = type->fields; f->name != NULL; f++) {
		size_t at = n++;

		for (; at > 0 && goes_before(f, &type->fields[out[at - 1]], ranked); at--)
			out[at] = out[at - 1];
		out[at] = (unsigned char)field_index(type, f);
	}
	return n;
}

static uint32_t
actions_in(const struct resource_type *type, enum state state)
{
	uint32_t actions = 0;

	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++)
		if (resource_has_action(type, state, x))
			actions |= UINT32_C(1) << (x - type->actions);
	return actions;
}

void
repr_init(void)
{
	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		for (unsigned state = 0; state < ST__COUNT; state++)
			offered[type_index(t)][state] = actions_in(t, (enum state)state);
		field_count[type_index(t)] = sort_fields(t, false, by_name[type_index(t)]);
		(void)sort_fields(t, true, in_resource[type_index(t)]);
		for (size_t i = 0; i < SEGMENT_MAX - 1 && t->plural[i] != '\0'; i++)
			segment[type_index(t)][i] = (char)tolower((unsigned char)t->plural[i]);
	}
}

/* URLs */

static void
write_url(struct json_out *w, const char *start, const char *between, const char *end)
{
	json_begin_string(w);
	json_piece(w, start);
	json_piece(w, between);
	json_piece(w, end);
	json_end_string(w);
}

/* "registrycredentials" behind a scope. */
static void
name_and_collection(struct json_out *w, const char *name, const char *scope,
		    const struct resource_type *type)
{
	json_name(w, name);
	write_url(w, scope, "/", segment[type_index(type)]);
}

/* A project is addressed without a scope: its own URL is the scope of what it holds (contract 1.4).
 */
static const char *
scope_of_type(const struct view *v, const struct resource_type *type)
{
	return (type->flags & TYPE_PROJECT) != 0 ? v->root : v->scope;
}

const char *
repr_self(const struct view *v, const struct record *row)
{
	struct arena *a = v->context->arena;
	const char *scope = scope_of_type(v, row->type);
	const char *id = id_format(a, row->type->family, record_id(row));
	char *url = arena_alloc(a, strlen(scope) + SEGMENT_MAX + (id != NULL ? strlen(id) : 0) + 3);

	if (url == NULL || id == NULL)
		return NULL;
	(void)stpcpy(stpcpy(stpcpy(stpcpy(stpcpy(url, scope), "/"), segment[type_index(row->type)]),
			    "/"),
		     id);
	return url;
}

static void
name_and_url(struct json_out *w, const char *name, const char *url)
{
	json_name(w, name);
	json_string(w, url);
}

static void
empty_object(struct json_out *w, const char *name)
{
	json_name(w, name);
	json_begin_object(w);
	json_end_object(w);
}

static bool
is_listable(enum role role, const struct resource_type *type)
{
	return (type->flags & (TYPE_DOCUMENT | TYPE_QUESTION)) == 0 &&
	       (auth_type(role, type) & MAY_READ) != 0;
}

/* One link for each collection that the role can list, by the plural name. */
static void
write_collection_links(struct json_out *w, const char *scope, enum role role)
{
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (is_listable(role, t))
			name_and_collection(w, t->plural, scope, t);
}

/* A role has a link if it sees the target's type and, of a reference, the field that holds the id.
 */
static bool
role_has_link(enum role role, const struct resource_type *type, const struct link *link)
{
	if ((auth_type(role, link->target) & MAY_READ) == 0)
		return false;
	if (link->kind == LINK_CHILDREN)
		return true;
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if (f->column == link->column)
			return (auth_field(role, type, f) & MAY_READ) != 0;
	return false;
}

static bool
link_is_there(const struct view *v, const struct record *row, const struct link *link)
{
	if (link->kind == LINK_REFERENCE && row->columns[link->column].type == VALUE_NULL)
		return false;
	return role_has_link(v->context->id->role, row->type, link);
}

/* Fields */

static void
write_date(struct json_out *w, const struct field *field, const struct value *v)
{
	char text[21], name[32];

	if (v->type != VALUE_INT) {
		json_null(w);
		return;
	}
	date_format(v->number, text);
	json_string(w, text);
	(void)stpcpy(stpncpy(name, field->name, sizeof(name) - 3), "TS");
	json_name(w, name);
	json_int(w, v->number);
}

static void
write_secret(struct json_out *w, const struct context *c, const struct record *row,
	     const struct field *field, const char *secret)
{
	json_string(w, secret != NULL ? secret : resource_open(c, row, field));
}

static void
write_data(struct json_out *w, const struct view *v, const struct record *row)
{
	bool any = false;

	for (const struct field *f = row->type->fields; f->name != NULL; f++) {
		if ((f->flags & F_IN_DATA) == 0 || !field_in_version(f, v->context->version))
			continue;
		if (!any) {
			json_begin_object(w);
			json_name(w, "fields");
			json_begin_object(w);
		}
		any = true;
		json_name(w, f->name);
		json_string(w, record_text(row, f->column));
	}
	if (!any) {
		json_null(w);
		return;
	}
	json_end_object(w);
	json_end_object(w);
}

static void
write_reference(struct json_out *w, const struct field *field, const struct value *v)
{
	char id[ID_TEXT_SIZE];

	if (v->type != VALUE_INT)
		json_null(w);
	else
		json_string_n(w, id, id_write(id, field->reference->family, v->number));
}

static void
write_identity(struct json_out *w, const struct record *row)
{
	if ((row->type->flags & TYPE_PROJECT) != 0)
		json_null(w);
	else
		json_string(
			w, arena_printf(w->arena, "1i!rancher_id:%lld", (long long)record_id(row)));
}

static void
write_networks(struct json_out *w, const struct value *v)
{
	const char *list = v->type == VALUE_TEXT ? v->text : NULL;
	char one[NETWORK_TEXT_MAX];

	if (list == NULL) {
		json_null(w);
		return;
	}
	json_begin_array(w);
	while (network_list_next(&list, one))
		json_string(w, one);
	json_end_array(w);
}

/* What was never chosen is what the schema says. */
static void
write_option(struct json_out *w, const struct field *field, const struct value *value)
{
	if (value->type == VALUE_NULL && field->fallback != NULL)
		json_raw(w, field->fallback, strlen(field->fallback));
	else
		json_string(w, value->type == VALUE_TEXT ? value->text : NULL);
}

/* A text beside an inactive row says why it did not become active (contract 3.7). */
static const char *
transition_of(const struct record *row)
{
	enum state state = record_state(row);

	if (state_is_transitional(state))
		return "yes";
	return state == ST_INACTIVE && record_text(row, COL_TRANSITION_TEXT) != NULL ? "error"
										     : "no";
}

static const char *
transition_message(const struct record *row)
{
	const char *text = record_text(row, COL_TRANSITION_TEXT);

	return text == NULL && state_is_transitional(record_state(row)) ? "In Progress" : text;
}

static void
write_list(struct json_out *w, const struct value *v)
{
	const char *list = v->type == VALUE_TEXT ? v->text : NULL;
	char one[LIST_ITEM_SIZE];

	if (list == NULL) {
		json_null(w);
		return;
	}
	json_begin_array(w);
	while (list_next(&list, one))
		json_string(w, one);
	json_end_array(w);
}

static void
write_constant(struct json_out *w, const struct field *field)
{
	if (field->constant != NULL)
		json_raw(w, field->constant, strlen(field->constant));
	else
		json_null(w);
}

/* The value of a field, and behind it what else a field of its type shows. */
static void
write_field(struct json_out *w, const struct view *v, const struct record *row,
	    const struct field *field, const char *secret)
{
	const struct value *value = &row->columns[field->column];

	switch (field->type) {
	case FT_STRING:
	case FT_PATH:
		json_string_n(w, value->type == VALUE_TEXT ? value->text : NULL, value->len);
		break;
	case FT_ENUM:
		write_option(w, field, value);
		break;
	case FT_PASSWORD:
		write_secret(w, v->context, row, field, secret);
		break;
	case FT_BOOLEAN:
		json_bool(w, value->type == VALUE_INT && value->number != 0);
		break;
	case FT_DATE:
		write_date(w, field, value);
		break;
	case FT_INT:
		if (value->type == VALUE_INT)
			json_int(w, value->number);
		else
			json_null(w);
		break;
	case FT_REFERENCE:
		write_reference(w, field, value);
		break;
	case FT_TRANSITION:
		json_string(w, transition_of(row));
		break;
	case FT_MESSAGE:
		json_string(w, transition_message(row));
		break;
	case FT_DATA:
		write_data(w, v, row);
		break;
	case FT_IDENTITY:
		write_identity(w, row);
		break;
	case FT_NETWORKS:
		write_networks(w, value);
		break;
	case FT_PATHS:
	case FT_REFERENCES:
		write_list(w, value);
		break;
	case FT_ID: /* printed first */
	case FT_MEMBERS:
	case FT_CONSTANT:
		write_constant(w, field);
		break;
	}
}

/* Forms: what all rows of a type have in common is decided and written once for an answer, as text
 * with gaps; a row is that text with its own values in the gaps. */

enum gap_kind {
	GAP_ID,	    /* inside a string */
	GAP_LINK,   /* before a member, which is left out if the column is null */
	GAP_ACTION, /* before a member, which is left out if the action is not offered */
	GAP_FIELD,
	GAP_END
};
enum { GAPS_MAX = FIELDS_MAX + TYPES_MAX + 2 * (LINKS_MAX + ACTIONS_MAX) };

struct gap {
	enum gap_kind kind;
	struct json_gap place;
	const struct field *field;
	enum column column;
	uint32_t action; /* its bit in offered[] */
	size_t end;	 /* where the member ends that is left out, its one GAP_ID in it */
};

struct form {
	struct json_out text; /* the members of a resource */
	struct gap gaps[GAPS_MAX];
	size_t gap_count;
	bool acts; /* there are actions */
};

/* An answer, with the forms that it has needed so far. */
struct page {
	const struct view *view;
	struct form *forms[TYPES_MAX];
};

static struct gap *
leave_gap(struct form *form, enum gap_kind kind)
{
	struct gap *gap = &form->gaps[form->gap_count++];

	*gap = (struct gap){.kind = kind, .place = json_gap(&form->text)};
	return gap;
}

/* A URL at or below the row's own. */
static void
form_url(struct form *form, const struct view *v, const struct resource_type *type,
	 const char *between, const char *end)
{
	struct json_out *w = &form->text;

	json_begin_string(w);
	json_piece(w, scope_of_type(v, type));
	json_piece(w, "/");
	json_piece(w, segment[type_index(type)]);
	json_piece(w, "/");
	(void)leave_gap(form, GAP_ID);
	json_piece(w, between);
	json_piece(w, end);
	json_end_string(w);
}

static void
form_links(struct form *form, const struct view *v, const struct resource_type *type)
{
	struct json_out *w = &form->text;
	enum role role = v->context->id->role;

	json_name(w, "links");
	json_begin_object(w);
	json_name(w, "self");
	form_url(form, v, type, "", "");
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if ((type->flags & TYPE_PROJECT) != 0 && is_listable(role, t)) {
			json_name(w, t->plural);
			form_url(form, v, type, "/", segment[type_index(t)]);
		}
	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++) {
		if ((type->flags & TYPE_PROJECT) != 0 || !role_has_link(role, type, l))
			continue;
		struct gap *gap = l->kind == LINK_REFERENCE ? leave_gap(form, GAP_LINK) : NULL;
		json_name(w, l->name);
		form_url(form, v, type, "/", l->name);
		if (gap != NULL) {
			gap->column = l->column;
			gap->end = w->len;
		}
	}
	json_end_object(w);
}

static void
form_actions(struct form *form, const struct view *v, const struct resource_type *type)
{
	struct json_out *w = &form->text;

	json_name(w, "actions");
	json_begin_object(w);
	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++) {
		if (!action_in_version(x, v->context->version))
			continue;
		struct gap *gap = leave_gap(form, GAP_ACTION);
		json_name(w, x->name);
		form_url(form, v, type, "/?action=", x->name);
		gap->action = UINT32_C(1) << (x - type->actions);
		gap->end = w->len;
		form->acts = true;
	}
	json_end_object(w);
}

static void
form_fields(struct form *form, const struct view *v, const struct resource_type *type)
{
	const struct context *c = v->context;

	for (size_t i = 0; i < field_count[type_index(type)]; i++) {
		const struct field *f = &type->fields[in_resource[type_index(type)][i]];

		if (f->type == FT_ID || !field_in_version(f, c->version) ||
		    (auth_field(c->id->role, type, f) & MAY_READ) == 0)
			continue;
		json_name(&form->text, f->name);
		if (f->type == FT_CONSTANT)
			write_constant(&form->text, f);
		else
			leave_gap(form, GAP_FIELD)->field = f;
	}
}

/* The form of a type; NULL without memory. */
static const struct form *
form_of(struct page *page, const struct resource_type *type)
{
	struct arena *a = page->view->context->arena;
	struct form *form = page->forms[type_index(type)];

	if (form != NULL)
		return form;
	form = arena_alloc(a, sizeof(*form));
	if (form == NULL)
		return NULL;
	page->forms[type_index(type)] = form;
	json_out_init(&form->text, a);
	json_name(&form->text, "id");
	json_begin_string(&form->text);
	(void)leave_gap(form, GAP_ID);
	json_end_string(&form->text);
	json_name(&form->text, "type");
	json_string(&form->text, type->id);
	form_links(form, page->view, type);
	form_actions(form, page->view, type);
	json_name(&form->text, "baseType");
	json_string(&form->text, type->base != NULL ? type->base : type->id);
	form_fields(form, page->view, type);
	(void)leave_gap(form, GAP_END);
	return form;
}

/* The actions that a row offers the caller, as bits. */
static uint32_t
actions_of(const struct view *v, const struct form *form, const struct record *row)
{
	if (!form->acts || !resource_may_act(v->context->id, row))
		return 0;
	return offered[type_index(row->type)][record_state(row)];
}

static void
write_form(struct json_out *w, const struct view *v, const struct form *form,
	   const struct record *row, const char *secret)
{
	uint32_t actions = actions_of(v, form, row);
	bool acted = false;
	char id[ID_TEXT_SIZE];
	size_t id_len = id_write(id, row->type->family, record_id(row)), at = 0;

	for (const struct gap *gap = form->gaps; gap < form->gaps + form->gap_count; gap++) {
		json_until(w, &form->text, at, gap->place);
		at = gap->place.at;
		switch (gap->kind) {
		case GAP_ID:
			json_raw_piece(w, id, id_len);
			break;
		case GAP_LINK:
			if (row->columns[gap->column].type == VALUE_NULL)
				at = gap++->end;
			break;
		case GAP_ACTION:
			if ((actions & gap->action) == 0) {
				at = gap++->end;
			} else if (!acted) {
				at++; /* without the comma */
				acted = true;
			}
			break;
		case GAP_FIELD:
			write_field(w, v, row, gap->field, secret);
			break;
		case GAP_END:
			break;
		}
	}
}

static void write_include(struct json_out *w, struct page *page, const struct record *row,
			  const char *name);

static void
write_resource(struct json_out *w, struct page *page, const struct record *row, const char *secret,
	       const char *include)
{
	const struct form *form = form_of(page, row->type);

	w->failed = w->failed || form == NULL || json_out_failed(&form->text);
	if (w->failed)
		return;
	json_begin_object(w);
	write_form(w, page->view, form, row, secret);
	if (include != NULL)
		write_include(w, page, row, include);
	json_end_object(w);
}

void
repr_resource(struct json_out *w, const struct view *v, const struct record *row,
	      const char *secret, const char *include)
{
	struct page page = {.view = v};

	write_resource(w, &page, row, secret, include);
}

/* The rows of a child link, page after page; nothing is left out. */
static enum err
write_children(struct json_out *w, struct page *page, const struct record *row,
	       const struct link *link)
{
	struct record_list list = {.more = true};
	struct list_request request = {0};
	struct error e = {0};
	bool any = false;

	while (list.more) {
		struct position from = request.list.from;

		request = (struct list_request){.list.from = from};
		if (resource_children(page->view->context, row, link, &request, &list, &e) !=
		    ERR_NONE)
			return e.code;
		if (list.count > 0 && !any) {
			json_name(w, link->name);
			json_begin_array(w);
			any = true;
		}
		for (size_t i = 0; i < list.count; i++) {
			write_resource(w, page, &list.items[i], NULL, NULL);
			request.list.from =
				(struct position){.set = true, .id = record_id(&list.items[i])};
		}
	}
	if (any)
		json_end_array(w);
	return ERR_NONE;
}

/* Embeds what a link leads to under its name; nothing if that is nothing (contract 6.5).  Any other
 * failure spoils the answer: a client must not take it for nothing. */
static void
write_include(struct json_out *w, struct page *page, const struct record *row, const char *name)
{
	const struct link *link = type_link(row->type, name);
	struct record target;
	struct error e = {0};
	enum err rc;

	if (link == NULL || !link_is_there(page->view, row, link))
		return;
	if (link->kind == LINK_CHILDREN) {
		rc = write_children(w, page, row, link);
	} else {
		rc = resource_follow(page->view->context, row, link, &target, &e);
		if (rc == ERR_NONE) {
			json_name(w, link->name);
			write_resource(w, page, &target, NULL, NULL);
		}
	}
	w->failed = w->failed || (rc != ERR_NONE && rc != ERR_NOT_FOUND);
}

/* Collections */

/* Parameters that a link must not carry on: those that are set anew, and what may be a secret:
 * gdapi's command line puts its key into every query. */
static bool
is_carried(const char *name, bool sorting)
{
	static const char *const never[] = {"secret", "password", "token", "csrf", "_key", NULL};

	for (const char *const *part = never; *part != NULL; part++)
		if (strcasestr(name, *part) != NULL)
			return false;
	if (strcmp(name, "marker") == 0)
		return false;
	return !sorting || (strcmp(name, "sort") != 0 && strcmp(name, "order") != 0);
}

/* The page's URL with the parameters that it was asked with; ends so that "name=value" can follow.
 */
static char *
page_url(const struct view *v, bool sorting)
{
	struct arena *a = v->context->arena;
	size_t room = strlen(v->page) + 2;

	for (size_t i = 0; i < v->query->count; i++)
		room += 3 * (strlen(v->query->items[i].name) + strlen(v->query->items[i].value)) +
			2;
	char *url = arena_alloc(a, room);
	if (url == NULL)
		return NULL;
	char *end = stpcpy(stpcpy(url, v->page), "?");
	for (size_t i = 0; i < v->query->count; i++) {
		const struct pair *p = &v->query->items[i];
		const char *name = http_encode(a, p->name), *value = http_encode(a, p->value);

		if (name != NULL && value != NULL && is_carried(p->name, sorting))
			end = stpcpy(stpcpy(stpcpy(stpcpy(end, name), "="), value), "&");
	}
	return url;
}

static bool
filter_is_there(const struct field *field, enum api_version version)
{
	return field->filter != FILTER_NONE && field_in_version(field, version);
}

static void
write_sort_links(struct json_out *w, const struct view *v, const struct resource_type *type)
{
	const char *url = page_url(v, true);

	json_name(w, "sortLinks");
	json_begin_object(w);
	for (size_t i = 0; i < field_count[type_index(type)]; i++) {
		const struct field *f = &type->fields[by_name[type_index(type)][i]];

		if (filter_is_there(f, v->context->version)) {
			json_name(w, f->name);
			write_url(w, url, "sort=", f->name);
		}
	}
	json_end_object(w);
}

static void
write_filters(struct json_out *w, const struct view *v, const struct resource_type *type,
	      const struct list_request *request)
{
	json_name(w, "filters");
	json_begin_object(w);
	for (size_t i = 0; i < field_count[type_index(type)]; i++) {
		const struct field *f = &type->fields[by_name[type_index(type)][i]];
		bool any = false;

		if (!filter_is_there(f, v->context->version))
			continue;
		json_name(w, f->name);
		for (size_t j = 0; j < request->filter_count; j++) {
			if (request->filters[j].field != f)
				continue;
			if (!any)
				json_begin_array(w);
			any = true;
			json_begin_object(w);
			json_name(w, "value");
			json_string(w, request->filters[j].value);
			json_name(w, "modifier");
			json_string(w, request->filters[j].modifier->name);
			json_end_object(w);
		}
		if (any)
			json_end_array(w);
		else
			json_null(w);
	}
	json_end_object(w);
}

static const char *
marker_url(const struct view *v, const char *marker)
{
	return marker != NULL
		       ? arena_printf(v->context->arena, "%smarker=%s", page_url(v, false), marker)
		       : NULL;
}

static void
write_pagination(struct json_out *w, const struct view *v, const struct list_request *request,
		 const struct record_list *list)
{
	const struct position *from = &request->list.from;
	bool behind = from->backwards || list->more,
	     before = from->set && (!from->backwards || list->more);
	const char *next = NULL, *previous = NULL, *first = NULL;

	if (list->count > 0 && behind)
		next = marker_url(
			v, query_marker(w->arena, request, &list->items[list->count - 1], false));
	if (list->count > 0 && before) {
		previous = marker_url(v, query_marker(w->arena, request, &list->items[0], true));
		first = page_url(v, false);
	}
	/* The first page is the page without a marker: its URL ends in "?" or "&". */
	if (first != NULL)
		first = arena_copy(w->arena, first, strlen(first) - 1);
	json_name(w, "pagination");
	json_begin_object(w);
	name_and_url(w, "first", first);
	name_and_url(w, "previous", previous);
	name_and_url(w, "next", next);
	json_name(w, "limit");
	json_int(w, (int64_t)request->list.limit);
	json_name(w, "total");
	json_null(w);
	json_name(w, "partial");
	json_bool(w, next != NULL);
	json_end_object(w);
}

static void
write_sort(struct json_out *w, const struct view *v, const struct list_request *request)
{
	json_name(w, "sort");
	if (request->sort == NULL) {
		json_null(w);
		return;
	}
	bool descending = request->list.descending;
	json_begin_object(w);
	json_name(w, "name");
	json_string(w, request->sort->name);
	json_name(w, "order");
	json_string(w, descending ? "desc" : "asc");
	json_name(w, "reverse");
	json_string(w, arena_printf(w->arena, "%ssort=%s&order=%s", page_url(v, true),
				    request->sort->name, descending ? "asc" : "desc"));
	json_end_object(w);
}

/* What can be created through an abstract collection: its child types. */
static void
write_create_types(struct json_out *w, const struct view *v, const struct resource_type *type)
{
	json_name(w, "createTypes");
	json_begin_object(w);
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (type_is_child(t, type) &&
		    (auth_type(v->context->id->role, t) & MAY_CREATE) != 0)
			name_and_collection(w, t->id, v->scope, t);
	json_end_object(w);
}

void
repr_collection(struct json_out *w, const struct view *v, const struct resource_type *type,
		const struct list_request *request, const struct record_list *list)
{
	enum { GUESS = 1536 }; /* bytes of a resource: a login with an email has 1240 */
	bool paged = !request->whole || list->more;
	struct page page = {.view = v};

	json_reserve(w, (list->count + 2) * GUESS);
	json_begin_object(w);
	json_name(w, "type");
	json_string(w, "collection");
	json_name(w, "resourceType");
	json_string(w, type->id);
	json_name(w, "links");
	json_begin_object(w);
	name_and_url(w, "self", v->page);
	json_end_object(w);
	write_create_types(w, v, type);
	empty_object(w, "actions");
	json_name(w, "data");
	json_begin_array(w);
	for (size_t i = 0; i < list->count; i++)
		write_resource(w, &page, &list->items[i], NULL, request->include);
	json_end_array(w);
	write_sort_links(w, v, type);
	if (paged) {
		write_pagination(w, v, request, list);
	} else {
		json_name(w, "pagination");
		json_null(w);
	}
	write_sort(w, v, request);
	write_filters(w, v, type, request);
	empty_object(w, "createDefaults");
	json_end_object(w);
}

void
repr_members(struct json_out *w, const struct view *v, const struct record_list *members)
{
	json_begin_object(w);
	json_name(w, "id");
	json_null(w);
	json_name(w, "type");
	json_string(w, "setProjectMembersInput");
	empty_object(w, "links");
	empty_object(w, "actions");
	json_name(w, "baseType");
	json_string(w, "setProjectMembersInput");
	json_name(w, "members");
	json_begin_array(w);
	for (size_t i = 0; i < members->count; i++)
		repr_resource(w, v, &members->items[i], NULL, NULL);
	json_end_array(w);
	json_end_object(w);
}

/* Questions */

static void
write_id(struct json_out *w, const char *name, const struct family *family, const struct value *id)
{
	json_name(w, name);
	json_string(w, id != NULL && id->type == VALUE_INT ? id_format(w->arena, family, id->number)
							   : NULL);
}

static void
name_and_text(struct json_out *w, const char *name, const char *text)
{
	json_name(w, name);
	json_string(w, text);
}

/* The logins that were not chosen, each with the reason. */
static void
write_others(struct json_out *w, const struct login_list *logins)
{
	json_name(w, "others");
	json_begin_array(w);
	for (size_t i = 0; i < logins->count; i++) {
		const struct login *l = &logins->items[i];

		if (i == 0 && l->fits)
			continue;
		json_begin_object(w);
		name_and_text(w, "pathPrefix", *l->path != '\0' ? l->path : NULL);
		name_and_text(w, "publicValue", record_text(l->row, COL_PUBLIC_VALUE));
		name_and_text(w, "reason", login_reasons[l->reason]);
		name_and_text(w, "reasonText", resolve_text(logins, l));
		write_id(w, "registryCredentialId", &family_credential, &l->row->columns[COL_ID]);
		write_id(w, "registryId", &family_storage_pool, &l->row->columns[COL_REGISTRY_ID]);
		json_end_object(w);
	}
	json_end_array(w);
}

void
repr_image_login(struct json_out *w, const struct view *v, const struct wanted *wanted,
		 const struct login_list *logins)
{
	const struct login *chosen =
		logins->count > 0 && logins->items[0].fits ? logins->items : NULL;
	const struct record *row = chosen != NULL ? chosen->row : NULL;
	enum role role = v->context->id->role;

	json_begin_object(w);
	name_and_text(w, "id", NULL);
	name_and_text(w, "type", "imageLogin");
	json_name(w, "links");
	json_begin_object(w);
	if (row != NULL && (auth_type(role, row->type) & MAY_READ) != 0)
		name_and_url(w, "registryCredential", repr_self(v, row));
	json_end_object(w);
	empty_object(w, "actions");
	name_and_text(w, "baseType", "imageLogin");
	name_and_text(w, "digest", wanted->parts.digest);
	name_and_text(w, "image", wanted->image);
	write_others(w, logins);
	name_and_text(w, "publicValue", row != NULL ? record_text(row, COL_PUBLIC_VALUE) : NULL);
	name_and_text(w, "reason", login_reasons[chosen != NULL ? chosen->reason : LOGIN_NONE]);
	name_and_text(w, "reasonText", resolve_text(logins, chosen));
	name_and_text(w, "registry", wanted->parts.key);
	write_id(w, "registryCredentialId", &family_credential,
		 row != NULL ? &row->columns[COL_ID] : NULL);
	write_id(w, "registryId", &family_storage_pool,
		 row != NULL ? &row->columns[COL_REGISTRY_ID] : NULL);
	name_and_text(w, "repository", wanted->parts.repository);
	name_and_text(w, "serverAddress", wanted->address);
	name_and_text(w, "tag", wanted->parts.tag);
	json_end_object(w);
}

void
repr_check(struct json_out *w, const struct check_report *report, int64_t now_ms)
{
	static const char type[] = "registryTestOutput";
	char date[21];

	date_format(now_ms, date);
	json_begin_object(w);
	json_name(w, "id");
	json_null(w);
	json_name(w, "type");
	json_string(w, type);
	empty_object(w, "links");
	empty_object(w, "actions");
	json_name(w, "baseType");
	json_string(w, type);
	json_name(w, "verificationMessage");
	json_string(w, report->message);
	json_name(w, "verificationMs");
	json_int(w, report->ms);
	json_name(w, "verificationResult");
	json_string(w, check_result_word(report->result));
	json_name(w, "verificationStatus");
	if (report->http_status != 0)
		json_int(w, report->http_status);
	else
		json_null(w);
	json_name(w, "verifiedAt");
	json_string(w, date);
	json_name(w, "verifiedAtTS");
	json_int(w, now_ms - now_ms % 1000);
	json_end_object(w);
}

/* Schemas */

static const char *
type_text(const struct field *field)
{
	if (field->type_text != NULL)
		return field->type_text;
	switch (field->type) {
	case FT_ID:
	case FT_INT:
		return "int";
	case FT_PASSWORD:
		return "password";
	case FT_BOOLEAN:
		return "boolean";
	case FT_DATE:
		return "date";
	case FT_ENUM:
	case FT_TRANSITION:
		return "enum";
	case FT_DATA:
		return "map[json]";
	case FT_IDENTITY:
		return "reference[identity]";
	case FT_MEMBERS:
		return "array[projectMember]";
	case FT_NETWORKS:
	case FT_PATHS:
	case FT_REFERENCES:
		return "array[string]";
	case FT_STRING:
	case FT_PATH:
	case FT_REFERENCE:
	case FT_CONSTANT:
	case FT_MESSAGE:
		break;
	}
	return "string";
}

static void
flag(struct json_out *w, const char *name, bool value)
{
	json_name(w, name);
	json_bool(w, value);
}

static void
write_schema_field(struct json_out *w, enum role role, const struct resource_type *type,
		   const struct field *field)
{
	unsigned may = auth_field(role, type, field);

	json_name(w, field->name);
	json_begin_object(w);
	json_name(w, "type");
	json_string(w, type_text(field));
	json_name(w, "description");
	json_null(w);
	flag(w, "create", (may & MAY_CREATE) != 0);
	flag(w, "update", (may & MAY_UPDATE) != 0);
	flag(w, "readOnCreateOnly", (may & MAY_READ_ON_CREATE) != 0);
	if ((field->flags & F_NULLABLE) != 0)
		flag(w, "nullable", true);
	if ((field->flags & F_REQUIRED) != 0)
		flag(w, "required", true);
	if (field->fallback != NULL) {
		json_name(w, "default");
		json_raw(w, field->fallback, strlen(field->fallback));
	}
	if (field->min_len != 0) {
		json_name(w, "minLength");
		json_int(w, field->min_len);
	}
	if (field->max_len != 0) {
		json_name(w, "maxLength");
		json_int(w, field->max_len);
	}
	if (field->options != NULL) {
		json_name(w, "options");
		json_begin_array(w);
		for (const char *const *option = field->options; *option != NULL; option++)
			json_string(w, *option);
		json_end_array(w);
	}
	json_end_object(w);
}

static void
write_modifiers(struct json_out *w, const struct field *field)
{
	json_name(w, field->name);
	json_begin_object(w);
	json_name(w, "modifiers");
	json_begin_array(w);
	for (const struct modifier *m = modifier_table; m->name != NULL; m++)
		if ((m->sets & (1U << field->filter)) != 0)
			json_string(w, m->name);
	json_end_array(w);
	json_end_object(w);
}

static void
write_methods(struct json_out *w, const char *name, unsigned may, const unsigned *bits,
	      const char *const *methods)
{
	json_name(w, name);
	json_begin_array(w);
	for (size_t i = 0; methods[i] != NULL; i++)
		if ((may & bits[i]) != 0)
			json_string(w, methods[i]);
	json_end_array(w);
}

static void
write_all_methods(struct json_out *w, enum role role, const struct resource_type *type)
{
	static const unsigned collection[] = {MAY_READ, MAY_CREATE},
			      resource[] = {MAY_READ, MAY_UPDATE, MAY_DELETE};
	static const char *const collection_methods[] = {"GET", "POST", NULL};
	static const char *const resource_methods[] = {"GET", "PUT", "DELETE", NULL};
	unsigned may = auth_type(role, type), many = may, one = may;

	if ((type->flags & TYPE_DOCUMENT) != 0)
		many = 0;
	if ((type->flags & TYPE_QUESTION) != 0) {
		many = may & MAY_CREATE;
		one = 0;
	}
	write_methods(w, "collectionMethods", many, collection, collection_methods);
	write_methods(w, "resourceMethods", one, resource, resource_methods);
}

static void
write_schema_actions(struct json_out *w, enum role role, enum api_version version,
		     const struct resource_type *type)
{
	json_name(w, "resourceActions");
	json_begin_object(w);
	for (const struct action *x = type->actions; x != NULL && x->name != NULL; x++) {
		if ((auth_type(role, type) & MAY_ACT) == 0 || !action_in_version(x, version))
			continue;
		json_name(w, x->name);
		json_begin_object(w);
		json_name(w, "input");
		json_string(w, x->input);
		json_name(w, "output");
		json_string(w, x->output);
		json_end_object(w);
	}
	json_end_object(w);
}

void
repr_schema(struct json_out *w, const char *scope, enum role role, enum api_version version,
	    const struct resource_type *type)
{
	const struct resource_type *schema = &types_table[T_SCHEMA];

	json_begin_object(w);
	json_name(w, "id");
	json_string(w, type->id);
	json_name(w, "type");
	json_string(w, schema->id);
	json_name(w, "links");
	json_begin_object(w);
	char *id = arena_strdup(w->arena, type->id);
	for (char *p = id; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	json_name(w, "self");
	write_url(w, scope, "/schemas/", id);
	/* A question too: it is where clients post to. */
	if (is_listable(role, type) || (type->flags & TYPE_QUESTION) != 0)
		name_and_collection(w, "collection", scope, type);
	json_end_object(w);
	empty_object(w, "actions");
	json_name(w, "pluralName");
	json_string(w, type->plural);
	json_name(w, "resourceFields");
	json_begin_object(w);
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if (field_in_version(f, version) && (auth_field(role, type, f) & MAY_READ) != 0)
			write_schema_field(w, role, type, f);
	json_end_object(w);
	json_name(w, "collectionFilters");
	json_begin_object(w);
	for (const struct field *f = type->fields; f->name != NULL; f++)
		if (f->filter != FILTER_NONE && field_in_version(f, version))
			write_modifiers(w, f);
	json_end_object(w);
	json_name(w, "includeableLinks");
	json_begin_array(w);
	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++)
		if (role_has_link(role, type, l))
			json_string(w, l->name);
	json_end_array(w);
	write_schema_actions(w, role, version, type);
	empty_object(w, "collectionActions");
	empty_object(w, "collectionFields");
	write_all_methods(w, role, type);
	json_name(w, "baseType");
	json_string(w, schema->id);
	json_end_object(w);
}

/* The envelope of a collection that has neither rows in the database nor pages. */
static void
begin_plain_collection(struct json_out *w, const char *resource_type, const char *self,
		       const char *latest)
{
	json_begin_object(w);
	json_name(w, "type");
	json_string(w, "collection");
	json_name(w, "resourceType");
	json_string(w, resource_type);
	json_name(w, "links");
	json_begin_object(w);
	name_and_url(w, "self", self);
	if (latest != NULL)
		name_and_url(w, "latest", latest);
	json_end_object(w);
	empty_object(w, "createTypes");
	empty_object(w, "actions");
	json_name(w, "data");
	json_begin_array(w);
}

static void
end_plain_collection(struct json_out *w)
{
	json_end_array(w);
	empty_object(w, "sortLinks");
	json_name(w, "pagination");
	json_null(w);
	json_name(w, "sort");
	json_null(w);
	empty_object(w, "filters");
	empty_object(w, "createDefaults");
	json_end_object(w);
}

void
repr_schemas(struct json_out *w, const char *scope, enum role role, enum api_version version)
{
	begin_plain_collection(w, "schema", arena_printf(w->arena, "%s/schemas", scope), NULL);
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if ((auth_type(role, t) & MAY_READ) != 0)
			repr_schema(w, scope, role, version, t);
	end_plain_collection(w);
}

static void
write_version(struct json_out *w, const char *self, enum api_version version)
{
	json_name(w, "id");
	json_string(w, api_version_name(version));
	json_name(w, "type");
	json_string(w, "apiVersion");
	json_name(w, "links");
	json_begin_object(w);
	name_and_url(w, "self", self);
}

static void
end_version(struct json_out *w)
{
	json_end_object(w);
	empty_object(w, "actions");
	json_name(w, "baseType");
	json_string(w, "apiVersion");
	json_end_object(w);
}

void
repr_version(struct json_out *w, const char *root, const char *scope, enum role role,
	     enum api_version version)
{
	json_begin_object(w);
	write_version(w, root, version);
	write_collection_links(w, scope, role);
	end_version(w);
}

void
repr_versions(struct json_out *w, const char *base)
{
	begin_plain_collection(
		w, "apiVersion", arena_printf(w->arena, "%s/", base),
		arena_printf(w->arena, "%s/%s", base, api_version_name(API_V2_BETA)));
	for (unsigned v = 0; v < API__COUNT; v++) {
		json_begin_object(w);
		write_version(w,
			      arena_printf(w->arena, "%s/%s", base,
					   api_version_name((enum api_version)v)),
			      (enum api_version)v);
		end_version(w);
	}
	end_plain_collection(w);
}

void
repr_error(struct json_out *w, const struct error *e)
{
	char uuid[SECRET_UUID_SIZE];

	secret_uuid(uuid);
	json_begin_object(w);
	json_name(w, "id");
	json_string(w, uuid);
	json_name(w, "type");
	json_string(w, "error");
	empty_object(w, "links");
	empty_object(w, "actions");
	json_name(w, "status");
	json_int(w, err_status(e->code));
	json_name(w, "code");
	json_string(w, err_code(e->code));
	json_name(w, "message");
	json_string(w, err_message(e->code));
	json_name(w, "detail");
	json_string(w, e->detail);
	if (e->field != NULL) {
		json_name(w, "fieldName");
		json_string(w, e->field);
	}
	json_name(w, "baseType");
	json_string(w, "error");
	json_end_object(w);
}
