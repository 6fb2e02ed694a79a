/* call: the session of a command, its project, and what it reads. */
#include "client/call.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/exit.h"
#include "base/harden.h"
#include "base/text.h"
#include "client/cli_client.h"
#include "client/terminal.h"
#include "registry/url.h"

enum {
	ARENA_MAX = 256 * 1024 * 1024,
	NAMED_MAX = 8,		/* rows that a message names */
	SECRET_MAX = 64 * 1024, /* bytes; the server takes no more */
};

int
call_fail(const char *why)
{
	(void)fputs("regcred: ", stderr);
	text_print_plain(stderr, why);
	(void)fputc('\n', stderr);
	return EXIT_FAILED;
}

int
call_run(int (*command)(struct client_call *c), const struct arguments *arguments)
{
	static struct client_call call;
	int status = EXIT_FAILED;

	const char *context = arguments_value(arguments, "context", NULL);

	call.arguments = arguments;
	if (context != NULL)
		(void)setenv("REGCRED_CONTEXT", context, 1);
#ifdef M_PERTURB
	(void)mallopt(M_PERTURB, 0x5a);
#endif
	json_in_init();
	(void)signal(SIGXFSZ,
		     SIG_IGN); /* exceeding a file size limit is an error, like a full disk */
	call.arena = arena_new(ARENA_MAX);
	if (call.arena == NULL || !harden_dumps(false))
		(void)call_fail("out of memory, or core files cannot be switched off");
	else
		status = command(&call);
	client_close(&call.client);
	arena_free(call.arena);
	explicit_bzero(&call, sizeof(call));
	return status;
}

const struct json *
call_ask(struct client_call *c, const char *method, const char *path, const char *body)
{
	struct client_answer answer;

	if (path == NULL || arena_failed(c->arena)) {
		(void)strcpy(c->why, "out of memory");
		return NULL;
	}
	return client_do(&c->client, method, path, body, &answer) ? answer.body : NULL;
}

bool
call_may(struct client_call *c, const char *type, const char *method)
{
	const struct json *schema =
		call_ask(c, "GET", arena_printf(c->arena, "schemas/%s", type), NULL);
	const struct json *methods = json_member(schema, "collectionMethods");

	for (const struct json *m = methods != NULL ? methods->child : NULL; m != NULL; m = m->next)
		if (m->text != NULL && strcmp(m->text, method) == 0)
			return true;
	return false;
}

/* The name and the id of a project or account. */
static void
project_names(struct client_call *c, const struct json *row, const char *out[4])
{
	(void)c;
	out[0] = client_text(row, "name");
}

/* Within a project the paths begin with it, whatever scope the session's URL had. */
static bool
enter_project(struct client_call *c, const char *name)
{
	const char *scope = strstr(c->client.root, "/v2-beta/projects/");
	const struct json *project;
	struct call_rows rows;

	if (scope != NULL)
		c->client.root = arena_printf(c->arena, "%.*s/v2-beta",
					      (int)(scope - c->client.root), c->client.root);
	if (c->client.root == NULL || !call_rows(c, "projects", "", &rows))
		return false;
	project = call_find(c, &rows, "project", name, project_names);
	if (project == NULL)
		return false;
	c->client.root = arena_printf(c->arena, "%s/projects/%s", c->client.root,
				      client_text(project, "id"));
	return c->client.root != NULL;
}

bool
call_open(struct client_call *c)
{
	const char *project = arguments_value(c->arguments, "project", NULL);

	if (!client_settings_load(&c->settings, c->why) ||
	    !client_open(&c->client, c->arena, &c->settings, CALL_TIMEOUT_MS, c->why))
		return false;
	client_each(&c->client, CALL_TIMEOUT_MS);
	(void)strcpy(c->why, "out of memory");
	return project == NULL || enter_project(c, project);
}

/* Secrets */

static const char *
secret_from_pipe(struct client_call *c)
{
	char *text = arena_alloc(c->arena, SECRET_MAX + 2);
	size_t len = text != NULL ? fread(text, 1, SECRET_MAX + 2, stdin) : 0;

	if (text == NULL || ferror(stdin) != 0 || len == SECRET_MAX + 2) {
		(void)strcpy(c->why,
			     text == NULL || ferror(stdin) != 0
				     ? "standard input could not be read"
				     : "the secret on standard input is longer than 64 KiB");
		return NULL;
	}
	text[len] = '\0';
	if (strlen(text) != len) {
		(void)strcpy(c->why, "the secret contains a NUL byte: give it as text");
		return NULL;
	}
	return text;
}

static const char *
secret_typed(struct client_call *c, const char *question)
{
	enum { LINE_SIZE = 4096 }; /* a terminal gives no longer line */
	char *text = arena_alloc(c->arena, LINE_SIZE);

	(void)strcpy(c->why, "nothing was typed");
	return text != NULL && terminal_ask(question, true, text, LINE_SIZE) ? text : NULL;
}

const char *
call_secret(struct client_call *c, const char *question)
{
	const char *file = arguments_value(c->arguments, "from-file", NULL), *text;
	bool piped =
		arguments_find(c->arguments, "password-stdin") != NULL || isatty(STDIN_FILENO) == 0;

	text = file != NULL ? cli_client_read(c->arena, file, c->why)
	       : piped	    ? secret_from_pipe(c)
			    : secret_typed(c, question);
	if (text == NULL)
		return NULL;
	size_t len = strlen(text);
	len -= len > 0 && text[len - 1] == '\n';
	len -= len > 0 && text[len - 1] == '\r';
	if (len == 0) {
		(void)strcpy(c->why, "the secret is empty: give it by --from-file, through a pipe, "
				     "or type it");
		return NULL;
	}
	return arena_copy(c->arena, text, len);
}

/* Rows */

struct keeping {
	struct arena *arena;
	struct call_rows *rows;
};

static bool
keep_row(void *arg, const struct json *row)
{
	struct keeping *to = arg;
	struct call_rows *rows = to->rows;

	if (rows->count == rows->room) {
		size_t room = rows->room == 0 ? 128 : 2 * rows->room;
		const struct json **more =
			arena_array(to->arena, room, sizeof(const struct json *));

		if (more == NULL)
			return false;
		if (rows->count > 0)
			memcpy(more, rows->items, rows->count * sizeof(const struct json *));
		rows->items = more;
		rows->room = room;
	}
	rows->items[rows->count++] = row;
	return true;
}

bool
call_rows(struct client_call *c, const char *collection, const char *query, struct call_rows *out)
{
	struct keeping to = {c->arena, out};

	*out = (struct call_rows){0};
	(void)strcpy(c->why, "out of memory");
	return query != NULL &&
	       remote_walk(&c->client, collection, query, keep_row, &to) == REMOTE_OK &&
	       !arena_failed(c->arena);
}

const struct json *
call_find_id(const struct call_rows *rows, const char *id)
{
	for (size_t i = 0; id != NULL && i < rows->count; i++)
		if (strcmp(client_text(rows->items[i], "id"), id) == 0)
			return rows->items[i];
	return NULL;
}

static bool
is_called(struct client_call *c, const struct json *row, const char *name, call_names names)
{
	const char *texts[4] = {NULL};

	names(c, row, texts);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i] != NULL && strcmp(texts[i], name) == 0)
			return true;
	return false;
}

/* The first text of a row that is not empty, for messages. */
static const char *
first_name(struct client_call *c, const struct json *row, call_names names)
{
	const char *texts[4] = {NULL};

	names(c, row, texts);
	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (texts[i] != NULL && *texts[i] != '\0')
			return texts[i];
	return "";
}

const struct json *
call_find(struct client_call *c, const struct call_rows *rows, const char *what, const char *name,
	  call_names names)
{
	const struct json *found = call_find_id(rows, name);
	const char *list = "";
	size_t count = 0;

	if (found != NULL)
		return found;
	for (size_t i = 0; i < rows->count && list != NULL; i++)
		if (is_called(c, rows->items[i], name, names)) {
			found = rows->items[i];
			if (count++ < NAMED_MAX)
				list = arena_printf(c->arena, "%s%s%s %s", list,
						    count > 1 ? ", " : "", client_text(found, "id"),
						    first_name(c, found, names));
		}
	if (count == 1)
		return found;
	if (list == NULL)
		(void)strcpy(c->why, "out of memory");
	else if (count == 0)
		(void)snprintf(c->why, CLIENT_WHY_MAX, "there is no %s %.200s that this key sees",
			       what, name);
	else
		(void)snprintf(c->why, CLIENT_WHY_MAX,
			       "%zu of them are called %.200s, so give the id: %.600s%s", count,
			       name, list, count > NAMED_MAX ? ", ..." : "");
	return NULL;
}

void
call_registry_names(struct client_call *c, const struct json *row, const char *out[4])
{
	const char *address = client_text(row, "serverAddress");
	struct registry_url url;

	out[0] = address;
	out[1] = client_text(row, "name");
	if (address != NULL && registry_url_parse(c->arena, address, &url) == NULL)
		out[2] = url.key;
}
