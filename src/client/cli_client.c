/* cli_client: login, logout and import. */
#include "client/cli_client.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/exit.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/remedy.h"
#include "base/text.h"
#include "client/cache.h"
#include "client/call.h"
#include "client/cli_docker.h"
#include "client/client.h"
#include "client/remote.h"
#include "client/terminal.h"
#include "registry/url.h"

enum {
	NODES_MAX = 100000, /* values in the file */
	ARENA_MAX = 64 * 1024 * 1024,
};

/* Tells administrators where a login came from. */
static const char imported[] = "Imported by regcred import.";

struct planned {
	struct planned *next;
	const char *key, *path, *user;
};

/* An import: what a dry run has found out, and the counts. */
struct importing {
	struct client_call *call;
	bool dry_run, replace;
	bool may_store;		 /* dry run: checked that logins may be stored */
	struct planned *planned; /* dry run: what would have been created so far */
	struct arena *work;	 /* for one login: reset after it */
	size_t counts[REMOTE_MADE_BOTH + 1];
	size_t failed;
};

static int
fail_file(const char *path, int error)
{
	(void)fprintf(stderr, "regcred: %s: %s\n", path, remedy_text(error));
	return EXIT_FAILED;
}

/* login */

static bool
read_key_from_pipe(struct client_call *c)
{
	char text[CLIENT_FILE_MAX];
	size_t len = fread(text, 1, sizeof(text), stdin);
	bool ok = ferror(stdin) == 0 && len < sizeof(text);

	if (ok) {
		text[len] = '\0';
		ok = strlen(text) == len &&
		     client_settings_parse(&c->settings, text, "standard input", c->why);
	}

	explicit_bzero(text, sizeof(text));
	return ok;
}

static int
read_key(struct client_call *c)
{
	bool ok;

	(void)stpcpy(c->why, "the key could not be read");
	const char *key_file = arguments_value(c->arguments, "key-file", NULL);
	if (key_file != NULL)
		ok = client_settings_read(&c->settings, key_file, c->why);
	else if (isatty(STDIN_FILENO))
		ok = terminal_ask("Access key: ", false, c->settings.access_key, CLIENT_TEXT_MAX) &&
		     terminal_ask("Secret key (not shown): ", true, c->settings.secret_key,
				  CLIENT_TEXT_MAX);
	else
		ok = read_key_from_pipe(c);
	if (!ok)
		return call_fail(c->why);
	if (*c->settings.access_key == '\0' || *c->settings.secret_key == '\0')
		return call_fail("no key: give the lines access_key = ... and secret_key = ..., "
				 "or what `regcred key create` prints");
	return EXIT_OK;
}

/* A setting is one line of the file. */
static bool
is_line(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text < 0x20)
			return false;
	return true;
}

static bool
client_cli_copy(char out[CLIENT_TEXT_MAX], const char *text)
{
	if (strlen(text) >= CLIENT_TEXT_MAX || !is_line(text))
		return false;
	(void)stpcpy(out, text);
	return true;
}

static int
keep(struct client_call *c)
{
	const struct client_settings *s = &c->settings;
	const char *path = client_settings_path(c->arena, c->why);
	bool ca = *s->ca_file != '\0';
	bool cached = *s->cache != '\0';
	const char *text = arena_printf(
		c->arena, "url = %s\naccess_key = %s\nsecret_key = %s\n%s%s%s%s%s%s%s", s->url,
		s->access_key, s->secret_key, ca ? "ca_file = " : "", s->ca_file, ca ? "\n" : "",
		*s->allow_http != '\0' ? "allow_http = yes\n" : "", cached ? "cache = " : "",
		s->cache, cached ? "\n" : "");

	if (path == NULL || text == NULL)
		return call_fail(c->why);
	if (!cli_client_write(c->arena, path, text, &(struct file_put){.mode = 0600}))
		return fail_file(path, errno);
	(void)printf("logged in: %s\n", path);
	return EXIT_OK;
}

int
client_login(struct client_call *c)
{
	struct client_answer answer;
	const char *url = c->arguments->words[0];
	const char *ca_file = arguments_value(c->arguments, "ca-file", NULL);

	if (c->arguments->word_count != 1)
		return call_fail("which server? give its URL, such as https://creds.example.com");
	if (ca_file != NULL) {
		char *whole = realpath(ca_file, NULL);
		bool ok = whole != NULL && client_cli_copy(c->settings.ca_file, whole);

		free(whole);
		if (!ok)
			return call_fail("the file of --ca-file cannot be used: give a file "
					 "of PEM certificates");
	}
	int status = read_key(c);
	if (status != EXIT_OK)
		return status;
	if (!client_cli_copy(c->settings.url, url))
		return call_fail(
			"the URL cannot be used: it must look like https://creds.example.com");
	if (!client_cli_copy(c->settings.cache, arguments_value(c->arguments, "cache", "")) ||
	    cache_seconds(c->settings.cache) < 0)
		return call_fail("--cache takes a time of at most a day, such as 30m or 1h");
	if (arguments_find(c->arguments, "allow-http") != NULL)
		(void)strcpy(c->settings.allow_http, "yes");
	if (!client_open(&c->client, c->arena, &c->settings, CALL_TIMEOUT_MS, c->why) ||
	    !client_do(&c->client, "GET", "", NULL, &answer))
		return call_fail(c->why);
	return keep(c);
}

int
client_logout(struct client_call *c)
{
	const char *path = client_settings_path(c->arena, c->why);

	if (c->arguments->word_count != 0)
		return call_fail("logout takes no arguments");
	if (path == NULL)
		return call_fail(c->why);
	if (unlink(path) == 0)
		(void)printf("removed %s; the key itself still works until it is revoked\n", path);
	else if (errno == ENOENT)
		(void)printf("was not logged in\n");
	else
		return fail_file(path, errno);
	return EXIT_OK;
}

/* import */

/* Prints a line for a login: address, user, outcome. */
static void
client_cli_tell(const char *address, const char *user, const char *outcome)
{
	text_print_plain(stdout, address);
	if (user != NULL) {
		(void)fputs("  ", stdout);
		text_print_plain(stdout, user);
	}
	(void)printf("  %s\n", outcome != NULL ? outcome : "NOT IMPORTED: out of memory");
	(void)fflush(stdout); /* progress */
}

static void
client_cli_refuse(struct importing *c, const char *address, const char *user, const char *why)
{
	c->failed++;
	client_cli_tell(address, user, arena_printf(c->work, "NOT IMPORTED: %s", why));
}

/* Decodes base64 as docker does, ignoring line breaks; NULL for anything else. */
static char *
decode_auth(struct arena *a, const char *text, size_t *len)
{
	size_t room = strlen(text) + 1;
	char *out = arena_alloc(a, room);
	bool ok = out != NULL &&
		  sodium_base642bin((unsigned char *)out, room - 1, text, strlen(text), "\r\n", len,
				    NULL, sodium_base64_VARIANT_ORIGINAL) == 0;

	return ok ? out : NULL;
}

/* Fills user and secret from "auth": the parts before and after the first colon, without trailing
 * NULs, which some programs add as padding. NULL, or what is wrong. */
static const char *
read_auth(struct arena *a, const char *auth, struct remote_store *out)
{
	size_t len = 0;
	char *pair = decode_auth(a, auth, &len);
	char *colon = pair != NULL ? memchr(pair, ':', len) : NULL;

	if (pair == NULL)
		return "its auth is not valid base64.";
	if (colon == NULL)
		return "its auth has no colon between user name and password.";
	if (memchr(pair, '\0', (size_t)(colon - pair)) != NULL)
		return "its user name contains a NUL byte.";
	*colon = '\0';
	out->user = pair;
	out->secret = colon + 1;
	while (len > 0 && pair[len - 1] == '\0')
		len--;
	/* Text after the first NUL would be lost. */
	return colon + 1 + strlen(colon + 1) >= pair + len ? NULL
							   : "its password contains a NUL byte.";
}

/* Fills user and secret from an entry written by docker or podman. NULL, or why not. */
static const char *
read_login(struct arena *a, const struct json *entry, struct remote_store *out)
{
	const char *auth = client_text(entry, "auth");
	const char *token = client_text(entry, "identitytoken");

	out->user = client_text(entry, "username");
	out->secret = client_text(entry, "password");
	if (auth != NULL && *auth != '\0') {
		const char *wrong = read_auth(a, auth, out);

		if (wrong != NULL)
			return wrong;
	}
	if (token != NULL && *token != '\0') {
		/* If there is a user, the token works as its password everywhere. */
		if (out->user == NULL || *out->user == '\0')
			out->user = "<token>";
		out->secret = token;
	}
	if (out->user == NULL && out->secret == NULL)
		return "the file has no user name and password for it.";
	if (out->user == NULL || *out->user == '\0')
		return "it has no user name.";
	if (out->secret == NULL || *out->secret == '\0')
		return "its password is empty.";
	if (!http_utf8_valid(out->user, strlen(out->user)) ||
	    !http_utf8_valid(out->secret, strlen(out->secret)))
		return "its user name or password is not UTF-8.";
	return NULL;
}

/* Checks what the server would refuse, so that a dry run reports it too. */
static const char *
foresee(const struct importing *c, const struct remote_store *store)
{
	enum { USER_MAX = 4096, SECRET_MAX = 64 * 1024 };

	if (c->dry_run && !c->may_store)
		return "this key may not store logins.";
	if (http_utf8_length(store->user) > USER_MAX)
		return "its user name is longer than 4,096 characters.";
	if (strlen(store->secret) > SECRET_MAX)
		return "its password is longer than 64 KiB.";
	return *store->address.path != '\0' ? registry_path_check(store->address.path) : NULL;
}

/* Notes what a real run would have created, which the server does not know in a dry run. */
static void
plan(struct importing *c, const struct remote_store *store, enum remote_done *done)
{
	struct planned *made;
	bool registry = false;

	for (struct planned *p = c->planned; p != NULL; p = p->next) {
		if (strcmp(p->key, store->address.key) != 0)
			continue;
		registry = true;
		if (strcmp(p->path, store->address.path) == 0 &&
		    strcmp(p->user, store->user) == 0) {
			*done = store->keep ? REMOTE_KEPT : REMOTE_UPDATED;
			return;
		}
	}
	if (*done != REMOTE_MADE && *done != REMOTE_MADE_BOTH)
		return;
	if (registry)
		*done = REMOTE_MADE;
	made = arena_alloc(c->call->arena, sizeof(*made));
	if (made == NULL)
		return;
	*made = (struct planned){c->planned, arena_strdup(c->call->arena, store->address.key),
				 arena_strdup(c->call->arena, store->address.path),
				 arena_strdup(c->call->arena, store->user)};
	if (!arena_failed(c->call->arena))
		c->planned = made;
}

/* docker stores its own tokens below Docker Hub's address. */
static bool
is_docker_token(const struct registry_url *url)
{
	return url->hub && (strstr(url->path, "access-token") != NULL ||
			    strstr(url->path, "refresh-token") != NULL);
}

/* `echo user:password | base64` adds a line break: it is stored as is, but rarely intended. */
static void
note_line_break(const char *address)
{
	(void)fputs("regcred: note: ", stderr);
	text_print_plain(stderr, address);
	(void)fputs(": the password ends with a line break, which is stored with it\n", stderr);
}

/* docker reads names in any case.  The name that the object has twice so, where programs differ on
 * which one counts; or NULL. */
static const char *
name_as_docker(const struct json *object)
{
	static const char *const names[] = {"auths",	     "auth",	   "username",	 "password",
					    "identitytoken", "credsStore", "credHelpers"};
	enum { COUNT = sizeof(names) / sizeof(*names) };
	bool seen[COUNT] = {false};

	if (object == NULL || object->type != JSON_OBJECT)
		return NULL;
	for (struct json *m = object->child; m != NULL; m = m->next)
		for (size_t i = 0; i < COUNT; i++) {
			if (strcasecmp(m->name, names[i]) != 0)
				continue;
			if (seen[i])
				return names[i];
			seen[i] = true;
			m->name = names[i];
		}
	return NULL;
}

/* docker leaves one behind for a registry whose login a credential helper keeps. */
static bool
is_left_behind(const struct json *entry)
{
	return entry->type == JSON_NULL || (entry->type == JSON_OBJECT && entry->child == NULL);
}

static void
import_entry(struct importing *c, const struct json *entry)
{
	/* clang-format off */
	static const char *const outcomes[REMOTE_MADE_BOTH + 1][2] = {
		[REMOTE_KEPT] =      { "kept: one exists already",   "would be kept: one exists already" },
		[REMOTE_UPDATED] =   { "given the password of the file", "would be given the password of the file" },
		[REMOTE_MADE] =      { "made",                         "would be made" },
		[REMOTE_MADE_BOTH] = { "made, with its registry",      "would be made, with its registry" },
	};
	/* clang-format on */
	struct remote_store store = {
		.description = imported, .keep = !c->replace, .dry = c->dry_run};
	enum remote_done done;
	const char *wrong = registry_url_parse(c->work, entry->name, &store.address);

	bool token = wrong == NULL && is_docker_token(&store.address);
	const char *twice = name_as_docker(entry);

	/* docker and podman ignore the path of a URL. */
	if (store.address.scheme_given)
		store.address.path = "";
	if (is_left_behind(entry))
		client_cli_tell(entry->name, NULL, "nothing there: a helper may keep its login");
	else if (wrong != NULL)
		client_cli_refuse(c, entry->name, NULL, wrong);
	else if (twice != NULL)
		client_cli_refuse(
			c, entry->name, NULL,
			arena_printf(c->work, "it has \"%s\" twice, in another case.", twice));
	else if (token)
		client_cli_refuse(c, entry->name, NULL, "a token of docker's own.");
	else if ((wrong = read_login(c->work, entry, &store)) != NULL)
		client_cli_refuse(c, entry->name, NULL, wrong);
	else if ((wrong = foresee(c, &store)) != NULL)
		client_cli_refuse(c, entry->name, store.user, wrong);
	else if (remote_store(&c->call->client, &store, &done) != REMOTE_OK)
		client_cli_refuse(c, entry->name, store.user, c->call->why);
	else {
		if (c->dry_run)
			plan(c, &store, &done);
		c->counts[done]++;
		client_cli_tell(entry->name, store.user, outcomes[done][c->dry_run]);
		if (store.secret[strlen(store.secret) - 1] == '\n')
			note_line_break(entry->name);
	}
}

static void
warn_of_helper(const char *path, const char *address, const char *helper)
{
	(void)fprintf(stderr, "regcred: warning: %s: not in the file, because docker-credential-",
		      path);
	text_print_plain(stderr, helper);
	(void)fputs(" keeps them: logins for ", stderr);
	text_print_plain(stderr, address);
	(void)fputc('\n', stderr);
}

/* Passwords kept by credential helpers are not in the file. */
static void
warn_of_helpers(const char *path, const struct json *file)
{
	const struct json *helpers = json_member(file, "credHelpers");
	const char *store = client_text(file, "credsStore");

	if (store != NULL && *store != '\0')
		warn_of_helper(path, "all registries", store);
	if (helpers == NULL || helpers->type != JSON_OBJECT)
		return;
	for (const struct json *m = helpers->child; m != NULL; m = m->next)
		if (m->text != NULL && *m->text != '\0')
			warn_of_helper(path, m->name, m->text);
}

/* The older .dockercfg has the content of "auths". */
static bool
is_dockercfg(const struct json *file)
{
	bool any = false;

	for (const struct json *m = file->child; m != NULL; m = m->next) {
		(void)name_as_docker(m); /* import_entry() asks again */
		any |= client_text(m, "auth") != NULL;
		if (client_text(m, "auth") == NULL && !is_left_behind(m))
			return false;
	}
	return any;
}

static int
import_file(struct importing *c, const char *path)
{
	struct json *file = NULL;
	struct error e = {0};
	const char *text = cli_client_read(c->call->arena, path, c->call->why);

	if (text == NULL)
		return call_fail(c->call->why);
	if (json_parse_many(c->call->arena, text, strlen(text), NODES_MAX, &file, &e) != ERR_NONE) {
		(void)snprintf(c->call->why, sizeof(c->call->why), "%s: %s", path,
			       e.detail != NULL ? e.detail : "out of memory");
		return call_fail(c->call->why);
	}
	const char *twice = name_as_docker(file);
	if (twice != NULL) {
		(void)snprintf(c->call->why, sizeof(c->call->why),
			       "%s: it has \"%s\" twice, in another case: correct it", path, twice);
		return call_fail(c->call->why);
	}
	const struct json *auths = json_member(file, "auths");
	bool object = file != NULL && file->type == JSON_OBJECT;
	if (auths == NULL && object && is_dockercfg(file))
		auths = file;
	if (auths != NULL && auths->type != JSON_OBJECT && auths->type != JSON_NULL)
		auths = NULL;
	bool blank = object && file->child == NULL && strchr(text, '{') != NULL; /* a new one */
	if (auths == NULL && !blank && json_member(file, "credsStore") == NULL &&
	    json_member(file, "credHelpers") == NULL) {
		(void)snprintf(c->call->why, sizeof(c->call->why),
			       "%s: it is not a config.json or auth.json: it has no auths", path);
		return call_fail(c->call->why);
	}
	warn_of_helpers(path, file);
	for (const struct json *m = auths != NULL ? auths->child : NULL; m != NULL; m = m->next) {
		import_entry(c, m);
		arena_reset(c->work);
	}
	return EXIT_OK;
}

static int
import_files(struct importing *c)
{
	const struct arguments *arguments = c->call->arguments;
	int status = EXIT_OK;

	c->call->client.arena = c->work;
	c->may_store = c->dry_run && call_may(c->call, "registryCredential", "POST");
	for (size_t i = 0; i < arguments->word_count; i++)
		if (import_file(c, arguments->words[i]) != EXIT_OK)
			status = EXIT_FAILED;
	size_t made = c->counts[REMOTE_MADE] + c->counts[REMOTE_MADE_BOTH];
	if (made + c->counts[REMOTE_UPDATED] + c->failed == 0 && status == EXIT_OK)
		(void)printf("nothing to do\n");
	(void)printf("%s%zu made, %zu updated, %zu kept, %zu not imported\n",
		     c->dry_run ? "dry run: nothing was changed: " : "", made,
		     c->counts[REMOTE_UPDATED], c->counts[REMOTE_KEPT], c->failed);
	return c->failed == 0 ? status : EXIT_FAILED;
}

int
client_import(struct client_call *call)
{
	struct importing c = {.call = call,
			      .dry_run = arguments_find(call->arguments, "dry-run") != NULL,
			      .replace = arguments_find(call->arguments, "replace") != NULL};

	if (call->arguments->word_count == 0)
		return call_fail("which files? such as ~/.docker/config.json");
	if (!call_open(call))
		return call_fail(call->why);
	c.work = arena_new(ARENA_MAX);
	int status = c.work != NULL ? import_files(&c) : call_fail("out of memory");
	call->client.arena = call->arena;
	arena_free(c.work);
	return status;
}

int
client_docker_setup(struct client_call *c)
{
	const struct docker_setup setup = {.registries = c->arguments->words,
					   .count = c->arguments->word_count,
					   .all = arguments_find(c->arguments, "all") != NULL,
					   .undo = arguments_find(c->arguments, "undo") != NULL,
					   .podman = arguments_find(c->arguments, "podman") != NULL,
					   .dry_run =
						   arguments_find(c->arguments, "dry-run") != NULL};

	if (setup.undo ? setup.all || setup.count > 0 : !setup.all && setup.count == 0)
		return call_fail(setup.undo ? "--undo takes nothing else"
					    : "which registries? name them, or give --all");
	return cli_docker_run(c->arena, &setup);
}
