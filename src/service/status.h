/* status: what `regcred status` says of the pool, the database and the work that is due. */
#ifndef REGCRED_STATUS_H
#define REGCRED_STATUS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/settings.h"

/* How things stand, also the exit status of the command. */
enum status {
	STATUS_HEALTHY = 0,
	STATUS_UNHEALTHY = 1, /* the report says what is wrong */
	STATUS_NO_POOL = 3,   /* all is well but for the pool, which a CGI does not need */
};

/* Looks, changes nothing, and prints a report: for people, or one JSON object. */
enum status status_report(const struct settings *s, bool json, FILE *out);

#endif
