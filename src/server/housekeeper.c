/* housekeeper: the housekeeper process of the pool, and the short-lived check processes. */
#include "server/housekeeper.h"

#include <errno.h>
#include <signal.h>
#include <string.h>

#include "base/log.h"
#include "base/pulse.h"
#include "base/remedy.h"
#include "base/settings.h"
#include "server/child.h"
#include "server/pool_state.h"
#include "service/app.h"
#include "service/housekeeper.h"

/* Called between the steps of a pass, none of which may hang: false after the signal to exit. */
static bool
housekeeper_goes_on(void *arg)
{
	sigset_t set;

	(void)arg;
	pulse_begin();
	return sigpending(&set) != 0 ||
	       (sigismember(&set, SIGTERM) != 1 && sigismember(&set, SIGUSR1) != 1);
}

int
housekeeper_run(const struct pool *pool)
{
	char why[CONFIG_WHY_MAX];
	struct app *app;

	if (!child_begin(pool, NULL, NULL)) {
		log_error("the housekeeper cannot start: %s", remedy_text(errno));
		return 1;
	}
	app = app_new(pool->settings, why);
	if (app == NULL) {
		log_error("the housekeeper cannot start: %s", why);
		return 1;
	}
	child_tell_ready(pool);
	do {
		(void)app_sweep(app, housekeeper_goes_on, NULL); /* logs its failures */
		pulse_end();
	} while (child_wait_for_end(pool->settings->sweep_every_s) == 0);
	app_free(app);
	return 0;
}

static int
prepare_as(const struct pool *pool, enum prepare how)
{
	char why[CONFIG_WHY_MAX];

	if (app_prepare(pool->settings, how, why))
		return 0;
	log_error("%s", why);
	return 1;
}

int
prepare_run(const struct pool *pool)
{
	return prepare_as(pool, PREPARE_MIGRATE);
}

int
check_run(const struct pool *pool)
{
	return prepare_as(pool, PREPARE_CHECK);
}
