/* check_resource: what create, update, delete, actions and the sweep do to the rows, the process
 * log and the secrets. */
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

/* What a create ends with: an error and its field, or the columns of the new row. */
/* clang-format off */
static const struct { enum person person; int project; enum type_place type; const char *body; enum err err; const char *field; const char *column, *value; } creates[] = {
	{ PROJECT_DEFAULT, 0, T_REGISTRY, "{\"serverAddress\":\" reg.test\"}",       ERR_NONE, NULL, "server_address", " reg.test" },
	{ PERSON_SERVICE,  0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%F\",\"email\":\"e\",\"accountId\":\"1a6\"}", ERR_NONE, NULL, "account_id", "6" },
	{ PERSON_SERVICE,  0, T_REGISTRY_CREDENTIAL, "{\"registryId\":\"%F\",\"email\":\"e\",\"accountId\":\"1a5\"}", ERR_INVALID_REFERENCE, "registryId", NULL, NULL },
	{ PERSON_SERVICE,  0, T_REGISTRY, "{\"serverAddress\":\"a\",\"accountId\":\"1a999\"}", ERR_INVALID_REFERENCE, "accountId", NULL, NULL },
	{ PERSON_SERVICE,  0, T_REGISTRY, "{\"serverAddress\":\"a\",\"accountId\":\"1a17\"}", ERR_INVALID_REFERENCE, "accountId", NULL, NULL },
	{ PERSON_SERVICE,  0, T_REGISTRY, "{\"serverAddress\":\"a\",\"accountId\":5}", ERR_INVALID_REFERENCE, "accountId", NULL, NULL },
	{ PERSON_ADMIN,    0, T_API_KEY, "{\"accountId\":\"1a3\"}",                  ERR_INVALID_REFERENCE, "accountId", NULL, NULL },
	{ PERSON_SUPERADMIN, 0, T_API_KEY, "{\"accountId\":\"1a3\"}",                ERR_NONE, NULL, "account_id", "3" },
	{ PROJECT_DEFAULT, 0, T_PASSWORD, "{\"publicValue\":\"p\",\"secretValue\":\"pw\"}", ERR_NONE, NULL, "length(secret_value) || (instr(secret_value, 'pw') > 0)", "330" },
	{ PERSON_ADMIN,    0, T_ACCOUNT, "{\"kind\":\"service\"}",                   ERR_NONE, NULL, "kind", "service" },
	{ PERSON_ADMIN,    0, T_ACCOUNT, "{\"kind\":\"superadmin\"}",                ERR_INVALID_OPTION, "kind", NULL, NULL },
	{ PERSON_SUPERADMIN, 0, T_ACCOUNT, "{\"kind\":\"superadmin\"}",              ERR_NONE, NULL, "kind", "superadmin" },
};
/* clang-format on */

START_TEST(a_create_makes_a_row_or_changes_nothing)
{
	struct record row;
	const char *secret;

	act_as(creates[_i].person, creates[_i].project);
	const char *before = rig_dump(&rig);
	enum err rc = create(creates[_i].type, creates[_i].body, &row, &secret);
	ck_assert_int_eq(rc, creates[_i].err);
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
/* clang-format off */
static const struct { enum person person; int project; enum type_place type; const char *query, *ids; } lists[] = {
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
};
/* clang-format on */

START_TEST(a_list_shows_the_rows_of_the_caller)
{
	act_as(lists[_i].person, lists[_i].project);
	ck_assert_str_eq(ids_of_list(lists[_i].type, lists[_i].query), lists[_i].ids);
}
END_TEST

/* As superadmin, who may open it. */
static const char *
opened(int64_t id)
{
	struct record row;
	const struct resource_type *type = &types_table[T_REGISTRY_CREDENTIAL];

	act_as(PERSON_SUPERADMIN, 0);
	ck_assert_int_eq(resource_read(&context, type, id_of(T_REGISTRY_CREDENTIAL, id), &row, &e),
			 ERR_NONE);
	const char *text = resource_open(&context, NULL, &row);
	return text != NULL ? text : "null";
}

/* What the key was that sealed a row's secret. */
static const char *
sealed_with(int64_t id)
{
	return stored(T_REGISTRY_CREDENTIAL, id, "hex(substr(secret_value, 2, 4))");
}

/* The check value in the database becomes that of the ring's key. */
static void
prove_seal_key(const struct keyring *ring)
{
	struct key_check check;

	for (size_t i = 0;
	     keyring_check_value(ring, rig.arena, i, &check.key_id, &check.use, &check.value);
	     i++) {
		const char *hex = "";

		for (size_t b = 0; b < check.value.len; b++)
			hex = arena_printf(rig.arena, "%s%02x", hex,
					   (unsigned char)check.value.text[b]);
		if (strcmp(check.use, "seal") == 0)
			rig_exec(&rig,
				 arena_printf(rig.arena,
					      "UPDATE key_check SET value = x'%s' WHERE use = "
					      "'seal'",
					      hex));
	}
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
	act_as(PROJECT_DEFAULT, 0);
	/* Another key of the same number is not that key. */
	rig_exec(&rig, "UPDATE key_check SET key_id = 2 WHERE use = 'seal'");
	context.ring = ring;
	ck_assert_int_eq(create(T_REGISTRY_CREDENTIAL,
				"{\"registryId\":\"%R\",\"email\":\"e@x\",\"publicValue\":\"u\","
				"\"secretValue\":\"pw\"}",
				&row, &secret),
			 ERR_INTERNAL);
	e = (struct error){0};
	prove_seal_key(ring);
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
	rig_exec(&rig, "UPDATE credential SET account_id = 6 WHERE kind = 'registryCredential'");
	ck_assert_str_eq(opened(credential), "null");
}
END_TEST

/* The password of a login is for one address: of none other, however it comes to it. */
static const char *const diversions[] = {
	"UPDATE storage_pool SET server_address = 'third.example.test' WHERE id =",
	"UPDATE storage_pool SET server_address = 'http://' || server_address WHERE id =",
	"UPDATE storage_pool SET server_address = upper(server_address) WHERE id =",
	"UPDATE storage_pool SET server_address = NULL WHERE id =",
	"UPDATE storage_pool SET id = 99999 WHERE id =",
	"UPDATE credential SET registry_id = registry_id + 1 WHERE registry_id =",
	"UPDATE credential SET registry_id = NULL WHERE registry_id =",
};

START_TEST(a_password_opens_for_the_address_it_was_given_for_alone)
{
	(void)rig_registry(&rig, PROJECT_DEFAULT, "evil.example.test");
	ck_assert_str_eq(opened(credential), "the secret");
	rig_exec(&rig, "PRAGMA foreign_keys = OFF");
	rig_exec(&rig, arena_printf(rig.arena, "%s %lld", diversions[_i], (long long)registry));
	ck_assert_str_eq(opened(credential), "null");
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
	ck_assert_int_eq(create(T_API_KEY, bounded[_i].body, &row, &secret), bounded[_i].err);
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
	ck_assert_int_eq(update(T_API_KEY, id, rebounded[_i].body, &row), rebounded[_i].err);
	if (rebounded[_i].err == ERR_NONE) {
		ck_assert_str_eq(stored(T_API_KEY, id, bounds_of_key), rebounded[_i].result);
	} else {
		ck_assert_pstr_eq(e.field, rebounded[_i].result);
		ck_assert_str_eq(rig_dump(&rig), before);
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
	/* Nobody signs in here as that owner: who sets the list stays one. */
	{ "{\"members\":[{\"externalId\":\"x\",\"externalIdType\":\"github_user\",\"role\":\"owner\"}]}", ERR_NONE, NULL, "1a7:owner x:owner" },
	{ "{}",                                                                                ERR_MISSING_REQUIRED, "members", NULL },
	{ "{\"members\":null}",                                                                ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":\"1a7\"}",                                                             ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":{}}",                                                                  ERR_INVALID_FORMAT, "members", NULL },
	{ "{\"members\":[]}",                                                                  ERR_NO_OWNER, NULL, NULL },
	{ "{\"members\":[{\"externalId\":\"1a7\"}]}",                                          ERR_NO_OWNER, NULL, NULL },
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
	ck_assert_int_eq(rc, sets[_i].err);
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
			      "'registryCredential', 5, 'removed', %lld, %lld FROM n",
			      MANY, (long long)RIG_NOW, (long long)RIG_NOW + 1000));
	ck_assert_uint_eq(sweep_at(RIG_NOW + 999), 0);
	ck_assert_uint_eq(sweep_at(RIG_NOW + 1000), MANY);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM credential WHERE state = 'purged' AND "
				       "uuid GLOB 'u*'"),
			 arena_printf(rig.arena, "%d", MANY));
	(void)sweep_at(RIG_NOW + INT64_C(200000000));
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM credential WHERE state = 'purged' AND "
				       "uuid GLOB 'u*'"),
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
	tcase_add_loop_test(tc, a_create_makes_a_row_or_changes_nothing, 0, COUNT_OF(creates));
	tcase_add_loop_test(tc, a_list_shows_the_rows_of_the_caller, 0, COUNT_OF(lists));
	tcase_add_test(tc, a_key_that_was_retired_meanwhile_seals_nothing_that_is_stored);
	tcase_add_test(tc, without_a_check_value_of_the_key_no_secret_is_stored);
	tcase_add_test(tc, a_sealed_secret_that_was_moved_to_another_row_does_not_open);
	tcase_add_loop_test(tc, a_password_opens_for_the_address_it_was_given_for_alone, 0,
			    COUNT_OF(diversions));
	tcase_add_loop_test(tc, a_key_makes_no_key_that_may_do_more, 0, COUNT_OF(bounded));
	tcase_add_loop_test(tc, a_key_widens_no_key_beyond_itself, 0, COUNT_OF(rebounded));
	tcase_add_loop_test(tc, the_purge_of_a_registry_removes_its_credentials, 0,
			    COUNT_OF(cascades));
	tcase_add_test(tc, the_purge_of_a_registry_removes_any_number_of_credentials);
	tcase_add_test(tc, the_purge_of_a_project_removes_what_it_holds);
	tcase_add_test(tc, whoever_makes_a_project_owns_it_unless_it_says_who_does);
	tcase_add_loop_test(tc, the_members_of_a_project_are_set_all_at_once, 0, COUNT_OF(sets));
	tcase_add_loop_test(tc, an_owner_who_was_removed_meanwhile_changes_nothing, 0, 2);
	tcase_add_test(tc, an_owner_by_a_group_needs_no_row);
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
