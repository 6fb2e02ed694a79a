/* permissions: what a role may do with a type and each of its fields, as one table. */
#include "access/permissions.h"

#include <string.h>

#include "model/schema.h"

#define EVERY (((1U << ROLE_NONE) - 1) & ~ROLE(REVEAL))
#define IN_PROJECT                                                                                 \
	(ROLE(OWNER) | ROLE(MEMBER) | ROLE(RESTRICTED) | ROLE(PROJECT) | ROLE(PROJECTADMIN))
#define EVERYBODY (EVERY | ROLE(REVEAL) | ROLE(NONE))

/* The letters of a permission:
 *
 *   c  create: POST to the collection; a field in it
 *   r  read
 *   u  update: PUT
 *   d  delete
 *   x  actions
 *   o  a field is shown in the answer to the create, and never again
 *   s  the secret of a row may be opened in any answer
 *
 * For a type: what a role may do with it.  For type.field or *.field: what it may do with the
 * field, instead of what the field's flags say.  The last matching row wins.  A type without a row
 * for a role does not exist for it: 404. */
/* clang-format off */
static const struct permission { unsigned roles; const char *what; const char *letters; } permissions[] = {
	{ EVERYBODY,                      "schema",                 "r" },
	{ EVERYBODY,                      "apiVersion",             "r" },
	{ EVERYBODY,                      "error",                  "r" },
	{ EVERY,                          "setProjectMembersInput", "r" },
	{ EVERY | ROLE(REVEAL),           "imageLogin",             "cr" },
	{ HANDED,                         "handOut",                "cr" },
	{ EVERY,                          "registryTestInput",      "r" },
	{ EVERY,                          "registryTestOutput",     "r" },

	{ ROLE(SUPERADMIN) | ROLE(ADMIN) | ROLE(READADMIN),      "auditLog", "r" },
	{ ROLE(OWNER) | ROLE(PROJECT) | ROLE(PROJECTADMIN),      "auditLog", "r" },
	{ EVERY,                          "account",                "rx" },
	{ MACHINE | ROLE(ADMIN),          "account",                "crudx" },
	{ EVERY,                          "project",                "rx" },
	{ ROLE(SUPERADMIN) | ROLE(ADMIN) | ROLE(USER), "project",   "crudx" },
	{ ROLE(SERVICE),                  "project",                "crx" },
	{ EVERY,                          "projectMember",          "rx" },
	{ EVERY,                          "projectTemplate",        "r" },

	{ EVERY,                          "credential",             "rx" },
	{ ROLE(SERVICE) | ROLE(ADMIN),    "credential",             "crx" },
	{ ROLE(SUPERADMIN),               "credential",             "crudx" },
	{ EVERY,                          "secretVersion",          "r" },
	{ EVERY,                          "registryCredential",     "rx" },
	{ MACHINE | IN_PROJECT,           "registryCredential",     "crudx" },
	{ EVERY,                          "apiKey",                 "crudx" },
	{ WATCHER,                        "apiKey",                 "rx" },
	{ EVERY,                          "password",               "crudx" },
	{ WATCHER,                        "password",               "rx" },

	{ EVERY,                          "session",                "crd" },

	{ EVERY,                          "storagePool",            "rx" },
	{ ROLE(SUPERADMIN),               "storagePool",            "crudx" },
	{ EVERY,                          "registry",               "rx" },
	{ MACHINE | IN_PROJECT,           "registry",               "crudx" },

	/* For a readonly member no action is declared at all; for a readAdmin they are, as in the original. */
	{ ROLE(READONLY),                 "account",                "r" },
	{ ROLE(READONLY),                 "project",                "r" },
	{ ROLE(READONLY),                 "projectMember",          "r" },
	{ ROLE(READONLY),                 "credential",             "r" },
	{ ROLE(READONLY),                 "registryCredential",     "r" },
	{ ROLE(READONLY),                 "apiKey",                 "r" },
	{ ROLE(READONLY),                 "password",               "r" },
	{ ROLE(READONLY),                 "storagePool",            "r" },
	{ ROLE(READONLY),                 "registry",               "r" },

	{ EVERY & ~OPERATOR,              "*.data",                 "" },
	{ EVERY & ~OPERATOR,              "*.removeTime",           "" },
	{ ROLE(SUPERADMIN),               "*.uuid",                 "cr" },
	{ ROLE(SERVICE),                  "registryCredential.uuid", "cr" },
	{ ROLE(SERVICE),                  "registry.uuid",          "cr" },
	{ MACHINE | ROLE(ADMIN),          "account.uuid",           "cr" },
	{ MACHINE | ROLE(ADMIN),          "project.uuid",           "cr" },

	{ MACHINE | ROLE(ADMIN),          "account.kind",           "cru" },
	{ EVERY & ~OPERATOR,              "account.externalId",     "" },
	{ EVERY & ~OPERATOR,              "account.externalIdType", "" },
	{ EVERY & ~OPERATOR,              "account.identity",       "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "project.externalId",     "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "project.externalIdType", "" },
	{ EVERY & ~OPERATOR,              "project.allowSystemRole", "" },
	{ EVERY & ~OPERATOR,              "project.projectLinks",   "" },
	{ ROLE(SERVICE),                  "project.name",           "cr" },
	{ ROLE(SERVICE),                  "project.description",    "cr" },
	{ ROLE(SERVICE),                  "project.expiryWarnings", "cr" },
	{ ROLE(SERVICE),                  "project.verification",   "cr" },
	{ EVERY & ~ROLE(SUPERADMIN),      "projectMember.accountId", "" },

	{ EVERYBODY,                      "secretVersion.secretValue", "" },
	{ MACHINE,                        "registryCredential.accountId", "cr" },
	{ ROLE(SUPERADMIN) | ROLE(PROJECTADMIN), "registryCredential.secretValue", "crus" },
	{ MACHINE | ROLE(ADMIN),          "credential.publicValue", "cr" },
	{ MACHINE | ROLE(ADMIN),          "credential.secretValue", "cr" },
	{ MACHINE | ROLE(ADMIN),          "apiKey.accountId",       "cr" },
	{ MACHINE | ROLE(ADMIN),          "apiKey.publicValue",     "cr" },
	{ MACHINE | ROLE(ADMIN),          "apiKey.secretValue",     "cro" },
	{ MACHINE | ROLE(ADMIN),          "password.accountId",     "cr" },
	{ EVERY & ~ROLE(SUPERADMIN),      "credential.registryId",  "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "apiKey.registryId",      "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "password.registryId",    "" },

	{ MACHINE,                        "registry.accountId",     "cr" },
	{ EVERY & ~ROLE(SUPERADMIN),      "*.agentId",              "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "*.external",             "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "*.physicalTotalSizeMb",  "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "*.virtualTotalSizeMb",   "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "*.zoneId",               "" },
	{ EVERY & ~ROLE(SUPERADMIN),      "registry.storageDriverId", "" },
};

const char *const role_names[ROLE__COUNT] = {
	[ROLE_SUPERADMIN] = "superadmin", [ROLE_SERVICE] = "service",       [ROLE_ADMIN] = "admin",
	[ROLE_READADMIN] = "readAdmin",   [ROLE_USER] = "user",             [ROLE_OWNER] = "owner",
	[ROLE_MEMBER] = "member",         [ROLE_RESTRICTED] = "restricted", [ROLE_PROJECT] = "project",
	[ROLE_PROJECTADMIN] = "projectadmin", [ROLE_READONLY] = "readonly", [ROLE_REVEAL] = "reveal", [ROLE_NONE] = "none",
};

const struct account_kind account_kinds[] = {
	{ "superadmin",   ROLE_SUPERADMIN,   true,  false, true },
	{ "service",      ROLE_SERVICE,      true,  false, true },
	{ "admin",        ROLE_ADMIN,        true,  true,  true },
	{ "readAdmin",    ROLE_READADMIN,    true,  true,  false },
	{ "user",         ROLE_USER,         false, true,  true },
	{ "projectadmin", ROLE_PROJECTADMIN, false, true,  true },
	{ "project",      ROLE_PROJECT,      false, false, false },
	{ 0 },
};

/* Built from the tables by auth_init(), read-only afterwards. */
static struct {
	unsigned char types[ROLE__COUNT][TYPES_MAX];
	unsigned char fields[ROLE__COUNT][TYPES_MAX][FIELDS_MAX];
} matrix;

static unsigned
letters_parse(const char *letters)
{
	static const char all[] = "crudosx";
	unsigned may = 0;

	for (; *letters != '\0'; letters++)
		may |= 1U << (strchr(all, *letters) - all);
	return may;
}

static unsigned
letters_of_flags(const struct field *field)
{
	return MAY_READ | ((field->flags & F_CREATE) != 0 ? MAY_CREATE : 0U) |
	       ((field->flags & F_UPDATE) != 0 ? MAY_UPDATE : 0U) |
	       ((field->flags & F_READ_ON_CREATE) != 0 ? MAY_READ_ON_CREATE : 0U);
}

/* True if "type.field" or "*.field" names this field. */
static bool
names_field(const char *what, const struct resource_type *type, const struct field *field)
{
	const char *dot = strchr(what, '.');

	if (dot == NULL || strcmp(dot + 1, field->name) != 0)
		return false;
	size_t len = (size_t)(dot - what);
	return strncmp(what, "*.", 2) == 0 ||
	       (len == strlen(type->id) && strncmp(what, type->id, len) == 0);
}

static bool
apply_to_fields(const struct permission *p, const struct resource_type *type)
{
	bool found = false;

	for (const struct field *f = type->fields; f->name != NULL; f++) {
		if (!names_field(p->what, type, f))
			continue;
		found = true;
		for (unsigned r = 0; r < ROLE__COUNT; r++)
			if ((p->roles & (1U << r)) != 0)
				matrix.fields[r][type_index(type)][field_index(type, f)] =
					(unsigned char)letters_parse(p->letters);
	}
	return found;
}

static bool
apply(const struct permission *p)
{
	const struct resource_type *type = strchr(p->what, '.') == NULL ? type_find(p->what) : NULL;
	bool found = type != NULL;

	for (unsigned r = 0; type != NULL && r < ROLE__COUNT; r++)
		if ((p->roles & (1U << r)) != 0)
			matrix.types[r][type_index(type)] =
				(unsigned char)letters_parse(p->letters);
	for (const struct resource_type *t = types_table; type == NULL && t->id != NULL; t++)
		found = apply_to_fields(p, t) || found;
	return found;
}

const char *
auth_init(void)
{
	memset(&matrix, 0, sizeof(matrix));
	for (const struct resource_type *t = types_table; t->id != NULL; t++)
		for (const struct field *f = t->fields; f->name != NULL; f++)
			for (unsigned r = 0; r < ROLE__COUNT; r++)
				matrix.fields[r][type_index(t)][field_index(t, f)] =
					(unsigned char)letters_of_flags(f);
	for (size_t i = 0; i < sizeof(permissions) / sizeof(*permissions); i++)
		if (!apply(&permissions[i]))
			return "a row of the table of permissions names a type or field that does "
			       "not exist";
	for (unsigned r = 0; r < ROLE__COUNT; r++)
		if ((WATCHER & (1U << r)) != 0)
			for (size_t t = 0; t < T__COUNT; t++)
				for (size_t f = 0; f < FIELDS_MAX; f++)
					if ((types_table[t].flags & TYPE_QUESTION) == 0)
						matrix.fields[r][t][f] &=
							(unsigned char)~(MAY_CREATE | MAY_UPDATE);
	return NULL;
}

unsigned
auth_type(enum role role, const struct resource_type *type)
{
	return matrix.types[role][type_index(type)];
}

unsigned
auth_field(enum role role, const struct resource_type *type, const struct field *field)
{
	return matrix.fields[role][type_index(type)][field_index(type, field)];
}
