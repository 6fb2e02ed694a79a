/* look_logs: looks at what the logs would tell. */
#ifndef REGCRED_NGINX_CHECK_LOOK_LOGS_H
#define REGCRED_NGINX_CHECK_LOOK_LOGS_H

#include "nginx_check/site.h"

/* The location that answers writes the log, so error pages count too. */
void look_log_secret(const struct site *site, const struct rule *rule);

void look_log_default(const struct site *site, const struct rule *rule);

void look_log_unknown(const struct site *site, const struct rule *rule);

#endif
