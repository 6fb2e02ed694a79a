/* answer: a response from what a handler made: headers, documents, errors. */
#include "api/answer.h"

#include <strings.h>

#include "api/browser.h"
#include "api/call.h"
#include "api/repr.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_out.h"
#include "login/inject.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"

enum {
	HTML_JSON_MAX =
		4 * 1024 * 1024, /* a longer answer stays JSON: a page is three times as long */
};

static const char json_type[] = "application/json; charset=utf-8";

static const char challenge[] =
	"Basic realm=\"Enter API access key and secret key as username and password\"";

enum err
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
	c->answered = answer_compose(c);
	return c->answered ? ERR_NONE : err_set(e, ERR_INTERNAL, NULL, NULL);
}

void
answer_without_memory(struct response *response)
{
	static const char text[] =
		"{\"id\":null,\"type\":\"error\",\"links\":{},\"actions\":{},\"status\":500,"
		"\"code\":\"Internal Server Error\","
		"\"message\":\"Internal Server Error\","
		"\"detail\":\"The server ran out of memory: try again.\",\"baseType\":\"error\"}";

	response->status = 500;
	response->content_type = json_type;
	response->body = text;
	response->body_len = sizeof(text) - 1;
}

void
answer_add_headers(struct call *c)
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

bool
answer_compose(struct call *c)
{
	struct response *r = c->response;
	size_t len = 0;

	r->status = c->status;
	r->content_type = json_type;
	answer_add_headers(c);
	const char *text = json_out_text(&c->out, &len);
	if (text != NULL && len <= HTML_JSON_MAX && browser_wants_html(c))
		text = browser_as_html(c, text, &len);
	r->body = text;
	r->body_len = len;
	return text != NULL && !json_out_failed(&c->out) && !arena_failed(c->arena);
}

void
answer_compose_error(struct call *c)
{
	c->response->header_count = c->early_headers;
	json_out_init(&c->out, c->arena);
	repr_error(&c->out, &c->error);
	c->status = err_status(c->error.code);
	if (!answer_compose(c))
		answer_without_memory(c->response);
}
