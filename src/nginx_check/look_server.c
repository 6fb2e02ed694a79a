/* look_server: looks at the server around the location: TLS, headers, includes. */
#include "nginx_check/look_server.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "nginx_check/look_common.h"
#include "nginx_check/nginx_check.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

enum {
	TARGET_MIN = 16 * 1024,	 /* bytes of a URL that a client should be able to send */
	HEADERS_MAX = 64 * 1024, /* FastCGI's limit for all parameters together */
	LINE_DEFAULT = 8 * 1024, /* nginx's own large_client_header_buffers */
};

void
look_headers_small(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "large_client_header_buffers");

	if (site->server != NULL && node_size_or(n, 2, LINE_DEFAULT) < TARGET_MIN)
		site_found(site, rule, n == NULL ? site->server : n, "");
}

void
look_headers_large(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "large_client_header_buffers");
	uint64_t count = node_size_or(n, 1, 4), size = node_size_or(n, 2, LINE_DEFAULT);

	if (n != NULL && count > 0 && size > HEADERS_MAX / count)
		site_found(site, rule, n, "");
}

static bool
is_encrypted(const struct node *listen)
{
	const struct node *ssl = node_effective(listen->parent, "ssl");

	for (size_t i = 2; i < listen->word_count; i++)
		if (strcmp(listen->words[i], "ssl") == 0 || strcmp(listen->words[i], "quic") == 0)
			return true;
	return ssl != NULL && strcasecmp(node_word(ssl, 1), "on") == 0;
}

/* A server that sends everybody to another one, or does so with who comes without TLS. */
static bool
sends_away(const struct node *server)
{
	if (node_own(server, "return") != NULL)
		return true;
	for (const struct node *n = node_own(server, "if"); n != NULL;
	     n = node_next_named(n->next, "if"))
		for (size_t i = 1; i < n->word_count; i++)
			if ((strstr(n->words[i], "$scheme") || strstr(n->words[i], "$https")) &&
			    node_own(n, "return") != NULL)
				return true;
	return false;
}

void
look_no_tls(const struct site *site, const struct rule *rule)
{
	const struct node *server = site->server, *n;

	if (server == NULL || sends_away(server))
		return;
	n = node_own(server, "listen");
	if (n == NULL)
		site_found(site, rule, server, "port 80 of every address");
	for (; n != NULL; n = node_next_named(n->next, "listen"))
		if (!url_is_local(node_word(n, 1)) && !is_encrypted(n))
			site_found(
				site, rule, n,
				arena_printf(site->check->arena, "`listen %s`", node_word(n, 1)));
}

static void
look_at_includes(const struct site *site, const struct rule *rule, bool denied)
{
	const struct nginx_check *c = site->check;

	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (n->error != 0 && (n->error == EACCES || n->error == EPERM) == denied)
			site_found(site, rule, n,
				   arena_printf(c->arena, "%s cannot be read (%s)", node_word(n, 1),
						strerror(n->error)));
}

void
look_include_missing(const struct site *site, const struct rule *rule)
{
	look_at_includes(site, rule, false);
}

void
look_include_denied(const struct site *site, const struct rule *rule)
{
	look_at_includes(site, rule, true);
}
