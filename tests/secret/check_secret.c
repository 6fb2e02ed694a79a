/* check_secret: sealing and what breaks a seal, key files, hashes and random names. */
#include <check.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/log.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/key_file.h"
#include "secret/keyring.h"
#include "secret/random.h"
#include "secret/seal.h"

#include "support/fault_calls.h"
#include "support/support.h"

enum { HEX_KEY = 64, SEALED_LEAST = 5 + 24 + 32 + 16, PAD = 32 };

static struct arena *a;
static struct keyring *ring;
static char why[SECRET_WHY_MAX];

static const struct seal_place place = {.table = "credential",
					.uuid = "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11",
					.field = "secretValue",
					.account_id = 5,
					.address = "r.example.test"};

static void
setup(void)
{
	a = arena_new(RIG_ARENA);
	ck_assert_ptr_nonnull(a);
	ck_assert(secret_init());
	ring = keyring_load(rig_key_file(), why);
	ck_assert_msg(ring != NULL, "%s", why);
}

static void
teardown(void)
{
	keyring_free(ring);
	arena_free(a);
}

/* A copy in a block of its exact size, so that a sanitizer sees a step too far. */
static struct value
exact(const struct value *v, size_t len)
{
	char *bytes = malloc(len);

	ck_assert(bytes != NULL || len == 0);
	if (len > 0)
		memcpy(bytes, v->text, len);
	return value_blob(bytes, len);
}

static void
drop(struct value *v)
{
	free((void *)(uintptr_t)v->text);
}

static char *
text_of(size_t len)
{
	char *text = arena_alloc(a, len + 1);

	for (size_t i = 0; i < len; i++)
		text[i] = (char)(1 + (i * 37 + len) % 255);
	return text;
}

/* Sealing */

START_TEST(what_was_sealed_opens_again)
{
	size_t lengths[202];

	for (size_t i = 0; i <= 200; i++)
		lengths[i] = i;
	lengths[201] = 16384;
	for (size_t i = 0; i < COUNT_OF(lengths); i++) {
		const char *text = text_of(lengths[i]);
		struct value sealed;

		ck_assert(secret_seal(ring, a, &place, text, &sealed));
		ck_assert_int_eq(sealed.type, VALUE_BLOB);
		ck_assert_pstr_eq(secret_open(ring, a, &place, &sealed), text);
	}
}
END_TEST

START_TEST(the_sealed_form_hides_text_and_length_within_a_block)
{
	for (size_t len = 1; len <= 200; len++) {
		const char *text = text_of(len);
		struct value sealed;

		ck_assert(secret_seal(ring, a, &place, text, &sealed));
		ck_assert(!secret_is_empty(&sealed));
		ck_assert_uint_eq(sealed.len, SEALED_LEAST + len / PAD * PAD);
		if (len >= 4)
			ck_assert_ptr_null(memmem(sealed.text, sealed.len, text, len));
	}
}
END_TEST

START_TEST(an_empty_text_is_sealed_and_seen_to_be_empty)
{
	struct value sealed;

	ck_assert(secret_seal(ring, a, &place, "", &sealed));
	ck_assert(secret_is_empty(&sealed));
	ck_assert_pstr_eq(secret_open(ring, a, &place, &sealed), "");
	sealed = value_null();
	ck_assert(secret_is_empty(&sealed));
}
END_TEST

START_TEST(two_seals_of_one_text_differ)
{
	struct value one, two;

	ck_assert(secret_seal(ring, a, &place, "same", &one));
	ck_assert(secret_seal(ring, a, &place, "same", &two));
	ck_assert_uint_eq(one.len, two.len);
	ck_assert(memcmp(one.text, two.text, one.len) != 0);
}
END_TEST

static const struct seal_place elsewhere[] = {
	{"storage_pool", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", 5,
	 "r.example.test"},
	{"Credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", 5, "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c12", "secretValue", 5, "r.example.test"},
	{"credential", "3F1C1D0E-6F0F-4B8D-9A53-2F5A1F6F0C11", "secretValue", 5, "r.example.test"},
	{"credential", "", "secretValue", 5, "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretvalue", 5, "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "email", 5, "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "", 5, "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", 6, "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", -5, "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", 0, "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", INT64_C(4294967301),
	 "r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", 5, NULL},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", 5,
	 "r.example.test:443"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", 5,
	 "https://r.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue", 5, "R.example.test"},
	{"credential", "3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11", "secretValue\nr.example.test", 5,
	 NULL},
};

START_TEST(a_sealed_value_that_was_moved_does_not_open)
{
	struct value sealed;

	ck_assert(secret_seal(ring, a, &place, "the secret", &sealed));
	ck_assert_ptr_null(secret_open(ring, a, &elsewhere[_i], &sealed));
	ck_assert_str_eq(secret_open(ring, a, &place, &sealed), "the secret");
}
END_TEST

START_TEST(a_sealed_value_with_any_byte_changed_does_not_open)
{
	struct value sealed;

	ck_assert(secret_seal(ring, a, &place, "the secret", &sealed));
	for (size_t i = 0; i < sealed.len; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			char *bytes = arena_copy(a, sealed.text, sealed.len);
			struct value changed = value_blob(bytes, sealed.len);

			bytes[i] = (char)((unsigned char)bytes[i] ^ (1U << bit));
			ck_assert_msg(secret_open(ring, a, &place, &changed) == NULL,
				      "byte %zu, bit %u", i, bit);
		}
}
END_TEST

START_TEST(a_sealed_value_cut_at_any_length_does_not_open)
{
	struct value sealed;

	ck_assert(secret_seal(ring, a, &place, text_of(40), &sealed));
	for (size_t len = 1; len < sealed.len; len++) {
		struct value cut = exact(&sealed, len);

		ck_assert_msg(secret_open(ring, a, &place, &cut) == NULL, "%zu bytes", len);
		drop(&cut);
	}
}
END_TEST

START_TEST(an_empty_value_does_not_open)
{
	/* Its end is the end of a block, so that a sanitizer sees a look at its first byte. */
	char *block = malloc(16);

	ck_assert_ptr_nonnull(block);
	struct value empty = value_blob(block + 16, 0);
	ck_assert_ptr_null(secret_open(ring, a, &place, &empty));
	free(block);
	empty = value_blob(NULL, 0);
	ck_assert_ptr_null(secret_open(ring, a, &place, &empty));
}
END_TEST

START_TEST(a_sealed_value_with_something_behind_it_does_not_open)
{
	struct value sealed;

	ck_assert(secret_seal(ring, a, &place, "the secret", &sealed));
	char *bytes = arena_alloc(a, sealed.len + 1);
	memcpy(bytes, sealed.text, sealed.len);
	struct value more = value_blob(bytes, sealed.len + 1);
	ck_assert_ptr_null(secret_open(ring, a, &place, &more));
}
END_TEST

START_TEST(what_is_no_blob_does_not_open)
{
	struct value null = value_null(), text = value_text("secret"), number = value_int(7);

	ck_assert_ptr_null(secret_open(ring, a, &place, &null));
	ck_assert_ptr_null(secret_open(ring, a, &place, &text));
	ck_assert_ptr_null(secret_open(ring, a, &place, &number));
}
END_TEST

START_TEST(sealing_and_opening_without_memory_fail_cleanly)
{
	struct value sealed, copy;

	ck_assert(secret_seal(ring, a, &place, "the secret", &sealed));
	copy = exact(&sealed, sealed.len);
	for (unsigned n = 1; n <= 3; n++) {
		struct value out = value_null();

		arena_reset(a);
		arena_fail_at(a, n);
		ck_assert(!secret_seal(ring, a, &place, "the secret", &out));
		ck_assert_int_eq(out.type, VALUE_NULL);
	}
	for (unsigned n = 1; n <= 2; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		ck_assert_ptr_null(secret_open(ring, a, &place, &copy));
	}
	arena_reset(a);
	arena_fail_at(a, 0);
	ck_assert_str_eq(secret_open(ring, a, &place, &copy), "the secret");
	drop(&copy);
}
END_TEST

START_TEST(without_libsodium_nothing_is_sealed)
{
	struct value out = value_null();

	call_fails(CALL_SODIUM_INIT, 1, 0);
	ck_assert(!secret_init());
	ck_assert(calls_go_on());
	ck_assert(secret_init());
	call_fails(CALL_SODIUM_PAD, 1, 0);
	ck_assert(!secret_seal(ring, a, &place, "the secret", &out));
	ck_assert(calls_go_on());
	ck_assert_int_eq(out.type, VALUE_NULL);
}
END_TEST

/* Key files */

static char *
slurp(const char *path)
{
	char *text = arena_alloc(a, 8192);
	FILE *in = fopen(path, "rb");

	ck_assert_ptr_nonnull(in);
	ck_assert_uint_lt(fread(text, 1, 8191, in), 8191);
	ck_assert_int_eq(fclose(in), 0);
	return text;
}

static void
write_file(const char *path, const char *text, mode_t mode)
{
	(void)unlink(path);
	FILE *out = fopen(path, "wb");

	ck_assert_ptr_nonnull(out);
	ck_assert_int_ge(fputs(text, out), 0);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_int_eq(chmod(path, mode), 0);
}

#define HEX16 "0123456789abcdef"
#define HEX64 HEX16 HEX16 HEX16 HEX16
#define HEX62 HEX16 HEX16 HEX16 "0123456789abcd"
#define SEAL1 "seal 1 " HEX64 "\n"
#define HASH1 "hash 1 " HEX64 "\n"

static const char *const good_files[] = {
	SEAL1 HASH1 "primary 1\n",
	SEAL1 HASH1 "primary 1", /* without an end of line */
	"primary 1\n" HASH1 SEAL1,
	"# a comment\n\n" SEAL1 "#\n" HASH1 "\nprimary 1\n",
	SEAL1 "  \n" HASH1 " \nprimary 1\n   ", /* lines of blanks */
	SEAL1 "seal 2 " HEX64 "\n" HASH1 "primary 2\n",
	"seal 7 " HEX64 "\n" HASH1 "primary 7\n",
};

START_TEST(a_well_formed_key_file_is_read)
{
	const char *path = rig_path("other.key");

	write_file(path, good_files[_i], 0400);
	struct keyring *other = keyring_load(path, why);
	struct value sealed;
	ck_assert_msg(other != NULL, "%s", why);
	ck_assert(secret_seal(other, a, &place, "s", &sealed));
	ck_assert_str_eq(secret_open(other, a, &place, &sealed), "s");
	keyring_free(other);
}
END_TEST

static const char *const bad_files[] = {
	"",
	"\n",
	"# only a comment\n",
	/* A line is missing. */
	HASH1 "primary 1\n",
	SEAL1 "primary 1\n",
	SEAL1 HASH1,
	/* The word is damaged. */
	"sea 1 " HEX64 "\n" HASH1 "primary 1\n",
	"Seal 1 " HEX64 "\n" HASH1 "primary 1\n",
	"seal_1 " HEX64 "\n" HASH1 "primary 1\n",
	SEAL1 "hsah 1 " HEX64 "\nprimary 1\n",
	SEAL1 HASH1 "primar 1\n",
	SEAL1 HASH1 "primary 1\nnonsense\n",
	SEAL1 HASH1 "primary 1\nkey 2 " HEX64 "\n",
	/* The number is. */
	"seal 0 " HEX64 "\n" HASH1 "primary 0\n",
	"seal x " HEX64 "\n" HASH1 "primary 1\n",
	"seal " HEX64 "\n" HASH1 "primary 1\n",
	"seal 1x " HEX64 "\n" HASH1 "primary 1\n",
	"seal -4294967295 " HEX64 "\n" HASH1 "primary 1\n",
	"seal 4294967297 " HEX64 "\n" HASH1 "primary 1\n",
	"seal 2 " HEX64 "\n" HASH1 "primary 1\n",
	SEAL1 "hash 2 " HEX64 "\nprimary 1\n",
	SEAL1 HASH1 "primary 2\n",
	SEAL1 HASH1 "primary 0\n",
	SEAL1 HASH1 "primary\n",
	SEAL1 HASH1 "primary one\n",
	SEAL1 HASH1 "primary 1 1\n",
	SEAL1 HASH1 "primary 1x\n",
	/* The key is. */
	"seal 1\n" HASH1 "primary 1\n",
	"seal 1 " HEX62 "\n" HASH1 "primary 1\n",
	"seal 1 " HEX62 "0\n" HASH1 "primary 1\n",
	"seal 1 " HEX64 "0\n" HASH1 "primary 1\n",
	"seal 1 " HEX64 "00\n" HASH1 "primary 1\n",
	"seal 1 " HEX62 "0g\n" HASH1 "primary 1\n",
	"seal 1 " HEX62 " 00\n" HASH1 "primary 1\n",
	"seal 1 " HEX64 " \x01\n" HASH1 "primary 1\n",
	"seal 1 " HEX64 " more\n" HASH1 "primary 1\n",
	SEAL1 "hash 1 " HEX62 "\nprimary 1\n",
	SEAL1 "hash 1 " HEX62 "zz\nprimary 1\n",
	/* Something stands twice. */
	SEAL1 SEAL1 HASH1 "primary 1\n",
	SEAL1 HASH1 HASH1 "primary 1\n",
	SEAL1 HASH1 "primary 1\nprimary 1\n",
	SEAL1 "seal 2 " HEX64 "\n" HASH1 "primary 1\nprimary 2\n",
};

START_TEST(a_damaged_key_file_is_refused_with_a_sentence)
{
	const char *path = rig_path("other.key");

	write_file(path, bad_files[_i], 0400);
	why[0] = '\0';
	struct keyring *other = keyring_load(path, why);
	ck_assert_msg(other == NULL, "taken: %s", bad_files[_i]);
	ck_assert_ptr_nonnull(strstr(why, path));
	ck_assert_ptr_null(strstr(why, HEX16));
}
END_TEST

START_TEST(a_key_file_with_too_many_keys_is_refused)
{
	const char *path = rig_path("other.key"), *text = SEAL1 HASH1 "primary 1\n";

	for (int i = 2; i <= 15; i++)
		text = arena_printf(a, "%sseal %d " HEX64 "\n", text, i);
	write_file(path, text, 0400);
	struct keyring *other = keyring_load(path, why);
	ck_assert_msg(other != NULL, "%s", why);
	keyring_free(other);
	write_file(path, arena_printf(a, "%sseal 16 " HEX64 "\n", text), 0400);
	ck_assert_ptr_null(keyring_load(path, why));
}
END_TEST

/* Whoever changes such a file would lose what was not read of it. */
START_TEST(a_key_file_is_read_to_its_end_or_refused)
{
	const char *path = rig_path("other.key");
	const size_t longest = 8191, used = strlen(good_files[0]);
	char *text = arena_alloc(a, longest + 2);

	memset(text, '\n', longest + 1);
	memcpy(text, good_files[0], used);
	write_file(path, text, 0400);
	ck_assert_ptr_null(keyring_load(path, why));
	ck_assert_ptr_nonnull(strstr(why, "too long"));
	text[longest] = '\0';
	write_file(path, text, 0400);
	struct keyring *other = keyring_load(path, why);
	ck_assert_msg(other != NULL, "%s", why);
	keyring_free(other);

	write_file(path, good_files[0], 0600);
	FILE *out = fopen(path, "ab");
	ck_assert_ptr_nonnull(out);
	ck_assert_uint_eq(fwrite("\0" SEAL1, 1, sizeof("\0" SEAL1) - 1, out),
			  sizeof("\0" SEAL1) - 1);
	ck_assert_int_eq(fclose(out), 0);
	ck_assert_ptr_null(keyring_load(path, why));
	ck_assert_ptr_nonnull(strstr(why, "NUL byte"));
}
END_TEST

static const struct {
	mode_t mode;
	bool taken;
} modes[] = {
	{0400, true},  {0600, true},  {0440, false}, {0404, false}, {0640, false}, {0644, false},
	{0444, false}, {0620, false}, {0602, false}, {0610, false}, {0601, false}, {0666, false},
};

START_TEST(a_key_file_that_others_can_open_is_refused)
{
	const char *path = rig_path("other.key");

	write_file(path, good_files[0], modes[_i].mode);
	struct keyring *other = keyring_load(path, why);
	ck_assert_msg((other != NULL) == modes[_i].taken, "mode %o", modes[_i].mode);
	if (!modes[_i].taken)
		ck_assert_ptr_nonnull(strstr(why, "chmod 0600"));
	keyring_free(other);
}
END_TEST

START_TEST(a_key_file_that_is_missing_or_no_file_is_refused)
{
	ck_assert_ptr_null(keyring_load(rig_path("nothing.key"), why));
	ck_assert_ptr_nonnull(strstr(why, "nothing.key"));
	ck_assert_ptr_null(keyring_load(rig_dir(), why));
	ck_assert_ptr_nonnull(strstr(why, rig_dir()));
}
END_TEST

START_TEST(a_key_file_is_made_once_readable_by_its_owner_alone)
{
	const char *path = rig_path("fresh.key");
	struct stat st;

	(void)unlink(path);
	ck_assert_msg(keyring_create(path, why), "%s", why);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0400);
	struct keyring *one = keyring_load(path, why);
	ck_assert_msg(one != NULL, "%s", why);
	off_t size = st.st_size;
	ck_assert(!keyring_create(path, why));
	ck_assert_ptr_nonnull(strstr(why, path));
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_size, size);
	keyring_free(one);
	ck_assert(!keyring_create(rig_path("no/such/dir.key"), why));
}
END_TEST

START_TEST(a_key_file_may_lie_in_the_directory_of_the_process)
{
	int before = open(".", O_RDONLY | O_DIRECTORY);

	ck_assert_int_ge(before, 0);
	ck_assert_int_eq(chdir(rig_dir()), 0);
	(void)unlink("here.key");
	ck_assert_msg(keyring_create("here.key", why), "%s", why);
	ck_assert_msg(keyring_add("here.key", 2, why), "%s", why);
	ck_assert_int_eq(fchdir(before), 0);
	ck_assert_int_eq(close(before), 0);
	struct keyring *one = keyring_load(rig_path("here.key"), why);
	ck_assert_msg(one != NULL, "%s", why);
	keyring_free(one);
}
END_TEST

/* Check values */

static struct keyring *
other_ring(void)
{
	const char *path = rig_path("other-ring.key");

	(void)unlink(path);
	ck_assert(keyring_create(path, why));
	struct keyring *other = keyring_load(path, why);
	ck_assert_ptr_nonnull(other);
	return other;
}

START_TEST(a_key_file_matches_its_own_check_values_alone)
{
	struct keyring *other = other_ring();
	struct value value;
	const char *use;
	int64_t id;
	size_t n = 0;

	for (; keyring_check_value(ring, a, n, &id, &use, &value); n++) {
		ck_assert_int_eq(id, 1);
		ck_assert_str_eq(use, n == 0 ? "seal" : "hash");
		ck_assert(keyring_matches(ring, id, use, &value));
		ck_assert(!keyring_matches(other, id, use, &value));
		ck_assert(!keyring_matches(ring, 2, use, &value));
		ck_assert(!keyring_matches(ring, id, n == 0 ? "hash" : "seal", &value));
		ck_assert(!keyring_matches(ring, INT64_C(4294967297), use, &value));
	}
	ck_assert_uint_eq(n, 2);
	keyring_free(other);
}
END_TEST

START_TEST(a_damaged_check_value_does_not_match)
{
	struct value value;
	const char *use;
	int64_t id;

	for (size_t n = 0; keyring_check_value(ring, a, n, &id, &use, &value); n++) {
		for (size_t i = 0; i < value.len; i++) {
			char *bytes = arena_copy(a, value.text, value.len);
			struct value changed = value_blob(bytes, value.len);

			bytes[i] = (char)(bytes[i] ^ 1);
			ck_assert(!keyring_matches(ring, id, use, &changed));
		}
		for (size_t len = 0; len < value.len; len++) {
			struct value cut = exact(&value, len);

			ck_assert(!keyring_matches(ring, id, use, &cut));
			drop(&cut);
		}
		struct value text = value_text("regcred key check"), null = value_null();
		ck_assert(!keyring_matches(ring, id, use, &text));
		ck_assert(!keyring_matches(ring, id, use, &null));
	}
}
END_TEST

START_TEST(a_check_value_needs_memory)
{
	struct value value;
	const char *use;
	int64_t id;

	for (size_t n = 0; n < 2; n++) {
		arena_reset(a);
		arena_fail_at(a, 1);
		ck_assert(!keyring_check_value(ring, a, n, &id, &use, &value));
		arena_reset(a);
		arena_fail_at(a, 0);
		ck_assert(keyring_check_value(ring, a, n, &id, &use, &value));
		call_fails(CALL_CALLOC, 1, ENOMEM);
		bool matched = keyring_matches(ring, id, use, &value);
		/* A hash is compared without. */
		ck_assert(calls_go_on() == (n == 0) && matched == (n == 1));
		ck_assert(keyring_matches(ring, id, use, &value));
	}
}
END_TEST

START_TEST(another_ring_opens_nothing_and_verifies_nothing)
{
	struct keyring *other = other_ring();
	struct value sealed, hash;

	ck_assert(secret_seal(ring, a, &place, "the secret", &sealed));
	ck_assert_ptr_null(secret_open(other, a, &place, &sealed));
	ck_assert(secret_hash(ring, a, &place, "the secret", &hash));
	ck_assert(!secret_verify_key(other, &place, "the secret", &hash));
	keyring_free(other);
}
END_TEST

START_TEST(the_primary_key_seals_and_an_older_one_still_opens)
{
	const char *path = rig_path("two.key");
	const char *second = "seal 2 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
			     "ff\n";
	struct value old, new;

	write_file(path, SEAL1 HASH1 "primary 1\n", 0400);
	struct keyring *one = keyring_load(path, why);
	ck_assert_ptr_nonnull(one);
	ck_assert(secret_seal(one, a, &place, "old", &old));
	write_file(path, arena_printf(a, SEAL1 "%s" HASH1 "primary 2\n", second), 0400);
	struct keyring *two = keyring_load(path, why);
	ck_assert_msg(two != NULL, "%s", why);
	ck_assert(secret_seal(two, a, &place, "new", &new));
	ck_assert_int_eq(old.text[4], 1);
	ck_assert_int_eq(new.text[4], 2);
	ck_assert_str_eq(secret_open(two, a, &place, &old), "old");
	ck_assert_str_eq(secret_open(two, a, &place, &new), "new");
	/* The first one follows the file as soon as a value names a key that it does not have. */
	ck_assert_str_eq(secret_open(one, a, &place, &new), "new");
	keyring_free(one);
	keyring_free(two);
}
END_TEST

/* The format, as somebody else with the key might write it: version, key id, nonce, cipher text. */
static struct value
seal_by_hand(char version, const char *padded, size_t len)
{
#define UNBOUND "credential\n3f1c1d0e-6f0f-4b8d-9a53-2f5a1f6f0c11\n5\nsecretValue"
	const char *ad = version == 1 ? UNBOUND : UNBOUND "\nr.example.test";
#undef UNBOUND
	unsigned char *sealed = arena_alloc(a, SEALED_LEAST + len), key[32];
	unsigned long long sealed_len;

	ck_assert_int_eq(sodium_hex2bin(key, sizeof(key), HEX64, 64, NULL, NULL, NULL), 0);
	memcpy(sealed, "\0\0\0\0\1nonce of twenty-four byte", 5 + 24);
	sealed[0] = (unsigned char)version;
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
		sealed + 5 + 24, &sealed_len, (const unsigned char *)padded, len,
		(const unsigned char *)ad, strlen(ad), NULL, sealed + 5, key);
	return value_blob(sealed, 5 + 24 + (size_t)sealed_len);
}

START_TEST(what_was_sealed_without_its_padding_does_not_open)
{
	static const char block[] = "0123456789abcdef0123456789abcde\x80";
	const char *path = rig_path("other.key");
	char bytes[2 * PAD] = "";

	write_file(path, good_files[0], 0400);
	struct keyring *other = keyring_load(path, why);
	ck_assert_msg(other != NULL, "%s", why);
	struct value sealed = seal_by_hand(2, block, PAD);
	ck_assert_pstr_eq(secret_open(other, a, &place, &sealed),
			  "0123456789abcdef0123456789abcde");
	for (size_t len = 1; len <= PAD; len++) { /* no mark */
		sealed = seal_by_hand(2, bytes, len);
		ck_assert_ptr_null(secret_open(other, a, &place, &sealed));
	}
	for (size_t len = 1; len < PAD; len++) { /* no whole block */
		sealed = seal_by_hand(2, block + PAD - len, len);
		ck_assert_ptr_null(secret_open(other, a, &place, &sealed));
	}
	keyring_free(other);
}
END_TEST

START_TEST(what_an_older_version_sealed_opens_only_after_it_was_bound)
{
	static const char block[] = "0123456789abcdef0123456789abcde\x80";
	const char *path = rig_path("older.key");
	struct value bound;

	write_file(path, good_files[0], 0400);
	struct keyring *other = keyring_load(path, why);
	ck_assert_msg(other != NULL, "%s", why);
	const struct value sealed = seal_by_hand(1, block, PAD);
	ck_assert_ptr_null(secret_open(other, a, &place, &sealed));
	ck_assert_int_eq(secret_key_id(&sealed), 1);
	ck_assert(secret_is_unbound(&sealed, false));
	ck_assert(secret_bind(other, a, &place, false, &sealed, &bound));
	ck_assert(!secret_is_unbound(&bound, false));
	ck_assert_pstr_eq(secret_open(other, a, &place, &bound), "0123456789abcdef0123456789abcde");
	ck_assert(!secret_bind(other, a, &place, false, &bound, &bound));
	for (size_t i = 0; i < COUNT_OF(elsewhere); i++) {
		bool only_address = i >= COUNT_OF(elsewhere) - 5 && i < COUNT_OF(elsewhere) - 1;

		/* The older form knew no address; whatever it was bound to it still has to fit. */
		ck_assert_int_eq(secret_bind(other, a, &elsewhere[i], false, &sealed, &bound),
				 only_address);
	}
	struct value copy = exact(&sealed, sealed.len);
	bool failed = true;
	for (unsigned n = 1; failed; n++) {
		arena_reset(a);
		arena_fail_at(a, n);
		bool done = secret_bind(other, a, &place, false, &copy, &bound);
		failed = arena_failed(a);
		ck_assert_int_eq(done, !failed);
	}
	drop(&copy);
	keyring_free(other);
}
END_TEST

/* A ring that follows its file */

#define SEAL2 "seal 2 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\n"
#define SEAL1_OTHER "seal 1 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\n"
#define HASH2 "hash 2 " HEX64 "\n"
#define HASH1_OTHER "hash 1 ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\n"

/* clang-format off */
static const struct {
	const char *before, *after;
	mode_t mode;
	uint32_t primary; /* that is used then */
	size_t count;
} followed[] = {
	{ SEAL1 HASH1 "primary 1\n",       SEAL1 SEAL2 HASH1 "primary 1\n",       0400, 1, 2 },
	{ SEAL1 HASH1 "primary 1\n",       SEAL1 SEAL2 HASH1 "primary 2\n",       0400, 2, 2 },
	{ SEAL1 HASH1 "primary 1\n",       SEAL2 HASH1 "primary 2\n",             0600, 2, 1 },
	{ SEAL1 SEAL2 HASH1 "primary 2\n", SEAL2 HASH1 "primary 2\n",             0400, 2, 1 },
	/* back, other keys, no keys: nothing changes */
	{ SEAL1 SEAL2 HASH1 "primary 2\n", SEAL1 SEAL2 HASH1 "primary 1\n",       0400, 2, 2 },
	{ SEAL2 HASH1 "primary 2\n",       SEAL1 HASH1 "primary 1\n",             0400, 2, 1 },
	{ SEAL1 SEAL2 HASH1 "primary 1\n", SEAL1 HASH1 "primary 1\n",             0400, 1, 2 },
	{ SEAL1 HASH1 "primary 1\n",       SEAL1_OTHER HASH1 "primary 1\n",       0400, 1, 1 },
	{ SEAL1 HASH1 "primary 1\n",       SEAL1 SEAL2 HASH1_OTHER "primary 2\n", 0400, 1, 1 },
	{ SEAL1 HASH1 HASH2 "primary 1\n", SEAL1 SEAL2 HASH1 "primary 2\n",       0400, 1, 1 },
	{ SEAL1 HASH1 "primary 1\n",       SEAL1 SEAL2 HASH1 "primary 2\n",       0444, 1, 1 },
	{ SEAL1 HASH1 "primary 1\n",       SEAL1 SEAL2 "primary 2\n",             0400, 1, 1 },
	{ SEAL1 HASH1 "primary 1\n",       "",                                    0400, 1, 1 },
	{ SEAL1 HASH1 "primary 1\n",       NULL,                                  0400, 1, 1 },
};
/* clang-format on */

static uint32_t
primary_of(const struct keyring *of, size_t *count)
{
	struct sealing_key keys[KEYRING_MAX];
	uint32_t primary = 0;

	*count = keyring_sealing(of, keys);
	for (size_t i = 0; i < *count; i++)
		if (keys[i].primary)
			primary = keys[i].id;
	return primary;
}

START_TEST(a_ring_follows_its_file_forwards_alone)
{
	const char *path = rig_path("followed.key");
	struct value sealed;
	size_t count;

	write_file(path, followed[_i].before, 0400);
	struct keyring *one = keyring_load(path, why);
	ck_assert_msg(one != NULL, "%s", why);
	ck_assert(secret_seal(one, a, &place, "old", &sealed));
	if (followed[_i].after == NULL)
		ck_assert_int_eq(unlink(path), 0);
	else
		write_file(path, followed[_i].after, followed[_i].mode);
	log_set_level(LOG_ERROR);
	for (int i = 0; i < 3; i++)
		keyring_refresh(one);
	ck_assert_uint_eq(primary_of(one, &count), followed[_i].primary);
	ck_assert_uint_eq(count, followed[_i].count);
	/* A file that comes right is followed again. */
	write_file(path, SEAL1 SEAL2 HASH1 HASH2 "primary 2\n", 0400);
	keyring_refresh(one);
	ck_assert_uint_eq(primary_of(one, &count), 2);
	if (followed[_i].count == 2)
		ck_assert_str_eq(secret_open(one, a, &place, &sealed), "old");
	keyring_free(one);
}
END_TEST

/* What a file is known by: 0 is none of it. */
static struct stat
differing(const struct stat *st, int what)
{
	struct stat other = *st;

	other.st_dev += what == 1;
	other.st_ino += what == 2;
	other.st_size += what == 3;
	other.st_ctim.tv_sec += what == 4;
	other.st_ctim.tv_nsec ^= what == 5;
	return other;
}

START_TEST(a_file_that_differs_in_anything_it_is_known_by_is_read_again)
{
	const char *path = rig_path("known.key");
	struct stat st, other;
	size_t count;

	write_file(path, SEAL1 HASH1 "primary 1\n", 0400);
	struct keyring *one = keyring_load(path, why);
	ck_assert_msg(one != NULL, "%s", why);
	ck_assert_int_eq(stat(path, &st), 0);
	write_file(path, SEAL1 SEAL2 HASH1 "primary 2\n", 0400);
	other = differing(&st, _i);
	fault_answers.stat = &other;
	keyring_refresh(one);
	fault_answers.stat = NULL;
	ck_assert_uint_eq(primary_of(one, &count), _i == 0 ? 1 : 2);
	keyring_free(one);
}
END_TEST

static struct keyring *looked_at_meanwhile;

static void
another_thread_looks(void)
{
	keyring_refresh(looked_at_meanwhile);
	write_file(rig_path("looks.key"), SEAL1 SEAL2 HASH1 "primary 2\n", 0400);
}

/* Of threads that find that it is time to look, one does. */
START_TEST(a_file_is_looked_at_by_one_thread_at_a_time)
{
	const char *path = rig_path("looks.key");
	size_t count;

	write_file(path, SEAL1 HASH1 "primary 1\n", 0400);
	struct keyring *one = keyring_load(path, why);
	ck_assert_msg(one != NULL, "%s", why);
	looked_at_meanwhile = one;
	fault_answers.before_clock = another_thread_looks;
	ck_assert_uint_eq(primary_of(one, &count), 1);
	keyring_refresh(one);
	ck_assert_uint_eq(primary_of(one, &count), 2);
	keyring_free(one);
}
END_TEST

START_TEST(a_key_file_is_changed_step_by_step)
{
	const char *path = rig_path("changed.key");
	struct stat st;
	size_t count;

	(void)unlink(path);
	ck_assert(keyring_create(path, why));
	struct keyring *one = keyring_load(path, why);
	ck_assert_ptr_nonnull(one);
	ck_assert(!keyring_set_primary(path, 2, why));
	ck_assert(keyring_add(path, 2, why));
	ck_assert(!keyring_add(path, 2, why));
	keyring_refresh(one);
	ck_assert_uint_eq(primary_of(one, &count), 1);
	ck_assert_uint_eq(count, 2);
	ck_assert(!keyring_remove(path, 1, why));
	ck_assert(keyring_set_primary(path, 2, why));
	ck_assert(keyring_remove(path, 1, why));
	keyring_refresh(one);
	ck_assert_uint_eq(primary_of(one, &count), 2);
	ck_assert_uint_eq(count, 1);
	ck_assert_int_eq(stat(path, &st), 0);
	ck_assert_int_eq(st.st_mode & 07777, 0400);
	ck_assert_int_ne(access(rig_path("changed.key.new"), F_OK), 0);
	/* Up to what a file takes: KEYRING_MAX with the one for hashing. */
	for (uint32_t id = 3; id <= KEYRING_MAX; id++)
		ck_assert_msg(keyring_add(path, id, why), "%u: %s", id, why);
	ck_assert(!keyring_add(path, KEYRING_MAX + 1, why));
	ck_assert_ptr_nonnull(strstr(why, "room"));
	keyring_refresh(one);
	(void)primary_of(one, &count);
	ck_assert_uint_eq(count, KEYRING_MAX - 1);
	keyring_free(one);
}
END_TEST

/* Why a file cannot be changed; DIR stands for the directory of the test. */
static const struct {
	enum fault_call call;
	int error; /* 0: no call fails */
	const char *credentials, *realpath, *why;
} places[] = {
	{CALL_REALPATH, EACCES, NULL, NULL, "cannot be read"},
	{CALL_ACCESS, EROFS, NULL, NULL, "its file system is read-only"},
	{CALL_ACCESS, EACCES, NULL, NULL, "its directory is not writable"},
	{0, 0, "DIR", NULL, "a copy that systemd made"},
	{0, 0, "DIR/", NULL, "a copy that systemd made"},
	{0, 0, NULL, "/run/credentials/regcredd.service/master.key", "a copy that systemd made"},
	{0, 0, "/run/credentials", NULL, NULL},
	{0, 0, "DI", NULL, NULL}, /* a part of its name */
	{0, 0, "", NULL, NULL},
	{0, 0, NULL, NULL, NULL},
};

static const char *
in_full(const char *credentials)
{
	if (strncmp(credentials, "DIR", 3) == 0)
		return arena_printf(a, "%s%s", rig_dir(), credentials + 3);
	return strcmp(credentials, "DI") == 0 ? arena_copy(a, rig_dir(), strlen(rig_dir()) - 1)
					      : credentials;
}

START_TEST(a_file_that_cannot_be_replaced_is_refused)
{
	const char *path = rig_path("fixed.key");

	(void)unlink(path);
	ck_assert_msg(keyring_create(path, why), "%s", why);
	if (places[_i].credentials != NULL)
		ck_assert_int_eq(
			setenv("CREDENTIALS_DIRECTORY", in_full(places[_i].credentials), 1), 0);
	if (places[_i].error != 0)
		call_fails(places[_i].call, 1, places[_i].error);
	fault_answers.realpath = places[_i].realpath;
	bool is = keyring_is_changeable(path, why);
	fault_answers.realpath = NULL;
	ck_assert(calls_go_on() == (places[_i].error != 0));
	ck_assert_int_eq(unsetenv("CREDENTIALS_DIRECTORY"), 0);
	ck_assert_msg(is == (places[_i].why == NULL), "%s", why);
	if (!is)
		ck_assert_msg(strstr(why, places[_i].why) != NULL, "%s", why);
}
END_TEST

/* What is done with a file, and the file before and then; NULL: none.  The fresh key of an added
 * one is left out. */
/* clang-format off */
static const struct edit { bool (*act)(const char *path, uint32_t id, char why[SECRET_WHY_MAX]); uint32_t id; const char *before, *after; } edits[] = {
	{ NULL,                1, NULL,                            NULL },
	{ keyring_add,         3, SEAL1 SEAL2 HASH1 "primary 1\n", NULL },
	{ keyring_set_primary, 2, SEAL1 SEAL2 HASH1 "primary 1\n", SEAL1 SEAL2 HASH1 "primary 2\n" },
	{ keyring_remove,      2, SEAL1 SEAL2 HASH1 "primary 1\n", SEAL1 HASH1 "primary 1\n" },
};
/* clang-format on */

/* The sealing keys of a file, -1 if it is none. */
static int
keys_in(const char *path)
{
	struct keyring *one = keyring_load(path, why);
	size_t count = 0;

	if (one == NULL)
		return -1;
	(void)primary_of(one, &count);
	keyring_free(one);
	return (int)count;
}

static void
is_one_or_the_other(const struct edit *c, const char *path, bool done, const char *what)
{
	bool old =
		c->before == NULL ? access(path, F_OK) != 0 : strcmp(slurp(path), c->before) == 0;
	int keys = keys_in(path);
	bool new = c->after != NULL ? strstr(slurp(path), c->after) != NULL
				    : keys == (c->before == NULL ? 1 : 3);

	ck_assert_msg(new || (old && !done), "%s", what);
	ck_assert_int_ne(access(arena_printf(a, "%s.new", path), F_OK), 0);
}

/* Whatever fails, the file is the old one or the new one, there is no other, and the sentence says
 * which file it is about. */
START_TEST(a_change_that_fails_leaves_the_old_file_or_the_new)
{
	const struct edit *c = &edits[_i / CALL__COUNT];
	const enum fault_call call = (enum fault_call)(_i % CALL__COUNT);
	const char *path = rig_path("faulty.key");
	bool failed = true;

	for (unsigned k = 1; failed; k++) {
		const char *what =
			arena_printf(a, "edit %d, %s %u", _i / CALL__COUNT, call_name(call), k);

		(void)unlink(path);
		if (c->before != NULL)
			write_file(path, c->before, 0400);
		why[0] = '\0';
		call_fails(call, k, EIO);
		bool done = c->act != NULL ? c->act(path, c->id, why) : keyring_create(path, why);
		failed = calls_go_on();
		if (!done)
			ck_assert_msg(failed && strstr(why, path) != NULL, "%s: %s", what, why);
		is_one_or_the_other(c, path, done, what);
	}
}
END_TEST

START_TEST(a_write_that_was_cut_short_or_interrupted_goes_on)
{
	static const int errors[] = {0, EINTR};
	const char *path = rig_path("slow.key");

	for (size_t i = 0; i < COUNT_OF(errors); i++) {
		write_file(path, edits[2].before, 0400);
		call_fails(CALL_WRITE, 1, errors[i]);
		ck_assert_msg(keyring_set_primary(path, 2, why), "%s", why);
		ck_assert(calls_go_on());
		ck_assert_ptr_nonnull(strstr(slurp(path), edits[2].after));
	}
}
END_TEST

/* The owner stays, or it is not replaced: a service that runs as somebody else could not read it.
 */
START_TEST(a_file_that_cannot_keep_its_owner_stays)
{
	const char *path = rig_path("owned.key");

	write_file(path, edits[2].before, 0400);
	call_fails(CALL_FCHOWN, 1, EPERM);
	ck_assert_msg(keyring_set_primary(path, 2, why), "%s", why);
	ck_assert(calls_go_on());
	write_file(path, edits[2].before, 0400);
	call_fails(CALL_FCHOWN, 1, EPERM);
	fault_answers.somebody_else = true;
	ck_assert(!keyring_set_primary(path, 2, why));
	fault_answers.somebody_else = false;
	ck_assert(calls_go_on());
	ck_assert_str_eq(slurp(path), edits[2].before);
}
END_TEST

START_TEST(a_file_that_is_mounted_by_itself_is_not_replaced)
{
	const char *path = rig_path("mounted.key");

	write_file(path, edits[2].before, 0400);
	call_fails(CALL_RENAME, 1, EBUSY);
	ck_assert(!keyring_set_primary(path, 2, why));
	ck_assert(calls_go_on());
	ck_assert_ptr_nonnull(strstr(why, "mounted on its own"));
	ck_assert_str_eq(slurp(path), edits[2].before);
	ck_assert(!keyring_add(rig_path("nothing.key"), 2, why));
	ck_assert_ptr_nonnull(strstr(why, "nothing.key"));
}
END_TEST

static const enum fault_call loading[] = {CALL_OPEN, CALL_FSTAT, CALL_READ, CALL_CALLOC,
					  CALL_STRDUP};

START_TEST(a_file_that_cannot_be_read_gives_no_keys)
{
	const char *path = rig_key_file();
	bool failed = true;

	for (unsigned k = 1; failed; k++) {
		why[0] = '\0';
		call_fails(loading[_i], k, EIO);
		struct keyring *one = keyring_load(path, why);
		failed = calls_go_on();
		ck_assert((one == NULL) == failed);
		ck_assert((why[0] != '\0') == failed);
		keyring_free(one);
	}
}
END_TEST

START_TEST(what_a_sealed_value_begins_with_names_its_key)
{
	char prefix[SECRET_PREFIX];
	struct value sealed, text = value_text("seal");

	ck_assert(secret_seal(ring, a, &place, "x", &sealed));
	ck_assert_int_eq(secret_key_id(&sealed), 1);
	secret_seal_prefix(1, prefix);
	ck_assert_mem_eq(sealed.text, prefix, sizeof(prefix));
	secret_seal_prefix(0x01020304, prefix);
	sealed = value_blob(prefix, sizeof(prefix));
	ck_assert_int_eq(secret_key_id(&sealed), 0x01020304);
	sealed.len--;
	ck_assert_int_eq(secret_key_id(&sealed), 0);
	ck_assert_int_eq(secret_key_id(&text), 0);
}
END_TEST

/* Threads that seal and open while the file goes from key to key: for the thread sanitizer. */

enum { SEALERS = 4, STEPS = 12 };
static atomic_bool sealers_end;

static void *
seal_and_open(void *arg)
{
	const struct keyring *of = arg;
	struct arena *mine = arena_new(RIG_ARENA);
	size_t wrong = 0;

	while (!atomic_load(&sealers_end)) {
		struct value sealed;
		const char *text = NULL;

		arena_reset(mine);
		if (secret_seal(of, mine, &place, "kept", &sealed))
			text = secret_open(of, mine, &place, &sealed);
		wrong += text == NULL || strcmp(text, "kept") != 0;
	}
	arena_free(mine);
	return (void *)(uintptr_t)wrong;
}

START_TEST(threads_use_a_ring_while_its_file_changes)
{
	const char *path = rig_path("threads.key");
	pthread_t threads[SEALERS];
	size_t count;

	(void)unlink(path);
	ck_assert(keyring_create(path, why));
	struct keyring *one = keyring_load(path, why);
	ck_assert_ptr_nonnull(one);
	for (int i = 0; i < SEALERS; i++)
		ck_assert_int_eq(pthread_create(&threads[i], NULL, seal_and_open, one), 0);
	for (uint32_t id = 2; id <= STEPS; id++) {
		ck_assert_msg(keyring_add(path, id, why), "%s", why);
		keyring_refresh(one);
		ck_assert_msg(keyring_set_primary(path, id, why), "%s", why);
		keyring_refresh(one);
	}
	atomic_store(&sealers_end, true);
	for (int i = 0; i < SEALERS; i++) {
		void *wrong;

		ck_assert_int_eq(pthread_join(threads[i], &wrong), 0);
		ck_assert_ptr_null(wrong);
	}
	ck_assert_uint_eq(primary_of(one, &count), STEPS);
	ck_assert_uint_eq(count, STEPS);
	keyring_free(one);
}
END_TEST

/* Hashes */

START_TEST(only_the_right_secret_of_a_key_is_accepted)
{
	struct value hash, null = value_null(), text = value_text("secret");

	ck_assert(secret_hash(ring, a, &place, "secret", &hash));
	ck_assert_int_eq(hash.type, VALUE_BLOB);
	ck_assert_uint_eq(hash.len, 33);
	ck_assert(secret_verify_key(ring, &place, "secret", &hash));
	ck_assert(!secret_verify_key(ring, &place, "secrets", &hash));
	ck_assert(!secret_verify_key(ring, &place, "Secret", &hash));
	ck_assert(!secret_verify_key(ring, &place, "secret ", &hash));
	ck_assert(!secret_verify_key(ring, &place, "", &hash));
	ck_assert(!secret_verify_key(ring, &place, "secret", NULL));
	ck_assert(!secret_verify_key(ring, &place, "secret", &null));
	ck_assert(!secret_verify_key(ring, &place, "secret", &text));
	text = value_blob(NULL, hash.len);
	ck_assert(!secret_verify_key(ring, &place, "secret", &text));
	for (size_t i = 0; i < hash.len; i++) {
		char *bytes = arena_copy(a, hash.text, hash.len);
		struct value changed = value_blob(bytes, hash.len);

		bytes[i] = (char)(bytes[i] ^ 0x80);
		ck_assert(!secret_verify_key(ring, &place, "secret", &changed));
	}
	for (size_t len = 0; len < hash.len; len++) {
		struct value cut = exact(&hash, len);

		ck_assert(!secret_verify_key(ring, &place, "secret", &cut));
		drop(&cut);
	}
	arena_fail_at(a, 1);
	ck_assert(!secret_hash(ring, a, &place, "secret", &text));
}
END_TEST

START_TEST(a_hash_that_was_moved_lets_nobody_in)
{
	struct value hash;
	struct seal_place there = elsewhere[_i];

	ck_assert(secret_hash(ring, a, &place, "secret", &hash));
	there.address = place.address; /* keys have none */
	bool same = strcmp(there.table, place.table) == 0 && strcmp(there.uuid, place.uuid) == 0 &&
		    strcmp(there.field, place.field) == 0 && there.account_id == place.account_id;
	ck_assert_int_eq(secret_verify_key(ring, &there, "secret", &hash), same);
}
END_TEST

START_TEST(a_hash_of_an_older_version_lets_nobody_in_until_it_is_bound)
{
	const char *path = rig_path("hashes.key");
	unsigned char key[32], plain[32];
	struct value bound;

	write_file(path, good_files[0], 0400);
	struct keyring *other = keyring_load(path, why);
	ck_assert_msg(other != NULL, "%s", why);
	ck_assert_int_eq(sodium_hex2bin(key, sizeof(key), HEX64, 64, NULL, NULL, NULL), 0);
	(void)crypto_generichash(plain, sizeof(plain), (const unsigned char *)"secret", 6, key,
				 sizeof(key));
	const struct value hash = value_blob(plain, sizeof(plain));
	ck_assert(secret_is_unbound(&hash, true));
	ck_assert(!secret_verify_key(other, &place, "secret", &hash));
	ck_assert(secret_bind(other, a, &place, true, &hash, &bound));
	ck_assert(!secret_is_unbound(&bound, true));
	ck_assert(secret_verify_key(other, &place, "secret", &bound));
	ck_assert(!secret_verify_key(other, &place, "Secret", &bound));
	ck_assert(!secret_verify_key(other, &elsewhere[8], "secret", &bound));
	arena_fail_at(a, 1);
	ck_assert(!secret_bind(other, a, &place, true, &hash, &bound));
	keyring_free(other);
}
END_TEST

/* Random names */

static void
is_uuid(const char *text)
{
	ck_assert_uint_eq(strlen(text), 36);
	for (size_t c = 0; c < 36; c++)
		if (c == 8 || c == 13 || c == 18 || c == 23)
			ck_assert_int_eq(text[c], '-');
		else
			ck_assert(isdigit((unsigned char)text[c]) ||
				  (text[c] >= 'a' && text[c] <= 'f'));
	ck_assert_int_eq(text[14], '4');
	ck_assert_ptr_nonnull(strchr("89ab", text[19]));
}

START_TEST(a_uuid_is_random_and_that_of_a_row_begins_with_the_time)
{
	enum { EACH = 200 };
	char seen[2 * EACH][SECRET_UUID_SIZE];

	for (size_t i = 0; i < EACH; i++) {
		secret_uuid(seen[i]);
		is_uuid(seen[i]);
		secret_row_uuid(INT64_C(0x0123456789ab), seen[EACH + i]);
		is_uuid(seen[EACH + i]);
		ck_assert_int_eq(strncmp(seen[EACH + i], "01234567-89ab-4", 15), 0);
	}
	for (size_t i = 0; i < COUNT_OF(seen); i++)
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(seen[i], seen[j]);
}
END_TEST

static const struct {
	void (*make)(char *out);
	size_t len;
	const char *alphabet;
} names[] = {
	{secret_access_key, 20, "0123456789ABCDEF"},
	{secret_csrf_token, 10, "0123456789ABCDEF"},
	{secret_key, 40, "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789"},
};

/* All characters of the alphabet turn up, no other, and no name twice. */
START_TEST(a_random_name_has_its_length_and_alphabet)
{
	char seen[300][64];
	bool used[256] = {false};

	for (size_t i = 0; i < COUNT_OF(seen); i++) {
		names[_i].make(seen[i]);
		ck_assert_uint_eq(strlen(seen[i]), names[_i].len);
		ck_assert_uint_eq(strspn(seen[i], names[_i].alphabet), names[_i].len);
		for (const char *c = seen[i]; *c != '\0'; c++)
			used[(unsigned char)*c] = true;
		for (size_t j = 0; j < i; j++)
			ck_assert_str_ne(seen[i], seen[j]);
	}
	for (const char *c = names[_i].alphabet; *c != '\0'; c++)
		ck_assert_msg(used[(unsigned char)*c], "'%c' never comes", *c);
	ck_assert_ptr_null(strpbrk(names[2].alphabet, "O0lI+/="));
}
END_TEST

static const struct {
	const char *one, *two;
	bool equal;
} texts[] = {
	{"", "", true},
	{"a", "a", true},
	{"secret", "secret", true},
	{"", "a", false},
	{"a", "", false},
	{"a", "A", false},
	{"ab", "a", false},
	{"a", "ab", false},
	{"secret", "secreT", false},
	{"Xecret", "secret", false},
};

START_TEST(texts_are_compared_whole)
{
	ck_assert(secret_equal(texts[_i].one, texts[_i].two) == texts[_i].equal);
}
END_TEST

static Suite *
secret_suite(void)
{
	Suite *suite = suite_create("secret");
	TCase *tc = tcase_create("secret");

	tcase_add_unchecked_fixture(tc, rig_make, rig_remove);
	tcase_add_checked_fixture(tc, setup, teardown);
	tcase_add_test(tc, what_was_sealed_opens_again);
	tcase_add_test(tc, the_sealed_form_hides_text_and_length_within_a_block);
	tcase_add_test(tc, an_empty_text_is_sealed_and_seen_to_be_empty);
	tcase_add_test(tc, two_seals_of_one_text_differ);
	tcase_add_loop_test(tc, a_sealed_value_that_was_moved_does_not_open, 0,
			    COUNT_OF(elsewhere));
	tcase_add_loop_test(tc, a_hash_that_was_moved_lets_nobody_in, 0, COUNT_OF(elsewhere));
	tcase_add_test(tc, a_hash_of_an_older_version_lets_nobody_in_until_it_is_bound);
	tcase_add_test(tc, what_an_older_version_sealed_opens_only_after_it_was_bound);
	tcase_add_test(tc, a_sealed_value_with_any_byte_changed_does_not_open);
	tcase_add_test(tc, a_sealed_value_cut_at_any_length_does_not_open);
	tcase_add_test(tc, an_empty_value_does_not_open);
	tcase_add_test(tc, a_sealed_value_with_something_behind_it_does_not_open);
	tcase_add_test(tc, what_is_no_blob_does_not_open);
	tcase_add_test(tc, sealing_and_opening_without_memory_fail_cleanly);
	tcase_add_test(tc, without_libsodium_nothing_is_sealed);
	tcase_add_loop_test(tc, a_well_formed_key_file_is_read, 0, COUNT_OF(good_files));
	tcase_add_loop_test(tc, a_damaged_key_file_is_refused_with_a_sentence, 0,
			    COUNT_OF(bad_files));
	tcase_add_test(tc, a_key_file_with_too_many_keys_is_refused);
	tcase_add_test(tc, a_key_file_is_read_to_its_end_or_refused);
	tcase_add_loop_test(tc, a_key_file_that_others_can_open_is_refused, 0, COUNT_OF(modes));
	tcase_add_test(tc, a_key_file_that_is_missing_or_no_file_is_refused);
	tcase_add_test(tc, a_key_file_is_made_once_readable_by_its_owner_alone);
	tcase_add_test(tc, a_key_file_may_lie_in_the_directory_of_the_process);
	tcase_add_test(tc, a_key_file_matches_its_own_check_values_alone);
	tcase_add_test(tc, a_damaged_check_value_does_not_match);
	tcase_add_test(tc, a_check_value_needs_memory);
	tcase_add_test(tc, another_ring_opens_nothing_and_verifies_nothing);
	tcase_add_test(tc, the_primary_key_seals_and_an_older_one_still_opens);
	tcase_add_test(tc, what_was_sealed_without_its_padding_does_not_open);
	tcase_add_loop_test(tc, a_ring_follows_its_file_forwards_alone, 0, COUNT_OF(followed));
	tcase_add_loop_test(tc, a_file_that_differs_in_anything_it_is_known_by_is_read_again, 0, 6);
	tcase_add_test(tc, a_file_is_looked_at_by_one_thread_at_a_time);
	tcase_add_test(tc, a_key_file_is_changed_step_by_step);
	tcase_add_loop_test(tc, a_file_that_cannot_be_replaced_is_refused, 0, COUNT_OF(places));
	tcase_add_loop_test(tc, a_change_that_fails_leaves_the_old_file_or_the_new, 0,
			    (int)COUNT_OF(edits) * CALL__COUNT);
	tcase_add_test(tc, a_write_that_was_cut_short_or_interrupted_goes_on);
	tcase_add_test(tc, a_file_that_cannot_keep_its_owner_stays);
	tcase_add_test(tc, a_file_that_is_mounted_by_itself_is_not_replaced);
	tcase_add_loop_test(tc, a_file_that_cannot_be_read_gives_no_keys, 0, COUNT_OF(loading));
	tcase_add_test(tc, what_a_sealed_value_begins_with_names_its_key);
	tcase_add_test(tc, threads_use_a_ring_while_its_file_changes);
	tcase_add_test(tc, only_the_right_secret_of_a_key_is_accepted);
	tcase_add_test(tc, a_uuid_is_random_and_that_of_a_row_begins_with_the_time);
	tcase_add_loop_test(tc, a_random_name_has_its_length_and_alphabet, 0, COUNT_OF(names));
	tcase_add_loop_test(tc, texts_are_compared_whole, 0, COUNT_OF(texts));
	suite_add_tcase(suite, tc);
	return suite;
}

int
main(void)
{
	return run_suite(secret_suite());
}
