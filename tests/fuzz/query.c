/* query: the parameters of a list of every type; the first byte says which type and version. */

#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/http.h"
#include "model/list.h"
#include "model/query.h"
#include "model/schema.h"

#include "fuzz.h"

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
	struct pairs pairs = {0};
	struct error e = {0};

	if (size == 0)
		return 0;
	const char *text = fuzz_text(data + 1, size - 1);
	enum api_version version = (data[0] & 128) != 0 ? API_V2_BETA : API_V1;
	const struct resource_type *type = &types_table[(data[0] & 127) % T__COUNT];
	if (http_form_parse(a, text, strlen(text), &pairs, &e) != ERR_NONE ||
	    query_parse(a, type, version, &pairs, visible, NULL, 0, &out, &e) != ERR_NONE) {
		FUZZ_MUST(e.code == ERR_BAD_REQUEST && e.detail != NULL);
		return 0;
	}
	FUZZ_MUST(out.filter_count <= CONDITIONS_MAX &&
		  out.list.limit <= (fuzz_wrong ? 1 : LIMIT_MAX + 1));
	return 0;
}
