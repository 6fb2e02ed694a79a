/* parse: reads an nginx configuration with its includes into a tree. */
#ifndef REGCRED_NGINX_CHECK_PARSE_H
#define REGCRED_NGINX_CHECK_PARSE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "nginx_check/tree.h"

struct nginx_parser {
	struct arena *arena;
	const char *prefix; /* directory of relative includes; "": the working directory */
	char *why;
	size_t why_size;
};

/* Puts a sentence into why; returns false. */
bool __attribute__((format(printf, 2, 3)))
parse_fail(const struct nginx_parser *p, const char *format, ...);

/* The root, whose children are the directives of the file; NULL, with a sentence in why. */
struct node *parse_run(struct nginx_parser *p, const char *path);

#endif
