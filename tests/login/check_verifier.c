/* check_verifier: what becomes of a login by the result of its check, and what no request can time:
 * a row that changed while the registry was asked, processes that died with a check, a secret that
 * does not open.  What asks the registry is replaced. */
#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "login/verifier.h"
#include "registry/check.h"

#include "support/support.h"

static struct rig rig;
static struct verifier *verifier;
static enum check_result result;
static const char *meanwhile; /* SQL that another one runs while the registry is asked */
static unsigned asked;

bool __wrap_registry_check(const struct check_settings *s, struct arena *a,
			   const struct registry_at *at, const char *user, const char *secret,
			   struct check_report *out);

bool
__wrap_registry_check(const struct check_settings *s, struct arena *a, const struct registry_at *at,
		      const char *user, const char *secret, struct check_report *out)
{
	(void)s;
	(void)a;
	ck_assert_str_eq(at->address, "reg.test");
	ck_assert_str_eq(user, "ci-bot");
	ck_assert_str_eq(secret, "the secret");
	asked++;
	if (meanwhile != NULL)
		rig_exec(&rig, meanwhile);
	*out = (struct check_report){.result = result, .message = "told", .http_status = 418};
	return true;
}

static void
setup(void)
{
	static const struct check_settings settings = {.timeout_ms = 1000};

	rig_open(&rig);
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "reg.test");
	(void)rig_credential(&rig, PROJECT_DEFAULT, registry, "the secret");
	verifier = verifier_new(rig.store, rig.ring, &settings, NULL);
	ck_assert_ptr_nonnull(verifier);
}

static void
teardown(void)
{
	verifier_free(verifier);
	rig_close(&rig);
}

static const char *
now(void)
{
	return rig_sql(&rig,
		       "SELECT state || ' ' || coalesce(verify_result, '-') || ' ' || "
		       "coalesce(transition_text, '-') || ' ' || coalesce(verify_status, '-')"
		       " || ' ' || CASE WHEN verify_due IS NULL THEN 'done' WHEN verify_due > "
		       "unixepoch() * 1000 THEN 'leased' ELSE 'due' END FROM credential WHERE "
		       "registry_id = 1");
}

/* clang-format off */
#define GONE "The registry of the login was removed."
#define LATER "The server could not carry out the check; its log says why."
/* The row as it waits, the result, what happens meanwhile; and the row then, with whether the registry was asked. */
static const struct { const char *row; enum check_result result; const char *meanwhile, *then; unsigned asked; } cases[] = {
	{ "state = 'activating', verify_rule = 'require'", CHECK_VALID, NULL, "active valid - 418 done", 1 },
	{ "state = 'activating', verify_rule = 'require'", CHECK_INVALID_CREDENTIAL, NULL, "inactive invalidCredential told 418 done", 1 },
	{ "state = 'activating', verify_rule = 'require'", CHECK_UNREACHABLE, NULL, "inactive unreachable told 418 done", 1 },
	{ "state = 'activating', verify_rule = 'require'", CHECK_ANONYMOUS_ACCESS, NULL, "active anonymousAccess - 418 done", 1 },
	{ "state = 'activating', verify_rule = 'warn'", CHECK_INVALID_CREDENTIAL, NULL, "active invalidCredential told 418 done", 1 },
	{ "state = 'activating', verify_rule = 'off'", CHECK_INVALID_CREDENTIAL, NULL, "active invalidCredential - 418 done", 1 },
	/* One in use is not given up because its registry is down. */
	{ "state = 'updating-active', verify_rule = 'require'", CHECK_UNREACHABLE, NULL, "active unreachable told 418 done", 1 },
	{ "state = 'updating-active', verify_rule = 'require'", CHECK_FORBIDDEN, NULL, "inactive forbidden told 418 done", 1 },
	{ "state = 'updating-inactive', verify_rule = 'require'", CHECK_VALID, NULL, "inactive valid - 418 done", 1 },
	{ "state = 'updating-inactive', verify_rule = 'require'", CHECK_FORBIDDEN, NULL, "inactive forbidden - 418 done", 1 },
	/* A state in which nothing waits. */
	{ "state = 'inactive'", CHECK_FORBIDDEN, NULL, "inactive - - - done", 1 },
	/* A check that nobody waits for takes no login out of use. */
	{ "state = 'active'", CHECK_VALID, NULL, "active valid - 418 done", 1 },
	{ "state = 'active', verify_rule = 'require'", CHECK_FORBIDDEN, NULL, "active forbidden told 418 done", 1 },
	{ "state = 'active'", CHECK_REPOSITORY_REFUSED, NULL, "active repositoryRefused told 418 done", 1 },
	{ "state = 'active'", CHECK_UNREACHABLE, NULL, "active unreachable - 418 done", 1 },
	{ "state = 'active', first_bad = 5, transition_text = 'bad'", CHECK_UNREACHABLE, NULL, "active unreachable bad 418 done", 1 },
	{ "state = 'active', first_bad = 5, transition_text = 'bad'", CHECK_VALID, NULL, "active valid - 418 done", 1 },
	{ "state = 'removed'", CHECK_FORBIDDEN, NULL, "removed - - - done", 1 },
	/* Whoever changed the row meanwhile was right, and so was whoever took it when the lease had ended. */
	{ "state = 'activating'", CHECK_VALID, "UPDATE credential SET state = 'inactive', verify_due = NULL", "inactive - - - done", 1 },
	{ "state = 'activating'", CHECK_VALID, "UPDATE credential SET verify_due = 1", "activating - - - due", 1 },
	{ "state = 'activating'", CHECK_VALID, "UPDATE credential SET verify_attempt = verify_attempt + 1", "activating - - - leased", 1 },
	{ "state = 'activating'", CHECK_VALID, "DELETE FROM credential WHERE registry_id = 1", "no row", 1 },
	/* Three processes have died with it. */
	{ "state = 'activating', verify_attempt = 2", CHECK_VALID, NULL, "active valid - 418 done", 1 },
	{ "state = 'activating', verify_attempt = 3, verify_rule = 'require'", CHECK_VALID, NULL, "inactive timeout " LATER " - done", 0 },
	{ "state = 'activating', verify_attempt = 3", CHECK_VALID, NULL, "active timeout - - done", 0 },
	/* Nobody to ask, or nothing to ask with. */
	{ "state = 'activating', verify_rule = 'require', registry_id = (SELECT id FROM storage_pool WHERE 0)", CHECK_VALID, NULL, "no row", 0 },
	{ "state = 'activating', verify_rule = 'warn', removed = (SELECT NULL)", CHECK_TIMEOUT, NULL, "active timeout told 418 done", 1 },
	{ "state = 'activating', account_id = 6", CHECK_VALID, NULL, "activating - - - leased", 0 },
	/* Not yet. */
	{ "state = 'activating', verify_due = 99999999999999", CHECK_VALID, NULL, "activating - - - leased", 0 },
};
/* clang-format on */

START_TEST(a_login_becomes_what_its_check_says)
{
	rig_exec(&rig, arena_printf(rig.arena,
				    "UPDATE credential SET verify_due = 1000 WHERE registry_id = 1;"
				    "UPDATE credential SET %s WHERE registry_id = 1",
				    cases[_i].row));
	result = cases[_i].result;
	meanwhile = cases[_i].meanwhile;
	asked = 0;
	(void)verifier_run_one(verifier);
	ck_assert_str_eq(now(), cases[_i].then);
	ck_assert_uint_eq(asked, cases[_i].asked);
	if (strstr(cases[_i].then, " due") == NULL)
		ck_assert(!verifier_run_one(verifier));
}
END_TEST

/* clang-format off */
static const struct { const char *row; enum check_result result; const char *then; } histories[] = {
	{ "last_good = NULL", CHECK_VALID, "now -" },
	{ "last_good = 7", CHECK_INVALID_CREDENTIAL, "7 now" },
	{ "last_good = 7, first_bad = 8", CHECK_FORBIDDEN, "7 8" },
	{ "last_good = 7, first_bad = 8", CHECK_TIMEOUT, "7 8" },
	{ "last_good = 7", CHECK_TIMEOUT, "7 -" },
	{ "last_good = 7, first_bad = 8", CHECK_ANONYMOUS_ACCESS, "now -" },
};
/* clang-format on */

START_TEST(when_it_was_last_good_and_first_bad_is_kept)
{
	const char *text = "SELECT CASE WHEN last_good > 1000 THEN 'now' ELSE coalesce(last_good, "
			   "'-') END || ' ' || CASE WHEN first_bad > 1000 THEN 'now' ELSE "
			   "coalesce(first_bad, '-') END FROM credential WHERE registry_id = 1";

	rig_exec(&rig, arena_printf(rig.arena,
				    "UPDATE credential SET verify_due = 1000, state = 'active', %s "
				    "WHERE registry_id = 1",
				    histories[_i].row));
	result = histories[_i].result;
	meanwhile = NULL;
	(void)verifier_run_one(verifier);
	ck_assert_str_eq(rig_sql(&rig, text), histories[_i].then);
}
END_TEST

START_TEST(a_login_of_a_registry_that_was_removed_is_not_checked)
{
	rig_exec(&rig, "UPDATE storage_pool SET removed = 5;"
		       "UPDATE credential SET verify_due = 1000, state = 'activating', "
		       "verify_rule = 'require' WHERE registry_id = 1");
	ck_assert(verifier_run_one(verifier));
	ck_assert_str_eq(now(), "inactive unreachable " GONE " - done");
	ck_assert_str_eq(rig_sql(&rig,
				 "SELECT event_type || ' ' || auth_type || ' ' || resource_id "
				 "FROM audit_log WHERE event_type = 'activate'"),
			 "activate verifier 1c19");
}
END_TEST

/* Accounts have their turn one after the other, however many checks one of them waits for. */
START_TEST(accounts_take_turns)
{
	static const int accounts[] = {7, 7, 7, 7, 8, 8, 9};
	static const char *const order[] = {"7", "8", "9", "7", "8", "7", "7"};

	for (size_t i = 0; i < COUNT_OF(accounts); i++) {
		int64_t id = rig_credential(&rig, PROJECT_DEFAULT, 1, "the secret");

		rig_exec(&rig,
			 arena_printf(rig.arena,
				      "UPDATE credential SET verify_due = 1000, verify_for = %d, "
				      "name = '%d', state = 'updating-active' WHERE id = %lld",
				      accounts[i], accounts[i], (long long)id));
	}
	result = CHECK_VALID;
	meanwhile = NULL;
	for (size_t i = 0; i < COUNT_OF(order); i++) {
		ck_assert(verifier_run_one(verifier));
		ck_assert_str_eq(rig_sql(&rig, "SELECT name FROM credential WHERE verified IS NOT "
					       "NULL AND description IS NULL"),
				 order[i]);
		rig_exec(&rig,
			 "UPDATE credential SET description = 'seen' WHERE verified IS NOT NULL");
	}
	ck_assert(!verifier_run_one(verifier));
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("verifier");
	TCase *tc = tcase_create("verifier");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_login_becomes_what_its_check_says, 0, COUNT_OF(cases));
	tcase_add_loop_test(tc, when_it_was_last_good_and_first_bad_is_kept, 0,
			    sizeof(histories) / sizeof(*histories));
	tcase_add_test(tc, a_login_of_a_registry_that_was_removed_is_not_checked);
	tcase_add_test(tc, accounts_take_turns);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
