/* exec: asks a program that the settings list, by one of three protocols.
 *
 * docker: "get" and the registry's name as docker's credential helpers have it; kubelet: an image
 * credential provider; kubectl: a client-go credential plugin.  A program is asked for a registry
 * and nothing else.
 */
#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/http.h"
#include "base/json_out.h"
#include "base/log.h"
#include "model/date.h"
#include "registry/claims.h"
#include "registry/url.h"
#include "renew/ask.h"
#include "renew/program.h"
#include "renew/sources.h"

enum { EXEC_MS = 20 * 1000, VARIABLES_MAX = LIST_ITEMS_MAX + 2 };

#define EXEC_KUBELET_API "credentialprovider.kubelet.k8s.io/v1"
#define EXEC_KUBECTL_API "client.authentication.k8s.io/v1"

/* What is asked. */

/* A container engine's name for the registry: that of Docker Hub is a URL. */
static const char *
exec_ask_docker(struct renewal *r, const struct registry_url *url)
{
	return arena_strdup(r->arena, url->hub ? "https://index.docker.io/v1/" : url->key);
}

static const char *
exec_ask_kubelet(struct renewal *r, const struct registry_url *url)
{
	return json_strings(r->arena, "apiVersion", EXEC_KUBELET_API, "kind",
			    "CredentialProviderRequest", "image", url->key);
}

static const char *
exec_ask_kubectl(struct renewal *r, const struct registry_url *url)
{
	(void)url;
	return arena_strdup(r->arena, "");
}

/* What is answered. */

static enum renew_result
exec_bad(struct renewal *r, const char *sentence)
{
	return ask_end(r, RENEW_BAD_ANSWER, sentence, NULL);
}

/* Where the program says no end, a token may say its own; else lifetimeSeconds counts. */
static enum renew_result
exec_life(struct renewal *r)
{
	int64_t life_s = 0;
	double seconds;

	if (r->expires_ms != 0)
		return RENEW_REFRESHED;
	if (ask_number(claims_read(r->arena, r->new_secret), "exp", &seconds))
		return ask_expires(r, &(struct ask_answer){0}, seconds * 1000);
	if (!ask_setting(r, "lifetimeSeconds", "seconds", 1, ASK_EVERY_MAX_S, &life_s))
		return ask_misconfigured(r, r->message);
	if (life_s == 0)
		return ask_misconfigured(r,
					 "The program does not say how long its secret lives: set "
					 "lifetimeSeconds in sourceConfig.");
	return ask_lasts(r, (double)life_s);
}

static enum renew_result
exec_take_docker(struct renewal *r, const struct registry_url *url, const struct json *answer)
{
	const char *server = ask_text(answer, "ServerURL");
	struct registry_url other;

	if (server != NULL && registry_url_parse(r->arena, server, &other) == NULL &&
	    strcmp(other.key, url->key) != 0)
		return exec_bad(r, "The program's answer is a login for another registry.");
	r->new_user = ask_text(answer, "Username");
	r->new_secret = ask_secret(answer, "Secret");
	if (r->new_user == NULL || r->new_secret == NULL)
		return exec_bad(r, "The program's answer lacks Username or Secret.");
	return exec_life(r);
}

/* Whether the host of a pattern such as "*.dkr.ecr.*.amazonaws.com/acme" is the registry's: a star
 * is within one label, as for the kubelet. */
static bool
exec_matches(struct arena *a, const char *pattern, const char *key)
{
	char *host = arena_strdup(a, key), *wanted;
	struct registry_url url;

	if (registry_url_parse(a, pattern, &url) == NULL && strcmp(url.key, key) == 0)
		return true; /* of the names of one registry */
	wanted = arena_printf(a, "%.*s", (int)strcspn(pattern, "/"), pattern);
	if (host == NULL || wanted == NULL)
		return false;
	for (char *p = host; *p != '\0'; p++)
		*p = *p == '.' ? '/' : *p;
	for (char *p = wanted; *p != '\0'; p++)
		*p = *p == '.' ? '/' : *p;
	return fnmatch(wanted, host, FNM_PATHNAME | FNM_CASEFOLD) == 0;
}

/* A duration as Go writes it, "12h", "1h30m0s", in seconds; negative if it is none. */
static double
exec_duration(const char *text)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"ns", 1e-9}, {"us", 1e-6}, {"ms", 1e-3}, {"h", 3600}, {"m", 60}, {"s", 1}};
	double sum = 0;

	if (strcmp(text, "0") == 0)
		return 0;
	while (*text != '\0') {
		char *end;
		size_t i = 0;
		double number = strtod(text, &end);

		/* Nothing but digits and a point. */
		if (end == text || strspn(text, DIGITS ".") != (size_t)(end - text))
			return -1;
		while (i < sizeof(units) / sizeof(*units) &&
		       strncmp(end, units[i].unit, strlen(units[i].unit)) != 0)
			i++;
		if (i == sizeof(units) / sizeof(*units))
			return -1;
		sum += number * units[i].seconds;
		text = end + strlen(units[i].unit);
	}
	return sum;
}

static enum renew_result
exec_take_kubelet(struct renewal *r, const struct registry_url *url, const struct json *answer)
{
	const char *kind = ask_text(answer, "kind"), *lasts = ask_text(answer, "cacheDuration");
	double seconds = lasts != NULL ? exec_duration(lasts) : 0;
	const struct json *logins = json_member(answer, "auth");
	const struct json *login = logins != NULL ? logins->child : NULL;

	if (kind == NULL || strcmp(kind, "CredentialProviderResponse") != 0)
		return exec_bad(r, "The program's answer is not a CredentialProviderResponse.");
	while (login != NULL &&
	       (login->name == NULL || !exec_matches(r->arena, login->name, url->key)))
		login = login->next;
	if (login == NULL)
		return exec_bad(r, "The program's answer has no login for this registry.");
	r->new_user = ask_text(login, "username");
	r->new_secret = ask_secret(login, "password");
	if (r->new_user == NULL || r->new_secret == NULL)
		return exec_bad(r, "The program's answer lacks username or password.");
	/* 0: a kubelet may not keep it, which says nothing of its life. */
	if (seconds < 0 || (seconds > 0 && ask_lasts(r, seconds) != RENEW_REFRESHED))
		return exec_bad(r, "The program's cacheDuration is not a duration.");
	return exec_life(r);
}

static enum renew_result
exec_take_kubectl(struct renewal *r, const struct registry_url *url, const struct json *answer)
{
	const struct json *status = json_member(answer, "status");
	const char *ends = ask_text(status, "expirationTimestamp");
	int64_t ms;

	(void)url;
	r->new_secret = ask_secret(status, "token");
	if (r->new_secret == NULL)
		return exec_bad(r, "The program's answer lacks status.token.");
	if (r->user == NULL)
		return ask_misconfigured(
			r, "The program gives a token without a user name: set publicValue.");
	if (ends == NULL)
		return exec_life(r);
	if (!date_parse(ends, r->now_ms, &ms))
		return exec_bad(r, "The program's expirationTimestamp is not a date.");
	return ask_expires(r, &(struct ask_answer){0}, (double)ms);
}

/* By enum program_style. */
static const struct exec_style {
	const char *argument; /* NULL: none */
	const char *variable; /* NULL: none */
	const char *(*ask)(struct renewal *r, const struct registry_url *url);
	enum renew_result (*take)(struct renewal *r, const struct registry_url *url,
				  const struct json *answer);
} exec_styles[PROGRAM__COUNT] = {
	[PROGRAM_DOCKER] = {"get", NULL, exec_ask_docker, exec_take_docker},
	[PROGRAM_KUBELET] = {NULL, NULL, exec_ask_kubelet, exec_take_kubelet},
	[PROGRAM_KUBECTL] = {NULL,
			     "KUBERNETES_EXEC_INFO={\"apiVersion\":\"" EXEC_KUBECTL_API
			     "\",\"kind\":\"ExecCredential\",\"spec\":{\"interactive\":false}}",
			     exec_ask_kubectl, exec_take_kubectl},
};

/* What a program says on its way out. */

/* Of docker's credential helpers, which print it to stdout. */
static const struct {
	const char *text;
	enum renew_result result;
	const char *sentence;
} exec_known[] = {
	{"credentials not found in native keychain", RENEW_SOURCE_REFUSED,
	 "The program has no login for this registry."},
	{"no credentials server URL", RENEW_BAD_ANSWER,
	 "The program did not take the registry's name: is it a credential helper of docker?"},
	{"no credentials username", RENEW_SOURCE_REFUSED,
	 "The program's login for this registry has no user name."},
};

/* Whether a text that ends here may hold a secret behind it. */
static bool
exec_warns_of_secret(const char *word, size_t len)
{
	static const char *const words[] = {"pass", "pwd",  "secret", "token", "key",
					    "auth", "cred", "bearer", "basic", "pin"};

	for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
		for (size_t at = 0; at + strlen(words[i]) <= len; at++)
			if (strncasecmp(word + at, words[i], strlen(words[i])) == 0)
				return true;
	return false;
}

/* The first line of a text, with three dots for each word that may be a secret; NULL if there is
 * too little to read.  A word is shown if it is one of letters and short, or a small number,
 * besides what punctuation is around it. */
static const char *
exec_harmless(struct arena *a, const char *text)
{
	enum { LINE_MAX_SHOWN = 256, WORD_MAX = 12, NUMBER_MAX = 5, WORDS_MIN = 3 };
	static const char around[] = ".:,;()'\"";
	const char *end = text + strcspn(text, "\r\n"), *line = "";
	size_t words = 0;

	if (end > text + LINE_MAX_SHOWN)
		end = text + LINE_MAX_SHOWN;
	while ((text += strspn(text, " \t")) < end) {
		size_t len = strcspn(text, " \t\r\n"), before = strspn(text, around), n;

		if (len > (size_t)(end - text))
			break; /* cut */
		before = before < len ? before : len;
		for (n = len - before; n > 0 && strchr(around, text[before + n - 1]) != NULL;)
			n--;
		bool plain = n <= WORD_MAX && strspn(text + before, LETTERS) >= n;
		bool warns = exec_warns_of_secret(text + before, n);

		words += plain && n > 0;
		if (warns || !(plain || (n <= NUMBER_MAX && strspn(text + before, DIGITS) >= n)))
			line = arena_printf(a, "%s%s%.*s...%.*s", line, *line != '\0' ? " " : "",
					    (int)before, text, (int)(len - before - n),
					    text + before + n);
		else
			line = arena_printf(a, "%s%s%.*s", line, *line != '\0' ? " " : "", (int)len,
					    text);
		if (warns || line == NULL)
			break;
		text += len;
	}
	return words >= WORDS_MIN ? line : NULL;
}

/* One line for the administrator.  A program that gave a secret has nothing to add to it. */
static void
exec_log(struct renewal *r, const struct program *program, const struct program_run *run,
	 const char *what)
{
	const char *line = *run->errors != '\0' ? exec_harmless(r->arena, run->errors) : "";

	if (line == NULL)
		line = "what it wrote to stderr is not shown, as it may be a secret";
	log_warn("the program %s of refresh_programs %s%s%s", program->name, what,
		 *line != '\0' ? ": " : "", line);
}

static enum renew_result
exec_exited(struct renewal *r, const struct program *program, const struct program_run *run)
{
	size_t len = strlen(run->output);

	exec_log(r, program, run, arena_printf(r->arena, "ended with status %d", run->status));
	while (len > 0 && strchr(" \t\r\n", run->output[len - 1]) != NULL)
		len--;
	for (size_t i = 0; i < sizeof(exec_known) / sizeof(*exec_known); i++)
		if (strlen(exec_known[i].text) == len &&
		    memcmp(run->output, exec_known[i].text, len) == 0)
			return ask_end(r, exec_known[i].result, exec_known[i].sentence, NULL);
	return exec_bad(r, arena_printf(r->arena,
					"The program ended with status %d; the log may say why.",
					run->status));
}

static enum renew_result
exec_ended(struct renewal *r, const struct program *program, const struct program_run *run,
	   enum program_end end)
{
	switch (end) {
	case PROGRAM_EXITED:
		return exec_exited(r, program, run);
	case PROGRAM_CRASHED:
		exec_log(r, program, run,
			 arena_printf(r->arena, "crashed with signal %d", run->status));
		return exec_bad(r, arena_printf(r->arena, "The program crashed with signal %d.",
						run->status));
	case PROGRAM_LATE:
		exec_log(r, program, run, "did not end in time, and was killed");
		return ask_end(r, RENEW_TIMEOUT, "The program did not end in time.", NULL);
	case PROGRAM_TALKED:
		exec_log(r, program, run, "printed more than 64 KiB, and was killed");
		return exec_bad(r, "The program printed more than 64 KiB.");
	case PROGRAM_FAILED:
		break;
	}
	log_warn("the program %s of refresh_programs does not start: %s", program->name,
		 strerror(run->status));
	return ask_end(r, RENEW_UNREACHABLE, "The program cannot be started; the log says why.",
		       NULL);
}

/* NULL without memory. */
static const char *const *
exec_environment(struct renewal *r, const char *own)
{
	const char *list = r->settings->environment;
	const char **all = arena_array(r->arena, VARIABLES_MAX, sizeof(*all));
	char item[LIST_ITEM_SIZE];
	size_t n = 0;

	if (all == NULL)
		return NULL;
	while (n < LIST_ITEMS_MAX && list_next(&list, item))
		if (strchr(item, '=') != NULL)
			all[n++] = arena_strdup(r->arena, item);
	all[n] = own;
	return all;
}

static enum renew_result
exec_run(struct renewal *r, const struct program *program, const struct registry_url *url)
{
	const struct exec_style *style = &exec_styles[program->style];
	const char *const arguments[] = {program->path, style->argument, NULL};
	int64_t latest_ms = clock_ms() + EXEC_MS;
	struct program_run run = {
		.arena = r->arena,
		.path = program->path,
		.arguments = arguments,
		.environment = exec_environment(r, style->variable),
		.input = style->ask(r, url),
		.deadline_ms = latest_ms < r->deadline_ms ? latest_ms : r->deadline_ms,
	};
	struct json *answer = NULL;
	struct error e = {0};
	enum program_end end;

	if (arena_failed(r->arena))
		return ask_misconfigured(r, NULL);
	end = program_run(&run);
	r->now_ms = clock_wall_ms();
	if (end != PROGRAM_EXITED || run.status != 0)
		return exec_ended(r, program, &run, end);
	if (run.len == 0 || json_parse(r->arena, run.output, run.len, &answer, &e) != ERR_NONE)
		return exec_bad(r, "The program's answer is not JSON.");
	return style->take(r, url, answer);
}

enum renew_result
exec_fetch(struct renewal *r)
{
	const char *name = source_text(r->config, "program");
	struct registry_url url;
	struct program program;
	const char *why;

	if (name == NULL || !program_find(r->settings->programs, name, &program))
		return ask_misconfigured(
			r, "The setting refresh_programs lists no program with this name.");
	if (registry_url_parse(r->arena, r->address, &url) != NULL)
		return ask_misconfigured(r, "The registry's address is not understood.");
	why = program_distrust(r->arena, program.path);
	if (why != NULL) {
		log_warn("the program %s of refresh_programs is not run: %s", program.name, why);
		return ask_end(r, RENEW_UNREACHABLE,
			       "The program may not be run on this server; the log says why.",
			       NULL);
	}
	return exec_run(r, &program, &url);
}
