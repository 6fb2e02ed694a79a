/* multipart: the first line is the Content-Type, the rest the body. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/multipart.h"
#include "base/text.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct pairs pairs = {0};
	struct error e = {0};
	const uint8_t *end = size > 0 ? memchr(data, '\n', size) : NULL;

	if (end == NULL)
		return 0;
	const char *type = fuzz_text(data, (size_t)(end - data));
	const char *body = (const char *)end + 1;
	FUZZ_MUST(http_media_type(a, type) != NULL);
	if (http_multipart_parse(a, type, body, size - (size_t)(body - (const char *)data), &pairs,
				 &e) != ERR_NONE) {
		FUZZ_MUST(e.code == ERR_INVALID_BODY && e.detail != NULL);
		return 0;
	}
	FUZZ_MUST(pairs.count <= (fuzz_wrong ? 0 : HTTP_PAIRS_MAX));
	for (size_t i = 0; i < pairs.count; i++) {
		FUZZ_MUST(http_utf8_valid(pairs.items[i].name, strlen(pairs.items[i].name)));
		FUZZ_MUST(http_utf8_valid(pairs.items[i].value, strlen(pairs.items[i].value)));
	}
	return 0;
}
