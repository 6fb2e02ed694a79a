/* nginx_check: checks an nginx configuration, parsed as nginx does, against a table of rules.
 *
 *   file ─► tokens ─► tree of directives ─► sites: where requests go to regcred ─► rules ─► lines
 *           (parse)   (tree, trace)         (site)      (identity, request, page, inject)
 *
 * A rule is about something that nginx accepts and that no request shows: what `nginx -t` refuses,
 * or what the first request fails with, has none.
 */
#include "nginx_check/nginx_check.h"

#include <string.h>

#include "nginx_check/parse.h"
#include "nginx_check/site.h"

enum {
	ARENA_MAX = 128 * 1024 * 1024, /* long lists of addresses take most of it */
};

/* nginx itself refuses a missing file. */
static void
look_unread(const struct site *site, const struct rule *rule)
{
	const struct check *c = site->check;

	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (n->error != 0)
			found(site, rule, n,
			      arena_printf(c->arena, "%s cannot be read (%s)", node_word(n, 1),
					   strerror(n->error)));
}

static void
look_no_site(const struct site *site, const struct rule *rule)
{
	struct check *c = site->check;
	struct site other;

	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (site_make(c, n, &other))
			return;
	found(site, rule, c->root, "");
}

static void
look_upstreams(const struct site *site, const struct rule *rule)
{
	const struct node *root = site->check->root;

	for (const struct node *n = root; n != NULL; n = node_following(root, n))
		for (const struct node *o = node_is_named(n, "upstream") ? node_following(root, n)
									 : NULL;
		     o != NULL; o = node_following(root, o))
			if (node_is_named(o, "upstream") &&
			    strcmp(node_word(n, 1), node_word(o, 1)) == 0)
				found(site, rule, o, node_word(o, 1));
}

// clang-format off

/* For the whole configuration. */
static const struct rule rules_once[] = {
	{ "include-unread", WARNING, look_unread, NULL, NULL, "the included file {}, so what it says is not part of this check; run the check as root" },
	{ "no-location", PROBLEM, look_no_site, NULL, NULL, "no location here passes requests to regcred; give the configuration that nginx is started with, or include regcred.conf in a server" },
	{ "upstream-twice", PROBLEM, look_upstreams, NULL, NULL, "the upstream \"{}\" is defined a second time, and nginx does not start; remove one of them" },
};

// clang-format on

static void
check_by(const struct site *site, const struct rule_table *table)
{
	for (size_t i = 0; i < table->count; i++)
		table->rows[i].look(site, &table->rows[i]);
}

static void
check_site(const struct site *site)
{
	check_by(site, &identity_rules);
	check_by(site, &request_rules);
	check_by(site, &page_rules);
	if (site_is_inject(site))
		check_by(site, &inject_rules);
}

static void
check_all(struct check *c)
{
	struct site site = {.check = c, .block = c->root};

	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		c->pass_count += node_is_named(n, "fastcgi_pass");
	check_by(&site, &(struct rule_table){rules_once, COUNT_OF(rules_once)});
	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (site_make(c, n, &site))
			check_site(&site);
}

bool
nginx_check(const char *path, bool behind_proxy, FILE *out, struct nginx_report *report, char *why,
	    size_t why_size)
{
	struct check c = {.behind_proxy = behind_proxy, .out = out, .report = report};
	struct nginx_parser p = {.arena = arena_new(ARENA_MAX), .why = why, .why_size = why_size};
	bool ok = false;

	*report = (struct nginx_report){0};
	if (p.arena == NULL)
		return parse_fail(&p, "no memory");
	c.arena = p.arena;
	c.root = parse_run(&p, path);
	if (c.root == NULL)
		goto out;
	check_all(&c);
	ok = !arena_failed(c.arena) ||
	     parse_fail(&p, "%s: the configuration is too large to be checked", path);
out:
	arena_free(p.arena);
	return ok;
}
