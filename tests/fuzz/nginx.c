/* nginx: a configuration of nginx: findings, or a sentence that says why it cannot be read. */
#include <string.h>

#include "nginx_check/nginx_check.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static FILE *null;
	struct nginx_report report = {0};
	char why[512] = "";
	const char *file = fuzz_file(data, size);

	if (null == NULL)
		null = fopen("/dev/null", "w");
	FUZZ_MUST(file != NULL && null != NULL);
	if (memmem(data, size, "include", 7) != NULL)
		return 0; /* reads other files */
	if (!nginx_check(file, 64 * 1024, null, &report, why, sizeof(why)))
		FUZZ_MUST((*why != '\0') != fuzz_wrong);
	return 0;
}
