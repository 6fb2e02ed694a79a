/* check_sign: tokens that the openssl program takes, and keys that cannot sign one. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/text.h"
#include "renew/sign.h"

#include "support/fragile.h"
#include "support/support.h"

ARENA_FIXTURE()

/* Runs the openssl program in the directory of this test. */
static void
openssl(const char *arguments)
{
	const char *command =
		arena_printf(a, "cd '%s' && openssl %s >/dev/null 2>&1", rig_dir(), arguments);

	ck_assert_msg(system(command) == 0, "openssl %s", arguments);
}

static const char *
read_text(const char *name)
{
	static char text[16384];
	FILE *in = fopen(rig_path(name), "r");

	ck_assert_ptr_nonnull(in);
	size_t len = fread(text, 1, sizeof(text) - 1, in);
	(void)fclose(in);
	text[len] = '\0';
	return arena_strdup(a, text);
}

static void
write_text(const char *name, const char *text)
{
	FILE *out = fopen(rig_path(name), "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fclose(out), 0);
}

/* base64url to the file, by the openssl program. */
static void
decode_to(const char *name, const char *text, size_t len)
{
	char *plain = arena_copy(a, text, len);

	for (char *c = plain; *c != '\0'; c++)
		*c = *c == '-' ? '+' : *c == '_' ? '/' : *c;
	write_text("base64", arena_printf(a, "%s%.*s", plain, (int)((4 - len % 4) % 4), "==="));
	openssl(arena_printf(a, "base64 -d -A -in base64 -out %s", name));
}

/* clang-format off */
static const char *const right[] = {
	"genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key",
	"genrsa -traditional -out key 2048",
	"genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:3072 -out key",
};
#define ENCRYPTED "The private key is encrypted"
#define KIND "The private key is not of the kind RSA"
static const struct { const char *make, *why; } wrong[] = {
	{ "genpkey -algorithm RSA -aes256 -pass pass:x -out key",               ENCRYPTED },
	{ "genrsa -traditional -aes128 -passout pass:x -out key 2048",          ENCRYPTED },
	{ "genpkey -algorithm RSA -aes256 -pass pass: -out key",                ENCRYPTED },
	{ "ecparam -name prime256v1 -genkey -noout -out key",                   KIND },
	{ "genpkey -algorithm ed25519 -out key",                                KIND },
	{ "genpkey -algorithm RSA-PSS -out key",                                KIND },
	{ "genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out key",      "The RSA key is shorter" },
	{ "genrsa -out key.pair 2048 && openssl rsa -in key.pair -pubout -out key", "There is no private key" },
	{ "rand -base64 -out key 400",                                          "There is no private key" },
};
/* clang-format on */

START_TEST(the_openssl_program_takes_the_signature)
{
	const char *why = NULL;

	openssl(right[_i]);
	openssl("pkey -in key -pubout -out public");
	const char *token = sign_token(a, read_text("key"), "k\"1", "{\"iss\":\"me\"}", &why);
	ck_assert_msg(token != NULL, "%s", why);
	size_t header = strcspn(token, "."), signed_len = (size_t)(strrchr(token, '.') - token);
	decode_to("header", token, header);
	ck_assert_str_eq(read_text("header"),
			 "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k\\\"1\"}");
	decode_to("claims", token + header + 1, signed_len - header - 1);
	ck_assert_str_eq(read_text("claims"), "{\"iss\":\"me\"}");
	decode_to("signature", token + signed_len + 1, strlen(token) - signed_len - 1);
	write_text("signed", arena_copy(a, token, signed_len));
	openssl("dgst -sha256 -verify public -signature signature signed");
}
END_TEST

START_TEST(another_key_is_refused_with_a_sentence)
{
	const char *why = NULL;

	openssl(wrong[_i].make);
	ck_assert_ptr_null(sign_token(a, read_text("key"), NULL, "{}", &why));
	ck_assert_msg(strstr(why, wrong[_i].why) == why, "%s: %s", wrong[_i].make, why);
}
END_TEST

START_TEST(no_key_is_no_key)
{
	static const char *const texts[] = {
		"", "x", "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n",
		"-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"};
	const char *why = NULL;

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		ck_assert_ptr_null(sign_token(a, texts[i], NULL, "{}", &why));
		ck_assert_msg(strstr(why, "There is no private key") == why, "%s", why);
	}
}
END_TEST

START_TEST(without_memory_there_is_no_token)
{
	openssl(right[0]);
	const char *key = read_text("key"), *why;

	for (unsigned n = 1;; n++) {
		struct arena *small = arena_new(RIG_ARENA);

		arena_fail_at(small, n);
		const char *token = sign_token(small, key, "k", "{}", &why);
		bool failed = arena_failed(small);
		ck_assert(failed == (token == NULL));
		arena_free(small);
		if (!failed) {
			ck_assert_uint_gt(n, 5);
			return;
		}
		ck_assert_ptr_null(why);
	}
}
END_TEST

START_TEST(a_key_is_not_blamed_for_want_of_memory)
{
	const char *why = NULL;
	unsigned n = 1;

	openssl(right[0]);
	const char *key = read_text("key");
	ck_assert_ptr_nonnull(sign_token(a, key, "k", "{}", &why));
	/* Of some thousand, about one in thirty. */
	for (;; n += 1 + n / 64) {
		fail_in = n;
		const char *token = sign_token(a, key, "k", "{}", &why);
		bool failed = fail_in == 0;
		fail_in = 0;
		if (!failed) {
			ck_assert_ptr_nonnull(token);
			break;
		}
		ck_assert_msg(token != NULL || why == NULL, "%u: %s", n, why);
	}
	ck_assert_uint_gt(n, 50);
}
END_TEST

int
main(void)
{
	if (!is_fragile)
		return EXIT_FAILURE;
	Suite *suite = suite_create("sign");
	TCase *tests = tcase_create("sign");

	tcase_add_unchecked_fixture(tests, rig_make, rig_remove);
	tcase_add_checked_fixture(tests, setup, teardown);
	tcase_add_loop_test(tests, the_openssl_program_takes_the_signature, 0,
			    (int)COUNT_OF(right));
	tcase_add_loop_test(tests, another_key_is_refused_with_a_sentence, 0, (int)COUNT_OF(wrong));
	tcase_add_test(tests, no_key_is_no_key);
	tcase_add_test(tests, without_memory_there_is_no_token);
	tcase_add_test(tests, a_key_is_not_blamed_for_want_of_memory);
	suite_add_tcase(suite, tests);
	return run_suite(suite);
}
