/* check_json: what the gate lets through and what it refuses, the tree behind it, and the writer.
 */
#include <check.h>
#include <cjson/cJSON.h>
#include <dirent.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/json_in.h"
#include "base/json_out.h"
#include "base/text.h"

#include "support/fault_calls.h"
#include "support/support.h"

static struct error e;

ARENA_FIXTURE(e = (struct error){0})

/* Parses from a block of the exact size, so that a sanitizer sees a step too far. */
static enum err
parse(const char *text, size_t len, struct json **out)
{
	char *exact = malloc(len + 1);
	enum err code;

	ck_assert_ptr_nonnull(exact);
	memcpy(exact + 1, text, len);
	code = json_parse(a, exact + 1, len, out, &e);
	free(exact);
	return code;
}

static void
write_node(struct json_out *w, const struct json *node)
{
	switch (node->type) {
	case JSON_NULL:
		ck_assert_ptr_null(node->text);
		json_null(w);
		return;
	case JSON_FALSE:
	case JSON_TRUE:
		ck_assert_str_eq(node->text, node->type == JSON_TRUE ? "true" : "false");
		json_bool(w, node->type == JSON_TRUE);
		return;
	case JSON_NUMBER:
		json_raw(w, node->text, strlen(node->text));
		return;
	case JSON_STRING:
		json_string(w, node->text);
		return;
	case JSON_ARRAY:
		json_begin_array(w);
		for (const struct json *c = node->child; c != NULL; c = c->next) {
			ck_assert_ptr_null(c->name);
			write_node(w, c);
		}
		json_end_array(w);
		return;
	case JSON_OBJECT:
		json_begin_object(w);
		for (const struct json *c = node->child; c != NULL; c = c->next) {
			ck_assert_ptr_nonnull(c->name);
			json_name(w, c->name);
			write_node(w, c);
		}
		json_end_object(w);
		return;
	}
	ck_abort_msg("a node of no type");
}

/* The tree as text without blanks. */
static const char *
show(const struct json *node)
{
	struct json_out w;
	size_t len;
	const char *text;

	json_out_init(&w, a);
	write_node(&w, node);
	text = json_out_text(&w, &len);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_eq(strlen(text), len);
	return text;
}

#define BYTES(text) text, sizeof(text) - 1

/* A file of tests/data/json: y_NAME.json is accepted, and written again as y_NAME.json.again if
 * that is there; n_NAME.atN.json is refused at its byte N. */
struct text {
	char *name, *bytes, *again;
	size_t len;
	unsigned at;
};

enum { TEXTS_MAX = 512 };
static struct text accepted[TEXTS_MAX], refused[TEXTS_MAX];
static int accepted_count, refused_count;

static char *
read_file(const char *name, size_t *len)
{
	char *path = source_path(name), *bytes = calloc(1, HTTP_BODY_MAX);
	FILE *f = fopen(path, "rb");

	*len = f != NULL ? fread(bytes, 1, HTTP_BODY_MAX - 1, f) : 0;
	free(path);
	if (f != NULL && fclose(f) == 0)
		return bytes;
	free(bytes);
	return NULL;
}

static void
read_texts(void)
{
	char *directory = source_path("tests/data/json");
	struct dirent **found;
	int count = scandir(directory, &found, NULL, alphasort);

	for (int i = 0; i < count; i++) {
		const char *file = found[i]->d_name, *at = strstr(file, ".at");
		struct text text = {.at = at != NULL ? (unsigned)atoi(at + 3) : 0};
		char name[512];
		size_t len;

		if (strlen(file) < 5 || strcmp(file + strlen(file) - 5, ".json") != 0) {
			free(found[i]);
			continue;
		}
		(void)snprintf(name, sizeof(name), "tests/data/json/%s", file);
		text.name = strdup(file);
		text.bytes = read_file(name, &text.len);
		(void)strcat(name, ".again");
		text.again = read_file(name, &len);
		if (*file == 'y')
			accepted[accepted_count++] = text;
		else
			refused[refused_count++] = text;
		free(found[i]);
	}
	if (count >= 0)
		free(found);
	free(directory);
}

START_TEST(a_legal_text_is_read)
{
	struct json *tree = NULL;
	const struct text *t = &accepted[_i];

	ck_assert_msg(parse(t->bytes, t->len, &tree) == ERR_NONE, "%s: %s", t->name, e.detail);
	ck_assert_str_eq(show(tree), t->again != NULL ? t->again : t->bytes);
	ck_assert_int_eq(e.code, ERR_NONE);
	ck_assert_ptr_null(tree->name);
	ck_assert_ptr_null(tree->next);
}
END_TEST

START_TEST(a_legal_text_without_memory_is_an_internal_error)
{
	unsigned n = 0;
	enum err code;

	do {
		struct json *tree = NULL;

		arena_reset(a);
		e = (struct error){0};
		arena_fail_at(a, ++n);
		code = json_parse(a, accepted[_i].bytes, accepted[_i].len, &tree, &e);
		ck_assert(code == ERR_NONE || code == ERR_INTERNAL);
		ck_assert_int_eq(e.code, code);
		ck_assert(arena_failed(a) == (code != ERR_NONE));
		ck_assert((tree != NULL) == (code == ERR_NONE));
	} while (code != ERR_NONE);
	ck_assert_uint_gt(n, 1);
}
END_TEST

/* The k-th block for which cJSON asks is not there, for every k. */
START_TEST(a_legal_text_without_memory_for_cJSON_is_an_internal_error)
{
	for (unsigned k = 1;; k++) {
		struct json *tree = NULL;

		arena_reset(a);
		e = (struct error){0};
		call_fails(CALL_MALLOC, k, ENOMEM);
		enum err code = json_parse(a, accepted[_i].bytes, accepted[_i].len, &tree, &e);
		bool failed = calls_go_on();
		ck_assert_int_eq(code, failed ? ERR_INTERNAL : ERR_NONE);
		ck_assert((tree != NULL) == !failed);
		if (!failed)
			break;
	}
	ck_assert_int_eq(e.code, ERR_NONE);
}
END_TEST

/* What cJSON asks of the memory that it was given. */
START_TEST(cJSON_gets_no_more_than_there_is_and_may_free_nothing)
{
	ck_assert_ptr_null(cJSON_malloc(SIZE_MAX));
	ck_assert_ptr_null(cJSON_malloc(SIZE_MAX - 8));
	cJSON_free(NULL);
	char *block = cJSON_malloc(3);
	ck_assert_ptr_nonnull(block);
	memcpy(block, "ab", 3);
	cJSON_free(block);
}
END_TEST

/* A cJSON that reads something else than it is given. */

static const char *otherwise;

cJSON *__real_cJSON_ParseWithLengthOpts(const char *text, size_t len, const char **end,
					cJSON_bool whole);
cJSON *__wrap_cJSON_ParseWithLengthOpts(const char *text, size_t len, const char **end,
					cJSON_bool whole);

cJSON *
__wrap_cJSON_ParseWithLengthOpts(const char *text, size_t len, const char **end, cJSON_bool whole)
{
	if (otherwise == NULL)
		return __real_cJSON_ParseWithLengthOpts(text, len, end, whole);
	return __real_cJSON_ParseWithLengthOpts(otherwise, strlen(otherwise) + 1, end, whole);
}

static const struct {
	const char *gate, *cjson;
} readings[] = {
	{"[1]", "nonsense"},	      {"[1]", "[1,2]"},
	{"[\"a\"]", "[1]"},	      {"[1,2]", "[1]"},
	{"[1,2]", "[1,\"a\"]"},	      {"[\"a\",\"b\"]", "[\"a\"]"},
	{"[\"a\"]", "[\"a\",\"b\"]"}, {"{\"a\":null}", "null"},
};

START_TEST(what_cJSON_reads_otherwise_than_the_gate_is_refused)
{
	const char *text = readings[_i].gate;
	struct json *tree = NULL;

	otherwise = readings[_i].cjson;
	ck_assert_int_eq(json_parse(a, text, strlen(text), &tree, &e), ERR_INVALID_BODY);
	ck_assert_ptr_nonnull(strstr(e.detail, "more than one way"));
	ck_assert_ptr_null(tree);
	otherwise = text;
	ck_assert_int_eq(json_parse(a, text, strlen(text), &tree, &e), ERR_NONE);
	otherwise = NULL;
}
END_TEST

START_TEST(an_illegal_text_is_refused_at_the_right_byte)
{
	struct json *tree = NULL;
	const char *end = arena_printf(a, " at byte %u: correct it there.", refused[_i].at);

	ck_assert_int_eq(parse(refused[_i].bytes, refused[_i].len, &tree), ERR_INVALID_BODY);
	ck_assert_ptr_null(tree);
	ck_assert_int_eq(e.code, ERR_INVALID_BODY);
	ck_assert_ptr_null(e.field);
	ck_assert_ptr_nonnull(e.detail);
	ck_assert_msg(strlen(e.detail) > strlen(end) &&
			      strcmp(e.detail + strlen(e.detail) - strlen(end), end) == 0,
		      "%s: \"%s\" does not end with \"%s\"", refused[_i].name, e.detail, end);
}
END_TEST

START_TEST(an_illegal_text_without_memory_is_one_or_the_other)
{
	for (unsigned n = 1; n <= 40; n++) {
		struct json *tree = NULL;
		enum err code;

		arena_reset(a);
		arena_fail_at(a, n);
		code = json_parse(a, refused[_i].bytes, refused[_i].len, &tree, &e);
		ck_assert(code == ERR_INVALID_BODY || code == ERR_INTERNAL);
		ck_assert_ptr_null(tree);
		if (!arena_failed(a))
			return;
	}
	ck_abort_msg("it never came through");
}
END_TEST

START_TEST(a_text_cut_anywhere_is_refused)
{
	static const char text[] =
		"{\"a\":[1.5e+3,\"x\\n\\u00fc\\ud83d\\udd11\xe2\x82\xac\",{\"b\":[true,"
		"false,null]}],\"c\":{}}";
	struct json *tree;

	for (size_t len = 1; len < sizeof(text) - 1; len++)
		ck_assert_int_eq(parse(text, len, &tree), ERR_INVALID_BODY);
	ck_assert_int_eq(parse(text, sizeof(text) - 1, &tree), ERR_NONE);
}
END_TEST

/* Each byte in a place where few are legal. */
static const struct {
	const char *before, *after, *legal;
} places[] = {
	{"", "", " \t\r\n0123456789"},
	{"[]", "", " \t\r\n"},
	{"[", "]", " \t\r\n0123456789"},
	{"[1", "1]", "0123456789.,eE"},
	{"-", "", "0123456789"},
	{"{", "\"a\":1}", " \t\r\n"},
	{"{\"a\"", ":1}", " \t\r\n"},
	{"\"\\", "\"", "\"\\/bfnrt"},
	{"\"\\u00a", "\"", "0123456789abcdefABCDEF"},
};

START_TEST(one_byte_of_256_in_a_place)
{
	size_t before = strlen(places[_i].before), after = strlen(places[_i].after);

	for (int c = 0; c < 256; c++) {
		struct json *tree;
		char text[16];
		bool legal = c != 0 && strchr(places[_i].legal, c) != NULL;

		memcpy(text, places[_i].before, before);
		text[before] = (char)c;
		memcpy(text + before + 1, places[_i].after, after);
		ck_assert_msg((parse(text, before + 1 + after, &tree) == ERR_NONE) == legal,
			      "byte %d", c);
	}
}
END_TEST

START_TEST(one_byte_of_256_in_a_string)
{
	for (int c = 0; c < 256; c++) {
		struct json *tree;
		char text[3] = {'"', (char)c, '"'};
		bool legal = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';

		ck_assert_msg((parse(text, 3, &tree) == ERR_NONE) == legal, "byte %d", c);
	}
}
END_TEST

START_TEST(every_code_point_escaped_or_raw_is_the_same)
{
	struct json *tree;

	for (unsigned c = 0; c <= 0xffff; c += c < 0x1000 ? 1 : 7) {
		char text[16];
		int len = snprintf(text, sizeof(text), "\"\\u%04x\"", c);
		bool legal = c != 0 && (c < 0xd800 || c > 0xdfff);

		arena_reset(a);
		ck_assert_int_eq(json_parse(a, text, (size_t)len, &tree, &e),
				 legal ? ERR_NONE : ERR_INVALID_BODY);
		if (legal) {
			ck_assert_uint_eq(http_utf8_length(tree->text), 1);
			ck_assert(http_utf8_valid(tree->text, strlen(tree->text)));
		}
	}
}
END_TEST

/* "[0,0,…]" with so many elements, or as many members with names of their own. */
static char *
many(size_t count, bool object, size_t *len)
{
	char *text = arena_alloc(a, count * 16 + 3), *to = text;

	ck_assert_ptr_nonnull(text);
	*to++ = object ? '{' : '[';
	for (size_t i = 0; i < count; i++)
		to += object ? sprintf(to, "%s\"n%zu\":0", i > 0 ? "," : "", i)
			     : sprintf(to, "%s0", i > 0 ? "," : "");
	*to++ = object ? '}' : ']';
	*len = (size_t)(to - text);
	return text;
}

START_TEST(values_have_a_greatest_number)
{
	struct json *tree;
	size_t len;
	char *text = many(JSON_NODES_MAX - 1, _i != 0, &len);

	ck_assert_int_eq(json_parse(a, text, len, &tree, &e), ERR_NONE);
	text = many(JSON_NODES_MAX, _i != 0, &len);
	ck_assert_int_eq(json_parse(a, text, len, &tree, &e), ERR_INVALID_BODY);
}
END_TEST

START_TEST(a_full_body_of_a_string_is_read)
{
	struct json *tree;
	char *text = arena_alloc(a, HTTP_BODY_MAX);

	memset(text, 'x', HTTP_BODY_MAX);
	text[0] = text[HTTP_BODY_MAX - 1] = '"';
	ck_assert_int_eq(json_parse(a, text, HTTP_BODY_MAX, &tree, &e), ERR_NONE);
	ck_assert_uint_eq(strlen(tree->text), HTTP_BODY_MAX - 2);
}
END_TEST

START_TEST(a_body_of_brackets_is_refused_at_once)
{
	struct json *tree;
	char *text = arena_alloc(a, HTTP_BODY_MAX);

	memset(text, _i != 0 ? '{' : '[', HTTP_BODY_MAX);
	ck_assert_int_eq(json_parse(a, text, HTTP_BODY_MAX, &tree, &e), ERR_INVALID_BODY);
}
END_TEST

START_TEST(the_detail_shows_nothing_of_the_text)
{
	struct json *tree;
	static const char text[] = "{\"secretValue\":\"hunter2\" hunter2}";

	ck_assert_int_eq(parse(BYTES(text), &tree), ERR_INVALID_BODY);
	ck_assert_ptr_null(strstr(e.detail, "hunter"));
	ck_assert_ptr_null(strstr(e.detail, "secret"));
}
END_TEST

/* Reading and building. */

START_TEST(members_are_found_by_their_exact_name)
{
	struct json *tree;

	ck_assert_int_eq(parse(BYTES("{\"a\":1,\"A\":2,\"ab\":3,\"\":4}"), &tree), ERR_NONE);
	ck_assert_str_eq(json_member(tree, "a")->text, "1");
	ck_assert_str_eq(json_member(tree, "A")->text, "2");
	ck_assert_str_eq(json_member(tree, "ab")->text, "3");
	ck_assert_str_eq(json_member(tree, "")->text, "4");
	ck_assert_ptr_null(json_member(tree, "b"));
	ck_assert_ptr_null(json_member(tree->child, "a"));
	ck_assert_ptr_null(json_member(NULL, "a"));
	ck_assert_int_eq(parse(BYTES("[{\"a\":1}]"), &tree), ERR_NONE);
	ck_assert_ptr_null(json_member(tree, "a"));
}
END_TEST

/* The gate knows names by their hash first. */
START_TEST(names_of_one_hash_are_two_names)
{
	struct json *tree;

	ck_assert_int_eq(parse(BYTES("{\"declinate\":1,\"macallums\":2}"), &tree), ERR_NONE);
	ck_assert_str_eq(json_member(tree, "declinate")->text, "1");
	ck_assert_str_eq(json_member(tree, "macallums")->text, "2");
	ck_assert_int_eq(parse(BYTES("{\"declinate\":1,\"macallums\":2,\"declinate\":3}"), &tree),
			 ERR_INVALID_BODY);
}
END_TEST

START_TEST(a_repeated_form_field_becomes_an_array)
{
	struct json *object = json_object(a);

	ck_assert_str_eq(show(object), "{}");
	ck_assert_ptr_nonnull(json_add_string(a, object, "a", "1"));
	ck_assert_ptr_nonnull(json_add_string(a, object, "b", "2"));
	ck_assert_str_eq(show(object), "{\"a\":\"1\",\"b\":\"2\"}");
	ck_assert_ptr_nonnull(json_add_string(a, object, "a", "3"));
	ck_assert_str_eq(show(object), "{\"a\":[\"1\",\"3\"],\"b\":\"2\"}");
	ck_assert_ptr_nonnull(json_add_string(a, object, "a", ""));
	ck_assert_ptr_nonnull(json_add_string(a, object, "", "5"));
	ck_assert_str_eq(show(object), "{\"a\":[\"1\",\"3\",\"\"],\"b\":\"2\",\"\":\"5\"}");
}
END_TEST

START_TEST(building_without_memory_returns_null)
{
	for (unsigned n = 1;; n++) {
		struct json *object, *first, *second;

		arena_reset(a);
		arena_fail_at(a, n);
		object = json_object(a);
		first = object != NULL ? json_add_string(a, object, "a", "1") : NULL;
		second = first != NULL ? json_add_string(a, object, "a", "2") : NULL;
		ck_assert(arena_failed(a) == (second == NULL));
		if (second != NULL)
			return;
	}
}
END_TEST

/* The writer. */

/* clang-format off */
static const struct { const char *text, *written; } strings[] = {
	{NULL, "null"},
	{"", "\"\""},
	{"plain", "\"plain\""},
	{"\"", "\"\\\"\""},
	{"\\", "\"\\\\\""},
	{"a\"b\\c", "\"a\\\"b\\\\c\""},
	{"/", "\"/\""},
	{"</script>", "\"</script>\""},
	{"\b\f\n\r\t", "\"\\b\\f\\n\\r\\t\""},
	{"\x01\x0b\x0e\x1f", "\"\\u0001\\u000b\\u000e\\u001f\""},
	{"\x7f", "\"\x7f\""},
	{" !#$%&'()*+,-./:;<=>?@[]^_`{|}~", "\" !#$%&'()*+,-./:;<=>?@[]^_`{|}~\""},
	{"gr\xc3\xbc\xc3\x9f", "\"gr\xc3\xbc\xc3\x9f\""},
	{"\xe2\x82\xac\xf0\x9f\x94\x91", "\"\xe2\x82\xac\xf0\x9f\x94\x91\""},
	{"\xff", "\"\xef\xbf\xbd\""},
	{"a\xff" "b", "\"a\xef\xbf\xbd" "b\""},
	{"\xc3", "\"\xef\xbf\xbd\""},
	{"\xe2\x82", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xc0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\""},
	{"\xed\xa0\x80x", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdx\""},
	{"\xc3\xc3\xbc", "\"\xef\xbf\xbd\xc3\xbc\""},
	{"\xf0\x9f\x94\"", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\\\"\""},
};
/* clang-format on */

START_TEST(a_string_is_escaped)
{
	struct json_out w;
	size_t len;
	/* In a block of its exact size, so that a sanitizer sees a step too far. */
	char *exact = strings[_i].text != NULL ? strdup(strings[_i].text) : NULL;

	json_out_init(&w, a);
	json_string(&w, exact);
	free(exact);
	ck_assert_str_eq(json_out_text(&w, &len), strings[_i].written);
	ck_assert_uint_eq(len, strlen(strings[_i].written));
}
END_TEST

START_TEST(every_two_bytes_are_written_as_valid_json)
{
	for (int bytes = _i * 4096; bytes < (_i + 1) * 4096; bytes++) {
		char text[3] = {(char)(bytes >> 8), (char)bytes, '\0'};
		struct json_out w;
		struct json *tree;
		size_t len;
		const char *written;

		arena_reset(a);
		json_out_init(&w, a);
		json_begin_object(&w);
		json_name(&w, text);
		json_string(&w, text);
		json_end_object(&w);
		written = json_out_text(&w, &len);
		ck_assert_ptr_nonnull(written);
		ck_assert_int_eq(json_parse(a, written, len, &tree, &e), ERR_NONE);
		ck_assert_str_eq(tree->child->name, tree->child->text);
		if (http_utf8_valid(text, strlen(text)))
			ck_assert_str_eq(tree->child->text, text);
	}
}
END_TEST

static const struct {
	int64_t number;
	const char *written;
} numbers[] = {
	{0, "0"},
	{1, "1"},
	{-1, "-1"},
	{9, "9"},
	{10, "10"},
	{200, "200"},
	{-1234567890, "-1234567890"},
	{1700000000000, "1700000000000"},
	{9007199254740993, "9007199254740993"},
	{INT64_MAX, "9223372036854775807"},
	{INT64_MIN, "-9223372036854775808"},
};

START_TEST(a_number_is_written)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	json_int(&w, numbers[_i].number);
	ck_assert_str_eq(json_out_text(&w, &len), numbers[_i].written);
}
END_TEST

static void
write_everything(struct json_out *w)
{
	json_begin_object(w);
	json_name(w, "a");
	json_begin_array(w);
	json_begin_object(w);
	json_end_object(w);
	json_begin_array(w);
	json_end_array(w);
	json_int(w, 1);
	json_bool(w, true);
	json_bool(w, false);
	json_null(w);
	json_string(w, "x");
	json_raw(w, "{\"r\":0}", 7);
	json_end_array(w);
	json_name(w, "b\"");
	json_begin_object(w);
	json_name(w, "c");
	json_string(w, NULL);
	json_end_object(w);
	json_name(w, "d");
	json_raw(w, "2", 1);
	json_end_object(w);
}

START_TEST(commas_are_the_writers_business)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	write_everything(&w);
	ck_assert(!json_out_failed(&w));
	ck_assert_str_eq(json_out_text(&w, &len),
			 "{\"a\":[{},[],1,true,false,null,\"x\",{\"r\":0}],\"b\\\"\":{\"c\":null},"
			 "\"d\":2}");
}
END_TEST

START_TEST(a_string_in_pieces_is_one_string)
{
	struct json_out w;
	size_t len;

	json_out_init(&w, a);
	json_begin_array(&w);
	json_begin_string(&w);
	json_end_string(&w);
	json_begin_string(&w);
	json_piece(&w, "https://r.example.test");
	json_piece(&w, "");
	json_piece(&w, NULL);
	json_piece(&w, "/\"\n\xc3\xbc\xff");
	json_piece(&w, "1c7");
	json_end_string(&w);
	json_int(&w, 1);
	json_end_array(&w);
	ck_assert_str_eq(json_out_text(&w, &len), "[\"\",\"https://r.example.test/\\\"\\n\xc3\xbc"
						  "\xef\xbf\xbd"
						  "1c7\",1]");
}
END_TEST

START_TEST(what_was_reserved_is_not_allocated_again)
{
	struct arena *small = arena_new(100000);
	struct json_out w;
	size_t len;

	ck_assert_ptr_nonnull(small);
	json_out_init(&w, small);
	json_reserve(&w, 50000);
	for (int i = 0; i < 4000; i++)
		json_string(&w, "123456789");
	ck_assert_ptr_nonnull(json_out_text(&w, &len));
	ck_assert_uint_eq(len, 4000 * 12 - 1);
	arena_free(small);
}
END_TEST

START_TEST(a_text_with_gaps_is_used_again)
{
	static const char *const values[] = {"a", "\"b\"", NULL};
	struct json_out form, w;
	struct json_gap value, members, inside, end;
	size_t len;

	json_out_init(&form, a);
	json_name(&form, "value");
	value = json_gap(&form);
	json_name(&form, "inner");
	json_begin_object(&form);
	members = json_gap(&form);
	json_end_object(&form);
	json_name(&form, "url");
	json_begin_string(&form);
	inside = json_gap(&form);
	json_piece(&form, "/x");
	json_end_string(&form);
	end = json_gap(&form);

	json_out_init(&w, a);
	json_begin_array(&w);
	for (size_t i = 0; i < 3; i++) {
		json_begin_object(&w);
		json_until(&w, &form, 0, value);
		json_string_n(&w, values[i], values[i] != NULL ? strlen(values[i]) : 0);
		json_until(&w, &form, value.at, members);
		for (size_t j = 0; j < i; j++) {
			json_name(&w, "n");
			json_int(&w, (int64_t)j);
		}
		json_until(&w, &form, members.at, inside);
		json_raw_piece(&w, "1c7", 3);
		json_until(&w, &form, inside.at, end);
		json_end_object(&w);
	}
	json_end_array(&w);
	ck_assert_str_eq(json_out_text(&w, &len),
			 "[{\"value\":\"a\",\"inner\":{},\"url\":\"1c7/x\"},"
			 "{\"value\":\"\\\"b\\\"\",\"inner\":{\"n\":0},\"url\":\"1c7/x\"},"
			 "{\"value\":null,\"inner\":{\"n\":0,\"n\":1},\"url\":\"1c7/x\"}]");
}
END_TEST

START_TEST(nothing_written_is_an_empty_text)
{
	struct json_out w;
	size_t len = 1;

	json_out_init(&w, a);
	ck_assert_str_eq(json_out_text(&w, &len), "");
	ck_assert_uint_eq(len, 0);
}
END_TEST

START_TEST(a_long_text_grows_whole)
{
	struct json_out w;
	struct json *tree;
	const struct json *child;
	size_t len;
	const char *text;

	json_out_init(&w, a);
	json_begin_array(&w);
	for (int i = 0; i < 1900; i++)
		json_string(&w, arena_printf(a, "\n%0*d", i % 300, i));
	json_end_array(&w);
	text = json_out_text(&w, &len);
	ck_assert_ptr_nonnull(text);
	ck_assert_uint_gt(len, 200000);
	ck_assert_int_eq(json_parse(a, text, len, &tree, &e), ERR_NONE);
	child = tree->child;
	for (int i = 0; i < 1900; i++, child = child->next)
		ck_assert_str_eq(child->text, arena_printf(a, "\n%0*d", i % 300, i));
	ck_assert_ptr_null(child);
}
END_TEST

/* The buffer's first size is 8 KiB: a guard behind it sees what is written too far. */
START_TEST(a_full_buffer_is_not_written_over)
{
	for (size_t size = 8170; size < 8200; size++) {
		struct json_out w;
		char *fill, *guard;
		const char *expected = _i == 0 ? "x,null" : _i == 1 ? "x,\"y\"" : "x,\"y\":";
		size_t len;
		const char *text;

		arena_reset(a);
		json_out_init(&w, a);
		json_raw(&w, "x", 1);
		guard = arena_alloc(a, 64);
		fill = arena_alloc(a, size + 1);
		memset(fill, 'x', size);
		w.comma = false;
		json_raw(&w, fill, size);
		if (_i == 0)
			json_null(&w);
		else if (_i == 1)
			json_string(&w, "y");
		else
			json_name(&w, "y");
		text = json_out_text(&w, &len);
		ck_assert_uint_eq(len, size + strlen(expected));
		ck_assert_str_eq(text + size, expected);
		for (size_t i = 0; i < 64; i++)
			ck_assert_msg(guard[i] == 0, "at a size of %zu", size);
	}
}
END_TEST

/* A byte that needs an escape is seen at each place of the eights and of what is left over. */
START_TEST(an_odd_byte_is_seen_anywhere)
{
	static const struct {
		char byte;
		const char *written;
	} odd[] = {
		{'"', "\\\""},
		{'\\', "\\\\"},
		{'\n', "\\n"},
		{'\x01', "\\u0001"},
		{'\x1f', "\\u001f"},
		{' ', " "},
		{'!', "!"},
		{'#', "#"},
		{'[', "["},
		{']', "]"},
		{'\x7f', "\x7f"},
		{'\x80', "\xef\xbf\xbd"},
		{'\xff', "\xef\xbf\xbd"},
	};

	for (size_t len = 1; len < 26; len++)
		for (size_t at = 0; at < len; at++) {
			char text[32] = "abcdefghijklmnopqrstuvwxyz";
			struct json_out w;
			size_t written_len;
			const char *expected;

			text[at] = odd[_i].byte;
			text[len] = '\0';
			arena_reset(a);
			expected = arena_printf(a, "\"%.*s%s%s\"", (int)at, text, odd[_i].written,
						text + at + 1);
			json_out_init(&w, a);
			json_string(&w, text);
			ck_assert_str_eq(json_out_text(&w, &written_len), expected);
		}
}
END_TEST

START_TEST(a_writer_without_memory_fails_once_and_stays_so)
{
	char *long_text = calloc(1, 20001);

	ck_assert_ptr_nonnull(long_text);
	memset(long_text, '"', 20000);
	for (unsigned n = 1;; n++) {
		struct json_out w;
		size_t len;
		const char *text;

		arena_reset(a);
		arena_fail_at(a, n);
		json_out_init(&w, a);
		json_begin_array(&w);
		write_everything(&w);
		json_string(&w, long_text);
		json_begin_string(&w);
		json_piece(&w, long_text);
		json_end_string(&w);
		json_reserve(&w, 200000);
		write_everything(&w);
		json_end_array(&w);
		text = json_out_text(&w, &len);
		ck_assert(json_out_failed(&w) == arena_failed(a));
		ck_assert((text == NULL) == arena_failed(a));
		if (text != NULL) {
			ck_assert_uint_gt(n, 2);
			break;
		}
	}
	free(long_text);
}
END_TEST

static TCase *
reading(void)
{
	TCase *tc = tcase_create("reading");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_legal_text_is_read, 0, accepted_count);
	tcase_add_loop_test(tc, a_legal_text_without_memory_is_an_internal_error, 0,
			    accepted_count);
	tcase_add_loop_test(tc, a_legal_text_without_memory_for_cJSON_is_an_internal_error, 0,
			    accepted_count);
	tcase_add_test(tc, cJSON_gets_no_more_than_there_is_and_may_free_nothing);
	tcase_add_loop_test(tc, what_cJSON_reads_otherwise_than_the_gate_is_refused, 0,
			    COUNT_OF(readings));
	tcase_add_loop_test(tc, an_illegal_text_is_refused_at_the_right_byte, 0, refused_count);
	tcase_add_loop_test(tc, an_illegal_text_without_memory_is_one_or_the_other, 0,
			    refused_count);
	tcase_add_test(tc, a_text_cut_anywhere_is_refused);
	tcase_add_loop_test(tc, one_byte_of_256_in_a_place, 0, COUNT_OF(places));
	tcase_add_test(tc, one_byte_of_256_in_a_string);
	tcase_add_test(tc, every_code_point_escaped_or_raw_is_the_same);
	tcase_add_loop_test(tc, values_have_a_greatest_number, 0, 2);
	tcase_add_test(tc, a_full_body_of_a_string_is_read);
	tcase_add_loop_test(tc, a_body_of_brackets_is_refused_at_once, 0, 2);
	tcase_add_test(tc, the_detail_shows_nothing_of_the_text);
	tcase_add_test(tc, members_are_found_by_their_exact_name);
	tcase_add_test(tc, names_of_one_hash_are_two_names);
	tcase_add_test(tc, a_repeated_form_field_becomes_an_array);
	tcase_add_test(tc, building_without_memory_returns_null);
	return tc;
}

static TCase *
writing(void)
{
	TCase *tc = tcase_create("writing");

	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_loop_test(tc, a_string_is_escaped, 0, COUNT_OF(strings));
	tcase_add_loop_test(tc, every_two_bytes_are_written_as_valid_json, 0, 16);
	tcase_add_loop_test(tc, a_number_is_written, 0, COUNT_OF(numbers));
	tcase_add_test(tc, commas_are_the_writers_business);
	tcase_add_test(tc, a_string_in_pieces_is_one_string);
	tcase_add_test(tc, what_was_reserved_is_not_allocated_again);
	tcase_add_test(tc, a_text_with_gaps_is_used_again);
	tcase_add_test(tc, nothing_written_is_an_empty_text);
	tcase_add_test(tc, a_long_text_grows_whole);
	tcase_add_loop_test(tc, a_full_buffer_is_not_written_over, 0, 3);
	tcase_add_loop_test(tc, an_odd_byte_is_seen_anywhere, 0, 13);
	tcase_add_test(tc, a_writer_without_memory_fails_once_and_stays_so);
	return tc;
}

int
main(void)
{
	Suite *suite = suite_create("json");

	json_in_init();
	read_texts();
	suite_add_tcase(suite, reading());
	suite_add_tcase(suite, writing());
	return accepted_count > 0 && refused_count > 0 ? run_suite(suite) : EXIT_FAILURE;
}
