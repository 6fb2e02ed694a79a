/* file: files that a client reads and replaces whole. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/disk.h"
#include "client/cli_client.h"

enum {
	FILE_MAX = 1024 * 1024, /* of a file to import */
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

static bool
file_write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return fsync(fd) == 0;
}

bool
cli_client_write(struct arena *a, const char *path, const char *text, mode_t mode)
{
	if (!make_directories(a, path))
		return false;
	char *fresh = arena_printf(a, "%s.XXXXXX", path);
	int fd = fresh != NULL ? mkostemp(fresh, O_CLOEXEC) : -1, error;

	if (fd < 0)
		return false;
	bool ok = fchmod(fd, mode) == 0 && file_write_all(fd, text, strlen(text));
	ok = close(fd) == 0 && ok && rename(fresh, path) == 0;
	error = errno;
	if (!ok)
		(void)unlink(fresh);
	else if (!disk_sync_directory(path)) {
		error = errno;
		ok = false;
	}
	errno = error;
	return ok;
}

char *
cli_client_read(struct arena *a, const char *path, size_t *len)
{
	char *text = arena_alloc(a, FILE_MAX + 1);
	int fd = text != NULL ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	ssize_t n = 0;

	*len = 0;
	if (fd < 0)
		return NULL;
	while (*len <= FILE_MAX && (n = read(fd, text + *len, FILE_MAX + 1 - *len)) > 0)
		*len += (size_t)n;
	if (*len > FILE_MAX)
		errno = EFBIG;
	bool ok = n >= 0 && *len <= FILE_MAX;
	(void)close(fd);
	return ok ? text : NULL;
}
