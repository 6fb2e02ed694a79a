/* Unit tests of board.c and metrics.c. */
#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/pulse.h"
#include "shared/board.h"
#include "shared/metrics.h"

#include "support/support.h"

static char directory[] = "/tmp/check-board-XXXXXX", path[64];
static struct board *b;
static struct arena *a;

static const char *const routes[BOARD_ROUTES] = {"other", "/"};

static void
setup(void)
{
	memcpy(directory + sizeof(directory) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(directory));
	snprintf(path, sizeof(path), "%s/board", directory);
	b = board_new(path);
	ck_assert_ptr_nonnull(b);
	board_use(b);
	a = arena_new(4 * 1024 * 1024);
	ck_assert_ptr_nonnull(a);
}

static void
teardown(void)
{
	board_use(NULL);
	board_close(b);
	arena_free(a);
	unlink(path);
	rmdir(directory);
}

START_TEST(a_board_is_found_again_with_what_was_counted)
{
	struct stat found;

	board_count(BOARD_RELOADS);
	struct board *other = board_open(path);
	ck_assert_ptr_nonnull(other);
	ck_assert_uint_eq(other->counters[BOARD_RELOADS], 1);
	ck_assert_str_eq(other->version, REGCRED_VERSION);
	board_count(BOARD_RELOADS);
	ck_assert_uint_eq(other->counters[BOARD_RELOADS], 2);
	board_close(other);
	ck_assert_int_eq(stat(path, &found), 0);
	ck_assert_int_eq(found.st_mode & 0777, 0600);
}
END_TEST

START_TEST(a_new_board_leaves_the_old_one_to_those_who_use_it)
{
	struct board *fresh = board_new(path);

	board_count(BOARD_RELOADS);
	ck_assert_ptr_nonnull(fresh);
	ck_assert_uint_eq(fresh->counters[BOARD_RELOADS], 0);
	ck_assert_uint_eq(b->counters[BOARD_RELOADS], 1);
	board_close(fresh);
}
END_TEST

START_TEST(a_file_that_is_no_board_is_refused)
{
	int fd = open(path, O_RDWR);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(pwrite(fd, "x", 1, 0), 1);
	ck_assert_ptr_null(board_open(path));
	ck_assert_int_eq(ftruncate(fd, 100), 0);
	ck_assert_ptr_null(board_open(path));
	close(fd);
	board_close(b);
	b = NULL;
	unlink(path);
	ck_assert_ptr_null(board_open(path));
	ck_assert_int_eq(symlink("/etc/passwd", path), 0);
	ck_assert_ptr_null(board_open(path));
}
END_TEST

START_TEST(a_board_that_cannot_be_made_is_an_error_and_memory_does_for_it)
{
	ck_assert_ptr_null(board_new("/nowhere/board"));
	struct board *memory = board_new(NULL);
	ck_assert_ptr_nonnull(memory);
	board_use(memory);
	board_commit(3);
	ck_assert_uint_eq(memory->counters[BOARD_COMMITS], 1);
	board_use(b);
	board_close(memory);
}
END_TEST

START_TEST(without_a_board_counting_does_nothing)
{
	board_use(NULL);
	board_count(BOARD_RELOADS);
	board_request(1, HTTP_GET, 200, 5);
	board_commit(1);
	board_write_wait(1);
	board_begin();
	board_end();
	ck_assert_uint_eq(b->counters[BOARD_RELOADS] + b->counters[BOARD_COMMITS], 0);
}
END_TEST

START_TEST(every_status_of_an_error_has_a_column)
{
	for (unsigned e = ERR_NONE + 1; e < ERR__COUNT; e++) {
		bool known = false;

		for (size_t i = 0; board_status(i) != 0; i++)
			known = known || board_status(i) == err_status((enum err)e);
		ck_assert_msg(known, "%d", err_status((enum err)e));
	}
	board_request(1, HTTP_GET, 299, 5);
	ck_assert_ptr_nonnull(strstr(
		metrics_text(a, b, routes, &(struct metrics_now){0}, &(size_t){0}),
		"regcred_http_requests_total{route=\"/\",method=\"GET\",status=\"other\"} 1\n"));
}
END_TEST

static const struct {
	int64_t us;
	const char *below, *within;
} durations[] = {
	{0, NULL, "le=\"0.0005\""},
	{500, NULL, "le=\"0.0005\""},
	{501, "le=\"0.0005\"", "le=\"0.001\""},
	{10000000, "le=\"5\"", "le=\"10\""},
	{10000001, "le=\"10\"", "le=\"+Inf\""},
};

START_TEST(a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed)
{
	char line[160];
	size_t len = 0;

	board_request(1, HTTP_GET, 200, durations[_i].us);
	const char *text = metrics_text(a, b, routes, &(struct metrics_now){0}, &len);
	ck_assert_uint_eq(strlen(text), len);
	static const char format[] =
		"regcred_http_request_duration_seconds_bucket{route=\"/\",%s} %d\n";
	snprintf(line, sizeof(line), format, durations[_i].within, 1);
	ck_assert_msg(strstr(text, line) != NULL, "%s", line);
	if (durations[_i].below == NULL)
		return;
	snprintf(line, sizeof(line), format, durations[_i].below, 0);
	ck_assert_msg(strstr(text, line) != NULL, "%s", line);
}
END_TEST

START_TEST(a_route_or_method_out_of_range_is_not_counted)
{
	board_request(BOARD_ROUTES, HTTP_GET, 200, 5);
	board_request(1, HTTP__COUNT, 200, 5);
	board_take_slot(BOARD_SLOTS);
	board_begin();
	for (size_t r = 0; r < BOARD_ROUTES; r++)
		ck_assert_uint_eq(b->durations[r].sum, 0);
}
END_TEST

static const char *
renewal_metrics(void)
{
	static const char *const names[] = {"ecr", "harbor", NULL}, *const results[] = {"refreshed",
											"timeout",
											NULL};
	static const char *const states[] = {"active", "removed", NULL},
				 *const checks[] = {"valid", "forbidden", NULL},
				 *const formats[] = {"env", "docker", NULL},
				 *const outcomes[] = {"basic", NULL};

	return metrics_text(a, b, routes,
			    &(struct metrics_now){.words = {names,
							    results,
							    states,
							    {[BOARD_VERIFICATIONS] = checks,
							     [BOARD_HANDOUTS] = formats,
							     [BOARD_INJECTS] = outcomes}}},
			    &(size_t){0});
}

static void
ck_has(const char *text, const char *line)
{
	ck_assert_msg(strstr(text, line) != NULL, "%s", line);
}

START_TEST(renewals_are_counted_by_source_and_result)
{
	board_renewal(1, 0, 400);
	board_renewal(1, 0, 700000);
	board_renewal(1, 1, 400);
	board_renewal(BOARD_SOURCES, 0, 1);
	board_renewal(0, BOARD_RESULTS, 1);
	const char *text = renewal_metrics();
	ck_has(text, "regcred_refreshes_total{source=\"harbor\",result=\"refreshed\"} 2\n");
	ck_has(text, "regcred_refreshes_total{source=\"harbor\",result=\"timeout\"} 1\n");
	ck_assert_ptr_null(strstr(text, "regcred_refreshes_total{source=\"ecr\""));
	ck_has(text, "regcred_refresh_duration_seconds_count{source=\"harbor\"} 3\n");
	ck_has(text, "regcred_refresh_duration_seconds_count{source=\"ecr\"} 0\n");
}
END_TEST

START_TEST(what_logins_are_used_for_is_counted)
{
	struct board_expiry found = {.looked_ms = 1};

	board_count_labelled(BOARD_VERIFICATIONS, 1);
	board_count_labelled(BOARD_VERIFICATIONS, BOARD_LABELS);
	board_count_labelled(BOARD_HANDOUTS, 0);
	board_count_labelled(BOARD_HANDOUTS, 0);
	board_count_labelled(BOARD_INJECTS, 0);
	found.states[0][0] = 5;
	found.states[0][BOARD_RESULTS] = 6;
	found.states[1][1] = 7;
	found.unused[1] = 8;
	board_show_expiry(&found);
	const char *text = renewal_metrics();
	ck_has(text, "regcred_verifications_total{result=\"forbidden\"} 1\n");
	ck_assert_ptr_null(strstr(text, "regcred_verifications_total{result=\"valid\"}"));
	ck_has(text, "regcred_handouts_total{format=\"env\"} 2\n");
	ck_has(text, "regcred_injects_total{outcome=\"basic\"} 1\n");
	ck_has(text, "regcred_logins{state=\"active\",verification=\"valid\"} 5\n");
	ck_has(text, "regcred_logins{state=\"active\",verification=\"none\"} 6\n");
	ck_has(text, "regcred_logins{state=\"removed\",verification=\"forbidden\"} 7\n");
	ck_has(text, "regcred_logins_unused{for=\"30d\"} 0\n");
	ck_has(text, "regcred_logins_unused{for=\"90d\"} 8\n");
}
END_TEST

START_TEST(what_ends_is_shown_once_the_housekeeper_has_looked)
{
	struct board_expiry found = {.looked_ms = 1, .overdue = 3};

	ck_assert_ptr_null(strstr(renewal_metrics(), "regcred_logins_expiring"));
	found.logins[0] = 1;
	found.logins[BOARD_WITHIN - 1] = 9;
	found.keys[2] = 4;
	found.next_ms[0] = 5000;
	found.next_ms[BOARD_SOURCES] = 7000;
	board_show_expiry(&found);
	const char *text = renewal_metrics();
	ck_has(text, "regcred_logins_expiring{within=\"0s\"} 1\n");
	ck_has(text, "regcred_logins_expiring{within=\"30d\"} 9\n");
	ck_has(text, "regcred_keys_expiring{within=\"1d\"} 4\n");
	ck_has(text, "regcred_login_next_expiry_timestamp_seconds{source=\"ecr\"} 5\n");
	ck_has(text, "regcred_login_next_expiry_timestamp_seconds{source=\"none\"} 7\n");
	ck_has(text, "regcred_refresh_overdue 3\n");
	/* None is due: a time of 0 would be an alarm. */
	ck_assert_ptr_null(strstr(text, "regcred_refresh_oldest_due"));
	found.first_due_ms = 8000;
	board_show_expiry(&found);
	ck_has(renewal_metrics(), "regcred_refresh_oldest_due_timestamp_seconds 8\n");
	board_use(NULL);
	board_show_expiry(&found);
	ck_assert(!board_is_used());
}
END_TEST

START_TEST(text_needs_memory_and_says_so)
{
	struct arena *small = arena_new(64 * 1024);

	ck_assert_ptr_null(metrics_text(small, b, routes, &(struct metrics_now){0}, &(size_t){0}));
	arena_free(small);
}
END_TEST

/* Every column of every row, as large as it gets, still fits. */
START_TEST(a_full_board_fits)
{
	static const char *const all[BOARD_ROUTES] = {
		"/{version}/{type}/{id}/{link}", "/{version}/{type}/{id}/{link}",
		"/{version}/{type}/{id}/{link}", "/{version}/{type}/{id}/{link}",
		"/{version}/{type}/{id}/{link}", "/{version}/{type}/{id}/{link}",
		"/{version}/{type}/{id}/{link}", "/{version}/{type}/{id}/{link}",
		"/{version}/{type}/{id}/{link}", "/{version}/{type}/{id}/{link}",
		"/{version}/{type}/{id}/{link}", "/{version}/{type}/{id}/{link}"};

	for (size_t r = 0; r < BOARD_ROUTES; r++)
		for (size_t m = 0; m < HTTP__COUNT; m++)
			for (size_t s = 0; s < BOARD_STATUSES; s++)
				b->requests[r][m][s] = UINT64_MAX;
	ck_assert_ptr_nonnull(metrics_text(a, b, all, &(struct metrics_now){0}, &(size_t){0}));
}
END_TEST

START_TEST(a_process_shows_what_it_serves)
{
	board_take_slot(3);
	board_begin();
	ck_assert_int_eq(b->slots[3].running, 1);
	board_end();
	ck_assert_int_eq(b->slots[3].running, 0);
	ck_assert_uint_eq(b->slots[3].requests, 1);
}
END_TEST

static void
pause_ms(long ms)
{
	const struct timespec pause = {.tv_nsec = ms * 1000000};

	(void)nanosleep(&pause, NULL);
}

START_TEST(a_pulse_tells_for_how_long_something_goes_on_and_not_what_is_waited_for)
{
	ck_assert_int_eq(pulse_oldest_ms(), 0);
	ck_assert(!pulse_pause());
	pulse_resume(false);
	pulse_begin();
	pause_ms(30);
	ck_assert_int_ge(pulse_oldest_ms(), 30);
	ck_assert(pulse_pause());
	ck_assert_int_eq(pulse_oldest_ms(), 0);
	pulse_resume(true);
	ck_assert_int_lt(pulse_oldest_ms(), 30);
	pause_ms(30);
	pulse_renew();
	ck_assert_int_lt(pulse_oldest_ms(), 30);
	pulse_end();
	ck_assert_int_eq(pulse_oldest_ms(), 0);
}
END_TEST

enum { THREADS = 4, PROCESSES = 2, EACH = 1000 };

static void *
count_often(void *arg)
{
	(void)arg;
	for (int i = 0; i < EACH; i++)
		board_request(1, HTTP_GET, 200, 1);
	return NULL;
}

START_TEST(nothing_is_lost_among_processes_and_threads)
{
	for (int p = 0; p < PROCESSES; p++)
		if (fork() == 0) {
			pthread_t threads[THREADS];

			for (int i = 0; i < THREADS; i++)
				if (pthread_create(&threads[i], NULL, count_often, NULL) != 0)
					_exit(1);
			for (int i = 0; i < THREADS; i++)
				pthread_join(threads[i], NULL);
			_exit(0);
		}
	for (int p = 0; p < PROCESSES; p++) {
		int status;

		ck_assert_int_gt(wait(&status), 0);
		ck_assert_int_eq(status, 0);
	}
	ck_assert_uint_eq(b->requests[1][HTTP_GET][0], PROCESSES * THREADS * EACH);
	ck_assert_uint_eq(b->durations[1].sum, PROCESSES * THREADS * EACH);
}
END_TEST

static Suite *
board_suite(void)
{
	Suite *suite = suite_create("board");
	TCase *tc = tcase_create("board");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_board_is_found_again_with_what_was_counted);
	tcase_add_test(tc, a_new_board_leaves_the_old_one_to_those_who_use_it);
	tcase_add_test(tc, a_file_that_is_no_board_is_refused);
	tcase_add_test(tc, a_board_that_cannot_be_made_is_an_error_and_memory_does_for_it);
	tcase_add_test(tc, without_a_board_counting_does_nothing);
	tcase_add_test(tc, every_status_of_an_error_has_a_column);
	tcase_add_loop_test(tc, a_duration_falls_into_the_bucket_whose_bound_it_does_not_exceed, 0,
			    sizeof(durations) / sizeof(*durations));
	tcase_add_test(tc, a_route_or_method_out_of_range_is_not_counted);
	tcase_add_test(tc, renewals_are_counted_by_source_and_result);
	tcase_add_test(tc, what_logins_are_used_for_is_counted);
	tcase_add_test(tc, what_ends_is_shown_once_the_housekeeper_has_looked);
	tcase_add_test(tc, text_needs_memory_and_says_so);
	tcase_add_test(tc, a_full_board_fits);
	tcase_add_test(tc, a_process_shows_what_it_serves);
	tcase_add_test(tc, a_pulse_tells_for_how_long_something_goes_on_and_not_what_is_waited_for);
	tcase_add_test(tc, nothing_is_lost_among_processes_and_threads);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(board_suite());
}
