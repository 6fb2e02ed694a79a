/* disk: what the store wants to know about the file system below it: its room, and whether it is
 * one of a network. */
#ifndef REGCRED_DISK_H
#define REGCRED_DISK_H

#include <stdbool.h>
#include <stdint.h>

enum {
	DISK_PATH_MAX = 4096,
	DISK_FULL_BYTES = 64 * 1024, /* with less free a database cannot be opened by the first */
};

/* The directory that a path is in: "." for a name alone. */
void disk_directory_of(const char *path, char out[DISK_PATH_MAX]);

/* Bytes that may still be written on the file system of a file, or of its directory if it is not
 * there; INT64_MAX if that cannot be told. */
int64_t disk_free_bytes(const char *path);

/* The name of the network file system that a file, or its directory, lies on; NULL for a local one.
 * Whatever is reached through FUSE counts as one. */
const char *disk_network(const char *path);
/* The same for the f_type of statfs(2). */
const char *disk_network_type(long type);

/* As root, gives an open file that root has made to whom `like` belongs to: who runs the service
 * has to open what a command of root's leaves.  A file with a second name is left alone, since that
 * may be anybody's, and so is one of somebody else.  False with errno if it cannot be given. */
bool disk_own_like(int fd, const char *like) __attribute__((warn_unused_result));

/* Flushes a file, and the directory that a file lies in; false with errno. */
bool disk_sync(const char *path) __attribute__((warn_unused_result));
bool disk_sync_directory(const char *path) __attribute__((warn_unused_result));

#endif
