/* replay: runs a target on inputs that were kept: regular files, and those in directories.
 *
 *   fuzz query tests/fuzz/corpus/query
 *   fuzz json --dump DIRECTORY     prints a line for each input: its path, a tab, what came out
 *   fuzz query --wrong DIRECTORY   must fail, or the target sees nothing
 */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "fuzz.h"

enum { INPUT_MAX = 1024 * 1024, PATH_SIZE = 4096 };

static size_t inputs;

static bool
run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *bytes = malloc(INPUT_MAX);
	size_t len = f != NULL && bytes != NULL ? fread(bytes, 1, INPUT_MAX, f) : 0;
	bool read = f != NULL && bytes != NULL && ferror(f) == 0;

	if (fuzz_out != NULL)
		(void)fprintf(fuzz_out, "%s\t", path);
	if (read)
		(void)LLVMFuzzerTestOneInput(bytes, len);
	if (fuzz_out != NULL)
		(void)fprintf(fuzz_out, "\n");
	if (f != NULL)
		(void)fclose(f);
	free(bytes);
	inputs++;
	return read;
}

static bool
run(const char *path)
{
	char below[PATH_SIZE];
	struct stat st;
	bool ok = stat(path, &st) == 0;

	if (!ok || !S_ISDIR(st.st_mode))
		return ok && run_file(path);
	DIR *d = opendir(path);
	if (d == NULL)
		return false;
	for (const struct dirent *entry; ok && (entry = readdir(d)) != NULL;) {
		if (entry->d_name[0] == '.')
			continue;
		ok = snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) < PATH_SIZE &&
		     run_file(below);
	}
	(void)closedir(d);
	return ok;
}

int
main(int argc, char **argv)
{
	(void)LLVMFuzzerInitialize(&argc, &argv);
	for (int i = 1; i < argc; i++)
		if (strcmp(argv[i], "--dump") == 0) {
			fuzz_out = stdout;
		} else if (strcmp(argv[i], "--wrong") == 0) {
			fuzz_wrong = true;
		} else if (!run(argv[i])) {
			(void)fprintf(stderr, "%s: cannot be read\n", argv[i]);
			return EXIT_FAILURE;
		}
	if (fuzz_out == NULL)
		(void)printf("%zu inputs\n", inputs);
	return inputs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
