/* arena: bump allocation from a list of chunks.
 *
 * New chunks are zeroed and a reset wipes all allocations, so unused bytes are always zero and an
 * allocation need not clear anything.
 */
#include "base/arena.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { CHUNK_SIZE = 64 * 1024, KEEP_SIZE = 512 * 1024, ALIGN = _Alignof(max_align_t) };

struct chunk {
	struct chunk *next;
	size_t size;
	size_t used;
	_Alignas(max_align_t) char bytes[];
};

struct arena {
	struct chunk *first;   /* kept over resets */
	struct chunk *current; /* serves small allocations */
	size_t limit;
	size_t used;
	size_t peak;	 /* maximum used or reserved */
	size_t reserved; /* of the current chunk */
	unsigned fail_at;
	bool failed;
};

static struct chunk *
chunk_new(size_t size)
{
	struct chunk *c;

	if (size < CHUNK_SIZE)
		size = CHUNK_SIZE;
	if (size > SIZE_MAX - sizeof(*c))
		return NULL;
	/* Allocated with mmap and returned to the system: the C library would keep the memory of
	 * one large answer. */
	if (size > CHUNK_SIZE)
		c = mmap(NULL, sizeof(*c) + size, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	else
		c = calloc(1, sizeof(*c) + size);
	if (c == NULL || c == MAP_FAILED)
		return NULL;
	c->size = size;
	return c;
}

static void
chunk_free(struct chunk *c)
{
	if (c->size > CHUNK_SIZE)
		(void)munmap(c, sizeof(*c) + c->size);
	else
		free(c);
}

static void
chunk_wipe(struct chunk *c)
{
	sodium_memzero(c->bytes, c->used);
	c->used = 0;
}

struct arena *
arena_new(size_t limit)
{
	struct arena *a = calloc(1, sizeof(*a));

	if (a == NULL)
		return NULL;
	a->limit = limit;
	a->first = chunk_new(CHUNK_SIZE);
	a->current = a->first;
	if (a->first == NULL) {
		free(a);
		return NULL;
	}
	return a;
}

/* Wipes all chunks and keeps one that is large enough for the same request again, unless that is
 * very large: a thread that keeps answering similar requests allocates nothing. */
static void
keep_one(struct arena *a)
{
	struct chunk *kept = a->first, *larger = NULL;

	if (a->used > a->peak)
		a->peak = a->used;
	if (kept->next != NULL && a->peak <= KEEP_SIZE)
		larger = chunk_new(a->peak);
	for (struct chunk *c = a->first, *next; c != NULL; c = next) {
		next = c->next;
		chunk_wipe(c);
		if (c != kept || larger != NULL)
			chunk_free(c);
	}
	a->first = larger != NULL ? larger : kept;
	a->first->next = NULL;
}

void
arena_reset(struct arena *a)
{
	keep_one(a);
	a->current = a->first;
	a->used = a->peak = a->reserved = 0;
	a->failed = false;
}

void
arena_free(struct arena *a)
{
	if (a == NULL)
		return;
	arena_reset(a);
	chunk_free(a->first);
	free(a);
}

/* Adds a chunk for size bytes.  The chunk with more room left afterwards, old or new, serves the
 * next allocations. */
static struct chunk *
arena_grow(struct arena *a, size_t size)
{
	/* Chunks grow with the request, so that a single one is enough for the next request. */
	size_t wanted = a->used * 2 < KEEP_SIZE ? a->used * 2 : KEEP_SIZE;
	struct chunk *c = chunk_new(size > wanted ? size : wanted);

	if (c == NULL)
		return NULL;
	c->next = a->first->next;
	a->first->next = c;
	if (c->size - size > a->current->size - a->current->used)
		a->current = c;
	return c;
}

static void *
arena_fail(struct arena *a)
{
	a->failed = true;
	return NULL;
}

void *
arena_alloc(struct arena *a, size_t size)
{
	struct chunk *c = a->current;
	void *bytes;

	if (size > SIZE_MAX - ALIGN)
		return arena_fail(a);
	size = (size + ALIGN - 1) / ALIGN * ALIGN;
	if (size == 0)
		size = ALIGN;
	bool kept = size <= a->reserved;
	a->reserved = kept ? a->reserved - size : 0;
	if (!kept && a->fail_at > 0 && --a->fail_at == 0)
		return arena_fail(a);
	if (a->failed || size > a->limit - a->used)
		return arena_fail(a);
	if (size > c->size - c->used)
		c = arena_grow(a, size);
	if (c == NULL)
		return arena_fail(a);
	bytes = c->bytes + c->used;
	c->used += size;
	a->used += size;
	return bytes;
}

bool
arena_reserve(struct arena *a, size_t size)
{
	struct chunk *c = a->current;

	a->reserved = 0;
	if (a->fail_at > 0 && --a->fail_at == 0)
		return arena_fail(a) != NULL;
	if (a->failed || size > a->limit - a->used)
		return arena_fail(a) != NULL;
	if (size > c->size - c->used)
		c = arena_grow(a, size);
	if (c == NULL)
		return arena_fail(a) != NULL;
	a->current = c;
	a->reserved = size;
	if (a->used + size > a->peak)
		a->peak = a->used + size;
	return true;
}

void *
arena_array(struct arena *a, size_t count, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(count, size, &bytes))
		return arena_fail(a);
	return arena_alloc(a, bytes);
}

char *
arena_copy(struct arena *a, const char *bytes, size_t len)
{
	char *copy;

	if (len == SIZE_MAX)
		return arena_fail(a);
	copy = arena_alloc(a, len + 1);
	if (copy != NULL && len > 0)
		memcpy(copy, bytes, len);
	return copy;
}

char *
arena_strdup(struct arena *a, const char *text)
{
	return arena_copy(a, text, strlen(text));
}

char *
arena_printf(struct arena *a, const char *format, ...)
{
	va_list args;
	char *text;
	int len;

	va_start(args, format);
	len = vsnprintf(NULL, 0, format, args);
	va_end(args);
	if (len < 0)
		return arena_fail(a);
	text = arena_alloc(a, (size_t)len + 1);
	if (text == NULL)
		return NULL;
	va_start(args, format);
	vsnprintf(text, (size_t)len + 1, format, args);
	va_end(args);
	return text;
}

bool
arena_failed(const struct arena *a)
{
	return a->failed;
}

void
arena_fail_at(struct arena *a, unsigned n)
{
	a->fail_at = n;
}
