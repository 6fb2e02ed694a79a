/* challenge: the lines of the input are the WWW-Authenticate headers of one answer. */

#include <string.h>

#include "base/arena.h"
#include "registry/challenge.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct challenge_list list = {0};

	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end != NULL ? (size_t)(end - data) : size, before = list.count;

		if (!challenge_parse(a, fuzz_text(data, len), &list))
			FUZZ_MUST(list.count == before);
		FUZZ_MUST(list.count <= CHALLENGES_MAX);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	for (size_t i = 0; i < list.count; i++) {
		const struct challenge *c = &list.items[i];

		FUZZ_MUST(c->scheme != NULL && c->param_count <= CHALLENGE_PARAMS_MAX);
		FUZZ_MUST(challenge_find(&list, fuzz_wrong ? "" : c->scheme) != NULL);
		for (size_t j = 0; j < c->param_count; j++)
			FUZZ_MUST(challenge_param(c, c->params[j].name) != NULL);
	}
	return 0;
}
