/* nginx_check: reads an nginx configuration and says what in it is dangerous or broken for regcred.
 *
 * Looks at each location whose fastcgi_pass leads to regcred, with what it inherits from its server
 * and from http.  Needs no nginx and changes nothing.  A part of a configuration will do: a file
 * with a server {} or only with a location {}.
 */
#ifndef REGCRED_NGINX_CHECK_H
#define REGCRED_NGINX_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/arena.h"
#include "nginx_check/site.h"
#include "nginx_check/tree.h"

struct nginx_report {
	size_t problems; /* dangerous or broken */
	size_t warnings; /* worth a look, may be meant so */
};

/* Prints a line for each finding to out, and counts them in *report:
 *
 *     FILE:LINE: problem|warning: what is wrong; what to do [rule]
 *
 * path is the configuration that nginx is started with, or a part of it; body_max the longest body
 * that regcred takes, in bytes.  Names in `include` are taken from the directory of path, or from
 * /etc/nginx if path lies below that.  False, with a sentence in why, if the configuration cannot
 * be read or is not nginx's language; *report then says nothing. */
__attribute__((warn_unused_result)) bool nginx_check(const char *path, size_t body_max, FILE *out,
						     struct nginx_report *report, char *why,
						     size_t why_size);

enum {
	BODY_DEFAULT = 1024 * 1024, /* nginx's own client_max_body_size */
};

struct nginx_parser {
	struct arena *arena;
	const char *prefix; /* where relative includes begin; "" is the working directory */
	char *why;
	size_t why_size;
};

struct nginx_check {
	struct arena *arena;
	const struct node *root;
	size_t body_max;
	FILE *out;
	struct nginx_report *report;
	struct finding *findings; /* so that none is printed twice */
	size_t pass_count;	  /* of all fastcgi_pass */
};

#endif
