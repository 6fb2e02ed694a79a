/* look_errors: looks at the error pages. */
#ifndef REGCRED_NGINX_CHECK_LOOK_ERRORS_H
#define REGCRED_NGINX_CHECK_LOOK_ERRORS_H

#include "nginx_check/site.h"

void look_error_missing(const struct site *site, const struct rule *rule);

/* A page in a file needs no location of its own, and a variable may lead anywhere. */
void look_error_lost(const struct site *site, const struct rule *rule);

void look_error_not_json(const struct site *site, const struct rule *rule);

#endif
