/* check_schema: the type tables against the published API, and how bodies, ids and dates are
 * read (sections 2, 3.1, 10). */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "model/body.h"
#include "model/check.h"
#include "model/date.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"

#include "support/support.h"

ARENA_FIXTURE(json_in_init())

START_TEST(the_tables_agree_with_each_other)
{
	const char *why = schema_check();

	ck_assert_msg(why == NULL, "%s", why);
}
END_TEST

/* registryCredential as an environment key sees it in v1 (4.2): in the order of the document. */
enum {
	C = F_CREATE,
	U = F_UPDATE,
	R = F_REQUIRED,
	N = F_NULLABLE,
	O = F_READ_ON_CREATE,
	B = F_BLANK
};

struct field_row {
	const char *name;
	enum field_type type;
	const char *reference;
	unsigned flags;
	unsigned min_len, max_len;
	enum filter_set filter;
};

/* clang-format off */
static const struct field_row registry_credential[] = {
	{ "accountId",             FT_REFERENCE,  "account",  N,             0, 255,  FILTER_V },
	{ "created",               FT_DATE,       NULL,       N,             0, 255,  FILTER_N },
	{ "description",           FT_STRING,     NULL,       C | U | N,     0, 1024, FILTER_S },
	{ "expiresAt",             FT_DATE,       NULL,       C | U | N,     0, 255,  FILTER_N },
	{ "id",                    FT_ID,         NULL,       N,             0, 0,    FILTER_N },
	{ "isDefault",             FT_BOOLEAN,    NULL,       C | U,         0, 0,    FILTER_V },
	{ "kind",                  FT_STRING,     NULL,       N,             0, 255,  FILTER_S },
	{ "lastUsed",              FT_DATE,       NULL,       N,             0, 255,  FILTER_N },
	{ "lastUsedBy",            FT_REFERENCE,  "apiKey",   N,             0, 255,  FILTER_V },
	{ "name",                  FT_STRING,     NULL,       C | U | N,     0, 255,  FILTER_S },
	{ "pathPrefix",            FT_PATH,       NULL,       C | U | N | B, 1, 255,  FILTER_S },
	{ "publicValue",           FT_STRING,     NULL,       C | U | N,     0, 4096, FILTER_S },
	{ "registryId",            FT_REFERENCE,  "registry", C | R,         0, 255,  FILTER_V },
	{ "removed",               FT_DATE,       NULL,       N,             0, 255,  FILTER_N },
	{ "secretValue",           FT_PASSWORD,   NULL,       C | U | N | O, 0, 65536, FILTER_NONE },
	{ "state",                 FT_ENUM,       NULL,       0,             0, 128,  FILTER_V },
	{ "transitioning",         FT_TRANSITION, NULL,       0,             0, 0,    FILTER_NONE },
	{ "transitioningMessage",  FT_MESSAGE,    NULL,       N,             0, 0,    FILTER_NONE },
	{ "transitioningProgress", FT_CONSTANT,   NULL,       N,             0, 0,    FILTER_NONE },
	{ "uuid",                  FT_STRING,     NULL,       N,             0, 128,  FILTER_S },
	{ "email",                 FT_STRING,     NULL,       C | U | R,     1, 1024, FILTER_NONE },
	/* not in the original */
	{ "firstBadAt",            FT_DATE,       NULL,       N,             0, 0,    FILTER_N },
	{ "lastGoodAt",            FT_DATE,       NULL,       N,             0, 0,    FILTER_N },
	{ "overlap",               FT_INT,        NULL,       C | U | N | B, 0, 2592000, FILTER_NONE },
	{ "previousUntil",         FT_DATE,       NULL,       N,             0, 0,    FILTER_N },
	{ "refreshAt",             FT_DATE,       NULL,       N,             0, 0,    FILTER_N },
	{ "refreshMessage",        FT_STRING,     NULL,       N,             0, 0,    FILTER_NONE },
	{ "refreshResult",         FT_ENUM,       NULL,       N,             0, 0,    FILTER_V },
	{ "refreshStatus",         FT_INT,        NULL,       N,             0, 0,    FILTER_NONE },
	{ "refreshedAt",           FT_DATE,       NULL,       N,             0, 0,    FILTER_N },
	{ "secretVersion",         FT_INT,        NULL,       N,             0, 0,    FILTER_N },
	{ "source",                FT_ENUM,       NULL,       C | U | N | B, 0, 0,    FILTER_V },
	{ "sourceConfig",          FT_JSON,       NULL,       C | U | N | B, 0, 8192, FILTER_NONE },
	{ "sourceSecret",          FT_HIDDEN,     NULL,       C | U | N | B, 0, 65536, FILTER_NONE },
	{ "verificationMessage",   FT_STRING,     NULL,       N,             0, 0,    FILTER_NONE },
	{ "verificationMs",        FT_INT,     NULL,       N,             0, 0,    FILTER_NONE },
	{ "verificationResult",    FT_ENUM,       NULL,       N,             0, 0,    FILTER_V },
	{ "verificationStatus",    FT_INT,     NULL,       N,             0, 0,    FILTER_NONE },
	{ "verifiedAt",            FT_DATE,       NULL,       N,             0, 0,    FILTER_N },
	{ "verifyEvery",           FT_INT,        NULL,       C | U | N | B, 0, 31536000, FILTER_NONE },
	{ "verifyRepository",      FT_PATH,       NULL,       C | U | N | B, 0, 255,  FILTER_NONE },
};
/* A registry likewise (4.3). */
static const struct field_row registry[] = {
	{ "accountId",             FT_REFERENCE,  "account",  N,             0, 255,  FILTER_V },
	{ "blockDevicePath",       FT_CONSTANT,   NULL,       N,             0, 0,    FILTER_NONE },
	{ "created",               FT_DATE,       NULL,       N,             0, 255,  FILTER_N },
	{ "description",           FT_STRING,     NULL,       C | U | N,     0, 1024, FILTER_S },
	{ "driverName",            FT_CONSTANT,   NULL,       N,             0, 255,  FILTER_S },
	{ "externalId",            FT_CONSTANT,   NULL,       N,             0, 128,  FILTER_S },
	{ "id",                    FT_ID,         NULL,       N,             0, 0,    FILTER_N },
	{ "kind",                  FT_STRING,     NULL,       N,             0, 255,  FILTER_S },
	{ "name",                  FT_STRING,     NULL,       C | U | N,     0, 255,  FILTER_S },
	{ "removed",               FT_DATE,       NULL,       N,             0, 255,  FILTER_N },
	{ "state",                 FT_ENUM,       NULL,       0,             0, 128,  FILTER_V },
	{ "tokenHost",             FT_STRING,     NULL,       C | U | N,     1, 300, FILTER_S },
	{ "transitioning",         FT_TRANSITION, NULL,       0,             0, 0,    FILTER_NONE },
	{ "transitioningMessage",  FT_MESSAGE,    NULL,       N,             0, 0,    FILTER_NONE },
	{ "transitioningProgress", FT_CONSTANT,   NULL,       N,             0, 0,    FILTER_NONE },
	{ "uuid",                  FT_STRING,     NULL,       N,             0, 128,  FILTER_S },
	{ "volumeAccessMode",      FT_CONSTANT,   NULL,       N,             0, 255,  FILTER_S },
	{ "volumeCapabilities",    FT_CONSTANT,   NULL,       N,             0, 0,    FILTER_NONE },
	{ "serverAddress",         FT_STRING,     NULL,       C | R,         1, 1024, FILTER_NONE },
};
/* clang-format on */

static void
check_field(const struct field *f, const struct field_row *row)
{
	ck_assert_ptr_nonnull(f);
	ck_assert_msg(f->type == row->type, "%s: type %d", row->name, f->type);
	ck_assert_pstr_eq(f->reference != NULL ? f->reference->id : NULL, row->reference);
	ck_assert_msg((f->flags & (C | U | R | N | O | B)) == row->flags, "%s: flags %x", row->name,
		      f->flags);
	ck_assert_msg(f->min_len == row->min_len, "%s: minLength %u", row->name, f->min_len);
	ck_assert_msg(f->max_len == row->max_len, "%s: maxLength %u", row->name, f->max_len);
	ck_assert_msg(f->filter == row->filter, "%s: filter %d", row->name, f->filter);
}

START_TEST(a_field_of_registry_credential_is_as_published)
{
	const struct field_row *row = &registry_credential[_i];

	check_field(type_field(&types_table[T_REGISTRY_CREDENTIAL], row->name, API_V1), row);
}
END_TEST

START_TEST(a_field_of_registry_is_as_published)
{
	check_field(type_field(&types_table[T_REGISTRY], registry[_i].name, API_V1), &registry[_i]);
}
END_TEST

/* The rows that an environment key does not see. */
static bool
is_for_operators(const char *name)
{
	static const char *const names[] = {"data",	"removeTime",	       "agentId",
					    "external", "physicalTotalSizeMb", "virtualTotalSizeMb",
					    "zoneId"};

	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

static void
check_order(const struct resource_type *type, const struct field_row *rows, size_t count)
{
	size_t n = 0;

	for (const struct field *f = type->fields; f->name != NULL; f++) {
		if (!field_in_version(f, API_V1) || is_for_operators(f->name))
			continue;
		ck_assert_uint_lt(n, count);
		ck_assert_str_eq(f->name, rows[n++].name);
	}
	ck_assert_uint_eq(n, count);
}

START_TEST(fields_stand_in_the_order_of_the_document_and_email_and_address_last)
{
	check_order(&types_table[T_REGISTRY_CREDENTIAL], registry_credential,
		    COUNT_OF(registry_credential));
	check_order(&types_table[T_REGISTRY], registry, COUNT_OF(registry));
}
END_TEST

START_TEST(email_is_optional_and_nullable_in_v2_beta)
{
	static const struct field_row row = {"email", FT_STRING, NULL,	     C | U | N,
					     1,	      1024,	 FILTER_NONE};

	check_field(type_field(&types_table[T_REGISTRY_CREDENTIAL], "email", API_V2_BETA), &row);
}
END_TEST

START_TEST(the_states_of_a_credential_are_listed_in_the_published_order)
{
	static const char *const states[] = {"activating",  "active",	       "deactivating",
					     "inactive",    "purged",	       "purging",
					     "registering", "removed",	       "removing",
					     "requested",   "updating-active", "updating-inactive"};
	const struct field *state =
		type_field(&types_table[T_REGISTRY_CREDENTIAL], "state", API_V1);

	for (size_t i = 0; i < COUNT_OF(states); i++)
		ck_assert_str_eq(state->options[i], states[i]);
	ck_assert_ptr_null(state->options[COUNT_OF(states)]);
	state = type_field(&types_table[T_REGISTRY], "state", API_V1);
	ck_assert_str_eq(state->options[9], "requested");
	ck_assert_str_eq(state->options[10], "restoring");
	ck_assert_str_eq(state->options[11], "updating-active");
	state = type_field(&types_table[T_REGISTRY], "state", API_V2_BETA);
	ck_assert_str_eq(state->options[10], "updating-active");
}
END_TEST

/* Names in a path (1.3), and what they are. */
static const struct {
	const char *segment, *id;
} segments[] = {
	{"registryCredentials", "registryCredential"},
	{"registrycredentials", "registryCredential"},
	{"registryCredential", "registryCredential"},
	{"registrycredential", "registryCredential"},
	{"REGISTRYCREDENTIAL", "registryCredential"},
	{"registries", "registry"},
	{"registry", "registry"},
	{"Registry", "registry"},
	{"credentials", "credential"},
	{"storagePools", "storagePool"},
	{"storagepool", "storagePool"},
	{"accounts", "account"},
	{"projects", "project"},
	{"apiKeys", "apiKey"},
	{"apikey", "apiKey"},
	{"passwords", "password"},
	{"projectMembers", "projectMember"},
	{"schemas", "schema"},
	{"schema", "schema"},
	{"apiVersions", "apiVersion"},
	{"errors", "error"},
	{"setProjectMembersInput", "setProjectMembersInput"},
	{"registrys", NULL},
	{"registr", NULL},
	{"registriess", NULL},
	{"registry ", NULL},
	{"", NULL},
	{"s", NULL},
	{"image", NULL},
	{"r\xc3\xa9gistry", NULL},
};

START_TEST(a_type_is_found_by_id_or_plural_in_any_case_and_by_nothing_else)
{
	const struct resource_type *type = type_find_segment(segments[_i].segment);

	ck_assert_pstr_eq(type != NULL ? type->id : NULL, segments[_i].id);
}
END_TEST

START_TEST(a_type_is_found_by_its_exact_id)
{
	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		ck_assert_ptr_eq(type_find(t->id), t);
		ck_assert_ptr_eq(&types_table[type_index(t)], t);
	}
	ck_assert_ptr_null(type_find("registrycredential"));
	ck_assert_ptr_null(type_find("registries"));
	ck_assert_ptr_null(type_find(""));
}
END_TEST

/* The type of a row by its family and kind, and its base (2). */
static const struct {
	const struct family *family;
	const char *kind, *id, *base;
} kinds[] = {
	{&family_credential, "registryCredential", "registryCredential", "credential"},
	{&family_credential, "apiKey", "apiKey", "credential"},
	{&family_credential, "password", "password", "credential"},
	{&family_credential, "registrationToken", "credential", NULL},
	{&family_credential, "", "credential", NULL},
	{&family_credential, "RegistryCredential", "credential", NULL},
	{&family_storage_pool, "registry", "registry", "storagePool"},
	{&family_storage_pool, "docker", "storagePool", NULL},
	{&family_account, "project", "project", "account"},
	{&family_account, "user", "account", NULL},
	{&family_account, "admin", "account", NULL},
	{&family_project_member, "projectMember", "projectMember", NULL},
};

START_TEST(a_row_has_the_type_of_its_kind)
{
	const struct resource_type *type = type_of_row(kinds[_i].family, kinds[_i].kind);

	ck_assert_ptr_nonnull(type);
	ck_assert_str_eq(type->id, kinds[_i].id);
	ck_assert_pstr_eq(type->base, kinds[_i].base);
	ck_assert(!type_is_child(type, type));
	if (kinds[_i].base != NULL)
		ck_assert(type_is_child(type, type_find(kinds[_i].base)));
}
END_TEST

/* Declared actions (4.2, 4.3, 4.5): "name" in both versions, "name1" in v1 alone. */
/* clang-format off */
static const struct { enum type_place type; const char *names, *output; } declared[] = {
	{T_REGISTRY_CREDENTIAL, "activate create deactivate purge refresh remove rollback update verify ", "credential"},
	{T_API_KEY, "activate create deactivate purge remove update ", "credential"},
	{T_CREDENTIAL, "activate create deactivate purge remove update ", "credential"},
	{T_REGISTRY, "activate create deactivate purge remove restore1 test update ", NULL},
	{T_STORAGE_POOL, "activate create deactivate purge remove restore1 update ", "storagePool"},
	{T_ACCOUNT, "activate create deactivate purge remove restore1 update upgrade2 ", "account"},
	{T_PROJECT, "activate create deactivate delete purge remove restore1 setmembers update ", NULL},
};
/* clang-format on */

START_TEST(a_type_declares_the_published_actions)
{
	const struct resource_type *type = &types_table[declared[_i].type];
	char names[256] = "";

	for (const struct action *x = type->actions; x->name != NULL; x++) {
		strcat(names, x->name);
		if (!action_in_version(x, API_V2_BETA))
			strcat(names, "1");
		if (!action_in_version(x, API_V1))
			strcat(names, "2");
		strcat(names, " ");
		ck_assert_ptr_eq(
			type_action(type, x->name, x->versions == IN_V2 ? API_V2_BETA : API_V1), x);
		if (declared[_i].output != NULL) {
			ck_assert_ptr_null(x->input);
			ck_assert_str_eq(x->output, declared[_i].output);
		}
	}
	ck_assert_str_eq(names, declared[_i].names);
	ck_assert_ptr_null(type_action(type, "explode", API_V1));
	ck_assert_ptr_null(type_action(type, "Activate", API_V1));
	ck_assert_ptr_null(type_action(type, "restore", API_V2_BETA));
}
END_TEST

START_TEST(a_link_is_found_by_its_name_in_any_case)
{
	const struct resource_type *type = &types_table[T_REGISTRY_CREDENTIAL];

	ck_assert_ptr_nonnull(type_link(type, "registry"));
	ck_assert_ptr_eq(type_link(type, "REGISTRY"), type_link(type, "registry"));
	ck_assert_ptr_eq(type_link(type, "registry")->target, &types_table[T_REGISTRY]);
	ck_assert_ptr_nonnull(type_link(type, "account"));
	ck_assert_ptr_null(type_link(type, "images"));
	ck_assert_ptr_null(type_link(type, "regist"));
	ck_assert_ptr_null(type_link(type, ""));
	ck_assert_ptr_null(type_link(&types_table[T_SCHEMA], "self"));
	ck_assert_ptr_eq(type_link(&types_table[T_REGISTRY], "credentials")->target,
			 &types_table[T_CREDENTIAL]);
}
END_TEST

/* Ids */

static const struct {
	const struct family *family;
	const char *text;
	int64_t id; /* 0: refused */
} ids[] = {
	{&family_credential, "1c7", 7},
	{&family_credential, "1c1", 1},
	{&family_credential, "1c10", 10},
	{&family_credential, "1c999999999999999999", INT64_C(999999999999999999)},
	{&family_storage_pool, "1sp3", 3},
	{&family_account, "1a5", 5},
	{&family_project_member, "1pm2", 2},
	{&family_credential, "", 0},
	{&family_credential, "1", 0},
	{&family_credential, "1c", 0},
	{&family_credential, "c7", 0},
	{&family_credential, "7", 0},
	{&family_credential, "17", 0},
	{&family_credential, "1C7", 0},
	{&family_credential, "1c0", 0},
	{&family_credential, "1c07", 0},
	{&family_credential, "1c-7", 0},
	{&family_credential, "1c+7", 0},
	{&family_credential, "1c 7", 0},
	{&family_credential, " 1c7", 0},
	{&family_credential, "1c7 ", 0},
	{&family_credential, "1c7x", 0},
	{&family_credential, "1c7\n", 0},
	{&family_credential, "1c0x7", 0},
	{&family_credential, "1c7.0", 0},
	{&family_credential, "1c7e1", 0},
	{&family_credential, "1c!7", 0},
	{&family_credential, "1c\xd9\xa7", 0}, /* an Arabic 7 */
	{&family_credential, "1sp7", 0},
	{&family_credential, "1zz7", 0},
	{&family_credential, "1cc7", 0},
	{&family_credential, "2c7", 0},
	{&family_credential, "11c7", 0},
	{&family_credential, "abc", 0},
	{&family_credential, "1c1000000000000000000", 0},
	{&family_credential, "1c9223372036854775808", 0},
	{&family_credential, "1c99999999999999999999999999999999", 0},
	{&family_storage_pool, "1s3", 0},
	{&family_storage_pool, "1c3", 0},
	{&family_storage_pool, "1p3", 0},
	{&family_storage_pool, "1spp3", 0},
	{&family_storage_pool, "1SP3", 0},
	{&family_storage_pool, "1Sp3", 0},
	{&family_account, "1i!rancher_id:5", 0},
	{&family_project_member, "1p2", 0},
	{&family_project_member, "1a2", 0},
};

START_TEST(an_id_has_its_familys_prefix_and_a_plain_number)
{
	int64_t id = -1;
	bool taken = id_parse(ids[_i].family, ids[_i].text, &id);

	ck_assert_msg(taken == (ids[_i].id != 0), "\"%s\"", ids[_i].text);
	ck_assert_int_eq(id, taken ? ids[_i].id : -1);
	if (taken)
		ck_assert_str_eq(id_format(a, ids[_i].family, id), ids[_i].text);
}
END_TEST

/* Bodies */

/* What the caller may set is what the flags say: roles are another test's business. */
static bool
may_create(const void *context, const struct field *field)
{
	(void)context;
	return (field->flags & F_CREATE) != 0;
}

static bool
may_update(const void *context, const struct field *field)
{
	(void)context;
	return (field->flags & F_UPDATE) != 0;
}

/* A change as text: "name='x' registry_id=3 email=null secret='s'". */
static const char *
show(const struct family *family, const struct change *change)
{
	const char *text = "";

	for (unsigned c = 1; c < COL__COUNT; c++) {
		const struct value *v = &change->columns[c];

		if ((change->given & COL_BIT(c)) == 0) {
			ck_assert_int_eq(v->type, VALUE_NULL);
			continue;
		}
		const char *blank = *text != '\0' ? " " : "",
			   *name = column_name(family, (enum column)c);
		if (c == COL_SECRET_VALUE && change->secret != NULL)
			text = arena_printf(a, "%s%ssecret='%s'", text, blank, change->secret);
		else if (v->type == VALUE_TEXT)
			text = arena_printf(a, "%s%s%s='%s'", text, blank, name, v->text);
		else if (v->type == VALUE_INT)
			text = arena_printf(a, "%s%s%s=%lld", text, blank, name,
					    (long long)v->number);
		else
			text = arena_printf(a, "%s%s%s=null", text, blank, name);
	}
	return text;
}

static enum err
read_body(enum type_place place, enum api_version version, enum schema_use use,
	  const struct record *stored, const char *body, struct change *change, struct error *e)
{
	const struct schema_rules rules = {.type = &types_table[place],
					   .version = version,
					   .use = use,
					   .stored = stored,
					   .may = use == SCHEMA_CREATE ? may_create : may_update,
					   .arena = a};

	return schema_read(&rules, rig_json(a, body), change, e);
}

#define REF "\"registryId\":\"1sp3\""
#define FULL "\"registryId\":\"1sp3\",\"email\":\"e\""

/* clang-format off */
static const struct body { enum type_place type; enum api_version version; const char *body; enum err err; const char *result; } created[] = {
	/* Required fields, in the order of the schema, after those of the body. */
	{ T_REGISTRY_CREDENTIAL, API_V1, "{}",                                 ERR_MISSING_REQUIRED, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\"}",                  ERR_MISSING_REQUIRED, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" REF "}",                          ERR_MISSING_REQUIRED, "email" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL "}",                         ERR_NONE, "registry_id=3 email='e'" },
	{ T_REGISTRY_CREDENTIAL, API_V2_BETA, "{}",                            ERR_MISSING_REQUIRED, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V2_BETA, "{" REF "}",                     ERR_NONE, "registry_id=3" },
	{ T_REGISTRY_CREDENTIAL, API_V2_BETA, "{" FULL "}",                    ERR_NONE, "registry_id=3 email='e'" },
	/* Numbers, objects and spans of time. */
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"overlap\":0}",           ERR_NONE, "registry_id=3 email='e' overlap=0" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"overlap\":\"60\"}",      ERR_NONE, "registry_id=3 email='e' overlap=60" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"overlap\":\"\"}",        ERR_NONE, "registry_id=3 email='e' overlap=null" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"overlap\":2592001}",     ERR_INVALID_OPTION, "overlap" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"overlap\":9999999999}",  ERR_INVALID_OPTION, "overlap" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"overlap\":-1}",          ERR_INVALID_FORMAT, "overlap" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"overlap\":1e3}",         ERR_INVALID_FORMAT, "overlap" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"overlap\":[]}",          ERR_INVALID_FORMAT, "overlap" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"sourceConfig\": { \"a\" : [1, true, null, \"x\\n\"] } }", ERR_NONE, "registry_id=3 email='e' source_config='{\"a\":[1,true,null,\"x\\n\"]}'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"sourceConfig\":\"{}\"}", ERR_NONE, "registry_id=3 email='e' source_config='{}'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"sourceConfig\":\"\"}",   ERR_NONE, "registry_id=3 email='e' source_config=null" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"sourceConfig\":[]}",     ERR_INVALID_FORMAT, "sourceConfig" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"sourceConfig\":\"[]\"}", ERR_INVALID_FORMAT, "sourceConfig" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"sourceConfig\":\"{\"}",  ERR_INVALID_FORMAT, "sourceConfig" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"source\":\"\"}",         ERR_NONE, "registry_id=3 email='e' source=null" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"source\":\"none\"}",     ERR_INVALID_OPTION, "source" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":[\"14d\",\"36h\"]}",       ERR_NONE, "expiry_warnings='1209600 129600'" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":\"1d,2h\"}",               ERR_NONE, "expiry_warnings='86400 7200'" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":[]}",                      ERR_NONE, "expiry_warnings=''" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":\"\"}",                    ERR_NONE, "expiry_warnings=null" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":[\"366d\"]}",              ERR_NONE, "expiry_warnings='31622400'" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":[\"367d\"]}",              ERR_INVALID_FORMAT, "expiryWarnings" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":[\"0h\"]}",                ERR_INVALID_FORMAT, "expiryWarnings" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":[\"99999h1\"]}",           ERR_INVALID_FORMAT, "expiryWarnings" },
	{ T_PROJECT, API_V1, "{\"expiryWarnings\":[\"1m\"]}",                ERR_INVALID_FORMAT, "expiryWarnings" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "null",                               ERR_MISSING_REQUIRED, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "5",                                  ERR_MISSING_REQUIRED, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "\"x\"",                              ERR_MISSING_REQUIRED, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "[]",                                 ERR_MISSING_REQUIRED, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "[{" FULL "}]",                       ERR_MISSING_REQUIRED, "registryId" },
	{ T_REGISTRY, API_V1, "{}",                                            ERR_MISSING_REQUIRED, "serverAddress" },
	{ T_REGISTRY, API_V2_BETA, "{\"name\":\"n\"}",                         ERR_MISSING_REQUIRED, "serverAddress" },
	{ T_REGISTRY, API_V1, "{\"serverAddress\":\"http://bar.com:8080\"}",   ERR_NONE, "server_address='http://bar.com:8080'" },

	/* Null. */
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"registryId\":null,\"email\":\"e\"}", ERR_NOT_NULLABLE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" REF ",\"email\":null}",           ERR_NOT_NULLABLE, "email" },
	{ T_REGISTRY_CREDENTIAL, API_V2_BETA, "{" REF ",\"email\":null}",      ERR_NONE, "registry_id=3 email=null" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"name\":null,\"description\":null,\"publicValue\":null,\"secretValue\":null}", ERR_NONE,
	  "name=null description=null public_value=null secret_value=null registry_id=3 email='e'" },
	{ T_REGISTRY, API_V1, "{\"serverAddress\":null}",                      ERR_NOT_NULLABLE, "serverAddress" },

	/* Empty and nearly empty texts: kept as they are, but for those with a least length. */
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" REF ",\"email\":\"\"}",           ERR_MIN_LENGTH, "email" },
	{ T_REGISTRY_CREDENTIAL, API_V2_BETA, "{" REF ",\"email\":\"\"}",      ERR_MIN_LENGTH, "email" },
	{ T_REGISTRY, API_V1, "{\"serverAddress\":\"\"}",                      ERR_MIN_LENGTH, "serverAddress" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"name\":\"\",\"publicValue\":\"\",\"secretValue\":\"\"}", ERR_NONE,
	  "name='' public_value='' secret='' registry_id=3 email='e'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" REF ",\"email\":\" \",\"name\":\"  N \",\"secretValue\":\" p\\n\"}", ERR_NONE,
	  "name='  N ' secret=' p\n' registry_id=3 email=' '" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"name\":\"\\u0065\\u0301\"}", ERR_NONE, "name='e\xcc\x81' registry_id=3 email='e'" },

	/* Numbers and booleans become their text; containers do not. */
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"publicValue\":12,\"name\":true}",  ERR_NONE, "name='true' public_value='12' registry_id=3 email='e'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"secretValue\":false}",   ERR_NONE, "secret='false' registry_id=3 email='e'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"name\":-1.50e+3}",       ERR_NONE, "name='-1.50e+3' registry_id=3 email='e'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"name\":9007199254740993}", ERR_NONE, "name='9007199254740993' registry_id=3 email='e'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"name\":{}}",             ERR_INVALID_FORMAT, "name" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"name\":[]}",             ERR_INVALID_FORMAT, "name" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"secretValue\":[\"p\"]}", ERR_INVALID_FORMAT, "secretValue" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" REF ",\"email\":{\"a\":1}}",      ERR_INVALID_FORMAT, "email" },
	{ T_REGISTRY, API_V1, "{\"serverAddress\":[]}",                        ERR_INVALID_FORMAT, "serverAddress" },
	{ T_REGISTRY, API_V1, "{\"serverAddress\":5000}",                      ERR_NONE, "server_address='5000'" },

	/* References. */
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":3}",         ERR_INVALID_REFERENCE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":\"3\"}",     ERR_INVALID_REFERENCE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":\"1c7\"}",   ERR_INVALID_REFERENCE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":\"1SP3\"}",  ERR_INVALID_REFERENCE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":\"\"}",      ERR_INVALID_REFERENCE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":\"1sp3 \"}", ERR_INVALID_REFERENCE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":\"myreg\"}", ERR_INVALID_REFERENCE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":true}",      ERR_INVALID_REFERENCE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"e\",\"registryId\":[\"1sp3\"]}", ERR_INVALID_REFERENCE, "registryId" },

	/* What is unknown or not to be set is ignored, whatever it is. */
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"bogus\":1,\"\":2,\"Name\":\"x\",\"name \":\"x\",\"links\":null,\"actions\":null,\"type\":\"t\",\"baseType\":[]}",
	  ERR_NONE, "registry_id=3 email='e'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{" FULL ",\"id\":\"1c9\",\"kind\":{},\"state\":\"bogus\",\"uuid\":5,\"created\":null,\"removed\":true,\"accountId\":9,"
	  "\"transitioning\":\"x\",\"transitioningMessage\":[],\"transitioningProgress\":1}", ERR_NONE, "registry_id=3 email='e'" },
	{ T_REGISTRY, API_V1, "{\"serverAddress\":\"s\",\"driverName\":\"d\",\"externalId\":{},\"volumeCapabilities\":[1],\"registryId\":3}", ERR_NONE, "server_address='s'" },

	/* The order: the body's members first, each when it comes. */
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"name\":[],\"registryId\":null}",  ERR_INVALID_FORMAT, "name" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"registryId\":null,\"name\":[]}",  ERR_NOT_NULLABLE, "registryId" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":\"\"}",                   ERR_MIN_LENGTH, "email" },
	{ T_REGISTRY_CREDENTIAL, API_V1, "{\"email\":null}",                   ERR_NOT_NULLABLE, "email" },

	/* Types of other fields. */
	{ T_PROJECT, API_V1, "{\"swarm\":true,\"mesos\":false,\"kubernetes\":\"true\",\"publicDns\":\"false\"}", ERR_NONE,
	  "swarm=1 kubernetes=1 mesos=0 public_dns=0" },
	{ T_PROJECT, API_V1, "{\"swarm\":1}",                                  ERR_INVALID_FORMAT, "swarm" },
	{ T_PROJECT, API_V1, "{\"swarm\":\"TRUE\"}",                           ERR_INVALID_FORMAT, "swarm" },
	{ T_PROJECT, API_V1, "{\"swarm\":{}}",                                 ERR_INVALID_FORMAT, "swarm" },
	{ T_PROJECT, API_V2_BETA, "{\"swarm\":1}",                             ERR_NONE, "" },
	{ T_PROJECT, API_V1, "{\"members\":5}",                                ERR_INVALID_FORMAT, "members" },
	{ T_PROJECT, API_V1, "{\"members\":{}}",                               ERR_INVALID_FORMAT, "members" },
	{ T_PROJECT, API_V1, "{\"members\":null}",                             ERR_NONE, "" },
	/* Bounds of a key. */
	{ T_API_KEY, API_V1, "{\"expires\":\"2030-01-31T00:00:00Z\"}",         ERR_NONE, "expires=1896048000000" },
	{ T_API_KEY, API_V1, "{\"expires\":1896048000999}",                    ERR_NONE, "expires=1896048000000" },
	{ T_API_KEY, API_V1, "{\"expires\":\"1896048000999\"}",                ERR_NONE, "expires=1896048000000" },
	{ T_API_KEY, API_V1, "{\"expires\":null}",                             ERR_NONE, "expires=null" },
	{ T_API_KEY, API_V1, "{\"expires\":\"\"}",                             ERR_NONE, "expires=null" },
	{ T_API_KEY, API_V1, "{\"expires\":\"now\"}",                          ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"expires\":\"2030-02-30T00:00:00Z\"}",         ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"expires\":\"2030-01-31\"}",                   ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"expires\":\"2030-01-31T00:00:00.999Z\"}",     ERR_NONE, "expires=1896048000000" },
	{ T_API_KEY, API_V1, "{\"expires\":\"2030-01-31T01:00:00+01:00\"}",    ERR_NONE, "expires=1896048000000" },
	{ T_API_KEY, API_V1, "{\"expires\":\"1969-12-31T23:59:59Z\"}",         ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"expires\":253402300800000}",                  ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"expires\":-1}",                               ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"expires\":1e13}",                             ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"expires\":true}",                             ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"expires\":[]}",                               ERR_INVALID_FORMAT, "expires" },
	{ T_API_KEY, API_V1, "{\"role\":\"readonly\"}",                        ERR_NONE, "role='readonly'" },
	{ T_API_KEY, API_V1, "{\"role\":null}",                                ERR_NONE, "role=null" },
	{ T_API_KEY, API_V1, "{\"role\":\"\"}",                                ERR_INVALID_OPTION, "role" },
	{ T_API_KEY, API_V1, "{\"role\":\"owner\"}",                           ERR_INVALID_OPTION, "role" },
	{ T_API_KEY, API_V1, "{\"role\":\"readOnly\"}",                        ERR_INVALID_OPTION, "role" },
	{ T_API_KEY, API_V1, "{\"role\":{}}",                                  ERR_INVALID_FORMAT, "role" },
	{ T_API_KEY, API_V1, "{\"networks\":[\"10.0.0.0/8\",\"2001:DB8::1\"]}", ERR_NONE, "networks='10.0.0.0/8 2001:db8::1/128'" },
	{ T_API_KEY, API_V1, "{\"networks\":\"10.0.0.0/8,::1\"}",              ERR_NONE, "networks='10.0.0.0/8 ::1/128'" },
	{ T_API_KEY, API_V1, "{\"networks\":null}",                            ERR_NONE, "networks=null" },
	{ T_API_KEY, API_V1, "{\"networks\":[]}",                              ERR_NONE, "" },
	{ T_API_KEY, API_V1, "{\"networks\":\"\"}",                            ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"networks\":[\"\"]}",                          ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"networks\":[null]}",                          ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"networks\":[10]}",                            ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"networks\":[[\"10.0.0.0/8\"]]}",              ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"networks\":[\"10.0.0.0/8,::1\"]}",            ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"networks\":[\"10.0.0.1/8\"]}",                ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"networks\":{}}",                              ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"networks\":8}",                               ERR_INVALID_FORMAT, "networks" },
	{ T_API_KEY, API_V1, "{\"lastUsed\":\"x\",\"lastUsedAddress\":[]}",    ERR_NONE, "" },
};
/* clang-format on */

static void
check_read(const struct family *family, enum err got, const struct error *e,
	   const struct change *change, enum err err, const char *result)
{
	ck_assert_int_eq(got, err);
	if (err == ERR_NONE) {
		ck_assert_str_eq(show(family, change), result);
		ck_assert_int_eq(e->code, ERR_NONE);
		return;
	}
	ck_assert_int_eq(e->code, err);
	ck_assert_str_eq(e->field, result);
}

START_TEST(a_body_of_a_create_is_read_by_the_rules)
{
	const struct body *b = &created[_i];
	struct error e = {0};
	struct change change;
	enum err got = read_body(b->type, b->version, SCHEMA_CREATE, NULL, b->body, &change, &e);

	check_read(types_table[b->type].family, got, &e, &change, b->err, b->result);
}
END_TEST

/* Updates: of a row that is there, with or without an e-mail address, or not there at all. */
enum stored { WITH_EMAIL, WITHOUT_EMAIL, NO_ROW };

/* clang-format off */
static const struct { enum type_place type; enum api_version version; enum stored stored; const char *body; enum err err; const char *result; } updated[] = {
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{}",                              ERR_NONE, "" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "[]",                              ERR_NONE, "" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "[{\"name\":\"n\"}]",              ERR_NONE, "" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "null",                            ERR_NONE, "" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"name\":\"n\"}",                ERR_NONE, "name='n'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"name\":null}",                 ERR_NONE, "name=null" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"registryId\":\"1sp9\"}",       ERR_NONE, "" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"registryId\":null}",           ERR_NONE, "" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"registryId\":[]}",             ERR_NONE, "" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"email\":null}",                ERR_NOT_NULLABLE, "email" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITHOUT_EMAIL, "{\"email\":null}",                ERR_NONE, "" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITHOUT_EMAIL, "{\"email\":null,\"name\":\"n\"}", ERR_NONE, "name='n'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, NO_ROW,        "{\"email\":null}",                ERR_NOT_NULLABLE, "email" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITHOUT_EMAIL, "{\"email\":\"\"}",                ERR_MIN_LENGTH, "email" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITHOUT_EMAIL, "{\"email\":\"e\"}",               ERR_NONE, "email='e'" },
	{ T_REGISTRY_CREDENTIAL, API_V2_BETA, WITH_EMAIL, "{\"email\":null}",              ERR_NONE, "email=null" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"secretValue\":null}",          ERR_NONE, "secret_value=null" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"secretValue\":\"new\"}",       ERR_NONE, "secret='new'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, WITH_EMAIL,    "{\"id\":\"1c1\",\"type\":\"x\",\"links\":{\"self\":\"u\"},\"state\":\"active\",\"uuid\":null,\"name\":\"n\"}", ERR_NONE, "name='n'" },
	{ T_REGISTRY_CREDENTIAL, API_V1, NO_ROW,        "{\"name\":{}}",                   ERR_INVALID_FORMAT, "name" },
	{ T_REGISTRY, API_V1, WITH_EMAIL,               "{\"serverAddress\":\"x\"}",       ERR_NONE, "" },
	{ T_REGISTRY, API_V1, WITH_EMAIL,               "{\"serverAddress\":\"\"}",        ERR_NONE, "" },
	{ T_REGISTRY, API_V1, WITH_EMAIL,               "{\"description\":7}",             ERR_NONE, "description='7'" },
	{ T_PROJECT, API_V1, WITH_EMAIL,                "{\"members\":5}",                 ERR_NONE, "" },
};
/* clang-format on */

START_TEST(a_body_of_an_update_is_read_by_the_rules)
{
	struct error e = {0};
	struct change change;
	struct record row = {.type = &types_table[updated[_i].type]};

	if (updated[_i].stored == WITH_EMAIL)
		row.columns[COL_EMAIL] = value_text("old");
	enum err got = read_body(updated[_i].type, updated[_i].version, SCHEMA_UPDATE,
				 updated[_i].stored == NO_ROW ? NULL : &row, updated[_i].body,
				 &change, &e);
	check_read(types_table[updated[_i].type].family, got, &e, &change, updated[_i].err,
		   updated[_i].result);
}
END_TEST

/* Lengths count characters: at the limit with one, two and four bytes each, and one beyond. */
static const struct {
	enum type_place type;
	const char *field;
	size_t max;
} lengths[] = {
	{T_REGISTRY_CREDENTIAL, "name", 255},
	{T_REGISTRY_CREDENTIAL, "description", 1024},
	{T_REGISTRY_CREDENTIAL, "publicValue", 4096},
	{T_REGISTRY_CREDENTIAL, "email", 1024},
	{T_REGISTRY, "serverAddress", 1024},
	{T_REGISTRY, "name", 255},
	{T_PROJECT, "description", 1024},
};

static const char *
body_of(const char *field, const char *character, size_t count)
{
	size_t len = strlen(character);
	char *text = arena_alloc(a, count * len + 1);

	for (size_t i = 0; i < count; i++)
		memcpy(text + i * len, character, len);
	return arena_printf(a, "{" REF ",%s%s\"%s\":\"%s\"}",
			    strcmp(field, "email") == 0 ? "" : "\"email\":\"e\",",
			    strcmp(field, "serverAddress") == 0 ? "" : "\"serverAddress\":\"s\",",
			    field, text);
}

START_TEST(a_length_counts_characters)
{
	static const char *const characters[] = {"x", "\xc3\xa9", "\xf0\x9f\x90\xb3"};
	struct change change;

	for (size_t i = 0; i < COUNT_OF(characters); i++) {
		const char *field = lengths[_i].field;
		struct error e = {0};

		ck_assert_int_eq(read_body(lengths[_i].type, API_V1, SCHEMA_CREATE, NULL,
					   body_of(field, characters[i], lengths[_i].max), &change,
					   &e),
				 ERR_NONE);
		ck_assert_int_eq(read_body(lengths[_i].type, API_V1, SCHEMA_CREATE, NULL,
					   body_of(field, characters[i], lengths[_i].max + 1),
					   &change, &e),
				 ERR_MAX_LENGTH);
		ck_assert_str_eq(e.field, field);
	}
}
END_TEST

START_TEST(members_of_a_project_are_handed_on)
{
	struct change change;
	struct error e = {0};

	ck_assert_int_eq(read_body(T_PROJECT, API_V1, SCHEMA_CREATE, NULL,
				   "{\"members\":[{\"externalId\":\"1a1\"}]}", &change, &e),
			 ERR_NONE);
	ck_assert_ptr_nonnull(change.members);
	ck_assert_str_eq(json_at(a, change.members, "0.externalId"), "1a1");
}
END_TEST

static bool
may_set_everything(const void *context, const struct field *field)
{
	(void)context, (void)field;
	return true;
}

START_TEST(the_caller_decides_what_may_be_set)
{
	const struct schema_rules rules = {.type = &types_table[T_REGISTRY_CREDENTIAL],
					   .version = API_V1,
					   .use = SCHEMA_CREATE,
					   .may = may_set_everything};
	struct change change;
	struct error e = {0};

	ck_assert_int_eq(schema_read(&rules,
				     rig_json(a, "{" FULL ",\"accountId\":\"1a6\",\"uuid\":\"u\"}"),
				     &change, &e),
			 ERR_NONE);
	ck_assert_str_eq(show(&family_credential, &change),
			 "uuid='u' account_id=6 registry_id=3 email='e'");
}
END_TEST

/* Dates */

static const struct {
	int64_t ms;
	const char *text;
} dates[] = {
	{0, "1970-01-01T00:00:00Z"},
	{999, "1970-01-01T00:00:00Z"},
	{1000, "1970-01-01T00:00:01Z"},
	{INT64_C(951782400000), "2000-02-29T00:00:00Z"},
	{INT64_C(951868800000), "2000-03-01T00:00:00Z"},
	{INT64_C(1704067200000), "2024-01-01T00:00:00Z"},
	{INT64_C(1709164800000), "2024-02-29T00:00:00Z"},
	{INT64_C(1709251199000), "2024-02-29T23:59:59Z"},
	{INT64_C(1714979289000), "2024-05-06T07:08:09Z"},
	{INT64_C(1735689599000), "2024-12-31T23:59:59Z"},
	{INT64_C(1735689600000), "2025-01-01T00:00:00Z"},
	{INT64_C(4107542399000), "2100-02-28T23:59:59Z"},
	{INT64_C(4107542400000), "2100-03-01T00:00:00Z"},
	{INT64_C(253402300799000), "9999-12-31T23:59:59Z"},
};

START_TEST(a_date_is_written_in_utc_and_read_again)
{
	char text[21];
	int64_t ms = -1;

	date_format(dates[_i].ms, text);
	ck_assert_str_eq(text, dates[_i].text);
	ck_assert(date_parse(text, 0, &ms));
	ck_assert_int_eq(ms, dates[_i].ms - dates[_i].ms % 1000);
}
END_TEST

START_TEST(dates_outside_four_digit_years_are_written_as_the_nearest)
{
	char text[21];

	date_format(-1, text);
	ck_assert_str_eq(text, "1970-01-01T00:00:00Z");
	date_format(INT64_MIN, text);
	ck_assert_str_eq(text, "1970-01-01T00:00:00Z");
	date_format(INT64_C(253402300800000), text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59Z");
	date_format(INT64_MAX, text);
	ck_assert_str_eq(text, "9999-12-31T23:59:59Z");
}
END_TEST

static const struct {
	const char *text;
	int64_t ms;
} given_dates[] = {
	{"now", 77777},
	{"0", 0},
	{"1714979289000", INT64_C(1714979289000)},
	{"007", 7},
	{"99999999", 99999999},
	{"100000000000", INT64_C(100000000000)},
	{"999999999999999999", INT64_C(999999999999999999)},
	/* As JavaScript and RFC 3339 write them. */
	{"2024-05-06T07:08:09.000Z", INT64_C(1714979289000)},
	{"2024-05-06T07:08:09.25Z", INT64_C(1714979289250)},
	{"2024-05-06T07:08:09.9999999Z", INT64_C(1714979289999)},
	{"2024-05-06t07:08:09z", INT64_C(1714979289000)},
	{"2024-05-06 07:08:09Z", INT64_C(1714979289000)},
	{"2024-05-06T07:08:09+00:00", INT64_C(1714979289000)},
	{"2024-05-06T07:08:09-00:00", INT64_C(1714979289000)},
	{"2024-05-06T09:38:09+02:30", INT64_C(1714979289000)},
	{"2024-05-06T09:38:09 02:30", INT64_C(1714979289000)},
	{"2024-05-05T23:08:09.5-08:00", INT64_C(1714979289500)},
	{"2024-05-06", INT64_C(1714953600000)},
	{"2024-02-29", INT64_C(1709164800000)},
	{"1969-12-31T23:59:59Z", -1000},
	{"0001-01-01", INT64_C(-62135596800000)},
	{"9999-12-31T23:59:59Z", INT64_C(253402300799000)},
};

START_TEST(a_date_is_read_in_every_form)
{
	int64_t ms = -1;

	ck_assert(date_parse(given_dates[_i].text, 77777, &ms));
	ck_assert_int_eq(ms, given_dates[_i].ms);
}
END_TEST

static const char *const no_dates[] = {
	"",
	" ",
	"NOW",
	"now ",
	"yesterday",
	"-1",
	"+1",
	"1.5",
	"1e3",
	" 1",
	"1 ",
	"9999999999999999999",
	"1714979289", /* seconds */
	"100000000",
	"99999999999",
	"2024-05-06T07:08:09",
	"2024-05-06T07:08Z",
	"2024-05-06T07:08:09Zx",
	" 2024-05-06T07:08:09Z",
	"2024-05-06T07:08:09Z ",
	"24-05-06T07:08:09Z",
	"2024-5-6T07:08:09Z",
	"02024-5-06T07:08:09Z",
	"2024-+5-06T07:08:09Z",
	"2024- 5-06T07:08:09Z",
	"+024-05-06T07:08:09Z",
	"2024-05--6T07:08:09Z",
	"2024-00-06T07:08:09Z",
	"2024-13-06T07:08:09Z",
	"2024-05-00T07:08:09Z",
	"2024-05-32T07:08:09Z",
	"2023-02-29T07:08:09Z",
	"2024-05-06T24:08:09Z",
	"2024-05-06T07:60:09Z",
	"2024-05-06T07:08:60Z",
	"2024-05-06T07:08:61Z",
	"0000-05-06",
	"2024-02-30",
	"2024-05-06T",
	"2024-05-06T07:08:09.Z",
	"2024-05-06T07:08:09,5Z",
	"2024-05-06T07:08:09.5",
	"2024-05-06T07:08:09+0200",
	"2024-05-06T07:08:09+02",
	"2024-05-06T07:08:09+24:00",
	"2024-05-06T07:08:09+02:60",
	"2024-05-06T07:08:09+02:00Z",
};

START_TEST(what_is_no_date_is_refused)
{
	int64_t ms = -1;

	ck_assert_msg(!date_parse(no_dates[_i], 1, &ms), "\"%s\" is taken for %lld", no_dates[_i],
		      (long long)ms);
}
END_TEST

/* Records */

START_TEST(a_row_with_a_state_that_nobody_knows_counts_as_purged)
{
	struct record row = {.type = &types_table[T_REGISTRY]};

	row.columns[COL_STATE] = value_text("restoring");
	ck_assert_int_eq(record_state(&row), ST_PURGED);
	row.columns[COL_STATE] = value_null();
	ck_assert_int_eq(record_state(&row), ST_PURGED);
	row.columns[COL_STATE] = value_text("updating-active");
	ck_assert_int_eq(record_state(&row), ST_UPDATING_ACTIVE);
}
END_TEST

START_TEST(values_say_what_they_are)
{
	struct record row = {0};

	ck_assert_int_eq(value_null().type, VALUE_NULL);
	ck_assert_int_eq(value_int(-5).number, -5);
	ck_assert_int_eq(value_text(NULL).type, VALUE_NULL);
	ck_assert_uint_eq(value_text("abc").len, 3);
	ck_assert_uint_eq(value_blob("a\0c", 3).len, 3);
	ck_assert_ptr_null(record_text(&row, COL_NAME));
	row.columns[COL_NAME] = value_int(5);
	ck_assert_ptr_null(record_text(&row, COL_NAME));
	row.columns[COL_NAME] = value_text("n");
	ck_assert_str_eq(record_text(&row, COL_NAME), "n");
	row.columns[COL_ID] = value_int(7);
	ck_assert_int_eq(record_id(&row), 7);
	ck_assert_str_eq(column_name(&family_credential, COL_PUBLIC_VALUE), "public_value");
	ck_assert_int_eq(column_type(&family_credential, COL_SECRET_VALUE), VALUE_BLOB);
	ck_assert_int_eq(column_type(&family_credential, COL_CREATED), VALUE_INT);
	ck_assert_int_eq(column_type(&family_credential, COL_EMAIL), VALUE_TEXT);
	ck_assert_str_eq(api_version_name(API_V1), "v1");
	ck_assert_str_eq(api_version_name(API_V2_BETA), "v2-beta");
}
END_TEST

static Suite *
schema_suite(void)
{
	Suite *suite = suite_create("schema");
	TCase *tc = tcase_create("schema");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, the_tables_agree_with_each_other);
	tcase_add_loop_test(tc, a_field_of_registry_credential_is_as_published, 0,
			    COUNT_OF(registry_credential));
	tcase_add_loop_test(tc, a_field_of_registry_is_as_published, 0, COUNT_OF(registry));
	tcase_add_test(tc, fields_stand_in_the_order_of_the_document_and_email_and_address_last);
	tcase_add_test(tc, email_is_optional_and_nullable_in_v2_beta);
	tcase_add_test(tc, the_states_of_a_credential_are_listed_in_the_published_order);
	tcase_add_loop_test(tc, a_type_is_found_by_id_or_plural_in_any_case_and_by_nothing_else, 0,
			    COUNT_OF(segments));
	tcase_add_test(tc, a_type_is_found_by_its_exact_id);
	tcase_add_loop_test(tc, a_row_has_the_type_of_its_kind, 0, COUNT_OF(kinds));
	tcase_add_loop_test(tc, a_type_declares_the_published_actions, 0, COUNT_OF(declared));
	tcase_add_test(tc, a_link_is_found_by_its_name_in_any_case);
	tcase_add_loop_test(tc, an_id_has_its_familys_prefix_and_a_plain_number, 0, COUNT_OF(ids));
	tcase_add_loop_test(tc, a_body_of_a_create_is_read_by_the_rules, 0, COUNT_OF(created));
	tcase_add_loop_test(tc, a_body_of_an_update_is_read_by_the_rules, 0, COUNT_OF(updated));
	tcase_add_loop_test(tc, a_length_counts_characters, 0, COUNT_OF(lengths));
	tcase_add_test(tc, members_of_a_project_are_handed_on);
	tcase_add_test(tc, the_caller_decides_what_may_be_set);
	tcase_add_loop_test(tc, a_date_is_written_in_utc_and_read_again, 0, COUNT_OF(dates));
	tcase_add_test(tc, dates_outside_four_digit_years_are_written_as_the_nearest);
	tcase_add_loop_test(tc, a_date_is_read_in_every_form, 0, COUNT_OF(given_dates));
	tcase_add_loop_test(tc, what_is_no_date_is_refused, 0, COUNT_OF(no_dates));
	tcase_add_test(tc, a_row_with_a_state_that_nobody_knows_counts_as_purged);
	tcase_add_test(tc, values_say_what_they_are);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(schema_suite());
}
