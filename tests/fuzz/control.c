/* control: a target that has each fault the others are searched for: the input names it.  A rig
 * that does not report it would report none of theirs.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

#if defined(__SANITIZE_ADDRESS__)
#define LOOKED_AT true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LOOKED_AT true
#endif
#endif
#ifndef LOOKED_AT
#define LOOKED_AT false
#endif

enum { SKIPPED = 77 };

static void
does_not_hold(void)
{
	FUZZ_MUST(fuzz_out != NULL && fuzz_out == NULL);
}

static void
hang(void)
{
	for (volatile bool on = true; on;)
		;
}

static void
overflow(void)
{
	volatile size_t at = 4;
	char *bytes = malloc(at);

	if (bytes != NULL)
		bytes[at] = 1;
	free(bytes);
}

static void
undefined(void)
{
	volatile int number = INT_MAX;

	number = number + 1;
}

static void
leak(void)
{
	void *volatile bytes = malloc(1000);

	bytes = NULL;
	(void)bytes;
}

/* clang-format off */
static const struct { const char *name; void (*fn)(void); bool by_sanitizer; } faults[] = {
	{ "hang",      hang,          false },
	{ "leak",      leak,          true },
	{ "must",      does_not_hold, false },
	{ "overflow",  overflow,      true },
	{ "undefined", undefined,     true },
};
/* clang-format on */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = fuzz_text(data, size);

	for (size_t i = 0; i < sizeof(faults) / sizeof(*faults); i++) {
		if (strcmp(text, faults[i].name) != 0)
			continue;
		if (faults[i].by_sanitizer && !LOOKED_AT)
			exit(SKIPPED);
		faults[i].fn();
	}
	return 0;
}
