/* app: routes, gates and answers.
 *
 * The order of the checks is the contract's 7.3: body, key, project, CSRF, versions and schemas,
 * type, id, action, method, fields.
 */
#include "service/app.h"

#include <ctype.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "audit/audit.h"
#include "access/sign_in.h"
#include "shared/board.h"
#include "base/clock.h"
#include "base/disk.h"
#include "login/handout.h"
#include "api/html.h"
#include "login/inject.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/log.h"
#include "shared/metrics.h"
#include "access/proxy.h"
#include "model/query.h"
#include "service/rekey.h"
#include "api/repr.h"
#include "login/resolve.h"
#include "resource/resource.h"
#include "secret/keyring.h"
#include "store/store.h"
#include "login/verifier.h"

enum {
	HTML_JSON_MAX =
		4 * 1024 * 1024, /* a longer answer stays JSON: a page is three times as long */
	WAL_TRUNCATE_BYTES = 15 * 1024 * 1024, /* above that the housekeeper empties the
						* write-ahead log: more than writers leave */
	BASE_MAX = 512,
};

static const char json_type[] = "application/json; charset=utf-8";
static const char html_type[] = "text/html; charset=utf-8";
static const char challenge[] =
	"Basic realm=\"Enter API access key and secret key as username and password\"";

/* A schema collection, written once for a role and version with this in place of the scope, and
 * then copied with the real one. */
static const char scope_mark[] = "{scope}";

struct template
{
	char *text;
	size_t len;
};

struct app {
	const struct settings *settings;
	const struct board *board; /* of the pool; NULL for none */
	struct store *store;
	struct keyring *ring;
	struct auth auth;
	struct check_settings checks;
	struct verifier *verifier;
	struct inject *inject;
	struct limiter *check_limiter; /* NULL for none */
	char proxy_token[PROXY_TOKEN_SIZE];
	_Atomic uint64_t failures_met; /* of the database, by all processes, at the last ping */
	int64_t anchor_id;	       /* row of the audit log that the log was told last */
	pthread_mutex_t template_mutex;
	struct template templates[ROLE__COUNT][API__COUNT];
};

/* What is asked for: how far the path goes. */
enum place {
	AT_NOWHERE,
	AT_ROOT,
	AT_VERSION,
	AT_SCHEMAS,
	AT_SCHEMA,
	AT_QUESTION,
	AT_COLLECTION,
	AT_RESOURCE,
	AT_LINK,
	AT_PING,
	AT_METRICS,
	AT_INJECT,
	AT__COUNT
};

/* As /metrics names them; a project's scope is left out. */
static const char *const place_names[BOARD_ROUTES] = {
	[AT_NOWHERE] = "other",
	[AT_ROOT] = "/",
	[AT_VERSION] = "/{version}",
	[AT_SCHEMAS] = "/{version}/schemas",
	[AT_SCHEMA] = "/{version}/schemas/{type}",
	[AT_QUESTION] = "/{version}/{question}",
	[AT_COLLECTION] = "/{version}/{type}",
	[AT_RESOURCE] = "/{version}/{type}/{id}",
	[AT_LINK] = "/{version}/{type}/{id}/{link}",
	[AT_PING] = "/ping",
	[AT_METRICS] = "/metrics",
	[AT_INJECT] = "/v2/",
};
_Static_assert((int)AT__COUNT <= (int)BOARD_ROUTES, "the board has a row for each place");

/* One request on its way. */
struct call {
	struct app *app;
	const struct request *request;
	struct response *response;
	struct arena *arena;
	struct target target;
	enum http_method method; /* the effective one (contract 1.8) */
	enum api_version version;
	const char *base;		   /* "https://r.example.test" */
	const char *root;		   /* base and version */
	const char *scope;		   /* root and project */
	const char *project;		   /* of the path, NULL if it is not scoped */
	const char *type_name, *id, *link; /* the rest of the path, NULL where it ends */
	const struct resource_type *type;
	struct json *body;
	struct identity identity;
	bool identified;
	struct context context;
	struct view view;
	struct json_out out;
	struct opened opened; /* secrets that the answer shows */
	struct error error;
	int64_t now_ms; /* one moment for all that the request does */
	int status;
	bool check_due;	      /* a login waits to be checked, once the change is committed */
	bool answered;	      /* the response is complete */
	size_t early_headers; /* of the response, that every answer keeps */
};

/* Where things are */

static const char *
lower(struct arena *a, const char *text)
{
	char *copy = text != NULL ? arena_strdup(a, text) : NULL;

	for (char *p = copy; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

/* The first of a comma list. */
static const char *
first_of(struct arena *a, const char *list)
{
	return arena_copy(a, list, strcspn(list, ", "));
}

/* scheme://host from the forwarding headers, where the settings trust them (contract 1.7). */
static void
use_forwarded(const struct call *c, const char **scheme, const char **host)
{
	const struct request *r = c->request;

	if (!c->app->settings->trust_forwarded || r->forwarded_proto == NULL)
		return;
	*scheme = first_of(c->arena, r->forwarded_proto);
	if (r->forwarded_host != NULL)
		*host = first_of(c->arena, r->forwarded_host);
	if (r->forwarded_port == NULL || *host == NULL)
		return;
	const char *port = first_of(c->arena, r->forwarded_port);
	const char *colon = strrchr(*host, ':'), *bracket = strrchr(*host, ']');
	if (colon != NULL && (bracket == NULL || colon > bracket))
		*host = arena_copy(c->arena, *host, (size_t)(colon - *host));
	if (port != NULL && *host != NULL && strcmp(port, "80") != 0 && strcmp(port, "443") != 0)
		*host = arena_printf(c->arena, "%s:%s", *host, port);
}

static enum err
find_base(struct call *c)
{
	const struct request *r = c->request;
	const char *scheme = r->scheme != NULL ? r->scheme : "http", *host = r->host;

	c->base = "http://localhost";
	c->root = c->scope = "http://localhost/v1";
	if (c->app->settings->base_url[0] != '\0') {
		c->base = c->app->settings->base_url;
	} else {
		use_forwarded(c, &scheme, &host);
		if (host == NULL || !http_host_valid(host) ||
		    (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0))
			return err_set(&c->error, ERR_BAD_REQUEST, NULL,
				       "The Host header is missing or no host name.");
		if (r->prefix != NULL && !http_prefix_valid(r->prefix))
			return err_set(&c->error, ERR_BAD_REQUEST, NULL,
				       "What the web server says to be the path of this service "
				       "(REGCRED_PREFIX, or SCRIPT_NAME) is no path of a URL.");
		/* The prefix stays as the web server has it: its locations know upper case. */
		c->base = arena_printf(
			c->arena, "%s%s",
			lower(c->arena, arena_printf(c->arena, "%s://%s", scheme, host)),
			r->prefix != NULL ? r->prefix : "");
	}
	c->root = c->scope = arena_printf(c->arena, "%s/%s", c->base != NULL ? c->base : "",
					  api_version_name(API_V1));
	return c->root != NULL && c->base != NULL ? ERR_NONE
						  : err_set(&c->error, ERR_INTERNAL, NULL, NULL);
}

static bool
is_segment(const struct call *c, size_t i, const char *name)
{
	return c->target.segment_count > i && strcasecmp(c->target.segments[i], name) == 0;
}

static bool
find_version(struct call *c)
{
	for (unsigned v = 0; v < API__COUNT; v++)
		if (strcmp(c->target.segments[0], api_version_name((enum api_version)v)) == 0) {
			c->version = (enum api_version)v;
			return true;
		}
	return false;
}

/* "/v1/projects/1a5/…" is scoped when something follows, unless that is the project's own list of
 * members (contract 1.4). */
static void
find_path(struct call *c)
{
	const struct target *t = &c->target;
	bool scoped = t->segment_count >= 4 && is_segment(c, 1, "projects") &&
		      !is_segment(c, 3, "projectmembers") && !is_segment(c, 3, "projectmember");
	size_t at = scoped ? 3 : 1;

	c->root = c->scope = arena_printf(c->arena, "%s/%s", c->base, api_version_name(c->version));
	if (scoped) {
		int64_t id;

		c->project = t->segments[2];
		/* What cannot be a project's id is refused later, and not repeated in a URL. */
		if (id_parse(&family_account, c->project, &id))
			c->scope = arena_printf(c->arena, "%s/projects/%s", c->root, c->project);
	}
	c->type_name = t->segment_count > at ? t->segments[at] : NULL;
	c->id = t->segment_count > at + 1 ? t->segments[at + 1] : NULL;
	c->link = t->segment_count > at + 2 ? t->segments[at + 2] : NULL;
}

/* The method that counts: `_method` on a POST (contract 1.8); HEAD is GET without its body. */
static enum http_method
effective_method(const struct call *c)
{
	enum http_method method = http_method_parse(c->request->method);
	const char *other = pairs_find(&c->target.query, "_method");

	if (method == HTTP_POST && other != NULL)
		method = http_method_parse(other);
	return method;
}

static bool
is_read(const struct call *c)
{
	return c->method == HTTP_GET || c->method == HTTP_HEAD;
}

/* Bodies */

static bool
begins_like_json(const char *body)
{
	body += strspn(body, " \t\r\n");
	return *body == '{' || *body == '[';
}

static enum err
read_form(struct call *c, const char *media_type)
{
	const struct request *r = c->request;
	struct pairs pairs = {0};
	bool multipart = strcmp(media_type, "multipart/form-data") == 0;
	enum err rc = multipart
			      ? http_multipart_parse(c->arena, r->content_type, r->body,
						     r->body_len, &pairs, &c->error)
			      : http_form_parse(c->arena, r->body, r->body_len, &pairs, &c->error);

	if (rc != ERR_NONE)
		return rc;
	c->body = json_object(c->arena);
	for (size_t i = 0; c->body != NULL && i < pairs.count; i++)
		(void)json_add_string(c->arena, c->body, pairs.items[i].name, pairs.items[i].value);
	return ERR_NONE;
}

/* A body is JSON whatever its type says, but for forms; what curl sends by default is JSON when it
 * looks so (contract 8.5). */
static enum err
read_body(struct call *c)
{
	const struct request *r = c->request;
	const char *type = http_media_type(c->arena, r->content_type);
	enum http_method sent = http_method_parse(r->method);

	if (r->body_too_large)
		return err_set(&c->error, ERR_TOO_LARGE, NULL, NULL);
	if (r->body_cut)
		return err_set(&c->error, ERR_BAD_REQUEST, NULL,
			       "The body ended before its announced length.");
	if (sent != HTTP_POST && sent != HTTP_PUT)
		return ERR_NONE;
	if (type == NULL)
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	bool form = strcmp(type, "application/x-www-form-urlencoded") == 0 &&
		    !begins_like_json(r->body);
	enum err rc = form || strcmp(type, "multipart/form-data") == 0
			      ? read_form(c, type)
			      : json_parse(c->arena, r->body, r->body_len, &c->body, &c->error);
	if (rc == ERR_BAD_REQUEST)
		c->error.code = ERR_INVALID_BODY;
	if (rc == ERR_NONE && c->body == NULL)
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	return c->error.code;
}

/* Parameters of the query lie under the body: what the body does not say, they may (contract 8.5).
 */
static enum err
merge_query(struct call *c)
{
	const struct pairs *query = &c->target.query;
	bool *missing = arena_array(c->arena, query->count + 1, sizeof(*missing));

	if (c->body == NULL || missing == NULL)
		return ERR_NONE;
	if (c->body->type != JSON_OBJECT)
		c->body = json_object(c->arena);
	/* Looked at before anything is added: a parameter that comes twice is an array, as in a
	 * form. */
	for (size_t i = 0; c->body != NULL && i < query->count; i++)
		missing[i] = json_member(c->body, query->items[i].name) == NULL;
	for (size_t i = 0; c->body != NULL && i < query->count; i++)
		if (missing[i])
			(void)json_add_string(c->arena, c->body, query->items[i].name,
					      query->items[i].value);
	return arena_failed(c->arena) ? err_set(&c->error, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}

/* Browsers */

static bool
contains_any_case(const char *text, const char *part)
{
	return text != NULL && strcasestr(text, part) != NULL;
}

static bool
is_browser(const struct request *r)
{
	return contains_any_case(r->user_agent, "mozilla");
}

static bool
wants_html(const struct call *c)
{
	const char *format = pairs_find(&c->target.query, "_format");
	const char *accept = c->request->accept;

	if (format != NULL && strcasecmp(format, "html") == 0)
		return true;
	if (format != NULL && strcasecmp(format, "json") == 0)
		return false;
	return is_browser(c->request) && (accept == NULL || strstr(accept, "*/*") != NULL);
}

enum origin { ORIGIN_UNKNOWN, ORIGIN_OWN, ORIGIN_FOREIGN };

/* What the browser itself says about the page that made the request. */
static enum origin
find_origin(const struct call *c)
{
	const char *origin = c->request->origin, *site = c->request->fetch_site;

	if (site != NULL)
		return strcasecmp(site, "same-origin") == 0 ? ORIGIN_OWN : ORIGIN_FOREIGN;
	if (origin == NULL)
		return ORIGIN_UNKNOWN;
	/* Scheme and host of the base: all before its third slash. */
	const char *host = strstr(c->base, "://");
	size_t len = host != NULL ? (size_t)(host + 3 - c->base) + strcspn(host + 3, "/") : 0;
	return strlen(origin) == len && strncasecmp(c->base, origin, len) == 0 ? ORIGIN_OWN
									       : ORIGIN_FOREIGN;
}

static bool
is_token(const char *text)
{
	size_t len = strlen(text);

	return len >= SECRET_CSRF_SIZE - 1 && len <= 64 &&
	       strspn(text, "0123456789ABCDEFabcdef") == len;
}

/* The contract's 8.4 and 0.1: a browser's write shows that it comes from a page of ours.  The
 * cookie is set, or sent again. */
static enum err
check_csrf(struct call *c)
{
	char fresh[SECRET_CSRF_SIZE];

	if (!is_browser(c->request)) {
		/* A sign-on in front goes with every request of a browser, whatever it calls
		 * itself; a key in a header has to be put there. */
		bool elsewhere = c->identity.proxy_user != NULL && !is_read(c) &&
				 find_origin(c) == ORIGIN_FOREIGN;

		return elsewhere ? err_set(&c->error, ERR_INVALID_CSRF_TOKEN, NULL, NULL)
				 : ERR_NONE;
	}
	const char *cookie = c->request->cookie != NULL
				     ? http_cookie(c->arena, c->request->cookie, "CSRF")
				     : NULL;
	if (cookie != NULL && !is_token(cookie))
		cookie = NULL;
	secret_csrf_token(fresh);
	response_header(c->response, "Set-Cookie",
			arena_printf(c->arena, "CSRF=%s; Path=/; SameSite=Strict%s",
				     cookie != NULL ? cookie : fresh,
				     strncmp(c->base, "https:", 6) == 0 ? "; Secure" : ""));
	c->early_headers = c->response->header_count;
	if (is_read(c))
		return ERR_NONE;
	const char *token =
		c->request->csrf != NULL ? c->request->csrf : pairs_find(&c->target.query, "CSRF");
	enum origin origin = find_origin(c);
	/* A sibling site can plant a cookie, and its value in a URL, but not hide where it is. */
	bool right = origin != ORIGIN_FOREIGN &&
		     (token != NULL ? cookie != NULL && secret_equal(token, cookie)
				    : origin == ORIGIN_OWN);
	return right ? ERR_NONE : err_set(&c->error, ERR_INVALID_CSRF_TOKEN, NULL, NULL);
}

/* Who asks, and for which project */

/* The account of somebody whom the web server signed in and whom nobody has seen before.  Of two
 * first requests at once the unique index lets one through; the other one finds the account. */
static enum err
create_proxy_user(struct call *c)
{
	const char *user = c->identity.proxy_user;
	struct identity system = {.user_id = AUTH_SYSTEM_ACCOUNT,
				  .scope_id = AUTH_SYSTEM_ACCOUNT,
				  .kind = "superadmin",
				  .role = ROLE_SUPERADMIN,
				  .all_accounts = true,
				  .owners = {.all = true},
				  .proxy_user = user,
				  .via = "proxy"};
	const struct context context = {.arena = c->arena,
					.store = c->app->store,
					.ring = c->app->ring,
					.id = &system,
					.version = c->version,
					.now_ms = clock_wall_ms(),
					.removed_keep_ms = c->app->settings->removed_keep_s * 1000,
					.request_id = c->request->id,
					.client = c->request->client};
	struct json *body = json_object(c->arena);
	struct record row;
	const char *secret;

	if (body == NULL || !json_add_string(c->arena, body, "name", user) ||
	    !json_add_string(c->arena, body, "externalId", user) ||
	    !json_add_string(c->arena, body, "externalIdType", STORE_PROXY_TYPE) ||
	    (c->request->proxy.email != NULL &&
	     !json_add_string(c->arena, body, "description", c->request->proxy.email)))
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	enum err rc =
		resource_create(&context, &types_table[T_ACCOUNT], body, &row, &secret, &c->error);
	if (rc == ERR_NONE)
		log_info("made the account %s for \"%s\"",
			 id_format(c->arena, &family_account, record_id(&row)), user);
	return rc == ERR_NOT_UNIQUE ? ERR_NONE : rc;
}

/* A request without any key is no sign-in. */
static enum err
count_refusal(const struct call *c, enum err rc)
{
	const struct request *r = c->request;

	if (rc == ERR_TOO_MANY)
		board_count(BOARD_LIMITED);
	else if (r->authorization != NULL || r->api_key != NULL || r->proxy.user != NULL)
		board_count(BOARD_REFUSED);
	return rc;
}

static enum err
identify(struct call *c)
{
	const char *project = c->project;
	const struct auth *auth = &c->app->auth;
	enum err rc = auth_identify(auth, c->arena, c->request, c->now_ms, &c->identity, &c->error);

	if (rc == ERR_FORBIDDEN && c->identity.proxy_unknown &&
	    c->app->settings->proxy_create_users) {
		c->error = (struct error){0};
		if (create_proxy_user(c) != ERR_NONE)
			return c->error.code;
		c->error = (struct error){0};
		rc = auth_identify(auth, c->arena, c->request, c->now_ms, &c->identity, &c->error);
	}
	if (rc != ERR_NONE)
		return count_refusal(c, rc);
	c->identified = true;
	if (project == NULL)
		project = c->request->project_id;
	if (project == NULL)
		project = pairs_find(&c->target.query, "projectId");
	if (project == NULL)
		return ERR_NONE;
	int64_t id;
	if (c->project == NULL && !id_parse(&family_account, project, &id))
		return err_set(&c->error, ERR_INVALID_PROJECT_ID, NULL, NULL);
	return auth_scope(&c->app->auth, c->arena, project, &c->identity, &c->error);
}

static enum err write_answer(void *arg, const struct record *row, const char *secret,
			     const struct record_list *members, struct error *e);

static enum err write_report(void *arg, const struct check_report *report, struct error *e);

static void
set_context(struct call *c)
{
	c->context = (struct context){
		.arena = c->arena,
		.store = c->app->store,
		.ring = c->app->ring,
		.id = &c->identity,
		.version = c->version,
		.now_ms = c->now_ms,
		.removed_keep_ms = c->app->settings->removed_keep_s * 1000,
		.request_id = c->request->id,
		.client = c->request->client,
		.opened = &c->opened,
		.verifier = c->app->verifier,
		.checks = c->app->check_limiter,
		.answer = {.write = write_answer, .report = write_report, .arg = c},
	};
	c->view = (struct view){
		.context = &c->context,
		.root = c->root,
		.scope = c->scope,
		.page = arena_printf(c->arena, "%s%s", c->base, c->target.path),
		.query = &c->target.query,
	};
}

static void add_headers(struct call *c);
static bool compose(struct call *c);

/* The answer to a change, headers and all, written before the change is committed. */
static enum err
write_answer(void *arg, const struct record *row, const char *secret,
	     const struct record_list *members, struct error *e)
{
	struct call *c = arg;

	/* A full disk makes a transaction run twice. */
	c->response->header_count = c->early_headers;
	json_out_init(&c->out, c->arena);
	if (members != NULL)
		repr_members(&c->out, &c->view, members);
	else
		repr_resource(&c->out, &c->view, row, secret, NULL);
	if (c->status == 201)
		response_header(c->response, "Location", repr_self(&c->view, row));
	c->check_due = row->columns[COL_VERIFY_DUE].type != VALUE_NULL;
	c->answered = compose(c);
	return c->answered ? ERR_NONE : err_set(e, ERR_INTERNAL, NULL, NULL);
}

static enum err
write_report(void *arg, const struct check_report *report, struct error *e)
{
	struct call *c = arg;

	c->status = 200;
	repr_check(&c->out, report, c->now_ms);
	c->answered = compose(c);
	return c->answered ? ERR_NONE : err_set(e, ERR_INTERNAL, NULL, NULL);
}

/* Handlers: each writes its document, or fails. */

static enum err
handle_versions(struct call *c)
{
	repr_versions(&c->out, c->base);
	return ERR_NONE;
}

static enum err
handle_version(struct call *c)
{
	repr_version(&c->out, c->root, c->scope, c->identity.role, c->version);
	return ERR_NONE;
}

/* Writes the template of a role and version, or finds it written. */
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

static enum err
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

static enum err
handle_schema(struct call *c)
{
	const struct resource_type *type = type_find_segment(c->id);

	if (type == NULL || (auth_type(c->identity.role, type) & MAY_READ) == 0)
		return err_set(&c->error, ERR_NOT_FOUND, NULL, NULL);
	repr_schema(&c->out, c->scope, c->identity.role, c->version, type);
	return ERR_NONE;
}

static enum err
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

static enum err
handle_read(struct call *c)
{
	struct record row;

	if (resource_read(&c->context, c->type, c->id, &row, &c->error) != ERR_NONE)
		return c->error.code;
	repr_resource(&c->out, &c->view, &row, NULL, pairs_find(&c->target.query, "include"));
	return ERR_NONE;
}

static enum err
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

/* Changes are answered within their transaction: see write_answer(). */

static enum err
handle_create(struct call *c)
{
	struct record row;
	const char *secret = NULL;

	c->status = 201;
	return resource_create(&c->context, c->type, c->body, &row, &secret, &c->error);
}

static enum err
handle_update(struct call *c)
{
	struct record row;

	return resource_update(&c->context, c->type, c->id, c->body, &row, &c->error);
}

static enum err
handle_delete(struct call *c)
{
	struct record row;

	return resource_delete(&c->context, c->type, c->id, &row, &c->error);
}

static enum err
handle_action(struct call *c)
{
	struct record row;
	struct record_list members;

	c->status = 202;
	return resource_action(&c->context, c->type, c->id, pairs_find(&c->target.query, "action"),
			       c->body, &row, &members, &c->error);
}

/* Questions: types that are asked by a POST to their collection. */

static enum err
handle_resolve(struct call *c)
{
	struct wanted wanted;
	struct login_list logins;

	if (resolve_read(&c->context, c->type, c->body, &wanted, &c->error) != ERR_NONE)
		return c->error.code;
	if (wanted.parts.key == NULL)
		return err_set(&c->error, ERR_MISSING_REQUIRED, "image", NULL);
	if (resolve_find(&c->context, NULL, &wanted, false, &logins, &c->error) != ERR_NONE)
		return c->error.code;
	resolve_order(&logins, wanted.parts.repository);
	repr_image_login(&c->out, &c->view, &wanted, &logins);
	return ERR_NONE;
}

/* The answer is a file for another program, never a page. */
static enum err
handle_hand_out(struct call *c)
{
	struct hand_out file;

	if (handout_run(&c->context, c->type, c->body, &file, &c->error) != ERR_NONE)
		return c->error.code;
	c->response->status = 200;
	c->response->content_type = file.content_type;
	c->response->body = file.text;
	c->response->body_len = file.len;
	add_headers(c);
	c->answered = !arena_failed(c->arena);
	return c->answered ? ERR_NONE : err_set(&c->error, ERR_INTERNAL, NULL, NULL);
}

static const struct {
	enum type_place type;
	enum err (*ask)(struct call *c);
} questions[] = {
	{T_IMAGE_LOGIN, handle_resolve},
	{T_HAND_OUT, handle_hand_out},
};

static enum err
handle_question(struct call *c)
{
	for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
		if (type_index(c->type) == questions[i].type)
			return questions[i].ask(c);
	return err_set(&c->error, ERR_NOT_FOUND, NULL, NULL);
}

static enum err
handle_not_allowed(struct call *c)
{
	return err_set(&c->error, ERR_METHOD_NOT_ALLOWED, NULL, NULL);
}

/* Routes: the first row that fits. */

enum {
	GATE_TYPE = 1 << 0,
	GATE_ACTION = 1 << 1
}; /* the type must be there for the caller; `action` must be given */

/* clang-format off */
static const struct route { enum place place; unsigned methods; enum err (*handler)(struct call *c); unsigned gates; } routes[] = {
#define ON(method) (1U << HTTP_##method)
#define READ (ON(GET) | ON(HEAD))
#define ANY ((1U << HTTP__COUNT) - 1)
	{ AT_ROOT,       READ,       handle_versions,    0 },
	{ AT_VERSION,    READ,       handle_version,     0 },
	{ AT_SCHEMAS,    READ,       handle_schemas,     0 },
	{ AT_SCHEMA,     READ,       handle_schema,      0 },
	{ AT_QUESTION,   ON(POST),   handle_question,    GATE_TYPE },
	{ AT_QUESTION,   ANY,        handle_not_allowed, GATE_TYPE },
	{ AT_COLLECTION, READ,       handle_list,        GATE_TYPE },
	{ AT_COLLECTION, ON(POST),   handle_action,      GATE_TYPE | GATE_ACTION },
	{ AT_COLLECTION, ON(POST),   handle_create,      GATE_TYPE },
	{ AT_RESOURCE,   READ,       handle_read,        GATE_TYPE },
	{ AT_RESOURCE,   ON(POST),   handle_action,      GATE_TYPE | GATE_ACTION },
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
#undef ON
#undef READ
#undef ANY
};
/* clang-format on */

static enum place
find_place(const struct call *c)
{
	const struct resource_type *type =
		c->type_name != NULL ? type_find_segment(c->type_name) : NULL;

	if (c->target.segment_count == 0)
		return AT_ROOT;
	if (c->type_name == NULL)
		return AT_VERSION;
	if (type != NULL && strcmp(type->id, "schema") == 0)
		return c->id == NULL ? AT_SCHEMAS : AT_SCHEMA;
	if (type != NULL && (type->flags & TYPE_QUESTION) != 0 && c->id == NULL)
		return AT_QUESTION;
	return c->id == NULL ? AT_COLLECTION : c->link == NULL ? AT_RESOURCE : AT_LINK;
}

static enum err
route(struct call *c)
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
		return r->handler(c);
	}
	return handle_not_allowed(c);
}

/* Everything up to the document. */
static enum err
act(struct call *c)
{
	enum err rc;

	if (find_base(c) != ERR_NONE)
		return c->error.code;
	rc = http_target_parse(c->arena, c->request->target, &c->target, &c->error);
	if (rc != ERR_NONE)
		return rc;
	bool root = c->target.segment_count == 0;
	if (!root && !find_version(c))
		return err_set(&c->error, ERR_NOT_FOUND, NULL, NULL);
	if (!root)
		find_path(c);
	c->response->route = find_place(c);
	c->method = effective_method(c);
	if (read_body(c) != ERR_NONE || merge_query(c) != ERR_NONE || identify(c) != ERR_NONE ||
	    check_csrf(c) != ERR_NONE)
		return c->error.code;
	if (c->body == NULL)
		c->body = json_object(c->arena);
	set_context(c);
	return c->body != NULL && !arena_failed(c->arena)
		       ? route(c)
		       : err_set(&c->error, ERR_INTERNAL, NULL, NULL);
}

/* For auth_request of nginx: whatever the URL is, it is the one that the client asks the registry
 * for.  A key it must be: then docker's login works, and no browser can be made to ask. */
static enum err
act_inject(struct call *c)
{
	const struct wish wish = {.registry = c->request->inject_registry,
				  .scheme = c->request->inject_scheme,
				  .method = c->request->method,
				  .target = c->request->target,
				  .content_type = c->request->content_type};
	const char *authorization = NULL;

	c->response->route = AT_INJECT;
	if (find_base(c) != ERR_NONE || identify(c) != ERR_NONE)
		return c->error.code;
	if (c->identity.key_id == 0)
		return err_set(&c->error, ERR_UNAUTHORIZED, NULL, NULL);
	set_context(c);
	enum err rc = inject_run(c->app->inject, &c->context, &wish, &authorization, &c->error);
	if (rc == ERR_FORBIDDEN)
		auth_note_denied(&c->app->auth, c->arena, c->request, c->now_ms, rc);
	if (rc != ERR_NONE)
		return rc;
	c->response->status = 200;
	c->response->body = "";
	response_header(c->response, INJECT_HEADER, authorization);
	response_header(c->response, "Cache-Control", "no-store");
	c->answered = !arena_failed(c->arena);
	return c->answered ? ERR_NONE : err_set(&c->error, ERR_INTERNAL, NULL, NULL);
}

/* Answers */

/* What is left when there is no memory for anything else. */
static void
answer_without_memory(struct response *response)
{
	static const char text[] =
		"{\"id\":null,\"type\":\"error\",\"links\":{},\"actions\":{},\"status\":500,"
		"\"code\":\"Internal Server Error\","
		"\"message\":\"Internal Server Error\",\"detail\":null,\"baseType\":\"error\"}";

	response->status = 500;
	response->content_type = json_type;
	response->body = text;
	response->body_len = sizeof(text) - 1;
}

static void
add_headers(struct call *c)
{
	struct response *r = c->response;

	response_header(r, "X-API-Schemas", arena_printf(c->arena, "%s/schemas", c->scope));
	response_header(r, "Cache-Control", "no-store");
	response_header(r, "Vary", "Accept-Encoding, User-Agent");
	response_header(r, "X-Content-Type-Options", "nosniff");
	if (c->request->client != NULL)
		response_header(r, "X-API-Client-IP", c->request->client);
	if (c->identified) {
		response_header(r, "X-API-Account-Id",
				id_format(c->arena, &family_account, c->identity.scope_id));
		response_header(r, "X-API-User-Id",
				id_format(c->arena, &family_account, c->identity.user_id));
	}
	if (c->error.retry_after_s > 0)
		response_header(r, "Retry-After",
				arena_printf(c->arena, "%u", c->error.retry_after_s));
	const char *quiet = c->request->no_challenge;
	if (c->response->route == AT_INJECT)
		response_header(r, INJECT_WHY_HEADER, inject_why(&c->error));
	if (c->error.code == ERR_UNAUTHORIZED && (quiet == NULL || strcasecmp(quiet, "true") != 0))
		response_header(r, "WWW-Authenticate", challenge);
}

static const char *
as_html(struct call *c, const char *json, size_t *len)
{
	const struct page page = {
		.title = c->error.code != ERR_NONE ? err_code(c->error.code) : "regcred",
		.schemas = arena_printf(c->arena, "%s/schemas", c->scope),
		.base = c->base,
		.json = json,
		.json_len = *len,
	};

	c->response->content_type = html_type;
	response_header(c->response, "Content-Security-Policy", html_policy);
	response_header(c->response, "X-Frame-Options", "DENY");
	return page.schemas != NULL ? html_page(c->arena, &page, len) : NULL;
}

/* The whole response from the document that was written; false without memory. */
static bool
compose(struct call *c)
{
	struct response *r = c->response;
	size_t len = 0;

	r->status = c->status;
	r->content_type = json_type;
	add_headers(c);
	const char *text = json_out_text(&c->out, &len);
	if (text != NULL && len <= HTML_JSON_MAX && wants_html(c))
		text = as_html(c, text, &len);
	r->body = text;
	r->body_len = len;
	return text != NULL && !json_out_failed(&c->out) && !arena_failed(c->arena);
}

/* Starts over: an answer that was begun is dropped, but for the cookie of a browser. */
static void
compose_error(struct call *c)
{
	c->response->header_count = c->early_headers;
	json_out_init(&c->out, c->arena);
	repr_error(&c->out, &c->error);
	c->status = err_status(c->error.code);
	if (!compose(c))
		answer_without_memory(c->response);
}

/* Outside the API: without a key and without the API's headers. */

/* For load balancers.  Who cannot read the database is not healthy. */
static void
answer_ping(struct app *app, const struct request *request, struct arena *arena,
	    struct response *response)
{
	uint64_t met = app->board != NULL
			       ? atomic_load(&app->board->counters[BOARD_DATABASE_FAILURES])
			       : 0;

	(void)request, (void)arena;
	/* What another worker met counts for all. */
	if (met != atomic_exchange(&app->failures_met, met))
		store_suspect(app->store);
	bool healthy = store_ping(app->store) == STORE_OK;
	response->status = healthy ? 200 : 503;
	response->content_type = "text/plain; charset=utf-8";
	response->body = healthy ? "pong" : "the database cannot be read";
	response->body_len = strlen(response->body);
}

/* Only for a location of the web server that says so, and only where there is a pool to count. */
static void
answer_metrics(struct app *app, const struct request *request, struct arena *arena,
	       struct response *response)
{
	const struct metrics_now now = {clock_wall_ms(), store_wal_size(app->store),
					store_size(app->store)};
	size_t len = 0;
	const char *text = metrics_text(arena, app->board, place_names, &now, &len);

	(void)request;
	if (text == NULL) {
		answer_without_memory(response);
		return;
	}
	response->status = 200;
	response->content_type = METRICS_TYPE;
	response->body = text;
	response->body_len = len;
	response_header(response, "Cache-Control", "no-store");
}

static const struct outside {
	const char *path;
	enum place place;
	bool counters; /* only where the web server says so */
	void (*answer)(struct app *app, const struct request *request, struct arena *arena,
		       struct response *response);
} outside_table[] = {
	{"/ping", AT_PING, false, answer_ping},
	{"/healthcheck", AT_PING, false, answer_ping},
	{"/metrics", AT_METRICS, true, answer_metrics},
};

/* NULL for a request to the API. */
static const struct outside *
find_outside(const struct app *app, const struct request *request)
{
	for (size_t i = 0; i < sizeof(outside_table) / sizeof(*outside_table); i++) {
		const struct outside *o = &outside_table[i];
		size_t len = strlen(o->path);

		if (strncmp(request->target, o->path, len) == 0 &&
		    (request->target[len] == '\0' || request->target[len] == '?') &&
		    (!o->counters || (app->board != NULL && request->metrics != NULL)))
			return o;
	}
	return NULL;
}

void
app_handle(struct app *app, const struct request *request, struct arena *arena,
	   struct response *response)
{
	struct call *c = arena_alloc(arena, sizeof(*c));

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
	enum err rc = request->inject_registry != NULL ? act_inject(c) : act(c);
	if (rc == ERR_NONE && !c->answered && !compose(c))
		rc = err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	/* A secret leaves only when that is on record. */
	if (rc == ERR_NONE && c->opened.count > 0)
		rc = resource_record_opened(&c->context, &c->error);
	if (rc == ERR_NONE && c->check_due)
		verifier_wake(app->verifier);
	if (rc != ERR_NONE)
		compose_error(c);
}

/* Starting */

/* The first check value that the keys do not make; NULL if they make all of them.  *primary:
 * whether the key that seals has one. */
static const struct key_check *
find_stranger(const struct keyring *ring, const struct key_check *checks, size_t count,
	      bool *primary)
{
	struct sealing_key keys[KEYRING_MAX];
	size_t key_count = keyring_sealing(ring, keys);
	const struct key_check *stranger = NULL;

	*primary = false;
	for (size_t i = 0; i < count; i++) {
		if (stranger == NULL &&
		    !keyring_matches(ring, checks[i].key_id, checks[i].use, &checks[i].value))
			stranger = &checks[i];
		for (size_t k = 0; k < key_count; k++)
			if (keys[k].primary && checks[i].key_id == keys[k].id &&
			    strcmp(checks[i].use, "seal") == 0)
				*primary = true;
	}
	return stranger;
}

/* Compares the keys with the check values in the database; a new database takes those of this key
 * file.  A rotation may have changed file and database between the two looks: then it looks again.
 */
static bool
check_keys(const struct settings *s, struct store *store, struct keyring *ring, enum prepare how,
	   char why[CONFIG_WHY_MAX])
{
	struct arena *a = arena_new(256 * 1024);
	struct key_check *checks = NULL;
	const struct key_check *stranger = NULL;
	size_t count = 0;
	bool right = a != NULL, primary = false;

	for (int looks = 0; right && looks < 2 && (looks == 0 || stranger != NULL); looks++) {
		if (looks > 0)
			keyring_refresh(ring);
		right = store_key_checks(store, a, &checks, &count) == STORE_OK;
		stranger = right ? find_stranger(ring, checks, count, &primary) : NULL;
	}
	if (!right) {
		(void)snprintf(why, CONFIG_WHY_MAX, "cannot read the database %s", s->database);
	} else if (stranger != NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "the master key %s is not the one that the database %s was made "
			       "with, or is older than its last `regcred rekey` (key id %lld): put "
			       "the right file back",
			       s->key_file, s->database, (long long)stranger->key_id);
		right = false;
	} else if (count == 0 && how != PREPARE_CREATE) {
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "the database %s knows no master key: run `regcred init`",
			       s->database);
		right = false;
	} else if (!primary && how != PREPARE_CHECK && rekey_register(store, ring) != STORE_OK) {
		(void)snprintf(why, CONFIG_WHY_MAX, "cannot write to the database %s", s->database);
		right = false;
	}
	if (a != NULL)
		arena_free(a);
	return right;
}

static bool
init_tables(char why[CONFIG_WHY_MAX])
{
	const char *wrong = schema_check();

	if (wrong == NULL)
		wrong = auth_init();
	if (wrong == NULL && !secret_init())
		wrong = "libsodium does not start";
	if (wrong != NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "%s", wrong);
		return false;
	}
	repr_init();
	json_in_init();
	return true;
}

static void
use_room(struct store *store, const struct settings *s)
{
	const struct store_room room = {s->min_free_bytes, s->ballast_bytes};

	store_use_room(store, &room);
}

bool
app_wants_wal(const struct settings *s)
{
	return s->journal == JOURNAL_WAL ||
	       (s->journal == JOURNAL_AUTO && disk_network(s->database) == NULL);
}

/* What is not as everywhere is said at the start. */
static void
tell_journal(const struct settings *s)
{
	const char *network = disk_network(s->database);

	if (!app_wants_wal(s))
		log_warn("the database %s has a rollback journal in place of a write-ahead log, "
			 "because %s%s: reads and commits wait for each other",
			 s->database,
			 s->journal == JOURNAL_AUTO ? "it lies on " : "the setting journal says so",
			 s->journal == JOURNAL_AUTO ? network : "");
	else if (network != NULL)
		log_warn("the database %s lies on %s, and the setting journal gives it a "
			 "write-ahead log: it is damaged if a second host opens it",
			 s->database, network);
}

bool
app_prepare(const struct settings *s, enum prepare how, char why[CONFIG_WHY_MAX])
{
	char token[PROXY_TOKEN_SIZE];

	if (!init_tables(why))
		return false;
	if (s->proxy_auth && !proxy_token_load(s->proxy_token_file, token, why))
		return false;
	explicit_bzero(token, sizeof(token));
	struct keyring *ring = keyring_load(s->key_file, why);
	if (ring == NULL)
		return false;
	bool ready = how == PREPARE_CHECK ||
		     store_migrate(s->database, how == PREPARE_CREATE, app_wants_wal(s), why);
	struct store *store = ready ? store_open(s->database, 1, why) : NULL;
	bool right = store != NULL && check_keys(s, store, ring, how, why);
	if (right && how != PREPARE_CHECK) {
		tell_journal(s);
		use_room(store, s);
		store_keep_ballast(store);
	}
	store_close(store);
	keyring_free(ring);
	return right;
}

struct app *
app_new(const struct settings *s, char why[CONFIG_WHY_MAX])
{
	struct app *app = calloc(1, sizeof(*app));

	if (app == NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "there is no memory");
		return NULL;
	}
	app->settings = s;
	(void)pthread_mutex_init(&app->template_mutex, NULL);
	if (!init_tables(why) ||
	    (s->proxy_auth && !proxy_token_load(s->proxy_token_file, app->proxy_token, why)) ||
	    (app->ring = keyring_load(s->key_file, why)) == NULL ||
	    (app->store = store_open(s->database, (size_t)s->readers, why)) == NULL ||
	    !check_keys(s, app->store, app->ring, PREPARE_MIGRATE, why)) {
		app_free(app);
		return NULL;
	}
	use_room(app->store, s);
	app->checks = (struct check_settings){.networks = s->verify_networks,
					      .insecure = s->insecure_registries,
					      .ca_file = s->verify_ca_file,
					      .proxy = s->verify_proxy,
					      .timeout_ms = s->verify_timeout_s * 1000};
	/* A test holds the thread of its request: some are left for others. */
	app->verifier =
		verifier_new(app->store, app->ring, &app->checks, (unsigned)(s->threads + 1) / 2);
	/* So has a token that is waited for. */
	app->inject = inject_new(&app->checks, (unsigned)(s->threads * 3 + 3) / 4);
	if (app->verifier == NULL || app->inject == NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "there is no memory");
		app_free(app);
		return NULL;
	}
	app->auth = (struct auth){.store = app->store,
				  .ring = app->ring,
				  .open = s->open,
				  .proxy_token = s->proxy_auth ? app->proxy_token : NULL,
				  .proxy_trust_cgi = s->proxy_trust_cgi,
				  .proxy_create_users = s->proxy_create_users,
				  .groups = s->groups,
				  .group_count = s->group_count};
	return app;
}

void
app_use_limiter(struct app *app, struct limiter *limiter)
{
	app->auth.limiter = limiter;
}

void
app_use_board(struct app *app, const struct board *board)
{
	app->board = board;
}

void
app_use_refusals(struct app *app, struct refusals *refusals)
{
	app->auth.refusals = refusals;
}

void
app_use_check_limiter(struct app *app, struct limiter *limiter)
{
	app->check_limiter = limiter;
}

bool
app_start_checks(struct app *app)
{
	return store_use_threads(app->store, STORE_FOLD_FRAMES) &&
	       verifier_start(app->verifier, (size_t)app->settings->verify_threads);
}

void
app_run_checks(struct app *app)
{
	while (verifier_run_one(app->verifier))
		;
}

void
app_free(struct app *app)
{
	if (app == NULL)
		return;
	verifier_free(app->verifier);
	inject_free(app->inject);
	for (unsigned r = 0; r < ROLE__COUNT; r++)
		for (unsigned v = 0; v < API__COUNT; v++)
			free(app->templates[r][v].text);
	store_close(app->store);
	keyring_free(app->ring);
	(void)pthread_mutex_destroy(&app->template_mutex);
	explicit_bzero(app->proxy_token, sizeof(app->proxy_token));
	free(app);
}

void
app_local(struct app *app, struct arena *a, struct identity *id, struct context *c)
{
	*id = (struct identity){.user_id = AUTH_OPEN_ACCOUNT,
				.scope_id = AUTH_OPEN_ACCOUNT,
				.kind = "superadmin",
				.role = ROLE_SUPERADMIN,
				.account_role = ROLE_SUPERADMIN,
				.all_accounts = true,
				.via = "command"};
	id->owners.all = true;
	*c = (struct context){.arena = a,
			      .store = app->store,
			      .ring = app->ring,
			      .id = id,
			      .version = API_V2_BETA,
			      .now_ms = clock_wall_ms(),
			      .removed_keep_ms = app->settings->removed_keep_s * 1000,
			      .verifier = app->verifier,
			      .request_id = "command"};
}

/* The end of the audit log goes to the other log now and then, which lies elsewhere: a row that was
 * noted there cannot be cut off or replaced unseen. */
static void
log_anchor(struct app *app)
{
	enum { ANCHOR_ROWS = 1000 };
	struct audit_anchor head;

	if (audit_head(app->store, app->ring, &head) != STORE_OK ||
	    head.id < app->anchor_id + (app->anchor_id == 0 ? 1 : ANCHOR_ROWS))
		return;
	app->anchor_id = head.id;
	log_info("audit log: anchor %lld:%s", (long long)head.id, head.hash);
}

struct refusal_work {
	struct app *app;
	struct arena *arena;
	const struct refusal *items;
	size_t count;
};

static enum err
refusals_in_transaction(struct store_tx *tx, void *arg)
{
	const struct refusal_work *w = arg;

	for (size_t i = 0; i < w->count; i++) {
		const struct refusal *r = &w->items[i];
		const struct audit_entry entry = {
			.who = {.via = "none",
				.address = r->address[0] != '\0' ? r->address : NULL,
				.proxy_user = r->user[0] != '\0' ? r->user : NULL},
			.event = "signInRefused",
			.response_code = r->status,
			.attempts = r->count,
			.access_key = r->key[0] != '\0' ? r->key : NULL,
			.at_ms = r->minute * 60000};

		if (audit_append(tx, w->arena, w->app->ring, &entry) != STORE_OK)
			return ERR_INTERNAL;
	}
	return ERR_NONE;
}

bool
app_write_refusals(struct app *app, bool all)
{
	struct refusals *refusals = app->auth.refusals;
	struct refusal items[REFUSALS_MAX];
	struct refusal_work w = {.app = app, .items = items};

	if (refusals == NULL)
		return true;
	w.count = refusals_take(refusals, all ? INT64_MAX : clock_wall_ms() / 60000, items);
	if (w.count == 0)
		return true;
	w.arena = arena_new(APP_ARENA_MAX);
	enum store_rc rc = w.arena != NULL ? store_write(app->store, refusals_in_transaction, &w)
					   : STORE_NO_MEMORY;
	if (w.arena != NULL)
		arena_free(w.arena);
	for (size_t i = 0; rc != STORE_OK && i < w.count; i++)
		refusals_add(refusals, &items[i]);
	if (rc != STORE_OK)
		log_warn("refused sign-ins could not be written to the audit log; it is tried "
			 "again");
	return rc == STORE_OK;
}

/* How long the lease is given out for: a process that dies with it keeps the others from the work
 * no longer than that. */
enum { LEASE_MS = 60 * 1000, HOLDER_SIZE = 320 };

struct housekeeping {
	struct store *store;
	app_goes_on goes_on;
	void *arg;
	char holder[HOLDER_SIZE];
	int64_t until_ms;
	int64_t rows;
	enum store_rc taken; /* STORE_NONE: somebody else has the lease */
};

static enum err
take_lease_in_transaction(struct store_tx *tx, void *arg)
{
	struct housekeeping *h = arg;
	int64_t now = clock_wall_ms();

	h->until_ms = now + LEASE_MS;
	h->taken = store_take_lease(tx, HOUSEKEEPING, h->holder, now, h->until_ms);
	return h->taken == STORE_OK ? ERR_NONE : ERR_CONFLICT;
}

static enum err
end_lease_in_transaction(struct store_tx *tx, void *arg)
{
	const struct housekeeping *h = arg;

	return store_end_lease(tx, HOUSEKEEPING, h->holder, clock_wall_ms(), h->rows) == STORE_OK
		       ? ERR_NONE
		       : ERR_CONFLICT;
}

/* Between two batches: the lease is made to last in good time. */
static bool
keep_lease(void *arg)
{
	struct housekeeping *h = arg;

	if (h->goes_on != NULL && !h->goes_on(h->arg))
		return false;
	return h->until_ms - clock_wall_ms() > LEASE_MS / 2 ||
	       store_write_freeing(h->store, take_lease_in_transaction, h) == STORE_OK;
}

static void
name_holder(char holder[HOLDER_SIZE])
{
	char host[HOLDER_SIZE / 2] = "?";

	if (gethostname(host, sizeof(host) - 1) != 0)
		(void)snprintf(host, sizeof(host), "?");
	(void)snprintf(holder, HOLDER_SIZE, "%s:%d", host, (int)getpid());
}

static bool
sweep(struct app *app, struct housekeeping *h)
{
	const struct settings *s = app->settings;
	const struct sweep limits = {clock_wall_ms(),
				     s->removed_keep_s * 1000,
				     s->purged_keep_s * 1000,
				     s->process_log_keep_s * 1000,
				     keep_lease,
				     h};
	size_t done = 0, cut = 0;
	enum store_rc rc = resource_sweep(app->store, app->ring, &limits, &done);

	if (done > 0)
		log_info("housekeeper: %zu rows purged or deleted", done);
	if (rc == STORE_OK)
		rc = audit_sweep(app->store, app->ring, limits.now_ms, s->audit_keep_s * 1000,
				 &cut);
	if (cut > 0)
		log_info("housekeeper: %zu rows of the audit log are old and were cut off", cut);
	h->rows = (int64_t)(done + cut);
	if (rc == STORE_OK)
		log_anchor(app);
	/* On a small disk it may be the write-ahead log that takes the room. */
	if (store_wal_size(app->store) > (store_is_low(app->store) ? 0 : WAL_TRUNCATE_BYTES)) {
		enum store_rc folded = store_checkpoint(app->store);

		rc = rc == STORE_OK ? folded : rc;
	}
	store_keep_ballast(app->store);
	if (rc != STORE_OK)
		log_warn("housekeeper: the pass did not end; it is tried again");
	return rc == STORE_OK;
}

bool
app_sweep(struct app *app, app_goes_on goes_on, void *arg)
{
	struct housekeeping h = {.store = app->store, .goes_on = goes_on, .arg = arg};

	name_holder(h.holder);
	enum store_rc rc = store_write_freeing(app->store, take_lease_in_transaction, &h);
	if (rc == STORE_ABORTED && h.taken == STORE_NONE) {
		log_info("housekeeper: another process is at work");
		return true;
	}
	if (rc != STORE_OK) {
		log_warn("housekeeper: the pass did not begin; it is tried again");
		return false;
	}
	bool ok = sweep(app, &h);
	if (store_write_freeing(app->store, end_lease_in_transaction, &h) != STORE_OK)
		log_warn("housekeeper: another process has taken the work over");
	return ok;
}
