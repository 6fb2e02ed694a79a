/* check_repr: the documents that go over the wire: resources, collections, schemas, versions and
 * errors (the contract's sections 1 to 7). */
#include <check.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "api/repr.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "model/list.h"
#include "model/process.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"

#include "support/support.h"

#define ROOT "https://r.example.test/v1"
#define SCOPE "https://r.example.test/v1/projects/1a5"
/* The end of a registryCredential that nobody has checked. */
#define UNVERIFIED                                                                                 \
	"\"verificationMessage\":null,\"verificationMs\":null,\"verificationResult\":null,"        \
	"\"verificationStatus\":null,\"verifiedAt\":null}"
#define UUID "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11"

static struct rig rig;
static struct arena *a;
static struct identity who;
static struct context context;
static struct view view;
static struct pairs query;
static struct json_out out;
static int64_t registry, credential;

static void
setup(void)
{
	rig_open(&rig);
	ck_assert_pstr_eq(auth_init(), NULL);
	repr_init();
	json_in_init();
	a = rig.arena;
	registry = rig_registry(&rig, PROJECT_DEFAULT, "reg.test");
	credential = rig_credential(&rig, PROJECT_DEFAULT, registry, "the secret");
	rig_exec(&rig,
		 "UPDATE credential SET uuid = '" UUID "', name = 'ci puller', secret_value = "
		 "NULL WHERE kind = 'registryCredential'");
	rig_exec(&rig, "UPDATE storage_pool SET uuid = '" UUID "'");
	json_out_init(&out, a);
}

static void
teardown(void)
{
	rig_close(&rig);
}

/* Whoever looks from now on, and from where: project 0 is unscoped. */
static void
look_as(enum person person, int project, enum api_version version)
{
	who = project == 0 ? rig_identity(&rig, person)
			   : rig_scoped(&rig, person, (enum person)project);
	context = rig_context(&rig, &who);
	context.version = version;
	query = (struct pairs){0};
	view = (struct view){.context = &context,
			     .root = ROOT,
			     .scope = project == 0 ? ROOT : SCOPE,
			     .page = ROOT "/page",
			     .query = &query};
}

static const char *
text_of(struct json_out *w)
{
	size_t len;
	const char *text = json_out_text(w, &len);

	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(strlen(text), len);
	return text;
}

static struct record
row_of(enum type_place type, int64_t id)
{
	struct record row;
	struct error e = {0};
	struct identity all = rig_identity(&rig, PERSON_SUPERADMIN);
	struct context c = rig_context(&rig, &all);

	ck_assert_int_eq(resource_read(&c, &types_table[type],
				       id_format(a, types_table[type].family, id), &row, &e),
			 ERR_NONE);
	return row;
}

static const char *
resource(const struct record *row, const char *secret, const char *include)
{
	json_out_init(&out, a);
	repr_resource(&out, &view, row, secret, include);
	return text_of(&out);
}

/* Resources, byte for byte */

/* Fields that the original has not, as they are when nobody set them, around the kind. */
#define ADDED_FIELDS                                                                               \
	"\"expiresAt\":null,\"isDefault\":false,\"kind\":\"registryCredential\","                  \
	"\"lastUsed\":null,\"lastUsedBy\":null,\"pathPrefix\":null,"

START_TEST(a_credential_is_printed_byte_for_byte)
{
	struct record row = row_of(T_REGISTRY_CREDENTIAL, credential);
	const char *id = id_format(a, &family_credential, credential);
	const char *self = arena_printf(a, SCOPE "/registrycredentials/%s", id);

	look_as(PERSON_OWNER, 5, API_V1);
	ck_assert_str_eq(
		resource(&row, NULL, NULL),
		arena_printf(
			a,
			"{\"id\":\"%s\",\"type\":\"registryCredential\","
			"\"links\":{\"self\":\"%s\",\"account\":\"%s/account\","
			"\"registry\":\"%s/registry\"},"
			"\"actions\":{\"deactivate\":\"%s/?action=deactivate\","
			"\"update\":\"%s/?action=update\",\"verify\":\"%s/?action=verify\"},"
			"\"baseType\":\"credential\",\"name\":\"ci puller\",\"state\":\"active\","
			"\"accountId\":\"1a5\",\"created\":\"2024-05-06T07:08:09Z\","
			"\"createdTS\":1714979289000,\"description\":null,"
			"\"email\":\"ci@corp.example.test\"," ADDED_FIELDS
			"\"publicValue\":\"ci-bot\",\"registryId\":\"1sp1\",\"removed\":null,"
			"\"secretValue\":null,\"transitioning\":\"no\","
			"\"transitioningMessage\":null,\"transitioningProgress\":null,"
			"\"uuid\":\"" UUID "\"," UNVERIFIED,
			id, self, self, self, self, self, self));
}
END_TEST

START_TEST(the_answer_to_a_create_shows_the_secret_and_the_transition)
{
	struct record row = row_of(T_REGISTRY_CREDENTIAL, credential);
	const char *id = id_format(a, &family_credential, credential);
	const char *self = arena_printf(a, ROOT "/registrycredentials/%s", id);

	look_as(PROJECT_DEFAULT, 0, API_V2_BETA);
	row.columns[COL_STATE] = value_text("registering");
	row.columns[COL_NAME] = value_null();
	row.columns[COL_EMAIL] = value_null();
	ck_assert_str_eq(
		resource(&row, "p\"w\\\n\xc3\xa9/", NULL),
		arena_printf(
			a,
			"{\"id\":\"%s\",\"type\":\"registryCredential\","
			"\"links\":{\"self\":\"%s\",\"account\":\"%s/account\","
			"\"registry\":\"%s/registry\"},"
			"\"actions\":{\"activate\":\"%s/?action=activate\","
			"\"deactivate\":\"%s/?action=deactivate\","
			"\"remove\":\"%s/?action=remove\"},"
			"\"baseType\":\"credential\",\"name\":null,\"state\":\"registering\","
			"\"accountId\":\"1a5\",\"created\":\"2024-05-06T07:08:09Z\","
			"\"createdTS\":1714979289000,\"description\":null,\"email\":"
			"null," ADDED_FIELDS "\"publicValue\":\"ci-bot\","
			"\"registryId\":\"1sp1\",\"removed\":null,"
			"\"secretValue\":\"p\\\"w\\\\\\n\xc3\xa9/\",\"transitioning\":\"yes\","
			"\"transitioningMessage\":\"In Progress\",\"transitioningProgress\":null,"
			"\"uuid\":\"" UUID "\"," UNVERIFIED,
			id, self, self, self, self, self, self));
}
END_TEST

START_TEST(an_operator_sees_what_belongs_to_operation)
{
	const char *id = id_format(a, &family_credential, credential);
	const char *self = arena_printf(a, ROOT "/registrycredentials/%s", id);

	rig_exec(&rig, "UPDATE credential SET state = 'removed', removed = 1714979289000, "
		       "remove_time = 1714979889000 WHERE kind = 'registryCredential'");
	struct record row = row_of(T_REGISTRY_CREDENTIAL, credential);
	look_as(PERSON_SERVICE, 0, API_V1);
	ck_assert_str_eq(
		resource(&row, NULL, NULL),
		arena_printf(
			a,
			"{\"id\":\"%s\",\"type\":\"registryCredential\","
			"\"links\":{\"self\":\"%s\",\"account\":\"%s/account\","
			"\"registry\":\"%s/registry\"},"
			"\"actions\":{\"purge\":\"%s/?action=purge\"},"
			"\"baseType\":\"credential\",\"name\":\"ci puller\",\"state\":\"removed\","
			"\"accountId\":\"1a5\",\"created\":\"2024-05-06T07:08:09Z\","
			"\"createdTS\":1714979289000,"
			"\"data\":{\"fields\":{\"email\":\"ci@corp.example.test\"}},"
			"\"description\":null,\"email\":\"ci@corp.example.test\"," ADDED_FIELDS
			"\"publicValue\":\"ci-bot\","
			"\"registryId\":\"1sp1\",\"removeTime\":\"2024-05-06T07:18:09Z\","
			"\"removeTimeTS\":1714979889000,\"removed\":\"2024-05-06T07:08:09Z\","
			"\"removedTS\":1714979289000,\"secretValue\":null,"
			"\"transitioning\":\"no\",\"transitioningMessage\":null,"
			"\"transitioningProgress\":null,\"uuid\":\"" UUID "\"," UNVERIFIED,
			id, self, self, self, self));
}
END_TEST

START_TEST(a_registry_is_printed_byte_for_byte)
{
	struct record row = row_of(T_REGISTRY, registry);
	const char *self = SCOPE "/registries/1sp1";

	look_as(PERSON_OWNER, 5, API_V1);
	ck_assert_str_eq(
		resource(&row, NULL, NULL),
		arena_printf(
			a,
			"{\"id\":\"1sp1\",\"type\":\"registry\","
			"\"links\":{\"self\":\"%s\",\"account\":\"%s/account\","
			"\"credentials\":\"%s/credentials\"},"
			"\"actions\":{\"deactivate\":\"%s/?action=deactivate\","
			"\"test\":\"%s/?action=test\","
			"\"update\":\"%s/?action=update\"},"
			"\"baseType\":\"storagePool\",\"name\":\"reg.test\",\"state\":\"active\","
			"\"accountId\":\"1a5\",\"blockDevicePath\":null,"
			"\"created\":\"2024-05-06T07:08:09Z\",\"createdTS\":1714979289000,"
			"\"description\":null,\"driverName\":null,\"externalId\":null,"
			"\"kind\":\"registry\",\"removed\":null,\"serverAddress\":\"reg.test\","
			"\"transitioning\":\"no\",\"transitioningMessage\":null,"
			"\"transitioningProgress\":null,\"uuid\":\"" UUID "\","
			"\"volumeAccessMode\":null,\"volumeCapabilities\":null}",
			self, self, self, self, self, self));
}
END_TEST

/* A project's own URL is never scoped, and its links lead into it (1.4, 3.5). */
START_TEST(a_project_is_printed_with_the_actions_of_its_owner)
{
	struct record row = row_of(T_PROJECT, PROJECT_DEFAULT);
	const char *self = ROOT "/projects/1a5";

	look_as(PERSON_OWNER, 5, API_V1);
	struct json *doc = rig_json(a, resource(&row, NULL, NULL));
	ck_assert_str_eq(json_at(a, doc, "id"), "1a5");
	ck_assert_str_eq(json_at(a, doc, "type"), "project");
	ck_assert_str_eq(json_at(a, doc, "baseType"), "account");
	ck_assert_str_eq(json_at(a, doc, "kind"), "project");
	ck_assert_str_eq(json_at(a, doc, "uuid"), "adminProject");
	ck_assert_str_eq(json_at(a, doc, "links.self"), self);
	ck_assert_str_eq(
		json_at(a, doc, "links"),
		"{self,accounts,apiKeys,auditLogs,credentials,passwords,projectMembers,projects,"
		"registries,registryCredentials,schemas,storagePools}");
	ck_assert_str_eq(json_at(a, doc, "links.registryCredentials"),
			 arena_printf(a, "%s/registrycredentials", self));
	ck_assert_str_eq(json_at(a, doc, "links.schemas"), arena_printf(a, "%s/schemas", self));
	ck_assert_str_eq(json_at(a, doc, "actions"), "{deactivate,delete,setmembers,update}");
	ck_assert_str_eq(json_at(a, doc, "actions.setmembers"),
			 arena_printf(a, "%s/?action=setmembers", self));
	ck_assert_str_eq(json_at(a, doc, "members"), "null");
	ck_assert_str_eq(json_at(a, doc, "swarm"), "false");
	ck_assert_str_eq(json_at(a, doc, "data"), "-");
	look_as(PROJECT_DEFAULT, 0, API_V1);
	doc = rig_json(a, resource(&row, NULL, NULL));
	ck_assert_str_eq(json_at(a, doc, "actions"), "{}");
	look_as(PERSON_ADMIN, 0, API_V2_BETA);
	doc = rig_json(a, resource(&row, NULL, NULL));
	ck_assert_str_eq(json_at(a, doc, "actions"), "{deactivate,delete,setmembers,update}");
	ck_assert_str_eq(json_at(a, doc, "data"), "null");
	ck_assert_str_eq(json_at(a, doc, "swarm"), "-");
	ck_assert_str_eq(json_at(a, doc, "healthState"), "healthy");
	ck_assert_str_eq(json_at(a, doc, "orchestration"), "cattle");
}
END_TEST

START_TEST(an_account_is_printed_with_its_identity_for_operators)
{
	struct record row = row_of(T_ACCOUNT, PERSON_OWNER);

	look_as(PERSON_ADMIN, 0, API_V1);
	struct json *doc = rig_json(a, resource(&row, NULL, NULL));
	ck_assert_str_eq(json_at(a, doc, "type"), "account");
	ck_assert_str_eq(json_at(a, doc, "baseType"), "account");
	ck_assert_str_eq(json_at(a, doc, "kind"), "user");
	ck_assert_str_eq(json_at(a, doc, "identity"), "1i!rancher_id:7");
	ck_assert_str_eq(json_at(a, doc, "externalId"), "null");
	look_as(PERSON_OWNER, 0, API_V1);
	doc = rig_json(a, resource(&row, NULL, NULL));
	ck_assert_str_eq(json_at(a, doc, "identity"), "-");
	ck_assert_str_eq(json_at(a, doc, "externalId"), "-");
	ck_assert_str_eq(json_at(a, doc, "actions"), "{}");
}
END_TEST

/* 3.7 and 5.3: what the state makes of a resource. */
static const struct {
	const char *transitioning, *actions;
} states[ST__COUNT] = {
	[ST_REQUESTED] = {"no", "{create,deactivate,remove}"},
	[ST_REGISTERING] = {"yes", "{activate,deactivate,remove}"},
	[ST_ACTIVATING] = {"yes", "{deactivate}"},
	[ST_ACTIVE] = {"no", "{deactivate,update,verify}"},
	[ST_UPDATING_ACTIVE] = {"yes", "{deactivate,remove}"},
	[ST_DEACTIVATING] = {"yes", "{}"},
	[ST_INACTIVE] = {"no", "{activate,remove,update,verify}"},
	[ST_UPDATING_INACTIVE] = {"yes", "{deactivate,remove}"},
	[ST_REMOVING] = {"yes", "{}"},
	[ST_REMOVED] = {"no", "{purge}"},
	[ST_PURGING] = {"yes", "{}"},
	[ST_PURGED] = {"no", "{}"},
};

/* A registry has `test` where a login has `verify`. */
static const char *
of_registry(const char *actions)
{
	const char *verify = strstr(actions, ",update,verify}");

	return verify == NULL
		       ? actions
		       : arena_printf(a, "%.*s,test,update}", (int)(verify - actions), actions);
}

START_TEST(a_state_shows_its_transition_and_its_actions)
{
	static const enum type_place types[] = {T_REGISTRY_CREDENTIAL, T_REGISTRY};

	for (size_t i = 0; i < COUNT_OF(types); i++) {
		struct record row = row_of(types[i], i == 0 ? credential : registry);
		bool yes = strcmp(states[_i].transitioning, "yes") == 0;

		row.columns[COL_STATE] = value_text(state_name((enum state)_i));
		look_as(PROJECT_DEFAULT, 0, API_V1);
		struct json *doc = rig_json(a, resource(&row, NULL, NULL));
		ck_assert_str_eq(json_at(a, doc, "state"), state_name((enum state)_i));
		ck_assert_str_eq(json_at(a, doc, "transitioning"), states[_i].transitioning);
		ck_assert_str_eq(json_at(a, doc, "transitioningMessage"),
				 yes ? "In Progress" : "null");
		ck_assert_str_eq(json_at(a, doc, "transitioningProgress"), "null");
		ck_assert_str_eq(json_at(a, doc, "actions"),
				 i == 0 ? states[_i].actions : of_registry(states[_i].actions));
		look_as(PERSON_READONLY, 5, API_V1);
		doc = rig_json(a, resource(&row, NULL, NULL));
		ck_assert_str_eq(json_at(a, doc, "actions"), "{}");
		ck_assert_str_eq(json_at(a, doc, "transitioning"), states[_i].transitioning);
	}
}
END_TEST

START_TEST(the_secret_is_shown_to_those_who_may_open_it)
{
	int64_t id = rig_credential(&rig, PROJECT_DEFAULT, registry, "in the clear");
	struct record row = row_of(T_REGISTRY_CREDENTIAL, id);
	static const struct {
		enum person person;
		int project;
		const char *shown;
	} lookers[] = {
		{PROJECT_DEFAULT, 0, "null"},
		{PERSON_OWNER, 5, "null"},
		{PERSON_ADMIN, 0, "null"},
		{PERSON_SERVICE, 0, "null"},
		{PERSON_READONLY, 5, "null"},
		{PERSON_PROJECTADMIN, 5, "in the clear"},
		{PERSON_SUPERADMIN, 0, "in the clear"},
	};

	for (size_t i = 0; i < COUNT_OF(lookers); i++) {
		look_as(lookers[i].person, lookers[i].project, API_V1);
		ck_assert_str_eq(json_at(a, rig_json(a, resource(&row, NULL, NULL)), "secretValue"),
				 lookers[i].shown);
	}
}
END_TEST

/* Includes (6.5): a reference becomes an object, children an array, nothing no member at all. */
START_TEST(a_link_that_is_included_stands_under_its_name)
{
	struct record one = row_of(T_REGISTRY_CREDENTIAL, credential),
		      two = row_of(T_REGISTRY, registry);

	look_as(PROJECT_DEFAULT, 0, API_V1);
	struct json *doc = rig_json(a, resource(&one, NULL, "registry"));
	ck_assert_str_eq(json_at(a, doc, "registry.type"), "registry");
	ck_assert_str_eq(json_at(a, doc, "registry.links.self"), ROOT "/registries/1sp1");
	doc = rig_json(a, resource(&one, NULL, "REGISTRY"));
	ck_assert_str_eq(json_at(a, doc, "registry.id"), "1sp1");
	doc = rig_json(a, resource(&two, NULL, "credentials"));
	ck_assert_str_eq(json_at(a, doc, "credentials"), "[1]");
	ck_assert_str_eq(json_at(a, doc, "credentials.0.type"), "registryCredential");
	ck_assert_str_eq(json_at(a, rig_json(a, resource(&one, NULL, "bogus")), "bogus"), "-");
	ck_assert_str_eq(json_at(a, rig_json(a, resource(&one, NULL, "")), ""),
			 json_at(a, rig_json(a, resource(&one, NULL, NULL)), ""));
	rig_exec(&rig, "UPDATE credential SET removed = 5; UPDATE storage_pool SET removed = 5");
	ck_assert_str_eq(json_at(a, rig_json(a, resource(&one, NULL, "registry")), "registry"),
			 "-");
	ck_assert_str_eq(
		json_at(a, rig_json(a, resource(&two, NULL, "credentials")), "credentials"), "-");
}
END_TEST

/* Collections */

static const char *
collection(enum type_place type, const char *text)
{
	struct list_request request;
	struct record_list list;
	struct error e = {0};
	const struct view_of_type visible = {who.role, &types_table[type]};

	ck_assert_int_eq(http_form_parse(a, text, strlen(text), &query, &e), ERR_NONE);
	ck_assert_int_eq(query_parse(a, &types_table[type], context.version, &query,
				     resource_field_visible, &visible, RIG_NOW, &request, &e),
			 ERR_NONE);
	ck_assert_int_eq(resource_list(&context, &types_table[type], &request, &list, &e),
			 ERR_NONE);
	json_out_init(&out, a);
	repr_collection(&out, &view, &types_table[type], &request, &list);
	return text_of(&out);
}

START_TEST(an_empty_collection_is_printed_byte_for_byte)
{
	look_as(PROJECT_DEFAULT, 0, API_V1);
	view.page = ROOT "/RegistryCredentials";
	ck_assert_str_eq(
		collection(T_REGISTRY_CREDENTIAL, "name=none&limit=5"),
		"{\"type\":\"collection\",\"resourceType\":\"registryCredential\","
		"\"links\":{\"self\":\"" ROOT "/RegistryCredentials\"},"
		"\"createTypes\":{},\"actions\":{},\"data\":[],"
		"\"sortLinks\":{"
		"\"accountId\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=accountId\","
		"\"created\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=created\","
		"\"description\":\"" ROOT
		"/RegistryCredentials?name=none&limit=5&sort=description\","
		"\"expiresAt\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=expiresAt\","
		"\"id\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=id\","
		"\"isDefault\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=isDefault\","
		"\"kind\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=kind\","
		"\"lastUsed\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=lastUsed\","
		"\"lastUsedBy\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=lastUsedBy\","
		"\"name\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=name\","
		"\"pathPrefix\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=pathPrefix\","
		"\"publicValue\":\"" ROOT
		"/RegistryCredentials?name=none&limit=5&sort=publicValue\","
		"\"registryId\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=registryId\","
		"\"removeTime\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=removeTime\","
		"\"removed\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=removed\","
		"\"state\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=state\","
		"\"uuid\":\"" ROOT "/RegistryCredentials?name=none&limit=5&sort=uuid\","
		"\"verificationResult\":\"" ROOT
		"/RegistryCredentials?name=none&limit=5&sort=verificationResult\","
		"\"verifiedAt\":\"" ROOT
		"/RegistryCredentials?name=none&limit=5&sort=verifiedAt\"},"
		"\"pagination\":{\"first\":null,\"previous\":null,\"next\":null,\"limit\":5,"
		"\"total\":null,\"partial\":false},\"sort\":null,"
		"\"filters\":{\"accountId\":null,\"created\":null,\"description\":null,"
		"\"expiresAt\":null,\"id\":null,\"isDefault\":null,\"kind\":null,\"lastUsed\":null,"
		"\"lastUsedBy\":null,\"name\":[{\"value\":\"none\",\"modifier\":\"eq\"}],"
		"\"pathPrefix\":null,\"publicValue\":null,\"registryId\":null,\"removeTime\":null,"
		"\"removed\":null,"
		"\"state\":null,\"uuid\":null,\"verificationResult\":null,\"verifiedAt\":null},"
		"\"createDefaults\":{}}");
}
END_TEST

START_TEST(a_collection_holds_its_rows_as_they_are_printed_alone)
{
	struct record row = row_of(T_REGISTRY_CREDENTIAL, credential);

	look_as(PROJECT_DEFAULT, 0, API_V1);
	const char *text = collection(T_REGISTRY_CREDENTIAL, "");
	const char *alone = resource(&row, NULL, NULL);
	ck_assert_ptr_nonnull(strstr(text, arena_printf(a, "\"data\":[%s]", alone)));
	struct json *doc = rig_json(a, text);
	ck_assert_str_eq(json_at(a, doc, ""),
			 "{type,resourceType,links,createTypes,actions,data,sortLinks,pagination,"
			 "sort,filters,createDefaults}");
	ck_assert_str_eq(json_at(a, doc, "pagination.limit"), "100");
}
END_TEST

/* 3.6: the abstract collection holds every kind, each as what it is. */
START_TEST(an_abstract_collection_names_what_can_be_created)
{
	static const struct {
		enum person person;
		int project;
		const char *types;
	} lookers[] = {
		{PERSON_OWNER, 5, "{apiKey,password,registryCredential}"},
		{PERSON_OWNER, 0, "{apiKey,password}"},
		{PERSON_READONLY, 5, "{}"},
	};

	for (size_t i = 0; i < COUNT_OF(lookers); i++) {
		look_as(lookers[i].person, lookers[i].project, API_V1);
		struct json *doc = rig_json(a, collection(T_CREDENTIAL, "limit=2"));
		ck_assert_str_eq(json_at(a, doc, "resourceType"), "credential");
		ck_assert_str_eq(json_at(a, doc, "createTypes"), lookers[i].types);
	}
	look_as(PERSON_OWNER, 5, API_V1);
	struct json *doc = rig_json(a, collection(T_CREDENTIAL, ""));
	ck_assert_str_eq(json_at(a, doc, "createTypes.registryCredential"),
			 SCOPE "/registrycredentials");
	ck_assert_str_eq(json_at(a, doc, "data"), "[2]");
	ck_assert_str_eq(json_at(a, doc, "data.0.type"), "apiKey");
	ck_assert_str_eq(json_at(a, doc, "data.0.links.self"), SCOPE "/apikeys/1c5");
	ck_assert_str_eq(json_at(a, doc, "data.0.baseType"), "credential");
	ck_assert_str_eq(json_at(a, doc, "data.1.type"), "registryCredential");
	ck_assert_str_eq(json_at(a, doc, "data.1.email"), "ci@corp.example.test");
	doc = rig_json(a, collection(T_REGISTRY, ""));
	ck_assert_str_eq(json_at(a, doc, "createTypes"), "{}");
}
END_TEST

/* Where a page has neighbours: a set of five rows, read two by two. */
START_TEST(pages_lead_to_their_neighbours)
{
	look_as(PROJECT_DEFAULT, 0, API_V1);
	for (int i = 0; i < 4; i++)
		(void)rig_credential(&rig, PROJECT_DEFAULT, registry, NULL);
	struct json *doc = rig_json(a, collection(T_REGISTRY_CREDENTIAL, "limit=2&name_ne=x"));
	ck_assert_str_eq(json_at(a, doc, "pagination.partial"), "false");
	doc = rig_json(a, collection(T_REGISTRY_CREDENTIAL, "limit=2&publicValue=ci-bot"));
	ck_assert_str_eq(json_at(a, doc, "data"), "[2]");
	ck_assert_str_eq(json_at(a, doc, "pagination.partial"), "true");
	ck_assert_str_eq(json_at(a, doc, "pagination.previous"), "null");
	ck_assert_str_eq(json_at(a, doc, "pagination.first"), "null");
	ck_assert_str_eq(json_at(a, doc, "pagination.total"), "null");
	const char *next = json_at(a, doc, "pagination.next");
	const char *start = ROOT "/page?limit=2&publicValue=ci-bot&marker=m";
	ck_assert_int_eq(strncmp(next, start, strlen(start)), 0);
	/* The middle, and from there both ways. */
	doc = rig_json(a, collection(T_REGISTRY_CREDENTIAL, strchr(next, '?') + 1));
	ck_assert_str_eq(json_at(a, doc, "data"), "[2]");
	ck_assert_str_eq(json_at(a, doc, "pagination.first"),
			 ROOT "/page?limit=2&publicValue=ci-bot");
	const char *middle = json_at(a, doc, "data.0.id"),
		   *previous = json_at(a, doc, "pagination.previous");
	next = json_at(a, doc, "pagination.next");
	ck_assert_int_eq(strncmp(previous, start, strlen(start)), 0);
	doc = rig_json(a, collection(T_REGISTRY_CREDENTIAL, strchr(next, '?') + 1));
	ck_assert_str_eq(json_at(a, doc, "data"), "[1]");
	ck_assert_str_eq(json_at(a, doc, "pagination.next"), "null");
	ck_assert_str_eq(json_at(a, doc, "pagination.partial"), "false");
	const char *back = json_at(a, doc, "pagination.previous");
	doc = rig_json(a, collection(T_REGISTRY_CREDENTIAL, strchr(back, '?') + 1));
	ck_assert_str_eq(json_at(a, doc, "data.0.id"), middle);
	doc = rig_json(a, collection(T_REGISTRY_CREDENTIAL, strchr(previous, '?') + 1));
	ck_assert_str_eq(json_at(a, doc, "data"), "[2]");
	ck_assert_str_eq(json_at(a, doc, "pagination.previous"), "null");
	ck_assert_str_ne(json_at(a, doc, "pagination.next"), "null");
	ck_assert_str_eq(json_at(a, doc, "pagination.partial"), "true");
}
END_TEST

START_TEST(the_order_is_named_with_its_reverse)
{
	look_as(PROJECT_DEFAULT, 0, API_V1);
	struct json *doc =
		rig_json(a, collection(T_REGISTRY_CREDENTIAL, "sort=name&order=desc&state=active"));
	ck_assert_str_eq(json_at(a, doc, "sort"), "{name,order,reverse}");
	ck_assert_str_eq(json_at(a, doc, "sort.name"), "name");
	ck_assert_str_eq(json_at(a, doc, "sort.order"), "desc");
	ck_assert_str_eq(json_at(a, doc, "sort.reverse"),
			 ROOT "/page?state=active&sort=name&order=asc");
	ck_assert_str_eq(json_at(a, doc, "sortLinks.created"),
			 ROOT "/page?state=active&sort=created");
	doc = rig_json(a, collection(T_REGISTRY_CREDENTIAL, "sort=created"));
	ck_assert_str_eq(json_at(a, doc, "sort.order"), "asc");
	ck_assert_str_eq(json_at(a, doc, "sort.reverse"), ROOT "/page?sort=created&order=desc");
	doc = rig_json(a, collection(T_REGISTRY_CREDENTIAL, "sort=bogus"));
	ck_assert_str_eq(json_at(a, doc, "sort"), "null");
}
END_TEST

/* Parameters in a generated link: encoded again; secrets and the marker are not carried on. */
static const struct {
	const char *query, *carried;
} carried[] = {
	{"", ""},
	{"a=1&a=2", "a=1&a=2&"},
	{"n=%26%3D%23%22%3C%20%2B", "n=%26%3D%23%22%3C%20%2B&"},
	{"n=a+b", "n=a%20b&"},
	{"%C3%A9=%C3%A9", "%C3%A9=%C3%A9&"},
	{"bare", "bare=&"},
	{"marker=m1&x=1", "x=1&"},
	{"sort=name&order=desc&x=1", "x=1&"},
	{"_access_key=a&_secret_key=b&x=1", "x=1&"},
	{"token=t&x=1", "x=1&"},
	{"CSRF=ABCDEF0123&x=1", "x=1&"},
	{"secretValue=s&x=1", "x=1&"},
	{"secretValue_prefix=s&x=1", "x=1&"},
	{"password=s&x=1", "x=1&"},
};

START_TEST(a_link_carries_the_other_parameters_on)
{
	look_as(PROJECT_DEFAULT, 0, API_V1);
	struct json *doc = rig_json(a, collection(T_REGISTRY, carried[_i].query));
	ck_assert_str_eq(json_at(a, doc, "sortLinks.id"),
			 arena_printf(a, ROOT "/page?%ssort=id", carried[_i].carried));
}
END_TEST

START_TEST(the_list_of_projects_has_no_pages_unless_they_are_asked_for)
{
	look_as(PERSON_OWNER, 0, API_V1);
	struct json *doc = rig_json(a, collection(T_PROJECT, ""));
	ck_assert_str_eq(json_at(a, doc, "data"), "[2]");
	ck_assert_str_eq(json_at(a, doc, "pagination"), "null");
	doc = rig_json(a, collection(T_PROJECT, "limit=1"));
	ck_assert_str_eq(json_at(a, doc, "data"), "[1]");
	ck_assert_str_eq(json_at(a, doc, "pagination.partial"), "true");
	look_as(PROJECT_DEFAULT, 0, API_V1);
	doc = rig_json(a, collection(T_PROJECT, ""));
	ck_assert_str_eq(json_at(a, doc, "data"), "[1]");
	ck_assert_str_eq(json_at(a, doc, "data.0.id"), "1a5");
}
END_TEST

START_TEST(filters_are_printed_back_as_they_were_given)
{
	look_as(PROJECT_DEFAULT, 0, API_V1);
	struct json *doc = rig_json(
		a, collection(T_REGISTRY_CREDENTIAL,
			      "registryId=1sp3&created_gte=now&created_lt=5&bogus=1&email=x"));
	ck_assert_str_eq(json_at(a, doc, "filters.registryId.0"), "{value,modifier}");
	ck_assert_str_eq(json_at(a, doc, "filters.registryId.0.value"), "1sp3");
	ck_assert_str_eq(json_at(a, doc, "filters.registryId.0.modifier"), "eq");
	ck_assert_str_eq(json_at(a, doc, "filters.created"), "[2]");
	ck_assert_str_eq(json_at(a, doc, "filters.created.0.value"), "now");
	ck_assert_str_eq(json_at(a, doc, "filters.created.1.modifier"), "lt");
	ck_assert_str_eq(json_at(a, doc, "filters"),
			 "{accountId,created,description,expiresAt,id,isDefault,kind,lastUsed,"
			 "lastUsedBy,name,pathPrefix,publicValue,registryId,"
			 "removeTime,removed,state,uuid,verificationResult,verifiedAt}");
	doc = rig_json(a, collection(T_REGISTRY, ""));
	ck_assert_str_eq(json_at(a, doc, "filters"),
			 "{accountId,agentId,created,description,driverName,external,externalId,id,"
			 "kind,name,physicalTotalSizeMb,removeTime,removed,state,uuid,"
			 "virtualTotalSizeMb,volumeAccessMode,zoneId}");
}
END_TEST

START_TEST(members_are_printed_as_the_declared_output)
{
	struct record_list members = {0};
	struct record row = row_of(T_PROJECT_MEMBER, 2);

	look_as(PERSON_OWNER, 0, API_V1);
	members.items = &row;
	members.count = 1;
	json_out_init(&out, a);
	repr_members(&out, &view, &members);
	struct json *doc = rig_json(a, text_of(&out));
	ck_assert_str_eq(json_at(a, doc, "type"), "setProjectMembersInput");
	ck_assert_str_eq(json_at(a, doc, "members"), "[1]");
	ck_assert_str_eq(json_at(a, doc, "members.0.type"), "projectMember");
	ck_assert_str_eq(json_at(a, doc, "members.0.id"), "1pm2");
	ck_assert_str_eq(json_at(a, doc, "members.0.externalId"), "1a7");
	ck_assert_str_eq(json_at(a, doc, "members.0.externalIdType"), "rancher_id");
	ck_assert_str_eq(json_at(a, doc, "members.0.role"), "owner");
	ck_assert_str_eq(json_at(a, doc, "members.0.projectId"), "1a5");
	ck_assert_str_eq(json_at(a, doc, "members.0.actions"), "{}");
}
END_TEST

/* Errors (7.1): every one of the table. */

static bool
is_uuid(const char *text)
{
	if (strlen(text) != 36)
		return false;
	for (size_t i = 0; i < 36; i++)
		if (i == 8 || i == 13 || i == 18 || i == 23 ? text[i] != '-'
							    : !isxdigit((unsigned char)text[i]))
			return false;
	return true;
}

START_TEST(an_error_has_the_contracts_shape)
{
	enum err code = (enum err)_i;
	const struct error plain = {.code = code},
			   field = {.code = code, .field = "registryId", .detail = "A \"word\"."};

	json_out_init(&out, a);
	repr_error(&out, &plain);
	struct json *doc = rig_json(a, text_of(&out));
	ck_assert_str_eq(json_at(a, doc, ""),
			 "{id,type,links,actions,status,code,message,detail,baseType}");
	ck_assert(is_uuid(json_at(a, doc, "id")));
	ck_assert_str_eq(json_at(a, doc, "type"), "error");
	ck_assert_str_eq(json_at(a, doc, "baseType"), "error");
	ck_assert_str_eq(json_at(a, doc, "links"), "{}");
	ck_assert_str_eq(json_at(a, doc, "actions"), "{}");
	ck_assert_int_eq(json_member(doc, "status")->type, JSON_NUMBER);
	ck_assert_int_eq(atoi(json_at(a, doc, "status")), err_status(code));
	ck_assert_str_eq(json_at(a, doc, "code"), err_code(code));
	ck_assert_str_eq(json_at(a, doc, "message"),
			 err_message(code) != NULL ? err_message(code) : "null");
	ck_assert_str_eq(json_at(a, doc, "detail"), "null");

	json_out_init(&out, a);
	repr_error(&out, &field);
	struct json *other = rig_json(a, text_of(&out));
	ck_assert_str_eq(json_at(a, other, ""),
			 "{id,type,links,actions,status,code,message,detail,fieldName,baseType}");
	ck_assert_str_eq(json_at(a, other, "fieldName"), "registryId");
	ck_assert_str_eq(json_at(a, other, "detail"), "A \"word\".");
	ck_assert_str_ne(json_at(a, other, "id"), json_at(a, doc, "id"));
}
END_TEST

/* Schemas */

static struct json *
schema(enum role role, enum api_version version, enum type_place type)
{
	json_out_init(&out, a);
	repr_schema(&out, SCOPE, role, version, &types_table[type]);
	return rig_json(a, text_of(&out));
}

START_TEST(a_schema_has_the_contracts_shape)
{
	struct json *doc = schema(ROLE_PROJECT, API_V1, T_REGISTRY_CREDENTIAL);

	ck_assert_str_eq(json_at(a, doc, ""),
			 "{id,type,links,actions,pluralName,resourceFields,collectionFilters,"
			 "includeableLinks,resourceActions,collectionActions,collectionFields,"
			 "collectionMethods,resourceMethods,baseType}");
	ck_assert_str_eq(json_at(a, doc, "id"), "registryCredential");
	ck_assert_str_eq(json_at(a, doc, "type"), "schema");
	ck_assert_str_eq(json_at(a, doc, "baseType"), "schema");
	ck_assert_str_eq(json_at(a, doc, "links"), "{self,collection}");
	ck_assert_str_eq(json_at(a, doc, "links.self"), SCOPE "/schemas/registrycredential");
	ck_assert_str_eq(json_at(a, doc, "links.collection"), SCOPE "/registrycredentials");
	ck_assert_str_eq(json_at(a, doc, "actions"), "{}");
	ck_assert_str_eq(json_at(a, doc, "pluralName"), "registryCredentials");
	ck_assert_str_eq(json_at(a, doc, "collectionActions"), "{}");
	ck_assert_str_eq(json_at(a, doc, "collectionFields"), "{}");
	ck_assert_str_eq(json_at(a, doc, "includeableLinks"), "[2]");
	ck_assert_str_eq(json_at(a, doc, "includeableLinks.0"), "account");
	ck_assert_str_eq(json_at(a, doc, "includeableLinks.1"), "registry");
	ck_assert_str_eq(json_at(a, doc, "resourceActions"),
			 "{activate,create,deactivate,purge,remove,update,verify}");
	static const char *const actions[] = {"activate", "create", "deactivate",
					      "purge",	  "remove", "update"};
	for (size_t i = 0; i < COUNT_OF(actions); i++) {
		const char *path = arena_printf(a, "resourceActions.%s", actions[i]);

		ck_assert_str_eq(json_at(a, doc, path), "{input,output}");
		ck_assert_str_eq(json_at(a, doc, arena_printf(a, "%s.input", path)), "null");
		ck_assert_str_eq(json_at(a, doc, arena_printf(a, "%s.output", path)), "credential");
	}
	ck_assert_str_eq(json_at(a, doc, "resourceFields"),
			 "{accountId,created,description,expiresAt,id,isDefault,kind,lastUsed,"
			 "lastUsedBy,name,pathPrefix,publicValue,registryId,"
			 "removed,secretValue,state,transitioning,transitioningMessage,"
			 "transitioningProgress,uuid,email,verificationMessage,"
			 "verificationMs,verificationResult,verificationStatus,verifiedAt}");
	ck_assert_str_eq(json_at(a, doc, "collectionFilters"),
			 "{accountId,created,description,expiresAt,id,isDefault,kind,lastUsed,"
			 "lastUsedBy,name,pathPrefix,publicValue,registryId,"
			 "removeTime,removed,state,uuid,verificationResult,verifiedAt}");
}
END_TEST

/* A field as text: type, cuo for create, update and read on create only, then the other members. */
static const struct {
	enum type_place type;
	enum api_version version;
	enum role role;
	const char *field, *text;
} schema_fields[] = {
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "accountId",
	 "reference[account] --- nullable=true maxLength=255"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "created",
	 "date --- nullable=true maxLength=255"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "description",
	 "string cu- nullable=true maxLength=1024"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "id", "int --- nullable=true"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "kind",
	 "string --- nullable=true maxLength=255"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "name",
	 "string cu- nullable=true maxLength=255"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "publicValue",
	 "string cu- nullable=true maxLength=4096"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "registryId",
	 "reference[registry] c-- required=true maxLength=255"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "removed",
	 "date --- nullable=true maxLength=255"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "secretValue",
	 "password cuo nullable=true maxLength=4096"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "state",
	 "enum --- maxLength=128 options=[12]"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "transitioning", "enum --- options=[3]"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "transitioningMessage",
	 "string --- nullable=true"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "transitioningProgress",
	 "int --- nullable=true"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "uuid",
	 "string --- nullable=true maxLength=128"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECT, "email",
	 "string cu- required=true minLength=1 maxLength=1024"},
	{T_REGISTRY_CREDENTIAL, API_V2_BETA, ROLE_PROJECT, "email",
	 "string cu- nullable=true minLength=1 maxLength=1024"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_READONLY, "name",
	 "string --- nullable=true maxLength=255"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_PROJECTADMIN, "secretValue",
	 "password cu- nullable=true maxLength=4096"},
	{T_REGISTRY_CREDENTIAL, API_V1, ROLE_SERVICE, "data",
	 "map[json] --- nullable=true maxLength=16777215"},
	{T_REGISTRY, API_V1, ROLE_PROJECT, "serverAddress",
	 "string c-- required=true minLength=1 maxLength=1024"},
	{T_REGISTRY, API_V1, ROLE_PROJECT, "state", "enum --- maxLength=128 options=[13]"},
	{T_REGISTRY, API_V2_BETA, ROLE_PROJECT, "state", "enum --- maxLength=128 options=[12]"},
	{T_REGISTRY, API_V1, ROLE_PROJECT, "volumeCapabilities", "array[string] --- nullable=true"},
	{T_ACCOUNT, API_V1, ROLE_PROJECT, "kind",
	 "string --- nullable=true default=user maxLength=255"},
	{T_ACCOUNT, API_V1, ROLE_ADMIN, "kind",
	 "string cu- nullable=true default=user maxLength=255"},
	{T_ACCOUNT, API_V1, ROLE_ADMIN, "identity", "reference[identity] ---"},
	{T_PROJECT, API_V1, ROLE_USER, "swarm", "boolean cu- default=false"},
	{T_PROJECT, API_V1, ROLE_USER, "members", "array[projectMember] c-- nullable=true"},
};

START_TEST(a_field_of_a_schema_says_what_it_takes)
{
	struct json *doc =
		schema(schema_fields[_i].role, schema_fields[_i].version, schema_fields[_i].type);
	const struct json *field =
		json_member(json_member(doc, "resourceFields"), schema_fields[_i].field);
	static const char *const always[] = {"type", "description", "create", "update",
					     "readOnCreateOnly"};

	ck_assert_ptr_nonnull(field);
	const struct json *member = field->child;
	for (size_t i = 0; i < COUNT_OF(always); i++, member = member->next)
		ck_assert_str_eq(member->name, always[i]);
	ck_assert_str_eq(json_at(a, field, "description"), "null");
	const char *text = arena_printf(
		a, "%s %c%c%c", json_at(a, field, "type"),
		strcmp(json_at(a, field, "create"), "true") == 0 ? 'c' : '-',
		strcmp(json_at(a, field, "update"), "true") == 0 ? 'u' : '-',
		strcmp(json_at(a, field, "readOnCreateOnly"), "true") == 0 ? 'o' : '-');
	for (; member != NULL; member = member->next)
		text = arena_printf(a, "%s %s=%s", text, member->name, json_at(a, member, ""));
	ck_assert_str_eq(text, schema_fields[_i].text);
}
END_TEST

/* Methods by role (4.5, 4.6); "-" for a schema without a collection. */
static const struct {
	enum role role;
	enum type_place type;
	const char *collection, *resource, *actions;
} methods[] = {
	{ROLE_PROJECT, T_REGISTRY_CREDENTIAL, "GET POST", "GET PUT DELETE",
	 "{activate,create,deactivate,purge,remove,update,verify}"},
	{ROLE_READONLY, T_REGISTRY_CREDENTIAL, "GET", "GET", "{}"},
	{ROLE_ADMIN, T_REGISTRY_CREDENTIAL, "GET", "GET",
	 "{activate,create,deactivate,purge,remove,update,verify}"},
	{ROLE_PROJECT, T_REGISTRY, "GET POST", "GET PUT DELETE",
	 "{activate,create,deactivate,purge,remove,restore,test,update}"},
	{ROLE_PROJECT, T_CREDENTIAL, "GET", "GET",
	 "{activate,create,deactivate,purge,remove,update}"},
	{ROLE_USER, T_PROJECT, "GET POST", "GET PUT DELETE",
	 "{activate,create,deactivate,delete,purge,remove,restore,setmembers,update}"},
	{ROLE_PROJECT, T_SCHEMA, "GET", "GET", "{}"},
	{ROLE_PROJECT, T_ERROR, "", "GET", "{}"},
	{ROLE_PROJECT, T_API_VERSION, "", "GET", "{}"},
};

static const char *
words(const struct json *array)
{
	const char *text = "";

	for (const struct json *c = array->child; c != NULL; c = c->next)
		text = arena_printf(a, "%s%s%s", text, *text != '\0' ? " " : "", c->text);
	return text;
}

START_TEST(a_schema_lists_the_methods_of_the_role)
{
	struct json *doc = schema(methods[_i].role, API_V1, methods[_i].type);

	ck_assert_str_eq(words(json_member(doc, "collectionMethods")), methods[_i].collection);
	ck_assert_str_eq(words(json_member(doc, "resourceMethods")), methods[_i].resource);
	ck_assert_str_eq(json_at(a, doc, "resourceActions"), methods[_i].actions);
	/* 4.1: a link to the collection if, and only if, it can be listed. */
	ck_assert_str_eq(json_at(a, doc, "links"),
			 *methods[_i].collection != '\0' ? "{self,collection}" : "{self}");
}
END_TEST

START_TEST(a_schema_lists_the_modifiers_of_each_filter)
{
	struct json *doc = schema(ROLE_PROJECT, API_V1, T_REGISTRY_CREDENTIAL);
	static const struct {
		const char *field, *modifiers;
	} sets[] = {
		{"registryId", "eq ne null notnull"},
		{"state", "eq ne null notnull"},
		{"name", "eq ne prefix like notlike null notnull"},
		{"created", "eq ne lt lte gt gte null notnull"},
		{"id", "eq ne lt lte gt gte null notnull"},
	};

	for (size_t i = 0; i < COUNT_OF(sets); i++) {
		const struct json *filter =
			json_member(json_member(doc, "collectionFilters"), sets[i].field);

		ck_assert_str_eq(json_at(a, filter, ""), "{modifiers}");
		ck_assert_str_eq(words(json_member(filter, "modifiers")), sets[i].modifiers);
	}
}
END_TEST

/* The collection is more than the gate in front of bodies takes: it is looked at as text. */
START_TEST(the_schema_collection_has_each_visible_type_once_and_no_pages)
{
	json_out_init(&out, a);
	repr_schemas(&out, SCOPE, ROLE_PROJECT, API_V1);
	const char *text = text_of(&out);
	const char *head =
		"{\"type\":\"collection\",\"resourceType\":\"schema\",\"links\":{\"self\":"
		"\"" SCOPE "/schemas\"},\"createTypes\":{},\"actions\":{},\"data\":[{"
		"\"id\":\"account\",";
	const char *tail = "}],\"sortLinks\":{},\"pagination\":null,\"sort\":null,\"filters\":{},"
			   "\"createDefaults\":{}}";
	ck_assert_int_eq(strncmp(text, head, strlen(head)), 0);
	ck_assert_str_eq(text + strlen(text) - strlen(tail), tail);
	for (const struct resource_type *t = types_table; t->id != NULL; t++) {
		const char *mark = arena_printf(a, "{\"id\":\"%s\",\"type\":\"schema\"", t->id);
		const char *first = strstr(text, mark);

		ck_assert_msg(first != NULL, "%s", t->id);
		ck_assert_ptr_null(strstr(first + 1, mark));
	}
	json_out_init(&out, a);
	repr_schemas(&out, SCOPE, ROLE_NONE, API_V1);
	text = text_of(&out);
	ck_assert_ptr_nonnull(strstr(text, "{\"id\":\"schema\""));
	ck_assert_ptr_null(strstr(text, "{\"id\":\"registry\""));
	ck_assert_ptr_null(strstr(text, "{\"id\":\"account\""));
}
END_TEST

START_TEST(versions_are_printed_byte_for_byte)
{
	json_out_init(&out, a);
	repr_versions(&out, "https://r.example.test");
	ck_assert_str_eq(text_of(&out),
			 "{\"type\":\"collection\",\"resourceType\":\"apiVersion\","
			 "\"links\":{\"self\":\"https://r.example.test/\","
			 "\"latest\":\"https://r.example.test/v2-beta\"},"
			 "\"createTypes\":{},\"actions\":{},"
			 "\"data\":[{\"id\":\"v1\",\"type\":\"apiVersion\","
			 "\"links\":{\"self\":\"https://r.example.test/v1\"},\"actions\":{},"
			 "\"baseType\":\"apiVersion\"},"
			 "{\"id\":\"v2-beta\",\"type\":\"apiVersion\","
			 "\"links\":{\"self\":\"https://r.example.test/v2-beta\"},\"actions\":{},"
			 "\"baseType\":\"apiVersion\"}],"
			 "\"sortLinks\":{},\"pagination\":null,\"sort\":null,\"filters\":{},"
			 "\"createDefaults\":{}}");
}
END_TEST

START_TEST(a_version_links_to_what_the_role_can_list)
{
	json_out_init(&out, a);
	repr_version(&out, ROOT, ROOT, ROLE_PROJECT, API_V1);
	ck_assert_str_eq(
		text_of(&out),
		"{\"id\":\"v1\",\"type\":\"apiVersion\",\"links\":{\"self\":\"" ROOT "\","
		"\"accounts\":\"" ROOT "/accounts\",\"apiKeys\":\"" ROOT "/apikeys\","
		"\"auditLogs\":\"" ROOT "/auditlogs\","
		"\"credentials\":\"" ROOT "/credentials\",\"passwords\":\"" ROOT "/passwords\","
		"\"projectMembers\":\"" ROOT "/projectmembers\",\"projects\":\"" ROOT "/projects\","
		"\"registries\":\"" ROOT "/registries\",\"registryCredentials\":\"" ROOT
		"/registrycredentials\",\"schemas\":\"" ROOT "/schemas\",\"storagePools\":\"" ROOT
		"/storagepools\"},\"actions\":{},\"baseType\":\"apiVersion\"}");
	json_out_init(&out, a);
	repr_version(&out, ROOT, ROOT, ROLE_NONE, API_V1);
	ck_assert_str_eq(json_at(a, rig_json(a, text_of(&out)), "links"), "{self,schemas}");
}
END_TEST

/* Without memory nothing is printed, and nothing breaks. */
START_TEST(a_document_without_memory_is_no_document)
{
	struct record row = row_of(T_REGISTRY_CREDENTIAL, credential);
	struct arena *own = arena_new(RIG_ARENA);
	unsigned n = 1;

	look_as(PROJECT_DEFAULT, 0, API_V1);
	context.arena = own;
	for (;; n++) {
		struct json_out w;
		size_t len;

		arena_reset(own);
		arena_fail_at(own, n);
		json_out_init(&w, own);
		repr_resource(&w, &view, &row, "secret", "registry");
		if (!arena_failed(own)) {
			ck_assert_ptr_nonnull(json_out_text(&w, &len));
			break;
		}
		ck_assert_uint_lt(n, 200);
	}
	ck_assert_uint_gt(n, 3);
	arena_free(own);
}
END_TEST

static Suite *
repr_suite(void)
{
	Suite *suite = suite_create("repr");
	TCase *tc = tcase_create("repr");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_credential_is_printed_byte_for_byte);
	tcase_add_test(tc, the_answer_to_a_create_shows_the_secret_and_the_transition);
	tcase_add_test(tc, an_operator_sees_what_belongs_to_operation);
	tcase_add_test(tc, a_registry_is_printed_byte_for_byte);
	tcase_add_test(tc, a_project_is_printed_with_the_actions_of_its_owner);
	tcase_add_test(tc, an_account_is_printed_with_its_identity_for_operators);
	tcase_add_loop_test(tc, a_state_shows_its_transition_and_its_actions, 0, ST__COUNT);
	tcase_add_test(tc, the_secret_is_shown_to_those_who_may_open_it);
	tcase_add_test(tc, a_link_that_is_included_stands_under_its_name);
	tcase_add_test(tc, an_empty_collection_is_printed_byte_for_byte);
	tcase_add_test(tc, a_collection_holds_its_rows_as_they_are_printed_alone);
	tcase_add_test(tc, an_abstract_collection_names_what_can_be_created);
	tcase_add_test(tc, pages_lead_to_their_neighbours);
	tcase_add_test(tc, the_order_is_named_with_its_reverse);
	tcase_add_loop_test(tc, a_link_carries_the_other_parameters_on, 0, COUNT_OF(carried));
	tcase_add_test(tc, the_list_of_projects_has_no_pages_unless_they_are_asked_for);
	tcase_add_test(tc, filters_are_printed_back_as_they_were_given);
	tcase_add_test(tc, members_are_printed_as_the_declared_output);
	tcase_add_loop_test(tc, an_error_has_the_contracts_shape, ERR_NONE + 1, ERR__COUNT);
	tcase_add_test(tc, a_schema_has_the_contracts_shape);
	tcase_add_loop_test(tc, a_field_of_a_schema_says_what_it_takes, 0, COUNT_OF(schema_fields));
	tcase_add_loop_test(tc, a_schema_lists_the_methods_of_the_role, 0, COUNT_OF(methods));
	tcase_add_test(tc, a_schema_lists_the_modifiers_of_each_filter);
	tcase_add_test(tc, the_schema_collection_has_each_visible_type_once_and_no_pages);
	tcase_add_test(tc, versions_are_printed_byte_for_byte);
	tcase_add_test(tc, a_version_links_to_what_the_role_can_list);
	tcase_add_test(tc, a_document_without_memory_is_no_document);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(repr_suite());
}
