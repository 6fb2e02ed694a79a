/* survey: whether the sources that logins name can be asked from this machine. */
#ifndef REGCRED_RENEW_SURVEY_H
#define REGCRED_RENEW_SURVEY_H

#include <stdbool.h>
#include <stdio.h>

#include "renew/source.h"
#include "store/store.h"

/* Prints a line for each program and each host of a source: asks the host for nothing, without any
 * secret, to see whether it answers and what its clock says.  False if one of them cannot be used,
 * or if the logins cannot be read. */
bool renew_survey(struct store *store, const struct renew_settings *settings, FILE *out)
	__attribute__((warn_unused_result));

#endif
