/* check_rekey: the lease of a rotation; how one ends that cannot go on; what its reports say. */
#include <check.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "secret/keyring.h"
#include "secret/seal.h"
#include "service/rekey.h"
#include "service/rekey_lease.h"
#include "service/sealed.h"
#include "store/store.h"

#include "support/support.h"

static struct rig rig;
static char why[SECRET_WHY_MAX];

static void
setup(void)
{
	rig_open(&rig);
	why[0] = '\0';
	/* A key file of its own, since rotations change it. */
	(void)snprintf(rig.settings.key_file, sizeof(rig.settings.key_file), "%s",
		       rig_path("own.key"));
	rig_copy_file(rig_key_file(), rig.settings.key_file);
	ck_assert_int_eq(chmod(rig.settings.key_file, 0600), 0);
	keyring_free(rig.ring);
	rig.ring = keyring_load(rig.settings.key_file, why);
	ck_assert_msg(rig.ring != NULL, "%s", why);
}

static void
teardown(void)
{
	rig_close(&rig);
}

/* The lease */

static enum err
keep(struct store_tx *tx, void *arg)
{
	return rekey_lease_keep(tx, arg, why);
}

/* A process of this host and namespace that has ended. */
static pid_t
dead_process(void)
{
	pid_t pid = fork();

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(0);
	ck_assert_int_eq(waitpid(pid, NULL, 0), pid);
	return pid;
}

/* Who has the lease: the start of this process's own name, or another; and a process. */
enum whose { OWN, PARENT, DEAD };
/* clang-format off */
static const struct { const char *place; enum whose whose; int64_t lasts_ms; bool taken; } holders[] = {
	{ NULL,        OWN,    60000, true },
	{ NULL,        DEAD,   60000, true },   /* it would be seen, and is not there */
	{ NULL,        PARENT, 60000, false },
	{ NULL,        PARENT, -1,    true },   /* it has run out */
	{ "elsewhere", DEAD,   60000, false },  /* another host: nobody here can see it */
	{ "elsewhere", DEAD,   -1,    true },
	{ "?:?",       DEAD,   60000, false },  /* a host that does not know its own name */
};
/* clang-format on */

START_TEST(the_lease_is_taken_from_who_is_gone)
{
	char own[REKEY_HOLDER_SIZE], holder[REKEY_HOLDER_SIZE + 16];

	rekey_lease_name(own);
	int place = (int)(strrchr(own, ':') - own);
	pid_t pid = holders[_i].whose == OWN	  ? getpid()
		    : holders[_i].whose == PARENT ? getppid()
						  : dead_process();
	(void)snprintf(holder, sizeof(holder), "%.*s:%d",
		       holders[_i].place != NULL ? (int)strlen(holders[_i].place) : place,
		       holders[_i].place != NULL ? holders[_i].place : own, (int)pid);
	rig_exec(&rig,
		 arena_printf(rig.arena, "INSERT INTO lease VALUES ('rekey', '%s', %" PRId64 ")",
			      holder, clock_wall_ms() + holders[_i].lasts_ms));
	ck_assert_int_eq(store_write(rig.store, keep, own),
			 holders[_i].taken ? STORE_OK : STORE_ABORTED);
	ck_assert_str_eq(rig_sql(&rig, "SELECT holder FROM lease"),
			 holders[_i].taken ? own : holder);
	if (!holders[_i].taken)
		ck_assert_ptr_nonnull(strstr(why, holder));
}
END_TEST

/* A rotation that cannot go on */

static volatile sig_atomic_t stop;

static bool
rotate_now(void)
{
	const struct rekey r = {.store = rig.store,
				.ring = rig.ring,
				.key_file = rig.settings.key_file,
				.batch = 2,
				.stop = &stop,
				.out = stderr};

	return rekey_run(&r, why);
}

static int64_t
size_of_key_file(void)
{
	struct stat st;

	ck_assert_int_eq(stat(rig.settings.key_file, &st), 0);
	return (int64_t)st.st_size;
}

START_TEST(a_full_disk_ends_it_before_anything_changes)
{
	int64_t size = size_of_key_file();

	store_use_room(rig.store, INT64_MAX / 2);
	ck_assert(!rotate_now());
	store_use_room(rig.store, 0);
	ck_assert_str_eq(why, "the disk is full; run `regcred rekey` again to continue");
	ck_assert_int_eq(size_of_key_file(), size);
}
END_TEST

START_TEST(one_that_is_stopped_goes_on_where_it_was)
{
	stop = 1;
	ck_assert(!rotate_now());
	ck_assert_str_eq(why, "interrupted; run `regcred rekey` again to continue");
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM lease"), "0");
	stop = 0;
	ck_assert_msg(rotate_now(), "%s", why);
	ck_assert_msg(rekey_opens_all(rig.store, rig.ring, why), "%s", why);
}
END_TEST

/* What does not open */

START_TEST(values_that_do_not_open_are_counted_and_a_few_named)
{
	int64_t registry = rig_registry(&rig, PROJECT_DEFAULT, "r.example.test"), first = 0, id;
	struct key_rows rows[KEY_ROWS_MAX];
	size_t count;

	for (int i = 0; i < 7; i++) {
		id = rig_credential(&rig, PROJECT_DEFAULT, registry, "s");
		first = i == 0 ? id : first;
	}
	ck_assert(rekey_opens_all(rig.store, rig.ring, why));
	/* Sealed for another row: it opens in no other. */
	rig_exec(&rig,
		 arena_printf(rig.arena,
			      "UPDATE credential SET secret_value = (SELECT secret_value FROM "
			      "credential WHERE id = %" PRId64 ") WHERE id > %" PRId64,
			      first, first));
	ck_assert(!rekey_opens_all(rig.store, rig.ring, why));
	ck_assert_ptr_nonnull(strstr(why, "6 values do not open with any key (credential:"));
	ck_assert_ptr_nonnull(strstr(why, arena_printf(rig.arena, " %" PRId64 " ...)", first + 5)));
	/* What is no sealed value at all counts as key 0. */
	rig_exec(&rig,
		 arena_printf(rig.arena,
			      "UPDATE credential SET secret_value = x'00' WHERE id = %" PRId64,
			      first));
	ck_assert_int_eq(sealed_count(rig.store, rows, &count), STORE_OK);
	ck_assert_uint_eq(count, 2);
	for (size_t i = 0; i < count; i++)
		ck_assert_int_eq(rows[i].rows, rows[i].id == 0 ? 1 : 6);
}
END_TEST

static Suite *
rekey_suite(void)
{
	Suite *suite = suite_create("rekey");
	TCase *tc = tcase_create("rekey");

	tcase_set_timeout(tc, 30);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, the_lease_is_taken_from_who_is_gone, 0, COUNT_OF(holders));
	tcase_add_test(tc, a_full_disk_ends_it_before_anything_changes);
	tcase_add_test(tc, one_that_is_stopped_goes_on_where_it_was);
	tcase_add_test(tc, values_that_do_not_open_are_counted_and_a_few_named);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(rekey_suite());
}
