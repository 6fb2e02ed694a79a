/* identify: finds out who sent a request, and creates accounts for new users. */
#include "api/identify.h"

#include "access/identity.h"
#include "access/permissions.h"
#include "access/sign_in.h"
#include "api/call.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/log.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "shared/board.h"
#include "store/store.h"

/* Creates the account of a new user whom the web server has authenticated. If two first requests
 * arrive at once, the unique index lets one create it and the other finds it. */
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
				  .key.rank = RANK_FULL,
				  .via = "proxy"};
	const struct context context = {.arena = c->arena,
					.store = c->app->store,
					.ring = c->app->ring,
					.actor = {.via = "proxy",
						  .account_id = AUTH_SYSTEM_ACCOUNT,
						  .proxy_user = user,
						  .address = c->request->client,
						  .request_id = c->request->id},
					.id = &system,
					.version = c->version,
					.now_ms = clock_wall_ms(),
					.removed_keep_ms = c->app->settings->removed_keep_s * 1000};
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

/* A request without any key is not a sign-in. */
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

enum err
identify_caller(struct call *c)
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
