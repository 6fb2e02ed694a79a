/* repr_collection: a page of records as a collection: links, sort, filters, pagination. */
#include <string.h>

#include "access/permissions.h"
#include "api/repr.h"
#include "api/repr_parts.h"
#include "base/arena.h"
#include "base/http.h"
#include "base/json_out.h"
#include "base/text.h"
#include "model/list.h"
#include "model/query.h"
#include "model/schema.h"

/* Parameters that a link must not keep: those that it sets itself, and possible secrets (gdapi's
 * command line puts its key into every query). */
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

/* The page's URL with the parameters of the request; ends so that "name=value" can follow. */
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
	for (size_t i = 0; i < repr_field_count[type_index(type)]; i++) {
		const struct field *f = &type->fields[by_name[type_index(type)][i]];

		if (filter_is_there(f, v->context->version)) {
			json_name(w, f->name);
			repr_write_url(w, url, "sort=", f->name);
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
	for (size_t i = 0; i < repr_field_count[type_index(type)]; i++) {
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
			json_string_member(w, "value", request->filters[j].value);
			json_string_member(w, "modifier", request->filters[j].modifier->name);
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
	/* The first page has no marker: its URL ends in "?" or "&". */
	if (first != NULL)
		first = arena_copy(w->arena, first, strlen(first) - 1);
	json_name(w, "pagination");
	json_begin_object(w);
	repr_name_and_url(w, "first", first);
	repr_name_and_url(w, "previous", previous);
	repr_name_and_url(w, "next", next);
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
	json_string_member(w, "name", request->sort->name);
	json_string_member(w, "order", descending ? "desc" : "asc");
	json_string_member(w, "reverse",
			   arena_printf(w->arena, "%ssort=%s&order=%s", page_url(v, true),
					request->sort->name, descending ? "asc" : "desc"));
	json_end_object(w);
}

/* The types that can be created through an abstract collection: its child types. */
static void
write_create_types(struct json_out *w, const struct view *v, const struct resource_type *type)
{
	json_name(w, "createTypes");
	json_begin_object(w);
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		if (type_is_child(t, type) &&
		    (auth_type(v->context->id->role, t) & MAY_CREATE) != 0)
			repr_name_and_collection(w, t->id, v->scope, t);
	json_end_object(w);
}

/* Writes the rows of a page until the answer is full; if the page was read backwards, its last
 * ones. */
static void
write_rows(struct json_out *w, struct repr_page *page, const struct list_request *request,
	   struct record_list *list)
{
	const struct json_out start = *w;
	size_t i = 0;

	while (i < list->count) {
		const struct json_out before = *w;

		page->size = i == 0 ? 0 : page->size;
		page->counted = w->len;
		repr_write_resource(w, page, &list->items[i++], NULL, request->include);
		if (!repr_is_full(page, w) || i == 1)
			continue;
		list->more = true;
		if (!request->list.from.backwards) {
			w->len = before.len;
			list->count = i - 1;
			return;
		}
		w->len = start.len;
		w->comma = start.comma;
		list->items += list->count - i + 1;
		list->count = i - 1;
		i = 0;
	}
}

void
repr_collection(struct json_out *w, const struct view *v, const struct resource_type *type,
		const struct list_request *request, const struct record_list *list)
{
	enum { GUESS = 1536 }; /* bytes of a resource; a login with an e-mail address has 1240 */
	struct record_list shown = *list;
	struct repr_page page = {.view = v};

	json_reserve(w, (list->count + 2) * GUESS);
	json_begin_object(w);
	json_string_member(w, "type", "collection");
	json_string_member(w, "resourceType", type->id);
	json_name(w, "links");
	json_begin_object(w);
	repr_name_and_url(w, "self", v->page);
	json_end_object(w);
	write_create_types(w, v, type);
	repr_empty_object(w, "actions");
	json_name(w, "data");
	json_begin_array(w);
	write_rows(w, &page, request, &shown);
	json_end_array(w);
	write_sort_links(w, v, type);
	if (!request->whole || shown.more) {
		write_pagination(w, v, request, &shown);
	} else {
		json_name(w, "pagination");
		json_null(w);
	}
	write_sort(w, v, request);
	write_filters(w, v, type, request);
	repr_empty_object(w, "createDefaults");
	json_end_object(w);
}
