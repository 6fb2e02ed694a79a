/* file: reads and replaces files of the user. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include "client/cli_client.h"

enum {
	FILE_MAX = 1024 * 1024, /* bytes of a configuration or a file to import */
};

static bool
make_directories(struct arena *a, const char *path)
{
	char *parent = arena_strdup(a, path);

	if (parent == NULL)
		return false;
	for (char *p = strchr(parent + 1, '/'); p != NULL; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(parent, 0700) != 0 && errno != EEXIST)
			return false;
		*p = '/';
	}
	return true;
}

bool
cli_client_write(struct arena *a, const char *path, const char *text, const struct file_put *put)
{
	return make_directories(a, path) && file_write(path, text, strlen(text), put);
}

char *
cli_client_read(struct arena *a, const char *path, char why[CLIENT_WHY_MAX])
{
	static const struct file_rules rules = {.max = FILE_MAX};
	char *text = arena_alloc(a, FILE_MAX + 1);

	(void)strcpy(why, "out of memory");
	errno = 0;
	return text != NULL && file_read(path, &rules, text, NULL, why, CLIENT_WHY_MAX) >= 0 ? text
											     : NULL;
}
