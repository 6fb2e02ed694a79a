/* repr_resource: a record as a resource: links, actions, fields. */

#include <stdlib.h>
#include <string.h>

#include "access/permissions.h"
#include "api/html.h"
#include "api/repr.h"
#include "api/repr_parts.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_out.h"
#include "base/network.h"
#include "model/date.h"
#include "model/list.h"
#include "model/process.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/renewal.h"
#include "resource/resource.h"

static bool
link_is_there(const struct view *v, const struct record *row, const struct link *link)
{
	if (link->kind == LINK_REFERENCE && row->columns[link->column].type == VALUE_NULL)
		return false;
	return repr_role_has_link(v->context->id->role, row->type, link);
}

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
	     const char *secret)
{
	json_string(w, secret != NULL ? secret : resource_open(c, NULL, row));
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
		json_string_member(w, f->name, record_text(row, f->column));
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

/* A value that was never set is the schema's default. */
static void
write_option(struct json_out *w, const struct field *field, const struct value *value)
{
	if (value->type == VALUE_NULL && field->fallback != NULL)
		json_raw(w, field->fallback, strlen(field->fallback));
	else
		json_string(w, value->type == VALUE_TEXT ? value->text : NULL);
}

/* Whether a login in use could not be renewed, and will soon be of no use. */
static bool
is_overdue(const struct view *v, const struct record *row)
{
	return row->type->family == &family_credential && record_state(row) == ST_ACTIVE &&
	       renewal_is_overdue(row, v->context->now_ms);
}

/* Whether the last try to renew a login failed. */
static bool
is_not_renewed(const struct record *row)
{
	const char *result = (row->type->flags & TYPE_VERIFIED) != 0
				     ? record_text(row, COL_REFRESH_RESULT)
				     : NULL;

	return result != NULL && strcmp(result, "refreshed") != 0;
}

/* A message on an inactive row says why it did not become active; on an active one it is a
 * warning, and an error if it says why the login was not renewed. */
static const char *
transition_of(const struct view *v, const struct record *row)
{
	enum state state = record_state(row);

	if (state_is_transitional(state))
		return "yes";
	if (is_overdue(v, row))
		return "error";
	if (record_text(row, COL_TRANSITION_TEXT) == NULL)
		return "no";
	return state == ST_INACTIVE || is_not_renewed(row) ? "error" : "no";
}

/* A login or key of whose end was warned says it itself. */
static const char *
transition_message(struct arena *a, const struct view *v, const struct record *row)
{
	const char *text = record_text(row, COL_TRANSITION_TEXT);
	char date[21];

	if (is_overdue(v, row))
		return record_text(row, COL_REFRESH_MESSAGE);
	if (text == NULL && row->type->family == &family_credential &&
	    record_state(row) == ST_ACTIVE && row->columns[COL_WARNED].type == VALUE_INT &&
	    row->columns[COL_EXPIRES].type == VALUE_INT) {
		int64_t expires = row->columns[COL_EXPIRES].number;

		date_format(expires, date);
		return arena_printf(a, "It %s at %s: replace it.",
				    expires <= v->context->now_ms ? "expired" : "expires", date);
	}
	return text == NULL && state_is_transitional(record_state(row)) ? "In Progress" : text;
}

/* A list that was never set is the schema's default. */
static void
write_list(struct json_out *w, const struct field *field, const struct value *v)
{
	const char *list = v->type == VALUE_TEXT ? v->text : NULL;
	char one[LIST_ITEM_SIZE], span[SPAN_TEXT_SIZE];

	if (list == NULL) {
		const char *fallback = field->fallback != NULL ? field->fallback : "null";

		json_raw(w, fallback, strlen(fallback));
		return;
	}
	json_begin_array(w);
	while (list_next(&list, one)) {
		if (field->type == FT_DURATIONS)
			date_format_span(strtoll(one, NULL, 10), span);
		json_string(w, field->type == FT_DURATIONS ? span : one);
	}
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

/* The value of a field, followed by anything else that a field of its type shows. */
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
		write_secret(w, v->context, row, secret);
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
		json_string(w, transition_of(v, row));
		break;
	case FT_MESSAGE:
		json_string(w, transition_message(w->arena, v, row));
		break;
	case FT_DATA:
		write_data(w, v, row);
		break;
	case FT_IDENTITY:
		write_identity(w, row);
		break;
	case FT_NETWORKS:
	case FT_PATHS:
	case FT_REFERENCES:
	case FT_DURATIONS:
		write_list(w, field, value);
		break;
	case FT_JSON:
		if (value->type == VALUE_TEXT)
			json_raw(w, value->text, value->len);
		else
			json_null(w);
		break;
	case FT_HIDDEN:
		json_null(w);
		break;
	case FT_ID: /* printed first */
	case FT_MEMBERS:
	case FT_CONSTANT:
		write_constant(w, field);
		break;
	}
}

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
	json_piece(w, repr_scope_of_type(v, type));
	json_piece(w, "/");
	json_piece(w, repr_segment[type_index(type)]);
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
		if ((type->flags & TYPE_PROJECT) != 0 && repr_is_listable(role, t)) {
			json_name(w, t->plural);
			form_url(form, v, type, "/", repr_segment[type_index(t)]);
		}
	for (const struct link *l = type->links; l != NULL && l->name != NULL; l++) {
		if ((type->flags & TYPE_PROJECT) != 0 || !repr_role_has_link(role, type, l))
			continue;
		struct gap *gap = l->kind == LINK_REFERENCE ? leave_gap(form, GAP_LINK) : NULL;
		json_name(w, l->name);
		form_url(form, v, type, "/",
			 l->kind == LINK_CHILDREN ? repr_segment[type_index(l->target)] : l->name);
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

	for (size_t i = 0; i < repr_field_count[type_index(type)]; i++) {
		const struct field *f = &type->fields[repr_in_resource[type_index(type)][i]];

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

/* The form of a type; NULL if out of memory. */
static const struct form *
form_of(struct repr_page *page, const struct resource_type *type)
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
	json_string_member(&form->text, "type", type->id);
	form_links(form, page->view, type);
	form_actions(form, page->view, type);
	json_string_member(&form->text, "baseType", type->base != NULL ? type->base : type->id);
	form_fields(form, page->view, type);
	(void)leave_gap(form, GAP_END);
	return form;
}

/* The actions that a row offers to the caller, as bits. */
static uint32_t
resource_actions_of(const struct view *v, const struct form *form, const struct record *row)
{
	if (!form->acts || !resource_may_act(v->context->id, row))
		return 0;
	uint32_t offered = repr_offered[type_index(row->type)][record_state(row)];
	for (uint32_t rest = offered; rest != 0; rest &= rest - 1) {
		const struct action *x = &row->type->actions[__builtin_ctz(rest)];

		if (!resource_fits_action(row, x->name))
			offered &= ~(rest & -rest);
	}
	return offered;
}

static void
write_form(struct json_out *w, const struct view *v, const struct form *form,
	   const struct record *row, const char *secret)
{
	uint32_t actions = resource_actions_of(v, form, row);
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

static void write_include(struct json_out *w, struct repr_page *page, const struct record *row,
			  const char *name);

void
repr_write_resource(struct json_out *w, struct repr_page *page, const struct record *row,
		    const char *secret, const char *include)
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
	struct repr_page page = {.view = v};

	repr_write_resource(w, &page, row, secret, include);
}

bool
repr_is_full(struct repr_page *page, const struct json_out *w)
{
	enum { JSON_MAX = 1920 * 1024, HTML_MAX = 4 * 1024 * 1024 }; /* plus the surrounding text */

	if (w->bytes == NULL) /* out of memory: the writer says so */
		return false;
	const char *rest = w->bytes + page->counted;
	size_t len = w->len - page->counted;
	page->size += page->view->html ? html_size(rest, len) : len;
	page->counted = w->len;
	return page->size > (page->view->html ? HTML_MAX : JSON_MAX);
}

/* The rows of a child link, page by page until the answer is full; then the resource is `partial`,
 * and the link gives access to all of them. */
static enum err
write_children(struct json_out *w, struct repr_page *page, const struct record *row,
	       const struct link *link)
{
	struct record_list list = {.more = true};
	struct list_request request = {0};
	struct error e = {0};
	bool any = false, full = false;

	while (list.more && !full) {
		struct position from = request.list.from;

		request = (struct list_request){.list = {.from = from, .limit = LIMIT_DEFAULT},
						.paged = true};
		if (resource_children(page->view->context, row, link, &request, &list, &e) !=
		    ERR_NONE)
			return e.code;
		if (list.count > 0 && !any) {
			json_name(w, link->name);
			json_begin_array(w);
			any = true;
		}
		for (size_t i = 0; i < list.count && !full; i++) {
			repr_write_resource(w, page, &list.items[i], NULL, NULL);
			full = repr_is_full(page, w);
			request.list.from =
				(struct position){.set = true, .id = record_id(&list.items[i])};
		}
	}
	if (any)
		json_end_array(w);
	if (full) {
		json_name(w, "partial");
		json_bool(w, true);
	}
	return ERR_NONE;
}

/* Embeds the target of a link under the link's name; nothing if there is none. Any other failure
 * fails the answer, so that a client cannot mistake it for an empty result. */
static void
write_include(struct json_out *w, struct repr_page *page, const struct record *row,
	      const char *name)
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
		if (rc == ERR_NONE && target.columns[COL_REMOVED].type == VALUE_NULL) {
			json_name(w, link->name);
			repr_write_resource(w, page, &target, NULL, NULL);
		}
	}
	w->failed = w->failed || (rc != ERR_NONE && rc != ERR_NOT_FOUND);
}
