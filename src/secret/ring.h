/* ring: the inside of a key ring; for use within secret/ only. */
#ifndef REGCRED_SECRET_RING_H
#define REGCRED_SECRET_RING_H

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#include "secret/keyring.h"

enum {
	KEYS_MAX = KEYRING_MAX,
	KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
};

struct ring_key {
	uint32_t id;
	bool sealing; /* false: for hashing */
	unsigned char bytes[KEY_BYTES];
};

/* The content of a key file. */
struct keys {
	struct ring_key keys[KEYS_MAX];
	size_t count;
	uint32_t primary; /* seals new values */
};

/* Identifies a version of the file: it is replaced, never written in place. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

/* The keys in use, and the file they come from. */
struct live {
	char *path;
	pthread_rwlock_t lock; /* guards keys: held while they are used, which takes microseconds */
	struct keys keys;
	atomic_llong next_look_ms; /* no thread checks the file before that, unless it must */
	pthread_mutex_t look; /* guards the members below: one thread at a time checks the file */
	struct stamp stamp;
	bool bad; /* the file was unusable at the last check, which was logged */
};

/* A pointer, so that code with a const ring can still make it check its file. */
struct keyring {
	struct live *live;
};

/* The keys, locked for reading; checks the file if the last check is older than a second. Reading
 * the clock costs no system call. */
const struct keys *keyring_use_keys(const struct keyring *ring);

void keyring_keys_used(const struct keyring *ring);

extern const char key_check_text[];

const struct ring_key *keys_find(const struct keys *keys, uint32_t id, bool sealing);

struct stamp keys_stamp(const struct stat *st);

/* False with a sentence in why, and nothing in *keys. */
bool keys_read(const char *path, struct keys *keys, struct stamp *stamp, char why[SECRET_WHY_MAX]);

#endif
