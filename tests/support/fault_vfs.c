/* fault_vfs: see the header. */
#include "support/fault_vfs.h"

#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SECTOR = 512, FILES_MAX = 16, PATH_SIZE = 512 };

/* A change that is not on the disk yet. */
enum change_kind { CHANGE_WRITE, CHANGE_TRUNCATE, CHANGE_DELETE };
struct change {
	enum change_kind kind;
	int64_t offset; /* of a truncate: the new size */
	size_t len;
	unsigned char *bytes;
	struct change *next;
};

struct image {
	bool exists;
	size_t size, room;
	unsigned char *bytes;
};

/* What the disk holds of a file, and what it does not hold yet. */
struct disk_file {
	char path[PATH_SIZE];
	struct image synced;
	struct change *changes, **changes_end;
};

struct fault_file {
	sqlite3_file base;
	struct disk_file *disk; /* NULL: not of our concern */
	int64_t real[];		/* what SQLite aligns its memory by */
};

static sqlite3_vfs *below;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all that follows */
static struct {
	bool on, deaf;
	unsigned at, count;
	struct disk_file files[FILES_MAX];
	size_t file_count;
} power;
static atomic_bool cut;

static struct {
	bool on, lasting;
	enum fault_kind kind;
	unsigned at, count, failed;
} fault;

static const struct {
	const char *name;
	int rc;
} kinds[FAULT__COUNT] = {
	[FAULT_OPEN] = {"open", SQLITE_CANTOPEN},
	[FAULT_READ] = {"read", SQLITE_IOERR_READ},
	[FAULT_WRITE] = {"write", SQLITE_IOERR_WRITE},
	[FAULT_WRITE_FULL] = {"write to a full disk", SQLITE_FULL},
	[FAULT_SYNC] = {"sync", SQLITE_IOERR_FSYNC},
	[FAULT_TRUNCATE] = {"truncate", SQLITE_IOERR_TRUNCATE},
	[FAULT_SIZE] = {"size", SQLITE_IOERR_FSTAT},
	[FAULT_LOCK] = {"lock", SQLITE_IOERR_LOCK},
	[FAULT_SHM_MAP] = {"shm-map", SQLITE_IOERR_SHMMAP},
	[FAULT_SHM_LOCK] = {"shm-lock", SQLITE_IOERR_SHMLOCK},
	[FAULT_DELETE] = {"delete", SQLITE_IOERR_DELETE},
	[FAULT_ACCESS] = {"access", SQLITE_IOERR_ACCESS},
};

const char *
fault_name(enum fault_kind kind)
{
	return kinds[kind].name;
}

uint64_t
fault_random(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15); /* splitmix64 */

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

/* Without memory a test cannot go on. */
static void *
room(void *old, size_t size)
{
	void *new = realloc(old, size > 0 ? size : 1);

	if (new == NULL)
		abort();
	return new;
}

/* Faults */

void
fault_arm(enum fault_kind kind, unsigned at, bool lasting)
{
	(void)pthread_mutex_lock(&mutex);
	fault.on = true;
	fault.kind = kind;
	fault.at = at;
	fault.lasting = lasting;
	fault.count = fault.failed = 0;
	(void)pthread_mutex_unlock(&mutex);
}

unsigned
fault_disarm(void)
{
	(void)pthread_mutex_lock(&mutex);
	fault.on = false;
	unsigned failed = fault.failed;
	(void)pthread_mutex_unlock(&mutex);
	return failed;
}

/* Called for each operation: what it fails with, SQLITE_OK for nothing. */
static int
fails(enum fault_kind kind)
{
	int rc = SQLITE_OK;

	if (atomic_load(&cut))
		return kinds[kind].rc;
	(void)pthread_mutex_lock(&mutex);
	if (fault.on && fault.kind == kind) {
		fault.count++;
		if (fault.count == fault.at || (fault.lasting && fault.count > fault.at)) {
			fault.failed++;
			rc = kinds[kind].rc;
		}
	}
	(void)pthread_mutex_unlock(&mutex);
	return rc;
}

/* The disk */

static void
image_write(struct image *image, int64_t offset, const void *bytes, size_t len)
{
	size_t end = (size_t)offset + len;

	if (end > image->size) {
		if (end > image->room)
			image->bytes = room(image->bytes, image->room = end * 2);
		memset(image->bytes + image->size, 0, end - image->size);
		image->size = end;
	}
	memcpy(image->bytes + offset, bytes, len);
	image->exists = true;
}

static void
image_apply(struct image *image, const struct change *c)
{
	switch (c->kind) {
	case CHANGE_WRITE:
		image_write(image, c->offset, c->bytes, c->len);
		return;
	case CHANGE_TRUNCATE:
		if ((size_t)c->offset < image->size)
			image->size = (size_t)c->offset;
		return;
	case CHANGE_DELETE:
		image->size = 0;
		image->exists = false;
		return;
	}
}

static void
forget_changes(struct disk_file *f)
{
	for (struct change *c = f->changes, *next; c != NULL; c = next) {
		next = c->next;
		free(c->bytes);
		free(c);
	}
	f->changes = NULL;
	f->changes_end = &f->changes;
}

static void
file_synced(struct disk_file *f)
{
	for (const struct change *c = f->changes; c != NULL; c = c->next)
		image_apply(&f->synced, c);
	f->synced.exists = true;
	forget_changes(f);
}

static void
add_change(struct disk_file *f, enum change_kind kind, int64_t offset, const void *bytes,
	   size_t len)
{
	struct change *c = room(NULL, sizeof(*c));

	*c = (struct change){.kind = kind, .offset = offset, .len = len};
	if (len > 0) {
		c->bytes = room(NULL, len);
		memcpy(c->bytes, bytes, len);
	}
	*f->changes_end = c;
	f->changes_end = &c->next;
}

static void
read_image(const char *path, struct image *image)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	*image = (struct image){0};
	if (fd < 0)
		return;
	if (fstat(fd, &st) != 0)
		abort();
	image->exists = true;
	image->size = (size_t)st.st_size;
	image->room = image->size;
	image->bytes = room(NULL, image->size);
	if (pread(fd, image->bytes, image->size, 0) != (ssize_t)image->size)
		abort();
	(void)close(fd);
}

/* The file of a path; before its first change the disk holds what the file holds.  Called with the
 * mutex, before the file is opened. */
static struct disk_file *
disk_file(const char *path)
{
	for (size_t i = 0; i < power.file_count; i++)
		if (strcmp(power.files[i].path, path) == 0)
			return &power.files[i];
	if (power.file_count == FILES_MAX || strlen(path) >= PATH_SIZE)
		abort();
	struct disk_file *f = &power.files[power.file_count++];
	*f = (struct disk_file){0};
	(void)strcpy(f->path, path);
	f->changes_end = &f->changes;
	/* SQLite must not lose its locks by our closing of a descriptor: the first look at a file
	 * comes before anybody has opened it. */
	read_image(path, &f->synced);
	return f;
}

/* Counts a change of a file; true if it is the power cut, or comes after it.  Called with the
 * mutex.
 */
static bool
cut_now(void)
{
	if (power.on && ++power.count >= power.at)
		atomic_store(&cut, true);
	return atomic_load(&cut);
}

void
power_on(unsigned at, bool deaf)
{
	(void)pthread_mutex_lock(&mutex);
	power.on = true;
	power.deaf = deaf;
	power.at = at;
	power.count = 0;
	power.file_count = 0;
	(void)pthread_mutex_unlock(&mutex);
}

bool
power_is_cut(void)
{
	return atomic_load(&cut);
}

/* What a cut leaves of changes that were under way: each sector of each write is one piece, and so
 * is a truncation. */
struct pieces {
	struct change *items;
	size_t count, size;
};

static void
add_piece(struct pieces *p, struct change piece)
{
	if (p->count == p->size)
		p->items = room(p->items, (p->size = p->size * 2 + 64) * sizeof(*p->items));
	p->items[p->count++] = piece;
}

static void
cut_in_pieces(const struct change *c, struct pieces *p)
{
	if (c->kind != CHANGE_WRITE) {
		add_piece(p, *c);
		return;
	}
	for (size_t done = 0; done < c->len;) {
		size_t n = SECTOR - (size_t)((c->offset + (int64_t)done) % SECTOR);

		n = n < c->len - done ? n : c->len - done;
		add_piece(p, (struct change){.kind = CHANGE_WRITE,
					     .offset = c->offset + (int64_t)done,
					     .len = n,
					     .bytes = c->bytes + done});
		done += n;
	}
}

static void
shuffle(struct pieces *p, uint64_t *random)
{
	for (size_t i = p->count; i > 1; i--) {
		size_t j = fault_random(random) % i;
		struct change other = p->items[i - 1];

		p->items[i - 1] = p->items[j];
		p->items[j] = other;
	}
}

/* A cut that finds changes under way: all of them arrive, none, the first ones, or any. */
static void
settle(struct disk_file *f, uint64_t *random)
{
	struct pieces p = {0};
	const struct change *c = f->changes;
	uint64_t how = fault_random(random) % 4, share = fault_random(random) % 101;

	for (; c != NULL; c = c->next) {
		/* What follows is another file of the same name: it can only be there if the old
		 * one is gone. */
		if (c->kind == CHANGE_DELETE && fault_random(random) % 2 == 0)
			break;
		if (c->kind == CHANGE_DELETE) {
			image_apply(&f->synced, c);
			p.count = 0;
			continue;
		}
		cut_in_pieces(c, &p);
	}
	if (how == 3)
		shuffle(&p, random);
	for (size_t i = 0; i < p.count; i++) {
		bool arrives = how == 0	  ? false
			       : how == 1 ? true
			       : how == 2 ? i * 100 < p.count * share
					  : fault_random(random) % 100 < share;
		if (arrives)
			image_apply(&f->synced, &p.items[i]);
	}
	free(p.items);
}

static void
write_image(const char *path, const struct image *image)
{
	(void)unlink(path);
	if (!image->exists)
		return;
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0 || write(fd, image->bytes, image->size) != (ssize_t)image->size ||
	    close(fd) != 0)
		abort();
}

void
power_off(uint64_t seed)
{
	char shm[PATH_SIZE + 4];

	for (size_t i = 0; i < power.file_count; i++) {
		struct disk_file *f = &power.files[i];

		settle(f, &seed);
		write_image(f->path, &f->synced);
		(void)snprintf(shm, sizeof(shm), "%s-shm", f->path);
		(void)unlink(shm);
		forget_changes(f);
		free(f->synced.bytes);
	}
	power.file_count = 0;
	power.on = false;
	atomic_store(&cut, false);
}

/* Files */

static sqlite3_file *
real(sqlite3_file *file)
{
	return (sqlite3_file *)(void *)((struct fault_file *)(void *)file)->real;
}

static struct disk_file *
disk_of(sqlite3_file *file)
{
	return ((struct fault_file *)(void *)file)->disk;
}

static int
file_close(sqlite3_file *file)
{
	return real(file)->pMethods->xClose(real(file));
}

static int
file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 offset)
{
	int rc = fails(FAULT_READ);

	return rc != SQLITE_OK ? rc : real(file)->pMethods->xRead(real(file), bytes, len, offset);
}

static int
file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
	struct disk_file *disk = disk_of(file);
	int rc = fails(FAULT_WRITE);

	if (rc == SQLITE_OK)
		rc = fails(FAULT_WRITE_FULL);
	if (rc != SQLITE_OK)
		return rc;
	if (disk == NULL)
		return real(file)->pMethods->xWrite(real(file), bytes, len, offset);
	(void)pthread_mutex_lock(&mutex);
	if (!atomic_load(&cut))
		add_change(disk, CHANGE_WRITE, offset, bytes, (size_t)len);
	rc = cut_now() ? SQLITE_IOERR_WRITE
		       : real(file)->pMethods->xWrite(real(file), bytes, len, offset);
	(void)pthread_mutex_unlock(&mutex);
	return rc;
}

static int
file_truncate(sqlite3_file *file, sqlite3_int64 size)
{
	struct disk_file *disk = disk_of(file);
	int rc = fails(FAULT_TRUNCATE);

	if (rc != SQLITE_OK)
		return rc;
	if (disk == NULL)
		return real(file)->pMethods->xTruncate(real(file), size);
	(void)pthread_mutex_lock(&mutex);
	if (!atomic_load(&cut))
		add_change(disk, CHANGE_TRUNCATE, size, NULL, 0);
	rc = cut_now() ? SQLITE_IOERR_TRUNCATE : real(file)->pMethods->xTruncate(real(file), size);
	(void)pthread_mutex_unlock(&mutex);
	return rc;
}

static int
file_sync(sqlite3_file *file, int flags)
{
	struct disk_file *disk = disk_of(file);
	int rc = fails(FAULT_SYNC);

	if (rc != SQLITE_OK)
		return rc;
	if (disk == NULL)
		return real(file)->pMethods->xSync(real(file), flags);
	(void)pthread_mutex_lock(&mutex);
	if (cut_now())
		rc = SQLITE_IOERR_FSYNC;
	else if (!power.deaf)
		file_synced(disk);
	(void)pthread_mutex_unlock(&mutex);
	return rc;
}

static int
file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	int rc = fails(FAULT_SIZE);

	return rc != SQLITE_OK ? rc : real(file)->pMethods->xFileSize(real(file), size);
}

static int
file_lock(sqlite3_file *file, int level)
{
	int rc = fails(FAULT_LOCK);

	return rc != SQLITE_OK ? rc : real(file)->pMethods->xLock(real(file), level);
}

static int
file_unlock(sqlite3_file *file, int level)
{
	return real(file)->pMethods->xUnlock(real(file), level);
}

static int
file_check_lock(sqlite3_file *file, int *held)
{
	return real(file)->pMethods->xCheckReservedLock(real(file), held);
}

static int
file_control(sqlite3_file *file, int op, void *arg)
{
	return real(file)->pMethods->xFileControl(real(file), op, arg);
}

static int
sector_size(sqlite3_file *file)
{
	return real(file)->pMethods->xSectorSize(real(file));
}

static int
characteristics(sqlite3_file *file)
{
	return real(file)->pMethods->xDeviceCharacteristics(real(file));
}

static int
shm_map(sqlite3_file *file, int region, int size, int extend, void volatile **out)
{
	int rc = fails(FAULT_SHM_MAP);

	return rc != SQLITE_OK
		       ? rc
		       : real(file)->pMethods->xShmMap(real(file), region, size, extend, out);
}

static int
shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	int rc = (flags & SQLITE_SHM_LOCK) != 0 ? fails(FAULT_SHM_LOCK) : SQLITE_OK;

	return rc != SQLITE_OK ? rc : real(file)->pMethods->xShmLock(real(file), offset, n, flags);
}

static void
shm_barrier(sqlite3_file *file)
{
	real(file)->pMethods->xShmBarrier(real(file));
}

static int
shm_unmap(sqlite3_file *file, int delete)
{
	return real(file)->pMethods->xShmUnmap(real(file), delete);
}

static const sqlite3_io_methods methods = {
	.iVersion = 2, /* without memory-mapped files */
	.xClose = file_close,
	.xRead = file_read,
	.xWrite = file_write,
	.xTruncate = file_truncate,
	.xSync = file_sync,
	.xFileSize = file_size,
	.xLock = file_lock,
	.xUnlock = file_unlock,
	.xCheckReservedLock = file_check_lock,
	.xFileControl = file_control,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = characteristics,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

/* The file system */

static int
vfs_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	struct fault_file *f = (struct fault_file *)(void *)file;
	int rc = fails(FAULT_OPEN);

	(void)vfs;
	f->base.pMethods = NULL;
	f->disk = NULL;
	if (rc != SQLITE_OK)
		return rc;
	(void)pthread_mutex_lock(&mutex);
	if (power.on && name != NULL)
		f->disk = disk_file(name);
	(void)pthread_mutex_unlock(&mutex);
	rc = below->xOpen(below, name, real(file), flags, out_flags);
	if (rc == SQLITE_OK)
		f->base.pMethods = &methods;
	return rc;
}

static int
vfs_delete(sqlite3_vfs *vfs, const char *name, int sync_directory)
{
	int rc = fails(FAULT_DELETE);

	(void)vfs;
	if (rc != SQLITE_OK)
		return rc;
	(void)pthread_mutex_lock(&mutex);
	struct disk_file *disk = power.on ? disk_file(name) : NULL;
	if (disk != NULL && !atomic_load(&cut))
		add_change(disk, CHANGE_DELETE, 0, NULL, 0);
	rc = cut_now() ? SQLITE_IOERR_DELETE : below->xDelete(below, name, sync_directory);
	if (disk != NULL && rc == SQLITE_OK && sync_directory != 0 && !power.deaf) {
		file_synced(disk);
		disk->synced.exists = false;
	}
	(void)pthread_mutex_unlock(&mutex);
	return rc;
}

static int
vfs_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	int rc = fails(FAULT_ACCESS);

	(void)vfs;
	return rc != SQLITE_OK ? rc : below->xAccess(below, name, flags, out);
}

bool
fault_vfs_register(void)
{
	static sqlite3_vfs vfs;

	below = sqlite3_vfs_find(NULL);
	if (below == NULL)
		return false;
	vfs = *below; /* what is not ours is the other's own */
	vfs.szOsFile = (int)sizeof(struct fault_file) + below->szOsFile;
	vfs.pNext = NULL;
	vfs.zName = "fault";
	vfs.xOpen = vfs_open;
	vfs.xDelete = vfs_delete;
	vfs.xAccess = vfs_access;
	return sqlite3_vfs_register(&vfs, 1) == SQLITE_OK;
}
