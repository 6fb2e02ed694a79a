/* sources: see the header. */
#include "support/sources.h"

#include <check.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json_in.h"
#include "renew/ask.h"

#include "support/support.h"

enum { CLOSED_PORT = 1 };

static pid_t server;
static int to_server;
static unsigned port;

struct renew_settings sources_settings;

/* It ends with its standard input, and so with this program. */
void
sources_start(void)
{
	char text[16] = "";
	int in[2], out[2];
	char *path = source_path("tests/api/sources.py");

	ck_assert(pipe(in) == 0 && pipe(out) == 0);
	server = fork();
	ck_assert_int_ge(server, 0);
	if (server == 0) {
		const char *python = getenv("PYTHON");

		(void)dup2(in[0], STDIN_FILENO);
		(void)dup2(out[1], STDOUT_FILENO);
		for (int fd = STDERR_FILENO + 1; fd < 64; fd++)
			(void)close(fd);
		execlp(python != NULL ? python : "python3", "python3", "-B", path, (char *)NULL);
		_exit(127);
	}
	free(path);
	(void)close(in[0]);
	(void)close(out[1]);
	to_server = in[1];
	for (size_t len = 0; strchr(text, '\n') == NULL; len++) {
		ck_assert_uint_lt(len, sizeof(text) - 1);
		ck_assert_int_eq(read(out[0], text + len, 1), 1);
	}
	(void)close(out[0]);
	port = (unsigned)strtoul(text, NULL, 10);
	ck_assert_uint_ne(port, 0);
}

void
sources_stop(void)
{
	(void)close(to_server);
	(void)waitpid(server, NULL, 0);
}

const char *
sources_url(struct arena *a, const char *name, const char *fault)
{
	return arena_printf(a, "%s://127.0.0.1:%u/%s/%s",
			    strcmp(fault, "tls") == 0 ? "https" : "http",
			    strcmp(fault, "closed") == 0 ? CLOSED_PORT : port, name, fault);
}

/* The text with each URL(NAME,FAULT) replaced. */
static const char *
with_urls(struct arena *a, const char *text)
{
	const char *place;

	while ((place = strstr(text, "URL(")) != NULL) {
		const char *name = place + strlen("URL("), *comma = strchr(name, ',');
		const char *end = strchr(name, ')');
		const char *url = sources_url(a, arena_copy(a, name, (size_t)(comma - name)),
					      arena_copy(a, comma + 1, (size_t)(end - comma - 1)));

		text = arena_printf(a, "%.*s%s%s", (int)(place - text), text, url, end + 1);
	}
	return text;
}

struct renewal
sources_renewal(struct arena *a, const struct source_row *source, const char *config,
		const char *address)
{
	struct error e = {0};
	char *text = arena_strdup(a, with_urls(a, config));

	for (char *c = text; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	sources_settings = (struct renew_settings){.networks = "127.0.0.0/8",
						   .ca_file = "",
						   .proxy = "",
						   .timeout_ms = 5000,
						   .programs = "",
						   .metadata = "",
						   .environment = "",
						   .tokens_dir = ""};
	struct renewal r = {.settings = &sources_settings,
			    .arena = a,
			    .fetch = fetch_new(),
			    .config = rig_json(a, text),
			    .address = address,
			    .login_id = 7,
			    .now_ms = clock_wall_ms(),
			    .deadline_ms = clock_ms() + 5000};
	ck_assert_ptr_nonnull(r.fetch);
	if (source != NULL)
		ck_assert_msg(source_check(source, r.config, a, &e) == ERR_NONE, "%s: %s", text,
			      e.detail);
	return r;
}

const char *
sources_get(struct arena *a, const char *name, const char *path)
{
	struct renewal r = sources_renewal(a, NULL, "{}", "reg.test");
	const char *url = arena_printf(a, "%s/%s", sources_url(a, name, "right"), path);
	const struct ask q = {.url = url, .text = true};
	struct ask_answer answer;

	r.deadline_ms += 60000; /* it may have to make a key */
	ck_assert_int_eq(ask(&r, &q, &answer), RENEW_REFRESHED);
	sources_renewal_end(&r);
	return answer.body;
}

void
sources_renewal_end(struct renewal *r)
{
	fetch_free(r->fetch);
}

void
sources_fetch(struct renewal *r, enum source_id id, enum renew_result wanted, const char *message)
{
	enum renew_result result = sources[id].fetch(r);
	const char *told = r->message != NULL ? r->message : "";

	ck_assert_msg(result == wanted, "%s: %s", renew_result_word(result), told);
	ck_assert_msg(strstr(told, message) != NULL, "%s", told);
	if (r->source_secret != NULL && *r->source_secret != '\0')
		ck_assert_msg(strstr(told, r->source_secret) == NULL, "%s", told);
	if (result == RENEW_REFRESHED)
		ck_assert(r->new_secret != NULL && *r->new_secret != '\0');
}

enum renew_result
sources_fetch_failing(struct renewal *r, enum source_id id, unsigned n, bool *failed)
{
	r->arena = arena_new(RIG_ARENA);
	ck_assert_ptr_nonnull(r->arena);
	r->deadline_ms = clock_ms() + 5000;
	arena_fail_at(r->arena, n);
	enum renew_result result = sources[id].fetch(r);
	*failed = arena_failed(r->arena);
	ck_assert_msg(*failed || result == RENEW_REFRESHED, "%s: %s", renew_result_word(result),
		      r->message != NULL ? r->message : "");
	arena_free(r->arena);
	return result;
}

void
sources_fail_each(struct renewal *r, enum source_id id, void (*begin)(void), unsigned most)
{
	bool failed = true;

	for (unsigned n = 1; failed; n++) {
		ck_assert_uint_le(n, most);
		begin();
		(void)sources_fetch_failing(r, id, n, &failed);
		sources_renewal_end(r);
	}
}

const char *
sources_state(struct arena *a, const char *name, const char *path, const char *member)
{
	struct renewal r = sources_renewal(a, NULL, "{}", "registry.example");
	const char *url = sources_url(a, name, "right");
	const struct ask q = {.url = arena_printf(a, "%s%s", url, path)};
	struct ask_answer answer;

	ck_assert_int_eq(ask(&r, &q, &answer), RENEW_REFRESHED);
	sources_renewal_end(&r);
	return json_at(a, answer.document, member);
}

const struct sources_fault sources_faults[SOURCES_FAULTS] = {
	{"html", RENEW_BAD_ANSWER},	   {"long", RENEW_BAD_ANSWER},
	{"throttled", RENEW_RATE_LIMITED}, {"broken", RENEW_UNREACHABLE},
	{"redirect", RENEW_BAD_ANSWER},	   {"empty", RENEW_BAD_ANSWER},
	{"array", RENEW_BAD_ANSWER},	   {"drop-before", RENEW_UNREACHABLE},
	{"hang-before", RENEW_TIMEOUT},	   {"skewed", RENEW_CLOCK_SKEW},
};
