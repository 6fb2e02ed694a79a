/* tree: queries on the tree: what a directive says, and which one is in effect. */
#ifndef REGCRED_NGINX_CHECK_TREE_H
#define REGCRED_NGINX_CHECK_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A directive, with the directives in its block.  Included directives follow their `include`, on
 * the same level. */
struct node {
	struct node *parent, *next, *children, *last_child;
	const char *file;
	const char **words; /* words[0] is the name; NULL after the last one */
	size_t word_count, word_room;
	unsigned line;
	int error; /* for an include: the errno if its file could not be read */
};

bool text_ends_with(const char *text, const char *end);

bool text_begins_with(const char *text, const char *begin);

bool node_is_named(const struct node *n, const char *name);

/* The i-th word, the name being word 0; "" if there are fewer. */
const char *node_word(const struct node *n, size_t i);

const char *node_last_word(const struct node *n);

/* The node after n in the order of the text, up to the end of top. */
const struct node *node_following(const struct node *top, const struct node *n);

/* The first directive of that name from n on, on n's level. */
const struct node *node_next_named(const struct node *n, const char *name);

const struct node *node_own(const struct node *block, const char *name);

/* The nearest block around that has a directive of that name: it replaces those of outer blocks, as
 * nginx inherits. */
const struct node *node_level(const struct node *block, const char *name);

const struct node *node_effective(const struct node *block, const char *name);

bool node_is_off(const struct node *directive);

/* The directive of that name on the level in effect whose first word is `word`, in any case; the
 * last one if there are several. */
const struct node *node_about(const struct node *block, const char *name, const char *word);

const struct node *node_enclosing(const struct node *n, const char *name);

bool node_is_in(const struct node *n, const struct node *block);

/* Whether a word of the directive contains the text. */
bool node_mentions(const struct node *n, const char *text);

/* The i-th word as a size, or nginx's default if it is missing. */
uint64_t node_size_or(const struct node *directive, size_t i, uint64_t otherwise);

#endif
