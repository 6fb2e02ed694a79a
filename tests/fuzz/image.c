/* image: a reference to an image; its parts, put together again, mean the same. */
#include <ctype.h>
#include <string.h>

#include "base/arena.h"
#include "registry/url.h"

#include "fuzz.h"

static bool
same(const char *a, const char *b)
{
	return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct registry_image image = {0}, again = {0};
	const char *text = fuzz_text(data, size);

	(void)registry_path_check(text);
	(void)registry_path_holds(text, "acme/app");
	if (registry_image_parse(a, text, &image) != NULL)
		return 0;
	FUZZ_MUST(image.key != NULL && image.repository != NULL);
	FUZZ_MUST(registry_path_check(image.repository) == NULL);
	/* The key is in lower case, which may be the case that made it a registry. */
	char *key = arena_strdup(a, image.key);
	for (char *c = key; c != NULL && *c != '\0'; c++)
		*c = (char)toupper((unsigned char)*c);
	if (strpbrk(key, ".:ABCDEFGHIJKLMNOPQRSTUVWXYZ") == NULL)
		return 0; /* it was a final dot, which the key has not */
	const char *written = arena_printf(
		a, "%s/%s%s%s%s%s", key, image.repository, image.tag != NULL ? ":" : "",
		image.tag != NULL ? image.tag : "", image.digest != NULL ? "@" : "",
		image.digest != NULL ? image.digest : "");
	FUZZ_MUST(written != NULL);
	if (registry_image_parse(a, written, &again) != NULL) {
		FUZZ_MUST(strlen(written) > REPOSITORY_MAX); /* docker.io/library/ made it longer */
		return 0;
	}
	FUZZ_MUST(same(image.key, again.key) &&
		  same(image.repository, fuzz_wrong ? again.key : again.repository));
	FUZZ_MUST(same(image.tag, again.tag) && same(image.digest, again.digest));
	return 0;
}
