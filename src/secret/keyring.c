/* secret: the key ring and what is done with it. */
#include "secret/keyring.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"

enum {
	KEYS_MAX = KEYRING_MAX,
	FILE_MAX = 8192,
	SEAL_VERSION = 1,
	SEAL_HEAD = SECRET_PREFIX, /* version, key id (big-endian) */
	SEAL_OVERHEAD = SEAL_HEAD + crypto_aead_xchacha20poly1305_ietf_NPUBBYTES,
	PAD_BLOCK = 32,
	KEY_BYTES = crypto_aead_xchacha20poly1305_ietf_KEYBYTES,
	HASH_BYTES = crypto_generichash_BYTES,
};

static const char check_text[] = "regcred key check";

struct ring_key {
	uint32_t id;
	bool sealing; /* else for hashing */
	unsigned char bytes[KEY_BYTES];
};

/* What a key file holds. */
struct keys {
	struct ring_key keys[KEYS_MAX];
	size_t count;
	uint32_t primary; /* seals what is new */
};

/* By what a changed file is known: it is replaced, never written in place. */
struct stamp {
	dev_t dev;
	ino_t ino;
	off_t size;
	struct timespec changed;
};

/* The keys that are in use, and the file that they follow. */
struct live {
	char *path;
	pthread_rwlock_t lock; /* guards keys: held while they are used, which takes microseconds */
	struct keys keys;
	atomic_llong next_look_ms; /* no thread looks at the file before that, unless it must */
	pthread_mutex_t look;	   /* guards what follows: one thread at a time looks */
	struct stamp stamp;
	bool bad; /* the file could not be used at the last look, which was logged */
};

/* Behind a pointer, because whoever may use a ring may also make it look at its file. */
struct keyring {
	struct live *live;
};

bool
secret_init(void)
{
	return sodium_init() >= 0;
}

static const struct ring_key *
find_key(const struct keys *keys, uint32_t id, bool sealing)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->keys[i].id == id && keys->keys[i].sealing == sealing)
			return &keys->keys[i];
	return NULL;
}

/* The key file: one key in a line, `seal ID HEX` or `hash ID HEX`, and `primary ID`. */

static bool
write_all(int fd, const char *text, size_t len)
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

/* The directory in which path lies. */
static void
directory_of(const char *path, char out[KEYRING_PATH_MAX])
{
	const char *slash = strrchr(path, '/');

	(void)snprintf(out, KEYRING_PATH_MAX, "%.*s", slash == NULL ? 1 : (int)(slash - path + 1),
		       slash == NULL ? "." : path);
}

static bool
sync_directory(const char *path)
{
	char directory[KEYRING_PATH_MAX];

	directory_of(path, directory);
	int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return false;
	bool done = fsync(fd) == 0;
	(void)close(fd);
	return done;
}

/* The text of a key file; its length.  Wiped by the caller. */
static size_t
print_keys(const struct keys *keys, char text[FILE_MAX])
{
	int len = snprintf(text, FILE_MAX,
			   "# Master key of regcred.  Keep a copy in a safe place: without it no "
			   "stored secret can be read.\n");

	for (size_t i = 0; i < keys->count; i++) {
		const struct ring_key *key = &keys->keys[i];
		char hex[2 * KEY_BYTES + 1];

		(void)sodium_bin2hex(hex, sizeof(hex), key->bytes, KEY_BYTES);
		len += snprintf(text + len, FILE_MAX - (size_t)len, "%s %u %s\n",
				key->sealing ? "seal" : "hash", key->id, hex);
		sodium_memzero(hex, sizeof(hex));
	}
	len += snprintf(text + len, FILE_MAX - (size_t)len, "primary %u\n", keys->primary);
	return (size_t)len;
}

/* Makes a file of mode 0400 and flushes it; false with errno set, and no file is left. */
static bool
write_keys(const char *path, const struct keys *keys, const struct stat *owner)
{
	char text[FILE_MAX];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0400);

	if (fd < 0)
		return false;
	size_t len = print_keys(keys, text);
	/* A group that cannot be kept does no harm: it may not read the file anyway. */
	bool done = owner == NULL || fchown(fd, owner->st_uid, owner->st_gid) == 0 ||
		    owner->st_uid == geteuid();
	done = done && fchmod(fd, 0400) == 0 && write_all(fd, text, len) && fsync(fd) == 0;
	int error = errno;
	sodium_memzero(text, sizeof(text));
	(void)close(fd);
	if (!done)
		(void)unlink(path);
	errno = error;
	return done;
}

/* A fresh key behind the others. */
static void
make_key(struct keys *keys, bool sealing, uint32_t id)
{
	struct ring_key *key = &keys->keys[keys->count++];

	key->id = id;
	key->sealing = sealing;
	randombytes_buf(key->bytes, KEY_BYTES);
}

bool
keyring_create(const char *path, char why[SECRET_WHY_MAX])
{
	struct keys keys = {.primary = 1};

	make_key(&keys, true, 1);
	make_key(&keys, false, 1);
	bool done = write_keys(path, &keys, NULL);
	if (!done)
		(void)snprintf(why, SECRET_WHY_MAX, "cannot make the key file %s: %s", path,
			       strerror(errno));
	if (done && !sync_directory(path)) {
		(void)snprintf(why, SECRET_WHY_MAX, "cannot write the key file %s: %s", path,
			       strerror(errno));
		(void)unlink(path);
		done = false;
	}
	sodium_memzero(&keys, sizeof(keys));
	return done;
}

/* "12": digits alone, not 0. */
static bool
parse_id(const char *text, uint32_t *id)
{
	enum { DIGITS_MAX = 9 };
	size_t len = strspn(text, "0123456789");

	if (len == 0 || len > DIGITS_MAX || text[len] != '\0' || text[0] == '0')
		return false;
	*id = (uint32_t)strtoul(text, NULL, 10);
	return true;
}

static bool
add_key(struct keys *keys, bool sealing, uint32_t id, const char *hex)
{
	struct ring_key *key = &keys->keys[keys->count];

	/* Without a place for its end a text is hexadecimal digits alone, or refused. */
	if (keys->count == KEYS_MAX || find_key(keys, id, sealing) != NULL ||
	    strlen(hex) != (size_t)2 * KEY_BYTES ||
	    sodium_hex2bin(key->bytes, KEY_BYTES, hex, strlen(hex), NULL, NULL, NULL) != 0)
		return false;
	key->id = id;
	key->sealing = sealing;
	keys->count++;
	return true;
}

/* One line; it is cut into its words. */
static bool
parse_line(struct keys *keys, char *line)
{
	char *state = NULL;
	const char *use = strtok_r(line, " ", &state), *number = strtok_r(NULL, " ", &state);
	const char *hex = strtok_r(NULL, " ", &state);
	uint32_t id;

	if (use == NULL || use[0] == '#')
		return true;
	if (number == NULL || !parse_id(number, &id) || strtok_r(NULL, " ", &state) != NULL)
		return false;
	if (strcmp(use, "primary") == 0 && hex == NULL && keys->primary == 0) {
		keys->primary = id;
		return true;
	}
	bool sealing = strcmp(use, "seal") == 0;
	return hex != NULL && (sealing || strcmp(use, "hash") == 0) &&
	       add_key(keys, sealing, id, hex);
}

static bool
parse_file(struct keys *keys, char *text)
{
	char *state = NULL;

	for (char *line = strtok_r(text, "\n", &state); line != NULL;
	     line = strtok_r(NULL, "\n", &state))
		if (!parse_line(keys, line))
			return false;
	return find_key(keys, keys->primary, true) != NULL && find_key(keys, 1, false) != NULL;
}

static struct stamp
stamp_of(const struct stat *st)
{
	return (struct stamp){st->st_dev, st->st_ino, st->st_size, st->st_ctim};
}

/* The file's bytes with a NUL behind them; the length, or -1 with the sentence in why. */
static ssize_t
read_file(const char *path, char *text, struct stamp *stamp, char why[SECRET_WHY_MAX])
{
	struct stat st;
	ssize_t len = -1;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		(void)snprintf(why, SECRET_WHY_MAX, "cannot read the master key %s: %s", path,
			       strerror(errno));
		return -1;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		(void)snprintf(why, SECRET_WHY_MAX, "the master key %s is not a file", path);
	else if (st.st_size >= FILE_MAX) /* keys behind that would be lost when it is changed */
		(void)snprintf(why, SECRET_WHY_MAX, "the master key %s is too long for a key file",
			       path);
	else if ((st.st_mode & 077) != 0)
		(void)snprintf(why, SECRET_WHY_MAX,
			       "others can read the master key %s: chmod 0400 %s", path, path);
	else if ((len = read(fd, text, FILE_MAX - 1)) < 0)
		(void)snprintf(why, SECRET_WHY_MAX, "cannot read the master key %s: %s", path,
			       strerror(errno));
	else
		text[len] = '\0';
	if (len >= 0)
		*stamp = stamp_of(&st);
	(void)close(fd);
	return len;
}

/* False with the sentence in why, and nothing in *keys. */
static bool
read_keys(const char *path, struct keys *keys, struct stamp *stamp, char why[SECRET_WHY_MAX])
{
	char text[FILE_MAX];
	bool done = false;

	*keys = (struct keys){0};
	ssize_t len = read_file(path, text, stamp, why);
	if (len >= 0) {
		done = strlen(text) == (size_t)len && parse_file(keys, text);
		if (!done)
			(void)snprintf(
				why, SECRET_WHY_MAX,
				"the master key %s is not a key file of regcred, or is damaged",
				path);
	}
	if (!done)
		sodium_memzero(keys, sizeof(*keys));
	sodium_memzero(text, sizeof(text));
	return done;
}

/* A thread that waits to write goes first: busy readers would keep it waiting for ever. */
static void
init_lock(pthread_rwlock_t *lock)
{
	pthread_rwlockattr_t kind;

	(void)pthread_rwlockattr_init(&kind);
#ifdef __GLIBC__
	(void)pthread_rwlockattr_setkind_np(&kind, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
#endif
	(void)pthread_rwlock_init(lock, &kind);
	(void)pthread_rwlockattr_destroy(&kind);
}

struct keyring *
keyring_load(const char *path, char why[SECRET_WHY_MAX])
{
	struct keys keys;
	struct stamp stamp;

	if (!read_keys(path, &keys, &stamp, why))
		return NULL;
	struct keyring *ring = calloc(1, sizeof(*ring));
	struct live *live = calloc(1, sizeof(*live));
	char *copy = strdup(path);
	if (ring == NULL || live == NULL || copy == NULL) {
		(void)snprintf(why, SECRET_WHY_MAX, "there is no memory");
		free(ring);
		free(live);
		free(copy);
		ring = NULL;
	} else {
		live->path = copy;
		live->keys = keys;
		live->stamp = stamp;
		atomic_init(&live->next_look_ms, 0);
		init_lock(&live->lock);
		(void)pthread_mutex_init(&live->look, NULL);
		ring->live = live;
	}
	sodium_memzero(&keys, sizeof(keys));
	return ring;
}

void
keyring_free(struct keyring *ring)
{
	if (ring == NULL)
		return;
	struct live *live = ring->live;
	sodium_memzero(&live->keys, sizeof(live->keys));
	(void)pthread_rwlock_destroy(&live->lock);
	(void)pthread_mutex_destroy(&live->look);
	free(live->path);
	free(live);
	free(ring);
}

/* Following the file */

static bool
same_stamp(const struct stamp *a, const struct stamp *b)
{
	return a->dev == b->dev && a->ino == b->ino && a->size == b->size &&
	       a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec;
}

/* Whether a rotation leads from the one to the other: no key has changed, hashing keys stay, and
 * the primary never goes back.  Any other file would make stored secrets unreadable. */
static bool
follows(const struct keys *old, const struct keys *new)
{
	for (size_t i = 0; i < old->count; i++) {
		const struct ring_key *key = &old->keys[i];
		const struct ring_key *now = find_key(new, key->id, key->sealing);

		if (now == NULL ? !key->sealing || key->id >= new->primary
				: sodium_memcmp(now->bytes, key->bytes, KEY_BYTES) != 0)
			return false;
	}
	return new->primary >= old->primary;
}

/* Called with `look` held. */
static void
read_again(struct live *live)
{
	char why[SECRET_WHY_MAX];
	struct keys keys;
	struct stat st;
	bool there = stat(live->path, &st) == 0;
	struct stamp stamp = there ? stamp_of(&st) : (struct stamp){0};

	if (there && same_stamp(&stamp, &live->stamp))
		return;
	live->stamp = stamp;
	/* live->keys is written here alone, so this thread may read it without the lock. */
	bool good = read_keys(live->path, &keys, &live->stamp, why);
	if (good && !follows(&live->keys, &keys)) {
		(void)snprintf(why, SECRET_WHY_MAX,
			       "the master key %s was replaced by an older or another one",
			       live->path);
		good = false;
	}
	if (good) {
		(void)pthread_rwlock_wrlock(&live->lock);
		live->keys = keys;
		(void)pthread_rwlock_unlock(&live->lock);
		log_info("the master key %s has changed: key %u seals", live->path, keys.primary);
	} else if (!live->bad) {
		log_error("%s; the keys that were read before stay in use", why);
	}
	if (!good)
		live->stamp = (struct stamp){0}; /* what was wrong may pass */
	live->bad = !good;
	sodium_memzero(&keys, sizeof(keys));
}

static long long
monotonic_ms(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void
keyring_refresh(const struct keyring *ring)
{
	struct live *live = ring->live;

	(void)pthread_mutex_lock(&live->look);
	atomic_store(&live->next_look_ms, monotonic_ms() + KEYRING_LOOK_MS);
	read_again(live);
	(void)pthread_mutex_unlock(&live->look);
}

/* The keys, locked for reading; looks at the file if the last look was some time ago.  The clock
 * costs no system call. */
static const struct keys *
use_keys(const struct keyring *ring)
{
	struct live *live = ring->live;
	long long next = atomic_load(&live->next_look_ms), now = monotonic_ms();

	if (now >= next &&
	    atomic_compare_exchange_strong(&live->next_look_ms, &next, now + KEYRING_LOOK_MS))
		keyring_refresh(ring);
	(void)pthread_rwlock_rdlock(&live->lock);
	return &live->keys;
}

static void
keys_used(const struct keyring *ring)
{
	(void)pthread_rwlock_unlock(&ring->live->lock);
}

size_t
keyring_sealing(const struct keyring *ring, struct sealing_key out[KEYRING_MAX])
{
	const struct keys *keys = use_keys(ring);
	size_t count = 0;

	for (size_t i = 0; i < keys->count; i++)
		if (keys->keys[i].sealing)
			out[count++] = (struct sealing_key){keys->keys[i].id,
							    keys->keys[i].id == keys->primary};
	keys_used(ring);
	return count;
}

/* Changing the file */

static bool
is_credential(const char *path)
{
	static const char place[] = "/run/credentials/";
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	size_t len = directory != NULL ? strlen(directory) : 0;

	return strncmp(path, place, strlen(place)) == 0 ||
	       (len > 0 && strncmp(path, directory, len) == 0 &&
		(path[len] == '/' || directory[len - 1] == '/'));
}

static void
not_writable(const char *path, const char *reason, char why[SECRET_WHY_MAX])
{
	(void)snprintf(
		why, SECRET_WHY_MAX,
		"the master key %s cannot be replaced: %s.  Stop regcredd, run `regcred rekey "
		"--key-file FILE` on the file that this one is made from, put the new one in "
		"place and start regcredd again",
		path, reason);
}

int
keyring_lock(const char *path, char why[SECRET_WHY_MAX])
{
	char directory[KEYRING_PATH_MAX], *real = realpath(path, NULL);
	int fd = -1;

	if (real == NULL) {
		(void)snprintf(why, SECRET_WHY_MAX, "cannot read the master key %s: %s", path,
			       strerror(errno));
		return -1;
	}
	directory_of(real, directory);
	if (is_credential(path) || is_credential(real))
		not_writable(path, "it is a copy that systemd made for the service", why);
	else if (access(directory, W_OK | X_OK) != 0)
		not_writable(path,
			     errno == EROFS ? "its file system is read-only"
					    : "its directory cannot be written to",
			     why);
	else if ((fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
		(void)snprintf(why, SECRET_WHY_MAX,
			       "cannot open the directory of the master key: %s", strerror(errno));
	else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		(void)snprintf(why, SECRET_WHY_MAX, "another `regcred rekey` is running");
		(void)close(fd);
		fd = -1;
	}
	free(real);
	return fd;
}

/* Puts these keys in place of the file, which keeps its owner: a temporary file beside it, flushed,
 * renamed, and the directory flushed. */
static bool
replace(const char *path, const struct keys *keys, char why[SECRET_WHY_MAX])
{
	char fresh[KEYRING_PATH_MAX + sizeof(".new")], *real = realpath(path, NULL);
	struct stat st;
	bool done = real != NULL && stat(real, &st) == 0;

	if (done) {
		(void)snprintf(fresh, sizeof(fresh), "%s.new", real);
		(void)unlink(fresh); /* of a run that was killed */
		done = write_keys(fresh, keys, &st);
	}
	if (done && rename(fresh, real) != 0) {
		int error = errno;

		(void)unlink(fresh);
		errno = error;
		done = false;
	}
	if (!done && errno == EBUSY)
		not_writable(path, "it is mounted by itself, without its directory", why);
	else if (!done || !sync_directory(real)) {
		(void)snprintf(why, SECRET_WHY_MAX, "cannot write the key file %s: %s", path,
			       strerror(errno));
		done = false;
	}
	free(real);
	return done;
}

/* Reads the file, lets `edit` change the keys, writes it. */
static bool
edit_file(const char *path, const char *(*edit)(struct keys *keys, uint32_t id), uint32_t id,
	  char why[SECRET_WHY_MAX])
{
	struct keys keys;
	struct stamp stamp;

	if (!read_keys(path, &keys, &stamp, why))
		return false;
	const char *wrong = edit(&keys, id);
	bool done = wrong == NULL && replace(path, &keys, why);
	if (wrong != NULL)
		(void)snprintf(why, SECRET_WHY_MAX, "the master key %s %s", path, wrong);
	sodium_memzero(&keys, sizeof(keys));
	return done;
}

static const char *
edit_add(struct keys *keys, uint32_t id)
{
	if (keys->count == KEYS_MAX)
		return "has no room for another key";
	if (find_key(keys, id, true) != NULL)
		return "has that key already";
	make_key(keys, true, id);
	return NULL;
}

static const char *
edit_primary(struct keys *keys, uint32_t id)
{
	if (find_key(keys, id, true) == NULL)
		return "does not have the key that was to become the primary one";
	keys->primary = id;
	return NULL;
}

static const char *
edit_remove(struct keys *keys, uint32_t id)
{
	size_t kept = 0;

	if (id == keys->primary)
		return "seals with the key that was to be removed";
	for (size_t i = 0; i < keys->count; i++)
		if (!keys->keys[i].sealing || keys->keys[i].id != id)
			keys->keys[kept++] = keys->keys[i];
	keys->count = kept;
	return NULL;
}

bool
keyring_add(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
{
	return edit_file(path, edit_add, id, why);
}

bool
keyring_set_primary(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
{
	return edit_file(path, edit_primary, id, why);
}

bool
keyring_remove(const char *path, uint32_t id, char why[SECRET_WHY_MAX])
{
	return edit_file(path, edit_remove, id, why);
}

/* Sealing */

static void
put_id(unsigned char *out, uint32_t id)
{
	for (unsigned i = 0; i < 4; i++)
		out[i] = (unsigned char)(id >> (24 - 8 * i));
}

static uint32_t
get_id(const unsigned char *in)
{
	return (uint32_t)in[0] << 24 | (uint32_t)in[1] << 16 | (uint32_t)in[2] << 8 |
	       (uint32_t)in[3];
}

/* Unambiguous: none of the parts can hold the separator. */
static char *
associated(struct arena *a, const struct seal_place *place)
{
	return arena_printf(a, "%s\n%s\n%lld\n%s", place->table, place->uuid,
			    (long long)place->account_id, place->field);
}

static bool
seal_with(const struct ring_key *key, struct arena *a, const char *ad, const char *text,
	  struct value *out)
{
	size_t len = strlen(text), padded = 0, room = len + PAD_BLOCK;
	unsigned char *plain = arena_alloc(a, room);
	unsigned char *sealed =
		arena_alloc(a, SEAL_OVERHEAD + room + crypto_aead_xchacha20poly1305_ietf_ABYTES);
	unsigned long long sealed_len = 0;

	if (plain == NULL || sealed == NULL) /* without any for ad there is none here either */
		return false;
	memcpy(plain, text, len);
	if (sodium_pad(&padded, plain, len, PAD_BLOCK, room) != 0)
		return false;
	sealed[0] = SEAL_VERSION;
	put_id(sealed + 1, key->id);
	randombytes_buf(sealed + SEAL_HEAD, crypto_aead_xchacha20poly1305_ietf_NPUBBYTES);
	(void)crypto_aead_xchacha20poly1305_ietf_encrypt(
		sealed + SEAL_OVERHEAD, &sealed_len, plain, padded, (const unsigned char *)ad,
		strlen(ad), NULL, sealed + SEAL_HEAD, key->bytes);
	*out = value_blob(sealed, SEAL_OVERHEAD + (size_t)sealed_len);
	return true;
}

/* With the key that the value names: id is its secret_key_id(), not 0. */
static const char *
open_with(const struct keys *keys, int64_t id, struct arena *a, const char *ad,
	  const struct value *sealed)
{
	const unsigned char *bytes = (const unsigned char *)sealed->text;
	unsigned long long len = 0;
	size_t plain_len = 0;

	if (ad == NULL ||
	    sealed->len < (size_t)SEAL_OVERHEAD + crypto_aead_xchacha20poly1305_ietf_ABYTES)
		return NULL;
	const struct ring_key *key = find_key(keys, (uint32_t)id, true);
	unsigned char *plain = arena_alloc(a, sealed->len);
	if (key == NULL || plain == NULL)
		return NULL;
	if (crypto_aead_xchacha20poly1305_ietf_decrypt(
		    plain, &len, NULL, bytes + SEAL_OVERHEAD, sealed->len - SEAL_OVERHEAD,
		    (const unsigned char *)ad, strlen(ad), bytes + SEAL_HEAD, key->bytes) != 0 ||
	    sodium_unpad(&plain_len, plain, (size_t)len, PAD_BLOCK) != 0)
		return NULL;
	plain[plain_len] = '\0';
	return (const char *)plain;
}

bool
secret_seal(const struct keyring *ring, struct arena *a, const struct seal_place *place,
	    const char *text, struct value *out)
{
	const char *ad = associated(a, place);
	const struct keys *keys = use_keys(ring);
	bool done = seal_with(find_key(keys, keys->primary, true), a, ad, text, out);

	keys_used(ring);
	return done;
}

static bool
has_key(const struct keyring *ring, int64_t id)
{
	const struct keys *keys = use_keys(ring);
	bool has = find_key(keys, (uint32_t)id, true) != NULL;

	keys_used(ring);
	return has;
}

const char *
secret_open(const struct keyring *ring, struct arena *a, const struct seal_place *place,
	    const struct value *sealed)
{
	const char *ad = associated(a, place);
	int64_t id = secret_key_id(sealed);

	if (id == 0)
		return NULL;
	if (!has_key(ring, id))
		keyring_refresh(ring); /* perhaps another process has just made it */
	const char *text = open_with(use_keys(ring), id, a, ad, sealed);
	keys_used(ring);
	return text;
}

int64_t
secret_key_id(const struct value *sealed)
{
	const unsigned char *bytes = (const unsigned char *)sealed->text;

	return sealed->type == VALUE_BLOB && bytes != NULL && sealed->len >= SEAL_HEAD &&
			       bytes[0] == SEAL_VERSION
		       ? get_id(bytes + 1)
		       : 0;
}

void
secret_seal_prefix(uint32_t id, char out[SECRET_PREFIX])
{
	unsigned char bytes[SEAL_HEAD] = {SEAL_VERSION};

	put_id(bytes + 1, id);
	memcpy(out, bytes, SEAL_HEAD);
}

/* Hashing */

static void
hash_with(const struct ring_key *key, const char *text, unsigned char out[HASH_BYTES])
{
	(void)crypto_generichash(out, HASH_BYTES, (const unsigned char *)text, strlen(text),
				 key->bytes, KEY_BYTES);
}

bool
secret_hash(const struct keyring *ring, struct arena *a, const char *secret, struct value *out)
{
	unsigned char *hash = arena_alloc(a, HASH_BYTES);

	if (hash == NULL)
		return false;
	hash_with(find_key(use_keys(ring), 1, false), secret, hash);
	keys_used(ring);
	*out = value_blob(hash, HASH_BYTES);
	return true;
}

bool
secret_verify_key(const struct keyring *ring, const char *secret, const struct value *stored)
{
	static const unsigned char nothing[HASH_BYTES];
	unsigned char hash[HASH_BYTES];
	bool there = stored != NULL && stored->type == VALUE_BLOB && stored->len == HASH_BYTES &&
		     stored->text != NULL;

	hash_with(find_key(use_keys(ring), 1, false), secret, hash);
	keys_used(ring);
	bool equal = sodium_memcmp(hash, there ? (const void *)stored->text : (const void *)nothing,
				   HASH_BYTES) == 0;
	sodium_memzero(hash, sizeof(hash));
	return there && equal;
}

void
secret_mac(const struct keyring *ring, const char *purpose, const void *bytes, size_t len,
	   unsigned char out[SECRET_MAC_SIZE])
{
	/* Apart from the hashes that are stored: a text that somebody chose must not make a key. */
	static const unsigned char personal[crypto_generichash_blake2b_PERSONALBYTES] =
		"regcred purpose";
	unsigned char key[KEY_BYTES];

	(void)crypto_generichash_blake2b_salt_personal(
		key, sizeof(key), (const unsigned char *)purpose, strlen(purpose),
		find_key(use_keys(ring), 1, false)->bytes, KEY_BYTES, NULL, personal);
	keys_used(ring);
	(void)crypto_generichash(out, SECRET_MAC_SIZE, bytes, len, key, sizeof(key));
	sodium_memzero(key, sizeof(key));
}

/* Key checks */

static bool
check_value(const struct ring_key *key, struct arena *a, struct value *value)
{
	if (key->sealing)
		return seal_with(key, a, check_text, check_text, value);
	unsigned char *hash = arena_alloc(a, HASH_BYTES);
	if (hash == NULL)
		return false;
	hash_with(key, check_text, hash);
	*value = value_blob(hash, HASH_BYTES);
	return true;
}

bool
keyring_check_value(const struct keyring *ring, struct arena *a, size_t i, int64_t *key_id,
		    const char **use, struct value *value)
{
	const struct keys *keys = use_keys(ring);
	bool done = i < keys->count;

	if (done) {
		*key_id = keys->keys[i].id;
		*use = keys->keys[i].sealing ? "seal" : "hash";
		done = check_value(&keys->keys[i], a, value);
	}
	keys_used(ring);
	return done;
}

static bool
matches(const struct keys *keys, int64_t key_id, bool sealing, const struct value *value)
{
	const struct ring_key *key = find_key(keys, (uint32_t)key_id, sealing);
	unsigned char hash[HASH_BYTES];

	if (key == NULL || key->id != key_id || value->type != VALUE_BLOB)
		return false;
	if (sealing) {
		struct arena *a = arena_new(4096);
		bool opens = a != NULL && secret_key_id(value) == key_id &&
			     open_with(keys, key_id, a, check_text, value) != NULL;

		arena_free(a);
		return opens;
	}
	hash_with(key, check_text, hash);
	return value->len == HASH_BYTES && sodium_memcmp(hash, value->text, HASH_BYTES) == 0;
}

bool
keyring_matches(const struct keyring *ring, int64_t key_id, const char *use,
		const struct value *value)
{
	bool right = matches(use_keys(ring), key_id, strcmp(use, "seal") == 0, value);

	keys_used(ring);
	return right;
}

/* Random names */

static void
random_hex_upper(char *out, size_t digits)
{
	static const char hex[] = "0123456789ABCDEF";

	for (size_t i = 0; i < digits; i++)
		out[i] = hex[randombytes_uniform(16)];
	out[digits] = '\0';
}

enum { UUID_BYTES = 16, UUID_TIME_BYTES = 6 };

static void
uuid_text(unsigned char b[UUID_BYTES], char out[SECRET_UUID_SIZE])
{
	b[6] = (unsigned char)((b[6] & 0x0f) | 0x40); /* version 4 */
	b[8] = (unsigned char)((b[8] & 0x3f) | 0x80); /* the variant of RFC 9562 */
	(void)snprintf(out, SECRET_UUID_SIZE,
		       "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
		       b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12],
		       b[13], b[14], b[15]);
}

void
secret_uuid(char out[SECRET_UUID_SIZE])
{
	unsigned char b[UUID_BYTES];

	randombytes_buf(b, sizeof(b));
	uuid_text(b, out);
}

void
secret_row_uuid(int64_t now_ms, char out[SECRET_UUID_SIZE])
{
	unsigned char b[UUID_BYTES];

	randombytes_buf(b, sizeof(b));
	for (unsigned i = 0; i < UUID_TIME_BYTES; i++)
		b[i] = (unsigned char)((uint64_t)now_ms >> 8 * (UUID_TIME_BYTES - 1 - i));
	uuid_text(b, out);
}

void
secret_access_key(char out[SECRET_ACCESS_KEY_SIZE])
{
	random_hex_upper(out, SECRET_ACCESS_KEY_SIZE - 1);
}

void
secret_csrf_token(char out[SECRET_CSRF_SIZE])
{
	random_hex_upper(out, SECRET_CSRF_SIZE - 1);
}

void
secret_key(char out[SECRET_KEY_SIZE])
{
	static const char alphabet[] = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz123456789";

	for (size_t i = 0; i < SECRET_KEY_SIZE - 1; i++)
		out[i] = alphabet[randombytes_uniform(sizeof(alphabet) - 1)];
	out[SECRET_KEY_SIZE - 1] = '\0';
}

bool
secret_equal(const char *a, const char *b)
{
	size_t len = strlen(a);

	return len == strlen(b) && sodium_memcmp(a, b, len) == 0;
}
