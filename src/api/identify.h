/* identify: finds out who sent a request, and creates accounts for new users. */
#ifndef REGCRED_API_IDENTIFY_H
#define REGCRED_API_IDENTIFY_H

#include "api/call.h"
#include "base/err.h"

enum err identify_caller(struct call *c);

#endif
