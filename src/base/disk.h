/* disk: what the store needs to know about its file system: free space, and whether it is a network
 * file system. */
#ifndef REGCRED_DISK_H
#define REGCRED_DISK_H

#include <stdbool.h>
#include <stdint.h>

enum {
	DISK_PATH_MAX = 4096,
	DISK_FULL_BYTES = 64 * 1024, /* with less free, a database cannot be opened */
};

/* The directory of a path; "." for a bare name. */
void disk_directory_of(const char *path, char out[DISK_PATH_MAX]);

/* Free bytes on the file system of a file, or of its directory if the file does not exist;
 * INT64_MAX if unknown. */
int64_t disk_free_bytes(const char *path);

/* The name of the network file system that holds a file or its directory; NULL for a local one.
 * Anything mounted through FUSE counts as a network file system. */
const char *disk_network(const char *path);
/* The same for the f_type of statfs(2). */
const char *disk_network_type(long type);

/* As root, changes the owner of an open file that root created to the owner of `like`, because the
 * service has to open files that a command run by root leaves behind. Files with several hard
 * links, and files that root does not own, are not changed. False with errno if the owner cannot be
 * changed. */
bool disk_own_like(int fd, const char *like) __attribute__((warn_unused_result));

/* Flush a file, and the directory that contains it; false with errno. */
bool disk_sync(const char *path) __attribute__((warn_unused_result));
bool disk_sync_directory(const char *path) __attribute__((warn_unused_result));

#endif
