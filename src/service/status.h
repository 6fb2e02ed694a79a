/* status: what `regcred status` reports about the pool, the database and the work that is due. */
#ifndef REGCRED_STATUS_H
#define REGCRED_STATUS_H

#include <stdbool.h>
#include <stdio.h>

#include "base/settings.h"

/* The state, also the exit status of the command. */
enum status {
	STATUS_HEALTHY = 0,
	STATUS_UNHEALTHY = 1, /* the report says what is wrong */
	STATUS_NO_POOL = 3,   /* healthy except that no pool runs, which is normal for CGI */
};

/* Prints a report, as text or as one JSON object. Changes nothing. */
enum status status_report(const struct settings *s, bool json, FILE *out);

#endif
