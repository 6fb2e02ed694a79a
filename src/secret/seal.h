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

/* The place that a stored secret is bound to: copied to another row, or with another address, it
 * neither opens nor lets anybody in. */
struct seal_place {
	const char *table, *uuid, *field;
	int64_t account_id;
	const char *address; /* of the registry that a login is for; NULL: none */
};
/* The place of the row's secret. For a login, COL_SERVER_ADDRESS of the record has to hold the
 * address of its registry, which is not a column of its own. */
struct seal_place seal_place_of(const struct record *row);
/* The same of another sealed field of the row. */
struct seal_place seal_place_in(const struct record *row, const struct field *field);

enum { SECRET_MAC_SIZE = 32 };

/* The check value of a key, stored in the database: proves at start that the key file is the right
 * one. `use` is "seal" or "hash". i counts from 0; false after the last key. */
bool keyring_check_value(const struct keyring *ring, struct arena *a, size_t i, int64_t *key_id,
			 const char **use, struct value *value);

/* True if the ring has that key and the check value was made with it. */
bool keyring_matches(const struct keyring *ring, int64_t key_id, const char *use,
		     const struct value *value);

/* Whether nothing is sealed, or an empty text, which is recognisable because it is not padded. */
bool secret_is_empty(const struct value *sealed);

/* False only if out of memory. */
bool secret_seal(const struct keyring *ring, struct arena *a, const struct seal_place *place,
		 const char *text, struct value *out) __attribute__((warn_unused_result));

/* The plain text, NUL-terminated, in the arena; NULL if it does not open: wrong key, moved or
 * damaged value, no memory. */
const char *secret_open(const struct keyring *ring, struct arena *a, const struct seal_place *place,
			const struct value *sealed);

/* The id of the key that a sealed value names; 0 if it is not a sealed value. */
int64_t secret_key_id(const struct value *sealed);

/* The prefix of every value sealed with that key. */
void secret_seal_prefix(uint32_t id, char out[SECRET_PREFIX]);

/* A keyed hash, useless without the key file. It need not be slow, because API keys are random, and
 * a slow hash would make it easy to overload the service. */
bool secret_hash(const struct keyring *ring, struct arena *a, const struct seal_place *place,
		 const char *secret, struct value *out) __attribute__((warn_unused_result));

/* In constant time. If stored is NULL (an unknown key) it takes the same time and returns false. */
bool secret_verify_key(const struct keyring *ring, const struct seal_place *place,
		       const char *secret, const struct value *stored);

/* Values of before they were bound like this, which only secret_bind() accepts. */
bool secret_is_unbound(const struct value *stored, bool hashed);
/* Binds such a value to its place. False: it does not open, or no memory. */
bool secret_bind(const struct keyring *ring, struct arena *a, const struct seal_place *place,
		 bool hashed, const struct value *from, struct value *to)
	__attribute__((warn_unused_result));

/* A keyed hash of bytes for one purpose: each purpose has its own key, derived from the hashing
 * key, which rotation does not replace. */
void secret_mac(const struct keyring *ring, const char *purpose, const void *bytes, size_t len,
		unsigned char out[SECRET_MAC_SIZE]);

#endif
