/* seal: seals, opens and hashes values with the keys of a ring. */
#ifndef REGCRED_SECRET_SEAL_H
#define REGCRED_SECRET_SEAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "model/schema.h"
#include "secret/keyring.h"
#include "secret/ring.h"

/* What a sealed value is bound to. */
struct seal_place {
	const char *table, *uuid, *field;
	int64_t account_id;
};

enum { SECRET_MAC_SIZE = 32 };

/* The check value of a key that the database keeps: proves at start that the key file is the right
 * one.  `use` is "seal" or "hash".  i counts from 0; false behind the last key. */
bool keyring_check_value(const struct keyring *ring, struct arena *a, size_t i, int64_t *key_id,
			 const char **use, struct value *value);

/* True if the ring has that key and it makes (or opens) that check value. */
bool keyring_matches(const struct keyring *ring, int64_t key_id, const char *use,
		     const struct value *value);

/* Whether nothing is sealed, or an empty text: that is not padded, so that it shows. */
bool secret_is_empty(const struct value *sealed);

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

/* A keyed hash of bytes, for a purpose: each has a key of its own, made from the hashing key, which
 * no rotation replaces. */
void secret_mac(const struct keyring *ring, const char *purpose, const void *bytes, size_t len,
		unsigned char out[SECRET_MAC_SIZE]);

#endif
