/* fragile: OpenSSL's memory, of which the allocation that fail_in counts down to fails.  For one
 * file of a program. */
#ifndef REGCRED_TESTS_FRAGILE_H
#define REGCRED_TESTS_FRAGILE_H

#include <openssl/crypto.h>
#include <stdbool.h>
#include <stdlib.h>

static unsigned fail_in;

static bool
fails_now(void)
{
	return fail_in > 0 && --fail_in == 0;
}

static void *
fragile_malloc(size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return fails_now() ? NULL : malloc(size);
}

static void *
fragile_realloc(void *p, size_t size, const char *file, int line)
{
	(void)file, (void)line;
	return fails_now() ? NULL : realloc(p, size);
}

static void
plain_free(void *p, const char *file, int line)
{
	(void)file, (void)line;
	free(p);
}

static bool is_fragile;

static void
make_fragile(void)
{
	is_fragile = CRYPTO_set_mem_functions(fragile_malloc, fragile_realloc, plain_free) == 1;
}

/* Before the libraries begin, of which libjose asks OpenSSL for memory: then it is too late. */
__attribute__((section(".preinit_array"), used)) static void (*const first)(void) = make_fragile;

#endif
