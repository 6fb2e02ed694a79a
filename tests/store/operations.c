/* operations: the operations of store.h, one by one, as any engine has to do them. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "model/list.h"
#include "model/process.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/seal.h"
#include "store/store.h"

#include "store/bodies.h"
#include "support/support.h"

static struct rig rig;

static void
setup(void)
{
	rig_open(&rig);
}

static void
teardown(void)
{
	rig_close(&rig);
}

START_TEST(a_row_is_stored_and_read_back_column_by_column)
{
	struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]}, got;
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "r.example.test");

	row.columns[COL_UUID] = value_text("the uuid");
	row.columns[COL_KIND] = value_text("registryCredential");
	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
	row.columns[COL_NAME] = value_text("caf\xc3\xa9 'quoted' \xf0\x9f\x90\xb3");
	row.columns[COL_DESCRIPTION] = value_text("");
	row.columns[COL_STATE] = value_text("inactive");
	row.columns[COL_CREATED] = value_int(INT64_C(1714979289000));
	row.columns[COL_SECRET_VALUE] = value_blob("\0\x01\xff\0", 4);
	row.columns[COL_REGISTRY_ID] = value_int(registry);
	row.columns[COL_IS_DEFAULT] = value_int(1);
	row.columns[COL_REVEAL] = value_int(0); /* what it is unless given */
	rig_insert(&rig, &row);
	ck_assert_int_gt(record_id(&row), 0);
	ck_assert_int_eq(store_get(rig.store, rig.arena, &family_credential, record_id(&row),
				   &everyone, &got),
			 STORE_OK);
	ck_assert_ptr_eq(got.type, &types_table[T_REGISTRY_CREDENTIAL]);
	for (unsigned c = 1; c < COL__COUNT; c++) {
		const struct value *want = &row.columns[c], *have = &got.columns[c];

		ck_assert_msg(have->type == want->type, "%s",
			      column_name(&family_credential, (enum column)c));
		ck_assert_int_eq(have->number, want->number);
		ck_assert_uint_eq(have->len, want->len);
		if (want->len > 0)
			ck_assert_int_eq(memcmp(have->text, want->text, want->len), 0);
	}
	ck_assert_str_eq(got.columns[COL_DESCRIPTION].text, "");
	ck_assert_int_eq(record_state(&got), ST_INACTIVE);
}
END_TEST

/* What a store reads, and what of it nobody else may: its programs are kept from that. */
START_TEST(the_files_of_a_store_are_known)
{
	static const struct {
		const char *path, *secret, *all;
	} places[] = {
		{"/s/r.db", "/s/r.db /s/r.db-wal /s/r.db-shm /s/r.db-journal ",
		 "/s/r.db /s/r.db-wal /s/r.db-shm /s/r.db-journal "},
#ifdef HAVE_POSTGRESQL
		{"postgresql://localhost/r?passfile=/e/p&sslrootcert=/e/ca&sslkey=/e/k",
		 "/e/p /e/k ", "/e/p /e/k /e/ca "},
		{"postgresql://localhost/r?passfile=relative", "", ""},
#endif
	};
	char files[STORE_FILES_MAX][STORE_FILE_SIZE];

	for (size_t i = 0; i < 2 * COUNT_OF(places); i++) {
		const bool secret = i % 2 != 0;
		const char *text = "";

		for (size_t k = 0, count = store_files(places[i / 2].path, secret, files);
		     k < count; k++)
			text = arena_printf(rig.arena, "%s%s ", text, files[k]);
		ck_assert_str_eq(text, secret ? places[i / 2].secret : places[i / 2].all);
	}
}
END_TEST

/* Whose rows are seen */

static const int64_t ids_of_one[] = {PROJECT_DEFAULT}, ids_of_two[] = {PROJECT_DEFAULT, 99},
		     ids_of_both[] = {PROJECT_OTHER, PROJECT_DEFAULT},
		     ids_of_stranger[] = {PERSON_STRANGER};
static const struct {
	struct owners owners;
	bool first, second; /* the registry of the first project, of the second */
} views[] = {
	{{.all = true}, true, true},
	{{.all = false}, false, false},
	{{.ids = ids_of_one, .count = 1}, true, false},
	{{.ids = ids_of_two, .count = 2}, true, false},
	{{.ids = ids_of_both, .count = 2}, true, true},
	{{.ids = ids_of_both, .count = 1}, false, true},
	{{.ids = ids_of_stranger, .count = 1}, false, false},
	{{.all = true, .ids = ids_of_stranger, .count = 1}, true, true},
};

START_TEST(only_rows_of_the_owners_are_seen)
{
	int64_t one = rig_registry(&rig, PROJECT_DEFAULT, "one"),
		two = rig_registry(&rig, PROJECT_OTHER, "two");
	const struct list_query q = {
		.family = &family_storage_pool, .owners = views[_i].owners, .limit = 10};
	struct record row;
	struct record_list list;

	ck_assert_int_eq(
		store_get(rig.store, rig.arena, &family_storage_pool, one, &views[_i].owners, &row),
		views[_i].first ? STORE_OK : STORE_NONE);
	ck_assert_int_eq(
		store_get(rig.store, rig.arena, &family_storage_pool, two, &views[_i].owners, &row),
		views[_i].second ? STORE_OK : STORE_NONE);
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, (size_t)views[_i].first + (size_t)views[_i].second);
	for (size_t i = 0; i < list.count; i++)
		ck_assert(record_id(&list.items[i]) == one ? views[_i].first : views[_i].second);
}
END_TEST

START_TEST(a_list_hides_removed_rows_unless_they_are_asked_for)
{
	struct list_query q = {.family = &family_storage_pool, .owners = everyone, .limit = 10};
	struct record_list list;

	rig_registry(&rig, PROJECT_DEFAULT, "one");
	rig_registry(&rig, PROJECT_DEFAULT, "two");
	rig_exec(&rig, "UPDATE storage_pool SET removed = 5 WHERE server_address = 'one'");
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_str_eq(record_text(&list.items[0], COL_SERVER_ADDRESS), "two");
	q.with_removed = true;
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 2);
	ck_assert(!list.more);
	q.limit = 1;
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 1);
	ck_assert(list.more);
}
END_TEST

START_TEST(a_list_of_a_kind_has_no_other)
{
	const struct list_query q = {.family = &family_credential,
				     .kind = "registryCredential",
				     .owners = everyone,
				     .limit = 100};
	struct record_list list;
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "one");

	rig_credential(&rig, PROJECT_DEFAULT, registry, NULL);
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 1); /* the keys of all persons are of the family as well */
	ck_assert_ptr_eq(list.items[0].type, &types_table[T_REGISTRY_CREDENTIAL]);
}
END_TEST

START_TEST(a_list_reads_the_columns_that_are_needed)
{
	const struct list_query q = {.family = &family_credential,
				     .kind = "registryCredential",
				     .columns = COL_BIT(COL_ID) | COL_BIT(COL_KIND) |
						COL_BIT(COL_EMAIL) | COL_BIT(COL_SERVER_ADDRESS),
				     .owners = everyone,
				     .limit = 100};
	struct record_list list;
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "one");
	int64_t id = rig_credential(&rig, PROJECT_DEFAULT, registry, "secret");

	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 1);
	ck_assert_ptr_eq(list.items[0].type, &types_table[T_REGISTRY_CREDENTIAL]);
	ck_assert_int_eq(record_id(&list.items[0]), id);
	ck_assert_str_eq(record_text(&list.items[0], COL_EMAIL), "ci@corp.example.test");
	for (unsigned c = 1; c < COL__COUNT; c++)
		if ((q.columns & family_credential.columns & COL_BIT(c)) == 0)
			ck_assert_int_eq(list.items[0].columns[c].type, VALUE_NULL);
}
END_TEST

START_TEST(a_page_of_very_long_texts_ends_early_and_says_so)
{
	enum { ROWS = 60, TEXT = 60000 };
	const struct list_query q = {
		.family = &family_storage_pool, .owners = everyone, .limit = 3000};
	struct record_list list;
	size_t seen = 0;

	char *long_text = arena_alloc(rig.arena, TEXT + 1);

	memset(long_text, 'x', TEXT);
	long_text[TEXT] = '\0';
	for (int i = 0; i < ROWS; i++) {
		struct record row = registry_row(PROJECT_DEFAULT, "", "");

		row.columns[COL_UUID] = row.columns[COL_SERVER_ADDRESS] =
			value_text(arena_printf(rig.arena, "u%d", i));
		row.columns[COL_DESCRIPTION] = value_text(long_text);
		rig_insert(&rig, &row);
	}
	for (struct list_query page = q; seen < ROWS;
	     page.from.id = record_id(&list.items[list.count - 1])) {
		ck_assert_int_eq(store_list(rig.store, rig.arena, &page, &list), STORE_OK);
		ck_assert_uint_gt(list.count, 0);
		seen += list.count;
		ck_assert(list.more == (seen < ROWS));
		page.from.set = true;
		if (seen < ROWS)
			ck_assert_uint_lt(list.count, ROWS);
	}
	ck_assert_uint_eq(seen, ROWS);
}
END_TEST

/* Keys and memberships */

START_TEST(a_key_is_found_with_its_account_whatever_its_state)
{
	struct record key, account;

	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "owner", &key, &account), STORE_OK);
	ck_assert_int_eq(record_id(&account), PERSON_OWNER);
	ck_assert_int_eq(key.columns[COL_ACCOUNT_ID].number, PERSON_OWNER);
	ck_assert_str_eq(record_text(&account, COL_KIND), "user");
	ck_assert_int_eq(record_state(&key), ST_ACTIVE);
	rig_exec(&rig, "UPDATE credential SET state = 'removed', removed = 5 WHERE public_value = "
		       "'owner'");
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "owner", &key, &account), STORE_OK);
	ck_assert_int_eq(record_state(&key), ST_REMOVED);
	ck_assert_int_eq(key.columns[COL_REMOVED].number, 5);
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "Owner", &key, &account), STORE_NONE);
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "", &key, &account), STORE_NONE);
	ck_assert_ptr_null(key.type);
	ck_assert_int_eq(key.columns[COL_SECRET_VALUE].type, VALUE_NULL);
	ck_assert_int_eq(account.columns[COL_ID].type, VALUE_NULL);
	/* Not a key, though of the family. */
	rig_exec(&rig, "UPDATE credential SET kind = 'password' WHERE public_value = 'member'");
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "member", &key, &account),
			 STORE_NONE);
	/* Nor is there a first one. */
	rig_exec(&rig, "UPDATE credential SET kind = 'password' WHERE kind = 'apiKey'");
	ck_assert_int_eq(store_find_key(rig.store, rig.arena, "owner", &key, &account), STORE_NONE);
	ck_assert_ptr_null(key.type);
}
END_TEST

static enum err
touch(struct store_tx *tx, void *arg)
{
	const int64_t *now_ms = arg;

	return store_touch_key(tx, 1, *now_ms - 60000, *now_ms,
			       arena_printf(rig.arena, "192.0.2.%d", (int)(*now_ms / 60000))) ==
			       STORE_OK
		       ? ERR_NONE
		       : ERR_INTERNAL;
}

START_TEST(the_use_of_a_key_is_noted_once_a_minute)
{
	/* When it is used, and what is noted then; a clock may be set back. */
	static const struct {
		int64_t now_ms;
		const char *noted;
	} uses[] = {{600000, "600000 192.0.2.10"},
		    {659999, "600000 192.0.2.10"},
		    {660000, "660000 192.0.2.11"},
		    {900000, "900000 192.0.2.15"},
		    {60000, "60000 192.0.2.1"}};

	for (size_t i = 0; i < COUNT_OF(uses); i++) {
		int64_t now_ms = uses[i].now_ms;

		ck_assert_int_eq(store_write(rig.store, touch, &now_ms), STORE_OK);
		ck_assert_str_eq(rig_sql(&rig, "SELECT last_used || ' ' || last_used_address FROM "
					       "credential WHERE id = 1"),
				 uses[i].noted);
	}
}
END_TEST

START_TEST(memberships_are_of_the_account_and_name_the_role)
{
	struct membership *list;
	size_t count;

	ck_assert_int_eq(store_memberships(rig.store, rig.arena, PERSON_OWNER, &list, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 3);
	ck_assert_int_eq(list[0].project_id, PROJECT_DEFAULT);
	ck_assert_str_eq(list[0].role, "owner");
	ck_assert(list[0].active);
	ck_assert_int_eq(list[1].project_id, PROJECT_INACTIVE);
	ck_assert(!list[1].active);
	ck_assert_int_eq(list[2].project_id, PROJECT_REMOVED);
	ck_assert(!list[2].active);
	ck_assert_int_eq(store_memberships(rig.store, rig.arena, PERSON_STRANGER, &list, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 0);
	rig_exec(&rig, "UPDATE project_member SET removed = 5 WHERE external_id = '1a8'");
	ck_assert_int_eq(store_memberships(rig.store, rig.arena, PERSON_MEMBER, &list, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 0);
	/* 1a9 at another identity provider is somebody else. */
	rig_exec(&rig, "UPDATE project_member SET external_id_type = 'github_user' WHERE "
		       "external_id = '1a9'");
	ck_assert_int_eq(store_memberships(rig.store, rig.arena, PERSON_RESTRICTED, &list, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 0);
}
END_TEST

START_TEST(key_checks_are_kept)
{
	struct key_check *checks;
	size_t count;

	ck_assert_int_eq(store_key_checks(rig.store, rig.arena, &checks, &count), STORE_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(checks[0].use, "hash");
	ck_assert_str_eq(checks[1].use, "seal");
	for (size_t i = 0; i < count; i++)
		ck_assert(keyring_matches(rig.ring, checks[i].key_id, checks[i].use,
					  &checks[i].value));
}
END_TEST

/* What the rotation of the key asks for */

struct value_body {
	int64_t id;
	const struct value *from, *to;
	enum store_rc replaced, found, known, unknown;
};

static enum err
use_values(struct store_tx *tx, void *arg)
{
	struct value_body *b = arg;
	const struct value prefix = value_blob("new", 3);
	struct value value;

	b->replaced = store_replace_value(tx, &family_credential, b->id, COL_SECRET_VALUE, b->from,
					  b->to);
	b->found = store_tx_find_sealed(tx, &family_credential, COL_SECRET_VALUE, &prefix);
	b->known = store_tx_key_check(tx, rig.arena, 1, "seal", &value);
	b->unknown = store_tx_key_check(tx, rig.arena, 1, "other", &value);
	return ERR_NONE;
}

/* The secret of each row of a kind, as bytes. */
static void
set_secrets(const char *kind, const char *bytes)
{
	char hex[64] = "";

	for (size_t i = 0; bytes[i] != '\0'; i++)
		(void)snprintf(hex + 2 * i, sizeof(hex) - 2 * i, "%02x", (unsigned)bytes[i]);
	rig_exec(&rig, arena_printf(rig.arena,
				    "UPDATE credential SET secret_value = %s%s' WHERE kind = '%s'",
				    store_is_file(rig.database) ? "x'" : "'\\x", hex, kind));
}

START_TEST(a_value_is_replaced_only_if_it_is_still_the_one)
{
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "rekey.test");
	int64_t id = rig_credential(&rig, PROJECT_DEFAULT, registry, "secret");
	const struct value old = value_blob("old value", 9), new = value_blob("new value", 9);
	struct value_body b = {.id = id, .from = &new, .to = &old};
	struct prefix_count *counts;
	size_t count, at = 0;

	set_secrets("registryCredential", "old value");
	ck_assert_int_eq(store_write(rig.store, use_values, &b), STORE_OK);
	ck_assert_int_eq(b.replaced, STORE_NONE);
	ck_assert_int_eq(b.found, STORE_NONE);
	ck_assert_int_eq(b.known, STORE_OK);
	ck_assert_int_eq(b.unknown, STORE_NONE);
	b.from = &old;
	b.to = &new;
	ck_assert_int_eq(store_write(rig.store, use_values, &b), STORE_OK);
	ck_assert_int_eq(b.replaced, STORE_OK);
	ck_assert_int_eq(b.found, STORE_OK);
	/* Values of API keys, which are hashed, do not count. */
	set_secrets("apiKey", "new hash");
	ck_assert_int_eq(store_count_sealed(rig.store, rig.arena, &family_credential,
					    COL_SECRET_VALUE, 3, &counts, &count),
			 STORE_OK);
	while (at < count && memcmp(counts[at].prefix.text, "new", 3) != 0)
		at++;
	ck_assert_uint_lt(at, count);
	ck_assert_int_eq(counts[at].rows, 1);
}
END_TEST

/* What is due, and what is forgotten */

struct due_body {
	const struct family *family;
	int64_t now, before;
	size_t max, count;
	int64_t ids[10];
	bool forget;
};

static enum err
run_due(struct store_tx *tx, void *arg)
{
	struct due_body *b = arg;

	ck_assert_int_eq(b->forget ? store_forget(tx, b->family, b->before, b->max, &b->count)
				   : store_due(tx, b->family, b->now, b->ids, b->max, &b->count),
			 STORE_OK);
	return ERR_NONE;
}

START_TEST(removed_rows_are_due_when_their_time_has_come_oldest_first)
{
	struct due_body b = {.family = &family_storage_pool, .now = 2000, .max = 10};
	int64_t ids[5];

	for (int i = 0; i < 5; i++)
		ids[i] = rig_registry(&rig, PROJECT_DEFAULT, arena_printf(rig.arena, "r%d", i));
	rig_exec(&rig,
		 "UPDATE storage_pool SET state = 'removed', removed = 1 WHERE server_address IN "
		 "('r0', 'r1', 'r2');"
		 "UPDATE storage_pool SET state = 'purged', removed = 1, remove_time = 1 WHERE "
		 "server_address = 'r3';"
		 "UPDATE storage_pool SET remove_time = 2000 WHERE server_address = 'r0';"
		 "UPDATE storage_pool SET remove_time = 2001 WHERE server_address = 'r1';"
		 "UPDATE storage_pool SET remove_time = 1000 WHERE server_address = 'r2';");
	ck_assert_int_eq(store_write(rig.store, run_due, &b), STORE_OK);
	ck_assert_uint_eq(b.count, 2);
	ck_assert_int_eq(b.ids[0], ids[2]);
	ck_assert_int_eq(b.ids[1], ids[0]);
	b.max = 1;
	ck_assert_int_eq(store_write(rig.store, run_due, &b), STORE_OK);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_int_eq(b.ids[0], ids[2]);
}
END_TEST

START_TEST(purged_rows_are_forgotten_when_old_and_free_of_references)
{
	struct due_body b = {
		.family = &family_storage_pool, .before = 1000, .max = 10, .forget = true};
	static const char left[] = "SELECT count(*) FROM storage_pool WHERE server_address IN "
				   "('named', 'young', 'removed')";
	int64_t named = rig_registry(&rig, PROJECT_DEFAULT, "named");

	rig_registry(&rig, PROJECT_DEFAULT, "old");
	rig_registry(&rig, PROJECT_DEFAULT, "young");
	rig_registry(&rig, PROJECT_DEFAULT, "removed");
	rig_credential(&rig, PROJECT_DEFAULT, named, NULL);
	rig_exec(&rig, "UPDATE storage_pool SET state = 'purged', removed = 999;"
		       "UPDATE storage_pool SET removed = 1000 WHERE server_address = 'young';"
		       "UPDATE storage_pool SET state = 'removed' WHERE server_address = "
		       "'removed';");
	ck_assert_int_eq(store_write(rig.store, run_due, &b), STORE_OK);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_str_eq(rig_sql(&rig, left), "3");
	rig_exec(&rig, "DELETE FROM credential WHERE registry_id IS NOT NULL");
	ck_assert_int_eq(store_write(rig.store, run_due, &b), STORE_OK);
	ck_assert_uint_eq(b.count, 1);
	ck_assert_str_eq(rig_sql(&rig, left), "2");
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool WHERE server_address = "
				       "'named'"),
			 "0");
}
END_TEST

START_TEST(a_foreign_key_that_leads_nowhere_is_refused)
{
	struct record row = registry_row(9999, "u1", "a1");
	struct body b = {.insert = {&row}};
	enum store_rc rc = store_write(rig.store, run_body, &b);

	ck_assert(rc != STORE_OK || b.inserted[0] == STORE_CONSTRAINT);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"), "0");
}
END_TEST

/* Values are bound, never text. */
START_TEST(hostile_values_are_only_values)
{
	static const char *const hostile = "'; DROP TABLE account; --";
	struct record row = registry_row(PROJECT_DEFAULT, hostile, hostile), got;
	struct list_query q = {.family = &family_storage_pool,
			       .kind = "x' OR '1'='1",
			       .owners = everyone,
			       .limit = 10};
	struct record_list list;

	rig_insert(&rig, &row);
	ck_assert_int_eq(store_get(rig.store, rig.arena, &family_storage_pool, record_id(&row),
				   &everyone, &got),
			 STORE_OK);
	ck_assert_str_eq(record_text(&got, COL_SERVER_ADDRESS), hostile);
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 0);
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM account WHERE id = 1"), "1");
}
END_TEST

START_TEST(a_list_with_every_condition_there_is_room_for_still_runs)
{
	static const int64_t owners[] = {PROJECT_DEFAULT, PROJECT_OTHER};
	struct list_query q = {.family = &family_credential,
			       .kind = "registryCredential",
			       .owners = {.ids = owners, .count = 2},
			       .condition_count = CONDITIONS_MAX,
			       .sort = COL_PUBLIC_VALUE,
			       .sort_cut = true,
			       .from = {.set = true, .value = value_text("a"), .id = 1},
			       .limit = 3000};
	struct record_list list;

	for (size_t i = 0; i < CONDITIONS_MAX; i++)
		q.conditions[i] = (struct condition){
			.column = COL_PUBLIC_VALUE, .op = OP_NOT_LIKE, .value = value_text("x")};
	ck_assert_int_eq(store_list(rig.store, rig.arena, &q, &list), STORE_OK);
	ck_assert_uint_eq(list.count, 0);
}
END_TEST

START_TEST(reading_without_memory_says_so)
{
	struct record row;
	struct record_list list;
	const struct list_query q = {.family = &family_credential, .owners = everyone, .limit = 5};
	struct arena *a = arena_new(RIG_ARENA);
	unsigned n = 1;

	for (;; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		enum store_rc one = store_get(rig.store, a, &family_credential, 1, &everyone, &row);
		enum store_rc two = store_list(rig.store, a, &q, &list);
		if (!arena_failed(a)) {
			ck_assert_int_eq(one, STORE_OK);
			ck_assert_int_eq(two, STORE_OK);
			break;
		}
		ck_assert(one == STORE_NO_MEMORY || two == STORE_NO_MEMORY);
		ck_assert_uint_lt(n, 200);
	}
	ck_assert_uint_gt(n, 10);
	arena_free(a);
}
END_TEST

static const struct {
	enum store_rc rc;
	enum err err;
} failures[] = {
	{STORE_FULL, ERR_DISK_FULL},
	{STORE_BUSY, ERR_UNAVAILABLE},
	{STORE_FAILED, ERR_UNAVAILABLE},
	{STORE_NO_MEMORY, ERR_INTERNAL},
};

struct lease_step {
	const char *holder;
	int64_t now_ms;
	bool ends; /* gives it back, else takes it until now + 100 */
	enum store_rc expected;
	const char *after; /* who has it then; NULL: nobody */
};

static enum err
step_in_transaction(struct store_tx *tx, void *arg)
{
	const struct lease_step *step = arg;
	struct lease lease = {0};

	ck_assert_int_eq(step->ends ? store_end_lease(tx, "work", step->holder)
				    : store_take_lease(tx, "work", step->holder, step->now_ms,
						       step->now_ms + 100),
			 step->expected);
	ck_assert_int_eq(store_tx_lease(tx, rig.arena, "work", &lease),
			 step->after != NULL ? STORE_OK : STORE_NONE);
	ck_assert_pstr_eq(lease.holder, step->after);
	return ERR_NONE;
}

START_TEST(a_lease_is_with_one_holder_until_it_ends_or_is_given_back)
{
	static const struct lease_step steps[] = {
		{"a:1", 1000, false, STORE_OK, "a:1"},
		{"b:2", 1050, false, STORE_NONE, "a:1"}, /* a has it */
		{"a:1", 1060, false, STORE_OK, "a:1"},
		{"b:2", 1159, false, STORE_NONE, "a:1"},
		{"b:2", 1159, true, STORE_OK, "a:1"},  /* nobody ends another's */
		{"b:2", 1160, false, STORE_OK, "b:2"}, /* a died */
		{"a:1", 1161, true, STORE_OK, "b:2"},  /* and comes too late */
		{"a:1", 1161, false, STORE_NONE, "b:2"},
		{"b:2", 1170, true, STORE_OK, NULL},
		{"a:1", 1190, false, STORE_OK, "a:1"},
		{"b:2", 1091, false, STORE_NONE, "a:1"}, /* another host's clock */
		{"b:2", 1089, false, STORE_OK, "b:2"},	 /* the clock was put back */
	};

	for (size_t i = 0; i < COUNT_OF(steps); i++) {
		struct lease_step step = steps[i];

		ck_assert_int_eq(store_write(rig.store, step_in_transaction, &step), STORE_OK);
	}
}
END_TEST

START_TEST(rows_are_counted_by_kind_and_state)
{
	struct record one = registry_row(PROJECT_DEFAULT, "1", "one");
	struct record two = registry_row(PROJECT_DEFAULT, "2", "two");
	struct body first = {.insert = {&one}}, second = {.insert = {&two}};
	struct state_count *counts;
	size_t count;

	ck_assert_int_eq(store_write(rig.store, run_body, &first), STORE_OK);
	ck_assert_int_eq(store_write(rig.store, run_body, &second), STORE_OK);
	rig_sql(&rig, "UPDATE storage_pool SET state = 'removed', remove_time = 500 WHERE "
		      "server_address = 'two'");
	ck_assert_int_eq(store_count_states(rig.store, rig.arena, &family_storage_pool, 499,
					    &counts, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, 2);
	ck_assert_str_eq(counts[0].kind, "registry");
	ck_assert_str_eq(counts[1].state, "removed");
	ck_assert_int_eq(counts[0].rows + counts[1].rows, 2);
	ck_assert_int_eq(counts[1].due, 0);
	ck_assert_int_eq(store_count_states(rig.store, rig.arena, &family_storage_pool, 500,
					    &counts, &count),
			 STORE_OK);
	ck_assert_int_eq(counts[0].due, 0);
	ck_assert_int_eq(counts[1].due, 1);
}
END_TEST

START_TEST(doubles_are_counted_by_registry_user_and_path)
{
	static const struct {
		const char *user, *path;
	} logins[] = {{"bot", NULL},   {"bot", NULL}, {"bot", NULL}, {"bot", "acme"},
		      {"bot", "acme"}, {"Bot", NULL}, {NULL, NULL},  {NULL, NULL}};
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "doubles.test");
	int64_t doubles = -1;

	ck_assert_int_eq(store_count_doubles(rig.store, "registryCredential", &doubles), STORE_OK);
	ck_assert_int_eq(doubles, 0);
	for (size_t i = 0; i < COUNT_OF(logins); i++) {
		struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]};

		row.columns[COL_UUID] = value_text(arena_printf(rig.arena, "double %zu", i));
		row.columns[COL_KIND] = value_text("registryCredential");
		row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
		row.columns[COL_STATE] = value_text("active");
		row.columns[COL_REGISTRY_ID] = value_int(registry);
		row.columns[COL_PUBLIC_VALUE] = value_text(logins[i].user);
		row.columns[COL_PATH_PREFIX] = value_text(logins[i].path);
		rig_insert(&rig, &row);
	}
	ck_assert_int_eq(store_count_doubles(rig.store, "registryCredential", &doubles), STORE_OK);
	ck_assert_int_eq(doubles, 3);
	rig_exec(&rig, "UPDATE credential SET state = 'inactive' WHERE path_prefix = 'acme'");
	ck_assert_int_eq(store_count_doubles(rig.store, "registryCredential", &doubles), STORE_OK);
	ck_assert_int_eq(doubles, 2);
}
END_TEST

/* At the moment 100000: what has ended or ends within a second, by kind and source. */
START_TEST(what_ends_is_counted_by_source)
{
	static const char *const rows[] = {
		"expires = 99999",
		"expires = 101000",
		"expires = 101001",
		"expires = 100500, source = 'ecr', refreshed = 90000, refresh_result = 'timeout', "
		"refresh_due = 100007",
		"expires = 150000, source = 'ecr', refreshed = 90000, refresh_result = 'timeout'",
		"expires = 100500, source = 'ecr', refreshed = 90000, refresh_result = "
		"'refreshed', refresh_due = 100009",
		"expires = 100001, state = 'inactive'"};
	const int64_t spans[] = {0, 1000};
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "r.test");
	struct expiry_count *counts;
	size_t count;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t id = rig_credential(&rig, PROJECT_DEFAULT, registry, "s");
		rig_exec(&rig, arena_printf(rig.arena, "UPDATE credential SET %s WHERE id = %lld",
					    rows[i], (long long)id));
	}
	ck_assert_int_eq(
		store_count_expiring(rig.store, rig.arena, 100000, spans, 2, &counts, &count),
		STORE_OK);
	ck_assert_uint_eq(count, 2);
	const struct expiry_count *typed = &counts[counts[0].source != NULL],
				  *ecr = &counts[counts[0].source == NULL];
	ck_assert_str_eq(typed->kind, "registryCredential");
	ck_assert_ptr_null(typed->source);
	ck_assert_int_eq(typed->within[0], 1);
	ck_assert_int_eq(typed->within[1], 2);
	ck_assert_int_eq(typed->next_ms, 101000);
	ck_assert_int_eq(typed->overdue + typed->first_due_ms, 0);
	ck_assert_str_eq(ecr->source, "ecr");
	ck_assert_int_eq(ecr->within[0], 0);
	ck_assert_int_eq(ecr->within[1], 2);
	ck_assert_int_eq(ecr->next_ms, 100500);
	ck_assert_int_eq(ecr->overdue, 1);
	ck_assert_int_eq(ecr->first_due_ms, 100007);
}
END_TEST

/* Each with the row that it is counted in. */
START_TEST(logins_are_counted_by_state_and_check)
{
	static const char *const rows[] = {"created = 50",
					   "created = 50, last_used = 200",
					   "created = 200",
					   "created = 50, last_used = 150",
					   "created = 50, verify_result = 'valid'",
					   "created = 50, state = 'inactive'",
					   "created = 50, state = 'purged'",
					   "created = 50, kind = 'apiKey'"};
	static const struct {
		const char *state, *verification;
		int64_t rows, unused[USE_SPANS];
	} wanted[] = {{"active", NULL, 4, {2, 1}},
		      {"active", "valid", 1, {1, 1}},
		      {"inactive", NULL, 1, {1, 1}}};
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "r.test");
	struct use_count *counts;
	size_t count, found = 0;

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		int64_t id = rig_credential(&rig, PROJECT_DEFAULT, registry, "s");
		rig_exec(&rig, arena_printf(rig.arena, "UPDATE credential SET %s WHERE id = %lld",
					    rows[i], (long long)id));
	}
	ck_assert_int_eq(store_count_use(rig.store, rig.arena, "registryCredential",
					 (const int64_t[USE_SPANS]){200, 100}, &counts, &count),
			 STORE_OK);
	ck_assert_uint_eq(count, COUNT_OF(wanted));
	for (size_t i = 0; i < count; i++)
		for (size_t k = 0; k < COUNT_OF(wanted); k++)
			found += strcmp(counts[i].state, wanted[k].state) == 0 &&
				 (counts[i].verification == NULL) ==
					 (wanted[k].verification == NULL) &&
				 counts[i].rows == wanted[k].rows &&
				 counts[i].unused[0] == wanted[k].unused[0] &&
				 counts[i].unused[1] == wanted[k].unused[1];
	ck_assert_uint_eq(found, COUNT_OF(wanted));
}
END_TEST

START_TEST(a_failure_of_the_store_is_an_error_of_the_client)
{
	struct error e = {0};

	ck_assert_int_eq(store_err(failures[_i].rc, &e), failures[_i].err);
	ck_assert_int_eq(e.code, failures[_i].err);
}
END_TEST

static Suite *
operations_suite(void)
{
	Suite *suite = suite_create("operations");
	TCase *tc = tcase_create("operations");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_row_is_stored_and_read_back_column_by_column);
	tcase_add_test(tc, the_files_of_a_store_are_known);
	tcase_add_loop_test(tc, only_rows_of_the_owners_are_seen, 0, COUNT_OF(views));
	tcase_add_test(tc, a_list_hides_removed_rows_unless_they_are_asked_for);
	tcase_add_test(tc, a_list_of_a_kind_has_no_other);
	tcase_add_test(tc, a_list_reads_the_columns_that_are_needed);
	tcase_add_test(tc, a_page_of_very_long_texts_ends_early_and_says_so);
	tcase_add_test(tc, a_key_is_found_with_its_account_whatever_its_state);
	tcase_add_test(tc, the_use_of_a_key_is_noted_once_a_minute);
	tcase_add_test(tc, memberships_are_of_the_account_and_name_the_role);
	tcase_add_test(tc, key_checks_are_kept);
	tcase_add_test(tc, a_value_is_replaced_only_if_it_is_still_the_one);
	tcase_add_test(tc, removed_rows_are_due_when_their_time_has_come_oldest_first);
	tcase_add_test(tc, purged_rows_are_forgotten_when_old_and_free_of_references);
	tcase_add_test(tc, a_foreign_key_that_leads_nowhere_is_refused);
	tcase_add_test(tc, hostile_values_are_only_values);
	tcase_add_test(tc, a_list_with_every_condition_there_is_room_for_still_runs);
	tcase_add_test(tc, reading_without_memory_says_so);
	tcase_add_test(tc, a_lease_is_with_one_holder_until_it_ends_or_is_given_back);
	tcase_add_test(tc, rows_are_counted_by_kind_and_state);
	tcase_add_test(tc, doubles_are_counted_by_registry_user_and_path);
	tcase_add_test(tc, what_ends_is_counted_by_source);
	tcase_add_test(tc, logins_are_counted_by_state_and_check);
	tcase_add_loop_test(tc, a_failure_of_the_store_is_an_error_of_the_client, 0,
			    COUNT_OF(failures));
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_on_engines(operations_suite);
}
