/* answer: builds the response from the result of a handler: headers, documents, errors. */
#include "api/answer.h"

#include <strings.h>

#include "api/browser.h"
#include "api/call.h"
#include "api/condition.h"
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
		4 * 1024 * 1024, /* longer answers stay JSON: a page is three times as long */
};

static const char json_type[] = "application/json; charset=utf-8";

static const char challenge[] =
	"Basic realm=\"Enter API access key and secret key as username and password\"";

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

static void
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

/* JSON, or a page for a browser; after a change also JSON if there is no memory for the page. */
static bool
answer_document(struct call *c)
{
	struct response *r = c->response;
	size_t len = 0;
	const char *text = json_out_text(&c->out, &len), *page = NULL;

	r->content_type = json_type;
	r->body = text;
	r->body_len = len;
	if (text == NULL || json_out_failed(&c->out))
		return false;
	if (len > HTML_JSON_MAX || !browser_wants_html(c))
		return condition_tag(c) == ERR_NONE;
	page = browser_as_html(c, text, &len);
	if (page != NULL) {
		r->body = page;
		r->body_len = len;
	}
	return (page != NULL || c->committed) && condition_tag(c) == ERR_NONE;
}

bool
answer_compose(struct call *c)
{
	struct response *r = c->response;
	bool whole = true;

	r->status = c->status;
	answer_add_headers(c);
	switch (c->answer) {
	case ANSWER_DOCUMENT:
		whole = answer_document(c);
		break;
	case ANSWER_FILE:
		r->content_type = c->file.content_type;
		r->body = c->file.text;
		r->body_len = c->file.len;
		/* Keeps web servers from compressing it: the compressed size of a password together
		 * with a text chosen by an attacker reveals what they have in common. */
		response_header(r, "Content-Encoding", "identity");
		if (c->file.left_out != NULL)
			response_header(r, "X-Regcred-Left-Out", c->file.left_out);
		break;
	case ANSWER_NOTHING:
		r->body = "";
		break;
	}
	return whole && (c->committed || !arena_failed(c->arena));
}

void
answer_compose_error(struct call *c)
{
	c->response->header_count = c->early_headers;
	json_out_init(&c->out, c->arena);
	c->answer = ANSWER_DOCUMENT;
	repr_error(&c->out, &c->error);
	c->status = err_status(c->error.code);
	if (!answer_compose(c))
		answer_without_memory(c->response);
}
