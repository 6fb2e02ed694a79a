/* parse: reads an nginx configuration with its includes into a tree. */
#ifndef REGCRED_NGINX_CHECK_PARSE_H
#define REGCRED_NGINX_CHECK_PARSE_H

#include <stdbool.h>

#include "nginx_check/nginx_check.h"
#include "nginx_check/tree.h"

bool __attribute__((format(printf, 2, 3)))
parse_fail(const struct nginx_parser *p, const char *format, ...);

struct node *parse_run(struct nginx_parser *p, const char *path);

#endif
