/* look_inject: looks at locations that add a login to requests. */
#include "nginx_check/look_inject.h"

#include <string.h>
#include <strings.h>

#include "nginx_check/look_common.h"
#include "nginx_check/nginx_check.h"
#include "nginx_check/site.h"
#include "nginx_check/trace.h"
#include "nginx_check/tree.h"

bool
site_is_inject(const struct site *site)
{
	return param_find(site, "REGCRED_INJECT_REGISTRY") != NULL;
}

void
look_inject_open(const struct site *site, const struct rule *rule)
{
	if (node_own(site->block, "internal") == NULL)
		site_found(site, rule, site->pass, "");
}

void
look_inject_body(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "client_max_body_size");

	if (node_size_or(n, 1, BODY_DEFAULT) != 0)
		site_found(site, rule, n != NULL ? n : site->pass,
			   n != NULL ? node_word(n, 1) : "1m");
}

void
look_inject_client(const struct site *site, const struct rule *rule)
{
	look_for_variables(site, rule, "REGCRED_INJECT_REGISTRY", client_variables);
	look_for_variables(site, rule, "REGCRED_INJECT_SCHEME", client_variables);
}

/* The next proxy_pass of the server, behind n or the first, whose requests ask this location. */
static const struct node *
next_asker(const struct site *site, const struct node *n)
{
	const struct node *top = site->server;

	if (top == NULL)
		return NULL;
	for (n = node_following(top, n == NULL ? top : n); n != NULL; n = node_following(top, n)) {
		const struct node *asks = node_is_named(n, "proxy_pass")
						  ? node_effective(n->parent, "auth_request")
						  : NULL;

		if (asks != NULL && strcmp(node_word(asks, 1), node_last_word(site->block)) == 0)
			return n;
	}
	return NULL;
}

/* The directive about this header on the level that counts. */
static const struct node *
header_line(const struct node *block, const char *directive, const char *header)
{
	const struct node *level = node_level(block, directive);
	const struct node *n = level != NULL ? node_own(level, directive) : NULL;

	while (n != NULL && strcasecmp(node_word(n, 1), header) != 0)
		n = node_next_named(n->next, directive);
	return n;
}

static bool
sends_login(const struct site *site, const struct node *pass)
{
	static const char *const ours[] = {"upstream_http_x_registry_authorization", NULL};
	struct site asker = *site;
	const struct node *line = header_line(pass->parent, "proxy_set_header", "Authorization");
	struct trace t;

	if (line == NULL)
		return false;
	asker.block = pass->parent;
	trace_start(&t, &asker, line, node_word(line, 2));
	for (size_t i = 0; i < t.count; i++)
		if (variable_among(site->check->arena, t.from[i].text, ours) != NULL)
			return true;
	return false;
}

void
look_inject_header(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;)
		if (!sends_login(site, n))
			site_found(site, rule, n, "");
}

void
look_inject_challenge(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;)
		if (header_line(n->parent, "proxy_hide_header", "WWW-Authenticate") == NULL)
			site_found(site, rule, n, "");
}

void
look_inject_path(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const char *host = strstr(node_word(n, 1), "://");

		if (host != NULL && strchr(host + 3, '/') != NULL)
			site_found(site, rule, n, node_word(n, 1));
	}
}

void
look_inject_http(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const char *url = node_word(n, 1);

		if (text_begins_with(url, "http://") && !url_is_local(url + strlen("http://")))
			site_found(site, rule, n, url);
	}
}

void
look_inject_unverified(const struct site *site, const struct rule *rule)
{
	for (const struct node *n = NULL; (n = next_asker(site, n)) != NULL;) {
		const struct node *verify = node_effective(n->parent, "proxy_ssl_verify");

		if (text_begins_with(node_word(n, 1), "https://") &&
		    (verify == NULL || node_is_off(verify)))
			site_found(site, rule, n, "");
	}
}
