/* site: a location that passes requests to regcred, the rules for it, and the findings. */
#ifndef REGCRED_NGINX_CHECK_SITE_H
#define REGCRED_NGINX_CHECK_SITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/arena.h"
#include "nginx_check/nginx_check.h"
#include "nginx_check/tree.h"

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

struct check {
	struct arena *arena;
	const struct node *root;
	bool behind_proxy;
	FILE *out;
	struct nginx_report *report;
	struct finding *findings; /* so that none is printed twice */
	size_t pass_count;	  /* of all fastcgi_pass */
};

/* A location whose requests go to regcred, or a block in it with its own directives. A location
 * that asks for logins of a registry is a site of its own; the one that uses the login is its
 * asker.
 */
struct site {
	struct check *check;
	const struct node *block;
	const struct node *pass;   /* its fastcgi_pass, which may be in the location around it */
	const struct node *server; /* NULL in a part of a configuration */
	const struct node
		*params; /* the block whose fastcgi_params apply; NULL if there are none */
};

enum severity { WARNING, PROBLEM };

struct rule {
	const char *name;
	enum severity severity;
	void (*look)(const struct site *site, const struct rule *rule);
	const char *directive,
		*value;	  /* what the function `look` checks, if it serves several rows */
	const char *text; /* {} is replaced by the detail */
};

/* Prints the finding at that directive, unless it was printed already. */
void found(const struct site *site, const struct rule *rule, const struct node *at,
	   const char *detail);

/* False if the block passes nothing to regcred. */
bool site_make(struct check *c, const struct node *block, struct site *site);

/* True if the location asks regcred for logins of a registry. */
bool site_is_inject(const struct site *site);

/* The location of the site's server that a request for this path, or @name, reaches; NULL. */
const struct node *site_location(const struct site *site, const char *path);

/* The next line after n, or the first, that gives the parameter a value: an empty one counts as
 * absent. The last one applies, as in regcred. */
const struct node *param_next(const struct site *site, const struct node *n, const char *name);
const struct node *param_find(const struct site *site, const char *name);

/* Rows for each site: authentication; the parameters for regcred, bodies, answers and logs; the
 * page, if nginx serves its files; logins that nginx adds, only for sites that ask for them. */
struct rule_table {
	const struct rule *rows;
	size_t count;
};

extern const struct rule_table identity_rules, request_rules, page_rules, inject_rules;

/* Whether the directive in effect has the row's value, or another one. */
void look_is(const struct site *site, const struct rule *rule);
void look_is_not(const struct site *site, const struct rule *rule);

/* Logs that write one of these variables: those of the block and of the locations that its error
 * pages lead to. */
void look_logs(const struct site *site, const struct rule *rule, const char *const *secrets);

#endif
