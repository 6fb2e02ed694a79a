/* nginx_check: reads an nginx configuration and reports known mistakes in it.
 *
 * Looks at each location whose fastcgi_pass leads to regcred, with what it inherits from its server
 * and from http.  Needs no nginx and changes nothing.  A part of a configuration will do: a file
 * with a server {} or only with a location {}.  What it does not report is not proven to be safe.
 */
#ifndef REGCRED_NGINX_CHECK_H
#define REGCRED_NGINX_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct nginx_report {
	size_t problems; /* dangerous or broken */
	size_t warnings; /* worth a look, may be intended */
};

/* Prints a line for each finding to out, and counts them in *report:
 *
 *     FILE:LINE: problem|warning: what is wrong; what to do [rule]
 *
 * path is the configuration that nginx is started with, or a part of it; behind_proxy says that
 * another proxy passes requests to this nginx.  Names in `include` are taken from the directory of
 * path, or from /etc/nginx if path is below that.  False, with a sentence in why, if the
 * configuration cannot be read or is not nginx's language; *report then says nothing. */
__attribute__((warn_unused_result)) bool nginx_check(const char *path, bool behind_proxy, FILE *out,
						     struct nginx_report *report, char *why,
						     size_t why_size);

#endif
