/* sealed: a sealed value that was changed does not open: the input is laid over it by exclusive or,
 * and its first byte makes it shorter or longer.  The rest of the input as it is does not open
 * either. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "model/record.h"
#include "model/schema.h"
#include "secret/key_file.h"
#include "secret/keyring.h"
#include "secret/seal.h"

#include "fuzz.h"

static const struct seal_place place = {"credential", "a uuid", "secretValue", 5},
			       other = {"credential", "a uuid", "secretValue", 6};

/* The ring looks at its file now and then, so it stays to the end. */
static char path[] = "/tmp/regcred-fuzz-XXXXXX", file[64];

static void
remove_file(void)
{
	(void)unlink(file);
	(void)rmdir(path);
}

static struct keyring *
make_ring(void)
{
	char why[SECRET_WHY_MAX] = "";

	FUZZ_MUST(secret_init() && mkdtemp(path) != NULL);
	(void)snprintf(file, sizeof(file), "%s/master.key", path);
	FUZZ_MUST(keyring_create(file, why));
	struct keyring *ring = keyring_load(file, why);
	FUZZ_MUST(ring != NULL);
	(void)atexit(remove_file);
	return ring;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct keyring *ring;
	struct arena *a = fuzz_arena();
	struct value sealed = {0}, whole = value_blob(data, size);
	bool changed = false;

	if (ring == NULL)
		ring = make_ring();
	FUZZ_MUST(secret_open(ring, a, &place, &whole) == NULL);
	(void)secret_key_id(&whole);
	if (size == 0 || !secret_seal(ring, a, &place, "plain text", &sealed))
		return 0;
	size_t len = sealed.len + data[0] - (data[0] > sealed.len ? sealed.len : 0);
	if (data[0] < 128)
		len = sealed.len - (data[0] < sealed.len ? data[0] : sealed.len);
	uint8_t *copy = arena_alloc(a, len + 1);
	FUZZ_MUST(copy != NULL);
	memcpy(copy, sealed.text, len < sealed.len ? len : sealed.len);
	for (size_t i = 1; i < size && i <= len; i++) {
		copy[i - 1] ^= data[i];
		changed = changed || data[i] != 0;
	}
	const struct value damaged = value_blob(copy, len);
	const char *text = secret_open(ring, a, fuzz_wrong ? &other : &place, &damaged);
	FUZZ_MUST((text != NULL) == (!changed && len == sealed.len));
	return 0;
}
