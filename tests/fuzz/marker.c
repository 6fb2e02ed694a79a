/* marker: the input stands in a marker, in the hexadecimal form that markers have. */
#include <string.h>

#include "fuzz.h"
#include "query.h"

static bool
visible(const void *context, const struct field *field)
{
	(void)context;
	(void)field;
	return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	struct list_request out = {0};
	struct error e = {0};
	char *hex = arena_alloc(a, 2 * size + 2);

	FUZZ_MUST(hex != NULL);
	hex[0] = 'm';
	for (size_t i = 0; i < size; i++)
		(void)snprintf(hex + 1 + 2 * i, 3, "%02x", data[i]);
	struct pair items[] = {{fuzz_wrong ? "mark" : "marker", hex}, {"sort", "name"}};
	const struct pairs pairs = {items, size % 2 + 1};
	FUZZ_MUST(query_parse(a, &types_table[T_REGISTRY], API_V1, &pairs, visible, NULL, 0, &out,
			      &e) == ERR_NONE);
	FUZZ_MUST(out.paged);
	return 0;
}
