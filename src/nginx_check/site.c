/* site: the blocks that pass requests to regcred, and the findings. */
#include "nginx_check/site.h"

#include <string.h>

#include "base/text.h"
#include "nginx_check/trace.h"

struct finding {
	struct finding *next;
	const struct rule *rule;
	const char *file, *detail;
	unsigned line;
};

static bool
is_known(const struct check *c, const struct rule *rule, const struct node *at, const char *detail)
{
	for (const struct finding *f = c->findings; f != NULL; f = f->next)
		if (f->rule == rule && f->line == at->line && strcmp(f->file, at->file) == 0 &&
		    strcmp(f->detail, detail) == 0)
			return true;
	return false;
}

static void
print_finding(const struct check *c, const struct finding *f)
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
found(const struct site *site, const struct rule *rule, const struct node *at, const char *detail)
{
	struct check *c = site->check;
	struct finding *f;

	if (detail == NULL || is_known(c, rule, at, detail))
		return;
	f = arena_alloc(c->arena, sizeof(*f));
	if (f == NULL)
		return; /* the end of the check tests the arena */
	*f = (struct finding){c->findings, rule, at->file, detail, at->line};
	c->findings = f;
	if (rule->severity == PROBLEM)
		c->report->problems++;
	else
		c->report->warnings++;
	print_finding(c, f);
}

const struct node *
param_next(const struct site *site, const struct node *n, const char *name)
{
	if (site->params == NULL)
		return NULL;
	n = node_next_named(n == NULL ? site->params->children : n->next, "fastcgi_param");
	for (; n != NULL; n = node_next_named(n->next, "fastcgi_param"))
		if (strcmp(node_word(n, 1), name) == 0 && node_word(n, 2)[0] != '\0')
			return n;
	return NULL;
}

const struct node *
param_find(const struct site *site, const char *name)
{
	const struct node *last = NULL;

	for (const struct node *n = NULL; (n = param_next(site, n, name)) != NULL;)
		last = n;
	return last;
}

/* `if` and `limit_except` are locations without a name: they inherit fastcgi_pass. */
static const struct node *
pass_of(const struct node *block)
{
	const struct node *pass = NULL;

	while (block != NULL && (pass = node_own(block, "fastcgi_pass")) == NULL &&
	       (node_is_named(block, "if") || node_is_named(block, "limit_except")))
		block = block->parent;
	return pass;
}

static bool
upstream_is_ours(const struct check *c, const char *name)
{
	for (const struct node *n = c->root; n != NULL; n = node_following(c->root, n))
		if (node_is_named(n, "server") && node_mentions(n, "regcred") &&
		    node_is_named(n->parent, "upstream") &&
		    strcmp(node_word(n->parent, 1), name) == 0)
			return true;
	return false;
}

static bool
sends_our_params(const struct node *block)
{
	for (const struct node *n = block == NULL ? NULL : block->children; n != NULL; n = n->next)
		if (node_is_named(n, "fastcgi_param") &&
		    text_begins_with(node_word(n, 1), "REGCRED_"))
			return true;
	return false;
}

static bool
leads_to_regcred(const struct site *site)
{
	struct trace t;

	if (site->check->pass_count == 1 || sends_our_params(site->params) ||
	    !trace_run(&t, site, site->pass, node_word(site->pass, 1)))
		return true;
	for (size_t i = 0; i < t.count; i++)
		if (strstr(t.from[i].text, "regcred") != NULL ||
		    upstream_is_ours(site->check, t.from[i].text))
			return true;
	return false;
}

bool
site_make(struct check *c, const struct node *block, struct site *site)
{
	if (!node_is_named(block, "location") && !node_is_named(block, "if") &&
	    !node_is_named(block, "limit_except"))
		return false;
	*site = (struct site){.check = c, .block = block, .pass = pass_of(block)};
	if (site->pass == NULL)
		return false;
	site->server = node_enclosing(block, "server");
	site->params = node_level(block, "fastcgi_param");
	return leads_to_regcred(site);
}

const struct node *
site_location(const struct site *site, const char *path)
{
	const struct node *top = site->server == NULL ? site->check->root : site->server;
	const struct node *best = NULL;
	size_t longest = 0;

	for (const struct node *n = top; n != NULL; n = node_following(top, n)) {
		const char *name = node_is_named(n, "location") ? node_last_word(n) : "";
		size_t len = strlen(name);
		bool exact = strcmp(name, path) == 0 && node_word(n, 1)[0] == '=';

		if (len == 0 || (node_word(n, 1)[0] == '~' && n->word_count > 2) ||
		    (node_word(n, 1)[0] == '=' && !exact) || !text_begins_with(path, name))
			continue;
		if (exact)
			return n;
		if (len > longest) {
			best = n;
			longest = len;
		}
	}
	return best;
}

bool
site_is_inject(const struct site *site)
{
	return param_find(site, "REGCRED_INJECT_REGISTRY") != NULL;
}

void
look_is(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, rule->directive);

	if (n != NULL && strcasecmp(node_word(n, 1), rule->value) == 0)
		found(site, rule, n, "");
}

void
look_is_not(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, rule->directive);

	if (n != NULL && strcasecmp(node_word(n, 1), rule->value) != 0)
		found(site, rule, n, node_word(n, 1));
}
