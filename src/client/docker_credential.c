/* docker_credential: docker-credential-regcred, the credential helper for docker, podman, skopeo,
 * buildah and others: one word as an argument, the request on standard input, the answer on
 * standard output.
 *
 * The protocol is that of docker's own helpers. Errors also go to standard output, with exit status
 * 1; callers compare the texts of three of them.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/harden.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/text.h"
#include "base/version.h"
#include "client/cache.h"
#include "client/client.h"
#include "client/remote.h"
#include "registry/url.h"

enum {
	TIMEOUT_MS = 1900, /* for all requests of one call: under two seconds */
	TIMEOUT_MAX_S = 60,
	INPUT_MAX = 256 * 1024, /* bytes of input: a login of 64 KiB with escapes */
	ARENA_MAX = 64 * 1024 * 1024,
};

static const char not_found[] = "credentials not found in native keychain";
static const char no_server[] = "no credentials server URL";
static const char no_user[] = "no credentials username";
/* Tells erase which logins store has created. */
static const char stored_by[] = "Stored by docker-credential-regcred.";

/* One call of the helper. */
struct helper_call {
	struct arena *arena;
	struct client_settings settings;
	struct client client;
	struct json_out out;
	char why[CLIENT_WHY_MAX];
	char input[INPUT_MAX + 1];
	size_t input_len;
};

/* Texts that callers compare are printed as they are; others name this program. */
static int
helper_fail(const char *text)
{
	(void)printf("%s\n", text);
	return EXIT_FAILURE;
}

static int
fail_why(const char *why)
{
	(void)fputs("regcred: ", stdout);
	text_print_plain(stdout, why);
	(void)putchar('\n');
	return EXIT_FAILURE;
}

static int
answer(struct helper_call *c)
{
	size_t len;
	const char *text = json_out_text(&c->out, &len);

	if (text == NULL)
		return fail_why("out of memory");
	(void)fwrite(text, 1, len, stdout);
	(void)putchar('\n');
	return EXIT_SUCCESS;
}

/* For slow connections: REGCRED_API_TIMEOUT, in seconds. Ignored unless it is a number from 1 to
 * TIMEOUT_MAX_S. */
static int64_t
timeout_ms(void)
{
	const char *text = getenv("REGCRED_API_TIMEOUT");
	size_t len = text != NULL ? strlen(text) : 0;

	if (len == 0 || len > 2 || strspn(text, "0123456789") != len)
		return TIMEOUT_MS;
	int64_t seconds = strtol(text, NULL, 10);
	return seconds >= 1 && seconds <= TIMEOUT_MAX_S ? seconds * 1000 : TIMEOUT_MS;
}

static bool
start(struct helper_call *c)
{
	return client_settings_load(&c->settings, c->why) &&
	       client_open(&c->client, c->arena, &c->settings, timeout_ms(), c->why);
}

/* The address on standard input, trimmed; NULL if there is none. */
static char *
helper_read_address(struct helper_call *c)
{
	static const char blanks[] = " \t\r\n";
	char *text = c->input + strspn(c->input, blanks);
	size_t len = strlen(text);

	while (len > 0 && strchr(blanks, text[len - 1]) != NULL)
		text[--len] = '\0';
	return len > 0 ? text : NULL;
}

/* The login, from the server or, if that does not answer, from the cache. False with a sentence in
 * c->why, "" if there is none. */
static bool
get_login(struct helper_call *c, const char *registry, struct remote_login *out)
{
	if (cache_seconds(c->settings.cache) < 0) {
		(void)strcpy(c->why, "the setting cache has to be a time of at most a day, such as "
				     "30m or 1h");
		return false;
	}
	enum remote_rc rc = remote_get(&c->client, registry, out);
	if (rc == REMOTE_OK) {
		cache_put(&c->client, registry, out);
		return true;
	}
	if (rc == REMOTE_FAILED && (c->client.status == 0 || c->client.status >= 500))
		return cache_get(&c->client, registry, out);
	cache_forget(&c->client, registry);
	if (rc == REMOTE_NONE)
		*c->why = '\0';
	return false;
}

static int
run_get(struct helper_call *c)
{
	const char *address = helper_read_address(c), *wrong;
	struct registry_url url;
	struct remote_login login;

	if (address == NULL)
		return helper_fail(no_server);
	/* docker asks for its own tokens below Docker Hub's address; they are never stored here. */
	if (!remote_address(c->arena, address, &url, &wrong))
		return helper_fail(not_found);
	if (!start(c))
		return fail_why(c->why);
	if (!get_login(c, url.key, &login))
		return *c->why == '\0' ? helper_fail(not_found) : fail_why(c->why);
	json_begin_object(&c->out);
	json_string_member(&c->out, "ServerURL", address);
	json_string_member(&c->out, "Username", login.user);
	json_string_member(&c->out, "Secret", login.secret);
	json_end_object(&c->out);
	return answer(c);
}

static bool
helper_is_blank(const char *text)
{
	return text == NULL || *text == '\0';
}

static int
run_store(struct helper_call *c)
{
	struct json *body = NULL;
	struct error e = {0};
	const char *wrong;
	enum remote_done done;

	if (json_parse(c->arena, c->input, c->input_len, &body, &e) != ERR_NONE)
		return fail_why(e.detail != NULL ? e.detail : "out of memory");
	const char *address = client_text(body, "ServerURL");
	const char *secret = client_text(body, "Secret");
	struct remote_store store = {.user = client_text(body, "Username"),
				     .secret = secret != NULL ? secret : "",
				     .description = stored_by,
				     .shared = true,
				     .preferred = true};
	if (helper_is_blank(address))
		return helper_fail(no_server);
	if (helper_is_blank(store.user))
		return helper_fail(no_user);
	if (*store.secret == '\0')
		return fail_why("no password was given, so nothing was stored");
	if (!remote_address(c->arena, address, &store.address, &wrong))
		return fail_why(wrong);
	if (!start(c) || remote_store(&c->client, &store, &done) != REMOTE_OK)
		return fail_why(c->why);
	return EXIT_SUCCESS;
}

static int
run_erase(struct helper_call *c)
{
	const char *address = helper_read_address(c), *wrong;
	struct registry_url url;

	if (address == NULL)
		return helper_fail(no_server);
	if (!remote_address(c->arena, address, &url, &wrong))
		return helper_fail(not_found);
	if (!start(c))
		return fail_why(c->why);
	switch (remote_erase(&c->client, &url, stored_by)) {
	case REMOTE_OK:
		return EXIT_SUCCESS;
	case REMOTE_NONE:
		return helper_fail(not_found);
	case REMOTE_FOREIGN:
		return fail_why("this login was not stored by docker-credential-regcred: remove "
				"it on the server");
	case REMOTE_CHANGED:
	case REMOTE_FAILED:
		break;
	}
	return fail_why(c->why);
}

static void
list_one(void *arg, const char *address, const char *user)
{
	struct json_out *out = arg;

	json_string_member(out, address, user);
}

static int
run_list(struct helper_call *c)
{
	json_begin_object(&c->out);
	if (!start(c) || remote_list(&c->client, list_one, &c->out) != REMOTE_OK)
		return fail_why(c->why);
	json_end_object(&c->out);
	return answer(c);
}

static int
run_version(struct helper_call *c)
{
	(void)c;
	(void)printf("docker-credential-regcred (regcred) %s\n", version_text);
	return EXIT_SUCCESS;
}

/* clang-format off */
static const struct helper_command {
	const char *name;
	int (*run)(struct helper_call *c);
	bool reads; /* standard input */
	const char *help;
} commands[] = {
	{ "get",     run_get,     true,  "read the address of a registry, print its login" },
	{ "store",   run_store,   true,  "read a login, create or update it on the server" },
	{ "erase",   run_erase,   true,  "read the address of a registry, remove what store made for it" },
	{ "list",    run_list,    false, "print the addresses that have a login, and its user" },
	{ "version", run_version, false, "print the version" },
};
/* clang-format on */

static const char program_name[] = "docker-credential-regcred";

static int
helper_usage(int status)
{
	(void)printf("usage: docker-credential-regcred COMMAND\n\ncommands:\n");
	for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++)
		(void)printf("  %s\n      %s\n", commands[i].name, commands[i].help);
	return status;
}

/* Reads all of standard input; more than INPUT_MAX bytes are refused. */
static bool
helper_read_input(struct helper_call *c)
{
	c->input_len = fread(c->input, 1, sizeof(c->input), stdin);
	if (ferror(stdin) != 0 || c->input_len > INPUT_MAX)
		return false;
	c->input[c->input_len] = '\0';
	return strlen(c->input) == c->input_len && http_utf8_valid(c->input, c->input_len);
}

static int
helper_run(const struct helper_command *command)
{
	static struct helper_call call;
	int status;

	call.arena = arena_new(ARENA_MAX);
	if (call.arena == NULL)
		return fail_why("out of memory");
	json_out_init(&call.out, call.arena);
	if (command->reads && !helper_read_input(&call))
		status = fail_why("standard input is too long or is not text");
	else
		status = command->run(&call);
	client_close(&call.client);
	arena_free(call.arena);
	explicit_bzero(&call, sizeof(call));
	return harden_output(program_name, status);
}

int
main(int argc, char **argv)
{
	if (!harden_descriptors())
		return EXIT_FAILURE;
	/* A settings file or a core file could expose secrets. */
	(void)umask(0077);
#ifdef M_PERTURB
	(void)mallopt(M_PERTURB, 0x5a);
#endif
	json_in_init();
	if (!harden_dumps(false))
		return EXIT_FAILURE;
	if (argc == 2 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0))
		return harden_output(program_name, helper_usage(EXIT_SUCCESS));
	if (argc == 2 && (strcmp(argv[1], "--version") == 0 || strcmp(argv[1], "-v") == 0))
		return harden_output(program_name, run_version(NULL));
	for (size_t i = 0; argc == 2 && i < sizeof(commands) / sizeof(*commands); i++)
		if (strcmp(commands[i].name, argv[1]) == 0)
			return helper_run(&commands[i]);
	return helper_usage(EXIT_FAILURE);
}
