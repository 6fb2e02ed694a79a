/* check_token: which web tokens are accepted, and each attack that is not; the key sets that they
 * are compared with. */
#include <check.h>
#include <fcntl.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/identity.h"
#include "access/rights.h"
#include "access/sign_in.h"
#include "access/standing.h"
#include "access/token.h"
#include "access/token_rule.h"
#include "base/arena.h"
#include "base/err.h"
#include "base/text.h"
#include "secret/jws.h"

#include "support/fragile.h"
#include "support/support.h"

enum { NOW_S = 1750000000 };

static struct token_rule rules[3];
static struct token_settings settings;
static struct error e;

/* The keys of the issuer, made once; `other` is nobody's. */
static EVP_PKEY *rsa, *ec, *other, *small;

static void set_up_case(void);
ARENA_FIXTURE(set_up_case())

/* A number of a key in base64url; size 0: as short as it is. */
static const char *
number_of(const EVP_PKEY *key, const char *name, int size)
{
	BIGNUM *number = NULL;
	unsigned char bytes[1024];

	ck_assert_int_eq(EVP_PKEY_get_bn_param(key, name, &number), 1);
	int len = size > 0 ? size : BN_num_bytes(number);
	ck_assert_int_eq(BN_bn2binpad(number, bytes, len), len);
	BN_free(number);
	return http_base64url(a, (const char *)bytes, (size_t)len);
}

static const char *
jwk_of_rsa(const EVP_PKEY *key, const char *kid, const char *more)
{
	return arena_printf(a, "{\"kty\":\"RSA\",\"kid\":\"%s\",\"n\":\"%s\",\"e\":\"%s\"%s}", kid,
			    number_of(key, OSSL_PKEY_PARAM_RSA_N, 0),
			    number_of(key, OSSL_PKEY_PARAM_RSA_E, 0), more);
}

static const char *
jwk_of_ec(const EVP_PKEY *key, const char *kid)
{
	return arena_printf(
		a, "{\"kty\":\"EC\",\"crv\":\"P-256\",\"kid\":\"%s\",\"x\":\"%s\",\"y\":\"%s\"}",
		kid, number_of(key, OSSL_PKEY_PARAM_EC_PUB_X, 32),
		number_of(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32));
}

static void
write_text(const char *path, const char *text)
{
	FILE *out = fopen(path, "w");

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

static void
write_keys(const char *keys)
{
	write_text(rig_path("keys.json"), arena_printf(a, "{\"keys\":[%s]}", keys));
}

static void
take(struct token_rule *rule, const char *name, const char *value)
{
	char why[CONFIG_WHY_MAX];

	ck_assert_msg(token_rule_take(rule, name, value, why), "%s", why);
}

static void
set_up_case(void)
{
	static const char *const lines[][2] = {{"issuer", "https://issuer.example"},
					       {"audience", "https://creds.example"},
					       {"project", "1a5"},
					       {"claim.sub", "system:serviceaccount:team-a:*"}};
	char why[CONFIG_WHY_MAX];

	memset(rules, 0, sizeof(rules));
	(void)stpcpy(rules[0].name, "one");
	for (size_t i = 0; i < COUNT_OF(lines); i++)
		take(&rules[0], lines[i][0], lines[i][1]);
	char *dir = realpath(rig_dir(), NULL);
	take(&rules[0], "keys", arena_printf(a, "%s/keys.json", dir));
	free(dir);
	ck_assert_msg(token_rule_complete(&rules[0], why), "%s", why);
	settings = (struct token_settings){.rules = rules,
					   .count = 1,
					   .state_dir = rig_dir(),
					   .ca_file = "",
					   .proxy = "",
					   .timeout_ms = 2000};
	e = (struct error){0};
	write_keys(arena_printf(a, "%s,%s,%s,%s",
				jwk_of_rsa(rsa, "r1", ",\"use\":\"sig\",\"alg\":\"RS256\""),
				jwk_of_ec(ec, "e1"), jwk_of_rsa(rsa, "enc", ",\"use\":\"enc\""),
				jwk_of_rsa(small, "small", "")));
}

static void
make_keys(void)
{
	rig_make();
	rsa = EVP_RSA_gen(2048);
	other = EVP_RSA_gen(2048);
	small = EVP_RSA_gen(1024);
	ec = EVP_EC_gen("P-256");
	ck_assert(rsa != NULL && other != NULL && small != NULL && ec != NULL);
}

static void
free_keys(void)
{
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(other);
	EVP_PKEY_free(small);
	EVP_PKEY_free(ec);
	rig_remove();
}

/* The two numbers of a signature of an elliptic curve, as RFC 7518 has them. */
static size_t
raw_of(unsigned char *bytes, size_t len)
{
	const unsigned char *at = bytes;
	ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &at, (long)len);

	ck_assert_ptr_nonnull(pair);
	(void)BN_bn2binpad(ECDSA_SIG_get0_r(pair), bytes, 32);
	(void)BN_bn2binpad(ECDSA_SIG_get0_s(pair), bytes + 32, 32);
	ECDSA_SIG_free(pair);
	return 64;
}

static const char *
signature_of(EVP_PKEY *key, const char *text, bool raw)
{
	unsigned char bytes[1024];
	size_t len = sizeof(bytes);
	EVP_MD_CTX *context = EVP_MD_CTX_new();

	ck_assert_int_eq(EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, key), 1);
	ck_assert_int_eq(
		EVP_DigestSign(context, bytes, &len, (const unsigned char *)text, strlen(text)), 1);
	EVP_MD_CTX_free(context);
	if (raw)
		len = raw_of(bytes, len);
	return http_base64url(a, (const char *)bytes, len);
}

static const char *
both_of(const char *header, const char *claims)
{
	return arena_printf(a, "%s.%s", http_base64url(a, header, strlen(header)),
			    http_base64url(a, claims, strlen(claims)));
}

static const char *
token_of(EVP_PKEY *key, const char *header, const char *claims)
{
	const char *text = both_of(header, claims);

	return arena_printf(a, "%s.%s", text, signature_of(key, text, key == ec));
}

static enum err
check(const char *text, struct web_token *out)
{
	e = (struct error){0};
	return token_check(&settings, a, text, "192.0.2.1", (int64_t)NOW_S * 1000, out, &e);
}

#define R1 "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"r1\"}"
#define E1 "{\"alg\":\"ES256\",\"kid\":\"e1\"}"
#define ISS "\"iss\":\"https://issuer.example\","
#define AUD "\"aud\":\"https://creds.example\","
#define SUB "\"sub\":\"system:serviceaccount:team-a:puller\","
#define GOOD "{" ISS AUD SUB "\"exp\":1750003600}"

/* clang-format off */
static const struct { bool ec; const char *header, *claims; } right[] = {
	{ false, R1, GOOD },
	{ true,  E1, GOOD },
	{ false, "{\"kid\":\"r1\",\"typ\":\"jwt\",\"alg\":\"RS256\",\"x5t\":\"abc\",\"x5t#S256\":\"abc\"}", GOOD },
	{ false, R1, "{" ISS "\"aud\":[\"x\",\"https://creds.example\"]," SUB "\"exp\":1750003600,\"nbf\":1749999000,\"iat\":1749999000}" },
	{ false, R1, "{" ISS AUD SUB "\"exp\":1749999941}" },                      /* expired 59 s ago */
	{ false, R1, "{" ISS AUD SUB "\"exp\":1.7500036e9,\"nbf\":1750000059}" },  /* valid in 59 s */
};

/* The first half is refused before the signature is looked at, or because of it. */
static const struct { EVP_PKEY **key; const char *header, *claims, *why; } not_signed[] = {
	{ &rsa,   "{\"alg\":\"none\",\"kid\":\"r1\"}", GOOD, "algorithm" },
	{ &rsa,   "{\"alg\":\"HS256\",\"kid\":\"r1\"}", GOOD, "algorithm" },
	{ &rsa,   "{\"alg\":\"RS512\",\"kid\":\"r1\"}", GOOD, "algorithm" },
	{ &rsa,   "{\"alg\":\"PS256\",\"kid\":\"r1\"}", GOOD, "algorithm" },
	{ &rsa,   "{\"alg\":\"rs256\",\"kid\":\"r1\"}", GOOD, "algorithm" },
	{ &rsa,   "{\"alg\":[\"RS256\"],\"kid\":\"r1\"}", GOOD, "algorithm" },
	{ &rsa,   "{\"kid\":\"r1\"}", GOOD, "algorithm" },
	{ &rsa,   "{\"alg\":\"RS256\"}", GOOD, "no kid" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"\"}", GOOD, "no kid" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":1}", GOOD, "no kid" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r\\n1\"}", GOOD, "no kid" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"../../keys.json\"}", GOOD, "no key of its kid" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"' OR 1=1 --\"}", GOOD, "no key of its kid" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"R1\"}", GOOD, "no key of its kid" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"e1\"}", GOOD, "no key of its kid" },
	{ &rsa,   "{\"alg\":\"ES256\",\"kid\":\"r1\"}", GOOD, "no key of its kid" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"enc\"}", GOOD, "no key of its kid" },
	{ &small, "{\"alg\":\"RS256\",\"kid\":\"small\"}", GOOD, "RSA key of 2048 bits" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"jku\":\"https://evil.example\"}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"x5u\":\"https://evil.example\"}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"x5c\":[]}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"jwk\":{}}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"b64\":false,\"crit\":[\"b64\"]}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"crit\":[]}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"zip\":\"DEF\"}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":\"at+jwt\"}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"typ\":null}", GOOD, "besides alg" },
	{ &rsa,   "{\"alg\":\"RS256\",\"kid\":\"r1\",\"kid\":\"e1\"}", GOOD, "twice" },
	{ &rsa,   "{\"alg\":\"none\",\"alg\":\"RS256\",\"kid\":\"r1\"}", GOOD, "twice" },
	{ &rsa,   R1, "{" ISS ISS AUD SUB "\"exp\":1750003600}", "twice" },
	{ &rsa,   R1, "{" ISS AUD SUB "\"exp\":1,\"exp\":1750003600}", "twice" },
	{ &rsa,   "[]", GOOD, "not a JSON object" },
	{ &rsa,   R1, "[]", "not a JSON object" },
	{ &rsa,   R1, "\"x\"", "not a JSON object" },
	{ &rsa,   R1, "{" ISS "\"sub\":\"a\\u0000b\"}", "not a JSON object" },
	{ &rsa,   R1, "{" AUD SUB "\"exp\":1750003600}", "no issuer" },
	{ &rsa,   R1, "{\"iss\":[\"https://issuer.example\"]," AUD SUB "\"exp\":1750003600}", "no issuer" },
	{ &rsa,   R1, "{\"iss\":\"https://issuer.example/\"," AUD SUB "\"exp\":1750003600}", "no section" },
	{ &rsa,   R1, "{\"iss\":\"https://ISSUER.example\"," AUD SUB "\"exp\":1750003600}", "no section" },
	{ &other, R1, GOOD, "signature is wrong" },
	{ &rsa,   E1, GOOD, "signature is wrong" },
	{ &ec,    R1, GOOD, "signature is wrong" },
};
static const struct { const char *claims, *why; } unfit[] = {
	{ "{" ISS "\"aud\":\"https://other.example\"," SUB "\"exp\":1750003600}", "audience" },
	{ "{" ISS "\"aud\":\"https://creds.example/\"," SUB "\"exp\":1750003600}", "audience" },
	{ "{" ISS "\"aud\":[]," SUB "\"exp\":1750003600}", "audience" },
	{ "{" ISS "\"aud\":{\"https://creds.example\":1}," SUB "\"exp\":1750003600}", "audience" },
	{ "{" ISS SUB "\"exp\":1750003600}", "audience" },
	{ "{" ISS AUD SUB "\"exp\":1749999939}", "expired" },
	{ "{" ISS AUD SUB "\"exp\":0}", "expired" },
	{ "{" ISS AUD SUB "\"nbf\":0}", "no time in exp" },
	{ "{" ISS AUD SUB "\"exp\":\"1750003600\"}", "no time in exp" },
	{ "{" ISS AUD SUB "\"exp\":1e300}", "no time in exp" },
	{ "{" ISS AUD SUB "\"exp\":-1}", "no time in exp" },
	{ "{" ISS AUD SUB "\"exp\":null}", "no time in exp" },
	{ "{" ISS AUD SUB "\"exp\":1750003600,\"nbf\":\"0\"}", "no time in exp" },
	{ "{" ISS AUD SUB "\"exp\":1750003600,\"nbf\":1750000061}", "not valid yet" },
	{ "{" ISS AUD "\"sub\":\"system:serviceaccount:team-b:puller\",\"exp\":1750003600}", "claim sub" },
	{ "{" ISS AUD "\"sub\":\"x-system:serviceaccount:team-a:puller\",\"exp\":1750003600}", "claim sub" },
	{ "{" ISS AUD "\"sub\":[\"system:serviceaccount:team-a:puller\"],\"exp\":1750003600}", "no subject" },
	{ "{" ISS AUD "\"exp\":1750003600}", "no subject" },
	{ "{" ISS AUD "\"sub\":\"system:serviceaccount:team-a:\\u001b[31m\",\"exp\":1750003600}", "no subject" },
};
static const char *const shapes[] = {
	"", ".", "..", "...", "a.b", "a.b.c.d", "a.b.c", "e30.e30.", "e30..e30", ".e30.e30", "e30.e30.e30=", "e30.e30.e 0",
	"e30.e30.e\xc3\xa9", "e30.e30.e30\n", "e31.e30.e30",
};
/* clang-format on */

START_TEST(a_token_of_the_issuer_is_accepted)
{
	struct web_token token;
	enum err rc = check(token_of(right[_i].ec ? ec : rsa, right[_i].header, right[_i].claims),
			    &token);

	ck_assert_msg(rc == ERR_NONE, "%s: %s", right[_i].claims, token.why);
	ck_assert_ptr_eq(token.rule, &rules[0]);
	ck_assert_str_eq(token.who, "system:serviceaccount:team-a:puller@https://issuer.example");
	ck_assert_int_gt(token.expires_ms, (int64_t)NOW_S * 1000);
	ck_assert_int_le(token.expires_ms, ((int64_t)NOW_S + 3660) * 1000);
}
END_TEST

static void
assert_refused(const char *text, const char *why, bool known)
{
	struct web_token token;

	ck_assert_int_eq(check(text, &token), ERR_UNAUTHORIZED);
	ck_assert_ptr_null(token.rule);
	ck_assert_msg(strstr(token.why, why) != NULL, "\"%s\" without \"%s\"", token.why, why);
	/* The reason is told to those who have a token of the issuer. */
	ck_assert(known == (token.who != NULL || strstr(why, "no subject") != NULL));
	ck_assert(known == (strstr(e.detail, token.why) != NULL) ||
		  strstr(why, "no subject") != NULL);
}

START_TEST(what_the_issuer_has_not_signed_is_refused)
{
	assert_refused(token_of(*not_signed[_i].key, not_signed[_i].header, not_signed[_i].claims),
		       not_signed[_i].why, false);
}
END_TEST

START_TEST(what_it_has_signed_for_others_or_another_time_is_refused)
{
	assert_refused(token_of(rsa, R1, unfit[_i].claims), unfit[_i].why, true);
}
END_TEST

START_TEST(what_has_not_the_shape_of_a_token_is_refused)
{
	struct web_token token;

	ck_assert_int_eq(check(shapes[_i], &token), ERR_UNAUTHORIZED);
	ck_assert_ptr_null(token.who);
}
END_TEST

START_TEST(a_text_that_was_changed_is_refused)
{
	const char *text = token_of(rsa, R1, GOOD);
	struct web_token token;

	for (size_t i = 0; text[i] != '\0'; i++) {
		char *changed = arena_strdup(a, text);

		/* Of the last letter only bits that do not count: it is another text all the same.
		 */
		changed[i] = changed[i] == 'A' || text[i + 1] == '\0' ? (char)(text[i] + 1) : 'A';
		ck_assert_msg(check(changed, &token) == ERR_UNAUTHORIZED, "at byte %zu", i);
	}
	char *longer = arena_alloc(a, 20 * 1024 + strlen(text) + 1);
	memset(longer, 'A', 20 * 1024);
	(void)stpcpy(longer + 20 * 1024, text);
	assert_refused(longer, "longer than 8 KiB", false);
}
END_TEST

START_TEST(the_public_key_is_no_secret_to_sign_with)
{
	const char *text = both_of("{\"alg\":\"HS256\",\"kid\":\"r1\"}", GOOD);
	const char *n = number_of(rsa, OSSL_PKEY_PARAM_RSA_N, 0);
	unsigned char mac[32];
	unsigned len = 0;

	ck_assert_ptr_nonnull(HMAC(EVP_sha256(), n, (int)strlen(n), (const unsigned char *)text,
				   strlen(text), mac, &len));
	const char *signature = http_base64url(a, (const char *)mac, len);
	assert_refused(arena_printf(a, "%s.%s", text, signature), "algorithm", false);
	/* The same signature below a header that says RS256. */
	text = both_of(R1, GOOD);
	assert_refused(arena_printf(a, "%s.%s", text, signature), "signature is wrong", false);
}
END_TEST

START_TEST(a_signature_of_the_curve_has_its_length_and_is_not_zero)
{
	const char *text = both_of(E1, GOOD);
	char zeros[64] = {0};

	assert_refused(arena_printf(a, "%s.%s", text, http_base64url(a, zeros, 64)),
		       "signature is wrong", false);
	assert_refused(arena_printf(a, "%s.%s", text, signature_of(ec, text, false)),
		       "signature is wrong", false);
	assert_refused(arena_printf(a, "%s.AAAA", text), "signature is wrong", false);
}
END_TEST

START_TEST(a_key_set_says_which_keys_there_are)
{
	struct web_token token;
	const char *text = token_of(rsa, R1, GOOD);

	/* A set with a secret, keys without names, and what is no key at all. */
	write_keys(arena_printf(a,
				"null,1,{},{\"kty\":\"oct\",\"kid\":\"r1\",\"k\":\"AAAA\"},"
				"{\"kty\":\"RSA\",\"kid\":\"r1\"},%s",
				jwk_of_rsa(rsa, "r1", "")));
	assert_refused(text, "the key of its issuer cannot be used", false);
	write_keys(jwk_of_rsa(rsa, "r1", ",\"alg\":\"RS512\""));
	assert_refused(text, "no key of its kid", false);
	write_keys(jwk_of_rsa(rsa, "r1", ",\"use\":1"));
	assert_refused(text, "no key of its kid", false);
	write_keys("");
	assert_refused(text, "no key of its kid", false);
	static const char *const broken[] = {
		"", "{}", "[]", "{\"keys\":{}}", "{\"keys\":[}", "{\"keys\":[],\"keys\":[]}"};
	for (size_t i = 0; i < COUNT_OF(broken); i++) {
		write_text(rules[0].keys, broken[i]);
		ck_assert_int_eq(check(text, &token), ERR_UNAVAILABLE);
		ck_assert_uint_gt(e.retry_after_s, 0);
	}
	ck_assert_int_eq(unlink(rules[0].keys), 0);
	ck_assert_int_eq(check(text, &token), ERR_UNAVAILABLE);
	write_keys(jwk_of_rsa(rsa, "r1", ""));
	ck_assert_int_eq(check(text, &token), ERR_NONE);
	ck_assert_int_eq(chmod(rules[0].keys, 0666), 0); /* anybody could put a key into it */
	ck_assert_int_eq(check(text, &token), ERR_UNAVAILABLE);
}
END_TEST

START_TEST(the_first_section_that_fits_counts)
{
	struct web_token token;
	const char *text = token_of(rsa, R1, GOOD);

	settings.count = 3;
	rules[1] = rules[2] = rules[0];
	(void)stpcpy(rules[0].claims[0].pattern, "*:team-b:*");
	(void)stpcpy(rules[1].networks, "10.0.0.0/8");
	ck_assert_int_eq(check(text, &token), ERR_NONE);
	ck_assert_ptr_eq(token.rule, &rules[2]);
	(void)stpcpy(rules[2].issuer, "https://another.example");
	assert_refused(text, "network", true);
	(void)stpcpy(rules[1].networks, "192.0.2.0/24");
	ck_assert_int_eq(check(text, &token), ERR_NONE);
	ck_assert_ptr_eq(token.rule, &rules[1]);
	/* Keys of one section do not speak for another. */
	rules[1].networks[0] = '\0';
	write_text(rig_path("others.json"),
		   arena_printf(a, "{\"keys\":[%s]}", jwk_of_rsa(other, "r1", "")));
	(void)snprintf(rules[1].keys, sizeof(rules[1].keys), "%s", rig_path("others.json"));
	assert_refused(text, "signature is wrong", true);
}
END_TEST

/* What was fetched, and when, and when that was tried. */
static void
put_fetched(const char *url, int age_s, int tried_s)
{
	const char *path = arena_strdup(a, rig_path("token-keys-one"));
	const char *lock = arena_strdup(a, rig_path("token-keys-one.lock"));
	const struct timespec then[2] = {{.tv_sec = NOW_S - age_s}, {.tv_sec = NOW_S - age_s}};
	const struct timespec tried[2] = {{.tv_sec = NOW_S - tried_s}, {.tv_sec = NOW_S - tried_s}};

	write_text(path, arena_printf(a, "%s\n{\"keys\":[%s]}", url, jwk_of_rsa(rsa, "r1", "")));
	write_text(lock, "\n");
	ck_assert_int_eq(utimensat(AT_FDCWD, path, then, 0), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, lock, tried, 0), 0);
}

static bool
was_tried_again(void)
{
	struct stat st;

	ck_assert_int_eq(stat(rig_path("token-keys-one.lock"), &st), 0);
	return st.st_mtim.tv_sec > NOW_S;
}

START_TEST(a_set_that_was_fetched_is_used_until_it_is_old)
{
	static const char url[] = "http://127.0.0.1:1/keys"; /* nobody answers there */
	static const char unknown[] = "{\"alg\":\"RS256\",\"kid\":\"r2\"}";
	struct web_token token;
	const char *text = token_of(rsa, R1, GOOD);

	(void)stpcpy(rules[0].keys, url);
	put_fetched(url, 60, 60);
	ck_assert_int_eq(check(text, &token), ERR_NONE);
	ck_assert(!was_tried_again());
	put_fetched(url, 11 * 60, 11 * 60); /* it is fetched again; the old one goes on */
	ck_assert_int_eq(check(text, &token), ERR_NONE);
	ck_assert(was_tried_again());
	put_fetched(url, 11 * 60, 30); /* but not twice in a minute */
	ck_assert_int_eq(check(text, &token), ERR_NONE);
	ck_assert(!was_tried_again());
	put_fetched(url, 120, 59); /* whoever sends whatever kid */
	assert_refused(token_of(rsa, unknown, GOOD), "no key of its kid", false);
	ck_assert(!was_tried_again());
	put_fetched(url, 120, 61);
	assert_refused(token_of(rsa, unknown, GOOD), "no key of its kid", false);
	ck_assert(was_tried_again());
	put_fetched(url, 24 * 3600 + 1, 30);
	ck_assert_int_eq(check(text, &token), ERR_UNAVAILABLE);
	put_fetched("http://127.0.0.1:1/other", 60, 30); /* of another issuer */
	ck_assert_int_eq(check(text, &token), ERR_UNAVAILABLE);
	put_fetched(url, -3600, 30); /* the clock was set back */
	ck_assert_int_eq(check(text, &token), ERR_UNAVAILABLE);
}
END_TEST

START_TEST(nobody_waits_for_anothers_fetch_for_ever)
{
	static const char url[] = "http://127.0.0.1:1/keys";
	struct web_token token;

	(void)stpcpy(rules[0].keys, url);
	settings.timeout_ms = 60;
	put_fetched(url, 11 * 60, 11 * 60);
	int fd = open(rig_path("token-keys-one.lock"), O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(flock(fd, LOCK_EX), 0);
	ck_assert_int_eq(check(token_of(rsa, R1, GOOD), &token), ERR_NONE);
	ck_assert(!was_tried_again());
	settings.seats = seats_new(1, 1);
	ck_assert(seats_take(settings.seats, 7));
	ck_assert_int_eq(check(token_of(rsa, R1, GOOD), &token), ERR_NONE);
	seats_free(settings.seats);
	(void)close(fd);
}
END_TEST

static enum err
stand(struct store_tx *tx, void *arg)
{
	return standing_check(tx, a, arg, PROJECT_DEFAULT, &e);
}

START_TEST(it_is_what_a_key_of_the_project_for_hosts_would_be_until_it_expires)
{
	struct rig rig;
	struct request request = {.client = "192.0.2.1"};
	struct identity id;

	rig_open(&rig);
	struct auth auth = {.store = rig.store, .ring = rig.ring, .tokens = settings};
	(void)stpcpy(rules[0].registries, "1sp3");
	(void)stpcpy(rules[0].paths, "acme");
	request.authorization = arena_printf(a, "Bearer %s", token_of(rsa, R1, GOOD));
	ck_assert_int_eq(auth_identify(&auth, a, &request, (int64_t)NOW_S * 1000, &id, &e),
			 ERR_NONE);
	ck_assert_int_eq(id.user_id, PROJECT_DEFAULT);
	ck_assert_int_eq(id.role, ROLE_REVEAL);
	ck_assert_int_eq(id.key_id, 0);
	ck_assert_str_eq(id.via, "token");
	ck_assert_str_eq(id.proxy_user,
			 "system:serviceaccount:team-a:puller@https://issuer.example");
	ck_assert(id.scoped && !id.all_accounts && auth_may_reveal(&id));
	ck_assert(power_holds_registry(&id.key, 3) && !power_holds_registry(&id.key, 4));
	ck_assert(power_holds_path(&id.key, "acme/app") && !power_holds_path(&id.key, "other"));
	ck_assert_int_eq(auth_power(&id, PROJECT_DEFAULT).rank, RANK_NONE);
	/* The head of a transaction looks at the clock, where that time is over. */
	ck_assert_int_ne(store_write(rig.store, stand, &id), STORE_OK);
	ck_assert_int_eq(e.code, ERR_UNAUTHORIZED);
	e = (struct error){0};
	id.key.expires_ms = INT64_MAX;
	ck_assert_int_eq(store_write(rig.store, stand, &id), STORE_OK);
	/* Both at once; a project that is not there, not active, or no project. */
	static const struct {
		enum person project;
		const char *key;
		enum err err;
	} others[] = {{PROJECT_DEFAULT, "default:secret of default", ERR_BAD_REQUEST},
		      {PROJECT_INACTIVE, NULL, ERR_UNAUTHORIZED},
		      {PROJECT_REMOVED, NULL, ERR_UNAUTHORIZED},
		      {PERSON_OWNER, NULL, ERR_UNAUTHORIZED},
		      {9999, NULL, ERR_UNAUTHORIZED},
		      {PROJECT_OTHER, NULL, ERR_NONE}};
	for (size_t i = 0; i < COUNT_OF(others); i++) {
		e = (struct error){0};
		rules[0].project_id = others[i].project;
		request.api_key = others[i].key;
		ck_assert_int_eq(auth_identify(&auth, a, &request, (int64_t)NOW_S * 1000, &id, &e),
				 others[i].err);
	}
	rig_close(&rig);
}
END_TEST

START_TEST(without_memory_no_token_is_accepted)
{
	const char *text = token_of(rsa, R1, GOOD);

	for (unsigned n = 1;; n++) {
		struct arena *few = arena_new(RIG_ARENA);
		struct web_token token;
		struct error why = {0};

		arena_fail_at(few, n);
		enum err rc = token_check(&settings, few, text, "192.0.2.1", (int64_t)NOW_S * 1000,
					  &token, &why);
		bool failed = arena_failed(few);
		ck_assert_int_eq(rc, failed ? ERR_INTERNAL : ERR_NONE);
		arena_free(few);
		if (!failed) {
			ck_assert_uint_gt(n, 5);
			break;
		}
	}
}
END_TEST

/* Memory of libjansson, and so of libjose, and of OpenSSL: each allocation fails once. */

#ifdef HAVE_JOSE
/* Its header has names of json_in.h. */
void json_set_alloc_funcs(void *(*allocate)(size_t), void (*release)(void *));

static void *
fragile_malloc_of_jansson(size_t size)
{
	return fails_now() ? NULL : malloc(size);
}
#endif

START_TEST(without_memory_the_library_accepts_nothing_either)
{
	const bool forged = _i >= 2, curve = _i % 2 == 1;
	EVP_PKEY *key = curve ? ec : forged ? other : rsa;
	const char *text = token_of(key, curve ? E1 : R1, GOOD);
	struct web_token token;
	unsigned n = 1;

	if (forged && curve)
		text = arena_printf(a, "%.*s.%s", (int)strlen(both_of(E1, GOOD)), text,
				    signature_of(ec, "something else", true));
	for (;; n++) {
		fail_in = n;
		enum err rc = check(text, &token);
		bool failed = fail_in == 0;
		fail_in = 0;
		ck_assert(!forged || rc != ERR_NONE);
		ck_assert(rc == ERR_NONE || rc == ERR_UNAUTHORIZED || rc == ERR_INTERNAL);
		if (!failed) {
			ck_assert_int_eq(rc, forged ? ERR_UNAUTHORIZED : ERR_NONE);
			break;
		}
	}
	ck_assert_uint_gt(n, 20);
}
END_TEST

START_TEST(the_header_is_a_bearers)
{
	ck_assert_str_eq(token_of_header("Bearer abc"), "abc");
	ck_assert_str_eq(token_of_header("bEARER  abc"), "abc");
	ck_assert_ptr_null(token_of_header("Basic abc"));
	ck_assert_ptr_null(token_of_header("Bearer"));
	ck_assert_ptr_null(token_of_header(NULL));
}
END_TEST

/* clang-format off */
static const struct { const char *name, *value, *why; } lines[] = {
	{ "issuer",     "",                      "must not be empty" },
	{ "keys",       "keys.json",             "absolute path" },
	{ "keys",       "http://keys.example/",  "https://" },
	{ "keys",       "ftp://keys.example/",   "https://" },
	{ "keys",       "http://localhost.evil", "https://" },
	{ "project",    "5",                     "such as 1a5" },
	{ "project",    "1sp5",                  "such as 1a5" },
	{ "registries", "1a5",                   "ids of registries" },
	{ "registries", " , ",                   "must not be empty" },
	{ "paths",      "/acme",                 "paths of repositories" },
	{ "networks",   "10.0.0.1/8",            "must be networks" },
	{ "claim.",     "x",                     "has no name" },
	{ "claim.sub",  "",                      "not everything matches" },
	{ "claim.sub",  "**",                    "not everything matches" },
	{ "issuers",    "x",                     "unknown name" },
};
/* clang-format on */

START_TEST(a_line_that_is_wrong_says_what_it_should_be)
{
	struct token_rule rule = {.name = "x"};
	char why[CONFIG_WHY_MAX];

	ck_assert(!token_rule_take(&rule, lines[_i].name, lines[_i].value, why));
	ck_assert_msg(strstr(why, lines[_i].why) != NULL, "%s", why);
}
END_TEST

START_TEST(a_section_says_all_that_it_must)
{
	static const char *const needed[][2] = {{"issuer", "https://i"},
						{"audience", "a"},
						{"keys", "/k"},
						{"project", "1a256"},
						{"claim.sub", "x*"}};
	struct token_rule rule = {.name = "x"};
	char why[CONFIG_WHY_MAX];

	for (size_t i = 0; i < COUNT_OF(needed); i++) {
		ck_assert(!token_rule_complete(&rule, why));
		ck_assert_msg(strstr(why, needed[i][0]) != NULL, "%s", why);
		take(&rule, needed[i][0], needed[i][1]);
		ck_assert(!token_rule_take(&rule, needed[i][0], needed[i][1], why));
		ck_assert_msg(strstr(why, "twice") != NULL, "%s", why);
	}
	ck_assert(token_rule_complete(&rule, why));
	ck_assert_int_eq(rule.project_id, 256);
	take(&rule, "registries", "1sp3, 1sp4");
	take(&rule, "paths", "acme,team/app");
	take(&rule, "networks", "10.0.0.0/8,192.0.2.1");
	ck_assert_str_eq(rule.registries, "1sp3 1sp4");
	ck_assert_str_eq(rule.paths, "acme team/app");
	for (char name[] = "claim.a"; rule.claim_count < TOKEN_CLAIMS_MAX; name[6]++)
		take(&rule, name, "y");
	ck_assert(!token_rule_take(&rule, "claim.z", "y", why));
	ck_assert_ptr_nonnull(strstr(why, "more than 8 claims"));
}
END_TEST

int
main(void)
{
	if (!is_fragile)
		return EXIT_FAILURE;
#ifdef HAVE_JOSE
	json_set_alloc_funcs(fragile_malloc_of_jansson, free);
#endif
	Suite *suite = suite_create("token");
	TCase *tc = tcase_create("tokens");

	tcase_add_unchecked_fixture(tc, make_keys, free_keys);
	tcase_add_checked_fixture(tc, setup, teardown);
	if (jws_is_built()) {
		tcase_add_loop_test(tc, a_token_of_the_issuer_is_accepted, 0, COUNT_OF(right));
		tcase_add_loop_test(tc, what_the_issuer_has_not_signed_is_refused, 0,
				    COUNT_OF(not_signed));
		tcase_add_loop_test(tc, what_it_has_signed_for_others_or_another_time_is_refused, 0,
				    COUNT_OF(unfit));
		tcase_add_loop_test(tc, what_has_not_the_shape_of_a_token_is_refused, 0,
				    COUNT_OF(shapes));
		tcase_add_test(tc, a_text_that_was_changed_is_refused);
		tcase_add_test(tc, the_public_key_is_no_secret_to_sign_with);
		tcase_add_test(tc, a_signature_of_the_curve_has_its_length_and_is_not_zero);
		tcase_add_test(tc, a_key_set_says_which_keys_there_are);
		tcase_add_test(tc, the_first_section_that_fits_counts);
		tcase_add_test(tc, a_set_that_was_fetched_is_used_until_it_is_old);
		tcase_add_test(tc, nobody_waits_for_anothers_fetch_for_ever);
		tcase_add_test(tc,
			       it_is_what_a_key_of_the_project_for_hosts_would_be_until_it_expires);
		tcase_add_test(tc, without_memory_no_token_is_accepted);
		tcase_add_loop_test(tc, without_memory_the_library_accepts_nothing_either, 0, 4);
	}
	tcase_add_test(tc, the_header_is_a_bearers);
	tcase_add_loop_test(tc, a_line_that_is_wrong_says_what_it_should_be, 0, COUNT_OF(lines));
	tcase_add_test(tc, a_section_says_all_that_it_must);
	suite_add_tcase(suite, tc);
	return run_suite(suite);
}
