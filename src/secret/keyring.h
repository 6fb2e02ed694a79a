/* secret: the keys for sealing, opening and hashing with libsodium.
 *
 * A secret is sealed with XChaCha20-Poly1305 under a random nonce; the stored form is version, key
 * id, nonce, cipher text; the plain text is padded to 32 bytes first.  The associated data binds it
 * to table, row (by its uuid), account and field, so that a sealed value does not open anywhere
 * else.
 */
#ifndef REGCRED_SECRET_KEYRING_H
#define REGCRED_SECRET_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SECRET_WHY_MAX = 4096,
	SECRET_UUID_SIZE = 37,	     /* with the NUL */
	SECRET_ACCESS_KEY_SIZE = 21, /* 20 upper-case hexadecimal digits */
	SECRET_KEY_SIZE = 41,	     /* 40 characters without O, 0, I, l, +, /, = : 234 bits */
	SECRET_CSRF_SIZE = 11,	     /* 10 upper-case hexadecimal digits */
	SECRET_PREFIX = 5,	     /* bytes of a sealed value that name its version and key */
	KEYRING_MAX = 16,	     /* keys in a file */
};

/* The keys of a file, and its changes: while in use it checks the file once a second, and at once
 * when a sealed value names an unknown key. A file that is unusable, or that no rotation can lead
 * to, is logged once and ignored. Shared by threads. */
struct keyring;

/* Once per program; false if libsodium does not start. */
bool secret_init(void);

/* Reads a key file.  NULL with a sentence in why: missing, readable by others, malformed.
 * keyring_free() wipes the keys. */
struct keyring *keyring_load(const char *path, char why[SECRET_WHY_MAX]);
void keyring_free(struct keyring *ring);
/* The shortest time between two checks of the file: a second. Tests set REGCRED_KEYRING_LOOK_MS. */
int keyring_look_ms(void);
/* Checks the file now. False with a sentence in why: it is unusable, and the old keys stay. */
bool keyring_follow(const struct keyring *ring, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));
/* The same for callers that continue with the old keys on failure. */
void keyring_refresh(const struct keyring *ring);

/* The keys that seal, in the order of the file; returns their number. */
struct sealing_key {
	uint32_t id;
	bool primary; /* seals new values */
};
size_t keyring_sealing(const struct keyring *ring, struct sealing_key out[KEYRING_MAX]);

#endif
