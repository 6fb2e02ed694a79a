/* check_renew: what becomes of a login by what its source says, for each class of sources; what no
 * request can time: a process that dies between any two steps, a row that changed while the source
 * was asked, a secret that does not open.  The sources and the registry are replaced by ones in
 * memory, which know which secrets work. */
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "registry/check.h"
#include "renew/job.h"
#include "renew/renew.h"
#include "renew/restore.h"
#include "resource/resource.h"

#include "support/support.h"

static struct rig rig;
static struct renewer *renewer;
static struct renewer_parts parts;
static int64_t login_id;

/* ---- the source and the registry: secrets that work, and how often the source was asked ---- */

enum { ALIVE_MAX = 16, TEXT = 64 };

static char alive[ALIVE_MAX][TEXT];
static unsigned asked, made, discarded;
static enum renew_result result;  /* what the source says */
static enum check_result verdict; /* what the registry says of a secret that works */
static const char *meanwhile;	  /* SQL that another one runs while the source is asked */
static struct {
	char user[TEXT], handle[TEXT], chosen[TEXT], intent[TEXT], key[TEXT];
	bool again;
} seen; /* what it was last asked with */
static int64_t life_ms;
static bool unchanged;

static bool
works(const char *secret)
{
	for (int i = 0; i < ALIVE_MAX; i++)
		if (secret != NULL && strcmp(alive[i], secret) == 0)
			return true;
	return false;
}

static int
count_alive(void)
{
	int n = 0;

	for (int i = 0; i < ALIVE_MAX; i++)
		n += alive[i][0] != '\0';
	return n;
}

static void
come_alive(const char *secret)
{
	for (int i = 0; i < ALIVE_MAX; i++)
		if (alive[i][0] == '\0') {
			(void)snprintf(alive[i], TEXT, "%s", secret);
			return;
		}
	ck_abort_msg("too many secrets");
}

static void
die(const char *secret)
{
	for (int i = 0; i < ALIVE_MAX; i++)
		if (secret == NULL || strcmp(alive[i], secret) == 0)
			alive[i][0] = '\0';
}

/* The beginning of each: false if the source does nothing. */
static bool
begin(struct renewal *r)
{
	asked++;
	(void)snprintf(seen.user, TEXT, "%s", r->user);
	(void)snprintf(seen.handle, TEXT, "%s", r->handle != NULL ? r->handle : "");
	(void)snprintf(seen.chosen, TEXT, "%s", r->chosen != NULL ? r->chosen : "");
	(void)snprintf(seen.intent, TEXT, "%s", r->intent != NULL ? r->intent : "");
	seen.again = r->again;
	if (meanwhile != NULL)
		rig_exec(&rig, meanwhile);
	if (result == RENEW_REFRESHED)
		return true;
	r->http_status = 418;
	r->retry_after_ms = 7000;
	return false;
}

static enum renew_result
give(struct renewal *r, const char *secret)
{
	r->new_secret = arena_printf(r->arena, "%s", secret);
	r->http_status = 200;
	if (life_ms != 0)
		r->expires_ms = clock_wall_ms() + life_ms;
	return RENEW_REFRESHED;
}

static enum renew_result
fetch_additive(struct renewal *r)
{
	char secret[TEXT];

	if (!begin(r))
		return result;
	r->unchanged = unchanged;
	r->every_ms = 300 * 1000;
	if (unchanged)
		return RENEW_REFRESHED;
	(void)snprintf(secret, sizeof(secret), "made %u", ++made);
	come_alive(secret);
	return give(r, secret);
}

static enum renew_result
fetch_chosen(struct renewal *r)
{
	if (!begin(r))
		return result;
	ck_assert_ptr_nonnull(r->chosen);
	die(NULL);
	come_alive(r->chosen);
	return give(r, r->chosen);
}

/* The present one is read first where a call may have reached the source. */
static enum renew_result
fetch_readable(struct renewal *r)
{
	char secret[TEXT];

	if (!begin(r))
		return result;
	if (r->again && !works(r->secret))
		return give(r, alive[0]);
	(void)snprintf(secret, sizeof(secret), "made %u", ++made);
	die(NULL);
	come_alive(secret);
	return give(r, secret);
}

/* The handle of a secret is its text.  What is neither the present one nor kept is cleared away. */
static enum renew_result
fetch_second(struct renewal *r)
{
	char secret[TEXT];

	if (!begin(r))
		return result;
	for (int i = 0; r->again && i < ALIVE_MAX; i++)
		if (r->handle == NULL || strcmp(alive[i], r->handle) != 0)
			alive[i][0] = '\0';
	(void)snprintf(secret, sizeof(secret), "made %u", ++made);
	come_alive(secret);
	r->new_handle = arena_printf(r->arena, "%s", secret);
	return give(r, secret);
}

static enum renew_result
discard_second(struct renewal *r)
{
	(void)snprintf(seen.key, TEXT, "%s", r->source_secret != NULL ? r->source_secret : "");
	if (result != RENEW_REFRESHED)
		return result;
	discarded++;
	if (r->handle == NULL) { /* what was made and never stored */
		(void)snprintf(seen.intent, TEXT, "%s", r->intent);
		die(NULL);
		return RENEW_REFRESHED;
	}
	ck_assert(works(r->handle));
	die(r->handle);
	return RENEW_REFRESHED;
}

static const struct source_calls fakes[SOURCE__COUNT] = {
	[SOURCE_AZURE] = {.fetch = fetch_additive},
	[SOURCE_HARBOR] = {.fetch = fetch_chosen},
	[SOURCE_QUAY] = {.fetch = fetch_readable},
	[SOURCE_GITLAB] = {.fetch = fetch_second, .discard = discard_second},
};

bool __wrap_registry_check(const struct check_settings *s, struct arena *a,
			   const struct registry_at *at, const char *user, const char *secret,
			   struct check_report *out);

bool
__wrap_registry_check(const struct check_settings *s, struct arena *a, const struct registry_at *at,
		      const char *user, const char *secret, struct check_report *out)
{
	(void)s;
	(void)a;
	(void)user;
	ck_assert_str_eq(at->address, "reg.test");
	*out = (struct check_report){.result = works(secret) ? verdict : CHECK_INVALID_CREDENTIAL,
				     .message = "told"};
	return true;
}

/* ---- the rig ---- */

static void
setup(void)
{
	static const struct renew_settings settings = {.timeout_ms = 1000, .networks = ""};
	static const struct check_settings checks = {.timeout_ms = 1000};

	rig_open(&rig);
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "reg.test");
	die(NULL);
	asked = made = discarded = 0;
	result = RENEW_REFRESHED;
	verdict = CHECK_VALID;
	meanwhile = NULL;
	unchanged = false;
	life_ms = 12 * 3600 * 1000;
	login_id = rig_credential(&rig, PROJECT_DEFAULT, registry, "old");
	come_alive("old");
	parts = (struct renewer_parts){rig.store, rig.ring, &settings, &checks, fakes};
	renewer = renewer_new(&parts);
	ck_assert_ptr_nonnull(renewer);
}

static void
teardown(void)
{
	renewer_free(renewer);
	rig_close(&rig);
}

static void
change(const char *set)
{
	rig_exec(&rig,
		 arena_printf(rig.arena, "UPDATE credential SET %s WHERE registry_id = 1", set));
}

static void
make_due(const char *source)
{
	change(arena_printf(rig.arena,
			    "source = '%s', refresh_due = 1000, source_config = '{}', "
			    "source_handle = 'old', secret_version = 4, refreshed = 1",
			    source));
}

/* The secret that the login has now. */
static const char *
present(void)
{
	const struct context c = {.arena = rig.arena, .ring = rig.ring};
	struct record row;

	ck_assert_int_eq(
		store_get(rig.store, rig.arena, &family_credential, login_id, &owners_all, &row),
		STORE_OK);
	ck_assert_int_eq(login_find_address(rig.store, NULL, rig.arena, &row), STORE_OK);
	return login_open(&c, &row, OPEN_TO_CHECK);
}

static const char *
now(void)
{
	return rig_sql(
		&rig, "SELECT state || ' ' || coalesce(refresh_result, '-') || ' ' || "
		      "coalesce(refresh_status, '-') || ' v' || secret_version || ' ' || "
		      "coalesce(transition_text, '-') || ' ' || CASE WHEN refresh_due IS NULL THEN "
		      "'never' WHEN refresh_due <= unixepoch() * 1000 THEN 'due' WHEN "
		      "refresh_attempt <> 0 "
		      "THEN 'again' ELSE 'later' END FROM credential WHERE registry_id = 1");
}

static const char *
versions(void)
{
	return rig_sql(&rig, "SELECT coalesce(group_concat(version || ' ' || state || "
			     "CASE WHEN secret_value IS NULL THEN '' ELSE ' kept' END, ', '), '') "
			     "FROM (SELECT * FROM secret_version ORDER BY id)");
}

static const char *
events(void)
{
	return rig_sql(&rig,
		       "SELECT coalesce(group_concat(event_type || ' ' || auth_type), '') FROM "
		       "audit_log WHERE event_type LIKE 'refresh%'");
}

static enum err
restore_in_rig(struct store_tx *tx, void *arg)
{
	(void)arg;
	return renew_after_restore(tx, rig.ring) == STORE_OK ? ERR_NONE : ERR_INTERNAL;
}

/* ---- tests ---- */

/* clang-format off */
static const struct { const char *source, *versions; int alive; } classes[] = {
	{ "azure",  "4 previous kept", 2 },
	{ "harbor", "4 expired", 1 },
	{ "quay",   "4 expired", 1 },
	{ "gitlab", "4 previous kept", 2 },
};
/* clang-format on */

START_TEST(a_due_login_gets_a_new_secret)
{
	make_due(classes[_i].source);
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(now(), "active refreshed 200 v5 - later");
	ck_assert(works(present()));
	ck_assert_str_ne(present(), "old");
	ck_assert_str_eq(versions(), classes[_i].versions);
	ck_assert_str_eq(events(), "refresh refresher");
	ck_assert_int_eq(count_alive(), classes[_i].alive);
	ck_assert_str_eq(seen.user, "ci-bot");
	ck_assert_str_eq(seen.handle, "old");
	ck_assert(!seen.again);
	ck_assert(!renewer_run_one(renewer));
	ck_assert_uint_eq(asked, 1);
}
END_TEST

START_TEST(a_new_login_gets_its_first_secret)
{
	make_due(classes[_i].source);
	change("secret_value = NULL, secret_version = NULL, source_handle = NULL, refreshed = "
	       "NULL");
	die(NULL);
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(now(), "active refreshed 200 v1 - later");
	ck_assert(works(present()));
	ck_assert_str_eq(versions(), "");
	ck_assert_int_eq(count_alive(), 1);
}
END_TEST

/* Where a process dies: after the row was taken; after the source has done what it was asked for,
 * whether the answer came or not; after the secret was stored. */
enum death { TAKEN, APPLIED, STORED, STEPS };

static void
die_after(enum death step)
{
	struct renew_job job = {.parts = &parts,
				.arena = arena_new(RIG_ARENA),
				.id = login_id,
				.seen_due_ms = 1000};

	ck_assert_int_eq(store_write(rig.store, job_take, &job), STORE_OK);
	ck_assert(job.taken);
	ck_assert(!renewer_run_one(renewer)); /* the lease lasts */
	if (step >= APPLIED)
		ck_assert(job_ask(&job));
	if (step == STORED)
		ck_assert_int_eq(store_write(rig.store, job_finish, &job), STORE_OK);
	job_release(&job);
}

START_TEST(a_process_dies_between_any_two_steps)
{
	const char *source = classes[_i / STEPS].source;
	enum death step = (enum death)(_i % STEPS);

	make_due(source);
	die_after(step);
	if (step == STORED) {
		ck_assert(works(present()));
		ck_assert(!renewer_run_one(renewer));
		return;
	}
	ck_assert_str_eq(now(), "active - - v4 - again");
	change("refresh_due = 2000"); /* the lease has ended */
	ck_assert(renewer_run_one(renewer));
	ck_assert_msg(works(present()), "%s, step %d: %s does not work", source, (int)step,
		      present());
	ck_assert_str_eq(now(), "active refreshed 200 v5 - later");
	ck_assert_str_eq(versions(), classes[_i / STEPS].versions);
	ck_assert_int_le(count_alive(), strcmp(source, "azure") == 0 ? 3 : 2);
	ck_assert_int_eq(seen.again, strcmp(source, "azure") != 0);
	ck_assert(!renewer_run_one(renewer));
}
END_TEST

START_TEST(the_value_that_was_chosen_is_set_again)
{
	make_due("harbor");
	die_after(APPLIED);
	const char *first = arena_printf(rig.arena, "%s", seen.chosen);
	change("refresh_due = 2000");
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(seen.chosen, first);
	ck_assert_str_eq(present(), first);
	ck_assert_uint_ge(strlen(first), 30);
	ck_assert_ptr_nonnull(strpbrk(first, "ABCDEFGHIJKLMNOPQRSTUVWXYZ"));
	ck_assert_ptr_nonnull(strpbrk(first, "abcdefghijklmnopqrstuvwxyz"));
	ck_assert_ptr_nonnull(strpbrk(first, "0123456789"));
}
END_TEST

START_TEST(what_is_about_to_be_made_has_one_name_until_it_is_stored)
{
	char first[TEXT];

	make_due("gitlab");
	die_after(APPLIED);
	(void)snprintf(first, sizeof(first), "%s", seen.intent);
	change("refresh_due = 2000");
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(seen.intent, first);
	ck_assert_str_ne(first, "");
	change("refresh_due = 2000");
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_ne(seen.intent, first);
}
END_TEST

/* After a copy was put back: the secrets of the login may have been replaced since. */
START_TEST(after_a_restore_the_source_is_looked_through)
{
	static const char *const pending[] = {"", "", "5 pending", "5 pending"};

	make_due(classes[_i].source);
	change("refresh_due = 99999999999999, refresh_attempt = 2");
	die(NULL);
	come_alive("made after the copy");
	ck_assert_int_eq(store_write(rig.store, restore_in_rig, NULL), STORE_OK);
	ck_assert_str_eq(versions(), pending[_i]);
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(now(), "active refreshed 200 v5 - later");
	ck_assert(works(present()));
	if (strcmp(classes[_i].source, "quay") == 0)
		ck_assert_str_eq(present(), "made after the copy");
}
END_TEST

START_TEST(a_chosen_value_that_does_not_open_is_chosen_anew)
{
	make_due("harbor");
	die_after(TAKEN);
	rig_exec(&rig, "UPDATE secret_version SET uuid = 'another'");
	change("refresh_due = 2000");
	ck_assert(renewer_run_one(renewer));
	ck_assert(works(present()));
	ck_assert_str_eq(versions(), "4 expired");
}
END_TEST

/* clang-format off */
/* What the source says; the row afterwards. */
#define REFUSES "The source refuses its own key: it is wrong, has expired, or lacks a right. Store a new sourceSecret."
static const struct { enum renew_result result; const char *row, *then; } failures[] = {
	{ RENEW_UNREACHABLE, "name = name", "active unreachable 418 v4 - again" },
	{ RENEW_TIMEOUT, "state = 'updating-active'", "active timeout 418 v4 - again" },
	{ RENEW_TIMEOUT, "state = 'updating-active', verify_due = 99999999999999", "updating-active timeout 418 v4 - again" },
	{ RENEW_TIMEOUT, "state = 'updating-inactive'", "inactive timeout 418 v4 - again" },
	{ RENEW_RATE_LIMITED, "transition_text = 'old'", "active rateLimited 418 v4 - again" },
	{ RENEW_SOURCE_REFUSED, "name = name", "active sourceRefused 418 v4 " REFUSES " again" },
	{ RENEW_MISCONFIGURED, "name = name", "active misconfigured 418 v4 The source cannot be asked as it is configured: correct sourceConfig. never" },
	/* Little is left, or nothing. */
	{ RENEW_UNREACHABLE, "expires = unixepoch() * 1000 + 60000", "active unreachable 418 v4 The source cannot be reached; it is asked again later. again" },
	{ RENEW_UNREACHABLE, "expires = 5000", "active unreachable 418 v4 The source cannot be reached; it is asked again later. again" },
	{ RENEW_UNREACHABLE, "secret_value = NULL", "active unreachable 418 v4 The source cannot be reached; it is asked again later. again" },
	/* Nobody to ask, or nothing to ask with. */
	{ RENEW_REFRESHED, "source = 'exec'", "active misconfigured - v4 This program does not know the source of the login. never" },
	{ RENEW_REFRESHED, "source = 'unheard'", "active misconfigured - v4 This program does not know the source of the login. never" },
	{ RENEW_REFRESHED, "source_secret = x'01'", "active misconfigured - v4 The stored sourceSecret does not open: store it again. never" },
	{ RENEW_REFRESHED, "source_config = '{'", "active misconfigured - v4 The stored sourceConfig cannot be read: store it again. never" },
};
/* clang-format on */

START_TEST(a_failure_leaves_the_present_secret_and_says_why)
{
	make_due("azure");
	change(failures[_i].row);
	result = failures[_i].result;
	(void)renewer_run_one(renewer);
	ck_assert_str_eq(now(), failures[_i].then);
	ck_assert_str_eq(events(), "refreshFailed refresher");
	ck_assert_str_eq(versions(), "");
	/* The same again is no news. */
	change("refresh_due = 2000");
	(void)renewer_run_one(renewer);
	ck_assert_str_eq(events(), "refreshFailed refresher");
}
END_TEST

START_TEST(a_login_of_a_registry_that_was_removed_is_not_renewed)
{
	make_due("azure");
	rig_exec(&rig, "UPDATE storage_pool SET removed = 5");
	(void)renewer_run_one(renewer);
	ck_assert_str_eq(now(), "active misconfigured - v4 The registry of the login was removed. "
				"never");
	ck_assert_uint_eq(asked, 0);
}
END_TEST

/* clang-format off */
/* What another one does while the source is asked; the row then, and whether the source was told to delete what it made. */
static const struct { const char *source, *meanwhile, *then; unsigned discarded; } races[] = {
	{ "azure", "UPDATE credential SET refresh_due = 1 WHERE registry_id = 1", "active - - v4 - due", 0 },
	{ "azure", "UPDATE credential SET refresh_due = NULL, source = NULL WHERE registry_id = 1", "active - - v4 - never", 0 },
	{ "azure", "UPDATE credential SET removed = 5, state = 'removed' WHERE registry_id = 1", "removed - - v4 - again", 0 },
	{ "azure", "DELETE FROM credential WHERE registry_id = 1", "no row", 0 },
	{ "gitlab", "UPDATE credential SET refresh_due = NULL WHERE registry_id = 1", "active - - v4 - never", 1 },
};
/* clang-format on */

START_TEST(a_change_made_meanwhile_wins)
{
	make_due(races[_i].source);
	meanwhile = races[_i].meanwhile;
	(void)renewer_run_one(renewer);
	ck_assert_str_eq(now(), races[_i].then);
	ck_assert_str_eq(events(), "");
	ck_assert_uint_eq(discarded, races[_i].discarded);
}
END_TEST

/* clang-format off */
/* The project's rule, what the registry says of the new secret; whether it is stored, and the row then. */
static const struct { const char *source, *rule; enum check_result verdict; bool stored; const char *then; } checks[] = {
	{ "azure", "off", CHECK_FORBIDDEN, true, "active refreshed 200 v5 - later" },
	{ "azure", "warn", CHECK_VALID, true, "active refreshed 200 v5 - later" },
	{ "azure", "warn", CHECK_FORBIDDEN, true, "active refreshed 200 v5 told later" },
	{ "azure", "require", CHECK_UNREACHABLE, true, "active refreshed 200 v5 told later" },
	{ "azure", "require", CHECK_FORBIDDEN, false, "active newSecretRefused 200 v4 The registry refuses the new secret, so the old one is kept. again" },
	{ "azure", "require", CHECK_REPOSITORY_REFUSED, false, "active newSecretRefused 200 v4 The registry refuses the new secret, so the old one is kept. again" },
	{ "azure", "warn", CHECK_REPOSITORY_REFUSED, true, "active refreshed 200 v5 told later" },
	{ "gitlab", "require", CHECK_INVALID_CREDENTIAL, false, "active newSecretRefused 200 v4 The registry refuses the new secret, so the old one is kept. again" },
	/* The old one is dead: there is nothing to keep. */
	{ "harbor", "require", CHECK_FORBIDDEN, true, "active refreshed 200 v5 told later" },
	{ "quay", "require", CHECK_FORBIDDEN, true, "active refreshed 200 v5 told later" },
};
/* clang-format on */

START_TEST(the_registry_is_asked_whether_it_takes_the_new_secret)
{
	make_due(checks[_i].source);
	rig_exec(&rig,
		 arena_printf(rig.arena, "UPDATE account SET verification = '%s' WHERE id = 5",
			      checks[_i].rule));
	verdict = checks[_i].verdict;
	(void)renewer_run_one(renewer);
	ck_assert_str_eq(now(), checks[_i].then);
	ck_assert_int_eq(strcmp(present(), "old") != 0, checks[_i].stored);
	ck_assert_str_eq(rig_sql(&rig, "SELECT coalesce(verify_result, '-') FROM credential WHERE "
				       "registry_id = 1"),
			 strcmp(checks[_i].rule, "off") == 0 || !checks[_i].stored
				 ? "-"
				 : check_result_word(checks[_i].verdict));
	if (strcmp(checks[_i].source, "gitlab") == 0)
		ck_assert_int_eq(count_alive(), 1); /* the one that nobody uses is deleted */
}
END_TEST

START_TEST(a_former_secret_is_deleted_at_its_source_when_its_time_is_up)
{
	make_due("gitlab");
	change("overlap = 0");
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(versions(), "4 discarding");
	ck_assert(works("old"));
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(versions(), "4 expired");
	ck_assert(!works("old"));
	ck_assert(works(present()));
	ck_assert(!renewer_run_one(renewer));
	ck_assert_uint_eq(discarded, 1);
}
END_TEST

static const char *
login_path(const char *action)
{
	return arena_printf(rig.arena, "/v1/registrycredentials/1c%lld%s", (long long)login_id,
			    action);
}

/* A login that has a key for its source, and is due. */
static void
give_key(void)
{
	static const char source[] =
		"{\"source\":\"gitlab\",\"sourceConfig\":{\"endpoint\":\"https://git.test\","
		"\"project\":\"7\",\"kind\":\"deployToken\"},\"sourceSecret\":\"the key\"}";

	rig_app(&rig);
	ck_assert_int_eq(rig_ask(&rig, PROJECT_DEFAULT, "PUT", login_path(""), source, NULL), 200);
	make_due("gitlab");
}

static void
purge(void)
{
	change("state = 'removed', removed = unixepoch() * 1000");
	ck_assert_int_eq(
		rig_ask(&rig, PROJECT_DEFAULT, "POST", login_path("?action=purge"), NULL, NULL),
		202);
}

/* One that has a present and a former secret too. */
static void
purge_one(void)
{
	give_key();
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(versions(), "4 previous kept");
	purge();
	ck_assert_str_eq(versions(), "4 discarding, 5 discarding");
	ck_assert_int_eq(count_alive(), 2);
}

static const char *
source_key(void)
{
	return rig_sql(&rig, "SELECT CASE WHEN source_secret IS NULL THEN 'wiped' ELSE 'kept' END "
			     "FROM credential WHERE registry_id = 1");
}

START_TEST(a_purged_login_leaves_nothing_at_its_source)
{
	purge_one();
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(source_key(), "kept");
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(seen.key, "the key");
	ck_assert_int_eq(count_alive(), 0);
	ck_assert_str_eq(versions(), "4 expired, 5 expired");
	ck_assert_str_eq(source_key(), "wiped");
	ck_assert(!renewer_run_one(renewer));
}
END_TEST

static size_t
count_early(void)
{
	size_t done;

	ck_assert_int_eq(renew_after_clock(rig.store, clock_wall_ms(), 10, &done), STORE_OK);
	return done;
}

/* clang-format off */
/* Seconds from now until it is due, and since it was renewed; the attempts since. */
static const struct { int due_s, since_s; unsigned attempts; size_t early; } clocks[] = {
	{ 7200, -7200, 0, 1 },
	{ 7200, -30, 0, 0 },
	{ 7200, 7200, 0, 0 },
	{ 300, -7200, 0, 0 },	/* under way, or soon */
	{ 7200, -7200, 1, 0 },	/* it has its own time */
};
/* clang-format on */

START_TEST(a_clock_that_was_put_back_makes_logins_due)
{
	make_due("azure");
	change(arena_printf(rig.arena,
			    "refresh_due = (unixepoch() + %d) * 1000, refreshed = (unixepoch() - "
			    "%d) * 1000, refresh_attempt = %u, refresh_result = 'refreshed'",
			    clocks[_i].due_s, clocks[_i].since_s, clocks[_i].attempts));
	ck_assert_uint_eq(count_early(), clocks[_i].early);
	ck_assert_int_eq(renewer_run_one(renewer), clocks[_i].early != 0);
	ck_assert_uint_eq(count_early(), 0);
}
END_TEST

/* A life of more than a week is one in another unit, where the source's secrets are short. */
START_TEST(an_end_that_is_too_late_is_not_believed)
{
	life_ms = 8 * 24 * 3600 * INT64_C(1000);
	make_due("azure");
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(now(), "active badAnswer 200 v4 - again");
	ck_assert_str_eq(present(), "old");
	make_due("harbor");
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(now(), "active refreshed 200 v5 - later");
}
END_TEST

/* Back to a secret that ends in an hour: it is renewed before. */
START_TEST(a_login_that_was_rolled_back_is_due_before_its_secret_ends)
{
	rig_app(&rig);
	make_due("gitlab");
	change("overlap = 3600");
	ck_assert(renewer_run_one(renewer));
	ck_assert_int_eq(
		rig_ask(&rig, PROJECT_DEFAULT, "POST", login_path("?action=rollback"), NULL, NULL),
		202);
	ck_assert_str_eq(present(), "old");
	ck_assert_str_eq(rig_sql(&rig,
				 "SELECT ((refresh_due / 1000 - unixepoch() + 30) / 60) || ' ' || "
				 "((expires / 1000 - unixepoch() + 30) / 60) FROM credential "
				 "WHERE registry_id = 1"),
			 "30 60");
}
END_TEST

/* It is noted before one is made, and nobody knows whether it was. */
START_TEST(what_a_purged_login_never_stored_goes_too)
{
	give_key();
	change("source_handle = NULL, secret_version = 0");
	result = RENEW_UNREACHABLE;
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(versions(), "1 pending");
	const char *intent = arena_printf(rig.arena, "%s", seen.intent);
	purge();
	ck_assert_str_eq(versions(), "1 discarding");
	ck_assert_str_eq(source_key(), "kept");
	result = RENEW_REFRESHED;
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(seen.intent, intent);
	ck_assert_str_eq(seen.key, "the key");
	ck_assert_int_eq(count_alive(), 0);
	ck_assert_str_eq(versions(), "1 expired");
	ck_assert_str_eq(source_key(), "wiped");
	ck_assert(!renewer_run_one(renewer));
}
END_TEST

START_TEST(a_purged_login_that_had_nothing_at_its_source_keeps_no_key)
{
	give_key();
	change("source_handle = NULL, secret_version = 0");
	purge();
	ck_assert_str_eq(versions(), "");
	ck_assert_str_eq(source_key(), "wiped");
	ck_assert(!renewer_run_one(renewer));
	ck_assert_uint_eq(asked, 0);
}
END_TEST

START_TEST(the_key_of_a_purged_login_is_not_kept_for_ever)
{
	enum { TRIES = 12 };

	purge_one();
	result = RENEW_UNREACHABLE;
	for (int i = 0; i < TRIES - 1; i++) {
		rig_exec(&rig, "UPDATE secret_version SET until = 1000");
		ck_assert(renewer_run_one(renewer));
		ck_assert_str_eq(versions(), "4 discarding, 5 discarding");
		ck_assert_str_eq(source_key(), "kept");
	}
	rig_exec(&rig, "UPDATE secret_version SET until = 1000");
	while (renewer_run_one(renewer))
		;
	ck_assert_str_eq(versions(), "4 expired, 5 expired");
	ck_assert_str_eq(source_key(), "wiped");
}
END_TEST

/* What is sent with a change is not stored any more: what is stored is for another place. */
START_TEST(the_key_of_a_purged_login_goes_nowhere_else)
{
	purge_one();
	ck_assert_int_eq(
		rig_ask(&rig, PROJECT_DEFAULT, "PUT", login_path(""),
			"{\"sourceConfig\":{\"endpoint\":\"https://other.test\",\"project\":\"7\","
			"\"kind\":\"deployToken\"},\"sourceSecret\":\"another\"}",
			NULL),
		200);
	ck_assert_str_eq(source_key(), "wiped");
}
END_TEST

START_TEST(the_former_secret_is_kept_no_longer_than_it_lives)
{
	make_due("azure");
	change("expires = unixepoch() * 1000 + 100000, overlap = 5000");
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(rig_sql(&rig, "SELECT previous_until / 1000 - unixepoch() BETWEEN 98 AND "
				       "100 FROM credential WHERE registry_id = 1"),
			 "1");
}
END_TEST

/* Those that end first come first. */
START_TEST(what_ends_first_is_renewed_first)
{
	static const char *const ends[] = {"30000", "10000", "20000"};

	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		int64_t id = rig_credential(&rig, PROJECT_DEFAULT, 1, "old");

		rig_exec(&rig, arena_printf(rig.arena,
					    "UPDATE credential SET source = 'azure', refresh_due = "
					    "1000, expires = %s, name = '%s' WHERE id = %lld",
					    ends[i], ends[i], (long long)id));
	}
	for (size_t i = 0; i < COUNT_OF(ends); i++) {
		ck_assert(renewer_run_one(renewer));
		ck_assert_str_eq(rig_sql(&rig, "SELECT name FROM credential WHERE refreshed IS NOT "
					       "NULL AND description IS NULL"),
				 ends[(i + 1) % COUNT_OF(ends)]);
		rig_exec(&rig, "UPDATE credential SET description = 'seen' WHERE refreshed IS NOT "
			       "NULL");
	}
	ck_assert(!renewer_run_one(renewer));
}
END_TEST

static void
ask_again(bool by_change)
{
	static const char body[] =
		"{\"sourceConfig\":{\"endpoint\":\"https://git.test\",\"project\":\"8\"},"
		"\"sourceSecret\":\"another key\"}";

	if (by_change)
		ck_assert_int_eq(rig_ask(&rig, PROJECT_DEFAULT, "PUT", login_path(""), body, NULL),
				 200);
	else
		ck_assert_int_eq(rig_ask(&rig, PROJECT_DEFAULT, "POST",
					 login_path("?action=refresh"), NULL, NULL),
				 202);
}

/* A change, or somebody who wants a new secret, while one is being made. */
START_TEST(a_source_that_kills_the_old_secret_is_asked_by_one_at_a_time)
{
	struct renew_job job = {.parts = &parts,
				.arena = arena_new(RIG_ARENA),
				.id = login_id,
				.seen_due_ms = 1000};

	give_key();
	ck_assert_int_eq(store_write(rig.store, job_take, &job), STORE_OK);
	ck_assert(job.taken);
	ask_again(_i == 0);
	ck_assert(!renewer_run_one(renewer)); /* it waits */
	if (_i == 0) {
		change("state = 'active'");
		ask_again(true);
		ck_assert_int_eq(rig_ask(&rig, PROJECT_DEFAULT, "POST",
					 login_path("?action=deactivate"), NULL, NULL),
				 202);
		ck_assert_int_eq(rig_ask(&rig, PROJECT_DEFAULT, "POST",
					 login_path("?action=activate"), NULL, NULL),
				 202);
		ck_assert(!renewer_run_one(renewer));
	}
	ck_assert(job_ask(&job));
	ck_assert_int_eq(store_write(rig.store, job_finish, &job), STORE_OK);
	ck_assert(!job.stored);
	ck_assert(renewer_run_one(renewer));
	ck_assert_uint_eq(asked, 2);
	ck_assert(works(present()));
	job_release(&job);
}
END_TEST

START_TEST(an_unchanged_secret_is_no_new_version)
{
	make_due("azure");
	change("state = 'updating-active', transition_text = 'asked', refresh_attempt = 3");
	unchanged = true;
	ck_assert(renewer_run_one(renewer));
	ck_assert_str_eq(now(), "active refreshed - v4 - later");
	ck_assert_str_eq(present(), "old");
	ck_assert_str_eq(versions(), "");
	ck_assert_str_eq(events(), "");
	ck_assert_str_eq(rig_sql(&rig,
				 "SELECT (refresh_due / 1000 - unixepoch()) BETWEEN 269 AND 330 "
				 "FROM credential WHERE registry_id = 1"),
			 "1");
}
END_TEST

int
main(void)
{
	Suite *suite = suite_create("renew");
	TCase *tc = tcase_create("renew");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_due_login_gets_a_new_secret, 0, COUNT_OF(classes));
	tcase_add_loop_test(tc, a_new_login_gets_its_first_secret, 0, COUNT_OF(classes));
	tcase_add_loop_test(tc, a_process_dies_between_any_two_steps, 0,
			    (int)COUNT_OF(classes) * STEPS);
	tcase_add_test(tc, the_value_that_was_chosen_is_set_again);
	tcase_add_test(tc, what_is_about_to_be_made_has_one_name_until_it_is_stored);
	tcase_add_loop_test(tc, after_a_restore_the_source_is_looked_through, 0, COUNT_OF(classes));
	tcase_add_test(tc, a_chosen_value_that_does_not_open_is_chosen_anew);
	tcase_add_loop_test(tc, a_failure_leaves_the_present_secret_and_says_why, 0,
			    COUNT_OF(failures));
	tcase_add_test(tc, a_login_of_a_registry_that_was_removed_is_not_renewed);
	tcase_add_loop_test(tc, a_change_made_meanwhile_wins, 0, COUNT_OF(races));
	tcase_add_loop_test(tc, the_registry_is_asked_whether_it_takes_the_new_secret, 0,
			    COUNT_OF(checks));
	tcase_add_test(tc, a_former_secret_is_deleted_at_its_source_when_its_time_is_up);
	tcase_add_test(tc, a_purged_login_leaves_nothing_at_its_source);
	tcase_add_loop_test(tc, a_clock_that_was_put_back_makes_logins_due, 0, COUNT_OF(clocks));
	tcase_add_test(tc, an_end_that_is_too_late_is_not_believed);
	tcase_add_test(tc, a_login_that_was_rolled_back_is_due_before_its_secret_ends);
	tcase_add_test(tc, what_a_purged_login_never_stored_goes_too);
	tcase_add_test(tc, a_purged_login_that_had_nothing_at_its_source_keeps_no_key);
	tcase_add_test(tc, the_key_of_a_purged_login_is_not_kept_for_ever);
	tcase_add_test(tc, the_key_of_a_purged_login_goes_nowhere_else);
	tcase_add_test(tc, the_former_secret_is_kept_no_longer_than_it_lives);
	tcase_add_test(tc, what_ends_first_is_renewed_first);
	tcase_add_loop_test(tc, a_source_that_kills_the_old_secret_is_asked_by_one_at_a_time, 0, 2);
	tcase_add_test(tc, an_unchanged_secret_is_no_new_version);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
