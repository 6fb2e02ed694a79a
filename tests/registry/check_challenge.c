/* check_challenge: WWW-Authenticate, read by its grammar or not at all. */
#include <check.h>
#include <string.h>

#include "base/arena.h"
#include "registry/challenge.h"

#include "support/support.h"

ARENA_FIXTURE((void)0)

/* "scheme{name=value;…}" of each. */
static const char *
show(const struct challenge_list *list)
{
	const char *text = "";

	for (size_t i = 0; i < list->count; i++) {
		text = arena_printf(a, "%s%s{", text, list->items[i].scheme);
		for (size_t j = 0; j < list->items[i].param_count; j++)
			text = arena_printf(a, "%s%s%s=%s", text, j > 0 ? ";" : "",
					    list->items[i].params[j].name,
					    list->items[i].params[j].value);
		text = arena_printf(a, "%s}", text);
	}
	return text;
}

// clang-format off
static const struct { const char *header, *read; } good[] = {
	{"", ""},
	{" , ,", ""},
	{"Basic", "basic{}"},
	{"Basic realm=\"x\"", "basic{realm=x}"},
	{"BASIC Realm = \"x y\"", "basic{realm=x y}"},
	{"Basic realm=x", "basic{realm=x}"},
	{"Basic realm=\"a\\\"b\\\\c\"", "basic{realm=a\"b\\c}"},
	{"Basic realm=\"\"", "basic{realm=}"},
	{"Basic realm=\"a\tb\"", "basic{realm=a\tb}"},
	{"Basic realm=\"a, b=c\"", "basic{realm=a, b=c}"},
	{"Bearer realm=\"https://a/t\",service=\"s\",scope=\"r:x:pull,push\"", "bearer{realm=https://a/t;service=s;scope=r:x:pull,push}"},
	{"Bearer realm=\"r\" , service=\"s\"", "bearer{realm=r;service=s}"},
	{"Bearer realm=\"r\", Basic realm=\"x\"", "bearer{realm=r}basic{realm=x}"},
	{"Basic realm=", "basic{}"}, /* an opaque value, by the grammar */
	{"Negotiate, Basic realm=\"x\"", "negotiate{}basic{realm=x}"},
	{"Negotiate YII+/a==, Basic realm=\"x\"", "negotiate{}basic{realm=x}"},
	{"Basic realm=\"x\",,Bearer realm=\"r\",", "basic{realm=x}bearer{realm=r}"},
};
static const char *const bad[] = {
	"Basic realm=\"x",
	"Basic realm=\"x\\",
	"Basic =\"x\"",
	"Basic realm=\"x\" y",
	"Basic realm=\"x\"y=z",
	"Basic realm=\"x\" Bearer realm=\"y\"",
	"Basic realm=\"x\", realm=\"y\"",
	"Basic realm=\"x\", REALM=\"y\"",
	"realm=\"x\"",
	"\"Basic\"",
	"Basic\trealm=\"x\"",
	"Basic realm=\"x\x01\"",
	"Basic realm=a b",
	"Basic {realm}",
	"Basic x y=z",
	"A, B, C, D, E, F, G, H, I",
	"Basic a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9",
};
// clang-format on

START_TEST(a_well_formed_header_is_read)
{
	struct challenge_list list = {.count = 0};

	ck_assert(challenge_parse(a, good[_i].header, &list));
	ck_assert_str_eq(show(&list), good[_i].read);
}
END_TEST

START_TEST(another_one_counts_for_nothing)
{
	struct challenge_list list = {.count = 0};

	ck_assert(challenge_parse(a, "Digest realm=\"before\"", &list));
	ck_assert_msg(!challenge_parse(a, bad[_i], &list), "%s was read as %s", bad[_i],
		      show(&list));
	ck_assert_str_eq(show(&list), "digest{realm=before}");
	ck_assert(!arena_failed(a));
}
END_TEST

START_TEST(several_headers_make_one_list)
{
	struct challenge_list list = {.count = 0};

	ck_assert(challenge_parse(a, "Basic realm=\"x\"", &list));
	/* A parameter belongs to a scheme of its own header. */
	ck_assert(!challenge_parse(a, "charset=\"utf-8\"", &list));
	ck_assert(challenge_parse(a, "Bearer realm=\"y\"", &list));
	ck_assert_str_eq(challenge_param(challenge_find(&list, "bearer"), "realm"), "y");
	ck_assert_ptr_null(challenge_param(challenge_find(&list, "bearer"), "service"));
	ck_assert_ptr_null(challenge_find(&list, "digest"));
}
END_TEST

START_TEST(without_memory_nothing_is_read)
{
	bool read = false;

	for (unsigned n = 1; !read; n++) {
		struct challenge_list list = {.count = 0};

		arena_reset(a);
		arena_fail_at(a, n);
		read = challenge_parse(a, good[9].header, &list);
		ck_assert_int_eq(read, !arena_failed(a));
		ck_assert_uint_lt(n, 20);
	}
}
END_TEST

static Suite *
challenge_suite(void)
{
	Suite *suite = suite_create("challenge");
	TCase *tc = tcase_create("challenge");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_well_formed_header_is_read, 0, COUNT_OF(good));
	tcase_add_loop_test(tc, another_one_counts_for_nothing, 0, COUNT_OF(bad));
	tcase_add_test(tc, several_headers_make_one_list);
	tcase_add_test(tc, without_memory_nothing_is_read);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(challenge_suite());
}
