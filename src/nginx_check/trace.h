/* trace: where the value of a variable comes from. */
#ifndef REGCRED_NGINX_CHECK_TRACE_H
#define REGCRED_NGINX_CHECK_TRACE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

enum {
	TRACE_MAX = 256, /* values that one value is made from */
};

/* Texts that a value is made from: itself, and what its variables were set to. */
struct trace {
	const struct site *site;
	const struct node *block;
	bool keys; /* also what a map looks at, not only what it gives */
	size_t count;
	struct {
		const struct node *at;
		const char *text;
	} from[TRACE_MAX];
};

/* The next line behind n, or the first, that gives the parameter a value: regcred takes an empty
 * one for absent. */
const struct node *param_next(const struct site *site, const struct node *n, const char *name);

/* The last line counts, as in regcred. */
const struct node *param_find(const struct site *site, const char *name);

/* The name of the next variable in *text, which moves behind it; NULL if there is none, and if
 * there is no memory. */
const char *variable_next(struct arena *a, const char **text);

void trace_text(struct trace *t, const struct node *at, const char *text);

/* nginx does not tell $A from $a. */
bool variable_is(const char *text, const char *name);

/* `set` counts in the blocks around a location and in their `if`s; auth_request_set is inherited.
 */
bool variable_is_in_reach(const struct trace *t, const struct node *n);

bool variable_is_map(const struct node *n);

bool variable_is_set(const struct node *n);

void trace_start(struct trace *t, const struct site *site, const struct node *at, const char *text);

/* The first variable of a text whose name, or the beginning of whose name before a *, is in the
 * list; NULL if none is. */
const char *variable_among(struct arena *a, const char *text, const char *const *list);

#endif
