/* secret: sealing, opening and hashing with libsodium: the only file that sees plain text and key
 * together.
 *
 * A secret is sealed with XChaCha20-Poly1305 under a random nonce; the stored form is version, key
 * id, nonce, cipher text; the plain text is padded to 32 bytes first.  The associated data binds it
 * to table, row (by its uuid), account and field, so that a sealed value that was moved does not
 * open.
 */
#ifndef REGCRED_SECRET_H
#define REGCRED_SECRET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/schema.h"

enum {
	SECRET_WHY_MAX = 4096,
	SECRET_UUID_SIZE = 37,	     /* with the NUL */
	SECRET_ACCESS_KEY_SIZE = 21, /* 20 upper-case hexadecimal digits */
	SECRET_KEY_SIZE = 41,	     /* 40 characters without O, 0, I, l, +, /, = : 234 bits */
	SECRET_CSRF_SIZE = 11,	     /* 10 upper-case hexadecimal digits */
	SECRET_PREFIX = 5,	     /* bytes of a sealed value that name its version and key */
	KEYRING_MAX = 16,	     /* keys in a file */
	KEYRING_LOOK_MS = 1000,	     /* least time between two looks at the file */
	KEYRING_PATH_MAX = 4096,
};

/* The keys of a file, which it follows: while it is used it looks at the file once a second, and at
 * once when a sealed value names a key that it does not know.  A file that cannot be used, or that
 * no rotation leads to, is logged once and changes nothing.  Shared by threads. */
struct keyring;

/* Once per program; false if libsodium does not start. */
bool secret_init(void);

/* Makes a key file of mode 0400 with fresh keys, flushed to the disk; false with a sentence in why,
 * also if there is one. */
bool keyring_create(const char *path, char why[SECRET_WHY_MAX]) __attribute__((warn_unused_result));
/* Reads a key file.  NULL with a sentence in why: not there, readable by others, not well-formed.
 * The keys are wiped by _free. */
struct keyring *keyring_load(const char *path, char why[SECRET_WHY_MAX]);
void keyring_free(struct keyring *ring);
/* Looks at the file now. */
void keyring_refresh(const struct keyring *ring);

/* The keys that seal, in the order of the file; their number. */
struct sealing_key {
	uint32_t id;
	bool primary; /* seals what is new */
};
size_t keyring_sealing(const struct keyring *ring, struct sealing_key out[KEYRING_MAX]);

/* The lock of whoever changes a key file, to be closed; -1 with a sentence in why: somebody else
 * has it, or the file cannot be replaced where it lies. */
int keyring_lock(const char *path, char why[SECRET_WHY_MAX]);
/* Change the file, under that lock: a new one of mode 0400 and the same owner takes its place, and
 * is on the disk.  Add a fresh key that seals nothing yet; let a key of the file seal; remove one
 * that does not.  False with a sentence in why. */
bool keyring_add(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));
bool keyring_set_primary(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));
bool keyring_remove(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
	__attribute__((warn_unused_result));

/* The check value of a key that the database keeps: proves at start that the key file is the right
 * one.  `use` is "seal" or "hash".  i counts from 0; false behind the last key. */
bool keyring_check_value(const struct keyring *ring, struct arena *a, size_t i, int64_t *key_id,
			 const char **use, struct value *value);
/* True if the ring has that key and it makes (or opens) that check value. */
bool keyring_matches(const struct keyring *ring, int64_t key_id, const char *use,
		     const struct value *value);

/* What a sealed value is bound to. */
struct seal_place {
	const char *table, *uuid, *field;
	int64_t account_id;
};
/* False only without memory. */
bool secret_seal(const struct keyring *ring, struct arena *a, const struct seal_place *place,
		 const char *text, struct value *out) __attribute__((warn_unused_result));
/* The plain text, NUL-terminated, in the arena; NULL if it does not open: wrong key, moved or
 * damaged value, no memory. */
const char *secret_open(const struct keyring *ring, struct arena *a, const struct seal_place *place,
			const struct value *sealed);

/* The id of the key that a sealed value names; 0 if it is none. */
int64_t secret_key_id(const struct value *sealed);
/* What every value begins with that was sealed with that key. */
void secret_seal_prefix(uint32_t id, char out[SECRET_PREFIX]);

/* A keyed hash: worth nothing without the key file.  Not a slow hash: API keys are random, and a
 * slow one would be a lever to stall the service. */
bool secret_hash(const struct keyring *ring, struct arena *a, const char *secret, struct value *out)
	__attribute__((warn_unused_result));
/* In constant time; costs the same when stored is NULL (an unknown key), and is false then. */
bool secret_verify_key(const struct keyring *ring, const char *secret, const struct value *stored);

enum { SECRET_MAC_SIZE = 32 };
/* A keyed hash of bytes, for a purpose: each has a key of its own, made from the hashing key, which
 * no rotation replaces. */
void secret_mac(const struct keyring *ring, const char *purpose, const void *bytes, size_t len,
		unsigned char out[SECRET_MAC_SIZE]);

/* A UUID of version 4, as clients know it.  That of a row begins with the time, in milliseconds,
 * and so stands at the end of an index, where random ones cost each row a page of its own; 74 bits
 * of it are random. */
void secret_uuid(char out[SECRET_UUID_SIZE]);
void secret_row_uuid(int64_t now_ms, char out[SECRET_UUID_SIZE]);
void secret_access_key(char out[SECRET_ACCESS_KEY_SIZE]);
void secret_key(char out[SECRET_KEY_SIZE]);
void secret_csrf_token(char out[SECRET_CSRF_SIZE]);
/* Whether two texts are equal, in a time that depends on their lengths alone. */
bool secret_equal(const char *a, const char *b);

#endif
