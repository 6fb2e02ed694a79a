/* cli_keys: the commands for API keys, projects and the audit log. */
#include "client/cli_keys.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/exit.h"
#include "base/json_out.h"
#include "base/text.h"

#define COUNT_OF(table) (sizeof(table) / sizeof(*(table)))

enum { FOLLOW_PAUSE_S = 2 };

/* Keys */

static void
key_names(struct client_call *c, const struct json *row, const char *out[4])
{
	(void)c;
	out[0] = client_text(row, "publicValue");
	out[1] = client_text(row, "name");
}

static const char *
show_role(struct client_call *c, const struct json *row, const char *field)
{
	const char *role = client_text(row, field);

	(void)c;
	return role != NULL ? role : "all that its account may";
}

/* The items of an array with blanks between. */
static const char *
list_text(struct client_call *c, const struct json *row, const char *field)
{
	const struct json *list = json_member(row, field);
	const char *text = NULL;

	for (const struct json *i = list != NULL ? list->child : NULL; i != NULL; i = i->next)
		text = arena_printf(c->arena, "%s%s%s", text != NULL ? text : "",
				    text != NULL ? " " : "", i->text != NULL ? i->text : "");
	return text;
}

static const char *
show_bounds(struct client_call *c, const struct json *row, const char *field)
{
	static const char *const fields[] = {"registryIds", "pathPrefixes", "networks"};
	const char *text = NULL;

	(void)field;
	for (size_t i = 0; i < COUNT_OF(fields); i++) {
		const char *list = list_text(c, row, fields[i]);

		if (list != NULL)
			text = arena_printf(c->arena, "%s%s%s", text != NULL ? text : "",
					    text != NULL ? " " : "", list);
	}
	return text;
}

static const struct shown key_columns[] = {
	{"ID", "id", NULL},
	{"ACCESS KEY", "publicValue", NULL},
	{"STATE", "state", NULL},
	{"ROLE", "role", show_role},
	{"BOUNDS", "id", show_bounds},
	{"EXPIRES", "expires", call_when},
	{"LAST USED", "lastUsed", call_when},
	{"NAME", "name", NULL},
};

int
client_key_ls(struct client_call *c)
{
	struct call_rows rows;

	if (!call_open(c) || !call_rows(c, "apikeys", "", &rows))
		return call_fail(c->why);
	return call_print(c, key_columns, COUNT_OF(key_columns), &rows);
}

int
client_key_revoke(struct client_call *c)
{
	static const char *const actions[] = {"deactivate", "remove"};
	struct call_rows rows;
	const struct json *key;

	if (c->arguments->word_count == 0)
		return call_fail("which key? give its id, access key or name, as `regcred key ls` "
				 "shows them");
	if (!call_open(c) || !call_rows(c, "apikeys", "", &rows) ||
	    (key = call_find(c, &rows, "key", c->arguments->words[0], key_names)) == NULL)
		return call_fail(c->why);
	const char *state = client_text(key, "state");
	bool idle = state != NULL && strcmp(state, "inactive") == 0;
	for (size_t i = idle ? 1 : 0; i < COUNT_OF(actions); i++)
		if (call_ask(c, "POST",
			     arena_printf(c->arena, "apikeys/%s/?action=%s", client_text(key, "id"),
					  actions[i]),
			     "{}") == NULL)
			return call_fail(c->why);
	(void)printf("revoked %s\n", client_text(key, "id"));
	return EXIT_OK;
}

/* What a key is for: its role, and what goes where. */
static const struct purpose {
	const char *name, *role;
	const char *where; /* %s: the server, the access key, the secret key */
} purposes[] = {
	{"host", "reveal",
	 "# on the host, into a file of mode 0600, such as /etc/regcred/host.key:\n"
	 "url = %s\naccess_key = %s\nsecret_key = %s\n"
	 "# then: regcred login URL --key-file FILE && regcred docker-setup REGISTRY\n"},
	{"ci", "reveal",
	 "# as masked variables of the job:\n"
	 "REGCRED_URL=%s\nREGCRED_ACCESS_KEY=%s\nREGCRED_SECRET_KEY=%s\n"
	 "# then, in the job: regcred docker-setup REGISTRY\n"},
	{"inject", "inject",
	 "# for nginx, which adds the login (docs/inject.md), as X-API-Key: ACCESS:SECRET\n"
	 "# server %s\nREGCRED_ACCESS_KEY=%s\nREGCRED_SECRET_KEY=%s\n"},
};

static const struct purpose *
find_purpose(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(purposes); i++)
		if (strcmp(purposes[i].name, name) == 0)
			return &purposes[i];
	return NULL;
}

/* A list option: items separated by commas or by repeating it. Registries become ids. False with a
 * sentence in c->why. */
static bool
add_list(struct client_call *c, struct json_out *w, const char *option, const char *field,
	 const struct call_rows *registries)
{
	bool any = false;

	for (size_t i = 0; i < c->arguments->option_count; i++) {
		const struct argument_option *o = &c->arguments->options[i];

		if (!argument_is(o, option))
			continue;
		if (!any) {
			json_name(w, field);
			json_begin_array(w);
		}
		any = true;
		for (const char *rest = o->value; *rest != '\0';) {
			size_t len = strcspn(rest, ",");
			const char *item = arena_copy(c->arena, rest, len);
			const struct json *row = NULL;

			if (registries != NULL && item != NULL) {
				row = call_find(c, registries, "registry", item,
						call_registry_names);
				if (row == NULL)
					return false;
				item = client_text(row, "id");
			}
			json_string(w, item);
			rest += len + (rest[len] == ',');
		}
	}
	if (any)
		json_end_array(w);
	return true;
}

static const char *
key_body(struct client_call *c, const struct purpose *purpose)
{
	const char *expires = arguments_value(c->arguments, "expires", NULL);
	static const char *const texts[] = {"name", "description"};
	struct call_rows registries;
	struct json_out w;
	size_t len;

	if (!call_rows(c, "registries", "", &registries))
		return NULL;
	json_out_init(&w, c->arena);
	json_begin_object(&w);
	json_string_member(&w, "role", purpose->role);
	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (arguments_find(c->arguments, texts[i]) != NULL) {
			json_string_member(&w, texts[i],
					   arguments_value(c->arguments, texts[i], NULL));
		}
	if (expires != NULL) {
		json_string_member(&w, "expires", call_date(c, expires));
	}
	if (!add_list(c, &w, "registry", "registryIds", &registries) ||
	    !add_list(c, &w, "path", "pathPrefixes", NULL) ||
	    !add_list(c, &w, "networks", "networks", NULL))
		return NULL;
	json_end_object(&w);
	(void)strcpy(c->why, "out of memory");
	return json_out_text(&w, &len);
}

int
client_key_create(struct client_call *c)
{
	const struct purpose *purpose = find_purpose(arguments_value(c->arguments, "for", ""));
	const char *body, *access, *secret;
	const struct json *key;

	if (purpose == NULL)
		return call_fail("what is the key for? say --for host, --for ci or --for inject");
	if (arguments_find(c->arguments, "role") != NULL ||
	    arguments_find(c->arguments, "reveal") != NULL ||
	    arguments_find(c->arguments, "account") != NULL)
		return call_fail("--for says what the key may do, and it belongs to the account "
				 "that asks: leave out --role, --reveal and --account");
	if (!call_open(c) || (body = key_body(c, purpose)) == NULL ||
	    (key = call_ask(c, "POST", "apikeys", body)) == NULL)
		return call_fail(c->why);
	access = client_text(key, "publicValue");
	secret = client_text(key, "secretValue");
	if (arguments_find(c->arguments, "json") != NULL)
		return call_print_one(c, key);
	if (access == NULL || secret == NULL)
		return call_fail("the server's answer has no key");
		/* The texts come from the table above. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
	(void)printf(purpose->where, c->settings.url, access, secret);
#pragma GCC diagnostic pop
	(void)fprintf(stderr,
		      "regcred: this is the only time that the secret key is shown; "
		      "`regcred key revoke %s` ends it\n",
		      client_text(key, "id"));
	return EXIT_OK;
}

/* Projects */

int
client_projects(struct client_call *c)
{
	static const struct shown columns[] = {{"ID", "id", NULL},
					       {"STATE", "state", NULL},
					       {"NAME", "name", NULL},
					       {"DESCRIPTION", "description", NULL}};
	struct call_rows rows;

	if (!call_open(c) || !call_rows(c, "projects", "", &rows))
		return call_fail(c->why);
	return call_print(c, columns, COUNT_OF(columns), &rows);
}

int
client_members(struct client_call *c)
{
	static const struct shown columns[] = {{"ID", "id", NULL},
					       {"PROJECT", "projectId", NULL},
					       {"ROLE", "role", NULL},
					       {"ACCOUNT", "externalId", NULL},
					       {"BY", "externalIdType", NULL},
					       {"STATE", "state", NULL}};
	struct call_rows rows;

	if (!call_open(c) || !call_rows(c, "projectmembers", "", &rows))
		return call_fail(c->why);
	return call_print(c, columns, COUNT_OF(columns), &rows);
}

/* The audit log */

static const char *
show_who(struct client_call *c, const struct json *row, const char *field)
{
	const char *key = client_text(row, "keyId"), *user = client_text(row, "proxyUser");
	const char *account = client_text(row, field);

	return user != NULL  ? user
	       : key != NULL ? arena_printf(c->arena, "%s %s", account != NULL ? account : "", key)
			     : account;
}

static const char *
show_what(struct client_call *c, const struct json *row, const char *field)
{
	const char *type = client_text(row, "resourceType"), *id = client_text(row, field);

	return type != NULL ? arena_printf(c->arena, "%s %s", type, id != NULL ? id : "") : id;
}

static const struct shown audit_columns[] = {
	{"ID", "id", NULL},
	{"TIME", "created", NULL},
	{"WHO", "authenticatedAsAccountId", show_who},
	{"FROM", "clientIp", NULL},
	{"EVENT", "eventType", NULL},
	{"OF", "resourceId", show_what},
};

/* The newest rows, oldest first; only those behind `after` if that is set. */
static bool
newest_rows(struct client_call *c, const char *filter, int64_t after, size_t most,
	    struct call_rows *out)
{
	const char *path = after > 0
				   ? arena_printf(c->arena,
						  "auditlogs?limit=%zu%s&id_gt=%lld&"
						  "sort=id&order=asc",
						  most, filter, (long long)after)
				   : arena_printf(c->arena, "auditlogs?limit=%zu%s", most, filter);
	const struct json *answer = call_ask(c, "GET", path, NULL);
	const struct json *data = answer != NULL ? json_member(answer, "data") : NULL;

	*out = (struct call_rows){0};
	if (data == NULL)
		return false;
	for (const struct json *row = data->child; row != NULL; row = row->next)
		out->room++;
	out->items = arena_array(c->arena, out->room + 1, sizeof(const struct json *));
	if (out->items == NULL)
		return false;
	for (const struct json *row = data->child; row != NULL; row = row->next)
		out->items[after > 0 ? out->count : out->room - 1 - out->count] = row, out->count++;
	return true;
}

static const char *
audit_filter(struct client_call *c)
{
	const char *resource = arguments_value(c->arguments, "resource", NULL);
	const char *event = arguments_value(c->arguments, "event", NULL);

	return arena_printf(c->arena, "%s%s%s%s", resource != NULL ? "&resourceId=" : "",
			    resource != NULL ? client_escape(&c->client, resource) : "",
			    event != NULL ? "&eventType=" : "",
			    event != NULL ? client_escape(&c->client, event) : "");
}

static int64_t
last_id(const struct call_rows *rows, int64_t otherwise)
{
	return rows->count > 0 ? strtoll(client_text(rows->items[rows->count - 1], "id"), NULL, 10)
			       : otherwise;
}

int
client_audit(struct client_call *c)
{
	enum { LIMIT_MAX = 1000 };
	const char *text = arguments_value(c->arguments, "limit", "50");
	long limit = text[strspn(text, "0123456789")] == '\0' ? strtol(text, NULL, 10) : 0;
	const struct timespec pause = {.tv_sec = FOLLOW_PAUSE_S};
	struct call_rows rows;
	const char *filter;

	if (limit < 1 || limit > LIMIT_MAX)
		return call_fail("--limit takes a number from 1 to 1000");
	if (!call_open(c) || (filter = audit_filter(c)) == NULL ||
	    !newest_rows(c, filter, 0, (size_t)limit, &rows))
		return call_fail(c->why);
	int status = call_print(c, audit_columns, COUNT_OF(audit_columns), &rows);
	if (arguments_find(c->arguments, "follow") == NULL)
		return status;
	for (int64_t after = last_id(&rows, 1); status == EXIT_OK && fflush(stdout) == 0;) {
		(void)nanosleep(&pause, NULL);
		if (!newest_rows(c, filter, after, LIMIT_MAX, &rows))
			return call_fail(c->why);
		after = last_id(&rows, after);
		if (rows.count > 0)
			status = call_print(c, audit_columns, COUNT_OF(audit_columns), &rows);
	}
	return status;
}

/* Who am I */

int
client_whoami(struct client_call *c)
{
	static const struct {
		const char *type, *method, *text;
	} rights[] = {
		{"imageLogin", "POST", "ask which login an image uses"},
		{"handOut", "POST", "get passwords"},
		{"registryCredential", "GET", "list logins"},
		{"registryCredential", "POST", "store and change logins"},
		{"apiKey", "POST", "make API keys"},
		{"projectMember", "GET", "see members"},
		{"auditLog", "GET", "read the audit log"},
		{"account", "POST", "make accounts"},
	};
	struct call_rows rows;
	bool hidden = false; /* passwords, from a key that was made without `reveal` */

	if (!call_open(c))
		return call_fail(c->why);
	if (call_ask(c, "GET", "", NULL) == NULL)
		return call_fail(c->why);
	(void)printf("server      %s\naccess key  %s\n", c->settings.url, c->settings.access_key);
	/* A key that hands out logins does not see itself. */
	if (call_rows(c, "apikeys",
		      arena_printf(c->arena, "&publicValue=%s",
				   client_escape(&c->client, c->settings.access_key)),
		      &rows) &&
	    rows.count == 1) {
		const char *bounds = show_bounds(c, rows.items[0], "id");
		const struct json *reveal = json_member(rows.items[0], "reveal");

		hidden = reveal != NULL && reveal->type == JSON_FALSE;
		(void)printf("key         %s", client_text(rows.items[0], "id"));
		if (client_text(rows.items[0], "name") != NULL) {
			(void)fputs(" ", stdout);
			text_print_plain(stdout, client_text(rows.items[0], "name"));
		}
		(void)printf("\nrole        %s\n", show_role(c, rows.items[0], "role"));
		if (bounds != NULL)
			(void)printf("bounds      %s\n", bounds);
		if (client_text(rows.items[0], "expires") != NULL)
			(void)printf("expires     %s\n", call_when(c, rows.items[0], "expires"));
	}
	for (size_t i = 0; i < COUNT_OF(rights); i++) {
		bool may = call_may(c, rights[i].type, rights[i].method) &&
			   !(hidden && strcmp(rights[i].type, "handOut") == 0);

		(void)printf("%-3s         %s\n", may ? "may" : "not", rights[i].text);
	}
	return EXIT_OK;
}
