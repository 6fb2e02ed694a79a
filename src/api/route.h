/* route: the table of routes, and the handling of a request from beginning to end. */
#ifndef REGCRED_API_ROUTE_H
#define REGCRED_API_ROUTE_H

#include "base/arena.h"
#include "base/http.h"
#include "service/app.h"

/* Answers a request.  Always fills *response, whatever fails; everything it points to lives in the
 * arena or is static.  May be called by several threads, each with its own arena. */
void app_handle(struct app *app, const struct request *request, struct arena *arena,
		struct response *response);

#endif
