/* check_auth: roles against types and fields, and who a request is from
 * (section 9). */
#include <check.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "access/refusals.h"
#include "access/rights.h"
#include "access/sign_in.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/settings.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/seal.h"
#include "shared/limiter.h"

#include "support/support.h"

static struct rig rig;
static struct error e;

static void
setup_tables(void)
{
	ck_assert_pstr_eq(auth_init(), NULL);
}

static void
setup(void)
{
	rig_open(&rig);
	e = (struct error){0};
}

static void
teardown(void)
{
	rig_close(&rig);
}

static void
nothing(void)
{
}

START_TEST(the_table_of_permissions_names_only_what_is_there)
{
	ck_assert_pstr_eq(auth_init(), NULL);
	ck_assert_pstr_eq(auth_init(), NULL); /* a second time changes nothing */
	ck_assert_uint_eq(auth_type(ROLE_PROJECT, &types_table[T_REGISTRY]),
			  MAY_CREATE | MAY_READ | MAY_UPDATE | MAY_DELETE | MAY_ACT);
}
END_TEST

/* A type that is not there. */
static const char *missing_type;

const struct resource_type *__real_type_find(const char *id);
const struct resource_type *__wrap_type_find(const char *id);

const struct resource_type *
__wrap_type_find(const char *id)
{
	return missing_type != NULL && strcmp(id, missing_type) == 0 ? NULL : __real_type_find(id);
}

START_TEST(a_table_of_permissions_that_names_something_else_is_told)
{
	missing_type = "registry";
	ck_assert_ptr_nonnull(strstr(auth_init(), "does not exist"));
	missing_type = NULL;
	ck_assert_pstr_eq(auth_init(), NULL);
}
END_TEST

/* Who is it? */

static const char *
basic(const char *user, const char *password)
{
	const char *pair = arena_printf(rig.arena, "%s:%s", user, password);
	size_t room = sodium_base64_ENCODED_LEN(strlen(pair), sodium_base64_VARIANT_ORIGINAL);
	char *text = arena_alloc(rig.arena, room);

	sodium_bin2base64(text, room, (const unsigned char *)pair, strlen(pair),
			  sodium_base64_VARIANT_ORIGINAL);
	return arena_printf(rig.arena, "Basic %s", text);
}

static enum err
identify(const struct request *request, bool open, struct identity *id)
{
	const struct auth auth = {.store = rig.store, .ring = rig.ring, .open = open};

	return auth_identify(&auth, rig.arena, request, RIG_NOW, id, &e);
}

/* Authorization and X-API-Key as user and secret; "RAW text" stands for the whole header. */
static const struct {
	const char *user, *secret; /* Basic; user NULL: no header */
	const char *key;
	enum err err;
	int64_t account;
} logins[] = {
	{"owner", "secret of owner", NULL, ERR_NONE, PERSON_OWNER},
	{NULL, NULL, "owner:secret of owner", ERR_NONE, PERSON_OWNER},
	{"owner", "secret of owner", "owner:secret of owner", ERR_NONE, PERSON_OWNER},
	{"default", "secret of default", NULL, ERR_NONE, PROJECT_DEFAULT},
	{"agent", "secret of agent", NULL, ERR_NONE, PERSON_AGENT},

	{"owner", "secret of owner", "member:secret of member", ERR_BAD_REQUEST, 0},
	{"owner", "secret of owner", "owner:secret of member", ERR_BAD_REQUEST, 0},
	{"owner", "secret of owner", "owner:", ERR_BAD_REQUEST, 0},
	{"owner", "wrong", "owner:secret of owner", ERR_BAD_REQUEST, 0},
	{"owner", "wrong", "owner:wrong", ERR_UNAUTHORIZED, 0},
	{"owner", "secret of owner", "nonsense", ERR_UNAUTHORIZED, 0},
	{"owner", "secret of owner", "", ERR_UNAUTHORIZED, 0},

	{NULL, NULL, NULL, ERR_UNAUTHORIZED, 0},
	{"", "", NULL, ERR_UNAUTHORIZED, 0},
	{"owner", "", NULL, ERR_UNAUTHORIZED, 0},
	{"owner", "wrong", NULL, ERR_UNAUTHORIZED, 0},
	{"owner", "secret of member", NULL, ERR_UNAUTHORIZED, 0},
	{"owner", "secret of owner ", NULL, ERR_UNAUTHORIZED, 0},
	{"owner", "Secret of owner", NULL, ERR_UNAUTHORIZED, 0},
	{"Owner", "secret of owner", NULL, ERR_UNAUTHORIZED, 0},
	{"owner ", "secret of owner", NULL, ERR_UNAUTHORIZED, 0},
	{"nobody", "secret of owner", NULL, ERR_UNAUTHORIZED, 0},
	{"own%", "secret of owner", NULL, ERR_UNAUTHORIZED, 0},
	{"' OR 1=1 --", "x", NULL, ERR_UNAUTHORIZED, 0},
	{"owner\xff", "secret of owner", NULL, ERR_UNAUTHORIZED, 0},
	{NULL, NULL, "", ERR_UNAUTHORIZED, 0},
	{NULL, NULL, ":", ERR_UNAUTHORIZED, 0},
	{NULL, NULL, "owner", ERR_UNAUTHORIZED, 0},
	{NULL, NULL, "owner:wrong", ERR_UNAUTHORIZED, 0},
	{NULL, NULL, " owner:secret of owner", ERR_UNAUTHORIZED, 0},
	{"RAW Basic", NULL, NULL, ERR_UNAUTHORIZED, 0},
	{"RAW Basic !!!", NULL, NULL, ERR_UNAUTHORIZED, 0},
	{"RAW Bearer b3duZXI6c2VjcmV0IG9mIG93bmVy", NULL, NULL, ERR_UNAUTHORIZED, 0},
	{"RAW ", NULL, NULL, ERR_UNAUTHORIZED, 0},
	{"RAW Bearer x", NULL, "owner:secret of owner", ERR_UNAUTHORIZED, 0},

	/* The account is not active. */
	{"left", "secret of left", NULL, ERR_UNAUTHORIZED, 0},
	{"asleep", "secret of asleep", NULL, ERR_UNAUTHORIZED, 0},
	{"gone", "secret of gone", NULL, ERR_UNAUTHORIZED, 0},
};

START_TEST(a_request_is_from_whom_its_key_says_or_from_nobody)
{
	const char *user = logins[_i].user;
	struct request request = {.api_key = logins[_i].key, .client = "127.0.0.1"};
	struct identity id = {0};

	if (user != NULL)
		request.authorization =
			strncmp(user, "RAW ", 4) == 0 ? user + 4 : basic(user, logins[_i].secret);
	ck_assert_int_eq(identify(&request, false, &id), logins[_i].err);
	ck_assert_int_eq(id.user_id, logins[_i].account);
	ck_assert_int_eq(e.code, logins[_i].err);
	/* Nothing says which part was wrong. */
	if (logins[_i].err == ERR_UNAUTHORIZED)
		ck_assert(e.field == NULL && strcmp(e.detail, err_detail(e.code)) == 0);
}
END_TEST

/* A key in each state: only an active one opens the door. */
START_TEST(only_an_active_key_of_an_active_account_is_accepted)
{
	const char *state = state_name((enum state)_i);
	const struct request request = {.api_key = person_key(rig.arena, PERSON_OWNER)};
	struct identity id;

	rig_exec(&rig, arena_printf(rig.arena,
				    "UPDATE credential SET state = '%s' WHERE public_value = "
				    "'owner'",
				    state));
	ck_assert_int_eq(identify(&request, false, &id),
			 _i == ST_ACTIVE ? ERR_NONE : ERR_UNAUTHORIZED);
	rig_exec(&rig, arena_printf(rig.arena,
				    "UPDATE credential SET state = 'active';"
				    "UPDATE account SET state = '%s' WHERE id = 7",
				    state));
	ck_assert_int_eq(identify(&request, false, &id),
			 _i == ST_ACTIVE ? ERR_NONE : ERR_UNAUTHORIZED);
}
END_TEST

START_TEST(a_header_that_came_twice_is_refused)
{
	const struct request request = {.api_key = person_key(rig.arena, PERSON_OWNER),
					.header_repeated = true};
	struct identity id;

	ck_assert_int_eq(identify(&request, false, &id), ERR_BAD_REQUEST);
	ck_assert_ptr_nonnull(e.detail);
	ck_assert_int_eq(identify(&request, true, &id), ERR_BAD_REQUEST);
}
END_TEST

START_TEST(a_secret_may_hold_colons)
{
	struct identity id;
	struct value hash;
	struct request request = {.api_key = "colons:a:b::c"};
	struct record key = {.type = &types_table[T_API_KEY]};

	key.columns[COL_UUID] = value_text("u");
	key.columns[COL_KIND] = value_text("apiKey");
	key.columns[COL_ACCOUNT_ID] = value_int(PERSON_MEMBER);
	key.columns[COL_STATE] = value_text("active");
	key.columns[COL_PUBLIC_VALUE] = value_text("colons");
	const struct seal_place place = seal_place_of(&key);
	ck_assert(secret_hash(rig.ring, rig.arena, &place, "a:b::c", &hash));
	key.columns[COL_SECRET_VALUE] = hash;
	rig_insert(&rig, &key);
	ck_assert_int_eq(identify(&request, false, &id), ERR_NONE);
	ck_assert_int_eq(id.user_id, PERSON_MEMBER);
	request = (struct request){.authorization = basic("colons", "a:b::c")};
	ck_assert_int_eq(identify(&request, false, &id), ERR_NONE);
}
END_TEST

/* Open mode is for whoever sits on the machine itself and asks it by its own name. */
static const struct {
	const char *client, *host;
	bool let_in;
} clients[] = {
	{"127.0.0.1", "127.0.0.1", true},
	{"127.8.9.10", "127.0.0.1:8080", true},
	{"::1", "[::1]:8080", true},
	{"127.0.0.1", "localhost", true},
	{"127.0.0.1", "LocalHost:8080", true},
	{"10.1.2.3", "localhost", false},
	{"1127.0.0.1", "localhost", false},
	{"128.0.0.1", "localhost", false},
	{"::2", "localhost", false},
	{"::11", "localhost", false},
	{"fe80::1", "localhost", false},
	{"127", "localhost", false},
	{"", "localhost", false},
	{"127.0.0.1", "", false},
	{"127.0.0.1", "evil.example.test", false},
	{"127.0.0.1", "localhost.example.test", false},
	{"127.0.0.1", "127.0.0.1.example.test", false},
	{"127.0.0.1", "notlocalhost", false},
	{"::1", "[::1", false},
};

START_TEST(open_mode_lets_in_the_machine_itself_alone)
{
	const struct request request = {.client = clients[_i].client, .host = clients[_i].host};
	struct identity id = {0};

	ck_assert_int_eq(identify(&request, true, &id),
			 clients[_i].let_in ? ERR_NONE : ERR_UNAUTHORIZED);
	ck_assert_int_eq(id.user_id, clients[_i].let_in ? AUTH_OPEN_ACCOUNT : 0);
	if (clients[_i].let_in)
		ck_assert_int_eq(id.role, ROLE_ADMIN);
	ck_assert_int_eq(identify(&request, false, &id), ERR_UNAUTHORIZED);
}
END_TEST

/* Roles by the kind of the account (9.2), and whose rows it sees: ids of accounts. */
/* clang-format off */
static const struct { enum person person; enum role role; bool scoped, all; const char *owners; } roles[] = {
	{PERSON_SUPERADMIN, ROLE_SUPERADMIN, false, true, "3"},
	{PERSON_SERVICE, ROLE_SERVICE, false, true, "11"},
	{PERSON_ADMIN, ROLE_ADMIN, false, true, "1 5"},
	{PERSON_READADMIN, ROLE_READADMIN, false, true, "12"},
	/* An inactive project is there for its owners alone. */
	{PERSON_OWNER, ROLE_USER, false, false, "7 5 16 17"},
	{PERSON_MEMBER, ROLE_USER, false, false, "8 5"},
	{PERSON_RESTRICTED, ROLE_USER, false, false, "9 5"},
	{PERSON_READONLY, ROLE_USER, false, false, "10 5"},
	{PERSON_STRANGER, ROLE_USER, false, false, "15"},
	{PERSON_PROJECTADMIN, ROLE_PROJECTADMIN, false, false, "13 5 6"},
	{PROJECT_DEFAULT, ROLE_PROJECT, true, false, "5"},
	{PROJECT_OTHER, ROLE_PROJECT, true, false, "6"},
	{PERSON_AGENT, ROLE_NONE, false, false, "14"},
	{PERSON_TOKEN, ROLE_NONE, false, false, "4"},
	{PERSON_SYSTEM, ROLE_NONE, false, false, "2"},
};
/* clang-format on */

static const char *
show_owners(const struct owners *owners)
{
	const char *text = "";

	for (size_t i = 0; i < owners->count; i++)
		text = arena_printf(rig.arena, "%s%s%lld", text, i > 0 ? " " : "",
				    (long long)owners->ids[i]);
	return text;
}

START_TEST(an_account_has_the_role_of_its_kind)
{
	struct identity id = rig_identity(&rig, roles[_i].person);

	ck_assert_int_eq(id.role, roles[_i].role);
	ck_assert_int_eq(id.user_id, roles[_i].person);
	ck_assert_int_eq(id.scope_id, roles[_i].person);
	ck_assert(id.scoped == roles[_i].scoped);
	ck_assert(id.all_accounts == roles[_i].all);
	ck_assert(id.owners.all == roles[_i].all);
	ck_assert_str_eq(show_owners(&id.owners), roles[_i].owners);
}
END_TEST

/* Scope: the role in the project, or 403. */
/* clang-format off */
static const struct { enum person person; const char *project; enum err err; enum role role; } scopes[] = {
	{PERSON_SUPERADMIN, "1a5", ERR_NONE, ROLE_SUPERADMIN},
	{PERSON_SUPERADMIN, "1a6", ERR_NONE, ROLE_SUPERADMIN},
	{PERSON_SERVICE, "1a5", ERR_NONE, ROLE_SERVICE},
	{PERSON_ADMIN, "1a5", ERR_NONE, ROLE_OWNER},
	{PERSON_ADMIN, "1a6", ERR_NONE, ROLE_OWNER},
	{PERSON_READADMIN, "1a5", ERR_NONE, ROLE_READONLY},
	{PERSON_READADMIN, "1a6", ERR_NONE, ROLE_READONLY},
	{PERSON_OWNER, "1a5", ERR_NONE, ROLE_OWNER},
	{PERSON_MEMBER, "1a5", ERR_NONE, ROLE_MEMBER},
	{PERSON_RESTRICTED, "1a5", ERR_NONE, ROLE_RESTRICTED},
	{PERSON_READONLY, "1a5", ERR_NONE, ROLE_READONLY},
	/* Secrets are read by an owner alone. */
	{PERSON_PROJECTADMIN, "1a5", ERR_NONE, ROLE_PROJECTADMIN},
	{PERSON_PROJECTADMIN, "1a6", ERR_NONE, ROLE_MEMBER},
	{PROJECT_DEFAULT, "1a5", ERR_NONE, ROLE_PROJECT},
	/* Not a member. */
	{PERSON_OWNER, "1a6", ERR_FORBIDDEN, ROLE_USER},
	{PERSON_STRANGER, "1a5", ERR_FORBIDDEN, ROLE_USER},
	{PERSON_PROJECTADMIN, "1a16", ERR_FORBIDDEN, ROLE_PROJECTADMIN},
	{PROJECT_DEFAULT, "1a6", ERR_FORBIDDEN, ROLE_PROJECT},
	{PROJECT_OTHER, "1a5", ERR_FORBIDDEN, ROLE_PROJECT},
	{PERSON_AGENT, "1a5", ERR_FORBIDDEN, ROLE_NONE},
	{PERSON_TOKEN, "1a5", ERR_FORBIDDEN, ROLE_NONE},
	/* Inactive, removed, missing, no project at all: the same answer. */
	{PERSON_ADMIN, "1a16", ERR_FORBIDDEN, ROLE_ADMIN},
	{PERSON_OWNER, "1a16", ERR_FORBIDDEN, ROLE_USER},
	{PERSON_MEMBER, "1a16", ERR_FORBIDDEN, ROLE_USER},
	{PERSON_SUPERADMIN, "1a16", ERR_FORBIDDEN, ROLE_SUPERADMIN},
	{PERSON_ADMIN, "1a17", ERR_FORBIDDEN, ROLE_ADMIN},
	{PERSON_OWNER, "1a17", ERR_FORBIDDEN, ROLE_USER},
	{PERSON_ADMIN, "1a999", ERR_FORBIDDEN, ROLE_ADMIN},
	{PERSON_ADMIN, "1a1", ERR_FORBIDDEN, ROLE_ADMIN},
	{PERSON_OWNER, "1a7", ERR_FORBIDDEN, ROLE_USER},
	{PERSON_ADMIN, "", ERR_FORBIDDEN, ROLE_ADMIN},
	{PERSON_ADMIN, "5", ERR_FORBIDDEN, ROLE_ADMIN},
	{PERSON_ADMIN, "1A5", ERR_FORBIDDEN, ROLE_ADMIN},
	{PERSON_ADMIN, "1c5", ERR_FORBIDDEN, ROLE_ADMIN},
	{PERSON_ADMIN, "default", ERR_FORBIDDEN, ROLE_ADMIN},
	{PROJECT_DEFAULT, "1a05", ERR_FORBIDDEN, ROLE_PROJECT},
};
/* clang-format on */

START_TEST(a_project_gives_the_role_of_the_membership_or_403)
{
	const struct auth auth = {.store = rig.store, .ring = rig.ring};
	struct identity id = rig_identity(&rig, scopes[_i].person), before = id;
	enum err rc = auth_scope(&auth, rig.arena, scopes[_i].project, &id, &e);

	ck_assert_int_eq(rc, scopes[_i].err);
	ck_assert_int_eq(id.role, scopes[_i].role);
	ck_assert_int_eq(id.user_id, scopes[_i].person);
	if (rc != ERR_NONE) {
		ck_assert_int_eq(e.code, rc);
		ck_assert(id.scoped == before.scoped && id.scope_id == before.scope_id &&
			  id.all_accounts == before.all_accounts);
		return;
	}
	ck_assert(id.scoped && !id.all_accounts && !id.owners.all);
	ck_assert_str_eq(arena_printf(rig.arena, "1a%lld", (long long)id.scope_id),
			 scopes[_i].project);
	ck_assert_str_eq(show_owners(&id.owners), scopes[_i].project + 2);
}
END_TEST

/* Who may change a row, besides what the role may: a registry of the first project, that project,
 * an account, a member. */
enum row_of { A_REGISTRY, OTHERS_REGISTRY, THE_PROJECT, OTHERS_PROJECT, AN_ACCOUNT, A_MEMBER };

static const struct {
	enum person person;
	bool scoped; /* to the first project */
	bool may[6];
} managers[] = {
	{PERSON_SUPERADMIN, false, {true, true, true, true, true, false}},
	{PERSON_SERVICE, false, {true, true, true, true, true, false}},
	{PERSON_ADMIN, false, {true, true, true, true, true, false}},
	{PERSON_ADMIN, true, {true, true, true, false, false, false}},
	{PERSON_READADMIN, false, {false, false, false, false, false, false}},
	{PERSON_READADMIN, true, {false, false, false, false, false, false}},
	{PERSON_OWNER, false, {true, false, true, false, false, false}},
	{PERSON_OWNER, true, {true, true, true, false, false, false}},
	{PERSON_MEMBER, false, {true, false, false, false, false, false}},
	{PERSON_MEMBER, true, {true, true, false, false, false, false}},
	{PERSON_RESTRICTED, false, {true, false, false, false, false, false}},
	{PERSON_READONLY, false, {false, false, false, false, false, false}},
	{PERSON_READONLY, true, {false, false, false, false, false, false}},
	{PERSON_STRANGER, false, {false, false, false, false, false, false}},
	{PERSON_PROJECTADMIN, false, {true, true, true, false, false, false}},
	{PROJECT_DEFAULT, false, {true, true, false, false, false, false}},
	{PERSON_AGENT, false, {false, false, false, false, false, false}},
};

static struct record
row_to_manage(enum row_of what)
{
	static const enum type_place types[] = {
		[A_REGISTRY] = T_REGISTRY, [OTHERS_REGISTRY] = T_REGISTRY,
		[THE_PROJECT] = T_PROJECT, [OTHERS_PROJECT] = T_PROJECT,
		[AN_ACCOUNT] = T_ACCOUNT,  [A_MEMBER] = T_PROJECT_MEMBER};
	struct record row = {.type = &types_table[types[what]]};

	row.columns[COL_ID] = value_int(what == OTHERS_PROJECT ? PROJECT_OTHER
					: what == THE_PROJECT  ? PROJECT_DEFAULT
							       : PERSON_RESTRICTED);
	row.columns[COL_ACCOUNT_ID] =
		value_int(what == OTHERS_REGISTRY ? PROJECT_OTHER : PROJECT_DEFAULT);
	row.columns[COL_PROJECT_ID] = value_int(PROJECT_DEFAULT);
	return row;
}

START_TEST(a_row_is_managed_by_those_who_may)
{
	struct identity id = managers[_i].scoped
				     ? rig_scoped(&rig, managers[_i].person, PROJECT_DEFAULT)
				     : rig_identity(&rig, managers[_i].person);

	for (size_t i = 0; i < COUNT_OF(managers[_i].may); i++) {
		/* Rows of others are not seen by whoever is confined to a project. */
		if (i == OTHERS_REGISTRY && id.scoped)
			continue;
		struct record row = row_to_manage((enum row_of)i);
		ck_assert_msg(auth_may_manage(&id, &row) == managers[_i].may[i], "%s, row %zu",
			      person_name(managers[_i].person), i);
	}
}
END_TEST

START_TEST(an_administrator_in_a_project_acts_as_its_owner)
{
	struct identity id = rig_scoped(&rig, PERSON_ADMIN, PROJECT_OTHER);
	struct record row = row_to_manage(OTHERS_PROJECT);

	ck_assert_int_eq(id.role, ROLE_OWNER);
	ck_assert(auth_may_manage(&id, &row));
	ck_assert(!auth_owns_by_row(&id, PROJECT_OTHER));
}
END_TEST

/* Whose secrets are read in the clear: rows of the first project, of the second, of oneself. */
static const struct {
	enum person person;
	bool first, second, own;
} openers[] = {
	{PERSON_SUPERADMIN, true, true, true}, {PERSON_PROJECTADMIN, true, false, true},
	{PERSON_OWNER, true, false, true},     {PERSON_MEMBER, false, false, true},
	{PERSON_READONLY, false, false, true}, {PERSON_STRANGER, false, false, true},
};

START_TEST(a_secret_is_opened_for_the_owner_of_its_project)
{
	struct identity id = rig_identity(&rig, openers[_i].person);
	struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]};

	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
	ck_assert(auth_may_open(&id, &row) == openers[_i].first);
	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_OTHER);
	ck_assert(auth_may_open(&id, &row) == openers[_i].second);
	row.columns[COL_ACCOUNT_ID] = value_int(openers[_i].person);
	ck_assert(auth_may_open(&id, &row) == openers[_i].own);
}
END_TEST

/* Other rows than its own are not there for it, and which role opens one is in the table. */
START_TEST(a_secret_of_a_project_is_opened_in_it)
{
	struct identity id = rig_scoped(&rig, PERSON_PROJECTADMIN, PROJECT_DEFAULT);
	struct record row = row_to_manage(A_REGISTRY);

	ck_assert(auth_may_open(&id, &row));
}
END_TEST

START_TEST(a_membership_of_a_role_that_nobody_knows_gives_nothing)
{
	const struct auth auth = {.store = rig.store, .ring = rig.ring};

	rig_exec(&rig,
		 "UPDATE project_member SET role = 'chief' WHERE external_id IN ('1a8', '1a13')");
	for (int i = 0; i < 2; i++) {
		struct identity id =
			rig_identity(&rig, i == 0 ? PERSON_MEMBER : PERSON_PROJECTADMIN);
		struct record row = row_to_manage(A_REGISTRY);

		ck_assert_str_eq(show_owners(&id.owners), i == 0 ? "8" : "13");
		ck_assert(!auth_may_manage(&id, &row));
		ck_assert(!auth_may_open(&id, &row));
		ck_assert(!auth_may_hand_out(&id, &row));
		ck_assert_int_eq(auth_scope(&auth, rig.arena, "1a5", &id, &e), ERR_FORBIDDEN);
	}
}
END_TEST

START_TEST(nobody_manages_the_rows_of_an_inactive_project_from_outside)
{
	struct identity owner = rig_identity(&rig, PERSON_OWNER);
	struct record row = row_to_manage(A_REGISTRY);

	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_INACTIVE);
	ck_assert(!auth_may_manage(&owner, &row));
	row.columns[COL_ACCOUNT_ID] = value_int(PERSON_OWNER);
	ck_assert(auth_may_manage(&owner, &row));
}
END_TEST

/* An administrator makes no superadmin of an account, nor changes one. */
START_TEST(an_account_is_managed_by_those_who_may_name_its_kind)
{
	struct identity admin = rig_identity(&rig, PERSON_ADMIN),
			super = rig_identity(&rig, PERSON_SUPERADMIN);
	struct record row = row_to_manage(AN_ACCOUNT);

	row.columns[COL_KIND] = value_text("superadmin");
	ck_assert(!auth_may_manage(&admin, &row));
	ck_assert(auth_may_manage(&super, &row));
	row.columns[COL_KIND] = value_text("user");
	ck_assert(auth_may_manage(&admin, &row));
}
END_TEST

/* A damaged row: the table itself does not take it. */
static void
lose_kind(enum person person)
{
	rig_exec(&rig, arena_printf(rig.arena,
				    "PRAGMA writable_schema = ON;"
				    "UPDATE sqlite_schema SET sql = replace(sql, 'TEXT NOT NULL', "
				    "'TEXT') WHERE name = 'account';"
				    "PRAGMA writable_schema = RESET;"
				    "UPDATE account SET kind = NULL WHERE id = %d",
				    person));
}

START_TEST(an_account_without_a_kind_is_nobody)
{
	lose_kind(PERSON_OWNER);
	struct identity id = rig_identity(&rig, PERSON_OWNER);
	ck_assert_int_eq(id.role, ROLE_NONE);
	ck_assert_str_eq(id.kind, "");
	ck_assert(!id.all_accounts);
	ck_assert_str_eq(show_owners(&id.owners), "7");
}
END_TEST

START_TEST(nobody_but_superadmin_makes_a_superadmin)
{
	static const char *const kinds[] = {"user", "admin", "service", "project", NULL};

	for (unsigned r = 0; r < ROLE__COUNT; r++) {
		ck_assert(auth_may_name((enum role)r, "superadmin") == (r == ROLE_SUPERADMIN));
		for (size_t i = 0; i < COUNT_OF(kinds); i++)
			ck_assert(auth_may_name((enum role)r, kinds[i]));
	}
}
END_TEST

/* Sets columns of somebody's key. */
static void
bound(enum person person, const char *columns)
{
	rig_exec(&rig, arena_printf(rig.arena, "UPDATE credential SET %s WHERE public_value = '%s'",
				    columns, person_name(person)));
}

/* Who manages a project by a row of projectMember alone. */
static const struct {
	enum person person;
	int64_t project;
	bool by_row;
} row_owners[] = {
	{PERSON_OWNER, PROJECT_DEFAULT, true},	   {PERSON_OWNER, PROJECT_OTHER, false},
	{PERSON_MEMBER, PROJECT_DEFAULT, false},   {PERSON_ADMIN, PROJECT_DEFAULT, false},
	{PROJECT_DEFAULT, PROJECT_DEFAULT, false},
};

START_TEST(a_project_is_owned_by_a_row_or_otherwise)
{
	struct identity id = rig_identity(&rig, row_owners[_i].person);

	ck_assert(auth_owns_by_row(&id, row_owners[_i].project) == row_owners[_i].by_row);
}
END_TEST

START_TEST(kinds_own_projects_or_never_do)
{
	static const char *const owners[] = {"superadmin", "service", "admin", "user",
					     "projectadmin"};
	static const char *const others[] = {"readAdmin", "project", "agent", "", "Admin"};

	for (size_t i = 0; i < COUNT_OF(owners); i++)
		ck_assert(auth_may_own(owners[i]));
	for (size_t i = 0; i < COUNT_OF(others); i++)
		ck_assert(!auth_may_own(others[i]));
	ck_assert(!auth_may_own(NULL));
}
END_TEST

/* Who may be handed logins, have nginx add them, and make keys that may: with these columns of its
 * key, unscoped and in the first project. */
static const struct {
	enum person person;
	const char *columns;
	enum role role, scoped_role; /* ROLE__COUNT: it does not get in */
	bool reveal, inject, grant;
} handed[] = {
	{PERSON_OWNER, "reveal = 0", ROLE_USER, ROLE_OWNER, false, false, true},
	{PERSON_OWNER, "reveal = 1", ROLE_USER, ROLE_OWNER, true, true, true},
	{PERSON_OWNER, "reveal = 1, role = 'reveal'", ROLE_REVEAL, ROLE_REVEAL, true, true, true},
	{PERSON_OWNER, "reveal = 1, role = 'inject'", ROLE_REVEAL, ROLE_REVEAL, false, true, true},
	{PROJECT_DEFAULT, "reveal = 0", ROLE_PROJECT, ROLE_PROJECT, false, false, false},
	{PROJECT_DEFAULT, "reveal = 1", ROLE_PROJECT, ROLE_PROJECT, true, true, true},
	/* A member's is a right to use, not to see. */
	{PERSON_MEMBER, "reveal = 1, role = 'reveal'", ROLE_REVEAL, ROLE_NONE, true, true, true},
	{PERSON_READADMIN, "reveal = 1, role = 'reveal'", ROLE_NONE, ROLE_NONE, false, false,
	 false},
	{PERSON_SERVICE, "reveal = 1", ROLE_SERVICE, ROLE_SERVICE, false, false, false},
	{PERSON_STRANGER, "reveal = 1", ROLE_USER, ROLE__COUNT, true, true, true},
};

START_TEST(logins_are_handed_to_those_who_may)
{
	const struct auth auth = {.store = rig.store, .ring = rig.ring};

	bound(handed[_i].person, handed[_i].columns);
	struct identity id = rig_identity(&rig, handed[_i].person);
	ck_assert_int_eq(id.role, handed[_i].role);
	ck_assert(auth_may_reveal(&id) == handed[_i].reveal);
	ck_assert(auth_may_inject(&id) == handed[_i].inject);
	ck_assert(auth_may_grant(&id) == handed[_i].grant);
	if (auth_scope(&auth, rig.arena, "1a5", &id, &e) != ERR_NONE)
		id.role = ROLE__COUNT;
	ck_assert_int_eq(id.role, handed[_i].scoped_role);
}
END_TEST

/* Rows of the first project, of the second, of oneself; in a project all that is seen. */
static const struct {
	enum person person;
	bool scoped, first, second, own;
} takers[] = {
	{PERSON_OWNER, true, true, true, true},	    {PERSON_OWNER, false, true, false, true},
	{PERSON_MEMBER, false, false, false, true}, {PERSON_STRANGER, false, false, false, true},
	{PERSON_ADMIN, false, true, true, true},    {PROJECT_OTHER, false, true, true, true},
};

START_TEST(a_login_is_handed_to_the_owner_of_its_project)
{
	struct identity id = takers[_i].scoped
				     ? rig_scoped(&rig, takers[_i].person, PROJECT_DEFAULT)
				     : rig_identity(&rig, takers[_i].person);
	struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]};

	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
	ck_assert(auth_may_hand_out(&id, &row) == takers[_i].first);
	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_OTHER);
	ck_assert(auth_may_hand_out(&id, &row) == takers[_i].second);
	row.columns[COL_ACCOUNT_ID] = value_int(takers[_i].person);
	ck_assert(auth_may_hand_out(&id, &row) == takers[_i].own);
}
END_TEST

static const struct {
	const char *list;
	bool has;
} id_lists[] = {
	{NULL, true},	  {"1sp3", true},    {"1sp2 1sp3", true}, {"1c3 nonsense 1sp3", true},
	{"", false},	  {"1sp33", false},  {"1sp2", false},	  {"1c3", false},
	{"1sp03", false}, {" 1sp03", false},
};

START_TEST(a_key_is_for_a_registry_or_not)
{
	const struct power power = {.registry_ids = id_lists[_i].list};

	ck_assert(power_holds_registry(&power, 3) == id_lists[_i].has);
}
END_TEST

/* Bounds of a key */

static const struct {
	const char *columns, *client;
	enum err err;
} bounded[] = {
	{"expires = 1714979289001", "192.0.2.1", ERR_NONE},
	{"expires = 1714979289000", "192.0.2.1", ERR_UNAUTHORIZED}, /* its time has come */
	{"expires = 0", "192.0.2.1", ERR_UNAUTHORIZED},
	{"networks = '192.0.2.0/24 ::1/128'", "192.0.2.1", ERR_NONE},
	{"networks = '192.0.2.0/24 ::1/128'", "::1", ERR_NONE},
	{"networks = '192.0.2.0/24 ::1/128'", "192.0.3.1", ERR_UNAUTHORIZED},
	{"networks = '192.0.2.0/24 ::1/128'", "", ERR_UNAUTHORIZED},
	{"networks = '192.0.2.0/24 ::1/128'", NULL, ERR_UNAUTHORIZED},
	{"networks = ''", "192.0.2.1", ERR_UNAUTHORIZED},
	{"networks = '192.0.2.0/24', expires = 5", "192.0.2.1", ERR_UNAUTHORIZED},
	{"role = 'readonly'", NULL, ERR_NONE},
};

START_TEST(a_key_lets_in_within_its_bounds_alone)
{
	const struct request request = {.api_key = person_key(rig.arena, PERSON_OWNER),
					.client = bounded[_i].client};
	struct identity id;

	bound(PERSON_OWNER, bounded[_i].columns);
	ck_assert_int_eq(identify(&request, false, &id), bounded[_i].err);
	/* A refused key was not used. */
	ck_assert_str_eq(rig_sql(&rig, "SELECT last_used IS NULL FROM credential WHERE "
				       "public_value = 'owner'"),
			 bounded[_i].err == ERR_NONE ? "0" : "1");
}
END_TEST

/* Who with a readonly key is what, unscoped and in the first project. */
static const struct {
	enum person person;
	enum role unscoped, scoped;
} readers[] = {
	{PERSON_SUPERADMIN, ROLE_READADMIN, ROLE_READONLY},
	{PERSON_SERVICE, ROLE_READADMIN, ROLE_READONLY},
	{PERSON_ADMIN, ROLE_READADMIN, ROLE_READONLY},
	{PERSON_READADMIN, ROLE_READADMIN, ROLE_READONLY},
	{PERSON_OWNER, ROLE_READONLY, ROLE_READONLY},
	{PERSON_MEMBER, ROLE_READONLY, ROLE_READONLY},
	{PERSON_RESTRICTED, ROLE_READONLY, ROLE_READONLY},
	{PERSON_READONLY, ROLE_READONLY, ROLE_READONLY},
	{PERSON_PROJECTADMIN, ROLE_READONLY, ROLE_READONLY},
	{PROJECT_DEFAULT, ROLE_READONLY, ROLE_READONLY},
	{PERSON_STRANGER, ROLE_READONLY, ROLE_NONE},
	{PROJECT_OTHER, ROLE_READONLY, ROLE_NONE},
	{PERSON_AGENT, ROLE_NONE, ROLE_NONE},
};

START_TEST(a_readonly_key_looks_as_its_account_does_and_no_more)
{
	const struct auth auth = {.store = rig.store, .ring = rig.ring};
	struct identity whole = rig_identity(&rig, readers[_i].person), id;

	bound(readers[_i].person, "role = 'readonly'");
	id = rig_identity(&rig, readers[_i].person);
	ck_assert_int_eq(id.role, readers[_i].unscoped);
	ck_assert_int_eq(id.account_role, whole.role);
	ck_assert(id.all_accounts == whole.all_accounts && id.scoped == whole.scoped);
	ck_assert_uint_eq(id.owners.count, whole.owners.count);
	ck_assert(id.owners.all == whole.owners.all);
	enum err rc = auth_scope(&auth, rig.arena, "1a5", &id, &e);
	ck_assert_int_eq(rc, readers[_i].scoped == ROLE_NONE ? ERR_FORBIDDEN : ERR_NONE);
	if (rc == ERR_NONE)
		ck_assert_int_eq(id.role, readers[_i].scoped);
}
END_TEST

START_TEST(a_role_that_nobody_knows_is_no_role)
{
	bound(PERSON_ADMIN, "role = 'everything'");
	ck_assert_int_eq(rig_identity(&rig, PERSON_ADMIN).role, ROLE_NONE);
}
END_TEST

START_TEST(the_readers_may_do_nothing_but_look)
{
	static const enum role roles_of_keys[] = {ROLE_READADMIN, ROLE_READONLY};

	for (size_t r = 0; r < COUNT_OF(roles_of_keys); r++)
		for (const struct resource_type *t = types_table; t->id != NULL; t++) {
			if ((t->flags & TYPE_QUESTION) != 0 || t == &types_table[T_SESSION])
				continue; /* changes nothing of anybody else's */
			ck_assert_uint_eq(auth_type(roles_of_keys[r], t) &
						  (MAY_CREATE | MAY_UPDATE | MAY_DELETE),
					  0);
			for (const struct field *f = t->fields; f->name != NULL; f++)
				ck_assert_uint_eq(auth_field(roles_of_keys[r], t, f) &
							  (MAY_CREATE | MAY_UPDATE | MAY_OPEN),
						  0);
		}
}
END_TEST

/* Pairs of powers that differ in one thing: in which field the second can do more than the first,
 * and the first more than the second. */
static const struct {
	struct power a, b;
	const char *b_more, *a_more;
} powers[] = {
	{{.role = NULL}, {.role = NULL}, NULL, NULL},
	{{.account_id = 5}, {.account_id = 6}, "accountId", "accountId"},
	{{.rank = RANK_MEMBER}, {.rank = RANK_FULL}, "accountId", NULL},
	{{.active = false}, {.active = true}, "state", NULL},
	{{.role = "readonly"}, {.role = NULL}, "role", NULL},
	{{.role = "readonly"}, {.role = "everything"}, "role", "role"},
	{{.networks = "10.0.0.0/8"}, {.networks = NULL}, "networks", NULL},
	{{.networks = "10.1.0.0/16"}, {.networks = "10.0.0.0/8"}, "networks", NULL},
	{{.networks = "10.0.0.0/8"}, {.networks = "11.0.0.0/8"}, "networks", "networks"},
	{{.expires_ms = 5}, {.expires_ms = 0}, "expires", NULL},
	{{.expires_ms = 5}, {.expires_ms = 6}, "expires", NULL},
	{{.reveal = false}, {.reveal = true}, "reveal", NULL},
	{{.registry_ids = "1sp1"}, {.registry_ids = NULL}, "registryIds", NULL},
	{{.registry_ids = "1sp1"}, {.registry_ids = "1sp2 1sp1"}, "registryIds", NULL},
	{{.registry_ids = "1sp1"}, {.registry_ids = "1sp11"}, "registryIds", "registryIds"},
	{{.path_prefixes = "acme"}, {.path_prefixes = NULL}, "pathPrefixes", NULL},
	{{.path_prefixes = "acme/app"}, {.path_prefixes = "acme"}, "pathPrefixes", NULL},
	{{.path_prefixes = "acme"}, {.path_prefixes = "acme2"}, "pathPrefixes", "pathPrefixes"},
	{{.path_prefixes = "a b"}, {.path_prefixes = "b a/c"}, NULL, "pathPrefixes"},
	{{.project_ids = NULL}, {.project_ids = "1a5"}, "projectIds", NULL},
	{{.project_ids = "1a5"}, {.project_ids = "1a6"}, "projectIds", "projectIds"},
};

START_TEST(of_two_powers_one_can_do_more_or_not)
{
	ck_assert_pstr_eq(power_wider(&powers[_i].a, &powers[_i].b), powers[_i].b_more);
	ck_assert_pstr_eq(power_wider(&powers[_i].b, &powers[_i].a), powers[_i].a_more);
}
END_TEST

START_TEST(a_key_that_ended_in_1970_is_not_one_that_never_ends)
{
	static const int64_t ends[] = {-1, 0, 1};

	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		struct record key = {.type = &types_table[T_API_KEY]};
		const struct power endless = power_of_key(&key);

		key.columns[COL_EXPIRES] = value_int(ends[i]);
		const struct power ended = power_of_key(&key);
		ck_assert_pstr_eq(power_wider(&ended, &endless), "expires");
		ck_assert_pstr_eq(power_wider(&endless, &ended), NULL);
		ck_assert(power_is_bounded(&ended));
	}
}
END_TEST

START_TEST(the_last_use_is_noted_once_a_minute_with_its_address)
{
	const struct auth auth = {.store = rig.store, .ring = rig.ring};
	static const struct {
		int64_t after_ms;
		const char *client, *noted;
	} uses[] = {{0, "192.0.2.1", "1714979289000 192.0.2.1"},
		    {59999, "192.0.2.2", "1714979289000 192.0.2.1"},
		    {60000, "192.0.2.3", "1714979349000 192.0.2.3"},
		    {200500, "192.0.2.4", "1714979489000 192.0.2.4"}};

	for (size_t i = 0; i < COUNT_OF(uses); i++) {
		const struct request request = {.api_key = person_key(rig.arena, PERSON_OWNER),
						.client = uses[i].client};
		struct identity id;

		ck_assert_int_eq(auth_identify(&auth, rig.arena, &request,
					       RIG_NOW + uses[i].after_ms, &id, &e),
				 ERR_NONE);
		ck_assert_str_eq(rig_sql(&rig, "SELECT last_used || ' ' || last_used_address FROM "
					       "credential WHERE public_value = 'owner'"),
				 uses[i].noted);
	}
}
END_TEST

START_TEST(too_many_failures_are_429_for_that_address_until_the_window_is_over)
{
	const struct auth auth = {
		.store = rig.store, .ring = rig.ring, .failures = {limiter_new(), 'f', 4, 60}};
	struct request wrong = {.api_key = "owner:no", .client = "192.0.2.1"};
	struct request right = {.api_key = person_key(rig.arena, PERSON_OWNER),
				.client = "192.0.2.1"};
	struct identity id;

	for (int i = 0; i < 2; i++)
		ck_assert_int_eq(auth_identify(&auth, rig.arena, &wrong, RIG_NOW, &id, &e),
				 ERR_UNAUTHORIZED);
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &wrong, RIG_NOW, &id, &e), ERR_TOO_MANY);
	ck_assert_uint_eq(e.retry_after_s, 60);
	/* Not even the right secret: that would tell which one is. */
	e = (struct error){0};
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &right, RIG_NOW + 1000, &id, &e),
			 ERR_TOO_MANY);
	ck_assert_uint_eq(e.retry_after_s, 59);
	e = (struct error){0};
	right.client = "192.0.2.2";
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &right, RIG_NOW, &id, &e), ERR_NONE);
	right = (struct request){.api_key = person_key(rig.arena, PERSON_MEMBER),
				 .client = "192.0.2.1"};
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &right, RIG_NOW, &id, &e), ERR_NONE);
	right.api_key = person_key(rig.arena, PERSON_OWNER);
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &right, RIG_NOW + 60000, &id, &e),
			 ERR_NONE);
	/* Whoever sends no key at all has failed at nothing. */
	wrong.api_key = NULL;
	for (int i = 0; i < 20; i++)
		ck_assert_int_eq(auth_identify(&auth, rig.arena, &wrong, RIG_NOW, &id, &e),
				 ERR_UNAUTHORIZED);
	limiter_free(auth.failures.table);
}
END_TEST

/* A clock that was set back: what is noted in the future does not stay. */
START_TEST(a_last_use_in_the_future_is_noted_again)
{
	const struct request request = {.api_key = person_key(rig.arena, PERSON_OWNER)};
	struct identity id;

	bound(PERSON_OWNER, "last_used = 1714979289001");
	ck_assert_int_eq(identify(&request, false, &id), ERR_NONE);
	ck_assert_str_eq(rig_sql(&rig, "SELECT last_used FROM credential WHERE public_value = "
				       "'owner'"),
			 "1714979289000");
}
END_TEST

/* Refusals, for the audit log */

static struct refusals *refusals;
static struct refusal refused[REFUSALS_MAX];

static void
begin_refusals(void)
{
	setup();
	refusals = refusals_new();
	ck_assert_ptr_nonnull(refusals);
}

static void
end_refusals(void)
{
	refusals_free(refusals);
	teardown();
}

/* How many were noted. */
static size_t
take_refusals(void)
{
	size_t n = refusals_copy(refusals, RIG_NOW / 60000 + 1, refused);

	refusals_forget(refusals, refused, n);
	return n;
}

static const struct {
	const char *key, *noted;
} wrong_keys[] = {
	{"0123456789ABCDEF0123:x", "0123456789ABCDEF0123"},
	/* What has not the form of an access key may be a secret in the wrong place. */
	{"0123456789ABCDEF012:x", ""},
	{"0123456789ABCDEF01234:x", ""},
	{"0123456789ABCDEF0123x:x", ""},
	{"0123456789abcdef0123:x", ""},
	{"owner:x", ""},
	{":x", ""},
};

START_TEST(a_refused_key_is_noted_if_it_could_be_one)
{
	const struct auth auth = {.store = rig.store, .ring = rig.ring, .refusals = refusals};
	const struct request request = {.api_key = wrong_keys[_i].key, .client = "192.0.2.1"};
	struct identity id;

	ck_assert_int_eq(auth_identify(&auth, rig.arena, &request, RIG_NOW, &id, &e),
			 ERR_UNAUTHORIZED);
	ck_assert_uint_eq(take_refusals(), 1);
	ck_assert_str_eq(refused[0].address, "192.0.2.1");
	ck_assert_str_eq(refused[0].key, wrong_keys[_i].noted);
	ck_assert_str_eq(refused[0].user, "");
	ck_assert_int_eq(refused[0].status, 401);
}
END_TEST

/* What a request that its key let in brought, and what is noted of it; NULL: nothing, because there
 * is no key. */
static const struct {
	const char *user, *key, *client, *noted, *address;
} denied[] = {
	{"0123456789ABCDEF0123", NULL, "192.0.2.1", "0123456789ABCDEF0123", "192.0.2.1"},
	{NULL, "0123456789ABCDEF0123:x", "192.0.2.1", "0123456789ABCDEF0123", "192.0.2.1"},
	{NULL, "0123456789ABCDEF0123:x", NULL, "0123456789ABCDEF0123", ""},
	{"RAW nonsense", "0123456789ABCDEF0123:x", "::1", "0123456789ABCDEF0123", "::1"},
	{"RAW nonsense", NULL, "192.0.2.1", NULL, NULL},
	{"RAW nonsense", "nonsense", "192.0.2.1", NULL, NULL},
	{NULL, NULL, "192.0.2.1", NULL, NULL},
};

START_TEST(a_denial_is_noted_with_the_key)
{
	const struct auth auth = {.store = rig.store, .ring = rig.ring, .refusals = refusals};
	const char *user = denied[_i].user;
	struct request request = {.api_key = denied[_i].key, .client = denied[_i].client};

	if (user != NULL)
		request.authorization = strncmp(user, "RAW ", 4) == 0 ? user + 4 : basic(user, "x");
	auth_note_denied(&auth, rig.arena, &request, RIG_NOW, ERR_FORBIDDEN);
	ck_assert_uint_eq(take_refusals(), denied[_i].noted != NULL);
	if (denied[_i].noted == NULL)
		return;
	ck_assert_str_eq(refused[0].key, denied[_i].noted);
	ck_assert_str_eq(refused[0].address, denied[_i].address);
	ck_assert_int_eq(refused[0].status, 403);
}
END_TEST

/* Sign-on by the web server */

#define TOKEN "0123456789abcdef0123456789abcdef"
#define LONG_USER "alice.of.the.long.name.alice.of.the.long.name.alice.of.the.long.name.alice.of"

/* Alice is one of these people. */
static void
name_alice(enum person person, const char *name)
{
	rig_exec(&rig, arena_printf(rig.arena,
				    "UPDATE account SET external_id_type = 'proxy', external_id = "
				    "'%s' WHERE id = %d",
				    name, person));
}

static const struct group_grant groups[] = {
	{.name = "readers", .kind = "readAdmin"},
	{.name = "ops", .kind = "admin"},
	{.name = "weaker", .role = "readonly", .project_id = PROJECT_DEFAULT},
	{.name = "stronger", .role = "owner", .project_id = PROJECT_DEFAULT},
	{.name = "other", .role = "member", .project_id = PROJECT_OTHER},
	{.name = "asleep", .role = "owner", .project_id = PROJECT_INACTIVE},
	{.name = "nowhere", .role = "owner", .project_id = 999},
	{.name = "account", .role = "owner", .project_id = PERSON_STRANGER},
};

static struct auth
proxy_auth(void)
{
	return (struct auth){.store = rig.store,
			     .ring = rig.ring,
			     .refusals = refusals,
			     .proxy_token = TOKEN,
			     .groups = groups,
			     .group_count = COUNT_OF(groups)};
}

/* Who Alice is, what her groups give her, and her role in the first project. */
static const struct {
	enum person alice;
	const char *groups;
	enum role role;
	const char *owners;
	enum role in_project; /* ROLE_NONE: it is not there for her */
	bool by_row;
} signed_on[] = {
	{PERSON_STRANGER, NULL, ROLE_USER, "15", ROLE_NONE, false},
	{PERSON_STRANGER, "nothing", ROLE_USER, "15", ROLE_NONE, false},
	{PERSON_STRANGER, "weaker", ROLE_USER, "15 5", ROLE_READONLY, false},
	{PERSON_STRANGER, "stronger", ROLE_USER, "15 5", ROLE_OWNER, false},
	{PERSON_STRANGER, "weaker,stronger", ROLE_USER, "15 5", ROLE_OWNER, false},
	{PERSON_STRANGER, "other,asleep", ROLE_USER, "15 6 16", ROLE_NONE, false},
	{PERSON_STRANGER, "nowhere,account", ROLE_USER, "15", ROLE_NONE, false},
	{PERSON_STRANGER, "readers", ROLE_READADMIN, "15", ROLE_READONLY, false},
	{PERSON_STRANGER, "readers,ops", ROLE_ADMIN, "15", ROLE_OWNER, false},
	{PERSON_MEMBER, "weaker", ROLE_USER, "8 5", ROLE_MEMBER, false},
	{PERSON_MEMBER, "stronger", ROLE_USER, "8 5", ROLE_OWNER, false},
	{PERSON_OWNER, "weaker", ROLE_USER, "7 5 16 17", ROLE_OWNER, true},
	/* It might be the group's. */
	{PERSON_OWNER, "stronger", ROLE_USER, "7 5 16 17", ROLE_OWNER, false},
};

START_TEST(a_sign_on_has_the_account_and_what_its_groups_give)
{
	const struct auth auth = proxy_auth();
	const struct request request = {
		.proxy = {.token = TOKEN, .user = "alice", .groups = signed_on[_i].groups}};
	struct identity id;

	name_alice(signed_on[_i].alice, "alice");
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &request, RIG_NOW, &id, &e), ERR_NONE);
	ck_assert_int_eq(id.user_id, signed_on[_i].alice);
	ck_assert_str_eq(id.proxy_user, "alice");
	ck_assert_str_eq(id.via, "proxy");
	ck_assert_int_eq(id.role, signed_on[_i].role);
	ck_assert_str_eq(show_owners(&id.owners), signed_on[_i].owners);
	/* Without a key there is none that forbids it. */
	ck_assert(auth_may_reveal(&id) == (signed_on[_i].role != ROLE_READADMIN));
	ck_assert(auth_owns_by_row(&id, PROJECT_DEFAULT) == signed_on[_i].by_row);
	enum err rc = auth_scope(&auth, rig.arena, "1a5", &id, &e);
	ck_assert_int_eq(rc, signed_on[_i].in_project == ROLE_NONE ? ERR_FORBIDDEN : ERR_NONE);
	if (rc == ERR_NONE)
		ck_assert_int_eq(id.role, signed_on[_i].in_project);
	ck_assert_uint_eq(take_refusals(), 0);
}
END_TEST

/* Who is not let in: the name that the web server says, a key beside it, and what is noted. */
static const struct {
	enum person alice;
	bool damaged; /* her account has no kind */
	const char *user;
	enum person key; /* 0: none */
	bool create_users;
	enum err err;
	const char *noted; /* NULL: nothing */
} not_signed_on[] = {
	{PERSON_OWNER, false, "bob", 0, false, ERR_FORBIDDEN, "bob"},
	{PERSON_OWNER, false, "bob", 0, true, ERR_FORBIDDEN, NULL}, /* who gets an account */
	{PERSON_OWNER, false, "bob", PERSON_OWNER, true, ERR_FORBIDDEN, "bob"},
	{PERSON_OWNER, false, LONG_USER, 0, false, ERR_FORBIDDEN, LONG_USER},
	{PERSON_OWNER, false, "alice", PERSON_MEMBER, true, ERR_FORBIDDEN, "alice"},
	{PERSON_INACTIVE, false, "alice", 0, true, ERR_FORBIDDEN, "alice"},
	{PERSON_SERVICE, false, "alice", 0, true, ERR_FORBIDDEN, "alice"},
	{PROJECT_DEFAULT, false, "alice", 0, true, ERR_FORBIDDEN, "alice"},
	{PERSON_OWNER, true, "alice", 0, true, ERR_FORBIDDEN, "alice"},
	{PERSON_OWNER, false, "alice", PERSON_INACTIVE, true, ERR_UNAUTHORIZED, ""},
	{PERSON_OWNER, false, "alice", PERSON_OWNER, false, ERR_NONE, NULL},
	{PERSON_OWNER, false, "alice", 0, false, ERR_NONE, NULL},
};

START_TEST(a_sign_on_of_nobody_is_refused_and_noted)
{
	struct auth auth = proxy_auth();
	struct request request = {.proxy = {.token = TOKEN, .user = not_signed_on[_i].user}};
	struct identity id = {0};

	auth.proxy_create_users = not_signed_on[_i].create_users;
	name_alice(not_signed_on[_i].alice, "alice");
	if (not_signed_on[_i].damaged)
		lose_kind(not_signed_on[_i].alice);
	if (not_signed_on[_i].key != 0)
		request.api_key = person_key(rig.arena, not_signed_on[_i].key);
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &request, RIG_NOW, &id, &e),
			 not_signed_on[_i].err);
	ck_assert_uint_eq(take_refusals(), not_signed_on[_i].noted != NULL);
	if (not_signed_on[_i].noted != NULL)
		ck_assert_str_eq(refused[0].user, not_signed_on[_i].noted);
	if (not_signed_on[_i].err == ERR_NONE)
		ck_assert_str_eq(id.via, not_signed_on[_i].key != 0 ? "key" : "proxy");
	else
		ck_assert_int_eq(id.role,
				 ROLE_SUPERADMIN + (id.proxy_user != NULL ? ROLE_NONE : 0));
}
END_TEST

/* Claims are looked at where the web server has a token, and a CGI's only if it is trusted. */
static const struct {
	const char *token; /* of the service */
	bool trust_cgi;
	struct proxy_claim claim;
	enum err err;
} believed[] = {
	{TOKEN, false, {.token = TOKEN, .user = "alice"}, ERR_NONE},
	{TOKEN, false, {.token = "x", .user = "alice"}, ERR_UNAUTHORIZED},
	{TOKEN, false, {.user = "alice"}, ERR_UNAUTHORIZED},
	{TOKEN, false, {.token = TOKEN}, ERR_UNAUTHORIZED}, /* nobody, and no key */
	{TOKEN, false, {.user = NULL}, ERR_UNAUTHORIZED},
	{NULL, false, {.token = TOKEN, .user = "alice"}, ERR_UNAUTHORIZED},
	{TOKEN, false, {.token = TOKEN, .user = "alice", .cgi = true}, ERR_UNAUTHORIZED},
	{TOKEN, true, {.token = TOKEN, .user = "alice", .cgi = true}, ERR_NONE},
};

START_TEST(claims_are_believed_where_they_can_be)
{
	struct auth auth = proxy_auth();
	const struct request request = {.proxy = believed[_i].claim};
	struct identity id = {0};

	auth.proxy_token = believed[_i].token;
	auth.proxy_trust_cgi = believed[_i].trust_cgi;
	name_alice(PERSON_OWNER, "alice");
	ck_assert_int_eq(auth_identify(&auth, rig.arena, &request, RIG_NOW, &id, &e),
			 believed[_i].err);
	ck_assert_int_eq(id.user_id, believed[_i].err == ERR_NONE ? PERSON_OWNER : 0);
}
END_TEST

/* The k-th allocation fails, for every k: nobody gets in, and nobody is told that the key is wrong.
 */
START_TEST(who_asks_is_not_found_out_without_memory)
{
	const struct auth auth = proxy_auth();
	const char *key = person_key(rig.arena, PERSON_OWNER);
	const struct request requests[] = {
		{.api_key = key},
		{.authorization = basic("owner", "secret of owner")},
		{.proxy = {.token = TOKEN, .user = "alice", .groups = "weaker,other"}},
		{.proxy = {.token = TOKEN, .user = "alice"}, .api_key = key},
		{.proxy = {.token = TOKEN, .user = "alice"},
		 .authorization = basic("owner", "secret of owner")},
	};
	struct arena *a = arena_new(RIG_ARENA);

	ck_assert_ptr_nonnull(a);
	name_alice(PERSON_OWNER, "alice");
	for (unsigned k = 1;; k++) {
		struct identity id;

		arena_reset(a);
		arena_fail_at(a, k);
		e = (struct error){0};
		enum err rc = auth_identify(&auth, a, &requests[_i], RIG_NOW, &id, &e);
		if (rc == ERR_NONE)
			rc = auth_scope(&auth, a, "1a5", &id, &e);
		ck_assert_int_eq(rc, arena_failed(a) ? ERR_INTERNAL : ERR_NONE);
		ck_assert_int_eq(e.code, rc);
		if (rc == ERR_NONE)
			break;
	}
	arena_free(a);
	ck_assert_uint_eq(take_refusals(), 0);
}
END_TEST

static TCase *
refusals_case(void)
{
	TCase *tc = tcase_create("refusals and sign-on");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, begin_refusals, end_refusals);
	tcase_add_loop_test(tc, a_refused_key_is_noted_if_it_could_be_one, 0, COUNT_OF(wrong_keys));
	tcase_add_loop_test(tc, a_denial_is_noted_with_the_key, 0, COUNT_OF(denied));
	tcase_add_loop_test(tc, a_sign_on_has_the_account_and_what_its_groups_give, 0,
			    COUNT_OF(signed_on));
	tcase_add_loop_test(tc, a_sign_on_of_nobody_is_refused_and_noted, 0,
			    COUNT_OF(not_signed_on));
	tcase_add_loop_test(tc, claims_are_believed_where_they_can_be, 0, COUNT_OF(believed));
	tcase_add_loop_test(tc, who_asks_is_not_found_out_without_memory, 0, 5);
	return tc;
}

static Suite *
auth_suite(void)
{
	Suite *suite = suite_create("auth");
	TCase *tables = tcase_create("tables"), *tc = tcase_create("identities");

	tcase_add_checked_fixture(tables, setup_tables, nothing);
	tcase_add_test(tables, the_table_of_permissions_names_only_what_is_there);
	tcase_add_test(tables, a_table_of_permissions_that_names_something_else_is_told);
	suite_add_tcase(suite, tables);

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_request_is_from_whom_its_key_says_or_from_nobody, 0,
			    COUNT_OF(logins));
	tcase_add_loop_test(tc, only_an_active_key_of_an_active_account_is_accepted, 0, ST__COUNT);
	tcase_add_test(tc, a_header_that_came_twice_is_refused);
	tcase_add_test(tc, a_secret_may_hold_colons);
	tcase_add_loop_test(tc, open_mode_lets_in_the_machine_itself_alone, 0, COUNT_OF(clients));
	tcase_add_loop_test(tc, an_account_has_the_role_of_its_kind, 0, COUNT_OF(roles));
	tcase_add_loop_test(tc, a_project_gives_the_role_of_the_membership_or_403, 0,
			    COUNT_OF(scopes));
	tcase_add_loop_test(tc, a_row_is_managed_by_those_who_may, 0, COUNT_OF(managers));
	tcase_add_loop_test(tc, a_secret_is_opened_for_the_owner_of_its_project, 0,
			    COUNT_OF(openers));
	tcase_add_test(tc, an_administrator_in_a_project_acts_as_its_owner);
	tcase_add_test(tc, a_secret_of_a_project_is_opened_in_it);
	tcase_add_test(tc, a_membership_of_a_role_that_nobody_knows_gives_nothing);
	tcase_add_test(tc, nobody_manages_the_rows_of_an_inactive_project_from_outside);
	tcase_add_test(tc, an_account_is_managed_by_those_who_may_name_its_kind);
	tcase_add_test(tc, an_account_without_a_kind_is_nobody);
	tcase_add_loop_test(tc, a_project_is_owned_by_a_row_or_otherwise, 0, COUNT_OF(row_owners));
	tcase_add_test(tc, kinds_own_projects_or_never_do);
	tcase_add_loop_test(tc, logins_are_handed_to_those_who_may, 0, COUNT_OF(handed));
	tcase_add_loop_test(tc, a_login_is_handed_to_the_owner_of_its_project, 0, COUNT_OF(takers));
	tcase_add_loop_test(tc, a_key_is_for_a_registry_or_not, 0, COUNT_OF(id_lists));
	tcase_add_test(tc, nobody_but_superadmin_makes_a_superadmin);
	tcase_add_loop_test(tc, a_key_lets_in_within_its_bounds_alone, 0, COUNT_OF(bounded));
	tcase_add_loop_test(tc, a_readonly_key_looks_as_its_account_does_and_no_more, 0,
			    COUNT_OF(readers));
	tcase_add_test(tc, a_role_that_nobody_knows_is_no_role);
	tcase_add_test(tc, the_readers_may_do_nothing_but_look);
	tcase_add_loop_test(tc, of_two_powers_one_can_do_more_or_not, 0, COUNT_OF(powers));
	tcase_add_test(tc, a_key_that_ended_in_1970_is_not_one_that_never_ends);
	tcase_add_test(tc, the_last_use_is_noted_once_a_minute_with_its_address);
	tcase_add_test(tc, a_last_use_in_the_future_is_noted_again);
	tcase_add_test(tc, too_many_failures_are_429_for_that_address_until_the_window_is_over);
	suite_add_tcase(suite, tc);
	suite_add_tcase(suite, refusals_case());
	return suite;
}

int
main(void)
{
	return run_suite(auth_suite());
}
