/* try: the action test: checks a login that is not stored. */
#ifndef REGCRED_LOGIN_TRY_H
#define REGCRED_LOGIN_TRY_H

#include "base/err.h"
#include "base/json_in.h"
#include "login/verifier.h"
#include "model/schema.h"
#include "registry/check.h"
#include "resource/resource.h"

/* Checks a login at a registry, in the caller's thread. The verifier limits how many run at a time.
 */
enum err try_login(const struct context *c, struct verifier *verifier, const struct record *row,
		   const struct json *body, struct check_report *report, struct error *e)
	__attribute__((warn_unused_result));

#endif
