/* status: one pass over the scoreboard and the database writes a JSON object; the text report
 * prints the same members as lines. */
#include "service/status.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "access/identity.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/disk.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/settings.h"
#include "base/text.h"
#include "model/date.h"
#include "model/schema.h"
#include "model/source.h"
#include "resource/resource.h"
#include "secret/keyring.h"
#include "service/app.h"
#include "service/expiry.h"
#include "service/sealed.h"
#include "shared/board.h"
#include "store/store.h"

enum {
	STATUS_ARENA_MAX = 16 * 1024 * 1024,
	SILENT_MS = 10000, /* the master shows that it is alive each second */
	PROBLEM_SIZE = CONFIG_WHY_MAX,
};

struct status_walk {
	const struct settings *settings;
	struct arena *arena;
	struct json_out w;
	int64_t now_ms;
	bool pool_runs;
	char problem[PROBLEM_SIZE]; /* the first one; "" for none */
};

static void
status_complain(struct status_walk *s, const char *what)
{
	if (s->problem[0] == '\0')
		(void)snprintf(s->problem, sizeof(s->problem), "%s", what);
}

static void
put_int(struct status_walk *s, const char *name, int64_t number)
{
	json_name(&s->w, name);
	json_int(&s->w, number);
}

static void
status_put_text(struct status_walk *s, const char *name, const char *text)
{
	json_name(&s->w, name);
	json_string(&s->w, text);
}

/* 0: never. */
static void
put_time(struct status_walk *s, const char *name, int64_t ms)
{
	char text[21];

	if (ms != 0)
		date_format(ms, text);
	status_put_text(s, name, ms != 0 ? text : NULL);
}

/* ---- the pool ---- */

static bool
is_alive(const struct board *b)
{
	int64_t silent = clock_ms() - b->tick_ms;

	return b->master > 0 && (kill(b->master, 0) == 0 || errno == EPERM) && silent >= 0 &&
	       silent < SILENT_MS;
}

static void
put_process(struct status_walk *s, const struct board_slot *slot)
{
	static const char *const states[] = {"", "waiting to start", "starting", "ready",
					     "draining"};
	static const char *const jobs[] = {"worker", "housekeeper", "refresher"};
	int32_t state = slot->state, job = slot->job;

	json_begin_object(&s->w);
	status_put_text(s, "job", jobs[job >= 0 && job <= BOARD_REFRESHER ? job : BOARD_WORKER]);
	put_int(s, "pid", slot->pid);
	status_put_text(s, "state",
			state >= CHILD_DUE && state <= CHILD_DRAINING ? states[state] : "?");
	put_time(s, "since", slot->since_ms);
	put_int(s, "requests", (int64_t)slot->requests);
	put_int(s, "running", slot->running);
	put_int(s, "silentMs", clock_ms() - slot->tick_ms);
	json_end_object(&s->w);
}

static void
put_processes(struct status_walk *s, const struct board *b)
{
	int64_t ready = 0;

	json_name(&s->w, "processes");
	json_begin_array(&s->w);
	for (size_t i = 0; i < BOARD_SLOTS; i++) {
		if (b->slots[i].state == CHILD_NONE)
			continue;
		put_process(s, &b->slots[i]);
		ready += b->slots[i].state == CHILD_READY && b->slots[i].job == BOARD_WORKER;
	}
	json_end_array(&s->w);
	if (ready == 0)
		status_complain(s, "no worker is ready: see the log of regcredd");
}

static void
put_last_death(struct status_walk *s, const struct board *b)
{
	int status = b->died_status;

	json_name(&s->w, "lastDeath");
	if (b->died_ms == 0) {
		json_null(&s->w);
		return;
	}
	json_begin_object(&s->w);
	put_time(s, "at", b->died_ms);
	put_int(s, "pid", b->died_pid);
	status_put_text(s, "why",
			b->died_hanging ? "killed because it hung"
					: (WIFSIGNALED(status) ? "signal" : "exit status"));
	put_int(s, "number", WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	json_end_object(&s->w);
}

/* The last pass of the pool's housekeeper. */
static void
put_housekeeping(struct status_walk *s, const struct board *b)
{
	json_name(&s->w, "housekeeping");
	if (b == NULL || b->swept_ms == 0) {
		json_null(&s->w);
		return;
	}
	json_begin_object(&s->w);
	put_time(s, "ended", b->swept_ms);
	put_int(s, "rows", b->swept_rows);
	json_end_object(&s->w);
}

/* A pool cannot be reached if the file of its socket is gone or was replaced; the pool itself
 * creates it again. */
static void
look_for_socket(struct status_walk *s, const struct board *b)
{
	struct stat found;

	if (b->socket_lost || (b->own_socket && lstat(s->settings->socket, &found) != 0))
		status_complain(
			s, "the socket of the pool is gone or belongs to another program: restart "
			   "regcredd");
}

static void
put_pool(struct status_walk *s)
{
	char path[CONFIG_PATH_MAX + 32];

	(void)snprintf(path, sizeof(path), BOARD_FILE, s->settings->state_dir);
	struct board *b = board_open(path);
	s->pool_runs = b != NULL && is_alive(b);
	json_name(&s->w, "pool");
	if (s->pool_runs) {
		json_begin_object(&s->w);
		put_int(s, "master", b->master);
		status_put_text(s, "version", b->version);
		put_time(s, "started", b->started_ms);
		put_time(s, "configured", b->loaded_ms);
		put_int(s, "workers", b->workers);
		put_processes(s, b);
		look_for_socket(s, b);
		put_int(s, "deaths", (int64_t)b->counters[BOARD_DEATHS]);
		put_last_death(s, b);
		put_int(s, "reloads", (int64_t)b->counters[BOARD_RELOADS]);
		put_int(s, "reloadsRefused", (int64_t)b->counters[BOARD_RELOADS_REFUSED]);
		json_end_object(&s->w);
	} else {
		json_null(&s->w);
	}
	put_housekeeping(s, s->pool_runs ? b : NULL);
	board_close(b);
}

/* ---- the database ---- */

/* Rows by type and state: {"registryCredential": {"active": 3, ...}, ...}; and how many are due. */
static void
put_rows(struct status_walk *s, const struct context *c)
{
	int64_t due = 0;

	json_name(&s->w, "rows");
	json_begin_array(&s->w);
	for (size_t i = 0; families[i] != NULL; i++) {
		if ((families[i]->columns & COL_BIT(COL_STATE)) == 0)
			continue;
		struct state_count *counts;
		size_t count;

		if (store_count_states(c->store, s->arena, families[i], s->now_ms, &counts,
				       &count) != STORE_OK) {
			status_complain(
				s,
				"the rows of the database cannot be counted: run `regcred check`");
			break;
		}
		for (size_t k = 0; k < count; k++) {
			json_begin_object(&s->w);
			status_put_text(s, "type", type_of_row(families[i], counts[k].kind)->id);
			status_put_text(s, "state", counts[k].state);
			put_int(s, "count", counts[k].rows);
			json_end_object(&s->w);
			due += counts[k].due;
		}
	}
	json_end_array(&s->w);
	put_int(s, "due", due);
}

static void
put_doubles(struct status_walk *s, const struct context *c)
{
	int64_t doubles;

	if (store_count_doubles(c->store, types_table[T_REGISTRY_CREDENTIAL].kind, &doubles) !=
	    STORE_OK)
		status_complain(s, "the logins cannot be compared: run `regcred check`");
	put_int(s, "doubles", doubles);
}

/* Logins that renew themselves, and what ends soon. */
static void
put_expiry(struct status_walk *s, const struct context *c)
{
	struct board_expiry found = {0};

	if (expiry_look(c->store, s->arena, s->now_ms, &found) != STORE_OK)
		status_complain(s, "what ends soon cannot be counted: run `regcred check`");
	json_name(&s->w, "expiry");
	json_begin_object(&s->w);
	for (size_t i = 0; i < BOARD_WITHIN; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "loginsWithin%s", board_within_names[i]);
		put_int(s, name, found.logins[i]);
		(void)snprintf(name, sizeof(name), "keysWithin%s", board_within_names[i]);
		put_int(s, name, found.keys[i]);
	}
	put_time(s, "nextEnd", found.next_ms[BOARD_SOURCES]);
	json_end_object(&s->w);
	json_name(&s->w, "renewal");
	json_begin_object(&s->w);
	put_int(s, "overdue", found.overdue);
	put_time(s, "firstDue", found.first_due_ms);
	for (size_t i = 0; i < SOURCE__COUNT; i++)
		if (found.next_ms[i] != 0)
			put_time(s, source_table[i].name, found.next_ms[i]);
	json_end_object(&s->w);
	if (found.overdue > 0)
		status_complain(s, "logins could not be renewed and end soon: GET "
				   "registryCredentials?refreshResult_ne=refreshed names them");
}

static void
put_keys(struct status_walk *s, const struct context *c)
{
	struct sealing_key keys[KEYRING_MAX];
	struct key_rows rows[KEY_ROWS_MAX];
	size_t key_count = keyring_sealing(c->ring, keys), count = 0;

	if (sealed_count(c->store, rows, &count) != STORE_OK)
		status_complain(s, "the sealed values cannot be counted: run `regcred check`");
	json_name(&s->w, "keys");
	json_begin_array(&s->w);
	for (size_t k = 0; k < key_count; k++) {
		int64_t sealed = 0;

		for (size_t i = 0; i < count; i++)
			sealed += rows[i].id == keys[k].id ? rows[i].rows : 0;
		json_begin_object(&s->w);
		put_int(s, "id", keys[k].id);
		json_name(&s->w, "primary");
		json_bool(&s->w, keys[k].primary);
		put_int(s, "sealed", sealed);
		json_end_object(&s->w);
	}
	json_end_array(&s->w);
}

static void
put_database(struct status_walk *s, const struct context *c)
{
	struct gauge gauges[STORE_GAUGES_MAX];
	size_t count = store_gauges(c->store, gauges);

	json_name(&s->w, "database");
	json_begin_object(&s->w);
	status_put_text(s, "path", s->settings->database);
	for (size_t i = 0; i < count; i++)
		put_int(s, gauges[i].name, gauges[i].value);
	if (store_is_file(s->settings->database))
		put_int(s, "freeBytes", disk_free_bytes(s->settings->database));
	json_end_object(&s->w);
	if (store_is_low(c->store))
		status_complain(s, "less than min_free_bytes is left on the disk: changes are "
				   "refused until space is freed");
	put_rows(s, c);
	put_doubles(s, c);
	put_expiry(s, c);
	put_keys(s, c);
}

static void
look_into_database(struct status_walk *s)
{
	char why[CONFIG_WHY_MAX];
	struct identity id;
	struct context c;
	struct app *app = app_new(s->settings, why);

	if (app == NULL) {
		status_complain(s, why);
		return;
	}
	app_local(app, s->arena, &id, &c);
	s->now_ms = c.now_ms;
	put_database(s, &c);
	app_free(app);
}

/* ---- for people ---- */

static bool
is_scalar(const struct json *value)
{
	return value->type != JSON_OBJECT && value->type != JSON_ARRAY;
}

/* Prints a value as text. */
static void
print_value(const struct json *m, FILE *out)
{
	(void)fputc(' ', out);
	text_print_plain(out, m->text != NULL ? m->text : "-");
}

/* "name value  name value". */
static void
print_line(const struct json *object, FILE *out)
{
	for (const struct json *m = object->child; m != NULL; m = m->next) {
		(void)fprintf(out, "%s%s", m == object->child ? "" : "  ", m->name);
		print_value(m, out);
	}
	(void)fputc('\n', out);
}

/* A simple member on one line; an object or list indented below its name, one item per line. */
static void
print_members(const struct json *object, const char *indent, FILE *out)
{
	for (const struct json *m = object->child; m != NULL; m = m->next) {
		(void)fprintf(out, "%s%s:", indent, m->name);
		if (is_scalar(m)) {
			print_value(m, out);
			(void)fputc('\n', out);
			continue;
		}
		(void)fputc('\n', out);
		if (m->type == JSON_OBJECT) {
			print_members(m, "  ", out);
			continue;
		}
		for (const struct json *item = m->child; item != NULL; item = item->next) {
			(void)fprintf(out, "%s  ", indent);
			print_line(item, out);
		}
	}
}

static bool
print(struct status_walk *s, bool json, FILE *out)
{
	struct error e = {0};
	struct json *tree;
	size_t len;
	const char *text = json_out_text(&s->w, &len);

	if (text == NULL)
		return false;
	if (json)
		return fprintf(out, "%s\n", text) >= 0;
	if (json_parse(s->arena, text, len, &tree, &e) != ERR_NONE)
		return false;
	print_members(tree, "", out);
	return fflush(out) == 0;
}

enum status
status_report(const struct settings *settings, bool json, FILE *out)
{
	struct status_walk s = {.settings = settings, .arena = arena_new(STATUS_ARENA_MAX)};
	enum status status = STATUS_UNHEALTHY;

	if (s.arena == NULL)
		return STATUS_UNHEALTHY;
	json_out_init(&s.w, s.arena);
	json_begin_object(&s.w);
	put_pool(&s);
	look_into_database(&s);
	status_put_text(&s, "problem", s.problem[0] != '\0' ? s.problem : NULL);
	json_end_object(&s.w);
	if (print(&s, json, out) && s.problem[0] == '\0')
		status = s.pool_runs ? STATUS_HEALTHY : STATUS_NO_POOL;
	arena_free(s.arena);
	return status;
}
