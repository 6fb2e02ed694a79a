/* key_file: reads, creates and changes the key file. */
#include "secret/key_file.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/disk.h"
#include "base/file.h"
#include "base/ini.h"
#include "base/remedy.h"
#include "secret/keyring.h"
#include "secret/ring.h"

enum {
	FILE_MAX = 8191,
};

const char key_check_text[] = "regcred key check";

const struct ring_key *
keys_find(const struct keys *keys, uint32_t id, bool sealing)
{
	for (size_t i = 0; i < keys->count; i++)
		if (keys->keys[i].id == id && keys->keys[i].sealing == sealing)
			return &keys->keys[i];
	return NULL;
}

/* Writes the text of a key file; returns its length. The caller wipes it. */
static size_t
key_file_print_keys(const struct keys *keys, char text[FILE_MAX + 1])
{
	int len = snprintf(text, FILE_MAX + 1,
			   "# Master key of regcred.  Keep a copy in a safe place: without it no "
			   "stored secret can be read.\n");

	for (size_t i = 0; i < keys->count; i++) {
		const struct ring_key *key = &keys->keys[i];
		char hex[2 * KEY_BYTES + 1];

		(void)sodium_bin2hex(hex, sizeof(hex), key->bytes, KEY_BYTES);
		len += snprintf(text + len, FILE_MAX + 1 - (size_t)len, "%s %u %s\n",
				key->sealing ? "seal" : "hash", key->id, hex);
		sodium_memzero(hex, sizeof(hex));
	}
	len += snprintf(text + len, FILE_MAX + 1 - (size_t)len, "primary %u\n", keys->primary);
	return (size_t)len;
}

/* Writes the file with mode 0400; false with errno, and the old file is unchanged. */
static bool
key_file_write(const char *path, const struct keys *keys, const struct stat *like)
{
	const struct file_put put = {
		.mode = 0400, .like = like, .fresh = like == NULL, .locked = like != NULL};
	char text[FILE_MAX + 1];
	size_t len = key_file_print_keys(keys, text);
	bool done = file_write(path, text, len, &put);
	int error = errno;

	sodium_memzero(text, sizeof(text));
	errno = error;
	return done;
}

/* Appends a new key. */
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
	bool done = key_file_write(path, &keys, NULL);
	int error = errno;
	if (!done)
		(void)snprintf(why, SECRET_WHY_MAX, "cannot create the key file %s: %s", path,
			       error == EEXIST ? "there is one already" : remedy_text(error));
	sodium_memzero(&keys, sizeof(keys));
	errno = error;
	return done;
}

/* "12": only digits, not 0. */
static bool
key_file_parse_id(const char *text, uint32_t *id)
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

	/* Without an end pointer, sodium_hex2bin() refuses any character that is not a hexadecimal
	 * digit. */
	if (keys->count == KEYS_MAX || keys_find(keys, id, sealing) != NULL ||
	    strlen(hex) != (size_t)2 * KEY_BYTES ||
	    sodium_hex2bin(key->bytes, KEY_BYTES, hex, strlen(hex), NULL, NULL, NULL) != 0)
		return false;
	key->id = id;
	key->sealing = sealing;
	keys->count++;
	return true;
}

/* Parses one line, which it splits into words. */
static bool
key_file_parse_line(void *arg, unsigned number_of_line, char *line)
{
	struct keys *keys = arg;
	char *state = NULL;
	const char *use = strtok_r(line, " ", &state), *number = strtok_r(NULL, " ", &state);
	const char *hex = strtok_r(NULL, " ", &state);
	uint32_t id;

	(void)number_of_line;
	if (number == NULL || !key_file_parse_id(number, &id) ||
	    strtok_r(NULL, " ", &state) != NULL)
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
key_file_parse_file(struct keys *keys, char *text)
{
	return ini_each(text, key_file_parse_line, keys) &&
	       keys_find(keys, keys->primary, true) != NULL && keys_find(keys, 1, false) != NULL;
}

struct stamp
keys_stamp(const struct stat *st)
{
	return (struct stamp){st->st_dev, st->st_ino, st->st_size, st->st_ctim};
}

bool
keys_read(const char *path, struct keys *keys, struct stamp *stamp, char why[SECRET_WHY_MAX])
{
	static const struct file_rules rules = {
		.what = "the master key ", .max = FILE_MAX, .closed = 077, .by_group = true};
	char text[FILE_MAX + 1];
	struct stat st;

	*keys = (struct keys){0};
	bool done = file_read(path, &rules, text, &st, why, SECRET_WHY_MAX) >= 0;
	if (done) {
		*stamp = keys_stamp(&st);
		done = key_file_parse_file(keys, text);
		if (!done)
			(void)snprintf(why, SECRET_WHY_MAX,
				       "the master key %s is not a key file of regcred, or is "
				       "damaged: put a copy of it back",
				       path);
	}
	if (!done)
		sodium_memzero(keys, sizeof(*keys));
	sodium_memzero(text, sizeof(text));
	return done;
}

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

bool
keyring_is_changeable(const char *path, char why[SECRET_WHY_MAX])
{
	char directory[DISK_PATH_MAX], *real = realpath(path, NULL);
	bool is = false;

	if (real == NULL) {
		(void)snprintf(why, SECRET_WHY_MAX, "the master key %s cannot be read: %s", path,
			       remedy_text(errno));
		return false;
	}
	disk_directory_of(real, directory);
	if (is_credential(path) || is_credential(real))
		not_writable(path, "it is a copy that systemd made for the service", why);
	else if (access(directory, W_OK | X_OK) != 0)
		not_writable(path,
			     errno == EROFS ? "its file system is read-only"
					    : "its directory is not writable",
			     why);
	else
		is = true;
	free(real);
	return is;
}

/* Replaces the file with one that holds these keys; the owner stays. */
static bool
key_file_replace(const char *path, const struct keys *keys, char why[SECRET_WHY_MAX])
{
	char *real = realpath(path, NULL);
	struct stat st;
	bool done = real != NULL && stat(real, &st) == 0 && key_file_write(real, keys, &st);

	if (!done && errno == EBUSY)
		not_writable(path, "it is mounted on its own, without its directory", why);
	else if (!done)
		(void)snprintf(why, SECRET_WHY_MAX, "cannot write the key file %s: %s", path,
			       remedy_text(errno));
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

	if (!keys_read(path, &keys, &stamp, why))
		return false;
	const char *wrong = edit(&keys, id);
	bool done = wrong == NULL && key_file_replace(path, &keys, why);
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
	if (keys_find(keys, id, true) != NULL)
		return "already has that key";
	make_key(keys, true, id);
	return NULL;
}

static const char *
edit_primary(struct keys *keys, uint32_t id)
{
	if (keys_find(keys, id, true) == NULL)
		return "does not have the key that was to become the primary one";
	keys->primary = id;
	return NULL;
}

static const char *
edit_remove(struct keys *keys, uint32_t id)
{
	size_t kept = 0;

	if (id == keys->primary)
		return "still seals with the key that was to be removed";
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
