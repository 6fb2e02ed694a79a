/* marker: the input stands in a marker, in the hexadecimal form that markers have, for one of
 * several ways to sort.  The marker of a position that was read leads to the same position. */
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "model/list.h"
#include "model/query.h"
#include "model/record.h"
#include "model/schema.h"

#include "fuzz.h"

static const char *const sorts[] = {"name", "created", "id", "removed", "state", "none"};

static bool
visible(const void *context, const struct field *field)
{
	(void)context;
	(void)field;
	return true;
}

static void
parse(struct arena *a, const char *marker, size_t way, struct list_request *out)
{
	struct error e = {0};
	char name[] = "marker";
	struct pair items[] = {{fuzz_wrong ? "mark" : name, marker},
			       {"sort", sorts[way % (sizeof(sorts) / sizeof(*sorts))]},
			       {"order", way % 2 == 0 ? "asc" : "desc"}};
	const struct pairs pairs = {items, sizeof(items) / sizeof(*items)};

	FUZZ_MUST(query_parse(a, &types_table[T_REGISTRY], API_V1, &pairs, visible, NULL, 0, out,
			      &e) == ERR_NONE);
	FUZZ_MUST(out->paged);
}

static const char *
marker_of(struct arena *a, const struct list_request *request)
{
	const struct position *from = &request->list.from;
	struct record row = {.type = &types_table[T_REGISTRY]};

	row.columns[request->list.sort] = from->value;
	row.columns[COL_ID] = value_int(from->id);
	const char *marker = query_marker(a, request, &row, from->backwards);
	FUZZ_MUST(marker != NULL);
	return marker;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	struct arena *a = fuzz_arena();
	struct list_request out = {0}, again = {0};
	char *hex = arena_alloc(a, 2 * size + 2);

	FUZZ_MUST(hex != NULL);
	hex[0] = 'm';
	for (size_t i = 0; i < size; i++) {
		hex[1 + 2 * i] = digits[data[i] / 16];
		hex[2 + 2 * i] = digits[data[i] % 16];
	}
	parse(a, hex, size, &out);
	if (!out.list.from.set)
		return 0;
	const char *marker = marker_of(a, &out);
	parse(a, marker, size, &again);
	FUZZ_MUST(again.list.from.set && again.list.from.id == out.list.from.id);
	FUZZ_MUST(strcmp(marker, marker_of(a, &again)) == 0);
	return 0;
}
