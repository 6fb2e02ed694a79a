/* file: reads a small file whole, and replaces a file atomically. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/remedy.h"

enum { SUFFIX_MAX = 8 };

int
file_open(const char *path, struct stat *st)
{
	struct stat found;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY), error = 0;

	if (fd < 0)
		return -1;
	if (st == NULL)
		st = &found;
	if (fstat(fd, st) != 0)
		error = errno;
	else if (!S_ISREG(st->st_mode))
		error = S_ISDIR(st->st_mode) ? EISDIR : EINVAL;
	if (error == 0)
		return fd;
	(void)close(fd);
	errno = error;
	return -1;
}

/* Reads up to room bytes; the extra room shows when the file is too long. */
static ssize_t
file_read_all(int fd, char *text, size_t room)
{
	size_t len = 0;
	ssize_t n = 1;

	while (len < room && n > 0) {
		n = read(fd, text + len, room - len);
		if (n < 0 && errno == EINTR)
			n = 1;
		else if (n > 0)
			len += (size_t)n;
	}
	return n < 0 ? -1 : (ssize_t)len;
}

/* Whether a file may be read; false with a sentence in why. */
static bool
file_may_read(const char *path, const struct file_rules *rules, const struct stat *st, char *why,
	      size_t why_size)
{
	const char *what = rules->what != NULL ? rules->what : "";
	mode_t closed = rules->closed;

	if (rules->by_group && st->st_uid == 0 && geteuid() != 0)
		closed &= ~(mode_t)S_IRGRP;
	if (rules->own && st->st_uid != geteuid() && st->st_uid != 0) {
		(void)snprintf(why, why_size, "%s%s belongs to another user", what, path);
		return false;
	}
	if ((st->st_mode & closed) == 0)
		return true;
	(void)snprintf(why, why_size,
		       "%s%s has the mode %04o: it must be 0600 or 0400, so that it cannot be read "
		       "by others: chmod 0600 %s",
		       what, path, (unsigned)st->st_mode & 07777, path);
	return false;
}

ssize_t
file_read(const char *path, const struct file_rules *rules, char *text, struct stat *st, char *why,
	  size_t why_size)
{
	const char *what = rules->what != NULL ? rules->what : "";
	struct stat found;
	ssize_t len = -1;
	int fd = file_open(path, &found), error = errno;

	if (fd >= 0 && !file_may_read(path, rules, &found, why, why_size)) {
		(void)close(fd);
		errno = 0;
		return -1;
	}
	if (fd >= 0) {
		len = file_read_all(fd, text, rules->max + 1);
		error = errno;
		(void)close(fd);
	}
	errno = len < 0 ? error : 0;
	if (fd < 0 && (error == EISDIR || error == EINVAL))
		(void)snprintf(why, why_size, "%s%s is not a file", what, path);
	else if (len < 0)
		(void)snprintf(why, why_size, "%s%s cannot be read: %s", what, path,
			       remedy_text(error));
	else if (len > (ssize_t)rules->max)
		(void)snprintf(why, why_size, "%s%s is too long: it has more than %zu bytes", what,
			       path, rules->max);
	else if (memchr(text, '\0', (size_t)len) != NULL)
		(void)snprintf(why, why_size, "%s%s holds a NUL byte", what, path);
	else {
		text[len] = '\0';
		if (st != NULL)
			*st = found;
		return len;
	}
	return -1;
}

static bool
file_write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		text += n;
		len -= (size_t)n;
	}
	return true;
}

/* Fills an open file and closes it; false with errno. Sets the owner first, because that may clear
 * mode bits. If the group cannot be kept, the group gets no permissions. */
static bool
file_fill(int fd, const char *text, size_t len, const struct file_put *put)
{
	mode_t mode = put->mode;
	bool done = true;

	if (put->like != NULL && fchown(fd, put->like->st_uid, put->like->st_gid) != 0) {
		done = put->like->st_uid == geteuid();
		mode &= (mode_t)~070;
	}
	done = done && fchmod(fd, mode) == 0 && file_write_all(fd, text, len) && fsync(fd) == 0;
	int error = errno;

	if (close(fd) != 0 && done) {
		error = errno;
		done = false;
	}
	errno = error;
	return done;
}

static bool
file_take_name(const char *fresh, const char *path, const struct file_put *put)
{
	if (!put->fresh)
		return rename(fresh, path) == 0;
	if (link(fresh, path) != 0)
		return false;
	(void)unlink(fresh);
	return true;
}

bool
file_write(const char *path, const char *text, size_t len, const struct file_put *put)
{
	char fresh[DISK_PATH_MAX + SUFFIX_MAX];
	int fd, error;

	if (strlen(path) >= DISK_PATH_MAX) {
		errno = ENAMETOOLONG;
		return false;
	}
	(void)snprintf(fresh, sizeof(fresh), "%s%s", path, put->locked ? ".new" : ".XXXXXX");
	if (put->locked) {
		(void)unlink(fresh);
		fd = open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	} else {
		fd = mkostemp(fresh, O_CLOEXEC);
	}
	if (fd < 0)
		return false;
	if (file_fill(fd, text, len, put) && file_take_name(fresh, path, put))
		return disk_sync_directory(path);
	error = errno;
	(void)unlink(fresh);
	errno = error;
	return false;
}
