/* check_http: the parts of a request as clients send them, and as attackers do. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/multipart.h"
#include "base/text.h"

#include "support/support.h"

static struct error e;

ARENA_FIXTURE(e = (struct error){0})

/* A text of count times c, with its NUL, in the arena. */
static char *
fill(char c, size_t count)
{
	char *text = arena_alloc(a, count + 1);

	ck_assert_ptr_nonnull(text);
	memset(text, c, count);
	return text;
}

/* An error that is told to a client has a sentence, but for the lack of memory. */
static void
check_error(enum err got, enum err expected)
{
	ck_assert_int_eq(got, expected);
	ck_assert_int_eq(e.code, expected);
	ck_assert_ptr_null(e.field);
	ck_assert_ptr_nonnull(e.detail);
}

/* "name=value|name=value" of what was parsed. */
static const char *
show_pairs(const struct pairs *pairs)
{
	char *text = fill('\0', 0);

	for (size_t i = 0; i < pairs->count; i++)
		text = arena_printf(a, "%s%s%s=%s", text, i > 0 ? "|" : "", pairs->items[i].name,
				    pairs->items[i].value);
	return text;
}

/* Methods, statuses, headers. */

static const struct {
	const char *text;
	enum http_method method;
} methods[] = {
	{"GET", HTTP_GET},	 {"HEAD", HTTP_HEAD},	  {"POST", HTTP_POST},
	{"PUT", HTTP_PUT},	 {"DELETE", HTTP_DELETE}, {"PATCH", HTTP_OTHER},
	{"OPTIONS", HTTP_OTHER}, {"TRACE", HTTP_OTHER},	  {"get", HTTP_OTHER},
	{"GET ", HTTP_OTHER},	 {"GETX", HTTP_OTHER},	  {"GE", HTTP_OTHER},
	{"", HTTP_OTHER},	 {NULL, HTTP_OTHER},
};

START_TEST(a_method_is_known_by_its_exact_name)
{
	ck_assert_int_eq(http_method_parse(methods[_i].text), methods[_i].method);
}
END_TEST

START_TEST(every_error_has_a_reason_phrase)
{
	for (unsigned i = 0; i < ERR__COUNT; i++)
		ck_assert_str_ne(http_reason(err_status((enum err)i)), "");
	ck_assert_str_eq(http_reason(200), "OK");
	ck_assert_str_eq(http_reason(201), "Created");
	ck_assert_str_eq(http_reason(299), "");
	ck_assert_str_eq(http_reason(0), "");
}
END_TEST

static const struct {
	const char *value;
	bool kept;
} header_values[] = {
	{"plain", true},
	{"", true},
	{"gr\xc3\xbc\xc3\x9f", true},
	{NULL, false},
	{"a\r\nSet-Cookie: x=y", false},
	{"a\nb", false},
	{"a\rb", false},
	{"a\tb", false},
	{"a\x7f", false},
	{"\x01", false},
};

START_TEST(a_header_with_a_control_character_is_left_out)
{
	static struct response response;

	response.header_count = 0;
	response_header(&response, "X-Test", header_values[_i].value);
	ck_assert_uint_eq(response.header_count, header_values[_i].kept);
	if (header_values[_i].kept) {
		ck_assert_str_eq(response.headers[0].name, "X-Test");
		ck_assert_str_eq(response.headers[0].value, header_values[_i].value);
	}
}
END_TEST

/* UTF-8. */

static const struct {
	const char *text;
	size_t len;
	bool valid;
} utf8[] = {
	{"", 0, true},
	{"plain ascii \x01\x7f", 14, true},
	{"\xc2\x80", 2, true},
	{"\xdf\xbf", 2, true},
	{"\xe0\xa0\x80", 3, true},
	{"\xed\x9f\xbf", 3, true},
	{"\xee\x80\x80", 3, true},
	{"\xef\xbf\xbf", 3, true},
	{"\xf0\x90\x80\x80", 4, true},
	{"\xf4\x8f\xbf\xbf", 4, true},
	{"a\0b", 3, false},
	{"\x80", 1, false},
	{"\xbf", 1, false},
	{"\xc0\x80", 2, false},
	{"\xc1\xbf", 2, false},
	{"\xc2", 1, false},
	{"\xc2\x41", 2, false},
	{"\xc2\xc2", 2, false},
	{"\xe0\x80\x80", 3, false},
	{"\xe0\x9f\xbf", 3, false},
	{"\xe2\x82", 2, false},
	{"\xe2\x82\x41", 3, false},
	{"\xed\xa0\x80", 3, false},
	{"\xed\xbf\xbf", 3, false},
	{"\xf0\x80\x80\x80", 4, false},
	{"\xf0\x8f\xbf\xbf", 4, false},
	{"\xf0\x9f\x94", 3, false},
	{"\xf0\x9f\x94\x41", 4, false},
	{"\xf4\x90\x80\x80", 4, false},
	{"\xf5\x80\x80\x80", 4, false},
	{"\xf8\x88\x80\x80\x80", 5, false},
	{"\xfe", 1, false},
	{"\xff", 1, false},
	{"ok\xff", 3, false},
	{"\xe2\x82\xac\x82", 4, false},
};

START_TEST(utf8_is_strict)
{
	/* In a block of its exact size, so that a sanitizer sees a step too far. */
	char *exact = malloc(utf8[_i].len + 1);

	ck_assert_ptr_nonnull(exact);
	memcpy(exact + 1, utf8[_i].text, utf8[_i].len);
	ck_assert(http_utf8_valid(exact + 1, utf8[_i].len) == utf8[_i].valid);
	free(exact);
}
END_TEST

START_TEST(every_code_point_but_surrogates_is_valid)
{
	unsigned wrong = 0;

	for (unsigned c = 0x800; c <= 0xffff; c++) {
		char text[3] = {(char)(0xe0 | c >> 12), (char)(0x80 | (c >> 6 & 0x3f)),
				(char)(0x80 | (c & 0x3f))};

		wrong += http_utf8_valid(text, 3) != (c < 0xd800 || c > 0xdfff);
	}
	ck_assert_uint_eq(wrong, 0);
}
END_TEST

START_TEST(length_counts_characters)
{
	ck_assert_uint_eq(http_utf8_length(""), 0);
	ck_assert_uint_eq(http_utf8_length("abc"), 3);
	ck_assert_uint_eq(http_utf8_length("gr\xc3\xbc\xc3\x9f"), 4);
	ck_assert_uint_eq(http_utf8_length("\xe2\x82\xac\xf0\x9f\x94\x91"), 2);
}
END_TEST

/* Targets: the segments joined with ',', the query as pairs. */

static const struct {
	const char *raw, *path, *segments, *raw_query, *query;
} targets[] = {
	{"/", "/", "", "", ""},
	{"/v1", "/v1", "v1", "", ""},
	{"/v1/", "/v1/", "v1", "", ""},
	{"//v1///registries//", "//v1///registries//", "v1,registries", "", ""},
	{"/v1/registryCredentials/1c7/registry", "/v1/registryCredentials/1c7/registry",
	 "v1,registryCredentials,1c7,registry", "", ""},
	{"/v1/registries?limit=2", "/v1/registries", "v1,registries", "limit=2", "limit=2"},
	{"/v1/registrycredentials/1c7/?action=deactivate", "/v1/registrycredentials/1c7/",
	 "v1,registrycredentials,1c7", "action=deactivate", "action=deactivate"},
	{"/v1?", "/v1", "v1", "", ""},
	{"/?a", "/", "", "a", "a="},
	{"/v%31", "/v%31", "v1", "", ""},
	{"/gr%C3%BC%c3%9f", "/gr%C3%BC%c3%9f", "gr\xc3\xbc\xc3\x9f", "", ""},
	{"/gr\xc3\xbc\xc3\x9f", "/gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f", "", ""},
	{"/a+b", "/a+b", "a+b", "", ""},
	{"/a%2Bb", "/a%2Bb", "a+b", "", ""},
	{"/a%20b", "/a%20b", "a b", "", ""},
	{"/a%3Fb?c=d", "/a%3Fb", "a?b", "c=d", "c=d"},
	{"/%2525", "/%2525", "%25", "", ""}, /* decoded once */
	{"/%252e%252e", "/%252e%252e", "%2e%2e", "", ""},
	{"/...", "/...", "...", "", ""},
	{"/.a", "/.a", ".a", "", ""},
	{"/a.", "/a.", "a.", "", ""},
	{"/1/2/3/4/5/6/7/8/9/10", "/1/2/3/4/5/6/7/8/9/10", "1,2,3,4,5,6,7,8", "", ""},
	{"/?a=1&b=2", "/", "", "a=1&b=2", "a=1|b=2"},
	{"/?a=1&&b=2&", "/", "", "a=1&&b=2&", "a=1|b=2"},
	{"/?&&&", "/", "", "&&&", ""},
	{"/?a=b=c", "/", "", "a=b=c", "a=b=c"},
	{"/?=x", "/", "", "=x", "=x"},
	{"/?=", "/", "", "=", "="},
	{"/?a=x+y%2Bz", "/", "", "a=x+y%2Bz", "a=x y+z"},
	{"/?a+b=c", "/", "", "a+b=c", "a b=c"},
	{"/?a%3Db=c%26d", "/", "", "a%3Db=c%26d", "a=b=c&d"},
	{"/?name_like=%25x%25", "/", "", "name_like=%25x%25", "name_like=%x%"},
	{"/?a=1?b=2", "/", "", "a=1?b=2", "a=1?b=2"},
	{"/?a=/../", "/", "", "a=/../", "a=/../"},
	{"/?a=%0a", "/", "", "a=%0a", "a=\n"},
	{"/?A=1&a=2", "/", "", "A=1&a=2", "A=1|a=2"},
	{"/?a=1;b=2", "/", "", "a=1;b=2", "a=1;b=2"},
	{"/?a=%F0%9F%94%91", "/", "", "a=%F0%9F%94%91", "a=\xf0\x9f\x94\x91"},
};

START_TEST(a_target_is_taken_apart)
{
	struct target target;
	const char *segments = "";

	ck_assert_int_eq(http_target_parse(a, targets[_i].raw, &target, &e), ERR_NONE);
	for (size_t i = 0; i < target.segment_count; i++)
		segments =
			arena_printf(a, "%s%s%s", segments, i > 0 ? "," : "", target.segments[i]);
	ck_assert_str_eq(target.path, targets[_i].path);
	ck_assert_str_eq(segments, targets[_i].segments);
	ck_assert_str_eq(target.raw_query, targets[_i].raw_query);
	ck_assert_str_eq(show_pairs(&target.query), targets[_i].query);
	ck_assert_int_eq(e.code, ERR_NONE);
}
END_TEST

static const struct {
	const char *raw;
	enum err err;
} bad_targets[] = {
	{"", ERR_BAD_REQUEST},
	{"v1", ERR_BAD_REQUEST},
	{"?a=b", ERR_BAD_REQUEST},
	{"*", ERR_BAD_REQUEST},
	{"http://host/v1", ERR_BAD_REQUEST},
	{"/%", ERR_BAD_REQUEST},
	{"/%4", ERR_BAD_REQUEST},
	{"/%4/x", ERR_BAD_REQUEST},
	{"/%zz", ERR_BAD_REQUEST},
	{"/%4g", ERR_BAD_REQUEST},
	{"/%g4", ERR_BAD_REQUEST},
	{"/% 1", ERR_BAD_REQUEST},
	{"/%+1", ERR_BAD_REQUEST},
	{"/%-1", ERR_BAD_REQUEST},
	{"/%0x", ERR_BAD_REQUEST},
	{"/%%", ERR_BAD_REQUEST},
	{"/a%00b", ERR_BAD_REQUEST},
	{"/v1/1/2/3/4/5/6/7/8/9/%00", ERR_BAD_REQUEST},
	{"/%ff", ERR_BAD_REQUEST},
	{"/\xff", ERR_BAD_REQUEST},
	{"/%c0%af", ERR_BAD_REQUEST},
	{"/%ed%a0%80", ERR_BAD_REQUEST},
	{"/%c3", ERR_BAD_REQUEST},
	{"/%c3/%bc", ERR_BAD_REQUEST},
	{"/a%0d%0ab", ERR_BAD_REQUEST},
	{"/a\nb", ERR_BAD_REQUEST},
	{"/a%09", ERR_BAD_REQUEST},
	{"/a%7f", ERR_BAD_REQUEST},
	{"/%1b", ERR_BAD_REQUEST},
	{"/?%", ERR_BAD_REQUEST},
	{"/?a=%", ERR_BAD_REQUEST},
	{"/?a=%4", ERR_BAD_REQUEST},
	{"/?a=%&b=41", ERR_BAD_REQUEST},
	{"/?a%=b", ERR_BAD_REQUEST},
	{"/?a=%00", ERR_BAD_REQUEST},
	{"/?%00=a", ERR_BAD_REQUEST},
	{"/?a=%ff", ERR_BAD_REQUEST},
	{"/?a=\xc3", ERR_BAD_REQUEST},
	{"/?\xff=a", ERR_BAD_REQUEST},
	{"/.", ERR_NOT_FOUND},
	{"/..", ERR_NOT_FOUND},
	{"/./v1", ERR_NOT_FOUND},
	{"/v1/../v2", ERR_NOT_FOUND},
	{"/v1/%2e%2e/v2", ERR_NOT_FOUND},
	{"/v1/.%2E", ERR_NOT_FOUND},
	{"/v1/%2e", ERR_NOT_FOUND},
	{"/a%2fb", ERR_NOT_FOUND},
	{"/a%2Fb", ERR_NOT_FOUND},
	{"/%2f", ERR_NOT_FOUND},
	{"/a%5cb", ERR_NOT_FOUND},
	{"/a\\b", ERR_NOT_FOUND},
	{"/1/2/3/4/5/6/7/8/..", ERR_NOT_FOUND},
};

START_TEST(a_bad_target_is_refused)
{
	struct target target = {.path = "untouched"};

	check_error(http_target_parse(a, bad_targets[_i].raw, &target, &e), bad_targets[_i].err);
	ck_assert_str_eq(target.path, "untouched");
}
END_TEST

START_TEST(targets_have_a_greatest_length)
{
	struct target target;
	char *raw = fill('x', HTTP_TARGET_MAX + 1);

	raw[0] = '/';
	check_error(http_target_parse(a, raw, &target, &e), ERR_BAD_REQUEST);
	raw[HTTP_TARGET_MAX] = '\0';
	ck_assert_int_eq(http_target_parse(a, raw, &target, &e), ERR_NONE);
	ck_assert_uint_eq(strlen(target.segments[0]), HTTP_TARGET_MAX - 1);
}
END_TEST

/* "a&a&…" with count names, to which "x=" can be put in front. */
static char *
many_pairs(size_t count)
{
	char *text = fill('&', count * 2 - 1);

	for (size_t i = 0; i < count; i++)
		text[i * 2] = 'a';
	return text;
}

START_TEST(parameters_have_a_greatest_number)
{
	struct target target;
	struct pairs pairs;
	char *text = many_pairs(HTTP_PAIRS_MAX);

	ck_assert_int_eq(http_form_parse(a, text, strlen(text), &pairs, &e), ERR_NONE);
	ck_assert_uint_eq(pairs.count, HTTP_PAIRS_MAX);
	text = many_pairs(HTTP_PAIRS_MAX + 1);
	check_error(http_form_parse(a, text, strlen(text), &pairs, &e), ERR_BAD_REQUEST);
	ck_assert_uint_eq(pairs.count, 0);
	check_error(http_target_parse(a, arena_printf(a, "/?%s", text), &target, &e),
		    ERR_BAD_REQUEST);
}
END_TEST

START_TEST(pairs_are_found_by_their_exact_name)
{
	struct pairs pairs;
	const char *text = "a=1&A=2&a=3&ab=4&c";

	ck_assert_int_eq(http_form_parse(a, text, strlen(text), &pairs, &e), ERR_NONE);
	ck_assert_str_eq(pairs_find(&pairs, "a"), "1");
	ck_assert_str_eq(pairs_find(&pairs, "A"), "2");
	ck_assert_str_eq(pairs_find(&pairs, "ab"), "4");
	ck_assert_str_eq(pairs_find(&pairs, "c"), "");
	ck_assert_ptr_null(pairs_find(&pairs, "b"));
	ck_assert_ptr_null(pairs_find(&pairs, ""));
}
END_TEST

START_TEST(a_form_with_a_raw_nul_is_refused)
{
	struct pairs pairs;

	check_error(http_form_parse(a, "a=b\0c", 5, &pairs, &e), ERR_BAD_REQUEST);
}
END_TEST

START_TEST(a_form_is_read_no_further_than_its_length)
{
	struct pairs pairs;

	ck_assert_int_eq(http_form_parse(a, "a=bc&d=e", 3, &pairs, &e), ERR_NONE);
	ck_assert_str_eq(show_pairs(&pairs), "a=b");
	check_error(http_form_parse(a, "a=%41", 4, &pairs, &e), ERR_BAD_REQUEST);
	ck_assert_int_eq(http_form_parse(a, "", 0, &pairs, &e), ERR_NONE);
	ck_assert_uint_eq(pairs.count, 0);
}
END_TEST

/* Multipart bodies.  All of them have the boundary "B" but for where the Content-Type says
 * otherwise. */

#define FORM "multipart/form-data; boundary=B"
#define NAME(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"
#define PART(name, content) "--B\r\n" NAME(name) "\r\n" content "\r\n"
#define BYTES(text) text, sizeof(text) - 1

static const struct {
	const char *content_type, *body;
	size_t len;
	const char *pairs;
} multiparts[] = {
	{FORM, BYTES(PART("a", "1") "--B--\r\n"), "a=1"},
	{FORM, BYTES(PART("a", "1") "--B--"), "a=1"},
	{FORM, BYTES(PART("a", "1") PART("b", "2") PART("a", "3") "--B--\r\n"), "a=1|b=2|a=3"},
	{FORM, BYTES("--B--\r\n"), ""},
	{FORM, BYTES("--B--"), ""},
	{FORM, BYTES(PART("a", "") "--B--\r\n"), "a="},
	{FORM, BYTES("--B\r\n" NAME("a") "\r\n--B--\r\n"), "a="},
	{FORM, BYTES(PART("", "x") "--B--\r\n"), "=x"},
	{FORM, BYTES(PART("a", "\r\n") "--B--\r\n"), "a=\r\n"},
	{FORM, BYTES(PART("a", " x \t") "--B--\r\n"), "a= x \t"},
	{FORM, BYTES(PART("a", "one\r\ntwo\nthree\r") "--B--\r\n"), "a=one\r\ntwo\nthree\r"},
	{FORM, BYTES(PART("a", "--B") "--B--\r\n"), NULL},
	{FORM, BYTES(PART("a", "x--B--") "--B--\r\n"), "a=x--B--"},
	{FORM, BYTES(PART("a", "\n--B") "--B--\r\n"), "a=\n--B"},
	{FORM, BYTES(PART("a", "\r\n--A\r\n--b") "--B--\r\n"), "a=\r\n--A\r\n--b"},
	{FORM, BYTES("preamble\r\n\r\n" PART("a", "1") "--B--\r\n"), "a=1"},
	{FORM, BYTES("--A\r\n" PART("a", "1") "--B--\r\n"), "a=1"},
	{FORM, BYTES("x--B\r\n" PART("a", "1") "--B--\r\n"), "a=1"},
	{FORM, BYTES(PART("a", "1") "--B--\r\nepilogue\r\n--B\r\n\xff"), "a=1"},
	{FORM, BYTES("--B  \t\r\n" NAME("a") "\r\n1\r\n--B-- \r\n"), "a=1"},
	{FORM, BYTES(PART("a", "gr\xc3\xbc\xc3\x9f") "--B--\r\n"), "a=gr\xc3\xbc\xc3\x9f"},
	{FORM, BYTES(PART("gr\xc3\xbc", "1") "--B--\r\n"), "gr\xc3\xbc=1"},
	{FORM, BYTES(PART("a\\\"b\\\\c", "1") "--B--\r\n"), "a\"b\\c=1"},
	{FORM, BYTES(PART("a%22b", "1") "--B--\r\n"), "a%22b=1"},
	{FORM, BYTES(PART("a;b=c", "1") "--B--\r\n"), "a;b=c=1"},
	{FORM, BYTES("--B\r\ncontent-disposition:FORM-DATA;NAME=a\r\n\r\n1\r\n--B--"), "a=1"},
	{FORM, BYTES("--B\r\nContent-Disposition: \t form-data ; name=\"a\" \r\n\r\n1\r\n--B--"),
	 "a=1"},
	{FORM,
	 BYTES("--B\r\nContent-Disposition: form-data; filename=\"n;ame=\\\"z\"; name=a\r\n"
	       "Content-Type: application/octet-stream\r\n\r\n1\r\n--B--"),
	 "a=1"},
	{FORM,
	 BYTES("--B\r\nX-Other: y\r\n" NAME(
		 "a") "Content-Type: text/plain; charset=utf-8\r\n\r\n1\r\n--B--"),
	 "a=1"},
	{FORM, BYTES("--B\r\n" NAME("a") "Content-Transfer-Encoding: 8BIT\r\n\r\n1\r\n--B--"),
	 "a=1"},
	{FORM, BYTES("--B\r\n" NAME("a") "Content-Transfer-Encoding: binary\r\n\r\n1\r\n--B--"),
	 "a=1"},
	{"multipart/form-data; boundary=\"B\"", BYTES(PART("a", "1") "--B--"), "a=1"},
	{"multipart/form-data;boundary=B", BYTES(PART("a", "1") "--B--"), "a=1"},
	{"multipart/form-data; boundarx=C; boundary=B", BYTES(PART("a", "1") "--B--"), "a=1"},
	{"Multipart/Form-Data ; BOUNDARY=B ", BYTES(PART("a", "1") "--B--"), "a=1"},
	{"multipart/form-data; charset=utf-8; boundary=B", BYTES(PART("a", "1") "--B--"), "a=1"},
	{"multipart/form-data; x=\"; boundary=C\"; boundary=B;", BYTES(PART("a", "1") "--B--"),
	 "a=1"},
	{"multipart/form-data; boundary=\"b c:d\"",
	 BYTES("--b c:d\r\n" NAME("a") "\r\n1\r\n--b c:d--"), "a=1"},
	{"multipart/form-data; boundary=----WebKitFormBoundary0aB",
	 BYTES("------WebKitFormBoundary0aB\r\n" NAME(
		 "a") "\r\n1\r\n------WebKitFormBoundary0aB--\r\n"),
	 "a=1"},
	{"multipart/form-data; boundary=\"\\B\"", BYTES(PART("a", "1") "--B--"), "a=1"},
	{"multipart/form-data; "
	 "boundary=1234567890123456789012345678901234567890123456789012345678901234567890",
	 BYTES("--1234567890123456789012345678901234567890123456789012345678901234567890--"), ""},

	{FORM, BYTES("--B\r\n" NAME("a") "Content-Transfer-Encoding: 7bit\r\n\r\n1\r\n--B--"),
	 "a=1"},
	/* From here on: refused. */
	{FORM, BYTES("--B\r\n" NAME("a") "Content-Transfer-Encoding: none\r\n\r\n1\r\n--B--"),
	 NULL},
	{NULL, BYTES(PART("a", "1") "--B--"), NULL},
	{"", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data;", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary=", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; =B; boundary=B", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary=\"\"", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary=\"B", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary=\"B\\", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary=\"B \"", BYTES("--B \r\n"), NULL},
	{"multipart/form-data; boundary=B\"C\"", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary=B C", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary=B; boundary=B", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundary=B@", BYTES("--B@--"), NULL},
	{"multipart/form-data; xboundary=B", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; boundaryx=B", BYTES(PART("a", "1") "--B--"), NULL},
	{"multipart/form-data; "
	 "boundary=12345678901234567890123456789012345678901234567890123456789012345678901",
	 BYTES("--12345678901234567890123456789012345678901234567890123456789012345678901--"),
	 NULL},
	{FORM, BYTES(""), NULL},
	{FORM, BYTES("-"), NULL},
	{FORM, BYTES("--"), NULL},
	{FORM, BYTES("--B"), NULL},
	{FORM, BYTES("--B-"), NULL},
	{FORM, BYTES("--B\r\n"), NULL},
	{FORM, BYTES("--B\r\n\r\n"), NULL},
	{FORM, BYTES("--B\n" NAME("a") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--Bx\r\n" NAME("a") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B--x\r\n"), NULL},
	{FORM, BYTES("{\"a\":1}"), NULL},
	{FORM, BYTES("a=1&b=2"), NULL},
	{FORM, BYTES("--C\r\n" NAME("a") "\r\n1\r\n--C--"), NULL},
	{FORM, BYTES("--b\r\n" NAME("a") "\r\n1\r\n--b--"), NULL},
	{FORM, BYTES(PART("a", "1")), NULL},
	{FORM, BYTES(PART("a", "1") "--B"), NULL},
	{FORM, BYTES(PART("a", "1") "--B\r\n"), NULL},
	{FORM, BYTES(PART("a", "1\r\n--Bx") "--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a") "\r\n1--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a") "\r\n1\n--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a") "1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a")), NULL},
	{FORM, BYTES("--B\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nContent-Type: text/plain\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a") NAME("b") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nContent-Disposition: form-data\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nContent-Disposition: form-data; filename=a\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nContent-Disposition: form-data; name*=utf-8''a\r\n\r\n1\r\n--B--"),
	 NULL},
	{FORM, BYTES("--B\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n--B--"),
	 NULL},
	{FORM, BYTES("--B\r\nContent-Disposition: form-datax; name=a\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nContent-Disposition : form-data; name=a\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\n Content-Disposition: form-data; name=a\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nContent-Disposition: form-data;\r\n name=a\r\n\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\nno colon\r\n" NAME("a") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\n: empty\r\n" NAME("a") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a\nb") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a\0b") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a\xff") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a\x01") "\r\n1\r\n--B--"), NULL},
	{FORM, BYTES(PART("a", "x\0y") "--B--"), NULL},
	{FORM, BYTES(PART("a", "\xff") "--B--"), NULL},
	{FORM, BYTES(PART("a", "\xc0\xaf") "--B--"), NULL},
	{FORM, BYTES(PART("a", "\xed\xa0\x80") "--B--"), NULL},
	{FORM, BYTES(PART("a", "\xe2\x82") "--B--"), NULL},
	{FORM, BYTES("--B\r\n" NAME("a") "Content-Transfer-Encoding: base64\r\n\r\neA==\r\n--B--"),
	 NULL},
	{FORM,
	 BYTES("--B\r\n" NAME("a") "Content-Transfer-Encoding: quoted-printable\r\n\r\n1\r\n--B--"),
	 NULL},
	{FORM, BYTES("--B\r\n" NAME("a") "Content-Transfer-Encoding:\r\n\r\n1\r\n--B--"), NULL},
};

START_TEST(a_multipart_body_is_read_or_refused)
{
	struct pairs pairs;
	size_t len = multiparts[_i].len;
	char *exact = malloc(len + 1);
	enum err code;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact + 1, multiparts[_i].body, len);
	code = http_multipart_parse(a, multiparts[_i].content_type, exact + 1, len, &pairs, &e);
	free(exact);
	if (multiparts[_i].pairs == NULL) {
		check_error(code, ERR_INVALID_BODY);
		return;
	}
	ck_assert_int_eq(code, ERR_NONE);
	ck_assert_str_eq(show_pairs(&pairs), multiparts[_i].pairs);
}
END_TEST

START_TEST(a_multipart_body_cut_anywhere_is_refused)
{
	static const char body[] = PART("a", "1") PART("b", "two\r\nlines") "--B--";
	struct pairs pairs;

	for (size_t len = 0; len < sizeof(body) - 1; len++)
		check_error(http_multipart_parse(a, FORM, body, len, &pairs, &e), ERR_INVALID_BODY);
	ck_assert_int_eq(http_multipart_parse(a, FORM, body, sizeof(body) - 1, &pairs, &e),
			 ERR_NONE);
}
END_TEST

START_TEST(fields_have_a_greatest_number)
{
	static const char part[] = PART("a", "1");
	size_t part_len = sizeof(part) - 1, count = (size_t)HTTP_PAIRS_MAX + (size_t)_i;
	size_t len = count * part_len + 5;
	char *body = fill('\0', len);
	struct pairs pairs;
	enum err code;

	for (size_t i = 0; i < count; i++)
		memcpy(body + i * part_len, part, part_len);
	memcpy(body + count * part_len, "--B--", 5);
	code = http_multipart_parse(a, FORM, body, len, &pairs, &e);
	if (_i > 0) {
		check_error(code, ERR_INVALID_BODY);
		return;
	}
	ck_assert_int_eq(code, ERR_NONE);
	ck_assert_uint_eq(pairs.count, HTTP_PAIRS_MAX);
}
END_TEST

START_TEST(many_header_parameters_cost_little_memory)
{
	struct arena *small = arena_new(6 * 60000);
	size_t len;
	char *parameters = fill(';', 60000);
	const char *body;
	struct pairs pairs;

	for (size_t i = 0; i + 4 < 60000; i += 4)
		memcpy(parameters + i, ";x=y", 4);
	body = arena_printf(a, "--B\r\nContent-Disposition: form-data; name=a%s\r\n\r\n1\r\n--B--",
			    parameters);
	len = strlen(body);
	ck_assert_ptr_nonnull(small);
	ck_assert_int_eq(http_multipart_parse(small, FORM, body, len, &pairs, &e), ERR_NONE);
	ck_assert_str_eq(show_pairs(&pairs), "a=1");
	arena_free(small);
}
END_TEST

/* Small things. */

static const struct {
	const char *content_type, *media_type;
} media_types[] = {
	{NULL, ""},
	{"", ""},
	{"application/json", "application/json"},
	{"Application/JSON", "application/json"},
	{"application/json; charset=utf-8", "application/json"},
	{"application/json;charset=utf-8", "application/json"},
	{" \ttext/plain ; x", "text/plain"},
	{"text/plain, text/html", "text/plain"},
	{";", ""},
};

START_TEST(a_media_type_stands_without_parameters)
{
	ck_assert_str_eq(http_media_type(a, media_types[_i].content_type),
			 media_types[_i].media_type);
}
END_TEST

static const struct {
	const char *authorization, *user, *password;
} basics[] = {
	{"Basic dXNlcjpwYXNz", "user", "pass"},
	{"basic dXNlcjpwYXNz", "user", "pass"},
	{"BASIC dXNlcjpwYXNz", "user", "pass"},
	{"Basic   dXNlcjpwYXNz", "user", "pass"},
	{"Basic dXNlcjpwYXNz \t", "user", "pass"},
	{"Basic Og==", "", ""},
	{"Basic Og", "", ""},
	{"Basic dTo=", "u", ""},
	{"Basic dTo", "u", ""},
	{"Basic OnA=", "", "p"},
	{"Basic dTpwOnE=", "u", "p:q"},
	{"Basic dTr/", "u", "\xff"},
	{"Basic dTo+Pg==", "u", ">>"},
	{"Basic WC1BUEktQmVhcmVyPTFhNTp0b2tlbg==", "X-API-Bearer=1a5", "token"},
	{NULL, NULL, NULL},
	{"", NULL, NULL},
	{"Basic", NULL, NULL},
	{"Basic ", NULL, NULL},
	{"BasicdXNlcjpwYXNz", NULL, NULL},
	{"Basic\tdXNlcjpwYXNz", NULL, NULL},
	{" Basic dXNlcjpwYXNz", NULL, NULL},
	{"Bearer dXNlcjpwYXNz", NULL, NULL},
	{"Basic dXNlcg==", NULL, NULL}, /* no colon */
	{"Basic dXNlcjpwYXNz=", NULL, NULL},
	{"Basic dXNlcjpwYXNz====", NULL, NULL},
	{"Basic Og=", NULL, NULL},
	{"Basic Og===", NULL, NULL},
	{"Basic =", NULL, NULL},
	{"Basic ====", NULL, NULL},
	{"Basic O", NULL, NULL},
	{"Basic Oh", NULL, NULL}, /* left-over bits */
	{"Basic dXNl cjpwYXNz", NULL, NULL},
	{"Basic dXNl\ncjpwYXNz", NULL, NULL},
	{"Basic dXNlcjpwYXNz,", NULL, NULL},
	{"Basic dXNlcjpwYXNz, Basic dXNlcjpwYXNz", NULL, NULL},
	{"Basic dTr_", NULL, NULL}, /* the URL's alphabet */
	{"Basic dTo-Pg==", NULL, NULL},
	{"Basic dTpwAA==", NULL, NULL}, /* a NUL in the password */
	{"Basic dQA6cA==", NULL, NULL}, /* a NUL in the user */
	{"Basic user:pass", NULL, NULL},
	{"Basic \xff\xff", NULL, NULL},
};

START_TEST(basic_authorization_is_read_or_refused)
{
	const char *user = NULL, *password = NULL;
	bool read = http_basic_parse(a, basics[_i].authorization, &user, &password);

	ck_assert(read == (basics[_i].user != NULL));
	if (!read)
		return;
	ck_assert_str_eq(user, basics[_i].user);
	ck_assert_str_eq(password, basics[_i].password);
}
END_TEST

static const struct {
	const char *header, *value;
} cookies[] = {
	{NULL, NULL},
	{"", NULL},
	{"CSRF=ABC", "ABC"},
	{"a=b; CSRF=ABC", "ABC"},
	{"a=b;CSRF=ABC;c=d", "ABC"},
	{"CSRF=", ""},
	{"CSRF", NULL},
	{"CSRF=one; CSRF=two", "one"},
	{"XCSRF=no; CSRF=yes", "yes"},
	{"CSRFX=no; CSRF=yes", "yes"},
	{"csrf=no", NULL},
	{"a=CSRF=no", NULL},
	{";; ; CSRF=ABC \t; x", "ABC"},
	{"CSRF=a=b", "a=b"},
	{"a=b, CSRF=ABC", NULL},
};

START_TEST(a_cookie_is_found_by_its_exact_name)
{
	const char *value = http_cookie(a, cookies[_i].header, "CSRF");

	ck_assert((value != NULL) == (cookies[_i].value != NULL));
	if (value != NULL)
		ck_assert_str_eq(value, cookies[_i].value);
}
END_TEST

static const struct {
	const char *text, *encoded;
} encodings[] = {
	{"", ""},
	{"azAZ09-._~", "azAZ09-._~"},
	{"a b", "a%20b"},
	{"a+b&c=d", "a%2Bb%26c%3Dd"},
	{"/?#%", "%2F%3F%23%25"},
	{"gr\xc3\xbc\xc3\x9f", "gr%C3%BC%C3%9F"},
	{"\"<>'", "%22%3C%3E%27"},
	{"\n\x7f", "%0A%7F"},
};

START_TEST(encoding_leaves_only_unreserved_characters)
{
	const char *encoded = http_encode(a, encodings[_i].text);
	struct pairs pairs;

	ck_assert_str_eq(encoded, encodings[_i].encoded);
	encoded = arena_printf(a, "x=%s", encoded);
	ck_assert_int_eq(http_form_parse(a, encoded, strlen(encoded), &pairs, &e), ERR_NONE);
	ck_assert_str_eq(pairs_find(&pairs, "x"), encodings[_i].text);
}
END_TEST

static const struct {
	const char *host;
	bool valid;
} hosts[] = {
	{"r.example.test", true},
	{"localhost", true},
	{"R-1_x.Example", true},
	{"r.example.test:8080", true},
	{"127.0.0.1:1", true},
	{"h:65535", true},
	{"[::1]", true},
	{"[::1]:8080", true},
	{"[2001:db8::1]", true},
	{"[::ffff:192.0.2.1]:443", true},
	{"[1111:2222:3333:4444:5555:6666:7777:8888]", true},
	{NULL, false},
	{"", false},
	{":", false},
	{":80", false},
	{"h:", false},
	{"h:0", false},
	{"h:080", false},
	{"h:65536", false},
	{"h:99999", false},
	{"h:100000", false},
	{"h:18446744073709551696", false},
	{"h:-1", false},
	{"h:+80", false},
	{"h:80 ", false},
	{"h:80a", false},
	{"h:80:80", false},
	{"h/evil", false},
	{"h?x", false},
	{"h#x", false},
	{"user@h", false},
	{"h, h2", false},
	{"h h", false},
	{" h", false},
	{"h\"", false},
	{"<script>", false},
	{"h\r\nX: y", false},
	{"h\\", false},
	{"h%41", false},
	{"h\xc3\xbc", false},
	{"::1", false},
	{"[]", false},
	{"[", false},
	{"]", false},
	{"[::1", false},
	{"[::1]x", false},
	{"[::1]:", false},
	{"[::1]:0", false},
	{"[::1%25eth0]", false},
	{"[::1%lo]", false},
	{"[127.0.0.1]", false},
	{"[h]", false},
	{"[:::1]", false},
	{"[1111:2222:3333:4444:5555:6666:7777:8888:9999]", false},
	{"[11111111111111111111111111111111111111111111111111111111111111111111]", false},
};

START_TEST(a_host_is_fit_for_a_link_or_refused)
{
	ck_assert(http_host_valid(hosts[_i].host) == hosts[_i].valid);
}
END_TEST

static const struct {
	const char *path;
	bool valid;
} prefixes[] = {
	{"", true},
	{"/", true},
	{"/regcred", true},
	{"/a/B-c_d.e~f", true},
	{"/a%20b", true},
	{"/!$&'()*+,;=:@", true},
	{"a", false},
	{"a/b", false},
	{"/a b", false},
	{"/a?b", false},
	{"/a#b", false},
	{"/a\"b", false},
	{"/<b>", false},
	{"/a\\b", false},
	{"/a\nb", false},
	{"/\x1d", false},
	{"/\x7f", false},
	{"/\xb4", false}, /* no UTF-8: an answer that held it was none either */
	{"/\xc3\xbc", false},
	{"/.", false},
	{"/..", false},
	{"/creds/..", false},
	{"/../creds", false},
	{"/a/./b", false},
	{"/a/%2e%2E/b", false},
	{"/a/.%2e", false},
	{"/.well-known", true},
	{"/a/...", true},
	{"/a/..b", true},
	{"/a/%2eb", true},
};

START_TEST(a_prefix_is_fit_for_a_link_or_refused)
{
	ck_assert(http_prefix_valid(prefixes[_i].path) == prefixes[_i].valid);
}
END_TEST

static const struct {
	const char *path, *tidy;
} untidy[] = {
	{"", ""},
	{"/", ""},
	{"///", ""},
	{"/creds", "/creds"},
	{"/creds/", "/creds"},
	{"//creds", "/creds"},
	{"/a///b//", "/a/b"},
	{"creds/", "creds"},
	{"/creds?/", "/creds?"},
};

START_TEST(slashes_too_many_of_a_prefix_go)
{
	ck_assert_str_eq(http_prefix_tidy(a, untidy[_i].path), untidy[_i].tidy);
}
END_TEST

START_TEST(hosts_have_a_greatest_length)
{
	char *host = fill('h', 256);

	ck_assert(!http_host_valid(host));
	host[255] = '\0';
	ck_assert(http_host_valid(host));
	memcpy(host + 253, ":8", 3);
	ck_assert(http_host_valid(host));
}
END_TEST

/* Memory: the n-th allocation fails, for each n until none does. */

static enum err
do_target(void)
{
	struct target target;

	return http_target_parse(a, "/v1/registries/1sp3?limit=2&name_like=%25x", &target, &e);
}

static enum err
do_form(void)
{
	struct pairs pairs;

	return http_form_parse(a, "a=1&b=2", 7, &pairs, &e);
}

static enum err
do_multipart(void)
{
	static const char body[] = PART("a", "1") PART("b", "2") "--B--";
	struct pairs pairs;

	return http_multipart_parse(a, FORM, body, sizeof(body) - 1, &pairs, &e);
}

static enum err (*const parsers[])(void) = {do_target, do_form, do_multipart};

/* clang-format off */
static const struct { const char *list; bool valid, strong, weak; } etag_lists[] = {
	{ "\"a\"", true, true, true },		{ " \t\"a\" ", true, true, true },
	{ "\"b\",\"a\"", true, true, true },	{ ",, \"a\" ,\"b\",", true, true, true },
	{ "\"a,b\", \"a\"", true, true, true },	{ "*", true, true, true },
	{ " * ", true, true, true },		{ "W/\"a\"", true, false, true },
	{ "W/\"b\", \"a\"", true, true, true },	{ "\"b\"", true, false, false },
	{ "\"aa\"", true, false, false },	{ "\"\"", true, false, false },
	{ "W/\"b\"", true, false, false },	{ "\"*\"", true, false, false },
	/* not lists of tags */
	{ "", false, false, false },		{ " ,", false, false, false },
	{ "a", false, false, false },		{ "\"a", false, false, false },
	{ "w/\"a\"", false, false, false },	{ "W/a", false, false, false },
	{ "\"b\"x", false, false, false },	{ "\"b\"\"b\"", false, false, false },
	{ "\"b\" b", false, false, false },	{ "'a'", false, false, false },
	{ "**", false, false, false },		{ "*, \"a\"", false, false, false },
};
/* clang-format on */

START_TEST(a_list_of_tags_holds_one_or_is_none)
{
	bool found;

	for (int weak = 0; weak <= 1; weak++) {
		bool valid = http_etag_in(etag_lists[_i].list, "\"a\"", weak != 0, &found);

		ck_assert_int_eq(valid, etag_lists[_i].valid);
		if (valid)
			ck_assert_int_eq(found,
					 weak != 0 ? etag_lists[_i].weak : etag_lists[_i].strong);
	}
}
END_TEST

START_TEST(a_tag_is_of_exactly_the_bytes)
{
	const char *tag = http_etag(a, "abc", 3);

	ck_assert_uint_eq(strlen(tag), 34);
	ck_assert_str_eq(http_etag(a, "abc", 3), tag);
	ck_assert_str_ne(http_etag(a, "abd", 3), tag);
	ck_assert_str_ne(http_etag(a, "abc", 2), tag);
	ck_assert_str_ne(http_etag(a, fill('x', 5000), 5000), http_etag(a, fill('x', 5001), 5001));
}
END_TEST

START_TEST(a_parser_without_memory_says_so)
{
	unsigned n = 0;
	enum err code;

	do {
		arena_reset(a);
		arena_fail_at(a, ++n);
		code = parsers[_i]();
		if (code != ERR_NONE)
			check_error(code, ERR_INTERNAL);
		ck_assert(arena_failed(a) == (code != ERR_NONE));
	} while (code != ERR_NONE);
	ck_assert_uint_gt(n, 2);
}
END_TEST

START_TEST(small_parsers_without_memory_return_nothing)
{
	const char *user = NULL, *password = NULL;

	arena_fail_at(a, 1);
	ck_assert(!http_basic_parse(a, "Basic dXNlcjpwYXNz", &user, &password));
	ck_assert_ptr_null(http_cookie(a, "a=b", "a"));
	ck_assert_ptr_null(http_encode(a, "x"));
	ck_assert_str_eq(http_media_type(a, "text/plain"), "");
}
END_TEST

static void
add_tests(TCase *tc)
{
	tcase_add_loop_test(tc, a_method_is_known_by_its_exact_name, 0, COUNT_OF(methods));
	tcase_add_test(tc, every_error_has_a_reason_phrase);
	tcase_add_loop_test(tc, a_header_with_a_control_character_is_left_out, 0,
			    COUNT_OF(header_values));
	tcase_add_loop_test(tc, a_list_of_tags_holds_one_or_is_none, 0, COUNT_OF(etag_lists));
	tcase_add_test(tc, a_tag_is_of_exactly_the_bytes);
	tcase_add_loop_test(tc, utf8_is_strict, 0, COUNT_OF(utf8));
	tcase_add_test(tc, every_code_point_but_surrogates_is_valid);
	tcase_add_test(tc, length_counts_characters);
	tcase_add_loop_test(tc, a_target_is_taken_apart, 0, COUNT_OF(targets));
	tcase_add_loop_test(tc, a_bad_target_is_refused, 0, COUNT_OF(bad_targets));
	tcase_add_test(tc, targets_have_a_greatest_length);
	tcase_add_test(tc, parameters_have_a_greatest_number);
	tcase_add_test(tc, pairs_are_found_by_their_exact_name);
	tcase_add_test(tc, a_form_with_a_raw_nul_is_refused);
	tcase_add_test(tc, a_form_is_read_no_further_than_its_length);
	tcase_add_loop_test(tc, a_multipart_body_is_read_or_refused, 0, COUNT_OF(multiparts));
	tcase_add_test(tc, a_multipart_body_cut_anywhere_is_refused);
	tcase_add_loop_test(tc, fields_have_a_greatest_number, 0, 2);
	tcase_add_test(tc, many_header_parameters_cost_little_memory);
	tcase_add_loop_test(tc, a_media_type_stands_without_parameters, 0, COUNT_OF(media_types));
	tcase_add_loop_test(tc, basic_authorization_is_read_or_refused, 0, COUNT_OF(basics));
	tcase_add_loop_test(tc, a_cookie_is_found_by_its_exact_name, 0, COUNT_OF(cookies));
	tcase_add_loop_test(tc, encoding_leaves_only_unreserved_characters, 0, COUNT_OF(encodings));
	tcase_add_loop_test(tc, a_host_is_fit_for_a_link_or_refused, 0, COUNT_OF(hosts));
	tcase_add_loop_test(tc, a_prefix_is_fit_for_a_link_or_refused, 0, COUNT_OF(prefixes));
	tcase_add_loop_test(tc, slashes_too_many_of_a_prefix_go, 0, COUNT_OF(untidy));
	tcase_add_test(tc, hosts_have_a_greatest_length);
	tcase_add_loop_test(tc, a_parser_without_memory_says_so, 0, COUNT_OF(parsers));
	tcase_add_test(tc, small_parsers_without_memory_return_nothing);
}

int
main(void)
{
	Suite *suite = suite_create("http");
	TCase *tc = tcase_create("http");
	SRunner *runner = srunner_create(suite);
	int failed;

	suite_add_tcase(suite, tc);
	tcase_add_checked_fixture(tc, setup, teardown);
	add_tests(tc);
	srunner_run_all(runner, CK_ENV);
	failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
