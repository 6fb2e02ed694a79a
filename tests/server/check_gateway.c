/* check_gateway: a request that is cut at any byte, or of which any byte is another. */
#include <check.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "server/gateway.h"

#include "support/support.h"

enum { BYTES_MAX = 4096, BEGIN = 1, PARAMS = 4, STDIN = 5 };

static struct rig rig;
static struct gateway *gateway;

static void
setup(void)
{
	rig_open(&rig);
	rig_app(&rig);
	ck_assert(gateway_init());
	gateway = gateway_new(rig.app);
	ck_assert_ptr_nonnull(gateway);
}

static void
teardown(void)
{
	gateway_free(gateway);
	rig_close(&rig);
}

/* What a web server sends. */
struct sent {
	char bytes[BYTES_MAX];
	size_t len, before_end; /* without the record that ends the body */
};

static void
sent_add(struct sent *s, const void *bytes, size_t len)
{
	ck_assert_uint_le(s->len + len, BYTES_MAX);
	memcpy(s->bytes + s->len, bytes, len);
	s->len += len;
}

static void
sent_record(struct sent *s, int kind, const char *bytes, size_t len)
{
	/* Request 0x0101: no change of one byte makes it 0, for which libfcgi leaks a little. */
	const char head[] = {1, (char)kind, 1, 1, (char)(len >> 8), (char)(len & 0xff), 0, 0};

	sent_add(s, head, sizeof(head));
	sent_add(s, bytes, len);
}

/* A registry is made. */
static struct sent
a_create(void)
{
	static const char body[] = "{\"name\":\"r\",\"serverAddress\":\"r.example.test\"}";
	const char *const params[][2] = {
		{"REQUEST_METHOD", "POST"},
		{"REQUEST_URI", "/v1/projects/1a5/registries"},
		{"REMOTE_ADDR", "127.0.0.1"},
		{"HTTP_X_API_KEY", person_key(rig.arena, PERSON_OWNER)},
		{"CONTENT_TYPE", "application/json"},
		{"CONTENT_LENGTH", arena_printf(rig.arena, "%zu", sizeof(body) - 1)},
		{"HTTP_HOST", "creds.example.test"},
	};
	struct sent s = {.len = 0}, list = {.len = 0};

	sent_record(&s, BEGIN, "\0\1\0\0\0\0\0\0", 8);
	for (size_t i = 0; i < COUNT_OF(params); i++) {
		const char lengths[] = {(char)strlen(params[i][0]), (char)strlen(params[i][1])};

		sent_add(&list, lengths, sizeof(lengths));
		sent_add(&list, params[i][0], strlen(params[i][0]));
		sent_add(&list, params[i][1], strlen(params[i][1]));
	}
	sent_record(&s, PARAMS, list.bytes, list.len);
	sent_record(&s, PARAMS, "", 0);
	sent_record(&s, STDIN, body, sizeof(body) - 1);
	s.before_end = s.len;
	sent_record(&s, STDIN, "", 0);
	return s;
}

/* Serves it, as far as it goes; whether there was an answer of that status. */
static bool
serve(const struct sent *s, size_t len, const char *status)
{
	char answer[BYTES_MAX * 4];
	size_t got = 0;
	ssize_t n;
	int ends[2];

	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	ck_assert_int_eq(write(ends[0], s->bytes, len), (ssize_t)len);
	ck_assert_int_eq(shutdown(ends[0], SHUT_WR), 0);
	if (gateway_read(gateway, ends[1]))
		gateway_answer(gateway);
	while ((n = read(ends[0], answer + got, sizeof(answer) - 1 - got)) > 0)
		got += (size_t)n;
	ck_assert_int_eq(close(ends[0]), 0);
	return memmem(answer, got, status, strlen(status)) != NULL;
}

START_TEST(a_request_that_is_cut_anywhere_changes_nothing)
{
	const struct sent s = a_create();

	for (size_t len = 0; len < s.before_end; len++) {
		ck_assert(!serve(&s, len, "Status: 2"));
		ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"), "0");
	}
	ck_assert(serve(&s, s.len, "Status: 201"));
	ck_assert_str_eq(rig_sql(&rig, "SELECT count(*) FROM storage_pool"), "1");
}
END_TEST

START_TEST(any_byte_may_be_another_and_the_next_request_is_served)
{
	/* Not 0xff: libfcgi makes room for the two GiB that this means as a length. */
	static const char others[] = {0, 1, 0x7f, (char)0x80};
	const char other = others[_i];
	const struct sent right = a_create();

	for (size_t at = 0; at < right.len; at++) {
		struct sent s = right;

		s.bytes[at] = other;
		(void)serve(&s, s.len, "");
	}
	rig_exec(&rig, "DELETE FROM storage_pool");
	ck_assert(serve(&right, right.len, "Status: 201"));
}
END_TEST

static Suite *
gateway_suite(void)
{
	Suite *suite = suite_create("gateway");
	TCase *tc = tcase_create("gateway");

	tcase_set_timeout(tc, 60);
	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, a_request_that_is_cut_anywhere_changes_nothing);
	tcase_add_loop_test(tc, any_byte_may_be_another_and_the_next_request_is_served, 0, 4);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(gateway_suite());
}
