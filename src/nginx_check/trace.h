/* trace: where the value of a variable comes from. */
#ifndef REGCRED_NGINX_CHECK_TRACE_H
#define REGCRED_NGINX_CHECK_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

/* All texts that a value may be made from: the value itself, what its variables are set to, and
 * both what a map looks at and what it gives. */
struct trace {
	const struct site *site;
	const struct node *block;
	size_t count, room;
	struct origin {
		const struct node *at;
		const char *text;
		const struct node *row; /* the row of a map that gives it; NULL elsewhere */
	} * from;
};

/* False without memory; *t then has no origins, and the end of the check says so. */
bool trace_run(struct trace *t, const struct site *site, const struct node *at, const char *text);

/* The same, but without what maps look at. */
bool trace_run_values(struct trace *t, const struct site *site, const struct node *block,
		      const struct node *at);

/* True if nothing but constants is in it. */
bool trace_is_fixed(const struct trace *t);

/* True if a `set`, auth_request_set or map in reach defines it, and no regular expression outside
 * maps captures under the same name. */
bool trace_defines(const struct trace *t, const char *name);

/* The name of the next variable in *text, which moves past it; NULL if there is none, and if there
 * is no memory. */
const char *variable_next(struct arena *a, const char **text);

/* The name if the text is one variable and nothing else; NULL. */
const char *variable_only(struct arena *a, const char *text);

/* Whether the name, in any case as in nginx, is in the list, in which * stands for any end.  The
 * list ends with NULL. */
bool variable_in(const char *name, const char *const *list);

/* Whether a key of a map is a regular expression that captures under this name or number. */
bool variable_is_captured(const char *key, const char *name);

#endif
