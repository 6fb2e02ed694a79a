/* inject: read the path, choose the login, turn it into a header, put it on record. */
#include "login/inject.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/rights.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/text.h"
#include "login/handout.h"
#include "login/resolve.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/check.h"
#include "registry/tokens.h"
#include "registry/url.h"
#include "resource/resource.h"
#include "secret/seal.h"
#include "store/store.h"

enum {
	SEGMENTS_MAX = 260,	   /* of a path: a repository's name has 255 characters */
	BASIC_KEPT_MS = 60 * 1000, /* that a registry wants no token is asked so often */
	NOTED_MAX = 1024, /* uses that a process knows to be on record; what is overwritten is
			     recorded again */
};

struct inject {
	const struct check_settings *settings;
	struct tokens *tokens;
	pthread_mutex_t mutex;
	unsigned char noted[NOTED_MAX][SECRET_MAC_SIZE];
};

struct inject *
inject_new(const struct check_settings *settings, unsigned waiting_max)
{
	struct inject *inject = calloc(1, sizeof(*inject));

	if (inject == NULL)
		return NULL;
	inject->settings = settings;
	(void)pthread_mutex_init(&inject->mutex, NULL);
	inject->tokens = tokens_new(waiting_max);
	if (inject->tokens != NULL)
		return inject;
	inject_free(inject);
	return NULL;
}

void
inject_free(struct inject *inject)
{
	if (inject == NULL)
		return;
	tokens_free(inject->tokens);
	(void)pthread_mutex_destroy(&inject->mutex);
	free(inject);
}

/* Reading the path */

struct path {
	const char *segments[SEGMENTS_MAX];
	size_t count;
};

/* What means the same to everybody: no escapes, no empty segments but a last one, no dots. */
static bool
split(struct arena *a, const char *target, struct path *out)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-:=+@~";
	size_t len = strcspn(target, "?");

	if (strspn(target, plain) < len || target[0] != '/')
		return false;
	for (const char *at = target + 1, *end = target + len; at <= end;) {
		size_t part = strcspn(at, "/?");
		bool dots =
			(part == 1 && at[0] == '.') || (part == 2 && at[0] == '.' && at[1] == '.');

		if (dots || (part == 0 && at < end) || out->count == SEGMENTS_MAX)
			return false;
		out->segments[out->count++] = arena_copy(a, at, part);
		at += part + 1;
	}
	return !arena_failed(a);
}

static bool
is_at(const struct path *p, size_t from_end, const char *name)
{
	return p->count > from_end && strcmp(p->segments[p->count - 1 - from_end], name) == 0;
}

/* How a path of the API ends, behind the repository's name: the word, how many segments it takes
 * with what follows. */
static size_t
tail(const struct path *p)
{
	// clang-format off
	static const struct { const char *word, *second; size_t len; } tails[] = {
		{ "blobs", "uploads", 3 }, /* an id, or "" behind a final slash */
		{ "blobs", "uploads", 2 },
		{ "tags", "list", 2 },
		{ "manifests", NULL, 2 },
		{ "blobs", NULL, 2 },
		{ "referrers", NULL, 2 },
	};
	// clang-format on

	for (size_t i = 0; i < sizeof(tails) / sizeof(*tails); i++) {
		size_t len = tails[i].len;

		if (is_at(p, len - 1, tails[i].word) &&
		    (tails[i].second == NULL || is_at(p, len - 2, tails[i].second)))
			return len;
	}
	return 0;
}

static const char *
join(struct arena *a, const struct path *p, size_t first, size_t end)
{
	const char *name = p->segments[first];

	for (size_t i = first + 1; i < end && name != NULL; i++)
		name = arena_printf(a, "%s/%s", name, p->segments[i]);
	return name;
}

static const char *
inject_actions_of(const char *method)
{
	static const struct {
		const char *method, *actions;
	} rows[] = {{"GET", "pull"},	  {"HEAD", "pull"},	  {"POST", "pull,push"},
		    {"PUT", "pull,push"}, {"PATCH", "pull,push"}, {"DELETE", "delete"}};

	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		if (strcmp(rows[i].method, method) == 0)
			return rows[i].actions;
	return NULL;
}

/* ?mount=…&from=… takes a blob out of another repository.  Registries look for it in a form as
 * well, so no form may pass. */
static const char *
read_from(struct arena *a, const struct wish *wish, struct registry_request *out)
{
	static const char *const forms[] = {"application/x-www-form-urlencoded",
					    "multipart/form-data"};
	const char *query = strchr(wish->target, '?');
	const char *type = http_media_type(a, wish->content_type);
	struct pairs pairs = {0};
	struct error e = {0};

	for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (type == NULL || strcmp(type, forms[i]) == 0)
			return "The registry API has no forms: send the registry's own requests.";
	if (query == NULL)
		return NULL;
	if (strchr(query, ';') != NULL ||
	    http_form_parse(a, query + 1, strlen(query + 1), &pairs, &e) != ERR_NONE)
		return "The query is not one of the registry API: send the registry's own "
		       "requests.";
	for (size_t i = 0; i < pairs.count; i++) {
		if (strcasecmp(pairs.items[i].name, "from") != 0)
			continue;
		if (out->from != NULL || registry_path_check(pairs.items[i].value) != NULL)
			return "The repository to mount from is not a valid name: correct it.";
		out->from = pairs.items[i].value;
	}
	return NULL;
}

const char *
inject_read(struct arena *a, const struct wish *wish, struct registry_request *out)
{
	static const char other[] =
		"The path is not one of the registry API: only those get a login.";
	struct path *p = arena_alloc(a, sizeof(*p));

	*out = (struct registry_request){.actions = inject_actions_of(wish->method)};
	if (out->actions == NULL)
		return "The method is not one of the registry API: only those get a login.";
	if (p == NULL || !split(a, wish->target, p) || strcmp(p->segments[0], "v2") != 0)
		return other;
	if (p->count == 1 || (p->count == 2 && *p->segments[1] == '\0'))
		return read_from(a, wish, out);
	if (p->count == 2 && strcmp(p->segments[1], "_catalog") == 0) {
		out->catalog = true;
		return read_from(a, wish, out);
	}
	size_t len = tail(p);
	if (len == 0 || p->count < len + 2 || (len == 2 && *p->segments[p->count - 1] == '\0'))
		return other;
	out->repository = join(a, p, 1, p->count - len);
	if (out->repository == NULL || registry_path_check(out->repository) != NULL)
		return other;
	return read_from(a, wish, out);
}

/* Choosing */

/* A request on its way. */
struct inject_work {
	struct inject *inject;
	const struct context *context;
	const struct wish *wish;
	struct registry_request request;
	struct wanted wanted;
	const struct login *login;
	const char *user, *secret;
	unsigned char note[SECRET_MAC_SIZE]; /* names the use, and the hour */
	struct error *error;
};

static enum err
deny(const struct inject_work *w, const char *why)
{
	return arena_failed(w->context->arena) ? err_set(w->error, ERR_INTERNAL, NULL, NULL)
					       : err_set(w->error, ERR_FORBIDDEN, NULL, why);
}

static enum err
read_wish(struct inject_work *w)
{
	struct arena *a = w->context->arena;
	struct registry_url url;
	const char *why = registry_url_parse(a, w->wish->registry, &url);

	if (why != NULL || (w->wish->scheme != NULL && strcmp(w->wish->scheme, "basic") != 0)) {
		log_error(
			"the web server's REGCRED_INJECT_REGISTRY is no address of a registry, or "
			"its REGCRED_INJECT_SCHEME is not basic");
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	}
	w->wanted.parts.key = url.key;
	why = inject_read(a, w->wish, &w->request);
	return why == NULL ? ERR_NONE : deny(w, why);
}

/* For /v2/ any login will do that the key may use. */
static enum err
inject_choose(struct inject_work *w)
{
	struct login_list logins;

	if (resolve_find(w->context, NULL, &w->wanted, true, &logins, w->error) != ERR_NONE)
		return w->error->code;
	if (w->request.repository != NULL || w->request.catalog)
		resolve_order(&logins, w->request.repository);
	else
		resolve_sort(&logins);
	if (logins.count == 0 || !logins.items[0].fits)
		return deny(
			w,
			"No login that this key may use fits: ask imageLogin why, or store one.");
	w->login = logins.items;
	if (w->request.from != NULL && !registry_path_holds(w->login->path, w->request.from))
		return deny(w, "The login is not for the repository to mount from: push the layer "
			       "instead.");
	return ERR_NONE;
}

static enum err
open_login(struct inject_work *w)
{
	w->user = record_text(w->login->row, COL_PUBLIC_VALUE);
	if (strchr(w->user, ':') != NULL)
		return deny(w, "The user name of the login contains a colon, which HTTP Basic "
			       "cannot carry.");
	w->secret = login_open(w->context, w->login->row, OPEN_TO_INJECT);
	return w->secret != NULL ? ERR_NONE : err_set(w->error, ERR_INTERNAL, NULL, NULL);
}

/* The header */

static enum err
use_basic(const struct inject_work *w, const char **out)
{
	struct arena *a = w->context->arena;
	const char *pair = arena_printf(a, "%s:%s", w->user, w->secret);
	const char *text = pair != NULL ? http_base64(a, pair, strlen(pair)) : NULL;
	*out = arena_printf(a, "Basic %s", text != NULL ? text : "");
	return arena_failed(a) ? err_set(w->error, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}

/* Whether the key of the use could be made: of whose login, in which version (a sealed value is
 * never the same twice), for what. */
static bool
token_key(const struct inject_work *w, const char *const *scopes,
	  unsigned char out[TOKENS_KEY_SIZE])
{
	const struct value *sealed = &w->login->row->columns[COL_SECRET_VALUE];
	struct arena *a = w->context->arena;
	char *text = arena_printf(a, "%lld %s %s %s %s ", (long long)record_id(w->login->row),
				  w->user, w->wish->registry, scopes[0] != NULL ? scopes[0] : "",
				  scopes[0] != NULL && scopes[1] != NULL ? scopes[1] : "");
	size_t len = text != NULL ? strlen(text) : 0;
	char *bytes = arena_alloc(a, len + sealed->len);

	if (text == NULL || bytes == NULL)
		return false;
	memcpy(bytes, text, len);
	memcpy(bytes + len, sealed->text, sealed->len);
	secret_mac(w->context->ring, "token", bytes, len + sealed->len, out);
	return true;
}

static bool
make_scopes(const struct inject_work *w, const char *scopes[GRANT_SCOPES_MAX + 1])
{
	const struct registry_request *r = &w->request;
	struct arena *a = w->context->arena;

	if (r->catalog)
		scopes[0] = "registry:catalog:*";
	if (r->repository != NULL)
		scopes[0] = arena_printf(a, "repository:%s:%s", r->repository, r->actions);
	if (r->repository != NULL && r->from != NULL)
		scopes[1] = arena_printf(a, "repository:%s:pull", r->from);
	return !arena_failed(a);
}

static enum err
registry_down(const struct inject_work *w, const char *why)
{
	return err_set(w->error, ERR_REGISTRY_DOWN, NULL, why);
}

/* A part of its time is left to a token that was found, so that it does not end on its way. */
static enum err
fetch(const struct inject_work *w, const char *const *scopes,
      const unsigned char key[TOKENS_KEY_SIZE], const char **out)
{
	struct inject *inject = w->inject;
	int64_t began_ms = clock_ms();
	struct check_report report;
	struct grant grant;
	bool done = registry_authorize(inject->settings, w->context->arena, w->wish->registry,
				       w->user, w->secret, scopes, &grant, &report);
	int64_t lasts_ms = grant.is_token ? grant.lasts_ms * 4 / 5 : BASIC_KEPT_MS;
	bool granted = done && report.result == CHECK_VALID && grant.authorization != NULL &&
		       strlen(grant.authorization) <= INJECT_TOKEN_MAX;

	*out = granted ? grant.authorization : NULL;
	tokens_put(inject->tokens, key, *out, clock_ms(), began_ms + lasts_ms);
	if (granted)
		return ERR_NONE;
	if (!done)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	log_info("no token for the login 1c%lld: %s, status %d",
		 (long long)record_id(w->login->row), check_result_word(report.result),
		 report.http_status);
	return registry_down(w, report.message);
}

static enum err
use_token(const struct inject_work *w, const char **out)
{
	const char *scopes[GRANT_SCOPES_MAX + 1] = {NULL};
	unsigned char key[TOKENS_KEY_SIZE];
	int64_t now_ms = clock_ms();

	if (!make_scopes(w, scopes) || !token_key(w, scopes, key))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	switch (tokens_take(w->inject->tokens, w->context->arena, key, now_ms,
			    now_ms + w->inject->settings->timeout_ms, out)) {
	case TOKENS_FOUND:
		return ERR_NONE;
	case TOKENS_FETCH:
		return fetch(w, scopes, key, out);
	case TOKENS_FAILED:
		return registry_down(
			w, "The registry gave no token a moment ago: try again in a minute.");
	case TOKENS_BUSY:
		return err_set(
			w->error, ERR_UNAVAILABLE, NULL,
			"The server is fetching as many tokens as it may at a time: try again "
			"in a second.");
	case TOKENS_NO_MEMORY:
		break;
	}
	return err_set(w->error, ERR_INTERNAL, NULL, NULL);
}

/* The record */

static const char *
describe(const struct inject_work *w)
{
	struct json_out out;
	size_t len;

	json_out_init(&out, w->context->arena);
	json_begin_object(&out);
	json_name(&out, "registry");
	json_string(&out, w->wanted.parts.key);
	json_name(&out, "repository");
	if (w->request.repository != NULL)
		json_string(&out, w->request.repository);
	else
		json_null(&out);
	json_name(&out, "access");
	json_string(&out, w->request.actions);
	json_end_object(&out);
	return json_out_text(&out, &len);
}

static bool
name_use(struct inject_work *w, const char *what)
{
	const struct context *c = w->context;
	const char *text = arena_printf(
		c->arena, "%lld %lld %lld %s", (long long)(c->now_ms / INJECT_NOTED_MS),
		(long long)c->id->key_id, (long long)record_id(w->login->row), what);

	if (text == NULL)
		return false;
	secret_mac(c->ring, "use", text, strlen(text), w->note);
	return true;
}

static unsigned char *
noted_place(const struct inject_work *w)
{
	return w->inject->noted[(w->note[0] << 8 | w->note[1]) % NOTED_MAX];
}

static bool
is_noted(const struct inject_work *w)
{
	(void)pthread_mutex_lock(&w->inject->mutex);
	bool noted = memcmp(noted_place(w), w->note, SECRET_MAC_SIZE) == 0;
	(void)pthread_mutex_unlock(&w->inject->mutex);
	return noted;
}

struct recording {
	const struct inject_work *work;
	const char *what;
};

static enum err
record_in_transaction(struct store_tx *tx, void *arg)
{
	const struct recording *r = arg;
	const struct inject_work *w = r->work;
	enum store_rc rc = handout_note_use(tx, w->context, w->login->row);

	if (rc == STORE_OK && !is_noted(w))
		rc = resource_note(tx, w->context, w->context->arena, "inject", 200, w->login->row,
				   r->what);
	return rc == STORE_OK ? ERR_NONE : store_err(rc, w->error);
}

/* Once an hour for each key, login, repository and kind of access; before the answer, so that what
 * cannot be put on record is not used. */
static enum err
record(struct inject_work *w)
{
	struct recording r = {.work = w, .what = describe(w)};

	if (r.what == NULL || !name_use(w, r.what))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (is_noted(w) && !handout_is_use_due(w->context, w->login->row))
		return ERR_NONE;
	enum store_rc rc = store_write(w->context->store, record_in_transaction, &r);
	if (rc != STORE_OK)
		return rc == STORE_ABORTED ? w->error->code : store_err(rc, w->error);
	(void)pthread_mutex_lock(&w->inject->mutex);
	memcpy(noted_place(w), w->note, SECRET_MAC_SIZE);
	(void)pthread_mutex_unlock(&w->inject->mutex);
	return ERR_NONE;
}

enum err
inject_run(struct inject *inject, const struct context *c, const struct wish *wish,
	   const char **authorization, struct error *e)
{
	struct inject_work w = {.inject = inject, .context = c, .wish = wish, .error = e};

	if (!auth_may_inject(c->id))
		return err_set(
			e, ERR_FORBIDDEN, NULL,
			"This key may not use logins: make one with the role inject, or with "
			"reveal set to true.");
	if (read_wish(&w) != ERR_NONE || inject_choose(&w) != ERR_NONE ||
	    open_login(&w) != ERR_NONE)
		return e->code;
	enum err rc =
		wish->scheme != NULL ? use_basic(&w, authorization) : use_token(&w, authorization);
	return rc == ERR_NONE ? record(&w) : rc;
}

const char *
inject_why(const struct error *e)
{
	const char *why = e->detail != NULL ? e->detail : err_message(e->code);

	return why != NULL && strpbrk(why, "\"\\") == NULL ? why : "The request was refused.";
}
