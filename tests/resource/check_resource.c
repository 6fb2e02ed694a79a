/* check_resource: what create, update, delete, actions and the sweep do to the rows, the process
 * log and the secrets (the contract's sections 3.3, 5, 6 and 10). */
#include <check.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "access/sign_in.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "model/list.h"
#include "model/process.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"
#include "secret/key_file.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "store/store.h"

#include "support/support.h"

static struct rig rig;
static struct identity who;
static struct context context;
static struct error e;
static int64_t registry, foreign_registry, credential;

static void
setup(void)
{
	rig_open(&rig);
	ck_assert_pstr_eq(auth_init(), NULL);
	json_in_init();
	e = (struct error){0};
	registry = rig_registry(&rig, PROJECT_DEFAULT, "reg.test");
	foreign_registry = rig_registry(&rig, PROJECT_OTHER, "other.test");
	credential = rig_credential(&rig, PROJECT_DEFAULT, registry, "the secret");
}

static void
teardown(void)
{
	rig_close(&rig);
}

/* Whoever acts from now on: project 0 is unscoped. */
static void
act_as(enum person person, int project)
{
	who = project == 0 ? rig_identity(&rig, person)
			   : rig_scoped(&rig, person, (enum person)project);
	context = rig_context(&rig, &who);
	e = (struct error){0};
}

static const char *
id_of(enum type_place type, int64_t id)
{
	return id_format(rig.arena, types_table[type].family, id);
}

/* A body with %R for the registry's id, %F for the one of another account, %C for the credential's.
 */
static struct json *
body_of(const char *text)
{
	const char *out = "";

	for (const char *p; (p = strchr(text, '%')) != NULL; text = p + 2)
		out = arena_printf(rig.arena, "%s%.*s%s", out, (int)(p - text), text,
				   p[1] == 'R'	 ? id_of(T_REGISTRY, registry)
				   : p[1] == 'F' ? id_of(T_REGISTRY, foreign_registry)
						 : id_of(T_REGISTRY_CREDENTIAL, credential));
	return rig_json(rig.arena, arena_printf(rig.arena, "%s%s", out, text));
}

static enum err
create(enum type_place type, const char *body, struct record *out, const char **secret)
{
	return resource_create(&context, &types_table[type], body_of(body), out, secret, &e);
}

static enum err
update(enum type_place type, int64_t id, const char *body, struct record *out)
{
	return resource_update(&context, &types_table[type], id_of(type, id), body_of(body), out,
			       &e);
}

static enum err
act(enum type_place type, int64_t id, const char *action, struct record *out)
{
	return resource_action(&context, &types_table[type], id_of(type, id), action, out, &e);
}

/* One column of a row, as text. */
static const char *
stored(enum type_place type, int64_t id, const char *column)
{
	return rig_sql(&rig, arena_printf(rig.arena, "SELECT %s FROM %s WHERE id = %lld", column,
					  types_table[type].family->table, (long long)id));
}

static void
set_state(enum type_place type, int64_t id, const char *state)
{
	rig_exec(&rig, arena_printf(rig.arena, "UPDATE %s SET state = '%s' WHERE id = %lld",
				    types_table[type].family->table, state, (long long)id));
}

/* The states that a row passed through, by its rows of the audit log: "requested registering
 * activating active". */
static const char *
log_of(enum type_place type, int64_t id)
{
	return rig_sql(
		&rig,
		arena_printf(rig.arena,
			     "SELECT coalesce(group_concat(coalesce(changes ->> '$.state.old' || "
			     "' ', '') || (SELECT group_concat(value || ' ', '') FROM "
			     "json_each(changes, '$.state.passed')) || (changes ->> "
			     "'$.state.new'), ', '), '') FROM (SELECT * FROM audit_log WHERE "
			     "resource_id = '%s' AND changes LIKE '%%\"passed\"%%' ORDER BY id)",
			     id_of(type, id)));
}

/* All steps of the family's rows. */
static const char *
steps_logged(enum type_place type)
{
	return rig_sql(
		&rig, arena_printf(rig.arena,
				   "SELECT count(*) FROM audit_log, json_each(changes, "
				   "'$.state.passed') WHERE resource_id GLOB '1%s[0-9]*' AND value "
				   "LIKE '%%ing%%'",
				   types_table[type].family->prefix));
}

/* Creating */

START_TEST(a_created_row_is_active_and_its_answer_still_registering)
{
	struct record row;
	const char *secret;

	act_as(PROJECT_DEFAULT, 0);
	ck_assert_int_eq(create(T_REGISTRY_CREDENTIAL,
				"{\"registryId\":\"%R\",\"email\":\"e@x\",\"publicValue\":\"u\","
				"\"secretValue\":\"pw\",\"name\":\"n\"}",
				&row, &secret),
			 ERR_NONE);
	int64_t id = record_id(&row);
	ck_assert_str_eq(secret, "pw");
	ck_assert_int_eq(record_state(&row), ST_REGISTERING);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, id, "state"), "active");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, id, "created"), "1714979289000");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, id, "account_id"), "5");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, id, "kind"), "registryCredential");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, id, "email || public_value || name"),
			 "e@xun");
	ck_assert_str_eq(
		stored(T_REGISTRY_CREDENTIAL, id, "removed IS NULL AND remove_time IS NULL"), "1");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, id, "instr(secret_value, 'pw')"), "0");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, id, "length(uuid)"), "36");
	ck_assert_str_eq(log_of(T_REGISTRY_CREDENTIAL, id),
			 "requested registering activating active");
}
END_TEST

START_TEST(created_is_a_whole_second)
{
	struct record row;
	const char *secret;

	act_as(PROJECT_DEFAULT, 0);
	context.now_ms = RIG_NOW + 999;
	ck_assert_int_eq(create(T_REGISTRY, "{\"serverAddress\":\"a\"}", &row, &secret), ERR_NONE);
	ck_assert_str_eq(stored(T_REGISTRY, record_id(&row), "created"), "1714979289000");
	ck_assert_ptr_null(secret);
}
END_TEST

/* What a create ends with: an error and its field, or the columns of the new row. */
/* clang-format off */
static const struct { enum person person; int project; enum type_place type; const char *body; enum err err; const char *field; const char *column, *value; } creates[] = {
	/* Who may. */
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\"a\"}",               ERR_NONE, NULL, "account_id", "5" },
	{ PERSON_OWNER,    5, T_REGISTRY, "{\"serverAddress\":\"a\"}",               ERR_NONE, NULL, "account_id", "5" },
	{ PERSON_MEMBER,   5, T_REGISTRY, "{\"serverAddress\":\"a\"}",               ERR_NONE, NULL, "account_id", "5" },
	{ PERSON_RESTRICTED, 5, T_REGISTRY, "{\"serverAddress\":\"a\"}",             ERR_NONE, NULL, "account_id", "5" },
	{ PERSON_PROJECTADMIN, 5, T_REGISTRY, "{\"serverAddress\":\"a\"}",           ERR_NONE, NULL, "account_id", "5" },
	{ PERSON_ADMIN,    6, T_REGISTRY, "{\"serverAddress\":\"a\"}",               ERR_NONE, NULL, "account_id", "6" },
	{ PERSON_SERVICE,  5, T_REGISTRY, "{\"serverAddress\":\"a\"}",               ERR_NONE, NULL, "account_id", "5" },
	{ PERSON_READONLY, 5, T_REGISTRY, "{\"serverAddress\":\"a\"}",               ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_READADMIN, 5, T_REGISTRY, "{\"serverAddress\":\"a\"}",              ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_OWNER,    0, T_REGISTRY, "{\"serverAddress\":\"a\"}",               ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_ADMIN,    0, T_REGISTRY, "{\"serverAddress\":\"a\"}",               ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_ADMIN,    0, T_REGISTRY, "{}",                                      ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_STORAGE_POOL, "{\"serverAddress\":\"a\"}",           ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_CREDENTIAL, "{}",                                    ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_PROJECT, "{\"name\":\"p\"}",                         ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_ACCOUNT, "{\"name\":\"p\"}",                         ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_OWNER,    5, T_PROJECT_MEMBER, "{}",                                ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_OWNER,    5, T_SCHEMA, "{}",                                        ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },

	/* Bodies. */
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{}",                                      ERR_MISSING_REQUIRED, "serverAddress", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\"\"}",                ERR_MIN_LENGTH, "serverAddress", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\"a\",\"accountId\":\"1a6\",\"uuid\":\"u\",\"state\":\"removed\",\"kind\":\"x\"}", ERR_NONE, NULL,
	  "account_id || state || kind || (uuid <> 'u')", "5activeregistry1" },

	/* Addresses. */
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\"reg.test\"}",        ERR_SERVER_ADDRESS_USED, NULL, NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\"REG.TEST\"}",        ERR_SERVER_ADDRESS_USED, NULL, NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\"reg.test\",\"name\":{}}", ERR_INVALID_FORMAT, "name", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\"other.test\"}",      ERR_NONE, NULL, "server_address", "other.test" },
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\" reg.test\"}",       ERR_NONE, NULL, "server_address", " reg.test" },

	/* References. */
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%R\",\"email\":\"e\"}", ERR_NONE, NULL, "secret_value IS NULL", "1" },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%F\",\"email\":\"e\"}", ERR_INVALID_REFERENCE, "registryId", NULL, NULL },
	{ PERSON_ADMIN,    5, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%F\",\"email\":\"e\"}", ERR_INVALID_REFERENCE, "registryId", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"1sp999\",\"email\":\"e\"}", ERR_INVALID_REFERENCE, "registryId", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%C\",\"email\":\"e\"}", ERR_INVALID_REFERENCE, "registryId", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%F\"}",      ERR_MISSING_REQUIRED, "email", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%R\",\"email\":\"e\",\"secretValue\":\"\"}", ERR_NONE, NULL, "secret_value IS NULL", "0" },
	{ PERSON_SERVICE,  0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%F\",\"email\":\"e\",\"accountId\":\"1a6\"}", ERR_NONE, NULL, "account_id", "6" },
	{ PERSON_SERVICE,  0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%F\",\"email\":\"e\",\"accountId\":\"1a5\"}", ERR_INVALID_REFERENCE, "registryId", NULL, NULL },
	{ PERSON_SERVICE,  0, T_REGISTRY, "{\"serverAddress\":\"a\",\"accountId\":\"1a999\"}", ERR_INVALID_REFERENCE, "accountId", NULL, NULL },
	{ PERSON_SERVICE,  0, T_REGISTRY, "{\"serverAddress\":\"a\",\"accountId\":\"1a17\"}", ERR_INVALID_REFERENCE, "accountId", NULL, NULL },
	{ PERSON_SERVICE,  0, T_REGISTRY, "{\"serverAddress\":\"a\",\"accountId\":5}", ERR_INVALID_REFERENCE, "accountId", NULL, NULL },

	/* Given uuids. */
	{ PERSON_SERVICE,  5, T_REGISTRY, "{\"serverAddress\":\"a\",\"uuid\":\"mine\"}", ERR_NONE, NULL, "uuid", "mine" },
	{ PERSON_ADMIN,    0, T_ACCOUNT, "{\"uuid\":\"admin\"}",                     ERR_NOT_UNIQUE, "uuid", NULL, NULL },
	{ PERSON_ADMIN,    0, T_ACCOUNT, "{\"uuid\":\"\"}",                          ERR_INVALID_CHARACTERS, "uuid", NULL, NULL },
	{ PERSON_SERVICE,  5, T_REGISTRY, "{\"serverAddress\":\"a\",\"uuid\":\"a\\nb\"}", ERR_INVALID_CHARACTERS, "uuid", NULL, NULL },

	/* Keys and passwords. */
	{ PROJECT_DEFAULT, 0, T_API_KEY, "{}",                                       ERR_NONE, NULL, "length(public_value) || length(secret_value)", "2032" },
	{ PROJECT_DEFAULT, 0, T_API_KEY, "{\"publicValue\":\"MINE\",\"secretValue\":\"mine\"}", ERR_NONE, NULL, "public_value = 'MINE'", "0" },
	{ PERSON_ADMIN,    0, T_API_KEY, "{\"publicValue\":\"MINE\"}",               ERR_NONE, NULL, "public_value", "MINE" },
	{ PERSON_ADMIN,    0, T_API_KEY, "{\"publicValue\":\"owner\"}",              ERR_NOT_UNIQUE, "publicValue", NULL, NULL },
	{ PERSON_ADMIN,    0, T_API_KEY, "{\"publicValue\":\"a:b\"}",                ERR_INVALID_CHARACTERS, "publicValue", NULL, NULL },
	{ PERSON_ADMIN,    0, T_API_KEY, "{\"publicValue\":\"\",\"secretValue\":\"\"}", ERR_NONE, NULL, "length(public_value)", "20" },
	{ PERSON_ADMIN,    0, T_API_KEY, "{\"accountId\":\"1a5\"}",                  ERR_NONE, NULL, "account_id", "5" },
	{ PERSON_ADMIN,    0, T_API_KEY, "{\"accountId\":\"1a3\"}",                  ERR_INVALID_REFERENCE, "accountId", NULL, NULL },
	{ PERSON_SUPERADMIN, 0, T_API_KEY, "{\"accountId\":\"1a3\"}",                ERR_NONE, NULL, "account_id", "3" },
	{ PERSON_ADMIN,    0, T_API_KEY, "{}",                                       ERR_NONE, NULL, "account_id", "1" },
	{ PERSON_OWNER,    0, T_API_KEY, "{\"accountId\":\"1a5\"}",                  ERR_NONE, NULL, "account_id", "7" },
	{ PROJECT_DEFAULT, 0, T_PASSWORD, "{\"publicValue\":\"p\",\"secretValue\":\"pw\"}", ERR_NONE, NULL, "length(secret_value) || (instr(secret_value, 'pw') > 0)", "320" },

	/* Accounts and projects. */
	{ PERSON_ADMIN,    0, T_ACCOUNT, "{\"name\":\"x\"}",                         ERR_NONE, NULL, "kind || state", "useractive" },
	{ PERSON_ADMIN,    0, T_ACCOUNT, "{\"kind\":\"service\"}",                   ERR_NONE, NULL, "kind", "service" },
	{ PERSON_ADMIN,    0, T_ACCOUNT, "{\"kind\":\"superadmin\"}",                ERR_INVALID_OPTION, "kind", NULL, NULL },
	{ PERSON_SUPERADMIN, 0, T_ACCOUNT, "{\"kind\":\"superadmin\"}",              ERR_NONE, NULL, "kind", "superadmin" },
	{ PERSON_OWNER,    0, T_PROJECT, "{\"name\":\"p\",\"swarm\":true}",          ERR_NONE, NULL, "kind || name || swarm || mesos", "projectp10" },
	{ PERSON_ADMIN,    0, T_PROJECT, "{}",                                       ERR_NONE, NULL, "kind", "project" },
	{ PERSON_OWNER,    5, T_PROJECT, "{\"name\":\"p\"}",                         ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_OWNER,    0, T_PROJECT, "{\"members\":[{\"externalId\":\"1a999\"}]}", ERR_INVALID_REFERENCE, "members", NULL, NULL },
};
/* clang-format on */

START_TEST(a_create_makes_a_row_or_changes_nothing)
{
	struct record row;
	const char *secret;

	act_as(creates[_i].person, creates[_i].project);
	const char *before = rig_dump(&rig);
	enum err rc = create(creates[_i].type, creates[_i].body, &row, &secret);
	ck_assert_str_eq(err_name(rc), err_name(creates[_i].err));
	ck_assert_int_eq(e.code, rc);
	ck_assert_pstr_eq(e.field, creates[_i].field);
	if (rc != ERR_NONE) {
		ck_assert_str_eq(rig_dump(&rig), before);
		ck_assert_ptr_null(secret);
		return;
	}
	ck_assert_str_eq(stored(creates[_i].type, record_id(&row), creates[_i].column),
			 creates[_i].value);
	ck_assert_str_eq(stored(creates[_i].type, record_id(&row), "state"), "active");
}
END_TEST

/* 5.6 and the deviation in 0.1: a registry that is not live is no reference. */
static const struct {
	const char *change;
	enum err err;
} registry_states[] = {
	{"state = 'active'", ERR_NONE},
	{"state = 'inactive'", ERR_NONE},
	{"state = 'removed', removed = 5", ERR_INVALID_REFERENCE},
	{"state = 'purged', removed = 5", ERR_INVALID_REFERENCE},
	{"kind = 'docker'", ERR_INVALID_REFERENCE},
};

START_TEST(a_credential_is_made_for_a_live_registry_alone)
{
	struct record row;
	const char *secret;

	act_as(PROJECT_DEFAULT, 0);
	rig_exec(&rig, arena_printf(rig.arena, "UPDATE storage_pool SET %s WHERE id = %lld",
				    registry_states[_i].change, (long long)registry));
	ck_assert_int_eq(create(T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%R\",\"email\":\"e\"}",
				&row, &secret),
			 registry_states[_i].err);
}
END_TEST

START_TEST(a_removed_registry_frees_its_address)
{
	struct record row;
	const char *secret;

	act_as(PROJECT_DEFAULT, 0);
	set_state(T_REGISTRY, registry, "inactive");
	ck_assert_int_eq(act(T_REGISTRY, registry, "remove", &row), ERR_NONE);
	ck_assert_int_eq(create(T_REGISTRY, "{\"serverAddress\":\"reg.test\"}", &row, &secret),
			 ERR_NONE);
}
END_TEST

START_TEST(a_new_key_works_at_once_and_its_secret_is_stored_as_a_hash)
{
	struct record row, got, account;
	const char *secret;

	act_as(PROJECT_DEFAULT, 0);
	ck_assert_int_eq(create(T_API_KEY, "{}", &row, &secret), ERR_NONE);
	ck_assert_uint_eq(strlen(secret), 40);
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, record_text(&row, COL_PUBLIC_VALUE),
					&got, &account),
			 STORE_OK);
	ck_assert(secret_verify_key(rig.ring, secret, &got.columns[COL_SECRET_VALUE]));
	ck_assert_int_eq(record_id(&account), PROJECT_DEFAULT);
}
END_TEST

/* Reading */

/* clang-format off */
static const struct { enum person person; int project; enum type_place type; const char *id; enum err err; } reads[] = {
	{ PROJECT_DEFAULT, 0, T_REGISTRY,            "%R", ERR_NONE },
	{ PROJECT_DEFAULT, 0, T_STORAGE_POOL,        "%R", ERR_NONE },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "%C", ERR_NONE },
	{ PROJECT_DEFAULT, 0, T_CREDENTIAL,          "%C", ERR_NONE },
	{ PERSON_OWNER,    0, T_REGISTRY,            "%R", ERR_NONE },
	{ PERSON_READONLY, 0, T_REGISTRY,            "%R", ERR_NONE },
	{ PERSON_ADMIN,    0, T_REGISTRY,            "%F", ERR_NONE },
	{ PERSON_READADMIN, 0, T_REGISTRY,           "%F", ERR_NONE },
	{ PERSON_SERVICE,  0, T_REGISTRY_CREDENTIAL, "%C", ERR_NONE },
	{ PROJECT_DEFAULT, 0, T_PROJECT,             "1a5", ERR_NONE },
	{ PROJECT_DEFAULT, 0, T_ACCOUNT,             "1a5", ERR_NONE },
	/* Another account's, another type's, none: all the same. */
	{ PROJECT_DEFAULT, 0, T_REGISTRY,            "%F", ERR_NOT_FOUND },
	{ PERSON_OWNER,    0, T_REGISTRY,            "%F", ERR_NOT_FOUND },
	{ PERSON_STRANGER, 0, T_REGISTRY,            "%R", ERR_NOT_FOUND },
	{ PERSON_ADMIN,    5, T_REGISTRY,            "%F", ERR_NOT_FOUND },
	{ PROJECT_OTHER,   0, T_REGISTRY_CREDENTIAL, "%C", ERR_NOT_FOUND },
	{ PROJECT_DEFAULT, 0, T_API_KEY,             "%C", ERR_NOT_FOUND },
	{ PROJECT_DEFAULT, 0, T_REGISTRY,            "1sp999", ERR_NOT_FOUND },
	{ PROJECT_DEFAULT, 0, T_REGISTRY,            "reg.test", ERR_NOT_FOUND },
	{ PROJECT_DEFAULT, 0, T_REGISTRY,            "7", ERR_NOT_FOUND },
	{ PROJECT_DEFAULT, 0, T_REGISTRY,            "1SP1", ERR_NOT_FOUND },
	{ PROJECT_DEFAULT, 0, T_REGISTRY,            "", ERR_NOT_FOUND },
	{ PROJECT_DEFAULT, 0, T_PROJECT,             "1a6", ERR_NOT_FOUND },
	{ PROJECT_DEFAULT, 0, T_PROJECT,             "1a1", ERR_NOT_FOUND },
	{ PERSON_ADMIN,    0, T_PROJECT,             "1a1", ERR_NOT_FOUND },
	{ PERSON_ADMIN,    0, T_ACCOUNT,             "1a1", ERR_NONE },
	{ PROJECT_DEFAULT, 0, T_SCHEMA,              "1c1", ERR_NOT_FOUND },
	{ PERSON_AGENT,    0, T_REGISTRY,            "%R", ERR_NOT_FOUND },
	{ PERSON_AGENT,    0, T_ACCOUNT,             "1a14", ERR_NOT_FOUND },
};
/* clang-format on */

START_TEST(a_row_is_read_by_whom_it_is_there_for)
{
	struct record row;
	const char *id = reads[_i].id;

	act_as(reads[_i].person, reads[_i].project);
	if (*id == '%')
		id = id[1] == 'C' ? id_of(T_REGISTRY_CREDENTIAL, credential)
				  : id_of(T_REGISTRY, id[1] == 'R' ? registry : foreign_registry);
	ck_assert_int_eq(resource_read(&context, &types_table[reads[_i].type], id, &row, &e),
			 reads[_i].err);
	/* Nothing tells the reasons for a 404 apart. */
	if (reads[_i].err != ERR_NONE)
		ck_assert(e.field == NULL && strcmp(e.detail, err_detail(ERR_NOT_FOUND)) == 0);
	else
		ck_assert_str_eq(id_format(rig.arena, row.type->family, record_id(&row)), id);
}
END_TEST

static const char *
ids_of_list(enum type_place type, const char *query)
{
	struct list_request request;
	struct record_list list;
	struct pairs pairs;
	const struct view_of_type view = {who.role, &types_table[type]};
	const char *text = "";

	ck_assert_int_eq(http_form_parse(rig.arena, query, strlen(query), &pairs, &e), ERR_NONE);
	ck_assert_int_eq(query_parse(rig.arena, &types_table[type], API_V1, &pairs,
				     resource_field_visible, &view, RIG_NOW, &request, &e),
			 ERR_NONE);
	ck_assert_int_eq(resource_list(&context, &types_table[type], &request, &list, &e),
			 ERR_NONE);
	for (size_t i = 0; i < list.count; i++)
		text = arena_printf(rig.arena, "%s%s%lld", text, i > 0 ? " " : "",
				    (long long)record_id(&list.items[i]));
	return text;
}

/* Accounts and projects in a list (6.6, 9.2): ids. */
static const struct {
	enum person person;
	int project;
	enum type_place type;
	const char *query, *ids;
} lists[] = {
	{PROJECT_DEFAULT, 0, T_ACCOUNT, "", "5"},
	{PERSON_OWNER, 0, T_ACCOUNT, "", "7"},
	{PERSON_OWNER, 5, T_ACCOUNT, "", "5"},
	{PERSON_ADMIN, 0, T_ACCOUNT, "", "1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 18"},
	{PERSON_ADMIN, 0, T_ACCOUNT, "kind=service", "11"},
	{PROJECT_DEFAULT, 0, T_PROJECT, "", "5"},
	{PERSON_OWNER, 0, T_PROJECT, "", "5 16"},
	{PERSON_MEMBER, 0, T_PROJECT, "", "5"},
	{PERSON_STRANGER, 0, T_PROJECT, "", ""},
	{PERSON_ADMIN, 0, T_PROJECT, "", "5"},
	{PERSON_ADMIN, 0, T_PROJECT, "all=true", "5 6 16"},
	{PERSON_MEMBER, 0, T_PROJECT, "all=true", "5"},
	{PERSON_SERVICE, 0, T_PROJECT, "", "5 6 16"},
	{PERSON_OWNER, 0, T_PROJECT, "name=DEFAULT", "5"},
	{PERSON_OWNER, 0, T_PROJECT, "name=none", ""},
	{PROJECT_DEFAULT, 0, T_REGISTRY, "", "1"},
	{PROJECT_OTHER, 0, T_REGISTRY, "", "2"},
	{PERSON_OWNER, 0, T_REGISTRY, "", "1"},
	{PERSON_ADMIN, 0, T_REGISTRY, "", "1 2"},
	{PERSON_ADMIN, 6, T_REGISTRY, "", "2"},
	{PERSON_STRANGER, 0, T_REGISTRY, "", ""},
	/* A filter widens nothing. */
	{PROJECT_DEFAULT, 0, T_REGISTRY, "accountId=1a6", ""},
	{PROJECT_DEFAULT, 0, T_REGISTRY, "id=1sp2", ""},
	{PROJECT_DEFAULT, 0, T_REGISTRY, "all=true", "1"},
};

START_TEST(a_list_shows_the_rows_of_the_caller)
{
	act_as(lists[_i].person, lists[_i].project);
	ck_assert_str_eq(ids_of_list(lists[_i].type, lists[_i].query), lists[_i].ids);
}
END_TEST

START_TEST(links_lead_to_live_rows_of_the_caller)
{
	struct record row, target;
	struct record_list list;
	struct list_request request = {0};
	const struct resource_type *type = &types_table[T_REGISTRY_CREDENTIAL];

	act_as(PROJECT_DEFAULT, 0);
	ck_assert_int_eq(
		resource_read(&context, type, id_of(T_REGISTRY_CREDENTIAL, credential), &row, &e),
		ERR_NONE);
	ck_assert_int_eq(resource_follow(&context, &row, type_link(type, "registry"), &target, &e),
			 ERR_NONE);
	ck_assert_int_eq(record_id(&target), registry);
	ck_assert_int_eq(resource_follow(&context, &row, type_link(type, "account"), &target, &e),
			 ERR_NONE);
	ck_assert_int_eq(record_id(&target), PROJECT_DEFAULT);

	int64_t gone = rig_credential(&rig, PROJECT_DEFAULT, registry, NULL);
	rig_exec(&rig, arena_printf(rig.arena, "UPDATE credential SET removed = 5 WHERE id = %lld",
				    (long long)gone));
	type = &types_table[T_REGISTRY];
	ck_assert_int_eq(resource_read(&context, type, id_of(T_REGISTRY, registry), &target, &e),
			 ERR_NONE);
	ck_assert_int_eq(resource_children(&context, &target, type_link(type, "credentials"),
					   &request, &list, &e),
			 ERR_NONE);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_int_eq(record_id(&list.items[0]), credential);

	/* 1.5: 404 if it has been removed. */
	rig_exec(&rig, "UPDATE storage_pool SET removed = 5");
	type = &types_table[T_REGISTRY_CREDENTIAL];
	ck_assert_int_eq(resource_follow(&context, &row, type_link(type, "registry"), &target, &e),
			 ERR_NOT_FOUND);
	row.columns[COL_REGISTRY_ID] = value_null();
	ck_assert_int_eq(resource_follow(&context, &row, type_link(type, "registry"), &target, &e),
			 ERR_NOT_FOUND);
}
END_TEST

/* Updating */

/* clang-format off */
static const struct { enum person person; int project; enum type_place type; const char *body; enum err err; const char *field; const char *column, *value; } updates[] = {
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"name\":\"new\",\"email\":\"n@x\"}", ERR_NONE, NULL, "name || email || public_value", "newn@xci-bot" },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"publicValue\":null}",   ERR_NONE, NULL, "public_value IS NULL", "1" },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{}",                       ERR_NONE, NULL, "public_value", "ci-bot" },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "[]",                       ERR_NONE, NULL, "public_value", "ci-bot" },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%F\",\"accountId\":\"1a6\",\"state\":\"removed\",\"id\":\"1c999\",\"uuid\":\"u\"}", ERR_NONE, NULL,
	  "registry_id || account_id || state || (uuid = 'u')", "15active0" },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"email\":null}",         ERR_NOT_NULLABLE, "email", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY_CREDENTIAL, "{\"email\":\"\"}",         ERR_MIN_LENGTH, "email", NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\"x\",\"name\":\"n\"}", ERR_NONE, NULL, "server_address || name", "reg.testn" },
	{ PROJECT_DEFAULT, 0, T_CREDENTIAL, "{\"name\":\"n\"}",                  ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PROJECT_DEFAULT, 0, T_STORAGE_POOL, "{\"name\":\"n\"}",                ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_READONLY, 5, T_REGISTRY, "{\"name\":\"n\"}",                    ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_OWNER,    0, T_REGISTRY, "{\"name\":\"n\"}",                    ERR_METHOD_NOT_ALLOWED, NULL, NULL, NULL },
	{ PERSON_MEMBER,   5, T_REGISTRY, "{\"name\":\"n\"}",                    ERR_NONE, NULL, "name", "n" },
	{ PROJECT_OTHER,   0, T_REGISTRY, "{\"name\":\"n\"}",                    ERR_NOT_FOUND, NULL, NULL, NULL },
	{ PROJECT_OTHER,   0, T_REGISTRY, "{\"name\":{}}",                       ERR_INVALID_FORMAT, "name", NULL, NULL },
	{ PERSON_SERVICE,  0, T_REGISTRY, "{\"accountId\":\"1a6\",\"name\":\"n\"}", ERR_NONE, NULL, "account_id || name", "5n" },
};
/* clang-format on */

START_TEST(an_update_changes_what_may_be_changed)
{
	struct record row;
	enum type_place type = updates[_i].type;
	bool pool = type == T_REGISTRY || type == T_STORAGE_POOL;

	act_as(updates[_i].person, updates[_i].project);
	const char *before = rig_dump(&rig);
	enum err rc = update(type, pool ? registry : credential, updates[_i].body, &row);
	ck_assert_str_eq(err_name(rc), err_name(updates[_i].err));
	ck_assert_pstr_eq(e.field, updates[_i].field);
	if (rc != ERR_NONE) {
		ck_assert_str_eq(rig_dump(&rig), before);
		return;
	}
	ck_assert_str_eq(stored(type, pool ? registry : credential, updates[_i].column),
			 updates[_i].value);
	/* 10.9: no process runs. */
	ck_assert_str_eq(log_of(type, pool ? registry : credential), "");
	ck_assert_int_eq(record_state(&row), ST_ACTIVE);
}
END_TEST

START_TEST(an_update_works_in_every_state_and_leaves_it)
{
	struct record row;
	const char *state = state_name((enum state)_i);

	act_as(PROJECT_DEFAULT, 0);
	set_state(T_REGISTRY_CREDENTIAL, credential, state);
	ck_assert_int_eq(update(T_REGISTRY_CREDENTIAL, credential, "{\"name\":\"n\"}", &row),
			 ERR_NONE);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "name"), "n");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), state);
	ck_assert_str_eq(log_of(T_REGISTRY_CREDENTIAL, credential), "");
}
END_TEST

START_TEST(a_new_name_of_an_account_leaves_its_state)
{
	struct record row;

	act_as(PERSON_ADMIN, 0);
	ck_assert_int_eq(update(T_ACCOUNT, PERSON_OWNER, "{\"name\":\"new\"}", &row), ERR_NONE);
	ck_assert_str_eq(log_of(T_ACCOUNT, PERSON_OWNER), "");
	ck_assert_int_eq(update(T_ACCOUNT, PERSON_OWNER, "{\"name\":\"new\"}", &row), ERR_NONE);
	ck_assert_int_eq(update(T_ACCOUNT, PERSON_OWNER, "{\"description\":\"d\"}", &row),
			 ERR_NONE);
	ck_assert_str_eq(log_of(T_ACCOUNT, PERSON_OWNER), "");
	ck_assert_str_eq(stored(T_ACCOUNT, PERSON_OWNER, "name || description"), "newd");
}
END_TEST

START_TEST(an_account_does_not_become_a_project)
{
	struct record row;

	act_as(PERSON_ADMIN, 0);
	ck_assert_int_eq(update(T_ACCOUNT, PERSON_OWNER, "{\"kind\":\"project\"}", &row),
			 ERR_INVALID_OPTION);
	ck_assert_str_eq(e.field, "kind");
	ck_assert_int_eq(update(T_ACCOUNT, PERSON_OWNER, "{\"kind\":\"superadmin\"}", &row),
			 ERR_INVALID_OPTION);
	ck_assert_int_eq(update(T_ACCOUNT, PERSON_OWNER, "{\"kind\":\"service\"}", &row), ERR_NONE);
	ck_assert_str_eq(stored(T_ACCOUNT, PERSON_OWNER, "kind"), "service");
}
END_TEST

/* Secrets: who clears, who keeps, who replaces (10.4), and what opens afterwards. */
static const struct {
	enum person person;
	int project;
	const char *body;
	const char *secret; /* "null": cleared */
} secrets[] = {
	{PROJECT_DEFAULT, 0, "{\"secretValue\":null}", "the secret"},
	{PROJECT_DEFAULT, 0, "{\"secretValue\":null,\"name\":\"n\"}", "the secret"},
	{PROJECT_DEFAULT, 0, "{\"secretValue\":\"new\"}", "new"},
	{PROJECT_DEFAULT, 0, "{\"secretValue\":\"\"}", ""},
	{PROJECT_DEFAULT, 0, "{\"secretValue\":12}", "12"},
	{PROJECT_DEFAULT, 0, "{\"secretValue\":\" p\\nw \"}", " p\nw "},
	{PROJECT_DEFAULT, 0, "{\"name\":\"n\"}", "the secret"},
	{PERSON_OWNER, 5, "{\"secretValue\":null}", "the secret"},
	{PERSON_SERVICE, 5, "{\"secretValue\":null}", "the secret"},
	{PERSON_PROJECTADMIN, 5, "{\"secretValue\":null}", "null"},
	{PERSON_PROJECTADMIN, 5, "{\"secretValue\":\"new\"}", "new"},
	{PERSON_SUPERADMIN, 5, "{\"secretValue\":null}", "null"},
	{PERSON_SUPERADMIN, 0, "{\"secretValue\":null}", "null"},
};

/* As superadmin, who may open it. */
static const char *
opened(int64_t id)
{
	struct record row;
	const struct resource_type *type = &types_table[T_REGISTRY_CREDENTIAL];

	act_as(PERSON_SUPERADMIN, 0);
	ck_assert_int_eq(resource_read(&context, type, id_of(T_REGISTRY_CREDENTIAL, id), &row, &e),
			 ERR_NONE);
	const char *text = resource_open(&context, &row);
	return text != NULL ? text : "null";
}

START_TEST(a_secret_is_kept_replaced_or_cleared_by_the_callers_role)
{
	struct record row;

	act_as(secrets[_i].person, secrets[_i].project);
	ck_assert_int_eq(update(T_REGISTRY_CREDENTIAL, credential, secrets[_i].body, &row),
			 ERR_NONE);
	ck_assert_str_eq(opened(credential), secrets[_i].secret);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "secret_value IS NULL"),
			 strcmp(secrets[_i].secret, "null") == 0 ? "1" : "0");
}
END_TEST

/* What the key was that sealed a row's secret. */
static const char *
sealed_with(int64_t id)
{
	return stored(T_REGISTRY_CREDENTIAL, id, "hex(substr(secret_value, 2, 4))");
}

START_TEST(a_key_that_was_retired_meanwhile_seals_nothing_that_is_stored)
{
	char why[SECRET_WHY_MAX];
	const char *path = rig_path("retired.key");
	struct record row;
	const char *secret;
	FILE *from = fopen(rig_key_file(), "rb"), *to;
	char text[1024] = "";

	(void)unlink(path);
	ck_assert_ptr_nonnull(from);
	ck_assert_uint_gt(fread(text, 1, sizeof(text) - 1, from), 0);
	ck_assert_int_eq(fclose(from), 0);
	to = fopen(path, "wb");
	ck_assert_ptr_nonnull(to);
	ck_assert_int_ge(fputs(text, to), 0);
	ck_assert_int_eq(fclose(to), 0);
	ck_assert_int_eq(chmod(path, 0400), 0);
	struct keyring *ring = keyring_load(path, why);
	ck_assert_msg(ring != NULL, "%s", why);
	/* It has just looked at the file: what follows it does not see by itself. */
	keyring_refresh(ring);
	ck_assert_msg(keyring_add(path, 2, why) && keyring_set_primary(path, 2, why) &&
			      keyring_remove(path, 1, why),
		      "%s", why);
	rig_exec(&rig, "UPDATE key_check SET key_id = 2 WHERE use = 'seal'");

	act_as(PROJECT_DEFAULT, 0);
	context.ring = ring;
	ck_assert_int_eq(create(T_REGISTRY_CREDENTIAL,
				"{\"registryId\":\"%R\",\"email\":\"e@x\",\"publicValue\":\"u\","
				"\"secretValue\":\"pw\"}",
				&row, &secret),
			 ERR_NONE);
	ck_assert_str_eq(sealed_with(record_id(&row)), "00000002");
	keyring_free(ring);
}
END_TEST

START_TEST(without_a_check_value_of_the_key_no_secret_is_stored)
{
	struct record row;
	const char *secret;

	rig_exec(&rig, "DELETE FROM key_check WHERE use = 'seal'");
	act_as(PROJECT_DEFAULT, 0);
	ck_assert_int_eq(create(T_REGISTRY_CREDENTIAL,
				"{\"registryId\":\"%R\",\"email\":\"e@x\",\"publicValue\":\"u\","
				"\"secretValue\":\"pw\"}",
				&row, &secret),
			 ERR_INTERNAL);
	act_as(PROJECT_DEFAULT, 0);
	ck_assert_int_eq(
		update(T_REGISTRY_CREDENTIAL, credential, "{\"secretValue\":\"new\"}", &row),
		ERR_INTERNAL);
	ck_assert_str_eq(opened(credential), "the secret");
	act_as(PROJECT_DEFAULT, 0);
	ck_assert_int_eq(update(T_REGISTRY_CREDENTIAL, credential, "{\"name\":\"new\"}", &row),
			 ERR_NONE);
}
END_TEST

static const struct {
	enum person person;
	int project;
	bool opens;
} openers[] = {
	{PERSON_SUPERADMIN, 0, true},	{PERSON_SUPERADMIN, 5, true},
	{PERSON_PROJECTADMIN, 5, true}, {PERSON_PROJECTADMIN, 0, true},
	{PERSON_SERVICE, 0, false},	{PERSON_ADMIN, 0, false},
	{PERSON_ADMIN, 5, false},	{PERSON_READADMIN, 0, false},
	{PERSON_OWNER, 0, false},	{PERSON_OWNER, 5, false},
	{PERSON_MEMBER, 5, false},	{PERSON_READONLY, 5, false},
	{PROJECT_DEFAULT, 0, false},
};

START_TEST(a_secret_opens_for_two_roles_alone)
{
	struct record row;
	const struct resource_type *type = &types_table[T_REGISTRY_CREDENTIAL];

	act_as(openers[_i].person, openers[_i].project);
	ck_assert_int_eq(
		resource_read(&context, type, id_of(T_REGISTRY_CREDENTIAL, credential), &row, &e),
		ERR_NONE);
	ck_assert_pstr_eq(resource_open(&context, &row), openers[_i].opens ? "the secret" : NULL);
}
END_TEST

START_TEST(a_sealed_secret_that_was_moved_to_another_row_does_not_open)
{
	int64_t other = rig_credential(&rig, PROJECT_DEFAULT, registry, "another");

	rig_exec(&rig,
		 arena_printf(rig.arena,
			      "UPDATE credential SET secret_value = (SELECT secret_value FROM "
			      "credential WHERE id = %lld) WHERE id = %lld",
			      (long long)credential, (long long)other));
	ck_assert_str_eq(opened(other), "null");
	ck_assert_str_eq(opened(credential), "the secret");
	rig_exec(&rig, "UPDATE credential SET account_id = 6");
	ck_assert_str_eq(opened(credential), "null");
}
END_TEST

START_TEST(the_hash_of_a_key_is_never_shown)
{
	struct record row;
	const struct resource_type *type = &types_table[T_API_KEY];
	const char *id = rig_sql(&rig, "SELECT '1c' || id FROM credential WHERE public_value = "
				       "'owner'");

	act_as(PERSON_SUPERADMIN, 0);
	ck_assert_int_eq(resource_read(&context, type, id, &row, &e), ERR_NONE);
	ck_assert_ptr_null(resource_open(&context, &row));
}
END_TEST

START_TEST(a_purged_row_takes_no_secret_again)
{
	struct record row;

	act_as(PROJECT_DEFAULT, 0);
	rig_exec(&rig, "UPDATE credential SET state = 'purged', removed = 5, secret_value = NULL "
		       "WHERE kind = 'registryCredential'");
	ck_assert_int_eq(
		update(T_REGISTRY_CREDENTIAL, credential, "{\"secretValue\":\"new\"}", &row),
		ERR_NONE);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "secret_value IS NULL"), "1");
}
END_TEST

/* Bounds of keys */

/* clang-format off */
/* The key that asks ("" for no bounds), what it asks for, and what comes of it: the columns of the
 * new key, or the field that is refused.  RIG_NOW is 1714979289000. */
static const struct { const char *own, *body; enum err err; const char *result; } bounded[] = {
	{ "", "{}",                                                        ERR_NONE, "- - -" },
	{ "", "{\"expires\":1714979290000,\"role\":\"readonly\",\"networks\":[\"10.0.0.0/8\"]}", ERR_NONE, "1714979290000 readonly 10.0.0.0/8" },
	{ "", "{\"expires\":1714979289000}",                               ERR_INVALID_FORMAT, "expires" },
	{ "", "{\"expires\":0}",                                           ERR_INVALID_FORMAT, "expires" },
	{ "expires = 1800000000000", "{}",                                 ERR_NONE, "1800000000000 - -" },
	{ "expires = 1800000000000", "{\"expires\":null}",                 ERR_NONE, "1800000000000 - -" },
	{ "expires = 1800000000000", "{\"expires\":1800000000000}",        ERR_NONE, "1800000000000 - -" },
	{ "expires = 1800000000000", "{\"expires\":1799999999000}",        ERR_NONE, "1799999999000 - -" },
	{ "expires = 1800000000000", "{\"expires\":1800000001000}",        ERR_INVALID_OPTION, "expires" },
	{ "networks = '10.0.0.0/8'", "{}",                                 ERR_NONE, "- - 10.0.0.0/8" },
	{ "networks = '10.0.0.0/8'", "{\"networks\":null}",                ERR_NONE, "- - 10.0.0.0/8" },
	{ "networks = '10.0.0.0/8'", "{\"networks\":[\"10.1.0.0/16\",\"10.2.0.0/16\"]}", ERR_NONE, "- - 10.1.0.0/16 10.2.0.0/16" },
	{ "networks = '10.0.0.0/8'", "{\"networks\":[\"10.1.0.0/16\",\"11.0.0.0/16\"]}", ERR_INVALID_OPTION, "networks" },
	{ "networks = '10.0.0.0/8'", "{\"networks\":[\"0.0.0.0/0\"]}",     ERR_INVALID_OPTION, "networks" },
	{ "networks = '10.0.0.0/8', expires = 1800000000000", "{\"role\":\"readonly\"}", ERR_NONE, "1800000000000 readonly 10.0.0.0/8" },
	{ "role = 'readonly'", "{\"role\":\"readonly\"}",                  ERR_METHOD_NOT_ALLOWED, NULL },
};

/* clang-format on */

static const char bounds_of_key[] =
	"coalesce(expires, '-') || ' ' || coalesce(role, '-') || ' ' || coalesce(networks, '-')";

/* The owner of the first project acts with a key of such bounds. */
static void
act_bounded(const char *own)
{
	act_as(PROJECT_DEFAULT, 0);
	if (*own == '\0')
		return;
	rig_exec(&rig, arena_printf(rig.arena, "UPDATE credential SET %s WHERE public_value = '%s'",
				    own, person_name(PROJECT_DEFAULT)));
	const struct auth auth = {.store = rig.store, .ring = rig.ring};
	const struct request request = {.api_key = person_key(rig.arena, PROJECT_DEFAULT),
					.client = "10.0.0.1"};
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &request, RIG_NOW, &who, &e), ERR_NONE);
}

START_TEST(a_key_makes_no_key_that_may_do_more)
{
	struct record row;
	const char *secret, *before;

	act_bounded(bounded[_i].own);
	before = rig_dump(&rig);
	ck_assert_str_eq(err_name(create(T_API_KEY, bounded[_i].body, &row, &secret)),
			 err_name(bounded[_i].err));
	if (bounded[_i].err == ERR_NONE) {
		ck_assert_str_eq(stored(T_API_KEY, record_id(&row), bounds_of_key),
				 bounded[_i].result);
	} else {
		ck_assert_pstr_eq(e.field, bounded[_i].result);
		ck_assert_str_eq(rig_dump(&rig), before);
	}
}
END_TEST

/* clang-format off */
/* The bounds of the key that asks and of the one that it changes. */
static const struct { const char *own, *old, *body; enum err err; const char *result; } rebounded[] = {
	{ "", "name = 'n'", "{\"expires\":1800000000000,\"networks\":[\"::1\"],\"role\":\"readonly\"}", ERR_NONE, "1800000000000 readonly ::1/128" },
	{ "", "expires = 1800000000000, networks = '::1/128'", "{\"expires\":null,\"networks\":null}", ERR_NONE, "- - -" },
	{ "", "expires = 5", "{\"name\":\"x\"}",                           ERR_NONE, "5 - -" },
	{ "", "expires = 5000", "{\"expires\":5000}",                      ERR_NONE, "5000 - -" },
	{ "", "name = 'n'", "{\"expires\":5000}",                          ERR_NONE, "5000 - -" },
	{ "", "role = 'readonly'", "{\"role\":null}",                      ERR_INVALID_OPTION, "role" },
	{ "", "role = 'readonly'", "{\"role\":\"readonly\"}",              ERR_NONE, "- readonly -" },
	{ "", "role = 'readonly'", "{\"name\":\"n\"}",                     ERR_NONE, "- readonly -" },
	{ "expires = 1800000000000", "name = 'n'", "{\"name\":\"x\",\"expires\":null}", ERR_NONE, "- - -" },
	{ "expires = 1800000000000", "expires = 1700000000000", "{\"expires\":null}", ERR_INVALID_OPTION, "expires" },
	{ "expires = 1800000000000", "expires = 1700000000000", "{\"expires\":1800000001000}", ERR_INVALID_OPTION, "expires" },
	{ "expires = 1800000000000", "expires = 1700000000000", "{\"expires\":1790000000000}", ERR_NONE, "1790000000000 - -" },
	{ "networks = '10.0.0.0/8'", "networks = '10.0.0.0/16'", "{\"networks\":null}", ERR_INVALID_OPTION, "networks" },
	{ "networks = '10.0.0.0/8'", "networks = '10.0.0.0/16'", "{\"networks\":[\"::/0\"]}", ERR_INVALID_OPTION, "networks" },
	{ "networks = '10.0.0.0/8'", "networks = '11.0.0.0/16'", "{\"networks\":[\"11.0.0.0/16\"],\"name\":\"x\"}", ERR_NONE, "- - 11.0.0.0/16" },
	{ "networks = '10.0.0.0/8'", "networks = '10.0.0.0/16'", "{\"networks\":[\"10.9.0.0/16\"]}", ERR_NONE, "- - 10.9.0.0/16" },
	{ "role = 'readonly'", "name = 'n'", "{\"name\":\"x\"}",           ERR_METHOD_NOT_ALLOWED, NULL },
};

/* clang-format on */

START_TEST(a_key_widens_no_key_beyond_itself)
{
	struct record row;
	const char *secret;

	act_as(PROJECT_DEFAULT, 0);
	ck_assert_int_eq(create(T_API_KEY, "{}", &row, &secret), ERR_NONE);
	int64_t id = record_id(&row);
	rig_exec(&rig, arena_printf(rig.arena, "UPDATE credential SET %s WHERE id = %lld",
				    rebounded[_i].old, (long long)id));
	act_bounded(rebounded[_i].own);
	const char *before = rig_dump(&rig);
	ck_assert_str_eq(err_name(update(T_API_KEY, id, rebounded[_i].body, &row)),
			 err_name(rebounded[_i].err));
	if (rebounded[_i].err == ERR_NONE) {
		ck_assert_str_eq(stored(T_API_KEY, id, bounds_of_key), rebounded[_i].result);
	} else {
		ck_assert_pstr_eq(e.field, rebounded[_i].result);
		ck_assert_str_eq(rig_dump(&rig), before);
	}
}
END_TEST

/* States, actions and DELETE: 5.1 and 5.3, for both types */

static const char *const actions[] = {"activate", "create", "deactivate", "purge",
				      "remove",	  "update", "delete"};
/* From a state by an action: what the answer shows and where the row is then; NULL: refused. */
/* clang-format off */
static const struct { const char *shown[COUNT_OF(actions)], *then[COUNT_OF(actions)]; } moves[ST__COUNT] = {
#define NO NULL
	[ST_REQUESTED] =         { { NO, "registering", "deactivating", NO, "removing", NO, "removing" },
	                           { NO, "active",      "inactive",     NO, "removed",  NO, "removed" } },
	[ST_REGISTERING] =       { { "activating", NO,  "deactivating", NO, "removing", NO, "removing" },
	                           { "active",     NO,  "inactive",     NO, "removed",  NO, "removed" } },
	[ST_ACTIVATING] =        { { NO,           NO,  "deactivating", NO, NO,         NO, NO },
	                           { NO,           NO,  "inactive",     NO, NO,         NO, NO } },
	[ST_ACTIVE] =            { { NO,           NO,  "deactivating", NO, NO,         "updating-active", NO },
	                           { NO,           NO,  "inactive",     NO, NO,         "active", NO } },
	[ST_UPDATING_ACTIVE] =   { { NO,           NO,  "deactivating", NO, "removing", NO, "removing" },
	                           { NO,           NO,  "inactive",     NO, "removed",  NO, "removed" } },
	[ST_DEACTIVATING] =      { { NO,           NO,  NO,             NO, NO,         NO, NO },
	                           { NO,           NO,  NO,             NO, NO,         NO, NO } },
	[ST_INACTIVE] =          { { "activating", NO,  NO,             NO, "removing", "updating-inactive", "removing" },
	                           { "active",     NO,  NO,             NO, "removed",  "inactive", "removed" } },
	[ST_UPDATING_INACTIVE] = { { NO,           NO,  "deactivating", NO, "removing", NO, "removing" },
	                           { NO,           NO,  "inactive",     NO, "removed",  NO, "removed" } },
	[ST_REMOVING] =          { { NO,           NO,  NO,             NO, NO,         NO, "removing" },
	                           { NO,           NO,  NO,             NO, NO,         NO, "removing" } },
	[ST_REMOVED] =           { { NO,           NO,  NO,             "purging", NO,  NO, "removed" },
	                           { NO,           NO,  NO,             "purged", NO,   NO, "removed" } },
	[ST_PURGING] =           { { NO,           NO,  NO,             NO, NO,         NO, NO },
	                           { NO,           NO,  NO,             NO, NO,         NO, NO } },
	[ST_PURGED] =            { { NO,           NO,  NO,             NO, NO,         NO, NO },
	                           { NO,           NO,  NO,             NO, NO,         NO, NO } },
#undef NO
};
/* clang-format on */

/* The number of rows in the log of a move: none of a DELETE that does nothing. */
static const char *
steps_of(enum state from, size_t action)
{
	if (strcmp(actions[action], "delete") == 0 && (from == ST_REMOVING || from == ST_REMOVED))
		return "0";
	return strcmp(actions[action], "create") == 0 ? "2" : "1";
}

START_TEST(a_state_and_an_action_lead_where_the_contract_says)
{
	enum state from = (enum state)(_i / 2);
	enum type_place type = _i % 2 == 0 ? T_REGISTRY_CREDENTIAL : T_REGISTRY;
	int64_t id = type == T_REGISTRY ? registry : credential;

	act_as(PROJECT_DEFAULT, 0);
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		struct record row;
		bool delete = strcmp(actions[i], "delete") == 0;

		set_state(type, id, state_name(from));
		rig_exec(&rig, "DELETE FROM audit_log");
		rig_exec(&rig, from == ST_REMOVED ? "UPDATE storage_pool SET removed = 5"
						  : "UPDATE storage_pool SET removed = NULL");
		const char *before = rig_dump(&rig);
		e = (struct error){0};
		enum err rc = delete ? resource_delete(&context, &types_table[type],
						       id_of(type, id), &row, &e)
				     : act(type, id, actions[i], &row);
		if (moves[from].shown[i] == NULL) {
			ck_assert_msg(
				rc == (delete ? ERR_METHOD_NOT_ALLOWED : ERR_ACTION_NOT_AVAILABLE),
				"%s in %s: %s", actions[i], state_name(from), err_name(rc));
			ck_assert_pstr_eq(e.field, delete ? NULL : "action");
			ck_assert_str_eq(rig_dump(&rig), before);
			continue;
		}
		ck_assert_msg(rc == ERR_NONE, "%s in %s: %s", actions[i], state_name(from),
			      err_name(rc));
		ck_assert_str_eq(state_name(record_state(&row)), moves[from].shown[i]);
		ck_assert_str_eq(stored(type, id, "state"), moves[from].then[i]);
		/* Of this row: the purge of a registry moves its credentials as well. */
		ck_assert_str_eq(steps_logged(type), steps_of(from, i));
	}
}
END_TEST

START_TEST(a_removed_row_says_when_and_when_it_is_due)
{
	struct record row;

	act_as(PROJECT_DEFAULT, 0);
	set_state(T_REGISTRY_CREDENTIAL, credential, "inactive");
	context.now_ms = RIG_NOW + 500;
	ck_assert_int_eq(act(T_REGISTRY_CREDENTIAL, credential, "remove", &row), ERR_NONE);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential,
				"removed || ' ' || remove_time || ' ' || state"),
			 "1714979289000 1714979889000 removed");
	/* The snapshot was taken before it was done. */
	ck_assert_int_eq(row.columns[COL_REMOVED].type, VALUE_NULL);
	ck_assert_str_eq(ids_of_list(T_REGISTRY_CREDENTIAL, ""), "");
	ck_assert_int_eq(resource_read(&context, &types_table[T_REGISTRY_CREDENTIAL],
				       id_of(T_REGISTRY_CREDENTIAL, credential), &row, &e),
			 ERR_NONE);
	ck_assert_int_eq(record_state(&row), ST_REMOVED);
	ck_assert_str_eq(opened(credential), "the secret");
}
END_TEST

static const struct {
	const char *id, *action;
	enum err err;
	const char *field;
} no_actions[] = {
	{"%C", "explode", ERR_INVALID_ACTION, "action"},
	{"%C", "Deactivate", ERR_INVALID_ACTION, "action"},
	{"%C", "", ERR_INVALID_ACTION, "action"},
	{"%C", "delete", ERR_INVALID_ACTION, "action"},
	{"%C", "setmembers", ERR_INVALID_ACTION, "action"},
	{"%C", "restore", ERR_INVALID_ACTION, "action"},
	{NULL, "deactivate", ERR_INVALID_ACTION, "action"},
	{NULL, "explode", ERR_INVALID_ACTION, "action"},
	{"1c9999", "explode", ERR_INVALID_ACTION, "action"},
	{"1c9999", "deactivate", ERR_NOT_FOUND, NULL},
	{"bogus", "deactivate", ERR_NOT_FOUND, NULL},
	{"%C", "activate", ERR_ACTION_NOT_AVAILABLE, "action"},
};

START_TEST(an_action_that_is_unknown_or_on_nothing_is_refused)
{
	struct record row;
	const char *id = no_actions[_i].id;

	act_as(PROJECT_DEFAULT, 0);
	if (id != NULL && *id == '%')
		id = id_of(T_REGISTRY_CREDENTIAL, credential);
	ck_assert_int_eq(resource_action(&context, &types_table[T_REGISTRY_CREDENTIAL], id,
					 no_actions[_i].action, &row, &e),
			 no_actions[_i].err);
	ck_assert_pstr_eq(e.field, no_actions[_i].field);
}
END_TEST

/* Who may act on an active credential of the first project: deactivate it. */
static const struct {
	enum person person;
	int project;
	enum err err;
} actors[] = {
	{PROJECT_DEFAULT, 0, ERR_NONE},
	{PERSON_OWNER, 5, ERR_NONE},
	{PERSON_OWNER, 0, ERR_NONE},
	{PERSON_MEMBER, 0, ERR_NONE},
	{PERSON_RESTRICTED, 5, ERR_NONE},
	{PERSON_ADMIN, 0, ERR_NONE}, /* acting is not bound to the methods: 4.6 */
	{PERSON_SERVICE, 0, ERR_NONE},
	{PERSON_SUPERADMIN, 0, ERR_NONE},
	{PERSON_READADMIN, 0, ERR_ACTION_NOT_AVAILABLE},
	{PERSON_READADMIN, 5, ERR_ACTION_NOT_AVAILABLE},
	{PERSON_READONLY, 5, ERR_ACTION_NOT_AVAILABLE},
	{PERSON_READONLY, 0, ERR_ACTION_NOT_AVAILABLE},
	{PERSON_STRANGER, 0, ERR_NOT_FOUND},
	{PROJECT_OTHER, 0, ERR_NOT_FOUND},
	{PERSON_AGENT, 0, ERR_NOT_FOUND},
};

START_TEST(an_action_is_open_to_those_who_manage_the_row)
{
	struct record row;
	const struct action *x =
		type_action(&types_table[T_REGISTRY_CREDENTIAL], "deactivate", API_V1);

	act_as(actors[_i].person, actors[_i].project);
	const char *before = rig_dump(&rig);
	if (actors[_i].err != ERR_NOT_FOUND) {
		ck_assert_int_eq(resource_read(&context, &types_table[T_REGISTRY_CREDENTIAL],
					       id_of(T_REGISTRY_CREDENTIAL, credential), &row, &e),
				 ERR_NONE);
		ck_assert(resource_offers(&who, &row, x) == (actors[_i].err == ERR_NONE));
	}
	ck_assert_int_eq(act(T_REGISTRY_CREDENTIAL, credential, "deactivate", &row),
			 actors[_i].err);
	if (actors[_i].err != ERR_NONE)
		ck_assert_str_eq(rig_dump(&rig), before);
	else
		ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), "inactive");
}
END_TEST

/* Many do the same at once: one of them does it. */
enum { THREADS = 8 };

static void *
deactivate(void *arg)
{
	struct identity id = {.user_id = PROJECT_DEFAULT,
			      .scope_id = PROJECT_DEFAULT,
			      .role = ROLE_PROJECT,
			      .via = "key",
			      .scoped = true};
	static const int64_t owner = PROJECT_DEFAULT;
	struct arena *a = arena_new(RIG_ARENA);
	struct context c = rig_context(&rig, &id);
	struct record row;
	struct error error = {0};

	id.owners = (struct owners){.ids = &owner, .count = 1};
	c.arena = a;
	c.opened = NULL;
	*(enum err *)arg = resource_action(&c, &types_table[T_REGISTRY_CREDENTIAL],
					   id_format(a, &family_credential, credential),
					   "deactivate", &row, &error);
	arena_free(a);
	return NULL;
}

START_TEST(of_many_who_deactivate_one_succeeds_and_is_logged)
{
	for (int round = 0; round < 5; round++) {
		pthread_t threads[THREADS];
		enum err results[THREADS];
		unsigned done = 0;

		set_state(T_REGISTRY_CREDENTIAL, credential, "active");
		rig_exec(&rig, "DELETE FROM audit_log");
		for (unsigned i = 0; i < THREADS; i++)
			ck_assert_int_eq(pthread_create(&threads[i], NULL, deactivate, &results[i]),
					 0);
		for (unsigned i = 0; i < THREADS; i++) {
			ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
			done += results[i] == ERR_NONE;
			ck_assert(results[i] == ERR_NONE || results[i] == ERR_ACTION_NOT_AVAILABLE);
		}
		ck_assert_uint_eq(done, 1);
		ck_assert_str_eq(log_of(T_REGISTRY_CREDENTIAL, credential),
				 "active deactivating inactive");
	}
}
END_TEST

/* Cascades (5.5) */

/* A credential in this state, when its registry is purged. */
/* clang-format off */
static const struct { enum state state; const char *then, *log; } cascades[] = {
	{ ST_ACTIVE,            "removed",      "active deactivating inactive removing removed" },
	{ ST_INACTIVE,          "removed",      "inactive removing removed" },
	{ ST_REQUESTED,         "removed",      "requested removing removed" },
	{ ST_REGISTERING,       "removed",      "registering removing removed" },
	{ ST_UPDATING_ACTIVE,   "removed",      "updating-active removing removed" },
	{ ST_UPDATING_INACTIVE, "removed",      "updating-inactive removing removed" },
	{ ST_ACTIVATING,        "removed",      "activating deactivating inactive removing removed" },
	{ ST_REMOVED,           "removed",      "" },
	{ ST_PURGED,            "purged",       "" },
};
/* clang-format on */

START_TEST(the_purge_of_a_registry_removes_its_credentials)
{
	struct record row;
	int64_t other = rig_registry(&rig, PROJECT_DEFAULT, "second");
	int64_t stays = rig_credential(&rig, PROJECT_DEFAULT, other, NULL);

	act_as(PROJECT_DEFAULT, 0);
	set_state(T_REGISTRY_CREDENTIAL, credential, state_name(cascades[_i].state));
	if (cascades[_i].state == ST_REMOVED || cascades[_i].state == ST_PURGED)
		rig_exec(&rig, arena_printf(rig.arena,
					    "UPDATE credential SET removed = 7 WHERE id = %lld",
					    (long long)credential));
	/* Nothing happens to it before the purge. */
	ck_assert_int_eq(act(T_REGISTRY, registry, "deactivate", &row), ERR_NONE);
	ck_assert_int_eq(act(T_REGISTRY, registry, "remove", &row), ERR_NONE);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"),
			 state_name(cascades[_i].state));
	ck_assert_int_eq(act(T_REGISTRY, registry, "purge", &row), ERR_NONE);
	ck_assert_str_eq(stored(T_REGISTRY, registry, "state"), "purged");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), cascades[_i].then);
	ck_assert_str_eq(log_of(T_REGISTRY_CREDENTIAL, credential), cascades[_i].log);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "removed"),
			 *cascades[_i].log != '\0' ? "1714979289000" : "7");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, stays, "state"), "active");
}
END_TEST

START_TEST(the_purge_of_a_registry_removes_any_number_of_credentials)
{
	enum { MANY = 1203 };
	struct record row;

	rig_exec(&rig,
		 arena_printf(rig.arena,
			      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
			      "WHERE i < %d) INSERT INTO credential (uuid, kind, account_id, "
			      "state, registry_id) SELECT 'u' || i, 'registryCredential', 5, "
			      "'active', %lld FROM n",
			      MANY, (long long)registry));
	act_as(PROJECT_DEFAULT, 0);
	set_state(T_REGISTRY, registry, "removed");
	ck_assert_int_eq(act(T_REGISTRY, registry, "purge", &row), ERR_NONE);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM credential WHERE registry_id IS NOT "
				       "NULL AND state = 'removed' AND removed IS NOT NULL"),
			 arena_printf(rig.arena, "%d", MANY + 1));
	ck_assert_str_eq(steps_logged(T_REGISTRY_CREDENTIAL),
			 arena_printf(rig.arena, "%d", 2 * (MANY + 1)));
}
END_TEST

START_TEST(the_purge_of_a_credential_destroys_its_secret_and_leaves_the_registry)
{
	struct record row;

	act_as(PROJECT_DEFAULT, 0);
	set_state(T_REGISTRY_CREDENTIAL, credential, "removed");
	ck_assert_int_eq(act(T_REGISTRY_CREDENTIAL, credential, "purge", &row), ERR_NONE);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential,
				"state || (secret_value IS NULL) || public_value"),
			 "purged1ci-bot");
	ck_assert_str_eq(stored(T_REGISTRY, registry, "state"), "active");
	ck_assert_int_eq(resource_read(&context, &types_table[T_REGISTRY_CREDENTIAL],
				       id_of(T_REGISTRY_CREDENTIAL, credential), &row, &e),
			 ERR_NONE);
}
END_TEST

START_TEST(the_purge_of_a_project_removes_what_it_holds)
{
	struct record row;
	int64_t others = rig_credential(&rig, PROJECT_OTHER, foreign_registry, NULL);

	act_as(PERSON_OWNER, 0);
	ck_assert_int_eq(act(T_PROJECT, PROJECT_DEFAULT, "deactivate", &row), ERR_NONE);
	ck_assert_int_eq(act(T_PROJECT, PROJECT_DEFAULT, "remove", &row), ERR_NONE);
	ck_assert_str_eq(stored(T_REGISTRY, registry, "state"), "active");
	ck_assert_int_eq(act(T_PROJECT, PROJECT_DEFAULT, "purge", &row), ERR_NONE);
	ck_assert_str_eq(stored(T_PROJECT, PROJECT_DEFAULT, "state"), "purged");
	ck_assert_str_eq(stored(T_REGISTRY, registry, "state"), "removed");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), "removed");
	ck_assert_str_eq(rig_sql(&rig, "SELECT state FROM credential WHERE public_value = "
				       "'default'"),
			 "removed");
	ck_assert_str_eq(stored(T_REGISTRY, foreign_registry, "state"), "active");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, others, "state"), "active");
	ck_assert_str_eq(rig_sql(&rig, "SELECT state FROM credential WHERE public_value = 'owner'"),
			 "active");
}
END_TEST

/* Projects (3.5) */

START_TEST(a_delete_of_an_active_project_deactivates_it_first)
{
	struct record row;

	act_as(PERSON_OWNER, 0);
	ck_assert_int_eq(resource_delete(&context, &types_table[T_PROJECT], "1a5", &row, &e),
			 ERR_NONE);
	ck_assert_int_eq(record_state(&row), ST_REMOVING);
	ck_assert_str_eq(stored(T_PROJECT, PROJECT_DEFAULT, "state"), "removed");
	ck_assert_str_eq(log_of(T_PROJECT, PROJECT_DEFAULT),
			 "active deactivating inactive removing removed");
}
END_TEST

static const struct {
	enum person person;
	int project;
	enum err delete, action, update;
} deleters[] = {
	{PERSON_OWNER, 0, ERR_NONE, ERR_NONE, ERR_NONE},
	{PERSON_ADMIN, 0, ERR_NONE, ERR_NONE, ERR_NONE},
	{PERSON_MEMBER, 0, ERR_FORBIDDEN, ERR_ACTION_NOT_AVAILABLE, ERR_FORBIDDEN},
	{PERSON_READONLY, 0, ERR_FORBIDDEN, ERR_ACTION_NOT_AVAILABLE, ERR_FORBIDDEN},
	{PERSON_STRANGER, 0, ERR_NOT_FOUND, ERR_NOT_FOUND, ERR_NOT_FOUND},
	{PERSON_READADMIN, 0, ERR_METHOD_NOT_ALLOWED, ERR_ACTION_NOT_AVAILABLE,
	 ERR_METHOD_NOT_ALLOWED},
	{PROJECT_DEFAULT, 0, ERR_METHOD_NOT_ALLOWED, ERR_ACTION_NOT_AVAILABLE,
	 ERR_METHOD_NOT_ALLOWED},
	{PERSON_OWNER, 5, ERR_METHOD_NOT_ALLOWED, ERR_NONE, ERR_METHOD_NOT_ALLOWED},
	{PERSON_MEMBER, 5, ERR_METHOD_NOT_ALLOWED, ERR_ACTION_NOT_AVAILABLE,
	 ERR_METHOD_NOT_ALLOWED},
};

START_TEST(a_project_is_managed_by_its_owners)
{
	struct record row;

	act_as(deleters[_i].person, deleters[_i].project);
	ck_assert_str_eq(err_name(update(T_PROJECT, PROJECT_DEFAULT, "{\"name\":\"n\"}", &row)),
			 err_name(deleters[_i].update));
	ck_assert_str_eq(err_name(act(T_PROJECT, PROJECT_DEFAULT, "deactivate", &row)),
			 err_name(deleters[_i].action));
	set_state(T_PROJECT, PROJECT_DEFAULT, "active");
	ck_assert_str_eq(
		err_name(resource_delete(&context, &types_table[T_PROJECT], "1a5", &row, &e)),
		err_name(deleters[_i].delete));
}
END_TEST

/* The live members of a project: "1a7:owner 1a8:member". */
static const char *
members_of(int64_t project)
{
	return rig_sql(
		&rig, arena_printf(rig.arena,
				   "SELECT coalesce(group_concat(external_id || ':' || role, ' '), "
				   "'') FROM (SELECT * FROM project_member WHERE project_id = %lld "
				   "AND removed IS NULL ORDER BY id)",
				   (long long)project));
}

START_TEST(whoever_makes_a_project_owns_it_unless_it_says_who_does)
{
	static const struct {
		enum person person;
		const char *body, *members;
	} makers[] = {
		{PERSON_STRANGER, "{}", "1a15:owner"},
		{PERSON_STRANGER, "{\"members\":null}", "1a15:owner"},
		{PERSON_STRANGER, "{\"members\":[]}", "1a15:owner"},
		{PERSON_STRANGER, "{\"members\":[{\"externalId\":\"1a8\"}]}",
		 "1a8:member 1a15:owner"},
		{PERSON_STRANGER, "{\"members\":[{\"externalId\":\"1a8\",\"role\":\"owner\"}]}",
		 "1a8:owner"},
		{PERSON_ADMIN, "{}", "1a1:owner"},
		{PERSON_SERVICE, "{}", ""},
	};

	for (size_t i = 0; i < COUNT_OF(makers); i++) {
		struct record row;
		const char *secret;

		act_as(makers[i].person, 0);
		ck_assert_int_eq(create(T_PROJECT, makers[i].body, &row, &secret), ERR_NONE);
		ck_assert_str_eq(members_of(record_id(&row)), makers[i].members);
	}
}
END_TEST

/* clang-format off */
static const struct { const char *body; enum err err; const char *field, *members; } sets[] = {
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"owner\"}]}",                       ERR_NONE, NULL, "1a7:owner" },
	{ "{\"members\":[{\"externalId\":\"1a8\",\"externalIdType\":\"rancher_id\",\"role\":\"owner\"},{\"externalId\":\"1a15\"}]}", ERR_NONE, NULL, "1a8:owner 1a15:member" },
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"owner\",\"type\":\"projectMember\",\"id\":\"1pm2\"},{\"externalId\":\"1a9\",\"role\":\"restricted\"},"
	  "{\"externalId\":\"1a10\",\"role\":\"readonly\"}]}",                                  ERR_NONE, NULL, "1a7:owner 1a9:restricted 1a10:readonly" },
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"owner\"},{\"externalId\":\"x\",\"externalIdType\":\"github_user\"}]}", ERR_NONE, NULL, "1a7:owner x:member" },
	/* Nobody signs in here as that owner. */
	{ "{\"members\":[{\"externalId\":\"x\",\"externalIdType\":\"github_user\",\"role\":\"owner\"}]}", ERR_INVALID_FORMAT, "members", NULL },
	{ "{}",                                                                                ERR_MISSING_REQUIRED, "members", NULL },
	{ "{\"members\":null}",                                                                ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":\"1a7\"}",                                                             ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":{}}",                                                                  ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":[]}",                                                                  ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"1a7\"}]}",                                          ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":[5]}",                                                                 ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":[{}]}",                                                                ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":[{\"externalId\":5,\"role\":\"owner\"}]}",                             ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"\",\"role\":\"owner\"}]}",                          ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"king\"}]}",                        ERR_INVALID_OPTION, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":5}]}",                               ERR_INVALID_OPTION, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"owner\",\"externalIdType\":\"bogus\"}]}", ERR_INVALID_OPTION, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"owner\"},{\"externalId\":\"1a999\"}]}", ERR_INVALID_REFERENCE, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"owner\"},{\"externalId\":\"1a6\"}]}", ERR_INVALID_REFERENCE, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"owner\"},{\"externalId\":\"bob\"}]}", ERR_INVALID_REFERENCE, "members", NULL },
	{ "{\"members\":[{\"externalId\":\"1a8\",\"role\":\"owner\"},{\"externalId\":\"1a8\"}]}", ERR_NOT_UNIQUE, "members", NULL },
};
/* clang-format on */

START_TEST(the_members_of_a_project_are_set_all_at_once)
{
	struct record_list members;

	act_as(PERSON_OWNER, 0);
	const char *before = rig_dump(&rig);
	enum err rc = resource_set_members(&context, "1a5", body_of(sets[_i].body), &members, &e);
	ck_assert_str_eq(err_name(rc), err_name(sets[_i].err));
	ck_assert_pstr_eq(e.field, sets[_i].field);
	if (rc != ERR_NONE) {
		ck_assert_str_eq(rig_dump(&rig), before);
		return;
	}
	ck_assert_str_eq(members_of(PROJECT_DEFAULT), sets[_i].members);
	const char *shown = "";
	for (size_t i = 0; i < members.count; i++)
		shown = arena_printf(rig.arena, "%s%s%s:%s", shown, i > 0 ? " " : "",
				     record_text(&members.items[i], COL_EXTERNAL_ID),
				     record_text(&members.items[i], COL_ROLE));
	ck_assert_str_eq(shown, sets[_i].members);
}
END_TEST

START_TEST(an_owner_who_was_removed_meanwhile_changes_nothing)
{
	static const char list[] = "{\"members\":[{\"externalId\":\"1a7\",\"role\":\"owner\"}]}";
	struct record row;
	struct record_list members;

	act_as(PERSON_OWNER, _i == 0 ? 0 : PROJECT_DEFAULT);
	rig_exec(&rig, "UPDATE project_member SET removed = 1000 WHERE external_id = '1a7'");
	const char *before = rig_dump(&rig);
	ck_assert_int_eq(resource_set_members(&context, "1a5", body_of(list), &members, &e),
			 ERR_FORBIDDEN);
	ck_assert_int_eq(update(T_PROJECT, PROJECT_DEFAULT, "{\"name\":\"n\"}", &row),
			 _i == 0 ? ERR_FORBIDDEN : ERR_METHOD_NOT_ALLOWED);
	ck_assert_int_eq(act(T_PROJECT, PROJECT_DEFAULT, "deactivate", &row), ERR_FORBIDDEN);
	ck_assert_str_eq(rig_dump(&rig), before);
}
END_TEST

START_TEST(an_owner_by_a_group_needs_no_row)
{
	struct record row;

	act_as(PERSON_OWNER, 0);
	struct membership granted = {PROJECT_DEFAULT, "owner", true, true};
	who.memberships = &granted;
	who.membership_count = 1;
	rig_exec(&rig, "UPDATE project_member SET removed = 1000 WHERE external_id = '1a7'");
	ck_assert_int_eq(update(T_PROJECT, PROJECT_DEFAULT, "{\"name\":\"n\"}", &row), ERR_NONE);
}
END_TEST

START_TEST(members_are_changed_through_their_project_alone)
{
	struct record row;
	static const char *const names[] = {"deactivate", "remove", "update"};

	act_as(PERSON_SUPERADMIN, 0);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		ck_assert_int_eq(act(T_PROJECT_MEMBER, 2, names[i], &row),
				 ERR_ACTION_NOT_AVAILABLE);
	ck_assert_str_eq(stored(T_PROJECT_MEMBER, 2, "state"), "active");
}
END_TEST

/* The sweep */

static size_t
sweep_at(int64_t now)
{
	const struct sweep sweep = {.now_ms = now,
				    .removed_keep_ms = 600 * 1000,
				    .purged_keep_ms = INT64_C(172800) * 1000};
	size_t done = 12345;

	ck_assert_int_eq(resource_sweep(rig.store, rig.ring, &sweep, &done), STORE_OK);
	return done;
}

START_TEST(the_sweep_purges_what_is_due_and_forgets_what_is_old)
{
	struct record row;
	const int64_t minute = 60 * 1000, day = INT64_C(86400) * 1000;

	act_as(PROJECT_DEFAULT, 0);
	set_state(T_REGISTRY_CREDENTIAL, credential, "inactive");
	ck_assert_int_eq(act(T_REGISTRY_CREDENTIAL, credential, "remove", &row), ERR_NONE);
	/* Not before its time: a client waits for exactly `removed`. */
	ck_assert_uint_eq(sweep_at(RIG_NOW), 0);
	ck_assert_uint_eq(sweep_at(RIG_NOW + 10 * minute - 1), 0);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), "removed");
	ck_assert_uint_eq(sweep_at(RIG_NOW + 10 * minute), 1);
	ck_assert_str_eq(
		stored(T_REGISTRY_CREDENTIAL, credential, "state || (secret_value IS NULL)"),
		"purged1");
	ck_assert_str_eq(log_of(T_REGISTRY_CREDENTIAL, credential),
			 "inactive removing removed, removed purging purged");
	ck_assert_str_eq(rig_sql(&rig, "SELECT (actor_id IS NULL) || request_id FROM audit_log "
				       "WHERE event_type = 'purge'"),
			 "1sweep");
	ck_assert_uint_eq(sweep_at(RIG_NOW + 11 * minute), 0);
	/* Two days after its removal, not after its purge. */
	ck_assert_uint_eq(sweep_at(RIG_NOW + 2 * day), 0);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), "purged");
	ck_assert_uint_eq(sweep_at(RIG_NOW + 2 * day + 1), 1);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), "no row");
	ck_assert_str_eq(stored(T_REGISTRY, registry, "state"), "active");
}
END_TEST

START_TEST(the_sweep_carries_a_registry_to_its_end_after_its_credentials)
{
	struct record row;
	const int64_t minute = 60 * 1000, day = INT64_C(86400) * 1000;

	act_as(PROJECT_DEFAULT, 0);
	set_state(T_REGISTRY, registry, "inactive");
	ck_assert_int_eq(act(T_REGISTRY, registry, "remove", &row), ERR_NONE);
	(void)sweep_at(RIG_NOW + 10 * minute);
	ck_assert_str_eq(stored(T_REGISTRY, registry, "state"), "purged");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential,
				"state || ' ' || (remove_time - removed)"),
			 "removed 600000");
	(void)sweep_at(RIG_NOW + 15 * minute);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), "removed");
	(void)sweep_at(RIG_NOW + 20 * minute);
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), "purged");
	/* The registry is due to be forgotten first, but a row still names it. */
	(void)sweep_at(RIG_NOW + 2 * day + minute);
	ck_assert_str_eq(stored(T_REGISTRY, registry, "state"), "purged");
	(void)sweep_at(RIG_NOW + 2 * day + 11 * minute);
	(void)sweep_at(RIG_NOW + 2 * day + 12 * minute);
	ck_assert_str_eq(stored(T_REGISTRY, registry, "state"), "no row");
	ck_assert_str_eq(stored(T_REGISTRY_CREDENTIAL, credential, "state"), "no row");
}
END_TEST

START_TEST(the_sweep_takes_any_number_of_rows)
{
	enum { MANY = 450 };

	rig_exec(&rig,
		 arena_printf(rig.arena,
			      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n "
			      "WHERE i < %d) INSERT INTO credential (uuid, kind, account_id, "
			      "state, removed, remove_time) SELECT 'u' || i, "
			      "'registryCredential', 5, 'removed', 1000, 2000 FROM n",
			      MANY));
	ck_assert_uint_eq(sweep_at(1999), 0);
	ck_assert_uint_eq(sweep_at(2000), MANY);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM credential WHERE state = 'purged'"),
			 arena_printf(rig.arena, "%d", MANY));
	(void)sweep_at(INT64_C(200000000));
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM credential WHERE state = 'purged'"),
			 "0");
}
END_TEST

START_TEST(a_deleted_project_ends_with_all_that_it_held)
{
	struct record row;
	const int64_t minute = 60 * 1000, day = INT64_C(86400) * 1000;

	act_as(PERSON_OWNER, 0);
	ck_assert_int_eq(resource_delete(&context, &types_table[T_PROJECT], "1a5", &row, &e),
			 ERR_NONE);
	for (int i = 1; i <= 6; i++)
		(void)sweep_at(RIG_NOW + 10 * i * minute);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM credential WHERE account_id = 5 AND "
				       "(state <> 'purged' OR secret_value IS NOT NULL)"),
			 "0");
	for (int i = 0; i < 4; i++)
		(void)sweep_at(RIG_NOW + 3 * day + i * minute);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM account WHERE id = 5"), "0");
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM credential WHERE account_id = 5"),
			 "0");
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool WHERE account_id = 5"),
			 "0");
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM project_member WHERE project_id = 5"),
			 "0");
}
END_TEST

static Suite *
resource_suite(void)
{
	Suite *suite = suite_create("resource");
	TCase *tc = tcase_create("resource");

	tcase_set_timeout(tc, 30);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_created_row_is_active_and_its_answer_still_registering);
	tcase_add_test(tc, created_is_a_whole_second);
	tcase_add_loop_test(tc, a_create_makes_a_row_or_changes_nothing, 0, COUNT_OF(creates));
	tcase_add_loop_test(tc, a_credential_is_made_for_a_live_registry_alone, 0,
			    COUNT_OF(registry_states));
	tcase_add_test(tc, a_removed_registry_frees_its_address);
	tcase_add_test(tc, a_new_key_works_at_once_and_its_secret_is_stored_as_a_hash);
	tcase_add_loop_test(tc, a_row_is_read_by_whom_it_is_there_for, 0, COUNT_OF(reads));
	tcase_add_loop_test(tc, a_list_shows_the_rows_of_the_caller, 0, COUNT_OF(lists));
	tcase_add_test(tc, links_lead_to_live_rows_of_the_caller);
	tcase_add_loop_test(tc, an_update_changes_what_may_be_changed, 0, COUNT_OF(updates));
	tcase_add_loop_test(tc, an_update_works_in_every_state_and_leaves_it, 0, ST__COUNT);
	tcase_add_test(tc, a_new_name_of_an_account_leaves_its_state);
	tcase_add_test(tc, an_account_does_not_become_a_project);
	tcase_add_loop_test(tc, a_secret_is_kept_replaced_or_cleared_by_the_callers_role, 0,
			    COUNT_OF(secrets));
	tcase_add_test(tc, a_key_that_was_retired_meanwhile_seals_nothing_that_is_stored);
	tcase_add_test(tc, without_a_check_value_of_the_key_no_secret_is_stored);
	tcase_add_loop_test(tc, a_secret_opens_for_two_roles_alone, 0, COUNT_OF(openers));
	tcase_add_test(tc, a_sealed_secret_that_was_moved_to_another_row_does_not_open);
	tcase_add_test(tc, the_hash_of_a_key_is_never_shown);
	tcase_add_test(tc, a_purged_row_takes_no_secret_again);
	tcase_add_loop_test(tc, a_key_makes_no_key_that_may_do_more, 0, COUNT_OF(bounded));
	tcase_add_loop_test(tc, a_key_widens_no_key_beyond_itself, 0, COUNT_OF(rebounded));
	tcase_add_loop_test(tc, a_state_and_an_action_lead_where_the_contract_says, 0,
			    2 * ST__COUNT);
	tcase_add_test(tc, a_removed_row_says_when_and_when_it_is_due);
	tcase_add_loop_test(tc, an_action_that_is_unknown_or_on_nothing_is_refused, 0,
			    COUNT_OF(no_actions));
	tcase_add_loop_test(tc, an_action_is_open_to_those_who_manage_the_row, 0, COUNT_OF(actors));
	tcase_add_test(tc, of_many_who_deactivate_one_succeeds_and_is_logged);
	tcase_add_loop_test(tc, the_purge_of_a_registry_removes_its_credentials, 0,
			    COUNT_OF(cascades));
	tcase_add_test(tc, the_purge_of_a_registry_removes_any_number_of_credentials);
	tcase_add_test(tc, the_purge_of_a_credential_destroys_its_secret_and_leaves_the_registry);
	tcase_add_test(tc, the_purge_of_a_project_removes_what_it_holds);
	tcase_add_test(tc, a_delete_of_an_active_project_deactivates_it_first);
	tcase_add_loop_test(tc, a_project_is_managed_by_its_owners, 0, COUNT_OF(deleters));
	tcase_add_test(tc, whoever_makes_a_project_owns_it_unless_it_says_who_does);
	tcase_add_loop_test(tc, the_members_of_a_project_are_set_all_at_once, 0, COUNT_OF(sets));
	tcase_add_loop_test(tc, an_owner_who_was_removed_meanwhile_changes_nothing, 0, 2);
	tcase_add_test(tc, an_owner_by_a_group_needs_no_row);
	tcase_add_test(tc, members_are_changed_through_their_project_alone);
	tcase_add_test(tc, the_sweep_purges_what_is_due_and_forgets_what_is_old);
	tcase_add_test(tc, the_sweep_carries_a_registry_to_its_end_after_its_credentials);
	tcase_add_test(tc, the_sweep_takes_any_number_of_rows);
	tcase_add_test(tc, a_deleted_project_ends_with_all_that_it_held);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(resource_suite());
}
