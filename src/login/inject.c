/* inject: chooses the login, turns it into a header, says where the request goes, records it. */
#include "login/inject.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "access/rights.h"
#include "access/standing.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_out.h"
#include "base/log.h"
#include "base/text.h"
#include "login/handout.h"
#include "login/resolve.h"
#include "login/use.h"
#include "model/record.h"
#include "model/schema.h"
#include "registry/check.h"
#include "registry/tokens.h"
#include "registry/url.h"
#include "resource/quota.h"
#include "resource/resource.h"
#include "resource/version.h"
#include "secret/seal.h"
#include "shared/board.h"
#include "shared/limiter.h"
#include "store/store.h"

enum {
	BASIC_KEPT_MS = 60 * 1000, /* how long to remember that a registry needs no token */
	NOTED_MAX = 1024, /* recorded uses that a process remembers; a forgotten one is recorded
			     again */
};

struct inject {
	const struct check_settings *settings;
	struct seats *seats;
	struct tokens *tokens;
	pthread_mutex_t mutex;
	unsigned char noted[NOTED_MAX][SECRET_MAC_SIZE];
};

struct inject *
inject_new(const struct check_settings *settings, struct seats *seats)
{
	struct inject *inject = calloc(1, sizeof(*inject));

	if (inject == NULL)
		return NULL;
	inject->settings = settings;
	(void)pthread_mutex_init(&inject->mutex, NULL);
	inject->seats = seats;
	inject->tokens = tokens_new(seats);
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

/* Choosing */

/* A request while it is handled. */
struct inject_work {
	struct inject *inject;
	const struct context *context;
	const struct wish *wish;
	const char *caller; /* the key, or the account of somebody who came without one */
	int64_t seat;	    /* the same as a number, negative for keys: accounts have seats too */
	struct registry_request request;
	struct wanted wanted;
	struct login *login;
	bool basic, former; /* by the wish's scheme */
	const char *user, *secret;
	struct value sealed;		     /* the secret */
	unsigned char note[SECRET_MAC_SIZE]; /* identifies the use, and the hour */
	struct error *error;
};

static enum err
deny(const struct inject_work *w, const char *why)
{
	return arena_failed(w->context->arena) ? err_set(w->error, ERR_INTERNAL, NULL, NULL)
					       : err_set(w->error, ERR_FORBIDDEN, NULL, why);
}

/* What the web server asks for: the login itself instead of a token, and of two the former one. */
static bool
inject_read_scheme(struct inject_work *w)
{
	static const struct {
		const char *word;
		bool basic, former;
	} schemes[] = {
		{"basic", true, false}, {"previous", false, true}, {"basic-previous", true, true}};
	const char *scheme = w->wish->scheme;

	for (size_t i = 0; scheme != NULL && i < sizeof(schemes) / sizeof(*schemes); i++)
		if (strcmp(schemes[i].word, scheme) == 0) {
			w->basic = schemes[i].basic;
			w->former = schemes[i].former;
			return true;
		}
	return scheme == NULL;
}

static enum err
read_wish(struct inject_work *w)
{
	struct arena *a = w->context->arena;
	struct registry_url url;
	const char *why = registry_url_parse(a, w->wish->registry, &url);

	if (why != NULL || !inject_read_scheme(w)) {
		log_error(
			"the web server's REGCRED_INJECT_REGISTRY is no address of a registry, or "
			"its REGCRED_INJECT_SCHEME is none of basic, previous and basic-previous");
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	}
	w->wanted.parts.key = url.key;
	why = inject_read(a, w->wish, &w->request);
	return why == NULL ? ERR_NONE : deny(w, why);
}

/* For /v2/ any login that the key may use will do. */
static enum err
inject_choose(struct inject_work *w)
{
	struct login_list logins;

	if (resolve_find(w->context, &w->wanted, true, &logins, w->error) != ERR_NONE)
		return w->error->code;
	if (w->request.repository != NULL || w->request.catalog)
		resolve_order(&logins, w->request.repository);
	else
		resolve_sort(&logins);
	if (logins.count == 0 || !logins.items[0].fits)
		return deny(w, resolve_is_lost(w->context, &logins) ? resolve_text(&logins, NULL)
								    : err_detail(ERR_NO_LOGIN));
	w->login = logins.items;
	if (w->request.from != NULL && !registry_path_holds(w->login->path, w->request.from))
		return deny(w, "The login is not for the repository to mount from: push the layer "
			       "instead.");
	return ERR_NONE;
}

/* The former user name and password, if they are wanted and still kept; else the present ones: who
 * asks for the former ones past their end still pulls. */
static enum err
open_login(struct inject_work *w)
{
	struct former former = {0};

	if (use_read(w->context, w->login, w->error) != ERR_NONE)
		return w->error->code;
	const struct record *row = w->login->row;
	enum store_rc rc = w->former ? version_open_former(w->context, row, OPEN_TO_INJECT, &former)
				     : STORE_OK;
	if (rc != STORE_OK)
		return store_err(rc, w->error);
	bool is_former = former.secret != NULL;
	w->user = is_former ? former.user : record_text(row, COL_PUBLIC_VALUE);
	w->secret = is_former ? former.secret : login_open(w->context, row, OPEN_TO_INJECT);
	w->sealed = is_former ? former.sealed : row->columns[COL_SECRET_VALUE];
	if (w->user != NULL && strchr(w->user, ':') != NULL)
		return deny(w, "The user name of the login contains a colon, which HTTP Basic "
			       "cannot carry: use another login.");
	return w->user != NULL && w->secret != NULL ? ERR_NONE
						    : err_set(w->error, ERR_INTERNAL, NULL, NULL);
}

/* The header */

static enum err
registry_down(const struct inject_work *w, const char *why)
{
	return err_set(w->error, ERR_REGISTRY_DOWN, NULL, why);
}

/* The login itself goes to the registry: that has to be where logins went before. */
static enum err
check_host(const struct inject_work *w)
{
	const struct registry_at at = {.address = w->wish->registry,
				       .token_host = w->login->token_host};
	struct check_report report;

	if (at.token_host == NULL)
		return ERR_NONE;
	if (!registry_may_have_login(w->inject->settings, w->context->arena, &at, &report))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	return report.result == CHECK_VALID ? ERR_NONE : registry_down(w, report.message);
}

static enum err
use_basic(const struct inject_work *w, const char **out)
{
	struct arena *a = w->context->arena;

	if (check_host(w) != ERR_NONE)
		return w->error->code;
	const char *pair = arena_printf(a, "%s:%s", w->user, w->secret);

	if (pair != NULL && strlen(pair) > INJECT_TOKEN_MAX / 4 * 3)
		return deny(w, "The user name and password are too long for a header, which has "
			       "room for 9,000 bytes: use an inject configuration with tokens.");
	const char *text = pair != NULL ? http_base64(a, pair, strlen(pair)) : NULL;
	*out = arena_printf(a, "Basic %s", text != NULL ? text : "");
	return arena_failed(a) ? err_set(w->error, ERR_INTERNAL, NULL, NULL) : ERR_NONE;
}

/* Makes the key of the token in the cache: the login and its version (sealing the same value twice
 * gives different results), and the purpose. False on failure. */
static bool
token_key(const struct inject_work *w, const char *const *scopes,
	  unsigned char out[TOKENS_KEY_SIZE])
{
	const struct value *sealed = &w->sealed;
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

static const char busy[] = "The server, or your key, has as many requests to registries running as "
			   "it may: try again in a second.";

struct host_note {
	const struct inject_work *work;
	const char *host;
};

static enum err
host_in_transaction(struct store_tx *tx, void *arg)
{
	const struct host_note *n = arg;
	const struct inject_work *w = n->work;
	enum store_rc rc = use_note_host(tx, w->context,
					 w->login->row->columns[COL_REGISTRY_ID].number, n->host);

	return rc == STORE_OK ? ERR_NONE : store_err(rc, w->error);
}

/* The first host that gives a token for a registry's login is the one for all. */
static enum err
remember_token_host(const struct inject_work *w, const char *host)
{
	struct host_note n = {w, host};

	if (host == NULL || w->login->token_host != NULL)
		return ERR_NONE;
	enum store_rc rc = store_write(w->context->store, host_in_transaction, &n);
	if (rc == STORE_OK)
		return ERR_NONE;
	return rc == STORE_ABORTED ? w->error->code : store_err(rc, w->error);
}

/* A cached token must have some time left, so that it does not expire before it is used. */
static enum err
fetch(const struct inject_work *w, const char *const *scopes,
      const unsigned char key[TOKENS_KEY_SIZE], const char **out)
{
	struct inject *inject = w->inject;
	int64_t began_ms = clock_ms();
	struct check_report report;
	struct grant grant;
	const struct registry_at at = {.address = w->wish->registry,
				       .token_host = w->login->token_host};
	bool done = registry_authorize(inject->settings, w->context->arena, &at, w->user, w->secret,
				       scopes, &grant, &report);
	int64_t lasts_ms = grant.is_token ? grant.lasts_ms * 4 / 5 : BASIC_KEPT_MS;
	bool granted = done && report.result == CHECK_VALID && grant.authorization != NULL &&
		       strlen(grant.authorization) <= INJECT_TOKEN_MAX;

	*out = granted ? grant.authorization : NULL;
	tokens_put(inject->tokens, key, w->seat, *out, clock_ms(),
		   granted ? began_ms + lasts_ms : clock_ms() + TOKENS_FAILED_MS);
	if (granted)
		return remember_token_host(w, report.token_host);
	if (!done)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	log_info("no token for the login 1c%lld: %s, status %d",
		 (long long)record_id(w->login->row), check_result_word(report.result),
		 report.http_status);
	return registry_down(w, report.message);
}

/* Limits the fetches of one key in a minute; reaching the limit does not affect other callers that
 * want the token.
 */
static bool
may_fetch(const struct inject_work *w, const unsigned char key[TOKENS_KEY_SIZE])
{
	const struct context *c = w->context;
	const char *who = arena_printf(c->arena, "token %s", w->caller);

	if (who == NULL)
		(void)err_set(w->error, ERR_INTERNAL, NULL, NULL);
	else if ((w->error->retry_after_s =
			  limiter_take(&c->limits.checks, who, c->now_ms / 1000)) == 0)
		return true;
	else
		(void)err_set(w->error, ERR_UNAVAILABLE, NULL,
			      "Too many tokens were fetched for this key in the last minute: wait "
			      "as long as Retry-After says.");
	tokens_put(w->inject->tokens, key, w->seat, NULL, clock_ms(), 0);
	return false;
}

static enum err
use_token(const struct inject_work *w, const char **out)
{
	const char *scopes[GRANT_SCOPES_MAX + 1] = {NULL};
	unsigned char key[TOKENS_KEY_SIZE];
	int64_t now_ms = clock_ms();

	if (!make_scopes(w, scopes) || !token_key(w, scopes, key))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	switch (tokens_take(w->inject->tokens, w->context->arena, key, w->seat, now_ms,
			    now_ms + w->inject->settings->timeout_ms, out)) {
	case TOKENS_FOUND:
		return ERR_NONE;
	case TOKENS_FETCH:
		if (!may_fetch(w, key))
			return w->error->code;
		return fetch(w, scopes, key, out);
	case TOKENS_FAILED:
		return registry_down(
			w, "The registry gave no token a moment ago: try again in a minute.");
	case TOKENS_BUSY:
		return err_set(w->error, ERR_UNAVAILABLE, NULL, busy);
	case TOKENS_NO_MEMORY:
		break;
	}
	return err_set(w->error, ERR_INTERNAL, NULL, NULL);
}

/* Where it goes
 *
 * A registry may name any URL for the step after a request: for the next part of an upload, or for
 * the content of a blob.  nginx rewrites URLs on the registry's own host to
 *
 *   PATH/.regcred/WORD/what/the/registry/named
 *
 * PATH is the API request that the URL came from, which tells the repository.  nginx cannot sign,
 * so in the first such URL WORD is a number, and the rest is ignored: regcred asks the registry
 * again and follows as many answers as the number says.  For an upload that is another POST.  From
 * then on WORD is a MAC over the repository and the path that the registry named; the query is
 * whatever the registry last gave.
 */

enum { NEXT_MAC_SIZE = 16, NEXT_WORD_SIZE = 2 * NEXT_MAC_SIZE + 1 };

/* Computes the word for a path of the registry without its query. */
static bool
next_word(const struct inject_work *w, const char *path, size_t len, char out[NEXT_WORD_SIZE])
{
	unsigned char mac[SECRET_MAC_SIZE];
	const char *text = arena_printf(w->context->arena, "%s %s %.*s", w->wanted.parts.key,
					w->request.repository, (int)len, path);

	if (text == NULL)
		return false;
	secret_mac(w->context->ring, "next", text, strlen(text), mac);
	for (size_t i = 0; i < NEXT_MAC_SIZE; i++)
		(void)snprintf(out + 2 * i, 3, "%02x", mac[i]);
	return true;
}

/* Sets the prefixes that nginx adds to a path of the registry, and to a location relative to the
 * path `from`. */
static void
set_next(const struct inject_work *w, const char *word, const char *from, struct injection *out)
{
	const char *path = w->request.path;
	size_t len = strcspn(path, "?");

	while (len > 0 && path[len - 1] == '/')
		len--;
	out->next = arena_printf(w->context->arena, "%.*s%s%s", (int)len, path, INJECT_MARK, word);
	for (len = strcspn(from, "?"); len > 0 && from[len - 1] != '/'; len--)
		;
	out->base = arena_printf(w->context->arena, "%s%.*s", out->next, (int)len, from);
}

/* Whether a text can be appended to a path without leaving it, however a program interprets it. */
static bool
is_plain(const char *rest)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
				    "/._-:=+@~";

	return strspn(rest, plain) == strlen(rest) && strstr(rest, "/.") == NULL &&
	       strstr(rest, "//") == NULL;
}

/* Whether the word was made for the path that the registry is claimed to have given, or for one
 * above it. */
static bool
is_named(const struct inject_work *w)
{
	const char *named = w->request.named;
	char word[NEXT_WORD_SIZE];

	for (size_t len = strlen(named); len > 0; len--) {
		bool below = named[len - 1] == '/'; /* the path ends with a slash */
		unsigned char differs = 0;

		if (named[len] != '\0' && named[len] != '/' && !below)
			continue;
		if (strlen(w->request.word) != NEXT_WORD_SIZE - 1 ||
		    !next_word(w, named, len, word))
			return false;
		for (size_t i = 0; i < NEXT_WORD_SIZE; i++)
			differs |= (unsigned char)(word[i] ^ w->request.word[i]);
		if (differs == 0)
			return is_plain(named + len - below);
	}
	return false;
}

/* The only parameter that a client adds to a URL from its registry is the digest of its upload. */
static const char *
with_digest(const struct inject_work *w, const char *path)
{
	struct arena *a = w->context->arena;
	const char *query = w->request.query;
	struct pairs pairs = {0};
	struct error e = {0};

	if (query == NULL ||
	    http_form_parse(a, query + 1, strlen(query + 1), &pairs, &e) != ERR_NONE)
		return path;
	for (size_t i = pairs.count; i > 0; i--)
		if (strcmp(pairs.items[i - 1].name, "digest") == 0)
			return arena_printf(a, "%s%sdigest=%s", path,
					    strchr(path, '?') != NULL ? "&" : "?",
					    http_encode(a, pairs.items[i - 1].value));
	return path;
}

/* Asks the registry where it redirects a client from the path. */
static enum err
follow_path(const struct inject_work *w, unsigned hops, struct injection *out)
{
	const struct registry_request *r = &w->request;
	struct follow f = {.path = r->path,
			   .authorization = out->authorization,
			   .upload = r->begins_upload,
			   .hops = hops};
	struct check_report report;
	char word[NEXT_WORD_SIZE];

	if (!seats_take(w->inject->seats, w->seat))
		return err_set(w->error, ERR_UNAVAILABLE, NULL, busy);
	bool done = registry_follow(w->inject->settings, w->context->arena, w->wish->registry, &f,
				    &report);
	seats_leave(w->inject->seats, w->seat);
	if (!done)
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (report.result != CHECK_VALID || f.next == NULL)
		return registry_down(
			w, report.result != CHECK_VALID
				   ? report.message
				   : "The registry does not say where to continue: try again.");
	if (!next_word(w, f.next, strcspn(f.next, "?"), word))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	out->path = r->begins_upload ? with_digest(w, f.next) : f.next;
	if (!r->begins_upload)
		(void)snprintf(word, sizeof(word), "%u", hops + 1);
	set_next(w, word, f.next, out);
	return ERR_NONE;
}

static enum err
inject_find_path(const struct inject_work *w, struct injection *out)
{
	const struct registry_request *r = &w->request;
	bool reads = strcmp(r->actions, "pull") == 0, posts = strcmp(w->wish->method, "POST") == 0;
	unsigned hops = 0;

	if (r->word == NULL) {
		out->path = w->wish->target;
		if (r->repository != NULL && (reads ? !r->in_upload : r->begins_upload && posts))
			set_next(w, "1", r->path, out);
		return ERR_NONE;
	}
	if (strlen(r->word) == 1 && *r->word >= '1' && *r->word <= '0' + FOLLOW_HOPS_MAX)
		hops = (unsigned)(*r->word - '0');
	if (posts || r->repository == NULL || r->in_upload ||
	    (hops != 0 && reads == r->begins_upload))
		return deny(
			w,
			"The path is not one that this server gave out: start the request again.");
	if (hops != 0)
		return follow_path(w, hops, out);
	if (!is_named(w))
		return deny(w, "The path is not one that this server gave out for the repository: "
			       "start the request again.");
	out->path =
		arena_printf(w->context->arena, "%s%s", r->named, r->query != NULL ? r->query : "");
	set_next(w, r->word, r->named, out);
	return ERR_NONE;
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
	const char *text =
		arena_printf(c->arena, "%lld %s %lld %s", (long long)(c->now_ms / INJECT_NOTED_MS),
			     w->caller, (long long)record_id(w->login->row), what);

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

/* Waiting for a token may have taken time: do not use what was revoked meanwhile. */
static enum err
stands_in_transaction(struct store_tx *tx, void *arg)
{
	const struct recording *r = arg;
	const struct inject_work *w = r->work;
	bool same = false;

	if (standing_check(tx, w->context->arena, w->context->id,
			   w->login->row->columns[COL_ACCOUNT_ID].number, w->error) != ERR_NONE)
		return w->error->code;
	enum store_rc rc = use_check(tx, w->context, w->login->row, &same);
	if (rc != STORE_OK)
		return store_err(rc, w->error);
	return same ? ERR_NONE : err_set(w->error, ERR_UNAVAILABLE, NULL, use_changing);
}

static enum err
record_in_transaction(struct store_tx *tx, void *arg)
{
	const struct recording *r = arg;
	const struct inject_work *w = r->work;

	if (stands_in_transaction(tx, arg) != ERR_NONE)
		return w->error->code;
	enum store_rc rc = handout_note_use(tx, w->context, w->login->row);
	if (rc == STORE_OK && !is_noted(w))
		rc = resource_note(tx, w->context, w->context->arena, "inject", 200, w->login->row,
				   r->what);
	return rc == STORE_OK ? ERR_NONE : store_err(rc, w->error);
}

/* Each new use adds a row: a client that makes up repositories must not fill the log. */
static enum err
inject_count(const struct inject_work *w)
{
	const struct context *c = w->context;

	w->error->retry_after_s =
		limiter_take(&c->limits.repositories, w->caller, c->now_ms / 1000);
	return w->error->retry_after_s == 0
		       ? ERR_NONE
		       : err_set(w->error, ERR_TOO_MANY, NULL,
				 "This key has requested too many repositories in the last hour: "
				 "wait as long as Retry-After says.");
}

/* Recorded once an hour for each key, login, repository and kind of access; before the answer, so
 * that what cannot be recorded is not used. */
static enum err
record(struct inject_work *w)
{
	struct recording r = {.work = w, .what = describe(w)};

	if (r.what == NULL || !name_use(w, r.what))
		return err_set(w->error, ERR_INTERNAL, NULL, NULL);
	if (!is_noted(w) && (inject_count(w) != ERR_NONE ||
			     quota_take_room(w->context, QUOTA_ROW_BYTES, w->error) != ERR_NONE))
		return w->error->code;
	bool recorded = is_noted(w) && !handout_is_use_due(w->context, w->login->row);
	enum store_rc rc = recorded ? store_read(w->context->store, stands_in_transaction, &r)
				    : store_write(w->context->store, record_in_transaction, &r);
	if (rc != STORE_OK)
		return rc == STORE_ABORTED ? w->error->code : store_err(rc, w->error);
	(void)pthread_mutex_lock(&w->inject->mutex);
	memcpy(noted_place(w), w->note, SECRET_MAC_SIZE);
	(void)pthread_mutex_unlock(&w->inject->mutex);
	return ERR_NONE;
}

enum { OUTCOME_BASIC, OUTCOME_TOKEN, OUTCOME_REFUSED, OUTCOME__COUNT };
const char *const inject_outcomes[] = {[OUTCOME_BASIC] = "basic",
				       [OUTCOME_TOKEN] = "token",
				       [OUTCOME_REFUSED] = "refused",
				       [OUTCOME__COUNT] = NULL};

/* Sets whose request it is. */
static enum err
name_caller(struct inject_work *w)
{
	const struct identity *id = w->context->id;
	bool by_key = id->key_id != 0;

	w->seat = by_key ? -id->key_id : id->user_id;
	w->caller = id_format(w->context->arena, by_key ? &family_credential : &family_account,
			      by_key ? id->key_id : id->user_id);
	return w->caller != NULL ? ERR_NONE : err_set(w->error, ERR_INTERNAL, NULL, NULL);
}

static enum err
inject_find(struct inject_work *w, struct injection *out)
{
	if (!auth_may_inject(w->context->id))
		return err_set(
			w->error, ERR_FORBIDDEN, NULL,
			"This key may not use logins: make one with the role inject, or with "
			"reveal set to true.");
	if (name_caller(w) != ERR_NONE || read_wish(w) != ERR_NONE ||
	    inject_choose(w) != ERR_NONE || open_login(w) != ERR_NONE)
		return w->error->code;
	enum err rc =
		w->basic ? use_basic(w, &out->authorization) : use_token(w, &out->authorization);
	if (rc == ERR_NONE)
		rc = record(w);
	return rc == ERR_NONE ? inject_find_path(w, out) : rc;
}

enum err
inject_run(struct inject *inject, const struct context *c, const struct wish *wish,
	   struct injection *out, struct error *e)
{
	struct inject_work w = {.inject = inject, .context = c, .wish = wish, .error = e};
	enum err rc = inject_find(&w, out);

	board_count_labelled(BOARD_INJECTS, rc != ERR_NONE ? OUTCOME_REFUSED
					    : w.basic	   ? OUTCOME_BASIC
							   : OUTCOME_TOKEN);
	return rc;
}

const char *
inject_why(const struct error *e)
{
	const char *why = e->detail != NULL ? e->detail : err_message(e->code);

	return why != NULL && strpbrk(why, "\"\\") == NULL ? why : "The request was refused.";
}
