/* look_bodies: looks at upstreams and at the sizes of bodies and buffers. */
#include "nginx_check/look_bodies.h"

#include <string.h>

#include "base/arena.h"
#include "nginx_check/look_common.h"
#include "nginx_check/nginx_check.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

enum {
	BUFFER_DEFAULT = 16 * 1024, /* nginx's own client_body_buffer_size */
};

void
look_upstream_missing(const struct site *site, const struct rule *rule)
{
	const char *target = node_word(site->pass, 1);

	if (site->upstream == NULL && node_enclosing(site->block, "http") != NULL &&
	    strpbrk(target, ":$") == NULL)
		site_found(site, rule, site->pass, target);
}

void
look_upstream_has(const struct site *site, const struct rule *rule)
{
	const struct node *n =
		site->upstream == NULL ? NULL : node_own(site->upstream, rule->directive);

	if (n != NULL && strcmp(node_word(n, 1), "0") != 0)
		site_found(site, rule, n, "");
}

void
look_next_upstream(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, rule->directive);

	if (n == NULL || !(node_is_off(n) || node_has_word(n, rule->value)))
		site_found(site, rule, n == NULL ? site->pass : n, "");
}

const char *
look_body_max(const struct site *site)
{
	size_t max = site->check->body_max;
	bool whole = max % 1024 == 0;

	return arena_printf(site->check->arena, "%zu%s", whole ? max / 1024 : max,
			    whole ? "k" : "");
}

void
look_body_smaller(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "client_max_body_size");
	uint64_t max = node_size_or(n, 1, BODY_DEFAULT);

	if (max != 0 && max < site->check->body_max)
		site_found(site, rule, n == NULL ? site->pass : n, look_body_max(site));
}

void
look_body_larger(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "client_max_body_size");
	uint64_t max = node_size_or(n, 1, BODY_DEFAULT);

	if (max == 0 || max > site->check->body_max)
		site_found(site, rule, n == NULL ? site->pass : n, look_body_max(site));
}

static bool
buffer_holds(const struct site *site, unsigned times)
{
	uint64_t max =
		node_size_or(node_effective(site->block, "client_max_body_size"), 1, BODY_DEFAULT);
	uint64_t buffer = node_size_or(node_effective(site->block, "client_body_buffer_size"), 1,
				       BUFFER_DEFAULT);

	return max != 0 && max <= buffer / times;
}

void
look_buffer_smaller(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "client_body_buffer_size");

	if (!buffer_holds(site, 1))
		site_found(site, rule, n == NULL ? site->pass : n, "");
}

void
look_buffer_tight(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "client_body_buffer_size");

	if (n != NULL && buffer_holds(site, 1) && !buffer_holds(site, 2))
		site_found(site, rule, n, "");
}

void
look_answer_file(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, "fastcgi_max_temp_file_size");
	const struct node *buffering = node_effective(site->block, "fastcgi_buffering");

	if (buffering != NULL && node_is_off(buffering))
		return;
	if (node_size_or(n, 1, 1) != 0)
		site_found(site, rule, n == NULL ? site->pass : n, "");
}
