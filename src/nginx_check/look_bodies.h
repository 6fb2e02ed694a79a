/* look_bodies: looks at upstreams and at the sizes of bodies and buffers. */
#ifndef REGCRED_NGINX_CHECK_LOOK_BODIES_H
#define REGCRED_NGINX_CHECK_LOOK_BODIES_H

#include "nginx_check/site.h"

/* With http {} we see all upstreams that there are. */
void look_upstream_missing(const struct site *site, const struct rule *rule);

void look_upstream_has(const struct site *site, const struct rule *rule);

/* nginx's default is `error timeout`, which sends PUT and DELETE again if there is another server.
 * The value has a row of its own. */
void look_next_upstream(const struct site *site, const struct rule *rule);

const char *look_body_max(const struct site *site);

void look_body_smaller(const struct site *site, const struct rule *rule);

void look_body_larger(const struct site *site, const struct rule *rule);

void look_buffer_smaller(const struct site *site, const struct rule *rule);

void look_buffer_tight(const struct site *site, const struct rule *rule);

void look_answer_file(const struct site *site, const struct rule *rule);

#endif
