/* check_handout: the order of the rules, what a file holds to the byte, and that nothing leaves
 * when memory ends in the middle. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "access/identity.h"
#include "access/permissions.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "login/handout.h"
#include "login/resolve.h"
#include "model/record.h"
#include "model/schema.h"
#include "resource/resource.h"

#include "support/support.h"

static struct rig rig;
static struct identity owner;
static struct context context;

static void
setup(void)
{
	rig_open(&rig);
	rig_exec(&rig, "UPDATE credential SET reveal = 1 WHERE public_value = 'owner'");
	owner = rig_scoped(&rig, PERSON_OWNER, PROJECT_DEFAULT);
	context = rig_context(&rig, &owner);
}

static void
teardown(void)
{
	rig_close(&rig);
}

/* The order */

/* Logins as "id:path:flags:created", flags o for the account's own, d for a default, x for one that
 * has expired, u for one with the user name of others; what is asked for; and the order with the
 * reason of each. */
/* clang-format off */
static const struct { const char *logins[5]; const char *repository; const char *order; } cases[] = {
	{{"1:-:-:5"}, NULL, "1 address"},
	{{"1:-:-:5"}, "acme/app", "1 address"},
	{{"1:acme:-:5"}, NULL, "1 otherPath"},
	{{"1:acme:-:5"}, "acme", "1 address"},
	{{"1:acme:-:5"}, "acme2/app", "1 otherPath"},
	{{"1:acme/app:-:5"}, "acme", "1 otherPath"},
	{{"1:-:-:5", "2:-:-:5"}, NULL, "2 newest, 1 newest"},
	{{"1:-:-:6", "2:-:-:5"}, NULL, "2 newest, 1 newest"},
	{{"1:-:d:5", "2:-:-:6"}, NULL, "1 isDefault, 2 isDefault"},
	{{"1:-:d:5", "2:-:d:6", "3:-:-:7"}, NULL, "2 newest, 1 newest, 3 isDefault"},
	{{"1:-:d:5", "2:acme:-:4"}, "acme/x", "2 pathPrefix, 1 pathPrefix"},
	{{"1:-:d:5", "2:acme:-:4"}, "x", "1 address, 2 otherPath"},
	{{"1:acme:-:5", "2:acme/app:-:4", "3:-:-:9"}, "acme/app", "2 pathPrefix, 1 pathPrefix, 3 pathPrefix"},
	{{"1:-:o:1", "2:acme:d:9"}, "acme/x", "1 account, 2 account"},
	{{"1:-:o:1", "2:-:o:2", "3:-:d:3"}, NULL, "2 newest, 1 newest, 3 account"},
	{{"1:-:x:9", "2:-:-:1"}, NULL, "2 address, 1 expired"},
	{{"1:-:u:5", "2:-:u:5"}, NULL, "2 newest, 1 double"},
	{{"1:-:u:5", "2:-:-:5", "3:-:u:5"}, NULL, "3 newest, 2 newest, 1 double"},
	{{"1:-:ud:5", "2:-:u:5"}, NULL, "1 isDefault, 2 double"},
	{{"1:-:u:5", "2:acme:u:5"}, "acme/x", "2 pathPrefix, 1 pathPrefix"},
	{{"1:-:u:5", "2:-:ux:5"}, NULL, "1 address, 2 expired"},
	{{"1:-:x:9", "2:acme:-:1"}, NULL, "2 otherPath, 1 expired"},
};
/* clang-format on */

static struct login
read_login(const char *text, struct record *row, char path[32])
{
	struct login login = {.row = row, .path = path};
	long long id, created;
	char flags[8];

	ck_assert_int_eq(sscanf(text, "%lld:%31[^:]:%7[^:]:%lld", &id, path, flags, &created), 4);
	if (strcmp(path, "-") == 0)
		path[0] = '\0';
	*row = (struct record){.type = &types_table[T_REGISTRY_CREDENTIAL]};
	row->columns[COL_ID] = value_int(id);
	row->columns[COL_CREATED] = value_int(created);
	row->columns[COL_IS_DEFAULT] = value_int(strchr(flags, 'd') != NULL);
	if (strchr(flags, 'u') != NULL)
		row->columns[COL_PUBLIC_VALUE] = value_text("bot");
	login.own = strchr(flags, 'o') != NULL;
	login.reason = strchr(flags, 'x') != NULL ? LOGIN_EXPIRED : LOGIN_ADDRESS;
	return login;
}

START_TEST(the_first_rule_by_which_two_differ_decides)
{
	struct record rows[5];
	struct login items[5];
	struct login_list list = {.items = items};
	char paths[5][32], text[256] = "", *end = text;

	for (; list.count < 5 && cases[_i].logins[list.count] != NULL; list.count++)
		items[list.count] = read_login(cases[_i].logins[list.count], &rows[list.count],
					       paths[list.count]);
	resolve_order(&list, cases[_i].repository);
	for (size_t i = 0; i < list.count; i++) {
		const struct login *chosen = items[0].fits ? items : NULL;

		end += sprintf(end, "%s%lld %s", i > 0 ? ", " : "",
			       (long long)record_id(items[i].row), login_reasons[items[i].reason]);
		ck_assert_ptr_nonnull(resolve_text(&list, &items[i]));
		ck_assert_ptr_nonnull(resolve_text(&list, chosen));
	}
	ck_assert_str_eq(text, cases[_i].order);
}
END_TEST

/* Files */

static enum err
run(const char *body, struct hand_out *out)
{
	struct error e = {0};

	*out = (struct hand_out){0};
	enum err rc =
		handout_run(&context, &types_table[T_HAND_OUT], rig_json(rig.arena, body), out, &e);
	ck_assert_int_eq(rc, e.code);
	return rc;
}

static void
add_login(const char *address, const char *user, const char *secret, const char *more)
{
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, address);
	int64_t id = rig_credential(&rig, PROJECT_DEFAULT, registry, secret);

	rig_exec(&rig, arena_printf(rig.arena,
				    "UPDATE credential SET public_value = '%s'%s WHERE id = %lld",
				    user, more, (long long)id));
}

/* clang-format off */
static const struct { const char *body, *type, *text; } files[] = {
	{ "{\"format\":\"docker\"}", "application/json",
	  "{\"auths\":{\"https://index.docker.io/v1/\":{\"auth\":\"PHRva2VuPjo=\",\"identitytoken\":\"t\\\"k\"},"
	  "\"localhost:5000\":{\"auth\":\"dTpwOnc=\"}}}" },
	{ "{\"format\":\"podman\"}", "application/json",
	  "{\"auths\":{\"ghcr.io/acme\":{\"auth\":\"YTpi\"},\"docker.io\":{\"auth\":\"PHRva2VuPjo=\",\"identitytoken\":\"t\\\"k\"},"
	  "\"localhost:5000\":{\"auth\":\"dTpwOnc=\"}}}" },
	{ "{\"format\":\"docker\",\"image\":\"ghcr.io/acme/x\"}", "application/json", "{\"auths\":{\"ghcr.io\":{\"auth\":\"YTpi\"}}}" },
	{ "{\"format\":\"helper\",\"image\":\"alpine\"}", "application/json",
	  "{\"ServerURL\":\"https://index.docker.io/v1/\",\"Username\":\"<token>\",\"Secret\":\"t\\\"k\"}" },
	{ "{\"format\":\"kubernetes\",\"image\":\"ghcr.io/acme/x\",\"name\":\"a.b\",\"namespace\":\"c\"}", "application/yaml",
	  "apiVersion: \"v1\"\nkind: \"Secret\"\nmetadata:\n  name: \"a.b\"\n  namespace: \"c\"\ntype: \"kubernetes.io/dockerconfigjson\"\n"
	  "data:\n  .dockerconfigjson: \"eyJhdXRocyI6eyJnaGNyLmlvL2FjbWUiOnsidXNlcm5hbWUiOiJhIiwicGFzc3dvcmQiOiJiIiwiYXV0aCI6IllUcGkifX19\"\n" },
};
/* clang-format on */

static void
add_all(void)
{
	add_login("localhost:5000", "u", "p:w", "");
	add_login("docker.io", "<token>", "t\"k", "");
	add_login("ghcr.io", "a", "b", ", path_prefix = 'acme'");
	rig_exec(&rig, "UPDATE credential SET created = id * 1000");
}

START_TEST(a_file_is_written_byte_for_byte)
{
	struct hand_out out;

	add_all();
	ck_assert_int_eq(run(files[_i].body, &out), ERR_NONE);
	ck_assert_str_eq(out.content_type, files[_i].type);
	ck_assert_str_eq(out.text, files[_i].text);
	ck_assert_uint_eq(out.len, strlen(files[_i].text));
}
END_TEST

/* With and without a key, with and without the right. */
START_TEST(a_key_needs_the_right)
{
	struct hand_out out;

	add_all();
	ck_assert_int_eq(run(files[0].body, &out), ERR_NONE);
	owner.key.reveal = false;
	ck_assert_int_eq(run(files[0].body, &out), ERR_FORBIDDEN);
	owner.key_id = 0;
	ck_assert_int_eq(run(files[0].body, &out), ERR_NONE);
	owner.role = ROLE_MEMBER;
	ck_assert_int_eq(run(files[0].body, &out), ERR_FORBIDDEN);
}
END_TEST

START_TEST(without_memory_nothing_leaves_and_nothing_is_noted)
{
	const char *before;
	struct hand_out out;
	enum err rc = ERR_INTERNAL;

	add_all();
	before = rig_dump(&rig);
	struct json *body = rig_json(rig.arena, files[_i].body);
	context.arena = arena_new(RIG_ARENA);
	ck_assert_ptr_nonnull(context.arena);
	for (unsigned n = 1; rc != ERR_NONE; n++) {
		struct error e = {0};

		ck_assert_uint_lt(n, 2000);
		arena_reset(context.arena);
		arena_fail_at(context.arena, n);
		out = (struct hand_out){0};
		rc = handout_run(&context, &types_table[T_HAND_OUT], body, &out, &e);
		if (rc == ERR_NONE)
			break;
		ck_assert_int_eq(rc, ERR_INTERNAL);
		ck_assert_str_eq(rig_dump(&rig), before);
		ck_assert_str_eq(
			rig_sql(&rig, "SELECT count(*) FROM credential WHERE last_used IS NOT NULL "
				      "AND kind = 'registryCredential'"),
			"0");
	}
	ck_assert_str_eq(out.text, files[_i].text);
	arena_fail_at(context.arena, 0);
	arena_free(context.arena);
	ck_assert_str_ne(rig_dump(&rig), before);
}
END_TEST

static Suite *
handout_suite(void)
{
	Suite *suite = suite_create("handout");
	TCase *order = tcase_create("order"), *tc = tcase_create("files");

	tcase_add_loop_test(order, the_first_rule_by_which_two_differ_decides, 0, COUNT_OF(cases));
	suite_add_tcase(suite, order);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_file_is_written_byte_for_byte, 0, COUNT_OF(files));
	tcase_add_test(tc, a_key_needs_the_right);
	tcase_add_loop_test(tc, without_memory_nothing_leaves_and_nothing_is_noted, 0,
			    COUNT_OF(files));
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(handout_suite());
}
