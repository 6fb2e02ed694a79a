/* look_inject: looks at locations that add a login to requests. */
#ifndef REGCRED_NGINX_CHECK_LOOK_INJECT_H
#define REGCRED_NGINX_CHECK_LOOK_INJECT_H

#include <stdbool.h>

#include "nginx_check/site.h"

bool site_is_inject(const struct site *site);

void look_inject_open(const struct site *site, const struct rule *rule);

void look_inject_body(const struct site *site, const struct rule *rule);

void look_inject_client(const struct site *site, const struct rule *rule);

void look_inject_header(const struct site *site, const struct rule *rule);

void look_inject_challenge(const struct site *site, const struct rule *rule);

/* What stands behind the host. */
void look_inject_path(const struct site *site, const struct rule *rule);

void look_inject_http(const struct site *site, const struct rule *rule);

void look_inject_unverified(const struct site *site, const struct rule *rule);

#endif
