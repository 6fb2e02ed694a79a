/* trace: where the value of a variable comes from. */
#ifndef REGCRED_NGINX_CHECK_TRACE_H
#define REGCRED_NGINX_CHECK_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

/* All texts from which a value may be derived: the value itself, the values of its variables, and
 * both the source and the results of maps. */
struct trace {
	const struct site *site;
	const struct node *block;
	size_t count, room;
	struct origin {
		const struct node *at;
		const char *text;
		const struct node *row; /* the row of a map that gives it; else NULL */
	} * from;
};

/* False if out of memory; *t then has no origins, and the check fails at its end. */
bool trace_run(struct trace *t, const struct site *site, const struct node *at, const char *text);

/* The same, but without the sources of maps. */
bool trace_run_values(struct trace *t, const struct site *site, const struct node *block,
		      const struct node *at);

/* True if it contains only constants. */
bool trace_is_fixed(const struct trace *t);

/* True if a `set`, auth_request_set or map in reach defines it, and no regular expression outside
 * maps captures under the same name. */
bool trace_defines(const struct trace *t, const char *name);

/* The name of the next variable in *text, which moves past it; NULL if there is none or out of
 * memory. */
const char *variable_next(struct arena *a, const char **text);

/* The name if the text is exactly one variable; else NULL. */
const char *variable_only(struct arena *a, const char *text);

/* Whether the name, in any case as in nginx, is in the list, in which * stands for any end.  The
 * list ends with NULL. */
bool variable_in(const char *name, const char *const *list);

/* Whether a key of a map is a regular expression that captures under this name or number. */
bool variable_is_captured(const char *key, const char *name);

#endif
