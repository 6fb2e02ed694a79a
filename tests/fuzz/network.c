/* network: addresses, networks and lists of them; what is in a list lies within it. */

#include <string.h>

#include "base/arena.h"
#include "base/network.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	const char *text = fuzz_text(data, size), *why = NULL;
	char one[NETWORK_TEXT_MAX];
	struct network n;

	if (network_parse_address(text, &n)) {
		FUZZ_MUST((n.size == 4 || n.size == 16) && n.prefix == 8 * n.size);
		FUZZ_MUST(network_contains(&n, &n));
	}
	if (network_parse(text, &n) == NULL)
		FUZZ_MUST(n.prefix <= 8 * n.size && network_contains(&n, &n));
	const char *list = network_list_parse(a, text, &why);
	if (list == NULL) {
		FUZZ_MUST(why != NULL);
		return 0;
	}
	FUZZ_MUST(network_list_within(list, fuzz_wrong ? "203.0.113.7" : list));
	for (const char *rest = list; network_list_next(&rest, one);)
		FUZZ_MUST(network_parse(one, &n) == NULL);
	(void)network_list_has(list, text);
	return 0;
}
