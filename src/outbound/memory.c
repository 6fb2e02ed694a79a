/* memory: memory for curl that is wiped when it is freed. */
#include "outbound/memory.h"

#include <curl/curl.h>
#include <malloc.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"

static atomic_uint fail_at;

void
registry_check_fail_at(unsigned n)
{
	atomic_store(&fail_at, n);
}

static bool
fails_now(void)
{
	unsigned n = atomic_load(&fail_at);

	while (n > 0 && !atomic_compare_exchange_weak(&fail_at, &n, n - 1))
		;
	return n == 1;
}

static void *
wiping_malloc(size_t size)
{
	return fails_now() ? NULL : malloc(size);
}

static void *
wiping_calloc(size_t count, size_t size)
{
	return fails_now() ? NULL : calloc(count, size);
}

static void
wiping_free(void *p)
{
	if (p != NULL)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}

static void *
wiping_realloc(void *p, size_t size)
{
	size_t old = p != NULL ? malloc_usable_size(p) : 0;
	void *fresh = fails_now() ? NULL : malloc(size);

	if (fresh == NULL)
		return NULL;
	if (p != NULL)
		memcpy(fresh, p, old < size ? old : size);
	wiping_free(p);
	return fresh;
}

static char *
wiping_strdup(const char *text)
{
	return fails_now() ? NULL : strdup(text);
}

pthread_once_t curl_once = PTHREAD_ONCE_INIT;

bool curl_works;

void
curl_start(void)
{
	curl_works = curl_global_init_mem(CURL_GLOBAL_DEFAULT, wiping_malloc, wiping_free,
					  wiping_realloc, wiping_strdup, wiping_calloc) == CURLE_OK;
	if (!curl_works)
		log_error("libcurl does not start: no login can be checked");
}
