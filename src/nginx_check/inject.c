/* inject: the location that asks for a login of a registry, and those that use it, its askers. */
#include <string.h>
#include <strings.h>

#include "nginx_check/site.h"
#include "nginx_check/trace.h"

enum {
	ANSWER_MIN = 16 * 1024, /* bytes of a registry's headers with a token in a Location */
	BUFFER_DEFAULT = 4096,	/* nginx's own proxy_buffer_size, on most machines */
};

static const char login[] = "upstream_http_x_registry_authorization";

static void
look_inject_open(const struct site *site, const struct rule *rule)
{
	if (node_own(site->block, "internal") == NULL)
		found(site, rule, site->pass, "");
}

/* The next proxy_pass of the server after n, or the first, whose requests ask this location. */
static const struct node *
next_asker(const struct site *site, const struct node *n)
{
	const struct node *top = site->server, *asks;

	if (top == NULL)
		return NULL;
	for (n = node_following(top, n == NULL ? top : n); n != NULL; n = node_following(top, n))
		if (node_is_named(n, "proxy_pass") &&
		    (asks = node_effective(n->parent, "auth_request")) != NULL &&
		    strcmp(node_word(asks, 1), node_last_word(site->block)) == 0)
			return n;
	return NULL;
}

/* The map that makes the variable of a fixed list: its rows are constants; NULL. */
static const struct node *
list_of(const struct site *site, const char *variable)
{
	const struct node *root = site->check->root, *map = NULL;

	for (const struct node *n = root; n != NULL; n = node_following(root, n))
		if (node_is_named(n, "map") && strcmp(node_word(n, 2), variable) == 0)
			map = n;
	for (const struct node *row = map != NULL ? map->children : NULL; row != NULL;
	     row = row->next)
		if (strchr(node_last_word(row), '$') != NULL)
			return NULL;
	return map;
}

/* The variable, from such a list, by which the registry is chosen; NULL: it is not. */
static const char *
registry_choice(const struct site *site)
{
	const struct node *n = param_find(site, "REGCRED_INJECT_REGISTRY");
	struct trace t;

	if (n == NULL || site->server == NULL || !trace_run(&t, site, n, node_word(n, 2)))
		return NULL;
	for (size_t i = 0; i < t.count; i++)
		if (variable_only(site->check->arena, t.from[i].text) != NULL &&
		    list_of(site, t.from[i].text) != NULL)
			return t.from[i].text;
	return NULL;
}

/* What is behind the registry in the URL, if the variable names it there; else NULL. */
static const char *
behind_choice(const char *url, const char *choice)
{
	const char *host = strstr(url, "://");
	size_t len = choice != NULL ? strlen(choice) : 0;

	host = host != NULL ? host + 3 : url;
	return len > 0 && strncmp(host, choice, len) == 0 &&
			       (host[len] == '$' || host[len] == '/' || host[len] == '\0')
		       ? host + len
		       : NULL;
}

/* Whether every request goes to the registry whose login it gets: one variable names both. */
static bool
choice_is_one(const struct site *site)
{
	const char *choice = registry_choice(site);

	for (const struct node *n = NULL; choice != NULL && (n = next_asker(site, n)) != NULL;)
		if (behind_choice(node_word(n, 1), choice) == NULL)
			return false;
	return choice != NULL;
}

static void
look_inject_fixed(const struct site *site, const struct rule *rule)
{
	static const char *const params[] = {"REGCRED_INJECT_REGISTRY", "REGCRED_INJECT_SCHEME"};

	for (size_t i = 0; i < COUNT_OF(params); i++) {
		const struct node *n = param_find(site, params[i]);
		struct trace t;

		/* In a part of a configuration the variables set in the server are unknown. */
		if (n != NULL && site->server != NULL && trace_run(&t, site, n, node_word(n, 2)) &&
		    !trace_is_fixed(&t) && (i > 0 || !choice_is_one(site)))
			found(site, rule, n, node_word(n, 2));
	}
}

/* Whether the value, in that block, is derived from one of these variables. */
static bool
holds(const struct site *site, const struct node *block, const struct node *at, const char *value,
      const char *const *names)
{
	struct site there = *site;
	struct trace t;

	there.block = block;
	if (!trace_run(&t, &there, at, value))
		return false;
	for (size_t i = 0; i < t.count; i++) {
		const char *text = t.from[i].text, *name;

		while ((name = variable_next(site->check->arena, &text)) != NULL)
			if (variable_in(name, names))
				return true;
	}
	return false;
}

static bool
holds_login(const struct site *site, const struct node *block, const struct node *at,
	    const char *value)
{
	static const char *const names[] = {login, NULL};

	return holds(site, block, at, value, names);
}

/* The client's headers are passed on, unless one is set to another value or passing is turned off.
 */
static bool
passes_on(const struct node *block, const char *header)
{
	const struct node *all = node_effective(block, "proxy_pass_request_headers");
	const struct node *own = node_about(block, "proxy_set_header", header);

	if (own != NULL)
		return node_word(own, 2)[0] != '\0';
	return all == NULL || !node_is_off(all);
}

static void
look_inject_header(const struct site *site, const struct rule *rule)
{
	static const char *const keys[] = {"X-API-Key", "Cookie", "Proxy-Authorization"};

	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const struct node *own = node_about(n->parent, "proxy_set_header", "Authorization");

		if (own == NULL || !holds_login(site, n->parent, own, node_word(own, 2)))
			found(site, rule, n, "Authorization");
		for (size_t i = 0; i < COUNT_OF(keys); i++)
			if (passes_on(n->parent, keys[i]))
				found(site, rule, n, keys[i]);
	}
}

/* Whether a variable holds exactly the path that regcred has answered. */
static bool
is_answered_path(const struct site *site, const struct node *pass, const char *variable)
{
	struct site there = *site;
	struct trace t;

	there.block = pass->parent;
	if (variable_only(site->check->arena, variable) == NULL ||
	    !trace_run(&t, &there, pass, variable))
		return false;
	for (size_t i = 0; i < t.count; i++)
		if (strcmp(t.from[i].text, variable) != 0 &&
		    strcmp(t.from[i].text, "$upstream_http_x_registry_path") != 0)
			return false;
	return t.count > 1;
}

/* regcred has checked the path as the client sent it, and answers which one to request from the
 * registry. nginx sends exactly that if proxy_pass ends with the host, or with that answer. */
static void
look_inject_path(const struct site *site, const struct rule *rule)
{
	const char *choice = registry_choice(site);

	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const char *url = node_word(n, 1), *host = strstr(url, "://");
		const char *rest = host != NULL ? strpbrk(host + 3, "/$") : strchr(url, '$');

		if (behind_choice(url, choice) != NULL) {
			rest = behind_choice(url, choice);
			host = *rest != '\0' ? url : NULL;
			rest = *rest != '\0' ? rest : NULL;
		}
		if (rest != NULL && (host == NULL || rest == host + 3 || *rest == '/' ||
				     !is_answered_path(site, n, rest)))
			found(site, rule, n, url);
	}
}

/* Directives that change the request after regcred was asked about it, or also send it, with key
 * and login, elsewhere. */
static void
look_inject_changed(const struct site *site, const struct rule *rule)
{
	static const char *const changes[] = {"rewrite", "proxy_method", "proxy_set_body", "mirror",
					      "try_files"};

	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;)
		for (size_t i = 0; i < COUNT_OF(changes); i++) {
			const struct node *change = node_effective(n->parent, changes[i]);

			if (change != NULL && !node_is_off(change))
				found(site, rule, change, changes[i]);
		}
}

/* Whether the directive may name the client's key: what tells where requests go to regcred, and the
 * headers that look_inject_header() is about. */
static bool
may_hold_key(const struct node *n)
{
	static const char *const directives[] = {
		"set", "if", "map", "auth_request_set", "fastcgi_param", "limit_req_zone"};
	static const char *const headers[] = {"Authorization", "X-API-Key", "Cookie",
					      "Proxy-Authorization"};

	for (size_t i = 0; i < COUNT_OF(directives); i++)
		if (node_is_named(n, directives[i]))
			return true;
	for (size_t i = 0; i < COUNT_OF(headers); i++)
		if (node_is_named(n, "proxy_set_header") &&
		    strcasecmp(node_word(n, 1), headers[i]) == 0)
			return true;
	return false;
}

/* Directives that send the client's key to the registry, or back in an answer. */
static void
look_inject_key(const struct site *site, const struct rule *rule)
{
	static const char *const keys[] = {"http_authorization", "http_x_api_key", "http_cookie",
					   NULL};
	const struct node *top = site->server;

	for (const struct node *n = top; n != NULL; n = node_following(top, n))
		for (size_t i = 1; n != top && !may_hold_key(n) && i < n->word_count; i++)
			if (strchr(n->words[i], '$') != NULL &&
			    holds(site, n->parent, n, n->words[i], keys))
				found(site, rule, n, n->words[0]);
}

/* The login may be used only in one header of one request. */
static void
look_inject_leak(const struct site *site, const struct rule *rule)
{
	static const char *const secrets[] = {"http_authorization", "http_x_api_key", "http_cookie",
					      login, NULL};
	const struct node *top = site->server;

	look_inject_key(site, rule);
	for (const struct node *n = top; n != NULL; n = node_following(top, n)) {
		bool may = node_is_named(n, "auth_request_set") || node_is_named(n, "set") ||
			   (node_is_named(n, "proxy_set_header") &&
			    strcasecmp(node_word(n, 1), "Authorization") == 0);

		for (size_t i = 1; n != top && !may && i < n->word_count; i++)
			if (strchr(n->words[i], '$') != NULL &&
			    holds_login(site, n->parent, n, n->words[i]))
				found(site, rule, n, n->words[0]);
	}
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		struct site asker = *site;

		asker.block = n->parent;
		look_logs(&asker, rule, secrets);
		const struct node *errors = node_effective(n->parent, "error_log");
		if (errors != NULL && node_mentions(errors, "debug"))
			found(site, rule, errors, "a debug log");
	}
}

static void
look_inject_challenge(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;)
		if (node_about(n->parent, "proxy_hide_header", "WWW-Authenticate") == NULL)
			found(site, rule, n, "");
}

static bool
is_this_machine(const char *host)
{
	size_t len = strlen("localhost");

	return text_begins_with(host, "unix:") || text_begins_with(host, "127.") ||
	       text_begins_with(host, "[::1]") ||
	       (strncasecmp(host, "localhost", len) == 0 && strchr(":/", host[len]) != NULL);
}

static void
look_inject_tls(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const struct node *verify = node_effective(n->parent, "proxy_ssl_verify");
		const char *url = node_word(n, 1);

		if (text_begins_with(url, "http://") && !is_this_machine(url + strlen("http://")))
			found(site, rule, n, "goes over the network in the clear");
		if (text_begins_with(url, "https://") && (verify == NULL || node_is_off(verify)))
			found(site, rule, n,
			      "goes to a registry whose certificate is not verified");
	}
}

static void
look_inject_buffer(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;)
		if (node_size_or(node_effective(n->parent, "proxy_buffer_size"), 1,
				 BUFFER_DEFAULT) < ANSWER_MIN)
			found(site, rule, n, "");
}

// clang-format off

static const struct rule inject_rows[] = {
	{ "inject-open", PROBLEM, look_inject_open, NULL, NULL, "any client may ask this location itself, and is given the login in a header; say `internal;` in it" },
	{ "inject-fixed", PROBLEM, look_inject_fixed, NULL, NULL, "{} is not a fixed text, so clients may choose which registry's login is used; `set` it in the server, or let one variable of a `map` with fixed texts name it here and in proxy_pass" },
	{ "inject-header", PROBLEM, look_inject_header, NULL, NULL, "the client's own {} goes on to the registry, with its key; include regcred_inject_proxy on this level, and say no proxy_set_header beside it" },
	{ "inject-path", PROBLEM, look_inject_path, NULL, NULL, "with {} nginx makes another URL than the one that regcred has looked at; name the registry without a path or slash, and no variable but regcred's own $regcred_path after it" },
	{ "inject-changed", PROBLEM, look_inject_changed, NULL, NULL, "`{}` sends another request than the one that regcred has looked at, or sends it elsewhere; remove it" },
	{ "inject-leak", PROBLEM, look_inject_leak, NULL, NULL, "{} gives away the login or the client's key; use the login in `proxy_set_header Authorization` only" },
	{ "inject-challenge", PROBLEM, look_inject_challenge, NULL, NULL, "a challenge of the registry would send clients, with their keys, to its token server; say `proxy_hide_header WWW-Authenticate;`" },
	{ "inject-tls", WARNING, look_inject_tls, NULL, NULL, "the login {}; use https, with `proxy_ssl_verify on` and proxy_ssl_trusted_certificate" },
	{ "inject-buffer", WARNING, look_inject_buffer, NULL, NULL, "an answer of the registry with long headers becomes 502; say `proxy_buffer_size 16k; proxy_buffers 8 16k;`" },
};

// clang-format on

const struct rule_table inject_rules = {inject_rows, COUNT_OF(inject_rows)};
