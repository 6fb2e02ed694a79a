/* nginx_check: an nginx configuration, read as nginx reads it, against a table of rules.
 *
 *   file ─► tokens ─► tree of directives ─► sites: where requests go to regcred ─► rules ─► lines
 *                     (includes in place)
 *
 * The table near the end is the list of what is looked for; the functions above it answer the
 * questions that more than one row asks.
 */
#include "nginx_check/nginx_check.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "nginx_check/look_bodies.h"
#include "nginx_check/look_common.h"
#include "nginx_check/look_errors.h"
#include "nginx_check/look_identity.h"
#include "nginx_check/look_inject.h"
#include "nginx_check/look_logs.h"
#include "nginx_check/look_server.h"
#include "nginx_check/parse.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

enum {
	ARENA_MAX = 128 * 1024 * 1024, /* long lists of addresses take most of it */
};

// clang-format off

static void look_no_site(const struct site *site, const struct rule *rule);

static const struct rule rules_once[] = {
	{ "include-missing", PROBLEM, look_include_missing, NULL, NULL, "the included file {}; nginx does not start without it" },
	{ "include-denied", WARNING, look_include_denied, NULL, NULL, "the included file {}, so what it says is not part of this check; run the check as root" },
	{ "no-location", PROBLEM, look_no_site, NULL, NULL, "no location here passes requests to regcred; give the configuration that nginx is started with, or include regcred.conf in a server" },
};

/* For each site. */
static const struct rule rules[] = {
	/* The way to regcred. */
	{ "upstream-missing", PROBLEM, look_upstream_missing, NULL, NULL, "there is no upstream \"{}\"; add `upstream {...}` with the line `server unix:/run/regcred/regcredd.sock;` at the http level" },
	{ "upstream-keepalive", WARNING, look_upstream_has, "keepalive", NULL, "kept connections pin a worker of regcred each; remove `keepalive` from this upstream" },
	{ "keep-conn", PROBLEM, look_is, "fastcgi_keep_conn", "on", "kept connections pin a worker each and lose requests when workers are replaced; say `fastcgi_keep_conn off`" },
	{ "retry-writes", PROBLEM, look_has_word, "fastcgi_next_upstream", "non_idempotent", "a write may be sent a second time; say `fastcgi_next_upstream off`" },
	{ "next-upstream", WARNING, look_next_upstream, "fastcgi_next_upstream", "non_idempotent", "PUT and DELETE may be sent a second time; say `fastcgi_next_upstream off`" },
	{ "cache", PROBLEM, look_is_not, "fastcgi_cache", "off", "answers of regcred belong to one caller and may hold a secret; say `fastcgi_cache off`" },
	{ "store", PROBLEM, look_is_not, "fastcgi_store", "off", "answers of regcred belong to one caller and may hold a secret; say `fastcgi_store off`" },
	{ "intercept-errors", PROBLEM, look_is, "fastcgi_intercept_errors", "on", "regcred's own errors are JSON and would be replaced; say `fastcgi_intercept_errors off`" },
	{ "no-headers", PROBLEM, look_is, "fastcgi_pass_request_headers", "off", "regcred never sees who asks without the client's headers; say `fastcgi_pass_request_headers on`" },
	{ "no-body", PROBLEM, look_is, "fastcgi_pass_request_body", "off", "regcred never sees what it should store without the body; say `fastcgi_pass_request_body on`" },

	/* Parameters. */
	{ "params-none", PROBLEM, look_params_none, NULL, NULL, "no parameter is sent, so regcred cannot tell what was asked; add `include regcred_params;`" },
	{ "stock-params", PROBLEM, look_params_file, "fastcgi_params", NULL, "nginx's own fastcgi_params sends a user that nobody has verified and parameters that regcred must not get twice; include regcred_params in its place" },
	{ "stock-conf", PROBLEM, look_params_file, "fastcgi.conf", NULL, "nginx's own fastcgi.conf sends a user that nobody has verified and parameters that regcred must not get twice; include regcred_params in its place" },
	{ "remote-user", PROBLEM, look_param_set, "REMOTE_USER", NULL, "REMOTE_USER is set to {}, which nginx fills from a header that it may not have checked; say `fastcgi_param REMOTE_USER \"\";` and use REGCRED_PROXY_USER for identities" },
	{ "no-host", PROBLEM, look_param_missing, "REGCRED_HOST", NULL, "REGCRED_HOST is missing, so links in answers may be wrong; include regcred_params on this level: one fastcgi_param of its own hides all from outside" },
	{ "no-scheme", PROBLEM, look_param_missing, "REGCRED_SCHEME", NULL, "REGCRED_SCHEME is missing, so links in answers say http; include regcred_params on this level" },
	{ "no-uri", PROBLEM, look_param_missing, "REQUEST_URI", NULL, "REQUEST_URI is missing, so regcred cannot tell what was asked; include regcred_params on this level" },
	{ "no-method", PROBLEM, look_param_missing, "REQUEST_METHOD", NULL, "REQUEST_METHOD is missing, so regcred cannot tell what was asked; include regcred_params on this level" },
	{ "no-length", PROBLEM, look_param_missing, "CONTENT_LENGTH", NULL, "CONTENT_LENGTH is missing, so regcred refuses every body; include regcred_params on this level" },
	{ "no-type", PROBLEM, look_param_missing, "CONTENT_TYPE", NULL, "CONTENT_TYPE is missing, so regcred cannot tell a form from JSON; include regcred_params on this level" },
	{ "no-address", PROBLEM, look_param_missing, "REMOTE_ADDR", NULL, "REMOTE_ADDR is missing, so logs do not say who asked; include regcred_params on this level" },
	{ "decoded-uri", PROBLEM, look_param_is_not, "REQUEST_URI", "$request_uri", "REQUEST_URI is set to {}, and regcred decodes it once more; say `fastcgi_param REQUEST_URI $request_uri;`" },
	{ "host-value", WARNING, look_param_is_not, "REGCRED_HOST", "$http_host", "REGCRED_HOST is set to {}; it should be $http_host, with the port as the client used it, or leave it and set base_url in regcred's settings" },
	{ "type-twice", PROBLEM, look_param_twice, "CONTENT_TYPE", NULL, "CONTENT_TYPE is sent twice, and regcred refuses such requests; remove this line or file" },
	{ "user-twice", PROBLEM, look_param_twice, "REGCRED_PROXY_USER", NULL, "REGCRED_PROXY_USER is sent twice, and regcred refuses such requests; remove one" },
	{ "groups-twice", PROBLEM, look_param_twice, "REGCRED_PROXY_GROUPS", NULL, "REGCRED_PROXY_GROUPS is sent twice, and regcred refuses such requests; remove one" },
	{ "email-twice", PROBLEM, look_param_twice, "REGCRED_PROXY_EMAIL", NULL, "REGCRED_PROXY_EMAIL is sent twice, and regcred refuses such requests; remove one" },
	{ "token-twice", PROBLEM, look_param_twice, "REGCRED_PROXY_TOKEN", NULL, "REGCRED_PROXY_TOKEN is sent twice, and regcred refuses such requests; remove one" },

	/* Bodies and answers. */
	{ "body-smaller", PROBLEM, look_body_smaller, NULL, NULL, "nginx refuses bodies that regcred takes; set client_max_body_size to {}" },
	{ "body-larger", WARNING, look_body_larger, NULL, NULL, "nginx takes bodies that regcred refuses; set client_max_body_size to {}" },
	{ "body-file", PROBLEM, look_buffer_smaller, NULL, NULL, "client_body_buffer_size is smaller than client_max_body_size, so nginx writes bodies with secrets to a file; make it twice as large as client_max_body_size" },
	{ "body-buffer", WARNING, look_buffer_tight, NULL, NULL, "a chunked body takes more room than its bytes, and what does not fit is written to a file with the secret in it; make client_body_buffer_size twice as large as client_max_body_size" },
	{ "body-in-file", PROBLEM, look_is_not, "client_body_in_file_only", "off", "nginx writes every body, with its secret, to a file; say `client_body_in_file_only off`" },
	{ "request-buffering", PROBLEM, look_is, "fastcgi_request_buffering", "off", "a slow client keeps a worker of regcred waiting; say `fastcgi_request_buffering on`" },
	{ "buffering", WARNING, look_is, "fastcgi_buffering", "off", "a slow reader keeps a worker of regcred waiting; say `fastcgi_buffering on`" },
	{ "answer-file", WARNING, look_answer_file, NULL, NULL, "a long answer is written to a file, and an answer may hold a secret; say `fastcgi_max_temp_file_size 0`" },

	/* nginx's own errors. */
	{ "error-page", PROBLEM, look_error_missing, NULL, NULL, "nginx's own answers with {} are HTML, which API clients cannot read; include regcred_params, or add `error_page 400 413 414 429 500 502 503 504 /.regcred-error;` with the location from regcred.conf" },
	{ "error-location", PROBLEM, look_error_lost, NULL, NULL, "error_page leads to {}, which has no location in this server; include regcred.conf in this server, which has one" },
	{ "error-not-json", PROBLEM, look_error_not_json, NULL, NULL, "error_page leads to {}, which is not JSON; use the location /.regcred-error of regcred.conf, or set default_type to application/json there" },

	/* Logs. */
	{ "log-secret", PROBLEM, look_log_secret, NULL, NULL, "the log format {}, where secrets may be; say `access_log off`, or log $request_method and the path alone as quickstart.conf.in does" },
	{ "log-default", PROBLEM, look_log_default, NULL, NULL, "nginx's default log writes the whole query, where secrets may be; say `access_log off`, or use a format without $request, $request_uri and $args" },
	{ "log-unknown", WARNING, look_log_unknown, NULL, NULL, "the log format \"{}\" is not in this configuration; check that it is without $request, $request_uri, $args, $query_string, $http_referer and $http_authorization" },
	{ "log-debug", WARNING, look_has_word, "error_log", "debug", "a debug log holds headers and queries with their secrets; use another level" },

	/* Identity from nginx. */
	{ "identity-open", PROBLEM, look_identity_open, NULL, NULL, "{} is set where nginx authenticates nobody, so anybody may be anyone; add auth_basic, auth_request or `ssl_verify_client on`, or remove the parameter" },
	{ "identity-client", PROBLEM, look_identity_client, NULL, NULL, "{}, which the client may set to anything; take it from auth_basic, from a certificate, or from the answer of the authentication service by auth_request_set" },
	{ "identity-unverified", PROBLEM, look_identity_unverified, NULL, NULL, "{}, which nobody verifies without auth_basic; add auth_basic, or take the name from the answer of the authentication service by auth_request_set" },
	{ "identity-unset", PROBLEM, look_identity_unset, NULL, NULL, "nothing sets ${} here, so it is empty; add an auth_request_set for it, from $upstream_http_..., to the location that has the auth_request" },
	{ "identity-satisfy", PROBLEM, look_identity_satisfy, NULL, NULL, "`satisfy any` lets clients in by their address alone, with a user name that nobody has verified; say `satisfy all`" },
	{ "no-token", PROBLEM, look_token_missing, NULL, NULL, "REGCRED_PROXY_USER is ignored without REGCRED_PROXY_TOKEN; include a file with `fastcgi_param REGCRED_PROXY_TOKEN ...;`" },
	{ "token-readable", PROBLEM, look_token_readable, NULL, NULL, "REGCRED_PROXY_TOKEN stands in a file that every user can read; move this line to a file of mode 0600 and include that" },

	/* Counters. */
	{ "metrics-open", PROBLEM, look_metrics_open, "REGCRED_METRICS", NULL, "everybody who reaches this location sees how much the service is used, and by what requests; say `allow 127.0.0.1; allow ::1; deny all;` in it" },

	/* The server. */
	{ "underscores", WARNING, look_is, "underscores_in_headers", "on", "headers with an underscore look like those with a dash to regcred; say `underscores_in_headers off` for this server" },
	{ "headers-small", WARNING, look_headers_small, NULL, NULL, "long URLs that regcred takes are refused by nginx; say `large_client_header_buffers 2 32k;` in this server" },
	{ "headers-large", WARNING, look_headers_large, NULL, NULL, "headers that fill these buffers do not fit into a FastCGI request, which has 64 KiB; say `large_client_header_buffers 2 32k;`" },
	{ "no-tls", WARNING, look_no_tls, NULL, NULL, "secrets come in the clear to {}; use `listen ... ssl`, or listen on 127.0.0.1 behind something that has TLS" },
};

/* For each site that asks for logins of a registry. */
static const struct rule rules_inject[] = {
	{ "inject-open", PROBLEM, look_inject_open, NULL, NULL, "any client may ask this location itself, and is given the login in a header; say `internal;` in it" },
	{ "inject-body", WARNING, look_inject_body, NULL, NULL, "layers that are longer than {} cannot be pushed, because nginx looks at their length here too; say `client_max_body_size 0;` in this location" },
	{ "inject-client", PROBLEM, look_inject_client, NULL, NULL, "{}, so that clients choose which registry's login is used; `set` it in the server" },
	{ "inject-header", PROBLEM, look_inject_header, NULL, NULL, "the client's own key goes on to the registry in place of the login; include regcred_inject_proxy on this level" },
	{ "inject-challenge", PROBLEM, look_inject_challenge, NULL, NULL, "a challenge of the registry would send clients, with their keys, to its token server; say `proxy_hide_header WWW-Authenticate;`" },
	{ "inject-path", PROBLEM, look_inject_path, NULL, NULL, "with {} nginx makes another URL than the one that regcred has looked at; name the registry without a path or slash" },
	{ "inject-http", WARNING, look_inject_http, NULL, NULL, "the login goes to {} in the clear; use https" },
	{ "inject-unverified", WARNING, look_inject_unverified, NULL, NULL, "the registry's certificate is not looked at, so whoever stands between can take the login; say `proxy_ssl_verify on` with proxy_ssl_trusted_certificate" },
};

/* Rules about bodies and answers that such a site has none of. */
static const char *const not_for_inject[] = {
	"no-body", "no-length", "body-smaller", "body-larger", "body-file", "body-buffer", "answer-file", "error-page", "error-not-json",
};

// clang-format on

static bool
is_for_inject(const struct rule *rule)
{
	for (size_t i = 0; i < COUNT_OF(not_for_inject); i++)
		if (strcmp(rule->name, not_for_inject[i]) == 0)
			return false;
	return true;
}

static void
look_no_site(const struct site *site, const struct rule *rule)
{
	struct nginx_check *c = site->check;
	struct site other;

	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (make_site(c, n, &other))
			return;
	site_found(site, rule, c->root, "");
}

static void
check_once(struct nginx_check *c)
{
	struct site whole = {.check = c, .block = c->root};

	for (size_t i = 0; i < COUNT_OF(rules_once); i++)
		rules_once[i].look(&whole, &rules_once[i]);
}

static void
check_sites(struct nginx_check *c)
{
	struct site site;

	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n)) {
		if (!make_site(c, n, &site))
			continue;
		bool inject = site_is_inject(&site);
		for (size_t i = 0; i < COUNT_OF(rules); i++)
			if (!inject || is_for_inject(&rules[i]))
				rules[i].look(&site, &rules[i]);
		for (size_t i = 0; inject && i < COUNT_OF(rules_inject); i++)
			rules_inject[i].look(&site, &rules_inject[i]);
	}
}

static size_t
count_named(const struct node *root, const char *name)
{
	size_t count = 0;

	for (const struct node *n = root; n != NULL; n = node_following(root, n))
		count += node_is_named(n, name);
	return count;
}

bool
nginx_check(const char *path, size_t body_max, FILE *out, struct nginx_report *report, char *why,
	    size_t why_size)
{
	struct nginx_check c = {.body_max = body_max, .out = out, .report = report};
	struct nginx_parser p = {.arena = arena_new(ARENA_MAX), .why = why, .why_size = why_size};
	bool ok = false;

	*report = (struct nginx_report){0};
	if (p.arena == NULL)
		return parse_fail(&p, "no memory");
	c.arena = p.arena;
	c.root = parse_run(&p, path);
	if (c.root == NULL)
		goto out;
	c.pass_count = count_named(c.root, "fastcgi_pass");
	check_once(&c);
	check_sites(&c);
	ok = !arena_failed(c.arena) ||
	     parse_fail(&p, "%s: the configuration is too large to be checked", path);
out:
	arena_free(p.arena);
	return ok;
}
