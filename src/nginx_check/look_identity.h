/* look_identity: looks at who says who is signed in. */
#ifndef REGCRED_NGINX_CHECK_LOOK_IDENTITY_H
#define REGCRED_NGINX_CHECK_LOOK_IDENTITY_H

#include "nginx_check/site.h"

void look_identity_open(const struct site *site, const struct rule *rule);

void look_identity_satisfy(const struct site *site, const struct rule *rule);

void look_metrics_open(const struct site *site, const struct rule *rule);

void look_identity_client(const struct site *site, const struct rule *rule);

void look_identity_unverified(const struct site *site, const struct rule *rule);

void look_identity_unset(const struct site *site, const struct rule *rule);

void look_token_missing(const struct site *site, const struct rule *rule);

/* The token itself may stand in the parameter, in a `set` or in a map. */
void look_token_readable(const struct site *site, const struct rule *rule);

#endif
