/* secret: loads the key ring and follows its file. */
#include "secret/keyring.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "base/log.h"
#include "secret/ring.h"

bool
secret_init(void)
{
	return sodium_init() >= 0;
}

/* The key file has one key per line, `seal ID HEX` or `hash ID HEX`, and `primary ID`. */

/* Prefer waiting writers: busy readers would block them for ever. */
static void
init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t kind;

	(void)pthread_rwlockattr_init(&kind);
#ifdef __GLIBC__
	(void)pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
	(void)pthread_rwlock_init(lock, &kind);
	(void)pthread_rwlockattr_destroy(&kind);
}

struct keyring *
keyring_load(const char *path, char why[SECRET_WHY_MAX])
{
	struct keys keys;
	struct stamp stamp;

	if (!keys_read(path, &keys, &stamp, why))
		return NULL;
	struct keyring *ring = calloc(1, sizeof(*ring));
	/* Between guard pages, in memory that is neither swapped nor dumped, where the limit allows
	 * that. It is at the end of a page, and so aligned as its size is. */
	struct live *live = sodium_malloc(sizeof(*live));
	char *copy = strdup(path);
	if (ring == NULL || live == NULL || copy == NULL) {
		(void)snprintf(why, SECRET_WHY_MAX, "out of memory");
		free(ring);
		sodium_free(live);
		free(copy);
		ring = NULL;
	} else {
		*live = (struct live){.path = copy, .keys = keys, .stamp = stamp};
		atomic_init(&live->next_look_ms, 0);
		init_lock(&live->lock);
		(void)pthread_mutex_init(&live->look, NULL);
		ring->live = live;
	}
	sodium_memzero(&keys, sizeof(keys));
	return ring;
}

void
keyring_free(struct keyring *ring)
{
	if (ring == NULL)
		return;
	struct live *live = ring->live;
	(void)pthread_rwlock_destroy(&live->lock);
	(void)pthread_mutex_destroy(&live->look);
	free(live->path);
	sodium_free(live); /* which wipes it */
	free(ring);
}

/* Following the file */

static bool
same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Whether a rotation can lead from old to new: no key has changed, hashing keys stay, and the
 * primary never goes back.  Any other file would make stored secrets unreadable. */
static bool
follows(const struct keys *old, const struct keys *new)
{
	for (size_t i = 0; i < old->count; i++) {
		const struct ring_key *key = &old->keys[i];
		const struct ring_key *now = keys_find(new, key->id, key->sealing);

		if (now == NULL ? !key->sealing || key->id >= new->primary
				: sodium_memcmp(now->bytes, key->bytes, KEY_BYTES) != 0)
			return false;
	}
	return new->primary >= old->primary;
}

/* Called with `look` held.  False with a sentence in why: the old keys stay in use. */
static bool
read_again(struct live *live, char why[SECRET_WHY_MAX])
{
	struct keys keys;
	struct stat st;
	bool there = stat(live->path, &st) == 0;
	struct stamp stamp = there ? keys_stamp(&st) : (struct stamp){0};

	if (there && same_stamp(&stamp, &live->stamp))
		return true;
	live->stamp = stamp;
	/* Only this function writes live->keys, so it may read them without the lock. */
	bool good = keys_read(live->path, &keys, &live->stamp, why);
	if (good && !follows(&live->keys, &keys)) {
		(void)snprintf(why, SECRET_WHY_MAX,
			       "the master key %s was replaced by an older or a different one",
			       live->path);
		good = false;
	}
	if (good) {
		(void)pthread_rwlock_wrlock(&live->lock);
		live->keys = keys;
		(void)pthread_rwlock_unlock(&live->lock);
		log_info("the master key %s has changed: key %u seals", live->path, keys.primary);
	} else if (!live->bad) {
		log_error("%s; the keys that were read earlier stay in use", why);
	}
	if (!good)
		live->stamp = (struct stamp){0}; /* the problem may be temporary */
	live->bad = !good;
	sodium_memzero(&keys, sizeof(keys));
	return good;
}

static long long
monotonic_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int
keyring_look_ms(void)
{
	const char *told = getenv("REGCRED_KEYRING_LOOK_MS");
	int ms = told != NULL ? atoi(told) : 0;

	return ms > 0 && ms < 1000 ? ms : 1000;
}

bool
keyring_follow(const struct keyring *ring, char why[SECRET_WHY_MAX])
{
	struct live *live = ring->live;

	(void)pthread_mutex_lock(&live->look);
	atomic_store(&live->next_look_ms, monotonic_ms() + keyring_look_ms());
	bool good = read_again(live, why);
	(void)pthread_mutex_unlock(&live->look);
	return good;
}

void
keyring_refresh(const struct keyring *ring)
{
	char why[SECRET_WHY_MAX];

	if (!keyring_follow(ring, why))
		return; /* logged */
}

const struct keys *
keyring_use_keys(const struct keyring *ring)
{
	struct live *live = ring->live;
	long long next = atomic_load(&live->next_look_ms), now = monotonic_ms();

	if (now >= next &&
	    atomic_compare_exchange_strong(&live->next_look_ms, &next, now + keyring_look_ms()))
		keyring_refresh(ring);
	(void)pthread_rwlock_rdlock(&live->lock);
	return &live->keys;
}

void
keyring_keys_used(const struct keyring *ring)
{
	(void)pthread_rwlock_unlock(&ring->live->lock);
}

size_t
keyring_sealing(const struct keyring *ring, struct sealing_key out[KEYRING_MAX])
{
	const struct keys *keys = keyring_use_keys(ring);
	size_t count = 0;

	for (size_t i = 0; i < keys->count; i++)
		if (keys->keys[i].sealing)
			out[count++] = (struct sealing_key){keys->keys[i].id,
							    keys->keys[i].id == keys->primary};
	keyring_keys_used(ring);
	return count;
}
