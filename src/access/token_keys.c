/* token_keys: key sets in files, and how those at URLs get there. */
#include "access/token_keys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "access/token_rule.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/pulse.h"
#include "base/remedy.h"
#include "outbound/fetch.h"

enum {
	KEYS_MAX = 64 * 1024, /* bytes of a set: GitHub's has 10,000 */
	KEYS_FRESH_MS = 10 * 60 * 1000,
	KEYS_PAUSE_MS = 60 * 1000,	  /* between two fetches */
	KEYS_STALE_MS = 24 * 3600 * 1000, /* an issuer that is down does not stop pulls for a day */
	KEYS_RETRY_S = 5,
	LOCK_LOOK_MS = 20,
	WHY_MAX = 512,
};

/* One look for the key set of a rule. */
struct keys_look {
	const struct token_settings *settings;
	struct arena *arena;
	const struct token_rule *rule;
	int64_t now_ms;
	const char *path;	/* of the file */
	const struct json *set; /* NULL: none yet */
	int64_t fetched_ms;
};

static const struct json *
keys_parse(struct arena *a, const char *text, size_t len)
{
	struct json *set = NULL;
	struct error e = {0};

	if (json_parse(a, text, len, &set, &e) != ERR_NONE)
		return NULL;
	const struct json *keys = json_member(set, "keys");
	return keys != NULL && keys->type == JSON_ARRAY ? set : NULL;
}

/* When the file was written. */
static int64_t
changed_ms(const struct stat *st)
{
	return (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

/* A set that was fetched is in its file below the URL that it came from, so that it is nobody
 * else's when the settings have changed. False with a sentence in why. */
static bool
keys_load(struct keys_look *look, char why[WHY_MAX])
{
	static const struct file_rules rules = {.what = "the key set ",
						.max = KEYS_MAX + CONFIG_PATH_MAX};
	char *text = arena_alloc(look->arena, rules.max + 1);
	bool fetched = token_rule_is_url(look->rule);
	struct stat st;

	(void)stpcpy(why, "out of memory");
	if (text == NULL || look->path == NULL)
		return false;
	ssize_t len = file_read(look->path, &rules, text, &st, why, WHY_MAX);
	if (len < 0)
		return false;
	if ((st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
		(void)snprintf(why, WHY_MAX,
			       "others may write to %s, and so put a key into it: chmod go-w %s",
			       look->path, look->path);
		return false;
	}
	size_t url = fetched ? strcspn(text, "\n") : 0;
	if (fetched && (strlen(look->rule->keys) != url || text[url] != '\n' ||
			strncmp(text, look->rule->keys, url) != 0)) {
		(void)stpcpy(why, "it was fetched from another URL");
		return false;
	}
	look->set = keys_parse(look->arena, text + url, (size_t)len - url);
	look->fetched_ms = changed_ms(&st);
	(void)stpcpy(why, "it is not a key set: an object with the array \"keys\"");
	return look->set != NULL;
}

/* Fetches the set. False, logged. */
static bool
keys_fetch(const struct keys_look *look)
{
	static const char *const headers[] = {"Accept: application/json", NULL};
	const struct token_settings *s = look->settings;
	const struct fetch_request request = {.url = look->rule->keys,
					      .headers = headers,
					      .answer_max = KEYS_MAX,
					      .timeout_ms = s->timeout_ms,
					      .ca_file = s->ca_file,
					      .proxy = s->proxy};
	static const struct file_put put = {.mode = 0600, .locked = true};
	struct fetch_answer got = {.body = ""};
	struct fetch *f = fetch_new();
	enum fetch_rc rc = f != NULL ? fetch_do(f, look->arena, &request, &got) : FETCH_EXHAUSTED;
	bool done = rc == FETCH_OK && got.status == 200 &&
		    keys_parse(look->arena, got.body, got.len) != NULL;

	fetch_free(f);
	if (!done) {
		log_warn("[token %s]: %s gives no key set: %s (status %ld)", look->rule->name,
			 look->rule->keys,
			 got.problem != NULL ? got.problem : "not JSON as expected", got.status);
		return false;
	}
	const char *text = arena_printf(look->arena, "%s\n%s", look->rule->keys, got.body);
	done = text != NULL && file_write(look->path, text, strlen(text), &put);
	if (!done)
		log_error("[token %s]: cannot write %s: %s", look->rule->name, look->path,
			  text != NULL ? remedy_text(errno) : "out of memory");
	return done;
}

/* Waits for its turn, but not longer than a fetch may take. */
static bool
keys_lock(const struct keys_look *look, int fd)
{
	const struct timespec pause = {.tv_nsec = LOCK_LOOK_MS * 1000000L};
	int64_t end_ms = clock_ms() + look->settings->timeout_ms;
	bool busy = pulse_pause(), locked;

	while (!(locked = flock(fd, LOCK_EX | LOCK_NB) == 0) && errno == EWOULDBLOCK &&
	       clock_ms() < end_ms)
		(void)nanosleep(&pause, NULL);
	pulse_resume(busy);
	return locked;
}

/* Whether a minute has passed since the last fetch, whose time is the one of the lock file; notes a
 * new one. A file without text was never used. */
static bool
keys_are_due(const struct keys_look *look, int fd)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return false;
	int64_t last_ms = changed_ms(&st);
	if (st.st_size > 0 && last_ms <= look->now_ms && look->now_ms - last_ms < KEYS_PAUSE_MS)
		return false;
	return pwrite(fd, "\n", 1, 0) == 1;
}

/* Fetches the set if it is time to. Who waited for another's fetch finds it in the file. */
static void
keys_refresh(struct keys_look *look)
{
	const struct token_settings *s = look->settings;
	const char *path = arena_printf(look->arena, "%s.lock", look->path);
	int fd;

	if (path == NULL || (s->seats != NULL && !seats_take(s->seats, look->rule->project_id)))
		return;
	fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0)
		log_error("cannot open %s: %s", path, remedy_text(errno));
	else if (keys_lock(look, fd) && keys_are_due(look, fd))
		(void)keys_fetch(look);
	if (fd >= 0)
		(void)close(fd);
	if (s->seats != NULL)
		seats_leave(s->seats, look->rule->project_id);
}

/* Rules with the same URL share its set: the first one gives it its name. */
static const char *
keys_path(const struct token_settings *s, struct arena *a, const struct token_rule *rule)
{
	size_t first = 0;

	if (!token_rule_is_url(rule))
		return rule->keys;
	while (strcmp(s->rules[first].keys, rule->keys) != 0)
		first++;
	return arena_printf(a, "%s/token-keys-%s", s->state_dir, s->rules[first].name);
}

static bool
keys_are_old(const struct keys_look *look, int64_t age_ms)
{
	return look->set == NULL || look->now_ms - look->fetched_ms >= age_ms ||
	       look->fetched_ms > look->now_ms + KEYS_PAUSE_MS;
}

enum err
token_keys_read(const struct token_settings *s, struct arena *a, const struct token_rule *rule,
		bool newer, int64_t now_ms, const struct json **out, struct error *e)
{
	struct keys_look look = {.settings = s,
				 .arena = a,
				 .rule = rule,
				 .now_ms = now_ms,
				 .path = keys_path(s, a, rule)};
	bool url = token_rule_is_url(rule);
	char why[WHY_MAX];
	bool loaded = !(url && newer) && keys_load(&look, why);

	if (url && !arena_failed(a) && (newer || keys_are_old(&look, KEYS_FRESH_MS))) {
		keys_refresh(&look);
		loaded = keys_load(&look, why);
		if (loaded && keys_are_old(&look, KEYS_STALE_MS)) {
			(void)stpcpy(why, "it is older than a day and could not be fetched again");
			loaded = false;
		}
	}
	*out = look.set;
	if (arena_failed(a))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (loaded)
		return ERR_NONE;
	log_error("[token %s]: no key set: %s", rule->name, why);
	e->retry_after_s = KEYS_RETRY_S;
	return err_set(
		e, ERR_UNAVAILABLE, NULL,
		"The keys of the token's issuer are not available at the moment: try again later, "
		"and ask an administrator to look at the server's log.");
}
