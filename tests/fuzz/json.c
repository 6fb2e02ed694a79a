/* json: what the gate accepts is the same when it is written and read again.  A replay prints the
 * value, for json_agrees.py to compare with what Python reads; while it is fuzzed, each text and
 * its value go to the pipe that FUZZ_ACCEPTED names. */

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/json_in.h"
#include "base/json_out.h"

#include "fuzz.h"

static void
write_node(struct json_out *w, const struct json *node)
{
	if (node->name != NULL)
		json_name(w, node->name);
	switch (node->type) {
	case JSON_NULL:
		json_null(w);
		return;
	case JSON_FALSE:
	case JSON_TRUE:
		json_bool(w, node->type == JSON_TRUE);
		return;
	case JSON_NUMBER:
		json_raw(w, node->text, strlen(node->text));
		return;
	case JSON_STRING:
		json_string(w, node->text);
		return;
	case JSON_ARRAY:
	case JSON_OBJECT:
		break;
	}
	if (node->type == JSON_ARRAY)
		json_begin_array(w);
	else
		json_begin_object(w);
	for (const struct json *c = node->child; c != NULL; c = c->next)
		write_node(w, c);
	if (node->type == JSON_ARRAY)
		json_end_array(w);
	else
		json_end_object(w);
}

static const char *
written(struct arena *a, const struct json *node, size_t *len)
{
	struct json_out w;

	json_out_init(&w, a);
	write_node(&w, node);
	const char *text = json_out_text(&w, len);
	FUZZ_MUST(text != NULL);
	return text;
}

static void
tell(const uint8_t *data, size_t size, const char *text, size_t len)
{
	static FILE *out;
	const char *path = getenv("FUZZ_ACCEPTED");
	const uint32_t sizes[] = {(uint32_t)size, (uint32_t)len};

	if (path == NULL)
		return;
	if (out == NULL)
		out = fopen(path, "wb");
	FUZZ_MUST(out != NULL && fwrite(sizes, sizeof(sizes), 1, out) == 1);
	FUZZ_MUST(fwrite(data, 1, size, out) == size && fwrite(text, 1, len, out) == len);
}

void
fuzz_json(const uint8_t *data, size_t size)
{
	static bool ready;
	struct arena *a = fuzz_arena();
	struct json *node = NULL, *again = NULL;
	struct error e = {0};
	size_t len, len2;

	if (!ready)
		json_in_init();
	ready = true;
	if (json_parse(a, (const char *)data, size, &node, &e) != ERR_NONE) {
		FUZZ_MUST(e.code == ERR_INVALID_BODY && e.detail != NULL);
		return;
	}
	const char *text = written(a, node, &len);
	FUZZ_MUST(json_parse(a, text, len - fuzz_wrong, &again, &e) == ERR_NONE);
	const char *text2 = written(a, again, &len2);
	FUZZ_MUST(len == len2 && memcmp(text, text2, len) == 0);
	if (fuzz_out != NULL)
		(void)fwrite(text, 1, len, fuzz_out);
	tell(data, size, text, len);
}
