/* look_common: looks that several rules use. */
#include "nginx_check/look_common.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "nginx_check/site.h"
#include "nginx_check/trace.h"
#include "nginx_check/tree.h"

void
look_is(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, rule->directive);

	if (n != NULL && strcasecmp(node_word(n, 1), rule->value) == 0)
		site_found(site, rule, n, "");
}

void
look_is_not(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, rule->directive);

	if (n != NULL && strcasecmp(node_word(n, 1), rule->value) != 0)
		site_found(site, rule, n, node_word(n, 1));
}

bool
node_has_word(const struct node *n, const char *text)
{
	for (size_t i = 1; i < n->word_count; i++)
		if (strcmp(n->words[i], text) == 0)
			return true;
	return false;
}

void
look_has_word(const struct site *site, const struct rule *rule)
{
	const struct node *n = node_effective(site->block, rule->directive);

	if (n != NULL && node_has_word(n, rule->value))
		site_found(site, rule, n, "");
}

void
look_param_set(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, rule->directive);

	if (n != NULL)
		site_found(site, rule, n, node_word(n, 2));
}

void
look_param_missing(const struct site *site, const struct rule *rule)
{
	if (site->params != NULL && param_find(site, rule->directive) == NULL)
		site_found(site, rule, site->pass, "");
}

void
look_param_is_not(const struct site *site, const struct rule *rule)
{
	const struct node *n = param_find(site, rule->directive);

	if (n != NULL && strcmp(node_word(n, 2), rule->value) != 0)
		site_found(site, rule, n, node_word(n, 2));
}

void
look_param_twice(const struct site *site, const struct rule *rule)
{
	const struct node *first = param_next(site, NULL, rule->directive);
	const struct node *second = first == NULL ? NULL : param_next(site, first, rule->directive);

	if (second != NULL)
		site_found(site, rule, second, "");
}

void
look_params_none(const struct site *site, const struct rule *rule)
{
	if (site->params == NULL)
		site_found(site, rule, site->pass, "");
}

void
look_params_file(const struct site *site, const struct rule *rule)
{
	const struct node *n =
		site->params == NULL ? NULL : node_included(site->params, rule->directive);

	if (n != NULL)
		site_found(site, rule, n, "");
}

const char *const error_codes[] = {"413", "502", "503", "504", NULL};

const struct node *
error_page_find(const struct site *site, const char *code)
{
	const struct node *level = node_level(site->block, "error_page");
	const struct node *n = level == NULL ? NULL : node_own(level, "error_page");

	for (; n != NULL; n = node_next_named(n->next, "error_page"))
		for (size_t i = 1; i + 1 < n->word_count; i++)
			if (strcmp(n->words[i], code) == 0)
				return n;
	return NULL;
}

const struct node *
location_find(const struct site *site, const char *name)
{
	const struct node *top = site->server == NULL ? site->check->root : site->server;

	for (const struct node *n = top; n != NULL; n = node_following(top, n))
		if (node_is_named(n, "location") && strcmp(node_last_word(n), name) == 0)
			return n;
	return NULL;
}

// clang-format off
const char *const client_variables[] = {
	"http_*", "arg_*", "args", "cookie_*", "query_string", "request_uri", NULL
};

void
look_for_variables(const struct site *site, const struct rule *rule, const char *name,
		   const char *const *list)
{
	const struct node *n = param_find(site, name);
	struct arena *a = site->check->arena;
	struct trace t;

	if (n == NULL)
		return;
	trace_start(&t, site, n, node_word(n, 2));
	for (size_t i = 0; i < t.count; i++) {
		const char *variable = variable_among(a, t.from[i].text, list);

		if (variable != NULL)
			site_found(site, rule, t.from[i].at,
			      arena_printf(a, "%s comes from $%s", name, variable));
	}
}

bool
url_is_local(const char *address)
{
	size_t len = strlen("localhost");

	return text_begins_with(address, "unix:") || text_begins_with(address, "127.") ||
	       text_begins_with(address, "[::1]") ||
	       (strncasecmp(address, "localhost", len) == 0 &&
		(address[len] == ':' || address[len] == '\0'));
}
