/* registry: the address of a registry; its key and path mean the same registry. */
#include <string.h>

#include "base/arena.h"
#include "registry/url.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct registry_url url = {0}, again = {0};
	const char *text = fuzz_text(data, size);

	if (registry_url_parse(a, text, &url) != NULL)
		return 0;
	FUZZ_MUST(url.key != NULL && *url.key != '\0' && url.path != NULL && url.api != NULL);
	FUZZ_MUST(url.host != NULL && url.port > 0 && url.port < 65536);
	FUZZ_MUST(strpbrk(url.key, "/@?# \t\r\n\"\\") == NULL);
	FUZZ_MUST(strpbrk(url.api, "@?# \t\r\n\"\\") == NULL);
	const char *written = arena_printf(a, "%s%s%s%s", url.plain_http ? "http://" : "", url.key,
					   *url.path != '\0' ? "/" : "", url.path);
	FUZZ_MUST(written != NULL && registry_url_parse(a, written, &again) == NULL);
	FUZZ_MUST(strcmp(url.key, fuzz_wrong ? again.path : again.key) == 0);
	/* A path may begin as the version of the API does, which is taken off once. */
	if (strncmp(url.path, "v1", 2) != 0 && strncmp(url.path, "v2", 2) != 0)
		FUZZ_MUST(strcmp(url.path, again.path) == 0);
	FUZZ_MUST(strcmp(url.host, again.host) == 0);
	return 0;
}
