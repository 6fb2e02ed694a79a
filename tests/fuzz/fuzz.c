/* fuzz: see the header. */
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/arena.h"

enum { ARENA_MAX = 64 * 1024 * 1024 };

/* clang-format off */
static const struct target { const char *name; void (*run)(const uint8_t *data, size_t size); } targets[] = {
#define FUZZ_ROW(name) { #name, fuzz_##name },
	FUZZ_TARGETS(FUZZ_ROW)
};
/* clang-format on */

static const struct target *target;

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
	for (size_t i = 0; *argc > 1 && i < sizeof(targets) / sizeof(*targets); i++)
		if (strcmp((*argv)[1], targets[i].name) == 0)
			target = &targets[i];
	if (target == NULL) {
		(void)fprintf(stderr, "fuzz TARGET ...: there is no such target\n");
		exit(EXIT_FAILURE);
	}
	(*argv)[1] = (*argv)[0];
	++*argv;
	--*argc;
	return 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	target->run(data, size);
	return 0;
}

FILE *fuzz_out;
bool fuzz_wrong;

struct arena *
fuzz_arena(void)
{
	static struct arena *a;

	if (a == NULL)
		a = arena_new(ARENA_MAX);
	FUZZ_MUST(a != NULL);
	arena_reset(a);
	return a;
}

const char *
fuzz_text(const uint8_t *data, size_t size)
{
	static char *text;
	size_t len = size > 0 ? strnlen((const char *)data, size) : 0;

	free(text);
	text = malloc(len + 1);
	FUZZ_MUST(text != NULL);
	if (len > 0)
		memcpy(text, data, len);
	text[len] = '\0';
	return text;
}

const char *
fuzz_file(const uint8_t *data, size_t size)
{
	static int fd = -1;
	static char path[64];

	if (fd < 0)
		fd = memfd_create("input", MFD_CLOEXEC);
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return fd >= 0 && ftruncate(fd, 0) == 0 && pwrite(fd, data, size, 0) == (ssize_t)size
		       ? path
		       : NULL;
}

void
fuzz_must(bool holds, const char *what, const char *file, int line)
{
	if (holds)
		return;
	(void)fprintf(stderr, "%s:%d: does not hold: %s\n", file, line, what);
	abort();
}
