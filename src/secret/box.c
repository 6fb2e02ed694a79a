/* box: crypto_secretbox with a key made from a text. */
#include "secret/box.h"

#include <sodium.h>
#include <string.h>

enum { VARIANT = sodium_base64_VARIANT_ORIGINAL };

static bool
box_key(const char *key, const char *purpose, unsigned char out[crypto_secretbox_KEYBYTES])
{
	crypto_generichash_state state;

	if (sodium_init() < 0 ||
	    crypto_generichash_init(&state, NULL, 0, crypto_secretbox_KEYBYTES) != 0)
		return false;
	/* With its NUL each, so that no two pairs are one text. */
	(void)crypto_generichash_update(&state, (const unsigned char *)purpose,
					strlen(purpose) + 1);
	(void)crypto_generichash_update(&state, (const unsigned char *)key, strlen(key) + 1);
	(void)crypto_generichash_final(&state, out, crypto_secretbox_KEYBYTES);
	sodium_memzero(&state, sizeof(state));
	return true;
}

const char *
box_seal(struct arena *a, const char *key, const char *purpose, const char *text)
{
	unsigned char own[crypto_secretbox_KEYBYTES];
	size_t len = strlen(text),
	       all = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES + len;
	size_t room = sodium_base64_encoded_len(all, VARIANT);
	unsigned char *bytes = arena_alloc(a, all);
	char *out = arena_alloc(a, room);

	if (bytes == NULL || out == NULL || !box_key(key, purpose, own))
		return NULL;
	randombytes_buf(bytes, crypto_secretbox_NONCEBYTES);
	(void)crypto_secretbox_easy(bytes + crypto_secretbox_NONCEBYTES,
				    (const unsigned char *)text, len, bytes, own);
	sodium_memzero(own, sizeof(own));
	return sodium_bin2base64(out, room, bytes, all, VARIANT);
}

const char *
box_open(struct arena *a, const char *key, const char *purpose, const char *sealed)
{
	enum { OVERHEAD = crypto_secretbox_NONCEBYTES + crypto_secretbox_MACBYTES };
	unsigned char own[crypto_secretbox_KEYBYTES];
	size_t room = strlen(sealed) + 1, len = 0;
	unsigned char *bytes = arena_alloc(a, room);
	char *text = arena_alloc(a, room);

	if (bytes == NULL || text == NULL || !box_key(key, purpose, own))
		return NULL;
	bool right = sodium_base642bin(bytes, room, sealed, strlen(sealed), "\n", &len, NULL,
				       VARIANT) == 0 &&
		     len >= OVERHEAD &&
		     crypto_secretbox_open_easy((unsigned char *)text,
						bytes + crypto_secretbox_NONCEBYTES,
						len - crypto_secretbox_NONCEBYTES, bytes, own) == 0;
	sodium_memzero(own, sizeof(own));
	return right ? text : NULL;
}

const char *
box_name(struct arena *a, const char *key, const char *text)
{
	enum { NAME_BYTES = 16 };
	unsigned char own[crypto_secretbox_KEYBYTES], hash[NAME_BYTES];
	char *out = arena_alloc(a, 2 * sizeof(hash) + 1);

	if (out == NULL || !box_key(key, "name", own))
		return NULL;
	(void)crypto_generichash(hash, sizeof(hash), (const unsigned char *)text, strlen(text), own,
				 sizeof(own));
	sodium_memzero(own, sizeof(own));
	return sodium_bin2hex(out, 2 * sizeof(hash) + 1, hash, sizeof(hash));
}
