/* cli_logins: the commands for logins. */
#include "client/cli_logins.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/exit.h"
#include "base/json_out.h"
#include "base/text.h"
#include "client/call.h"
#include "client/cli_client.h"
#include "model/date.h"
#include "model/source.h"
#include "registry/url.h"

enum {
	CHECK_WAIT_MS = 60 * 1000, /* for the end of a check or a renewal */
	CHECK_LOOK_MS = 200,
};

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

/* The registries that the key sees: the rows of logins name them by id. */
static struct call_rows registries;

static const char *
login_address(const struct json *login)
{
	const struct json *registry = call_find_id(&registries, client_text(login, "registryId"));

	return registry != NULL ? client_text(registry, "serverAddress") : NULL;
}

static void
login_names(struct client_call *c, const struct json *row, const char *out[4])
{
	const char *address = login_address(row), *user = client_text(row, "publicValue");

	out[0] = user != NULL && address != NULL ? arena_printf(c->arena, "%s@%s", user, address)
						 : user;
	out[1] = client_text(row, "name");
	out[2] = address;
	out[3] = user;
}

/* The session, and the registries. */
static bool
open_logins(struct client_call *c)
{
	return call_open(c) && call_rows(c, "registries", "", &registries);
}

/* The session, and the logins in which words are looked up. False with a sentence in c->why, also
 * if there is no word. */
static bool
open_named(struct client_call *c, struct call_rows *rows)
{
	(void)strcpy(c->why,
		     "which login? give its id, its name, its registry or USER@REGISTRY, as "
		     "`regcred ls` shows them");
	return c->arguments->word_count > 0 && open_logins(c) &&
	       call_rows(c, "registrycredentials", "", rows);
}

/* Opens the session and finds the login that the first word names. NULL with a sentence in c->why.
 */
static const struct json *
first_login(struct client_call *c)
{
	struct call_rows rows;

	return open_named(c, &rows)
		       ? call_find(c, &rows, "login", c->arguments->words[0], login_names)
		       : NULL;
}

/* Columns */

static const char *
show_address(struct client_call *c, const struct json *row, const char *field)
{
	(void)c, (void)field;
	return login_address(row);
}

static const char *
show_check(struct client_call *c, const struct json *row, const char *field)
{
	const char *result = client_text(row, field);

	(void)c;
	return result != NULL ? result : "never checked";
}

/* What a person has to look at comes before when it ends. */
static const char *
show_end(struct client_call *c, const struct json *row, const char *field)
{
	const char *result = client_text(row, "refreshResult");

	if (client_text(row, "source") == NULL)
		return call_when(c, row, field);
	if (result != NULL && strcmp(result, "refreshed") != 0)
		return arena_printf(c->arena, "NOT RENEWED: %s", result);
	return client_text(row, "refreshAt") != NULL
		       ? arena_printf(c->arena, "renews %s", call_when(c, row, "refreshAt"))
		       : call_when(c, row, field);
}

static const struct shown login_columns[] = {
	{"ID", "id", NULL},
	{"REGISTRY", "registryId", show_address},
	{"USER", "publicValue", NULL},
	{"PATH", "pathPrefix", NULL},
	{"STATE", "state", NULL},
	{"WORKS", "verificationResult", show_check},
	{"EXPIRES", "expiresAt", show_end},
	{"LAST USED", "lastUsed", call_when},
	{"NAME", "name", NULL},
};

/* Lists */

static int
list_logins(struct client_call *c, const char *query)
{
	struct call_rows rows;

	if (!call_rows(c, "registrycredentials", query, &rows))
		return call_fail(c->why);
	return call_print(c, login_columns, COUNT_OF(login_columns), &rows);
}

/* A registry by its id, its name, or any spelling of its address. */
static const struct json *
named_registry(struct client_call *c, const char *name)
{
	struct registry_url url;
	const struct json *found = call_find(c, &registries, "registry", name, call_registry_names);

	if (found != NULL || registry_url_parse(c->arena, name, &url) != NULL)
		return found;
	return call_find(c, &registries, "registry", url.key, call_registry_names);
}

int
client_ls(struct client_call *c)
{
	const char *query = "";

	if (!open_logins(c))
		return call_fail(c->why);
	if (c->arguments->word_count > 0) {
		const struct json *registry = named_registry(c, c->arguments->words[0]);

		if (registry == NULL)
			return call_fail(c->why);
		query = arena_printf(c->arena, "&registryId=%s", client_text(registry, "id"));
	}
	return list_logins(c, query);
}

int
client_expiring(struct client_call *c)
{
	const char *within = arguments_value(c->arguments, "within", "14d");
	int64_t seconds;

	if (!date_span(within, &seconds) || seconds == 0)
		return call_fail("--within takes days or hours, such as 14d or 36h");
	if (!open_logins(c))
		return call_fail(c->why);
	return list_logins(c, arena_printf(c->arena, "&expiresAt_lt=%s&sort=expiresAt",
					   client_escape(&c->client, call_date(c, within))));
}

int
client_used(struct client_call *c)
{
	static const struct shown columns[] = {
		{"ID", "id", NULL},
		{"REGISTRY", "registryId", show_address},
		{"USER", "publicValue", NULL},
		{"LAST USED", "lastUsed", call_when},
		{"BY KEY", "lastUsedBy", NULL},
		{"NAME", "name", NULL},
	};
	struct call_rows rows;

	if (!open_logins(c) ||
	    !call_rows(c, "registrycredentials", "&sort=lastUsed&order=desc", &rows))
		return call_fail(c->why);
	return call_print(c, columns, COUNT_OF(columns), &rows);
}

int
client_registries(struct client_call *c)
{
	static const struct shown columns[] = {{"ID", "id", NULL},
					       {"ADDRESS", "serverAddress", NULL},
					       {"STATE", "state", NULL},
					       {"CREATED", "created", call_when},
					       {"NAME", "name", NULL}};

	return open_logins(c) ? call_print(c, columns, COUNT_OF(columns), &registries)
			      : call_fail(c->why);
}

int
client_show(struct client_call *c)
{
	const struct json *login = first_login(c);
	const char *address = login != NULL ? login_address(login) : NULL;

	if (login == NULL)
		return call_fail(c->why);
	if (address != NULL && arguments_find(c->arguments, "json") == NULL &&
	    arguments_find(c->arguments, "quiet") == NULL) {
		(void)printf("%-22s  ", "registry");
		text_print_plain(stdout, address);
		(void)putchar('\n');
	}
	return call_print_one(c, login);
}

/* Checks */

static const char *
login_path(struct client_call *c, const struct json *login, const char *action)
{
	return arena_printf(c->arena, "registrycredentials/%s%s%s", client_text(login, "id"),
			    action != NULL ? "/?action=" : "", action != NULL ? action : "");
}

/* Waits until the row is out of its transitional state; a new login with a source, until it was
 * asked for the first time. */
static const struct json *
wait_for_end(struct client_call *c, const struct json *login)
{
	const struct timespec pause = {.tv_nsec = CHECK_LOOK_MS * 1000000L};
	int64_t until = clock_ms() + CHECK_WAIT_MS;

	while (login != NULL) {
		const char *moving = client_text(login, "transitioning");

		bool asked = client_text(login, "source") == NULL ||
			     client_text(login, "refreshResult") != NULL;

		if ((asked && (moving == NULL || strcmp(moving, "yes") != 0)) || clock_ms() > until)
			return login;
		(void)nanosleep(&pause, NULL);
		login = call_ask(c, "GET", login_path(c, login, NULL), NULL);
	}
	return NULL;
}

/* One line of outcome; EXIT_FAILED if the word is not the one for success. */
static int
tell(struct client_call *c, const struct json *row, const char *word, const char *message,
     const char *good)
{
	const char *result = client_text(row, word), *sentence = client_text(row, message);

	if (arguments_find(c->arguments, "json") != NULL)
		(void)call_print_one(c, row);
	else {
		(void)printf("%s: ", result != NULL ? result : "no result yet");
		text_print_plain(stdout, sentence != NULL ? sentence : "");
		(void)putchar('\n');
	}
	return result != NULL &&
			       (strcmp(result, good) == 0 || strcmp(result, "anonymousAccess") == 0)
		       ? EXIT_OK
		       : EXIT_FAILED;
}

static int
run_action(struct client_call *c, const char *action, const char *word, const char *message,
	   const char *good)
{
	const struct json *login = first_login(c);

	if (login != NULL)
		login = call_ask(c, "POST", login_path(c, login, action), "{}");
	login = wait_for_end(c, login);
	return login != NULL ? tell(c, login, word, message, good) : call_fail(c->why);
}

int
client_verify(struct client_call *c)
{
	return run_action(c, "verify", "verificationResult", "verificationMessage", "valid");
}

int
client_refresh(struct client_call *c)
{
	return run_action(c, "refresh", "refreshResult", "refreshMessage", "refreshed");
}

/* Tries a user name and password at a registry; nothing is stored. */
static int
try_login(struct client_call *c, const struct json *registry, const char *user, const char *secret)
{
	const struct json *answer = call_ask(
		c, "POST",
		arena_printf(c->arena, "registries/%s/?action=test", client_text(registry, "id")),
		json_strings(c->arena, "publicValue", user, "secretValue", secret));

	return answer != NULL
		       ? tell(c, answer, "verificationResult", "verificationMessage", "valid")
		       : call_fail(c->why);
}

int
client_test(struct client_call *c)
{
	const char *user = arguments_value(c->arguments, "user", NULL), *secret;
	const struct json *registry;

	if (c->arguments->word_count == 0 || user == NULL)
		return call_fail(
			"what is to be tried? give a registry and --user; `regcred verify` "
			"checks a login that is stored");
	if (!open_logins(c) || (registry = named_registry(c, c->arguments->words[0])) == NULL ||
	    (secret = call_secret(c, "Password (not shown): ")) == NULL)
		return call_fail(c->why);
	return try_login(c, registry, user, secret);
}

/* Changes */

/* A value in the type that the source wants; as a text if it cannot be read as that, which the
 * server refuses with a sentence. */
static void
add_value(struct json_out *w, enum json_type type, const char *value)
{
	bool yes = strcmp(value, "true") == 0 || strcmp(value, "yes") == 0;
	bool no = strcmp(value, "false") == 0 || strcmp(value, "no") == 0;
	size_t digits = strspn(value, "0123456789");

	if (type == JSON_ARRAY) {
		json_begin_array(w);
		for (char item[LIST_ITEM_SIZE]; list_next(&value, item);)
			json_string(w, item);
		json_end_array(w);
	} else if (type == JSON_TRUE && (yes || no))
		json_bool(w, yes);
	else if (type == JSON_NUMBER && digits > 0 && digits <= 18 && value[digits] == '\0')
		json_int(w, strtoll(value, NULL, 10));
	else
		json_string(w, value);
}

/* --set NAME=VALUE of the source. False with a sentence in c->why. */
static bool
add_source_config(struct client_call *c, const struct source_row *source, struct json_out *w)
{
	json_name(w, "sourceConfig");
	json_begin_object(w);
	for (size_t i = 0; i < c->arguments->option_count; i++) {
		const struct argument_option *o = &c->arguments->options[i];
		const char *equals = argument_is(o, "set") ? strchr(o->value, '=') : NULL;
		const char *name;

		if (!argument_is(o, "set"))
			continue;
		name = equals != NULL ? arena_copy(c->arena, o->value, (size_t)(equals - o->value))
				      : NULL;
		enum json_type type = name != NULL ? source_member(source, name) : JSON_NULL;
		if (type == JSON_NULL) {
			const char *members = source_members_text(source, c->arena);

			(void)snprintf(c->why, CLIENT_WHY_MAX,
				       "--set %.200s: write NAME=VALUE; the source %s has %s",
				       o->value, source->name, members != NULL ? members : "");
			return false;
		}
		json_name(w, name);
		add_value(w, type, equals + 1);
	}
	json_end_object(w);
	return true;
}

static const char *const texts[][2] = {{"user", "publicValue"},
				       {"name", "name"},
				       {"description", "description"},
				       {"expires", "expiresAt"},
				       {"verify-repository", "verifyRepository"}};

/* The members that options give. "90d" is counted from now. */
static void
add_texts(struct client_call *c, struct json_out *w)
{
	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		const char *value = arguments_value(c->arguments, texts[i][0], NULL);

		if (value == NULL)
			continue;
		if (strcmp(texts[i][0], "expires") == 0)
			value = call_date(c, value);
		json_string_member(w, texts[i][1], value);
	}
	if (arguments_find(c->arguments, "default") != NULL) {
		json_name(w, "isDefault");
		json_bool(w, true);
	}
}

/* Begins the body of a new login: all but its registry. False with a sentence in c->why. */
static bool
begin_login(struct client_call *c, const struct registry_url *url, struct json_out *w)
{
	const char *source = arguments_value(c->arguments, "source", NULL), *secret = NULL;
	const struct source_row *row = source != NULL ? source_find(source) : NULL;

	if (source != NULL && row == NULL) {
		(void)snprintf(c->why, CLIENT_WHY_MAX,
			       "there is no source %.64s: see `regcred add "
			       "--help`",
			       source);
		return false;
	}
	if (row == NULL && arguments_find(c->arguments, "set") != NULL) {
		(void)strcpy(c->why, "--set is for a source: name it with --source");
		return false;
	}
	if ((row == NULL || row->needs_secret ||
	     arguments_find(c->arguments, "from-file") != NULL ||
	     arguments_find(c->arguments, "password-stdin") != NULL) &&
	    (secret = call_secret(c, row == NULL ? "Password (not shown): "
						 : "Secret of the source (not shown): ")) == NULL)
		return false;
	json_out_init(w, c->arena);
	json_begin_object(w);
	if (*url->path != '\0') {
		json_string_member(w, "pathPrefix", url->path);
	}
	add_texts(c, w);
	if (row != NULL) {
		json_string_member(w, "source", source);
		if (!add_source_config(c, row, w))
			return false;
	}
	if (secret != NULL) {
		json_string_member(w, row != NULL ? "sourceSecret" : "secretValue", secret);
	}
	return true;
}

static const struct json *
new_registry(struct client_call *c, const struct registry_url *url)
{
	const char *address = remote_new_address(c->arena, url);

	return call_ask(c, "POST", "registries", json_strings(c->arena, "serverAddress", address));
}

static bool
is_stored(struct client_call *c, const char *registry_id, const struct registry_url *url)
{
	const char *user = arguments_value(c->arguments, "user", NULL);
	struct call_rows rows;

	if (user == NULL || !call_rows(c, "registrycredentials",
				       arena_printf(c->arena, "&registryId=%s&publicValue=%s",
						    registry_id, client_escape(&c->client, user)),
				       &rows))
		return false;
	for (size_t i = 0; i < rows.count; i++) {
		const char *path = client_text(rows.items[i], "pathPrefix");

		if (strcmp(path != NULL ? path : "", url->path) == 0) {
			(void)snprintf(c->why, CLIENT_WHY_MAX,
				       "%s is this login already: give it a new password with "
				       "`regcred rotate %s`",
				       client_text(rows.items[i], "id"),
				       client_text(rows.items[i], "id"));
			return true;
		}
	}
	return false;
}

/* Prints the new or changed row, as it is once it is out of its transitional state. */
static int
tell_stored(struct client_call *c, const struct json *login, const char *what)
{
	login = wait_for_end(c, login);
	if (login == NULL)
		return call_fail(c->why);
	if (arguments_find(c->arguments, "json") != NULL ||
	    arguments_find(c->arguments, "quiet") != NULL)
		return call_print_one(c, login);
	const char *names[4] = {NULL}, *message = client_text(login, "transitioningMessage");
	login_names(c, login, names);
	(void)printf("%s %s ", what, client_text(login, "id"));
	text_print_plain(stdout, names[0] != NULL ? names[0] : names[2] != NULL ? names[2] : "");
	(void)printf(" (%s)", client_text(login, "state"));
	if (message != NULL) {
		(void)fputs(": ", stdout);
		text_print_plain(stdout, message);
	}
	(void)putchar('\n');
	if (client_text(login, "source") != NULL &&
	    tell(c, login, "refreshResult", "refreshMessage", "refreshed") != EXIT_OK)
		return EXIT_FAILED;
	if (arguments_find(c->arguments, "test") == NULL)
		return EXIT_OK;
	login = wait_for_end(c, call_ask(c, "POST", login_path(c, login, "verify"), "{}"));
	return login != NULL ? tell(c, login, "verificationResult", "verificationMessage", "valid")
			     : call_fail(c->why);
}

int
client_add(struct client_call *c)
{
	struct registry_url url;
	const struct json *registry, *login;
	const char *wrong;
	struct json_out w;
	size_t len;

	if (c->arguments->word_count == 0)
		return call_fail("which registry? such as `regcred add ghcr.io --user bot`");
	if (!open_logins(c))
		return call_fail(c->why);
	wrong = registry_url_parse(c->arena, c->arguments->words[0], &url);
	if (wrong != NULL)
		return call_fail(wrong);
	if (arguments_value(c->arguments, "user", NULL) == NULL &&
	    arguments_value(c->arguments, "source", NULL) == NULL)
		return call_fail("which user name? give it with --user");
	registry = call_find(c, &registries, "registry", url.key, call_registry_names);
	if (registry != NULL && is_stored(c, client_text(registry, "id"), &url))
		return call_fail(c->why);
	/* A registry is made when nothing else is missing. */
	if (!begin_login(c, &url, &w) ||
	    (registry == NULL && (registry = new_registry(c, &url)) == NULL))
		return call_fail(c->why);
	json_string_member(&w, "registryId", client_text(registry, "id"));
	json_end_object(&w);
	login = call_ask(c, "POST", "registrycredentials", json_out_text(&w, &len));
	if (login == NULL || !call_rows(c, "registries", "", &registries))
		return call_fail(c->why);
	return tell_stored(c, login, "stored");
}

int
client_rotate(struct client_call *c)
{
	const struct json *login;
	int64_t overlap;
	const char *secret;
	struct json_out w;
	size_t len;

	if (!date_span(arguments_value(c->arguments, "overlap", "0h"), &overlap))
		return call_fail("--overlap takes days or hours, such as 1d or 12h");
	login = first_login(c);
	if (login == NULL)
		return call_fail(c->why);
	if (client_text(login, "source") != NULL)
		return call_fail("this login renews itself: `regcred refresh` does it now");
	secret = call_secret(c, "New password (not shown): ");
	if (secret == NULL)
		return call_fail(c->why);
	json_out_init(&w, c->arena);
	json_begin_object(&w);
	add_texts(c, &w);
	json_string_member(&w, "secretValue", secret);
	if (overlap > 0) {
		json_name(&w, "overlap");
		json_int(&w, overlap);
	}
	json_end_object(&w);
	login = call_ask(c, "PUT", login_path(c, login, NULL), json_out_text(&w, &len));
	return login != NULL ? tell_stored(c, login, "changed") : call_fail(c->why);
}

/* For each word. */
static int
each_login(struct client_call *c, int (*change)(struct client_call *c, const struct json *login))
{
	struct call_rows rows;
	int status = EXIT_OK;

	if (!open_named(c, &rows))
		return call_fail(c->why);
	for (size_t i = 0; i < c->arguments->word_count; i++) {
		const struct json *login =
			call_find(c, &rows, "login", c->arguments->words[i], login_names);

		if (login == NULL)
			status = call_fail(c->why);
		else if (change(c, login) != EXIT_OK)
			status = EXIT_FAILED;
	}
	return status;
}

static int
act(struct client_call *c, const struct json *login, const char *action, const char *done)
{
	const struct json *changed = call_ask(c, "POST", login_path(c, login, action), "{}");

	if (changed == NULL)
		return call_fail(c->why);
	(void)printf("%s %s\n", done, client_text(login, "id"));
	return EXIT_OK;
}

static bool
is_active(const struct json *login)
{
	const char *state = client_text(login, "state");

	return state != NULL && strcmp(state, "inactive") != 0;
}

static int
enable(struct client_call *c, const struct json *login)
{
	return act(c, login, "activate", "enabled");
}

static int
disable(struct client_call *c, const struct json *login)
{
	return act(c, login, "deactivate", "disabled");
}

static int
take_away(struct client_call *c, const struct json *login)
{
	if (is_active(login) &&
	    call_ask(c, "POST", login_path(c, login, "deactivate"), "{}") == NULL)
		return call_fail(c->why);
	return act(c, login, "remove", "removed");
}

int
client_enable(struct client_call *c)
{
	return each_login(c, enable);
}

int
client_disable(struct client_call *c)
{
	return each_login(c, disable);
}

int
client_rm(struct client_call *c)
{
	return each_login(c, take_away);
}

/* Which */

static void
print_reason(const struct json *entry, const char *address)
{
	const char *user = client_text(entry, "publicValue");
	const char *reason = client_text(entry, "reasonText");

	(void)printf("%s  ", client_text(entry, "registryCredentialId"));
	text_print_plain(stdout, user != NULL ? user : "-");
	if (address != NULL) {
		(void)fputs("@", stdout);
		text_print_plain(stdout, address);
	}
	(void)fputs("  ", stdout);
	text_print_plain(stdout, reason != NULL ? reason : "");
	(void)putchar('\n');
}

int
client_which(struct client_call *c)
{
	const struct json *answer, *others;

	if (c->arguments->word_count == 0)
		return call_fail("which image? such as `regcred which ghcr.io/acme/app:1.0`");
	if (!call_open(c))
		return call_fail(c->why);
	answer = call_ask(c, "POST", "imagelogins",
			  json_strings(c->arena, "image", c->arguments->words[0]));
	if (answer == NULL)
		return call_fail(c->why);
	bool found = client_text(answer, "registryCredentialId") != NULL;
	if (arguments_find(c->arguments, "json") != NULL) {
		(void)call_print_one(c, answer);
		return found ? EXIT_OK : EXIT_FAILED;
	}
	if (found)
		print_reason(answer, client_text(answer, "registry"));
	else
		(void)printf("none: no login that this key may use fits\n");
	others = json_member(answer, "others");
	if (others != NULL && others->child != NULL)
		(void)printf("not used:\n");
	for (const struct json *o = others != NULL ? others->child : NULL; o != NULL; o = o->next) {
		(void)fputs("  ", stdout);
		print_reason(o, NULL);
	}
	return found ? EXIT_OK : EXIT_FAILED;
}
