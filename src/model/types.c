/* types: the resource types, as tables only.  Edit this file to add a type.
 *
 * The fields are in the order of the schema document: by name, then those that the original kept
 * outside its columns. The order decides which missing field is reported first. What roles may do
 * is in access/permissions.c.
 */

#include "base/err.h"
#include "model/format.h"
#include "model/schema.h"
#include "model/source.h"

/* clang-format off */
static const char *const states_v2[] = {
	"activating", "active", "deactivating", "inactive", "purged", "purging", "registering", "removed", "removing",
	"requested", "updating-active", "updating-inactive", NULL
};
/* Storage pools, accounts and members could be restored in v1; regcred never offers that. */
static const char *const states_v1[] = {
	"activating", "active", "deactivating", "inactive", "purged", "purging", "registering", "removed", "removing",
	"requested", "restoring", "updating-active", "updating-inactive", NULL
};
static const char *const states_account_v2[] = {
	"activating", "active", "deactivating", "inactive", "purged", "purging", "registering", "removed", "removing",
	"requested", "updating-active", "updating-inactive", "upgrading", NULL
};
static const char *const transitions[] = { "yes", "no", "error", NULL };
static const char *const member_roles[] = { "member", "owner", "readonly", "restricted", NULL };
static const char *const key_roles[] = {
#define KEY_ROLE(name, of) name,
#include "model/key_role.def"
	NULL
};
static const char *const verification_rules[] = { "off", "warn", "require", NULL };
const char *const verification_results[] = {
#define RESULT(name, word, sentence) word,
#include "registry/result.def"
#undef RESULT
	NULL
};
const char *const refresh_results[] = {
#define RESULT(name, word, sentence) word,
#include "model/renew_result.def"
#undef RESULT
	NULL
};
static const char *const version_states[] = { "discarding", "expired", "pending", "previous", NULL };
static const char *const external_types[] = {
	"github_user", "github_org", "github_team", "rancher_id", "ldap_user", "ldap_group", "openldap_user", "openldap_group",
	"azuread_user", "azuread_group", NULL
};

/* Which families have a shared column: see column.def. */
enum {
	IN_CREDENTIAL = 1 << 0, IN_STORAGE_POOL = 1 << 1, IN_ACCOUNT = 1 << 2, IN_PROJECT_MEMBER = 1 << 3, IN_AUDIT_LOG = 1 << 4,
	IN_PROJECT_TEMPLATE = 1 << 5, IN_SECRET_VERSION = 1 << 6,
	IN_RESOURCES = IN_CREDENTIAL | IN_STORAGE_POOL | IN_ACCOUNT | IN_PROJECT_MEMBER | IN_PROJECT_TEMPLATE,
	IN_ALL = IN_RESOURCES | IN_AUDIT_LOG | IN_SECRET_VERSION,
};
static const struct column_row credential_columns[COL__COUNT] = {
#define COLUMN(name, sql, type, families) [COL_##name] = { sql, VALUE_##type },
#define CREDENTIAL_COLUMN(name, sql, type) [COL_##name] = { sql, VALUE_##type },
#include "model/column.def"
};
const struct family family_credential = {
	"credential", "c", COL_ACCOUNT_ID, credential_columns, 0
#define COLUMN(name, sql, type, families) | (((families) & IN_CREDENTIAL) != 0 ? COL_BIT(COL_##name) : 0)
#define CREDENTIAL_COLUMN(name, sql, type) | COL_BIT(COL_##name)
#include "model/column.def"
};

static const struct column_row storage_pool_columns[COL__COUNT] = {
#define COLUMN(name, sql, type, families) [COL_##name] = { sql, VALUE_##type },
#define STORAGE_POOL_COLUMN(name, sql, type) [COL_##name] = { sql, VALUE_##type },
#include "model/column.def"
};
const struct family family_storage_pool = {
	"storage_pool", "sp", COL_ACCOUNT_ID, storage_pool_columns, 0
#define COLUMN(name, sql, type, families) | (((families) & IN_STORAGE_POOL) != 0 ? COL_BIT(COL_##name) : 0)
#define STORAGE_POOL_COLUMN(name, sql, type) | COL_BIT(COL_##name)
#include "model/column.def"
};

static const struct column_row account_columns[COL__COUNT] = {
#define COLUMN(name, sql, type, families) [COL_##name] = { sql, VALUE_##type },
#define ACCOUNT_COLUMN(name, sql, type) [COL_##name] = { sql, VALUE_##type },
#include "model/column.def"
};
const struct family family_account = {
	"account", "a", COL_ID, account_columns, 0
#define COLUMN(name, sql, type, families) | (((families) & IN_ACCOUNT) != 0 ? COL_BIT(COL_##name) : 0)
#define ACCOUNT_COLUMN(name, sql, type) | COL_BIT(COL_##name)
#include "model/column.def"
};

static const struct column_row project_member_columns[COL__COUNT] = {
#define COLUMN(name, sql, type, families) [COL_##name] = { sql, VALUE_##type },
#define PROJECT_MEMBER_COLUMN(name, sql, type) [COL_##name] = { sql, VALUE_##type },
#include "model/column.def"
};
const struct family family_project_member = {
	"project_member", "pm", COL_PROJECT_ID, project_member_columns, 0
#define COLUMN(name, sql, type, families) | (((families) & IN_PROJECT_MEMBER) != 0 ? COL_BIT(COL_##name) : 0)
#define PROJECT_MEMBER_COLUMN(name, sql, type) | COL_BIT(COL_##name)
#include "model/column.def"
};

/* Nobody's: who may see the type sees all of its rows. */
static const struct family family_project_template = {
	"project_template", "pt", COL_NONE, project_member_columns, 0
#define COLUMN(name, sql, type, families) | (((families) & IN_PROJECT_TEMPLATE) != 0 ? COL_BIT(COL_##name) : 0)
#include "model/column.def"
};

static const struct column_row audit_log_columns[COL__COUNT] = {
#define COLUMN(name, sql, type, families) [COL_##name] = { sql, VALUE_##type },
#define AUDIT_LOG_COLUMN(name, sql, type) [COL_##name] = { sql, VALUE_##type },
#include "model/column.def"
};
const struct family family_audit_log = {
	"audit_log", "al", COL_ACCOUNT_ID, audit_log_columns, 0
#define COLUMN(name, sql, type, families) | (((families) & IN_AUDIT_LOG) != 0 ? COL_BIT(COL_##name) : 0)
#define AUDIT_LOG_COLUMN(name, sql, type) | COL_BIT(COL_##name)
#include "model/column.def"
};

static const struct column_row secret_version_columns[COL__COUNT] = {
#define COLUMN(name, sql, type, families) [COL_##name] = { sql, VALUE_##type },
#define SECRET_VERSION_COLUMN(name, sql, type) [COL_##name] = { sql, VALUE_##type },
#include "model/column.def"
};
const struct family family_secret_version = {
	"secret_version", "sv", COL_ACCOUNT_ID, secret_version_columns, 0
#define COLUMN(name, sql, type, families) | (((families) & IN_SECRET_VERSION) != 0 ? COL_BIT(COL_##name) : 0)
#define SECRET_VERSION_COLUMN(name, sql, type) | COL_BIT(COL_##name)
#include "model/column.def"
};

const struct family *const families[] = {
	&family_secret_version, &family_credential, &family_storage_pool, &family_project_member, &family_account, &family_project_template,
	&family_audit_log, NULL
};

#define TYPE(name) (&types_table[T_##name])

/* Fields that mean the same everywhere. */
#define ACCOUNT_ID    { .name = "accountId", .column = COL_ACCOUNT_ID, .type = FT_REFERENCE, .reference = TYPE(ACCOUNT), .type_text = "reference[account]", \
                        .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_V }
#define CREATED       { .name = "created", .column = COL_CREATED, .type = FT_DATE, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_N }
#define DATA          { .name = "data", .type = FT_DATA, .flags = F_NULLABLE, .max_len = 16777215 }
#define DESCRIPTION   { .name = "description", .column = COL_DESCRIPTION, .type = FT_STRING, .flags = F_CREATE | F_UPDATE | F_NULLABLE, .max_len = 1024, .filter = FILTER_S }
#define ID            { .name = "id", .column = COL_ID, .type = FT_ID, .flags = F_NULLABLE, .filter = FILTER_N }
#define KIND          { .name = "kind", .column = COL_KIND, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S }
#define NAME          { .name = "name", .column = COL_NAME, .type = FT_STRING, .flags = F_CREATE | F_UPDATE | F_NULLABLE, .max_len = 255, .filter = FILTER_S }
#define REMOVED       { .name = "removed", .column = COL_REMOVED, .type = FT_DATE, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_N }
#define REMOVE_TIME   { .name = "removeTime", .column = COL_REMOVE_TIME, .type = FT_DATE, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_N }
#define STATE(list)   { .name = "state", .column = COL_STATE, .type = FT_ENUM, .options = list, .max_len = 128, .filter = FILTER_V }
#define STATE_IN(list, in) { .name = "state", .column = COL_STATE, .type = FT_ENUM, .options = list, .max_len = 128, .filter = FILTER_V, .versions = in }
#define TRANSITIONS   { .name = "transitioning", .type = FT_TRANSITION, .options = transitions }, \
                      { .name = "transitioningMessage", .type = FT_MESSAGE, .flags = F_NULLABLE }, \
                      { .name = "transitioningProgress", .type = FT_CONSTANT, .type_text = "int", .flags = F_NULLABLE }
#define UUID          { .name = "uuid", .column = COL_UUID, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 128, .filter = FILTER_S }
#define BOOLEAN(field, column_, in) { .name = field, .column = column_, .type = FT_BOOLEAN, .flags = F_CREATE | F_UPDATE, .fallback = "false", .versions = in }
/* Fields of the original that regcred does not use. */
#define NOTHING(field, text, length, filter_) { .name = field, .type = FT_CONSTANT, .type_text = text, .flags = F_NULLABLE, .max_len = length, .filter = filter_ }
#define NOTHING_IN(field, text, in) { .name = field, .type = FT_CONSTANT, .type_text = text, .flags = F_NULLABLE, .versions = in }

static const struct action credential_actions[] = {
	{ "activate", NULL, "credential", 0 }, { "create", NULL, "credential", 0 }, { "deactivate", NULL, "credential", 0 },
	{ "purge", NULL, "credential", 0 }, { "remove", NULL, "credential", 0 }, { "update", NULL, "credential", 0 }, { 0 }
};
static const struct action registry_credential_actions[] = {
	{ "activate", NULL, "credential", 0 }, { "create", NULL, "credential", 0 }, { "deactivate", NULL, "credential", 0 },
	{ "purge", NULL, "credential", 0 },
	{ "refresh", NULL, "credential", 0 }, /* not in the original, as are rollback and verify */
	{ "remove", NULL, "credential", 0 }, { "rollback", NULL, "credential", 0 }, { "update", NULL, "credential", 0 },
	{ "verify", NULL, "credential", 0 }, { 0 }
};
static const struct action storage_pool_actions[] = {
	{ "activate", NULL, "storagePool", 0 }, { "create", NULL, "storagePool", 0 }, { "deactivate", NULL, "storagePool", 0 },
	{ "purge", NULL, "storagePool", 0 }, { "remove", NULL, "storagePool", 0 }, { "restore", NULL, "storagePool", IN_V1 },
	{ "update", NULL, "storagePool", 0 }, { 0 }
};
static const struct action registry_actions[] = {
	{ "activate", NULL, "storagePool", 0 }, { "create", NULL, "storagePool", 0 }, { "deactivate", NULL, "storagePool", 0 },
	{ "purge", NULL, "storagePool", 0 }, { "remove", NULL, "storagePool", 0 }, { "restore", NULL, "storagePool", IN_V1 },
	{ "test", "registryTestInput", "registryTestOutput", 0 }, /* not in the original */
	{ "update", NULL, "storagePool", 0 }, { 0 }
};
static const struct action account_actions[] = {
	{ "activate", NULL, "account", 0 }, { "create", NULL, "account", 0 }, { "deactivate", NULL, "account", 0 },
	{ "purge", NULL, "account", 0 }, { "remove", NULL, "account", 0 }, { "restore", NULL, "account", IN_V1 },
	{ "update", NULL, "account", 0 }, { "upgrade", NULL, "account", IN_V2 }, { 0 }
};
static const struct action project_actions[] = {
	{ "activate", NULL, "account", 0 }, { "create", NULL, "account", 0 }, { "deactivate", NULL, "account", 0 },
	{ "delete", NULL, NULL, 0 }, { "purge", NULL, "account", 0 }, { "remove", NULL, "account", 0 },
	{ "restore", NULL, "account", IN_V1 }, { "setmembers", "setProjectMembersInput", "setProjectMembersInput", 0 },
	{ "update", NULL, "account", 0 }, { 0 }
};
static const struct action project_member_actions[] = {
	{ "activate", NULL, "projectMember", 0 }, { "create", NULL, "projectMember", 0 }, { "deactivate", NULL, "projectMember", 0 },
	{ "purge", NULL, "projectMember", 0 }, { "remove", NULL, "projectMember", 0 }, { "restore", NULL, "projectMember", IN_V1 },
	{ "update", NULL, "projectMember", 0 }, { 0 }
};

static const struct link account_links[] = {
	{ "credentials", LINK_CHILDREN, COL_ACCOUNT_ID, TYPE(CREDENTIAL) },
	{ "projectmembers", LINK_CHILDREN, COL_PROJECT_ID, TYPE(PROJECT_MEMBER) },
	{ "storagepools", LINK_CHILDREN, COL_ACCOUNT_ID, TYPE(STORAGE_POOL) },
	{ 0 }
};
static const struct link credential_links[] = {
	{ "account", LINK_REFERENCE, COL_ACCOUNT_ID, TYPE(ACCOUNT) },
	{ "registry", LINK_REFERENCE, COL_REGISTRY_ID, TYPE(STORAGE_POOL) },
	{ 0 }
};
static const struct link registry_credential_links[] = {
	{ "account", LINK_REFERENCE, COL_ACCOUNT_ID, TYPE(ACCOUNT) },
	{ "registry", LINK_REFERENCE, COL_REGISTRY_ID, TYPE(REGISTRY) },
	{ "secretVersions", LINK_CHILDREN, COL_CREDENTIAL_ID, TYPE(SECRET_VERSION) },
	{ 0 }
};
static const struct link secret_version_links[] = {
	{ "account", LINK_REFERENCE, COL_ACCOUNT_ID, TYPE(ACCOUNT) },
	{ "credential", LINK_REFERENCE, COL_CREDENTIAL_ID, TYPE(REGISTRY_CREDENTIAL) },
	{ 0 }
};
static const struct link storage_pool_links[] = {
	{ "account", LINK_REFERENCE, COL_ACCOUNT_ID, TYPE(ACCOUNT) },
	{ "credentials", LINK_CHILDREN, COL_REGISTRY_ID, TYPE(CREDENTIAL) },
	{ 0 }
};
static const struct link project_member_links[] = { { "project", LINK_REFERENCE, COL_PROJECT_ID, TYPE(PROJECT) }, { 0 } };

static const struct cascade account_cascades[] = {
	{ TYPE(CREDENTIAL), COL_ACCOUNT_ID }, { TYPE(STORAGE_POOL), COL_ACCOUNT_ID }, { 0 }
};
static const struct cascade storage_pool_cascades[] = { { TYPE(REGISTRY_CREDENTIAL), COL_REGISTRY_ID }, { 0 } };

static const struct field schema_fields[] = {
	NOTHING("collectionActions", "map[json]", 0, FILTER_NONE),
	NOTHING("collectionFields", "map[json]", 0, FILTER_NONE),
	NOTHING("collectionFilters", "map[json]", 0, FILTER_NONE),
	NOTHING("collectionMethods", "array[string]", 0, FILTER_NONE),
	NOTHING("includeableLinks", "array[string]", 0, FILTER_NONE),
	NOTHING("pluralName", "string", 0, FILTER_NONE),
	NOTHING("resourceActions", "map[json]", 0, FILTER_NONE),
	NOTHING("resourceFields", "map[json]", 0, FILTER_NONE),
	NOTHING("resourceMethods", "array[string]", 0, FILTER_NONE),
	{ 0 }
};
static const struct field no_fields[] = { { 0 } };
static const struct field error_fields[] = {
	NOTHING("code", "string", 0, FILTER_NONE),
	NOTHING("detail", "string", 0, FILTER_NONE),
	NOTHING("fieldName", "string", 0, FILTER_NONE),
	NOTHING("message", "string", 0, FILTER_NONE),
	NOTHING("status", "int", 0, FILTER_NONE),
	{ 0 }
};

static const struct field account_fields[] = {
	CREATED, DATA, DESCRIPTION,
	{ .name = "externalId", .column = COL_EXTERNAL_ID, .type = FT_STRING, .flags = F_CREATE | F_UPDATE | F_NULLABLE, .max_len = 255, .filter = FILTER_S },
	{ .name = "externalIdType", .column = COL_EXTERNAL_ID_TYPE, .type = FT_STRING, .flags = F_CREATE | F_UPDATE | F_NULLABLE, .max_len = 128, .filter = FILTER_S },
	ID,
	{ .name = "kind", .column = COL_KIND, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S, .fallback = "\"user\"" },
	NAME, REMOVE_TIME, REMOVED,
	STATE_IN(states_v1, IN_V1), STATE_IN(states_account_v2, IN_V2), TRANSITIONS, UUID,
	{ .name = "identity", .type = FT_IDENTITY },
	NOTHING_IN("version", "string", IN_V2),
	{ 0 }
};
#define EXPIRY_WARNINGS "[\"14d\",\"7d\",\"1d\"]"
static const struct field project_fields[] = {
	CREATED, DATA, DESCRIPTION,
	{ .name = "externalId", .column = COL_EXTERNAL_ID, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S },
	{ .name = "externalIdType", .column = COL_EXTERNAL_ID_TYPE, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 128, .filter = FILTER_S },
	ID,
	{ .name = "kind", .column = COL_KIND, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S, .fallback = "\"user\"" },
	NAME, REMOVE_TIME, REMOVED,
	STATE_IN(states_v1, IN_V1), STATE_IN(states_account_v2, IN_V2), TRANSITIONS, UUID,
	BOOLEAN("allowSystemRole", COL_ALLOW_SYSTEM, 0),
	NOTHING_IN("defaultNetworkId", "string", IN_V2),
	{ .name = "healthState", .type = FT_CONSTANT, .type_text = "string", .flags = F_NULLABLE, .constant = "\"healthy\"", .versions = IN_V2 },
	NOTHING_IN("hostRemoveDelaySeconds", "int", IN_V2),
	{ .name = "members", .type = FT_MEMBERS, .flags = F_CREATE | F_NULLABLE },
	{ .name = "orchestration", .type = FT_CONSTANT, .type_text = "string", .flags = F_NULLABLE, .constant = "\"cattle\"", .versions = IN_V2 },
	NOTHING_IN("projectLinks", "array[string]", IN_V2),
	{ .name = "projectTemplateId", .column = COL_PROJECT_TEMPLATE_ID, .type = FT_REFERENCE, .reference = TYPE(PROJECT_TEMPLATE),
	  .type_text = "reference[projectTemplate]", .flags = F_CREATE | F_NULLABLE, .versions = IN_V2 },
	BOOLEAN("swarm", COL_SWARM, IN_V1),
	BOOLEAN("kubernetes", COL_KUBERNETES, IN_V1),
	BOOLEAN("mesos", COL_MESOS, IN_V1),
	BOOLEAN("virtualMachine", COL_VIRTUAL_MACHINE, 0),
	BOOLEAN("publicDns", COL_PUBLIC_DNS, IN_V1),
	NOTHING("servicesPortRange", "servicesPortRange", 0, FILTER_NONE),
	NOTHING_IN("version", "string", IN_V2),
	/* Not in the original. */
	{ .name = "expiryWarnings", .column = COL_EXPIRY_WARNINGS, .type = FT_DURATIONS, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_BLANK,
	  .fallback = EXPIRY_WARNINGS },
	{ .name = "verification", .column = COL_VERIFICATION, .type = FT_ENUM, .flags = F_CREATE | F_UPDATE, .options = verification_rules, .fallback = "\"off\"" },
	{ 0 }
};
static const struct field project_member_fields[] = {
	NOTHING("accountId", "reference[account]", 255, FILTER_V),
	CREATED, DATA,
	{ .name = "description", .column = COL_DESCRIPTION, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 1024, .filter = FILTER_S },
	{ .name = "externalId", .column = COL_EXTERNAL_ID, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S },
	{ .name = "externalIdType", .column = COL_EXTERNAL_ID_TYPE, .type = FT_ENUM, .flags = F_NULLABLE, .options = external_types, .max_len = 255,
	  .filter = FILTER_S, .fallback = "\"rancher_id\"" },
	ID, KIND,
	{ .name = "name", .column = COL_NAME, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S },
	{ .name = "projectId", .column = COL_PROJECT_ID, .type = FT_REFERENCE, .reference = TYPE(PROJECT), .type_text = "reference[project]", .max_len = 255,
	  .filter = FILTER_V },
	REMOVE_TIME, REMOVED,
	{ .name = "role", .column = COL_ROLE, .type = FT_ENUM, .flags = F_NULLABLE, .options = member_roles, .max_len = 255, .filter = FILTER_S,
	  .fallback = "\"member\"" },
	STATE_IN(states_v1, IN_V1), STATE_IN(states_v2, IN_V2), TRANSITIONS, UUID,
	{ 0 }
};
static const struct field project_template_fields[] = {
	NOTHING("accountId", "reference[account]", 255, FILTER_V),
	CREATED, DATA,
	{ .name = "description", .column = COL_DESCRIPTION, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 1024, .filter = FILTER_S },
	NOTHING("externalId", "string", 128, FILTER_S),
	ID,
	{ .name = "isPublic", .type = FT_CONSTANT, .type_text = "boolean", .flags = F_NULLABLE, .constant = "true" },
	KIND,
	{ .name = "name", .column = COL_NAME, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S },
	REMOVE_TIME, REMOVED,
	NOTHING("stacks", "array[json]", 0, FILTER_NONE),
	STATE(states_v2), TRANSITIONS, UUID,
	{ 0 }
};
static const struct field set_project_members_fields[] = {
	{ .name = "members", .type = FT_MEMBERS, .flags = F_CREATE | F_REQUIRED, .min_len = 1 },
	{ 0 }
};

#define PUBLIC_VALUE(extra) { .name = "publicValue", .column = COL_PUBLIC_VALUE, .type = FT_STRING, .flags = F_NULLABLE | (extra), .max_len = 4096, \
                              .filter = FILTER_S }
enum { OVERLAP_MAX_S = 30 * 24 * 60 * 60, VERIFY_EVERY_MAX_S = 365 * 24 * 60 * 60 };
/* Of a login: as long as fits in a body. Tokens and keys of clouds can exceed 4,096 characters. */
enum { SECRET_MAX = 64 * 1024 };
#define SECRET_VALUE(extra, max) { .name = "secretValue", .column = COL_SECRET_VALUE, .type = FT_PASSWORD, .flags = F_NULLABLE | F_SEALED | (extra), \
                              .max_len = (max) }
/* Only superadmin sees it on a type that is not a registryCredential; the filter is published anyway, as in the original. */
#define REGISTRY_HIDDEN     { .name = "registryId", .column = COL_REGISTRY_ID, .type = FT_REFERENCE, .reference = TYPE(STORAGE_POOL), \
                              .type_text = "reference[storagePool]", .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_V }

static const struct field registry_test_input_fields[] = {
	{ .name = "publicValue", .type = FT_STRING, .flags = F_CREATE | F_NULLABLE, .max_len = 4096 },
	{ .name = "secretValue", .type = FT_PASSWORD, .flags = F_CREATE | F_REQUIRED, .max_len = SECRET_MAX },
	{ 0 }
};
static const struct field registry_test_output_fields[] = {
	{ .name = "verificationMessage", .type = FT_CONSTANT, .type_text = "string", .flags = F_NULLABLE },
	NOTHING("verificationMs", "int", 0, FILTER_NONE),
	{ .name = "verificationResult", .type = FT_CONSTANT, .type_text = "enum", .options = verification_results },
	NOTHING("verificationStatus", "int", 0, FILTER_NONE),
	NOTHING("verifiedAt", "date", 0, FILTER_NONE),
	{ 0 }
};

static const struct field credential_fields[] = {
	ACCOUNT_ID, CREATED, DATA, DESCRIPTION, ID, KIND, NAME, PUBLIC_VALUE(0), REGISTRY_HIDDEN, REMOVE_TIME, REMOVED, SECRET_VALUE(0, 4096),
	STATE(states_v2), TRANSITIONS, UUID,
	{ 0 }
};
/* Not in the original: expiresAt, isDefault, lastUsed, lastUsedBy, pathPrefix. */
static const struct field registry_credential_fields[] = {
	ACCOUNT_ID, CREATED, DATA, DESCRIPTION,
	{ .name = "expiresAt", .column = COL_EXPIRES, .type = FT_DATE, .flags = F_CREATE | F_UPDATE | F_NULLABLE, .max_len = 255, .filter = FILTER_N },
	ID,
	{ .name = "isDefault", .column = COL_IS_DEFAULT, .type = FT_BOOLEAN, .flags = F_CREATE | F_UPDATE, .filter = FILTER_V, .fallback = "false" },
	KIND,
	{ .name = "lastUsed", .column = COL_LAST_USED, .type = FT_DATE, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_N },
	{ .name = "lastUsedBy", .column = COL_LAST_USED_BY, .type = FT_REFERENCE, .reference = TYPE(API_KEY), .type_text = "reference[apiKey]",
	  .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_V },
	NAME,
	{ .name = "pathPrefix", .column = COL_PATH_PREFIX, .type = FT_PATH, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_BLANK, .min_len = 1, .max_len = 255, .filter = FILTER_S },
	PUBLIC_VALUE(F_CREATE | F_UPDATE),
	{ .name = "registryId", .column = COL_REGISTRY_ID, .type = FT_REFERENCE, .reference = TYPE(REGISTRY), .type_text = "reference[registry]",
	  .flags = F_CREATE | F_REQUIRED, .max_len = 255, .filter = FILTER_V },
	REMOVE_TIME, REMOVED, SECRET_VALUE(F_CREATE | F_UPDATE | F_READ_ON_CREATE, SECRET_MAX),
	STATE(states_v2), TRANSITIONS, UUID,
	{ .name = "email", .column = COL_EMAIL, .type = FT_STRING, .flags = F_CREATE | F_UPDATE | F_REQUIRED | F_IN_DATA, .min_len = 1, .max_len = 1024,
	  .versions = IN_V1 },
	{ .name = "email", .column = COL_EMAIL, .type = FT_STRING, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_IN_DATA, .min_len = 1, .max_len = 1024,
	  .versions = IN_V2 },
	/* Not in the original. */
	{ .name = "firstBadAt", .column = COL_FIRST_BAD, .type = FT_DATE, .flags = F_NULLABLE, .filter = FILTER_N },
	{ .name = "lastGoodAt", .column = COL_LAST_GOOD, .type = FT_DATE, .flags = F_NULLABLE, .filter = FILTER_N },
	{ .name = "overlap", .column = COL_OVERLAP, .type = FT_INT, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_BLANK, .max_len = OVERLAP_MAX_S },
	{ .name = "previousUntil", .column = COL_PREVIOUS_UNTIL, .type = FT_DATE, .flags = F_NULLABLE, .filter = FILTER_N },
	{ .name = "refreshAt", .column = COL_REFRESH_DUE, .type = FT_DATE, .flags = F_NULLABLE, .filter = FILTER_N },
	{ .name = "refreshMessage", .column = COL_REFRESH_MESSAGE, .type = FT_STRING, .flags = F_NULLABLE },
	{ .name = "refreshResult", .column = COL_REFRESH_RESULT, .type = FT_ENUM, .flags = F_NULLABLE, .options = refresh_results, .filter = FILTER_V },
	{ .name = "refreshStatus", .column = COL_REFRESH_STATUS, .type = FT_INT, .flags = F_NULLABLE },
	{ .name = "refreshedAt", .column = COL_REFRESHED, .type = FT_DATE, .flags = F_NULLABLE, .filter = FILTER_N },
	{ .name = "secretVersion", .column = COL_SECRET_VERSION, .type = FT_INT, .flags = F_NULLABLE, .filter = FILTER_N },
	{ .name = "source", .column = COL_SOURCE, .type = FT_ENUM, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_BLANK, .options = source_names, .filter = FILTER_V },
	{ .name = "sourceConfig", .column = COL_SOURCE_CONFIG, .type = FT_JSON, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_BLANK, .max_len = 8192 },
	{ .name = "sourceSecret", .column = COL_SOURCE_SECRET, .type = FT_HIDDEN, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_SEALED | F_BLANK, .max_len = SECRET_MAX },
	{ .name = "verificationMessage", .column = COL_VERIFY_MESSAGE, .type = FT_STRING, .flags = F_NULLABLE },
	{ .name = "verificationMs", .column = COL_VERIFY_MS, .type = FT_INT, .flags = F_NULLABLE },
	{ .name = "verificationResult", .column = COL_VERIFY_RESULT, .type = FT_ENUM, .flags = F_NULLABLE, .options = verification_results, .filter = FILTER_V },
	{ .name = "verificationStatus", .column = COL_VERIFY_STATUS, .type = FT_INT, .flags = F_NULLABLE },
	{ .name = "verifiedAt", .column = COL_VERIFIED, .type = FT_DATE, .flags = F_NULLABLE, .filter = FILTER_N },
	{ .name = "verifyEvery", .column = COL_VERIFY_EVERY, .type = FT_INT, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_BLANK, .max_len = VERIFY_EVERY_MAX_S },
	{ .name = "verifyRepository", .column = COL_VERIFY_REPOSITORY, .type = FT_PATH, .flags = F_CREATE | F_UPDATE | F_NULLABLE | F_BLANK, .max_len = 255 },
	{ 0 }
};
/* Former secrets of logins, which nobody sets; their values are used, never shown. */
static const struct field secret_version_fields[] = {
	ACCOUNT_ID, CREATED, ID,
	{ .name = "publicValue", .column = COL_PUBLIC_VALUE, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 4096, .filter = FILTER_S },
	{ .name = "registryCredentialId", .column = COL_CREDENTIAL_ID, .type = FT_REFERENCE, .reference = TYPE(REGISTRY_CREDENTIAL),
	  .type_text = "reference[registryCredential]", .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_V },
	{ .name = "secretValue", .column = COL_SECRET_VALUE, .type = FT_HIDDEN, .flags = F_NULLABLE | F_SEALED },
	{ .name = "state", .column = COL_VERSION_STATE, .type = FT_ENUM, .options = version_states, .max_len = 128, .filter = FILTER_V },
	{ .name = "until", .column = COL_UNTIL, .type = FT_DATE, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_N },
	UUID,
	{ .name = "version", .column = COL_VERSION, .type = FT_INT, .flags = F_NULLABLE, .filter = FILTER_N },
	{ 0 }
};
static const struct field api_key_fields[] = {
	ACCOUNT_ID, CREATED, DATA, DESCRIPTION, ID, KIND, NAME, PUBLIC_VALUE(0), REGISTRY_HIDDEN, REMOVE_TIME, REMOVED,
	SECRET_VALUE(F_READ_ON_CREATE, 4096), STATE(states_v2), TRANSITIONS, UUID,
	/* Not in the original. */
	{ .name = "expires", .column = COL_EXPIRES, .type = FT_DATE, .flags = F_CREATE | F_UPDATE | F_NULLABLE, .max_len = 255, .filter = FILTER_N },
	{ .name = "lastUsed", .column = COL_LAST_USED, .type = FT_DATE, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_N },
	{ .name = "lastUsedAddress", .column = COL_LAST_ADDRESS, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S },
	{ .name = "madeBy", .column = COL_MADE_BY, .type = FT_REFERENCE, .reference = TYPE(ACCOUNT), .type_text = "reference[account]", .flags = F_NULLABLE,
	  .max_len = 255, .filter = FILTER_V },
	{ .name = "networks", .column = COL_NETWORKS, .type = FT_NETWORKS, .flags = F_CREATE | F_UPDATE | F_NULLABLE },
	{ .name = "pathPrefixes", .column = COL_PATH_PREFIXES, .type = FT_PATHS, .flags = F_CREATE | F_UPDATE | F_NULLABLE },
	{ .name = "projectIds", .column = COL_PROJECT_IDS, .type = FT_REFERENCES, .reference = TYPE(PROJECT), .flags = F_CREATE | F_UPDATE | F_NULLABLE },
	{ .name = "registryIds", .column = COL_REGISTRY_IDS, .type = FT_REFERENCES, .reference = TYPE(REGISTRY), .flags = F_CREATE | F_UPDATE | F_NULLABLE },
	{ .name = "reveal", .column = COL_REVEAL, .type = FT_BOOLEAN, .flags = F_CREATE | F_UPDATE, .filter = FILTER_V, .fallback = "false" },
	{ .name = "role", .column = COL_ROLE, .type = FT_ENUM, .options = key_roles, .flags = F_CREATE | F_UPDATE | F_NULLABLE, .max_len = 255, .filter = FILTER_V },
	{ 0 }
};
static const struct field session_fields[] = {
	ACCOUNT_ID,
	{ .name = "accessKey", .type = FT_STRING, .flags = F_CREATE | F_NULLABLE, .max_len = 255 },
	CREATED,
	{ .name = "expires", .column = COL_EXPIRES, .type = FT_DATE, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_N },
	ID,
	{ .name = "keyId", .column = COL_BY_KEY, .type = FT_REFERENCE, .reference = TYPE(API_KEY), .type_text = "reference[apiKey]", .flags = F_NULLABLE,
	  .max_len = 255, .filter = FILTER_V },
	KIND,
	{ .name = "lastUsed", .column = COL_LAST_USED, .type = FT_DATE, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_N },
	{ .name = "lastUsedAddress", .column = COL_LAST_ADDRESS, .type = FT_STRING, .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_S },
	REMOVED,
	{ .name = "secretKey", .type = FT_STRING, .type_text = "password", .flags = F_CREATE | F_NULLABLE, .max_len = 4096 },
	STATE(states_v2), TRANSITIONS, UUID,
	/* Of a link, which starts the session when it is used, once. */
	{ .name = "link", .type = FT_BOOLEAN, .flags = F_CREATE, .fallback = "false" },
	{ .name = "token", .column = COL_SECRET_VALUE, .type = FT_PASSWORD, .flags = F_CREATE | F_NULLABLE | F_SEALED | F_READ_ON_CREATE, .max_len = 255 },
	{ 0 }
};
static const struct field password_fields[] = {
	ACCOUNT_ID, CREATED, DATA, DESCRIPTION, ID, KIND, NAME, PUBLIC_VALUE(F_CREATE), REGISTRY_HIDDEN, REMOVE_TIME, REMOVED,
	SECRET_VALUE(F_CREATE | F_READ_ON_CREATE, 4096), STATE(states_v2), TRANSITIONS, UUID,
	{ 0 }
};

/* Names are as in the original where it has the same field; rows have no state, and nobody can set fields. */
#define LOGGED_TEXT(field, column_, length) { .name = field, .column = column_, .type = FT_STRING, .flags = F_NULLABLE, .max_len = length, .filter = FILTER_S }
#define LOGGED_INT(field, column_)          { .name = field, .column = column_, .type = FT_INT, .flags = F_NULLABLE, .filter = FILTER_N }
static const struct field audit_log_fields[] = {
	ACCOUNT_ID,
	LOGGED_INT("attempts", COL_ATTEMPTS),
	LOGGED_TEXT("authType", COL_AUTH_TYPE, 255),
	{ .name = "authenticatedAsAccountId", .column = COL_ACTOR_ID, .type = FT_REFERENCE, .reference = TYPE(ACCOUNT), .type_text = "reference[account]",
	  .flags = F_NULLABLE, .max_len = 255, .filter = FILTER_V },
	{ .name = "changes", .column = COL_CHANGES, .type = FT_STRING, .flags = F_NULLABLE },
	LOGGED_TEXT("clientIp", COL_CLIENT_IP, 255),
	CREATED,
	LOGGED_TEXT("eventType", COL_EVENT_TYPE, 255),
	ID,
	{ .name = "keyId", .column = COL_KEY_ID, .type = FT_REFERENCE, .reference = TYPE(API_KEY), .type_text = "reference[apiKey]", .flags = F_NULLABLE,
	  .max_len = 255, .filter = FILTER_V },
	LOGGED_TEXT("proxyUser", COL_PROXY_USER, 255),
	LOGGED_TEXT("publicValue", COL_PUBLIC_VALUE, 255),
	LOGGED_TEXT("requestId", COL_REQUEST_ID, 255),
	LOGGED_TEXT("resourceId", COL_RESOURCE_ID, 255),
	LOGGED_TEXT("resourceType", COL_RESOURCE_TYPE, 255),
	LOGGED_INT("responseCode", COL_RESPONSE_CODE),
	{ 0 }
};

/* The fields of the question are set on create; the rest is the answer. */
#define ASKED(field, length) { .name = field, .type = FT_STRING, .flags = F_CREATE | F_NULLABLE, .min_len = 1, .max_len = length }

const char *const login_reasons[] = {
#define REASON(name, word, chosen, other) word,
#include "model/login_reason.def"
#undef REASON
	NULL
};
static const struct field image_login_fields[] = {
	NOTHING("digest", "string", 0, FILTER_NONE),
	ASKED("image", 1024),
	NOTHING("others", "array[json]", 0, FILTER_NONE),
	NOTHING("publicValue", "string", 0, FILTER_NONE),
	{ .name = "reason", .type = FT_ENUM, .options = login_reasons },
	NOTHING("reasonText", "string", 0, FILTER_NONE),
	NOTHING("registry", "string", 0, FILTER_NONE),
	{ .name = "registryCredentialId", .type = FT_CONSTANT, .type_text = "string", .flags = F_NULLABLE },
	{ .name = "registryId", .type = FT_CONSTANT, .type_text = "string", .flags = F_NULLABLE },
	NOTHING("repository", "string", 0, FILTER_NONE),
	ASKED("serverAddress", 1024),
	NOTHING("tag", "string", 0, FILTER_NONE),
	{ 0 }
};

/* The answer is a file, not a resource. */
static const char *const hand_out_secrets[] = { "present", "previous", NULL };
static const struct field hand_out_fields[] = {
	ASKED("apiVersion", 64),
	{ .name = "format", .type = FT_ENUM, .options = format_names, .flags = F_CREATE | F_REQUIRED },
	ASKED("image", 1024),
	ASKED("name", 253),
	ASKED("namespace", 63),
	ASKED("registryId", 255),
	{ .name = "secret", .type = FT_ENUM, .options = hand_out_secrets, .flags = F_CREATE | F_NULLABLE, .fallback = "\"present\"" },
	ASKED("serverAddress", 1024),
	{ 0 }
};

/* What a registry has besides stands before `transitioning`. */
#define STORAGE_POOL_FIELDS(...) \
	ACCOUNT_ID, \
	NOTHING("agentId", "reference[agent]", 255, FILTER_V), \
	NOTHING("blockDevicePath", "string", 0, FILTER_NONE), \
	CREATED, DATA, DESCRIPTION, \
	NOTHING("driverName", "string", 255, FILTER_S), \
	NOTHING("external", "boolean", 255, FILTER_V), \
	NOTHING("externalId", "string", 128, FILTER_S), \
	ID, KIND, NAME, \
	NOTHING("physicalTotalSizeMb", "int", 255, FILTER_N), \
	REMOVE_TIME, REMOVED, \
	STATE_IN(states_v1, IN_V1), STATE_IN(states_v2, IN_V2), \
	{ .name = "storageDriverId", .type = FT_CONSTANT, .type_text = "reference[storageDriver]", .flags = F_NULLABLE, .filter = FILTER_V, .versions = IN_V2 }, \
	__VA_ARGS__ TRANSITIONS, UUID, \
	NOTHING("virtualTotalSizeMb", "int", 255, FILTER_N), \
	NOTHING("volumeAccessMode", "string", 255, FILTER_S), \
	NOTHING("volumeCapabilities", "array[string]", 0, FILTER_NONE), \
	NOTHING("zoneId", "reference[zone]", 255, FILTER_V)

static const struct field storage_pool_fields[] = {
	STORAGE_POOL_FIELDS(),
	NOTHING_IN("hostIds", "array[reference[host]]", IN_V2),
	NOTHING_IN("volumeIds", "array[reference[volume]]", IN_V2),
	{ 0 }
};
/* tokenHost is set by the first check that succeeds; logins go to no other host until somebody changes it. */
#define TOKEN_HOST { .name = "tokenHost", .column = COL_TOKEN_HOST, .type = FT_STRING, .flags = F_CREATE | F_UPDATE | F_NULLABLE, .min_len = 1, .max_len = 300, .filter = FILTER_S },
static const struct field registry_fields[] = {
	STORAGE_POOL_FIELDS(TOKEN_HOST),
	{ .name = "serverAddress", .column = COL_SERVER_ADDRESS, .type = FT_STRING, .flags = F_CREATE | F_REQUIRED | F_IN_DATA, .min_len = 1, .max_len = 1024 },
	{ 0 }
};

/* No links to types whose rows are not published: images, hosts, volumes and agents of the original. */
const struct resource_type types_table[] = {
	[T_ACCOUNT] = { .id = "account", .plural = "accounts", .default_kind = "user", .family = &family_account, .fields = account_fields, .links = account_links, .actions = account_actions,
	  .flags = TYPE_SELF, .cascades = account_cascades,
	  .unique = COL_EXTERNAL_ID, .unique_error = ERR_NOT_UNIQUE, .unique_field = "externalId" },
	[T_API_KEY] = { .id = "apiKey", .plural = "apiKeys", .kind = "apiKey", .base = "credential", .family = &family_credential, .fields = api_key_fields,
	  .links = credential_links, .actions = credential_actions, .flags = TYPE_API_KEY | TYPE_HASHED,
	  .unique = COL_PUBLIC_VALUE, .unique_error = ERR_NOT_UNIQUE, .unique_field = "publicValue" },
	[T_API_VERSION] = { .id = "apiVersion", .plural = "apiVersions", .fields = no_fields, .flags = TYPE_DOCUMENT },
	[T_AUDIT_LOG] = { .id = "auditLog", .plural = "auditLogs", .family = &family_audit_log, .fields = audit_log_fields, .flags = TYPE_OWN_ROWS | TYPE_NEWEST_FIRST },
	[T_CREDENTIAL] = { .id = "credential", .plural = "credentials", .family = &family_credential, .fields = credential_fields, .links = credential_links,
	  .actions = credential_actions },
	[T_ERROR] = { .id = "error", .plural = "errors", .fields = error_fields, .flags = TYPE_DOCUMENT },
	[T_HAND_OUT] = { .id = "handOut", .plural = "handOuts", .fields = hand_out_fields, .flags = TYPE_QUESTION },
	[T_IMAGE_LOGIN] = { .id = "imageLogin", .plural = "imageLogins", .fields = image_login_fields, .flags = TYPE_QUESTION },
	[T_PASSWORD] = { .id = "password", .plural = "passwords", .kind = "password", .base = "credential", .family = &family_credential, .fields = password_fields,
	  .links = credential_links, .actions = credential_actions, .flags = TYPE_HASHED,
	  .unique = COL_PUBLIC_VALUE, .unique_error = ERR_NOT_UNIQUE, .unique_field = "publicValue" },
	[T_PROJECT] = { .id = "project", .plural = "projects", .kind = "project", .base = "account", .family = &family_account, .fields = project_fields,
	  .links = account_links, .actions = project_actions, .flags = TYPE_PROJECT,
	  .cascades = account_cascades },
	[T_PROJECT_MEMBER] = { .id = "projectMember", .plural = "projectMembers", .family = &family_project_member, .fields = project_member_fields,
	  .links = project_member_links, .actions = project_member_actions, .flags = TYPE_THROUGH_PROJECT },
	[T_PROJECT_TEMPLATE] = { .id = "projectTemplate", .plural = "projectTemplates", .family = &family_project_template, .fields = project_template_fields },
	[T_REGISTRY] = { .id = "registry", .plural = "registries", .kind = "registry", .base = "storagePool", .family = &family_storage_pool, .fields = registry_fields,
	  .links = storage_pool_links, .actions = registry_actions,
	  .unique = COL_SERVER_ADDRESS, .unique_error = ERR_SERVER_ADDRESS_USED, .cascades = storage_pool_cascades },
	[T_REGISTRY_CREDENTIAL] = { .id = "registryCredential", .plural = "registryCredentials", .kind = "registryCredential", .base = "credential", .family = &family_credential,
	  .fields = registry_credential_fields, .links = registry_credential_links, .actions = registry_credential_actions, .flags = TYPE_VERIFIED },
	[T_REGISTRY_TEST_INPUT] = { .id = "registryTestInput", .plural = "registryTestInputs", .fields = registry_test_input_fields, .flags = TYPE_DOCUMENT },
	[T_REGISTRY_TEST_OUTPUT] = { .id = "registryTestOutput", .plural = "registryTestOutputs", .fields = registry_test_output_fields, .flags = TYPE_DOCUMENT },
	[T_SCHEMA] = { .id = "schema", .plural = "schemas", .fields = schema_fields },
	[T_SECRET_VERSION] = { .id = "secretVersion", .plural = "secretVersions", .family = &family_secret_version, .fields = secret_version_fields,
	  .links = secret_version_links, .flags = TYPE_NEWEST_FIRST },
	[T_SESSION] = { .id = "session", .plural = "sessions", .kind = "session", .family = &family_credential, .fields = session_fields,
	  .flags = TYPE_HASHED },
	[T_SET_PROJECT_MEMBERS_INPUT] = { .id = "setProjectMembersInput", .plural = "setProjectMembersInputs", .fields = set_project_members_fields, .flags = TYPE_DOCUMENT },
	[T_STORAGE_POOL] = { .id = "storagePool", .plural = "storagePools", .family = &family_storage_pool, .fields = storage_pool_fields, .links = storage_pool_links,
	  .actions = storage_pool_actions, .cascades = storage_pool_cascades },
	[T__COUNT] = { 0 }
};
/* clang-format on */
