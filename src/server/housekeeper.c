/* housekeeper: the housekeeper process of the pool. */
#include "server/housekeeper.h"

#include <signal.h>
#include <sys/wait.h>

#include "base/log.h"
#include "base/settings.h"
#include "server/child.h"
#include "server/pool_state.h"
#include "service/app.h"
#include "service/housekeeper.h"

/* Between two steps of a pass: false if it has been told to end. */
static bool
housekeeper_goes_on(void *arg)
{
	const struct pool *const *pool = arg;
	sigset_t set;

	child_tick(*pool);
	return sigpending(&set) != 0 ||
	       (sigismember(&set, SIGTERM) != 1 && sigismember(&set, SIGUSR1) != 1);
}

int
housekeeper_run(const struct pool *pool)
{
	enum { STEP_S = 10 }; /* refused sign-ins are written so soon after their minute */
	int64_t every = pool->settings->sweep_every_s, waited = every;
	int64_t step = every < STEP_S ? every : STEP_S;
	char why[CONFIG_WHY_MAX];
	struct app *app = app_new(pool->settings, why);

	if (app == NULL) {
		log_error("the housekeeper cannot start: %s", why);
		return 1;
	}
	app_use_refusals(app, pool->refusals);
	child_tell_ready(pool);
	/* Both log what they could not do. */
	do {
		(void)app_write_refusals(app, false);
		if (waited >= every) {
			(void)app_sweep(app, housekeeper_goes_on, &pool);
			waited = 0;
		}
		waited += step;
	} while (child_wait_for_end(pool, step) == 0);
	(void)app_write_refusals(app, true);
	app_free(app);
	return 0;
}

int
prepare_run(const struct pool *pool)
{
	char why[CONFIG_WHY_MAX];

	if (app_prepare(pool->settings, PREPARE_MIGRATE, why))
		return 0;
	log_error("%s", why);
	return 1;
}
