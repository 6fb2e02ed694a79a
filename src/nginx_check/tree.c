/* tree: queries on the tree: what a directive says, and which one is in effect. */
#include "nginx_check/tree.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

bool
text_ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcmp(text + len - end_len, end) == 0;
}

bool
text_begins_with(const char *text, const char *begin)
{
	return strncmp(text, begin, strlen(begin)) == 0;
}

bool
node_is_named(const struct node *n, const char *name)
{
	return strcmp(n->words[0], name) == 0;
}

const char *
node_word(const struct node *n, size_t i)
{
	return i < n->word_count ? n->words[i] : "";
}

const char *
node_last_word(const struct node *n)
{
	return n->words[n->word_count - 1];
}

const struct node *
node_following(const struct node *top, const struct node *n)
{
	if (n->children != NULL)
		return n->children;
	while (n != top && n->next == NULL)
		n = n->parent;
	return n == top ? NULL : n->next;
}

const struct node *
node_next_named(const struct node *n, const char *name)
{
	while (n != NULL && !node_is_named(n, name))
		n = n->next;
	return n;
}

const struct node *
node_own(const struct node *block, const char *name)
{
	return node_next_named(block->children, name);
}

const struct node *
node_level(const struct node *block, const char *name)
{
	while (block != NULL && node_own(block, name) == NULL)
		block = block->parent;
	return block;
}

const struct node *
node_effective(const struct node *block, const char *name)
{
	const struct node *level = node_level(block, name);

	return level == NULL ? NULL : node_own(level, name);
}

const struct node *
node_about(const struct node *block, const char *name, const char *word)
{
	const struct node *level = node_level(block, name), *found = NULL;

	for (const struct node *n = level == NULL ? NULL : node_own(level, name); n != NULL;
	     n = node_next_named(n->next, name))
		if (strcasecmp(node_word(n, 1), word) == 0)
			found = n;
	return found;
}

bool
node_is_off(const struct node *directive)
{
	return strcasecmp(node_word(directive, 1), "off") == 0;
}

const struct node *
node_enclosing(const struct node *n, const char *name)
{
	while (n != NULL && !node_is_named(n, name))
		n = n->parent;
	return n;
}

bool
node_is_in(const struct node *n, const struct node *block)
{
	while (n != NULL && n != block)
		n = n->parent;
	return n != NULL;
}

bool
node_mentions(const struct node *n, const char *text)
{
	for (size_t i = 1; i < n->word_count; i++)
		if (strstr(n->words[i], text) != NULL)
			return true;
	return false;
}

/* "64k" in bytes. */
static bool
parse_size(const char *text, uint64_t *bytes)
{
	unsigned shift = 0;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	*bytes = strtoull(text, &end, 10);
	if (*end == 'k' || *end == 'K')
		shift = 10;
	else if (*end == 'm' || *end == 'M')
		shift = 20;
	else if (*end == 'g' || *end == 'G')
		shift = 30;
	if (errno != 0 || end[shift != 0] != '\0' || *bytes > UINT64_MAX >> shift)
		return false;
	*bytes <<= shift;
	return true;
}

uint64_t
node_size_or(const struct node *directive, size_t i, uint64_t otherwise)
{
	uint64_t bytes;

	return directive != NULL && parse_size(node_word(directive, i), &bytes) ? bytes : otherwise;
}
