/* tree: questions to the tree: what a directive says, and which one is in effect. */
#ifndef REGCRED_NGINX_CHECK_TREE_H
#define REGCRED_NGINX_CHECK_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A directive, with the directives in its block.  What is included hangs behind its `include`, on
 * the same level. */
struct node {
	struct node *parent, *next, *children, *last_child;
	const char *file;
	const char **words; /* words[0] is the name; NULL stands behind the last one */
	size_t word_count, word_room;
	unsigned line;
	int error; /* of an include: why its file could not be read */
};

bool text_ends_with(const char *text, const char *end);

bool text_begins_with(const char *text, const char *begin);

bool node_is_named(const struct node *n, const char *name);

/* The i-th word behind the name; "" if there are fewer. */
const char *node_word(const struct node *n, size_t i);

const char *node_last_word(const struct node *n);

/* The node behind n in the order of the text, up to the end of what stands in top. */
const struct node *node_following(const struct node *top, const struct node *n);

/* The first directive of that name from n on, on n's level. */
const struct node *node_next_named(const struct node *n, const char *name);

const struct node *node_own(const struct node *block, const char *name);

/* The nearest block around that says something of that name: it replaces all that stands further
 * out, which is how nginx inherits. */
const struct node *node_level(const struct node *block, const char *name);

const struct node *node_effective(const struct node *block, const char *name);

bool node_is_off(const struct node *directive);

const struct node *node_enclosing(const struct node *n, const char *name);

bool node_is_in(const struct node *n, const struct node *block);

/* An include of a file of that name, directly in the block. */
const struct node *node_included(const struct node *block, const char *file);

/* The i-th word as a size, or what nginx takes without it. */
uint64_t node_size_or(const struct node *directive, size_t i, uint64_t otherwise);

#endif
