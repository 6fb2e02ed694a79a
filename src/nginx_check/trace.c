/* trace: where the value of a variable comes from. */
#include "nginx_check/trace.h"

#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

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

static bool
trace_is_name(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

const char *
variable_next(struct arena *a, const char **text)
{
	for (const char *at = strchr(*text, '$'); at != NULL; at = strchr(at, '$')) {
		const char *begin = at + 1 + (at[1] == '{'), *end = begin;

		while (trace_is_name(*end))
			end++;
		at = *text = end;
		if (end > begin)
			return arena_copy(a, begin, (size_t)(end - begin));
	}
	return NULL;
}

static void trace_variable(struct trace *t, const char *name);

void
trace_text(struct trace *t, const struct node *at, const char *text)
{
	const char *name;

	for (size_t i = 0; i < t->count; i++)
		if (t->from[i].text == text)
			return;
	if (t->count == TRACE_MAX)
		return;
	t->from[t->count].at = at;
	t->from[t->count++].text = text;
	while ((name = variable_next(t->site->check->arena, &text)) != NULL)
		trace_variable(t, name);
}

/* map SOURCE $name { key value; }, and geo and split_clients, which look the same. */
static void
trace_map(struct trace *t, const struct node *map)
{
	if (t->keys && map->word_count > 2)
		trace_text(t, map, node_word(map, 1));
	for (const struct node *n = map->children; n != NULL; n = n->next)
		if (n->word_count == 2 && !node_is_named(n, "include"))
			trace_text(t, n, node_word(n, 1));
}

bool
variable_is(const char *text, const char *name)
{
	return text[0] == '$' && strcasecmp(text + 1, name) == 0;
}

bool
variable_is_in_reach(const struct trace *t, const struct node *n)
{
	const struct node *block = n->parent;

	if (node_is_named(n, "auth_request_set"))
		return block == node_level(t->block, "auth_request_set");
	return node_is_in(t->block, node_is_named(block, "if") ? block->parent : block);
}

bool
variable_is_map(const struct node *n)
{
	return node_is_named(n, "map") || node_is_named(n, "geo") ||
	       node_is_named(n, "split_clients");
}

bool
variable_is_set(const struct node *n)
{
	return node_is_named(n, "set") || node_is_named(n, "auth_request_set");
}

static void
trace_variable(struct trace *t, const char *name)
{
	const struct node *root = t->site->check->root;

	for (const struct node *n = root; n != NULL; n = node_following(root, n)) {
		if (variable_is_map(n) && variable_is(node_last_word(n), name))
			trace_map(t, n);
		else if (variable_is_set(n) && variable_is(node_word(n, 1), name) &&
			 variable_is_in_reach(t, n))
			trace_text(t, n, node_word(n, 2));
	}
}

void
trace_start(struct trace *t, const struct site *site, const struct node *at, const char *text)
{
	t->site = site;
	t->block = site->block;
	t->keys = true;
	t->count = 0;
	trace_text(t, at, text);
}

const char *
variable_among(struct arena *a, const char *text, const char *const *list)
{
	const char *name;

	while ((name = variable_next(a, &text)) != NULL)
		for (const char *const *l = list; *l != NULL; l++) {
			size_t len = strcspn(*l, "*");

			if (strncasecmp(name, *l, len) == 0 &&
			    ((*l)[len] == '*' || name[len] == '\0'))
				return name;
		}
	return NULL;
}
