/* check_query: filters, sort, limit and markers, and pages over a real
 * store while rows come and go. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/text.h"
#include "model/list.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "secret/random.h"
#include "store/store.h"

#include "support/support.h"

static struct rig rig;
static struct error e;

ARENA_FIXTURE(e = (struct error){0})

static void
setup_store(void)
{
	setup();
	rig_open(&rig);
}

static void
teardown_store(void)
{
	rig_close(&rig);
	teardown();
}

/* Sees all fields but the one that the context names. */
static bool
visible(const void *context, const struct field *field)
{
	return context == NULL || strcmp(context, field->name) != 0;
}

static enum err
parse(enum type_place type, const char *query, const void *hidden, struct list_request *out)
{
	struct pairs pairs;

	ck_assert_int_eq(http_form_parse(a, query, strlen(query), &pairs, &e), ERR_NONE);
	return query_parse(a, &types_table[type], API_V1, &pairs, visible, hidden, RIG_NOW, out,
			   &e);
}

static struct list_request
parsed(enum type_place type, const char *query)
{
	struct list_request out;

	ck_assert_int_eq(parse(type, query, NULL, &out), ERR_NONE);
	return out;
}

/* Modifiers */

/* 4.1: which set takes which modifier. */
static const struct {
	const char *name;
	enum condition_op op;
	bool v, s, n;
} modifiers[] = {
	{"eq", OP_EQ, true, true, true},
	{"ne", OP_NE, true, true, true},
	{"lt", OP_LT, false, false, true},
	{"lte", OP_LTE, false, false, true},
	{"gt", OP_GT, false, false, true},
	{"gte", OP_GTE, false, false, true},
	{"prefix", OP_PREFIX, false, true, false},
	{"like", OP_LIKE, false, true, false},
	{"notlike", OP_NOT_LIKE, false, true, false},
	{"null", OP_NULL, true, true, true},
	{"notnull", OP_NOT_NULL, true, true, true},
};

static const struct {
	const char *field, *value;
	enum column column;
	enum filter_set set;
} filterable[] = {
	{"accountId", "1a5", COL_ACCOUNT_ID, FILTER_V},
	{"created", "now", COL_CREATED, FILTER_N},
	{"description", "x", COL_DESCRIPTION, FILTER_S},
	{"id", "1c7", COL_ID, FILTER_N},
	{"kind", "x", COL_KIND, FILTER_S},
	{"name", "x", COL_NAME, FILTER_S},
	{"publicValue", "x", COL_PUBLIC_VALUE, FILTER_S},
	{"registryId", "1sp3", COL_REGISTRY_ID, FILTER_V},
	{"removeTime", "5", COL_REMOVE_TIME, FILTER_N},
	{"removed", "5", COL_REMOVED, FILTER_N},
	{"state", "active", COL_STATE, FILTER_V},
	{"uuid", "x", COL_UUID, FILTER_S},
};

START_TEST(a_field_takes_the_modifiers_of_its_set)
{
	for (size_t i = 0; i < COUNT_OF(modifiers); i++) {
		bool taken = filterable[_i].set == FILTER_V   ? modifiers[i].v
			     : filterable[_i].set == FILTER_S ? modifiers[i].s
							      : modifiers[i].n;
		struct list_request out =
			parsed(T_REGISTRY_CREDENTIAL,
			       arena_printf(a, "%s_%s=%s", filterable[_i].field, modifiers[i].name,
					    filterable[_i].value));

		ck_assert_msg(out.filter_count == (taken ? 1 : 0), "%s_%s", filterable[_i].field,
			      modifiers[i].name);
		ck_assert_uint_eq(out.list.condition_count, out.filter_count);
		if (!taken)
			continue;
		ck_assert_int_eq(out.list.conditions[0].op, modifiers[i].op);
		ck_assert_int_eq(out.list.conditions[0].column, filterable[_i].column);
		ck_assert_str_eq(out.filters[0].field->name, filterable[_i].field);
		ck_assert_str_eq(out.filters[0].modifier->name, modifiers[i].name);
		ck_assert_str_eq(out.filters[0].value, filterable[_i].value);
	}
}
END_TEST

START_TEST(the_modifiers_are_printed_in_the_published_order)
{
	for (size_t i = 0; i < COUNT_OF(modifiers); i++)
		ck_assert_str_eq(modifier_table[i].name, modifiers[i].name);
	ck_assert_ptr_null(modifier_table[COUNT_OF(modifiers)].name);
}
END_TEST

/* Conditions */

/* The conditions as text: "name = 'x'; id < 7". */
static const char *
show(const struct list_query *q)
{
	static const char *const ops[OP__COUNT] = {
		[OP_EQ] = "=",	    [OP_NE] = "<>",	    [OP_LT] = "<",
		[OP_LTE] = "<=",    [OP_GT] = ">",	    [OP_GTE] = ">=",
		[OP_PREFIX] = "^",  [OP_LIKE] = "~",	    [OP_NOT_LIKE] = "!~",
		[OP_NULL] = "null", [OP_NOT_NULL] = "some", [OP_NOTHING] = "nothing"};
	const char *text = "";

	for (size_t i = 0; i < q->condition_count; i++) {
		const struct condition *c = &q->conditions[i];
		const char *value = "";

		if (c->op < OP_NULL)
			value = c->value.type == VALUE_INT
					? arena_printf(a, " %lld", (long long)c->value.number)
					: arena_printf(a, " '%s'", c->value.text);
		text = arena_printf(a, "%s%s%s %s%s%s", text, i > 0 ? "; " : "",
				    c->column != COL_NONE ? column_name(q->family, c->column)
							  : "none",
				    ops[c->op], value, c->any_case ? " nocase" : "");
	}
	return text;
}

/* clang-format off */
static const struct { enum type_place type; const char *query, *conditions; } filters[] = {
	{T_REGISTRY_CREDENTIAL, "", ""},
	{T_REGISTRY_CREDENTIAL, "name=x", "name = 'x'"},
	{T_REGISTRY_CREDENTIAL, "name=", "name = ''"},
	{T_REGISTRY_CREDENTIAL, "name", "name = ''"},
	{T_REGISTRY_CREDENTIAL, "name=%20X%20", "name = ' X '"},
	{T_REGISTRY_CREDENTIAL, "name_like=a%25", "name ~ 'a%'"},
	/* The split is at the last underscore; what is neither field nor modifier is ignored. */
	{T_REGISTRY_CREDENTIAL, "name_bogus=1", ""},
	{T_REGISTRY_CREDENTIAL, "name_=1", ""},
	{T_REGISTRY_CREDENTIAL, "_name=1", ""},
	{T_REGISTRY_CREDENTIAL, "_eq=1", ""},
	{T_REGISTRY_CREDENTIAL, "_=1", ""},
	{T_REGISTRY_CREDENTIAL, "=1", ""},
	{T_REGISTRY_CREDENTIAL, "name_eq_like=1", ""},
	{T_REGISTRY_CREDENTIAL, "name__eq=1", ""},
	{T_REGISTRY_CREDENTIAL, "name_EQ=1", ""},
	{T_REGISTRY_CREDENTIAL, "Name=1", ""},
	{T_REGISTRY_CREDENTIAL, "bogus=1", ""},
	{T_REGISTRY_CREDENTIAL, "bogus_eq=1", ""},
	{T_REGISTRY_CREDENTIAL, "email=x", ""},
	{T_REGISTRY_CREDENTIAL, "email_like=x", ""},
	{T_REGISTRY, "serverAddress=x", ""},
	{T_REGISTRY_CREDENTIAL, "public_value=x", ""},
	/* A secret is no oracle. */
	{T_REGISTRY_CREDENTIAL, "secretValue=x", ""},
	{T_REGISTRY_CREDENTIAL, "secretValue_prefix=a", ""},
	{T_REGISTRY_CREDENTIAL, "secretValue_null=1", ""},
	{T_API_KEY, "secretValue_notnull=1", ""},
	{T_PASSWORD, "secretValue_like=%25", ""},
	{T_CREDENTIAL, "secretValue=x", ""},
	/* Ids and references. */
	{T_REGISTRY_CREDENTIAL, "id=1c7", "id = 7"},
	{T_REGISTRY_CREDENTIAL, "id=7", "id = 7"},
	{T_REGISTRY_CREDENTIAL, "id_gte=7", "id >= 7"},
	{T_REGISTRY_CREDENTIAL, "id=1sp7", "id nothing"},
	{T_REGISTRY_CREDENTIAL, "id=1C7", "id nothing"},
	{T_REGISTRY_CREDENTIAL, "id=x", "id nothing"},
	{T_REGISTRY_CREDENTIAL, "id=", "id nothing"},
	{T_REGISTRY_CREDENTIAL, "id=-7", "id nothing"},
	{T_REGISTRY_CREDENTIAL, "id=9999999999999999999", "id nothing"},
	{T_REGISTRY_CREDENTIAL, "registryId=1sp3", "registry_id = 3"},
	{T_REGISTRY_CREDENTIAL, "registryId_ne=1sp3", "registry_id <> 3"},
	{T_REGISTRY_CREDENTIAL, "registryId=garbage", "registry_id nothing"},
	{T_REGISTRY_CREDENTIAL, "registryId=3", "registry_id nothing"},
	{T_REGISTRY_CREDENTIAL, "registryId=1c3", "registry_id nothing"},
	{T_REGISTRY_CREDENTIAL, "registryId_null=garbage", "registry_id null"},
	{T_REGISTRY_CREDENTIAL, "accountId=1a5", "account_id = 5"},
	/* Dates. */
	{T_REGISTRY_CREDENTIAL, "created=2024-05-06T07%3A08%3A09Z", "created = 1714979289000"},
	{T_REGISTRY_CREDENTIAL, "created_gt=2024-05-06T09:08:09.500%2B02:00", "created > 1714979289500"},
	{T_REGISTRY_CREDENTIAL, "created_gt=2024-05-06", "created > 1714953600000"},
	{T_REGISTRY_CREDENTIAL, "created_lt=now", "created < 1714979289000"},
	{T_REGISTRY_CREDENTIAL, "created_gte=5000", "created >= 5000"},
	{T_REGISTRY_CREDENTIAL, "removed_null=1", "removed null"},
	{T_REGISTRY_CREDENTIAL, "removed_null=", "removed null"},
	{T_REGISTRY_CREDENTIAL, "removed_notnull=0", "removed some"},
	/* Numbers, yes and no. */
	{T_AUDIT_LOG, "responseCode=404", "response_code = 404"},
	{T_REGISTRY_CREDENTIAL, "isDefault=true", "is_default = 1"},
	{T_REGISTRY_CREDENTIAL, "isDefault=false", "is_default = 0"},

	/* Several: all of them count. */
	{T_REGISTRY_CREDENTIAL, "created_gte=1&created_lt=9", "created >= 1; created < 9"},
	{T_REGISTRY_CREDENTIAL, "state=active&state=inactive", "state = 'active'; state = 'inactive'"},
	{T_REGISTRY_CREDENTIAL, "name=x&removed_null=1&bogus=2&registryId=1sp1", "name = 'x'; removed null; registry_id = 1"},
	/* A field that is always null. */
	{T_REGISTRY, "driverName=x", "none = 'x'"},
	{T_REGISTRY, "driverName_null=1", "none null"},
	{T_REGISTRY, "zoneId=1z1", "none = '1z1'"},
	/* A project is found by its name in any case. */
	{T_PROJECT, "name=Default", "name = 'Default' nocase"},
	{T_PROJECT, "name_ne=Default", "name <> 'Default' nocase"},
	{T_PROJECT, "name_like=D", "name ~ 'D'"},
	{T_REGISTRY, "name=Default", "name = 'Default'"},
	/* What is no filter at all. */
	{T_REGISTRY, "limit=1&marker=m1&sort=name&order=asc&include=x&all=true&_removed=1", ""},
};
/* clang-format on */

/* A value that cannot be read would find nothing, which a client takes for an answer. */
static const struct {
	enum type_place type;
	const char *query, *field;
} unreadable[] = {
	{T_REGISTRY_CREDENTIAL, "created=yesterday", "created"},
	{T_REGISTRY_CREDENTIAL, "created_gt=", "created"},
	{T_REGISTRY_CREDENTIAL, "removed_lte=2024-02-30", "removed"},
	{T_API_KEY, "lastUsed_lt=2024-05-06T07:08:09", "lastUsed"},
	{T_AUDIT_LOG, "responseCode_gte=x", "responseCode"},
	{T_AUDIT_LOG, "responseCode=", "responseCode"},
	{T_AUDIT_LOG, "attempts_ne=1.5", "attempts"},
	{T_REGISTRY_CREDENTIAL, "isDefault=yes", "isDefault"},
	{T_API_KEY, "reveal_ne=", "reveal"},
};

START_TEST(a_filter_that_cannot_be_read_is_refused)
{
	struct list_request out;

	ck_assert_int_eq(parse(unreadable[_i].type, unreadable[_i].query, NULL, &out),
			 ERR_INVALID_FORMAT);
	ck_assert_str_eq(e.field, unreadable[_i].field);
}
END_TEST

START_TEST(a_blank_id_uuid_or_name_of_a_project_is_not_looked_at)
{
	struct list_request out = parsed(T_PROJECT, "name=&uuid=&id=&name_ne=&description=");

	ck_assert_str_eq(show(&out.list), "name <> '' nocase; description = '' nocase");
}
END_TEST

START_TEST(a_filter_becomes_its_condition)
{
	struct list_request out = parsed(filters[_i].type, filters[_i].query);

	ck_assert_str_eq(show(&out.list), filters[_i].conditions);
}
END_TEST

START_TEST(a_field_that_the_caller_does_not_see_neither_filters_nor_sorts)
{
	struct list_request out;

	ck_assert_int_eq(parse(T_REGISTRY, "removeTime_null=1&removeTime=5&sort=removeTime",
			       "removeTime", &out),
			 ERR_NONE);
	ck_assert_uint_eq(out.filter_count, 0);
	ck_assert_uint_eq(out.list.condition_count, 0);
	ck_assert_ptr_null(out.sort);
	ck_assert_int_eq(out.list.sort, COL_NONE);
	ck_assert_int_eq(parse(T_REGISTRY, "removeTime_null=1&sort=removeTime", NULL, &out),
			 ERR_NONE);
	ck_assert_uint_eq(out.filter_count, 1);
	ck_assert_ptr_nonnull(out.sort);
}
END_TEST

START_TEST(a_pattern_that_is_too_long_matches_nothing)
{
	char *text = arena_alloc(a, 1100);

	memset(text, 'x', 1024);
	struct list_request out = parsed(T_REGISTRY, arena_printf(a, "name_like=%s", text));
	ck_assert_int_eq(out.list.conditions[0].op, OP_LIKE);
	out = parsed(T_REGISTRY, arena_printf(a, "name_like=%sx", text));
	ck_assert_int_eq(out.list.conditions[0].op, OP_NOTHING);
	out = parsed(T_REGISTRY, arena_printf(a, "name_prefix=%sx", text));
	ck_assert_int_eq(out.list.conditions[0].op, OP_NOTHING);
	out = parsed(T_REGISTRY, arena_printf(a, "name=%sx", text));
	ck_assert_int_eq(out.list.conditions[0].op, OP_EQ);
}
END_TEST

START_TEST(more_filters_than_there_is_room_for_are_refused)
{
	struct list_request out;
	const char *query = "name=x";

	for (int i = 1; i < CONDITIONS_MAX; i++)
		query = arena_printf(a, "%s&name=x", query);
	ck_assert_int_eq(parse(T_REGISTRY, query, NULL, &out), ERR_NONE);
	ck_assert_uint_eq(out.filter_count, CONDITIONS_MAX);
	ck_assert_int_eq(parse(T_REGISTRY, arena_printf(a, "%s&bogus=1", query), NULL, &out),
			 ERR_NONE);
	ck_assert_int_eq(parse(T_REGISTRY, arena_printf(a, "%s&name=x", query), NULL, &out),
			 ERR_BAD_REQUEST);
	ck_assert_int_eq(e.code, ERR_BAD_REQUEST);
	ck_assert_ptr_nonnull(e.detail);
}
END_TEST

START_TEST(a_query_without_memory_is_an_internal_error)
{
	struct list_request out, probe = parsed(T_REGISTRY, "name_eq=x&sort=name");
	struct record row = {.type = &types_table[T_REGISTRY]};
	row.columns[COL_ID] = value_int(7);
	row.columns[COL_NAME] = value_text("n");
	struct arena *own = arena_new(RIG_ARENA);
	const char *marker = query_marker(own, &probe, &row, false);
	struct pair items[] = {{"name_eq", "x"}, {"sort", "name"}, {"marker", marker}};
	const struct pairs pairs = {items, COUNT_OF(items)};
	unsigned n = 1;

	for (;; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		enum err rc = query_parse(a, &types_table[T_REGISTRY], API_V1, &pairs, visible,
					  NULL, RIG_NOW, &out, &e);
		if (rc == ERR_NONE)
			break;
		ck_assert_int_eq(rc, ERR_INTERNAL);
		ck_assert_uint_lt(n, 20);
	}
	ck_assert_uint_ge(n, 3);
	ck_assert(out.list.from.set);
	arena_free(own);
}
END_TEST

/* Limits (6.2) */

static const struct {
	const char *query;
	size_t limit;
	bool paged;
} limits[] = {
	{"", 100, false},
	{"limit=", 100, true},
	{"limit=abc", 100, true},
	{"limit=5x", 100, true},
	{"limit=x5", 100, true},
	{"limit=1.5", 100, true},
	{"limit=0x10", 100, true},
	{"limit=1", 1, true},
	{"limit=2", 2, true},
	{"limit=100", 100, true},
	{"limit=2999", 2999, true},
	{"limit=3000", 3000, true},
	{"limit=3001", 3000, true},
	{"limit=99999", 3000, true},
	{"limit=0", 3000, true},
	{"limit=-1", 3000, true},
	{"limit=-2", 3000, true},
	{"limit=9223372036854775808", 3000, true},
	{"limit=-9223372036854775809", 3000, true},
	{"limit=99999999999999999999999", 3000, true},
	{"limit=2&limit=7", 2, true},
	{"marker=m1", 100, true},
};

START_TEST(a_limit_is_between_1_and_3000)
{
	struct list_request out = parsed(T_REGISTRY, limits[_i].query);

	ck_assert_uint_eq(out.list.limit, limits[_i].limit);
	ck_assert(out.paged == limits[_i].paged);
}
END_TEST

/* Sorting (6.3) */

static const struct {
	const char *query, *sort;
	enum column column;
	bool descending;
} sorts[] = {
	{"", NULL, COL_NONE, false},
	{"sort=name", "name", COL_NAME, false},
	{"sort=name&order=asc", "name", COL_NAME, false},
	{"sort=name&order=desc", "name", COL_NAME, true},
	{"sort=name&order=bogus", "name", COL_NAME, false},
	{"sort=name&order=", "name", COL_NAME, false},
	{"sort=created&order=desc", "created", COL_CREATED, true},
	{"sort=id&order=desc", "id", COL_ID, true},
	{"sort=publicValue", "publicValue", COL_PUBLIC_VALUE, false},
	{"sort=registryId", "registryId", COL_REGISTRY_ID, false},
	{"sort=removeTime", "removeTime", COL_REMOVE_TIME, false},
	{"sort=bogus", NULL, COL_NONE, false},
	{"sort=bogus&order=desc", NULL, COL_NONE, false},
	{"sort=", NULL, COL_NONE, false},
	{"sort=Name", NULL, COL_NONE, false},
	{"sort=name_eq", NULL, COL_NONE, false},
	{"sort=email", NULL, COL_NONE, false},
	{"sort=secretValue", NULL, COL_NONE, false},
	{"sort=transitioning", NULL, COL_NONE, false},
	{"sort=data", NULL, COL_NONE, false},
	{"sort=public_value", NULL, COL_NONE, false},
};

START_TEST(a_list_is_sorted_by_a_field_that_filters_or_by_id)
{
	struct list_request out = parsed(T_REGISTRY_CREDENTIAL, sorts[_i].query);

	ck_assert_pstr_eq(out.sort != NULL ? out.sort->name : NULL, sorts[_i].sort);
	ck_assert_int_eq(out.list.sort, sorts[_i].column);
	ck_assert(out.list.descending == sorts[_i].descending);
}
END_TEST

START_TEST(a_log_begins_with_the_newest_unless_the_oldest_are_asked_for)
{
	ck_assert(parsed(T_AUDIT_LOG, "").list.descending);
	ck_assert(parsed(T_AUDIT_LOG, "order=desc").list.descending);
	ck_assert(!parsed(T_AUDIT_LOG, "order=asc").list.descending);
	ck_assert(!parsed(T_AUDIT_LOG, "sort=created").list.descending);
}
END_TEST

START_TEST(the_other_options_are_read)
{
	struct list_request out =
		parsed(T_REGISTRY, "include=credentials&include=x&_removed&all=true");

	ck_assert_str_eq(out.include, "credentials");
	ck_assert(out.list.with_removed);
	ck_assert(out.all);
	out = parsed(T_REGISTRY, "all=false");
	ck_assert(!out.all && !out.list.with_removed);
	ck_assert_ptr_null(out.include);
}
END_TEST

/* Markers */

static struct record
row_of(int64_t id, const char *name, int64_t created)
{
	struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]};

	row.columns[COL_ID] = value_int(id);
	row.columns[COL_NAME] = value_text(name);
	row.columns[COL_CREATED] = created >= 0 ? value_int(created) : value_null();
	return row;
}

static const char *
marker_of(const char *query, const struct record *row, bool backwards)
{
	const struct list_request request = parsed(T_REGISTRY_CREDENTIAL, query);
	const char *marker = query_marker(a, &request, row, backwards);

	ck_assert_ptr_nonnull(marker);
	ck_assert_int_eq(marker[0], 'm');
	return marker;
}

static struct position
position_of(const char *query, const char *marker)
{
	return parsed(T_REGISTRY_CREDENTIAL,
		      arena_printf(a, "%s&marker=%s", query, http_encode(a, marker)))
		.list.from;
}

static const struct {
	const char *query, *name;
	int64_t id, created;
} marked[] = {
	{"", "n", 7, 5000},
	{"order=desc", "n", 7, 5000},
	{"sort=id", "n", INT64_C(999999999999999999), 5000},
	{"sort=id&order=desc", "n", 1, 5000},
	{"sort=name", "n", 7, 5000},
	{"sort=name&order=desc", "n", 7, 5000},
	{"sort=name", NULL, 7, 5000},
	{"sort=name", "", 7, 5000},
	{"sort=name", "n", 7, 5000},
	{"sort=name", " a  b ", 7, 5000},
	{"sort=name", "n 7 t", 7, 5000},
	{"sort=name", "\xc3\xa9\xf0\x9f\x90\xb3", 7, 5000},
	{"sort=name", "%&=+\\\"\n\t\x01\x7f", 7, 5000},
	{"sort=created", "n", 7, 5000},
	{"sort=created&order=desc", "n", 7, 0},
	{"sort=created", "n", 7, -1},
};

START_TEST(a_marker_leads_back_to_its_row)
{
	const struct record row = row_of(marked[_i].id, marked[_i].name, marked[_i].created);

	for (int backwards = 0; backwards < 2; backwards++) {
		struct position from = position_of(
			marked[_i].query, marker_of(marked[_i].query, &row, backwards != 0));

		ck_assert(from.set);
		ck_assert(from.backwards == (backwards != 0));
		ck_assert_int_eq(from.id, marked[_i].id);
		if (strstr(marked[_i].query, "sort=name") != NULL) {
			ck_assert_int_eq(from.value.type,
					 marked[_i].name != NULL ? VALUE_TEXT : VALUE_NULL);
			ck_assert_pstr_eq(from.value.text, marked[_i].name);
		}
		if (strstr(marked[_i].query, "sort=created") != NULL) {
			ck_assert_int_eq(from.value.type,
					 marked[_i].created >= 0 ? VALUE_INT : VALUE_NULL);
			ck_assert_int_eq(from.value.number,
					 marked[_i].created >= 0 ? marked[_i].created : 0);
		}
	}
}
END_TEST

/* A marker of one order in another. */
static const struct {
	const char *of, *in;
} mixed[] = {
	{"sort=name", ""},
	{"sort=name", "sort=created"},
	{"sort=name", "sort=uuid"},
	{"sort=name", "sort=name&order=desc"},
	{"sort=name&order=desc", "sort=name"},
	{"sort=name&order=desc", "sort=name&order=asc"},
	{"sort=created", "sort=removed"},
	{"sort=created", "sort=id"},
	{"", "sort=id"},
	{"", "sort=name"},
	{"", "sort=id&order=desc"},
	{"sort=id", ""},
	{"sort=id", "sort=id&order=desc"},
};

START_TEST(a_marker_of_another_order_is_ignored)
{
	const struct record row = row_of(7, "n", 5000);

	ck_assert(!position_of(mixed[_i].in, marker_of(mixed[_i].of, &row, false)).set);
	ck_assert(position_of(mixed[_i].of, marker_of(mixed[_i].of, &row, false)).set);
}
END_TEST

static const char *
hex_of(const char *text)
{
	char *out = arena_alloc(a, 2 * strlen(text) + 2), *p = out;

	*p++ = 'm';
	for (; *text != '\0'; text++)
		p += sprintf(p, "%02x", (unsigned char)*text);
	return out;
}

/* Forged: the text behind the hexadecimal. */
static const struct {
	const char *query, *text;
	bool taken;
} forged[] = {
	{"", "fa  7 n", true},
	{"sort=name", "fa name 7 tn", true},
	{"sort=name", "ba name 7 n", true},
	{"sort=created", "fa created 7 i5", true},
	{"sort=created", "fa created 7 i-5", true},
	{"sort=created&order=desc", "fd created 7 i5", true},
	{"", "", false},
	{"", "f", false},
	{"", "fa", false},
	{"", "fa ", false},
	{"", "fa  ", false},
	{"", "fa  7", false},
	{"", "fa  7 ", false},
	{"", "fa  n", false},
	{"", "fa  x n", false},
	{"", "fa  7x n", false},
	{"", "fa  99999999999999999999 n", false},
	{"", "fa  7 nn", false},
	{"", "fa  7 i7", false},
	{"", "fa  7 tn", false},
	{"", "xa  7 n", false},
	{"", "Fa  7 n", false},
	{"", "fx  7 n", false},
	{"", "fa name 7 n", false},
	{"", "fa\t\t7\tn", false},
	{"sort=name", "fa name 7 i5", false},
	{"sort=name", "fa name 7 x", false},
	{"sort=name", "fa name 7 ", false},
	{"sort=name", "fa name  tn", false},
	{"sort=name", "fa nam 7 tn", false},
	{"sort=name", "fa namee 7 tn", false},
	{"sort=name", "fa Name 7 tn", false},
	{"sort=name", "fa name 7 t\xff", false},
	{"sort=name", "fa name 7 t\xc3", false},
	{"sort=name", "fa name 7 t\xed\xa0\x80", false},
	{"sort=created", "fa created 7 t5", false},
	{"sort=created", "fa created 7 i", false},
	{"sort=created", "fa created 7 i5x", false},
	{"sort=created", "fa created 7 ix", false},
	{"sort=created", "fa created 7 i99999999999999999999", false},
};

START_TEST(a_forged_marker_is_taken_only_if_it_is_whole)
{
	ck_assert_msg(position_of(forged[_i].query, hex_of(forged[_i].text)).set ==
			      forged[_i].taken,
		      "\"%s\"", forged[_i].text);
}
END_TEST

/* Things that are no marker of ours. */
static const char *const no_markers[] = {
	"",
	"m",
	"m1",
	"m100",
	"m10",
	"1c7",
	"x",
	"m-5",
	"mzz",
	"mz6",
	"m6",
	"m666",
	"M666120203720 6e",
	"m6661202037206e ",
	" m6661202037206e",
	"6661202037206e",
	"m6661202037206E",
	"mm6661202037206e",
	"m00",
	"m660061202037206e",
	"m66612020370020 6e",
};

START_TEST(what_is_no_marker_is_ignored)
{
	ck_assert_str_eq(hex_of("fa  7 n"), "m6661202037206e");
	ck_assert(!position_of("", no_markers[_i]).set);
}
END_TEST

START_TEST(a_marker_that_was_cut_is_ignored_unless_it_is_still_a_position)
{
	const struct record row = row_of(17, "\xc3\xa9z", 5000);
	const char *by_id = marker_of("", &row, false),
		   *by_name = marker_of("sort=name", &row, false);
	size_t head = 1 + 2 * strlen("fa name 17 t");

	for (size_t len = 0; len < strlen(by_id); len++)
		ck_assert(!position_of("", arena_copy(a, by_id, len)).set);
	for (size_t len = 0; len < strlen(by_name); len++) {
		struct position from = position_of("sort=name", arena_copy(a, by_name, len));
		/* Whole bytes, and no half of the first character. */
		bool whole = len >= head && (len - head) % 2 == 0 && len - head != 2;

		ck_assert_msg(from.set == whole, "%zu", len);
		if (whole)
			ck_assert_str_eq(from.value.text, len == head ? "" : "\xc3\xa9");
	}
}
END_TEST

START_TEST(a_marker_holds_only_the_part_of_a_long_text_that_sorts)
{
	char *text = arena_alloc(a, 4097);
	struct record row = row_of(7, NULL, 0);

	for (size_t i = 0; i + 1 < 4096; i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	row.columns[COL_PUBLIC_VALUE] = value_text(text);
	const char *marker = marker_of("sort=publicValue", &row, false);
	struct position from = position_of("sort=publicValue", marker);
	ck_assert(from.set);
	ck_assert_uint_eq(strlen(from.value.text), 2 * SORT_CHARS);
	ck_assert_uint_lt(strlen(marker), 1200);
	row.columns[COL_PUBLIC_VALUE] = value_text("short");
	marker = marker_of("sort=publicValue", &row, false);
	ck_assert_str_eq(position_of("sort=publicValue", marker).value.text, "short");
}
END_TEST

/* Pages over a store */

enum { ROWS = 23, ID_MAX = 200 };

/* Equal values, nulls, cases, an empty text, more than one byte. */
static const char *const some_names[] = {NULL, "b", "a",	"b",   "",
					 NULL, "B", "\xc3\xa9", "a b", "b"};

static int64_t
add_row(size_t i)
{
	struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]};
	const char *name = some_names[i % COUNT_OF(some_names)];
	char *long_value = arena_alloc(a, 301);
	char uuid[SECRET_UUID_SIZE];

	secret_uuid(uuid);
	memset(long_value, 'p', 300); /* differs only where it does not sort any more, or not */
	long_value[i % 3 == 0 ? 299 : 100] = (char)('a' + i % 5);
	row.columns[COL_UUID] = value_text(uuid);
	row.columns[COL_KIND] = value_text("registryCredential");
	row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
	row.columns[COL_STATE] = value_text(i % 2 == 0 ? "active" : "inactive");
	row.columns[COL_NAME] = value_text(name);
	row.columns[COL_PUBLIC_VALUE] = value_text(i % 7 == 0 ? NULL : long_value);
	row.columns[COL_CREATED] = value_int(RIG_NOW + (int64_t)(i % 4) * 1000);
	rig_insert(&rig, &row);
	return record_id(&row);
}

static struct record_list
page_of(const char *query, const char *marker, struct list_request *request)
{
	struct record_list list;

	*request = parsed(T_REGISTRY_CREDENTIAL,
			  marker != NULL ? arena_printf(a, "%s&marker=%s", query, marker) : query);
	static const int64_t owner = PROJECT_DEFAULT;
	request->list.family = &family_credential;
	request->list.kind = "registryCredential";
	request->list.owners = (struct owners){.ids = &owner, .count = 1};
	ck_assert_int_eq(store_list(rig.store, rig.arena, &request->list, &list), STORE_OK);
	return list;
}

static const char *const orders[] = {
	"",
	"sort=id",
	"sort=id&order=desc",
	"sort=name",
	"sort=name&order=desc",
	"sort=created",
	"sort=created&order=desc",
	"sort=publicValue",
	"sort=publicValue&order=desc",
	"sort=state&order=desc",
	"sort=removed",
	"sort=removed&order=desc",
	"sort=registryId",
};
static const size_t page_sizes[] = {1, 2, 5, ROWS - 1, ROWS, ROWS + 1};

/* The sort value of a row as text that compares like it. */
static const char *
sort_key(const struct list_request *request, const struct record *row)
{
	const struct value *v = &row->columns[request->list.sort];

	if (request->sort == NULL || request->list.sort == COL_ID || v->type == VALUE_NULL)
		return "0"; /* equal, or before all others */
	if (v->type == VALUE_INT)
		return arena_printf(a, "1%020lld", (long long)v->number);
	return arena_printf(a, "1%.255s", v->text);
}

static void
check_in_order(const struct list_request *request, const struct record *one,
	       const struct record *two)
{
	int by_key = strcmp(sort_key(request, one), sort_key(request, two));
	bool descending = request->list.descending;

	if (by_key == 0)
		ck_assert(descending ? record_id(one) > record_id(two)
				     : record_id(one) < record_id(two));
	else
		ck_assert(descending ? by_key > 0 : by_key < 0);
}

/* All pages from a marker on, into ids; forwards or backwards. */
static size_t
walk(const char *query, const char *marker, bool backwards, int64_t *ids, const char **last_marker)
{
	size_t count = 0;

	for (;;) {
		struct list_request request;
		struct record_list list = page_of(query, marker, &request);

		for (size_t i = 0; i < list.count; i++)
			ids[count + (backwards ? list.count - 1 - i : i)] =
				record_id(&list.items[i]);
		for (size_t i = 1; i < list.count; i++)
			check_in_order(&request, &list.items[i - 1], &list.items[i]);
		count += list.count;
		ck_assert_uint_lt(count, ID_MAX);
		if (list.count > 0)
			*last_marker = query_marker(a, &request,
						    &list.items[backwards ? 0 : list.count - 1],
						    backwards);
		if (!list.more)
			return count;
		ck_assert_uint_eq(list.count, request.list.limit);
		marker = *last_marker;
	}
}

START_TEST(pages_forward_and_backward_have_each_row_once_in_order)
{
	const char *order = orders[(size_t)_i / COUNT_OF(page_sizes)], *last = NULL;
	size_t size = page_sizes[(size_t)_i % COUNT_OF(page_sizes)];
	int64_t whole[ID_MAX], forward[ID_MAX], backward[ID_MAX];
	struct list_request request;

	for (size_t i = 0; i < ROWS; i++)
		add_row(i);
	size_t count = walk(arena_printf(a, "%s&limit=3000", order), NULL, false, whole, &last);
	ck_assert_uint_eq(count, ROWS);
	const char *query = arena_printf(a, "%s&limit=%zu", order, size);
	ck_assert_uint_eq(walk(query, NULL, false, forward, &last), ROWS);
	ck_assert_int_eq(memcmp(forward, whole, ROWS * sizeof(*whole)), 0);
	/* Behind the last row there is nothing; before it there is everything but itself. */
	ck_assert_uint_eq(page_of(query, last, &request).count, 0);
	struct record_list end = page_of(arena_printf(a, "%s&limit=3000", order), NULL, &request);
	const char *from = query_marker(a, &request, &end.items[ROWS - 1], true);
	ck_assert_uint_eq(walk(query, from, true, backward, &last), ROWS - 1);
	for (size_t i = 0; i + 1 < ROWS; i++)
		ck_assert_int_eq(backward[i], whole[ROWS - 2 - i]);
}
END_TEST

/* Between two pages a row that was seen goes, one that was not seen goes, and two come. */
START_TEST(rows_that_come_and_go_between_pages_make_none_skip_or_repeat)
{
	const char *order = orders[(size_t)_i / 2], *marker = NULL;
	bool backwards = _i % 2 != 0, gone[ID_MAX] = {false};
	unsigned seen[ID_MAX] = {0};
	int64_t first_new = 0, victim = 0;
	const char *query = arena_printf(a, "%s&limit=3", order);
	struct list_request request;
	struct record_list list;

	for (size_t i = 0; i < ROWS; i++)
		first_new = add_row(i) + 1;
	victim = first_new - ROWS;
	list = page_of(arena_printf(a, "%s&limit=3000", order), NULL, &request);
	if (backwards) {
		marker = query_marker(a, &request, &list.items[ROWS - 1], true);
		seen[record_id(&list.items[ROWS - 1])] = 1;
	}
	for (size_t round = 0;; round++) {
		list = page_of(query, marker, &request);
		for (size_t i = 0; i < list.count; i++)
			seen[record_id(&list.items[i])]++;
		if (list.count == 0)
			break;
		const struct record *edge = &list.items[backwards ? 0 : list.count - 1];
		marker = query_marker(a, &request, edge, backwards);
		if (!list.more)
			break;
		ck_assert_uint_lt(round, 100);
		/* The edge itself goes, and the next that nobody has seen yet. */
		gone[record_id(edge)] = true;
		rig_exec(&rig, arena_printf(a, "DELETE FROM credential WHERE id = %lld",
					    (long long)record_id(edge)));
		while (victim < first_new && seen[victim] > 0)
			victim++;
		if (round % 2 == 0 && victim < first_new) {
			gone[victim] = true;
			rig_exec(&rig, arena_printf(a, "DELETE FROM credential WHERE id = %lld",
						    (long long)victim++));
		}
		if (round < 10) {
			add_row(round);
			add_row(3 * round + 1);
		}
	}
	for (int64_t id = first_new - ROWS; id < first_new; id++)
		ck_assert_msg(seen[id] == 1 || (gone[id] && seen[id] == 0), "1c%lld: %u times",
			      (long long)id, seen[id]);
	for (int64_t id = first_new; id < ID_MAX; id++)
		ck_assert_uint_le(seen[id], 1);
}
END_TEST

/* What the conditions find: names in a table of rows (6.4). */
static const struct {
	const char *query, *names;
} found[] = {
	{"", "-ab %_é"},
	{"name=a", "a"},
	{"name=A", ""},
	{"name_ne=a", "b %_é"}, /* null is not different, as in SQL */
	{"name_prefix=a", "a"},
	{"name_prefix=%25", "%"},
	{"name_prefix=_", "_"},
	{"name_prefix=\\", ""},
	{"name_like=%25", "ab %_é"},
	{"name_like=_", "ab %_é"},
	{"name_like=\\%25", "%"},
	{"name_like=\xc3\xa9", "é"},
	{"name_notlike=a", "b %_é"},
	{"name_null=1", "-"},
	{"name_notnull=1", "ab %_é"},
	{"name=%20", " "},
	{"name=a&name=b", ""},
	{"name_ne=a&name_ne=b", " %_é"},
	{"created_gte=2000&created_lt=4000", "b "},
	{"created_gt=2000&created_lte=4000", " %"},
	{"created=3000", " "},
	{"created_ne=3000", "-ab%_é"},
	{"registryId_null=1", "-ab %_é"},
	{"registryId=garbage", ""},
	{"registryId_ne=garbage", ""},
	{"removed_notnull=1", ""},
	{"state=active", "-ab %_é"},
	{"state=ACTIVE", ""},
	{"kind=registryCredential", "-ab %_é"},
	{"kind=apiKey", ""},
	{"accountId=1a5", "-ab %_é"},
	{"accountId=1a6", ""},
	{"email=x", "-ab %_é"},
	{"secretValue_prefix=a", "-ab %_é"},
	{"name='%20OR%201=1", ""},
	{"name_like='%25", ""},
};

START_TEST(a_filter_finds_its_rows)
{
	static const char *const names[] = {NULL, "a", "b", " ", "%", "_", "\xc3\xa9"};
	struct list_request request;
	const char *text = "";

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		struct record row = {.type = &types_table[T_REGISTRY_CREDENTIAL]};

		row.columns[COL_UUID] = value_text(arena_printf(a, "u%zu", i));
		row.columns[COL_KIND] = value_text("registryCredential");
		row.columns[COL_ACCOUNT_ID] = value_int(PROJECT_DEFAULT);
		row.columns[COL_STATE] = value_text("active");
		row.columns[COL_NAME] = value_text(names[i]);
		row.columns[COL_CREATED] = value_int((int64_t)i * 1000);
		rig_insert(&rig, &row);
	}
	struct record_list list = page_of(found[_i].query, NULL, &request);
	for (size_t i = 0; i < list.count; i++) {
		const char *name = record_text(&list.items[i], COL_NAME);

		text = arena_printf(a, "%s%s", text, name != NULL ? name : "-");
	}
	ck_assert_str_eq(text, found[_i].names);
}
END_TEST

static Suite *
query_suite(void)
{
	Suite *suite = suite_create("query");
	TCase *tc = tcase_create("query"), *pages = tcase_create("pages");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_field_takes_the_modifiers_of_its_set, 0, COUNT_OF(filterable));
	tcase_add_test(tc, the_modifiers_are_printed_in_the_published_order);
	tcase_add_loop_test(tc, a_filter_becomes_its_condition, 0, COUNT_OF(filters));
	tcase_add_test(tc, a_field_that_the_caller_does_not_see_neither_filters_nor_sorts);
	tcase_add_test(tc, a_pattern_that_is_too_long_matches_nothing);
	tcase_add_loop_test(tc, a_filter_that_cannot_be_read_is_refused, 0, COUNT_OF(unreadable));
	tcase_add_test(tc, a_blank_id_uuid_or_name_of_a_project_is_not_looked_at);
	tcase_add_test(tc, more_filters_than_there_is_room_for_are_refused);
	tcase_add_test(tc, a_query_without_memory_is_an_internal_error);
	tcase_add_loop_test(tc, a_limit_is_between_1_and_3000, 0, COUNT_OF(limits));
	tcase_add_test(tc, a_log_begins_with_the_newest_unless_the_oldest_are_asked_for);
	tcase_add_loop_test(tc, a_list_is_sorted_by_a_field_that_filters_or_by_id, 0,
			    COUNT_OF(sorts));
	tcase_add_test(tc, the_other_options_are_read);
	tcase_add_loop_test(tc, a_marker_leads_back_to_its_row, 0, COUNT_OF(marked));
	tcase_add_loop_test(tc, a_marker_of_another_order_is_ignored, 0, COUNT_OF(mixed));
	tcase_add_loop_test(tc, a_forged_marker_is_taken_only_if_it_is_whole, 0, COUNT_OF(forged));
	tcase_add_loop_test(tc, what_is_no_marker_is_ignored, 0, COUNT_OF(no_markers));
	tcase_add_test(tc, a_marker_that_was_cut_is_ignored_unless_it_is_still_a_position);
	tcase_add_test(tc, a_marker_holds_only_the_part_of_a_long_text_that_sorts);
	suite_add_tcase(suite, tc);

	tcase_add_unchecked_fixture(pages, rig_make, rig_remove);
	tcase_add_checked_fixture(pages, setup_store, teardown_store);
	tcase_add_loop_test(pages, pages_forward_and_backward_have_each_row_once_in_order, 0,
			    COUNT_OF(orders) * COUNT_OF(page_sizes));
	tcase_add_loop_test(pages, rows_that_come_and_go_between_pages_make_none_skip_or_repeat, 0,
			    2 * COUNT_OF(orders));
	tcase_add_loop_test(pages, a_filter_finds_its_rows, 0, COUNT_OF(found));
	suite_add_tcase(suite, pages);
	return suite;
}

int
main(void)
{
	return run_suite(query_suite());
}
