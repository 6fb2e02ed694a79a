/* refresher: the process of the pool that renews logins at their sources.
 *
 * One of its own, because it alone may start programs: server/sandbox.c. Its threads look for what
 * is due; when it is told to end they finish what they have begun.
 */
#include "server/refresher.h"

#include <errno.h>

#include "base/log.h"
#include "base/remedy.h"
#include "base/settings.h"
#include "server/child.h"
#include "server/pool_state.h"
#include "service/app.h"

int
refresher_run(const struct pool *pool)
{
	enum { STEP_S = 60 };
	char why[CONFIG_WHY_MAX];
	struct app *app;

	if (!child_begin(pool, NULL, NULL)) {
		log_error("the refresher cannot start: %s", remedy_text(errno));
		return 1;
	}
	app = app_new(pool->settings, why);
	if (app == NULL) {
		log_error("the refresher cannot start: %s", why);
		return 1;
	}
	if (!app_start_renewals(app)) {
		log_error("the refresher cannot start its threads: %s", remedy_text(errno));
		app_free(app);
		return 1;
	}
	child_tell_ready(pool);
	while (child_wait_for_end(STEP_S) == 0)
		;
	app_free(app);
	return 0;
}
