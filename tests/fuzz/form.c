/* form: urlencoded text; what was accepted is the same when it is written and read again. */
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
	struct pairs pairs = {0}, again = {0};
	struct error e = {0};
	const char *written = "";

	if (http_form_parse(a, (const char *)data, size, &pairs, &e) != ERR_NONE) {
		FUZZ_MUST(e.code == ERR_BAD_REQUEST && e.detail != NULL);
		return 0;
	}
	FUZZ_MUST(pairs.count <= HTTP_PAIRS_MAX);
	for (size_t i = 0; i < pairs.count && i < 32; i++) {
		const struct pair *p = &pairs.items[i];

		FUZZ_MUST(http_utf8_valid(p->name, strlen(p->name)));
		FUZZ_MUST(http_utf8_valid(p->value, strlen(p->value)));
		written = arena_printf(a, "%s&%s=%s", written, http_encode(a, p->name),
				       http_encode(a, fuzz_wrong ? p->name : p->value));
		FUZZ_MUST(written != NULL);
	}
	FUZZ_MUST(http_form_parse(a, written, strlen(written), &again, &e) == ERR_NONE);
	for (size_t i = 0; i < pairs.count && i < 32; i++) {
		if (*pairs.items[i].name == '\0')
			return 0; /* a pair without a name may be passed over */
		FUZZ_MUST(i < again.count);
		FUZZ_MUST(strcmp(again.items[i].name, pairs.items[i].name) == 0);
		FUZZ_MUST(strcmp(again.items[i].value, pairs.items[i].value) == 0);
	}
	return 0;
}
