/* keys: the commands for keys and accounts. */
#include "cli/keys.h"

#include <stdio.h>
#include <string.h>

#include "access/permissions.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/exit.h"
#include "base/json_in.h"
#include "base/text.h"
#include "cli/session.h"
#include "model/date.h"
#include "model/list.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "store/store.h"

/* Converts "90d" and "12h", counted from now; anything else is unchanged. */
static const char *
date_of(struct session *s, const char *text)
{
	int64_t seconds;

	return date_span(text, &seconds)
		       ? arena_printf(s->arena, "%lld",
				      (long long)(s->context.now_ms + seconds * 1000))
		       : text;
}

static struct json *
keys_body_of(struct session *s)
{
	static const char *const fields[][2] = {
		{"account", "accountId"},	{"name", "name"},
		{"description", "description"}, {"kind", "kind"},
		{"expires", "expires"},		{"role", "role"},
		{"networks", "networks"},	{"proxy-user", "externalId"}};
	struct json *body = json_object(s->arena);

	for (size_t i = 0; body != NULL && i < sizeof(fields) / sizeof(*fields); i++) {
		const char *value = arguments_value(s->arguments, fields[i][0], NULL);

		if (value != NULL && strcmp(fields[i][0], "expires") == 0)
			value = date_of(s, value);
		if (value != NULL && !http_utf8_valid(value, strlen(value)))
			return NULL;
		if (value != NULL)
			(void)json_add_string(s->arena, body, fields[i][1], value);
	}
	if (body != NULL && arguments_find(s->arguments, "reveal") != NULL)
		(void)json_add_string(s->arena, body, "reveal", "true");
	if (body != NULL && arguments_value(s->arguments, "proxy-user", NULL) != NULL)
		(void)json_add_string(s->arena, body, "externalIdType", STORE_PROXY_TYPE);
	return body;
}

static int
create(struct session *s, const char *type, struct record *row, const char **secret)
{
	struct error e = {0};
	struct json *body = keys_body_of(s);

	if (body == NULL)
		return session_fail("an option is not valid UTF-8");
	if (resource_create(&s->context, type_find(type), body, row, secret, &e) != ERR_NONE)
		return session_fail_error(&e);
	return EXIT_OK;
}

static enum err
key_revoke(struct session *s, const char *id, struct error *e)
{
	static const char *const actions[] = {"deactivate", "remove", NULL};
	struct record row;
	enum err rc = ERR_NONE;

	for (size_t i = 0; actions[i] != NULL; i++) {
		*e = (struct error){0};
		rc = resource_action(&s->context, type_find("apiKey"), id, actions[i], &row, e);
		if (rc != ERR_NONE && rc != ERR_ACTION_NOT_AVAILABLE)
			return rc;
	}
	return ERR_NONE;
}

/* Revokes a key whose secret could not be printed. */
static int
take_back(struct session *s, const struct record *row)
{
	const char *id = id_format(s->arena, row->type->family, record_id(row));
	struct error e = {0};

	if (id == NULL)
		return session_fail("out of memory");
	if (key_revoke(s, id, &e) == ERR_NONE)
		(void)fprintf(stderr,
			      "regcred: the key could not be printed, so %s has been revoked; "
			      "create another one\n",
			      id);
	else
		(void)fprintf(stderr,
			      "regcred: the key could not be printed and is still valid: revoke it "
			      "with `regcred key revoke %s`\n",
			      id);
	return EXIT_FAILED;
}

int
command_key_create(struct session *s)
{
	struct record row;
	const char *secret = NULL;

	if (arguments_value(s->arguments, "account", NULL) == NULL)
		return session_fail(
			"which account is the key for? name it, for example --account 1a5");
	/* Ignored, they would make a key without these bounds. */
	if (arguments_find(s->arguments, "registry") != NULL ||
	    arguments_find(s->arguments, "path") != NULL)
		return session_fail("--registry and --path are for a key that is made on a server: "
				    "give --for instead of --account");
	int status = create(s, "apiKey", &row, &secret);
	if (status != EXIT_OK)
		return status;
	(void)printf("REGCRED_ACCESS_KEY=%s\nREGCRED_SECRET_KEY=%s\n",
		     record_text(&row, COL_PUBLIC_VALUE), secret);
	return fflush(stdout) == 0 ? EXIT_OK : take_back(s, &row);
}

/* The kinds listed in --help, and kinds of the original that have no rights here. */
static bool
is_kind(const char *kind)
{
	static const char *const idle[] = {"agent", "register", "system", "token"};

	for (size_t i = 0; i < sizeof(idle) / sizeof(*idle); i++)
		if (strcmp(idle[i], kind) == 0)
			return true;
	for (const struct account_kind *k = account_kinds; k->kind != NULL; k++)
		if (strcmp(k->kind, kind) == 0)
			return true;
	return false;
}

int
command_account_add(struct session *s)
{
	const char *kind = arguments_value(s->arguments, "kind", NULL);
	struct record row;
	const char *secret = NULL;
	if (kind != NULL && !is_kind(kind))
		return session_fail("not a kind of account: see `regcred account add --help`");
	int status = create(s, "account", &row, &secret);

	if (status == EXIT_OK)
		(void)printf("%s\n", id_format(s->arena, row.type->family, record_id(&row)));
	return status;
}

static int
list_all(struct session *s, const char *type, const struct table_column *columns, size_t count)
{
	struct list_request request = {.all = true, .paged = true, .list = {.limit = LIMIT_MAX}};

	return session_list(s, type, &request, SIZE_MAX, columns, count);
}

int
command_key_list(struct session *s)
{
	static const struct table_column columns[] = {
		{"ID", show_id, COL_ID},
		{"ACCOUNT", show_account, COL_ACCOUNT_ID},
		{"ACCESS KEY", show_text, COL_PUBLIC_VALUE},
		{"STATE", show_text, COL_STATE},
		{"CREATED", show_date, COL_CREATED},
		{"EXPIRES", show_date, COL_EXPIRES},
		{"LAST USED", show_date, COL_LAST_USED},
		{"FROM", show_text, COL_LAST_ADDRESS},
		{"ROLE", show_text, COL_ROLE},
		{"NAME", show_text, COL_NAME},
	};

	return list_all(s, "apiKey", columns, sizeof(columns) / sizeof(*columns));
}

int
command_account_list(struct session *s)
{
	static const struct table_column columns[] = {
		{"ID", show_id, COL_ID},	 {"KIND", show_text, COL_KIND},
		{"STATE", show_text, COL_STATE}, {"CREATED", show_date, COL_CREATED},
		{"NAME", show_text, COL_NAME},
	};

	return list_all(s, "account", columns, sizeof(columns) / sizeof(*columns));
}

/* The id of a key that is named by its id or its access key; NULL if there is none. */
static const char *
find_key_id(struct session *s, const char *name)
{
	struct record key, account;
	int64_t id;

	if (id_parse(&family_credential, name, &id))
		return name;
	if (store_find_key(s->context.store, s->arena, name, &key, &account) != STORE_OK)
		return NULL;
	return id_format(s->arena, &family_credential, record_id(&key));
}

int
command_key_revoke(struct session *s)
{
	struct record row;
	struct error e = {0};
	const char *id =
		s->arguments->word_count > 0 ? find_key_id(s, s->arguments->words[0]) : NULL;

	if (id == NULL)
		return session_fail(
			"which key? give its id (1c12) or its access key as `regcred key list` "
			"prints them");
	if (resource_read(&s->context, type_find("apiKey"), id, &row, &e) != ERR_NONE ||
	    key_revoke(s, id, &e) != ERR_NONE)
		return session_fail_error(&e);
	(void)printf("revoked %s\n", id);
	return EXIT_OK;
}

static int
account_move(struct session *s, const char *action, const char *done)
{
	const char *id = s->arguments->word_count > 0 ? s->arguments->words[0] : "";
	const struct resource_type *type = type_find("account");
	struct record row;
	struct error e = {0};

	if (resource_read(&s->context, type, id, &row, &e) != ERR_NONE)
		return session_fail("which account? give its id (1a7) as `regcred account list` "
				    "prints it");
	enum err rc = resource_action(&s->context, type, id, action, &row, &e);
	if (rc != ERR_NONE && rc != ERR_ACTION_NOT_AVAILABLE)
		return session_fail_error(&e);
	(void)printf("%s %s\n", done, id);
	return EXIT_OK;
}

int
command_account_lock(struct session *s)
{
	return account_move(s, "deactivate", "locked");
}

int
command_account_unlock(struct session *s)
{
	return account_move(s, "activate", "unlocked");
}
