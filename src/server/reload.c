/* reload: reads the settings again; if they are valid, new processes take over with them. */
#include "server/reload.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/remedy.h"
#include "server/children.h"
#include "server/config.h"

/* Settings that a reload cannot change: the master uses them, or both old and new processes do. */
static const char *const fixed_settings[] = {
	"state_dir", "database", "socket", "socket_mode", "pid_file", "user", "group", "core_dumps",
};

static void
refuse_reload(struct pool *pool, const char *why)
{
	free(pool->next);
	pool->next = NULL;
	board_count(BOARD_RELOADS_REFUSED);
	log_error("reload refused: %s; the old settings stay in use", why);
}

static bool
setting_is_same(const struct setting *row, const struct settings *a, const struct settings *b)
{
	const char *one = (const char *)a + row->offset, *other = (const char *)b + row->offset;

	return row->size > sizeof(int64_t) ? strcmp(one, other) == 0
					   : memcmp(one, other, row->size) == 0;
}

/* False with a sentence in why if one of those differs. */
static bool
check_fixed(const struct settings *now, const struct settings *next, char why[CONFIG_WHY_MAX])
{
	for (size_t i = 0; i < sizeof(fixed_settings) / sizeof(*fixed_settings); i++) {
		const struct setting *row = config_table;

		while (strcmp(row->name, fixed_settings[i]) != 0)
			row++;
		if (setting_is_same(row, now, next))
			continue;
		(void)snprintf(why, CONFIG_WHY_MAX,
			       "%s cannot be changed by a reload: stop regcredd and start it",
			       row->name);
		return false;
	}
	return true;
}

static bool
read_settings(struct pool *pool, char why[CONFIG_WHY_MAX])
{
	int arg = 1;

	pool->next = malloc(sizeof(*pool->next));
	if (pool->next == NULL) {
		(void)snprintf(why, CONFIG_WHY_MAX, "out of memory");
		return false;
	}
	return config_load(pool->next, pool->argc, pool->argv, &arg, why) &&
	       check_fixed(pool->settings, pool->next, why);
}

void
reload_begin(struct pool *pool)
{
	struct settings *now = pool->settings;
	char why[CONFIG_WHY_MAX];

	pool->reload_wanted =
		pool->next != NULL || pool->replacing ||
		children_in_state(pool, CHILD_DRAINING) + children_in_state(pool, CHILD_STARTING) >
			0;
	if (pool->reload_wanted)
		return; /* one is under way: again after it */
	log_info("reload");
	if (!read_settings(pool, why)) {
		refuse_reload(pool, why);
		return;
	}
	pool->settings = pool->next;
	pool->probe = child_fork(pool, &check_job, BOARD_SLOTS);
	pool->settings = now;
	pool->probe_since_ms = clock_ms();
	if (pool->probe > 0)
		return;
	pool->probe = 0;
	refuse_reload(pool,
		      "the process that checks the settings cannot be started: see the line before "
		      "this one");
}

void
reload_probe_ended(struct pool *pool, int status)
{
	pool->probe = 0;
	if (pool->stopping)
		return;
	if (status != 0) {
		refuse_reload(pool, WIFSIGNALED(status)
					    ? "the process that checks the settings died"
					    : "the settings do not fit the key and the database: "
					      "see the lines before this one");
		return;
	}
	pool->before = pool->settings;
	pool->settings = pool->next;
	pool->next = NULL;
	config_use_log(pool->settings);
	config_warn(pool->settings);
	if (pool->own_socket && listen(pool->listener, (int)pool->settings->backlog) != 0)
		log_warn("cannot set the backlog of the socket: %s; it stays as it was",
			 remedy_text(errno));
	pool->board->loaded_ms = clock_wall_ms();
	pool->board->workers = pool->settings->workers;
	board_count(BOARD_RELOADS);
	children_replace_all(pool);
}
