/* check_network: which address lies in which network, and what is no network at all. */
#include <arpa/inet.h>
#include <check.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/network.h"

#include "support/support.h"

ARENA_FIXTURE((void)0)

/* As it was given, and as it is kept. */
static const struct {
	const char *text, *kept;
} networks[] = {
	{"192.0.2.0/24", "192.0.2.0/24"},
	{"192.0.2.7", "192.0.2.7/32"},
	{"0.0.0.0/0", "0.0.0.0/0"},
	{"10.128.0.0/9", "10.128.0.0/9"},
	{"255.255.255.255/32", "255.255.255.255/32"},
	{"2001:DB8::/32", "2001:db8::/32"},
	{"2001:0db8:0:0::1", "2001:db8::1/128"},
	{"::/0", "::/0"},
	{"::ffff:192.0.2.0/120", "192.0.2.0/24"},
	{"::ffff:c000:207", "192.0.2.7/32"},
	{"::ffff:0:0/96", "0.0.0.0/0"},
};

START_TEST(a_network_is_kept_in_its_canonical_form)
{
	const char *why;

	ck_assert_pstr_eq(network_list_parse(a, networks[_i].text, &why), networks[_i].kept);
	/* And read again as the same. */
	ck_assert_pstr_eq(network_list_parse(a, networks[_i].kept, &why), networks[_i].kept);
}
END_TEST

static const char *const nonsense[] = {
	"",
	" ",
	"/",
	"/8",
	"10",
	"10.0.0/8",
	"10.0.0.0/",
	"10.0.0.0/33",
	"10.0.0.0/-1",
	"10.0.0.0/+8",
	"10.0.0.0/ 8",
	"10.0.0.0/8 ",
	" 10.0.0.0/8",
	"10.0.0.0/08",
	"10.0.0.0/8/8",
	"10.0.0.0/8x",
	"10.0.0.0/0x8",
	"10.0.0.0/99999",
	"10.0.0.0/4294967304",
	"10.0.0.1/8",
	"010.0.0.0/8",
	"256.0.0.0/8",
	"0x0a000000/8",
	"1.2.3.4.5",
	"::/129",
	"2001:db8::1/32",
	"2001:db8:::/32",
	"fe80::1%eth0",
	"[::1]",
	"::ffff:0:0/95",
	"::ffff:192.0.2.1/120",
	"localhost",
	"unix:",
	"10.0.0.0/8,",
	",10.0.0.0/8",
	"10.0.0.0/8,,::/0",
	"10.0.0.0/8;::/0",
	"10.0.0.0/255.0.0.0",
	"1111111111111111111111111111111111111111111111111111111111111111111111111111111/8",
};

START_TEST(what_is_no_network_is_refused_with_a_sentence)
{
	const char *why = NULL;

	ck_assert_pstr_eq(network_list_parse(a, nonsense[_i], &why), NULL);
	ck_assert_ptr_nonnull(why);
	ck_assert_int_eq(why[strlen(why) - 1], '.');
}
END_TEST

#define ZEROS_64 "0000000000000000000000000000000000000000000000000000000000000000"
#define LONG_NETWORK "10.0.0.0/8/" ZEROS_64 ZEROS_64 ZEROS_64 ZEROS_64

static const struct {
	const char *list, *address;
	bool has;
} members[] = {
	{"192.0.2.0/24", "192.0.2.0", true},
	{"192.0.2.0/24", "192.0.2.255", true},
	{"192.0.2.0/24", "192.0.3.0", false},
	{"192.0.2.0/24", "192.0.1.255", false},
	{"192.0.2.0/24", "::ffff:192.0.2.9", true},
	{"192.0.2.0/24", "::ffff:192.0.3.9", false},
	{"192.0.2.0/24", "::192.0.2.9", false},
	{"10.128.0.0/9", "10.127.255.255", false},
	{"10.128.0.0/9", "10.128.0.0", true},
	{"10.128.0.0/9", "10.255.255.255", true},
	{"10.128.0.0/9", "11.128.0.0", false},
	{"192.0.2.7/32", "192.0.2.7", true},
	{"192.0.2.7/32", "192.0.2.6", false},
	{"192.0.2.6/31", "192.0.2.7", true},
	{"192.0.2.6/31", "192.0.2.8", false},
	{"0.0.0.0/0", "203.0.113.5", true},
	{"0.0.0.0/0", "2001:db8::1", false},
	{"::/0", "2001:db8::1", true},
	{"::/0", "203.0.113.5", false},
	{"::/0", "::ffff:203.0.113.5", false},
	{"2001:db8::/32", "2001:db8:ffff::1", true},
	{"2001:db8::/32", "2001:db9::1", false},
	{"2001:db8::/33", "2001:db8:8000::", false},
	{"2001:db8::/33", "2001:db8:7fff::", true},
	{"::1/128", "::1", true},
	{"::1/128", "::2", false},
	{"10.0.0.0/8 2001:db8::/32 192.0.2.7/32", "192.0.2.7", true},
	{"10.0.0.0/8 2001:db8::/32 192.0.2.7/32", "2001:db8::5", true},
	{"10.0.0.0/8 2001:db8::/32 192.0.2.7/32", "192.0.2.8", false},
	/* Nobody is in a list that is empty or broken, and what is no address is in none. */
	{"", "192.0.2.7", false},
	{"nonsense", "192.0.2.7", false},
	{"0.0.0.0/0 ::/0", "", false},
	{"0.0.0.0/0 ::/0", "unix:", false},
	{"0.0.0.0/0 ::/0", "192.0.2", false},
	{"0.0.0.0/0 ::/0", "192.0.2.7 ", false},
	{"0.0.0.0/0 ::/0", "192.0.2.7, 192.0.2.8", false},
	{"0.0.0.0/0 ::/0", "fe80::1%eth0", false},
	{"0.0.0.0/0 ::/0", "192.0.2.7/32", false},
	/* What is no list holds nothing behind the place where it ends to be one. */
	{"192.0.2.0/24 " LONG_NETWORK " 10.0.0.0/8", "192.0.2.7", true},
	{"192.0.2.0/24 " LONG_NETWORK " 10.0.0.0/8", "10.0.0.7", false},
};

START_TEST(an_address_is_in_the_networks_or_not)
{
	ck_assert_msg(network_list_has(members[_i].list, members[_i].address) == members[_i].has,
		      "%s in %s", members[_i].address, members[_i].list);
}
END_TEST

static const struct {
	const char *outer, *inner;
	bool within;
} pairs[] = {
	{"10.0.0.0/8", "10.0.0.0/8", true},
	{"10.0.0.0/8", "10.1.0.0/16", true},
	{"10.0.0.0/8", "10.1.2.3/32", true},
	{"10.1.0.0/16", "10.0.0.0/8", false},
	{"10.0.0.0/8", "11.0.0.0/16", false},
	{"10.0.0.0/8", "0.0.0.0/0", false},
	{"0.0.0.0/0", "::/0", false},
	{"::/0", "10.0.0.0/8", false},
	{"10.0.0.0/8", "nonsense", false},
	{"10.0.0.0/8", LONG_NETWORK, false},
	{"10.0.0.0/8", "10.1.0.0/16 " LONG_NETWORK, false},
	{"10.0.0.0/8", "10.1.0.0/16  10.2.0.0/16", false},
	{"10.0.0.0/8", "", true},
	{"10.0.0.0/8 2001:db8::/32", "2001:db8:1::/48 10.9.0.0/16", true},
	{"10.0.0.0/8 2001:db8::/32", "2001:db8:1::/48 192.0.2.0/24", false},
	/* Two halves are no whole here: nothing is lost but a convenience. */
	{"10.0.0.0/9 10.128.0.0/9", "10.0.0.0/8", false},
};

START_TEST(a_list_lies_within_another_or_not)
{
	ck_assert_msg(network_list_within(pairs[_i].outer, pairs[_i].inner) == pairs[_i].within,
		      "%s in %s", pairs[_i].inner, pairs[_i].outer);
}
END_TEST

START_TEST(a_list_has_an_end)
{
	char text[LIST_ITEMS_MAX * 16 + 32] = "10.0.0.0";
	const char *list, *why;

	for (int i = 1; i < LIST_ITEMS_MAX; i++)
		(void)sprintf(text + strlen(text), ",10.0.0.%d", i);
	list = network_list_parse(a, text, &why);
	ck_assert(list != NULL && network_list_has(list, "10.0.0.31"));
	ck_assert_ptr_null(network_list_parse(a, strcat(text, ",10.0.1.0"), &why));
	ck_assert_ptr_nonnull(why);
}
END_TEST

START_TEST(without_memory_there_is_no_list_and_no_sentence)
{
	const char *why = "";

	for (unsigned n = 1; n < 4; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		ck_assert_ptr_null(network_list_parse(a, "10.0.0.0/8,11.0.0.0/8", &why));
		ck_assert_ptr_null(why);
	}
}
END_TEST

/* A C library that does not write addresses. */
static bool writes_nothing;

const char *__real_inet_ntop(int family, const void *bytes, char *out, socklen_t size);
const char *__wrap_inet_ntop(int family, const void *bytes, char *out, socklen_t size);

const char *
__wrap_inet_ntop(int family, const void *bytes, char *out, socklen_t size)
{
	return writes_nothing ? NULL : __real_inet_ntop(family, bytes, out, size);
}

START_TEST(what_cannot_be_written_is_in_no_list)
{
	const char *why = "";

	writes_nothing = true;
	ck_assert_ptr_null(network_text(a, "10.0.0.0/8", &why));
	ck_assert_ptr_null(why);
	writes_nothing = false;
	ck_assert_str_eq(network_text(a, "10.0.0.0/8", &why), "10.0.0.0/8");
}
END_TEST

static Suite *
network_suite(void)
{
	Suite *suite = suite_create("network");
	TCase *tc = tcase_create("network");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_network_is_kept_in_its_canonical_form, 0, COUNT_OF(networks));
	tcase_add_loop_test(tc, what_is_no_network_is_refused_with_a_sentence, 0,
			    COUNT_OF(nonsense));
	tcase_add_loop_test(tc, an_address_is_in_the_networks_or_not, 0, COUNT_OF(members));
	tcase_add_loop_test(tc, a_list_lies_within_another_or_not, 0, COUNT_OF(pairs));
	tcase_add_test(tc, a_list_has_an_end);
	tcase_add_test(tc, without_memory_there_is_no_list_and_no_sentence);
	tcase_add_test(tc, what_cannot_be_written_is_in_no_list);
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(network_suite());
}
