/* auth: the table of permissions, and identities. */
#include "access/sign_in.h"

#include <string.h>
#include <strings.h>

#include "base/log.h"
#include "base/network.h"
#include "access/proxy.h"

#define ROLE(name) (1U << ROLE_##name)
#define EVERY (((1U << ROLE_NONE) - 1) & ~ROLE(REVEAL))
#define IN_PROJECT                                                                                 \
	(ROLE(OWNER) | ROLE(MEMBER) | ROLE(RESTRICTED) | ROLE(PROJECT) | ROLE(PROJECTADMIN))
#define MACHINE (ROLE(SUPERADMIN) | ROLE(SERVICE))
#define OPERATOR                                                                                   \
	(MACHINE | ROLE(ADMIN) |                                                                   \
	 ROLE(READADMIN)) /* see what belongs to operation: data, removeTime */
#define WATCHER (ROLE(READADMIN) | ROLE(READONLY)) /* never change anything */
#define EVERYBODY (EVERY | ROLE(REVEAL) | ROLE(NONE))
#define HANDED                                                                                     \
	(ROLE(SUPERADMIN) | ROLE(ADMIN) | ROLE(USER) | ROLE(OWNER) | ROLE(PROJECT) |               \
	 ROLE(PROJECTADMIN) | ROLE(REVEAL)) /* may be handed logins, if their key may */

/* For a type: what a role may do with it.  For type.field or *.field: what it may do with the
 * field, instead of what the field's flags say.  The last row that fits wins.  A type without a row
 * for a role is not there for it: 404. */
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

	{ EVERY,                          "credential",             "rx" },
	{ ROLE(SERVICE) | ROLE(ADMIN),    "credential",             "crx" },
	{ ROLE(SUPERADMIN),               "credential",             "crudx" },
	{ EVERY,                          "registryCredential",     "rx" },
	{ MACHINE | IN_PROJECT,           "registryCredential",     "crudx" },
	{ EVERY,                          "apiKey",                 "crudx" },
	{ WATCHER,                        "apiKey",                 "rx" },
	{ EVERY,                          "password",               "crudx" },
	{ WATCHER,                        "password",               "rx" },

	{ EVERY,                          "storagePool",            "rx" },
	{ ROLE(SUPERADMIN),               "storagePool",            "crudx" },
	{ EVERY,                          "registry",               "rx" },
	{ MACHINE | IN_PROJECT,           "registry",               "crudx" },

	/* No action is even declared to a readonly member; a readAdmin sees them declared, as in the original. */
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
	{ ROLE(SERVICE),                  "project.name",           "cr" },
	{ ROLE(SERVICE),                  "project.description",    "cr" },
	{ ROLE(SERVICE),                  "project.verification",   "cr" },
	{ EVERY & ~ROLE(SUPERADMIN),      "projectMember.accountId", "" },

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
	{ EVERY & ~ROLE(SUPERADMIN),      "*.storageDriverId",      "" },
};

static const char *const role_names[ROLE__COUNT] = {
	[ROLE_SUPERADMIN] = "superadmin", [ROLE_SERVICE] = "service",       [ROLE_ADMIN] = "admin",
	[ROLE_READADMIN] = "readAdmin",   [ROLE_USER] = "user",             [ROLE_OWNER] = "owner",
	[ROLE_MEMBER] = "member",         [ROLE_RESTRICTED] = "restricted", [ROLE_PROJECT] = "project",
	[ROLE_PROJECTADMIN] = "projectadmin", [ROLE_READONLY] = "readonly", [ROLE_REVEAL] = "reveal", [ROLE_NONE] = "none",
};

/* What an account of a kind is when it acts unscoped; manages: a project of which it is an owner.
 * Others are nobody. */
static const struct { const char *kind; enum role role; bool all_accounts, joins_projects, manages; } kinds[] = {
	{ "superadmin",   ROLE_SUPERADMIN,   true,  false, true },
	{ "service",      ROLE_SERVICE,      true,  false, true },
	{ "admin",        ROLE_ADMIN,        true,  true,  true },
	{ "readAdmin",    ROLE_READADMIN,    true,  true,  false },
	{ "user",         ROLE_USER,         false, true,  true },
	{ "projectadmin", ROLE_PROJECTADMIN, false, true,  true },
	{ "project",      ROLE_PROJECT,      false, false, false },
};
/* clang-format on */

/* Made from the tables by auth_init(), read only afterwards. */
static struct {
	unsigned char types[ROLE__COUNT][TYPES_MAX];
	unsigned char fields[ROLE__COUNT][TYPES_MAX][FIELDS_MAX];
} matrix;

const char *
role_name(enum role role)
{
	return role_names[role];
}

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

/* Identities */

static enum role
role_of_membership(const char *name)
{
	static const enum role roles[] = {ROLE_OWNER, ROLE_MEMBER, ROLE_RESTRICTED, ROLE_READONLY};

	for (size_t i = 0; i < sizeof(roles) / sizeof(*roles); i++)
		if (strcmp(role_names[roles[i]], name) == 0)
			return roles[i];
	return ROLE_NONE;
}

/* Whether it lets its member see the project; an inactive one is there for its owners only. */
static bool
is_joined(const struct membership *m)
{
	enum role role = role_of_membership(m->role);

	return role == ROLE_OWNER || (m->active && role != ROLE_NONE);
}

static bool
owns(const struct membership *m)
{
	return m != NULL && role_of_membership(m->role) == ROLE_OWNER;
}

static const struct membership *
find_membership(const struct identity *id, int64_t project)
{
	for (size_t i = 0; i < id->membership_count; i++)
		if (id->memberships[i].project_id == project)
			return &id->memberships[i];
	return NULL;
}

/* One's own rows, and those of the projects that one belongs to. */
static bool
own_and_joined(struct arena *a, struct identity *id)
{
	int64_t *ids = arena_array(a, id->membership_count + 1, sizeof(*ids));
	size_t count = 0;

	if (ids == NULL)
		return false;
	ids[count++] = id->user_id;
	for (size_t i = 0; i < id->membership_count; i++)
		if (is_joined(&id->memberships[i]))
			ids[count++] = id->memberships[i].project_id;
	id->owners = (struct owners){.ids = ids, .count = count};
	return true;
}

static enum err
identity_of_account(const struct auth *auth, struct arena *a, const struct record *account,
		    struct identity *out, struct error *e)
{
	const char *kind = record_text(account, COL_KIND);
	bool joins = false;

	*out = (struct identity){
		.user_id = record_id(account), .scope_id = record_id(account), .role = ROLE_NONE};
	out->kind = kind != NULL ? kind : "";
	out->name = record_text(account, COL_NAME);
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].kind, out->kind) == 0) {
			out->role = kinds[i].role;
			out->all_accounts = kinds[i].all_accounts;
			joins = kinds[i].joins_projects;
		}
	out->account_role = out->role;
	out->scoped = out->role == ROLE_PROJECT;
	if (joins) {
		struct membership *list = NULL;
		enum store_rc rc = store_memberships(auth->store, a, out->user_id, &list,
						     &out->membership_count);

		if (rc != STORE_OK)
			return store_err(rc, e);
		out->memberships = list;
	}
	if (!own_and_joined(a, out))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	out->owners.all = out->all_accounts;
	return ERR_NONE;
}

/* What a role becomes when it may only look. */
static enum role
only_reading(enum role role, bool scoped)
{
	if (role == ROLE_NONE)
		return ROLE_NONE;
	return !scoped && (OPERATOR & (1U << role)) != 0 ? ROLE_READADMIN : ROLE_READONLY;
}

/* What a role becomes when it may only be handed logins: nothing, if it may not. */
static enum role
only_revealing(enum role role, bool scoped)
{
	(void)scoped;
	return (HANDED & (1U << role)) != 0 ? ROLE_REVEAL : ROLE_NONE;
}

/* Roles of keys: what each makes of the role of its account. */
static const struct key_role {
	const char *name;
	enum role (*of)(enum role role, bool scoped);
} key_roles[] = {
	{"inject", only_revealing}, /* and then auth_may_reveal() says no */
	{"readonly", only_reading},
	{"reveal", only_revealing},
};

/* A role that nobody knows is no role. */
static enum role
narrow(const char *key_role, enum role role, bool scoped)
{
	if (key_role == NULL)
		return role;
	for (size_t i = 0; i < sizeof(key_roles) / sizeof(*key_roles); i++)
		if (strcmp(key_roles[i].name, key_role) == 0)
			return key_roles[i].of(role, scoped);
	return ROLE_NONE;
}

bool
auth_role_within(const char *outer, const char *inner)
{
	return outer == NULL || (inner != NULL && strcmp(outer, inner) == 0);
}

static bool
is_valid(const struct record *key, const struct record *account, const char *client, int64_t now_ms)
{
	const struct value *expires = &key->columns[COL_EXPIRES];
	const char *networks = record_text(key, COL_NETWORKS);

	return record_state(key) == ST_ACTIVE && record_state(account) == ST_ACTIVE &&
	       (expires->type == VALUE_NULL || now_ms < expires->number) &&
	       (networks == NULL || network_list_has(networks, client));
}

/* Notes that the key was used, if that was not noted a moment ago.  A full disk keeps nobody out.
 */
static void
note_use(const struct auth *auth, const struct record *key, const char *client, int64_t now_ms)
{
	const struct value *last = &key->columns[COL_LAST_USED];
	int64_t now = now_ms - now_ms % 1000;

	if (last->type == VALUE_INT && last->number <= now_ms &&
	    now - last->number < AUTH_LAST_USED_MS)
		return;
	store_note_use(auth->store, record_id(key), now - AUTH_LAST_USED_MS, now, client);
}

/* The form of an access key that was made here: anything else that came as one may be a secret in
 * the wrong place. */
static bool
has_form_of_key(const char *access)
{
	size_t len = strspn(access, "0123456789ABCDEF");

	return len == SECRET_ACCESS_KEY_SIZE - 1 && access[len] == '\0';
}

/* For the audit log. */
static void
note_refusal(const struct auth *auth, const char *client, const char *access, const char *user,
	     int64_t now_ms, enum err code)
{
	struct refusal one = {.minute = now_ms / 60000, .count = 1, .status = err_status(code)};

	if (auth->refusals == NULL)
		return;
	(void)stpncpy(one.address, client, sizeof(one.address) - 1);
	if (access != NULL && has_form_of_key(access))
		(void)stpncpy(one.key, access, sizeof(one.key) - 1);
	if (user != NULL && strlen(user) < sizeof(one.user))
		(void)stpncpy(one.user, user, sizeof(one.user) - 1);
	refusals_add(auth->refusals, &one);
}

static enum err
sign_in_failed(const struct auth *auth, const char *client, const char *access, int64_t now_ms,
	       struct error *e)
{
	if (auth->limiter != NULL && limiter_failed(auth->limiter, client, access, now_ms / 1000))
		log_warn("too many failed sign-ins from %.64s: it has to wait", client);
	note_refusal(auth, client, access, NULL, now_ms, ERR_UNAUTHORIZED);
	return err_set(e, ERR_UNAUTHORIZED, NULL, NULL);
}

static enum err
identify_key(const struct auth *auth, struct arena *a, const char *client, int64_t now_ms,
	     const char *access, const char *secret, struct identity *out, struct error *e)
{
	struct record key = {0}, account = {0};
	enum store_rc rc = STORE_NONE;
	unsigned wait_s = 0;

	if (auth->limiter != NULL)
		wait_s = limiter_wait_s(auth->limiter, client, access, now_ms / 1000);
	if (wait_s > 0) {
		e->retry_after_s = wait_s;
		note_refusal(auth, client, access, NULL, now_ms, ERR_TOO_MANY);
		return err_set(e, ERR_TOO_MANY, NULL,
			       "Too many sign-ins from this address have failed.");
	}
	if (http_utf8_valid(access, strlen(access)))
		rc = store_find_key(auth->store, a, access, &key, &account);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	/* The same work whether the key exists or not: nothing tells an unknown key from a wrong
	 * secret. */
	bool right = secret_verify_key(auth->ring, secret,
				       rc == STORE_OK ? &key.columns[COL_SECRET_VALUE] : NULL);
	if (!right || !is_valid(&key, &account, client, now_ms))
		return sign_in_failed(auth, client, access, now_ms, e);
	if (identity_of_account(auth, a, &account, out, e) != ERR_NONE)
		return e->code;
	out->via = "key";
	out->key_id = record_id(&key);
	out->key.role = record_text(&key, COL_ROLE);
	out->key.networks = record_text(&key, COL_NETWORKS);
	out->key.expires_ms = key.columns[COL_EXPIRES].number;
	out->key.registry_ids = record_text(&key, COL_REGISTRY_IDS);
	out->key.path_prefixes = record_text(&key, COL_PATH_PREFIXES);
	out->key.reveal = key.columns[COL_REVEAL].number != 0;
	out->role = narrow(out->key.role, out->account_role, out->scoped);
	note_use(auth, &key, client, now_ms);
	return ERR_NONE;
}

/* Access key and secret from X-API-Key; the secret may hold colons. */
static bool
split_api_key(struct arena *a, const char *header, const char **access, const char **secret)
{
	const char *colon = strchr(header, ':');

	if (colon == NULL)
		return false;
	*access = arena_copy(a, header, (size_t)(colon - header));
	*secret = colon + 1;
	return *access != NULL;
}

static const char *
client_of(const struct request *request)
{
	return request->client != NULL ? request->client : "";
}

/* Open mode is for test rigs: it lets in whoever sits on this machine, nobody else. */
static bool
is_local(const struct request *r)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1", "[::1]", NULL};

	const char *client = client_of(r);

	if (strncmp(client, "127.", 4) != 0 && strcmp(client, "::1") != 0)
		return false;
	/* A page elsewhere can make a browser here ask by a name of its own that leads here. */
	for (const char *const *host = hosts; *host != NULL; host++) {
		size_t len = strlen(*host);

		if (strncasecmp(r->host, *host, len) == 0 &&
		    (r->host[len] == ':' || r->host[len] == '\0'))
			return true;
	}
	return false;
}

static enum err
identify_headers(const struct auth *auth, struct arena *a, const struct request *request,
		 int64_t now_ms, struct identity *out, struct error *e)
{
	const char *access = NULL, *secret = NULL, *other_access = NULL, *other_secret = NULL;
	bool basic = request->authorization != NULL, header = request->api_key != NULL;

	if ((basic && !http_basic_parse(a, request->authorization, &access, &secret)) ||
	    (header && !split_api_key(a, request->api_key, &other_access, &other_secret)) ||
	    (!basic && !header))
		return err_set(e, arena_failed(a) ? ERR_INTERNAL : ERR_UNAUTHORIZED, NULL, NULL);
	if (basic && header &&
	    (!secret_equal(access, other_access) || !secret_equal(secret, other_secret)))
		return err_set(e, ERR_BAD_REQUEST, NULL,
			       "Authorization and X-API-Key name different keys.");
	return identify_key(auth, a, client_of(request), now_ms, basic ? access : other_access,
			    basic ? secret : other_secret, out, e);
}

void
auth_note_denied(const struct auth *auth, struct arena *a, const struct request *request,
		 int64_t now_ms, enum err code)
{
	const char *access = NULL, *secret = NULL;

	if ((request->authorization == NULL ||
	     !http_basic_parse(a, request->authorization, &access, &secret)) &&
	    (request->api_key == NULL || !split_api_key(a, request->api_key, &access, &secret)))
		return;
	note_refusal(auth, client_of(request), access, NULL, now_ms, code);
}

/* Adds what a group gives in a project to the list, which has room; the stronger role counts. */
static enum err
join_project(const struct auth *auth, struct arena *a, const struct group_grant *grant,
	     struct membership *list, size_t *count, struct error *e)
{
	static const struct owners everyone = {.all = true};
	struct record row;
	size_t i = 0;

	while (i < *count && list[i].project_id != grant->project_id)
		i++;
	if (i < *count) {
		if (role_of_membership(grant->role) <= role_of_membership(list[i].role)) {
			list[i].role = grant->role;
			list[i].granted = true;
		}
		return ERR_NONE;
	}
	enum store_rc rc =
		store_get(auth->store, a, &family_account, grant->project_id, &everyone, &row);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	if (rc == STORE_OK && (row.type->flags & TYPE_PROJECT) != 0)
		list[(*count)++] = (struct membership){.project_id = grant->project_id,
						       .role = grant->role,
						       .granted = true,
						       .active = record_state(&row) == ST_ACTIVE};
	return ERR_NONE;
}

/* Memberships by group, for this request alone; nothing is stored. */
static enum err
join_by_groups(const struct auth *auth, struct arena *a, const char *groups, struct identity *id,
	       struct error *e)
{
	struct membership *list =
		arena_array(a, id->membership_count + auth->group_count + 1, sizeof(*list));
	size_t count = id->membership_count;

	if (list == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	if (count > 0)
		memcpy(list, id->memberships, count * sizeof(*list));
	for (size_t i = 0; i < auth->group_count; i++)
		if (auth->groups[i].role != NULL && proxy_in_groups(groups, auth->groups[i].name) &&
		    join_project(auth, a, &auth->groups[i], list, &count, e) != ERR_NONE)
			return e->code;
	id->memberships = list;
	id->membership_count = count;
	if (!own_and_joined(a, id))
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	id->owners.all = id->all_accounts;
	return ERR_NONE;
}

/* Somebody whom the web server signed in.  A key beside that must be one of the same account, and
 * then its rights count: whoever asks with a key means the key. */
static enum err
identify_proxy(const struct auth *auth, struct arena *a, const struct request *request,
	       int64_t now_ms, struct identity *out, struct error *e)
{
	const char *user = request->proxy.user, *groups = request->proxy.groups;
	bool with_key = request->authorization != NULL || request->api_key != NULL;
	struct record account = {.type = &types_table[T_ACCOUNT]};
	struct identity key = {.role = ROLE_NONE};

	if (with_key && identify_headers(auth, a, request, now_ms, &key, e) != ERR_NONE)
		return e->code;
	enum store_rc rc = store_find_proxy_user(auth->store, a, user, &account);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	*out = (struct identity){.role = ROLE_NONE, .proxy_user = user, .via = "proxy"};
	const char *kind = record_text(&account, COL_KIND), *why = NULL;
	if (with_key && (rc == STORE_NONE || key.user_id != record_id(&account)))
		why = "brought the key of another account";
	else if (rc == STORE_NONE)
		why = "has no account";
	else if (record_state(&account) != ST_ACTIVE)
		why = "has an account that is not active";
	else if (kind == NULL || !proxy_may_be(kind))
		why = "has an account that is not for people";
	if (why != NULL) {
		out->proxy_unknown = rc == STORE_NONE && !with_key;
		log_info("the web server signed in \"%s\", who %s", user, why);
		if (!out->proxy_unknown || !auth->proxy_create_users)
			note_refusal(auth, client_of(request), NULL, user, now_ms, ERR_FORBIDDEN);
		return err_set(e, ERR_FORBIDDEN, NULL, NULL);
	}
	if (with_key) {
		*out = key;
	} else {
		account.columns[COL_KIND] =
			value_text(proxy_kind(kind, groups, auth->groups, auth->group_count));
		if (identity_of_account(auth, a, &account, out, e) != ERR_NONE ||
		    join_by_groups(auth, a, groups, out, e) != ERR_NONE)
			return e->code;
		out->via = "proxy";
	}
	out->proxy_user = user;
	return ERR_NONE;
}

enum err
auth_identify(const struct auth *auth, struct arena *a, const struct request *request,
	      int64_t now_ms, struct identity *out, struct error *e)
{
	const struct proxy_claim *claim = &request->proxy;

	if (request->header_repeated)
		return err_set(e, ERR_BAD_REQUEST, NULL, "A header that may come once came twice.");
	if (auth->proxy_token != NULL && (!claim->cgi || auth->proxy_trust_cgi) &&
	    proxy_claimed(claim)) {
		if (proxy_check(claim, auth->proxy_token, e) != ERR_NONE)
			return e->code;
		if (claim->user != NULL)
			return identify_proxy(auth, a, request, now_ms, out, e);
	}
	if (auth->open && is_local(request)) {
		struct record account = {.type = &types_table[T_ACCOUNT]};

		account.columns[COL_ID] = value_int(AUTH_OPEN_ACCOUNT);
		account.columns[COL_KIND] = value_text("admin");
		account.columns[COL_NAME] = value_text("admin");
		enum err rc = identity_of_account(auth, a, &account, out, e);
		out->via = "open";
		return rc;
	}
	return identify_headers(auth, a, request, now_ms, out, e);
}

/* The role in a project of somebody who is not confined to one already; ROLE_NONE for none. */
static enum role
role_in_project(const struct identity *id, int64_t project)
{
	const struct membership *m = find_membership(id, project);

	switch (id->account_role) {
	case ROLE_SUPERADMIN:
	case ROLE_SERVICE:
		return id->account_role;
	case ROLE_ADMIN:
		return ROLE_OWNER;
	case ROLE_READADMIN:
		return ROLE_READONLY;
	case ROLE_PROJECTADMIN: /* reads the secrets of what it owns */
		if (owns(m))
			return ROLE_PROJECTADMIN;
		return m == NULL ? ROLE_NONE : role_of_membership(m->role);
	case ROLE_USER:
		return m == NULL ? ROLE_NONE : role_of_membership(m->role);
	default:
		return ROLE_NONE;
	}
}

enum err
auth_scope(const struct auth *auth, struct arena *a, const char *project, struct identity *id,
	   struct error *e)
{
	static const struct owners everyone = {.all = true};
	struct record row;
	int64_t project_id;

	if (!id_parse(&family_account, project, &project_id))
		return err_set(e, ERR_FORBIDDEN, NULL, NULL);
	if (id->account_role == ROLE_PROJECT)
		return project_id == id->user_id ? ERR_NONE : err_set(e, ERR_FORBIDDEN, NULL, NULL);
	enum role role = role_in_project(id, project_id);
	if (role == ROLE_NONE)
		return err_set(e, ERR_FORBIDDEN, NULL, NULL);
	enum store_rc rc = store_get(auth->store, a, &family_account, project_id, &everyone, &row);
	if (rc != STORE_OK && rc != STORE_NONE)
		return store_err(rc, e);
	if (rc == STORE_NONE || (row.type->flags & TYPE_PROJECT) == 0 ||
	    record_state(&row) != ST_ACTIVE)
		return err_set(e, ERR_FORBIDDEN, NULL, NULL);

	int64_t *ids = arena_array(a, 1, sizeof(*ids));
	if (ids == NULL)
		return err_set(e, ERR_INTERNAL, NULL, NULL);
	*ids = project_id;
	id->owners = (struct owners){.ids = ids, .count = 1};
	id->scope_id = project_id;
	id->role = narrow(id->key.role, role, true);
	id->scoped = true;
	id->all_accounts = false;
	return ERR_NONE;
}

static bool
owns_project(const struct identity *id, int64_t project)
{
	const struct membership *m = find_membership(id, project);

	/* An administrator acts as owner in every project; scoped it has the role itself. */
	if (id->role == ROLE_SUPERADMIN || id->role == ROLE_SERVICE || id->role == ROLE_ADMIN)
		return true;
	return owns(m) || (id->role == ROLE_OWNER && id->scope_id == project);
}

bool
auth_owns_by_row(const struct identity *id, int64_t project)
{
	const struct membership *m = find_membership(id, project);

	return id->account_role != ROLE_ADMIN && owns(m) && !m->granted;
}

bool
auth_may_own(const char *kind)
{
	for (size_t i = 0; kind != NULL && i < sizeof(kinds) / sizeof(*kinds); i++)
		if (strcmp(kinds[i].kind, kind) == 0)
			return kinds[i].manages;
	return false;
}

bool
auth_may_name(enum role role, const char *kind)
{
	return role == ROLE_SUPERADMIN || kind == NULL || strcmp(kind, "superadmin") != 0;
}

bool
auth_may_open(const struct identity *id, const struct record *row)
{
	int64_t owner = row->columns[row->type->family->owner].number;

	return id->scoped || id->all_accounts || owner == id->user_id ||
	       owns(find_membership(id, owner));
}

bool
auth_may_reveal(const struct identity *id)
{
	return auth_may_inject(id) && !auth_is_inject_only(id->key.role);
}

bool
auth_may_inject(const struct identity *id)
{
	return (HANDED & (1U << id->role)) != 0 && (id->key_id == 0 || id->key.reveal);
}

bool
auth_is_inject_only(const char *key_role)
{
	return key_role != NULL && strcmp(key_role, "inject") == 0;
}

bool
auth_may_grant(const struct identity *id)
{
	/* A project's key speaks for nobody: it gives on what it was given. */
	return (HANDED & (1U << id->role)) != 0 &&
	       (id->account_role != ROLE_PROJECT || id->key.reveal);
}

bool
auth_may_hand_out(const struct identity *id, const struct record *row)
{
	int64_t owner = row->columns[row->type->family->owner].number;

	return id->scoped || owner == id->user_id || owns(find_membership(id, owner));
}

bool
auth_list_has_id(const char *list, const struct family *family, int64_t id)
{
	char one[LIST_ITEM_SIZE];
	int64_t other;

	if (list == NULL)
		return true;
	while (list_next(&list, one))
		if (id_parse(family, one, &other) && other == id)
			return true;
	return false;
}

bool
auth_may_manage(const struct identity *id, const struct record *row)
{
	int64_t owner = row->columns[row->type->family->owner].number;

	if ((WATCHER & (1U << id->role)) != 0 || (row->type->flags & TYPE_THROUGH_PROJECT) != 0)
		return false;
	if ((row->type->flags & TYPE_PROJECT) != 0)
		return owns_project(id, record_id(row));
	if ((row->type->flags & TYPE_SELF) != 0)
		return ((MACHINE | ROLE(ADMIN)) & (1U << id->role)) != 0 &&
		       auth_may_name(id->role, record_text(row, COL_KIND));
	if (id->scoped || id->all_accounts || owner == id->user_id)
		return true;
	const struct membership *m = find_membership(id, owner);
	return m != NULL && m->active && is_joined(m) &&
	       role_of_membership(m->role) != ROLE_READONLY;
}
