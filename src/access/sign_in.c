/* auth: the table of permissions, and identities. */
#include "access/sign_in.h"

#include <string.h>
#include <strings.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "access/proxy.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/log.h"
#include "base/network.h"
#include "base/settings.h"
#include "base/text.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "secret/random.h"
#include "secret/seal.h"
#include "shared/limiter.h"
#include "store/store.h"

/* Identities */

static bool
is_valid(const struct record *key, const struct record *account, const char *client, int64_t now_ms)
{
	const struct value *expires = &key->columns[COL_EXPIRES];
	const char *networks = record_text(key, COL_NETWORKS);

	return record_state(key) == ST_ACTIVE && record_state(account) == ST_ACTIVE &&
	       (expires->type == VALUE_NULL || now_ms < expires->number) &&
	       (networks == NULL || network_list_has(networks, client));
}

/* Notes that the key was used, if that was not noted a moment ago.  A full disk keeps nobody out.
 */
static void
sign_in_note_use(const struct auth *auth, const struct record *key, const char *client,
		 int64_t now_ms)
{
	const struct value *last = &key->columns[COL_LAST_USED];
	int64_t now = now_ms - now_ms % 1000;

	if (last->type == VALUE_INT && last->number <= now_ms &&
	    now - last->number < AUTH_LAST_USED_MS)
		return;
	store_note_use(auth->store, record_id(key), now - AUTH_LAST_USED_MS, now, client);
}

/* The form of an access key that was made here: anything else that came as one may be a secret in
 * the wrong place. */
static bool
has_form_of_key(const char *access)
{
	size_t len = strspn(access, "0123456789ABCDEF");

	return len == SECRET_ACCESS_KEY_SIZE - 1 && access[len] == '\0';
}

/* For the audit log. */
static void
note_refusal(const struct auth *auth, const char *client, const char *access, const char *user,
	     int64_t now_ms, enum err code)
{
	struct refusal one = {.minute = now_ms / 60000, .count = 1, .status = err_status(code)};

	if (auth->refusals == NULL)
		return;
	(void)stpncpy(one.address, client, sizeof(one.address) - 1);
	if (access != NULL && has_form_of_key(access))
		(void)stpncpy(one.key, access, sizeof(one.key) - 1);
	if (user != NULL && strlen(user) < sizeof(one.user))
		(void)stpncpy(one.user, user, sizeof(one.user) - 1);
	refusals_add(auth->refusals, &one);
}

static enum err
sign_in_failed(const struct auth *auth, const char *client, const char *access, int64_t now_ms,
	       struct error *e)
{
	if (limiter_failed(&auth->failures, client, access, now_ms / 1000))
		log_warn("too many failed sign-ins from %.64s: it has to wait", client);
	note_refusal(auth, client, access, NULL, now_ms, ERR_UNAUTHORIZED);
	return err_set(e, ERR_UNAUTHORIZED, NULL, NULL);
}

/* A key of a project has the role of the member who made it. */
static enum err
identify_maker(const struct auth *auth, struct arena *a, const struct record *key,
	       struct identity *out, struct error *e)
{
	struct standing standing;

	if (out->account_role != ROLE_PROJECT || key->columns[COL_MADE_BY].type != VALUE_INT)
		return ERR_NONE;
	out->maker_id = key->columns[COL_MADE_BY].number;
	enum store_rc rc =
		store_standing(auth->store, a, out->user_id, record_id(key), 0, &standing);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	out->role = rc == STORE_OK ? identity_role_of_maker(&standing) : ROLE_NONE;
	if (rc == STORE_OK && !identity_is_of_all(standing.maker_kind))
		out->person_id = out->maker_id;
	return ERR_NONE;
}

/* What a key that is valid makes of its account.  ERR_UNAUTHORIZED: its maker is no member any
 * more.
 */
static enum err
identity_of_key(const struct auth *auth, struct arena *a, const struct record *key,
		const struct record *account, struct identity *out, struct error *e)
{
	if (identity_of_account(auth, a, account, out, e) != ERR_NONE ||
	    identify_maker(auth, a, key, out, e) != ERR_NONE)
		return e->code;
	if (out->role == ROLE_NONE && out->maker_id != 0)
		return err_set(e, ERR_UNAUTHORIZED, NULL, NULL);
	enum role role = out->role;
	out->via = "key";
	out->key_id = record_id(key);
	out->key = power_of_key(key);
	out->key.rank = identity_rank_of_role(role);
	out->role = identity_narrow(out->key.role, role, out->scoped);
	return ERR_NONE;
}

static enum err
identify_key(const struct auth *auth, struct arena *a, const char *client, int64_t now_ms,
	     const char *access, const char *secret, struct identity *out, struct error *e)
{
	struct record key = {0}, account = {0};
	enum store_rc rc = STORE_NONE;
	unsigned wait_s = limiter_wait_s(&auth->failures, client, access, now_ms / 1000);

	if (wait_s > 0) {
		e->retry_after_s = wait_s;
		note_refusal(auth, client, access, NULL, now_ms, ERR_TOO_MANY);
		return err_set(e, ERR_TOO_MANY, NULL,
			       "Too many sign-ins from this address have failed: wait as long as "
			       "Retry-After says.");
	}
	if (http_utf8_valid(access, strlen(access)))
		rc = store_find_key(auth->store, a, access, &key, &account);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	/* The same work whether the key exists or not: nothing tells an unknown key from a wrong
	 * secret. */
	bool right = secret_verify_key(auth->ring, secret,
				       rc == STORE_OK ? &key.columns[COL_SECRET_VALUE] : NULL);
	if (!right || !is_valid(&key, &account, client, now_ms))
		return sign_in_failed(auth, client, access, now_ms, e);
	if (identity_of_key(auth, a, &key, &account, out, e) != ERR_NONE)
		return e->code == ERR_UNAUTHORIZED ? sign_in_failed(auth, client, access, now_ms, e)
						   : e->code;
	sign_in_note_use(auth, &key, client, now_ms);
	return ERR_NONE;
}

/* Access key and secret from X-API-Key; the secret may hold colons. */
static bool
split_api_key(struct arena *a, const char *header, const char **access, const char **secret)
{
	const char *colon = strchr(header, ':');

	if (colon == NULL)
		return false;
	*access = arena_copy(a, header, (size_t)(colon - header));
	*secret = colon + 1;
	return *access != NULL;
}

static const char *
client_of(const struct request *request)
{
	return request->client != NULL ? request->client : "";
}

bool
auth_is_local(const struct request *r)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]", NULL};

	const char *client = client_of(r);

	if (strncmp(client, "127.", 4) != 0 && strcmp(client, "::1") != 0)
		return false;
	/* A page elsewhere can make a browser here ask by a name of its own that leads here. */
	for (const char *const *host = hosts; *host != NULL; host++) {
		size_t len = strlen(*host);

		if (strncasecmp(r->host, *host, len) == 0 &&
		    (r->host[len] == ':' || r->host[len] == '\0'))
			return true;
	}
	return false;
}

/* The row that a cookie, or the token of a link, names: ID.SECRET.  False for every reason alike.
 */
static bool
find_session(const struct auth *auth, struct arena *a, const char *cookie, bool link,
	     int64_t now_ms, struct record *out)
{
	const char *dot = strchr(cookie, '.');
	const char *id = dot != NULL ? arena_copy(a, cookie, (size_t)(dot - cookie)) : NULL;
	int64_t row;

	if (id == NULL || !id_parse(&family_credential, id, &row) ||
	    store_get(auth->store, a, &family_credential, row, &owners_all, out) != STORE_OK ||
	    out->type != &types_table[T_SESSION])
		return false;
	return secret_verify_key(auth->ring, dot + 1, &out->columns[COL_SECRET_VALUE]) &&
	       record_state(out) == (link ? ST_INACTIVE : ST_ACTIVE) &&
	       now_ms < out->columns[COL_EXPIRES].number &&
	       now_ms - out->columns[COL_LAST_USED].number <
		       (link ? AUTH_SESSION_LINK_MS : AUTH_SESSION_IDLE_MS);
}

/* A session is its key: it may what the key may, and ends with it. */
static enum err
identify_session(const struct auth *auth, struct arena *a, const struct request *request,
		 int64_t now_ms, struct identity *out, struct error *e)
{
	const char *cookie = request->cookie;
	const char *client = client_of(request);
	struct record session, key, account;

	if (cookie != NULL)
		cookie = http_cookie(a, request->cookie,
				     auth_is_local(request) ? AUTH_SESSION_LOCAL
							    : AUTH_SESSION_COOKIE);
	if (cookie == NULL && request->cookie != NULL)
		cookie = http_cookie(a, request->cookie, AUTH_SESSION_COOKIE);
	if (cookie == NULL ||
	    !find_session(auth, a, cookie, request->session_link, now_ms, &session) ||
	    store_get(auth->store, a, &family_credential, session.columns[COL_BY_KEY].number,
		      &owners_all, &key) != STORE_OK ||
	    store_get(auth->store, a, &family_account, key.columns[COL_ACCOUNT_ID].number,
		      &owners_all, &account) != STORE_OK ||
	    !is_valid(&key, &account, client, now_ms))
		return err_set(e, arena_failed(a) ? ERR_INTERNAL : ERR_UNAUTHORIZED, NULL, NULL);
	if (identity_of_key(auth, a, &key, &account, out, e) != ERR_NONE)
		return e->code;
	out->via = "session";
	out->session_id = record_id(&session);
	if (!request->session_link)
		sign_in_note_use(auth, &session, client, now_ms);
	sign_in_note_use(auth, &key, client, now_ms);
	return ERR_NONE;
}

static enum err
identify_headers(const struct auth *auth, struct arena *a, const struct request *request,
		 int64_t now_ms, struct identity *out, struct error *e)
{
	const char *access = NULL, *secret = NULL, *other_access = NULL, *other_secret = NULL;
	bool basic = request->authorization != NULL, header = request->api_key != NULL;

	if (!basic && !header)
		return identify_session(auth, a, request, now_ms, out, e);
	if ((basic && !http_basic_parse(a, request->authorization, &access, &secret)) ||
	    (header && !split_api_key(a, request->api_key, &other_access, &other_secret)))
		return err_set(e, arena_failed(a) ? ERR_INTERNAL : ERR_UNAUTHORIZED, NULL, NULL);
	if (basic && header &&
	    (!secret_equal(access, other_access) || !secret_equal(secret, other_secret)))
		return err_set(
			e, ERR_BAD_REQUEST, NULL,
			"Authorization and X-API-Key have different keys: send one of them.");
	return identify_key(auth, a, client_of(request), now_ms, basic ? access : other_access,
			    basic ? secret : other_secret, out, e);
}

void
auth_note_refused(const struct auth *auth, const struct actor *actor, const char *event,
		  const char *type, int64_t now_ms, enum err code)
{
	struct refusal one = {.minute = now_ms / 60000,
			      .count = 1,
			      .status = err_status(code),
			      .event = event,
			      .type = type,
			      .via = actor->via,
			      .account_id = actor->account_id,
			      .key_id = actor->key_id};

	if (auth->refusals == NULL)
		return;
	if (actor->address != NULL)
		(void)stpncpy(one.address, actor->address, sizeof(one.address) - 1);
	if (actor->proxy_user != NULL && strlen(actor->proxy_user) < sizeof(one.user))
		(void)stpncpy(one.user, actor->proxy_user, sizeof(one.user) - 1);
	refusals_add(auth->refusals, &one);
}

void
auth_note_denied(const struct auth *auth, struct arena *a, const struct request *request,
		 int64_t now_ms, enum err code)
{
	const char *access = NULL, *secret = NULL;

	if ((request->authorization == NULL ||
	     !http_basic_parse(a, request->authorization, &access, &secret)) &&
	    (request->api_key == NULL || !split_api_key(a, request->api_key, &access, &secret)))
		return;
	note_refusal(auth, client_of(request), access, NULL, now_ms, code);
}

/* Adds what a group gives in a project to the list, which has room; the stronger role counts. */
static enum err
join_project(const struct auth *auth, struct arena *a, const struct group_grant *grant,
	     struct membership *list, size_t *count, struct error *e)
{
	struct record row;
	size_t i = 0;

	while (i < *count && list[i].project_id != grant->project_id)
		i++;
	if (i < *count) {
		if (identity_role_of_membership(grant->role) <=
		    identity_role_of_membership(list[i].role)) {
			list[i].role = grant->role;
			list[i].granted = true;
		}
		return ERR_NONE;
	}
	enum store_rc rc =
		store_get(auth->store, a, &family_account, grant->project_id, &owners_all, &row);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	if (rc == STORE_OK && (row.type->flags & TYPE_PROJECT) != 0)
		list[(*count)++] = (struct membership){.project_id = grant->project_id,
						       .role = grant->role,
						       .granted = true,
						       .active = record_state(&row) == ST_ACTIVE};
	return ERR_NONE;
}

/* Memberships by group, for this request alone; nothing is stored. */
static enum err
join_by_groups(const struct auth *auth, struct arena *a, const char *groups, struct identity *id,
	       struct error *e)
{
	struct membership *list =
		arena_array(a, id->membership_count + auth->group_count + 1, sizeof(*list));
	size_t count = id->membership_count;

	if (list == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (count > 0)
		memcpy(list, id->memberships, count * sizeof(*list));
	for (size_t i = 0; i < auth->group_count; i++)
		if (auth->groups[i].role != NULL && proxy_in_groups(groups, auth->groups[i].name) &&
		    join_project(auth, a, &auth->groups[i], list, &count, e) != ERR_NONE)
			return e->code;
	id->memberships = list;
	id->membership_count = count;
	if (!identity_own_and_joined(a, id))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	id->owners.all = id->all_accounts;
	return ERR_NONE;
}

/* Somebody whom the web server signed in.  A key beside that must be one of the same account, and
 * then its rights count: whoever asks with a key means the key. */
static enum err
identify_proxy(const struct auth *auth, struct arena *a, const struct request *request,
	       int64_t now_ms, struct identity *out, struct error *e)
{
	const char *user = request->proxy.user, *groups = request->proxy.groups;
	bool with_key = request->authorization != NULL || request->api_key != NULL;
	struct record account = {.type = &types_table[T_ACCOUNT]};
	struct identity key = {.role = ROLE_NONE};

	if (with_key && identify_headers(auth, a, request, now_ms, &key, e) != ERR_NONE)
		return e->code;
	enum store_rc rc = store_find_proxy_user(auth->store, a, user, &account);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	*out = (struct identity){.role = ROLE_NONE, .proxy_user = user, .via = "proxy"};
	const char *kind = record_text(&account, COL_KIND), *why = NULL;
	if (with_key && (rc == STORE_NONE || key.user_id != record_id(&account)))
		why = "sent the key of another account";
	else if (rc == STORE_NONE)
		why = "has no account";
	else if (record_state(&account) != ST_ACTIVE)
		why = "has an account that is not active";
	else if (kind == NULL || !proxy_may_be(kind))
		why = "has an account of a kind that cannot sign in here";
	if (why != NULL) {
		out->proxy_unknown = rc == STORE_NONE && !with_key;
		log_info("the web server signed in \"%s\", who %s", user, why);
		if (!out->proxy_unknown || !auth->proxy_create_users)
			note_refusal(auth, client_of(request), NULL, user, now_ms, ERR_FORBIDDEN);
		return err_set(e, ERR_FORBIDDEN, NULL,
			       "The user that the web server names has no account here that may "
			       "sign in: ask "
			       "an administrator for one.");
	}
	if (with_key) {
		*out = key;
	} else {
		const char *stored = kind;

		account.columns[COL_KIND] =
			value_text(proxy_kind(kind, groups, auth->groups, auth->group_count));
		if (identity_of_account(auth, a, &account, out, e) != ERR_NONE ||
		    join_by_groups(auth, a, groups, out, e) != ERR_NONE)
			return e->code;
		out->stored_kind = stored;
		out->via = "proxy";
	}
	out->proxy_user = user;
	return ERR_NONE;
}

enum err
auth_identify(const struct auth *auth, struct arena *a, const struct request *request,
	      int64_t now_ms, struct identity *out, struct error *e)
{
	const struct proxy_claim *claim = &request->proxy;

	if (request->header_repeated)
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "A header that may be sent once was sent twice: send it once.");
	if (auth->proxy_token != NULL && (!claim->cgi || auth->proxy_trust_cgi) &&
	    proxy_claimed(claim)) {
		if (proxy_check(claim, auth->proxy_token, e) != ERR_NONE)
			return e->code;
		if (claim->user != NULL)
			return identify_proxy(auth, a, request, now_ms, out, e);
	}
	if (auth->open && auth_is_local(request)) {
		struct record account = {.type = &types_table[T_ACCOUNT]};

		account.columns[COL_ID] = value_int(AUTH_OPEN_ACCOUNT);
		account.columns[COL_KIND] = value_text("admin");
		enum err rc = identity_of_account(auth, a, &account, out, e);
		out->stored_kind = NULL;
		out->via = "open";
		return rc;
	}
	return identify_headers(auth, a, request, now_ms, out, e);
}
