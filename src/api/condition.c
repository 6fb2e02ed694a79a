/* condition: entity tags of answers, and the conditions of requests. */
#include "api/condition.h"

#include "api/request.h"
#include "base/text.h"
#include "model/date.h"

static const char cannot_decide[] =
	"Conditions are for reads, and for writes to one resource: send the request without.";

/* Whether the headers of a request hold for this tag; one that is not a list of tags does not. */
static bool
etag_holds(const struct request *r, const char *etag)
{
	bool found;

	if (r->if_match != NULL && (!http_etag_in(r->if_match, etag, false, &found) || !found))
		return false;
	return r->if_none_match == NULL ||
	       (http_etag_in(r->if_none_match, etag, true, &found) && !found);
}

/* The tag of a row is the one of the document that GET of its URL returns. */
static bool
tags_hold(void *arg, const struct record *row)
{
	struct call *c = arg;
	const struct request *r = c->request;
	struct json_out w;
	size_t len;

	if (r->if_match == NULL && r->if_none_match == NULL)
		return true;
	json_out_init(&w, c->arena);
	repr_resource(&w, &c->view, row, NULL, NULL);
	const char *text = json_out_text(&w, &len);
	const char *etag = text != NULL ? http_etag(c->arena, text, len) : NULL;
	return etag != NULL && etag_holds(r, etag);
}

enum err
condition_read(struct call *c)
{
	const struct request *r = c->request;
	bool dated = r->if_unmodified_since != NULL;

	if (request_is_read(c) || (!dated && r->if_match == NULL && r->if_none_match == NULL))
		return ERR_NONE;
	if (c->response->route != AT_RESOURCE)
		return err_set(&c->error, ERR_PRECONDITION_FAILED, NULL, cannot_decide);
	c->precondition =
		(struct precondition){.holds = tags_hold, .arg = c, .unmodified_since_ms = -1};
	if (dated && !date_read_http(r->if_unmodified_since, &c->precondition.unmodified_since_ms))
		return err_set(
			&c->error, ERR_PRECONDITION_FAILED, NULL,
			"If-Unmodified-Since is not a date of HTTP: send one like Mon, 06 May "
			"2024 07:08:09 GMT.");
	c->context.precondition = &c->precondition;
	return ERR_NONE;
}

enum err
condition_tag(struct call *c)
{
	const struct request *r = c->request;
	struct response *answer = c->response;
	bool found;

	if (!request_is_read(c) || answer->status != 200)
		return ERR_NONE;
	const char *etag = http_etag(c->arena, answer->body, answer->body_len);
	if (etag == NULL)
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	if (r->if_match != NULL && (!http_etag_in(r->if_match, etag, false, &found) || !found))
		return err_set(&c->error, ERR_PRECONDITION_FAILED, NULL, NULL);
	response_header(answer, "ETag", etag);
	if (r->if_none_match != NULL && http_etag_in(r->if_none_match, etag, true, &found) &&
	    found) {
		answer->status = 304;
		answer->head = true;
	}
	return ERR_NONE;
}
