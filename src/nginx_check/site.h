/* site: the blocks that lead to regcred, the rules, and what was found. */
#ifndef REGCRED_NGINX_CHECK_SITE_H
#define REGCRED_NGINX_CHECK_SITE_H

#include <stdbool.h>

#include "nginx_check/nginx_check.h"
#include "nginx_check/tree.h"

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

enum severity { WARNING, PROBLEM };

struct finding {
	struct finding *next;
	const struct rule *rule;
	const char *file, *detail;
	unsigned line;
};

/* A location whose requests go to regcred, or a block in it that says something else. */
struct site {
	struct nginx_check *check;
	const struct node *block;
	const struct node *pass;     /* its fastcgi_pass, which may stand in the location around */
	const struct node *server;   /* NULL in a part of a configuration */
	const struct node *upstream; /* NULL if a socket is named directly */
	const struct node *params;   /* the block whose fastcgi_params count; NULL if none does */
};

struct rule {
	const char *name;
	enum severity severity;
	void (*look)(const struct site *site, const struct rule *rule);
	const char *directive, *value; /* what look asks for, where one function serves many rows */
	const char *text;	       /* {} stands for the detail */
};

void site_found(const struct site *site, const struct rule *rule, const struct node *at,
		const char *detail);

/* False if the block passes nothing to regcred. */
bool make_site(struct nginx_check *c, const struct node *block, struct site *site);

#endif
