/* identify: who sent a request, and the accounts that are made for people seen first. */
#ifndef REGCRED_API_IDENTIFY_H
#define REGCRED_API_IDENTIFY_H

#include "api/call.h"
#include "base/err.h"

enum err identify_caller(struct call *c);

#endif
