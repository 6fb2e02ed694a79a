/* limiter: a table of counts in shared memory.
 *
 * Eight entries make a bucket; a keyed hash says which bucket, and which entry in it is meant.  An
 * entry is one word, read and changed as a whole, so there is no lock that a dying process could
 * keep:
 *
 *   63        34 33        10 9       0
 *   [    tag    ][ beginning ][ count ]     count 0: free
 *
 * The tag is a part of the hash: that two addresses share bucket and tag is as good as impossible,
 * and since the key of the hash is random nobody can look for two that do.  The beginning is in
 * seconds, modulo 2^24; an entry that is exactly that old would count once more, for one window.
 */
#include "shared/limiter.h"

#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/network.h"

enum {
	WAYS = 8,
	BUCKETS = 4096, /* 32,768 entries, 256 KiB */
	COUNT_BITS = 10,
	TIME_BITS = 24,
	TAG_BITS = 64 - COUNT_BITS - TIME_BITS,
	COUNT_MASK = (1 << COUNT_BITS) - 1,
	TIME_MASK = (1 << TIME_BITS) - 1,
	IPV6_BYTES = 8, /* one customer has a whole /64 of IPv6 */
};
_Static_assert((int)LIMITER_FAILURES_MAX <= (int)COUNT_MASK, "a count fits its bits");
_Static_assert((int)LIMITER_WINDOW_MAX_S < (int)TIME_MASK, "a window fits its bits");

struct limiter {
	int fd; /* the number is the same in the master and its children */
	unsigned failures, window_s;
	unsigned char seed[crypto_shorthash_KEYBYTES];
	_Atomic uint64_t entries[BUCKETS][WAYS];
};

static uint64_t
hash(const struct limiter *l, const void *bytes, size_t len)
{
	uint64_t out;

	_Static_assert(sizeof(out) == crypto_shorthash_BYTES, "one word");
	(void)crypto_shorthash((unsigned char *)&out, bytes, len, l->seed);
	return out;
}

/* key NULL: the address alone. */
static uint64_t
limiter_hash_of(const struct limiter *l, const char *address, const char *key)
{
	struct network n;
	uint64_t parts[3] = {key != NULL, 0, 0};

	if (network_parse_address(address, &n))
		parts[1] = hash(l, n.bytes, n.size == 4 ? 4 : IPV6_BYTES);
	else
		parts[1] = hash(l, address, strlen(address));
	if (key != NULL)
		parts[2] = hash(l, key, strlen(key));
	return hash(l, parts, sizeof(parts));
}

static unsigned
count_of(uint64_t entry)
{
	return (unsigned)(entry & COUNT_MASK);
}

/* Seconds since the entry began; also right across the wrap. */
static unsigned
age_of(uint64_t entry, int64_t now_s)
{
	return (unsigned)((uint64_t)now_s - (entry >> COUNT_BITS)) & TIME_MASK;
}

static bool
is_fresh(const struct limiter *l, uint64_t entry, int64_t now_s)
{
	return count_of(entry) != 0 && age_of(entry, now_s) < l->window_s;
}

static uint64_t
tag_of(uint64_t h)
{
	return h >> (64 - TAG_BITS);
}

static bool
has_tag(uint64_t entry, uint64_t tag)
{
	return entry >> (64 - TAG_BITS) == tag;
}

static unsigned
wait_of(const struct limiter *l, uint64_t h, unsigned limit, int64_t now_s)
{
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t entry =
			atomic_load_explicit(&l->entries[h % BUCKETS][i], memory_order_relaxed);

		if (has_tag(entry, tag_of(h)) && is_fresh(l, entry, now_s))
			return count_of(entry) >= limit ? l->window_s - age_of(entry, now_s) : 0;
	}
	return 0;
}

/* The entry to count in: its own, else a free or old one, else the one with the smallest count, and
 * of those the oldest. */
static unsigned
limiter_choose(const struct limiter *l, const uint64_t *entries, uint64_t tag, int64_t now_s)
{
	unsigned best = 0;

	for (unsigned i = 0; i < WAYS; i++)
		if (has_tag(entries[i], tag) && is_fresh(l, entries[i], now_s))
			return i;
	for (unsigned i = 0; i < WAYS; i++) {
		if (!is_fresh(l, entries[i], now_s))
			return i;
		if (count_of(entries[i]) < count_of(entries[best]) ||
		    (count_of(entries[i]) == count_of(entries[best]) &&
		     age_of(entries[i], now_s) > age_of(entries[best], now_s)))
			best = i;
	}
	return best;
}

/* The new count. */
static unsigned
limiter_add(struct limiter *l, uint64_t h, int64_t now_s)
{
	_Atomic uint64_t *bucket = l->entries[h % BUCKETS];
	uint64_t entries[WAYS], next;
	unsigned at;

	do {
		for (unsigned i = 0; i < WAYS; i++)
			entries[i] = atomic_load_explicit(&bucket[i], memory_order_relaxed);
		at = limiter_choose(l, entries, tag_of(h), now_s);
		if (has_tag(entries[at], tag_of(h)) && is_fresh(l, entries[at], now_s))
			next = entries[at] + (count_of(entries[at]) < COUNT_MASK);
		else
			next = tag_of(h) << (64 - TAG_BITS) |
			       ((uint64_t)now_s & TIME_MASK) << COUNT_BITS | 1;
	} while (!atomic_compare_exchange_weak(&bucket[at], &entries[at], next));
	return count_of(next);
}

static unsigned
key_limit(const struct limiter *l)
{
	return (l->failures + 1) / 2;
}

/* Takes the descriptor, which is closed if this fails. */
static struct limiter *
limiter_map(int fd, unsigned failures, unsigned window_s)
{
	struct limiter *l = mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (l == MAP_FAILED) {
		(void)close(fd);
		return NULL;
	}
	l->fd = fd;
	l->failures = failures < LIMITER_FAILURES_MAX ? failures : LIMITER_FAILURES_MAX;
	l->window_s = window_s < LIMITER_WINDOW_MAX_S ? window_s : LIMITER_WINDOW_MAX_S;
	return l;
}

struct limiter *
limiter_new(unsigned failures, unsigned window_s)
{
	int fd = sodium_init() < 0 ? -1 : memfd_create("regcred-limiter", MFD_CLOEXEC);
	struct limiter *l;

	if (fd < 0)
		return NULL;
	if (ftruncate(fd, sizeof(*l)) != 0) {
		(void)close(fd);
		return NULL;
	}
	l = limiter_map(fd, failures, window_s);
	if (l != NULL)
		randombytes_buf(l->seed, sizeof(l->seed));
	return l;
}

struct limiter *
limiter_adopt(int fd, unsigned failures, unsigned window_s)
{
	struct stat found;

	if (sodium_init() < 0 || fstat(fd, &found) != 0 ||
	    found.st_size != (off_t)sizeof(struct limiter))
		return NULL;
	return limiter_map(fd, failures, window_s);
}

int
limiter_fd(const struct limiter *l)
{
	return l->fd;
}

void
limiter_free(struct limiter *l)
{
	if (l == NULL)
		return;
	(void)close(l->fd);
	(void)munmap(l, sizeof(*l));
}

unsigned
limiter_wait_s(const struct limiter *l, const char *address, const char *key, int64_t now_s)
{
	unsigned of_address = wait_of(l, limiter_hash_of(l, address, NULL), l->failures, now_s);
	unsigned of_key = wait_of(l, limiter_hash_of(l, address, key), key_limit(l), now_s);

	return of_address > of_key ? of_address : of_key;
}

bool
limiter_failed(struct limiter *l, const char *address, const char *key, int64_t now_s)
{
	unsigned of_address = limiter_add(l, limiter_hash_of(l, address, NULL), now_s);
	unsigned of_key = limiter_add(l, limiter_hash_of(l, address, key), now_s);

	return of_address == l->failures || of_key == key_limit(l);
}

unsigned
limiter_take(struct limiter *l, const char *who, int64_t now_s)
{
	uint64_t h = limiter_hash_of(l, who, NULL);
	unsigned wait_s = wait_of(l, h, l->failures, now_s);

	if (wait_s == 0)
		(void)limiter_add(l, h, now_s);
	return wait_s;
}

size_t
limiter_size(void)
{
	return sizeof(struct limiter);
}
