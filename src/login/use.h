/* use: the last use of a login, and opening it. */
#ifndef REGCRED_LOGIN_USE_H
#define REGCRED_LOGIN_USE_H

#include "base/err.h"
#include "login/format.h"

enum err use_open_login(struct hand_out_work *w, struct entry *entry);

#endif
