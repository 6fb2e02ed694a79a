/* limiter: a table of counts in shared memory.
 *
 * Eight entries make a bucket; a keyed hash selects the bucket and the entry in it. An entry is one
 * atomic word, so there is no lock that a dying process could hold:
 *
 *   63        36 35     14 13       0
 *   [    tag    ][  end  ][  count  ]     count 0: free
 *
 * The tag is part of the hash: two names with the same bucket and tag are practically impossible,
 * and nobody can search for them because the hash key is random. The end of the window is in
 * seconds, modulo 2^22: an entry untouched for seven weeks would count once more.
 */
#include "shared/limiter.h"

#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>

#include "base/network.h"

enum {
	WAYS = 8,
	BUCKETS = 4096, /* 32,768 entries, 256 KiB */
	COUNT_BITS = 14,
	TIME_BITS = 22,
	TAG_BITS = 64 - COUNT_BITS - TIME_BITS,
	COUNT_MASK = (1 << COUNT_BITS) - 1,
	TIME_MASK = (1 << TIME_BITS) - 1,
	IPV6_BYTES = 8, /* a customer usually has a whole /64 of IPv6 */
};
_Static_assert((int)LIMITER_MOST <= (int)COUNT_MASK, "a count fits its bits");
_Static_assert((int)LIMITER_WINDOW_MAX_S < (int)TIME_MASK / 2, "a window fits its bits");

struct limiter {
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

/* key NULL: the address as a whole. */
static uint64_t
limiter_hash_of(const struct limit *limit, const char *address, const char *key)
{
	const struct limiter *l = limit->table;
	struct network n;
	uint64_t parts[3] = {(uint64_t)limit->kind << 1 | (key != NULL), 0, 0};

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

/* Seconds until the entry's window ends, 0 if it has ended; handles wrap-around. */
static unsigned
left_of(uint64_t entry, int64_t now_s)
{
	unsigned left = (unsigned)((entry >> COUNT_BITS) - (uint64_t)now_s) & TIME_MASK;

	return count_of(entry) == 0 || left > LIMITER_WINDOW_MAX_S ? 0 : left;
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
wait_of(const struct limit *limit, uint64_t h, unsigned most, int64_t now_s)
{
	for (unsigned i = 0; i < WAYS; i++) {
		uint64_t entry = atomic_load_explicit(&limit->table->entries[h % BUCKETS][i],
						      memory_order_relaxed);
		unsigned left = left_of(entry, now_s);

		if (has_tag(entry, tag_of(h)) && left > 0 && left <= limit->window_s)
			return count_of(entry) >= most ? left : 0;
	}
	return 0;
}

/* The entry to count in: the matching one, else a free or expired one, else the one with the
 * smallest count, and of those the one that ends first. */
static unsigned
limiter_choose(const uint64_t *entries, uint64_t tag, int64_t now_s)
{
	unsigned best = 0;

	for (unsigned i = 0; i < WAYS; i++)
		if (has_tag(entries[i], tag))
			return i;
	for (unsigned i = 0; i < WAYS; i++) {
		if (left_of(entries[i], now_s) == 0)
			return i;
		if (count_of(entries[i]) < count_of(entries[best]) ||
		    (count_of(entries[i]) == count_of(entries[best]) &&
		     left_of(entries[i], now_s) < left_of(entries[best], now_s)))
			best = i;
	}
	return best;
}

/* The new count. */
static unsigned
limiter_add(const struct limit *limit, uint64_t h, unsigned count, int64_t now_s)
{
	_Atomic uint64_t *bucket = limit->table->entries[h % BUCKETS];
	uint64_t entries[WAYS], next;
	unsigned at;

	do {
		for (unsigned i = 0; i < WAYS; i++)
			entries[i] = atomic_load_explicit(&bucket[i], memory_order_relaxed);
		at = limiter_choose(entries, tag_of(h), now_s);
		unsigned left = left_of(entries[at], now_s);

		if (has_tag(entries[at], tag_of(h)) && left > 0 && left <= limit->window_s)
			next = entries[at] + (count < COUNT_MASK - count_of(entries[at])
						      ? count
						      : COUNT_MASK - count_of(entries[at]));
		else
			next = tag_of(h) << (64 - TAG_BITS) |
			       ((uint64_t)(now_s + limit->window_s) & TIME_MASK) << COUNT_BITS |
			       (count < COUNT_MASK ? count : COUNT_MASK);
	} while (!atomic_compare_exchange_weak(&bucket[at], &entries[at], next));
	return count_of(next);
}

static bool
has_limit(const struct limit *limit)
{
	return limit->table != NULL && limit->most > 0;
}

static unsigned
key_limit(const struct limit *limit)
{
	return (limit->most + 1) / 2;
}

struct limiter *
limiter_new(void)
{
	struct limiter *l = sodium_init() < 0 ? MAP_FAILED
					      : mmap(NULL, sizeof(*l), PROT_READ | PROT_WRITE,
						     MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (l == MAP_FAILED)
		return NULL;
	randombytes_buf(l->seed, sizeof(l->seed));
	return l;
}

void
limiter_free(struct limiter *l)
{
	if (l != NULL)
		(void)munmap(l, sizeof(*l));
}

unsigned
limiter_wait_s(const struct limit *limit, const char *address, const char *key, int64_t now_s)
{
	unsigned of_address, of_key;

	if (!has_limit(limit))
		return 0;
	of_address = wait_of(limit, limiter_hash_of(limit, address, NULL), limit->most, now_s);
	of_key = wait_of(limit, limiter_hash_of(limit, address, key), key_limit(limit), now_s);
	return of_address > of_key ? of_address : of_key;
}

bool
limiter_failed(const struct limit *limit, const char *address, const char *key, int64_t now_s)
{
	unsigned of_address, of_key;

	if (!has_limit(limit))
		return false;
	of_address = limiter_add(limit, limiter_hash_of(limit, address, NULL), 1, now_s);
	of_key = limiter_add(limit, limiter_hash_of(limit, address, key), 1, now_s);
	return of_address == limit->most || of_key == key_limit(limit);
}

static unsigned
limiter_take_many(const struct limit *limit, const char *who, unsigned count, int64_t now_s)
{
	uint64_t h = limiter_hash_of(limit, who, NULL);
	unsigned wait_s = wait_of(limit, h, limit->most, now_s);

	if (wait_s == 0 && count > 0)
		(void)limiter_add(limit, h, count, now_s);
	return wait_s;
}

unsigned
limiter_take(const struct limit *limit, const char *who, int64_t now_s)
{
	return has_limit(limit) ? limiter_take_many(limit, who, 1, now_s) : 0;
}

unsigned
limiter_take_part(const struct limit *limit, const char *who, uint64_t part, uint64_t whole,
		  int64_t now_s)
{
	uint64_t chance;

	if (!has_limit(limit))
		return 0;
	if (whole == 0 || part >= whole)
		return limiter_take_many(limit, who, limit->most, now_s);
	randombytes_buf(&chance, sizeof(chance));
	uint64_t count = part * limit->most / whole;
	if (chance % whole < part * limit->most % whole)
		count++;
	return limiter_take_many(limit, who, (unsigned)count, now_s);
}
