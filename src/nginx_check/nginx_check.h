/* nginx_check: reads an nginx configuration and reports known mistakes in it.
 *
 * Checks each location whose fastcgi_pass leads to regcred, including what it inherits from server
 * and http. Does not need nginx and changes nothing. Also accepts a part of a configuration: a file
 * with a server {} or only a location {}. A configuration without findings is not proven to be
 * safe.
 */
#ifndef REGCRED_NGINX_CHECK_H
#define REGCRED_NGINX_CHECK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct nginx_report {
	size_t problems; /* dangerous or broken */
	size_t warnings; /* worth checking, may be intended */
};

/* Prints a line for each finding to out, and counts them in *report:
 *
 *     FILE:LINE: problem|warning: what is wrong; what to do [rule]
 *
 * path is the configuration that nginx is started with, or a part of it; behind_proxy says that
 * another proxy passes requests to this nginx. Names in `include` are relative to the directory of
 * path, or to /etc/nginx if path is below that. False, with a sentence in why, if the configuration
 * cannot be read or is not valid nginx syntax; *report is then meaningless. */
__attribute__((warn_unused_result)) bool nginx_check(const char *path, bool behind_proxy, FILE *out,
						     struct nginx_report *report, char *why,
						     size_t why_size);

#endif
