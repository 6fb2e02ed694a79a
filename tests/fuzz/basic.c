/* basic: Authorization, and the other headers that are taken apart by hand: Cookie and Host. */
#include <string.h>

#include "base/arena.h"
#include "base/http.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena *a = fuzz_arena();
	const char *text = fuzz_text(data, size), *user = NULL, *password = NULL;

	if (http_basic_parse(a, text, &user, &password)) {
		FUZZ_MUST(user != NULL && password != NULL &&
			  strchr(user, fuzz_wrong ? *user : ':') == NULL);
		FUZZ_MUST(strlen(user) + strlen(password) < strlen(text));
	}
	const char *cookie = http_cookie(a, text, "CSRF");
	FUZZ_MUST(cookie == NULL || strlen(cookie) + 5 <= strlen(text));
	if (http_host_valid(text))
		FUZZ_MUST(strlen(text) <= 255 && strpbrk(text, "/@\"<> \r\n?#\\") == NULL);
	return 0;
}
