/* target: path and query of a request. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "base/text.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct target t = {0};
	struct error e = {0};
	const char *text = fuzz_text(data, size);

	if (http_target_parse(a, text, &t, &e) != ERR_NONE) {
		FUZZ_MUST(e.code == ERR_BAD_REQUEST || e.code == ERR_NOT_FOUND);
		return 0;
	}
	FUZZ_MUST(t.segment_count <= HTTP_SEGMENTS_MAX && text[0] == '/');
	for (size_t i = 0; i < t.segment_count; i++) {
		const char *s = t.segments[i];

		FUZZ_MUST(*s != '\0' && strcmp(s, ".") != 0 && strcmp(s, "..") != 0);
		FUZZ_MUST(strpbrk(s, fuzz_wrong ? "v" : "/\\\r\n") == NULL &&
			  http_utf8_valid(s, strlen(s)));
	}
	return 0;
}
