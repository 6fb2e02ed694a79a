/* secret: the key ring and what is done with it. */
#include "secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	KEYS_MAX = 16,
	FILE_MAX = 8192,
	SEAL_VERSION = 1,
	SEAL_HEAD = 1 + 4, /* version, key id (big-endian) */
	SEAL_OVERHEAD = SEAL_HEAD + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	PAD_BLOCK = 32,
	KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
	HASH_BYTES = crypto_generichash_BYTES,
};

static const char check_text[] = "regcred key check";

struct ring_key {
	uint32_t id;
	bool sealing; /* else for hashing */
	unsigned char bytes[KEY_BYTES];
};

struct keyring {
	struct ring_key keys[KEYS_MAX];
	size_t count;
	uint32_t primary; /* seals what is new */
};

bool
secret_init(void)
{
	return sodium_init() >= 0;
}

static const struct ring_key *
find_key(const struct keyring *ring, uint32_t id, bool sealing)
{
	for (size_t i = 0; i < ring->count; i++)
		if (ring->keys[i].id == id && ring->keys[i].sealing == sealing)
			return &ring->keys[i];
	return NULL;
}

/* The key file: one key in a line, `seal ID HEX` or `hash ID HEX`, and `primary ID`. */

static bool
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

static bool
sync_directory(const char *path)
{
	char directory[4096];
	const char *slash = strrchr(path, '/');

	(void)snprintf(directory, sizeof(directory), "%.*s",
		       slash == NULL ? 1 : (int)(slash - path + 1), slash == NULL ? "." : path);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool done = fsync(fd) == 0;
	(void)close(fd);
	return done;
}

bool
keyring_create(const char *path, char why[SECRET_WHY_MAX])
{
	unsigned char seal[KEY_BYTES], hash[KEY_BYTES];
	char seal_hex[2 * KEY_BYTES + 1], hash_hex[2 * KEY_BYTES + 1], text[1024];

	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);
	if (fd < 0) {
		(void)snprintf(why, SECRET_WHY_MAX, "cannot make the key file %s: %s", path,
			       strerror(errno));
		return false;
	}
	randombytes_buf(seal, sizeof(seal));
	randombytes_buf(hash, sizeof(hash));
	(void)sodium_bin2hex(seal_hex, sizeof(seal_hex), seal, sizeof(seal));
	(void)sodium_bin2hex(hash_hex, sizeof(hash_hex), hash, sizeof(hash));
	int len = snprintf(text, sizeof(text),
			   "# Master key of regcred.  Keep a copy in a safe place: without it no "
			   "stored secret can be read.\n"
			   "seal 1 %s\nhash 1 %s\nprimary 1\n",
			   seal_hex, hash_hex);
	bool done = write_all(fd, text, (size_t)len) && fsync(fd) == 0;
	done = close(fd) == 0 && done && sync_directory(path);
	if (!done) {
		(void)snprintf(why, SECRET_WHY_MAX, "cannot write the key file %s: %s", path,
			       strerror(errno));
		(void)unlink(path);
	}
	sodium_memzero(seal, sizeof(seal));
	sodium_memzero(hash, sizeof(hash));
	sodium_memzero(seal_hex, sizeof(seal_hex));
	sodium_memzero(hash_hex, sizeof(hash_hex));
	sodium_memzero(text, sizeof(text));
	return done;
}

/* "12": digits alone, not 0. */
static bool
parse_id(const char *text, uint32_t *id)
{
	enum { DIGITS_MAX = 9 };
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > DIGITS_MAX || text[len] != '\0' || text[0] == '0')
		return false;
	*id = (uint32_t)strtoul(text, NULL, 10);
	return true;
}

static bool
add_key(struct keyring *ring, bool sealing, uint32_t id, const char *hex)
{
	struct ring_key *key = &ring->keys[ring->count];
	size_t len = 0;

	if (ring->count == KEYS_MAX || find_key(ring, id, sealing) != NULL ||
	    strlen(hex) != (size_t)2 * KEY_BYTES ||
	    sodium_hex2bin(key->bytes, KEY_BYTES, hex, strlen(hex), NULL, &len, NULL) != 0 ||
	    len != KEY_BYTES)
		return false;
	key->id = id;
	key->sealing = sealing;
	ring->count++;
	return true;
}

/* One line; it is cut into its words. */
static bool
parse_line(struct keyring *ring, char *line)
{
	char *state = NULL;
	const char *use = strtok_r(line, " ", &state), *number = strtok_r(NULL, " ", &state);
	const char *hex = strtok_r(NULL, " ", &state);
	uint32_t id;

	if (use == NULL || use[0] == '#')
		return true;
	if (number == NULL || !parse_id(number, &id) || strtok_r(NULL, " ", &state) != NULL)
		return false;
	if (strcmp(use, "primary") == 0 && hex == NULL && ring->primary == 0) {
		ring->primary = id;
		return true;
	}
	bool sealing = strcmp(use, "seal") == 0;
	return hex != NULL && (sealing || strcmp(use, "hash") == 0) &&
	       add_key(ring, sealing, id, hex);
}

static bool
parse_file(struct keyring *ring, char *text)
{
	char *state = NULL;

	for (char *line = strtok_r(text, "\n", &state); line != NULL;
	     line = strtok_r(NULL, "\n", &state))
		if (!parse_line(ring, line))
			return false;
	return find_key(ring, ring->primary, true) != NULL && find_key(ring, 1, false) != NULL;
}

/* The file's bytes with a NUL behind them; the length, or -1 with the sentence in why. */
static ssize_t
read_file(const char *path, char *text, char why[SECRET_WHY_MAX])
{
	struct stat st;
	ssize_t len = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		(void)snprintf(why, SECRET_WHY_MAX, "cannot read the master key %s: %s", path,
			       strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		(void)snprintf(why, SECRET_WHY_MAX, "the master key %s is not a file", path);
	else if ((st.st_mode & 077) != 0)
		(void)snprintf(why, SECRET_WHY_MAX,
			       "others can read the master key %s: chmod 0400 %s", path, path);
	else if ((len = read(fd, text, FILE_MAX - 1)) < 0)
		(void)snprintf(why, SECRET_WHY_MAX, "cannot read the master key %s: %s", path,
			       strerror(errno));
	else
		text[len] = '\0';
	(void)close(fd);
	return len;
}

struct keyring *
keyring_load(const char *path, char why[SECRET_WHY_MAX])
{
	char text[FILE_MAX];
	struct keyring *ring = NULL;

	if (read_file(path, text, why) >= 0) {
		ring = calloc(1, sizeof(*ring));
		if (ring == NULL || !parse_file(ring, text)) {
			(void)snprintf(
				why, SECRET_WHY_MAX,
				"the master key %s is not a key file of regcred, or is damaged",
				path);
			keyring_free(ring);
			ring = NULL;
		}
	}
	sodium_memzero(text, sizeof(text));
	return ring;
}

void
keyring_free(struct keyring *ring)
{
	if (ring == NULL)
		return;
	sodium_memzero(ring, sizeof(*ring));
	free(ring);
}

/* Sealing */

static void
put_id(unsigned char *out, uint32_t id)
{
	for (unsigned i = 0; i < 4; i++)
		out[i] = (unsigned char)(id >> (24 - 8 * i));
}

static uint32_t
get_id(const unsigned char *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 |
	       (uint32_t)in[3];
}

/* Unambiguous: none of the parts can hold the separator. */
static char *
associated(struct arena *a, const struct seal_place *place)
{
	return arena_printf(a, "%s\n%s\n%lld\n%s", place->table, place->uuid,
			    (long long)place->account_id, place->field);
}

static bool
seal_with(const struct ring_key *key, struct arena *a, const char *ad, const char *text,
	  struct value *out)
{
	size_t len = strlen(text), padded = 0, room = len + PAD_BLOCK;
	unsigned char *plain = arena_alloc(a, room);
	unsigned char *sealed =
		arena_alloc(a, SEAL_OVERHEAD + room + crypto_aead_xchacha20poly1305_ietf_ABYTES);
	unsigned long long sealed_len = 0;

	if (plain == NULL || sealed == NULL || ad == NULL)
		return false;
	memcpy(plain, text, len);
	if (sodium_pad(&padded, plain, len, PAD_BLOCK, room) != 0)
		return false;
	sealed[0] = SEAL_VERSION;
	put_id(sealed + 1, key->id);
	randombytes_buf(sealed + SEAL_HEAD, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
		sealed + SEAL_OVERHEAD, &sealed_len, plain, padded, (const unsigned char *)ad,
		strlen(ad), NULL, sealed + SEAL_HEAD, key->bytes);
	*out = value_blob(sealed, SEAL_OVERHEAD + (size_t)sealed_len);
	return true;
}

static const char *
open_with(const struct keyring *ring, struct arena *a, const char *ad, const struct value *sealed)
{
	const unsigned char *bytes = (const unsigned char *)sealed->text;
	unsigned long long len = 0;
	size_t plain_len = 0;

	if (ad == NULL || sealed->type != VALUE_BLOB || bytes == NULL ||
	    sealed->len < (size_t)SEAL_OVERHEAD + crypto_aead_xchacha20poly1305_ietf_ABYTES ||
	    bytes[0] != SEAL_VERSION)
		return NULL;
	const struct ring_key *key = find_key(ring, get_id(bytes + 1), true);
	unsigned char *plain = arena_alloc(a, sealed->len);
	if (key == NULL || plain == NULL)
		return NULL;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    plain, &len, NULL, bytes + SEAL_OVERHEAD, sealed->len - SEAL_OVERHEAD,
		    (const unsigned char *)ad, strlen(ad), bytes + SEAL_HEAD, key->bytes) != 0 ||
	    sodium_unpad(&plain_len, plain, (size_t)len, PAD_BLOCK) != 0)
		return NULL;
	plain[plain_len] = '\0';
	return (const char *)plain;
}

bool
secret_seal(const struct keyring *ring, struct arena *a, const struct seal_place *place,
	    const char *text, struct value *out)
{
	return seal_with(find_key(ring, ring->primary, true), a, associated(a, place), text, out);
}

const char *
secret_open(const struct keyring *ring, struct arena *a, const struct seal_place *place,
	    const struct value *sealed)
{
	return open_with(ring, a, associated(a, place), sealed);
}

/* Hashing */

static void
hash_with(const struct ring_key *key, const char *text, unsigned char out[HASH_BYTES])
{
	(void)crypto_generichash(out, HASH_BYTES, (const unsigned char *)text, strlen(text),
				 key->bytes, KEY_BYTES);
}

bool
secret_hash(const struct keyring *ring, struct arena *a, const char *secret, struct value *out)
{
	unsigned char *hash = arena_alloc(a, HASH_BYTES);

	if (hash == NULL)
		return false;
	hash_with(find_key(ring, 1, false), secret, hash);
	*out = value_blob(hash, HASH_BYTES);
	return true;
}

bool
secret_verify_key(const struct keyring *ring, const char *secret, const struct value *stored)
{
	static const unsigned char nothing[HASH_BYTES];
	unsigned char hash[HASH_BYTES];
	bool there = stored != NULL && stored->type == VALUE_BLOB && stored->len == HASH_BYTES &&
		     stored->text != NULL;

	hash_with(find_key(ring, 1, false), secret, hash);
	bool equal = sodium_memcmp(hash, there ? (const void *)stored->text : (const void *)nothing,
				   HASH_BYTES) == 0;
	sodium_memzero(hash, sizeof(hash));
	return there && equal;
}

/* Key checks */

bool
keyring_check_value(const struct keyring *ring, struct arena *a, size_t i, int64_t *key_id,
		    const char **use, struct value *value)
{
	if (i >= ring->count)
		return false;
	const struct ring_key *key = &ring->keys[i];
	*key_id = key->id;
	*use = key->sealing ? "seal" : "hash";
	if (key->sealing)
		return seal_with(key, a, check_text, check_text, value);
	unsigned char *hash = arena_alloc(a, HASH_BYTES);
	if (hash == NULL)
		return false;
	hash_with(key, check_text, hash);
	*value = value_blob(hash, HASH_BYTES);
	return true;
}

bool
keyring_matches(const struct keyring *ring, int64_t key_id, const char *use,
		const struct value *value)
{
	bool sealing = strcmp(use, "seal") == 0, matches = false;
	const struct ring_key *key = find_key(ring, (uint32_t)key_id, sealing);
	unsigned char hash[HASH_BYTES];
	struct arena *a;

	if (key == NULL || key->id != key_id || value->type != VALUE_BLOB)
		return false;
	if (sealing) {
		a = arena_new(4096);
		matches = a != NULL && value->len > SEAL_HEAD &&
			  get_id((const unsigned char *)value->text + 1) == key->id &&
			  open_with(ring, a, check_text, value) != NULL;
		if (a != NULL)
			arena_free(a);
		return matches;
	}
	hash_with(key, check_text, hash);
	return value->len == HASH_BYTES && sodium_memcmp(hash, value->text, HASH_BYTES) == 0;
}

/* Random names */

static void
random_hex_upper(char *out, size_t digits)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < digits; i++)
		out[i] = hex[randombytes_uniform(16)];
	out[digits] = '\0';
}

void
secret_uuid(char out[SECRET_UUID_SIZE])
{
	unsigned char b[16];

	randombytes_buf(b, sizeof(b));
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* variant of RFC 4122 */
	(void)snprintf(out, SECRET_UUID_SIZE,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		       b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		       b[13], b[14], b[15]);
}

void
secret_access_key(char out[SECRET_ACCESS_KEY_SIZE])
{
	random_hex_upper(out, SECRET_ACCESS_KEY_SIZE - 1);
}

void
secret_csrf_token(char out[SECRET_CSRF_SIZE])
{
	random_hex_upper(out, SECRET_CSRF_SIZE - 1);
}

void
secret_key(char out[SECRET_KEY_SIZE])
{
	static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";

	for (size_t i = 0; i < SECRET_KEY_SIZE - 1; i++)
		out[i] = alphabet[randombytes_uniform(sizeof(alphabet) - 1)];
	out[SECRET_KEY_SIZE - 1] = '\0';
}

bool
secret_equal(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && sodium_memcmp(a, b, len) == 0;
}
