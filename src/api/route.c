/* route: the table of routes, and the handling of a request from beginning to end. */
#include "api/route.h"

#include <pthread.h>
#include <string.h>

#include "access/permissions.h"
#include "access/sign_in.h"
#include "api/answer.h"
#include "api/browser.h"
#include "api/call.h"
#include "api/condition.h"
#include "api/handlers.h"
#include "api/identify.h"
#include "api/outside.h"
#include "api/repr.h"
#include "api/request.h"
#include "api/session.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "login/inject.h"
#include "login/verifier.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "service/app.h"

static void
set_context(struct call *c)
{
	c->context = (struct context){
		.arena = c->arena,
		.store = c->app->store,
		.ring = c->app->ring,
		.actor = identity_actor(&c->identity),
		.id = &c->identity,
		.version = c->version,
		.now_ms = c->now_ms,
		.removed_keep_ms = c->app->settings->removed_keep_s * 1000,
		.opened = &c->opened,
		.limits = c->app->limits,
	};
	c->context.actor.address = c->request->client;
	c->context.actor.request_id = c->request->id;
	c->context.actor.answered = true;
	c->view = (struct view){
		.context = &c->context,
		.root = c->root,
		.scope = c->scope,
		.html = browser_wants_html(c),
		.page = arena_printf(c->arena, "%s%s", c->base, c->target.path),
		.query = &c->target.query,
	};
}

enum {
	GATE_TYPE = 1 << 0,
	GATE_ACTION = 1 << 1
}; /* the caller must see the type; `action` must be given */

/* clang-format off */
static const struct route { enum place place; unsigned methods; enum err (*handler)(struct call *c); unsigned gates; } routes[] = {
#define ON(method) (1U << HTTP_##method)
#define READ (ON(GET) | ON(HEAD))
#define ANY ((1U << HTTP__COUNT) - 1)
	{ AT_ROOT,       READ,       handle_versions,    0 },
	{ AT_VERSION,    READ,       handle_version,     0 },
	{ AT_SCHEMAS,    READ,       handle_schemas,     0 },
	{ AT_SCHEMA,     READ,       handle_schema,      0 },
	{ AT_OPENAPI,    READ,       handle_openapi,     0 },
	{ AT_QUESTION,   ON(POST),   handle_question,    GATE_TYPE },
	{ AT_QUESTION,   ANY,        handle_not_allowed, GATE_TYPE },
	{ AT_COLLECTION, READ,       handle_list,        GATE_TYPE },
	{ AT_COLLECTION, ON(POST),   handle_action,      GATE_TYPE | GATE_ACTION },
	{ AT_COLLECTION, ON(POST),   handle_create,      GATE_TYPE },
	{ AT_RESOURCE,   ON(POST),   handle_action,      GATE_TYPE | GATE_ACTION },
	{ AT_RESOURCE,   READ | ON(PUT) | ON(DELETE), handle_action_without_post, GATE_TYPE | GATE_ACTION },
	{ AT_RESOURCE,   READ,       handle_read,        GATE_TYPE },
	{ AT_RESOURCE,   ON(PUT),    handle_update,      GATE_TYPE },
	{ AT_RESOURCE,   ON(DELETE), handle_delete,      GATE_TYPE },
	{ AT_LINK,       READ,       handle_link,        GATE_TYPE },
	{ AT_COLLECTION, ANY,        handle_not_allowed, GATE_TYPE },
	{ AT_RESOURCE,   ANY,        handle_not_allowed, GATE_TYPE },
	{ AT_LINK,       ANY,        handle_not_allowed, GATE_TYPE },
	{ AT_ROOT,       ANY,        handle_not_allowed, 0 },
	{ AT_VERSION,    ANY,        handle_not_allowed, 0 },
	{ AT_SCHEMAS,    ANY,        handle_not_allowed, 0 },
	{ AT_SCHEMA,     ANY,        handle_not_allowed, 0 },
	{ AT_OPENAPI,    ANY,        handle_not_allowed, 0 },
#undef ON
#undef READ
#undef ANY
};

static enum place
route_find_place(const struct call *c)
{
	const struct resource_type *type =
		c->type_name != NULL ? type_find_segment(c->type_name) : NULL;

	if (c->target.segment_count == 0)
		return AT_ROOT;
	if (c->type_name == NULL)
		return AT_VERSION;
	if (c->id == NULL && strcmp(c->type_name, "openapi.json") == 0)
		return AT_OPENAPI;
	if (type != NULL && strcmp(type->id, "schema") == 0)
		return c->id == NULL ? AT_SCHEMAS : AT_SCHEMA;
	if (type != NULL && (type->flags & TYPE_QUESTION) != 0 && c->id == NULL)
		return AT_QUESTION;
	return c->id == NULL ? AT_COLLECTION : c->link == NULL ? AT_RESOURCE : AT_LINK;
}

/* The methods that the caller may use here, except for the refused one. */
static const char *
route_allow(const struct call *c)
{
	static const struct {
		enum http_method method;
		const char *name;
		unsigned right; /* permission that the role needs on the type, if there is one */
	} methods[] = {
		{HTTP_GET, "GET, HEAD", MAY_READ},
		{HTTP_POST, "POST", MAY_CREATE | MAY_ACT},
		{HTTP_PUT, "PUT", MAY_UPDATE},
		{HTTP_DELETE, "DELETE", MAY_DELETE},
	};
	const char *allow = "";

	for (size_t m = 0; m < sizeof(methods) / sizeof(*methods); m++) {
		bool served = methods[m].method != c->method;

		if (c->type != NULL && c->type->family != NULL)
			served = served && (auth_type(c->identity.role, c->type) & methods[m].right) != 0;
		for (size_t i = 0; served && i < sizeof(routes) / sizeof(*routes); i++)
			if (routes[i].place == c->response->route &&
			    (routes[i].methods & (1U << methods[m].method)) != 0) {
				served = routes[i].handler != handle_not_allowed;
				break;
			}
		if (served && allow != NULL)
			allow = arena_printf(c->arena, "%s%s%s", allow, *allow != '\0' ? ", " : "",
					     methods[m].name);
	}
	return allow;
}

static enum err
route_request(struct call *c)
{
	enum place place = c->response->route;
	bool action = pairs_find(&c->target.query, "action") != NULL;

	c->type = c->type_name != NULL ? type_find_segment(c->type_name) : NULL;
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++) {
		const struct route *r = &routes[i];

		if (r->place != place || (r->methods & (1U << c->method)) == 0 ||
		    ((r->gates & GATE_ACTION) != 0 && !action))
			continue;
		if ((r->gates & GATE_TYPE) != 0 &&
		    (c->type == NULL || (c->type->family == NULL && place != AT_QUESTION) ||
		     (auth_type(c->identity.role, c->type) & MAY_READ) == 0))
			return err_set(&c->error, ERR_NOT_FOUND, NULL, NULL);
		if (r->handler != handle_not_allowed && condition_read(c) != ERR_NONE)
			return c->error.code;
		return r->handler(c);
	}
	return handle_not_allowed(c);
}

/* Handles the request up to the document. */
static enum err
route_act(struct call *c)
{
	enum err rc;

	if (request_find_base(c) != ERR_NONE)
		return c->error.code;
	rc = http_target_parse(c->arena, c->request->target, &c->target, &c->error);
	if (rc != ERR_NONE)
		return rc;
	bool root = c->target.segment_count == 0;
	if (!root && !request_find_version(c))
		return err_set(&c->error, ERR_NOT_FOUND, NULL, NULL);
	if (!root)
		request_find_path(c);
	c->response->route = route_find_place(c);
	c->method = request_method(c);
	if (root && browser_wants_page(c)) {
		c->status = 303;
		response_header(c->response, "Location", arena_printf(c->arena, "%s/ui/", c->base));
		return ERR_NONE;
	}
	if (request_read_body(c) != ERR_NONE || request_merge_query(c) != ERR_NONE || session_take_key(c) != ERR_NONE || identify_caller(c) != ERR_NONE ||
	    browser_check_csrf(c) != ERR_NONE)
		return c->error.code;
	if (c->body == NULL)
		c->body = json_object(c->arena);
	session_name_current(c);
	set_context(c);
	if (c->body == NULL || arena_failed(c->arena))
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	return route_request(c);
}

/* For auth_request of nginx: the URL is the one that the client requests from the registry. A key
 * is required: it works with docker login, and another site cannot make a browser send one. */
static enum err
act_inject(struct call *c)
{
	const struct wish wish = {.registry = c->request->inject_registry,
				  .scheme = c->request->inject_scheme,
				  .method = c->request->method,
				  .target = c->request->target,
				  .content_type = c->request->content_type};
	struct injection injection = {0};

	c->response->route = AT_INJECT;
	if (request_find_base(c) != ERR_NONE || identify_caller(c) != ERR_NONE)
		return c->error.code;
	if (c->identity.key_id == 0)
		return err_set(&c->error, ERR_UNAUTHORIZED, NULL, NULL);
	set_context(c);
	enum err rc = inject_run(c->app->inject, &c->context, &wish, &injection, &c->error);
	if (rc == ERR_FORBIDDEN)
		auth_note_denied(&c->app->auth, c->arena, c->request, c->now_ms, rc);
	if (rc != ERR_NONE)
		return rc;
	c->answer = ANSWER_NOTHING;
	response_header(c->response, INJECT_HEADER, injection.authorization);
	response_header(c->response, INJECT_PATH_HEADER, injection.path);
	response_header(c->response, INJECT_NEXT_HEADER, injection.next);
	response_header(c->response, INJECT_BASE_HEADER, injection.base);
	response_header(c->response, INJECT_ACCEPT_HEADER, c->request->accept);
	return ERR_NONE;
}

/* Also records in the audit log what a signed-in caller was not allowed. */
static void
note_refused(const struct call *c, enum err rc)
{
	const struct resource_type *type =
		c->type_name != NULL ? type_find_segment(c->type_name) : NULL;
	bool hand_out = type == &types_table[T_HAND_OUT];
	int status = err_status(rc);
	bool refused = status == 401 || status == 403 || status == 429 ||
		       (hand_out && rc == ERR_NOT_FOUND);

	if (!c->identified || !refused || c->response->route == AT_INJECT || request_is_read(c) ||
	    (type != NULL && (type->flags & TYPE_QUESTION) != 0 && !hand_out))
		return;
	struct actor actor = identity_actor(&c->identity);
	actor.address = c->request->client;
	auth_note_refused(&c->app->auth, &actor, hand_out ? "handOutRefused" : "changeRefused",
			  type != NULL ? type->id : NULL, c->now_ms, rc);
}

static pthread_once_t tables_made = PTHREAD_ONCE_INIT;

void
app_handle(struct app *app, const struct request *request, struct arena *arena,
	   struct response *response)
{
	struct call *c = arena_alloc(arena, sizeof(*c));

	(void)pthread_once(&tables_made, repr_init);
	*response = (struct response){.head = http_method_parse(request->method) == HTTP_HEAD};
	if (c == NULL) {
		answer_without_memory(response);
		return;
	}
	const struct outside *outside =
		request->inject_registry == NULL ? find_outside(app, request) : NULL;
	if (outside != NULL) {
		response->route = outside->place;
		outside->answer(app, request, arena, response);
		return;
	}
	*c = (struct call){.app = app,
			   .request = request,
			   .response = response,
			   .arena = arena,
			   .now_ms = clock_wall_ms(),
			   .status = 200};
	c->identity.role = ROLE_NONE;
	json_out_init(&c->out, arena);
	enum err rc = request->inject_registry != NULL ? act_inject(c) : route_act(c);
	if (rc == ERR_NONE && !answer_compose(c))
		rc = c->error.code != ERR_NONE ? c->error.code
					       : err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	response->account = c->identity.user_id;
	response->key = c->identity.key_id;
	/* A secret is sent only after that has been recorded. */
	if (rc == ERR_NONE &&
	    (c->opened.count > c->opened.recorded || c->opened.failed != STORE_OK))
		rc = resource_record_opened(&c->context, &c->error);
	if (rc != ERR_NONE) {
		note_refused(c, rc);
		answer_compose_error(c);
	}
	if (response->status == 405)
		response_header(response, "Allow", route_allow(c));
	if (rc == ERR_NONE && c->check_due)
		verifier_wake(app->verifier);
}
