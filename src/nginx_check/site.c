/* site: the blocks that lead to regcred, the rules, and what was found. */
#include "nginx_check/site.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "nginx_check/nginx_check.h"
#include "nginx_check/tree.h"

static bool
is_known(const struct nginx_check *c, const struct rule *rule, const struct node *at,
	 const char *detail)
{
	for (const struct finding *f = c->findings; f != NULL; f = f->next)
		if (f->rule == rule && f->line == at->line && strcmp(f->file, at->file) == 0 &&
		    strcmp(f->detail, detail) == 0)
			return true;
	return false;
}

static void
print_finding(const struct nginx_check *c, const struct finding *f)
{
	const char *text = f->rule->text, *gap = strstr(text, "{}");

	(void)fprintf(c->out, "%s:%u: %s: ", f->file, f->line,
		      f->rule->severity == PROBLEM ? "problem" : "warning");
	if (gap != NULL) {
		(void)fprintf(c->out, "%.*s", (int)(gap - text), text);
		text_print_plain(c->out, f->detail);
		text = gap + 2;
	}
	(void)fprintf(c->out, "%s [%s]\n", text, f->rule->name);
}

void
site_found(const struct site *site, const struct rule *rule, const struct node *at,
	   const char *detail)
{
	struct nginx_check *c = site->check;
	struct finding *f;

	if (detail == NULL || is_known(c, rule, at, detail))
		return;
	f = arena_alloc(c->arena, sizeof(*f));
	if (f == NULL)
		return; /* the end of the check asks the arena */
	*f = (struct finding){c->findings, rule, at->file, detail, at->line};
	c->findings = f;
	if (rule->severity == PROBLEM)
		c->report->problems++;
	else
		c->report->warnings++;
	print_finding(c, f);
}

/* `if` and `limit_except` are locations without a name: they take fastcgi_pass from around them. */
static const struct node *
pass_of(const struct node *block)
{
	const struct node *pass = NULL;

	while (block != NULL && (pass = node_own(block, "fastcgi_pass")) == NULL &&
	       (node_is_named(block, "if") || node_is_named(block, "limit_except")))
		block = block->parent;
	return pass;
}

static const struct node *
find_upstream(const struct nginx_check *c, const char *name)
{
	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (node_is_named(n, "upstream") && strcmp(node_word(n, 1), name) == 0)
			return n;
	return NULL;
}

static bool
upstream_names_regcred(const struct node *upstream)
{
	for (const struct node *n = upstream == NULL ? NULL : node_own(upstream, "server");
	     n != NULL; n = node_next_named(n->next, "server"))
		if (strstr(node_word(n, 1), "regcred") != NULL)
			return true;
	return false;
}

static bool
leads_to_regcred(const struct site *site)
{
	return strstr(node_word(site->pass, 1), "regcred") != NULL ||
	       upstream_names_regcred(site->upstream) ||
	       node_included(site->block, "regcred_params") != NULL ||
	       (site->params != NULL && node_included(site->params, "regcred_params") != NULL) ||
	       site->check->pass_count == 1;
}

bool
make_site(struct nginx_check *c, const struct node *block, struct site *site)
{
	if (!node_is_named(block, "location") && !node_is_named(block, "if") &&
	    !node_is_named(block, "limit_except"))
		return false;
	*site = (struct site){.check = c, .block = block, .pass = pass_of(block)};
	if (site->pass == NULL)
		return false;
	site->server = node_enclosing(block, "server");
	site->upstream = find_upstream(c, node_word(site->pass, 1));
	site->params = node_level(block, "fastcgi_param");
	return leads_to_regcred(site);
}
