/* check_outbound: which addresses are never connected to, in whatever form they come. */
#include <arpa/inet.h>
#include <check.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/un.h>

#include "outbound/address.h"

#include "support/support.h"

static const struct {
	const char *address, *networks;
	bool allowed;
} cases[] = {
	/* registries on the internet and in private networks */
	{"192.0.2.7", "", true},
	{"140.82.121.33", "", true},
	{"10.0.0.7", "", true},
	{"172.16.0.1", "", true},
	{"192.168.1.1", "", true},
	{"100.64.0.1", "", true},
	{"2001:db8::7", "", true},
	{"2606:4700::1", "", true},
	{"fd12:3456::1", "", true},
	/* loopback, unless it is allowed */
	{"127.0.0.1", "", false},
	{"127.255.255.254", "", false},
	{"127.0.0.1", "127.0.0.1/32", true},
	{"127.0.0.2", "127.0.0.1/32", false},
	{"127.0.0.1", "10.0.0.0/8 127.0.0.0/8", true},
	{"127.0.0.1", "::1/128", false},
	{"::1", "", false},
	{"::1", "::1/128", true},
	{"::1", "127.0.0.0/8", false},
	{"::ffff:127.0.0.1", "", false},
	{"::ffff:127.0.0.1", "127.0.0.0/8", true},
	{"::127.0.0.1", "", false},
	{"64:ff9b::127.0.0.1", "", false},
	{"64:ff9b::127.0.0.1", "127.0.0.0/8", true},
	/* the link and metadata, whatever is allowed */
	{"169.254.169.254", "", false},
	{"169.254.169.254", "0.0.0.0/0", false},
	{"169.254.0.1", "169.254.0.0/16", false},
	{"::ffff:169.254.169.254", "0.0.0.0/0", false},
	{"::169.254.169.254", "::/0", false},
	{"::ffff:0:169.254.169.254", "::/0", false},
	{"64:ff9b::169.254.169.254", "::/0", false},
	{"64:ff9b::10.0.0.1", "", true},
	{"64:ff9b:1:a9fe:a9:fe00::", "", false},
	{"64:ff9b:1::169.254.169.254", "", false},
	{"2002:a9fe:a9fe::1", "", false},
	{"2002:7f00:1::1", "", false},
	{"2002:c000:207::1", "", true},
	{"2001:0:c000:207::5601:5601", "", false}, /* Teredo: 169.254.169.254 inverted */
	{"2001:0:a9fe:a9fe::3fff:fdf8", "", false},
	{"2001:0:c000:207::3fff:fdf8", "", true},
	{"2001:db8::5efe:169.254.169.254", "", false},
	{"2001:db8::200:5efe:127.0.0.1", "", false},
	{"2001:db8::5efe:192.0.2.7", "", true},
	{"fd00:ec2::254", "", false},
	{"fd20:ce::254", "", false},
	{"fd00:42::42", "", false},
	{"100.100.100.200", "", false},
	{"168.63.129.16", "", false},
	{"192.0.0.192", "", false},
	{"fe80::1", "", false},
	{"febf::1", "", false},
	{"fec0::1", "", false},
	/* nobody, everybody */
	{"0.0.0.0", "", false},
	{"0.1.2.3", "", false},
	{"::", "", false},
	{"224.0.0.1", "", false},
	{"239.255.255.255", "", false},
	{"255.255.255.255", "", false},
	{"240.0.0.1", "", false},
	{"ff02::1", "", false},
};

START_TEST(an_address_may_be_connected_to_or_not)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	bool is_in = inet_pton(AF_INET, cases[_i].address, &in.sin_addr) == 1;

	ck_assert(is_in || inet_pton(AF_INET6, cases[_i].address, &in6.sin6_addr) == 1);
	ck_assert_msg(outbound_allowed(is_in ? (const struct sockaddr *)&in
					     : (const struct sockaddr *)&in6,
				       cases[_i].networks) == cases[_i].allowed,
		      "%s", cases[_i].address);
}
END_TEST

START_TEST(other_families_and_scopes_are_refused)
{
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_scope_id = 1};

	ck_assert_int_eq(inet_pton(AF_INET6, "2001:db8::7", &in6.sin6_addr), 1);
	ck_assert(!outbound_allowed((const struct sockaddr *)&un, "0.0.0.0/0 ::/0"));
	ck_assert(!outbound_allowed((const struct sockaddr *)&in6, ""));
}
END_TEST

/* clang-format off */
static const struct { const char *address, *networks; bool inside; } places[] = {
	{"10.0.0.7", "", true}, {"172.31.255.255", "", true}, {"172.32.0.1", "", false}, {"192.168.1.1", "", true}, {"100.64.0.1", "", true},
	{"192.0.2.7", "", false}, {"140.82.121.33", "", false}, {"2606:4700::1", "", false}, {"fd12:3456::1", "", true}, {"::ffff:10.0.0.7", "", true},
	{"127.0.0.1", "", true}, {"::1", "", true}, /* this machine's own */
	{"127.0.0.1", "127.0.0.0/8", false}, {"10.0.0.7", "10.0.0.0/8", false}, {"::ffff:10.0.0.7", "10.0.0.0/8", false}, {"10.0.0.7", "10.1.0.0/16", true},
};
/* clang-format on */

START_TEST(an_address_is_inside_or_not)
{
	struct sockaddr_in in = {.sin_family = AF_INET};
	struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
	bool is_in = inet_pton(AF_INET, places[_i].address, &in.sin_addr) == 1;

	ck_assert(is_in || inet_pton(AF_INET6, places[_i].address, &in6.sin6_addr) == 1);
	ck_assert_msg(outbound_is_inside(is_in ? (const struct sockaddr *)&in
					       : (const struct sockaddr *)&in6,
					 places[_i].networks) == places[_i].inside,
		      "%s", places[_i].address);
}
END_TEST

static Suite *
outbound_suite(void)
{
	Suite *suite = suite_create("outbound");
	TCase *tc = tcase_create("outbound");

	tcase_add_loop_test(tc, an_address_may_be_connected_to_or_not, 0, COUNT_OF(cases));
	tcase_add_test(tc, other_families_and_scopes_are_refused);
	tcase_add_loop_test(tc, an_address_is_inside_or_not, 0, COUNT_OF(places));
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(outbound_suite());
}
