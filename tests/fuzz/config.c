/* config: a file of settings: taken, or refused with a sentence. */

#include <string.h>

#include "base/settings.h"
#include "server/config.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct settings settings;
	char why[CONFIG_WHY_MAX] = "", program[] = "fuzz", option[] = "--config", path[64];
	char *argv[] = {program, option, path, NULL};
	const char *file = fuzz_file(data, size);
	int arg = 1;

	FUZZ_MUST(file != NULL && strlen(file) < sizeof(path));
	(void)snprintf(path, sizeof(path), "%s", file);
	if (!config_load(&settings, 3, argv, &arg, why)) {
		FUZZ_MUST((*why != '\0') != fuzz_wrong);
		return 0;
	}
	FUZZ_MUST(settings.workers >= 1 && settings.threads >= 1);
	FUZZ_MUST(settings.group_count <= CONFIG_GROUPS_MAX);
	return 0;
}
