/* try: the action test: tries a login that is not stored. */
#ifndef REGCRED_LOGIN_TRY_H
#define REGCRED_LOGIN_TRY_H

#include "base/err.h"
#include "base/json_in.h"
#include "login/verifier.h"
#include "model/schema.h"
#include "registry/check.h"
#include "resource/resource.h"

/* Tries a login at a registry.  The caller waits for it, so it takes its thread and no other; how
 * many may at a time is the verifier's. */
enum err try_login(const struct context *c, struct verifier *verifier, const struct record *row,
		   const struct json *body, struct check_report *report, struct error *e)
	__attribute__((warn_unused_result));

#endif
