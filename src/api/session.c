/* session: sessions of the web page: an API key that a browser uses through a cookie, for a limited
 * time. */
#include "api/session.h"

#include <string.h>

#include "access/rights.h"
#include "access/sign_in.h"
#include "api/browser.h"
#include "base/text.h"
#include "model/record.h"
#include "resource/quota.h"
#include "resource/state.h"
#include "resource/work.h"
#include "secret/random.h"

static bool
is_about_sessions(const struct call *c)
{
	return c->type_name != NULL && type_find_segment(c->type_name) == &types_table[T_SESSION];
}

/* The token of a link takes the place of the cookie. */
static enum err
take_token(struct call *c, const char *token)
{
	struct request *with_token = arena_alloc(c->arena, sizeof(*with_token));

	if (with_token == NULL)
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	*with_token = *c->request;
	with_token->authorization = with_token->api_key = NULL;
	with_token->session_link = true;
	with_token->cookie = arena_printf(
		c->arena, "%s=%s",
		auth_is_local(c->request) ? AUTH_SESSION_LOCAL : AUTH_SESSION_COOKIE, token);
	c->request = with_token;
	return with_token->cookie != NULL && strpbrk(token, "; \t") == NULL
		       ? ERR_NONE
		       : err_set(&c->error, ERR_UNAUTHORIZED, NULL, NULL);
}

enum err
session_take_key(struct call *c)
{
	const struct json *access = json_member(c->body, "accessKey");
	const struct json *secret = json_member(c->body, "secretKey");

	if (!is_about_sessions(c) || c->method != HTTP_POST)
		return ERR_NONE;
	if (pairs_find(&c->target.query, "accessKey") != NULL ||
	    pairs_find(&c->target.query, "secretKey") != NULL)
		return err_set(&c->error, ERR_BAD_REQUEST, NULL,
			       "A key must not be in a URL, since URLs are logged: create a new "
			       "key, and send it in the body.");
	const struct json *token = json_member(c->body, "token");
	if (token != NULL && token->type == JSON_STRING)
		return take_token(c, token->text);
	if (access == NULL || secret == NULL || access->type != JSON_STRING ||
	    secret->type != JSON_STRING || c->request->authorization != NULL)
		return ERR_NONE;
	struct request *with_key = arena_alloc(c->arena, sizeof(*with_key));
	const char *login = arena_printf(c->arena, "%s:%s", access->text, secret->text);
	const char *coded = login != NULL ? http_base64(c->arena, login, strlen(login)) : NULL;
	if (with_key == NULL || coded == NULL || strchr(access->text, ':') != NULL)
		return arena_failed(c->arena) ? err_set(&c->error, ERR_INTERNAL, NULL, NULL)
					      : ERR_NONE;
	*with_key = *c->request;
	with_key->authorization = arena_printf(c->arena, "Basic %s", coded);
	c->request = with_key;
	return with_key->authorization != NULL ? ERR_NONE
					       : err_set(&c->error, ERR_INTERNAL, NULL, NULL);
}

struct session_work {
	struct call *call;
	struct record *row;
	bool link; /* create a link that starts the session later, once */
};

static enum err
insert_session(struct store_tx *tx, void *arg)
{
	const struct session_work *w = arg;
	struct call *c = w->call;
	struct plan plan;

	enum store_rc rc;

	if (c->request->session_link) {
		/* If two clients follow a link at once, only the first is let in. */
		rc = store_transition(tx, w->row->type->family, c->identity.session_id, ST_INACTIVE,
				      ST_ACTIVE, w->row->columns,
				      COL_BIT(COL_UUID) | COL_BIT(COL_SECRET_VALUE) |
					      COL_BIT(COL_EXPIRES) | COL_BIT(COL_LAST_USED) |
					      COL_BIT(COL_LAST_ADDRESS));
		if (rc == STORE_NONE)
			return err_set(&c->error, ERR_UNAUTHORIZED, NULL, NULL);
		w->row->columns[COL_ID] = value_int(c->identity.session_id);
		w->row->columns[COL_STATE] = value_text("active");
	} else {
		if (!process_plan("create", ST_REQUESTED, &plan))
			return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
		plan.after = w->link ? ST_INACTIVE : plan.after;
		plan.shown = plan.after;
		rc = row_insert(tx, w->row, &plan);
	}
	if (rc == STORE_OK)
		rc = resource_note(tx, &c->context, c->arena, "create", 201, w->row, NULL);
	return rc == STORE_OK ? ERR_NONE : store_err(rc, &c->error);
}

static void
set_cookie(struct call *c, const char *value, int64_t seconds)
{
	bool tls = strncmp(c->base, "https:", 6) == 0;

	response_header(c->response, "Set-Cookie",
			arena_printf(c->arena,
				     "%s=%s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s",
				     tls ? AUTH_SESSION_COOKIE : AUTH_SESSION_LOCAL, value,
				     (long long)seconds, tls ? "; Secure" : ""));
}

enum err
session_begin(struct call *c)
{
	struct record row = {.type = &types_table[T_SESSION]};
	struct session_work work = {c, &row, false};
	const struct json *link = json_member(c->body, "link");
	char secret[SECRET_KEY_SIZE];

	work.link = link != NULL && link->type == JSON_TRUE && !c->request->session_link;
	if (c->identity.key_id == 0)
		return err_set(&c->error, ERR_BAD_REQUEST, NULL,
			       "A session starts with an API key, and the web server has signed "
			       "you in already: use the page without one.");
	/* Its cookie goes to a browser, whatever its User-Agent: no other site may sign one in. */
	if (browser_is_elsewhere(c))
		return err_set(&c->error, ERR_INVALID_CSRF_TOKEN, NULL, NULL);
	if (strncmp(c->base, "https:", 6) != 0 && !auth_is_local(c->request))
		return err_set(&c->error, ERR_FORBIDDEN, NULL,
			       "A session needs TLS: open the page by https.");
	row_start(&c->context, &row);
	int64_t began = row.columns[COL_CREATED].number;
	row.columns[COL_KIND] = value_text("session");
	row.columns[COL_ACCOUNT_ID] = value_int(c->identity.user_id);
	row.columns[COL_BY_KEY] = value_int(c->identity.key_id);
	row.columns[COL_EXPIRES] = value_int(began + AUTH_SESSION_MS);
	row.columns[COL_LAST_USED] = value_int(began);
	if (c->request->client != NULL)
		row.columns[COL_LAST_ADDRESS] = value_text(c->request->client);
	if (quota_count(&c->context, &c->context.limits.writes, quota_too_many, &c->error) !=
		    ERR_NONE ||
	    quota_take_room(&c->context, 2 * QUOTA_ROW_BYTES, &c->error) != ERR_NONE)
		return c->error.code;
	secret_key(secret);
	const struct seal_place place = seal_place_of(&row);
	if (!secret_hash(c->context.ring, c->arena, &place, secret, &row.columns[COL_SECRET_VALUE]))
		return err_set(&c->error, ERR_INTERNAL, NULL, NULL);
	enum store_rc rc = store_write(c->context.store, insert_session, &work);
	if (rc != STORE_OK)
		return rc == STORE_ABORTED ? c->error.code : store_err(rc, &c->error);
	c->committed = true;
	const char *token = arena_printf(
		c->arena, "%s.%s", id_format(c->arena, row.type->family, record_id(&row)), secret);
	explicit_bzero(secret, sizeof(secret));
	c->status = 201;
	if (work.link) {
		repr_resource(&c->out, &c->view, &row, token, NULL);
		return ERR_NONE;
	}
	set_cookie(c, token, AUTH_SESSION_MS / 1000);
	/* A form without scripts redirects back to the page. */
	if (browser_wants_html(c)) {
		c->status = 303;
		response_header(c->response, "Location", arena_printf(c->arena, "%s/ui/", c->base));
	}
	repr_resource(&c->out, &c->view, &row, NULL, NULL);
	return ERR_NONE;
}

void
session_name_current(struct call *c)
{
	if (!is_about_sessions(c) || c->id == NULL || c->identity.session_id == 0)
		return;
	if (strcmp(c->id, "current") == 0)
		c->id = id_format(c->arena, &family_credential, c->identity.session_id);
	if (c->method == HTTP_DELETE && c->id != NULL &&
	    strcmp(c->id, id_format(c->arena, &family_credential, c->identity.session_id)) == 0)
		set_cookie(c, "", 0);
}
