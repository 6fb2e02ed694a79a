/* handlers: one function for each route, which calls an operation and prints the result. */
#include "api/handlers.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/permissions.h"
#include "api/answer.h"
#include "api/call.h"
#include "api/openapi.h"
#include "api/repr.h"
#include "api/request.h"
#include "api/session.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_out.h"
#include "login/handout.h"
#include "login/resolve.h"
#include "login/try.h"
#include "model/list.h"
#include "model/query.h"
#include "model/schema.h"
#include "registry/check.h"
#include "resource/resource.h"
#include "resource/work.h"
#include "secret/seal.h"
#include "service/app.h"

/* A schema collection is written once for each role and version with this in place of the scope,
 * and then copied with the real scope. */
static const char scope_mark[] = "{scope}";

enum err
handle_versions(struct call *c)
{
	repr_versions(&c->out, c->base);
	return ERR_NONE;
}

enum err
handle_version(struct call *c)
{
	repr_version(&c->out, c->root, c->scope, c->identity.role, c->version);
	return ERR_NONE;
}

/* Finds the template of a role and version, or writes it. */
static const struct template *
schemas_template(struct call *c)
{
	struct app *app = c->app;
	struct template *t = &app->templates[c->identity.role][c->version];
	struct json_out w;
	size_t len = 0;

	(void)pthread_mutex_lock(&app->template_mutex);
	if (t->text == NULL) {
		json_out_init(&w, c->arena);
		repr_schemas(&w, scope_mark, c->identity.role, c->version);
		const char *text = json_out_text(&w, &len);

		t->text = text != NULL ? malloc(len + 1) : NULL;
		if (t->text != NULL)
			memcpy(t->text, text, len + 1);
		t->len = len;
	}
	(void)pthread_mutex_unlock(&app->template_mutex);
	return t->text != NULL ? t : NULL;
}

enum err
handle_schemas(struct call *c)
{
	const struct template *t = schemas_template(c);

	if (t == NULL)
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	const char *from = t->text, *mark;
	size_t scope_len = strlen(c->scope), marks = 0;
	for (mark = t->text; (mark = strstr(mark, scope_mark)) != NULL; mark++)
		marks++;
	char *text = arena_alloc(c->arena, t->len + marks * scope_len + 1), *end = text;
	if (text == NULL)
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	while ((mark = strstr(from, scope_mark)) != NULL) {
		end = mempcpy(mempcpy(end, from, (size_t)(mark - from)), c->scope, scope_len);
		from = mark + sizeof(scope_mark) - 1;
	}
	end = stpcpy(end, from);
	json_raw(&c->out, text, (size_t)(end - text));
	return ERR_NONE;
}

enum err
handle_schema(struct call *c)
{
	const struct resource_type *type = type_find_segment(c->id);

	if (type == NULL || (auth_type(c->identity.role, type) & MAY_READ) == 0)
		return err_set(&c->error, ERR_NOT_FOUND, NULL, NULL);
	repr_schema(&c->out, c->scope, c->identity.role, c->version, type);
	return ERR_NONE;
}

enum err
handle_openapi(struct call *c)
{
	openapi_write(&c->out, c->scope, c->identity.role, c->version);
	return ERR_NONE;
}

enum err
handle_list(struct call *c)
{
	const struct view_of_type view = {c->identity.role, c->type};
	struct list_request request;
	struct record_list list;

	if (query_parse(c->arena, c->type, c->version, &c->target.query, resource_field_visible,
			&view, c->context.now_ms, &request, &c->error) != ERR_NONE ||
	    resource_list(&c->context, c->type, &request, &list, &c->error) != ERR_NONE)
		return c->error.code;
	repr_collection(&c->out, &c->view, c->type, &request, &list);
	return ERR_NONE;
}

enum err
handle_read(struct call *c)
{
	struct record row;

	if (resource_read(&c->context, c->type, c->id, &row, &c->error) != ERR_NONE)
		return c->error.code;
	repr_resource(&c->out, &c->view, &row, NULL, pairs_find(&c->target.query, "include"));
	return ERR_NONE;
}

enum err
handle_action_without_post(struct call *c)
{
	return err_set(&c->error, ERR_METHOD_NOT_ALLOWED, NULL,
		       request_is_read(c) ? "A GET changes nothing: send the action with POST."
					  : "Nothing was changed: send the action with POST.");
}

enum err
handle_link(struct call *c)
{
	struct record row, target;
	struct list_request request;
	struct record_list list;

	if (resource_read(&c->context, c->type, c->id, &row, &c->error) != ERR_NONE)
		return c->error.code;
	const struct link *link = type_link(row.type, c->link);
	if (link == NULL)
		return err_set(&c->error, ERR_NOT_FOUND, NULL, NULL);
	if (link->kind == LINK_REFERENCE) {
		if (resource_follow(&c->context, &row, link, &target, &c->error) != ERR_NONE)
			return c->error.code;
		repr_resource(&c->out, &c->view, &target, NULL, NULL);
		return ERR_NONE;
	}
	const struct view_of_type view = {c->identity.role, link->target};
	if (query_parse(c->arena, link->target, c->version, &c->target.query,
			resource_field_visible, &view, c->context.now_ms, &request,
			&c->error) != ERR_NONE ||
	    resource_children(&c->context, &row, link, &request, &list, &c->error) != ERR_NONE)
		return c->error.code;
	repr_collection(&c->out, &c->view, link->target, &request, &list);
	return ERR_NONE;
}

/* The answer to a committed change: everything it needs was prepared before. */
static enum err
answer_change(struct call *c, const struct record *row, const char *secret)
{
	c->committed = true;
	c->check_due = row->columns[COL_VERIFY_DUE].type != VALUE_NULL;
	repr_resource(&c->out, &c->view, row, secret, NULL);
	if (c->status == 201)
		response_header(c->response, "Location", repr_self(&c->view, row));
	return ERR_NONE;
}

/* Keyed, because a body may contain a password. */
static const char *
once_hash(struct call *c, const char *purpose, const char *text, size_t len)
{
	unsigned char mac[SECRET_MAC_SIZE];
	char *hex = arena_alloc(c->arena, 2 * sizeof(mac) + 1);

	secret_mac(c->app->ring, purpose, text, len, mac);
	for (size_t i = 0; hex != NULL && i < sizeof(mac); i++)
		(void)sprintf(hex + 2 * i, "%02x", mac[i]);
	return hex;
}

/* Idempotency-Key: docs/api.md, Writing. */
static enum err
read_once(struct call *c)
{
	enum { KEY_MAX = 255 };
	const struct request *r = c->request;
	const char *key = r->idempotency_key;

	if (key == NULL)
		return ERR_NONE;
	if (*key == '\0' || strlen(key) > KEY_MAX)
		return err_set(
			&c->error, ERR_BAD_REQUEST, NULL,
			"The Idempotency-Key is empty or longer than 255 bytes: send another.");
	const char *url =
		arena_printf(c->arena, "%lld %s", (long long)c->identity.scope_id, r->target);
	size_t len = url != NULL ? strlen(url) + 1 : 0, all = len + r->body_len;
	char *text = arena_alloc(c->arena, all);
	if (text == NULL || url == NULL)
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	memcpy(mempcpy(text, url, len), r->body, r->body_len);
	c->once = (struct once){.account_id = c->identity.user_id,
				.key = once_hash(c, "idempotency key", key, strlen(key)),
				.request = once_hash(c, "idempotent body", text, all)};
	c->context.once = &c->once;
	return !arena_failed(c->arena) ? ERR_NONE : err_set(&c->error, ERR_INTERNAL, NULL, NULL);
}

enum err
handle_create(struct call *c)
{
	struct record row;
	const char *secret = NULL;

	if (c->type == &types_table[T_SESSION])
		return session_begin(c);
	c->status = 201;
	if (read_once(c) != ERR_NONE ||
	    resource_create(&c->context, c->type, c->body, &row, &secret, &c->error) != ERR_NONE)
		return c->error.code;
	return answer_change(c, &row, secret);
}

enum err
handle_update(struct call *c)
{
	struct record row;

	if (resource_update(&c->context, c->type, c->id, c->body, &row, &c->error) != ERR_NONE)
		return c->error.code;
	return answer_change(c, &row, NULL);
}

enum err
handle_delete(struct call *c)
{
	struct record row;

	if (resource_delete(&c->context, c->type, c->id, &row, &c->error) != ERR_NONE)
		return c->error.code;
	return answer_change(c, &row, NULL);
}

/* The action test: checks a login that is not stored. */
static enum err
handle_test(struct call *c)
{
	const struct action *action;
	struct check_report report;
	struct record row;

	if (resource_find_action(&c->context, c->type, c->id, "test", &row, &action, &c->error) !=
		    ERR_NONE ||
	    work_nothing(&c->context, &row, &c->error) != ERR_NONE ||
	    try_login(&c->context, c->app->verifier, &row, c->body, &report, &c->error) != ERR_NONE)
		return c->error.code;
	repr_check(&c->out, &report, c->now_ms);
	return ERR_NONE;
}

static enum err
handle_set_members(struct call *c)
{
	struct record_list members;

	c->status = 202;
	if (read_once(c) != ERR_NONE ||
	    resource_set_members(&c->context, c->id, c->body, &members, &c->error) != ERR_NONE)
		return c->error.code;
	c->committed = true;
	repr_members(&c->out, &c->view, &members);
	return ERR_NONE;
}

/* Actions with their own function, by the kind of their argument. */
static const struct {
	const char *input;
	enum err (*act)(struct call *c);
} acts[] = {
	{"registryTestInput", handle_test},
	{"setProjectMembersInput", handle_set_members},
};

enum err
handle_action(struct call *c)
{
	const char *name = pairs_find(&c->target.query, "action");
	const struct action *action = type_action(c->type, name, c->version);
	struct record row;

	for (size_t i = 0; i < sizeof(acts) / sizeof(*acts); i++)
		if (action != NULL && action->input != NULL &&
		    strcmp(action->input, acts[i].input) == 0)
			return acts[i].act(c);
	c->status = 202;
	if (read_once(c) != ERR_NONE ||
	    resource_action(&c->context, c->type, c->id, name, &row, &c->error) != ERR_NONE)
		return c->error.code;
	return answer_change(c, &row, NULL);
}

static enum err
handle_resolve(struct call *c)
{
	struct wanted wanted;
	struct login_list logins;

	if (resolve_read(&c->context, c->type, c->body, &wanted, &c->error) != ERR_NONE)
		return c->error.code;
	if (wanted.parts.key == NULL)
		return err_set(&c->error, ERR_MISSING_REQUIRED, "image", NULL);
	if (resolve_find(&c->context, &wanted, false, &logins, &c->error) != ERR_NONE)
		return c->error.code;
	resolve_order(&logins, wanted.parts.repository);
	repr_image_login(&c->out, &c->view, &wanted, &logins);
	return ERR_NONE;
}

static enum err
handle_hand_out(struct call *c)
{
	c->answer = ANSWER_FILE;
	return handout_run(&c->context, c->type, c->body, &c->file, &c->error);
}

static const struct {
	enum type_place type;
	enum err (*ask)(struct call *c);
} questions[] = {
	{T_IMAGE_LOGIN, handle_resolve},
	{T_HAND_OUT, handle_hand_out},
};

enum err
handle_question(struct call *c)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
		if (type_index(c->type) == questions[i].type)
			return questions[i].ask(c);
	return err_set(&c->error, ERR_NOT_FOUND, NULL, NULL);
}

enum err
handle_not_allowed(struct call *c)
{
	return err_set(&c->error, ERR_METHOD_NOT_ALLOWED, NULL, NULL);
}
