/* trace: where the value of a variable comes from. */
#include "nginx_check/trace.h"

#include <string.h>
#include <strings.h>

static bool
variable_has(char c)
{
	return c == '_' || (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') ||
	       (c >= 'A' && c <= 'Z');
}

const char *
variable_next(struct arena *a, const char **text)
{
	for (const char *at = strchr(*text, '$'); at != NULL; at = strchr(at, '$')) {
		const char *begin = at + 1 + (at[1] == '{'), *end = begin;

		while (variable_has(*end))
			end++;
		at = *text = end;
		if (end > begin)
			return arena_copy(a, begin, (size_t)(end - begin));
	}
	return NULL;
}

const char *
variable_only(struct arena *a, const char *text)
{
	const char *rest = text, *name = text[0] == '$' ? variable_next(a, &rest) : NULL;

	if (name == NULL || rest != text + 1 + (text[1] == '{') + strlen(name))
		return NULL;
	return rest[text[1] == '{'] == '\0' ? name : NULL;
}

bool
variable_in(const char *name, const char *const *list)
{
	for (; *list != NULL; list++) {
		size_t len = strcspn(*list, "*");

		if (strncasecmp(name, *list, len) == 0 &&
		    ((*list)[len] == '*' || name[len] == '\0'))
			return true;
	}
	return false;
}

static bool
names_group(const char *expression, const char *name)
{
	static const char *const begins[] = {"?<", "?P<", "?'"};
	size_t len = strlen(name);

	for (size_t i = 0; i < COUNT_OF(begins); i++)
		for (const char *at = expression; (at = strstr(at, begins[i])) != NULL;) {
			at += strlen(begins[i]);
			if (strncasecmp(at, name, len) == 0 && (at[len] == '>' || at[len] == '\''))
				return true;
		}
	return false;
}

bool
variable_is_captured(const char *key, const char *name)
{
	return key[0] == '~' && ((name[0] >= '0' && name[0] <= '9') || names_group(key, name));
}

static bool
is_variable(const char *text, const char *name)
{
	return text[0] == '$' && strcasecmp(text + 1, name) == 0;
}

/* `set` takes effect in the blocks around a location and in their `if`s; auth_request_set is
 * inherited.
 */
static bool
is_in_reach(const struct trace *t, const struct node *n)
{
	const struct node *block = n->parent;

	if (node_is_named(n, "auth_request_set"))
		return block == node_level(t->block, "auth_request_set");
	return node_is_in(t->block, node_is_named(block, "if") ? block->parent : block);
}

static bool
node_sets(const struct trace *t, const struct node *n, const char *name)
{
	return (node_is_named(n, "set") || node_is_named(n, "auth_request_set")) &&
	       is_variable(node_word(n, 1), name) && is_in_reach(t, n);
}

static bool
node_maps(const struct node *n, const char *name)
{
	return node_is_named(n, "map") && n->word_count == 3 && is_variable(node_word(n, 2), name);
}

bool
trace_defines(const struct trace *t, const char *name)
{
	const struct node *root = t->site->check->root;
	bool defined = false;

	for (const struct node *n = root; n != NULL; n = node_following(root, n)) {
		defined |= node_sets(t, n, name) || node_maps(n, name);
		if (n->parent != NULL && node_is_named(n->parent, "map"))
			continue;
		for (size_t i = 1; i < n->word_count; i++)
			if (names_group(n->words[i], name))
				return false;
	}
	return defined;
}

/* Constants may be added twice, because nothing is derived from them. */
static bool
trace_add(struct trace *t, const struct node *at, const char *text, const struct node *row)
{
	for (size_t i = 0; strchr(text, '$') != NULL && i < t->count; i++)
		if (t->from[i].text == text)
			return true;
	if (t->count == t->room) {
		size_t room = t->room == 0 ? 16 : 2 * t->room;
		struct origin *from = arena_array(t->site->check->arena, room, sizeof(*from));

		if (from == NULL)
			return false;
		if (t->count > 0)
			memcpy(from, t->from, t->count * sizeof(*from));
		t->from = from;
		t->room = room;
	}
	t->from[t->count++] = (struct origin){at, text, row};
	return true;
}

static bool
has_map(const struct trace *t, const struct node *map)
{
	for (size_t i = 0; i < t->count; i++)
		if (t->from[i].row != NULL && t->from[i].row->parent == map)
			return true;
	return false;
}

/* map SOURCE $name { KEY VALUE; ... } */
static bool
trace_map(struct trace *t, const struct node *map, bool keys)
{
	bool ok = !keys || trace_add(t, map, node_word(map, 1), NULL);

	if (has_map(t, map))
		return ok;
	for (const struct node *n = map->children; ok && n != NULL; n = n->next)
		if (n->word_count == 2 && !node_is_named(n, "include"))
			ok = trace_add(t, n, node_word(n, 1), n);
	return ok;
}

static bool
trace_variable(struct trace *t, const char *name, bool keys)
{
	const struct node *root = t->site->check->root;
	bool ok = true;

	for (const struct node *n = root; ok && n != NULL; n = node_following(root, n)) {
		if (node_maps(n, name))
			ok = trace_map(t, n, keys);
		else if (node_sets(t, n, name))
			ok = trace_add(t, n, node_word(n, 2), NULL);
	}
	return ok;
}

static bool
trace_follow(struct trace *t, bool keys)
{
	for (size_t i = 0; i < t->count; i++) {
		const char *text = t->from[i].text, *name;

		while ((name = variable_next(t->site->check->arena, &text)) != NULL)
			if (!trace_variable(t, name, keys))
				return false;
	}
	return true;
}

bool
trace_run(struct trace *t, const struct site *site, const struct node *at, const char *text)
{
	*t = (struct trace){.site = site, .block = site->block};
	if (trace_add(t, at, text, NULL) && trace_follow(t, true))
		return true;
	t->count = 0;
	return false;
}

bool
trace_run_values(struct trace *t, const struct site *site, const struct node *block,
		 const struct node *at)
{
	bool ok = true;

	*t = (struct trace){.site = site, .block = block};
	for (size_t i = 2; ok && i < at->word_count; i++)
		ok = trace_add(t, at, at->words[i], NULL);
	if (ok && trace_follow(t, false))
		return true;
	t->count = 0;
	return false;
}

bool
trace_is_fixed(const struct trace *t)
{
	for (size_t i = 0; i < t->count; i++) {
		const char *text = t->from[i].text, *name;

		while ((name = variable_next(t->site->check->arena, &text)) != NULL)
			if (!trace_defines(t, name))
				return false;
	}
	return t->count > 0;
}
