/* housekeeper: one pass of the housekeeper. */
#ifndef REGCRED_SERVICE_HOUSEKEEPER_H
#define REGCRED_SERVICE_HOUSEKEEPER_H

#include <stdbool.h>

#include "service/app.h"

/* Writes the refused sign-ins of past minutes, or all, to the audit log.  True if that worked;
 * otherwise they are kept. Also done when the disk is low, because they are few rows. */
bool app_write_refusals(struct app *app, bool all);

/* Called between the steps of a pass; false stops it. */
typedef bool (*app_goes_on)(void *arg);

/* One pass of the housekeeper: purges what is due, deletes what was purged long ago, cuts the audit
 * log, tidies the database. True if it did everything. Two passes at once do no harm, because each
 * step is a compare-and-set. goes_on may be NULL. */
bool app_sweep(struct app *app, app_goes_on goes_on, void *arg);

#endif
