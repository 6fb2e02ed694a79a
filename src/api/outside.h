/* outside: the paths outside the API: /ping and /metrics. */
#ifndef REGCRED_API_OUTSIDE_H
#define REGCRED_API_OUTSIDE_H

#include <stdbool.h>

#include "api/call.h"
#include "base/arena.h"
#include "base/http.h"
#include "service/app.h"

struct outside {
	const char *path;
	enum place place;
	bool counters; /* only where the web server allows it */
	void (*answer)(struct app *app, const struct request *request, struct arena *arena,
		       struct response *response);
};

/* NULL for a request to the API. */
const struct outside *find_outside(const struct app *app, const struct request *request);

#endif
