/* seal: seals, opens and hashes values with the keys of a ring. */
#include "secret/seal.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "secret/ring.h"

enum {
	SEAL_UNBOUND = 1, /* bound to its row, but not to the address of its registry */
	SEAL_VERSION = 2,
	SEAL_HEAD = SECRET_PREFIX, /* version, key id (big-endian) */
	SEAL_OVERHEAD = SEAL_HEAD + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	PAD_BLOCK = 32,
	HASH_BYTES = crypto_generichash_BYTES,
	HASH_VERSION = 2, /* first byte of a stored hash; unbound ones have none */
	HASH_STORED = 1 + HASH_BYTES,
};

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

struct seal_place
seal_place_of(const struct record *row)
{
	return seal_place_in(row, type_sealed_field(row->type));
}

struct seal_place
seal_place_in(const struct record *row, const struct field *field)
{
	return (struct seal_place){.table = row->type->family->table,
				   .uuid = record_text(row, COL_UUID),
				   .field = field != NULL ? field->name : "",
				   .account_id = row->columns[row->type->family->owner].number,
				   .address = record_text(row, COL_SERVER_ADDRESS)};
}

/* Unambiguous: only the last part can contain the separator. */
static char *
associated(struct arena *a, const struct seal_place *place, unsigned char version)
{
	const char *address = place->address != NULL ? place->address : "";
	bool bound = version == SEAL_VERSION;

	return arena_printf(a, "%s\n%s\n%lld\n%s%s%s", place->table, place->uuid,
			    (long long)place->account_id, place->field, bound ? "\n" : "",
			    bound ? address : "");
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

	if (plain == NULL || sealed == NULL) /* also NULL if ad could not be allocated */
		return false;
	memcpy(plain, text, len);
	if (len > 0 && sodium_pad(&padded, plain, len, PAD_BLOCK, room) != 0)
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

/* With the key that the value names: id is its secret_key_id(), not 0. */
static const char *
seal_open_with(const struct keys *keys, int64_t id, struct arena *a, const char *ad,
	       const struct value *sealed)
{
	const unsigned char *bytes = (const unsigned char *)sealed->text;
	unsigned long long len = 0;
	size_t plain_len = 0;

	if (ad == NULL ||
	    sealed->len < (size_t)SEAL_OVERHEAD + crypto_aead_xchacha20poly1305_ietf_ABYTES)
		return NULL;
	const struct ring_key *key = keys_find(keys, (uint32_t)id, true);
	unsigned char *plain = arena_alloc(a, sealed->len);
	if (key == NULL || plain == NULL)
		return NULL;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    plain, &len, NULL, bytes + SEAL_OVERHEAD, sealed->len - SEAL_OVERHEAD,
		    (const unsigned char *)ad, strlen(ad), bytes + SEAL_HEAD, key->bytes) != 0 ||
	    (len > 0 && sodium_unpad(&plain_len, plain, (size_t)len, PAD_BLOCK) != 0))
		return NULL;
	plain[plain_len] = '\0';
	return (const char *)plain;
}

bool
secret_is_empty(const struct value *sealed)
{
	return sealed->type == VALUE_NULL ||
	       sealed->len <= (size_t)SEAL_OVERHEAD + crypto_aead_xchacha20poly1305_ietf_ABYTES;
}

bool
secret_seal(const struct keyring *ring, struct arena *a, const struct seal_place *place,
	    const char *text, struct value *out)
{
	const char *ad = associated(a, place, SEAL_VERSION);
	const struct keys *keys = keyring_use_keys(ring);
	bool done = seal_with(keys_find(keys, keys->primary, true), a, ad, text, out);

	keyring_keys_used(ring);
	return done;
}

static bool
has_key(const struct keyring *ring, int64_t id)
{
	const struct keys *keys = keyring_use_keys(ring);
	bool has = keys_find(keys, (uint32_t)id, true) != NULL;

	keyring_keys_used(ring);
	return has;
}

static bool
is_sealed_as(const struct value *sealed, unsigned char version)
{
	return sealed->type == VALUE_BLOB && sealed->text != NULL && sealed->len >= SEAL_HEAD &&
	       (unsigned char)sealed->text[0] == version;
}

static const char *
open_as(const struct keyring *ring, struct arena *a, unsigned char version,
	const struct seal_place *place, const struct value *sealed)
{
	const char *ad = associated(a, place, version);
	int64_t id = secret_key_id(sealed);

	if (id == 0 || !is_sealed_as(sealed, version))
		return NULL;
	if (!has_key(ring, id))
		keyring_refresh(ring); /* another process may have just created the key */
	const char *text = seal_open_with(keyring_use_keys(ring), id, a, ad, sealed);
	keyring_keys_used(ring);
	return text;
}

const char *
secret_open(const struct keyring *ring, struct arena *a, const struct seal_place *place,
	    const struct value *sealed)
{
	return open_as(ring, a, SEAL_VERSION, place, sealed);
}

int64_t
secret_key_id(const struct value *sealed)
{
	return is_sealed_as(sealed, SEAL_VERSION) || is_sealed_as(sealed, SEAL_UNBOUND)
		       ? get_id((const unsigned char *)sealed->text + 1)
		       : 0;
}

void
secret_seal_prefix(uint32_t id, char out[SECRET_PREFIX])
{
	unsigned char bytes[SEAL_HEAD] = {SEAL_VERSION};

	put_id(bytes + 1, id);
	memcpy(out, bytes, SEAL_HEAD);
}

static void
hash_with(const struct ring_key *key, const char *text, unsigned char out[HASH_BYTES])
{
	(void)crypto_generichash(out, HASH_BYTES, (const unsigned char *)text, strlen(text),
				 key->bytes, KEY_BYTES);
}

static void
key_for(const struct keyring *ring, const char *purpose, unsigned char out[KEY_BYTES])
{
	/* Distinct from stored hashes, so that a text chosen by a caller cannot produce a key. */
	static const unsigned char personal[crypto_generichash_blake2b_PERSONALBYTES] =
		"regcred purpose";

	(void)crypto_generichash_blake2b_salt_personal(
		out, KEY_BYTES, (const unsigned char *)purpose, strlen(purpose),
		keys_find(keyring_use_keys(ring), 1, false)->bytes, KEY_BYTES, NULL, personal);
	keyring_keys_used(ring);
}

/* Binds an unbound hash to its place.  Without an arena: signing in must not fail for want of
 * memory. */
static void
hash_bind(const struct keyring *ring, const struct seal_place *place,
	  const unsigned char unbound[HASH_BYTES], unsigned char out[HASH_STORED])
{
	char account[24];
	const char *parts[] = {place->table, place->uuid, account, place->field};
	unsigned char key[KEY_BYTES];
	crypto_generichash_state state;

	(void)snprintf(account, sizeof(account), "%lld", (long long)place->account_id);
	key_for(ring, "bound hash", key);
	(void)crypto_generichash_init(&state, key, sizeof(key), HASH_BYTES);
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++)
		(void)crypto_generichash_update(&state, (const unsigned char *)parts[i],
						strlen(parts[i]) + 1);
	(void)crypto_generichash_update(&state, unbound, HASH_BYTES);
	out[0] = HASH_VERSION;
	(void)crypto_generichash_final(&state, out + 1, HASH_BYTES);
	sodium_memzero(key, sizeof(key));
	sodium_memzero(&state, sizeof(state));
}

static void
hash_at(const struct keyring *ring, const struct seal_place *place, const char *secret,
	unsigned char out[HASH_STORED])
{
	unsigned char unbound[HASH_BYTES];

	hash_with(keys_find(keyring_use_keys(ring), 1, false), secret, unbound);
	keyring_keys_used(ring);
	hash_bind(ring, place, unbound, out);
	sodium_memzero(unbound, sizeof(unbound));
}

bool
secret_hash(const struct keyring *ring, struct arena *a, const struct seal_place *place,
	    const char *secret, struct value *out)
{
	unsigned char *hash = arena_alloc(a, HASH_STORED);

	if (hash == NULL)
		return false;
	hash_at(ring, place, secret, hash);
	*out = value_blob(hash, HASH_STORED);
	return true;
}

bool
secret_verify_key(const struct keyring *ring, const struct seal_place *place, const char *secret,
		  const struct value *stored)
{
	static const unsigned char nothing[HASH_STORED];
	unsigned char hash[HASH_STORED];
	bool there = stored != NULL && stored->type == VALUE_BLOB && stored->len == HASH_STORED &&
		     stored->text != NULL;

	hash_at(ring, place, secret, hash);
	bool equal = sodium_memcmp(hash, there ? (const void *)stored->text : (const void *)nothing,
				   HASH_STORED) == 0;
	sodium_memzero(hash, sizeof(hash));
	return there && equal;
}

bool
secret_is_unbound(const struct value *stored, bool hashed)
{
	return hashed ? stored->type == VALUE_BLOB && stored->len == HASH_BYTES
		      : is_sealed_as(stored, SEAL_UNBOUND);
}

bool
secret_bind(const struct keyring *ring, struct arena *a, const struct seal_place *place,
	    bool hashed, const struct value *from, struct value *to)
{
	if (!hashed) {
		const char *text = open_as(ring, a, SEAL_UNBOUND, place, from);

		return text != NULL && secret_seal(ring, a, place, text, to);
	}
	unsigned char *hash = arena_alloc(a, HASH_STORED);
	if (hash == NULL)
		return false;
	hash_bind(ring, place, (const unsigned char *)from->text, hash);
	*to = value_blob(hash, HASH_STORED);
	return true;
}

void
secret_mac(const struct keyring *ring, const char *purpose, const void *bytes, size_t len,
	   unsigned char out[SECRET_MAC_SIZE])
{
	unsigned char key[KEY_BYTES];

	key_for(ring, purpose, key);
	(void)crypto_generichash(out, SECRET_MAC_SIZE, bytes, len, key, sizeof(key));
	sodium_memzero(key, sizeof(key));
}

static bool
check_value(const struct ring_key *key, struct arena *a, struct value *value)
{
	if (key->sealing)
		return seal_with(key, a, key_check_text, key_check_text, value);
	unsigned char *hash = arena_alloc(a, HASH_BYTES);
	if (hash == NULL)
		return false;
	hash_with(key, key_check_text, hash);
	*value = value_blob(hash, HASH_BYTES);
	return true;
}

bool
keyring_check_value(const struct keyring *ring, struct arena *a, size_t i, int64_t *key_id,
		    const char **use, struct value *value)
{
	const struct keys *keys = keyring_use_keys(ring);
	bool done = i < keys->count;

	if (done) {
		*key_id = keys->keys[i].id;
		*use = keys->keys[i].sealing ? "seal" : "hash";
		done = check_value(&keys->keys[i], a, value);
	}
	keyring_keys_used(ring);
	return done;
}

static bool
matches(const struct keys *keys, int64_t key_id, bool sealing, const struct value *value)
{
	const struct ring_key *key = keys_find(keys, (uint32_t)key_id, sealing);
	unsigned char hash[HASH_BYTES];

	if (key == NULL || key->id != key_id || value->type != VALUE_BLOB)
		return false;
	if (sealing) {
		struct arena *a = arena_new(4096);
		bool opens = a != NULL && secret_key_id(value) == key_id &&
			     seal_open_with(keys, key_id, a, key_check_text, value) != NULL;

		arena_free(a);
		return opens;
	}
	hash_with(key, key_check_text, hash);
	return value->len == HASH_BYTES && sodium_memcmp(hash, value->text, HASH_BYTES) == 0;
}

bool
keyring_matches(const struct keyring *ring, int64_t key_id, const char *use,
		const struct value *value)
{
	bool right = matches(keyring_use_keys(ring), key_id, strcmp(use, "seal") == 0, value);

	keyring_keys_used(ring);
	return right;
}
