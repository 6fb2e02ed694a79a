/* request: parses a request: base of its links, version, path, method, body, query. */
#include "api/request.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "api/call.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/multipart.h"
#include "model/record.h"
#include "model/schema.h"

static const char *
lower(struct arena *a, const char *text)
{
	char *copy = text != NULL ? arena_strdup(a, text) : NULL;

	for (char *p = copy; p != NULL && *p != '\0'; p++)
		*p = (char)tolower((unsigned char)*p);
	return copy;
}

/* The first item of a comma-separated list. */
static const char *
first_of(struct arena *a, const char *list)
{
	return arena_copy(a, list, strcspn(list, ", "));
}

static bool
has_port(const char *host)
{
	const char *colon = strrchr(host, ':'), *bracket = strrchr(host, ']');

	return colon != NULL && (bracket == NULL || colon > bracket);
}

/* scheme://host from the forwarding headers, if the settings trust them (docs/api.md, Forwarding
 * headers). The port in X-Forwarded-Host is the one the client used; X-Forwarded-Port may come from
 * a proxy in between that terminates TLS: then it is 80. Returns what is wrong, or NULL. */
static const char *
use_forwarded(const struct call *c, const char **scheme, const char **host)
{
	const struct request *r = c->request;

	*scheme = first_of(c->arena, r->forwarded_proto);
	if (*scheme == NULL ||
	    (strcasecmp(*scheme, "http") != 0 && strcasecmp(*scheme, "https") != 0))
		return "X-Forwarded-Proto is neither http nor https: correct the proxy that sets "
		       "it.";
	if (r->forwarded_host != NULL)
		*host = first_of(c->arena, r->forwarded_host);
	if (*host == NULL || !http_host_valid(*host))
		return "X-Forwarded-Host, or Host, is missing or not a host name: correct the "
		       "proxy "
		       "that sets it.";
	if (r->forwarded_port == NULL || (r->forwarded_host != NULL && has_port(*host)))
		return NULL;
	const char *port = first_of(c->arena, r->forwarded_port), *bare = *host;
	if (has_port(bare))
		bare = arena_copy(c->arena, bare, (size_t)(strrchr(bare, ':') - bare));
	if (port == NULL || bare == NULL)
		return NULL;
	bool https = strcasecmp(*scheme, "https") == 0;
	*host = strcmp(port, "80") == 0 || (https && strcmp(port, "443") == 0)
			? bare
			: arena_printf(c->arena, "%s:%s", bare, port);
	return *host == NULL || http_host_valid(*host)
		       ? NULL
		       : "X-Forwarded-Port is not a port: correct the proxy that sets it.";
}

static const char bad_prefix[] =
	"The path that the web server names for this service "
	"(REGCRED_PREFIX or SCRIPT_NAME) is not valid: correct its configuration.";

/* scheme://host and prefix, from the web server's parameters. */
static const char *
base_of_request(struct call *c)
{
	const struct request *r = c->request;
	const char *scheme = r->scheme != NULL ? r->scheme : "http", *host = r->host, *why;

	if (c->app->settings->trust_forwarded && r->forwarded_proto != NULL &&
	    (why = use_forwarded(c, &scheme, &host)) != NULL)
		return why;
	if (host == NULL || !http_host_valid(host))
		return "The Host header is missing or not a host name: send one.";
	if (strcasecmp(scheme, "http") != 0 && strcasecmp(scheme, "https") != 0)
		return "The web server names a scheme that is neither http nor https: correct its "
		       "configuration.";
	if (r->prefix != NULL && !http_prefix_valid(r->prefix))
		return bad_prefix;
	/* The prefix keeps its case, because the web server's locations are case-sensitive. */
	c->base = arena_printf(c->arena, "%s%s",
			       lower(c->arena, arena_printf(c->arena, "%s://%s", scheme, host)),
			       r->prefix != NULL ? r->prefix : "");
	return NULL;
}

enum err
request_find_base(struct call *c)
{
	const char *set = c->app->settings->base_url;
	const char *why = NULL;

	c->base = *set != '\0' ? set : "http://localhost";
	c->root = c->scope = "http://localhost/v1";
	if (c->request->prefix_refused)
		why = bad_prefix;
	else if (*set == '\0')
		why = base_of_request(c);
	if (why != NULL)
		return err_set(&c->error, ERR_BAD_REQUEST, NULL, why);
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

bool
request_find_version(struct call *c)
{
	for (unsigned v = 0; v < API__COUNT; v++)
		if (strcmp(c->target.segments[0], api_version_name((enum api_version)v)) == 0) {
			c->version = (enum api_version)v;
			return true;
		}
	return false;
}

void
request_find_path(struct call *c)
{
	const struct target *t = &c->target;
	bool scoped = t->segment_count >= 4 && is_segment(c, 1, "projects") &&
		      !is_segment(c, 3, "projectmembers") && !is_segment(c, 3, "projectmember");
	size_t at = scoped ? 3 : 1;

	c->root = c->scope = arena_printf(c->arena, "%s/%s", c->base, api_version_name(c->version));
	if (scoped) {
		int64_t id;

		c->project = t->segments[2];
		/* An invalid project id is refused later, and not repeated in a URL. */
		if (id_parse(&family_account, c->project, &id))
			c->scope = arena_printf(c->arena, "%s/projects/%s", c->root, c->project);
	}
	c->type_name = t->segment_count > at ? t->segments[at] : NULL;
	c->id = t->segment_count > at + 1 ? t->segments[at + 1] : NULL;
	c->link = t->segment_count > at + 2 ? t->segments[at + 2] : NULL;
}

enum http_method
request_method(const struct call *c)
{
	enum http_method method = http_method_parse(c->request->method);
	const char *other = pairs_find(&c->target.query, "_method");

	if (method == HTTP_POST && other != NULL)
		method = http_method_parse(other);
	return method;
}

bool
request_is_read(const struct call *c)
{
	return c->method == HTTP_GET || c->method == HTTP_HEAD;
}

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

enum err
request_read_body(struct call *c)
{
	const struct request *r = c->request;
	const char *type = http_media_type(c->arena, r->content_type);
	enum http_method sent = http_method_parse(r->method);

	if (r->incomplete)
		return err_set(&c->error, ERR_BAD_REQUEST, NULL,
			       "The web server passed on no REQUEST_URI, REQUEST_METHOD or "
			       "REMOTE_ADDR: the URL may be too long for it.");
	if (r->body_too_large)
		return err_set(&c->error, ERR_TOO_LARGE, NULL, NULL);
	if (r->body_cut)
		return err_set(
			&c->error, ERR_BAD_REQUEST, NULL,
			"The body is shorter than its Content-Length: send it again, whole.");
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

enum err
request_merge_query(struct call *c)
{
	const struct pairs *query = &c->target.query;
	bool *missing = arena_array(c->arena, query->count + 1, sizeof(*missing));

	if (c->body == NULL || missing == NULL)
		return ERR_NONE;
	if (c->body->type != JSON_OBJECT)
		c->body = json_object(c->arena);
	/* Checked before anything is added: a repeated parameter becomes an array, as in a form. */
	for (size_t i = 0; c->body != NULL && i < query->count; i++)
		missing[i] = json_member(c->body, query->items[i].name) == NULL;
	for (size_t i = 0; c->body != NULL && i < query->count; i++)
		if (missing[i])
			(void)json_add_string(c->arena, c->body, query->items[i].name,
					      query->items[i].value);
	return arena_failed(c->arena) ? err_set(&c->error, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}
