/* disk: statfs, statvfs, posix_fallocate and fchown, and a table of network file systems. */
#include "base/disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* f_type of statfs(2).  As numbers, because not all systems' headers define all of them. */
static const struct {
	uint32_t type;
	const char *name;
} networks[] = {
	{0x6969, "NFS"},	{0xff534d42, "CIFS"},	     {0xfe534d42, "SMB2"},
	{0x517b, "SMB"},	{0x01021997, "9P"},	     {0x65735546, "FUSE"},
	{0x00c36400, "Ceph"},	{0x5346414f, "AFS"},	     {0x6b414653, "kAFS"},
	{0x73757245, "Coda"},	{0x0bd00bd0, "Lustre"},	     {0x01161970, "GFS2"},
	{0x7461636f, "OCFS2"},	{0x47504653, "GPFS"},	     {0x19830326, "BeeGFS"},
	{0x786f4256, "VBoxSF"}, {0xbacbacbc, "VMware HGFS"}, {0x564c, "NCP"},
};

void
disk_directory_of(const char *path, char out[DISK_PATH_MAX])
{
	const char *slash = strrchr(path, '/');
	size_t len = slash == NULL || slash == path ? 1 : (size_t)(slash - path);

	(void)snprintf(out, DISK_PATH_MAX, "%.*s", (int)len, slash == NULL ? "." : path);
}

int64_t
disk_free_bytes(const char *path)
{
	char directory[DISK_PATH_MAX];
	struct statvfs fs;
	int64_t bytes;

	disk_directory_of(path, directory);
	if (statvfs(path, &fs) != 0 && statvfs(directory, &fs) != 0)
		return INT64_MAX;
	return __builtin_mul_overflow(fs.f_bavail, fs.f_frsize, &bytes) ? INT64_MAX : bytes;
}

const char *
disk_network_type(long type)
{
	for (size_t i = 0; i < sizeof(networks) / sizeof(*networks); i++)
		if (networks[i].type == (uint32_t)type)
			return networks[i].name;
	return NULL;
}

const char *
disk_network(const char *path)
{
	char directory[DISK_PATH_MAX];
	struct statfs fs;

	disk_directory_of(path, directory);
	if (statfs(path, &fs) != 0 && statfs(directory, &fs) != 0)
		return NULL;
	return disk_network_type((long)fs.f_type);
}

bool
disk_own_like(int fd, const char *like)
{
	struct stat made, owner;

	if (geteuid() != 0)
		return true;
	if (fstat(fd, &made) != 0 || stat(like, &owner) != 0)
		return false;
	if (!S_ISREG(made.st_mode) || made.st_nlink != 1 || made.st_uid != 0)
		return true;
	return fchown(fd, owner.st_uid, owner.st_gid) == 0;
}

static bool
sync_with(const char *path, int flags)
{
	int fd = open(path, flags | O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return false;
	bool done = fsync(fd) == 0;
	int error = errno;
	(void)close(fd);
	errno = error;
	return done;
}

bool
disk_sync(const char *path)
{
	return sync_with(path, O_NOFOLLOW);
}

bool
disk_sync_directory(const char *path)
{
	char directory[DISK_PATH_MAX];

	disk_directory_of(path, directory);
	/* Some network file systems do not support it, and do not need it. */
	return sync_with(directory, O_DIRECTORY) || errno == EINVAL;
}
