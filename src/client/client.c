/* client: settings and requests of the programs on other machines. */
#include "client/client.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/file.h"
#include "base/ini.h"
#include "base/json_in.h"
#include "base/network.h"
#include "base/text.h"
#include "secret/random.h"

/* Settings */

/* clang-format off */
static const struct client_setting {
	const char *name;
	size_t offset;
} settings_table[] = {
	{ "url",        offsetof(struct client_settings, url) },
	{ "access_key", offsetof(struct client_settings, access_key) },
	{ "secret_key", offsetof(struct client_settings, secret_key) },
	{ "ca_file",    offsetof(struct client_settings, ca_file) },
	{ "allow_http", offsetof(struct client_settings, allow_http) },
	{ "cache",      offsetof(struct client_settings, cache) },
};
/* clang-format on */

static bool client_refuse(char why[CLIENT_WHY_MAX], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool
client_refuse(char why[CLIENT_WHY_MAX], const char *format, ...)
{
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, CLIENT_WHY_MAX, format, args);
	va_end(args);
	return false;
}

/* The place of a setting; NULL for an unknown name. */
static char *
client_find_setting(struct client_settings *out, const char *name)
{
	static const char prefix[] = "REGCRED_";

	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
		name += sizeof(prefix) - 1;
	for (size_t i = 0; i < sizeof(settings_table) / sizeof(*settings_table); i++)
		if (strcasecmp(settings_table[i].name, name) == 0)
			return (char *)out + settings_table[i].offset;
	return NULL;
}

struct client_reading {
	struct client_settings *out;
	const char *path;
	char *why;
};

/* Unknown names are ignored: the file may be shared with other programs. */
static bool
client_take_line(void *arg, unsigned number, char *line)
{
	struct client_reading *reading = arg;
	char *equals = strchr(line, '=');
	const char *value = equals != NULL ? ini_split(line, equals) : NULL;
	char *to = equals != NULL ? client_find_setting(reading->out, line) : NULL;

	if (equals == NULL)
		return client_refuse(reading->why, "%s:%u: a line must be `name = value`",
				     reading->path, number);
	if (to == NULL)
		return true;
	if (strlen(value) >= CLIENT_TEXT_MAX)
		return client_refuse(reading->why, "%s:%u: %s has more than %d bytes",
				     reading->path, number, line, CLIENT_TEXT_MAX - 1);
	(void)stpcpy(to, value);
	return true;
}

bool
client_settings_parse(struct client_settings *out, char *text, const char *path,
		      char why[CLIENT_WHY_MAX])
{
	struct client_reading reading = {out, path, why};

	return ini_each(text, client_take_line, &reading);
}

bool
client_settings_read(struct client_settings *out, const char *path, char why[CLIENT_WHY_MAX])
{
	static const struct file_rules rules = {.max = CLIENT_FILE_MAX, .closed = 077, .own = true};
	char text[CLIENT_FILE_MAX + 1];
	bool ok = file_read(path, &rules, text, NULL, why, CLIENT_WHY_MAX) >= 0 &&
		  client_settings_parse(out, text, path, why);

	explicit_bzero(text, sizeof(text));
	return ok;
}

const char *
client_settings_path(struct arena *a, char why[CLIENT_WHY_MAX])
{
	const char *home = getenv("XDG_CONFIG_HOME"), *sub = "", *name = getenv("REGCRED_CONTEXT");

	if (name == NULL || *name == '\0')
		name = "client";
	(void)client_refuse(why, "the name of a context consists of letters, digits, - and _ only");
	if (strspn(name, DIGITS LETTERS "-_") != strlen(name))
		return NULL;
	if (home == NULL || *home != '/') {
		home = getenv("HOME");
		sub = "/.config";
	}
	(void)client_refuse(why,
			    "the home directory is unknown: set HOME, or give server and key with "
			    "REGCRED_URL and REGCRED_API_KEY_FILE");
	if (home == NULL || *home != '/')
		return NULL;
	(void)client_refuse(why, "out of memory");
	return arena_printf(a, "%s%s/regcred/%s.ini", home, sub, name);
}

static bool
copy_setting(char out[CLIENT_TEXT_MAX], const char *name, char why[CLIENT_WHY_MAX])
{
	const char *value = getenv(name);

	if (value == NULL)
		return true;
	if (strlen(value) >= CLIENT_TEXT_MAX)
		return client_refuse(why, "%s is too long", name);
	(void)stpcpy(out, value);
	return true;
}

/* A token is one word. */
static bool
client_take_token(struct client_settings *out, const char *token, const char *from,
		  char why[CLIENT_WHY_MAX])
{
	size_t len = strspn(token, DIGITS LETTERS "-_.");

	if (len == 0 || len > CLIENT_TOKEN_MAX || token[len + strspn(token + len, "\r\n")] != '\0')
		return client_refuse(why,
				     "%s is not a web token: three parts of letters, digits, - and "
				     "_ with dots between, of %d bytes at most",
				     from, CLIENT_TOKEN_MAX);
	memcpy(out->token, token, len);
	out->token[len] = '\0';
	(void)stpcpy(out->access_key, "(web token)"); /* what people are shown in its place */
	*out->secret_key = '\0';
	return true;
}

/* The file may be one that Kubernetes mounts, which others may read: it is new each hour. */
static bool
client_read_token(struct client_settings *out, char why[CLIENT_WHY_MAX])
{
	static const struct file_rules rules = {.max = CLIENT_TOKEN_MAX + 2};
	const char *token = getenv("REGCRED_TOKEN"), *path = getenv("REGCRED_TOKEN_FILE");
	char text[CLIENT_TOKEN_MAX + 3];

	if (token != NULL && *token != '\0')
		return client_take_token(out, token, "REGCRED_TOKEN", why);
	if (path == NULL || *path == '\0')
		return true;
	bool ok = file_read(path, &rules, text, NULL, why, CLIENT_WHY_MAX) >= 0 &&
		  client_take_token(out, text, path, why);
	explicit_bzero(text, sizeof(text));
	return ok;
}

static bool
client_read_environment(struct client_settings *out, char why[CLIENT_WHY_MAX])
{
	const char *key_file = getenv("REGCRED_API_KEY_FILE");

	if (key_file != NULL && *key_file != '\0' && !client_settings_read(out, key_file, why))
		return false;
	/* The file gives only the key, not the server. */
	*out->url = '\0';
	if (key_file == NULL && (!copy_setting(out->access_key, "REGCRED_ACCESS_KEY", why) ||
				 !copy_setting(out->secret_key, "REGCRED_SECRET_KEY", why)))
		return false;
	return copy_setting(out->url, "REGCRED_URL", why) &&
	       copy_setting(out->ca_file, "REGCRED_API_CA_FILE", why) &&
	       copy_setting(out->allow_http, "REGCRED_ALLOW_HTTP", why) &&
	       copy_setting(out->cache, "REGCRED_CACHE", why);
}

static bool
client_read_file(struct client_settings *out, char why[CLIENT_WHY_MAX])
{
	struct arena *a = arena_new(CLIENT_FILE_MAX);
	const char *path = a != NULL ? client_settings_path(a, why) : NULL;
	bool ok = false;

	if (a == NULL)
		(void)client_refuse(why, "out of memory");
	else if (path != NULL && access(path, F_OK) != 0 && errno == ENOENT)
		(void)client_refuse(why,
				    "which server? run `regcred login URL`, or set REGCRED_URL and "
				    "REGCRED_API_KEY_FILE");
	else if (path != NULL)
		ok = client_settings_read(out, path, why);
	arena_free(a);
	return ok;
}

bool
client_settings_load(struct client_settings *out, char why[CLIENT_WHY_MAX])
{
	return client_settings_load_token(out, NULL, why);
}

bool
client_settings_load_token(struct client_settings *out, const char *token, char why[CLIENT_WHY_MAX])
{
	const char *url = getenv("REGCRED_URL");
	bool by_environment = url != NULL && *url != '\0';

	*out = (struct client_settings){.url = ""};
	if (!(by_environment ? client_read_environment(out, why) : client_read_file(out, why)))
		return false;
	if (!(token != NULL    ? client_take_token(out, token, "the token of the request", why)
	      : by_environment ? client_read_token(out, why)
			       : true))
		return false;
	if (*out->url == '\0')
		return client_refuse(why, "the file of `regcred login` has no url: log in again");
	if (*out->token == '\0' && (*out->access_key == '\0' || *out->secret_key == '\0'))
		return client_refuse(
			why, by_environment
				     ? "no key: set REGCRED_API_KEY_FILE to a file "
				       "of mode 0600 with access_key and secret_key, or "
				       "REGCRED_TOKEN to a web token"
				     : "the file of `regcred login` has no key: log in again");
	return true;
}

/* The session */

/* Finds "/v1" or "/v2-beta" as a whole segment of a path, and the rest after it. */
static bool
split_version(char *path, const char **scope)
{
	static const char *const versions[] = {"/v1", "/v2-beta"};

	*scope = "";
	for (size_t len = strlen(path); len > 0 && path[len - 1] == '/'; len--)
		path[len - 1] = '\0';
	for (char *p = path; (p = strchr(p, '/')) != NULL; p++)
		for (size_t i = 0; i < sizeof(versions) / sizeof(*versions); i++) {
			size_t len = strlen(versions[i]);

			if (strncmp(p, versions[i], len) == 0 &&
			    (p[len] == '/' || p[len] == '\0')) {
				*p = '\0';
				*scope = p + len;
				return true;
			}
		}
	return false;
}

/* The beginning of request URLs: the scope of the configured URL, in the API version whose logins
 * need no e-mail address. NULL if it is not a URL. */
static const char *
root_of(struct arena *a, const char *url)
{
	static const CURLUPart unwanted[] = {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY,
					     CURLUPART_FRAGMENT};
	CURLU *parts = curl_url();
	char *scheme = NULL, *path = NULL, *whole = NULL, *text = NULL;
	const char *scope, *root = NULL;
	bool extra = false;

	if (parts == NULL || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    (strcmp(scheme, "https") != 0 && strcmp(scheme, "http") != 0))
		goto out;
	for (size_t i = 0; i < sizeof(unwanted) / sizeof(*unwanted); i++) {
		extra = extra || curl_url_get(parts, unwanted[i], &text, 0) == CURLUE_OK;
		curl_free(text);
		text = NULL;
	}
	if (extra || curl_url_get(parts, CURLUPART_PATH, &path, 0) != CURLUE_OK)
		goto out;
	(void)split_version(path, &scope);
	const char *both = arena_printf(a, "%s/v2-beta%s", path, scope);
	if (both != NULL && curl_url_set(parts, CURLUPART_PATH, both, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_URL, &whole, 0) == CURLUE_OK)
		root = arena_strdup(a, whole);
out:
	curl_free(scheme);
	curl_free(path);
	curl_free(whole);
	curl_url_cleanup(parts);
	return root;
}

static bool
is_loopback(char *host)
{
	size_t len = strlen(host);

	if (host[0] == '[' && host[len - 1] == ']') {
		host[len - 1] = '\0';
		host++;
	}
	return strcasecmp(host, "localhost") == 0 || network_list_has("127.0.0.0/8 ::1/128", host);
}

/* Over http anyone on the network path can read the key and all logins. */
static bool
may_be_asked(const char *url, const char *allow_http)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL;
	bool right = parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
		     curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
		     curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK;

	right = right && (strcmp(scheme, "https") == 0 || is_loopback(host) ||
			  strcmp(allow_http, "yes") == 0 || strcmp(allow_http, "1") == 0);
	curl_free(scheme);
	curl_free(host);
	curl_url_cleanup(parts);
	return right;
}

bool
client_open(struct client *c, struct arena *a, const struct client_settings *settings,
	    int64_t timeout_ms, char why[CLIENT_WHY_MAX])
{
	*c = (struct client){.arena = a,
			     .settings = settings,
			     .why = why,
			     .timeout_ms = timeout_ms,
			     .deadline_ms = clock_ms() + timeout_ms};
	c->fetch = fetch_new();
	if (c->fetch == NULL)
		return client_refuse(why, "libcurl does not start");
	c->root = root_of(a, settings->url);
	if (c->root == NULL)
		return client_refuse(why, "the address of the server must be a URL such as "
					  "https://creds.example.com, without name and password");
	if (!may_be_asked(c->root, settings->allow_http))
		return client_refuse(why,
				     "%s is http: the key and all logins could be read on the "
				     "way; use https, or allow it with `regcred login "
				     "--allow-http` or REGCRED_ALLOW_HTTP=yes",
				     settings->url);
	return true;
}

void
client_each(struct client *c, int64_t timeout_ms)
{
	c->each_ms = timeout_ms;
}

void
client_close(struct client *c)
{
	fetch_free(c->fetch);
	c->fetch = NULL;
}

/* A request */

static bool
explain(struct client *c, enum fetch_rc rc, const struct fetch_answer *got)
{
	int64_t given_ms = c->each_ms != 0 ? c->each_ms : c->timeout_ms;

	if (rc == FETCH_TIMEOUT)
		return client_refuse(c->why, "%s does not answer within %lld.%lld s",
				     c->settings->url, (long long)(given_ms / 1000),
				     (long long)(given_ms % 1000 / 100));
	if (rc == FETCH_TOO_LONG)
		return client_refuse(c->why, "the answer of %s is too large", c->settings->url);
	if (arena_failed(c->arena))
		return client_refuse(c->why, "out of memory");
	return client_refuse(
		c->why,
		"the request to %s failed: %s; is the address right, and is the server running?",
		c->settings->url, got->problem);
}

static bool
read_answer(struct client *c, struct client_answer *out)
{
	struct json *body = NULL;
	struct error e = {0};
	bool redirect = out->status >= 300 && out->status < 400;

	if (!redirect && out->len > 0 &&
	    json_parse_many(c->arena, out->text, out->len, CLIENT_NODES_MAX, &body, &e) ==
		    ERR_NONE &&
	    body->type == JSON_OBJECT) {
		out->body = body;
		return true;
	}
	if (arena_failed(c->arena))
		return client_refuse(c->why, "out of memory");
	return client_refuse(
		c->why, "the answer of %s (status %ld) does not come from regcred: check the URL",
		c->settings->url, out->status);
}

/* One request.  False: no answer of regcred's came. */
static bool
client_ask(struct client *c, const char *method, const char *path, const char *body,
	   struct client_answer *out)
{
	const char *match =
		c->if_match != NULL ? arena_printf(c->arena, "If-Match: %s", c->if_match) : NULL;
	bool by_token = *c->settings->token != '\0';
	const char *bearer =
		by_token ? arena_printf(c->arena, "Authorization: Bearer %s", c->settings->token)
			 : NULL;
	const char *const headers[] = {"Accept: application/json", "Content-Type: application/json",
				       match != NULL ? match : bearer,
				       match != NULL ? bearer : NULL, NULL};
	bool lost = arena_failed(c->arena);
	const struct fetch_request request = {
		.url = arena_printf(c->arena, "%s/%s", c->root, path),
		.method = method,
		.headers = headers,
		.user = by_token ? NULL : c->settings->access_key,
		.password = by_token ? NULL : c->settings->secret_key,
		.body = body,
		.answer_max = CLIENT_ANSWER_MAX,
		.timeout_ms = c->each_ms != 0 ? c->each_ms : c->deadline_ms - clock_ms(),
		.ca_file = c->settings->ca_file,
		.proxy = strncmp(c->root, "http:", 5) == 0
				 ? ""
				 : NULL}; /* over http a proxy would see the key */
	struct fetch_answer got = {.body = ""};
	enum fetch_rc rc = request.url != NULL && !lost
				   ? fetch_do(c->fetch, c->arena, &request, &got)
				   : FETCH_EXHAUSTED;
	const char *etag = rc == FETCH_OK ? fetch_header(c->fetch, "ETag", 0) : NULL;

	c->if_match = NULL;
	*out = (struct client_answer){.status = got.status,
				      .text = got.body,
				      .len = got.len,
				      .etag = etag != NULL ? arena_strdup(c->arena, etag) : NULL};
	c->status = got.status;
	return rc == FETCH_OK ? read_answer(c, out) : explain(c, rc, &got);
}

/* clang-format off */
static const struct {
	long status;
	const char *sentence;
} meanings[] = {
	{ 401, "the server does not accept this key or token; run `regcred login` with a valid key" },
	{ 403, "your key may not do that" },
	{ 404, "not found, or your key has no access to it" },
	{ 413, "the login is longer than the 64 KiB that the server takes" },
	{ 429, "too many sign-ins have failed from here; try again later" },
	{ 503, "the server cannot do that now; try again later" },
	{ 507, "the server's disk is full; space must be freed there" },
};
/* clang-format on */

bool
client_do(struct client *c, const char *method, const char *path, const char *body,
	  struct client_answer *out)
{
	const char *sentence = "the server refuses";

	if (!client_ask(c, method, path, body, out))
		return false;
	if (out->status >= 200 && out->status < 300)
		return true;
	for (size_t i = 0; i < sizeof(meanings) / sizeof(*meanings); i++)
		if (meanings[i].status == out->status)
			sentence = meanings[i].sentence;
	const char *code = client_text(out->body, "code");
	const char *field = client_text(out->body, "fieldName");
	/* How a key signs in is nothing that a person can do better; why a token is refused is. */
	bool key_refused = out->status == 401 && *c->settings->token == '\0';
	const char *detail = key_refused ? NULL : client_text(out->body, "detail");

	(void)client_refuse(c->why, "%s (%ld %.64s%s%.64s)%s%.400s", sentence, out->status,
			    code != NULL ? code : "", field != NULL ? ": " : "",
			    field != NULL ? field : "", detail != NULL ? ": " : "",
			    detail != NULL ? detail : "");
	text_make_plain(c->why); /* it is printed on terminals */
	return false;
}

const char *
client_text(const struct json *node, const char *name)
{
	const struct json *member = json_member(node, name);

	return member != NULL && member->type == JSON_STRING ? member->text : NULL;
}

const char *
client_escape(struct client *c, const char *value)
{
	char *escaped = curl_easy_escape(NULL, value, 0);
	const char *copy = escaped != NULL ? arena_strdup(c->arena, escaped) : NULL;

	curl_free(escaped);
	return copy;
}
