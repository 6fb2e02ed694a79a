/* look_server: looks at the server around the location: TLS, headers, includes. */
#ifndef REGCRED_NGINX_CHECK_LOOK_SERVER_H
#define REGCRED_NGINX_CHECK_LOOK_SERVER_H

#include "nginx_check/site.h"

void look_headers_small(const struct site *site, const struct rule *rule);

void look_headers_large(const struct site *site, const struct rule *rule);

void look_no_tls(const struct site *site, const struct rule *rule);

void look_include_missing(const struct site *site, const struct rule *rule);

void look_include_denied(const struct site *site, const struct rule *rule);

#endif
